//! Starting a command: what it gets, what it does not, and where it fails.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod needs;
mod support;

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use ringfence_sys_linux::spawn::{Resource, Restrictions, SpawnError, Step};
use ringfence_sys_linux::{SysError, landlock, terminal};
use rustix::io::Errno;
use support::{Dir, Start, field, hex, open, wait};

const SIGHUP: u64 = 1;
const SIGPIPE: u64 = 13;

fn failed(step: Step, call: &'static str, errno: Errno) -> SpawnError {
    SpawnError {
        step,
        error: SysError::new(call, errno.raw_os_error()),
    }
}

fn status() -> String {
    let (text, code) = Start::new(&["/bin/cat", "/proc/self/status"]).run();
    assert_eq!(code, Some(0), "{text}");
    text
}

#[test]
fn a_command_has_no_privileges_and_cannot_gain_any() {
    let own = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    // As a runner does, once, for all its commands.
    ringfence_sys_linux::capability::drop_bounding().unwrap();
    let status = status();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(hex(&status, set), 0, "{set}");
    }
    if hex(&own, "CapEff") & (1 << 8) != 0 {
        assert_ne!(hex(&own, "CapBnd"), 0);
        assert_eq!(hex(&status, "CapBnd"), 0);
    }
    assert_eq!(field(&own, "NoNewPrivs"), "0");
    assert_eq!(field(&status, "NoNewPrivs"), "1");
}

#[test]
fn signals_are_as_a_shell_would_give_them() {
    // The Rust runtime ignores SIGPIPE in this very process.
    let own = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    assert_ne!(hex(&own, "SigIgn") & (1 << (SIGPIPE - 1)), 0);
    ringfence_sys_linux::signal::ignore(SIGHUP as i32).unwrap();
    let status = status();
    assert_eq!(hex(&status, "SigBlk"), 0);
    assert_eq!(hex(&status, "SigIgn") & (1 << (SIGPIPE - 1)), 0);
    // nohup's word is kept.
    assert_ne!(hex(&status, "SigIgn") & (1 << (SIGHUP - 1)), 0);
}

#[test]
fn the_callers_own_mask_is_put_back() {
    let before = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let _started = status();
    let _not = Start::new(&["/nonexistent/program"]).failure();
    let after = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    assert_eq!(hex(&before, "SigBlk"), hex(&after, "SigBlk"));
}

#[test]
fn no_descriptor_leaks_even_one_that_is_not_close_on_exec() {
    let leak = open("/etc/passwd");
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let high = rustix::io::fcntl_dupfd_cloexec(&leak, 500).unwrap();
    rustix::io::fcntl_setfd(&high, rustix::io::FdFlags::empty()).unwrap();
    let (text, _) = Start::new(&["/bin/ls", "/proc/self/fd"]).run();
    // 3 is the directory that ls itself opened.
    assert_eq!(
        text.split_whitespace().collect::<Vec<_>>(),
        ["0", "1", "2", "3"]
    );
}

#[test]
fn arguments_environment_and_directory_arrive_byte_for_byte() {
    let dir = Dir::new();
    let odd = OsStr::from_bytes(b"\xff a\nb'\"$x");
    let mut start = Start::new(&[
        "/bin/sh",
        "-c",
        "printf '%s|' \"$0\" \"$@\"; printf '%s|' \"$A\"; pwd",
    ]);
    start.argv.push(OsString::from("zero"));
    start.argv.push(odd.to_owned());
    start.argv.push(OsString::new());
    start.env = vec![
        OsString::from("A=1=2"),
        OsString::from("PATH=/bin:/usr/bin"),
    ];
    start.cwd = open(dir.0.to_str().unwrap());
    start.program = "/bin/sh".into();
    let (read, write) = rustix::pipe::pipe().unwrap();
    let pid = start.start(write.as_fd()).unwrap();
    drop(write);
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::fs::File::from(read), &mut bytes).unwrap();
    assert_eq!(wait(pid), Some(0));
    let mut expected = b"zero|".to_vec();
    expected.extend_from_slice(odd.as_bytes());
    expected.extend_from_slice(b"||1=2|");
    expected.extend_from_slice(dir.0.as_os_str().as_bytes());
    expected.push(b'\n');
    assert_eq!(bytes, expected);
}

#[test]
fn the_environment_is_what_was_given_and_no_more() {
    let mut start = Start::new(&["/usr/bin/env"]);
    start.env = vec![OsString::from("ONLY=this")];
    assert_eq!(start.run(), ("ONLY=this\n".to_owned(), Some(0)));
}

#[test]
fn a_script_without_an_interpreter_line_is_the_shells() {
    let dir = Dir::new();
    let script = dir.program("script", "echo \"$1-$2\"\nexit 7\n");
    let mut start = Start::new(&["named-otherwise", "a", "b c"]);
    start.program = script;
    assert_eq!(start.run(), ("a-b c\n".to_owned(), Some(7)));
}

#[test]
fn a_new_session_is_led_by_the_command() {
    let session = |new| {
        let mut start = Start::new(&["/bin/cat", "/proc/self/stat"]);
        start.new_session = new;
        let (text, _) = start.run();
        let (pid, rest) = text.split_once(' ').unwrap();
        let session = rest
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .nth(3)
            .unwrap();
        pid == session
    };
    assert!(session(true));
    assert!(!session(false));
}

#[test]
fn a_terminal_becomes_the_controlling_one() {
    let pty = terminal::open_pty(None).unwrap();
    let mut start = Start::sh("echo it works > /dev/tty");
    start.stdin = Some(pty.terminal.as_fd());
    start.new_session = true;
    start.terminal = true;
    assert_eq!(start.run(), (String::new(), Some(0)));
    let mut buffer = [0; 64];
    let n = rustix::io::read(&pty.controller, &mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"it works\r\n");
    // The same without: a session that has none.
    start.terminal = false;
    let (text, code) = start.run();
    assert_ne!(code, Some(0), "{text}");
}

#[test]
fn limits_hold_in_the_command() {
    let mut start = Start::new(&["/bin/cat", "/proc/self/limits"]);
    start.limits = vec![(Resource::Core, 0), (Resource::AddressSpace, 1 << 30)];
    let limits = |start: &Start<'_>| {
        let (text, _) = start.run();
        ["Max core file size", "Max address space"].map(|name| {
            let line = text.lines().find(|l| l.starts_with(name)).unwrap();
            let values: Vec<&str> = line[name.len()..].split_whitespace().take(2).collect();
            values.join(" ")
        })
    };
    assert_eq!(limits(&start), ["0 0", "1073741824 1073741824"]);
    // Its own make what it may less, and never more.
    start.own_limits = vec![(Resource::Core, 4096), (Resource::AddressSpace, 1 << 29)];
    assert_eq!(limits(&start), ["0 0", "536870912 536870912"]);
}

#[test]
fn a_ruleset_holds_in_the_command_and_not_in_the_caller() {
    if !needs::landlock(1) {
        return;
    }
    let dir = Dir::new();
    let (inside, outside) = (dir.0.join("in"), dir.0.join("out"));
    std::fs::create_dir(&inside).unwrap();
    std::fs::create_dir(&outside).unwrap();
    let script = format!(
        "echo a > {}/x; echo b > {}/x; exit 0",
        inside.display(),
        outside.display()
    );
    // All of ABI 1.
    let rights = 0x1fff;
    let ruleset = landlock::create(landlock::abi(), rights, 0, 0).unwrap();
    landlock::grant(ruleset.as_fd(), open("/").as_fd(), 0b1101).unwrap();
    landlock::grant(
        ruleset.as_fd(),
        open(inside.to_str().unwrap()).as_fd(),
        rights,
    )
    .unwrap();
    let mut start = Start::sh(&script);
    start.landlock = Some(ruleset.as_fd());
    let (text, _) = start.run();
    assert!(text.contains("Permission denied"), "{text}");
    assert!(inside.join("x").exists());
    assert!(!outside.join("x").exists());
    // The same without.
    assert_eq!(Start::sh(&script).run(), (String::new(), Some(0)));
    assert!(outside.join("x").exists());
}

#[test]
fn a_filter_holds_in_the_command() {
    // Return what `k` says: ALLOW, and kill.
    let filter = |k: u32| {
        let mut bytes = 6_u16.to_ne_bytes().to_vec();
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&k.to_ne_bytes());
        bytes
    };
    let mut start = Start::new(&["/bin/cat", "/proc/self/status"]);
    start.seccomp = Some(filter(0x7fff_0000));
    let (text, code) = start.run();
    assert_eq!(code, Some(0));
    assert_eq!(field(&text, "Seccomp"), "2");
    // execve itself is refused: that is a failure to start.
    start.seccomp = Some(filter(0x0005_0000 | 1));
    assert_eq!(start.failure(), failed(Step::Exec, "execve", Errno::PERM));
}

#[test]
fn each_step_tells_where_it_failed() {
    let dir = Dir::new();
    let none = Start::new(&["/nonexistent/program"]).failure();
    assert_eq!(none, failed(Step::Exec, "execve", Errno::NOENT));
    let directory = Start::new(&["/usr"]).failure();
    assert_eq!(directory, failed(Step::Exec, "execve", Errno::ACCESS));
    let plain = dir.file("plain", "echo no");
    let plain = Start::new(&[plain.to_str().unwrap()]).failure();
    assert_eq!(plain, failed(Step::Exec, "execve", Errno::ACCESS));
    let lost = dir.program("lost", "#!/nonexistent/interpreter\n");
    let lost = Start::new(&[lost.to_str().unwrap()]).failure();
    assert_eq!(lost, failed(Step::Exec, "execve", Errno::NOENT));

    let mut start = Start::new(&["/bin/true"]);
    start.cwd = open("/etc/passwd");
    assert_eq!(start.failure(), failed(Step::Cwd, "fchdir", Errno::NOTDIR));

    let mut start = Start::new(&["/bin/true"]);
    start.new_session = true;
    start.terminal = true;
    assert_eq!(
        start.failure(),
        failed(Step::Session, "TIOCSCTTY", Errno::NOTTY)
    );

    let no_ruleset = open("/dev/null");
    let mut start = Start::new(&["/bin/true"]);
    start.landlock = Some(no_ruleset.as_fd());
    let expected = if landlock::abi() > 0 {
        Errno::BADFD
    } else {
        Errno::NOSYS
    };
    assert_eq!(
        start.failure(),
        failed(Step::Landlock, "landlock_restrict_self", expected)
    );
}

#[test]
fn a_filter_that_is_none_is_refused() {
    let mut start = Start::new(&["/bin/true"]);
    // No instruction, one without a return, one that does not exist.
    for bytes in [vec![], vec![0; 8], vec![0xff; 8]] {
        start.seccomp = Some(bytes);
        assert_eq!(
            start.failure(),
            failed(Step::Seccomp, "seccomp", Errno::INVAL)
        );
    }
    // More instructions than the kernel can count.
    assert_eq!(
        Restrictions::default().seccomp(&vec![0; 8 * 65536]),
        Err(SysError::new("seccomp", Errno::INVAL.raw_os_error()))
    );
}

#[test]
fn a_lower_limit_that_holds_already_stays() {
    let limit = rustix::process::Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(rustix::process::Resource::Core, limit).unwrap();
    let mut start = Start::sh("ulimit -H -c");
    start.limits = vec![(Resource::Core, 512)];
    let (said, code) = start.run();
    assert_eq!((said.trim(), code), ("0", Some(0)));
}

#[test]
fn a_nul_byte_is_refused_before_anything_is_started() {
    let nul = OsString::from("a\0b");
    let expected = failed(Step::Exec, "execve", Errno::INVAL);
    let mut start = Start::new(&["/bin/true"]);
    start.argv.push(nul.clone());
    assert_eq!(start.failure(), expected);
    let mut start = Start::new(&["/bin/true"]);
    start.env.push(nul.clone());
    assert_eq!(start.failure(), expected);
    let mut start = Start::new(&["/bin/true"]);
    start.program = nul.into();
    assert_eq!(start.failure(), expected);
}
