use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};

use ringfence_sys_linux::signal::Signals;
use rustix::event::{PollFd, PollFlags, poll};

use super::{PtyMode, Relay};

fn null() -> OwnedFd {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .unwrap()
        .into()
}

mod os {
    use super::*;

    /// A library's caller goes on after a command: what is typed then is theirs.
    /// A ring that does not stand is made once more, for a command that is to read the same.
    #[test]
    fn a_lent_pipe_is_the_callers_until_the_command_runs() {
        let (from, mut typed) = pipe().unwrap();
        rustix::stdio::dup2_stdin(&from).unwrap();
        drop(from);
        for _ in 0..2 {
            let own = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
            let mut relay = Relay::new(PtyMode::Auto, [own, null(), null()], None).unwrap();
            assert!(relay.has_input());
            relay.start().unwrap();
        }
        let own = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
        let mut relay = Relay::new(PtyMode::Auto, [own, null(), null()], None).unwrap();
        let command = relay.stdio[0].try_clone().unwrap();
        relay.start().unwrap();
        relay.start_input().unwrap();
        typed.write_all(b"for it\n").unwrap();
        let mut got = [0; 16];
        assert_eq!(File::from(command).read(&mut got).unwrap(), 7);
    }

    #[test]
    fn input_after_the_end_stays_the_callers() {
        let signals = Signals::take(&[]).unwrap();
        let (from, mut typed) = pipe().unwrap();
        let mut callers = from.try_clone().unwrap();
        let mut relay = Relay::new(PtyMode::Always, [from.into(), null(), null()], None).unwrap();
        // The command's end, which is ours to read here.
        let command = relay.stdio[0].try_clone().unwrap();
        relay.start().unwrap();
        relay.start_input().unwrap();
        typed.write_all(b"for it\n").unwrap();
        poll(&mut [PollFd::new(&command, PollFlags::IN)], None).unwrap();
        let mut got = [0; 16];
        assert_eq!(rustix::io::read(&command, &mut got).unwrap(), 7);
        drop(command);
        relay.finish(None, &signals).unwrap();
        typed.write_all(b"for the next").unwrap();
        drop(typed);
        let mut left = String::new();
        callers.read_to_string(&mut left).unwrap();
        assert_eq!(left, "for the next");
    }
}
