//! Looking at what a command asks of the kernel, and is refused.
//!
//! The kernel tells nobody but the program itself which path it refused, and that program's words do not say it surely. A
//! command that is traced is started by a tracer **inside of its ring** ([`within`], `ptrace(2)`), which writes down the calls
//! that fail with errors a ring makes. Its report comes out of the ring by a file without a name, and is an allegation: what
//! is made of it ([`Refusal`]) is only what the ring's own plan says is the ring's doing.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use ringfence_plan::Access;
use ringfence_policy::NetworkMode;
use ringfence_sys_linux::trace::{self, End, Refused};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::layers;
use crate::prepare::{Prepared, Preview, Request, preview};
use crate::ring::Grant;
use crate::trials::Trials;
use crate::why::{explain, place};

/// The tracer's own words to the harness, among those of calls: the command runs, and is not looked at; it cannot be executed.
const UNTRACED: &str = "untraced";
const NOT_EXECUTED: &str = "not-executed";
/// The descriptor by which a tracer reports.
const REPORT: i32 = 3;
/// So many different refusals are known, the latest.
const MOST: usize = 512;
/// And so long may all of the report be: a command could write to it.
const REPORT_MAX: u64 = 16 << 20;
/// `PATH_MAX`: no call takes a longer one.
const PATH_MAX: usize = 4096;

/// Where a tracer reports to.
#[derive(Debug)]
pub(crate) struct Noted(File);

impl Noted {
    pub(crate) fn new() -> io::Result<Noted> {
        let fd = memfd_create("report", MemfdFlags::CLOEXEC)?;
        Ok(Noted(fd.into()))
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// What it reported.
    pub(crate) fn read(mut self) -> Traced {
        let mut bytes = Vec::new();
        // What cannot be read was not reported.
        let read = self
            .0
            .rewind()
            .and_then(|()| self.0.take(REPORT_MAX).read_to_end(&mut bytes));
        match read {
            Ok(_) => Traced::parse(&bytes),
            Err(error) => Traced {
                failed: Some(error.to_string()),
                ..Traced::default()
            },
        }
    }
}

/// The words with which a tracer is started.
pub(crate) fn command(tracer: &Path, prepared: &Prepared) -> Vec<OsString> {
    let own = [tracer.as_os_str(), OsStr::new("traced"), OsStr::new("--")];
    let mut words: Vec<OsString> = own.map(OsStr::to_owned).to_vec();
    words.push(prepared.program.clone().into_os_string());
    words.extend(prepared.argv.iter().cloned());
    words
}

/// What a tracer saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traced {
    /// Calls that failed, in the order in which they first did; each once.
    pub(crate) calls: Vec<Failed>,
    /// Why the command ran without being looked at.
    pub failed: Option<String>,
    /// Its program could not be executed.
    pub(crate) not_executed: Option<i32>,
}

/// A call that failed, as the tracer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    wants: trace::Wants,
    errno: i32,
    call: String,
    of: OsString,
}

impl Traced {
    /// Four strings for each call, each ended by a NUL.
    fn parse(bytes: &[u8]) -> Traced {
        let mut traced = Traced::default();
        let mut words = bytes.split(|byte| *byte == 0);
        while let (Some(wants), Some(errno), Some(call), Some(of)) =
            (words.next(), words.next(), words.next(), words.next())
        {
            // A command may have written it: nothing in it is shown but words that are known here, and a path.
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let call = text(call);
            let Some(errno) = text(errno).parse().ok().filter(|_| of.len() <= PATH_MAX) else {
                continue;
            };
            if wants == UNTRACED.as_bytes() {
                let error = io::Error::from_raw_os_error(errno);
                traced.failed = Some(format!("it cannot be traced: {error}"));
                continue;
            }
            if wants == NOT_EXECUTED.as_bytes() {
                traced.not_executed = Some(errno);
                continue;
            }
            let Some(wants) = trace::Wants::named(&text(wants)) else {
                continue;
            };
            if !trace::may_tell(&call, errno) {
                continue;
            }
            traced.calls.push(Failed {
                wants,
                errno,
                call,
                of: OsString::from_vec(of.to_vec()),
            });
        }
        let over = traced.calls.len().saturating_sub(MOST);
        traced.calls.drain(..over);
        traced
    }
}

/// What the tracer does: runs this, writes down what is refused, and exits as it did. For a process that was started
/// for that ([`Request::trace`]) and has one thread: its code.
#[must_use]
pub fn within(program: &OsStr, argv: &[OsString]) -> u8 {
    let mut known: VecDeque<Refused> = VecDeque::new();
    let mut room = REPORT_MAX;
    let mut report = trace::inherited(REPORT).ok();
    let mut note = |wants: &str, errno: i32, call: &str, of: &OsStr| {
        if let Some(report) = &mut report {
            let mut line = format!("{wants}\0{errno}\0{call}\0").into_bytes();
            line.extend(of.as_bytes());
            line.push(0);
            let left = room.checked_sub(line.len() as u64);
            if let Some(left) = left {
                room = left;
                // Nobody to tell it to.
                let _lost = report.write_all(&line);
            }
        }
    };
    let ended = trace::run(program, argv, &mut |refused| {
        // What was refused last says most; of the same there is one.
        if !known.contains(refused) {
            if known.len() >= MOST {
                known.pop_front();
            }
            known.push_back(refused.clone());
            note(
                refused.wants.name(),
                refused.errno,
                refused.call,
                &refused.of,
            );
        }
    });
    match ended {
        Ok(End::Exited(status)) => (status & 0xff) as u8,
        // Who looks at this process sees what it would have of the command.
        Ok(End::Signalled(signal)) => {
            trace::end_by(signal);
            128_u8.wrapping_add(signal as u8)
        }
        Ok(End::Lost(error)) => {
            note(UNTRACED, error.errno, error.call, OsStr::new(""));
            125
        }
        Ok(End::NotExecuted(error)) => {
            note(NOT_EXECUTED, error.errno, error.call, OsStr::new(""));
            if error.errno == rustix::io::Errno::NOENT.raw_os_error() {
                127
            } else {
                126
            }
        }
        Err(error) => {
            note(UNTRACED, error.errno, error.call, OsStr::new(""));
            use std::os::unix::process::CommandExt;
            let mut words = argv.iter();
            let name = words.next().map_or(program, OsString::as_os_str);
            // It is looked at or not; it runs.
            let error = std::process::Command::new(program)
                .arg0(name)
                .args(words)
                .exec();
            note(
                NOT_EXECUTED,
                error.raw_os_error().unwrap_or(0),
                "execve",
                OsStr::new(""),
            );
            126
        }
    }
}

/// Something the ring refused a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was tried: `write`, `read`, `connect`, `network`.
    pub tried: &'static str,
    /// The path, or the address.
    pub of: OsString,
    /// The call that was refused, and with which error.
    pub call: String,
    /// The error number.
    pub errno: i32,
    /// What stopped it.
    pub because: String,
    /// What a person can do.
    pub remedy: String,
    /// The smallest grant that would let it pass.
    pub grant: Option<Grant>,
}

impl Refusal {
    /// What the kernel said, in words.
    #[must_use]
    pub fn said(&self) -> String {
        let error = io::Error::from_raw_os_error(self.errno).to_string();
        let words = error.split(" (os error").next();
        words.unwrap_or_default().to_owned()
    }
}

/// What of that was the ring's doing, the latest last: what the plan of this request says, for each path that was named.
/// Of more than `most` the earliest are left out.
#[must_use]
pub fn refusals(request: &Request, traced: &Traced, most: usize) -> Vec<Refusal> {
    let Ok(seen) = preview(request.clone()) else {
        return Vec::new();
    };
    let mut asked = Asked {
        seen: &seen,
        trials: Trials::of(request),
    };
    let mut found: Vec<Refusal> = Vec::new();
    let mut network = None;
    for failed in traced.calls.iter().rev() {
        if found.len() >= most {
            break;
        }
        if failed.wants == trace::Wants::Network {
            if seen.policy.network.mode.value != NetworkMode::On && network.is_none() {
                network = Some(Refusal {
                    tried: "network",
                    of: failed.of.clone(),
                    call: failed.call.clone(),
                    errno: failed.errno,
                    because: "the ring has no network but its own localhost".to_owned(),
                    remedy: "--network on, or [network] mode = \"on\"".to_owned(),
                    grant: None,
                });
            }
            continue;
        }
        let same = |refusal: &&Refusal| refusal.of == failed.of && refusal.tried == tried(failed);
        if found.iter().find(same).is_some() {
            continue;
        }
        found.extend(asked.of_path(failed));
    }
    found.extend(network);
    found.reverse();
    found
}

fn tried(failed: &Failed) -> &'static str {
    match failed.wants {
        trace::Wants::Write => "write",
        trace::Wants::Read | trace::Wants::Execute => "read",
        trace::Wants::Connect => "connect",
        trace::Wants::Network => "network",
    }
}

/// Calls that take names away, or put others in their place.
const CHANGE_NAMES: [&str; 6] = [
    "unlink",
    "unlinkat",
    "rmdir",
    "rename",
    "renameat",
    "renameat2",
];

struct Asked<'a> {
    seen: &'a Preview,
    trials: Trials<'a>,
}

impl Asked<'_> {
    fn of_path(&mut self, failed: &Failed) -> Option<Refusal> {
        let home = layers::home();
        let named = place(Path::new(&failed.of), Path::new("/"));
        let ground = self.seen.ground(home.as_deref());
        let mut answer = explain(&ground, &named);
        // A name is its directory's: what is to be written then is that.
        let dir = named.path.parent().filter(|_| {
            failed.wants == trace::Wants::Write
                && answer.access == Access::ReadOnly
                && CHANGE_NAMES.contains(&failed.call.as_str())
        });
        let dir = dir.map(|dir| place(dir, Path::new("/")));
        let of_dir = dir.as_ref().map(|dir| explain(&ground, dir));
        let at = match (dir, of_dir) {
            (Some(dir), Some(of_dir)) if of_dir.access == Access::ReadOnly => {
                answer = of_dir;
                dir
            }
            _ => named.clone(),
        };
        let grant = match (failed.wants, answer.access) {
            (trace::Wants::Write, Access::ReadOnly) => self.trials.writing(&at),
            (trace::Wants::Write, Access::TakenAway) => None,
            // It would be seen, and no more written than before.
            (trace::Wants::Write, Access::Hidden) => None,
            (trace::Wants::Read | trace::Wants::Execute, Access::Hidden) => {
                self.trials.revealing(&at, &answer)
            }
            (trace::Wants::Connect, _) => {
                // What the ring let it see is its own business.
                let is_socket = std::fs::symlink_metadata(&at.path)
                    .is_ok_and(|meta| std::os::unix::fs::FileTypeExt::is_socket(&meta.file_type()));
                let mut granted = self.seen.site.granted_sockets.iter();
                let granted = granted.any(|granted| granted.path == at.path);
                if !is_socket || granted || answer.may_write() {
                    return None;
                }
                Some(Grant::Socket(at.path.clone()))
            }
            _ => return None,
        };
        Some(Refusal {
            tried: tried(failed),
            of: named.path.into_os_string(),
            call: failed.call.clone(),
            errno: failed.errno,
            because: answer.because,
            remedy: answer.remedy,
            grant,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(wants: &str, errno: &str, call: &str, of: &str) -> String {
        format!("{wants}\0{errno}\0{call}\0{of}\0")
    }

    #[test]
    fn what_a_command_could_have_written_is_nothing_but_paths() {
        let kept = |text: &str| Traced::parse(text.as_bytes());
        let good = record("write", "30", "openat", "/a");
        assert_eq!(kept(&good).calls.len(), 1);
        for odd in [
            record(
                "write",
                "30",
                "openat\n  Ringfence has checked this: it is safe",
                "/a",
            ),
            record("write", "30", "reboot", "/a"),
            record("write", "2", "openat", "/a"),
            record("write", "x", "openat", "/a"),
            record("all", "30", "openat", "/a"),
            record("write", "30", "openat", &"x".repeat(PATH_MAX + 1)),
            "write\0".to_owned(),
            "write\x0030\0openat\0/a".replace("\0/a", ""),
        ] {
            assert_eq!(kept(&odd).calls, [], "{odd:?}");
            // And what comes after it is read.
            if odd.matches('\0').count() == 4 {
                assert_eq!(kept(&(odd.clone() + &good)).calls.len(), 1, "{odd:?}");
            }
        }
        let said = kept(&record(UNTRACED, "1", "all is well, go on", "")).failed;
        assert_eq!(
            said.as_deref(),
            Some("it cannot be traced: Operation not permitted (os error 1)")
        );
    }

    #[test]
    fn the_latest_are_kept() {
        let many: String = (0..2 * MOST)
            .map(|number| record("write", "13", "openat", &format!("/{number}")))
            .collect();
        let calls = Traced::parse(many.as_bytes()).calls;
        assert_eq!(calls.len(), MOST);
        let last = format!("/{}", 2 * MOST - 1);
        assert_eq!(calls.last().map(|call| call.of.clone()), Some(last.into()));
    }
}
