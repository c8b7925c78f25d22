//! The network.

use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use ringfence_sys_linux::attempt::{errno, sockets, sockets::Kind};
use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::{Duration, Instant};

const fn row(name: &'static str, what: &'static str, attempt: Attempt) -> Row {
    Row::new(name, Group::Network, "network", what, attempt)
}

const fn family(name: &'static str, what: &'static str, argument: &'static str) -> Row {
    Row::new(name, Group::Network, "syscalls", what, open_family).with(argument)
}

const HOST: &[Need] = &[Need::HostAddress];

pub(super) const ROWS: &[Row] = &[
    row("net.tcp-loopback", "connect to the host's loopback", tcp).with("loopback"),
    row("net.tcp-host", "connect to the host's own address", tcp)
        .with("host")
        .needs(HOST),
    row("net.tcp6", "connect to the host's IPv6 loopback", tcp6).needs(&[Need::Ipv6]),
    row(
        "net.tcp-mapped",
        "connect by an IPv4 address in IPv6 form",
        tcp_mapped,
    )
    .needs(&[Need::Ipv6]),
    row(
        "net.fastopen",
        "connect by sending (MSG_FASTOPEN)",
        fastopen,
    )
    .with("loopback"),
    row(
        "net.fastopen-host",
        "connect by sending to the host's own address",
        fastopen,
    )
    .with("host")
    .needs(HOST),
    row("net.mptcp", "connect by multipath TCP", mptcp).with("loopback"),
    row(
        "net.mptcp-host",
        "connect by multipath TCP to the host's own address",
        mptcp,
    )
    .with("host")
    .needs(HOST),
    row(
        "net.udp-loopback",
        "exchange datagrams with the host's loopback",
        udp,
    )
    .with("loopback"),
    row(
        "net.udp-host",
        "exchange datagrams with the host's own address",
        udp,
    )
    .with("host")
    .needs(HOST),
    row("net.dns", "ask a resolver on the host", dns)
        .with("host")
        .needs(HOST),
    row(
        "net.dns-loopback",
        "ask a resolver on the host's loopback",
        dns,
    )
    .with("loopback"),
    row("net.visited", "listen and be reached from outside", visited).called(),
    row("net.raw", "open a raw socket", open_family)
        .with("raw")
        .needs(&[Need::Root]),
    row("net.interfaces", "see the host's interfaces", interfaces).promise("proc"),
    family("family.vsock", "open a virtual machine socket", "vsock"),
    family("family.packet", "open a packet socket", "packet").needs(&[Need::Root]),
    family("family.alg", "open the kernel's cryptography", "alg"),
    family("family.audit", "open netlink audit", "audit"),
    family("family.netfilter", "open netlink netfilter", "netfilter"),
    family("family.uevent", "open netlink device events", "uevent"),
    family("family.generic", "open generic netlink", "generic"),
    family("family.key", "open IPsec keys", "key"),
    family("family.xdp", "open the express data path", "xdp"),
    family("family.bluetooth", "open bluetooth", "bluetooth"),
    family("family.tipc", "open cluster messages", "tipc"),
    family("family.rds", "open reliable datagrams", "rds"),
    family("family.can", "open a CAN bus", "can"),
    family("family.sctp", "open SCTP", "sctp"),
    family("family.smc", "open shared-memory communications", "smc"),
    family("family.ping", "open an unprivileged ping socket", "ping"),
];

/// Nobody there, no way there, no such thing there: in a ring without network all of them are walls.
const WALLS: &[i32] = &[
    errno::ECONNREFUSED,
    errno::ENETUNREACH,
    errno::EHOSTUNREACH,
    errno::EADDRNOTAVAIL,
    errno::ENETDOWN,
    errno::ETIMEDOUT,
    errno::EAFNOSUPPORT,
    errno::EPROTONOSUPPORT,
    errno::ESOCKTNOSUPPORT,
    errno::ENOPROTOOPT,
    errno::EOPNOTSUPP,
    errno::ENOSYS,
    errno::ENONET,
];

const WAIT: Duration = Duration::from_secs(2);

fn address(facts: &Facts, argument: &str) -> Ipv4Addr {
    if argument == "host" {
        facts.address.unwrap_or(Ipv4Addr::LOCALHOST)
    } else {
        Ipv4Addr::LOCALHOST
    }
}

/// Reads the banner, since a listener of the ring's own may have the port.
fn listen(facts: &Facts, connected: io::Result<TcpStream>) -> Tried {
    let read = connected.and_then(|mut stream| {
        stream.set_read_timeout(Some(WAIT))?;
        let mut said = vec![0; facts.banner().len()];
        stream.read_exact(&mut said)?;
        Ok(said)
    });
    match read {
        Ok(said) if said == facts.banner().as_bytes() => {
            Tried::allowed("the listener outside answered")
        }
        Ok(_) => Tried::denied("something else answered"),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Tried::denied("no answer"),
        Err(error) => Tried::failed(&error, WALLS),
    }
}

fn tcp(facts: &Facts, argument: &'static str) -> Tried {
    let to = SocketAddr::from((address(facts, argument), facts.tcp));
    listen(facts, TcpStream::connect_timeout(&to, WAIT))
}

fn tcp6(facts: &Facts, _: &'static str) -> Tried {
    let to = SocketAddr::from((Ipv6Addr::LOCALHOST, facts.tcp6.unwrap_or(0)));
    listen(facts, TcpStream::connect_timeout(&to, WAIT))
}

fn tcp_mapped(facts: &Facts, _: &'static str) -> Tried {
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), facts.tcp));
    listen(facts, TcpStream::connect_timeout(&to, WAIT))
}

fn fastopen(facts: &Facts, argument: &'static str) -> Tried {
    let to = SocketAddrV4::new(address(facts, argument), facts.tcp);
    listen(facts, sockets::connect_by_sending(to, b"probe", WAIT))
}

fn mptcp(facts: &Facts, argument: &'static str) -> Tried {
    let to = SocketAddrV4::new(address(facts, argument), facts.tcp);
    listen(facts, sockets::connect_mptcp(to, WAIT))
}

/// Sends and waits for the answer that carries the arena's name.
fn exchange(facts: &Facts, to: Ipv4Addr, question: &[u8]) -> Tried {
    let mut answer = [0; 512];
    let exchanged = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.set_read_timeout(Some(Duration::from_millis(500)))?;
        socket.connect((to, facts.udp))?;
        socket.send(question)?;
        socket.recv(&mut answer)
    });
    match exchanged {
        Ok(len) if answer[..len].ends_with(facts.banner().as_bytes()) => {
            Tried::allowed("the listener outside answered")
        }
        Ok(_) => Tried::denied("something else answered"),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ) =>
        {
            Tried::denied("no answer")
        }
        Err(error) => Tried::failed(&error, WALLS),
    }
}

fn udp(facts: &Facts, argument: &'static str) -> Tried {
    exchange(facts, address(facts, argument), b"probe")
}

/// A query for `secret.example`, as data would leave by name.
fn dns(facts: &Facts, argument: &'static str) -> Tried {
    let mut query = vec![0x52, 0x46, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend_from_slice(b"\x06secret\x07example\x00\x00\x01\x00\x01");
    exchange(facts, address(facts, argument), &query)
}

/// Waits for the caller outside, a second at most.
fn visited(facts: &Facts, _: &'static str) -> Tried {
    let listener = match TcpListener::bind((Ipv4Addr::UNSPECIFIED, facts.visited)) {
        Ok(listener) => listener,
        Err(error) => return Tried::failed(&error, WALLS),
    };
    if let Err(error) = listener.set_nonblocking(true) {
        return Tried::failed(&error, &[]);
    }
    let end = Instant::now() + Duration::from_secs(1);
    let mut said = Vec::new();
    while Instant::now() < end {
        if let Ok((stream, _)) = listener.accept() {
            let _ = stream.set_read_timeout(Some(WAIT));
            let _ = stream.take(256).read_to_end(&mut said);
            if said == facts.banner().as_bytes() {
                return Tried::allowed("the caller outside came in");
            }
        }
        crate::moment::pass(Duration::from_millis(10));
    }
    Tried::denied("nobody came")
}

fn interfaces(_: &Facts, _: &'static str) -> Tried {
    match std::fs::read_to_string("/proc/self/net/dev") {
        Ok(text) => {
            let others = text
                .lines()
                .skip(2)
                .filter(|line| !line.trim_start().starts_with("lo:"))
                .count();
            if others == 0 {
                Tried::denied("only the loopback is there")
            } else {
                Tried::allowed(format!("{others} besides the loopback"))
            }
        }
        Err(error) => Tried::failed(&error, &[errno::ENOENT]),
    }
}

fn open_family(_: &Facts, argument: &'static str) -> Tried {
    let kind = match argument {
        "raw" => Kind::RAW_ICMP,
        "vsock" => Kind::VSOCK,
        "packet" => Kind::PACKET,
        "alg" => Kind::ALG,
        "audit" => Kind::NETLINK_AUDIT,
        "netfilter" => Kind::NETLINK_NETFILTER,
        "uevent" => Kind::NETLINK_UEVENT,
        "generic" => Kind::NETLINK_GENERIC,
        "key" => Kind::KEY,
        "xdp" => Kind::XDP,
        "bluetooth" => Kind::BLUETOOTH,
        "tipc" => Kind::TIPC,
        "rds" => Kind::RDS,
        "can" => Kind::CAN,
        "sctp" => Kind::SCTP,
        "smc" => Kind::SMC,
        "ping" => Kind::PING,
        _ => return Tried::could_not("no such family in this table"),
    };
    match sockets::open(kind) {
        Ok(socket) => Tried::allowed(format!("descriptor {}", socket.as_fd().as_raw_fd())),
        Err(error) => Tried::failed(&error, WALLS),
    }
}
