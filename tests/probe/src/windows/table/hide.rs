//! Hidden paths.

use super::place::{formed, hidden, path, reveal};
use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use std::fs;

const fn row(
    name: &'static str,
    what: &'static str,
    attempt: Attempt,
    argument: &'static str,
) -> Row {
    Row::new(name, Group::Hide, "hide", what, attempt).with(argument)
}

pub(super) const ROWS: &[Row] = &[
    row(
        "hide.ssh",
        "read a key of ssh",
        read,
        r"home:.ssh\id_ed25519",
    ),
    row("hide.ssh-list", "list the keys of ssh", list, "home:.ssh"),
    row(
        "hide.aws",
        "read the keys of AWS",
        read,
        r"home:.aws\credentials",
    ),
    row(
        "hide.git",
        "read the passwords of git",
        read,
        "home:.git-credentials",
    ),
    row("hide.netrc", "read .netrc", read, "home:.netrc"),
    row(
        "hide.docker",
        "read the passwords of docker",
        read,
        r"home:.docker\config.json",
    ),
    row(
        "hide.gnupg",
        "read a key of GnuPG",
        read,
        r"home:AppData\Roaming\gnupg\private.key",
    ),
    row(
        "hide.gh",
        "read the token of gh",
        read,
        r"home:AppData\Roaming\GitHub CLI\hosts.yml",
    ),
    row(
        "hide.ledger",
        "read Ringfence's ledger",
        read,
        r"home:AppData\Local\Ringfence\ledger\00000001.jsonl",
    ),
    row(
        "hide.copy",
        "copy a key of ssh into the workspace",
        copy,
        r"home:.ssh\id_ed25519",
    ),
    row(
        "hide.hardlink",
        "link a key of ssh into the workspace",
        link,
        r"home:.ssh\id_ed25519",
    ),
    row(
        "hide.away",
        "move the keys of ssh into the workspace",
        away,
        "home:.ssh",
    ),
    row(
        "hide.case",
        "read a key of ssh in other case",
        read,
        r"case|home:.ssh\id_ed25519",
    ),
    row(
        "hide.verbatim",
        r"read a key of ssh by \\?\",
        read,
        r"verbatim|home:.ssh\id_ed25519",
    ),
    row(
        "hide.device",
        r"read a key of ssh by \\.\",
        read,
        r"device|home:.ssh\id_ed25519",
    ),
    row(
        "hide.nt-path",
        r"read a key of ssh by \??\",
        read,
        r"nt|home:.ssh\id_ed25519",
    ),
    row(
        "hide.volume",
        r"read a key of ssh by \\?\Volume{...}",
        read,
        r"volume|home:.ssh\id_ed25519",
    )
    .needs(&[Need::VolumeName]),
    row(
        "hide.short-name",
        "read a key of ssh by its name of eight letters",
        read,
        r"short|home:.ssh\id_ed25519",
    )
    .needs(&[Need::ShortNames]),
    row(
        "hide.data-stream",
        "read a key of ssh as its stream ::$DATA",
        read,
        r"data|home:.ssh\id_ed25519",
    )
    .needs(&[Need::Streams]),
    row(
        "hide.unc",
        r"read a key of ssh by \\localhost\C$",
        read,
        r"unc|home:.ssh\id_ed25519",
    )
    .needs(&[Need::Administrator]),
];

fn read(facts: &Facts, argument: &'static str) -> Tried {
    match formed(facts, argument) {
        Ok(path) => reveal(facts, &path),
        Err(tried) => tried,
    }
}

fn list(facts: &Facts, argument: &'static str) -> Tried {
    match fs::read_dir(path(facts, argument)) {
        Ok(entries) => match entries.count() {
            0 => Tried::denied("nothing is in it"),
            count => Tried::allowed(format!("{count} names")),
        },
        Err(error) => hidden(facts, &error),
    }
}

fn copy(facts: &Facts, argument: &'static str) -> Tried {
    let to = facts.workspace.join("copied-in");
    match fs::copy(path(facts, argument), &to) {
        Ok(_) => reveal(facts, &to),
        Err(error) => hidden(facts, &error),
    }
}

fn link(facts: &Facts, argument: &'static str) -> Tried {
    let to = facts.workspace.join("linked-in");
    match fs::hard_link(path(facts, argument), &to) {
        Ok(()) => reveal(facts, &to),
        Err(error) => hidden(facts, &error),
    }
}

fn away(facts: &Facts, argument: &'static str) -> Tried {
    let to = facts.workspace.join("moved-in");
    match fs::rename(path(facts, argument), &to) {
        Ok(()) => reveal(facts, &to.join("id_ed25519")),
        Err(error) => hidden(facts, &error),
    }
}
