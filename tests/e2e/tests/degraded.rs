//! Rings on a machine that has less: what is lost is told, and nothing more is lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use ringfence_e2e::{Workspace, binaries, rings};
use serde_json::Value;

/// The shortfalls that a run with `--json` told at its end.
fn told(stderr: &str) -> Vec<(String, String)> {
    let last = stderr.lines().rfind(|line| line.starts_with('{')).unwrap();
    let value: Value = serde_json::from_str(last).unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let shortfalls = value["shortfalls"].as_array().unwrap();
    shortfalls
        .iter()
        .map(|s| (text(&s["promise"]), text(&s["what"])))
        .collect()
}

/// What `ringfence run` says of itself where a part of `/proc` is covered, as in a container.
fn with_masked_proc(ws: &Workspace, flags: &str, script: &str) -> (String, Vec<(String, String)>) {
    let ringfence = binaries().ringfence.display();
    let done = ws
        .bare_sh(&format!(
            "exec unshare --user --map-root-user --mount sh -c 'mount --bind /dev/null /proc/version && \
             exec {ringfence} run --json {flags} -- sh -c \"{script}\"'"
        ))
        .run();
    (done.out().to_owned(), told(&done.err()))
}

rings! {
    /// The kernel gives no fresh procfs there. The host's is seen instead, and more than one promise is the less for it.
    a_masked_proc needs ["userns"] |ws| {
        // Without limits that turns out when the ring is made, with them it is known before.
        for flags in ["", "--processes 400"] {
            let script = "for f in kpagecount slabinfo keys timer_list; do head -c 1 /proc/$f >/dev/null 2>&1 && echo $f; done; \
                          echo x > /proc/sys/kernel/printk && echo written; true";
            let (out, told) = with_masked_proc(ws, flags, &script.replace('$', "\\$"));
            assert_eq!(out, "", "{flags}: {told:?}");
            for promise in ["proc", "processes"] {
                assert!(told.iter().any(|(name, _)| name == promise), "{flags}: {promise}: {told:?}");
            }
        }
    }

    /// What is hidden is so by each name that it has, whatever is mounted where.
    hidden_files_that_are_mounted_twice needs ["userns"] |ws| {
        let ws = &Workspace::with_fresh_home(&ws.person, "twice");
        let ringfence = binaries().ringfence.display();
        ws.bare_sh("mkdir -p ~/.ssh/more ~/.aws ~/other ~/keys in; echo SECRET > ~/.ssh/id; echo SECRET > ~/.ssh/more/id; echo known > ~/.ssh/known_hosts; echo SECRET > ~/.aws/credentials; echo open > ~/open").ok();
        let look = |inside: &str| {
            ws.bare_sh(&format!(
                "exec unshare --user --map-root-user --mount sh -c 'mount --bind ~ ~/other && mount --bind ~/.ssh/more ~/keys && mount --bind ~ in && \
                 {inside} sh -c \"cat ~/other/open ~/.ssh/id ~/other/.ssh/id ~/other/.aws/credentials ~/keys/id in/.ssh/id ~/other/.ssh/known_hosts\"; true'"
            ))
            .run()
            .ok()
        };
        assert_eq!(look("").out(), "open\nSECRET\nSECRET\nSECRET\nSECRET\nSECRET\nknown");
        let ring = look(&format!("{ringfence} run --"));
        assert_eq!(ring.out(), "open\nknown", "{ring}");
    }

    /// And whatever is mounted over, in or beneath what is hidden, or has a name that is no UTF-8.
    hidden_files_that_are_mounted_in_odd_ways needs ["userns"] |ws| {
        let ws = &Workspace::with_fresh_home(&ws.person, "odd");
        let ringfence = binaries().ringfence.display();
        ws.bare_sh("mkdir -p ~/.ssh/sub ~/.aws ~/source ../other ../layers ../below ../public in \"$(printf 'in/\\377')\"; echo SECRET > ~/.ssh/id; echo SECRET > ~/source/id; echo SECRET > ~/.aws/credentials").ok();
        let look = |inside: &str| {
            ws.bare_sh(&format!(
                "exec unshare --user --map-root-user --mount sh -c 'mount -t tmpfs none in/$(printf \"\\377\") && \
                 mount --bind ~/.aws ../public && mount -t tmpfs none ../public && chmod 755 ../public && echo open > ../public/f && \
                 mount --bind ~/source ~/.ssh/sub && mount --bind ~ ../other && mount -t overlay -o lowerdir=$HOME:$(dirname $HOME)/below none ../layers && \
                 mount -t tmpfs none ~/.aws && mount --bind ../other ~ && cd ~/../ws && \
                 {inside} sh -c \"cat ../public/f ~/.ssh/id ~/source/id ../other/.ssh/id ../other/source/id ../layers/.ssh/id ../layers/.aws/credentials ../other/.aws/credentials\"; true'"
            ))
            .run()
            .ok()
        };
        let control = look("");
        let ring = look(&format!("{ringfence} run --"));
        assert_eq!((control.out().as_str(), ring.out().as_str()), ("open\nSECRET\nSECRET\nSECRET\nSECRET\nSECRET\nSECRET\nSECRET", "open"), "{control}\n{ring}");
    }

    /// What a ring has its own of, or covers, is not to be had by a second place: a chroot in the workspace, or elsewhere.
    second_places_of_the_hosts_own needs ["userns", "tool:python3"] |ws| {
        let ws = &Workspace::with_fresh_home(&ws.person, "second");
        let ringfence = binaries().ringfence.display();
        let run = ws.dir("../run");
        ws.bare_sh("mkdir -p c/proc c/sys c/run ~/c/proc ~/c/run").ok();
        let server = ws.bare(["python3", "-c", "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.bind('../run/s')\ns.listen()\nopen('../up', 'w')\nsys.stdin.read()"]).input(ringfence_e2e::Input::Pipe).start();
        ringfence_e2e::until("it listens", || ws.has("../up"));
        ws.file("look.py", "import os, socket\nfor c in ('c', os.environ['HOME'] + '/c'):\n    print(os.path.exists(c + '/proc/1/status'), end=' ')\n    s = socket.socket(socket.AF_UNIX)\n    print(s.connect_ex(c + '/run/s') == 0, end=' ')\nprint(os.path.exists('c/sys/kernel'))\n");
        let look = |inside: &str| {
            ws.bare_sh(&format!(
                "exec unshare --user --map-root-user --mount sh -c 'for c in c ~/c; do mount --rbind /proc $c/proc && mount --bind ../run $c/run; done && \
                 mount --rbind /sys c/sys && {inside} python3 look.py'"
            ))
            .env("XDG_RUNTIME_DIR", &run)
            .run()
            .ok()
        };
        let control = look("");
        let ring = look(&format!("{ringfence} run --"));
        assert_eq!((control.out().as_str(), ring.out().as_str()), ("True True True True True", "False False False False False"), "{control}\n{ring}");
        server.signal(rustix::process::Signal::KILL);
        server.wait().exits(-9);
    }

    /// Without namespaces the default is refused by name, before anything ran or was made.
    no_namespaces_no_run needs ["userns"] |ws| {
        let ringfence = binaries().ringfence.display();
        let without = |rest: &str| {
            ws.bare_sh(&format!(
                "exec unshare --user --map-root-user sh -c 'echo 0 > /proc/sys/user/max_user_namespaces && exec {ringfence} {rest}'"
            ))
            .run()
        };
        // The control: what stops it is the missing namespace, not the unshare around it.
        ws.bare_sh(&format!("exec unshare --user --map-root-user {ringfence} run -- touch control")).run().ok();
        let done = without("run -- touch ran").exits(125);
        for word in ["protect", "hide", "max_user_namespaces", "--accept"] {
            assert!(done.err().contains(word), "{word}: {done}");
        }
        assert!(ws.has("control") && !ws.has("ran"));
    }
}
