//! The job that all processes of a ring are in.

use ringfence_sys_windows::job::{Job, Limits, UiLimits};

use super::{BuildError, NotDone, Spec, call};

fn limits(processes: Option<u32>, memory: Option<u64>) -> Limits {
    Limits {
        kill_on_close: true,
        // Nobody sits there to answer a dialog.
        die_on_crash: true,
        breakaway: false,
        process_memory: None,
        job_memory: memory,
        processes,
    }
}

pub(super) fn made(spec: &Spec) -> Result<Job, BuildError> {
    let job = Job::create(None, None).map_err(call("making the job"))?;
    job.set_limits(&limits(spec.processes, spec.memory))
        .map_err(call("setting the job's limits"))?;
    // Where they do not hold nobody counts on them, and a job that has them may not be nested: no process would start.
    if spec.hold.desktop {
        // Whether they hold is asked of the job.
        let _asked = job.set_ui_limits(UiLimits::ALL);
    }
    Ok(job)
}

/// Looks whether the job has what it was asked for.
pub(super) fn verify(job: &Job, spec: &Spec) -> Result<(), BuildError> {
    if spec.hold.ends {
        ends(job)?;
    }
    if spec.hold.limits {
        has_limits(job, spec)?;
    }
    if spec.hold.desktop {
        keeps_desktop(job)?;
    }
    Ok(())
}

pub(super) fn ends(job: &Job) -> Result<(), BuildError> {
    let had = job.limits().map_err(call("reading the job's limits"))?;
    if had.kill_on_close && !had.breakaway {
        return Ok(());
    }
    Err(BuildError::NotDone(NotDone::KillOnClose))
}

pub(super) fn has_limits(job: &Job, spec: &Spec) -> Result<(), BuildError> {
    let had = job.limits().map_err(call("reading the job's limits"))?;
    if (had.processes, had.job_memory) == (spec.processes, spec.memory) {
        return Ok(());
    }
    Err(BuildError::NotDone(NotDone::Limits))
}

/// Whether it keeps its processes from the desktop.
pub(super) fn keeps_desktop(job: &Job) -> Result<(), BuildError> {
    match job.ui_limits() {
        Ok(limits) if limits == UiLimits::ALL => Ok(()),
        _ => Err(BuildError::NotDone(NotDone::Desktop)),
    }
}
