//! What `ringfence` becomes for all that is not a plain command.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    ringfence_cli::everything().into()
}
