//! Whoever listens outside: one thread serves them all.

use super::{ArenaError, making};
use crate::facts::Facts;
use std::fs;
use std::io::{self, Read as _, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

enum Listener {
    Tcp(TcpListener),
    Udp(UdpSocket),
    Unix(UnixListener),
    Datagram(UnixDatagram),
}

/// The listeners; they end when this is dropped.
#[derive(Debug)]
pub(super) struct Listeners {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// An address of this host that is not loopback: the one it would send from. Nothing is sent.
pub(super) fn host_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // An address for documentation (RFC 5737): connecting a datagram socket only chooses a route.
    socket.connect((Ipv4Addr::new(198, 51, 100, 1), 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) if !address.is_loopback() && !address.is_unspecified() => Some(address),
        _ => None,
    }
}

impl Listeners {
    /// Opens all of them and fills in their ports.
    pub(super) fn open(facts: &mut Facts) -> Result<Self, ArenaError> {
        let mut all = Vec::new();
        network(facts, &mut all).map_err(ArenaError::Listen)?;
        let mut paths = vec![
            facts.home.join(".docker/run/docker.sock"),
            facts.home.join(".gnupg/S.gpg-agent"),
            facts.runtime.join("bus"),
            facts.runtime.join("ssh-agent.sock"),
            facts.runtime.join("podman/podman.sock"),
            facts.tmp.join("x.sock"),
            facts.outside.join("any.sock"),
            facts.workspace.join("outside.sock"),
        ];
        paths.extend(facts.run.as_ref().map(|run| run.join("docker.sock")));
        for path in &paths {
            let dir = path.parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(dir).map_err(making("make a directory for sockets", dir))?;
            all.push(Listener::Unix(
                UnixListener::bind(path).map_err(making("listen", path))?,
            ));
        }
        let log = facts.home.join(".docker/run/log.sock");
        all.push(Listener::Datagram(
            UnixDatagram::bind(&log).map_err(making("listen", &log))?,
        ));
        let name =
            SocketAddr::from_abstract_name(facts.abstract_name()).map_err(ArenaError::Listen)?;
        all.push(Listener::Unix(
            UnixListener::bind_addr(&name).map_err(ArenaError::Listen)?,
        ));

        for listener in &all {
            listener.never_wait().map_err(ArenaError::Listen)?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (flag, banner) = (Arc::clone(&stop), facts.banner());
        let thread = std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                for listener in &all {
                    listener.serve(banner.as_bytes());
                }
                crate::moment::pass(Duration::from_millis(2));
            }
        });
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Loopback and the host's own address only: nobody else is meant to come.
fn network(facts: &mut Facts, all: &mut Vec<Listener>) -> io::Result<()> {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    facts.tcp = tcp.local_addr()?.port();
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    facts.udp = udp.local_addr()?.port();
    all.extend([Listener::Tcp(tcp), Listener::Udp(udp)]);
    if let Some(address) = facts.address {
        all.push(Listener::Tcp(TcpListener::bind((address, facts.tcp))?));
        all.push(Listener::Udp(UdpSocket::bind((address, facts.udp))?));
    }
    if let Ok(tcp6) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        facts.tcp6 = Some(tcp6.local_addr()?.port());
        all.push(Listener::Tcp(tcp6));
    }
    // Taken and let go: free a moment ago is as good as it gets.
    facts.visited = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port();
    Ok(())
}

impl Listener {
    fn never_wait(&self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.set_nonblocking(true),
            Self::Udp(socket) => socket.set_nonblocking(true),
            Self::Unix(socket) => socket.set_nonblocking(true),
            Self::Datagram(socket) => socket.set_nonblocking(true),
        }
    }

    /// Serves whoever is there. What goes wrong with one guest is that guest's affair.
    fn serve(&self, banner: &[u8]) {
        match self {
            Self::Tcp(socket) => {
                if let Ok((mut guest, _)) = socket.accept() {
                    let _ = guest.set_nonblocking(false);
                    let _ = guest.set_read_timeout(Some(Duration::from_millis(300)));
                    let _ = guest.write_all(banner);
                    let _ = guest.shutdown(std::net::Shutdown::Write);
                    // Closing with unread bytes would take the banner back.
                    let _ = guest.read_to_end(&mut Vec::new());
                }
            }
            Self::Unix(socket) => {
                if let Ok((mut guest, _)) = socket.accept() {
                    let _ = guest.set_nonblocking(false);
                    let _ = guest.write_all(banner);
                }
            }
            Self::Udp(socket) => {
                let mut question = [0; 512];
                if let Ok((len, from)) = socket.recv_from(&mut question) {
                    let mut answer = question[..len].to_vec();
                    answer.extend_from_slice(banner);
                    let _ = socket.send_to(&answer, from);
                }
            }
            Self::Datagram(socket) => {
                let _ = socket.recv(&mut [0; 512]);
            }
        }
    }
}
