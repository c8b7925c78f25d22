//! Directories that tools fill, and that are not kept.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Endings of paths: one or more names each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exclude {
    endings: Vec<Vec<u8>>,
}

impl Exclude {
    pub(crate) fn new<'a>(endings: impl IntoIterator<Item = &'a str>) -> Exclude {
        Exclude {
            endings: endings
                .into_iter()
                .map(|ending| ending.as_bytes().to_vec())
                .collect(),
        }
    }

    /// Whether a directory of this path is one.
    pub(crate) fn is(&self, path: &Path) -> bool {
        let path = path.as_os_str().as_bytes();
        self.endings.iter().any(|ending| {
            path.strip_suffix(ending.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with(b"/"))
        })
    }

    /// Whether something lies in one, or is one and a directory.
    pub(crate) fn holds(&self, path: &Path, dir: bool) -> bool {
        let above = path.ancestors().skip(usize::from(!dir));
        above
            .filter(|above| !above.as_os_str().is_empty())
            .any(|above| self.is(above))
    }
}

#[cfg(test)]
mod tests {
    use super::Exclude;

    #[test]
    fn whole_names_and_directories_only() {
        let exclude = Exclude::new(["target", ".yarn/cache"]);
        for (path, dir, held) in [
            ("a/target/x", false, true),
            ("target", true, true),
            ("target", false, false),
            ("targets/x", false, false),
            (".yarn/cache/x", false, true),
            ("cache/x", false, false),
            ("", true, false),
        ] {
            assert_eq!(exclude.holds(path.as_ref(), dir), held, "{path}");
        }
    }
}
