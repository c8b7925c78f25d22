//! How a command ends, and what ends with it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ringfence_ops::windows::{Wide, command_line};
use ringfence_sys_windows::console::{PseudoConsole, Size};
use ringfence_sys_windows::pipe;
use ringfence_sys_windows::process::{self, Environment, Process, Start, access};

use crate::needs;
use crate::place::{Place, exists, program};

#[test]
fn all_32_bits_of_an_exit_code_arrive() {
    let place = Place::new();
    for code in [0_u32, 1, 125, 256, 259, 0x8000_0000, 0xc000_0005, u32::MAX] {
        let said = place.runs(&[], &["exit", &code.to_string()]);
        assert_eq!(said.code, code, "{said:?}");
    }
}

/// Whether the process with this number and this beginning lives.
fn lives(line: &str) -> bool {
    let (id, created) = line.trim().split_once(' ').unwrap();
    let rights = access::QUERY_LIMITED | access::SYNCHRONIZE;
    Process::open(id.parse().unwrap(), rights).is_ok_and(|process| {
        process.created().unwrap() == created.parse::<u64>().unwrap()
            && process.exit_code().unwrap().is_none()
    })
}

#[test]
fn what_a_command_leaves_behind_ends_with_it() {
    let place = Place::new();
    let said = place.runs(&[], &["leave"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!lives(&said.text()), "{said:?}");
}

#[test]
fn no_process_leaves_its_ring() {
    let place = Place::new();
    let said = place.runs(&[], &["away"]);
    assert_eq!(said.code, 0, "{said:?}");
    // ERROR_ACCESS_DENIED
    assert_eq!(said.text().trim(), "refused 5", "{said:?}");
}

#[test]
fn a_command_whose_time_is_up_ends_with_all_it_started() {
    let place = Place::new();
    let said = place.runs(&["--timeout", "1s", "--json"], &["tree"]);
    assert_eq!(said.code, 124, "{said:?}");
    assert!(!lives(&said.text()), "{said:?}");
    assert_eq!(said.report()["ended"]["how"], "timed-out");
}

#[test]
fn a_ring_whose_harness_is_killed_ends_with_it() {
    let place = Place::new();
    let mut harness = place
        .ringfence(&place.words(&[], &["tree"]))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(harness.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert!(lives(&line));
    let log = || {
        let words = ["log", "list"].map(Into::into);
        let output = place.ringfence(&words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(log().contains("runs"), "{}", log());
    let (id, _) = line.split_once(' ').unwrap();
    let grandchild = Process::open(
        id.parse().unwrap(),
        access::SYNCHRONIZE | access::QUERY_LIMITED,
    )
    .unwrap();
    harness.kill().unwrap();
    harness.wait().unwrap();
    assert!(grandchild.wait(None).unwrap().is_some());
    assert!(log().contains("not told"), "{}", log());
    // The directory for temporary files is left, and the next ring removes it.
    let temps = || {
        std::fs::read_dir(place.dir.join(r"temp\ringfence-rings"))
            .unwrap()
            .count()
    };
    assert_eq!(temps(), 1);
    assert_eq!(place.runs(&[], &["exit", "0"]).code, 0);
    assert_eq!(temps(), 0);
}

#[test]
fn ctrl_c_goes_to_the_command_and_its_answer_is_the_end() {
    let place = Place::new();
    let console = Outside::new();
    let words = place.words(&[], &["interrupt"]);
    let mut harness = console.start(&place, &words);
    assert_eq!(harness.line(), "ready");
    // Wine's console ends when Ctrl-C comes to it by its input, and tells nobody.
    if !needs::real_windows("a console that hands Ctrl-C on") {
        console.until_ended(&harness);
        return;
    }
    console.ctrl_c();
    assert_eq!(harness.line(), "Some(CtrlC)");
    assert_eq!(harness.process.wait(None).unwrap(), Some(7));
}

#[test]
fn ctrl_c_twice_ends_a_command_that_does_not_listen() {
    let place = Place::new();
    let console = Outside::new();
    let words = place.words(&[], &["deaf"]);
    let mut harness = console.start(&place, &words);
    let grandchild = harness.line();
    assert!(lives(&grandchild));
    assert!(console.until_ended(&harness) > 1);
    assert!(!lives(&grandchild));
}

/// A console as a person sits at.
struct Outside {
    console: PseudoConsole,
    /// Nobody writes there; closed, it would end.
    _keys: OwnedHandle,
}

struct Harness {
    process: Process,
    out: BufReader<File>,
}

impl Harness {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Outside {
    fn new() -> Outside {
        let (console, ends) = PseudoConsole::create(Size {
            columns: 80,
            rows: 25,
        })
        .unwrap();
        let mut drawn = File::from(ends.output);
        // Nobody looks at it; unread it would stop.
        std::thread::spawn(move || std::io::copy(&mut drawn, &mut std::io::sink()));
        Outside {
            console,
            _keys: ends.input,
        }
    }

    /// Ctrl-C, as the console hands it to all that are in it.
    fn ctrl_c(&self) {
        let mut presses = Command::new(program("ringfence-test-child.exe"));
        presses.arg("ctrl-c");
        let pressed = self.start_here(&presses, &std::env::temp_dir());
        assert_eq!(pressed.process.wait(None).unwrap(), Some(0));
    }

    /// Presses Ctrl-C, over and over, until `ringfence` has ended the command; how often. Two that come at once are one.
    fn until_ended(&self, harness: &Harness) -> u32 {
        let mut pressed = 0;
        loop {
            self.ctrl_c();
            pressed += 1;
            if let Some(code) = harness.process.wait(Some(Duration::from_secs(1))).unwrap() {
                // STATUS_CONTROL_C_EXIT
                assert_eq!(code, 0xc000_013a);
                return pressed;
            }
        }
    }

    /// Starts `ringfence` in it, with its output in a pipe.
    fn start(&self, place: &Place, words: &[OsString]) -> Harness {
        self.start_here(&place.ringfence(words), &place.workspace())
    }

    fn start_here(&self, command: &Command, directory: &Path) -> Harness {
        let mut argv = vec![command.get_program().to_owned()];
        argv.extend(command.get_args().map(ToOwned::to_owned));
        let argv: Vec<Wide> = argv
            .iter()
            .map(|word| Wide::from(word.encode_wide().collect::<Vec<u16>>()))
            .collect();
        let line = OsString::from_wide(&command_line::join(&argv).unwrap());
        let set = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        let environment = Environment::of(std::env::vars_os().chain(set)).unwrap();
        let program = PathBuf::from(command.get_program());
        let (read, write) = pipe::anonymous().unwrap();
        let nul = File::open("NUL").unwrap();
        let mut start = Start::new(&program, &line);
        start.environment = Some(&environment);
        start.directory = Some(directory);
        start.console = Some(&self.console);
        start.stdio = Some(process::Stdio {
            input: Some(nul.as_handle()),
            output: Some(write.as_handle()),
            error: Some(nul.as_handle()),
        });
        Harness {
            process: start.start().unwrap().process,
            out: BufReader::new(File::from(read)),
        }
    }
}

/// What a command may do with the process that holds its ring.
fn opens_its_harness(flags: &[&str]) -> String {
    let place = Place::new();
    let mut harness = place
        .ringfence(&place.words(flags, &["end", "whom", "is", "said"]))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = harness.stdin.take().unwrap();
    writeln!(stdin, "{}", harness.id()).unwrap();
    drop(stdin);
    let output = harness.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().replace('\r', "")
}

#[test]
fn a_command_does_not_end_or_read_the_process_that_holds_its_ring() {
    // The control: without a ring it may.
    let free = opens_its_harness(&["--mode", "full-access"]);
    assert_eq!(free, "opened\nopened\nopened\n");
    let kept = opens_its_harness(&[]);
    assert_eq!(kept, "refused 5\nrefused 5\nopened\n");
}

#[test]
fn what_ringfence_goes_by_is_not_deleted_by_a_command() {
    let place = Place::new();
    let policy = place.dir.join(r"roaming\Ringfence\policy.toml");
    std::fs::create_dir_all(policy.parent().unwrap()).unwrap();
    std::fs::write(&policy, "").unwrap();
    let path = policy.to_str().unwrap();
    let said = place.runs(&[], &["delete", path]);
    // ERROR_SHARING_VIOLATION
    assert_eq!(said.text().trim(), "refused 32", "{said:?}");
    // The control: without a ring it is.
    let said = place.runs(&["--mode", "full-access"], &["delete", path]);
    assert_eq!(said.text().trim(), "deleted", "{said:?}");
}

#[test]
fn nothing_but_rings_directories_is_removed_for_being_left() {
    let place = Place::new();
    let base = place.dir.join(r"temp\ringfence-rings");
    let [others, left] = ["0123", "0123456789abcdef0123456789abcdef"].map(|name| base.join(name));
    for dir in [&others, &left] {
        std::fs::create_dir_all(dir.join("deeper")).unwrap();
    }
    assert_eq!(place.runs(&[], &["exit", "0"]).code, 0);
    assert!(exists(&others.join("deeper")));
    assert!(!exists(&left));
}

#[test]
fn what_is_protected_and_was_replaced_is_told() {
    let place = Place::new();
    let settings = place.workspace().join(".envrc");
    std::fs::write(&settings, "mine").unwrap();
    let said = place.runs(&["--json"], &["replace", settings.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{said:?}");
    let report = said.report();
    let left = report["left_in_place"].as_array().unwrap();
    assert_eq!(left.len(), 1, "{report}");
    assert!(said.err.contains("another stands there"), "{said:?}");
    // The control: one that is as it was is not told of.
    let report = place.runs(&["--json"], &["exit", "0"]).report();
    assert_eq!(report["left_in_place"].as_array().unwrap().len(), 0);
}

#[test]
fn a_ring_leaves_nothing_of_its_own() {
    let place = Place::new();
    let said = place.runs(&[], &["temp"]);
    assert_eq!(said.code, 0, "{said:?}");
    let temp = PathBuf::from(said.text().trim());
    assert!(
        temp.starts_with(place.dir.join(r"temp\ringfence-rings")),
        "{said:?}"
    );
    assert!(!exists(&temp));
    let left = std::fs::read_dir(place.dir.join(r"temp\ringfence-rings")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn a_protected_name_that_appears_is_moved_aside() {
    let place = Place::new();
    let made = place.workspace().join(".envrc");
    let said = place.runs(&["--json"], &["make", made.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!exists(&made));
    assert!(exists(&place.workspace().join(".envrc.from-ring")));
    let taken = said.report()["taken_away"].clone();
    assert_eq!(taken.as_array().unwrap().len(), 1, "{said:?}");
}
