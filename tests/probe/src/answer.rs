//! What a probe answers, and how an answer crosses from the ring to the tester.

use serde::{Deserialize, Serialize};
use std::io;

/// The four answers. Only [`Answer::Denied`] is a pass, and only where the control answers [`Answer::Allowed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It worked.
    Allowed,
    /// It was stopped.
    Denied,
    /// What it was to be done to is not there, and the row does not count that as stopped.
    NotFound,
    /// It could not even be tried, so nothing is known.
    CouldNotTry,
}

impl Answer {
    /// The exit code of `ringfence-probe try`: 0, 10, 11, 12.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Allowed => 0,
            Self::Denied => 10,
            Self::NotFound => 11,
            Self::CouldNotTry => 12,
        }
    }
}

/// An answer and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The answer.
    pub answer: Answer,
    /// The kernel's error number, where one decided it.
    pub errno: Option<i32>,
    /// In words.
    pub detail: String,
}

/// The one line a probe prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The row's name.
    pub probe: String,
    /// The answer.
    pub answer: Answer,
    /// The kernel's error number, where one decided it.
    pub errno: Option<i32>,
    /// In words.
    pub detail: String,
}

impl From<Line> for Tried {
    fn from(line: Line) -> Self {
        Self {
            answer: line.answer,
            errno: line.errno,
            detail: line.detail,
        }
    }
}

#[cfg(target_os = "linux")]
use linux::{ABSENT, STOPS};
#[cfg(windows)]
use windows::{ABSENT, STOPS};

#[cfg(target_os = "linux")]
mod linux {
    use ringfence_sys_linux::attempt::errno;

    /// What stops a call wherever it is made.
    pub(super) const STOPS: &[i32] = &[errno::EPERM, errno::EACCES, errno::EROFS];
    /// What says that the thing is not there.
    pub(super) const ABSENT: &[i32] = &[errno::ENOENT, errno::ENOTDIR, errno::ENXIO, errno::ENODEV];
}

#[cfg(windows)]
mod windows {
    /// What stops a call wherever it is made: `ERROR_ACCESS_DENIED`, `ERROR_WRITE_PROTECT`, `ERROR_NETWORK_ACCESS_DENIED`,
    /// `ERROR_PRIVILEGE_NOT_HELD`, `WSAEACCES`.
    pub(super) const STOPS: &[i32] = &[5, 19, 65, 1314, 10_013];
    /// What says that the thing is not there: `ERROR_FILE_NOT_FOUND`, `ERROR_PATH_NOT_FOUND`, `ERROR_INVALID_DRIVE`, `ERROR_BAD_NETPATH`,
    /// `ERROR_BAD_NET_NAME`.
    pub(super) const ABSENT: &[i32] = &[2, 3, 15, 53, 67];
}

impl Tried {
    /// It worked.
    pub fn allowed(detail: impl Into<String>) -> Self {
        Self {
            answer: Answer::Allowed,
            errno: None,
            detail: detail.into(),
        }
    }

    /// It was stopped.
    pub fn denied(detail: impl Into<String>) -> Self {
        Self {
            answer: Answer::Denied,
            errno: None,
            detail: detail.into(),
        }
    }

    /// It is not there.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self {
            answer: Answer::NotFound,
            errno: None,
            detail: detail.into(),
        }
    }

    /// It could not be tried.
    pub fn could_not(detail: impl Into<String>) -> Self {
        Self {
            answer: Answer::CouldNotTry,
            errno: None,
            detail: detail.into(),
        }
    }

    /// What a failed call means: `EPERM`, `EACCES`, `EROFS` (on Windows access denied, write protected, a privilege that is not held) and what the
    /// row names in `stops` are a denial.
    pub fn failed(error: &io::Error, stops: &[i32]) -> Self {
        let number = error.raw_os_error();
        let is = |list: &[i32]| number.is_some_and(|number| list.contains(&number));
        let answer = if is(STOPS) || is(stops) {
            Answer::Denied
        } else if is(ABSENT) {
            Answer::NotFound
        } else {
            Answer::CouldNotTry
        };
        Self {
            answer,
            errno: number,
            detail: error.to_string(),
        }
    }

    /// The meaning of a call's result: worked is allowed; see [`Tried::failed`] for the rest.
    pub fn of<T>(result: io::Result<T>, stops: &[i32]) -> Self {
        match result {
            Ok(_) => Self::allowed("it worked"),
            Err(error) => Self::failed(&error, stops),
        }
    }

    #[cfg(target_os = "linux")]
    /// As [`Tried::of`], for a call made with arguments that must fail once the gate is passed: the errors in `past`
    /// mean that it was.
    pub fn gate<T>(result: io::Result<T>, past: &[i32], stops: &[i32]) -> Self {
        match result {
            Err(error)
                if error
                    .raw_os_error()
                    .is_some_and(|number| past.contains(&number)) =>
            {
                Self {
                    answer: Answer::Allowed,
                    errno: error.raw_os_error(),
                    detail: format!("past the gate: {error}"),
                }
            }
            other => Self::of(other, stops),
        }
    }

    /// The line to print for the row of this name.
    #[must_use]
    pub fn line(&self, probe: &str) -> Line {
        Line {
            probe: probe.to_owned(),
            answer: self.answer,
            errno: self.errno,
            detail: self.detail.clone(),
        }
    }
}
