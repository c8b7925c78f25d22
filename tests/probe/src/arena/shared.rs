//! What is shared by key or name: segments, queues, keys, and the shared temporary directories.

use super::{ArenaError, making};
use crate::facts::Facts;
use ringfence_sys_linux::attempt::ipc::{MessageQueue, PosixQueue, Segment};
use ringfence_sys_linux::attempt::kernel::{self, Keyring};
use std::fs;
use std::path::{Path, PathBuf};

/// All of it; gone when dropped.
#[derive(Debug)]
pub(super) struct Shared {
    _segment: Option<Segment>,
    _messages: Option<MessageQueue>,
    _queue: Option<PosixQueue>,
    key: Option<i32>,
    file: PathBuf,
}

impl Shared {
    /// Makes what this kernel offers and fills in the names. What it does not offer, the control will say.
    pub(super) fn make(facts: &mut Facts) -> Result<Self, ArenaError> {
        let secret = facts.secret();
        fs::create_dir(&facts.tmp).map_err(making("make a directory in /tmp", &facts.tmp))?;
        let path = facts.tmp.join("secret.txt");
        fs::write(&path, &secret).map_err(making("write a file in /tmp", &path))?;
        // The key is of the arena's own name; positive, so that it is none of the private ones.
        facts.ipc_key = i32::from_str_radix(&facts.nonce[..7], 16).unwrap_or(0x5246);
        let queue_name = format!("/rf-verify-{}", facts.nonce);
        let queue = PosixQueue::create(&queue_name).ok();
        facts.queue = queue.is_some().then_some(queue_name);
        let key_name = format!("rf-verify-{}", facts.nonce);
        let key = kernel::add_key(Keyring::User, &key_name, secret.as_bytes()).ok();
        facts.key = key.is_some().then_some(key_name);
        let file = Path::new("/dev/shm").join(format!("rf-probe-{}", facts.nonce));
        let _ = fs::write(&file, &secret);
        Ok(Self {
            _segment: Segment::create(facts.ipc_key, secret.as_bytes()).ok(),
            _messages: MessageQueue::create(facts.ipc_key).ok(),
            _queue: queue,
            key,
            file,
        })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let _ = kernel::unlink_key(Keyring::User, key);
        }
        let _ = fs::remove_file(&self.file);
    }
}
