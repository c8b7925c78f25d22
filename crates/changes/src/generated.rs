//! Directories that tools fill, with more than anybody reads.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A directory that is summed up: one entry for all that changes in it.
///
/// By name alone. What a directory holds could be put there by a command, to have what it did to the rest summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generated {
    /// One or more names, which its path ends in.
    pub path: &'static str,
    /// What fills it.
    pub why: &'static str,
}

const fn of(path: &'static str, why: &'static str) -> Generated {
    Generated { path, why }
}

/// Directories that are summed up without being asked for.
///
/// Not here: `build`, `dist`, `out`, `vendor`, `bin`. People write in directories of these names.
pub const GENERATED: &[Generated] = &[
    of(
        ".git/objects",
        "git: objects and packs, named by their content",
    ),
    of(
        ".git/lfs/objects",
        "Git LFS: large files, named by their content",
    ),
    of(".hg/store", "Mercurial: its history"),
    of(".jj/repo/store", "Jujutsu: its history"),
    of("target", "Cargo, Maven, sbt: what was built"),
    of("node_modules", "npm, pnpm, Yarn, Bun: packages"),
    of("bower_components", "Bower: packages"),
    of(".pnpm-store", "pnpm: packages, named by their content"),
    of(".yarn/cache", "Yarn: packages"),
    of(".next", "Next.js: what was built, and its cache"),
    of(".nuxt", "Nuxt: what was built"),
    of(".svelte-kit", "SvelteKit: what was built"),
    of(".angular/cache", "Angular: its cache"),
    of(".turbo", "Turborepo: its cache"),
    of(".nx/cache", "Nx: its cache"),
    of(".parcel-cache", "Parcel: its cache"),
    of(".venv", "Python: an environment's packages"),
    of("venv", "Python: an environment's packages"),
    of("__pycache__", "Python: compiled modules"),
    of(".mypy_cache", "mypy: its cache"),
    of(".pytest_cache", "pytest: its cache"),
    of(".ruff_cache", "Ruff: its cache"),
    of(".hypothesis", "Hypothesis: examples"),
    of(".tox", "tox: environments"),
    of(".nox", "Nox: environments"),
    of(".eggs", "setuptools: packages for a build"),
    of(".gradle", "Gradle: its cache"),
    of(".bundle/cache", "Bundler: packages"),
    of(".terraform", "Terraform: providers and modules"),
    of(".dart_tool", "Dart: what was built, and its cache"),
    of(".zig-cache", "Zig: its cache"),
    of("zig-cache", "Zig: its cache"),
    of("dist-newstyle", "Cabal: what was built"),
    of(".stack-work", "Stack: what was built"),
    of(".ccache", "ccache: compiled objects"),
    of("DerivedData", "Xcode: what was built, and indexes"),
    of("CMakeFiles", "CMake: what was built"),
];

/// The table, and what the caller named.
#[derive(Debug)]
pub(crate) struct Table {
    /// By the last name, whole endings.
    endings: std::collections::HashMap<Vec<u8>, Vec<Vec<u8>>>,
}

impl Table {
    pub(crate) fn new(more: &[PathBuf]) -> Table {
        let ours = GENERATED.iter().map(|g| g.path.as_bytes().to_vec());
        let theirs = more.iter().map(|path| {
            // Without `.` and doubled slashes.
            let clean: PathBuf = path.components().collect();
            clean.as_os_str().as_bytes().to_vec()
        });
        let mut endings: std::collections::HashMap<Vec<u8>, Vec<Vec<u8>>> = Default::default();
        for ending in ours.chain(theirs).filter(|ending| !ending.is_empty()) {
            let last = ending.rsplit(|b| *b == b'/').next().unwrap_or_default();
            endings.entry(last.to_vec()).or_default().push(ending);
        }
        Table { endings }
    }

    /// How long the path of the outermost generated directory is that `path` lies in or, where `dir` says that it is a
    /// directory, that it is.
    pub(crate) fn within(&self, path: &[u8], dir: bool) -> Option<usize> {
        let mut start = 0;
        loop {
            let end = path[start..].iter().position(|b| *b == b'/');
            let end = end.map_or(path.len(), |n| start + n);
            if end == path.len() && !dir {
                return None;
            }
            if let Some(endings) = self.endings.get(&path[start..end]) {
                let above = &path[..end];
                let ends = |ending: &Vec<u8>| {
                    above
                        .strip_suffix(ending.as_slice())
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with(b"/"))
                };
                if endings.iter().any(ends) {
                    return Some(end);
                }
            }
            if end == path.len() {
                return None;
            }
            start = end + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn the_outermost_directory_counts_and_whole_names_only() {
        let table = Table::new(&["web/./dist/".into()]);
        let within = |path: &str, dir| {
            let end = table.within(path.as_bytes(), dir);
            end.map(|end| path[..end].to_owned())
        };
        assert_eq!(
            within("a/target/x/target/y", false).as_deref(),
            Some("a/target")
        );
        assert_eq!(within("a/target", true).as_deref(), Some("a/target"));
        assert_eq!(within("a/target", false), None, "a file of that name");
        assert_eq!(within("a/targets/x", false), None);
        assert_eq!(
            within(".git/objects/aa/bb", false).as_deref(),
            Some(".git/objects")
        );
        assert_eq!(within("objects/aa", false), None);
        assert_eq!(within("x.git/objects/aa", false), None);
        assert_eq!(within("a/web/dist/x", false).as_deref(), Some("a/web/dist"));
        assert_eq!(within("dist/x", false), None);
    }
}
