//! Known lines from the sources, and round trips over hostile words.

use proptest::prelude::*;

use super::super::hostile;
use super::*;

fn words(list: &[&str]) -> Vec<Wide> {
    list.iter().copied().map(Wide::from).collect()
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn joined(list: &[&str]) -> String {
    String::from_utf16(&join(&words(list)).unwrap()).unwrap()
}

/// What the C runtime makes of a line, from Microsoft's page and from Deley's tables.
#[test]
fn lines_whose_reading_by_the_c_runtime_is_documented() {
    for (line, expected) in [
        (r#"EXE "abc" d e"#, &["EXE", "abc", "d", "e"][..]),
        (r#"EXE a\\b d"e f"g h"#, &["EXE", r"a\\b", "de fg", "h"]),
        (r#"EXE a\\\"b c d"#, &["EXE", r#"a\"b"#, "c", "d"]),
        (r#"EXE a\\\\"b c" d e"#, &["EXE", r"a\\b c", "d", "e"]),
        (r#"EXE a"b"" c d"#, &["EXE", r#"ab" c d"#]),
        (r#"EXE "Call Me Ishmael\\""#, &["EXE", r"Call Me Ishmael\"]),
        (r#"EXE Cal"l Me I"shmael"#, &["EXE", "Call Me Ishmael"]),
        (r#"EXE CallMe\"Ishmael"#, &["EXE", r#"CallMe"Ishmael"#]),
        (r#"EXE "\"C:\TEST A\\\"""#, &["EXE", r#""C:\TEST A\""#]),
        (r#"EXE "a""b""#, &["EXE", r#"a"b"#]),
        (r#"EXE "a b c"""#, &["EXE", r#"a b c""#]),
        (
            r#"EXE """CallMeIshmael"""  b  c"#,
            &["EXE", r#""CallMeIshmael""#, "b", "c"],
        ),
        (
            r#"EXE """"Call Me Ishmael"" b c"#,
            &["EXE", r#""Call"#, "Me", "Ishmael", "b", "c"],
        ),
        (r#""E X" "" """#, &["E X", "", ""]),
        (r#""E X"Y a"#, &["E XY", "a"]),
        (r#"E"X "X a"#, &["EX X", "a"]),
        (r#""C:\dir\" a"#, &[r"C:\dir\", "a"]),
        (" a b", &["", "a", "b"]),
        ("EXE  ", &["EXE"]),
        ("EXE \" ", &["EXE", " "]),
        ("", &[]),
    ] {
        assert_eq!(split_ucrt(&units(line)), words(expected), "{line}");
    }
}

/// Where `CommandLineToArgvW` goes another way, and some where it does not.
#[test]
fn lines_whose_reading_by_shell32_is_documented() {
    for (line, expected) in [
        (
            r#"program.exe "hello there.txt""#,
            &["program.exe", "hello there.txt"][..],
        ),
        (
            r#"program.exe "hello\"there""#,
            &["program.exe", r#"hello"there"#],
        ),
        (r#"program.exe "hello\\""#, &["program.exe", r"hello\"]),
        (r#"EXE "a""b""#, &["EXE", r#"a"b"#]),
        // The mark after the two opens a quoted part anew.
        (r#"EXE "a""b c" d"#, &["EXE", r#"a"b"#, "c d"]),
        (r#"EXE "a"" b"#, &["EXE", r#"a""#, "b"]),
        (
            r#"EXE """Call Me Ishmael""" b c"#,
            &["EXE", r#""Call"#, "Me", r#"Ishmael""#, "b", "c"],
        ),
        (r#"EXE a\\\\"b c" d"#, &["EXE", r"a\\b c", "d"]),
        // The first word: a mark at its beginning ends it at the next, one inside is itself.
        (r#""E X"Y a"#, &["E X", "Y", "a"]),
        (r#"E"X "X a"#, &[r#"E"X"#, "X a"]),
        (r#""C:\dir\" a"#, &[r"C:\dir\", "a"]),
        (" a b", &["", "a", "b"]),
        ("", &[]),
    ] {
        assert_eq!(split_shell32(&units(line)), words(expected), "{line}");
    }
}

#[test]
fn what_is_written_for_known_hard_words() {
    for (word, written) in [
        ("plain", r#"plain"#),
        ("", r#""""#),
        ("a b", r#""a b""#),
        ("a\tb", "\"a\tb\""),
        (r"a\\b", r"a\\b"),
        (r"dir\", r"dir\"),
        (r"my dir\", r#""my dir\\""#),
        (r"my dir\\", r#""my dir\\\\""#),
        (r#"""#, r#""\"""#),
        (r#"\"#, r"\"),
        (r#"a\"b"#, r#""a\\\"b""#),
        (r#"a\\"b"#, r#""a\\\\\"b""#),
        (r#""a""b""#, r#""\"a\"\"b\"""#),
        ("%PATH%&|<>^", "%PATH%&|<>^"),
    ] {
        assert_eq!(joined(&["x", word]), format!("\"x\" {written}"), "{word}");
    }
    assert_eq!(joined(&[r"C:\a b\x.exe\"]), r#""C:\a b\x.exe\""#);
}

#[test]
fn what_cannot_be_said_is_named_with_its_place() {
    assert_eq!(join(&[]), Err(CommandLineError::Empty));
    assert_eq!(
        join(&words(&["x", "ab\0c"])),
        Err(CommandLineError::Nul { word: 1, at: 2 })
    );
    assert_eq!(
        join(&words(&["x\0"])),
        Err(CommandLineError::Nul { word: 0, at: 1 })
    );
    assert_eq!(
        join(&words(&[r#"a"b"#])),
        Err(CommandLineError::QuoteInProgram { at: 1 })
    );
}

#[test]
fn the_limit_counts_the_final_nul() {
    // `"x" ` and the word and a NUL.
    let fits = "a".repeat(MOST_UNITS - 5);
    let line = join(&words(&["x", &fits])).unwrap();
    assert_eq!(line.len() + 1, MOST_UNITS);
    assert_eq!(
        join(&words(&["x", &format!("{fits}a")])),
        Err(CommandLineError::TooLong {
            units: MOST_UNITS + 1
        })
    );
}

proptest! {
    #[test]
    fn both_readers_give_the_words_back(argv in hostile::argv()) {
        let line = join(&argv).unwrap();
        prop_assert!(!line.contains(&0));
        prop_assert_eq!(&split_ucrt(&line), &argv);
        prop_assert_eq!(&split_shell32(&line), &argv);
    }

    #[test]
    fn any_line_is_read_without_a_panic(line in hostile::word()) {
        let _ = split_ucrt(line.units());
        let _ = split_shell32(line.units());
    }
}
