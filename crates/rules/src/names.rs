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

/// What the value of a variable is to a program or a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variable {
    /// A text.
    Plain,
    /// A command line that is run.
    Run,
    /// A text that a shell expands, with the substitutions in it: a prompt, the path of a file that is read first.
    Expanded,
    /// The name of a setting of git, which may be one that is run.
    Setting,
    /// What names mean from now on: a function, an alias, where a program is.
    Names,
}

pub(crate) fn variable(name: &str) -> Variable {
    const ENDS: &[&str] = &[
        "ASKPASS",
        "BROWSER",
        "COMMAND",
        "DIFF",
        "EDIT",
        "EDITOR",
        "LESSCLOSE",
        "LESSOPEN",
        "LINKER",
        "PAGER",
        "RUNNER",
        "SHELL",
        "VISUAL",
        "WRAPPER",
    ];
    match name {
        "BASH_ENV" | "ENV" | "MAILPATH" | "PS0" | "PS1" | "PS2" | "PS3" | "PS4" | "PROMPT"
        | "RPROMPT" => Variable::Expanded,
        // Files of settings, which may be what the string itself writes.
        "GIT_CONFIG" | "GIT_CONFIG_GLOBAL" | "GIT_CONFIG_SYSTEM" => Variable::Expanded,
        "BASH_ALIASES" | "BASH_CMDS" | "GIT_CONFIG_PARAMETERS" => Variable::Names,
        "CC" | "CXX" | "GIT_SSH" => Variable::Run,
        _ if name.starts_with("BASH_FUNC_") => Variable::Names,
        _ if name.starts_with("GIT_CONFIG_KEY_") => Variable::Setting,
        _ if ENDS.iter().any(|end| name.ends_with(end)) => Variable::Run,
        _ => Variable::Plain,
    }
}

/// Tables of zsh in which a name stands for a command.
pub(crate) fn is_table_of_names(name: &str) -> bool {
    matches!(
        name,
        "aliases" | "galiases" | "saliases" | "commands" | "functions"
    ) || variable(name) == Variable::Names
}

/// Whether a shell calculates whatever is assigned to a variable.
pub(crate) fn is_calculated(name: &str) -> bool {
    matches!(
        name,
        "RANDOM"
            | "SRANDOM"
            | "SECONDS"
            | "LINENO"
            | "OPTIND"
            | "HISTCMD"
            | "BASHPID"
            | "BASH_SUBSHELL"
            | "EPOCHSECONDS"
            | "EPOCHREALTIME"
            | "TMOUT"
            | "HISTSIZE"
            | "SAVEHIST"
    )
}

/// What a setting of git is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Nothing that is run.
    Harmless,
    /// Another name for a command.
    Alias,
    /// A command line.
    Command,
    /// Where programs or more settings are, or that programs may be named.
    File,
}

/// From git-config(1).
pub(crate) fn setting(key: &str) -> Setting {
    let key = key.to_ascii_lowercase();
    let (Some((section, _)), Some((_, last))) = (key.split_once('.'), key.rsplit_once('.')) else {
        return Setting::Harmless;
    };
    const LAST: &[&str] = &[
        "askpass",
        "browser",
        "clean",
        "cmd",
        "difffilter",
        "driver",
        "editor",
        "external",
        "fsmonitor",
        "gitproxy",
        "helper",
        "packobjectshook",
        "pager",
        "process",
        "program",
        "receivepack",
        "smudge",
        "textconv",
        "uploadpack",
        "vcs",
    ];
    match section {
        "alias" => Setting::Alias,
        "include" | "includeif" => Setting::File,
        "filter" | "pager" | "sendemail" => Setting::Command,
        "difftool" | "mergetool" | "man" | "browser" if last == "path" => Setting::Command,
        "lfs" if last == "path" => Setting::Command,
        "submodule" if last == "update" => Setting::Command,
        _ if matches!(
            key.as_str(),
            "core.hookspath" | "init.templatedir" | "protocol.allow" | "protocol.ext.allow"
        ) =>
        {
            Setting::File
        }
        _ if last.contains("command") || LAST.contains(&last) => Setting::Command,
        _ => Setting::Harmless,
    }
}

/// Whether words `NAME=value` set variables behind this name.
pub(crate) fn declares(name: &str) -> bool {
    matches!(
        name,
        "export" | "declare" | "typeset" | "readonly" | "local"
    )
}

/// Whether a text is a name with an index, or a list, in which a command stands.
pub(crate) fn runs_in_index(text: &str) -> bool {
    let inside = text.find(['[', '(']).map_or("", |at| &text[at + 1..]);
    inside.contains("$(") || inside.contains('`')
}

/// Whether a text that is calculated speaks of `_`, the last word of the command before, which may be any text.
pub(crate) fn speaks_of_last(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .any(|name| name == "_")
}
