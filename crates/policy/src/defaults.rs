//! What holds when nobody says anything: the protected and the hidden paths, as data.

mod hidden;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::model::Hide;
pub use hidden::MOVED_BY;

/// Read-only below each git directory of each repository, nested ones, submodules' and worktrees'
/// included: git runs or obeys them outside the ring. Relative to the git directory.
pub const REPOSITORY_PROTECTED: &[&str] = &[
    "hooks",
    "config",
    "config.worktree",
    "info/attributes",
    // Names another directory whose configuration and hooks count instead, in the
    // main `.git` as well (gitrepository-layout(5), commondir).
    "commondir",
    // The old ways to say what a remote's name stands for (git-fetch(1), Remotes).
    "remotes",
    "branches",
];

/// Processes a ring may have when the policy does not say: enough for any build, and an
/// end to a fork bomb.
pub const PROCESSES: u32 = 4096;

/// Read-only below each write root, existing or not, and below each repository in one, where they exist:
/// programs outside the ring run or obey them by themselves. Relative to the write root or the work tree.
///
/// Not here: what a person has to call for or agree to (`.devcontainer`, `.cargo/config.toml`, `.yarnrc.yml`,
/// `.nvim.lua`, `mise.toml`), since a command's work may be in it.
pub const WORKSPACE_PROTECTED: &[&str] = &[
    ".ringfence.toml",
    ".vscode/settings.json",
    ".vscode/tasks.json",
    ".vscode/launch.json",
    ".vscode/mcp.json",
    ".idea",
    ".zed",
    ".mcp.json",
    ".claude",
    ".codex",
    ".agents",
    ".cursor",
    ".gemini",
    // Servers of the Model Context Protocol, hooks and commands of their own, started without a question.
    ".qwen",
    ".roo",
    ".kilocode",
    ".amazonq",
    ".factory",
    ".junie",
    ".continue",
    ".trae",
    ".crush.json",
    "crush.json",
    ".aider.conf.yml",
    // Plugins of its own and from npm, loaded at the start (opencode.ai/docs/plugins).
    ".opencode",
    "opencode.json",
    "opencode.jsonc",
    // Commands at each step of an agent (docs.windsurf.com, Cascade Hooks; kiro.dev/docs/hooks;
    // docs.github.com, Copilot CLI hooks reference).
    ".windsurf",
    ".kiro",
    ".github/hooks",
    ".envrc",
    // Hooks, pagers, editors, merge tools (hgrc(5); jj-vcs.github.io, Settings).
    ".hg/hgrc",
    ".hg/hgrc-not-shared",
    ".hg/sharedpath",
    ".jj/repo/config.toml",
];

/// The tools whose caches are known.
pub const CACHE_TOOLS: &[&str] = &["cargo", "npm", "pip", "uv", "go", "maven", "gradle"];

/// The variables a path in a policy may begin with, as `$NAME` or `${NAME}`.
pub const VARIABLES: &[&str] = &[
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
    "TMPDIR",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "GOPATH",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
];

/// The hidden paths of a person whose tools keep their usual places.
pub fn hidden(home: &Path) -> Vec<Hide> {
    hidden_where(Some(home), &|_| None)
}

/// The hidden paths where variables may have moved them: the usual place stays hidden too.
///
/// `variable` is asked for the XDG base directories and for [`MOVED_BY`]. Without a home only the system's
/// and the moved places are known.
pub fn hidden_where(home: Option<&Path>, variable: &dyn Fn(&str) -> Option<OsString>) -> Vec<Hide> {
    hidden::on(hidden::Os::here(), home, variable)
}

/// Every name by which a built-in hidden entry is switched off, each once, in the order of the list.
pub fn hidden_names() -> &'static [&'static str] {
    hidden::NAMES
}

/// The default of an XDG base directory below the home directory.
pub(crate) fn xdg_default(variable: &str) -> Option<&'static str> {
    match variable {
        "XDG_CONFIG_HOME" => Some(".config"),
        "XDG_DATA_HOME" => Some(".local/share"),
        "XDG_STATE_HOME" => Some(".local/state"),
        "XDG_CACHE_HOME" => Some(".cache"),
        _ => None,
    }
}

/// A variable's value, if it is an absolute path. Anything else counts as unset, as the XDG base
/// directory specification has it.
pub(crate) fn absolute(variable: &dyn Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    variable(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}
