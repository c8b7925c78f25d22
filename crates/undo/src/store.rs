//! Contents by their digests, in files, bounded in size.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use crate::bounds::Bounds;
use crate::error::Error;
use crate::known;
use crate::manifest::{self, Manifest};
use crate::put::write_sparsely;
use crate::state::Hash;

/// Where before-images are kept. Any number of processes may use one; each locks it for what it writes.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) dir: PathBuf,
    pub(crate) bounds: Bounds,
}

/// The store, as long as nobody else writes there.
#[derive(Debug)]
pub(crate) struct Locked<'a> {
    pub(crate) store: &'a Store,
    /// How much is kept, where this lock made that another: then it is written in the end, if it is known.
    size: Cell<Option<Option<u64>>>,
    _lock: File,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if let Some(Some(size)) = self.size.get() {
            // A new file: to write over one has the filesystem flush it. What is not written is counted anew.
            let _none = std::fs::remove_file(self.size_path());
            let _unwritten = std::fs::write(self.size_path(), size.to_string());
        }
    }
}

/// So long another process may write.
const PATIENCE: Duration = Duration::from_secs(10);

/// Smaller contents are copied: to share their blocks costs more.
const WORTH_SHARING: usize = 64 << 10;

/// What a writer that died left behind is removed after that time.
const LEFT: Duration = Duration::from_secs(60 * 60);

impl Store {
    /// The store in this directory. Nothing is made before something is kept.
    #[must_use]
    pub fn new(dir: PathBuf, bounds: Bounds) -> Store {
        Store { dir, bounds }
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn commands(&self) -> PathBuf {
        self.dir.join("commands")
    }

    pub(crate) fn known(&self) -> PathBuf {
        self.dir.join("known")
    }

    fn objects(&self) -> PathBuf {
        self.dir.join("objects")
    }

    pub(crate) fn object(&self, hash: Hash) -> PathBuf {
        // All in one directory: filesystems spread directories over the disk, and files with them.
        self.objects().join(hash.to_string())
    }

    pub(crate) fn has_objects(&self) -> bool {
        self.objects().is_dir()
    }

    /// Whether a content is there.
    pub(crate) fn has(&self, hash: Hash) -> bool {
        let meta = std::fs::symlink_metadata(self.object(hash));
        meta.is_ok_and(|meta| meta.is_file())
    }

    /// A content, if it is what its name says.
    pub(crate) fn read(&self, hash: Hash) -> io::Result<Vec<u8>> {
        let file = self.open(hash)?;
        let bytes = crate::below::read(&file, u64::MAX - 1)?;
        if blake3::hash(&bytes) == hash.0 {
            Ok(bytes)
        } else {
            // It is made anew when it is next kept.
            let _gone = std::fs::remove_file(self.object(hash));
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged"))
        }
    }

    pub(crate) fn open(&self, hash: Hash) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .custom_flags(no_follow())
            .open(self.object(hash))
    }

    /// Locks it, and makes what it needs.
    #[expect(
        clippy::disallowed_methods,
        reason = "flock(2) waits for ever or not at all"
    )]
    pub(crate) fn lock(&self) -> Result<Locked<'_>, Error> {
        make_dir(&self.dir)?;
        let meta = std::fs::symlink_metadata(&self.dir).map_err(|e| Error::io(&self.dir, e))?;
        if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() {
            return Err(Error::NotOurs {
                path: self.dir.clone(),
            });
        }
        for dir in [self.commands(), self.known(), self.objects()] {
            make_dir(&dir)?;
        }
        let path = self.dir.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(no_follow())
            .open(&path)
            .map_err(|e| Error::io(&path, e))?;
        let began = Instant::now();
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK | Errno::INTR) if began.elapsed() < PATIENCE => {
                    // What others write in one go takes milliseconds.
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => return Err(Error::Locked { path }),
                Err(errno) => return Err(Error::io(&path, errno)),
            }
        }
        Ok(Locked {
            store: self,
            size: Cell::new(None),
            _lock: file,
        })
    }
}

/// What a file takes up on disk: its blocks, and the room of its inode.
fn taken_up(meta: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    meta.blocks() * 512 + 512
}

/// What all files of a directory take up.
fn all_in(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|meta| taken_up(&meta))
        .sum()
}

fn no_follow() -> i32 {
    OFlags::NOFOLLOW.bits().cast_signed()
}

fn make_dir(dir: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|e| Error::io(dir, e))
}

/// A name beside a file for what becomes it.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    PathBuf::from(name)
}

/// Makes a file whole or not at all: filled under a name beside its own, which is handed over as well.
fn put(path: &Path, fill: impl FnOnce(&mut File, &Path) -> io::Result<()>) -> io::Result<()> {
    let temporary = beside(path);
    let made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(no_follow())
        .open(&temporary)
        .and_then(|mut file| fill(&mut file, &temporary))
        .and_then(|()| std::fs::rename(&temporary, path));
    if made.is_err() {
        // What is left of a failed try.
        let _none = std::fs::remove_file(&temporary);
    }
    made
}

impl Locked<'_> {
    /// Keeps a content. `from` holds it as well, where its blocks can be shared.
    pub(crate) fn keep(&self, hash: Hash, bytes: &[u8], from: &File) -> io::Result<()> {
        let path = self.store.object(hash);
        if let Ok(meta) = std::fs::symlink_metadata(&path)
            && meta.is_file()
            && meta.len() == bytes.len() as u64
        {
            return Ok(());
        }
        put(&path, |file, temporary| {
            let shared =
                bytes.len() >= WORTH_SHARING && rustix::fs::ioctl_ficlone(&*file, from).is_ok();
            // It may have been written to since it was read: what is shared is looked at.
            if !shared || Hash(blake3::hash(&std::fs::read(temporary)?)) != hash {
                file.set_len(0)?;
                write_sparsely(file, bytes)?;
            }
            Ok(())
        })?;
        self.grow(std::fs::symlink_metadata(&path).map_or(0, |meta| taken_up(&meta)));
        Ok(())
    }

    /// Writes a file of the store whole or not at all.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        put(path, |file, _| file.write_all(bytes)).map_err(|error| Error::io(path, error))
    }

    fn size_path(&self) -> PathBuf {
        self.store.dir.join("size")
    }

    /// How much objects take up, as far as that was counted; `None` where it has to be counted anew.
    fn size(&self) -> Option<u64> {
        let text = std::fs::read_to_string(self.size_path()).ok()?;
        text.trim().parse().ok()
    }

    /// More is kept. As long as that is not written, nothing says how much: who is killed leaves it to be counted anew.
    fn grow(&self, by: u64) {
        if self.size.get().is_none() {
            self.size.set(Some(self.size()));
            // What is not there needs no removal.
            let _none = std::fs::remove_file(self.size_path());
        }
        if let Some(Some(size)) = self.size.get() {
            self.size.set(Some(Some(size + by)));
        }
    }

    /// How much is kept, this lock's own counted.
    fn now(&self) -> Option<u64> {
        self.size.get().unwrap_or_else(|| self.size())
    }

    /// Takes away the oldest, where all takes up more than it may.
    pub(crate) fn collect(&self) -> Result<(), Error> {
        let most = self.store.bounds.store;
        if self.now().is_some_and(|size| size <= most) {
            return Ok(());
        }
        let mut objects = self.all_objects()?;
        let lists = [self.store.commands(), self.store.known()].map(|dir| all_in(&dir));
        let mut size: u64 =
            objects.iter().map(|(_, size)| size).sum::<u64>() + lists.iter().sum::<u64>();
        if size > most {
            let keep = self.worth_keeping(most / 4 * 3);
            objects.retain(|(hash, bytes)| {
                let kept = keep.contains(hash);
                if !kept && std::fs::remove_file(self.store.object(*hash)).is_ok() {
                    size -= bytes;
                }
                kept
            });
        }
        let after = [self.store.commands(), self.store.known()].map(|dir| all_in(&dir));
        size = size - lists.iter().sum::<u64>() + after.iter().sum::<u64>();
        self.size.set(Some(Some(size)));
        Ok(())
    }

    /// All objects and their sizes. What writers that died left is removed.
    fn all_objects(&self) -> Result<Vec<(Hash, u64)>, Error> {
        let top = self.store.objects();
        let mut all = Vec::new();
        let files = std::fs::read_dir(&top).map_err(|e| Error::io(&top, e))?;
        for file in files.flatten() {
            let (Ok(name), Ok(meta)) = (file.file_name().into_string(), file.metadata()) else {
                continue;
            };
            match blake3::Hash::from_hex(name) {
                Ok(hash) => all.push((Hash(hash), taken_up(&meta))),
                Err(_) => {
                    let old = meta.modified().ok().and_then(|t| t.elapsed().ok());
                    if old.is_some_and(|old| old > LEFT) {
                        let _gone = std::fs::remove_file(file.path());
                    }
                }
            }
        }
        Ok(all)
    }

    /// What the newest refer to, as far as it fits. The older ones, which would refer to what is gone, are removed.
    fn worth_keeping(&self, most: u64) -> HashSet<Hash> {
        enum Of {
            Command,
            Known,
        }
        let list = |dir: PathBuf, of: fn() -> Of| {
            let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
            let files = files.filter_map(move |file| {
                let time: SystemTime = file.metadata().ok()?.modified().ok()?;
                Some((time, file.path(), of()))
            });
            files.collect::<Vec<_>>()
        };
        let mut all = list(self.store.commands(), || Of::Command);
        all.extend(list(self.store.known(), || Of::Known));
        all.sort_by_key(|(time, ..)| std::cmp::Reverse(*time));
        let mut keep: HashSet<Hash> = HashSet::new();
        let mut size = 0;
        let mut full = false;
        for (_, path, of) in all {
            let its: HashSet<Hash> = match of {
                Of::Known => known::hashes(&path),
                Of::Command => {
                    manifest::read(&path).map_or_else(|_| HashSet::new(), |m| m.hashes())
                }
            };
            let new: Vec<Hash> = its.into_iter().filter(|h| !keep.contains(h)).collect();
            let more: u64 = new
                .iter()
                .filter_map(|hash| std::fs::metadata(self.store.object(*hash)).ok())
                .map(|meta| taken_up(&meta))
                .sum();
            let own = std::fs::metadata(&path).map_or(0, |meta| taken_up(&meta));
            let more = more + own;
            full = full || size + more > most;
            if full && !new.is_empty() {
                // What is known of a directory is found out anew, a command cannot be undone any more.
                let _gone = std::fs::remove_file(&path);
                continue;
            }
            size += more;
            keep.extend(new);
        }
        keep
    }

    /// Marks what a manifest refers to and is not there any more.
    pub(crate) fn checked(&self, manifest: &mut Manifest) {
        manifest.forget(|hash| !self.store.has(hash));
    }
}
