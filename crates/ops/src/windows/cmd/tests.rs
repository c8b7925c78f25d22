//! No argument starts a command, is expanded or arrives changed; and the model sees those that would.

use proptest::prelude::*;

use super::super::command_line::{join, split_ucrt};
use super::super::hostile;
use super::read::{Parsed, bare, expand, first_word, parameters, parse};
use super::*;

const SCRIPT: &str = r"C:\Program Files (x86)\a & 100% b\tool.cmd";

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn wide(list: &[&str]) -> Vec<Wide> {
    list.iter().copied().map(Wide::from).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(Wide, Wide)> {
    list.iter()
        .map(|(n, v)| ((*n).into(), (*v).into()))
        .collect()
}

fn said(list: &[&str], reader: Reader) -> Result<String, CmdError> {
    let line = batch(&Wide::from(r"C:\t.bat"), &wide(list), reader)?;
    let text = String::from_utf16(unwrap(&line).unwrap().units()).unwrap();
    Ok(text.strip_prefix(r#""C:\t.bat" "#).unwrap().to_owned())
}

/// What a batch file gets from a line of ours, and what a program gets that it hands `%*` to.
struct Got {
    used: Vec<Wide>,
    parsed: Parsed,
    script: Wide,
    file: Vec<Wide>,
    behind: Parsed,
    program: Vec<Wide>,
}

fn got(text: &[u16], variables: &[(Wide, Wide)]) -> Got {
    let expanded = expand(text, variables);
    let parsed = parse(&expanded.text);
    let (word, rest) = first_word(&parsed.commands[0]);
    // As npm writes them: the line of the file is read as a script again, with %* in it.
    let mut shim = units(r#""C:\node.exe" "C:\cli.js" "#);
    shim.extend_from_slice(&rest);
    let behind = parse(&shim);
    Got {
        used: expanded.used,
        script: bare(&Wide::from(word)),
        file: parameters(&rest).iter().map(bare).collect(),
        program: split_ucrt(&behind.commands[0]).split_off(2),
        parsed,
        behind,
    }
}

/// Variables that an argument could meet: all its pieces are names.
fn every_name(arguments: &[Wide]) -> Vec<(Wide, Wide)> {
    let mut variables = pairs(&[
        ("PATH", "\" & calc & \""),
        ("cd", "\" & calc & \""),
        ("a", "& calc"),
        ("x", "& calc"),
    ]);
    for argument in arguments {
        let cut = |unit: &u16| *unit == PERCENT || *unit == u16::from(b':');
        for name in argument.units().split(cut).filter(|name| !name.is_empty()) {
            variables.push((Wide::from(name), "& calc".into()));
            let mut with_colon = name.to_vec();
            with_colon.push(u16::from(b':'));
            variables.push((Wide::from(with_colon), "& calc".into()));
        }
    }
    variables
}

fn holds(arguments: &[Wide], reader: Reader) -> Result<bool, TestCaseError> {
    let script = Wide::from(SCRIPT);
    let line = match batch(&script, arguments, reader) {
        Ok(line) => line,
        Err(CmdError::TooLong { units }) => {
            prop_assert!(units > MOST_UNITS);
            return Ok(false);
        }
        Err(CmdError::Character { part, at, unit, .. }) => {
            let Part::Argument(index) = part else {
                return Err(TestCaseError::fail("the script is at fault"));
            };
            prop_assert_eq!(arguments[index].units()[at], unit);
            prop_assert!([0, 0x0a, 0x0d, 0x1a, 0x22, 0x5c].contains(&unit));
            return Ok(false);
        }
    };
    let text = unwrap(&line).unwrap();
    for variables in [Vec::new(), every_name(arguments)] {
        let got = got(text.units(), &variables);
        prop_assert!(got.used.is_empty(), "expanded: {:?}", got.used);
        for parsed in [&got.parsed, &got.behind] {
            prop_assert_eq!(parsed.commands.len(), 1);
            prop_assert!(parsed.special.is_empty(), "{:?}", parsed.special);
            prop_assert!(!parsed.open);
        }
        prop_assert_eq!(&got.script, &script);
        if reader != Reader::Ucrt {
            prop_assert_eq!(&got.file, arguments);
        }
        if reader != Reader::File {
            prop_assert_eq!(&got.program, arguments);
        }
    }
    Ok(true)
}

fn without(argument: &Wide, out: &[u16]) -> Wide {
    let units = argument.units().iter().copied();
    Wide::from(units.filter(|u| !out.contains(u)).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn no_argument_starts_a_command_is_expanded_or_changes(
        arguments in prop::collection::vec(hostile::word(), 0..5),
    ) {
        for reader in [Reader::Either, Reader::File, Reader::Ucrt] {
            holds(&arguments, reader)?;
        }
        // What is always refused left out: then a program behind the file gets all there is.
        let arguments: Vec<Wide> =
            arguments.iter().map(|a| without(a, &[0, 0x0a, 0x0d, 0x1a])).collect();
        prop_assert!(holds(&arguments, Reader::Ucrt)?);
        let arguments: Vec<Wide> = arguments.iter().map(|a| without(a, &[0x22])).collect();
        prop_assert!(holds(&arguments, Reader::File)?);
        let arguments: Vec<Wide> = arguments.iter().map(|a| without(a, &[0x5c])).collect();
        prop_assert!(holds(&arguments, Reader::Either)?);
    }

    #[test]
    fn a_text_comes_back_as_it_is_or_is_refused(word in hostile::word()) {
        match text(&word) {
            Ok(line) => prop_assert_eq!(unwrap(&line).unwrap(), word),
            Err(CmdError::Character { part, at, unit, .. }) => {
                prop_assert_eq!(part, Part::Text);
                prop_assert_eq!(word.units()[at], unit);
            }
            Err(e) => return Err(TestCaseError::fail(e.to_string())),
        }
    }
}

/// The control: lines as they are written for the C runtime, the known attacks on them, and that the
/// model sees each.
#[test]
fn the_model_sees_what_batbadbut_did() {
    let variables = pairs(&[("CMDCMDLINE", "cmd.exe /c \"x\""), ("PATH", r"C:\a;C:\b")]);
    for (argument, command) in [
        ("x&calc.exe", "calc.exe"),
        ("\"&calc.exe", "calc.exe"),
        ("\" | calc.exe & rem ", " calc.exe "),
        ("a %CMDCMDLINE:~-1%&calc.exe", "calc.exe\""),
        ("x\ncalc.exe", "calc.exe\""),
    ] {
        let line = join(&wide(&["t.bat", argument])).unwrap();
        let parsed = parse(&expand(&line, &variables).text);
        assert_eq!(
            parsed.commands[1][..command.len()],
            units(command)[..],
            "{argument}"
        );
    }
    let line = join(&wide(&["t.bat", "x>C:\\y"])).unwrap();
    assert_eq!(parse(&line).special, units(">"));
    let line = join(&wide(&["t.bat", "a %PATH% b"])).unwrap();
    assert_eq!(expand(&line, &variables).used, wide(&["PATH"]));
}

#[test]
fn variables_are_put_in_as_on_a_command_line() {
    let variables = pairs(&[("a", "12345"), ("b:", "B"), ("e", "")]);
    for (text, put_in) in [
        ("%a%", "12345"),
        ("%A%x", "12345x"),
        ("%no% %a%", "%no% 12345"),
        ("100% of %a%", "100% of 12345"),
        ("%%a%%", "%12345%"),
        ("%", "%"),
        ("%%", "%%"),
        ("%b:%", "B"),
        ("%a:~1%", "2345"),
        ("%a:~1,2%", "23"),
        ("%a:~-2%", "45"),
        ("%a:~0,-1%", "1234"),
        ("%a:~9%", ""),
        ("%a:~,%", ""),
        ("%no:~,%", "%no:~,%"),
        ("%cd:~,%", ""),
        ("%%cd:~,%", "%"),
        ("%%cd:~,%a%%cd:~,%", "%a%"),
        ("%a:x", "%a:x"),
    ] {
        let expanded = expand(&units(text), &variables);
        assert_eq!(
            String::from_utf16(&expanded.text).unwrap(),
            put_in,
            "{text}"
        );
    }
}

#[test]
fn what_is_written_for_known_hard_arguments() {
    for (argument, file, ucrt) in [
        ("plain", Some("plain"), Some("plain")),
        ("", Some(r#""""#), Some(r#""""#)),
        ("a b", Some(r#""a b""#), Some(r#""a b""#)),
        (
            "a&b|c<d>e^f(g)h",
            Some(r#""a&b|c<d>e^f(g)h""#),
            Some(r#""a&b|c<d>e^f(g)h""#),
        ),
        ("a=b", Some(r#""a=b""#), Some(r#""a=b""#)),
        ("!x!", Some(r#""!x!""#), Some(r#""!x!""#)),
        ("^1.2", Some(r#""^1.2""#), Some(r#""^1.2""#)),
        (
            "%PATH%",
            Some(r#""%%cd:~,%PATH%%cd:~,%""#),
            Some(r#""%%cd:~,%PATH%%cd:~,%""#),
        ),
        (r#"a"b"#, None, Some(r#""a""b""#)),
        (r#"a\"b"#, None, Some(r#""a\\""b""#)),
        (r#""&calc"#, None, Some(r#""""&calc""#)),
        (r"C:\dir\", Some(r"C:\dir\"), Some(r#""C:\dir\\""#)),
        (
            r"C:\my dir\",
            Some(r#""C:\my dir\""#),
            Some(r#""C:\my dir\\""#),
        ),
        ("ä", Some(r#""ä""#), Some(r#""ä""#)),
    ] {
        assert_eq!(
            said(&[argument], Reader::File).ok().as_deref(),
            file,
            "{argument}"
        );
        assert_eq!(
            said(&[argument], Reader::Ucrt).ok().as_deref(),
            ucrt,
            "{argument}"
        );
    }
    assert_eq!(
        batch(
            &Wide::from(r"C:\t.bat"),
            &wide(&["a", "b c"]),
            Reader::Either
        )
        .unwrap(),
        units(r#"cmd.exe /d /e:on /v:off /s /c ""C:\t.bat" a "b c"""#)
    );
}

#[test]
fn what_is_refused_names_the_character_and_its_place() {
    for (argument, reader, at, unit, why) in [
        ("a\nb", Reader::Ucrt, 1, 0x0a, Inexact::EndsLine),
        ("a\rb", Reader::Ucrt, 1, 0x0d, Inexact::Vanishes),
        ("ab\0", Reader::File, 2, 0, Inexact::EndsLine),
        ("\u{1a}", Reader::File, 0, 0x1a, Inexact::EndsLine),
        ("say \"x\"", Reader::File, 4, 0x22, Inexact::NoEscape),
        ("say \"x\"", Reader::Either, 4, 0x22, Inexact::Ambiguous),
        (r"my dir\\", Reader::Either, 7, 0x5c, Inexact::Ambiguous),
    ] {
        let part = Part::Argument(1);
        assert_eq!(
            said(&["x", argument], reader),
            Err(CmdError::Character {
                part,
                at,
                unit,
                why
            })
        );
    }
    for (script, at) in [("C:\\a\"b.bat", 4), ("C:\\dir\\", 6), ("C:\\a\nb.bat", 4)] {
        let e = batch(&Wide::from(script), &[], Reader::Ucrt).unwrap_err();
        assert!(
            matches!(e, CmdError::Character { part: Part::Script, at: found, .. } if found == at),
            "{script}"
        );
    }
    let e = said(&["x", "say \"x\""], Reader::File).unwrap_err();
    assert_eq!(
        e.to_string(),
        "argument 2 holds '\"', at 4: a batch file has no way to be given one"
    );
    let e = said(&["a\nb"], Reader::File).unwrap_err();
    assert_eq!(
        e.to_string(),
        "argument 1 holds U+000A, at 1: cmd.exe ends the line there"
    );
    let long = "a".repeat(MOST_UNITS);
    assert!(matches!(
        said(&[&long], Reader::Ucrt),
        Err(CmdError::TooLong { .. })
    ));
}
