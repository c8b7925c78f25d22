//! The files that journals are, and what is done with them. In tests another stands here, which loses what a crash loses.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Where journals are.
pub(crate) trait Shelf: Sync {
    /// A file opened to be written behind its end.
    type File: Send;
    /// Held for as long as nobody else may write.
    type Lock;

    /// Where it is, for people.
    fn path(&self, name: &str) -> PathBuf;
    /// The names there; none where there is no such directory.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Keeps others out. Calls `waiting` where another has it, and waits.
    fn lock(&self, name: &str, waiting: &dyn Fn()) -> io::Result<Self::Lock>;
    /// All of a file; none where there is none.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// So much of its end.
    fn tail(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>>;
    /// Opens or makes it, cut to this length.
    fn open(&self, name: &str, length: u64) -> io::Result<Self::File>;
    /// Writes behind its end.
    fn append(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;
    /// Waits until what was written is on the disk.
    fn flush(&self, file: &mut Self::File) -> io::Result<()>;
    /// Removes it.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// A directory of this machine. Who makes it says who may read it.
#[derive(Debug)]
pub(crate) struct Dir<'a>(pub(crate) &'a Path);

impl Shelf for Dir<'_> {
    type File = File;
    type Lock = File;

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            // Ours are plain characters.
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    fn lock(&self, name: &str, waiting: &dyn Fn()) -> io::Result<File> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path(name))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(file)
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        there(std::fs::read(self.path(name)))
    }

    fn tail(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(mut file) = there(File::open(self.path(name)))? else {
            return Ok(None);
        };
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
        let mut bytes = Vec::new();
        // Another process may be writing behind it.
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn open(&self, name: &str, length: u64) -> io::Result<File> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path(name))?;
        if file.metadata()?.len() != length {
            file.set_len(length)?;
        }
        file.seek(SeekFrom::End(0))?;
        Ok(file)
    }

    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn flush(&self, file: &mut File) -> io::Result<()> {
        file.sync_data()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        there(std::fs::remove_file(self.path(name))).map(|_| ())
    }
}

fn there<T>(answer: io::Result<T>) -> io::Result<Option<T>> {
    match answer {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        answer => answer.map(Some),
    }
}
