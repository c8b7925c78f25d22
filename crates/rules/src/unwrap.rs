//! Commands that run commands: what stands inside them.

mod find;
mod git;
mod options;
mod others;
mod shells;
mod windows;

use crate::read::{Dialect, Redirect, Why};
use crate::word::Word;
use options::{Spec, operands};
pub(crate) use shells::may_be_input;

/// What a command runs.
#[derive(Debug)]
pub(crate) enum Inside {
    /// A command that begins with its word `at`.
    Command {
        at: usize,
        words: Vec<Word>,
        /// Variables it sets for it.
        set: Vec<(String, Word)>,
        /// Why it is not known exactly that this runs.
        inexact: Option<Why>,
    },
    /// A text that a shell reads, its word `at`.
    Text {
        at: usize,
        text: Word,
        dialect: Dialect,
        set: Vec<(String, Word)>,
        /// Whether it is given parameters that are texts.
        given_text: bool,
        inexact: Option<Why>,
    },
    /// What cannot be told; each word may begin a command.
    Unknown(Why),
    /// It is a command in its own right, and may run one that begins with any of its words from here.
    Among {
        from: usize,
        /// How many operands surely stand before that.
        own: usize,
        /// Whether each of the words may be a text that a shell reads.
        texts: bool,
    },
    /// It is this command too, or runs it beside its own work: that can ask and forbid.
    Alike(Vec<Word>),
}

impl Inside {
    fn command(at: usize, words: &[Word]) -> Self {
        Self::Command {
            at,
            words: words[at..].to_vec(),
            set: Vec::new(),
            inexact: None,
        }
    }

    fn among(from: usize) -> Self {
        Self::Among {
            from,
            own: 0,
            texts: false,
        }
    }

    /// A text that a shell reads, beside the command it stands in.
    fn beside(at: usize, text: &str, why: Why) -> Self {
        Self::Text {
            at,
            text: Word::Known(text.to_owned()),
            dialect: Dialect::Posix,
            set: Vec::new(),
            given_text: false,
            inexact: Some(why),
        }
    }
}

/// The last part of a path, without the ending that Windows gives programs, in lower case.
pub(crate) fn program(word: &Word) -> Option<String> {
    let name = match word {
        Word::Known(text) => text.as_str(),
        // What stands behind the last slash is known.
        Word::Open(glob) if glob.tail().contains('/') => glob.tail(),
        Word::Open(_) | Word::Each(_) => return None,
    };
    Some(program_name(name))
}

pub(crate) fn program_name(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let name = name.to_ascii_lowercase();
    for ending in [".exe", ".cmd", ".bat", ".com", ".ps1"] {
        if let Some(bare) = name.strip_suffix(ending)
            && !bare.is_empty()
        {
            return bare.to_owned();
        }
    }
    name
}

/// The most words that may be options or assignments of `time`.
const MOST_EARLY: usize = 8;

/// The programs of GNU as other systems call them: `gtimeout`.
fn bare(name: &str) -> &str {
    const PREFIXED: &[&str] = &[
        "env", "find", "nice", "nohup", "stdbuf", "time", "timeout", "xargs",
    ];
    name.strip_prefix('g')
        .filter(|bare| PREFIXED.contains(bare))
        .unwrap_or(name)
}

/// What a command runs, if it is one that does. `input` is what its descriptor 0 is redirected to; `in_shell` says
/// that it stands in a shell string.
pub(crate) fn inside(words: &[Word], input: Option<&Redirect>, in_shell: bool) -> Vec<Inside> {
    let Some(name) = words.first().and_then(program) else {
        return Vec::new();
    };
    let name = bare(&name);
    let one = |inside| vec![inside];
    if let Some(spec) = options::spec(name) {
        let inner = simple(words, spec);
        let mut inside = Vec::new();
        // To bash it has one option, and takes assignments that are not quoted; to the program it has others, and
        // they are names: a command may begin anywhere before the one that is found.
        if spec.before_not {
            let found = match &inner {
                Inside::Command { at, .. } => *at,
                _ => words.len(),
            };
            let early = 1..found.min(MOST_EARLY);
            inside.extend(early.map(|at| Inside::Alike(words[at..].to_vec())));
            if found > MOST_EARLY {
                inside.push(Inside::Unknown(Why::Size));
            }
        }
        inside.push(inner);
        return inside;
    }
    match name {
        "env" => one(env(words)),
        "command" => command(words).into_iter().collect(),
        "xargs" => one(find::xargs(words)),
        "find" => find::find(words),
        "fd" | "fdfind" => find::fd(words),
        "rg" => others::rg(words),
        "eval" => one(eval(words)),
        "trap" => trap(words).into_iter().collect(),
        "watch" => one(watch(words)),
        "parallel" | "sem" | "rush" => others::parallel(words),
        "at" | "batch" | "newgrp" => shells::at(words, input, in_shell).into_iter().collect(),
        "busybox" | "toybox" if words.len() > 1 => one(Inside::command(1, words)),
        "cmd" => windows::cmd(words).into_iter().collect(),
        "powershell" | "pwsh" => windows::powershell(words).into_iter().collect(),
        "git" => git::git(words),
        // It hands what it does not know to git.
        "hub" => {
            let git = [Word::Known("git".to_owned())];
            one(Inside::Alike([&git, &words[1..]].concat()))
        }
        "source" | "." => source(words).into_iter().collect(),
        _ if shells::is_shell(name) => shells::shell(name, words, input, in_shell),
        _ if name == "py" || name.starts_with("python") || name.starts_with("pypy") => {
            others::python(words).into_iter().collect()
        }
        _ => match name.strip_prefix("git-") {
            Some(subcommand) => {
                let named = ["git", subcommand].map(|word| Word::Known(word.to_owned()));
                one(Inside::Alike([&named, &words[1..]].concat()))
            }
            None => others::others(name, words),
        },
    }
}

/// `nohup CMD`, `timeout -k 5 10 CMD` and their like.
fn simple(words: &[Word], spec: &Spec) -> Inside {
    let Ok(mut at) = operands(words, 1, spec) else {
        return Inside::Unknown(Why::Expansion);
    };
    for _ in 0..spec.operands {
        match words.get(at) {
            Some(word) if word.is_one() => at += 1,
            Some(_) => return Inside::Unknown(Why::Expansion),
            None => return Inside::among(words.len()),
        }
    }
    // To bash it is a word of the grammar, and this another.
    while spec.before_not && words.get(at).and_then(Word::known) == Some("!") {
        at += 1;
    }
    let mut set = Vec::new();
    if spec.sets {
        while let Some((name, value)) = words.get(at).and_then(assignment) {
            set.push((name, value));
            at += 1;
        }
    }
    if at >= words.len() {
        return Inside::among(words.len());
    }
    let inexact = (spec.before_not && !set.is_empty()).then_some(Why::Variable);
    Inside::Command {
        at,
        words: words[at..].to_vec(),
        set,
        inexact,
    }
}

/// `NAME=value` as a word.
pub(crate) fn assignment(word: &Word) -> Option<(String, Word)> {
    match word {
        Word::Known(text) => {
            let (name, value) = text.split_once('=')?;
            (!name.is_empty()).then(|| (name.to_owned(), Word::Known(value.to_owned())))
        }
        Word::Open(glob) => {
            let (name, _) = glob.head().split_once('=')?;
            (!name.is_empty()).then(|| (name.to_owned(), Word::Open(crate::glob::Glob::any())))
        }
        Word::Each(_) => None,
    }
}

fn env(words: &[Word]) -> Inside {
    // `-S` is a small language of its own.
    let splits = words.iter().skip(1).any(|word| {
        word.known().is_some_and(|text| {
            text.starts_with("--split-string")
                || text.starts_with('-') && !text.starts_with("--") && text.contains('S')
        })
    });
    if splits {
        return env_split(words);
    }
    simple(words, &options::ENV)
}

/// `env -S 'CMD ARG'`, where the text has nothing of that language in it but blanks.
fn env_split(words: &[Word]) -> Inside {
    let Some(Word::Known(option)) = words.get(1) else {
        return Inside::Unknown(Why::Language);
    };
    let (text, rest) = match option.as_str() {
        "-S" | "--split-string" => match words.get(2) {
            Some(Word::Known(text)) => (text.as_str(), 3),
            _ => return Inside::Unknown(Why::Language),
        },
        other => match other
            .strip_prefix("--split-string=")
            .or_else(|| other.strip_prefix("-S"))
        {
            Some(text) => (text, 2),
            None => return Inside::Unknown(Why::Language),
        },
    };
    if text.contains(['\\', '$', '"', '\'', '#', '=', '-']) {
        return Inside::Unknown(Why::Language);
    }
    let mut inner: Vec<Word> = text
        .split_ascii_whitespace()
        .map(|word| Word::Known(word.to_owned()))
        .collect();
    inner.extend_from_slice(&words[rest..]);
    if inner.is_empty() {
        return Inside::among(words.len());
    }
    Inside::Command {
        at: rest - 1,
        words: inner,
        set: Vec::new(),
        inexact: None,
    }
}

/// `command -v` only asks.
fn command(words: &[Word]) -> Option<Inside> {
    let asks = words.iter().skip(1).map_while(|word| {
        let text = word.known()?;
        text.starts_with('-').then(|| text.contains(['v', 'V']))
    });
    if asks.into_iter().any(|asks| asks) {
        return None;
    }
    Some(simple(words, &options::COMMAND))
}

/// The words are joined with blanks, and read again.
fn eval(words: &[Word]) -> Inside {
    joined(words, behind_dashes(words), Dialect::Bash)
}

/// Where the operands of a builtin begin that has no options.
pub(crate) fn behind_dashes(words: &[Word]) -> usize {
    if words.get(1).and_then(Word::known) == Some("--") {
        2
    } else {
        1
    }
}

/// Words from `at` on as one text that a shell reads.
fn joined(words: &[Word], at: usize, dialect: Dialect) -> Inside {
    let texts: Option<Vec<&str>> = words[at.min(words.len())..]
        .iter()
        .map(Word::known)
        .collect();
    match texts {
        Some(texts) => Inside::Text {
            at,
            text: Word::Known(texts.join(" ")),
            dialect,
            set: Vec::new(),
            given_text: false,
            inexact: None,
        },
        None => Inside::Unknown(Why::Made),
    }
}

/// The first operand is run later.
fn trap(words: &[Word]) -> Option<Inside> {
    let at = behind_dashes(words);
    let text = words.get(at)?;
    match text {
        Word::Known(text) if text.starts_with('-') || text.is_empty() => None,
        Word::Known(_) => Some(Inside::Text {
            at,
            text: text.clone(),
            dialect: Dialect::Bash,
            set: Vec::new(),
            given_text: false,
            inexact: Some(Why::Names),
        }),
        Word::Open(_) | Word::Each(_) => Some(Inside::Unknown(Why::Made)),
    }
}

/// A file that is sourced is a program like any other, but not where it is made in the string itself.
fn source(words: &[Word]) -> Option<Inside> {
    let mut at = 1;
    // bash 5.3: the path that the file is looked for in.
    if words.get(at).and_then(Word::known) == Some("-p") {
        at += 2;
    }
    if words.get(at).and_then(Word::known) == Some("--") {
        at += 1;
    }
    shells::may_be_input(words.get(at)?).then_some(Inside::Unknown(Why::Made))
}

/// It hands its words, joined, to `sh -c`; with `-x` it runs them.
fn watch(words: &[Word]) -> Inside {
    match operands(words, 1, &options::WATCH) {
        Ok(at) if at < words.len() => joined(words, at, Dialect::Posix),
        Ok(_) => Inside::among(words.len()),
        Err(()) => Inside::Unknown(Why::Expansion),
    }
}

/// Whether a command does nothing but run what stands inside it.
pub(crate) fn is_wrapper(words: &[Word]) -> bool {
    let Some(name) = words.first().and_then(program) else {
        return false;
    };
    let name = bare(&name);
    options::spec(name).is_some()
        || shells::is_shell(name)
        || matches!(
            name,
            "env"
                | "command"
                | "xargs"
                | "eval"
                | "watch"
                | "busybox"
                | "toybox"
                | "cmd"
                | "powershell"
                | "pwsh"
        )
}
