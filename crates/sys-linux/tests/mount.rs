//! Mounts by handle, in namespaces made for the test.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod needs;
mod support;

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::Path;

use ringfence_sys_linux::mount::{self, Attributes};
use ringfence_sys_linux::namespaces::Network;
use ringfence_sys_linux::object;
use support::{Dir, in_namespaces};

const READ_ONLY: Attributes = Attributes {
    read_only: Some(true),
    nosuid: true,
    nodev: true,
    noexec: false,
    private: true,
};

fn write(path: &Path) -> Result<(), ErrorKind> {
    std::fs::write(path, "x").map_err(|e| e.kind())
}

/// Options of the mount at a path.
fn options(path: &Path) -> Vec<String> {
    let mounts = support::text(Path::new("/proc/self/mountinfo"));
    let line = mounts
        .lines()
        .rfind(|line| line.split(' ').nth(4) == path.to_str())
        .unwrap_or_else(|| panic!("{} is no mount point", path.display()));
    let options = line.split(' ').nth(5).unwrap();
    options.split(',').map(str::to_owned).collect()
}

#[test]
fn a_tree_made_read_only_and_a_part_put_back_writable() {
    if !needs::userns() || !in_namespaces("a_tree_made_read_only_and_a_part_put_back_writable") {
        return;
    }
    let dir = Dir::new();
    let work = dir.file("work/file", "x");
    let work = work.parent().unwrap();
    let held = object::open_exact(work).unwrap();
    let tree = mount::clone_tree(held.as_fd(), true).unwrap();
    let root = object::open_exact(Path::new("/")).unwrap();
    mount::set(root.as_fd(), READ_ONLY, true).unwrap();
    assert_eq!(write(&dir.0.join("no")), Err(ErrorKind::ReadOnlyFilesystem));
    assert_eq!(write(&work.join("no")), Err(ErrorKind::ReadOnlyFilesystem));
    let onto = object::open_exact(work).unwrap();
    mount::attach(tree.as_fd(), onto.as_fd()).unwrap();
    assert_eq!(write(&work.join("yes")), Ok(()));
    assert_eq!(write(&dir.0.join("no")), Err(ErrorKind::ReadOnlyFilesystem));
    // A mount point cannot be renamed, so nothing above it can be swapped.
    let pinned = std::fs::rename(work, work.with_file_name("else"));
    assert!(pinned.is_err());
    for option in ["ro", "nosuid", "nodev"] {
        assert!(
            options(Path::new("/")).iter().any(|o| o == option),
            "{option}"
        );
    }
}

#[test]
fn without_recursion_what_is_mounted_below_stays_writable() {
    let name = "without_recursion_what_is_mounted_below_stays_writable";
    if !needs::userns() || !in_namespaces(name) {
        return;
    }
    let dir = Dir::new();
    dir.file("top/below/file", "x");
    let (top, below) = (dir.0.join("top"), dir.0.join("top/below"));
    for path in [&top, &below] {
        let handle = object::open_exact(path).unwrap();
        let tree = mount::clone_tree(handle.as_fd(), true).unwrap();
        mount::attach(tree.as_fd(), handle.as_fd()).unwrap();
    }
    let handle = object::open_exact(&top).unwrap();
    mount::set(handle.as_fd(), READ_ONLY, false).unwrap();
    assert_eq!(write(&top.join("no")), Err(ErrorKind::ReadOnlyFilesystem));
    assert_eq!(write(&below.join("yes")), Ok(()));
    mount::set(handle.as_fd(), READ_ONLY, true).unwrap();
    assert_eq!(write(&below.join("no")), Err(ErrorKind::ReadOnlyFilesystem));
    // And back.
    let writable = Attributes {
        read_only: Some(false),
        ..READ_ONLY
    };
    mount::set(handle.as_fd(), writable, true).unwrap();
    assert_eq!(write(&below.join("again")), Ok(()));
}

#[test]
fn a_new_file_system_covers_what_was_there() {
    if !needs::userns() || !in_namespaces("a_new_file_system_covers_what_was_there") {
        return;
    }
    let dir = Dir::new();
    let secret = dir.file("at/secret", "x");
    let at = secret.parent().unwrap();
    let harmless = Attributes {
        read_only: None,
        ..READ_ONLY
    };
    let tree = mount::new_filesystem(c"tmpfs", &[(c"mode", c"0711")], &[], harmless).unwrap();
    let onto = object::open_exact(at).unwrap();
    mount::attach(tree.as_fd(), onto.as_fd()).unwrap();
    assert!(!secret.exists());
    assert_eq!(write(&at.join("new")), Ok(()));
    let seen = object::identity_of(at).unwrap().unwrap();
    assert_eq!(seen.mode & 0o7777, 0o711);
    assert!(options(at).iter().any(|o| o == "nodev"));
    let wrong = mount::new_filesystem(c"tmpfs", &[(c"nonsense", c"1")], &[], harmless);
    assert_eq!(wrong.unwrap_err().call, "fsconfig");
    let none = mount::new_filesystem(c"no-such-fs", &[], &[], harmless);
    assert_eq!(none.unwrap_err().call, "fsopen");
}

#[test]
fn a_name_is_cloned_without_following_it() {
    if !needs::userns() || !in_namespaces("a_name_is_cloned_without_following_it") {
        return;
    }
    let dir = Dir::new();
    dir.file("real/file", "x");
    std::os::unix::fs::symlink("real", dir.0.join("link")).unwrap();
    let handle = object::open_exact(&dir.0).unwrap();
    let of = |name| {
        mount::clone_named(handle.as_fd(), name, false)
            .map(|fd| object::identity(fd.as_fd()).unwrap().is_dir())
    };
    assert_eq!(of(c"real"), Ok(true));
    assert_ne!(of(c"link"), Ok(true));
    assert_eq!(of(c"none").unwrap_err().call, "open_tree");
}

#[test]
fn without_privilege_no_tree_is_cloned() {
    if ringfence_sys_linux::capability::is_root() {
        // The control of the others: root may, even here.
        let root = object::open_exact(Path::new("/")).unwrap();
        assert!(mount::clone_tree(root.as_fd(), false).is_ok());
        return;
    }
    let root = object::open_exact(Path::new("/")).unwrap();
    let error = mount::clone_tree(root.as_fd(), false).unwrap_err();
    assert_eq!(error.errno, rustix::io::Errno::PERM.raw_os_error());
}

#[test]
fn a_network_of_ones_own_has_loopback_once_it_is_up() {
    use std::net::{TcpListener, TcpStream};
    if !needs::userns() {
        return;
    }
    const MARK: &str = "RINGFENCE_TEST_NETWORK";
    // By a thread, as where there are processors to spare; and with the other namespaces, as where there are not.
    let Some(how) = std::env::var_os(MARK) else {
        for how in ["beside", "here"] {
            let output = std::process::Command::new("unshare")
                .args(["--user", "--map-root-user", "--net"])
                .arg(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "a_network_of_ones_own_has_loopback_once_it_is_up",
                ])
                .env(MARK, how)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success() && text.contains("1 passed"),
                "{how}: {text}"
            );
        }
        return;
    };
    // Before, not even that.
    let before = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| TcpStream::connect(listener.local_addr()?));
    assert!(before.is_err(), "{before:?}");
    let host = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    let network = if how == "here" {
        let mut one = rustix::thread::CpuSet::new();
        let all = rustix::thread::sched_getaffinity(None).unwrap();
        let first = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu));
        one.set(first.unwrap());
        rustix::thread::sched_setaffinity(None, &one).unwrap();
        let network = ringfence_sys_linux::namespaces::unshare(true)
            .unwrap()
            .unwrap();
        let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        assert_ne!(own, host, "it is made and entered at once");
        network
    } else {
        Network::beside().unwrap()
    };
    let lo = network.enter().unwrap();
    assert_eq!(lo, Ok(()));
    let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    assert_ne!(own, host);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    TcpStream::connect(listener.local_addr().unwrap()).unwrap();
}
