//! Sockets of the families and kinds the standard library does not make.

use super::checked;
use super::files::owned;
use std::io;
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// A family, kind and protocol for [`open`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    domain: libc::c_int,
    kind: libc::c_int,
    protocol: libc::c_int,
}

const fn kind(domain: libc::c_int, kind: libc::c_int, protocol: libc::c_int) -> Kind {
    Kind {
        domain,
        kind,
        protocol,
    }
}

impl Kind {
    /// Multipath TCP.
    pub const MPTCP: Self = kind(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP);
    /// Raw ICMP.
    pub const RAW_ICMP: Self = kind(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP);
    /// Ping without privilege.
    pub const PING: Self = kind(libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP);
    /// Between a virtual machine and its host.
    pub const VSOCK: Self = kind(libc::AF_VSOCK, libc::SOCK_STREAM, 0);
    /// Link-layer packets.
    pub const PACKET: Self = kind(libc::AF_PACKET, libc::SOCK_RAW, 0);
    /// The kernel's cryptography.
    pub const ALG: Self = kind(libc::AF_ALG, libc::SOCK_SEQPACKET, 0);
    /// Audit.
    pub const NETLINK_AUDIT: Self = kind(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_AUDIT);
    /// Packet filter.
    pub const NETLINK_NETFILTER: Self =
        kind(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_NETFILTER);
    /// Device events.
    pub const NETLINK_UEVENT: Self = kind(
        libc::AF_NETLINK,
        libc::SOCK_RAW,
        libc::NETLINK_KOBJECT_UEVENT,
    );
    /// Generic: the way to every registered family.
    pub const NETLINK_GENERIC: Self = kind(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_GENERIC);
    /// IPsec keys.
    pub const KEY: Self = kind(libc::AF_KEY, libc::SOCK_RAW, 2);
    /// Express data path.
    pub const XDP: Self = kind(libc::AF_XDP, libc::SOCK_RAW, 0);
    /// Bluetooth.
    pub const BLUETOOTH: Self = kind(libc::AF_BLUETOOTH, libc::SOCK_RAW, 0);
    /// Cluster messages.
    pub const TIPC: Self = kind(libc::AF_TIPC, libc::SOCK_SEQPACKET, 0);
    /// Reliable datagrams.
    pub const RDS: Self = kind(libc::AF_RDS, libc::SOCK_SEQPACKET, 0);
    /// Controller area network.
    pub const CAN: Self = kind(libc::AF_CAN, libc::SOCK_RAW, 1);
    /// SCTP over IPv4.
    pub const SCTP: Self = kind(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP);
    /// Shared-memory communications.
    pub const SMC: Self = kind(43, libc::SOCK_STREAM, 0);
}

/// Opens a socket.
pub fn open(kind: Kind) -> io::Result<OwnedFd> {
    // SAFETY: three integers.
    let fd = checked(unsafe {
        libc::socket(kind.domain, kind.kind | libc::SOCK_CLOEXEC, kind.protocol)
    })?;
    Ok(owned(fd.into()))
}

/// The kernel's form of an IPv4 address.
fn raw(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(address.ip().octets()),
        },
        sin_zero: [0; 8],
    }
}

/// The length of that form.
const RAW_LEN: libc::socklen_t = size_of::<libc::sockaddr_in>() as libc::socklen_t;

/// Opens a multipath TCP connection; the stream behaves as any other.
pub fn connect_mptcp(address: SocketAddrV4, wait: Duration) -> io::Result<TcpStream> {
    let socket = open(Kind::MPTCP)?;
    bound_waits(&socket, wait)?;
    let address = raw(address);
    // SAFETY: `address` is passed with its length and lives over the call.
    checked(unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), RAW_LEN) })?;
    Ok(TcpStream::from(socket))
}

/// Connects and sends in one call (`MSG_FASTOPEN`), without ever calling `connect`.
pub fn connect_by_sending(
    address: SocketAddrV4,
    bytes: &[u8],
    wait: Duration,
) -> io::Result<TcpStream> {
    let socket = open(kind(libc::AF_INET, libc::SOCK_STREAM, 0))?;
    bound_waits(&socket, wait)?;
    let address = raw(address);
    let (fd, from, len) = (socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len());
    let flags = libc::MSG_FASTOPEN | libc::MSG_NOSIGNAL;
    // SAFETY: `bytes` and `address` are passed with their lengths and live over the call.
    checked(unsafe { libc::sendto(fd, from, len, flags, (&raw const address).cast(), RAW_LEN) })?;
    Ok(TcpStream::from(socket))
}

/// Lets no connect, send or receive on the socket wait longer than this.
fn bound_waits(socket: impl AsFd, wait: Duration) -> io::Result<()> {
    let wait = libc::timeval {
        tv_sec: wait.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_usec: wait.subsec_micros().into(),
    };
    let (fd, len) = (
        socket.as_fd().as_raw_fd(),
        size_of::<libc::timeval>() as libc::socklen_t,
    );
    for option in [libc::SO_SNDTIMEO, libc::SO_RCVTIMEO] {
        // SAFETY: `wait` is passed with its length and lives over the call.
        checked(unsafe {
            libc::setsockopt(fd, libc::SOL_SOCKET, option, (&raw const wait).cast(), len)
        })?;
    }
    Ok(())
}
