//! Words arrive as they were written, through a program and through `cmd.exe`.

use std::ffi::OsString;

use crate::place::{Place, Said, exists, program};

#[test]
fn words_arrive_as_they_were() {
    let place = Place::new();
    let hard = [
        "", "a b", "\"", "\\", "a\\\"b", "%PATH%", "^&|<>", "ü日本", "--", "-x", "'",
    ];
    let mut words = place.words(&[], &[]);
    words.pop();
    words.push(program("ringfence-test-words.exe").into());
    words.extend(hard.map(OsString::from));
    let said = Said::of(&place.ringfence(&words).output().unwrap());
    let wanted: String = hard
        .iter()
        .map(|word| {
            let units: String = word
                .encode_utf16()
                .map(|unit| format!("{unit:04x}"))
                .collect();
            format!("[{units}]\n")
        })
        .collect();
    assert_eq!(said.text(), wanted);
}

#[test]
fn a_text_for_the_shell_is_what_it_was() {
    let place = Place::new();
    let mut words = place.words(&[], &[]);
    words.pop();
    words.extend(["cmd", "/c", r#"echo "a b" %OS%> "out file" & exit 300"#].map(OsString::from));
    let said = Said::of(&place.ringfence(&words).output().unwrap());
    assert_eq!(said.code, 300, "{said:?}");
    let made = place.workspace().join("out file");
    assert!(exists(&made));
    let text = std::fs::read_to_string(made).unwrap();
    assert_eq!(text.trim_end(), "\"a b\" Windows_NT");
}

#[test]
fn what_is_not_there_is_not_found_and_what_does_not_run_is_said() {
    let place = Place::new();
    let said = Said::of(
        &place
            .ringfence(&["run", "--", "no-such-program"].map(Into::into))
            .output()
            .unwrap(),
    );
    assert_eq!(said.code, 127, "{said:?}");
    let script = place.workspace().join("a.ps1");
    std::fs::write(&script, "x").unwrap();
    let said = Said::of(
        &place
            .ringfence(&["run", "--", r".\a.ps1"].map(Into::into))
            .output()
            .unwrap(),
    );
    assert_eq!(said.code, 126, "{said:?}");
}
