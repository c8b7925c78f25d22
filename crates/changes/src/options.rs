//! What a caller may choose.

use std::path::PathBuf;

/// What a caller may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Entries and summaries listed at most, in all roots together; what is beyond is counted. 10,000.
    pub most: usize,
    /// Directories watched at most. Without it the smaller of 65,536 and a quarter of what the user may have
    /// (`/proc/sys/fs/inotify/max_user_watches`).
    pub watches: Option<usize>,
    /// Directories that could not be watched are walked at each mark and at the end of each command. Costs what a walk of
    /// them costs; without it, they are told as not seen.
    pub walk_unwatched: bool,
    /// Directories that are summed up, beside [`GENERATED`](crate::GENERATED): one or more names, which a directory's path
    /// ends in (`out`, `web/dist`).
    pub generated: Vec<PathBuf>,
    /// Places noted at most, each with what it held before. A mark that needs more is told as forgotten. 1,000,000, which
    /// takes some 150 MB.
    pub log: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            most: 10_000,
            watches: None,
            walk_unwatched: false,
            generated: Vec::new(),
            log: 1_000_000,
        }
    }
}
