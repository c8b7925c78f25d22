//! The table of what is found where, and that nothing is found where it should not be looked for.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::hostile;
use super::*;

const CWD: &str = r"C:\ws";
const PATHEXT: &str = ".COM;.EXE;.BAT;.CMD;.VBS;.JS;.PS1";

/// A machine of a few files; whoever looks at a path is written down.
struct Machine {
    there: BTreeMap<Vec<u16>, At>,
    asked: RefCell<Vec<Wide>>,
}

impl Machine {
    fn new(list: &[(&str, At)]) -> Machine {
        let there = list
            .iter()
            .map(|(path, at)| (Wide::from(*path).folded(), *at));
        Machine {
            there: there.collect(),
            asked: RefCell::default(),
        }
    }
}

impl Look for Machine {
    fn at(&self, path: &Wide) -> At {
        self.asked.borrow_mut().push(path.clone());
        *self.there.get(&path.folded()).unwrap_or(&At::Nothing)
    }
}

fn machine() -> Machine {
    use At::{Alias, Directory, File};
    Machine::new(&[
        (r"C:\sys\cmd.exe", File),
        (r"C:\sys\more.com", File),
        (r"C:\git\git.exe", File),
        (r"C:\git\python3.11.exe", File),
        (r"C:\node\npm", File),
        (r"C:\node\npm.cmd", File),
        (r"C:\node\npm.ps1", File),
        (r"C:\node\both.exe", File),
        (r"C:\node\both.bat", File),
        (r"C:\node\only", File),
        (r"C:\node\old.vbs", File),
        (r"C:\node\tool.js", File),
        (r"C:\node\page.html", File),
        (r"C:\node\folder.exe", Directory),
        (r"C:\apps\python.exe", Alias),
        (r"C:\apps\pwsh.exe", Alias),
        (r"C:\git\pwsh.exe", File),
        (r"C:\a;b\semi.exe", File),
        (r"C:\ws\git.exe", File),
        (r"C:\ws\evil.exe", File),
        (r"C:\ws\build.bat", File),
        (r"C:\ws\sub\x.exe", File),
        (r"C:\ws\sub", Directory),
        (r"C:\top.exe", File),
        (r"C:\ws", Directory),
        (r"C:\", Directory),
    ])
}

const PATH: &str =
    r#"C:\apps;;.;bin;C:rel;\root;\\srv\share;\\?\C:\git;C:\node\;"C:\a;b";C:/git;C:\sys"#;

fn ask(word: &str) -> Result<Found, ProgramError> {
    let (path, extensions, cwd) = (PATH.into(), PATHEXT.into(), CWD.into());
    let search = Search {
        path: &path,
        extensions: &extensions,
        cwd: &cwd,
    };
    find(&word.into(), &search, &machine())
}

#[test]
fn what_a_word_finds() {
    use Kind::{Batch, Image};
    for (word, path, kind) in [
        ("git", r"C:\git\git.exe", Image),
        ("GIT.EXE", r"C:\git\GIT.EXE", Image),
        ("more", r"C:\sys\more.com", Image),
        ("npm", r"C:\node\npm.cmd", Batch),
        ("npm.cmd", r"C:\node\npm.cmd", Batch),
        ("both", r"C:\node\both.exe", Image),
        ("both.bat", r"C:\node\both.bat", Batch),
        ("python3.11", r"C:\git\python3.11.exe", Image),
        ("pwsh", r"C:\git\pwsh.exe", Image),
        ("semi", r"C:\a;b\semi.exe", Image),
        (r".\evil", r"C:\ws\evil.exe", Image),
        ("./evil.exe", r"C:\ws\evil.exe", Image),
        (r"sub\x", r"C:\ws\sub\x.exe", Image),
        (r"sub\..\build", r"C:\ws\build.bat", Batch),
        (r"..\top", r"C:\top.exe", Image),
        (r"..\..\..\top.exe", r"C:\top.exe", Image),
        ("C:/git/./git", r"C:\git\git.exe", Image),
        (r"c:\ws\..\git\git.exe", r"c:\git\git.exe", Image),
    ] {
        let found = ask(word).unwrap_or_else(|e| panic!("{word}: {e}"));
        assert_eq!((found.path, found.kind), (path.into(), kind), "{word}");
    }
}

#[test]
fn what_is_refused_or_not_found_and_the_exit_code() {
    for (word, code, why) in [
        ("nothing", 127, None),
        ("", 127, None),
        ("evil", 127, None),
        ("build", 127, None),
        (r".\nothing", 127, None),
        (r"no\", 127, None),
        ("only", 126, Some(Why::NoExtension)),
        ("old", 126, Some(Why::Script("cscript"))),
        ("old.vbs", 126, Some(Why::Script("cscript"))),
        ("tool.js", 126, Some(Why::Script("node or cscript"))),
        (
            "npm.ps1",
            126,
            Some(Why::Script("powershell -File or pwsh -File")),
        ),
        ("page.html", 126, Some(Why::OtherKind)),
        ("folder", 126, Some(Why::Directory)),
        (r"C:\node\folder.exe", 126, Some(Why::Directory)),
        (r".\sub", 126, Some(Why::Directory)),
        (r"sub\", 126, Some(Why::Directory)),
        (".", 126, Some(Why::Directory)),
        ("..", 126, Some(Why::Directory)),
        (r".\..", 126, Some(Why::Directory)),
        (r"C:\", 126, Some(Why::Directory)),
        ("python", 126, Some(Why::Alias)),
        (r"\\srv\share\x.exe", 126, Some(Why::Remote)),
        ("//srv/share/x.exe", 126, Some(Why::Remote)),
        (r"\\?\C:\git\git.exe", 126, Some(Why::Device)),
        (r"\\.\pipe\x", 126, Some(Why::Device)),
        ("//./NUL", 126, Some(Why::Device)),
        (r"\??\C:\git\git.exe", 126, Some(Why::Device)),
        ("/usr/bin/env", 126, Some(Why::NoDrive)),
        ("C:git.exe", 126, Some(Why::DriveRelative)),
        ("C:", 126, Some(Why::DriveRelative)),
        ("git.exe:x", 126, Some(Why::Stream)),
        (r"C:\git\git.exe:x.exe", 126, Some(Why::Stream)),
        (r"C:\git\git.exe::$DATA", 126, Some(Why::Stream)),
        (r".\evil.exe:x", 126, Some(Why::Stream)),
        ("NUL", 126, Some(Why::Reserved)),
        ("nul.exe", 126, Some(Why::Reserved)),
        ("Con.tar.exe", 126, Some(Why::Reserved)),
        ("com1", 126, Some(Why::Reserved)),
        ("COM¹.exe", 126, Some(Why::Reserved)),
        ("aux .txt", 126, Some(Why::Reserved)),
        (r"C:\git\lpt9\git.exe", 126, Some(Why::Reserved)),
        ("CONOUT$", 126, Some(Why::Reserved)),
        ("com10", 127, None),
        ("console", 127, None),
        ("git.exe.", 126, Some(Why::Trailing)),
        ("git.exe ", 126, Some(Why::Trailing)),
        (r"C:\git \git.exe", 126, Some(Why::Trailing)),
        ("...", 126, Some(Why::Trailing)),
        ("g*t", 126, Some(Why::Character)),
        ("a\"b", 126, Some(Why::Character)),
        ("a\nb", 126, Some(Why::Character)),
        ("a\0b", 126, Some(Why::Character)),
    ] {
        let error = ask(word).map(|found| found.path).unwrap_err();
        assert_eq!(error.exit_code(), code, "{word}: {error}");
        let said = match error {
            ProgramError::NotFound { .. } => None,
            ProgramError::NotExecutable { why, .. }
            | ProgramError::Refused { why, .. }
            | ProgramError::Cwd { why, .. } => Some(why),
        };
        assert_eq!(said, why, "{word}");
    }
}

#[test]
fn what_was_passed_over_is_told_once_each_and_in_order() {
    let passed = ask("git").unwrap().passed;
    let told: Vec<_> = passed.iter().map(|p| (p.what.to_string(), p.why)).collect();
    let expected = [
        ("", Why::Relative),
        (".", Why::Relative),
        ("bin", Why::Relative),
        ("C:rel", Why::DriveRelative),
        (r"\root", Why::NoDrive),
        (r"\\srv\share", Why::Remote),
        (r"\\?\C:\git", Why::Device),
    ];
    assert_eq!(told, expected.map(|(what, why)| (what.to_owned(), why)));
    let passed = ask("pwsh").unwrap().passed;
    let alias = Passed {
        what: r"C:\apps\pwsh.exe".into(),
        why: Why::Alias,
    };
    assert_eq!(passed[0], alias);
    assert_eq!(
        ask("python").unwrap_err().to_string(),
        r"C:\apps\python.exe is not run: it is an alias of the Microsoft Store, which runs for nobody but you; install the program itself"
    );
}

#[test]
fn pathext_says_the_order_and_no_kind_of_its_own() {
    let (path, cwd) = (r"C:\node".into(), CWD.into());
    for (pathext, word, path_found) in [
        ("", "both", Some(r"C:\node\both.exe")),
        (".BAT;.EXE", "both", Some(r"C:\node\both.bat")),
        (".CMD", "both", None),
        (".CMD", "both.exe", Some(r"C:\node\both.exe")),
        (".JS", "both", Some(r"C:\node\both.exe")),
        (".JS", "tool", None),
        (r"..\..\ws\evil.exe;.x\y", "both", Some(r"C:\node\both.exe")),
    ] {
        let search = Search {
            path: &path,
            extensions: &pathext.into(),
            cwd: &cwd,
        };
        let found = find(&word.into(), &search, &machine()).ok().map(|f| f.path);
        assert_eq!(found, path_found.map(Wide::from), "{pathext} {word}");
    }
}

#[test]
fn a_working_directory_elsewhere_is_an_error_of_its_own() {
    for (cwd, why) in [
        (r"\\srv\share", Why::Remote),
        (r"\\?\C:\ws", Why::Device),
        ("ws", Why::Relative),
    ] {
        let (path, extensions) = (PATH.into(), PATHEXT.into());
        let search = Search {
            path: &path,
            extensions: &extensions,
            cwd: &cwd.into(),
        };
        let error = find(&r".\x".into(), &search, &machine()).unwrap_err();
        assert_eq!(
            error,
            ProgramError::Cwd {
                cwd: cwd.into(),
                why
            }
        );
        assert!(find(&"git".into(), &search, &machine()).is_ok());
    }
}

fn odd_path() -> impl Strategy<Value = Wide> {
    let entry = prop_oneof![
        prop::sample::select(vec![
            r"C:\git",
            r"C:\node\",
            "",
            ".",
            "..",
            r".\bin",
            "bin",
            "C:",
            "C:bin",
            r"\",
            r"\ws",
            r"\\srv\x",
            r"\\?\C:\ws",
            r"\\.\C:\ws",
            r"C:\git\..\sys",
            r"C:\sys\.",
            "C:/sys",
            r#""C:\a;b""#,
            r#"C:\no"de"#,
            r"%CD%",
            r"C:\NUL",
            r"C:\x:y",
        ])
        .prop_map(Wide::from),
        hostile::word(),
    ];
    prop::collection::vec(entry, 0..8).prop_map(|entries| {
        let entries: Vec<Vec<u16>> = entries.into_iter().map(Wide::into_units).collect();
        Wide::from(entries.join(&0x3b))
    })
}

fn odd_word() -> impl Strategy<Value = Wide> {
    let known = prop::sample::select(vec![
        "git",
        "git.exe",
        "evil",
        "evil.exe",
        "build",
        "build.bat",
        "npm",
        "python",
        "x",
        "ws",
        "sub",
    ]);
    prop_oneof![2 => known.prop_map(Wide::from), 1 => hostile::word()]
}

proptest! {
    #[test]
    fn a_bare_word_is_never_looked_for_where_the_command_runs(
        path in odd_path(),
        word in odd_word(),
        pathext in prop_oneof![Just(Wide::from(PATHEXT)), odd_path()],
    ) {
        let machine = machine();
        let search = Search { path: &path, extensions: &pathext, cwd: &CWD.into() };
        let bare = !word.units().iter().any(|unit| [0x5c, 0x2f, 0x3a].contains(unit));
        let result = find(&word, &search, &machine);
        // No entry above is the working directory by its full path.
        let here: Vec<u16> = Wide::from(r"C:\ws").folded();
        let asked = machine.asked.take();
        if bare {
            for path in &asked {
                prop_assert!(!path.folded().starts_with(&here), "{}", path);
            }
        }
        for path in &asked {
            let folded = path.folded();
            prop_assert!(matches!(folded[..], [0x41..=0x5a, 0x3a, 0x5c, ..]), "{}", path);
            prop_assert!(!folded[2..].contains(&0x3a), "{}", path);
            prop_assert!(!path.to_string().contains(r"\..\"), "{}", path);
        }
        if let Ok(found) = result {
            let name = found.path.to_string().to_ascii_lowercase();
            let batch = name.ends_with(".bat") || name.ends_with(".cmd");
            prop_assert_eq!(found.kind == Kind::Batch, batch);
            prop_assert!(batch || name.ends_with(".exe") || name.ends_with(".com"));
            prop_assert_eq!(machine.at(&found.path), At::File);
        }
    }

    #[test]
    fn any_path_gives_its_entries_back(path in odd_path()) {
        let entries = path::entries(&path);
        let kept: usize = entries.iter().map(Wide::len).sum();
        prop_assert!(kept <= path.len());
        let quoted = path.units().contains(&0x22);
        if !quoted && !path.is_empty() {
            let units: Vec<Vec<u16>> = entries.into_iter().map(Wide::into_units).collect();
            prop_assert_eq!(units.join(&0x3b), path.into_units());
        }
    }
}
