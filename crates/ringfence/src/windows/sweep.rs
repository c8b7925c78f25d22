//! Protected names that came to be while a command ran: moved aside, where the command cannot have put a link on the way.

use std::ffi::OsString;
use std::io;
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::path::{Path, PathBuf};

use ringfence_sys_windows::file::{self, Kind, access};

use super::Taken;
use super::convert;
use super::survey::Stood;
use crate::sys;

const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x400;
/// What is moved aside is called so.
const ASIDE: &str = "from-ring";

/// Moves aside what is there of these names below a root; what it was, and why what could not be was not.
pub(super) fn sweep(root: &Path, missing: &[String]) -> Vec<Taken> {
    missing
        .iter()
        .filter_map(|name| {
            let path = PathBuf::from(name);
            let below = path.strip_prefix(root).ok()?.to_owned();
            match aside(root, &below) {
                Ok(None) => None,
                Ok(Some(moved)) => Some((moved, None)),
                Err(error) => {
                    let why = format!("it was made and could not be moved aside: {error}");
                    Some((path, Some(why)))
                }
            }
        })
        .collect()
}

/// Protected objects that are not there any more, or in whose place others stand: nothing kept a command of the user's from that,
/// and what is there now is not what was.
pub(super) fn replaced(stood: &[Stood]) -> Vec<(&'static str, Taken)> {
    let of = |was: &Stood| {
        let why = match file::open_exact(&was.path, access::READ_ATTRIBUTES) {
            Ok(now) if convert::file_id(now.as_handle()) == Ok(was.id) => return None,
            Ok(_) => "another stands there than before the command".to_owned(),
            Err(error) => format!("it was there before the command: {error}"),
        };
        Some((was.promise, (was.path.clone(), Some(why))))
    };
    stood.iter().filter_map(of).collect()
}

/// Moves aside what a name is, or the link on the way to it.
fn aside(root: &Path, below: &Path) -> io::Result<Option<PathBuf>> {
    let mut at = root.to_owned();
    let mut dir =
        file::open_exact(root, access::TRAVERSE | access::LIST).map_err(sys::from_windows)?;
    let names: Vec<_> = below.iter().collect();
    for (n, name) in names.iter().enumerate() {
        at.push(name);
        let opened = file::open_in(
            dir.as_handle(),
            name,
            access::READ_ATTRIBUTES | access::TRAVERSE,
            Kind::Any,
        );
        let next: OwnedHandle = match opened.map_err(sys::from_windows) {
            Ok(next) => next,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let facts = file::facts(next.as_handle()).map_err(sys::from_windows)?;
        let leads_away = facts.attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0;
        if leads_away || n + 1 == names.len() {
            rename(&dir, name)?;
            return Ok(Some(at));
        }
        if !facts.directory {
            return Ok(None);
        }
        dir = next;
    }
    Ok(None)
}

fn rename(dir: &OwnedHandle, name: &std::ffi::OsStr) -> io::Result<()> {
    let file = file::open_in(
        dir.as_handle(),
        name,
        access::DELETE | access::READ_ATTRIBUTES,
        Kind::Any,
    )
    .map_err(sys::from_windows)?;
    let mut tried = 0_u32;
    loop {
        let mut to = OsString::from(name);
        to.push(".");
        to.push(ASIDE);
        if tried > 0 {
            to.push(format!("-{tried}"));
        }
        match file::rename_in(file.as_handle(), dir.as_handle(), &to).map_err(sys::from_windows) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tried < 1000 => {
                tried += 1
            }
            done => return done,
        }
    }
}
