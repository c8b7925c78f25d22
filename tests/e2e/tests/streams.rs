//! Exit codes and the child's own streams: byte for byte, at any size, closed or not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use ringfence_e2e::{Input, flows, rings};

/// The same bytes for the same number, fast enough for gigabytes.
fn block(number: u64, into: &mut [u64]) {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for word in into {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *word = state;
    }
}

fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

rings! {
    /// By it the directory could be opened again beside the ring's mounts.
    a_stream_that_cannot_be_written_is_not_handed_in needs ["userns"] |ws| {
        std::fs::create_dir(ws.at("dir")).unwrap();
        ws.file("file", "kept\n");
        let ring = ws.ring(["sh", "-c", "echo ran > ran; echo x > /proc/self/fd/1/made; echo x > /proc/self/fd/2/made"]).quoted();
        for (streams, name) in [("1< dir", "stdout"), ("2< dir", "stderr"), ("1< file", "stdout")] {
            let done = ws.bare(["bash", "-c", &format!("{{ {ring} {streams}; }} 2> said; echo $? >> said")]).run();
            let said = ws.read("said");
            // Where stderr is what cannot be written there is nowhere to say it.
            assert!(said.ends_with("125\n") && (name == "stderr" || said.contains(name)), "{streams}: {said} {done}");
            assert!(!ws.at("ran").exists() && !ws.at("dir/made").exists(), "{streams}");
        }
        let done = ws.bare(["bash", "-c", &format!("{ring} 1<> file")]).run();
        assert!(ws.at("ran").exists(), "{done}");
        assert_eq!(ws.read("file"), "kept\n");
    }

    /// Under the names scripts have for them, as far as they were opened; and the ring's own node stands for the host's.
    streams_are_opened_again_by_name needs ["tool:bash", "userns"] |ws| {
        let words = ["bash", "-c", "echo one > /dev/stdout && echo two > /dev/stderr && echo three > /dev/fd/1 && tee /dev/stderr <<< four > /dev/null"];
        let (bare, ring) = (ws.bare(words).quoted(), ws.ring(words).quoted());
        let mut terminal = ws.bare(["bash", "-c", &format!("{ring}; echo \"code $?\"")]).on_terminal(80, 24);
        terminal.until_shows("code ");
        assert_eq!(terminal.shows().trim(), "one\ntwo\nthree\nfour\ncode 0", "{}", terminal.shows());
        ws.bare(["bash", "-c", &format!("{ring} > /dev/null 2>&1")]).run().ok();
        // Outside of what may be written: that file alone, and as it was opened.
        let script = |what: &str| format!("mkdir -p ../beside; {what} >> ../beside/out 2> ../beside/err; echo $?; cat ../beside/out ../beside/err");
        let bare = ws.bare(["bash", "-c", &script(&bare)]).ok();
        assert_eq!(ws.bare(["bash", "-c", &script(&ring)]).ok(), bare);
        let refused = ws.ring(["bash", "-c", "echo x > ../beside/err; echo y > ../beside/new; exit 3"]).quoted();
        let done = ws.bare(["bash", "-c", &format!("{refused} > ../beside/out")]).run().exits(3);
        assert!(done.err().matches("Read-only file system").count() == 2, "{done}");
        // Times are the node's owner's to change, through a descriptor too.
        let node = std::fs::metadata("/dev/zero").unwrap().modified().unwrap();
        ws.bare(["bash", "-c", &format!("{} < /dev/zero", ws.ring(["touch", "/proc/self/fd/0"]).quoted())]).run();
        assert_eq!(std::fs::metadata("/dev/zero").unwrap().modified().unwrap(), node);
    }

    /// A socket stays in the network it was made in, wherever it was connected to.
    sockets_of_the_network_are_not_handed_in needs ["tool:bash", "tool:python3", "userns"] |ws| {
        let reach = "import socket, sys\ns = socket.socket(fileno=0)\ntry:\n    s.connect(('127.0.0.1', int(sys.argv[1])))\n    print('reached')\nexcept OSError as e:\n    print(e)\n";
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let hand = "import socket, subprocess, sys\nfor kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):\n    s = socket.socket(socket.AF_INET, kind)\n    print(subprocess.call(sys.argv[1:], stdin=s), flush=True)\n";
        let over = |words: Vec<String>| {
            let mut all = vec!["python3".to_owned(), "-c".to_owned(), hand.to_owned()];
            all.extend(words);
            ws.bare(all).run()
        };
        let words = |run: ringfence_e2e::Run| vec!["bash".to_owned(), "-c".to_owned(), run.quoted()];
        let outside = over(words(ws.bare(["python3", "-c", reach, &port]))).ok();
        assert_eq!(outside.out(), "reached\n0\nreached\n0", "{outside}");
        let inside = over(words(ws.ring(["python3", "-c", reach, &port]))).ok();
        assert!(inside.out() == "125\n125" && inside.err().contains("stdin is a network socket"), "{inside}");
        // Of this machine, and where the network is on.
        ws.bare(["python3", "-c", "import socket, subprocess, sys\na, b = socket.socketpair()\nsubprocess.check_call(sys.argv[1:], stdin=a)", "bash", "-c", &ws.ring(["true"]).quoted()]).ok();
        let on = over(words(ws.ring(["true"]).flags(["--network", "on"]))).ok();
        assert_eq!(on.out(), "0\n0", "{on}");
    }

    exit_codes needs [] |ws| {
        // Each code is one ring; root and the user share the work.
        let half = u32::from(ws.person.is_root());
        for code in (0..256).filter(|code| code % 2 == half || *code > 123 && *code < 130) {
            let done = ws.ring_sh(&format!("exit {code}")).run().exits(i32::try_from(code).unwrap());
            assert_eq!(done.err(), "", "{done}");
        }
    }

    /// Killed by a signal: 128 and its number, as a shell says it.
    signals needs [] |ws| {
        for (name, number) in [("HUP", 1), ("INT", 2), ("QUIT", 3), ("ILL", 4), ("ABRT", 6), ("KILL", 9), ("SEGV", 11), ("PIPE", 13), ("ALRM", 14), ("TERM", 15), ("USR1", 10)] {
            ws.ring_sh(&format!("kill -{name} $$; exit 99")).run().exits(128 + number);
        }
    }

    timeout needs [] |ws| {
        let done = ws.ring(["sleep", "1000"]).flags(["--timeout", "1s"]).run().exits(124);
        assert_eq!(done.err().lines().count(), 1, "{done}");
        // One that is quicker does not hear of it.
        assert_eq!(ws.ring(["echo", "quick"]).flags(["--timeout", "10m"]).ok(), "quick");
    }

    /// A child that holds its output open and ignores SIGTERM does not outlive its time either.
    timeout_of_the_deaf needs [] |ws| {
        ws.ring_sh("trap '' TERM HUP INT; sleep 1000 & sleep 1000; sleep 1000").flags(["--timeout", "1s"]).run().exits(124);
    }

    not_found needs [] |ws| {
        let done = ws.ring(["no-such-program-anywhere"]).run().exits(127);
        assert!(done.err().starts_with("ringfence: ") && done.err().lines().count() == 1, "{done}");
        assert!(done.err().contains("no-such-program-anywhere"), "{done}");
    }

    not_executable needs [] |ws| {
        ws.file("plain", "text\n");
        let done = ws.ring(["./plain"]).run().exits(126);
        assert!(done.err().starts_with("ringfence: ") && done.err().lines().count() == 1, "{done}");
        let done = ws.ring(["/usr"]).run().exits(126);
        assert!(done.err().starts_with("ringfence: "), "{done}");
    }

    /// A script without a first line runs, as execvp runs it; one with a missing interpreter does not.
    scripts needs [] |ws| {
        ws.file("bad", "#!/no/such/interpreter\n");
        ws.bare_sh("chmod +x bad").ok();
        let done = ws.ring(["./bad"]).run();
        assert!([126, 127].contains(&done.code()), "{done}");
        assert!(done.err().starts_with("ringfence: "), "{done}");
        ws.file("good", "#!/bin/sh\necho script $1\n");
        ws.bare_sh("chmod +x good").ok();
        assert_eq!(ws.ring(["./good", "x"]).ok(), "script x");
    }

    /// A program in the current directory is never found by its bare name.
    never_from_the_current_directory needs [] |ws| {
        ws.file("surprise", "#!/bin/sh\necho surprised\n");
        ws.bare_sh("chmod +x surprise").ok();
        ws.ring(["surprise"]).run().exits(127);
    }

    every_byte needs [] |ws| {
        let all: Vec<u8> = (0..=255u8).cycle().take(64 * 1024).collect();
        let done = ws.ring(["cat"]).input(Input::Bytes(all.clone())).run().ok();
        assert!(done.stdout == all && done.stderr.is_empty(), "stdout or stderr differs");
        let done = ws.ring_sh("exec cat >&2").input(Input::Bytes(all.clone())).run().ok();
        assert!(done.stderr == all && done.stdout.is_empty(), "stdout or stderr differs");
    }

    /// In both directions through pipes, compared as it comes.
    one_gibibyte needs [] |ws| {
        // Root's pass is the same code: a sixteenth of it will do.
        let blocks: u64 = if ws.person.is_root() { 64 } else { 1024 };
        let (ours, theirs) = std::io::pipe().unwrap();
        let (child_in, mut feed) = std::io::pipe().unwrap();
        let live = ws.ring(["cat"]).input(Input::File(File::from(OwnedFd::from(child_in)))).stdout(theirs).start();
        let feeding = std::thread::spawn(move || {
            let mut words = vec![0; 131_072];
            for number in 0..blocks {
                block(number, &mut words);
                feed.write_all(&bytes(&words)).unwrap();
            }
        });
        let (mut words, mut got) = (vec![0; 131_072], vec![0; 1 << 20]);
        let mut from = ours;
        for number in 0..blocks {
            block(number, &mut words);
            from.read_exact(&mut got).unwrap();
            assert!(got == bytes(&words), "MiB {number} differs");
        }
        assert_eq!(from.read(&mut got).unwrap(), 0, "more came than was sent");
        feeding.join().unwrap();
        live.wait().ok();
    }

    /// `ringfence … | head -1`: the child dies of SIGPIPE, and nobody complains.
    reader_that_leaves needs [] |ws| {
        let (mut from, to) = std::io::pipe().unwrap();
        let live = ws.ring(["yes"]).stdout(to).start();
        let mut two = [0; 2];
        from.read_exact(&mut two).unwrap();
        drop(from);
        let done = live.wait().exits(141);
        assert_eq!(done.err(), "", "{done}");
    }

    here_document needs ["tool:bash"] |ws| {
        let ring = ws.ring(["cat"]).quoted();
        assert_eq!(ws.bare(["bash", "-c", &format!("{ring} <<END\none\ntwo\nEND")]).ok(), "one\ntwo");
        assert_eq!(ws.bare(["bash", "-c", &format!("{ring} < <(echo three) | {ring}")]).ok(), "three");
    }

    /// Output goes where the caller sent it, though the ring could not open that file.
    redirected_outside needs [] |ws| {
        let out = File::create(ws.base.join("out")).unwrap();
        ws.ring(["echo", "written"]).stdout(out).run().ok();
        assert_eq!(ws.read("../out"), "written\n");
    }

    twenty_at_once needs [] |ws| {
        std::thread::scope(|scope| {
            for n in 0..20 {
                scope.spawn(move || {
                    let said = ws.ring_sh(&format!("echo {n} > f{n}; cat f{n}; echo t > /tmp/same; cat /tmp/same")).ok();
                    assert_eq!(said, format!("{n}\nt"));
                });
            }
        });
        assert_eq!(std::fs::read_dir(ws.path()).unwrap().count(), 20);
    }

    /// A caller that ignores ends of children hands that on; a caller's lower limits hold.
    callers_that_are_unusual needs ["userns", "tool:python3"] |ws| {
        let deaf = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])";
        let ringfence = ringfence_e2e::binaries().ringfence.clone();
        for program in [ringfence.clone(), ringfence.with_file_name("ringfence-tools")] {
            for flags in [&[][..], &["--pty=never"], &["--pty=always"], &["--timeout=60s"]] {
                let mut words: Vec<&std::ffi::OsStr> = vec!["python3".as_ref(), "-c".as_ref(), deaf.as_ref(), program.as_os_str(), "run".as_ref()];
                words.extend(flags.iter().map(|flag| std::ffi::OsStr::new(*flag)));
                words.extend(["--", "sh", "-c", "echo out; exit 3"].map(std::ffi::OsStr::new));
                let done = ws.bare(words).run().exits(3);
                assert!(done.out().starts_with("out"), "{flags:?}: {done}");
            }
        }
        let limited = ws.ring(["sh", "-c", "echo ran"]).quoted();
        let done = ws.bare_sh(&format!("prlimit --nproc=2000:2000 {limited}")).run().ok();
        assert_eq!(done.out(), "ran");
    }

    /// With few descriptors there is a ring, or a word why not; never an abort, and never less of a ring.
    few_descriptors needs ["userns"] |ws| {
        for limit in 4..32 {
            let ring = ws.ring(["cat", "/proc/self/uid_map"]).quoted();
            let done = ws.bare_sh(&format!("ulimit -n {limit}; exec {ring}")).run();
            let mapped = done.out().split_whitespace().last() == Some("1");
            let refused = done.code() == 125 && done.err().contains("ringfence: ");
            assert!(refused || done.code() == 0 && mapped, "{limit}: {done}");
            // More files are what to ask for, and no promise to give up.
            let said = done.err();
            assert!(!said.contains("--accept protect") && !said.contains("does not exist"), "{limit}: {said}");
        }
    }
}

flows! {
    /// Same answer as without a ring, whatever it is.
    closed_stdin needs [] |site| {
        let done = site.sh("if read x; then exit 9; else exit 3; fi").input(Input::Closed).run().exits(3);
        assert_eq!(done.out(), "");
    }

    /// A missing descriptor may become `/dev/null`, never somebody else's file or socket.
    closed_stdout needs ["tool:bash"] |site| {
        let inside = "echo hi; test ! -e /proc/self/fd/1 || test $(readlink -f /proc/$$/fd/1) = /dev/null && exec 5> made && echo x >&5";
        let script = format!("{} >&-", site.run(["bash", "-c", inside]).quoted());
        site.ws.bare(["bash", "-c", &script]).run().ok();
        assert_eq!(site.ws.read("made"), "x\n");
    }

    all_closed needs ["tool:bash"] |site| {
        let script = format!("{} <&- >&- 2>&-", site.run(["bash", "-c", "exec 5> made; echo x >&5"]).quoted());
        site.ws.bare(["bash", "-c", &script]).run().ok();
        assert_eq!(site.ws.read("made"), "x\n");
    }

    /// Two readers of one open file share its offset.
    shared_offset needs [] |site| {
        site.ws.file("../text", "one\ntwo\nthree\n");
        let ring = site.sh("read x; echo got $x").quoted();
        let said = site.ws.bare_sh(&format!("{{ {ring}; cat; }} < ../text")).ok();
        assert_eq!(said, "got one\ntwo\nthree");
    }

    /// Two writers of one open file too.
    shared_end needs [] |site| {
        let ring = site.run(["echo", "inside"]).quoted();
        site.ws.bare_sh(&format!("{{ echo before; {ring}; echo after; }} > ../out")).ok();
        assert_eq!(site.ws.read("../out"), "before\ninside\nafter\n");
    }

    /// More than a megabyte of arguments and of environment.
    huge_arguments needs ["tool:bash"] |site| {
        let word = "w".repeat(100_000);
        let mut argv = vec!["bash".to_owned(), "-c".into(), "printf %s \"$@\" | wc -c".into(), "bash".into()];
        argv.extend(std::iter::repeat_n(word, 15));
        assert_eq!(site.run(&argv).ok(), "1500000");
    }

    huge_environment needs ["tool:bash"] |site| {
        let mut run = site.run(["bash", "-c", "n=0; for v in ${!BULK_*}; do n=$((n + $(printf %s \"${!v}\" | wc -c))); done; echo $n"]);
        for n in 0..12 {
            run = run.env(format!("BULK_{n}"), "v w".repeat(33_333));
        }
        assert_eq!(run.ok(), (12 * 99_999).to_string());
    }

    /// Arguments arrive as they are: empty, with newlines, not UTF-8.
    odd_arguments needs ["tool:printf"] |site| {
        use std::os::unix::ffi::OsStringExt;
        let odd = std::ffi::OsString::from_vec(b"\xff\n --x".to_vec());
        let done = site.run(["/usr/bin/printf".into(), "<%s>".into(), "".into(), odd, "--".into(), "-h".into()]).run().ok();
        assert_eq!(done.stdout, b"<><\xff\n --x><--><-h>");
    }

    /// What a process finds itself with: no signal ignored or blocked, no descriptor more than stdio.
    clean_start needs ["tool:grep"] |site| {
        let script = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"];
        assert_eq!(site.run(script).ok(), site.ws.bare(script).ok());
        // What the caller holds open beside stdio stays outside; 3 is ls's own, for the directory.
        if site.ringed {
            assert_eq!(site.run(["ls", "/proc/self/fd"]).ok(), "0\n1\n2\n3");
        }
        let said = site.sh("umask; ulimit -n; ulimit -c; nice").ok();
        assert_eq!(said, site.ws.bare_sh("umask; ulimit -n; ulimit -c; nice").ok());
    }

    working_directory_below needs [] |site| {
        site.ws.dir("a/b");
        assert_eq!(site.run(["pwd", "-P"]).dir(site.ws.at("a/b")).ok(), site.ws.at("a/b").display().to_string());
    }
}

rings! {
    /// A file that is not to be seen in the ring is read, and not written, wherever it lies.
    a_file_on_stdin_is_not_written needs ["tool:bash", "userns"] |ws| {
        let attack = "read -r first; echo $first; (echo EVIL > /proc/self/fd/0) 2>/dev/null; (echo EVIL 1<> /proc/self/fd/0) 2>/dev/null; chmod 777 /proc/self/fd/0; touch -d 2001-01-01 /proc/self/fd/0; true";
        let temporary = ws.bare_sh("mktemp /tmp/rf-stdin-XXXXXX").ok();
        let outside = |open: &str| {
            ws.bare_sh(&format!("printf 'one\\ntwo\\n' | tee secret shown > {temporary}; chmod 600 secret shown {temporary}; rm -f other; ln shown other")).ok();
            let look = || ws.bare_sh(&format!("stat -c '%a %Y' secret shown {temporary}")).ok();
            let before = look();
            let ring = ws.ring(["bash", "-c", attack]).flags(["--hide", "secret", "--protect", "shown", "--protect", "other"]).quoted();
            let done = ws.bare(["bash", "-c", &format!("exec 5< {open}; rm -f other; {{ {ring}; cat; }} <&5; cat secret shown {temporary}")]).run().ok();
            assert_eq!(done.out(), "one\ntwo\none\ntwo\none\ntwo\none\ntwo", "{open}: {done}");
            assert_eq!(look(), before, "{open}");
        };
        for open in ["secret", "shown", "other", &temporary] {
            outside(open);
        }
        // The ring's own /proc has another of that name.
        let cat = ws.ring(["cat"]).quoted();
        assert_eq!(ws.bare_sh(&format!("{cat} < /proc/1/comm")).ok(), ws.bare_sh("cat /proc/1/comm").ok());
        let _gone = std::fs::remove_file(&temporary);
        // The control.
        ws.bare(["bash", "-c", &format!("{{ {attack}; }} < secret")]).run();
        assert_eq!(ws.read("secret"), "EVIL\n");
    }

    /// One that is too long to be copied goes in as it is, and is told of; where it could be written it is refused.
    a_long_file_on_stdin_that_is_not_seen needs ["userns"] |ws| {
        let temporary = ws.bare_sh("truncate -s 300M hidden; long=$(mktemp /tmp/rf-long-XXXXXX); truncate -s 300M $long; echo $long").ok();
        let read = |from: &str, flags: &[&str]| {
            let ring = ws.ring(["wc", "-c"]).flags(flags.to_vec()).quoted();
            ws.bare_sh(&format!("exec {ring} < {from}")).run()
        };
        let refused = read("hidden", &["--hide", "hidden"]).exits(125);
        assert!(refused.err().contains("256 MiB"), "{refused}");
        let told = read(&temporary, &["--json"]).ok();
        assert!(told.out() == "314572800" && told.err().contains("stdin's file cannot be seen in the ring"), "{told}");
        std::fs::remove_file(temporary).unwrap();
    }

    /// A pipe's reader may open it for writing (`/proc/self/fd`), and what is written is obeyed by whoever reads there next.
    a_pipe_on_stdin_is_not_written needs ["tool:bash", "userns"] |ws| {
        // In the ring's pipe, which has room for one piece, that may have to wait.
        let attack = "timeout 1 bash -c \"echo 'echo OUTSIDE > out' > /proc/self/fd/0\"; timeout 1 bash -c \"exec 3<>/proc/self/fd/0; echo 'echo OUTSIDE > out' >&3\"; true";
        // A pipe of the person's own: of another's nothing can be opened.
        let run = |run: String| {
            ws.file("script", format!("{run}\necho rest >> lines\n"));
            ws.bare(["bash", "-c", "cat script | bash -s"]).run().ok();
        };
        // Not by the end that is read, in another's place, either.
        for place in ["1>&0", "2>&0"] {
            let ring = ws.ring(["bash", "-c", "echo 'echo OUTSIDE > out' > /proc/self/fd/1; echo 'echo OUTSIDE > out' > /proc/self/fd/2"]).quoted();
            run(format!("{ring} {place} || true"));
            assert!(!ws.has("out"), "{place}");
        }
        ws.bare_sh("rm lines").ok();
        for flags in [vec![], vec!["--pty", "never"], vec!["--output", "1MiB"], vec!["--mode", "read-only"]] {
            let ring = ws.ring(["bash", "-c", attack]).flags(flags.clone()).quoted();
            run(ring);
            assert!(!ws.has("out"), "{flags:?}");
        }
        // All of what the command did not read is there for the shell.
        assert_eq!(ws.read("lines"), "rest\n".repeat(4));
        run(ws.bare(["bash", "-c", attack]).quoted());
        assert!(ws.has("out"), "the attack is none");
    }

    /// What the command leaves in a pipe is its caller's, as without a ring.
    a_pipe_on_stdin_is_read_as_far_as_the_command_does needs ["tool:bash"] |ws| {
        let read = |run: String, more: &str| {
            let input: String = (0..3000).map(|n| format!("line {n}\n")).collect();
            let done = ws.bare(["bash", "-c", &format!("{run}; {more}")]).input(Input::Bytes(input.into_bytes())).run().ok();
            done.stdout
        };
        for command in ["true", "read x; echo $x", "dd bs=1 count=7 2>/dev/null", "dd bs=4096 count=1 2>/dev/null | tail -n 1", "dd bs=1000 count=9 iflag=fullblock 2>/dev/null | md5sum", "md5sum"] {
            let argv = ["bash", "-c", command];
            for more in ["md5sum", "read a; read b; echo $a $b"] {
                assert_eq!(read(ws.ring(argv).quoted(), more), read(ws.bare(argv).quoted(), more), "{command}; {more}");
            }
        }
        let each = |run: String| read(format!("n=0; while read line; do n=$((n+1)); [ $n -lt 5 ] && {run}; done; echo $n"), "true");
        assert_eq!(each(ws.ring(["true"]).quoted()), each("true".to_owned()));
    }

    /// A FIFO that nobody has opened for writing is at its end; whoever writes to a pipe that is read no more is told.
    the_ends_of_pipes_are_seen needs ["tool:python3"] |ws| {
        ws.bare_sh("mkfifo fifo").ok();
        let cat = ws.ring(["cat"]).quoted();
        let open = format!("import os, subprocess\nfd = os.open('fifo', os.O_RDONLY | os.O_NONBLOCK)\nprint(subprocess.run({:?}, shell=True, stdin=fd).returncode)", cat);
        assert_eq!(ws.bare(["python3", "-c", &open]).run().ok().out(), "0");
        let ring = ws.ring(["sh", "-c", "exec < /dev/null; echo up > up; while [ ! -e told ]; do sleep 0.01; done"]).quoted();
        ws.bare(["sh", "-c", &format!("{{ trap \"\" PIPE; while echo y; do :; done; echo > told; }} 2> /dev/null | {ring}")]).run().ok();
        assert!(ws.has("told"));
    }

    /// `..` of a directory that is nowhere in the ring would lead past all that is.
    a_directory_on_stdin_is_the_rings needs ["tool:bash", "userns"] |ws| {
        ws.file("hidden/key", "SECRET");
        ws.file("seen/file", "text");
        ws.bare_sh("mkdir gone").ok();
        let read = "exec 9<&0 </dev/null; cat /proc/self/fd/9/key /proc/self/fd/9/../hidden/key; true";
        let ring = ws.ring(["sh", "-c", read]).flags(["--hide", "hidden"]).quoted();
        for dir in ["hidden", "gone"] {
            let done = ws.bare(["bash", "-c", &format!("exec < {dir}; [ {dir} != gone ] || rmdir gone; {ring}")]).run().exits(125);
            assert!(done.out().is_empty() && done.err().contains("stdin"), "{done}");
        }
        let seen = ws.bare(["bash", "-c", &format!("{ring} < seen")]).run().ok();
        assert!(seen.out().is_empty(), "{seen}");
        let list = ws.ring(["ls", "/proc/self/fd/0/"]).quoted();
        assert_eq!(ws.bare(["bash", "-c", &format!("{list} < seen")]).run().ok().out(), "file");
        let bare = ws.bare(["bash", "-c", &format!("exec < seen; {read}")]).run();
        assert!(bare.out().contains("SECRET"), "the attack is none: {bare}");
    }

    /// What all programs share is no command's to change, root's neither: outside it is.
    modes_of_devices_and_of_proc_stay needs ["tool:python3", "userns"] |ws| {
        let null = "import os; os.fchmod(0, 0o666)";
        let changes = [
            vec!["chmod", "666", "/dev/null"],
            vec!["touch", "/dev/zero"],
            vec!["chmod", "444", "/proc/zoneinfo"],
            vec!["chmod", "444", "/proc/uptime"],
            vec!["python3", "-c", null],
        ];
        for argv in changes {
            let inside = ws.ring(argv.clone()).run();
            assert_ne!(inside.code(), 0, "{inside}");
            if ws.person.is_root() {
                ws.bare(argv).run().ok();
            }
        }
        let zero = || Input::File(std::fs::File::open("/dev/zero").unwrap());
        let chmod = ["chmod", "666", "/proc/self/fd/0"];
        assert_ne!(ws.ring(chmod).input(zero()).run().code(), 0);
        if ws.person.is_root() {
            ws.bare(chmod).input(zero()).run().ok();
        }
        ws.ring_sh("echo x > /dev/null && head -c 3 /dev/zero | wc -c && cat /proc/uptime > /dev/null < /dev/null && echo 500 > /proc/self/oom_score_adj").run().ok();
    }
}
