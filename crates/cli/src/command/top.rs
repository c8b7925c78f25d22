//! `ringfence top`.

mod view;

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ringfence_ledger::story::Story;
use ringfence_ledger::{Place, Record, latest};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

use super::log::{alive, list, page};
use crate::exit::ExitCode;
use crate::say;
use view::{Open, View};

/// Your rings as they are: what runs in them, what ended, what was denied, what is asked. It reads the ledger and changes nothing
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Another ledger than yours
    #[arg(long, value_name = "DIRECTORY")]
    ledger: Option<PathBuf>,
}

/// So many records of the past are read to begin with.
const PAST: usize = 5_000;
/// So many are remembered.
const KEPT: usize = 50_000;

pub(crate) fn top(args: TopArgs) -> ExitCode {
    let TopArgs { ledger } = args;
    if ringfence_serve::report::inside().is_some() {
        return say::refuse("this runs in a ring, where the ledger is hidden");
    }
    let Some(directory) = ledger.or_else(ringfence::recorded::directory) else {
        return say::refuse("you have no home to keep a ledger in; set HOME or XDG_STATE_HOME");
    };
    if !io::IsTerminal::is_terminal(&io::stdin()) || !io::IsTerminal::is_terminal(&io::stdout()) {
        return say::refuse(
            "top needs a terminal; `ringfence log` lists, `log follow` tells what comes",
        );
    }
    let mut terminal = match ratatui::try_init() {
        Ok(terminal) => terminal,
        Err(error) => return say::refuse(format_args!("the terminal: {error}")),
    };
    let done = watch(&directory, &mut terminal);
    ratatui::restore();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => say::refuse(format_args!("{}: {error}", say::Plain(&directory))),
    }
}

/// The records that are remembered.
struct Seen {
    records: Vec<Record>,
    place: Place,
}

impl Seen {
    fn begin(directory: &Path) -> io::Result<Seen> {
        let place = Place::end(directory)?;
        let records = latest(directory, PAST)?;
        let mut seen = Seen {
            records: Vec::new(),
            place,
        };
        seen.take(records.filter_map(|entry| entry.record.ok()));
        Ok(seen)
    }

    fn take(&mut self, records: impl Iterator<Item = Record>) {
        for record in records {
            // What was written between two looks is seen by both.
            if self.records.last().is_none_or(|last| last.seq < record.seq) {
                self.records.push(record);
            }
        }
        if self.records.len() > KEPT {
            self.records.drain(..self.records.len() - KEPT);
        }
    }

    fn look(&mut self, directory: &Path) -> io::Result<()> {
        let (news, place) = self.place.since(directory)?;
        self.place = place;
        self.take(news.into_iter().filter_map(|entry| entry.record.ok()));
        Ok(())
    }
}

fn watch(directory: &Path, terminal: &mut ratatui::DefaultTerminal) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let events = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let flags = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE;
    inotify::add_watch(&events, directory, flags)?;
    let mut seen = Seen::begin(directory)?;
    let mut view = View::default();
    loop {
        let story: Story = seen.records.iter().collect();
        view.tell(&story, alive, Timestamp::now());
        terminal.draw(|frame| view.draw(frame))?;
        if !wait(&events)? {
            continue;
        }
        if event::poll(std::time::Duration::ZERO)?
            && let Event::Key(key) = event::read()?
            && !pressed(key, &mut view, &story, directory)
        {
            return Ok(());
        }
        drain(&events)?;
        seen.look(directory)?;
    }
}

/// Waits for a key, for news, or for a second: times go on. Whether there is anything but the time.
fn wait(events: &std::os::fd::OwnedFd) -> io::Result<bool> {
    let stdin = io::stdin();
    let mut fds = [
        PollFd::new(&stdin, PollFlags::IN),
        PollFd::new(events, PollFlags::IN),
    ];
    let second = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    match poll(&mut fds, Some(&second)) {
        Ok(ready) => Ok(ready > 0),
        // The terminal's size changed, and is asked for when it is drawn.
        Err(rustix::io::Errno::INTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn drain(events: &std::os::fd::OwnedFd) -> io::Result<()> {
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(events, &mut buffer);
    loop {
        match reader.next() {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// `false` when it was to end.
fn pressed(key: KeyEvent, view: &mut View, story: &Story, directory: &Path) -> bool {
    if key.kind == KeyEventKind::Release {
        return true;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if control => return false,
        KeyCode::Char('q') if view.page.is_none() => return false,
        KeyCode::Char('q') | KeyCode::Esc | KeyCode::Left => view.page = None,
        KeyCode::Up | KeyCode::Char('k') => view.move_by(-1),
        KeyCode::Down | KeyCode::Char('j') => view.move_by(1),
        KeyCode::PageUp => view.move_by(-10),
        KeyCode::PageDown | KeyCode::Char(' ') => view.move_by(10),
        KeyCode::Home | KeyCode::Char('g') => view.move_by(isize::MIN),
        KeyCode::End | KeyCode::Char('G') => view.move_by(isize::MAX),
        KeyCode::Tab => view.other_pane(),
        KeyCode::Char('f') => view.failed = !view.failed,
        KeyCode::Enter | KeyCode::Right => {
            if let Some(number) = view.chosen() {
                let mut text = Vec::new();
                // Into memory it can always be written.
                let _written = page::print(story, number, directory, &mut text);
                view.page = Some(Open {
                    text: String::from_utf8_lossy(&text).into_owned(),
                    from: 0,
                });
            }
        }
        _ => {}
    }
    true
}
