//! Words that a program is started with arrive as they were: through Windows' own reader, a program, and `cmd.exe`.
#![cfg(windows)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::io::AsHandle;
use std::path::{Path, PathBuf};

use ringfence_nt_access::random::Random;
use ringfence_ops::windows::{Wide, cmd, command_line};
use ringfence_sys_windows::pipe;
use ringfence_sys_windows::process::{self, Start, Stdio};

fn program() -> PathBuf {
    // Where nextest unpacked it; where it was built others may not look. Under Wine the path is the host's.
    let unpacked = std::env::var("NEXTEST_BIN_EXE_ringfence-test-words");
    let program =
        unpacked.unwrap_or_else(|_| env!("CARGO_BIN_EXE_ringfence-test-words").to_owned());
    std::path::absolute(program.replace('/', "\\")).unwrap()
}

fn wide(text: &OsStr) -> Wide {
    Wide::from(text.encode_wide().collect::<Vec<u16>>())
}

/// A word that is hard to bring through.
fn word(random: &mut Random, odd: bool) -> Wide {
    const HARD: [&str; 22] = [
        "\"",
        "\\",
        "\\\\",
        "\\\"",
        "\"\"",
        " ",
        "\t",
        "'",
        "^",
        "&",
        "|",
        "<",
        ">",
        "(",
        ")",
        "!",
        "a b",
        "ü",
        "日本",
        "\u{1f600}",
        ";",
        ",",
    ];
    let mut units = Vec::new();
    for _ in 0..random.below(7) {
        match random.below(12) {
            0 if odd => units.push(0xd800 + (random.word() & 0x3ff) as u16),
            1 => units.extend("%PATH%".encode_utf16()),
            2 => units.push((0x21 + random.word() % 0x5e) as u16),
            _ => units.extend(HARD[random.below(HARD.len())].encode_utf16()),
        }
    }
    Wide::from(units)
}

/// Fewer words than `most`.
fn words(random: &mut Random, odd: bool, most: usize) -> Vec<Wide> {
    (0..random.below(most)).map(|_| word(random, odd)).collect()
}

/// To start a program costs more than to read its words: many each time.
const MANY: usize = 49;
/// Each may be one that cannot be brought through `cmd.exe`.
const MANY_FOR_CMD: usize = 13;

/// What the program says it was started with.
fn started(image: &Path, line: &[u16]) -> Vec<Wide> {
    let (read, write) = pipe::anonymous().unwrap();
    let line = OsString::from_wide(line);
    let stdio = Stdio {
        output: Some(write.as_handle()),
        ..Stdio::default()
    };
    let start = Start {
        stdio: Some(stdio),
        ..Start::new(image, &line)
    };
    let started = start.start().unwrap();
    drop(write);
    let mut text = String::new();
    std::fs::File::from(read).read_to_string(&mut text).unwrap();
    assert_eq!(
        started.process.wait(None).unwrap(),
        Some(0),
        "{line:?}: {text}"
    );
    text.lines()
        .map(|line| {
            let hex = line.strip_prefix('[').unwrap().strip_suffix(']').unwrap();
            let unit = |at: usize| u16::from_str_radix(&hex[at..at + 4], 16).unwrap();
            Wide::from(
                (0..hex.len() / 4)
                    .map(|n| unit(4 * n))
                    .collect::<Vec<u16>>(),
            )
        })
        .collect()
}

#[test]
fn windows_reads_what_was_written() {
    let mut random = Random::new(1);
    for _ in 0..20_000 {
        let mut argv = vec![Wide::from("C:\\a b\\x.exe")];
        argv.extend(words(&mut random, true, 5));
        let line = command_line::join(&argv).unwrap();
        let read = process::arguments(&OsString::from_wide(&line)).unwrap();
        let read: Vec<Wide> = read.iter().map(|word| wide(word)).collect();
        assert_eq!(read, argv);
    }
}

#[test]
fn a_program_gets_what_was_written() {
    let image = program();
    let mut random = Random::new(2);
    for _ in 0..130 {
        let given = words(&mut random, true, MANY);
        let mut argv = vec![wide(image.as_os_str())];
        argv.extend(given.iter().cloned());
        let line = command_line::join(&argv).unwrap();
        assert_eq!(started(&image, &line), given);
    }
}

#[test]
fn a_program_behind_a_batch_file_gets_what_was_written() {
    let directory = std::env::temp_dir().join(format!("ringfence words {}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let script = directory.join("run it.cmd");
    let text = format!("@\"{}\" %*\r\n", program().display());
    std::fs::write(&script, text).unwrap();
    let system = std::env::var_os("SystemRoot").unwrap();
    let image = Path::new(&system).join(r"System32\cmd.exe");
    let script = wide(script.as_os_str());
    let mut random = Random::new(3);
    let (mut through, mut refused) = (0, 0);
    while through < 170 {
        let given = words(&mut random, false, MANY_FOR_CMD);
        // What cannot be brought through exactly is refused, never guessed.
        let Ok(line) = cmd::batch(&script, &given, cmd::Reader::Ucrt) else {
            refused += 1;
            continue;
        };
        through += 1;
        assert_eq!(
            started(&image, &line),
            given,
            "{}",
            String::from_utf16_lossy(&line)
        );
    }
    println!("{through} through, {refused} refused");
    std::fs::remove_dir_all(&directory).unwrap();
}
