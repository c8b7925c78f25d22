//! Protected paths inside the workspace: what a program outside the ring will one day run or obey.

use super::place::{beside, create, path, write};
use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, End, Group, Need, Row};
use ringfence_sys_linux::attempt::{errno, files};
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

const fn row(
    name: &'static str,
    what: &'static str,
    attempt: Attempt,
    argument: &'static str,
) -> Row {
    Row::new(name, Group::Protect, "protect.git", what, attempt).with(argument)
}

/// A path that is not there yet: making it may work, but nothing may stay.
const fn missing(name: &'static str, what: &'static str, argument: &'static str) -> Row {
    row(name, what, make_deep, argument)
        .promise("protect.missing")
        .after(stayed)
}

const DEPLOY: &[&str] = &["--protect", "{workspace}/deploy"];
const FUTURE: &[&str] = &["--protect", "{workspace}/future.toml"];
const SHELF: &[&str] = &["--protect", "shelf/future.toml"];

pub(super) const ROWS: &[Row] = &[
    row(
        "protect.hook",
        "write an existing hook",
        overwrite,
        "ws:.git/hooks/pre-commit",
    ),
    row(
        "protect.hook-new",
        "make a hook",
        make,
        "ws:.git/hooks/post-checkout",
    ),
    row(
        "protect.hook-truncate",
        "truncate a hook",
        truncate,
        "ws:.git/hooks/pre-commit",
    ),
    row(
        "protect.hook-chmod",
        "change a hook's mode",
        chmod,
        "ws:.git/hooks/pre-commit",
    ),
    row(
        "protect.hook-delete",
        "delete a hook",
        delete,
        "ws:.git/hooks/pre-commit",
    ),
    row(
        "protect.hook-over",
        "move a file over a hook",
        rename_over,
        "ws:.git/hooks/pre-commit",
    ),
    row(
        "protect.hook-exchange",
        "swap a file with a hook",
        exchange,
        "ws:.git/hooks/pre-commit",
    ),
    row(
        "protect.hook-link",
        "link a hook elsewhere and write it",
        link_away,
        "ws:.git/hooks/pre-commit",
    ),
    row(
        "protect.hook-symlink",
        "put a link in a hook's place",
        replace_by_link,
        "ws:.git/hooks/pre-commit",
    ),
    row(
        "protect.hook-through",
        "write a hook through a link",
        through_link,
        "ws:.git/hooks/pre-commit",
    ),
    row(
        "protect.hook-dots",
        "write a hook by a path of dots",
        overwrite,
        "ws:.git/info/..//hooks/./pre-commit",
    ),
    row(
        "protect.hook-case",
        "write a hook in other case",
        overwrite,
        "ws:.GIT/Hooks/PRE-COMMIT",
    )
    .needs(&[Need::CaseFolding]),
    row(
        "protect.hooks-away",
        "rename the hooks directory",
        rename,
        "ws:.git/hooks",
    ),
    row(
        "protect.hooks-slash",
        "rename the hooks directory by a name with a slash",
        rename_slash,
        "ws:.git/hooks/",
    ),
    row(
        "protect.hooks-replaced",
        "put a directory in the place of the hooks",
        replace_dir,
        "ws:.git/hooks",
    ),
    row(
        "protect.hooks-linked",
        "put a link in the place of the hooks",
        replace_by_link,
        "ws:.git/hooks",
    ),
    row(
        "protect.hooks-deleted",
        "delete all hooks",
        delete_all,
        "ws:.git/hooks",
    ),
    row(
        "protect.hooks-dir-slash",
        "make a directory in the hooks by a name with a slash",
        make_dir,
        "ws:.git/hooks/x/",
    ),
    row(
        "protect.config",
        "write .git/config",
        overwrite,
        "ws:.git/config",
    ),
    row(
        "protect.config-over",
        "move a file over .git/config",
        rename_over,
        "ws:.git/config",
    ),
    row(
        "protect.config-delete",
        "delete .git/config",
        delete,
        "ws:.git/config",
    ),
    row(
        "protect.attributes",
        "write .git/info/attributes",
        overwrite,
        "ws:.git/info/attributes",
    ),
    row(
        "protect.info-away",
        "rename .git/info",
        rename,
        "ws:.git/info",
    ),
    row("protect.git-away", "rename .git", rename, "ws:.git"),
    row(
        "protect.git-replaced",
        "put another directory in the place of .git",
        replace_dir,
        "ws:.git",
    ),
    row(
        "protect.git-exchange",
        "swap .git with a directory",
        exchange_dir,
        "ws:.git",
    ),
    row(
        "protect.workspace-away",
        "rename the workspace",
        rename_back,
        "ws:",
    )
    .promise("write"),
    row(
        "protect.parent-away",
        "rename the workspace's parent",
        rename_back,
        "home:src",
    )
    .promise("write"),
    row(
        "protect.home-away",
        "rename the parent's parent",
        rename_back,
        "home:",
    )
    .promise("write"),
    row(
        "protect.nested-hook",
        "write a nested repository's hook",
        overwrite,
        "ws:a/b/.git/hooks/pre-commit",
    ),
    row(
        "protect.nested-config",
        "write a nested repository's config",
        overwrite,
        "ws:a/b/.git/config",
    ),
    row(
        "protect.nested-git-away",
        "rename a nested .git",
        rename,
        "ws:a/b/.git",
    ),
    row(
        "protect.nested-away",
        "rename a nested repository",
        rename,
        "ws:a/b",
    ),
    row(
        "protect.nested-parent-away",
        "rename a nested repository's parent",
        rename,
        "ws:a",
    ),
    row(
        "protect.submodule-hook",
        "write a submodule's hook",
        overwrite,
        "ws:.git/modules/sub/hooks/pre-commit",
    ),
    row(
        "protect.submodule-hook-new",
        "make a submodule's hook",
        make,
        "ws:.git/modules/sub/hooks/post-merge",
    ),
    row(
        "protect.submodule-config",
        "write a submodule's config",
        overwrite,
        "ws:.git/modules/sub/config",
    ),
    row(
        "protect.modules-away",
        "rename .git/modules",
        rename,
        "ws:.git/modules",
    ),
    row(
        "protect.worktree-config",
        "write a worktree's config",
        overwrite,
        "ws:.git/worktrees/tree/config.worktree",
    ),
    row(
        "protect.worktree-commondir",
        "point a worktree at other configuration and hooks",
        repoint,
        "ws:.git/worktrees/tree/commondir",
    )
    .promise("protect.missing")
    .after(repointed),
    row(
        "protect.worktree-hook",
        "write the hook a worktree inside runs",
        overwrite,
        "ws:tree/../.git/hooks/pre-commit",
    ),
    row(
        "protect.hookspath",
        "write a hook where core.hooksPath points",
        overwrite,
        "ws:.githooks/pre-push",
    ),
    row(
        "protect.hookspath-new",
        "make a hook where core.hooksPath points",
        make,
        "ws:.githooks/pre-commit",
    ),
    row(
        "protect.hookspath-away",
        "rename where core.hooksPath points",
        rename,
        "ws:.githooks",
    ),
    row(
        "protect.vscode",
        "write the editor's settings",
        overwrite,
        "ws:.vscode/settings.json",
    )
    .promise("protect.workspace"),
    row(
        "protect.vscode-away",
        "rename the editor's directory",
        rename,
        "ws:.vscode",
    )
    .promise("protect.workspace"),
    row(
        "protect.claude",
        "write an agent's settings",
        overwrite,
        "ws:.claude/settings.json",
    )
    .promise("protect.workspace"),
    row(
        "protect.claude-new",
        "make a file in an agent's directory",
        make,
        "ws:.claude/settings.local.json",
    )
    .promise("protect.workspace"),
    row(
        "protect.nested-claude",
        "write an agent's settings in a nested repository",
        overwrite,
        "ws:a/b/.claude/settings.json",
    )
    .promise("protect.workspace"),
    row(
        "protect.nested-envrc",
        "move a file over a nested repository's .envrc",
        rename_over,
        "ws:a/b/.envrc",
    )
    .promise("protect.workspace"),
    row("protect.envrc", "write .envrc", overwrite, "ws:.envrc").promise("protect.workspace"),
    row(
        "protect.flag",
        "write below what --protect names",
        overwrite,
        "ws:deploy/run.sh",
    )
    .promise("protect.paths")
    .flags(DEPLOY),
    row(
        "protect.flag-new",
        "make a file below what --protect names",
        make,
        "ws:deploy/new.sh",
    )
    .promise("protect.paths")
    .flags(DEPLOY),
    row(
        "protect.flag-away",
        "rename what --protect names",
        rename,
        "ws:deploy",
    )
    .promise("protect.paths")
    .flags(DEPLOY),
    missing(
        "protect.missing-flag",
        "make what --protect names",
        "ws:future.toml",
    )
    .flags(FUTURE),
    missing(
        "protect.missing-tasks",
        "make the editor's tasks",
        "ws:.vscode/tasks.json",
    ),
    missing(
        "protect.missing-launch",
        "make the editor's launch file",
        "ws:.vscode/launch.json",
    ),
    missing("protect.missing-mcp", "make .mcp.json", "ws:.mcp.json"),
    missing(
        "protect.missing-ringfence",
        "make .ringfence.toml",
        "ws:.ringfence.toml",
    ),
    missing(
        "protect.missing-worktree",
        "make .git/config.worktree",
        "ws:.git/config.worktree",
    ),
    missing(
        "protect.missing-idea",
        "make .idea",
        "ws:.idea/workspace.xml",
    ),
    missing(
        "protect.missing-codex",
        "make .codex",
        "ws:.codex/config.toml",
    ),
    missing(
        "protect.missing-cursor",
        "make .cursor",
        "ws:.cursor/mcp.json",
    ),
    missing(
        "protect.missing-agents",
        "make .agents",
        "ws:.agents/agent.md",
    ),
    missing(
        "protect.missing-opencode",
        "make an agent's plugin",
        "ws:.opencode/plugins/x.js",
    ),
    missing(
        "protect.missing-copilot",
        "make an agent's hooks",
        "ws:.github/hooks/x.json",
    ),
    missing(
        "protect.missing-nested",
        "make a nested repository's worktree config",
        "ws:a/b/.git/config.worktree",
    ),
    missing(
        "protect.missing-commondir",
        "name another directory for git's configuration and hooks",
        "ws:.git/commondir",
    ),
    missing(
        "protect.missing-nested-commondir",
        "the same in a nested repository",
        "ws:a/b/.git/commondir",
    ),
    missing(
        "protect.missing-module-commondir",
        "the same in a submodule",
        "ws:.git/modules/sub/commondir",
    ),
    missing(
        "protect.missing-remote",
        "name a remote the old way",
        "ws:.git/remotes/origin",
    ),
    missing(
        "protect.missing-bare",
        "make the work tree look like a bare repository",
        "ws:HEAD",
    ),
    row(
        "protect.missing-swapped",
        "move the directory of what --protect names, and make both anew",
        swap_and_make,
        "ws:shelf/future.toml",
    )
    .promise("protect.missing")
    .flags(SHELF)
    .after(stayed),
    row(
        "protect.missing-moved",
        "move a finished directory to where .idea would be",
        move_there,
        "ws:.idea",
    )
    .promise("protect.missing")
    .after(stayed),
    row(
        "protect.missing-linked",
        "link to where .mcp.json would be",
        link_there,
        "ws:.mcp.json",
    )
    .promise("protect.missing")
    .after(stayed),
];

/// What a mount point or another mount answers where a plain file would move.
const MOUNTED: &[i32] = &[errno::EBUSY, errno::EXDEV];

/// After the end: did it stay?
pub(super) fn stayed(facts: &Facts, argument: &'static str, _: End) -> Tried {
    match path(facts, argument).symlink_metadata() {
        Ok(_) => Tried::allowed("it stayed"),
        Err(_) => Tried::denied("nothing stayed"),
    }
}

fn overwrite(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(write(&path(facts, argument)), &[])
}

fn make(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(create(&path(facts, argument)), &[])
}

fn make_deep(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    // A stand-in that can be neither read nor written may already lie there in the ring. And one that watches may
    // take away the directory that was made here before there is anything in it.
    let stops = &[errno::EEXIST, errno::ENOENT];
    if let Some(Err(error)) = path.parent().map(fs::create_dir_all) {
        return Tried::failed(&error, stops);
    }
    Tried::of(create(&path), stops)
}

fn make_dir(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(fs::create_dir(path(facts, argument)), &[])
}

fn truncate(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(path(facts, argument)),
        &[],
    )
}

fn chmod(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        fs::set_permissions(path(facts, argument), Permissions::from_mode(0o777)),
        &[],
    )
}

fn delete(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(fs::remove_file(path(facts, argument)), MOUNTED)
}

fn delete_all(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(fs::remove_dir_all(path(facts, argument)), MOUNTED)
}

fn rename(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    Tried::of(fs::rename(&path, beside(&path)), MOUNTED)
}

fn rename_slash(facts: &Facts, argument: &'static str) -> Tried {
    let to = path(facts, "ws:.git/hooks-moved/");
    Tried::of(fs::rename(path(facts, argument), to), MOUNTED)
}

/// Renames, and puts it back: the arena itself lies there.
fn rename_back(facts: &Facts, argument: &'static str) -> Tried {
    // A trailing slash (`ws:`) would end up inside the new name.
    let path: std::path::PathBuf = path(facts, argument).components().collect();
    let moved = beside(&path);
    let renamed = fs::rename(&path, &moved);
    if renamed.is_ok()
        && let Err(error) = fs::rename(&moved, &path)
    {
        return Tried::allowed(format!("renamed, and not back: {error}"));
    }
    Tried::of(renamed, MOUNTED)
}

fn rename_over(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        fs::rename(facts.workspace.join("file.txt"), path(facts, argument)),
        MOUNTED,
    )
}

fn exchange(facts: &Facts, argument: &'static str) -> Tried {
    let swapped = files::exchange(&facts.workspace.join("file.txt"), &path(facts, argument));
    Tried::of(swapped, &[errno::EBUSY, errno::EXDEV, errno::ENOSYS])
}

fn exchange_dir(facts: &Facts, argument: &'static str) -> Tried {
    let evil = facts.workspace.join("evil");
    if let Err(error) = fs::create_dir(&evil) {
        return Tried::could_not(format!("a directory of one's own: {error}"));
    }
    Tried::of(
        files::exchange(&evil, &path(facts, argument)),
        &[errno::EBUSY, errno::EXDEV, errno::ENOSYS],
    )
}

fn link_away(facts: &Facts, argument: &'static str) -> Tried {
    let away = facts.workspace.join("hook-link");
    let written = fs::hard_link(path(facts, argument), &away).and_then(|()| write(&away));
    Tried::of(written, MOUNTED)
}

fn through_link(facts: &Facts, argument: &'static str) -> Tried {
    let link = facts.workspace.join("hook-soft");
    if let Err(error) = symlink(path(facts, argument), &link) {
        return Tried::could_not(format!("the link itself: {error}"));
    }
    Tried::of(write(&link), &[])
}

fn replace_by_link(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    let replaced = fs::rename(&path, beside(&path))
        .and_then(|()| symlink(facts.workspace.join("deploy"), &path));
    Tried::of(replaced, MOUNTED)
}

fn replace_dir(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    let replaced = fs::rename(&path, beside(&path)).and_then(|()| fs::create_dir(&path));
    Tried::of(replaced, MOUNTED)
}

fn move_there(facts: &Facts, argument: &'static str) -> Tried {
    let made = facts.workspace.join("prepared");
    if let Err(error) =
        fs::create_dir(&made).and_then(|()| fs::write(made.join("workspace.xml"), "<x/>"))
    {
        return Tried::could_not(format!("a directory of one's own: {error}"));
    }
    let stops = &[
        errno::EBUSY,
        errno::EXDEV,
        errno::EEXIST,
        errno::ENOTEMPTY,
        errno::ENOTDIR,
    ];
    Tried::of(fs::rename(&made, path(facts, argument)), stops)
}

fn repoint(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(fs::write(path(facts, argument), "/elsewhere\n"), &[])
}

/// After the end: does it still point elsewhere?
fn repointed(facts: &Facts, argument: &'static str, _: End) -> Tried {
    match fs::read_to_string(path(facts, argument)) {
        Ok(text) if text.starts_with("/elsewhere") => Tried::allowed("it points elsewhere"),
        _ => Tried::denied("it points where it did, or nowhere"),
    }
}

/// Puts another directory, with a protected name in it, where one without stands.
fn swap_and_make(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    let Some(dir) = path.parent() else {
        return Tried::could_not("it lies nowhere");
    };
    let swapped = fs::rename(dir, beside(dir))
        .and_then(|()| fs::create_dir(dir))
        .and_then(|()| create(&path));
    Tried::of(swapped, MOUNTED)
}

fn link_there(facts: &Facts, argument: &'static str) -> Tried {
    Tried::of(
        symlink(Path::new("file.txt"), path(facts, argument)),
        &[errno::EEXIST],
    )
}
