//! Where one test's rings are made.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command as Outside;
use std::time::{Duration, Instant};

use ringfence::ring::{Child, Stdio};
use ringfence::{Request, Ring};

/// A home and a workspace of one test's own.
pub struct Place {
    pub home: PathBuf,
}

pub const MARK: &str = "RINGFENCE_TEST_SESSION";

impl Place {
    /// Runs this test once more, with a home of its own: the library heeds `HOME` as programs do.
    /// `None` in the process that only waits for that, and where there can be no ring.
    pub fn of(test: &str) -> Option<Place> {
        if !super::needs::userns() {
            return None;
        }
        if let Some(home) = std::env::var_os(MARK) {
            return Some(Place { home: home.into() });
        }
        let own = std::env::var_os("HOME").unwrap();
        let home = Path::new(&own).join(format!(".rf-session-{}", std::process::id()));
        std::fs::create_dir_all(home.join("ws")).unwrap();
        std::fs::create_dir_all(home.join("run")).unwrap();
        let output = Outside::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env("HOME", &home)
            .env(MARK, &home)
            // Its sockets are out of a ring's sight.
            .env("XDG_RUNTIME_DIR", home.join("run"))
            .env_remove("XDG_STATE_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .output()
            .unwrap();
        let _left = std::fs::remove_dir_all(&home);
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}{errors}"
        );
        None
    }

    pub fn workspace(&self) -> PathBuf {
        self.home.join("ws")
    }

    pub fn request(&self) -> Request {
        let own = std::env::current_exe().unwrap();
        Request {
            workspace: Some(self.workspace()),
            directory: Some(self.workspace()),
            runner: Some(own.ancestors().nth(2).unwrap().join("ringfence-runner")),
            ..Request::default()
        }
    }

    pub fn ring(&self) -> Ring {
        Ring::open(self.request()).unwrap()
    }
}

pub fn sh(ring: &Ring, script: &str) -> String {
    let output = ring.command("sh").args(["-c", script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{script}: {}: {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Waits for a line.
pub fn line(from: &mut impl BufRead) -> String {
    let mut text = String::new();
    from.read_line(&mut text).unwrap();
    text
}

pub fn piped(ring: &Ring, script: &str) -> (Child, BufReader<ringfence::ring::ChildStdout>) {
    let mut child = ring
        .command("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

pub fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !reached() {
        assert!(begun.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::yield_now();
    }
}
