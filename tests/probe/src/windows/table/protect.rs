//! Protected paths inside the workspace.

use super::place::{beside, create, formed, path, write};
use super::write::{read_only, set_dacl};
use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use std::fs::{self, OpenOptions};

const fn row(
    name: &'static str,
    what: &'static str,
    attempt: Attempt,
    argument: &'static str,
) -> Row {
    Row::new(name, Group::Protect, "protect.git", what, attempt).with(argument)
}

const CONFIG: &str = r"ws:.git\config";
const HOOK: &str = r"ws:.git\hooks\pre-commit";
const POLICY: &str = "ws:.ringfence.toml";

pub(super) const ROWS: &[Row] = &[
    row("protect.config", r"write .git\config", overwrite, CONFIG),
    row(
        "protect.config-delete",
        r"delete .git\config",
        delete,
        CONFIG,
    ),
    row("protect.config-away", r"rename .git\config", rename, CONFIG),
    row(
        "protect.config-over",
        r"move a file over .git\config",
        rename_over,
        CONFIG,
    ),
    row(
        "protect.config-link",
        r"link .git\config elsewhere and write it",
        link_away,
        CONFIG,
    ),
    row(
        "protect.config-dacl",
        r"set the DACL of .git\config again",
        set_dacl,
        CONFIG,
    ),
    row(
        "protect.config-read-only",
        r"make .git\config read-only",
        read_only,
        CONFIG,
    ),
    row("protect.hook", "write a hook", overwrite, HOOK),
    row(
        "protect.hook-new",
        "make a hook",
        make,
        r"ws:.git\hooks\post-checkout",
    ),
    row("protect.hook-delete", "delete a hook", delete, HOOK),
    row(
        "protect.hook-over",
        "move a file over a hook",
        rename_over,
        HOOK,
    ),
    row(
        "protect.hooks-away",
        "rename the hooks directory",
        rename,
        r"ws:.git\hooks",
    ),
    row(
        "protect.hooks-deleted",
        "delete all hooks",
        delete_all,
        r"ws:.git\hooks",
    ),
    row(
        "protect.attributes",
        r"write .git\info\attributes",
        overwrite,
        r"ws:.git\info\attributes",
    ),
    row("protect.git-away", "rename .git", rename, "ws:.git"),
    row("protect.git-deleted", "delete .git", delete_all, "ws:.git"),
    row("protect.policy", "write .ringfence.toml", overwrite, POLICY).promise("protect.workspace"),
    row(
        "protect.policy-delete",
        "delete .ringfence.toml",
        delete,
        POLICY,
    )
    .promise("protect.workspace"),
    row(
        "protect.policy-over",
        "move a file over .ringfence.toml",
        rename_over,
        POLICY,
    )
    .promise("protect.workspace"),
    // The same by other names.
    row(
        "protect.case",
        r"write .git\config in other case",
        overwrite,
        r"case|ws:.git\config",
    ),
    row(
        "protect.slash",
        "write .git/config by slashes",
        overwrite,
        r"slash|ws:.git\config",
    ),
    row(
        "protect.dots",
        r"write .git\config by a path of dots",
        overwrite,
        r"ws:.git\info\..\.\config",
    ),
    row(
        "protect.dot",
        r"write .git\config with a dot at its end",
        overwrite,
        r"dot|ws:.git\config",
    ),
    row(
        "protect.blank",
        r"write .git\config with a blank at its end",
        overwrite,
        r"blank|ws:.git\config",
    ),
    row(
        "protect.short-name",
        r"write .git\config by names of eight letters",
        overwrite,
        r"short|ws:.git\config",
    )
    .needs(&[Need::ShortNames]),
    row(
        "protect.policy-short-name",
        "write .ringfence.toml by its name of eight letters",
        overwrite,
        "short|ws:.ringfence.toml",
    )
    .promise("protect.workspace")
    .needs(&[Need::ShortNames]),
    row(
        "protect.verbatim",
        r"write .git\config by \\?\",
        overwrite,
        r"verbatim|ws:.git\config",
    ),
    row(
        "protect.device",
        r"write .git\config by \\.\",
        overwrite,
        r"device|ws:.git\config",
    ),
    row(
        "protect.nt-path",
        r"write .git\config by \??\",
        overwrite,
        r"nt|ws:.git\config",
    ),
    row(
        "protect.global-root",
        r"write .git\config by \\?\GLOBALROOT",
        overwrite,
        r"root|ws:.git\config",
    ),
    row(
        "protect.volume",
        r"write .git\config by \\?\Volume{...}",
        overwrite,
        r"volume|ws:.git\config",
    )
    .needs(&[Need::VolumeName]),
    row(
        "protect.unc",
        r"write .git\config by \\localhost\C$",
        overwrite,
        r"unc|ws:.git\config",
    )
    .needs(&[Need::Administrator]),
    row(
        "protect.data-stream",
        r"write .git\config as its stream ::$DATA",
        overwrite,
        r"data|ws:.git\config",
    )
    .needs(&[Need::Streams]),
    row(
        "protect.stream",
        r"write a stream beside .git\config",
        make_beside,
        r"beside|ws:.git\config",
    )
    .needs(&[Need::Streams]),
    row(
        "protect.index",
        r"write .git\config by .git::$INDEX_ALLOCATION",
        overwrite,
        r"index|ws:.git\config",
    )
    .needs(&[Need::Streams]),
];

fn overwrite(facts: &Facts, argument: &'static str) -> Tried {
    match formed(facts, argument) {
        Ok(path) => Tried::of(write(&path), &[]),
        Err(tried) => tried,
    }
}

fn make_beside(facts: &Facts, argument: &'static str) -> Tried {
    match formed(facts, argument) {
        Ok(path) => Tried::of(
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .open(path),
            &[],
        ),
        Err(tried) => tried,
    }
}

fn make(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(create(&path(facts, argument)), &[])
}

fn delete(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(fs::remove_file(path(facts, argument)), &[])
}

fn delete_all(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(fs::remove_dir_all(path(facts, argument)), &[])
}

fn rename(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    Tried::of(fs::rename(&path, beside(&path)), &[])
}

fn rename_over(facts: &Facts, argument: &'static str) -> Tried {
    let other = facts.workspace.join("file.txt");
    Tried::of(fs::rename(other, path(facts, argument)), &[])
}

fn link_away(facts: &Facts, argument: &'static str) -> Tried {
    let link = facts.workspace.join("linked-away");
    let written = fs::hard_link(path(facts, argument), &link).and_then(|()| write(&link));
    Tried::of(written, &[])
}
