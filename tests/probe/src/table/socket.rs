//! Unix sockets: a read-only mount does not stop `connect`.

use super::place::path;
use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use ringfence_sys_linux::attempt::errno;
use std::io::{self, Read as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

const fn row(
    name: &'static str,
    what: &'static str,
    attempt: Attempt,
    argument: &'static str,
) -> Row {
    Row::new(name, Group::Socket, "sockets", what, attempt).with(argument)
}

pub(super) const ROWS: &[Row] = &[
    row(
        "socket.home",
        "connect to a container engine's socket in the home",
        connect,
        "home:.docker/run/docker.sock",
    ),
    row(
        "socket.runtime",
        "connect to a bus in the runtime directory",
        connect,
        "runtime:bus",
    ),
    row(
        "socket.runtime-deep",
        "connect to a socket deeper in the runtime directory",
        connect,
        "runtime:podman/podman.sock",
    ),
    row(
        "socket.run",
        "connect to a container engine's socket in /run",
        connect,
        "run:docker.sock",
    )
    .needs(&[Need::Root]),
    row(
        "socket.var-run",
        "the same by /var/run",
        var_run,
        "docker.sock",
    )
    .needs(&[Need::Root]),
    row(
        "socket.tmp",
        "connect to a socket in /tmp",
        connect,
        "tmp:x.sock",
    ),
    row(
        "socket.outside",
        "connect to a socket in any directory outside",
        connect,
        "outside:any.sock",
    ),
    row(
        "socket.workspace",
        "connect to a socket in the workspace, listened to outside",
        connect,
        "ws:outside.sock",
    ),
    row(
        "socket.link",
        "connect through a link in the workspace",
        linked,
        "home:.docker/run/docker.sock",
    ),
    row(
        "socket.self-root",
        "connect by /proc/self/root",
        by_root,
        "home:.docker/run/docker.sock",
    ),
    row(
        "socket.hardlink",
        "connect by a hard link in the workspace",
        hard,
        "home:.docker/run/docker.sock",
    ),
    row(
        "socket.datagram",
        "send a datagram to a socket in the home",
        datagram,
        "home:.docker/run/log.sock",
    ),
    row(
        "socket.abstract",
        "connect to an abstract socket",
        abstract_name,
        "",
    ),
    row(
        "socket.ssh-agent",
        "connect to what SSH_AUTH_SOCK names",
        by_variable,
        "SSH_AUTH_SOCK",
    ),
    row(
        "socket.bus-variable",
        "connect to what DBUS_SESSION_BUS_ADDRESS names",
        by_variable,
        "DBUS_SESSION_BUS_ADDRESS",
    ),
    row(
        "socket.agent-path",
        "connect to where an ssh-agent listens",
        connect,
        "runtime:ssh-agent.sock",
    ),
    row(
        "socket.gpg",
        "connect to a key agent's socket in the home",
        connect,
        "home:.gnupg/S.gpg-agent",
    ),
];

/// A masked directory answers that there is none, a masked file that nobody listens.
const MASKED: &[i32] = &[errno::ENOENT, errno::ECONNREFUSED, errno::ENOTDIR];

/// Listens for the banner: something else may answer in the ring.
fn listen(facts: &Facts, connected: io::Result<UnixStream>) -> Tried {
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(error) => return Tried::failed(&error, MASKED),
    };
    let mut said = vec![0; facts.banner().len()];
    let read = stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .and_then(|()| stream.read_exact(&mut said));
    match read {
        Ok(()) if said == facts.banner().as_bytes() => {
            Tried::allowed("the listener outside answered")
        }
        Ok(()) => Tried::denied("something else answered"),
        Err(error) => Tried::could_not(format!("connected, but: {error}")),
    }
}

fn connect(facts: &Facts, argument: &'static str) -> Tried {
    listen(facts, UnixStream::connect(path(facts, argument)))
}

fn var_run(facts: &Facts, argument: &'static str) -> Tried {
    let run = facts.run.clone().unwrap_or_default();
    let path = Path::new("/var/run")
        .join(run.strip_prefix("/run").unwrap_or(&run))
        .join(argument);
    listen(facts, UnixStream::connect(path))
}

fn linked(facts: &Facts, argument: &'static str) -> Tried {
    let link = facts.workspace.join("engine.sock");
    if let Err(error) = symlink(path(facts, argument), &link) {
        return Tried::could_not(format!("the link itself: {error}"));
    }
    listen(facts, UnixStream::connect(link))
}

fn by_root(facts: &Facts, argument: &'static str) -> Tried {
    // The name would be too long for a socket address, so one goes there first.
    let path = path(facts, argument);
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Tried::could_not("no such name");
    };
    let dir = Path::new("/proc/self/root").join(dir.strip_prefix("/").unwrap_or(dir));
    match std::env::set_current_dir(dir) {
        Ok(()) => listen(facts, UnixStream::connect(PathBuf::from(name))),
        Err(error) => Tried::failed(&error, MASKED),
    }
}

fn hard(facts: &Facts, argument: &'static str) -> Tried {
    let link = facts.workspace.join("hard.sock");
    match std::fs::hard_link(path(facts, argument), &link) {
        Ok(()) => listen(facts, UnixStream::connect(link)),
        Err(error) => Tried::failed(&error, &[errno::EXDEV, errno::ENOENT]),
    }
}

fn datagram(facts: &Facts, argument: &'static str) -> Tried {
    let sent =
        UnixDatagram::unbound().and_then(|socket| socket.send_to(b"probe", path(facts, argument)));
    Tried::of(sent, MASKED)
}

fn abstract_name(facts: &Facts, _: &'static str) -> Tried {
    let address = SocketAddr::from_abstract_name(facts.abstract_name());
    listen(
        facts,
        address.and_then(|address| UnixStream::connect_addr(&address)),
    )
}

fn by_variable(facts: &Facts, argument: &'static str) -> Tried {
    let Some(value) = std::env::var_os(argument) else {
        return Tried::denied(format!("{argument} is not set"));
    };
    let value = value.to_string_lossy().into_owned();
    let path = value.strip_prefix("unix:path=").unwrap_or(&value);
    listen(facts, UnixStream::connect(path))
}
