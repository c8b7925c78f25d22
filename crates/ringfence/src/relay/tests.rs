use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::fd::OwnedFd;

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
