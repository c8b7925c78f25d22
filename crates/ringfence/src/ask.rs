//! Asking a person: at the terminal, and by a program of their own; who answers first has answered.
//!
//! What is shown is all of what is asked ([`Page`]): every word, so written that none of it can look like
//! Ringfence's own. What was typed before the question stood there is no answer to it. No answer in time is no.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use ringfence_policy::{Approval, plain};
use ringfence_sys_linux::signal;
use ringfence_sys_linux::terminal::sane;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{QueueSelector, tcflush, tcgetpgrp};

mod page;
mod program;

pub use page::Page;
use program::Program;

/// What a person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It may run, this once.
    Once,
    /// It may run, as often as it comes until its ring ends.
    Ring,
    /// As often as it comes in this workspace, until the session of this terminal ends.
    Session,
    /// As often as it comes in this workspace, until that is taken back.
    Project,
    /// It may not.
    No,
    /// There is no terminal, or it is another program's at the moment, or the command is too long to be
    /// shown on one.
    Nobody,
    /// Nobody said anything in time.
    Late,
}

impl Answer {
    /// Its name in the ledger.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Answer::Once => "once",
            Answer::Ring => "ring",
            Answer::Session => "session",
            Answer::Project => "project",
            Answer::No => "no",
            Answer::Nobody => "nobody",
            Answer::Late => "late",
        }
    }

    /// Whether it allows.
    #[must_use]
    pub fn is_yes(self) -> bool {
        matches!(
            self,
            Answer::Once | Answer::Ring | Answer::Session | Answer::Project
        )
    }
}

/// An answer, and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The answer.
    pub answer: Answer,
    /// `terminal`, or `program PATH`.
    pub from: String,
    /// What they said with it.
    pub words: Option<String>,
}

impl Heard {
    /// There was nobody to ask.
    #[must_use]
    pub fn nobody() -> Heard {
        Heard {
            answer: Answer::Nobody,
            from: "terminal".to_owned(),
            words: None,
        }
    }
}

/// Answers that are none, until it is no.
const TRIES: usize = 5;

/// Asks at the terminal of this process, if this process is in its foreground, and by the program that the policy names.
///
/// # Errors
/// When the terminal cannot be read or written.
pub fn ask(page: &Page, approval: &Approval) -> io::Result<Heard> {
    let within = approval.within.value;
    if !page.is_readable() {
        return Ok(Heard::nobody());
    }
    // A key that ends a program ends the question, too, also where a command ran before.
    let _blocked = signal::unblock_all();
    // Who is asked knows how long.
    let program = Program::start(&approval.program.value, page, within);
    let terminal = terminal();
    let _sane = terminal.as_ref().map(|terminal| sane(terminal.as_fd()));
    if let Some(terminal) = &terminal {
        tcflush(terminal, QueueSelector::IFlush)?;
    }
    hear(page, terminal.as_ref(), program, within)
}

/// Whatever a command left the terminal in (a string that is not ended, letters that are not seen, a part of the screen that
/// scrolls alone, another screen, other colours), it shows what comes after this. ECMA-48, xterm's control sequences.
const PLAIN_SCREEN: &str = concat!(
    // CAN and ST end what was begun.
    "\x18\x1b\\",
    // The usual screen; a scrolling region, an origin and margins of its own move the cursor, which comes back.
    "\x1b[?47l\x1b7\x1b[r\x1b[?6l\x1b[?69l\x1b8",
    // Letters and lines as usual: ASCII, no insertion, wrapping, seen, not reversed, shown at once.
    "\x0f\x1b(B\x1b[0m\x1b[4l\x1b[?7h\x1b[?5l\x1b[?25h\x1b[?2026l",
    // The colours that a terminal has of itself.
    "\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\",
    // A line of its own, and nothing below.
    "\r\n\x1b[J",
);

/// Whether there is anybody who could be asked, and would read all of it.
#[must_use]
pub fn can_ask(page: &Page, approval: &Approval) -> bool {
    page.is_readable() && (!approval.program.value.is_empty() || terminal().is_some())
}

/// The terminal, where this process may write on it: another program's screen is nothing to write on, and a read would
/// stop this one.
fn terminal() -> Option<File> {
    let terminal = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .ok()?;
    let own = tcgetpgrp(&terminal).ok() == Some(rustix::process::getpgrp());
    own.then_some(terminal)
}

/// What a line at the terminal came to.
enum Said {
    Answer(Answer),
    /// Asked once more.
    Again,
}

/// Somebody at a terminal.
struct Typing<'a> {
    terminal: &'a File,
    page: &'a Page,
    tries: usize,
    /// They said "this project", and were shown what would be kept.
    confirms: bool,
}

impl Typing<'_> {
    fn prompt(&mut self) -> io::Result<()> {
        let prompt = if self.confirms {
            "keep it? [y] yes  [n] no: ".to_owned()
        } else {
            self.page.prompt()
        };
        self.terminal.write_all(prompt.as_bytes())
    }

    /// A terminal gives a line at a time.
    fn read(&mut self) -> io::Result<Said> {
        let mut line = [0; 256];
        let length = match self.terminal.read(&mut line) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Said::Again),
            read => read?,
        };
        let line = line.get(..length).unwrap_or_default();
        if line.is_empty() {
            // Ctrl-D.
            self.terminal.write_all(b"\n")?;
            return Ok(Said::Answer(Answer::No));
        }
        let said = line.trim_ascii();
        if self.confirms {
            let kept = matches!(said, b"y" | b"Y" | b"yes");
            let answer = if kept { Answer::Project } else { Answer::No };
            return Ok(Said::Answer(answer));
        }
        let answer = match said {
            said if self.page.is_once(said) => Some(Answer::Once),
            b"n" | b"N" | b"no" | b"" => Some(Answer::No),
            b"s" | b"S" if self.page.session() => Some(Answer::Session),
            b"p" | b"P" if self.page.project() => {
                self.confirms = true;
                self.terminal.write_all(self.page.kept().as_bytes())?;
                None
            }
            b"?" => {
                self.terminal.write_all(self.page.more().as_bytes())?;
                None
            }
            _ => None,
        };
        self.tries += 1;
        Ok(match answer {
            Some(answer) => Said::Answer(answer),
            None if self.tries >= TRIES => Said::Answer(Answer::No),
            None => {
                self.prompt()?;
                Said::Again
            }
        })
    }
}

fn hear(
    page: &Page,
    terminal: Option<&File>,
    mut program: Option<Program>,
    within: Duration,
) -> io::Result<Heard> {
    let until = Instant::now().checked_add(within);
    let at_terminal = |answer| Heard {
        answer,
        from: "terminal".to_owned(),
        words: None,
    };
    let mut typing = terminal.map(|terminal| Typing {
        terminal,
        page,
        tries: 0,
        confirms: false,
    });
    if let Some(typing) = &mut typing {
        typing.terminal.write_all(PLAIN_SCREEN.as_bytes())?;
        typing.terminal.write_all(page.text().as_bytes())?;
        typing.prompt()?;
    }
    loop {
        if typing.is_none() && program.is_none() {
            return Ok(at_terminal(Answer::Nobody));
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            tell(typing.as_ref(), "nobody answered in time: no")?;
            return Ok(at_terminal(Answer::Late));
        }
        let [typed, answered] = wait(
            [
                typing.as_ref().map(|typing| typing.terminal.as_fd()),
                program.as_ref().map(Program::fd),
            ],
            left,
        )?;
        if typed && let Some(typing) = &mut typing {
            match typing.read()? {
                Said::Answer(answer) => {
                    // Its program is told by being ended.
                    return Ok(at_terminal(answer));
                }
                Said::Again => {}
            }
        }
        if answered && let Some(asked) = &mut program {
            match asked.read(page) {
                None => {}
                Some(Ok(heard)) => {
                    let by = format!("{} answered: {}", heard.from, heard.answer.name());
                    tell(typing.as_ref(), &by)?;
                    return Ok(heard);
                }
                Some(Err(why)) => {
                    tell(typing.as_ref(), &format!("{}: {why}", asked.name()))?;
                    if let Some(typing) = &mut typing {
                        typing.prompt()?;
                    }
                    program = None;
                }
            }
        }
    }
}

/// Whoever sits there is told that it was answered elsewhere.
fn tell(typing: Option<&Typing<'_>>, what: &str) -> io::Result<()> {
    match typing {
        Some(typing) => {
            let mut terminal = typing.terminal;
            terminal.write_all(format!("\nringfence: {}\n", plain(what)).as_bytes())
        }
        None => Ok(()),
    }
}

/// Which of these can be read; none where the time is over.
fn wait(fds: [Option<BorrowedFd<'_>>; 2], left: Option<Duration>) -> io::Result<[bool; 2]> {
    let mut polled: Vec<PollFd<'_>> = fds
        .iter()
        .flatten()
        .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
        .collect();
    let left = left.map(|left| Timespec {
        tv_sec: left.as_secs().cast_signed(),
        tv_nsec: left.subsec_nanos().into(),
    });
    match poll(&mut polled, left.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut ready = polled.iter().map(|fd| !fd.revents().is_empty());
    Ok(fds.map(|fd| fd.is_some() && ready.next().unwrap_or(false)))
}

#[cfg(test)]
mod tests;
