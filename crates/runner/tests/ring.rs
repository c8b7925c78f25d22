//! A ring of the real runner: what holds in it, and how it ends.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../../sys-linux/tests/needs/mod.rs"]
mod needs;
mod support;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use ringfence_ops::Need::Must;
use ringfence_ops::linux::{Mask, Op};
use ringfence_wire::{End, Order, Report, Spawn, encode};
use support::{Dir, Ring, is_closed, located, read, read_until, sh, steps};

/// Leaves a process behind that is in a session of its own and ignores what it can.
const LEAVE_BEHIND: &str = "setsid sh -c 'trap \"\" TERM HUP INT; echo left; sleep 1000' & \
     setsid -f sh -c 'trap \"\" TERM HUP INT; sleep 1000'; ";

#[test]
fn only_the_write_root_is_written_and_what_is_protected_in_it_is_not() {
    if !needs::userns() {
        return;
    }
    let dir = Dir::new();
    let root = dir.dir("root");
    let config = dir.file("root/.git/config", "theirs");
    let secret = dir.file("secret", "hush");
    let keys = dir.dir("keys");
    dir.file("keys/known", "public");
    dir.file("keys/private", "hush");
    let mut all = steps(&root);
    all.push((Must, Op::Pin(located(root.join(".git")))));
    all.push((Must, Op::Protect(located(&config))));
    all.push((
        Must,
        Op::Hide(Mask {
            at: located(&secret),
            keep: Vec::new(),
        }),
    ));
    all.push((
        Must,
        Op::Hide(Mask {
            at: located(&keys),
            keep: vec![located(keys.join("known"))],
        }),
    ));
    let ring = Ring::built(true, all);
    let script = format!(
        "cd {0}
         try() {{ if (eval \"$1\") 2>/dev/null; then echo \"yes: $1\"; else echo \"no: $1\"; fi; }}
         try 'echo x > root/new'
         try 'echo x > outside'
         try 'echo x > root/.git/new'
         try 'echo x > root/.git/config'
         try 'rm -f root/.git/config'
         try 'mv root/.git root/away'
         try 'mv root away'
         try 'cat secret | grep hush'
         try 'cat keys/private'
         try 'cat keys/known >/dev/null'
         try 'echo x > keys/known'
         try 'cat /proc/1/environ'
         try 'kill -9 1; cat /proc/1/stat >/dev/null && false'
         ls keys; echo processes $(ls /proc | grep -c '^[0-9]*$')",
        dir.0.display()
    );
    let (text, end) = ring.run(1, &script);
    assert_eq!(end, End::Exited(0));
    let expected = "yes: echo x > root/new
no: echo x > outside
yes: echo x > root/.git/new
no: echo x > root/.git/config
no: rm -f root/.git/config
no: mv root/.git root/away
no: mv root away
no: cat secret | grep hush
no: cat keys/private
yes: cat keys/known >/dev/null
no: echo x > keys/known
no: cat /proc/1/environ
no: kill -9 1; cat /proc/1/stat >/dev/null && false
known
";
    assert!(text.starts_with(expected), "{text}");
    // The runner, the shell, and the pipe's two.
    let processes: u32 = text.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(processes <= 5, "{text}");
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "theirs");
    assert!(root.join("new").exists());
}

#[test]
fn the_network_is_the_rings_own_where_that_was_ordered() {
    if !needs::userns() {
        return;
    }
    let dir = Dir::new();
    let root = dir.dir("root");
    let script = "readlink /proc/self/ns/net; grep -c : /proc/net/dev";
    let ring = Ring::built(true, steps(&root));
    let (offline, _) = ring.run(1, script);
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let own = own.to_str().unwrap();
    assert!(!offline.contains(own), "{offline}");
    assert!(offline.ends_with("\n1\n"), "only lo: {offline}");
    // The control: without the order it is the caller's.
    let mut online = steps(&root);
    online.retain(|(_, op)| !matches!(op, Op::Namespaces(_) | Op::Loopback));
    let ring = Ring::start(true);
    ring.order(&Order::Namespaces { net: false });
    assert_eq!(ring.build(online), Ok(Vec::new()));
    let (online, _) = ring.run(1, script);
    assert!(online.starts_with(own), "{online}");
}

#[test]
fn the_end_is_told_when_nothing_lives_any_more() {
    for namespaces in [true, false] {
        if namespaces && !needs::userns() {
            continue;
        }
        let dir = Dir::new();
        let steps = if namespaces {
            steps(&dir.dir("root"))
        } else {
            vec![(Must, Op::Subreaper)]
        };
        let ring = Ring::built(namespaces, steps);
        let script = format!("{LEAVE_BEHIND} exit 4");
        let output = ring.script(1, &script);
        assert_eq!(ring.ended(1), End::Exited(4), "namespaces: {namespaces}");
        assert!(is_closed(&output), "namespaces: {namespaces}");
    }
}

#[test]
fn a_pipe_is_not_closed_while_a_process_holds_it() {
    // The control of the test above.
    let ring = Ring::built(false, Vec::new());
    let mut output = ring.script(1, "echo here; exec sleep 1000");
    read_until(&mut output, "here\n");
    assert!(!is_closed(&output));
}

#[test]
fn all_dies_with_a_runner_that_is_killed() {
    if !needs::userns() {
        return;
    }
    let dir = Dir::new();
    let ring = Ring::built(true, steps(&dir.dir("root")));
    let mut output = ring.script(1, &format!("{LEAVE_BEHIND} exec sleep 1000"));
    read_until(&mut output, "left\n");
    ring.kill();
    // Ends when the last of them has ended.
    assert_eq!(read(output), "");
}

#[test]
fn all_dies_with_a_harness_that_is_gone() {
    for namespaces in [true, false] {
        if namespaces && !needs::userns() {
            continue;
        }
        let dir = Dir::new();
        let steps = if namespaces {
            steps(&dir.dir("root"))
        } else {
            vec![(Must, Op::Subreaper)]
        };
        let mut ring = Ring::built(namespaces, steps);
        let mut output = ring.script(1, &format!("{LEAVE_BEHIND} exec sleep 1000"));
        read_until(&mut output, "left\n");
        ring.socket = None;
        assert_eq!(read(output), "");
        assert_eq!(ring.gone(), Some(0));
    }
}

/// Also in namespaces, where the host's /proc still stands: what it says of this process'
/// children is about another's.
#[test]
fn a_runner_without_an_order_ends_with_its_harness() {
    for namespaces in [false, true] {
        if namespaces && !needs::userns() {
            continue;
        }
        let mut ring = Ring::start(namespaces);
        ring.socket = None;
        assert_eq!(ring.gone(), Some(0));
    }
}

#[test]
fn a_runner_ends_after_the_last_command() {
    if !needs::userns() {
        return;
    }
    let dir = Dir::new();
    let ring = Ring::built(true, steps(&dir.dir("root")));
    let null = File::open("/dev/null").unwrap();
    let spawn = Spawn {
        last: true,
        ..sh(1, "exit 3")
    };
    let fds = [null.as_fd(), null.as_fd(), null.as_fd()];
    ring.socket()
        .send(&encode(&Order::Spawn(spawn)), &fds)
        .unwrap();
    // Its socket is still open: nobody told it to go.
    assert_eq!(ring.gone(), Some(0));
}

#[test]
fn a_runner_without_its_socket_does_not_start() {
    let status = std::process::Command::new(support::runner_program())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_eq!(status.status.code(), Some(125));
    assert!(status.stdout.is_empty() && status.stderr.is_empty());
}

#[test]
fn protection_of_a_living_ring() {
    if !needs::userns() {
        return;
    }
    let dir = Dir::new();
    let root = dir.dir("root");
    let hooks = dir.dir("root/late/.git/hooks");
    let config = dir.file("root/late/.git/config", "theirs");
    let gate = dir.0.join("gate");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &gate, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let ring = Ring::built(true, steps(&root));
    let script = format!(
        "cd {}/late/.git; echo a > hooks/before && echo wrote; read go < {}; \
         (echo b > hooks/after) 2>/dev/null || echo refused; \
         (echo c > config) 2>/dev/null || echo refused; mv ../../late ../../gone 2>/dev/null || echo pinned; echo c > free && echo free",
        root.display(),
        gate.display()
    );
    let mut output = ring.script(1, &script);
    read_until(&mut output, "wrote\n");
    // The command stands in the directory already, and keeps what is mounted there now.
    // What is no longer what it was is refused, and keeps nothing else from being protected.
    ring.order(&Order::Protect {
        pins: vec![located(root.join("late")), located(root.join("late/.git"))],
        objects: vec![
            support::swapped(&hooks),
            located(&hooks),
            support::swapped(&hooks),
            located(&config),
        ],
    });
    for _ in 0..2 {
        match ring.report() {
            Report::Failed { id: None, failure } => assert_eq!(failure.call, "identity"),
            other => panic!("{other:?}"),
        }
    }
    ring.settle();
    std::fs::write(&gate, "go\n").unwrap();
    assert_eq!(read(output), "refused\nrefused\npinned\nfree\n");
    assert_eq!(ring.ended(1), End::Exited(0));
    assert!(hooks.join("before").exists() && !hooks.join("after").exists());
}

fn watching(root: &Path, names: &[&str]) -> Ring {
    let mut steps: Vec<_> = vec![(Must, Op::Subreaper)];
    for name in names {
        steps.push((
            Must,
            Op::Watch {
                dir: located(root),
                names: vec![name.into()],
            },
        ));
    }
    Ring::built(false, steps)
}

fn taken(ring: &Ring) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        match ring.report() {
            Report::TakenAway { path, errno: None } => {
                all.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
            Report::Ended { .. } => return all,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_appears_under_a_protected_name_is_taken_away_before_the_end_is_told() {
    let dir = Dir::new();
    let root = dir.dir("root");
    dir.file("root/.envrc.from-ring", "from before");
    let ring = watching(&root, &[".envrc", ".vscode/tasks.json", ".idea"]);
    let script = format!(
        "cd {}; echo evil > .envrc; mkdir -p .vscode .idea/x; echo evil > .vscode/tasks.json; \
         echo fine > .vscode/other",
        root.display()
    );
    drop(ring.script(1, &script));
    let mut names = taken(&ring);
    names.sort();
    assert_eq!(names, [".envrc", ".idea", "tasks.json"]);
    let here = |name: &str| root.join(name).exists();
    assert!(!here(".envrc") && !here(".idea") && !here(".vscode/tasks.json"));
    assert!(here(".vscode/other"));
    // Nothing is lost, and nothing that was there is overwritten.
    let text = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    assert_eq!(text(".envrc.from-ring"), "from before");
    let other = std::fs::read_dir(dir.0.join("root"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|name| name.starts_with(".envrc.from-ring-"))
        .unwrap();
    assert_eq!(text(&other), "evil\n");
    assert_eq!(text(".vscode/tasks.json.from-ring"), "evil\n");
    assert!(here(".idea.from-ring/x"));
    // Nothing appeared: nothing is told.
    drop(ring.script(2, "true"));
    assert_eq!(taken(&ring), [""; 0]);
}

#[test]
fn in_a_longer_command_it_is_taken_away_at_once() {
    let dir = Dir::new();
    let root = dir.dir("root");
    let ring = watching(&root, &[".envrc", ".git/hooks"]);
    // It goes on only when the names are gone again.
    let script = format!(
        "cd {}; until mkdir -p .git/hooks; do :; done; while [ -e .git/hooks ]; do sleep 0.01; done; \
         ln -s /etc/passwd .envrc; while [ -L .envrc ]; do sleep 0.01; done; exit 0",
        root.display()
    );
    drop(ring.script(1, &script));
    let names = taken(&ring);
    assert_eq!(names, ["hooks", ".envrc"]);
}

fn limit_descriptors(ring: &Ring, current: u64, maximum: u64) {
    let limit = rustix::process::Rlimit {
        current: Some(current),
        maximum: Some(maximum),
    };
    let runner = rustix::process::Pid::from_raw(ring.runner.pid);
    rustix::process::prlimit(runner, rustix::process::Resource::Nofile, limit).unwrap();
}

#[test]
fn directories_that_come_and_go_leave_no_descriptors_held() {
    let dir = Dir::new();
    let root = dir.dir("root");
    let ring = watching(
        &root,
        &[".vscode/settings.json", ".vscode/tasks.json", ".claude"],
    );
    limit_descriptors(&ring, 24, 24);
    // Each directory has been looked into when its file is gone, and is moved out of the way.
    let script = format!(
        "cd {}; i=0; while [ $i -lt 28 ]; do mkdir .vscode; echo x > .vscode/settings.json; \
         while [ -e .vscode/settings.json ]; do sleep 0.01; done; mv .vscode v$i; i=$((i+1)); done; \
         mkdir .claude; while [ -e .claude ]; do sleep 0.01; done; exit 0",
        root.display()
    );
    drop(ring.script(1, &script));
    let names = taken(&ring);
    assert_eq!(names.len(), 29, "{names:?}");
    assert_eq!(names.last().unwrap(), ".claude");
}

#[test]
fn with_no_descriptor_left_what_cannot_be_looked_into_is_taken_away_whole() {
    let dir = Dir::new();
    let root = dir.dir("root");
    let ring = watching(&root, &[".vscode/settings.json", ".claude", ".idea"]);
    let mut output = ring.script(
        1,
        &format!(
            "cd {}; mkdir .claude; while [ -e .claude ]; do sleep 0.01; done; echo watched; \
             until [ -e go ]; do sleep 0.01; done; mkdir .vscode .idea; \
             while [ -e .vscode ] || [ -e .idea ]; do sleep 0.01; done; exit 0",
            root.display()
        ),
    );
    read_until(&mut output, "watched\n");
    // What is open stays open, and nothing more is to be had.
    limit_descriptors(&ring, 3, 3);
    std::fs::write(root.join("go"), "").unwrap();
    let mut names = taken(&ring);
    names.sort();
    assert_eq!(names, [".claude", ".idea", ".vscode"]);
    assert!(root.join(".vscode.from-ring").is_dir());
}

#[test]
fn many_watched_directories_do_not_cost_the_command_its_limit() {
    let dir = Dir::new();
    let root = dir.dir("root");
    let ring = Ring::start(false);
    limit_descriptors(&ring, 16, 256);
    let steps = (0..64).map(|i| {
        let op = Op::Watch {
            dir: located(dir.dir(&format!("root/{i}"))),
            names: vec![".envrc".into()],
        };
        (Must, op)
    });
    assert_eq!(ring.build(steps.collect()), Ok(Vec::new()));
    let script = format!(
        "ulimit -Sn; ulimit -Hn; echo x > {}/63/.envrc",
        root.display()
    );
    let text = read(ring.script(1, &script));
    assert_eq!(text, "16\n256\n");
    assert_eq!(taken(&ring), [".envrc"]);
    // Nor the next.
    let (text, end) = ring.run(2, "ulimit -Sn; ulimit -Hn");
    assert_eq!((text.as_str(), end), ("16\n256\n", End::Exited(0)));
}
