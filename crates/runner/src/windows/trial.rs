//! What this machine does of what a ring is made of: some is made, looked at, and thrown away.

use ringfence_sys_windows::job::Job;
use ringfence_sys_windows::{Sid, SysError, random};

use super::{BuildError, Spec, call, job, token};

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

/// Tries it. Takes no process and no file.
#[must_use]
pub fn trial() -> Trial {
    let spec = Spec {
        processes: Some(7),
        memory: Some(1 << 30),
        restrict: nobody().into_iter().collect(),
        ..Spec::free()
    };
    let of_job =
        |look: &dyn Fn(&Job) -> Result<(), BuildError>| job::made(&spec).and_then(|job| look(&job));
    Trial {
        restricts: restricts(),
        ends: of_job(&job::ends),
        limits: of_job(&|made| job::has_limits(made, &spec)),
        desktop: of_job(&job::keeps_desktop),
    }
}

fn restricts() -> Result<(), BuildError> {
    let own = token::own()?;
    let restrict = [nobody().map_err(call("making a SID"))?];
    let made = token::restricted(&own, &restrict)?;
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
