//! Gives ringfence-runner.exe what Windows reads in it.
#![forbid(unsafe_code)]

fn main() -> Result<(), ringfence_resources::EmbedError> {
    ringfence_resources::embed(
        "ringfence-runner",
        "Ringfence runner: builds the ring around a command",
    )
}
