//! Where clients come from: stdin, and a unix socket that only the same user can open.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringfence::{Request, State, layers};
use rustix::fs::FileType;
use rustix::process::geteuid;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::unix::pipe;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};

use crate::connection;
use crate::lines::Source;
use crate::mcp;
use crate::output::LONG_PIPE;
use crate::rings::Rings;
use crate::short;

/// Who speaks on stdin and stdout.
#[derive(Debug, Clone)]
pub enum Client {
    /// A program, by this crate's protocol.
    Program,
    /// A model, by the Model Context Protocol: it has one ring, of this kind.
    Model(Box<Request>),
}

/// How rings are served.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// Who speaks on stdin and stdout; the server ends with it.
    pub stdio: Option<Client>,
    /// Clients come by this socket.
    pub socket: Option<PathBuf>,
    /// The runner's binary; where it is not named, the one beside this program.
    pub runner: Option<PathBuf>,
}

/// Serves until the client on stdin is gone, or a signal ends it. Nothing of its rings is left then.
///
/// # Errors
/// When there can be no socket there, or no runtime.
pub fn serve(served: Served) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let ended = runtime.block_on(async {
        let rings = Rings::new(served.runner);
        // Before there is a socket: who sees it may end the server, which takes it away.
        let mut ends = [
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ];
        let listening = match &served.socket {
            None => None,
            Some(path) => Some(Listening::at(path)?),
        };
        let [terminate, interrupt, hangup] = &mut ends;
        let stdio = served
            .stdio
            .map(|client| Ok::<_, io::Error>((client, stdio()?)));
        let stdio = stdio.transpose()?;
        let client = async {
            match stdio {
                Some((Client::Program, (from, to))) => {
                    connection::serve(Arc::clone(&rings), from, to).await;
                    Ok(())
                }
                Some((Client::Model(request), (from, to))) => {
                    mcp::serve(Arc::clone(&rings), *request, readable(from), to).await
                }
                None => std::future::pending().await,
            }
        };
        let others = async {
            match &listening {
                Some(listening) => listening.serve(&rings).await,
                None => std::future::pending().await,
            }
        };
        let served = tokio::select! {
            served = client => served,
            () = others => Ok(()),
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            _ = hangup.recv() => Ok(()),
        };
        rings.close_all().await;
        served
    });
    // What is being planned for nobody any more, or waits for a disk that does not answer, ends with this process.
    runtime.shutdown_background();
    ended
}

type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// This process' stdin and stdout.
fn stdio() -> io::Result<(Source, Writer)> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    let from = match kind(&stdin)? {
        FileType::Socket => match socket(stdin) {
            Ok(stream) => Source::Socket(Arc::new(stream)),
            Err(error) => return Err(error),
        },
        FileType::Fifo => Source::Any(Box::new(pipe::Receiver::from_owned_fd(again(stdin, true))?)),
        _ => Source::Any(Box::new(tokio::io::stdin()) as Box<dyn AsyncRead + Send + Unpin>),
    };
    let to: Writer = match kind(&stdout)? {
        FileType::Socket => Box::new(socket(stdout)?),
        FileType::Fifo => {
            let stdout = again(stdout, false);
            // Much may go this way.
            let _as_it_was = rustix::pipe::fcntl_setpipe_size(&stdout, LONG_PIPE);
            Box::new(pipe::Sender::from_owned_fd(stdout)?)
        }
        _ => Box::new(tokio::io::stdout()),
    };
    Ok((from, to))
}

/// The same as plain bytes: a model sends no descriptors.
fn readable(from: Source) -> Box<dyn AsyncRead + Send + Unpin> {
    match from {
        Source::Any(from) => from,
        Source::Socket(socket) => Box::new(Half(socket)),
    }
}

fn kind(fd: &OwnedFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode))
}

/// The same pipe, with flags of its own: that reading does not wait here is not to be found by whoever
/// has the other descriptor. Where it cannot be opened again, that one.
fn again(fd: OwnedFd, read: bool) -> OwnedFd {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let opened = std::fs::File::options().read(read).write(!read).open(path);
    opened.map_or(fd, OwnedFd::from)
}

fn socket(fd: OwnedFd) -> io::Result<UnixStream> {
    let stream = StdStream::from(fd);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// A socket that is listened on; its file goes with it.
struct Listening {
    listener: UnixListener,
    path: PathBuf,
    /// What the file is: another server may have put one of its own in its place.
    identity: (u64, u64),
    /// Its directory was made for it, or for another server's.
    ours: bool,
}

impl Drop for Listening {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path)
            .is_ok_and(|meta| (meta.dev(), meta.ino()) == self.identity)
        {
            // What is left is seen to be nobody's by who comes next.
            let _left = std::fs::remove_file(&self.path);
            if let (Some(directory), true) = (self.path.parent(), self.ours) {
                // Not while another server has its socket there.
                let _not_empty = std::fs::remove_dir(directory);
            }
        }
    }
}

impl Listening {
    /// Listens there. A socket that nobody listens on any more is taken away.
    fn at(path: &Path) -> io::Result<Listening> {
        let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        let ours = !directory.exists() || runtime_directory().as_deref() == Some(directory);
        private(directory)?;
        take_away_if_dead(path);
        if ours {
            // One that has just been bound and is not listened on yet is no dead one's.
            servers_sockets(directory)
                .filter(|(pid, _)| !Path::new(&format!("/proc/{pid}")).exists())
                .for_each(|(_, path)| take_away_if_dead(&path));
        }
        let listener = match short::at(path, |path| UnixListener::bind(path)) {
            // Another server that ended took the empty directory with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                private(directory)?;
                short::at(path, |path| UnixListener::bind(path))?
            }
            bound => bound?,
        };
        let meta = std::fs::symlink_metadata(path)?;
        let listening = Listening {
            listener,
            path: path.to_owned(),
            identity: (meta.dev(), meta.ino()),
            ours,
        };
        std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(listening)
    }

    async fn serve(&self, rings: &Arc<Rings>) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                // No descriptors left, most likely: others that end give some back.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            if !is_own(&stream) {
                continue;
            }
            let rings = Arc::clone(rings);
            let stream = Arc::new(stream);
            tokio::spawn(async move {
                let to = Half(Arc::clone(&stream));
                connection::serve(rings, Source::Socket(stream), to).await;
            });
        }
    }
}

/// Takes away a socket that a server left that was killed: nobody listens on it any more.
fn take_away_if_dead(path: &Path) {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && short::at(path, |path| StdStream::connect(path)).is_err_and(refused) {
        // If it stays, listening there says so.
        let _left = std::fs::remove_file(path);
    }
}

/// The name of a server's own socket.
#[must_use]
pub fn socket_name(server: u32) -> String {
    format!("serve-{server}.sock")
}

/// The sockets of servers in a directory, with the processes that they are named for.
pub(crate) fn servers_sockets(directory: &Path) -> impl Iterator<Item = (u32, PathBuf)> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let name = entry.file_name();
        let server = name
            .to_str()?
            .strip_prefix("serve-")?
            .strip_suffix(".sock")?;
        Some((server.parse().ok()?, entry.path()))
    })
}

/// A directory of this user's alone; it is made where it is not there.
fn private(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let meta = std::fs::metadata(directory)?;
    if meta.uid() != geteuid().as_raw() || meta.mode() & 0o077 != 0 {
        return Err(io::Error::other(format!(
            "{}: others can get at it; take a directory of your own with mode 0700",
            directory.display()
        )));
    }
    Ok(())
}

/// Whether whoever connected is this user, and not in a ring: a ring's processes are in a user namespace
/// of their own, or held to more than this process is, and what they may do is not theirs to say. (The directory is hidden from them as well.)
fn is_own(stream: &UnixStream) -> bool {
    let Ok(peer) = stream.peer_cred() else {
        return false;
    };
    let namespace = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/user")).ok();
    let Some(pid) = peer.pid() else { return false };
    let pid = pid.to_string();
    let own = namespace("self");
    // A ring without namespaces (landlock-only) has what no process gets rid of: one filter more, and no way to more
    // privileges.
    let held = |of: &str| {
        let status = std::fs::read_to_string(format!("/proc/{of}/status")).ok()?;
        let number = |name: &str| -> Option<u32> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse().ok()
        };
        // Kernels before 5.9 do not say how many.
        let filters = number("Seccomp_filters:").or_else(|| number("Seccomp:"))?;
        Some((number("NoNewPrivs:")?, filters))
    };
    let freer = |own: (u32, u32), peer: (u32, u32)| peer.0 <= own.0 && peer.1 <= own.1;
    peer.uid() == geteuid().as_raw()
        && own.is_some()
        && namespace(&pid) == own
        && matches!((held("self"), held(&pid)), (Some(own), Some(peer)) if freer(own, peer))
}

/// One half of a socket.
struct Half(Arc<UnixStream>);

impl AsyncRead for Half {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        task: &mut std::task::Context<'_>,
        to: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        loop {
            std::task::ready!(self.0.poll_read_ready(task))?;
            match self.0.try_read(to.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    to.advance(read?);
                    return std::task::Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Half {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        task: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        loop {
            std::task::ready!(self.0.poll_write_ready(task))?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return std::task::Poll::Ready(done),
            }
        }
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

/// Where this user's servers have their sockets: below `XDG_RUNTIME_DIR`, else with Ringfence's state,
/// which rings do not see.
#[must_use]
pub fn runtime_directory() -> Option<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute())
        .filter(|dir| {
            std::fs::metadata(dir).is_ok_and(|meta| {
                meta.uid() == geteuid().as_raw() && meta.is_dir() && meta.mode() & 0o077 == 0
            })
        });
    match runtime {
        Some(dir) => Some(dir.join("ringfence")),
        None => Some(State::of_user(layers::home().as_deref())?.dir().join("run")),
    }
}
