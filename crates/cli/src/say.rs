//! Ringfence's own words: errors and notes on stderr, answers on stdout. A reader that has
//! gone away has had enough, and is no reason to crash.

use std::ffi::OsString;
use std::fmt::{self, Display};
use std::io::Write;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use ringfence::{Error, Kind};
use ringfence_ops::Shortfall;
use ringfence_policy::{Decision, plain};

use crate::command;
use crate::exit::ExitCode;
use crate::grammar::whole;
use crate::sys;

/// Something that was asked about does not hold.
pub(crate) const NO: u8 = 1;
/// Ringfence itself failed or refused.
pub(crate) const REFUSED: u8 = 125;

/// A line on stderr.
pub(crate) fn line(text: impl Display) {
    // There is no other place to complain in.
    let _closed = writeln!(std::io::stderr(), "ringfence: {text}");
}

/// Says what went wrong and gives the exit code for it.
pub(crate) fn error(error: &Error) -> u8 {
    match error {
        // What it lacks in there nobody can mend, nor need.
        Error::Refused(_) if ringfence::environment::inside().is_some() => line(
            "this runs in a ring already, which makes no others, and confines what is run in it: run the command as it is",
        ),
        Error::Refused(refusal) => line(refused(&refusal.lacking)),
        Error::Forbidden(verdict) => line(format_args!("not run: {}", Plain(verdict.line()))),
        // Asked about all the same: no rule wants it.
        Error::Asks(question) if question.verdict().decision == Decision::Allow => {
            line(
                "not run: [approval] ask = \"always\" has every command asked about\n  nobody is here who could be asked: \
                 run it at a terminal, where you are; or set ask to another word (`ringfence policy show` says where it stands)",
            );
        }
        Error::Asks(question) => line(format_args!(
            "not run: {}\n  nobody is here who could be asked: run it at a terminal, where you are; or change the rule \
             that asks, or, where it is built in, allow it by one of your own (`ringfence rules why` shows which holds)",
            Plain(question.verdict().line())
        )),
        error => line(error),
    }
    match error.kind() {
        Kind::Ringfence => REFUSED,
        Kind::NotExecutable => 126,
        Kind::NotFound => 127,
    }
}

/// Each promise that cannot be kept; what mends several is said once.
fn refused(lacking: &[Shortfall]) -> String {
    let mut text = String::from("this machine cannot enforce the policy:");
    let mut remedies: Vec<&str> = Vec::new();
    for Shortfall {
        promise,
        what,
        remedy,
        accepted: _,
    } in lacking
    {
        text.push_str(&format!("\n  {promise}: {}", Plain(what)));
        if !remedy.is_empty() && !remedies.contains(&remedy.as_str()) {
            remedies.push(remedy);
        }
    }
    for remedy in remedies {
        text.push_str(&format!("\n  to have it: {}", Plain(remedy)));
    }
    text.push_str("\n  to do without:");
    for short in lacking {
        text.push_str(&format!(" --accept {}", short.promise));
    }
    text.push_str(" (or [enforcement] accept)");
    text
}

/// Says why Ringfence did not do what was asked.
pub(crate) fn refuse(text: impl Display) -> ExitCode {
    line(text);
    ExitCode::from(REFUSED)
}

/// Writes to stdout what was asked for.
pub(crate) fn out(text: impl Display) -> ExitCode {
    out_with(text, ExitCode::SUCCESS)
}

/// Writes to stdout, and gives this exit code if that could be done.
pub(crate) fn out_with(text: impl Display, code: ExitCode) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            refuse(format_args!("stdout: {error}"))
        }
        _ => code,
    }
}

/// Writes a line to stdout as it comes; `false` when nobody reads it any more.
pub(crate) fn stream(text: impl Display) -> bool {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .is_ok()
}

/// A name or a foreign text as one line shows it, whatever is in it.
pub(crate) struct Plain<T>(pub(crate) T);

impl<T: AsRef<Path>> Display for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(&self.0.as_ref().to_string_lossy()))
    }
}

/// Says what was typed wrong, in one line; help and version are what was asked for.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let asked_for = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    let code = told(error);
    if asked_for { code } else { or_block(code) }
}

/// The exit code of what could not be done. An agent takes any but one of its hook's for leave to run the command as it
/// is: a hook that cannot answer must not let it go for that.
pub(crate) fn or_block(code: ExitCode) -> ExitCode {
    let mut words = sys::words().into_iter().skip(1);
    match words.next().is_some_and(|verb| verb == "hook") {
        true => ExitCode::from(command::BLOCK),
        false => code,
    }
}

fn told(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => out(error.render()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _closed = write!(std::io::stderr(), "{}", error.render());
            ExitCode::from(REFUSED)
        }
        _ => {
            let message = in_one_line(error, sys::words().into_iter().skip(1));
            let code = refuse(&message);
            if wants_json(sys::words().into_iter().skip(1)) {
                command::not_understood(&message, REFUSED);
            }
            code
        }
    }
}

/// Whether a line of JSON was asked for, by words that could not be parsed: before the command's own
/// words, which begin at the first that is no flag and no flag's value.
fn wants_json(mut words: impl Iterator<Item = OsString>) -> bool {
    let verb = words.next().unwrap_or_default();
    if verb != "run" && verb != "shell" {
        return false;
    }
    let whole = whole();
    let takes_value = |name: &str| {
        whole.find_subcommand(&verb).is_some_and(|verb| {
            verb.get_arguments().any(|argument| {
                argument.get_long() == Some(name) && argument.get_action().takes_values()
            })
        })
    };
    while let Some(word) = words.next() {
        let Some(flag) = word.to_str().and_then(|word| word.strip_prefix("--")) else {
            if word.to_string_lossy().starts_with('-') {
                continue;
            }
            return false;
        };
        match flag {
            "" => return false,
            "json" => return true,
            flag if takes_value(flag) => {
                let _value = words.next();
            }
            _ => {}
        }
    }
    false
}

/// The command that was meant, as far as it was named.
fn meant(words: impl Iterator<Item = OsString>) -> String {
    let mut command = whole();
    let mut name = String::from("ringfence");
    for word in words {
        match word.to_str().and_then(|word| command.find_subcommand(word)) {
            Some(below) => {
                name.push(' ');
                name.push_str(below.get_name());
                command = below.clone();
            }
            None => break,
        }
    }
    name
}

fn in_one_line(error: &clap::Error, words: impl Iterator<Item = OsString>) -> String {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n");
    let what = paragraphs.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(what);
    let mut message = what.split_whitespace().collect::<Vec<_>>().join(" ");
    let command = meant(words);
    for paragraph in paragraphs {
        for line in paragraph.lines().map(str::trim) {
            if let Some(tip) = line.strip_prefix("tip: ") {
                message.push_str("; ");
                message.push_str(tip);
            }
        }
    }
    if let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
        && command == "ringfence"
    {
        message.push_str(&format!("; to run a command: ringfence run -- {word}"));
    }
    // It quotes what was typed, which somebody else may have put together.
    plain(&format!("{message}; see `{command} --help`"))
}

#[cfg(test)]
mod tests {
    use super::{Plain, in_one_line};
    use crate::grammar::Cli;
    use clap::Parser;
    use std::ffi::OsString;

    fn typed(words: &[&str]) -> String {
        match Cli::try_parse_from(words) {
            Ok(cli) => format!("{cli:?}"),
            Err(error) => in_one_line(&error, words.iter().skip(1).map(OsString::from)),
        }
    }

    #[test]
    fn what_is_typed_wrong_is_told_in_one_line_with_a_way_out() {
        for (words, said) in [
            (
                &["ringfence", "run", "--wriet", "x", "--", "true"][..],
                "unexpected argument '--wriet' found; a similar argument exists: '--write'; to \
                 pass '--wriet' as a value, use '-- --wriet'; see `ringfence run --help`",
            ),
            (
                &["ringfence", "run"],
                "the following required arguments were not provided: <COMMAND>...; see \
                 `ringfence run --help`",
            ),
            (
                &["ringfence", "ls", "-l"],
                "unrecognized subcommand 'ls'; to run a command: ringfence run -- ls; see \
                 `ringfence --help`",
            ),
            (&["ringfence", "run", "--timeout", "soon", "true"], ""),
        ] {
            let line = typed(words);
            assert!(!line.contains('\n'), "{line:?}");
            if said.is_empty() {
                assert!(
                    line.contains("--timeout") && line.ends_with("`ringfence run --help`"),
                    "{line}"
                );
            } else {
                assert_eq!(line, said);
            }
        }
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        assert_eq!(Plain("a\x1b[2J\nb").to_string(), "a\\u{1b}[2J\\nb");
        assert_eq!(Plain("a\u{202e}b").to_string(), "a\\u{202e}b");
    }
}
