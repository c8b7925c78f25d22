//! `sh -c TEXT` and what else shells are given to read.

use super::Inside;
use crate::read::{Dialect, Redirect, Why};
use crate::word::Word;

/// Shells of the family of `sh`, and others, whose `-c` is read as far as it is the same everywhere.
const SHELLS: &[(&str, Dialect)] = &[
    ("ash", Dialect::Posix),
    ("bash", Dialect::Bash),
    ("csh", Dialect::Foreign),
    ("dash", Dialect::Posix),
    ("elvish", Dialect::Foreign),
    ("fish", Dialect::Foreign),
    ("ksh", Dialect::Bash),
    ("mksh", Dialect::Bash),
    ("nu", Dialect::Foreign),
    ("oksh", Dialect::Bash),
    ("osh", Dialect::Bash),
    ("rbash", Dialect::Bash),
    ("sh", Dialect::Posix),
    ("tcsh", Dialect::Foreign),
    ("xonsh", Dialect::Foreign),
    ("yash", Dialect::Posix),
    ("zsh", Dialect::Bash),
];

fn dialect(name: &str) -> Option<Dialect> {
    SHELLS
        .iter()
        .find(|(shell, _)| *shell == name)
        .map(|(_, dialect)| *dialect)
}

pub(super) fn is_shell(name: &str) -> bool {
    dialect(name).is_some()
}

/// What a shell runs: the text behind `-c`, or what it reads. A script it is given is a command like any other.
pub(super) fn shell(
    name: &str,
    words: &[Word],
    input: Option<&Redirect>,
    in_shell: bool,
) -> Vec<Inside> {
    let Some(dialect) = dialect(name) else {
        return Vec::new();
    };
    let mut at = 1;
    let (mut text_follows, mut reads_input, mut inexact) = (false, false, None);
    while let Some(word) = words.get(at) {
        let Word::Known(option) = word else {
            if text_follows || is_file(word) {
                break;
            }
            // It may be `-c`, or a script.
            return vec![Inside::Unknown(Why::Made)];
        };
        if option == "--" || option == "-" {
            at += 1;
            break;
        }
        if !option.starts_with(['-', '+']) || option.len() == 1 {
            break;
        }
        at += 1;
        if let Some(long) = option.strip_prefix("--") {
            match long {
                "login" | "norc" | "noprofile" | "posix" | "restricted" | "verbose"
                | "noediting" | "no-rcs" | "no-config" | "no-globalrcs" => {}
                "command" => text_follows = true,
                _ if long.starts_with("command=") => {
                    let text = long["command=".len()..].to_owned();
                    return vec![text_at(at - 1, Word::Known(text), dialect, inexact)];
                }
                "help" | "version" => return Vec::new(),
                // A file that is read first.
                "rcfile" | "init-file" | "init-command" => {
                    inexact = Some(Why::Names);
                    at += 1;
                }
                _ => return vec![Inside::Unknown(Why::Language)],
            }
            continue;
        }
        let letters = &option[1..];
        if !letters.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return vec![Inside::Unknown(Why::Language)];
        }
        if option.starts_with('-') {
            text_follows |= letters.contains('c');
            reads_input |= letters.contains('s');
        }
        if letters.contains(['o', 'O']) {
            // The name of a setting.
            match words.get(at).and_then(Word::known) {
                Some("pipefail" | "errexit" | "nounset" | "xtrace") => {}
                _ => inexact = Some(Why::Names),
            }
            at += 1;
        }
        if letters.contains('C') && dialect == Dialect::Foreign {
            return vec![Inside::Unknown(Why::Language)];
        }
    }
    if text_follows {
        return match words.get(at) {
            Some(word) => vec![text_at(at, word.clone(), dialect, inexact)],
            None => Vec::new(),
        };
    }
    // `dash -`: its input as well.
    if at < words.len() && !reads_input {
        return match &words[at] {
            Word::Known(script) if is_input(script) => vec![reads(input, dialect)],
            Word::Known(_) => Vec::new(),
            script if is_file(script) => Vec::new(),
            _ => vec![Inside::Unknown(Why::Made)],
        };
    }
    match input {
        Some(_) => vec![reads(input, dialect)],
        // Another command writes what it reads; by itself it is a person's shell.
        None if in_shell => vec![Inside::Unknown(Why::Made)],
        None => Vec::new(),
    }
}

/// Whether it surely is the path of a file, and no option: `"$dir/run.sh"`.
fn is_file(word: &Word) -> bool {
    match word {
        Word::Open(glob) => {
            let head = glob.head();
            !is_input(head) && !head.starts_with(['-', '+']) && glob.tail().contains('/')
        }
        Word::Known(_) | Word::Each(_) => false,
    }
}

/// Whether a file is what was opened already.
pub(super) fn is_input(path: &str) -> bool {
    path.starts_with("/dev/fd/") || path.starts_with("/dev/stdin") || path.starts_with("/proc/")
}

fn reads(input: Option<&Redirect>, dialect: Dialect) -> Inside {
    match input {
        Some(Redirect::Here(Some(text))) => {
            text_at(0, Word::Known(text.clone()), dialect, Some(Why::Made))
        }
        _ => Inside::Unknown(Why::Made),
    }
}

fn text_at(at: usize, text: Word, dialect: Dialect, inexact: Option<Why>) -> Inside {
    Inside::Text {
        at,
        text,
        dialect,
        set: Vec::new(),
        inexact,
    }
}
