//! What the commands of a string do to each other: builtins that set variables, or change what names mean.

use crate::names::{
    self, Variable, declares, harmless_variable, is_calculated, is_table_of_names, variable,
};
use crate::read::{Reading, Why};
use crate::unwrap;
use crate::word::Word;

/// What the commands of a string do to each other.
pub(crate) fn effects(reading: &mut Reading) {
    let mut effects = Vec::new();
    let mut set_text = false;
    let alone = reading.commands.len() == 1 && !reading.sets_text;
    for command in &reading.commands {
        if command.words.is_empty() {
            let harmless = |(name, _): &(String, Word)| names::harmless_variable(name);
            if !command.assigned.iter().all(harmless) {
                effects.push(Effect::None);
                set_text = true;
            }
        }
        let (words, assigns) = behind_prefixes(&command.words);
        if assigns {
            effects.push(Effect::Sets);
        }
        let Some((first, rest)) = words.split_first() else {
            continue;
        };
        let Some(name) = unwrap::program(first) else {
            continue;
        };
        let rest: Vec<Option<&str>> = rest.iter().map(Word::known).collect();
        let effect = effect(&name, &rest);
        effects.push(effect);
        if effect == Effect::Sets {
            let named = |word: &&str| {
                names::is_calculated(word.split(['=', '[', '+']).next().unwrap_or_default())
            };
            reading.calculates |= rest.iter().flatten().any(named);
        }
        // What is read again here counts for what stands around it. Where nothing does it is judged by itself.
        if matches!(name.as_str(), "eval" | "trap") && !alone {
            let inner = rest.iter().flatten().map(|text| inner(text));
            for inner in inner {
                reading.sets_text |= inner.sets;
                reading.calculates |= inner.calculates;
            }
            if name == "eval" {
                effects.push(Effect::Names);
            }
        }
        if calculates_names(&name) {
            if rest.iter().flatten().any(|word| names::runs_in_index(word)) {
                effects.push(Effect::Alias);
            }
            reading.calculates |= calculates_index(&name, &words[1..]);
            reading.sets_text |= rest.iter().flatten().any(|word| word.contains("[_"));
        }
        // A word that is open and has a beginning is no option.
        let options: Vec<Option<&str>> = words[1..]
            .iter()
            .map(|word| match word.is_option() {
                Some(false) => Some(""),
                _ => word.known(),
            })
            .collect();
        reading.calculates |= calculates_values(&name, &options);
    }
    if set_text {
        reading.not_exact(Why::Variable);
    }
    for effect in effects {
        match effect {
            Effect::None => {}
            Effect::Names => reading.not_exact(Why::Names),
            Effect::Sets => {
                reading.sets_text = true;
                reading.not_exact(Why::Variable);
            }
            Effect::Alias => reading.is_opaque(Why::Alias),
        }
    }
    if reading.calculates && reading.sets_text {
        reading.is_opaque(Why::Arithmetic);
    }
}

/// Whether a builtin may be given a name with an index that holds names, quoted or not.
fn calculates_index(name: &str, words: &[Word]) -> bool {
    let given = |option: &str| {
        let mut texts = words.iter().filter_map(Word::known);
        texts.any(|text| text.starts_with(option))
    };
    let takes_names = match name {
        "test" | "[" => given("-v") || given("-R"),
        "printf" => given("-v"),
        _ => true,
    };
    let named = |text: &str| {
        text.split_once('[').is_some_and(|(name, index)| {
            !name.is_empty() && index.contains(|c: char| c.is_ascii_alphabetic() || c == '_')
        })
    };
    let indexed = |word: &Word| match word {
        Word::Known(text) => named(text),
        Word::Open(glob) => named(glob.head()),
        // Unquoted it is a pattern too.
        Word::Each(glob) => !glob.head().is_empty(),
    };
    takes_names && words.iter().any(indexed)
}

/// A command behind `command -p`, `builtin`, `time -p ! x=1` and what else leaves a builtin one; and whether variables
/// were set on the way.
fn behind_prefixes(words: &[Word]) -> (&[Word], bool) {
    let mut words = words;
    let mut assigns = false;
    while let Some((Word::Known(name), rest)) = words.split_first() {
        let timed = name == "time";
        if !timed
            && !matches!(
                name.as_str(),
                "builtin" | "command" | "!" | "noglob" | "nocorrect" | "-"
            )
        {
            break;
        }
        let is_option = |word: &Word| word.is_option() == Some(true);
        words = &rest[rest.iter().take_while(|word| is_option(word)).count()..];
        while timed && let Some((first, rest)) = words.split_first() {
            let sets = unwrap::assignment(first).is_some();
            if !sets && first.known() != Some("!") {
                break;
            }
            assigns |= sets;
            words = rest;
        }
    }
    (words, assigns)
}

/// What a builtin does to what stands around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Nothing that matters.
    None,
    /// Later names may mean something else.
    Names,
    /// It sets variables to text from elsewhere.
    Sets,
    /// Names mean what the string itself says from now on.
    Alias,
}

/// What a command of this name and these words does to the commands around it. A word that is not known is
/// `None`.
fn effect(name: &str, words: &[Option<&str>]) -> Effect {
    // An option with one of these letters, or a word that may be one.
    let option = |letters: &[char]| {
        words
            .iter()
            .any(|word| word.is_none_or(|word| word.starts_with('-') && word.contains(letters)))
    };
    // What it is given the name of is run, or gives names a meaning.
    let names_what_runs = || {
        words.iter().flatten().any(|word| {
            let name = word.split(['=', '[']).next().unwrap_or_default();
            let name = name.strip_suffix('+').unwrap_or(name);
            variable(name) != Variable::Plain || word.contains('[') && is_table_of_names(name)
        })
    };
    match name {
        "alias" if !words.is_empty() => Effect::Alias,
        // A function or a command that is run for each line, for each word, or with words of jobs.
        "mapfile" | "readarray" if option(&['C']) || names_what_runs() => Effect::Alias,
        "compgen" if option(&['C', 'F', 'W']) => Effect::Alias,
        "jobs" if option(&['x']) => Effect::Alias,
        // Any name for any program.
        "hash" if option(&['p']) => Effect::Alias,
        "unalias" | "source" | "." | "enable" | "hash" | "bind" | "complete" | "compopt"
        | "trap" | "emulate" | "setopt" | "unsetopt" | "zmodload" | "autoload" | "rehash" => {
            Effect::Names
        }
        "shopt" => {
            // With this an alias counts.
            let aliases = |word: &Option<&str>| word.is_none_or(|word| word == "expand_aliases");
            if words.iter().any(aliases) {
                Effect::Alias
            } else {
                Effect::Names
            }
        }
        "set" => {
            let usual = |word: &Option<&str>| {
                word.is_some_and(|word| {
                    matches!(word, "pipefail" | "errexit" | "nounset" | "xtrace")
                        || word
                            .strip_prefix(['-', '+'])
                            .is_some_and(|letters| letters.chars().all(|c| "euxo".contains(c)))
                })
            };
            if words.iter().all(usual) {
                Effect::None
            } else {
                Effect::Sets
            }
        }
        "export" | "declare" | "typeset" | "readonly" | "local" | "integer" | "float" => {
            let part = |word: &str| {
                let name = word.split(['=', '[']).next().unwrap_or_default();
                name.strip_suffix('+').unwrap_or(name).to_owned()
            };
            let table = |word: &&str| {
                let name = part(word);
                variable(&name) == Variable::Names || word.contains('[') && is_table_of_names(&name)
            };
            let harmless = |word: &Option<&str>| {
                word.is_some_and(|word| harmless_variable(&part(word)) || word == "-x")
            };
            if words.iter().flatten().any(table) {
                Effect::Alias
            } else if words.iter().all(harmless) {
                Effect::None
            } else {
                Effect::Sets
            }
        }
        "read" | "getopts" | "vared" if names_what_runs() => Effect::Alias,
        "read" | "mapfile" | "readarray" | "getopts" | "unset" | "let" | "vared" => Effect::Sets,
        "printf"
            if words
                .first()
                .is_some_and(|word| word.is_none_or(|w| w.starts_with("-v"))) =>
        {
            let attached = words[0].and_then(|word| word.strip_prefix("-v"));
            let name = match attached {
                Some("") => words.get(1).copied().flatten(),
                other => other,
            };
            match name.map(|name| name.split('[').next().unwrap_or_default()) {
                Some(name) if variable(name) == Variable::Plain => Effect::Sets,
                _ => Effect::Alias,
            }
        }
        _ => Effect::None,
    }
}

/// What a text that is read again, now or later, may do to the variables around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Inner {
    /// It sets them.
    sets: bool,
    /// It gives them a kind by which they are calculated.
    calculates: bool,
}

fn inner(text: &str) -> Inner {
    // Quotes inside a name hide it from nobody.
    let bare: String = text
        .chars()
        .filter(|c| !matches!(c, '\'' | '"' | '\\' | '\n'))
        .collect();
    let mut inner = Inner {
        sets: bare.contains('='),
        calculates: false,
    };
    for word in bare.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let declares = matches!(
            word,
            "declare" | "typeset" | "local" | "readonly" | "export" | "let" | "integer" | "float"
        );
        inner.calculates |= declares || is_calculated(word);
        inner.sets |= declares
            || matches!(
                word,
                "read"
                    | "printf"
                    | "set"
                    | "getopts"
                    | "mapfile"
                    | "readarray"
                    | "for"
                    | "select"
                    | "eval"
                    | "source"
                    | "shift"
            );
    }
    inner
}

/// Whether a builtin gives variables a kind by which what is assigned to them is calculated, or calculates itself.
fn calculates_values(name: &str, words: &[Option<&str>]) -> bool {
    let kind = |word: &Option<&str>| match word {
        Some(word) => word
            .strip_prefix(['-', '+'])
            .is_some_and(|letters| letters.contains(['i', 'n', 'A'])),
        // What is not known is more likely a list of `NAME=value`: `export $(cat .env)`.
        None => !matches!(name, "export" | "readonly"),
    };
    declares(name) && words.iter().any(kind) || matches!(name, "let" | "integer" | "float")
}

/// Whether a builtin calculates the index in a name it is given.
fn calculates_names(name: &str) -> bool {
    matches!(
        name,
        "test"
            | "["
            | "printf"
            | "unset"
            | "read"
            | "declare"
            | "typeset"
            | "local"
            | "export"
            | "readonly"
            | "let"
            | "mapfile"
            | "readarray"
            | "getopts"
            | "wait"
    )
}
