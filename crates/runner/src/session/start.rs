//! How commands start: from what stands ready, or from nothing.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ringfence_ops::linux::Located;
use ringfence_ops::linux::landlock as rights;
use ringfence_sys_linux::error::Named;
use ringfence_sys_linux::spawn::{
    self, CommandStart, Patience, Resource, Restrictions, SpawnError, Step,
};
use ringfence_sys_linux::{SysError, landlock, object};
use ringfence_wire::{Failure, Report, Spawn, Stage};
use rustix::fs::{FileType, Mode, OFlags, SeekFrom, seek};
use rustix::io::Errno;

use super::{ARM_AFTER, Running, Session, at, has_hung_up};
use crate::files::{open_verified, same};
use crate::keeper::Keeper;
use crate::tree::Tree;

/// A file on stdin that is not to be seen in the ring is handed in as a copy, up to this length in bytes.
const COPIED: u64 = 256 << 20;

impl Session {
    /// A number stands for one command at a time. The last has the ring for itself; without a pid
    /// namespace each has, since whose a process is cannot be told there.
    pub(super) fn may_spawn(&self, spawn: &Spawn) -> bool {
        let taken = self.running.contains_key(&spawn.id) || self.kept.contains_key(&spawn.id);
        let alone = self.running.is_empty() && self.kept.is_empty();
        let shares = self.init && !spawn.last;
        !taken && !self.last && (alone || shares) && (self.init || !spawn.keep_background)
    }

    pub(super) fn spawn(&mut self, spawn: &Spawn, fds: &[OwnedFd]) -> Result<Running, Failure> {
        let (stdin, stdout, stderr, report) = match (fds, spawn.report) {
            ([stdin, stdout, stderr], false) => (stdin, stdout, stderr, None),
            ([stdin, stdout, stderr, report], true) => (stdin, stdout, stderr, Some(report)),
            _ => {
                return Err(at(
                    Stage::Protocol,
                    SysError::new("recvmsg", Errno::BADF.raw_os_error()),
                ));
            }
        };
        let cwd = open_verified(&spawn.cwd).map_err(|e| at(Stage::Cwd, e))?;
        let inside = match &spawn.stdin_inside {
            None => None,
            Some(located) => match reopen(located, stdin) {
                Ok(file) => Some(file),
                // `..` of it would lead past all mounts.
                Err(error) if located.dir => return Err(at(Stage::Stdin, error)),
                // As it is, it could be opened again for writing, where it lies in a write root.
                Err(_) => match object::sealed_copy(stdin.as_fd(), COPIED) {
                    Ok(copy) => Some(copy),
                    Err(error) if spawn.stdin_outside => {
                        self.send(&Report::StdinAsIs { errno: error.errno })
                            .map_err(|e| at(Stage::Stdin, e))?;
                        None
                    }
                    Err(error) => return Err(at(Stage::Stdin, error)),
                },
            },
        };
        let stdin_pair = match &inside {
            None => None,
            Some(inside) => Some((
                dup(stdin).map_err(|e| at(Stage::Stdin, e))?,
                dup(inside).map_err(|e| at(Stage::Stdin, e))?,
            )),
        };
        let Some(ring) = &mut self.ring else {
            return Err(at(
                Stage::Protocol,
                SysError::new("spawn", Errno::PROTO.raw_os_error()),
            ));
        };
        // Before the first the ring has just been built.
        if self.spawned {
            ring.mend().map_err(|e| at(Stage::Protect, e))?;
        }
        let restrictions = ring.restrictions.clone();
        let needs_arming = ring.keeper.needs_arming();
        // The host's node can be changed by its owner, through a descriptor too; and the ring's alone can be opened again.
        let mut node = |fd| own_node(&mut ring.keeper, fd).map_err(|e| at(Stage::Stdin, e));
        let nodes = [node(stdin)?, node(stdout)?, node(stderr)?];
        let [own_in, own_out, own_err] = &nodes;
        let stdin = inside.as_ref().or(own_in.as_ref()).unwrap_or(stdin);
        let stdout = own_out.as_ref().unwrap_or(stdout);
        let stderr = own_err.as_ref().unwrap_or(stderr);
        for stream in [stdin, stdout, stderr] {
            opens_again(&restrictions, stream);
        }
        if self.init && spawn.new_session {
            // As below; and before, since nothing is shared with the caller's session.
            let _leads_one_already = rustix::process::setsid();
        }
        let limits: Vec<(Resource, u64)> = spawn
            .memory
            .map(|bytes| (Resource::AddressSpace, bytes))
            .into_iter()
            .collect();
        // Where nobody is left who wants it, it is waited for no more.
        let harness = Rc::clone(&self.socket);
        let go_on = || !has_hung_up(harness.fd());
        ring.keeper.before_a_command();
        let started = self.start(
            &CommandStart {
                program: &spawn.program,
                argv: &spawn.argv,
                env: &spawn.env,
                cwd: cwd.as_fd(),
                stdio: [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
                report: report.map(|report| report.as_fd()),
                new_session: spawn.new_session,
                own_group: spawn.own_group,
                terminal: spawn.terminal,
                die_with_parent: !self.init,
                // Without a pid namespace nothing of a command's is left when the next is started.
                patience: self.init.then_some(Patience { go_on: &go_on }),
                limits: &limits,
                restrictions: Some(&restrictions),
            },
            self.init && !spawn.last,
        );
        if let Some(ring) = &mut self.ring {
            ring.keeper.after_a_command();
        }
        let (pid, tree) = started?;
        if self.init && spawn.last {
            // The command stays in the caller's group, for keys on the terminal. Who kills all of that (`timeout -s KILL`, an
            // agent's `kill(-pgid, 9)`) takes the harness, and is not to take who looks after what the command left. A session,
            // not a group of the caller's session: beside that the command's would never count as orphaned, and a key would stop
            // it where no shell is left to take it up.
            let _leads_one_already = rustix::process::setsid();
        }
        if self.arm_at.is_none() && !self.unwatchable && needs_arming {
            self.arm_at = Instant::now().checked_add(ARM_AFTER);
        }
        Ok(Running {
            pid,
            tree,
            keeps: spawn.keep_background,
            stdin: stdin_pair,
            until: spawn
                .time_ms
                .and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms))),
            timed_out: false,
        })
    }

    /// Starts it: by what stands ready, or from nothing.
    fn start(
        &mut self,
        start: &CommandStart<'_>,
        marked: bool,
    ) -> Result<(i32, Option<Tree>), Failure> {
        let failed = |e: SpawnError| at(stage_of(e.step), e.error);
        // What stands ready has closed all but three already.
        if let Some(spare) = self
            .ready
            .take()
            .filter(|_| marked && start.report.is_none())
            && let Some(started) = spare.start(start).map_err(failed)?
        {
            // It has had its mark since nothing else ran: of those that run none has the same. A
            // number is given again where nothing is left that has it.
            let tree = Tree::of(started.uts);
            self.kept.retain(|_, kept| *kept != tree);
            return Ok((started.pid, Some(tree)));
        }
        let tree = if marked {
            Some(self.mark().map_err(|e| at(Stage::Fork, e))?)
        } else {
            None
        };
        let pid = spawn::command(start).map_err(failed)?;
        Ok((pid, tree))
    }

    /// A mark for the next command.
    fn mark(&mut self) -> Result<Tree, SysError> {
        let mut passed_over = Vec::new();
        loop {
            let tree = Tree::begin()?;
            if self.running.values().any(|r| r.tree == Some(tree)) {
                // Of one that has ended by now, and not been seen to: what is ended then must not
                // be the next one's. It is held so that the number is not given once more.
                passed_over.push(Tree::hold()?);
                continue;
            }
            // A number is given again where nothing is left that has it.
            self.kept.retain(|_, kept| *kept != tree);
            return Ok(tree);
        }
    }
}

/// Opens stdin's file inside the ring, at the same offset.
fn reopen(located: &Located, stdin: &OwnedFd) -> Result<OwnedFd, SysError> {
    let file = object::open_read(&located.path)?;
    same(&file, located)?;
    if let Some(offset) = object::offset(stdin.as_fd()) {
        seek(&file, SeekFrom::Start(offset)).named("lseek")?;
    }
    Ok(file)
}

/// Lets a command open what it is handed once more, as it has it (`/dev/stderr`): a terminal and a file outside lie in no
/// directory that it may write. Where that cannot be granted it is refused, as before.
fn opens_again(restrictions: &Restrictions, stream: &OwnedFd) {
    let Ok(identity) = object::identity(stream.as_fd()) else {
        return;
    };
    let by_kind = match identity.kind() {
        FileType::CharacterDevice => rights::IOCTL_DEV,
        FileType::RegularFile => 0,
        // What is no file of a file system is not Landlock's.
        _ => return,
    };
    let Ok((readable, writable)) = object::access_of(stream.as_fd()) else {
        return;
    };
    let reads = if readable { rights::READ_FILE } else { 0 };
    let writes = if writable {
        rights::WRITE_FILE | rights::TRUNCATE
    } else {
        0
    };
    let granted = (by_kind | reads | writes) & rights::fs_rights(landlock::abi());
    if granted != 0 {
        let _less = restrictions.grant(stream.as_fd(), granted);
    }
}

/// The ring's own device node, for one that is the host's. It has all that the host's `/dev` has of them.
fn own_node(keeper: &mut Keeper, fd: &OwnedFd) -> Result<Option<OwnedFd>, SysError> {
    /// `Documentation/admin-guide/devices.txt`.
    const NODES: [(u32, &str); 5] = [
        (3, "null"),
        (5, "zero"),
        (7, "full"),
        (8, "random"),
        (9, "urandom"),
    ];
    let identity = object::identity(fd.as_fd())?;
    let is = |minor: u32| identity.rdev == rustix::fs::makedev(1, minor);
    let node = NODES.iter().find(|(minor, _)| is(*minor));
    let Some((_, name)) = node.filter(|_| identity.kind() == FileType::CharacterDevice) else {
        return Ok(None);
    };
    let (readable, writable) = object::access_of(fd.as_fd())?;
    let access = match (readable, writable) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        _ => OFlags::RDONLY,
    };
    let path = Path::new("/dev").join(name);
    let open = || rustix::fs::open(&path, access | OFlags::CLOEXEC, Mode::empty()).named("open");
    match keeper.opened(open) {
        Ok(own) => Ok(Some(own)),
        Err(error) if error.errno == Errno::NOENT.raw_os_error() => Ok(None),
        Err(error) => Err(error),
    }
}

fn dup(fd: &OwnedFd) -> Result<OwnedFd, SysError> {
    fd.try_clone().named("dup")
}

fn stage_of(step: Step) -> Stage {
    match step {
        Step::Clone | Step::MapIds | Step::Namespaces | Step::Prepare => Stage::Fork,
        Step::Cwd => Stage::Cwd,
        Step::Session => Stage::Session,
        Step::Limit => Stage::Limit,
        Step::Capabilities => Stage::Capabilities,
        Step::NoNewPrivs => Stage::NoNewPrivs,
        Step::Landlock => Stage::Landlock,
        Step::Seccomp => Stage::Seccomp,
        Step::Exec => Stage::Exec,
    }
}
