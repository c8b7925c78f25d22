//! Which variables of a configuration have git run something, or go somewhere.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::config::Entry;
use crate::layers;

/// Where the repository on this machine that a variable names may be: `git push` runs hooks there. Below `tree`, if that is not
/// said by a whole path.
pub(super) fn remotes(entry: &Entry, tree: &Path) -> Vec<PathBuf> {
    let names = matches!(
        (entry.section.as_str(), entry.key.as_str()),
        ("remote", "url" | "pushurl" | "pushdefault")
            | ("branch", "remote" | "pushremote")
            | ("submodule", "url")
    );
    let Some(value) = entry
        .value
        .as_deref()
        .filter(|value| names && is_local(value))
    else {
        return Vec::new();
    };
    let path = match (value.strip_prefix("file://"), value.strip_prefix("~/")) {
        (Some(url), _) => PathBuf::from(OsString::from_vec(decoded(url))),
        (None, Some(below)) => layers::home().unwrap_or_default().join(below),
        (None, None) => PathBuf::from(value),
    };
    let path = tree.join(path);
    // Git tries that as well (`enter_repo` of its `path.c`).
    let mut named = path.clone().into_os_string();
    named.push(".git");
    vec![path, PathBuf::from(named)]
}

/// Whether a url is a path. `host:path` has no slash before the colon.
fn is_local(url: &str) -> bool {
    let path = url.strip_prefix("file://").unwrap_or(url);
    let first = path.split('/').next();
    path.contains('/') && !first.is_some_and(|first| first.contains(':'))
}

/// `%65` is `e` in a url (`url_decode` of git's `url.c`).
fn decoded(url: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(url.len());
    let mut rest = url.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let value = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        match value.filter(|value| *first == b'%' && *value != 0) {
            Some(value) => {
                bytes.push(value);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// Whether a variable has git run a program that it names, or read more configuration
/// (`git-config(1)`, of git 2.52, and git-lfs').
pub(crate) fn runs_programs(entry: &Entry) -> bool {
    let value = entry.value.as_deref().unwrap_or_default();
    let truth = ["", "true", "false", "yes", "no", "on", "off", "0", "1"];
    let is_truth = truth.iter().any(|word| value.eq_ignore_ascii_case(word));
    let subsection = entry.subsection.as_deref().unwrap_or_default();
    match (entry.section.as_str(), entry.key.as_str()) {
        ("core", "fsmonitor") | ("pager", _) => !is_truth,
        _ if runs_by_itself(entry) => true,
        ("core", "hookspath")
        | ("difftool" | "mergetool" | "browser" | "man" | "guitool", "cmd" | "path")
        | ("include" | "includeif", "path")
        | ("uploadpack", "packobjectshook")
        // Lines of a todo list: `%n` begins another, which may be `exec`.
        | ("rebase", "instructionformat")
        | ("init", "templatedir")
        | ("remote", "vcs")
        | ("tar", "command" | "cmd")
        | ("imap", "tunnel")
        | ("instaweb", "httpd")
        | ("lfs", "clean" | "smudge")
        | ("sendemail", "smtpserver" | "sendmailcmd" | "tocmd" | "cccmd" | "headercmd") => true,
        // Options of the command it stands for run programs, too (`fetch --upload-pack`).
        ("alias", _) => {
            let value = value.trim();
            value.starts_with(['!', '-']) || value.contains(char::is_whitespace)
        }
        ("remote", "url" | "pushurl" | "pushdefault")
        | ("branch", "remote" | "pushremote")
        | ("submodule", "url")
        | ("extensions", "partialclone") => value.starts_with("ext::"),
        ("url", "insteadof" | "pushinsteadof") => subsection.starts_with("ext::") || is_local(subsection),
        ("protocol", "allow") => ["", "ext"].contains(&subsection) && value != "never",
        // To a file that may lie anywhere.
        ("http", "savecookies") => !["", "false", "no", "off", "0"].contains(&value.to_ascii_lowercase().as_str()) || entry.value.is_none(),
        // A shell reads the file of that name (`git-mergetool--lib`).
        ("diff" | "merge", "tool" | "guitool") => value.contains('/'),
        _ => false,
    }
}

/// Whether git runs what a variable names when nobody has asked for that: `git status`, `add`, `diff`, `commit` and `fetch` do.
pub(super) fn runs_by_itself(entry: &Entry) -> bool {
    match (entry.section.as_str(), entry.key.as_str()) {
        (
            "core",
            "fsmonitor"
            | "sshcommand"
            | "editor"
            | "pager"
            | "askpass"
            | "gitproxy"
            | "alternaterefscommand",
        )
        | ("sequence", "editor")
        | ("interactive", "difffilter")
        | ("filter", "clean" | "smudge" | "process")
        | ("diff", "command" | "textconv" | "external")
        | ("merge", "driver")
        | ("gpg", "program" | "defaultkeycommand")
        | ("gc", "recentobjectshook")
        | ("remote", "uploadpack" | "receivepack")
        | ("hook" | "trailer", "command" | "cmd")
        | ("lfs", "path")
        | ("credential", "helper")
        | ("pager", _) => true,
        ("submodule", "update") => {
            let value = entry.value.as_deref().unwrap_or_default();
            value.trim_start().starts_with('!')
        }
        _ => false,
    }
}
