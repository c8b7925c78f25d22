//! A command started with every restriction on, and what it printed.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use ringfence_sys_linux::spawn::{
    self, CommandStart, Patience, Resource, Restrictions, Spare, SpawnError,
};
use rustix::process::{Pid, WaitOptions};

/// A directory of this test alone, gone with it.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Dir {
        use std::hash::{BuildHasher, RandomState};
        // Not the process' number alone: one in a namespace of its own has another's.
        let number = RandomState::new().hash_one(std::process::id());
        let path = std::env::temp_dir().join(format!("rf-test-{number:016x}"));
        std::fs::create_dir(&path).unwrap();
        Dir(path.canonicalize().unwrap())
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn program(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.file(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// How a command is started; the rest is as a ring without restrictions does it.
pub struct Start<'a> {
    pub program: PathBuf,
    pub argv: Vec<OsString>,
    pub env: Vec<OsString>,
    pub cwd: OwnedFd,
    pub stdin: Option<BorrowedFd<'a>>,
    pub new_session: bool,
    pub terminal: bool,
    pub limits: Vec<(Resource, u64)>,
    pub own_limits: Vec<(Resource, u64)>,
    pub landlock: Option<BorrowedFd<'a>>,
    pub seccomp: Option<Vec<u8>>,
    pub patience: Option<Patience<'a>>,
}

pub fn open(path: &str) -> OwnedFd {
    File::open(path).unwrap().into()
}

impl<'a> Start<'a> {
    pub fn new(argv: &[&str]) -> Start<'a> {
        Start {
            program: PathBuf::from(argv[0]),
            argv: argv.iter().map(OsString::from).collect(),
            env: vec![OsString::from("PATH=/usr/bin:/bin")],
            cwd: open("/"),
            stdin: None,
            new_session: false,
            terminal: false,
            limits: Vec::new(),
            own_limits: Vec::new(),
            landlock: None,
            seccomp: None,
            patience: None,
        }
    }

    pub fn sh(script: &str) -> Start<'a> {
        Start::new(&["/bin/sh", "-c", script])
    }

    /// What it takes on.
    pub fn restrictions(&self) -> Restrictions {
        let mut restrictions = Restrictions::default();
        for (resource, value) in &self.limits {
            restrictions.limit(*resource, *value);
        }
        if let Some(landlock) = self.landlock {
            restrictions.landlock(landlock.try_clone_to_owned().unwrap());
        }
        if let Some(filter) = &self.seccomp {
            restrictions.seccomp(filter).unwrap();
        }
        restrictions
    }

    /// Starts it with this as its stdout and stderr.
    pub fn start(&self, out: BorrowedFd<'_>) -> Result<i32, SpawnError> {
        let null = open("/dev/null");
        spawn::command(&self.with(null.as_fd(), out, Some(&self.restrictions())))
    }

    /// The same from a spare.
    pub fn start_spare(
        &self,
        spare: Spare,
        out: BorrowedFd<'_>,
    ) -> Result<Option<spawn::Started>, SpawnError> {
        let null = open("/dev/null");
        spare.start(&self.with(null.as_fd(), out, None))
    }

    fn with<'b>(
        &'b self,
        null: BorrowedFd<'b>,
        out: BorrowedFd<'b>,
        restrictions: Option<&'b Restrictions>,
    ) -> CommandStart<'b> {
        CommandStart {
            program: &self.program,
            argv: &self.argv,
            env: &self.env,
            cwd: self.cwd.as_fd(),
            stdio: [self.stdin.unwrap_or(null), out, out],
            report: None,
            new_session: self.new_session,
            own_group: false,
            terminal: self.terminal,
            die_with_parent: false,
            patience: self.patience,
            limits: &self.own_limits,
            restrictions,
        }
    }

    /// What it printed, and its exit status.
    pub fn run(&self) -> (String, Option<i32>) {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let pid = self.start(write.as_fd()).unwrap();
        drop(write);
        let mut text = String::new();
        File::from(read).read_to_string(&mut text).unwrap();
        (text, wait(pid))
    }

    /// Where it failed and with what.
    pub fn failure(&self) -> SpawnError {
        let null = open("/dev/null");
        match self.start(null.as_fd()) {
            Err(error) => error,
            Ok(pid) => panic!("started, and ended with {:?}", wait(pid)),
        }
    }
}

pub fn wait(pid: i32) -> Option<i32> {
    let pid = Pid::from_raw(pid).unwrap();
    let (_, status) = rustix::process::waitpid(Some(pid), WaitOptions::empty())
        .unwrap()
        .unwrap();
    status.exit_status()
}

/// A field of `/proc/<pid>/status` as a number of base 16.
pub fn hex(status: &str, name: &str) -> u64 {
    let text = field(status, name);
    u64::from_str_radix(text, 16).unwrap_or_else(|_| panic!("{name}: {text}"))
}

pub fn field<'a>(status: &'a str, name: &str) -> &'a str {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .unwrap_or_else(|| panic!("no {name} in {status}"))
        .trim()
}

/// Runs the body of a test again in a user and a mount namespace of its own; `true` in
/// there.
pub fn in_namespaces(test: &str) -> bool {
    const MARK: &str = "RINGFENCE_TEST_INSIDE";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

pub fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
