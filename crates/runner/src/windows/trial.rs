//! What this machine does of what a ring is made of: some is made, looked at, and thrown away.

use std::path::Path;

use ringfence_sys_windows::file::{self, access};
use ringfence_sys_windows::job::{self as jobs, Job};
use ringfence_sys_windows::sync::{Event, EventOptions};
use ringfence_sys_windows::token::Token;
use ringfence_sys_windows::{Sid, SysError, process, random};

use super::{BuildError, Hold, NotDone, Spec, call, job, token};

/// What was found. Each that is not there says why.
#[derive(Debug)]
pub struct Trial {
    /// Restricting SIDs hold.
    pub restricts: Result<(), BuildError>,
    /// A job ends what is in it.
    pub ends: Result<(), BuildError>,
    /// A job has the limits it is given.
    pub limits: Result<(), BuildError>,
    /// A job keeps its processes from the desktop.
    pub desktop: Result<(), BuildError>,
}

/// What programs are used to, and a token that is asked twice may not have. No ring promises it.
#[derive(Debug)]
pub struct Usable {
    /// `NUL` can be opened for writing.
    pub nul: Result<(), BuildError>,
    /// Objects with names (events, mutexes, shared memory) can be made.
    pub named: Result<(), BuildError>,
}

/// Tries it. Takes no process and no file.
#[must_use]
pub fn trial() -> Trial {
    let spec = Spec {
        processes: Some(7),
        memory: Some(1 << 30),
        restrict: nobody().into_iter().collect(),
        hold: Hold {
            desktop: true,
            ..Hold::NONE
        },
        ..Spec::free()
    };
    let of_job =
        |look: &dyn Fn(&Job) -> Result<(), BuildError>| job::made(&spec).and_then(|job| look(&job));
    Trial {
        restricts: restricts(),
        ends: of_job(&job::ends),
        limits: of_job(&|made| job::has_limits(made, &spec)),
        desktop: not_nested().and_then(|()| of_job(&job::keeps_desktop)),
    }
}

/// Tries what programs are used to, acting with a token as commands have it.
#[must_use]
pub fn usable() -> Usable {
    Usable {
        nul: acting("opening NUL for writing", || {
            file::open(Path::new("NUL"), access::GENERIC_WRITE).map(drop)
        }),
        named: acting("making an event with a name", || {
            let name = token::name()?;
            let options = EventOptions {
                name: Some(&name),
                ..EventOptions::default()
            };
            Event::create(options).map(drop)
        }),
    }
}

fn acting(
    what: &'static str,
    act: impl FnOnce() -> Result<(), SysError>,
) -> Result<(), BuildError> {
    let (_, made, _) = made()?;
    let tried = token::to_act_with(&made)?.acting(act);
    tried
        .map_err(call("acting with the token that is tried"))?
        .map_err(call(what))
}

/// A job with limits of the desktop is nested in no other, and what a process in a job starts is in that job too.
fn not_nested() -> Result<(), BuildError> {
    let nested = jobs::is_in_any(process::current());
    if nested.map_err(call("asking whether this process is in a job"))? {
        return Err(BuildError::NotDone(NotDone::Nested));
    }
    Ok(())
}

/// The own token, one as commands have it, and who is asked a second time.
fn made() -> Result<(Token, Token, [Sid; 1]), BuildError> {
    let own = token::own()?;
    let restrict = [nobody().map_err(call("making a SID"))?];
    let made = token::restricted(&own, &restrict)?;
    Ok((own, made, restrict))
}

fn restricts() -> Result<(), BuildError> {
    let (own, made, restrict) = made()?;
    token::verify(&own, &made, &restrict)
}

/// A SID that nobody has.
fn nobody() -> Result<Sid, SysError> {
    let mut number = [0; 16];
    random::fill(&mut number)?;
    let (words, _) = number.as_chunks::<4>();
    let words: Vec<String> = words
        .iter()
        .map(|word| u32::from_le_bytes(*word).to_string())
        .collect();
    Sid::parse(&format!("S-1-5-21-{}", words.join("-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_job_limits_of_the_desktop_are_known_not_to_be_nested() {
        let nested = |found: Result<(), BuildError>| {
            matches!(found, Err(BuildError::NotDone(NotDone::Nested)))
        };
        // Who runs tests may have put this process into a job of its own.
        let before = jobs::is_in_any(process::current()).unwrap();
        assert_eq!(nested(trial().desktop), before);
        let job = Job::create(None, None).unwrap();
        job.assign(process::current()).unwrap();
        assert!(nested(trial().desktop));
        // And none are set then: a process could not be put into that job.
        let spec = Spec {
            restrict: nobody().into_iter().collect(),
            ..Spec::free()
        };
        let made = job::made(&spec).unwrap();
        assert!(job::keeps_desktop(&made).is_err());
    }
}
