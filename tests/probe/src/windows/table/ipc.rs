//! Objects shared by name.

use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Row};
use ringfence_sys_windows::attempt::sections::Section;
use ringfence_sys_windows::sync::{Event, Mutex, access};
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::time::Duration;

const fn row(name: &'static str, what: &'static str, attempt: Attempt) -> Row {
    Row::new(name, Group::Ipc, "ipc", what, attempt)
}

pub(super) const ROWS: &[Row] = &[
    row("ipc.event", "set an event of a program outside", event),
    row("ipc.mutex", "take a mutex of a program outside", mutex),
    row(
        "ipc.section",
        "write memory that a program outside shares by name",
        section,
    ),
    row("ipc.pipe", "talk to a named pipe outside", pipe).promise("sockets"),
];

/// A name that leads nowhere: the ring has names of its own.
const NAMELESS: &[i32] = &[2];

fn event(facts: &Facts, _: &'static str) -> Tried {
    let name = facts.object("event");
    let set =
        Event::open(OsStr::new(&name), access::EVENT_MODIFY_STATE).and_then(|event| event.set());
    Tried::of(set.map_err(crate::sys), NAMELESS)
}

fn mutex(facts: &Facts, _: &'static str) -> Tried {
    let name = facts.object("mutex");
    match Mutex::create(Some(OsStr::new(&name)), None) {
        Ok((_, true)) => Tried::denied("there is no such mutex here"),
        Ok((mutex, false)) => match mutex.take(Some(Duration::ZERO)) {
            Ok(Some(_)) => Tried::allowed("it was taken"),
            Ok(None) => Tried::could_not("somebody has it"),
            Err(error) => Tried::failed(&crate::sys(error), &[]),
        },
        Err(error) => Tried::failed(&crate::sys(error), &[]),
    }
}

fn section(facts: &Facts, _: &'static str) -> Tried {
    let name = facts.object("section");
    let written = Section::open(OsStr::new(&name)).and_then(|section| section.write(b'x'));
    Tried::of(written.map_err(crate::sys), NAMELESS)
}

fn pipe(facts: &Facts, _: &'static str) -> Tried {
    let banner = facts.banner();
    let said = OpenOptions::new()
        .read(true)
        .write(true)
        .open(facts.pipe())
        .and_then(|mut pipe| {
            let mut said = vec![0; banner.len()];
            pipe.read_exact(&mut said)?;
            pipe.write_all(b"read")?;
            Ok(said)
        });
    match said {
        Ok(said) if said == banner.as_bytes() => Tried::allowed("it answered"),
        Ok(_) => Tried::could_not("something else answered"),
        Err(error) => Tried::failed(&error, NAMELESS),
    }
}
