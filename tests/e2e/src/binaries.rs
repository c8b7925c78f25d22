//! Where the binaries under test are.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The binaries, in one directory as an installation has them.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The harness: `ringfence`.
    pub ringfence: PathBuf,
    /// Layer 3: `ringfence-runner`, which the harness looks for beside itself.
    pub runner: PathBuf,
    /// What tries to get out: `ringfence-probe`.
    pub probe: PathBuf,
    /// What makes rings that stay for it: `ringfence-stays`, which is built with the tests.
    pub stays: PathBuf,
}

/// The binaries: `RINGFENCE_BIN` names the harness, else they lie where cargo built this test.
///
/// An ordinary user made for the tests can often not reach a build directory (root's home is
/// closed), so then a copy is made beside it in `/var/lib`, once per build.
pub fn binaries() -> &'static Binaries {
    static FOUND: OnceLock<Binaries> = OnceLock::new();
    FOUND.get_or_init(|| {
        let built = std::env::var_os("RINGFENCE_BIN").map_or_else(beside_this_test, PathBuf::from);
        assert!(
            built.is_file(),
            "{} is not built: cargo build -p ringfence-cli -p ringfence-runner -p ringfence-probe, or say RINGFENCE_BIN=…/ringfence",
            built.display()
        );
        let dir = built.parent().unwrap();
        let dir = if rustix::process::geteuid().is_root() && !anyone_may_reach(dir) {
            reachable_copy(dir)
        } else {
            dir.to_path_buf()
        };
        Binaries {
            ringfence: dir.join("ringfence"),
            runner: dir.join("ringfence-runner"),
            probe: dir.join("ringfence-probe"),
            stays: dir.join("ringfence-stays"),
        }
    })
}

/// `target/<triple>/<profile>/deps/flows-…` lies one below the binaries.
fn beside_this_test() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(2).unwrap().join("ringfence")
}

fn anyone_may_reach(dir: &Path) -> bool {
    dir.ancestors()
        .all(|up| fs::metadata(up).is_ok_and(|m| m.permissions().mode() & 0o001 != 0))
}

fn reachable_copy(from: &Path) -> PathBuf {
    let names = [
        "ringfence",
        "ringfence-tools",
        "ringfence-runner",
        "ringfence-probe",
        "ringfence-stays",
    ];
    // A build is known by its files' times: a copy of another build is never taken for this one.
    let stamp: i64 = names
        .iter()
        .filter_map(|name| fs::metadata(from.join(name)).ok())
        .map(|m| {
            m.mtime()
                .wrapping_mul(1_000_003)
                .wrapping_add(m.mtime_nsec())
                ^ m.size() as i64
        })
        .fold(17, |a, b| a.wrapping_mul(31).wrapping_add(b));
    let to = PathBuf::from(format!("/var/lib/ringfence-e2e/bin-{:016x}", stamp as u64));
    if !to.is_dir() {
        let making = to.with_extension(std::process::id().to_string());
        fs::create_dir_all(&making).unwrap();
        for name in names {
            if from.join(name).is_file() {
                fs::copy(from.join(name), making.join(name)).unwrap();
            }
        }
        // Another test process may have been quicker; its copy is the same.
        if fs::rename(&making, &to).is_err() {
            let _ = fs::remove_dir_all(&making);
        }
    }
    to
}
