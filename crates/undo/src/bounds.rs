//! How much is kept.

/// How much is kept, of all and of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// A file larger than this is not kept, in bytes. 16 MiB.
    pub file: u64,
    /// All contents together, in bytes: beyond it the oldest go. 512 MiB.
    pub store: u64,
    /// What one directory holds now, in bytes: what is beyond is not kept. 256 MiB.
    pub root: u64,
    /// Entries of one directory that are looked at. 200,000.
    pub entries: usize,
    /// Changes of one command that are kept. 100,000.
    pub changes: usize,
    /// Commands of which something is kept: beyond it the oldest go. 5,000.
    pub commands: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            file: 16 << 20,
            store: 512 << 20,
            root: 256 << 20,
            entries: 200_000,
            changes: 100_000,
            commands: 5_000,
        }
    }
}

/// How much may have to be read before nothing is kept at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// Files that are not kept yet.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Most {
    /// What is cheap enough to be done without being asked for: 20,000 files, 64 MiB.
    pub const CHEAP: Most = Most {
        files: 20_000,
        bytes: 64 << 20,
    };
    /// All that the bounds allow.
    pub const ALL: Most = Most {
        files: usize::MAX,
        bytes: u64::MAX,
    };
}
