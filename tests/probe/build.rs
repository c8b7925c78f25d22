//! Gives ringfence-probe.exe what Windows reads in it.
#![forbid(unsafe_code)]

fn main() -> Result<(), ringfence_resources::EmbedError> {
    ringfence_resources::embed("ringfence-probe", "Ringfence: tries to get out of a ring")
}
