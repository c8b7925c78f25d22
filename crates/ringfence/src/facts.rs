//! What this machine can enforce, found out without changing anything.

use std::path::{Path, PathBuf};

use ringfence_ops::{Arch, Availability, Cgroup, Container, Facts};
use ringfence_sys_linux::{capability, landlock, probe};
use rustix::fs::Access;

use crate::error::shown;
use crate::mounts;

/// Facts for a run: what is cheap to ask and decides a plan. Whether user namespaces,
/// a fresh /proc and overlays are to be had for sure shows when the ring is made; what
/// fails then is refused or told as if it had been known before.
#[must_use]
pub fn quick() -> Facts {
    quick_where(userns())
}

/// The same where it is known whether user namespaces are to be had: a runner stands in one.
pub(crate) fn quick_where(userns: Availability) -> Facts {
    let kernel = version(&probe::release());
    Facts {
        kernel,
        arch: if cfg!(target_arch = "aarch64") {
            Arch::Aarch64
        } else {
            Arch::X86_64
        },
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        root: capability::is_root(),
        landlock: landlock::abi(),
        userns,
        seccomp: probe::has_seccomp(),
        proc: Availability::Yes,
        overlay: kernel >= (5, 11),
        cgroup: None,
        container: None,
        wsl: false,
    }
}

/// All facts, for `doctor` and for policies with limits.
#[must_use]
pub fn full() -> Facts {
    let release = probe::release().to_ascii_lowercase();
    Facts {
        proc: fresh_proc(),
        cgroup: cgroup(),
        container: container(),
        wsl: release.contains("microsoft"),
        ..quick()
    }
}

/// Major and minor version of a kernel release.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn sysctl(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn userns() -> Availability {
    if sysctl("/proc/sys/user/max_user_namespaces") == Some(0) {
        return Availability::No {
            why: "user.max_user_namespaces is 0".to_owned(),
            remedy: "sudo sysctl -w user.max_user_namespaces=15000".to_owned(),
        };
    }
    let root = capability::is_root();
    if !root && sysctl("/proc/sys/kernel/unprivileged_userns_clone") == Some(0) {
        return Availability::No {
            why: "kernel.unprivileged_userns_clone is 0".to_owned(),
            remedy: "sudo sysctl -w kernel.unprivileged_userns_clone=1".to_owned(),
        };
    }
    Availability::Yes
}

/// What to do when the kernel refuses namespaces after all.
#[must_use]
pub fn namespaces_remedy() -> String {
    // The variable decides nothing: it only makes the likely reason a better one.
    if std::env::var_os("RINGFENCE").is_some() {
        return "this runs in a ring, which makes no others: run the command as it is, or outside"
            .to_owned();
    }
    if sysctl("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        return "AppArmor restricts user namespaces here (Ubuntu 23.10 and newer): sudo sysctl -w \
                kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile that allows \
                userns for ringfence; without: --linux-mode landlock-only"
            .to_owned();
    }
    if let Some(container) = container() {
        return format!(
            "{container} refuses user namespaces by its default seccomp profile: start it with \
             --security-opt seccomp=unconfined (and for a fresh /proc --security-opt \
             systempaths=unconfined); without: --linux-mode landlock-only"
        );
    }
    "allow unprivileged user namespaces on this machine; without: --linux-mode landlock-only"
        .to_owned()
}

/// A new procfs may be mounted only where the present one is whole: nothing mounted over
/// a part of it (mount_too_revealing() in the kernel).
fn fresh_proc() -> Availability {
    let Ok(points) = mounts::points() else {
        return Availability::No {
            why: "there is no /proc".to_owned(),
            remedy: "mount /proc".to_owned(),
        };
    };
    let covered: Vec<String> = points
        .iter()
        .filter(|point| point.starts_with("/proc") && *point != Path::new("/proc"))
        .filter(|point| !point.starts_with("/proc/sys/fs/binfmt_misc"))
        .map(shown)
        .collect();
    if covered.is_empty() {
        Availability::Yes
    } else {
        Availability::No {
            why: format!("parts of /proc are masked: {}", covered.join(" ")),
            remedy: "in a container: --security-opt systempaths=unconfined".to_owned(),
        }
    }
}

fn container() -> Option<Container> {
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Some(Container::Kubernetes);
    }
    if Path::new("/.dockerenv").exists() {
        return Some(Container::Docker);
    }
    if Path::new("/run/.containerenv").exists() {
        return Some(Container::Podman);
    }
    std::env::var_os("container").map(|_| Container::Other)
}

/// A group in which this user may make others: this process' own, or the one above it.
#[must_use]
pub fn cgroup() -> Option<Cgroup> {
    let root = Path::new("/sys/fs/cgroup");
    if !root.join("cgroup.controllers").exists() {
        return None;
    }
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = root.join(own);
    let candidates: [Option<PathBuf>; 2] = [
        Some(own.clone()),
        own.parent()
            .filter(|p| p.starts_with(root))
            .map(Path::to_owned),
    ];
    candidates.into_iter().flatten().find_map(|dir| {
        let may_write = |path: &Path| rustix::fs::access(path, Access::WRITE_OK).is_ok();
        // To move a process, the group that both have in common must be writable too.
        if !may_write(&dir) || !may_write(&dir.join("cgroup.procs")) {
            return None;
        }
        let given = std::fs::read_to_string(dir.join("cgroup.subtree_control")).ok()?;
        let has = |name: &str| given.split_whitespace().any(|c| c == name);
        let (memory, pids) = (has("memory"), has("pids"));
        (memory || pids).then_some(Cgroup {
            parent: dir,
            memory,
            pids,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn version_of_a_release() {
        assert_eq!(version("6.18.44-fc-v669"), (6, 18));
        assert_eq!(version("5.15.0-91-generic"), (5, 15));
        assert_eq!(version("5.15.153.1-microsoft-standard-WSL2"), (5, 15));
        assert_eq!(version(""), (0, 0));
    }
}
