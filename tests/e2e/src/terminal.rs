//! A terminal with a person at it: types keys, reads the screen.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A command on a pseudo terminal, and the screen a person would see.
#[derive(Debug)]
pub struct Terminal {
    keys: File,
    output: Receiver<Vec<u8>>,
    screen: Screen,
    raw: Vec<u8>,
    child: Child,
    ended: Option<ExitStatus>,
}

struct Screen(vt100::Parser);

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Screen")
    }
}

impl Terminal {
    /// `command` must make itself leader of a session with this terminal (`setsid --ctty`).
    pub(crate) fn start(mut command: Command, uid: u32, gid: u32, columns: u16, rows: u16) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let other = rustix::fs::open(
            name.as_c_str(),
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .unwrap();
        // As login does: the terminal belongs to who sits at it.
        let _ = std::os::unix::fs::fchown(&other, Some(uid), Some(gid));
        tcsetwinsize(&master, size(columns, rows)).unwrap();
        let twice = |fd: &OwnedFd| Stdio::from(fd.try_clone().unwrap());
        command
            .stdin(twice(&other))
            .stdout(twice(&other))
            .stderr(other);
        let child = command.spawn().unwrap();
        drop(command);

        let keys = File::from(master);
        let mut from = keys.try_clone().unwrap();
        let (send, output) = channel();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            // EIO is how a terminal says that nobody holds its other end any more.
            while let Ok(n @ 1..) = from.read(&mut chunk) {
                if send.send(chunk[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            keys,
            output,
            screen: Screen(vt100::Parser::new(side(rows), side(columns), 1000)),
            raw: Vec::new(),
            child,
            ended: None,
        }
    }

    /// Types.
    pub fn types(&mut self, keys: impl AsRef<[u8]>) -> &mut Self {
        self.keys.write_all(keys.as_ref()).unwrap();
        self
    }

    /// Changes the window's size, as a window manager does. With 0 and 0 it has none, as a serial line.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        tcsetwinsize(&self.keys, size(columns, rows)).unwrap();
        if columns == 0 || rows == 0 {
            return;
        }
        self.screen
            .0
            .screen_mut()
            .set_size(side(rows), side(columns));
    }

    /// What the screen shows.
    pub fn shows(&self) -> String {
        self.screen.0.screen().contents()
    }

    /// Whether a text stands there in letters that can be seen: in another colour than what is behind them.
    pub fn is_seen(&self, text: &str) -> bool {
        let screen = self.screen.0.screen();
        let (rows, columns) = screen.size();
        let (rows, columns) = (rows.get(), columns.get());
        (0..rows).any(|row| {
            let line: String = (0..columns)
                .filter_map(|column| {
                    screen
                        .cell(row, column)
                        .map(|cell| cell.contents().to_owned())
                })
                .map(|cell| {
                    if cell.is_empty() {
                        " ".to_owned()
                    } else {
                        cell
                    }
                })
                .collect();
            let Some(at) = line.find(text) else {
                return false;
            };
            (at..at + text.len()).all(|column| {
                let cell = screen.cell(row, u16::try_from(column).unwrap_or(0));
                cell.is_some_and(|cell| {
                    cell.contents() == " "
                        || cell.fgcolor() != cell.bgcolor()
                        || cell.fgcolor() == vt100::Color::Default
                })
            })
        })
    }

    /// All bytes that ever came.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The process on the terminal.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the screen shows what `reached` looks for.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut reached: impl FnMut(&str) -> bool) -> &mut Self {
        let end = Instant::now() + Duration::from_secs(60);
        while !reached(&self.shows()) {
            match self
                .output
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(chunk) => self.took(&chunk),
                Err(RecvTimeoutError::Timeout) => {
                    panic!(
                        "the screen never showed {what}; it shows:\n{}",
                        self.shows()
                    )
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!(
                        "the terminal was left before it showed {what}; it shows:\n{}",
                        self.shows()
                    )
                }
            }
        }
        self
    }

    /// Waits for a text on the screen.
    #[track_caller]
    pub fn until_shows(&mut self, text: &str) -> &mut Self {
        self.until(text, |screen| screen.contains(text))
    }

    /// Waits until so many bytes have come in all.
    #[track_caller]
    pub fn until_raw(&mut self, length: usize) -> &mut Self {
        while self.raw.len() < length {
            match self.output.recv_timeout(Duration::from_secs(60)) {
                Ok(chunk) => self.took(&chunk),
                Err(error) => panic!("no more came: {error}; the screen shows:\n{}", self.shows()),
            }
        }
        self
    }

    fn took(&mut self, chunk: &[u8]) {
        self.raw.extend_from_slice(chunk);
        self.screen.0.process(chunk);
    }

    /// Waits for the command's end, and reads what is left of its output.
    #[track_caller]
    pub fn ends(&mut self) -> ExitStatus {
        if !crate::command::ends_within(&self.child, Duration::from_secs(60)) {
            while let Ok(chunk) = self.output.try_recv() {
                self.took(&chunk);
            }
            panic!(
                "the command on the terminal does not end; the screen shows:\n{}",
                self.shows()
            );
        }
        let status = self.child.wait().unwrap();
        self.ended = Some(status);
        while let Ok(chunk) = self.output.recv_timeout(Duration::from_secs(5)) {
            self.took(&chunk);
        }
        status
    }
}

fn side(length: u16) -> NonZero<u16> {
    NonZero::new(length).expect("a screen has rows and columns")
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
