//! What write roots cost by the kernel's doing alone: the mounts, and nothing looked for in them.

use std::ffi::OsString;

use anyhow::{Context, Result, bail};

/// `DIR... -- COMMAND...` in namespaces that are there already: makes everything read-only but the
/// directories, by the same calls that a ring's runner makes, and becomes the command.
#[cfg(target_os = "linux")]
pub(crate) fn mounts(words: &[OsString]) -> Result<()> {
    use std::os::fd::AsFd;
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::Command;

    use ringfence_sys_linux::mount::{self, Attributes};
    use ringfence_sys_linux::object;

    const HARMLESS: Attributes = Attributes {
        read_only: None,
        nosuid: true,
        nodev: true,
        noexec: false,
        private: true,
    };
    let mut parts = words.split(|word| word == "--");
    let (Some(roots), Some([program, arguments @ ..])) = (parts.next(), parts.next()) else {
        bail!("mounts DIR... -- COMMAND...");
    };
    let mut held = Vec::new();
    for root in roots {
        let handle = object::open_exact(Path::new(root))?;
        let tree = mount::clone_tree(handle.as_fd(), true)?;
        mount::set(tree.as_fd(), HARMLESS, true)?;
        held.push(tree);
    }
    let root = object::open_exact(Path::new("/"))?;
    let sealed = Attributes {
        read_only: Some(true),
        ..HARMLESS
    };
    mount::set(root.as_fd(), sealed, true)?;
    for (root, tree) in roots.iter().zip(held) {
        let onto = object::open_exact(Path::new(root))?;
        mount::attach(tree.as_fd(), onto.as_fd())?;
    }
    let error = Command::new(program).args(arguments).exec();
    Err(error).context("cannot execute the command")
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn mounts(words: &[OsString]) -> Result<()> {
    let _ = words;
    bail!("mounts are Linux's");
}
