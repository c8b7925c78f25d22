//! Gives ringfence.exe what Windows reads in it.
#![forbid(unsafe_code)]

fn main() -> Result<(), ringfence_resources::EmbedError> {
    ringfence_resources::embed("ringfence", "Ringfence: runs a command in a ring")
}
