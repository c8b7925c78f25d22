//! How an entry stands: what tells it from another state, and what it holds.

use std::fmt;
use std::path::PathBuf;

pub(crate) use ringfence_changes::Kind;
use ringfence_changes::{Stood, path};
use rustix::fs::{FileType, Statx, StatxFlags, StatxTimestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What the kernel says of an entry. In JSON an array, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Its permissions: the last twelve bits of `st_mode`.
    pub mode: u32,
    /// In bytes.
    pub size: u64,
    /// When its content last changed, in nanoseconds since 1970.
    pub modified: i64,
    /// When anything about it last did.
    pub changed: i64,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its filesystem.
    pub dev: u64,
    /// Its number there; 0 where it is not known.
    pub ino: u64,
    /// When it was made; 0 where that is not known.
    pub born: i64,
    /// How many names it has.
    pub links: u32,
}

type Row = (Kind, u32, u64, i64, i64, u32, u32, u64, u64, i64, u32);

impl From<Row> for Stat {
    fn from(row: Row) -> Stat {
        let (kind, mode, size, modified, changed, uid, gid, dev, ino, born, links) = row;
        Stat {
            kind,
            mode,
            size,
            modified,
            changed,
            uid,
            gid,
            dev,
            ino,
            born,
            links,
        }
    }
}

impl From<Stat> for Row {
    fn from(s: Stat) -> Row {
        (
            s.kind, s.mode, s.size, s.modified, s.changed, s.uid, s.gid, s.dev, s.ino, s.born,
            s.links,
        )
    }
}

/// What is asked of the kernel.
pub(crate) const ASKED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

impl From<&Statx> for Stat {
    fn from(stat: &Statx) -> Stat {
        let nanos = |t: StatxTimestamp| {
            t.tv_sec
                .saturating_mul(1_000_000_000)
                .saturating_add(i64::from(t.tv_nsec))
        };
        let kind = match FileType::from_raw_mode(u32::from(stat.stx_mode)) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Special,
        };
        let born = match stat.stx_mask & StatxFlags::BTIME.bits() {
            0 => 0,
            _ => nanos(stat.stx_btime),
        };
        Stat {
            kind,
            mode: u32::from(stat.stx_mode) & 0o7777,
            size: stat.stx_size,
            modified: nanos(stat.stx_mtime),
            changed: nanos(stat.stx_ctime),
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            dev: (u64::from(stat.stx_dev_major) << 32) | u64::from(stat.stx_dev_minor),
            ino: stat.stx_ino,
            born,
            links: stat.stx_nlink,
        }
    }
}

impl Stat {
    /// The same object, under whatever name and whatever it holds.
    pub(crate) fn is_same_object(&self, other: &Stat) -> bool {
        self.ino != 0
            && (self.dev, self.ino, self.born) == (other.dev, other.ino, other.born)
            && self.kind == other.kind
    }

    /// Nothing was written since. Its time of change may be another: to rename a file is to change it.
    pub(crate) fn is_unwritten(&self, other: &Stat) -> bool {
        self.is_same_object(other)
            && (self.size, self.modified, self.mode) == (other.size, other.modified, other.mode)
    }
}

/// A BLAKE3 digest of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub(crate) blake3::Hash);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0.to_hex())
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(from)?;
        blake3::Hash::from_hex(text)
            .map(Hash)
            .map_err(serde::de::Error::custom)
    }
}

/// Why a content is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It became another before it was read.
    Changed,
    /// It is larger than a file may be.
    Large,
    /// It may not be read.
    Unreadable,
    /// It is a FIFO, a socket or a device.
    Special,
    /// All together would be more than may be kept.
    Bound,
    /// What was there is not known.
    Unknown,
    /// It was kept, and is gone for its age.
    Collected,
    /// It could not be written to the store.
    Unwritten,
}

impl Why {
    /// In words, after "not kept: ".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Why::Changed => "it changed before it was read",
            Why::Large => "it is too large",
            Why::Unreadable => "it may not be read",
            Why::Special => "it is a FIFO, a socket or a device",
            Why::Bound => "all together would be more than is kept",
            Why::Unknown => "what was there was not seen",
            Why::Collected => "it is gone, since newer ones need the room",
            Why::Unwritten => "it could not be written to the store",
        }
    }
}

/// What an entry holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A file's content, which is kept under this digest.
    Kept(Hash),
    /// Where a link leads.
    Link(#[serde(with = "path")] PathBuf),
    /// Nothing that is kept: a directory.
    None,
    /// It is not kept.
    Not(Why),
}

impl Content {
    /// The digest under which it is kept.
    #[must_use]
    pub fn kept(&self) -> Option<Hash> {
        match self {
            Content::Kept(hash) => Some(*hash),
            _ => None,
        }
    }
}

/// How an entry stands, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What the kernel says of it.
    pub stat: Stat,
    /// What it holds.
    pub content: Content,
}

impl State {
    /// Whether this is what whoever follows a command noted.
    pub(crate) fn is_seen(&self, seen: &Stood) -> bool {
        let stat = &self.stat;
        let same = stat.kind == seen.kind && stat.mode == seen.mode;
        // Of a directory no more is noted.
        same && (seen.kind == Kind::Directory
            || (stat.size, stat.modified, stat.changed) == (seen.size, seen.modified, seen.changed))
    }

    /// Whether something that is there now is as this was left: what it holds, and its permissions.
    #[must_use]
    pub fn is_as(&self, now: &State) -> bool {
        if self.stat.kind != now.stat.kind {
            return false;
        }
        match (&self.content, &now.content) {
            (Content::Kept(a), Content::Kept(b)) => a == b && self.stat.mode == now.stat.mode,
            (Content::Link(a), Content::Link(b)) => a == b,
            (Content::None, Content::None) => true,
            // What it holds is not known: then nothing may have touched it.
            _ => {
                let times = |s: &Stat| (s.size, s.modified, s.changed, s.mode);
                self.stat.kind == Kind::File && times(&self.stat) == times(&now.stat)
                    || self.stat.kind == Kind::Special && self.stat.is_same_object(&now.stat)
            }
        }
    }
}
