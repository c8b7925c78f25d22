//! What a command reads and prints.

use std::io::Write;
use std::process::Stdio;

use crate::place::{Place, Said};

#[test]
fn streams_are_the_callers_byte_for_byte() {
    let place = Place::new();
    let said = place.runs(&[], &["say", "out", "error"]);
    assert_eq!(said.text(), "out\n");
    assert!(said.err.lines().any(|line| line == "error"), "{said:?}");
    let mut harness = place
        .ringfence(&place.words(&[], &["copy"]))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 253) as u8).collect();
    let mut stdin = harness.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let output = harness.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.stdout, bytes);
}

#[test]
fn no_more_is_printed_than_may_be() {
    let place = Place::new();
    let said = place.runs(&["--output", "10KiB", "--json"], &["print", "1000000"]);
    assert_eq!(said.code, 125, "{said:?}");
    assert_eq!(said.out.len(), 10 << 10);
    assert_eq!(said.report()["ended"]["how"], "too-much-output");
    let said = place.runs(&["--output", "10KiB"], &["print", "10240"]);
    assert_eq!((said.code, said.out.len()), (0, 10 << 10));
}

#[test]
fn who_writes_nothing_has_not_ended() {
    let place = Place::new();
    let said = place.runs(&["--output", "10KiB"], &["nothing-then", "some"]);
    assert_eq!(said.text(), "some", "{said:?}");
}

#[test]
fn a_command_has_its_environment_and_directory() {
    let place = Place::new();
    let mut command = place.ringfence(&place.words(
        &[],
        &[
            "environment",
            "RINGFENCE",
            "RINGFENCE_NETWORK",
            "HTTPS_PROXY",
            "GIT_ALLOW_PROTOCOL",
            "GITHUB_TOKEN",
            "Plain",
        ],
    ));
    command
        .env("GITHUB_TOKEN", "ghp_secret")
        .env("plain", "kept");
    let said = Said::of(&command.output().unwrap());
    let wanted = "RINGFENCE=unelevated\nRINGFENCE_NETWORK=off\nHTTPS_PROXY=http://127.0.0.1:9\nGIT_ALLOW_PROTOCOL=file\nGITHUB_TOKEN=\nPlain=kept\n";
    assert_eq!(said.text(), wanted, "{said:?}");
    let said = place.runs(&[], &["where"]);
    let here = std::path::PathBuf::from(said.text().trim());
    assert_eq!(
        here.canonicalize().unwrap(),
        place.workspace().canonicalize().unwrap()
    );
}

#[test]
fn a_command_in_a_terminal_of_its_own_is_drawn_and_typed_to() {
    let place = Place::new();
    let mut harness = place
        .ringfence(&place.words(&["--pty", "always"], &["console"]))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = harness.stdin.take().unwrap();
    stdin.write_all(b"a line\r").unwrap();
    let output = harness.wait_with_output().unwrap();
    drop(stdin);
    let drawn = letters(&String::from_utf8_lossy(&output.stdout));
    assert!(drawn.contains("size80x25"), "{drawn}");
    assert!(drawn.contains("readaline"), "{drawn}");
    assert_eq!(output.status.code(), Some(7));
}

/// What is drawn, without the sequences between and without spaces, which a console may write
/// as moves of the cursor.
fn letters(text: &str) -> String {
    let mut letters = String::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match next {
            '\u{1b}' => match rest.next() {
                Some('[') => {
                    let _end = rest.find(|c| ('@'..='~').contains(c));
                }
                Some(']') => {
                    let _end = rest.find(|c| *c == '\u{7}');
                }
                _ => {}
            },
            c if c.is_control() || c == ' ' => {}
            c => letters.push(c),
        }
    }
    letters
}
