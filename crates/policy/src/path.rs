//! Paths as text: what `~` and `$NAME` stand for, and `.` and `..` taken out, all without a look at
//! the disk.

use std::path::{Component, Path, PathBuf};

use crate::defaults::{self, VARIABLES, xdg_default};
use crate::error::Problem;
use crate::model::Protect;
use crate::sources::Context;

/// The absolute path a text stands for; relative ones begin at `base`.
pub(crate) fn expand(path: &Path, base: &Path, context: &Context<'_>) -> Result<PathBuf, Problem> {
    check(path)?;
    let whole = match anchor(path, context)? {
        Some(anchored) => anchored,
        None => base.join(path),
    };
    let whole = normal(&whole).ok_or_else(|| Problem::AboveRoot(lossy(path)))?;
    if !whole.is_absolute() {
        return Err(Problem::NotAbsolute(lossy(path)));
    }
    if whole.parent().is_none() {
        return Err(Problem::WholeDisk(lossy(path)));
    }
    Ok(whole)
}

/// As [`expand`], for a path that becomes writable: not one that holds the whole home directory.
pub(crate) fn write_root(
    path: &Path,
    base: &Path,
    context: &Context<'_>,
) -> Result<PathBuf, Problem> {
    let whole = expand(path, base, context)?;
    let home = context.home.as_deref().and_then(normal);
    if home.is_some_and(|home| home.starts_with(&whole)) {
        return Err(Problem::WholeHome(lossy(path)));
    }
    Ok(whole)
}

/// A protected path: relative ones lie below every write root.
pub(crate) fn protect(path: &Path, context: &Context<'_>) -> Result<Protect, Problem> {
    check(path)?;
    if path.has_root() || path.is_absolute() || anchor(path, context)?.is_some() {
        return expand(path, &context.cwd, context).map(Protect::Absolute);
    }
    let below = normal(path).ok_or_else(|| Problem::AboveRoot(lossy(path)))?;
    if below.as_os_str().is_empty() {
        return Err(Problem::WriteRootItself(lossy(path)));
    }
    Ok(Protect::Relative(below))
}

/// Takes `.`, `..` and trailing slashes out of a path, without a look at the disk; `None` where `..` leads
/// above where it begins.
pub(crate) fn normal(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::with_capacity(path.as_os_str().len());
    let mut depth = 0_usize;
    for component in path.components() {
        match component {
            Component::Prefix(_) | Component::RootDir => out.push(component),
            Component::CurDir => {}
            Component::ParentDir => {
                depth = depth.checked_sub(1)?;
                out.pop();
            }
            Component::Normal(name) => {
                out.push(name);
                depth += 1;
            }
        }
    }
    Some(out)
}

fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// What no path of a policy may hold.
fn check(path: &Path) -> Result<(), Problem> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.is_empty() {
        return Err(Problem::Empty);
    }
    if bytes.iter().any(u8::is_ascii_control) {
        return Err(Problem::Control(lossy(path)));
    }
    if cfg!(windows)
        && let Some(why) = windows_form(&path.to_string_lossy())
    {
        return Err(Problem::WindowsForm {
            path: lossy(path),
            why,
        });
    }
    if bytes.iter().any(|byte| matches!(byte, b'*' | b'?')) {
        return Err(Problem::Glob(lossy(path)));
    }
    Ok(())
}

/// Names that Windows reads in another way than they look, so that a rule about the one would miss the other.
pub(crate) fn windows_form(path: &str) -> Option<&'static str> {
    let slashed = path.replace('/', "\\");
    if slashed.starts_with("\\\\?\\") || slashed.starts_with("\\??\\") {
        return Some("a verbatim path");
    }
    if slashed.starts_with("\\\\.\\") {
        return Some("a device path");
    }
    if slashed.starts_with("\\\\") {
        return Some("a network path");
    }
    let bytes = slashed.as_bytes();
    let drive = bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
    if drive && bytes.get(2) != Some(&b'\\') {
        return Some("relative to a drive's own current directory");
    }
    let below = if drive {
        &slashed[2..]
    } else {
        slashed.as_str()
    };
    if below.contains(':') {
        return Some("a stream of a file");
    }
    for name in below
        .split('\\')
        .filter(|name| !matches!(*name, "" | "." | ".."))
    {
        if name.ends_with(['.', ' ']) {
            return Some("read without its last dot or blank");
        }
        let stem = name.split('.').next().unwrap_or(name).trim_end();
        let device = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
        let numbered = stem.len() == 4
            && stem
                .get(..3)
                .is_some_and(|s| s.eq_ignore_ascii_case("COM") || s.eq_ignore_ascii_case("LPT"))
            && stem.as_bytes()[3].is_ascii_digit();
        if numbered
            || device
                .iter()
                .any(|device| stem.eq_ignore_ascii_case(device))
        {
            return Some("the name of a device");
        }
        let short = name.find('~').is_some_and(|at| {
            at > 0 && name.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit) && stem.len() <= 8
        });
        if short {
            return Some("a short (8.3) name");
        }
    }
    None
}

/// The path that `~` or `$NAME` at the beginning stands for; `None` where neither stands there.
fn anchor(path: &Path, context: &Context<'_>) -> Result<Option<PathBuf>, Problem> {
    let mut components = path.components();
    let first = components.next();
    let named = |component: Component<'_>| match component {
        Component::Normal(name) => name.to_str().and_then(variable).is_some(),
        _ => false,
    };
    if components.clone().any(named) {
        return Err(Problem::VariableNotFirst(lossy(path)));
    }
    let Some(Component::Normal(first)) = first else {
        return Ok(None);
    };
    // A first component that is not UTF-8 is neither.
    let Some(first) = first.to_str() else {
        return Ok(None);
    };
    let start = if first == "~" {
        context
            .home
            .clone()
            .ok_or_else(|| Problem::NoHome(lossy(path)))?
    } else if first.starts_with('~') {
        return Err(Problem::OtherHome(lossy(path)));
    } else if let Some(name) = variable(first) {
        if !VARIABLES.contains(&name) {
            return Err(Problem::UnknownVariable(lossy(path)));
        }
        value(name, context).ok_or_else(|| Problem::VariableUnset(lossy(path)))?
    } else {
        return Ok(None);
    };
    Ok(Some(start.join(components.as_path())))
}

/// The name in `$NAME`, `${NAME}` or `%NAME%`, if the component is that and nothing else.
fn variable(component: &str) -> Option<&str> {
    let name = if let Some(rest) = component.strip_prefix('$') {
        rest.strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .unwrap_or(rest)
    } else {
        component
            .strip_prefix('%')
            .and_then(|rest| rest.strip_suffix('%'))?
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins = name
        .bytes()
        .next()
        .is_some_and(|byte| !byte.is_ascii_digit());
    (begins && name.bytes().all(fits)).then_some(name)
}

fn value(name: &str, context: &Context<'_>) -> Option<PathBuf> {
    if let Some(path) = defaults::absolute(context.variable, name) {
        return Some(path);
    }
    let home = context.home.as_deref()?;
    match name {
        "HOME" | "USERPROFILE" => Some(home.to_owned()),
        _ => xdg_default(name).map(|below| home.join(below)),
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt;

    fn with<T>(check: impl FnOnce(&Context<'_>) -> T) -> T {
        let variable = |name: &str| match name {
            "CARGO_HOME" => Some(OsString::from("/opt/cargo/")),
            "TMPDIR" => Some(OsString::from("tmp")),
            "GOPATH" => Some(OsString::new()),
            _ => None,
        };
        check(&Context {
            account_home: None,
            home: Some("/home/a".into()),
            cwd: "/work".into(),
            variable: &variable,
        })
    }

    fn expanded(text: &str) -> Result<PathBuf, Problem> {
        with(|context| expand(Path::new(text), Path::new("/base/dir"), context))
    }

    #[test]
    fn what_stands_for_what() {
        for (text, path) in [
            ("x", "/base/dir/x"),
            ("../x/", "/base/x"),
            ("./a/./b/../c//", "/base/dir/a/c"),
            ("~", "/home/a"),
            ("~/x", "/home/a/x"),
            ("./~x", "/base/dir/~x"),
            ("$HOME/x", "/home/a/x"),
            ("${XDG_CONFIG_HOME}/x", "/home/a/.config/x"),
            ("$CARGO_HOME/bin/", "/opt/cargo/bin"),
            ("$Recycle.Bin", "/base/dir/$Recycle.Bin"),
            ("a/Foo$Bar.class", "/base/dir/a/Foo$Bar.class"),
            ("/a/../b", "/b"),
            ("app/[id].tsx", "/base/dir/app/[id].tsx"),
        ] {
            assert_eq!(expanded(text), Ok(PathBuf::from(path)), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(expanded(""), Err(Problem::Empty));
        assert!(matches!(expanded("a\0b"), Err(Problem::Control(_))));
        assert!(matches!(expanded("a\nb"), Err(Problem::Control(_))));
        assert!(matches!(expanded("*.env"), Err(Problem::Glob(_))));
        assert!(matches!(expanded("/.."), Err(Problem::AboveRoot(_))));
        assert!(matches!(expanded("../../../x"), Err(Problem::AboveRoot(_))));
        assert!(matches!(expanded("~bob/x"), Err(Problem::OtherHome(_))));
        assert!(matches!(
            expanded("$SECRET/x"),
            Err(Problem::UnknownVariable(_))
        ));
        assert!(matches!(
            expanded("%PATH%/x"),
            Err(Problem::UnknownVariable(_))
        ));
        assert!(matches!(
            expanded("/a/$HOME/x"),
            Err(Problem::VariableNotFirst(_))
        ));
        assert!(matches!(
            expanded("$TMPDIR/x"),
            Err(Problem::VariableUnset(_))
        ));
        assert!(matches!(
            expanded("$GOPATH"),
            Err(Problem::VariableUnset(_))
        ));
        assert!(matches!(expanded("/"), Err(Problem::WholeDisk(_))));
        assert!(matches!(expanded("/a/.."), Err(Problem::WholeDisk(_))));
    }

    #[test]
    fn a_name_that_is_not_utf_8_stays_as_it_is() {
        let odd = Path::new(OsStr::from_bytes(b"\xff/x"));
        let path = with(|context| expand(odd, Path::new("/base"), context)).unwrap();
        assert_eq!(path, Path::new(OsStr::from_bytes(b"/base/\xff/x")));
    }

    #[test]
    fn the_home_does_not_become_writable_as_a_whole() {
        for text in ["~", "/home", "/home/a/", "~/x/.."] {
            let root = with(|context| write_root(Path::new(text), Path::new("/base"), context));
            assert!(matches!(root, Err(Problem::WholeHome(_))), "{text}");
        }
        let root = with(|context| write_root(Path::new("~/x"), Path::new("/base"), context));
        assert_eq!(root, Ok(PathBuf::from("/home/a/x")));
    }

    #[test]
    fn protected_paths_lie_below_every_write_root_or_in_one_place() {
        let protected = |text: &str| with(|context| protect(Path::new(text), context));
        assert_eq!(protected("deploy/"), Ok(Protect::Relative("deploy".into())));
        assert_eq!(protected("./a/../b"), Ok(Protect::Relative("b".into())));
        assert_eq!(protected("~/x"), Ok(Protect::Absolute("/home/a/x".into())));
        assert_eq!(protected("/x/"), Ok(Protect::Absolute("/x".into())));
        assert!(matches!(protected("../x"), Err(Problem::AboveRoot(_))));
        assert!(matches!(protected("."), Err(Problem::WriteRootItself(_))));
        assert!(matches!(
            protected("a/.."),
            Err(Problem::WriteRootItself(_))
        ));
    }

    #[test]
    fn what_windows_reads_in_another_way_is_known() {
        for odd in [
            "\\\\?\\C:\\x",
            "//?/C:/x",
            "\\\\.\\pipe\\x",
            "\\\\server\\share",
            "C:x",
            "C:",
            "a\\file::$DATA",
            "file:stream",
            "C:\\x\\y:z",
            "C:\\PROGRA~1\\x",
            "C:\\x.",
            "C:\\x \\y",
            "C:\\nul.txt",
            "com1",
        ] {
            assert!(windows_form(odd).is_some(), "{odd}");
        }
        for plain in [
            "C:\\Users\\a",
            "a\\b",
            "..\\x",
            "~\\x",
            ".\\",
            "C:/x/y.z",
            "comet",
            "a~b",
        ] {
            assert_eq!(windows_form(plain), None, "{plain}");
        }
    }
}
