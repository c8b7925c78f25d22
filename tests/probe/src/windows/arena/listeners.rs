//! Whoever listens outside: one thread serves them all, and another the pipe.

use crate::facts::Facts;
use ringfence_sys_windows::pipe::Listen;
use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The listeners; they end when this is dropped.
#[derive(Debug)]
pub(super) struct Listeners {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
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
    pub(super) fn open(facts: &mut Facts) -> io::Result<Self> {
        // Loopback and the host's own address only: nobody else is meant to come.
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        facts.tcp = tcp.local_addr()?.port();
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        facts.udp = udp.local_addr()?.port();
        let mut all = vec![tcp];
        let there = facts
            .address
            .map(|address| TcpListener::bind((address, facts.tcp)));
        match there {
            Some(Ok(there)) => all.push(there),
            // Its port is another's there.
            Some(Err(_)) => facts.address = None,
            None => {}
        }
        if let Ok(tcp6) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
            facts.tcp6 = Some(tcp6.local_addr()?.port());
            all.push(tcp6);
        }
        for listener in &all {
            listener.set_nonblocking(true)?;
        }
        udp.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (flag, banner) = (Arc::clone(&stop), facts.banner());
        let network = std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                for listener in &all {
                    serve(listener, banner.as_bytes());
                }
                answer(&udp, banner.as_bytes());
                crate::moment::pass(Duration::from_millis(2));
            }
        });
        let mut listeners = Self {
            stop,
            threads: vec![network],
        };
        listeners.pipe(facts)?;
        Ok(listeners)
    }

    /// A pipe with what the user's token gives to what it makes, as agents for keys have.
    fn pipe(&mut self, facts: &Facts) -> io::Result<()> {
        let name = facts.pipe();
        let listen = Listen {
            name: OsStr::new(&name),
            first: true,
            messages: false,
            instances: 1,
            buffer: 4096,
            descriptor: None,
        };
        let pipe = listen.create().map_err(crate::sys)?;
        let (flag, banner) = (Arc::clone(&self.stop), facts.banner());
        self.threads.push(std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                let wait = Some(Duration::from_millis(100));
                if pipe.connect(wait).is_ok_and(|came| came) {
                    let _ = pipe.write_within(banner.as_bytes(), wait);
                    // Who is sent away before it has read has nothing: it says that it has.
                    let _ = pipe.read_within(&mut [0; 16], Some(Duration::from_millis(500)));
                    let _ = pipe.disconnect();
                }
            }
        }));
        Ok(())
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Serves whoever is there. What goes wrong with one guest is that guest's affair.
fn serve(listener: &TcpListener, banner: &[u8]) {
    if let Ok((mut guest, _)) = listener.accept() {
        let _ = guest.set_nonblocking(false);
        let _ = guest.set_read_timeout(Some(Duration::from_millis(300)));
        let _ = guest.write_all(banner);
        let _ = guest.shutdown(std::net::Shutdown::Write);
        // Closing with unread bytes would take the banner back.
        let _ = guest.read_to_end(&mut Vec::new());
    }
}

fn answer(socket: &UdpSocket, banner: &[u8]) {
    let mut question = [0; 512];
    if let Ok((len, from)) = socket.recv_from(&mut question) {
        let mut answer = question[..len].to_vec();
        answer.extend_from_slice(banner);
        let _ = socket.send_to(&answer, from);
    }
}
