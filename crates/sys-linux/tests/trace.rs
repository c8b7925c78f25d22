//! What of a command's calls is told: those that failed, as the kernel was asked and as it answered.
#![cfg(feature = "trace")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::ffi::{OsStr, OsString};

use ringfence_sys_linux::trace::{End, Refused, Wants, run};

fn traced(words: &[&str]) -> (End, Vec<Refused>) {
    let mut all = Vec::new();
    let argv: Vec<OsString> = words.iter().map(OsString::from).collect();
    let end = run(OsStr::new(words[0]), &argv, &mut |refused| {
        all.push(refused.clone());
    });
    (end.unwrap(), all)
}

fn sh(script: &str) -> (End, Vec<Refused>) {
    traced(&["/bin/sh", "-c", script])
}

/// Where nobody can make anything, whoever they are: `sysfs(5)`.
fn written(path: &str, all: &[Refused]) -> bool {
    all.iter().any(|refused| {
        let Refused {
            wants, errno, of, ..
        } = refused;
        let denied = [libc::EACCES, libc::EPERM, libc::EROFS].contains(errno);
        *wants == Wants::Write && denied && of == path
    })
}

#[test]
fn a_command_ends_as_it_would() {
    assert_eq!(sh("exit 0").0, End::Exited(0));
    assert_eq!(sh("exit 77").0, End::Exited(77));
    assert_eq!(sh("kill -TERM $$").0, End::Signalled(libc::SIGTERM));
    assert_eq!(sh("kill -KILL $$").0, End::Signalled(libc::SIGKILL));
    // One that stops itself goes on when it is told to.
    let stops = "(while kill -CONT $$; do cat /proc/version; done) > /dev/null 2>&1 & kill -STOP $$; exit 5";
    assert_eq!(sh(stops).0, End::Exited(5));
    let (end, _) = traced(&["/nonexistent/program"]);
    assert!(
        matches!(end, End::NotExecuted(error) if error.errno == libc::ENOENT),
        "{end:?}"
    );
}

#[test]
fn what_succeeds_is_not_told() {
    let (end, all) =
        sh(": > /dev/null; cat /proc/self/stat > /dev/null; [ -d / ]; cd /; ls / > /dev/null");
    assert_eq!((end, all.as_slice()), (End::Exited(0), &[][..]));
    // Nor what fails for no reason of a boundary's.
    let (_, all) = sh("cat /nonexistent/file; mkdir /tmp; rmdir /nonexistent");
    assert_eq!(all, []);
}

#[test]
fn what_is_refused_is_told_by_its_path() {
    let (end, all) = sh("echo x > /sys/absolute; exit 3");
    assert_eq!(end, End::Exited(3));
    assert!(written("/sys/absolute", &all), "{all:?}");
    // Below where it stands, or below a directory that is open.
    let (_, all) = sh("cd /sys && echo x > relative; mkdir made");
    assert!(
        written("/sys/relative", &all) && written("/sys/made", &all),
        "{all:?}"
    );
    // By whatever it starts, at the same time.
    let (_, all) = sh(
        "for n in 1 2 3 4 5 6 7 8; do (echo x > /sys/child$n) & done; wait; sh -c 'sh -c \"touch /sys/deep\"'",
    );
    for n in 1..=8 {
        assert!(written(&format!("/sys/child{n}"), &all), "{n}: {all:?}");
    }
    assert!(written("/sys/deep", &all), "{all:?}");
    // Others' files, links, names.
    let (_, all) = sh("ln -s x /sys/link; ln /proc/self/stat /sys/hard; mv /dev/null /sys/moved");
    // Of what is moved both names: it is taken away from the one as well.
    for path in ["/sys/link", "/sys/hard", "/sys/moved", "/dev/null"] {
        assert!(
            all.iter()
                .any(|refused| refused.wants == Wants::Write && refused.of == path),
            "{path}: {all:?}"
        );
    }
}

#[test]
fn what_it_wanted_is_told() {
    // Written and read are not the same; a directory cannot be executed.
    let (_, all) = sh("test -w /proc/version; /proc/version; exec /sys");
    let wants = |path: &str, wants: Wants| {
        all.iter()
            .any(|refused| refused.of == path && refused.wants == wants)
    };
    assert!(wants("/proc/version", Wants::Execute), "{all:?}");
    assert!(wants("/sys", Wants::Execute), "{all:?}");
}

#[test]
fn a_path_of_any_bytes_is_told_as_it_is() {
    let (_, all) = sh("touch \"$(printf '/sys/a\\377 b\\nc')\"");
    use std::os::unix::ffi::OsStrExt;
    let expected = OsStr::from_bytes(b"/sys/a\xff b\nc");
    assert!(all.iter().any(|refused| refused.of == expected), "{all:?}");
    // At the end of a page, and as long as a path can be.
    let long = format!("/sys/{}", "x".repeat(250));
    let (_, all) = sh(&format!("touch {long}"));
    assert!(written(&long, &all), "{all:?}");
}
