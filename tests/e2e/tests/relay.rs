//! What is carried for a command that does not get the caller's own descriptors: with a bound on its output, with a
//! terminal of its own, or with none. Nothing is lost in silence, and nobody is waited for who does not come.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::OwnedFd;

use ringfence_e2e::{Input, Terminal, Workspace, binaries, descendants, rings, until};
use rustix::io::{ioctl_fionbio, ioctl_fionread};
use rustix::process::{Pid, Signal, kill_process};

/// What a pipe holds.
const HOLDS: u64 = 65_536;

/// A pipe whose reader does not read yet.
fn unread(non_blocking: bool) -> (PipeReader, PipeWriter) {
    let (from, to) = pipe().unwrap();
    ioctl_fionbio(&to, non_blocking).unwrap();
    (from, to)
}

fn until_full(from: &PipeReader) {
    until("the pipe is full", || {
        ioctl_fionread(from).unwrap() == HOLDS
    });
}

fn all_of(mut from: PipeReader) -> Vec<u8> {
    let mut got = Vec::new();
    from.read_to_end(&mut got).unwrap();
    got
}

fn outer_shell(ws: &Workspace) -> Terminal {
    let mut shell = ws
        .bare(["bash", "--norc", "--noprofile", "-i"])
        .env("PS1", "outer> ")
        .on_terminal(200, 40);
    shell.until_shows("outer>");
    shell
}

/// A process's state (`proc_pid_stat(5)`).
fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    after.unwrap_or('X')
}

/// Says by which names a terminal can be opened.
const WAYS: &str = "for way in /dev/console /dev/tty; do if (exec 3<> $way) 2> /dev/null; then echo $way; fi; done";

rings! {
    /// What is typed to who started it, and what they show, is none of a command's business that was not handed the terminal.
    a_terminal_that_is_not_handed_in_has_no_name needs ["userns"] |ws| {
        for (flags, ways) in [
            (["--pty", "auto"], "/dev/console\n/dev/tty\n"),
            (["--pty", "always"], "/dev/tty\n"),
            (["--pty", "never"], ""),
        ] {
            let ring = ws.ring_sh(&format!("({WAYS}) > ways")).flags(flags);
            assert_eq!(ring.on_terminal(80, 24).ends().code(), Some(0));
            assert_eq!(ws.read("ways"), ways, "{flags:?}");
        }
        // Handed what is none, in a terminal's session: the counted streams are pipes.
        let counted = ws.ring_sh(&format!("({WAYS}) > ways")).flags(["--output", "1KiB"]).quoted();
        ws.bare(["sh", "-c", &format!("{counted} < /dev/null")]).on_terminal(80, 24).ends();
        assert_eq!(ws.read("ways"), "/dev/tty\n");
    }

    /// Nor of one in a ring that stays, which a program at a terminal made.
    a_ring_that_stays_has_no_way_to_its_programs_terminal needs ["userns"] |ws| {
        let stays = binaries().stays.display().to_string();
        let script = format!(
            "mkfifo ../let; '{stays}' hold ../asked < ../let > ../held & exec 4> ../let
            until grep -q held ../held; do :; done
            '{stays}' in ../asked sh -c '{WAYS}' < /dev/null 2>&1 | cat > ../ways
            sh -c '{WAYS}' < /dev/null 2>&1 | cat > ../outside"
        );
        let mut screen = ws.bare(["sh", "-c", &script]).on_terminal(80, 24);
        assert_eq!(screen.ends().code(), Some(0), "{}", screen.shows());
        assert!(ws.read("../outside").contains("/dev/tty"), "{}", ws.read("../outside"));
        assert_eq!(ws.read("../ways"), "");
    }

    /// Whatever else is a terminal and relayed for that reason.
    the_bound_holds_for_each_descriptor needs [] |ws| {
        let flags = ["--pty", "never", "--output", "1KiB"];
        let out = ws.ring(["head", "-c", "100000", "/dev/zero"]).flags(flags).quoted();
        let err = ws.ring_sh("exec head -c 100000 /dev/zero >&2").flags(flags).quoted();
        // One of the two is a pipe, the other the terminal.
        for ring in [out, format!("{err} 2>&1 >/dev/tty")] {
            let script = format!("{{ {ring}; echo $? > ../code; }} | tr -d -c '\\0' | wc -c > ../count");
            let mut screen = ws.bare(["sh", "-c", &script]).on_terminal(80, 24);
            assert_eq!(screen.ends().code(), Some(0));
            assert_eq!((ws.read("../code").trim(), ws.read("../count").trim()), ("125", "1024"), "{script}");
        }
    }

    /// As a caller with an event loop hands it over.
    a_pipe_that_does_not_block needs [] |ws| {
        let (from, to) = unread(true);
        let live = ws.ring(["head", "-c", "3000000", "/dev/zero"]).flags(["--output", "100MiB"]).stdout(to).start();
        until_full(&from);
        assert_eq!(all_of(from).len(), 3_000_000);
        live.wait().ok();
    }

    input_that_does_not_block needs [] |ws| {
        let (child_in, mut feed) = pipe().unwrap();
        ioctl_fionbio(&child_in, true).unwrap();
        let live = ws.ring_sh("echo up > up; exec cat").flags(["--pty", "always"]).input(Input::File(File::from(OwnedFd::from(child_in)))).start();
        until("it runs", || ws.has("up"));
        feed.write_all(b"late\n").unwrap();
        drop(feed);
        // Once by the terminal's echo, once by cat.
        assert_eq!(live.wait().ok().out(), "late\r\nlate");
    }

    /// Stdin's end is the terminal's: with or without a last line's end, and for each who reads.
    the_end_of_input needs ["tool:bash"] |ws| {
        let with = |argv: &[&str], input: &str| {
            let done = ws.ring(argv.to_vec()).flags(["--pty", "always"]).input(Input::Bytes(input.into())).run().ok();
            done.out().replace('\r', "")
        };
        assert_eq!(with(&["cat"], ""), "");
        assert_eq!(with(&["cat"], "hi\n"), "hi\nhi");
        assert_eq!(with(&["cat"], "hi"), "hihi");
        assert_eq!(with(&["sh", "-c", "cat; cat; echo done"], "x\n"), "x\nx\ndone");
        // A line editor turns lines off, and still takes keys.
        assert!(with(&["bash", "--norc", "-i"], "echo $((6*7))\n").contains("42\n"));
    }

    /// Where no key has a meaning every byte is the program's own: none is made up.
    the_end_of_raw_input needs ["tool:stty"] |ws| {
        let mut live = ws.ring_sh("stty raw -echo; echo up > up; timeout --foreground 1 cat > got || :").flags(["--pty", "always"]).input(Input::Pipe).start();
        until("it runs", || ws.has("up"));
        live.stdin().write_all(b"a\x04b").unwrap();
        live.wait().ok();
        assert_eq!(ws.read("got"), "a\x04b");
    }

    /// In both directions through pipes, one of them counted.
    sixty_four_mebibytes needs [] |ws| {
        let mib = vec![b'm'; 1 << 20];
        let (mut from, to) = pipe().unwrap();
        let (child_in, mut feed) = pipe().unwrap();
        let live = ws.ring(["cat"]).flags(["--output", "64MiB"]).input(Input::File(File::from(OwnedFd::from(child_in)))).stdout(to).start();
        let feeding = std::thread::spawn(move || {
            for number in 0..64 {
                let mut block = mib.clone();
                block[0] = number;
                feed.write_all(&block).unwrap();
            }
        });
        let mut got = vec![0; 1 << 20];
        for number in 0..64 {
            from.read_exact(&mut got).unwrap();
            assert!(got[0] == number && got[1..].iter().all(|b| *b == b'm'), "MiB {number} differs");
        }
        assert_eq!(from.read(&mut got).unwrap(), 0, "more came than was sent");
        feeding.join().unwrap();
        live.wait().ok();
    }

    /// A command that ended in time waits for a slow reader, as it would in a pipe.
    a_slow_reader needs [] |ws| {
        let (from, to) = unread(false);
        let live = ws.ring_sh("head -c 100000 /dev/zero; echo done > done").flags(["--output", "1MiB"]).stdout(to).start();
        until("the command's end", || ws.has("done"));
        until_full(&from);
        assert_eq!(all_of(from).len(), 100_000);
        live.wait().ok();
    }

    /// What a command printed last counts, though it had ended before that was seen.
    too_much_at_the_end needs [] |ws| {
        for size in [1024, 1025] {
            let done = ws.ring(["head", "-c", &size.to_string(), "/dev/zero"]).flags(["--output", "1KiB"]).run();
            assert_eq!((done.code(), done.stdout.len()), (if size > 1024 { 125 } else { 0 }, 1024), "{done}");
        }
    }

    a_reader_that_does_not_read needs [] |ws| {
        // Killed: its time is up while it prints.
        let (from, to) = unread(false);
        let live = ws.ring(["yes"]).flags(["--output", "100MiB", "--timeout", "1s"]).stdout(to).start();
        live.wait().exits(124);
        assert_eq!(ioctl_fionread(&from).unwrap(), HOLDS);
        // Ended by itself, and its output is not taken in its time.
        let (from, to) = unread(false);
        let live = ws.ring(["head", "-c", "100000", "/dev/zero"]).flags(["--output", "100MiB", "--timeout", "1s"]).stdout(to).start();
        live.wait().exits(124);
        assert_eq!(ioctl_fionread(&from).unwrap(), HOLDS);
        // Ended by itself, and the harness is ended meanwhile.
        let (from, to) = unread(false);
        let live = ws.ring_sh("head -c 100000 /dev/zero; echo done > done").flags(["--output", "100MiB"]).stdout(to).start();
        until("the command's end", || ws.has("done"));
        until_full(&from);
        live.signal(Signal::TERM);
        live.wait().exits(143);
    }

    /// Its terminal hangs up when nobody looks at it any more.
    a_reader_that_leaves_the_terminal needs [] |ws| {
        let (mut from, to) = pipe().unwrap();
        let live = ws.ring(["yes"]).flags(["--pty", "always"]).stdout(to).start();
        from.read_exact(&mut [0; 2]).unwrap();
        drop(from);
        live.wait().exits(129);
    }

    /// Output that cannot be written is not a success.
    a_full_disk needs [] |ws| {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let done = ws.ring(["echo", "lost"]).flags(["--output", "1MiB"]).stdout(full).run().exits(125);
        assert!(done.err().starts_with("ringfence: ") && done.err().contains("No space left"), "{done}");
    }

    /// What a command that never ran did not read is there for the next.
    input_of_what_does_not_run needs [] |ws| {
        ws.file("bad", "#!/no/such/interpreter\n");
        ws.bare_sh("chmod +x bad").ok();
        let ring = ws.ring(["./bad"]).flags(["--pty", "always"]).quoted();
        let done = ws.bare_sh(&format!("printf 'one\\ntwo\\n' | {{ {ring} || :; cat; }}")).run().ok();
        assert_eq!(done.out(), "one\ntwo", "{done}");
    }

    /// Its modes are the foreground's business: a ring beside the shell leaves them alone.
    the_terminal_of_another needs ["tool:bash", "tool:stty"] |ws| {
        let ring = ws.ring_sh("echo up > up; exec sleep 1000").flags(["--pty", "always"]).quoted();
        let mut shell = outer_shell(ws);
        let looks = "until test -e up; do :; done; stty -g > ../two";
        shell.types(format!("stty -g > ../one; {ring} & {looks}; echo si''x\n")).until_shows("\nsix");
        // What is typed is the shell's, and nothing stops the ring for it.
        shell.types("jobs; echo se''ven\n").until_shows("\nseven");
        assert!(shell.shows().contains("Running") && !shell.shows().contains("Stopped"), "{}", shell.shows());
        shell.types("kill $!; wait; exit 0\n");
        assert_eq!(shell.ends().code(), Some(0));
        assert_eq!(ws.read("../one"), ws.read("../two"));
    }

    /// A shell that was given the terminal meanwhile keeps it, also when the ring ends by itself.
    the_terminal_of_a_shell_that_was_returned_to needs ["tool:bash"] |ws| {
        // Nothing that forks: what vfork(2) has made and stops before it has executed anything keeps its parent from stopping, so that
        // a shell waits for both for ever, without a ring too.
        let ring = ws.ring_sh("echo up > up; until test -e go; do :; done").quoted();
        for resumed in ["bg", "kill %1"] {
            ws.bare_sh("rm -f up go").ok();
            let mut shell = outer_shell(ws);
            shell.types(format!("{ring}\n"));
            until("it runs", || ws.has("up"));
            shell.types([0x1a]).until_shows("Stopped");
            shell.types(format!("{resumed}; echo resu''med\n")).until_shows("resumed");
            ws.bare_sh("echo > go").ok();
            until("the ring is gone", || !descendants(shell.pid()).iter().any(|(_, name)| name.starts_with("ringfence")));
            shell.types("echo still he''re; exit 7\n").until_shows("still here");
            assert_eq!(shell.ends().code(), Some(7), "{resumed}");
        }
    }

    /// A limit of time does not keep the shell from it, nor a command from going on when it has it.
    the_terminal_of_a_command_with_a_limit needs ["tool:bash"] |ws| {
        let limit = ["--timeout", "10m"];
        let ring = ws.ring_sh("cat; echo up > up; until test -e go; do :; done; echo fi''rst").flags(limit).quoted();
        let mut shell = outer_shell(ws);
        shell.types(format!("echo x | {ring}\n"));
        until("it runs", || ws.has("up"));
        shell.types([0x1a]).until_shows("Stopped");
        ws.bare_sh("echo > go").ok();
        shell.types("fg\n").until_shows("\nfirst");
        // In the background it is stopped where it reads, and the shell does not know.
        let ring = ws.ring_sh("read first; echo $first > read").flags(limit).quoted();
        let asleep = |pid: u32| descendants(pid).iter().any(|(pid, name)| name == "sh" && state(*pid) == 'T');
        let pid = shell.pid();
        shell.types(format!("{ring} &\n"));
        until("it is stopped", || asleep(pid));
        shell.types("fg\nwords\n");
        until("it has read", || ws.has("read") && ws.read("read") == "words\n");
        shell.types("exit 0\n");
        assert_eq!(shell.ends().code(), Some(0));
    }

    /// A key that is typed before there is a command is the command's.
    a_key_is_not_lost_while_the_ring_is_made needs ["tool:bash"] |ws| {
        let ring = ws.ring(["sleep", "1000"]).quoted();
        let mut shell = outer_shell(ws);
        for moment in 0..24 {
            shell.types(format!("{ring}\n"));
            // The shell itself loses what is typed before it has started anything.
            let pid = shell.pid();
            until("it is started", || descendants(pid).iter().any(|(_, name)| name == "ringfence"));
            // Each time a little later in its making.
            let started = std::time::Instant::now();
            while started.elapsed() < std::time::Duration::from_micros(500 * moment) {}
            shell.types([if moment % 2 == 0 { 0x03 } else { 0x1c }]);
            shell.types(format!("echo moment{moment}pas''sed\n")).until_shows(&format!("moment{moment}passed"));
        }
        shell.types("exit 0\n");
        assert_eq!(shell.ends().code(), Some(0));
    }

    /// What a pager set before, and puts back, is not what the terminal was.
    the_terminal_of_a_pager needs ["tool:bash", "tool:stty"] |ws| {
        let mut shell = outer_shell(ws);
        let ring = ws.ring_sh("echo up > up; until test -e go; do sleep 0.05; done; until test -e sane; do sleep 0.05; done").quoted();
        // In the foreground with it, and raw before the ring looks.
        shell.types(format!("stty -g > ../one; (stty raw -echo < /dev/tty; {ring} 3<&- | {{ until test -e up; do :; done; echo > go; stty \"$(cat ../one)\" < /dev/tty; echo > sane; cat; }}); stty -g > ../two; echo fin''ished\n")).until_shows("finished");
        assert_eq!(ws.read("../one"), ws.read("../two"));
    }

    /// Whatever goes wrong.
    the_terminal_is_put_back needs ["tool:bash", "tool:stty"] |ws| {
        let mut shell = outer_shell(ws);
        let ring = ws.ring_sh("echo up > up; exec sleep 1000").flags(["--pty", "always"]).quoted();
        shell.types(format!("stty -g > ../one; {ring}; stty -g > ../two; echo fir''st\n"));
        until("it runs", || ws.has("up"));
        let below = descendants(shell.pid());
        let (runner, _) = below.iter().find(|(_, name)| name.starts_with("ringfence-runne")).unwrap();
        kill_process(Pid::from_raw(i32::try_from(*runner).unwrap()).unwrap(), Signal::KILL).unwrap();
        shell.until_shows("first");
        let bad = ws.ring(["./bad"]).flags(["--pty", "always"]).quoted();
        ws.file("bad", "#!/no/such/interpreter\n");
        ws.bare_sh("chmod +x bad").ok();
        shell.types(format!("{bad}; stty -g > ../three; echo sec''ond\n")).until_shows("second");
        shell.types("exit 0\n");
        assert_eq!(shell.ends().code(), Some(0));
        assert_eq!([ws.read("../two"), ws.read("../three")], [ws.read("../one"), ws.read("../one")]);
    }
}
