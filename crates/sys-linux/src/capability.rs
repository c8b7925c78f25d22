//! Capability sets (`capabilities(7)`).

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, configure_capability_in_ambient_set,
    set_capabilities,
};

use crate::error::{Named, SysError};

/// `struct __user_cap_header_struct`.
#[repr(C)]
pub(crate) struct Header {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Data {
    pub(crate) effective: u32,
    pub(crate) permitted: u32,
    pub(crate) inheritable: u32,
}

const VERSION_3: u32 = 0x2008_0522;

/// Highest capability number the kernel may have; the call fails above its own last.
pub(crate) const LAST: u32 = 63;

pub(crate) fn get() -> Result<[Data; 2], SysError> {
    let mut header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut data = [Data::default(); 2];
    // SAFETY: header and both data elements are live and of the layout version 3 names.
    let r = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    if r == 0 {
        Ok(data)
    } else {
        Err(SysError::last("capget"))
    }
}

pub(crate) fn set(data: &[Data; 2]) -> Result<(), SysError> {
    let mut header = Header {
        version: VERSION_3,
        pid: 0,
    };
    // SAFETY: header and both data elements are live and of the layout version 3 names.
    let r = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) };
    if r == 0 {
        Ok(())
    } else {
        Err(SysError::last("capset"))
    }
}

/// Whether this thread has all capabilities of the init user namespace that the
/// bounding set leaves: it is what is called root.
#[must_use]
pub fn is_root() -> bool {
    const SYS_ADMIN: u32 = 1 << 21;
    const DAC_OVERRIDE: u32 = 1 << 1;
    let wanted = SYS_ADMIN | DAC_OVERRIDE;
    get().is_ok_and(|data| data[0].effective & wanted == wanted)
}

/// What a runner needs in its own namespaces: mounts, `lo`, its `pid_max`, dropping the
/// bounding set; telling whose a process is that lets nobody look at it; and the three with which overlayfs, acting as who mounted it, works in
/// the directories it makes without any permission bits and copies files up.
const OF_A_RUNNER: [u32; 8] = [
    0,  // CAP_CHOWN
    1,  // CAP_DAC_OVERRIDE
    3,  // CAP_FOWNER
    8,  // CAP_SETPCAP
    12, // CAP_NET_ADMIN
    19, // CAP_SYS_PTRACE
    21, // CAP_SYS_ADMIN
    24, // CAP_SYS_RESOURCE
];

/// Gives up every capability but a runner's, and handing any on. As uid 0 the kernel
/// hands a program all of its user namespace's at exec, so a runner does this first.
///
/// # Errors
/// What `capset(2)` says.
pub fn narrow() -> Result<(), SysError> {
    let wanted = of_a_runner()?;
    let held = CapabilitySets {
        effective: wanted,
        permitted: wanted,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, held).named("capset")
}

/// Those of a runner's capabilities that this thread has: one that the machine's bounding
/// set lacks is not to be had.
fn of_a_runner() -> Result<CapabilitySet, SysError> {
    let all = OF_A_RUNNER.iter().fold(0, |set, one| set | 1 << one);
    let has = capabilities(None).named("capget")?.permitted;
    Ok(has & CapabilitySet::from_bits_retain(all))
}

/// Makes a runner's capabilities survive the next `execve`, and no others: inheritable
/// and ambient. For use between clone and exec beside who made the clone: it touches nothing of the C library's.
pub(crate) fn keep_for_runner() -> Result<(), SysError> {
    let wanted = of_a_runner()?;
    let held = CapabilitySets {
        effective: wanted,
        permitted: wanted,
        inheritable: wanted,
    };
    set_capabilities(None, held).named("capset")?;
    for number in OF_A_RUNNER {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if wanted.contains(one) {
            configure_capability_in_ambient_set(one, true).named("PR_CAP_AMBIENT_RAISE")?;
        }
    }
    Ok(())
}

/// Empties the bounding set, where `CAP_SETPCAP` allows it: nothing this process or a
/// child of it executes gains a capability any more. What it has stays.
/// Async-signal-safe.
///
/// # Errors
/// What `prctl(2)` says.
pub fn drop_bounding() -> Result<(), SysError> {
    const SETPCAP: u32 = 1 << 8;
    if get()?[0].effective & SETPCAP == 0 {
        return Ok(());
    }
    for capability in 0..=LAST {
        // SAFETY: PR_CAPBSET_DROP takes an integer only.
        let r = unsafe {
            libc::prctl(
                libc::PR_CAPBSET_DROP,
                libc::c_ulong::from(capability),
                0,
                0,
                0,
            )
        };
        if r != 0 {
            let error = SysError::last("PR_CAPBSET_DROP");
            // The first number the kernel does not have ends the set.
            if error.errno == libc::EINVAL {
                break;
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Empties the ambient, inheritable, permitted and effective sets for good; the bounding
/// set is emptied beforehand ([`drop_bounding`]). Async-signal-safe: for use between clone
/// and exec.
pub(crate) fn drop_all() -> Result<(), SysError> {
    // SAFETY: PR_CAP_AMBIENT_CLEAR_ALL takes integers only.
    let r = unsafe {
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        )
    };
    if r != 0 {
        return Err(SysError::last("PR_CAP_AMBIENT_CLEAR_ALL"));
    }
    // Without CAP_SETPCAP the bounding set stays, which matters to nobody: what it
    // bounds are gains through exec, and no_new_privs allows none.
    set(&[Data::default(); 2])
}
