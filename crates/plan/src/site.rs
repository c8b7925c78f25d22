//! What the harness found on disk for one policy. Plain data: tests build pretend ones.

use std::path::PathBuf;

use ringfence_ops::linux::{Located, Mask};

/// The objects one policy speaks of, each resolved once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The workspace, canonical: a write root, or in one; unless nothing is written.
    pub workspace: PathBuf,
    /// Write roots in the order they were asked for; none of them inside another.
    pub roots: Vec<Root>,
    /// Where a command starts.
    pub cwd: Located,
    /// Hidden objects that exist.
    pub hidden: Vec<Hidden>,
    /// Temporary directories that become private, `/tmp` first.
    pub temps: Vec<Located>,
    /// A directory made for this ring alone, to be its `TMPDIR` where no private `/tmp`
    /// can be had.
    pub temp_own: Option<Located>,
    /// Directories of sockets, with what stays visible in them.
    pub socket_dirs: Vec<Mask>,
    /// Listening sockets elsewhere.
    pub sockets: Vec<Located>,
    /// Sockets the policy lets through.
    pub granted_sockets: Vec<Located>,
    /// Other places of what a ring has its own of, or covers.
    pub second: Vec<SecondPlace>,
    /// Caches to be layered.
    pub caches: Vec<CacheSite>,
    /// Caches whose directory does not exist, kept in one of ours.
    pub kept: Vec<KeptDir>,
    /// Caches the policy shares: written as they are.
    pub shared: Vec<Located>,
    /// What `read = "minimal"` or a list makes readable; `None` for all.
    pub readable: Option<Vec<Located>>,
    /// The caller's terminal.
    pub console: Option<Located>,
    /// What could not be protected as it should be.
    pub doubts: Vec<Doubt>,
}

/// Another place of what a ring has its own of, or covers: a second `/proc`, `/run` mounted once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondPlace {
    /// What is covered.
    pub mask: Mask,
    /// The promise that would not be kept there.
    pub promise: &'static str,
}

/// Something that a promise speaks of and that is not kept whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The promise it belongs to.
    pub promise: &'static str,
    /// What is not enforced, for a person.
    pub what: String,
    /// So little is kept that it is refused, unless that is accepted.
    pub refused: bool,
}

/// A write root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its directory (or file).
    pub at: Located,
    /// Write roots inside of it that were asked for as well, each with all that is
    /// protected in a write root.
    pub inner: Vec<PathBuf>,
    /// Protected objects in it that exist.
    pub guarded: Vec<Guarded>,
    /// Protected names in it that do not exist.
    pub missing: Vec<Missing>,
}

/// A protected object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// Each component between the write root and the object, outermost first.
    pub pins: Vec<Located>,
    /// The object.
    pub object: Located,
    /// The promise it belongs to.
    pub promise: &'static str,
}

/// Protected names that do not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The deepest directory that exists.
    pub dir: Located,
    /// The rest of each, once.
    pub names: Vec<PathBuf>,
}

/// A hidden object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// What is hidden, and what of it stays visible.
    pub mask: Mask,
    /// The entry's name (`hide.ssh`).
    pub name: String,
    /// Each directory between the write root it lies in and it, outermost first: renamed, it would be seen by another path.
    pub pins: Vec<Located>,
    /// The link in a hidden directory that leads to it, where it is hidden for that alone.
    pub link: Option<PathBuf>,
}

/// A cache directory and the layer for its writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSite {
    /// The tool.
    pub tool: String,
    /// The user's directory.
    pub at: Located,
    /// overlayfs' `upperdir` and `workdir`.
    pub upper: Located,
    /// overlayfs' `workdir`.
    pub work: Located,
}

/// A private directory that stands in for a cache the user does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDir {
    /// The tool.
    pub tool: String,
    /// The directory on disk.
    pub from: Located,
    /// Where the ring sees it.
    pub at: PathBuf,
}
