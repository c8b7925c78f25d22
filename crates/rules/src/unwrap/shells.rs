//! `sh -c TEXT` and what else shells are given to read.

use super::Inside;
use crate::read::{Dialect, Redirect, Why};
use crate::word::{Word, normal};

/// Shells of the family of `sh`, and others, whose `-c` is read as far as it is the same everywhere.
const SHELLS: &[(&str, Dialect)] = &[
    ("ash", Dialect::Posix),
    ("bash", Dialect::Bash),
    ("csh", Dialect::Foreign),
    ("dash", Dialect::Posix),
    ("elvish", Dialect::Foreign),
    ("es", Dialect::Foreign),
    ("fish", Dialect::Foreign),
    ("hush", Dialect::Posix),
    ("ion", Dialect::Foreign),
    ("ksh", Dialect::Bash),
    ("lksh", Dialect::Bash),
    ("loksh", Dialect::Bash),
    ("mksh", Dialect::Bash),
    ("nu", Dialect::Foreign),
    ("oksh", Dialect::Bash),
    ("osh", Dialect::Bash),
    ("pdksh", Dialect::Bash),
    ("posh", Dialect::Posix),
    ("rbash", Dialect::Bash),
    ("rc", Dialect::Foreign),
    ("rzsh", Dialect::Bash),
    ("sash", Dialect::Foreign),
    ("sh", Dialect::Posix),
    ("tcsh", Dialect::Foreign),
    ("xonsh", Dialect::Foreign),
    ("yash", Dialect::Posix),
    ("ysh", Dialect::Foreign),
    ("zsh", Dialect::Bash),
];

fn dialect(name: &str) -> Option<Dialect> {
    // `bash-5.2`, `ksh93`.
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || "-._".contains(c));
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
        let Some(word) = words.get(at) else {
            return Vec::new();
        };
        // The first parameter is the name of the shell, which few texts speak of.
        let named = word.known().is_none_or(|text| {
            ["$0", "${0", "BASH_ARGV0", "argv"]
                .iter()
                .any(|name| text.contains(name))
        });
        let first = if named { at + 1 } else { at + 2 };
        let inside = text_at(at, word.clone(), dialect, inexact);
        return vec![inside.given(words, first)];
    }
    // `dash -`: its input as well.
    if let Some(script) = words.get(at).filter(|_| !reads_input) {
        return match script {
            Word::Known(path) if is_descriptor_0(path) => {
                vec![reads(input, dialect).given(words, at + 1)]
            }
            script if may_be_input(script) => vec![Inside::Unknown(Why::Made)],
            Word::Known(_) => Vec::new(),
            script if is_file(script) => Vec::new(),
            _ => vec![Inside::Unknown(Why::Made)],
        };
    }
    match input {
        Some(_) => vec![reads(input, dialect).given(words, at)],
        // Another command writes what it reads; by itself it is a person's shell.
        None if in_shell => vec![Inside::Unknown(Why::Made)],
        None => Vec::new(),
    }
}

impl Inside {
    /// The same with parameters, from a word on: what they are may be calculated.
    fn given(mut self, words: &[Word], from: usize) -> Self {
        if let Self::Text { given_text, .. } = &mut self {
            let number = |word: &Word| {
                let text = word.known();
                text.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            };
            *given_text = !words.iter().skip(from).all(number);
        }
        self
    }
}

/// `at TIME` and `batch` hand what they read to a shell, later.
pub(super) fn at(words: &[Word], input: Option<&Redirect>, in_shell: bool) -> Option<Inside> {
    // These list, show and remove, or name a file instead.
    let other = ["-l", "-r", "-d", "-c", "-V", "-f"];
    let reads_none = |word: &Word| word.known().is_some_and(|text| other.contains(&text));
    if words.iter().any(reads_none) || input.is_none() && !in_shell {
        return None;
    }
    Some(reads(input, Dialect::Posix))
}

/// Whether it surely is the path of a file, and no option: `"$dir/run.sh"`.
fn is_file(word: &Word) -> bool {
    match word {
        Word::Open(glob) => !glob.head().starts_with(['-', '+']) && glob.tail().contains('/'),
        Word::Known(_) | Word::Each(_) => false,
    }
}

/// Whether a file may be what was opened already: `//dev/./stdin`, `"/dev/$x"`.
pub(crate) fn may_be_input(word: &Word) -> bool {
    match word {
        Word::Known(path) => is_input(path),
        Word::Open(glob) | Word::Each(glob) => {
            let head = below_root(glob.head());
            is_input(glob.head()) || matches!(head.as_str(), "dev" | "proc" | "dev/fd")
        }
    }
}

/// A path without its way to the root, which may be the directory it is looked up in.
fn below_root(path: &str) -> String {
    let normal = normal(path);
    let parts = normal
        .split('/')
        .skip_while(|part| matches!(*part, "" | ".."));
    parts.collect::<Vec<_>>().join("/")
}

fn is_input(path: &str) -> bool {
    let below = below_root(path);
    let relative = !path.starts_with(['/', '.']);
    below.starts_with("dev/fd/")
        || below.starts_with("dev/stdin")
        || below.starts_with("proc/self/")
        || below.starts_with("proc/") && !relative
}

fn is_descriptor_0(path: &str) -> bool {
    matches!(
        below_root(path).as_str(),
        "dev/stdin" | "dev/fd/0" | "proc/self/fd/0"
    )
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
        given_text: false,
        inexact,
    }
}
