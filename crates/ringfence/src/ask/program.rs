//! A program of the person's own that may answer.
//!
//! It reads one line of JSON, the question, and prints one, the answer: `{"id": …, "answer": "once"}`, with the question's `id`,
//! which is the hash of all that was asked. What it prints that is no answer is none. It runs outside of every ring, with all
//! that the person may: it is named in their own policy or the administrator's, and nowhere else.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use ringfence_policy::plain;
use rustix::process::{Pid, Signal};
use serde::Deserialize;

use super::{Answer, Heard, Page};

/// An answer is no longer.
const SAID_MAX: usize = 64 << 10;

/// Where it finds programs: directories that belong to the system.
const SYSTEM_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin";

/// Who the person is, how they read, and where their screen is.
fn is_kept(name: &OsStr) -> bool {
    const KEPT: [&str; 15] = [
        "DBUS_SESSION_BUS_ADDRESS",
        "DISPLAY",
        "HOME",
        "LANG",
        "LANGUAGE",
        "LOGNAME",
        "TERM",
        "TZ",
        "USER",
        "WAYLAND_DISPLAY",
        "XAUTHORITY",
        "XDG_CURRENT_DESKTOP",
        "XDG_RUNTIME_DIR",
        "XDG_SESSION_ID",
        "XDG_SESSION_TYPE",
    ];
    let name = name.to_string_lossy();
    KEPT.contains(&&*name) || name.starts_with("LC_")
}

/// One that was asked.
pub(super) struct Program {
    path: String,
    child: Child,
    said: Vec<u8>,
    from: ChildStdout,
}

#[derive(Deserialize)]
struct Said {
    id: String,
    answer: String,
    words: Option<String>,
}

impl Program {
    /// Asks it. One that cannot be started has not answered.
    pub(super) fn start(words: &[String], page: &Page, within: Duration) -> Option<Program> {
        let (path, arguments) = words.split_first()?;
        let mut child = Command::new(path)
            .args(arguments)
            // Nor what would have it find programs and modules where they write.
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| is_kept(name)))
            .env("PATH", SYSTEM_PATH)
            // Not where commands write: many a program takes its modules from where it stands.
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut line = page.json(within).to_string();
        line.push('\n');
        // A pipe has room for more than a question is long (`pipe(7)`): one that does not read holds nobody up.
        if let Some(mut to) = child.stdin.take() {
            let _unread = to.write_all(line.as_bytes());
        }
        let from = child.stdout.take()?;
        Some(Program {
            path: path.clone(),
            child,
            said: Vec::new(),
            from,
        })
    }

    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn name(&self) -> String {
        format!("program {}", self.path)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }

    /// What there is to be read; nothing where it has not come to an end.
    pub(super) fn read(&mut self, page: &Page) -> Option<Result<Heard, String>> {
        let mut some = [0; 4096];
        match self.from.read(&mut some) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return None,
            Err(error) => return Some(Err(error.to_string())),
            Ok(length) if length > 0 => {
                self.said.extend(some.get(..length).unwrap_or_default());
                if self.said.len() > SAID_MAX {
                    return Some(Err("it said more than an answer".to_owned()));
                }
                if !self.said.contains(&b'\n') {
                    return None;
                }
            }
            Ok(_) => {}
        }
        let line = self.said.split(|byte| *byte == b'\n').next();
        Some(self.understood(line.unwrap_or_default(), page))
    }

    fn understood(&self, line: &[u8], page: &Page) -> Result<Heard, String> {
        let said: Said = serde_json::from_slice(line).map_err(|_| "no answer".to_owned())?;
        if said.id != page.id() {
            return Err("its answer is to another question".to_owned());
        }
        let answer = match said.answer.as_str() {
            "once" if page.once() => Answer::Once,
            "session" if page.session() => Answer::Session,
            "project" if page.project() => Answer::Project,
            "no" => Answer::No,
            other => return Err(format!("{:?} is no answer to this", plain(other))),
        };
        Ok(Heard {
            answer,
            from: self.name(),
            words: said.words.map(|words| plain(&words).to_string()),
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It is told that it was answered elsewhere: nobody listens any more.
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            let _gone = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
