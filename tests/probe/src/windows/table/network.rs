//! The network.

use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

const fn row(
    name: &'static str,
    what: &'static str,
    attempt: Attempt,
    argument: &'static str,
) -> Row {
    Row::new(name, Group::Network, "network", what, attempt).with(argument)
}

pub(super) const ROWS: &[Row] = &[
    row("network.tcp", "connect to the loopback", tcp, "loopback"),
    row("network.tcp6", "connect to the IPv6 loopback", tcp, "six").needs(&[Need::Ipv6]),
    row(
        "network.host",
        "connect to the host's own address",
        tcp,
        "host",
    )
    .needs(&[Need::HostAddress]),
    row("network.udp", "exchange datagrams", udp, "plain"),
    row("network.dns", "ask a name of a server", udp, "name"),
];

/// How long an answer may take.
const WAIT: Duration = Duration::from_secs(2);
/// What a wall says: not permitted, no route, no answer (WSAEACCES, WSAEADDRNOTAVAIL, WSAENETDOWN, WSAENETUNREACH, WSAECONNRESET,
/// WSAETIMEDOUT, WSAECONNREFUSED, WSAEHOSTUNREACH). That somebody listens the control has shown.
const WALLS: &[i32] = &[
    10_013, 10_049, 10_050, 10_051, 10_054, 10_060, 10_061, 10_065,
];

fn failed(error: &io::Error) -> Tried {
    if matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
    ) {
        return Tried::denied("nothing came back");
    }
    Tried::failed(error, WALLS)
}

fn tcp(facts: &Facts, argument: &'static str) -> Tried {
    let to: SocketAddr = match (argument, facts.tcp6, facts.address) {
        ("six", Some(port), _) => (Ipv6Addr::LOCALHOST, port).into(),
        ("host", _, Some(address)) => (IpAddr::V4(address), facts.tcp).into(),
        _ => (Ipv4Addr::LOCALHOST, facts.tcp).into(),
    };
    let mut said = Vec::new();
    let came = TcpStream::connect_timeout(&to, WAIT).and_then(|stream| {
        stream.set_read_timeout(Some(WAIT))?;
        stream.take(256).read_to_end(&mut said)
    });
    match came {
        Ok(_) if said == facts.banner().as_bytes() => Tried::allowed("it answered"),
        Ok(_) => Tried::denied("somebody else answered"),
        Err(error) => failed(&error),
    }
}

fn udp(facts: &Facts, argument: &'static str) -> Tried {
    let question: &[u8] = if argument == "name" {
        b"\x52\x46\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06secret\x07example\x00\x00\x01\x00\x01"
    } else {
        b"hello"
    };
    let mut answer = [0; 1024];
    let exchanged = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| {
        socket.set_read_timeout(Some(WAIT))?;
        socket.connect((Ipv4Addr::LOCALHOST, facts.udp))?;
        socket.send(question)?;
        socket.recv(&mut answer)
    });
    match exchanged {
        Ok(len) if answer[..len].ends_with(facts.banner().as_bytes()) => {
            Tried::allowed("it answered")
        }
        Ok(_) => Tried::denied("somebody else answered"),
        Err(error) => failed(&error),
    }
}
