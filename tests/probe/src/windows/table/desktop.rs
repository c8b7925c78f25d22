//! Desktop, clipboard and console.

use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use ringfence_sys_windows::SysError;
use ringfence_sys_windows::attempt::{clipboard, console};
use ringfence_sys_windows::desktop::{self, Desktop};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::io::AsHandle as _;

const fn row(name: &'static str, what: &'static str, attempt: Attempt) -> Row {
    Row::new(name, Group::Desktop, "ipc", what, attempt)
}

pub(super) const ROWS: &[Row] = &[
    row("desktop.create", "make a desktop", create),
    row(
        "desktop.switch",
        "open the user's desktop to switch to it",
        open,
    )
    .with("switch"),
    row(
        "desktop.hook",
        "open the user's desktop to watch what is typed",
        open,
    )
    .with("hook"),
    row(
        "desktop.clipboard",
        "read the text on the clipboard",
        read_clipboard,
    ),
    row("console.input", "type on the caller's console", type_in)
        .promise("devices")
        .needs(&[Need::Console])
        .after(was_typed),
];

fn tried<T>(result: Result<T, SysError>) -> Tried {
    // A desktop that is not there by its name: the ring is on another window station.
    Tried::of(result.map_err(crate::sys), &[2])
}

fn create(facts: &Facts, _: &'static str) -> Tried {
    let name = facts.value();
    tried(Desktop::create(
        OsStr::new(&name),
        desktop::access::DESKTOP_ALL,
        None,
        None,
    ))
}

fn open(_: &Facts, argument: &'static str) -> Tried {
    let access = match argument {
        // DESKTOP_SWITCHDESKTOP
        "switch" => 0x100,
        // DESKTOP_HOOKCONTROL, DESKTOP_JOURNALRECORD, DESKTOP_READOBJECTS
        _ => 0x19,
    };
    tried(Desktop::open(OsStr::new("Default"), access))
}

fn read_clipboard(_: &Facts, _: &'static str) -> Tried {
    match clipboard::ask_for_text() {
        Ok(true) => Tried::allowed("there is a text"),
        Ok(false) => Tried::could_not("there is no text on it"),
        Err(error) => Tried::failed(&crate::sys(error), &[]),
    }
}

fn own_console() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("CONIN$")
}

/// Types on whatever console it has. Whose that is shows where the caller looks.
fn type_in(facts: &Facts, _: &'static str) -> Tried {
    let typed = own_console()
        .and_then(|input| console::type_in(input.as_handle(), &facts.nonce).map_err(crate::sys));
    // Without a console there is none to type on: ERROR_FILE_NOT_FOUND, ERROR_INVALID_HANDLE, ERROR_GEN_FAILURE.
    Tried::of(typed, &[2, 6, 31])
}

fn was_typed(facts: &Facts, _: &'static str) -> Tried {
    let seen = own_console().and_then(|input| {
        let typed = console::typed(input.as_handle()).map_err(crate::sys)?;
        let seen = typed.contains(&facts.nonce);
        if seen {
            // Whoever sits there must not find it in their next command.
            console::forget(input.as_handle()).map_err(crate::sys)?;
        }
        Ok(seen)
    });
    match seen {
        Ok(true) => Tried::allowed("it came to the caller's console"),
        Ok(false) => Tried::denied("nothing came to the caller's console"),
        Err(error) => Tried::could_not(format!("the caller's console: {error}")),
    }
}
