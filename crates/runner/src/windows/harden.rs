//! What the process that holds a ring is kept from by its own commands, who are the same user.

use ringfence_sys_windows::acl::{self, Parts};
use ringfence_sys_windows::{process, sddl};

use super::{BuildError, NotDone, call, token};

/// From now on nobody but the system ends this process, reads or writes its memory, or takes its handles, who does not have it open
/// already: its parent has. Others of the user see it and can wait for it.
///
/// The user owns it, and may change that: a token that is asked twice may not.
///
/// # Errors
/// [`BuildError`].
pub fn harden() -> Result<(), BuildError> {
    const OTHERS: u32 = process::access::QUERY_LIMITED | process::access::SYNCHRONIZE;
    let making = call("keeping commands from this process");
    let user = token::own()?.user().map_err(&making)?;
    let all = process::access::ALL;
    let list = format!("D:P(A;;{all:#x};;;SY)(A;;{OTHERS:#x};;;{user})");
    let descriptor = sddl::parse(&list).map_err(&making)?;
    let own = process::current();
    acl::store(own, Parts::DACL, &descriptor).map_err(&making)?;
    let read = acl::read(own, Parts::DACL).map_err(&making)?;
    if read.dacl() == descriptor.dacl() {
        Ok(())
    } else {
        Err(BuildError::NotDone(NotDone::Process))
    }
}
