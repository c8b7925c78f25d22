//! Takes the words of `ringfence run`, and is no ring: it keeps nothing, says that it kept everything, is refused, or never ends, as
//! `RINGFENCE_TEST_RING` says (`nothing`, `everything`, `refused`, `forever`). The verdict on each of them is known.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what it prints is what is read"
)]

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let asked = words.iter().position(|word| word == "--");
    let (Some("run"), Some(at)) = (words.first().map(String::as_str), asked) else {
        eprintln!("ringfence: {words:?} are not the words of `run`");
        return ExitCode::from(124);
    };
    let [program, rest @ ..] = words.get(at + 1..).unwrap_or_default() else {
        return ExitCode::from(124);
    };
    match std::env::var("RINGFENCE_TEST_RING").as_deref() {
        Ok("nothing") => {
            let status = Command::new(program).args(rest).status();
            let code = status.ok().and_then(|status| status.code());
            ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(124))
        }
        Ok("everything") => {
            let name = rest.get(1).map(String::as_str).unwrap_or_default();
            println!(r#"{{"probe":"{name}","answer":"Denied","errno":5,"detail":"said to be"}}"#);
            ExitCode::from(10)
        }
        Ok("forever") => loop {
            std::thread::park();
        },
        _ => {
            eprintln!("ringfence: the test refuses");
            ExitCode::from(125)
        }
    }
}
