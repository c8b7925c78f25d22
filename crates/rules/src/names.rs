//! What names mean before anything runs: variables that change nothing, builtins that change much.

/// Variables that say how a program speaks, not what it runs. Any other may name a program, a directory of programs
/// or a file of settings.
const HARMLESS: &[&str] = &[
    "CI",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "DEBIAN_FRONTEND",
    "DJANGO_SETTINGS_MODULE",
    "FORCE_COLOR",
    "GIT_AUTHOR_DATE",
    "GIT_AUTHOR_EMAIL",
    "GIT_AUTHOR_NAME",
    "GIT_COMMITTER_DATE",
    "GIT_COMMITTER_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_MERGE_AUTOEDIT",
    "GIT_OPTIONAL_LOCKS",
    "GIT_TERMINAL_PROMPT",
    "GOARCH",
    "GOMAXPROCS",
    "GOOS",
    "LANG",
    "LANGUAGE",
    "LINES",
    "NEXT_TELEMETRY_DISABLED",
    "NODE_ENV",
    "NO_COLOR",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHASHSEED",
    "PYTHONUNBUFFERED",
    "RAILS_ENV",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "TERM",
    "TZ",
    "CARGO_INCREMENTAL",
    "CARGO_NET_OFFLINE",
    "CARGO_TERM_COLOR",
    "CARGO_TERM_PROGRESS_WHEN",
    "CARGO_BUILD_JOBS",
];

/// Whether a variable changes nothing about what runs.
pub(crate) fn harmless_variable(name: &str) -> bool {
    HARMLESS.contains(&name) || name.starts_with("LC_")
}

/// Whether the value of a variable is a command line that a program or a shell runs.
pub(crate) fn variable_is_run(name: &str) -> bool {
    const ENDS: &[&str] = &[
        "ASKPASS",
        "BROWSER",
        "COMMAND",
        "DIFF",
        "EDITOR",
        "LESSCLOSE",
        "LESSOPEN",
        "LINKER",
        "PAGER",
        "PS4",
        "RUNNER",
        "SHELL",
        "VISUAL",
        "WRAPPER",
    ];
    ENDS.iter().any(|end| name.ends_with(end)) || matches!(name, "CC" | "CXX" | "GIT_SSH")
}

/// What a builtin does to what stands around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
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
pub(crate) fn effect(name: &str, words: &[Option<&str>]) -> Effect {
    match name {
        "alias" if !words.is_empty() => Effect::Alias,
        // A function or a command that is run for each line, for each word, or with words of jobs.
        "mapfile" | "readarray" | "compgen" | "jobs"
            if words
                .iter()
                .any(|word| word.is_none_or(|word| word.starts_with('-'))) =>
        {
            Effect::Alias
        }
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
            let harmless = |word: &Option<&str>| {
                word.is_some_and(|word| {
                    let name = word.split_once('=').map_or(word, |(name, _)| name);
                    harmless_variable(name) || word == "-x"
                })
            };
            if words.iter().all(harmless) {
                Effect::None
            } else {
                Effect::Sets
            }
        }
        "read" | "mapfile" | "readarray" | "getopts" | "unset" | "let" | "vared" => Effect::Sets,
        "printf"
            if words
                .first()
                .is_some_and(|word| word.is_none_or(|w| w.starts_with("-v"))) =>
        {
            Effect::Sets
        }
        _ => Effect::None,
    }
}

/// Whether a text is a name with an index, or a list, in which a command stands.
pub(crate) fn runs_in_index(text: &str) -> bool {
    let inside = text.find(['[', '(']).map_or("", |at| &text[at + 1..]);
    inside.contains("$(") || inside.contains('`')
}

/// Whether a builtin gives variables a kind by which what is assigned to them is calculated, or calculates itself.
pub(crate) fn calculates_values(name: &str, words: &[Option<&str>]) -> bool {
    let family = matches!(
        name,
        "declare" | "typeset" | "local" | "readonly" | "export"
    );
    let kind = |word: &Option<&str>| {
        word.is_none_or(|word| {
            word.strip_prefix(['-', '+'])
                .is_some_and(|letters| letters.contains(['i', 'n', 'A']))
        })
    };
    family && words.iter().any(kind) || matches!(name, "let" | "integer" | "float")
}

/// Whether a builtin calculates the index in a name it is given.
pub(crate) fn calculates_names(name: &str) -> bool {
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
