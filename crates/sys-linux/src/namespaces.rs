//! Namespaces that a process makes for itself.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::thread::JoinHandle;

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::thread::LinkNameSpaceType;

use crate::error::{Named, SysError};

/// `SIOCGSKNS` (`linux/sockios.h`): the network namespace of a socket, as a descriptor that
/// is closed on exec.
const SIOCGSKNS: libc::Ioctl = 0x894C;

/// Makes a mount, an ipc and a uts namespace, and enters them; with `network`, begins to make that of a network. Mounts
/// that appear outside still propagate inwards, until that is changed.
///
/// # Errors
/// What `unshare(2)` says, or that there can be no thread.
pub fn unshare(network: bool) -> Result<Option<Network>, SysError> {
    if network && few_processors() {
        enter(ALL | libc::CLONE_NEWNET)?;
        let loopback = loopback_up(&socket()?);
        return Ok(Some(Network(Making::Here { loopback })));
    }
    // First: it takes longest.
    let network = network.then(Network::beside).transpose()?;
    enter(ALL)?;
    Ok(network)
}

const ALL: libc::c_int = libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

fn enter(all: libc::c_int) -> Result<(), SysError> {
    // SAFETY: takes an integer only. Root and working directory, which a mount namespace must
    // not share with a thread of another, become this thread's own.
    if unsafe { libc::unshare(all) } == 0 {
        Ok(())
    } else {
        Err(SysError::last("unshare"))
    }
}

/// Makes a uts namespace and enters it.
///
/// # Errors
/// What `unshare(2)` says.
pub fn unshare_uts() -> Result<(), SysError> {
    // SAFETY: takes an integer only; a uts namespace is the thread's alone.
    if unsafe { libc::unshare(libc::CLONE_NEWUTS) } == 0 {
        Ok(())
    } else {
        Err(SysError::last("unshare"))
    }
}

/// The thread has little to do, and its stack is mapped while a command waits for it.
const STACK: usize = 64 * 1024;

/// A network namespace that is being made. It takes the kernel longer than all other namespaces
/// together (a millisecond or two), and needs nothing that is known later.
#[derive(Debug)]
pub struct Network(Making);

#[derive(Debug)]
enum Making {
    /// A thread of its own makes it.
    Beside(JoinHandle<Result<Made, SysError>>),
    /// The calling thread has made it, and is in it.
    Here { loopback: Result<(), SysError> },
}

/// With so many processors one has this process' parent, the other this process: a thread beside it would wait for either, and be
/// waited for in turn.
const FEW: u32 = 2;

fn few_processors() -> bool {
    rustix::thread::sched_getaffinity(None).is_ok_and(|set| set.count() <= FEW)
}

#[derive(Debug)]
struct Made {
    namespace: OwnedFd,
    loopback: Result<(), SysError>,
}

impl Network {
    /// Begins to make one, with `lo` up in it, in a thread.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn beside() -> Result<Network, SysError> {
        std::thread::Builder::new()
            .stack_size(STACK)
            .spawn(make)
            .map(|thread| Network(Making::Beside(thread)))
            .named("clone")
    }

    /// Waits for it, and enters it with the calling thread, which has no other beside it then.
    /// Inside is what became of `lo`: where it is not up there is only no local network.
    ///
    /// # Errors
    /// What `unshare(2)` and `setns(2)` say. The caller is where it was.
    pub fn enter(self) -> Result<Result<(), SysError>, SysError> {
        let thread = match self.0 {
            Making::Here { loopback } => return Ok(loopback),
            Making::Beside(thread) => thread,
        };
        let made = thread
            .join()
            .map_err(|_panicked| SysError::new("unshare", libc::EIO))??;
        rustix::thread::move_into_link_name_space(
            made.namespace.as_fd(),
            Some(LinkNameSpaceType::Network),
        )
        .named("setns")?;
        Ok(made.loopback)
    }
}

fn make() -> Result<Made, SysError> {
    // What is left behind is the network namespace, this thread's alone: of what other threads share with it nothing is
    // unshared.
    enter(libc::CLONE_NEWNET)?;
    let socket = socket()?;
    // SAFETY: SIOCGSKNS takes no argument.
    let fd = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGSKNS) };
    if fd < 0 {
        return Err(SysError::last("SIOCGSKNS"));
    }
    // SAFETY: the descriptor was just made for us; nobody else knows it.
    let namespace = unsafe { OwnedFd::from_raw_fd(fd) };
    Ok(Made {
        namespace,
        loopback: loopback_up(&socket),
    })
}

/// A socket in the calling thread's network namespace.
fn socket() -> Result<OwnedFd, SysError> {
    rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .named("socket")
}

/// Brings up `lo` in the socket's network namespace. The kernel then gives it `127.0.0.1`
/// and `::1` itself.
fn loopback_up(socket: &OwnedFd) -> Result<(), SysError> {
    // SAFETY: all bytes of `ifreq` may be zero: names, integers and addresses.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed() as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads a `struct ifreq`, which lives until the call returns.
    let r = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw const request,
        )
    };
    if r == 0 {
        Ok(())
    } else {
        Err(SysError::last("SIOCSIFFLAGS"))
    }
}
