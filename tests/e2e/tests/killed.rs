//! A program that has a ring that stays is killed, at every point of the ring's life: nothing of the ring is left.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use std::io::Read;
use std::time::{Duration, Instant};

use ringfence_e2e::{Before, Workspace, binaries, descendants, rings, until};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How often, for each of root and an ordinary user: once at each step. `cargo xtask soak` says more.
const TRIES: usize = STEPS;
const VARIABLE: &str = "RINGFENCE_SOAK_KILLS";

/// The steps of `ringfence-stays steps`: before and after it makes the ring, twenty commands that start, all of
/// them run, ten that end, twenty pieces of output, and the end of the ring.
const STEPS: usize = 1 + 1 + 20 + 1 + 10 + 20 + 1;

fn tries() -> usize {
    std::env::var(VARIABLE).map_or(TRIES, |said| said.parse().expect(VARIABLE))
}

/// The kill comes so much later than a step, in some of the tries, since there is much to be between two.
fn pass(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

rings! {
    /// Nobody looked when it ended: who comes next looks back, and once.
    what_a_killed_ring_left_for_git_is_told_by_the_next needs ["tool:git", "userns"] |ws| {
        let ws = &Workspace::with_fresh_home(&ws.person, "killed");
        ws.repository(".");
        ws.file("tools/clean", "#!/bin/sh\ncat\n");
        ws.bare_sh("chmod +x tools/clean; git add tools; git commit -q -m tools; git config filter.t.clean ./tools/clean; ln -s ../x .git/old; sleep 0.3").ok();
        for stays in [false, true] {
            let plant = "ln -sf ../work .git/COMMIT_EDITMSG; echo 'touch x' >> tools/clean; sleep 0.6; echo up > up; exec sleep 1000";
            let live = match stays {
                false => ws.ring_sh(plant).start(),
                true => {
                    let stays = binaries().stays.as_os_str().to_owned();
                    ws.bare([stays, "one".into(), "0".into(), "--".into(), "sh".into(), "-c".into(), plant.into()]).start()
                }
            };
            until("it has planted", || ws.has("up"));
            live.signal(Signal::KILL);
            live.wait();
            let told = ws.ring(["true"]).run().ok();
            for word in ["COMMIT_EDITMSG (a link", "tools/clean: git runs programs by: configuration"] {
                assert!(told.err().contains(word), "{word}: {told}");
            }
            assert!(!told.err().contains("old"), "{told}");
            assert_eq!(ws.ring(["true"]).run().ok().err(), "", "once");
            assert!(!ws.has("../state/ringfence/unended"));
            ws.bare_sh("rm .git/COMMIT_EDITMSG up; git checkout -q tools; sleep 0.3").ok();
        }
    }

    nothing_is_left_of_a_ring_whose_program_is_killed needs ["userns"] |ws| {
        let before = Before::look();
        let tries = tries();
        let start = |words: &[&str]| {
            let (read, write) = std::io::pipe().unwrap();
            let argv = std::iter::once(binaries().stays.as_os_str()).chain(words.iter().map(AsRef::as_ref));
            (read, ws.bare(argv).stdout(write).start())
        };
        // The control: while all twenty run there is much to be left, and it is found.
        let (_read, victim) = start(&["steps", "hold"]);
        // A runner, twenty shells, and what each started.
        until("all of them run", || descendants(victim.pid()).len() == 1 + 20 * 2);
        victim.signal(Signal::KILL);
        victim.wait();
        before.nothing_left(ws);

        let mut latest = 0;
        for number in 0..tries {
            let step = number * STEPS / tries;
            let (mut read, victim) = start(&["steps"]);
            let mut said = vec![0; step];
            // One that is at its end sooner than that has failed.
            read.read_exact(&mut said).unwrap_or_else(|e| panic!("at step {step}: {e}"));
            pass(Duration::from_micros(u64::try_from(number * 137 % 4000).unwrap()));
            victim.signal(Signal::KILL);
            victim.wait();
            // Each command has this pipe for its output: its end says that the last is gone.
            let mut rest = Vec::new();
            read.read_to_end(&mut rest).unwrap();
            latest = latest.max(step + rest.len());
            before.nothing_left(ws);
        }
        println!("{tries} times killed, nothing left");
        assert!(tries < STEPS || latest > STEPS / 2, "never killed later than step {latest}");
    }

    /// As `timeout -s KILL` and agents end what they started: the harness, its command, and all in their process group.
    /// What has just appeared under a protected name is taken away nevertheless.
    a_group_that_is_killed_leaves_no_protected_name needs ["userns"] |ws| {
        let before = Before::look();
        let make = "mkdir .claude .vscode; echo {} > .vscode/tasks.json; echo x > .envrc; echo up > up; exec sleep 1000";
        let there = || [".claude", ".vscode/tasks.json", ".envrc"].map(|name| ws.at(name).exists());
        // The control: nobody takes it away without a ring.
        let live = ws.bare_sh(make).start();
        until("it is up", || ws.at("up").exists());
        kill_process_group(Pid::from_raw(live.pid().cast_signed()).unwrap(), Signal::KILL).unwrap();
        live.wait();
        assert_eq!(there(), [true; 3]);
        for name in [".claude", ".vscode"] {
            std::fs::remove_dir_all(ws.at(name)).unwrap();
        }
        for name in [".envrc", "up"] {
            std::fs::remove_file(ws.at(name)).unwrap();
        }
        let live = ws.ring_sh(make).start();
        until("it is up", || ws.at("up").exists());
        kill_process_group(Pid::from_raw(live.pid().cast_signed()).unwrap(), Signal::KILL).unwrap();
        live.wait();
        until("what was made is taken away", || there() == [false; 3]);
        before.nothing_left(ws);
    }

    /// The harness lives, and tells what became of the command and of what it made.
    a_runner_that_is_killed_is_told needs ["userns"] |ws| {
        let before = Before::look();
        let live = ws.ring_sh("echo x > .envrc; echo up > up; exec sleep 1000").start();
        until("it is up", || ws.at("up").exists());
        let runner = descendants(live.pid()).into_iter().find(|(_, name)| name.contains("ringfence-runne")).unwrap().0;
        kill_process(Pid::from_raw(runner.cast_signed()).unwrap(), Signal::KILL).unwrap();
        let done = live.wait().exits(125);
        assert!(done.err().contains("the runner died") && done.err().contains("moved aside") && done.err().contains(".envrc"), "{done}");
        assert!(!ws.has(".envrc"));
        before.nothing_left(ws);
        let all = ws.records();
        let of = |kind: &str| all.iter().rfind(|record| record["type"] == kind).unwrap();
        // It ran, in all of its ring.
        assert_eq!(of("command.ended")["how"], "with-its-ring");
        assert_eq!(of("ring.ended")["enforcement"], of("ring.made")["enforcement"]);
    }
}
