//! Rings that stay, for tasks, with the real runner.
#![cfg(target_os = "linux")] // where rings are
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

#[path = "../../sys-linux/tests/needs/mod.rs"]
mod needs;

use std::path::{Path, PathBuf};

use ringfence::ring::{Size, Stdio};
use ringfence::tokio::{Child, Ring};
use ringfence::{Error, Request};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

fn directory(test: &str) -> PathBuf {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    let workspace = home.join(format!(".rf-{test}-{}", std::process::id()));
    std::fs::create_dir_all(&workspace).unwrap();
    workspace
}

async fn ring(workspace: &Path) -> Ring {
    let own = std::env::current_exe().unwrap();
    Ring::open(Request {
        workspace: Some(workspace.to_owned()),
        directory: Some(workspace.to_owned()),
        runner: Some(own.ancestors().nth(2).unwrap().join("ringfence-runner")),
        ..Request::default()
    })
    .await
    .unwrap()
}

fn on_one_thread(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap()
        .block_on(test);
}

#[test]
fn tasks_run_commands_beside_each_other() {
    if !needs::userns() {
        return;
    }
    on_one_thread(async {
        let workspace = directory("tasks");
        let ring = ring(&workspace).await;
        let tasks: Vec<_> = (0..40)
            .map(|number| {
                let ring = ring.clone();
                tokio::spawn(async move {
                    let script = format!("cat; echo {number} >&2; exit {number}");
                    let mut child = ring
                        .command("sh")
                        .args(["-c", &script])
                        .stdin(Stdio::piped())
                        .stdout(Stdio::piped())
                        .stderr(Stdio::piped())
                        .spawn()
                        .await
                        .unwrap();
                    let mut stdin = child.stdin.take().unwrap();
                    stdin
                        .write_all(format!("in {number}").as_bytes())
                        .await
                        .unwrap();
                    drop(stdin);
                    let output = child.wait_with_output().await.unwrap();
                    assert_eq!(output.status.code(), Some(number));
                    assert_eq!(output.stdout, format!("in {number}").as_bytes());
                    assert_eq!(output.stderr, format!("{number}\n").as_bytes());
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(ring.list().await.unwrap().is_empty());
        assert_eq!(ring.outcome().await.unwrap(), ring.blocking().outcome());
        let error = ring.command("no-such").spawn().await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
        std::fs::write(workspace.join("bad"), "#!/no/such/interpreter\n").unwrap();
        let bad = workspace.join("bad");
        std::fs::set_permissions(&bad, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let error = ring.command(&bad).spawn().await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
        let error = ring.command(&bad).status().await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
        std::fs::remove_dir_all(workspace).unwrap();
    });
}

async fn first_line(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next_line().await.unwrap().unwrap()
}

#[test]
fn tasks_end_commands_and_learn_of_the_end_of_their_ring() {
    if !needs::userns() {
        return;
    }
    on_one_thread(async {
        let workspace = directory("ends");
        let ring = ring(&workspace).await;
        let begun = || {
            let mut command = ring.command("sh");
            command.args(["-c", "echo begun; sleep 1000 & wait"]);
            command.stdout(Stdio::piped());
            command
        };
        let mut child = begun().spawn().await.unwrap();
        assert_eq!(first_line(&mut child).await, "begun");
        // Waiting can be given up.
        tokio::select! {
            biased;
            _ = child.wait() => panic!("it ended"),
            () = std::future::ready(()) => {}
        }
        child.kill().await.unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(9));
        // And what nobody wants any more is ended where that was asked for.
        let mut child = begun().kill_on_drop(true).spawn().await.unwrap();
        let mut stdout = child.stdout.take().unwrap();
        drop(child);
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).await.unwrap();
        // A thread and a task wait beside each other.
        let mut child = begun().spawn().await.unwrap();
        let blocking = ring.blocking().clone();
        let thread = std::thread::spawn(move || {
            let output = blocking.command("echo").arg("thread").output().unwrap();
            output.stdout
        });
        let mut done = ring.command("echo");
        let done = done.arg("task").output().await.unwrap();
        assert_eq!(done.stdout, b"task\n");
        assert_eq!(thread.join().unwrap(), b"thread\n");
        // A terminal, read and typed at by a task.
        let size = Size {
            rows: 5,
            columns: 6,
        };
        let mut typing = ring
            .command("sh")
            .args(["-c", "stty size; read line; echo got $line"])
            .terminal(size)
            .spawn()
            .await
            .unwrap();
        let mut terminal = typing.terminal.take().unwrap();
        terminal.write_all(b"x\n").await.unwrap();
        let mut shown = String::new();
        terminal.read_to_string(&mut shown).await.unwrap();
        assert!(
            shown.contains("5 6\r\n") && shown.ends_with("got x\r\n"),
            "{shown:?}"
        );
        assert!(typing.wait().await.unwrap().success());
        // The end of the ring is told to whoever waits.
        let parent = format!("PPid:\t{}\n", std::process::id());
        let runner = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .find(|entry| {
                std::fs::read_to_string(entry.path().join("status")).is_ok_and(|text| {
                    text.contains(&parent) && text.starts_with("Name:\tringfence-runne")
                })
            })
            .unwrap();
        let killed = std::process::Command::new("kill")
            .arg("-9")
            .arg(runner.file_name())
            .status();
        assert!(killed.unwrap().success());
        let error = child.wait().await.unwrap_err();
        assert!(matches!(error, Error::RingGone), "{error}");
        let error = ring.command("true").spawn().await.unwrap_err();
        assert!(matches!(error, Error::RingGone), "{error}");
        std::fs::remove_dir_all(workspace).unwrap();
    });
}

/// A command that takes long to be judged keeps no other task of the thread waiting; its question is answered as any.
#[test]
fn long_commands_are_judged_beside_the_thread() {
    if !needs::userns() {
        return;
    }
    on_one_thread(async {
        let workspace = directory("judged");
        let own = std::env::current_exe().unwrap();
        let ring = Ring::open(Request {
            workspace: Some(workspace.clone()),
            directory: Some(workspace.clone()),
            runner: Some(own.ancestors().nth(2).unwrap().join("ringfence-runner")),
            starting_rules: true,
            ..Request::default()
        })
        .await
        .unwrap();
        let script = format!("true {}; git push --nothing", "x ".repeat(2000));
        let mut long = ring.command("sh");
        long.args(["-c", &script]);
        let judging = async {
            let Err(Error::Asks(question)) = long.status().await else {
                panic!("it was not asked about");
            };
            let status = long.approve(&question).status().await.unwrap();
            assert!(!status.success(), "there is no repository");
            assert!(matches!(long.status().await, Err(Error::Asks(_))));
        };
        let turns = std::cell::Cell::new(0);
        let other = async {
            loop {
                turns.set(turns.get() + 1);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = judging => {}
            () = other => {}
        }
        assert!(turns.get() > 1, "the thread had other turns");
        ring.close().await;
        std::fs::remove_dir_all(workspace).unwrap();
    });
}

/// More than is taken in at once is taken in beside the runtime's thread, and told all the same.
#[test]
fn much_that_changed_is_told() {
    if !needs::userns() {
        return;
    }
    on_one_thread(async {
        let workspace = directory("much");
        let ring = ring(&workspace).await;
        for round in 0..2 {
            let script = format!("mkdir d{round} && cd d{round} && seq 6000 | xargs touch");
            let mut child = ring
                .command("sh")
                .args(["-c", &script])
                .stdin(Stdio::null())
                .spawn()
                .await
                .unwrap();
            assert!(child.wait().await.unwrap().success());
            let changes = child.changes().unwrap();
            assert_eq!(
                changes.roots[0].counts.added, 6001,
                "{:?}",
                changes.incomplete
            );
            assert!(changes.unlisted > 0);
            // What changed a moment ago is no other command's.
            let mut next = ring
                .command("true")
                .stdin(Stdio::null())
                .spawn()
                .await
                .unwrap();
            next.wait().await.unwrap();
            let changes = next.changes().unwrap();
            assert!(
                changes.roots.iter().all(|root| root.counts.all() == 0),
                "{changes:?}"
            );
        }
        drop(ring);
        std::fs::remove_dir_all(&workspace).unwrap();
    });
}
