//! What is run in rings by the tests: does what its words say.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's"
)]

#[cfg(windows)]
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    std::process::exit(windows::act(&words).cast_signed());
}

#[cfg(not(windows))]
fn main() {}

#[cfg(windows)]
mod windows {
    use std::fs::File;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::os::windows::io::AsHandle;
    use std::process::{Command, Stdio};

    use ringfence_sys_windows::console::{self, Signal};
    use ringfence_sys_windows::process::{self, Process, access};
    use ringfence_sys_windows::wait;

    pub(super) fn act(words: &[&str]) -> u32 {
        match words {
            ["exit", code] => return code.parse().unwrap(),
            ["say", out, error] => {
                println!("{out}");
                eprintln!("{error}");
            }
            ["copy"] => {
                let mut all = Vec::new();
                std::io::stdin().read_to_end(&mut all).unwrap();
                std::io::stdout().write_all(&all).unwrap();
            }
            ["print", bytes] => print(bytes.parse().unwrap()),
            ["nothing-then", text] => nothing_then(text),
            ["environment", names @ ..] => {
                for name in names {
                    println!("{name}={}", std::env::var(name).unwrap_or_default());
                }
            }
            ["where"] => println!("{}", std::env::current_dir().unwrap().display()),
            ["make", path] => std::fs::write(path, "made").unwrap(),
            ["delete", path] => match std::fs::remove_file(path) {
                Ok(()) => println!("deleted"),
                Err(error) => println!("refused {}", error.raw_os_error().unwrap_or_default()),
            },
            ["replace", path] => {
                // Removed, a file's number may be another's at once under Wine.
                std::fs::rename(path, format!("{path}.was")).unwrap();
                std::fs::write(path, "replaced").unwrap();
            }
            ["end", "whom", "is", "said"] => end_whom_is_said(),
            ["wait"] => wait_for_ever(),
            ["leave"] => leave(false),
            ["tree"] => {
                leave(false);
                wait_for_ever();
            }
            ["deaf"] => {
                console::ignore_ctrl_c(true).unwrap();
                leave(false);
                wait_for_ever();
            }
            ["away"] => leave(true),
            ["interrupt"] => return interrupted(),
            ["ctrl-c"] => {
                let _taken = console::signals().unwrap();
                console::signal_all().unwrap();
            }
            ["console"] => return on_a_console(),
            ["temp"] => temp(),
            _ => panic!("no such role: {words:?}"),
        }
        0
    }

    fn wait_for_ever() {
        wait::one(process::current(), None).unwrap();
    }

    fn print(bytes: usize) {
        let mut out = std::io::stdout();
        let all: Vec<u8> = (0..bytes).map(|n| (n % 251) as u8).collect();
        for chunk in all.chunks(10_000) {
            if out.write_all(chunk).is_err() {
                return;
            }
        }
    }

    /// Writes no bytes at all to a pipe, and then some.
    fn nothing_then(text: &str) {
        let out = std::io::stdout();
        let mut out = File::from(out.as_handle().try_clone_to_owned().unwrap());
        assert_eq!(out.write(&[]).unwrap(), 0);
        out.write_all(text.as_bytes()).unwrap();
    }

    /// Starts another that waits for ever, and says which; out of the job where that is to be had.
    fn leave(away: bool) {
        use std::os::windows::process::CommandExt;
        const CREATE_BREAKAWAY_FROM_JOB: u32 = 0x0100_0000;
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .arg("wait")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if away {
            command.creation_flags(CREATE_BREAKAWAY_FROM_JOB);
        }
        match command.stderr(Stdio::null()).spawn() {
            Ok(child) => {
                let process = Process::open(child.id(), access::QUERY_LIMITED).unwrap();
                println!("{} {}", child.id(), process.created().unwrap());
            }
            Err(error) => println!("refused {}", error.raw_os_error().unwrap_or_default()),
        }
        std::io::stdout().flush().unwrap();
    }

    /// Opens the process whose number it reads to end it, and to read its memory.
    fn end_whom_is_said() {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        for right in [access::TERMINATE, access::VM_READ, access::QUERY_LIMITED] {
            match Process::open(line.trim().parse().unwrap(), right) {
                Ok(_) => println!("opened"),
                Err(error) => println!("refused {}", error.as_win32().unwrap_or_default()),
            }
        }
    }

    fn interrupted() -> u32 {
        let signals = console::signals().unwrap();
        println!("ready");
        std::io::stdout().flush().unwrap();
        wait::one(signals.as_handle(), None).unwrap();
        let came = signals.take();
        println!("{came:?}");
        if came == Some(Signal::CtrlC) { 7 } else { 8 }
    }

    /// Opens its console itself: Wine does not make it the standard handles.
    fn on_a_console() -> u32 {
        let open = |name| File::options().read(true).write(true).open(name).unwrap();
        let (input, mut output) = (open("CONIN$"), open("CONOUT$"));
        let size = console::size(output.as_handle()).unwrap();
        write!(output, "size {}x{}\r\n", size.columns, size.rows).unwrap();
        let mut line = String::new();
        BufReader::new(input).read_line(&mut line).unwrap();
        write!(output, "read {}\r\n", line.trim_end()).unwrap();
        7
    }

    /// Uses the directory for temporary files, and says where that is.
    fn temp() {
        let dir = std::env::temp_dir();
        let file = dir.join("deeper").join("file");
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "x").unwrap();
        println!("{}", dir.display());
    }
}
