//! Whose business it is that a command was not started: its program's, or that of the ring it was to be in.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

use ringfence_sys_windows::error::SysError;

use crate::error::{Error, shown};
use crate::sys;

const ERROR_ACCESS_DENIED: u32 = 5;
/// What `CreateProcess` says of a file that it does not take for a program, or may not start.
const OF_THE_PROGRAM: [u32; 15] = [
    32,    // ERROR_SHARING_VIOLATION
    129,   // ERROR_CHILD_NOT_COMPLETE: a program of another system
    188,   // ERROR_INVALID_STARTING_CODESEG
    189,   // ERROR_INVALID_STACKSEG
    190,   // ERROR_INVALID_MODULETYPE
    191,   // ERROR_INVALID_EXE_SIGNATURE
    192,   // ERROR_EXE_MARKED_INVALID
    193,   // ERROR_BAD_EXE_FORMAT
    216,   // ERROR_EXE_MACHINE_TYPE_MISMATCH
    225,   // ERROR_VIRUS_INFECTED
    226,   // ERROR_VIRUS_DELETED
    740,   // ERROR_ELEVATION_REQUIRED
    1260,  // ERROR_ACCESS_DISABLED_BY_POLICY
    1920,  // ERROR_CANT_ACCESS_FILE
    14001, // ERROR_SXS_CANT_GEN_ACTCTX
];

/// The error of a command that was not started, as `CreateProcess` said.
pub(super) fn error(program: &Path, said: SysError) -> Error {
    let code = said.as_win32().unwrap_or_default();
    let of_the_program = match code {
        // Said of the program's file, and of a token or a job: the file itself says which.
        ERROR_ACCESS_DENIED => may_not_execute(program),
        code => OF_THE_PROGRAM.contains(&code),
    };
    let error = sys::from_windows(said);
    if error.kind() == ErrorKind::NotFound {
        return Error::NotFound {
            name: shown(program),
            hint: "it, or the directory to start in, is gone",
        };
    }
    if of_the_program {
        return Error::NotExecutable {
            path: program.to_owned(),
            why: said.to_string(),
        };
    }
    let what = if code == ERROR_ACCESS_DENIED {
        "starting the command in its ring, which you may execute (an antivirus, or the job that Ringfence was started in, may refuse it; try from a console of its own)"
    } else {
        "starting the command in its ring"
    };
    Error::System { what, error }
}

/// Whether the user is refused to execute the file, too.
fn may_not_execute(program: &Path) -> bool {
    const FILE_EXECUTE: u32 = 0x20;
    let opened = OpenOptions::new().access_mode(FILE_EXECUTE).open(program);
    opened.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn what_is_not_the_programs_is_not_said_of_it() {
        let own = std::env::current_exe().unwrap();
        let kind = |path: &Path, code| error(path, SysError::win32("CreateProcessW", code)).kind();
        // ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND
        assert_eq!(kind(&own, 2), Kind::NotFound);
        assert_eq!(kind(&own, 3), Kind::NotFound);
        assert_eq!(kind(&own, 193), Kind::NotExecutable);
        assert_eq!(kind(&own, 740), Kind::NotExecutable);
        // ERROR_PRIVILEGE_NOT_HELD, ERROR_NO_SYSTEM_RESOURCES
        assert_eq!(kind(&own, 1314), Kind::Ringfence);
        assert_eq!(kind(&own, 1450), Kind::Ringfence);
        // This program may be executed: it is not why.
        assert_eq!(kind(&own, ERROR_ACCESS_DENIED), Kind::Ringfence);
    }
}
