//! What a shim is made of: a script whose interpreter is this program.
//!
//! No shell reads it. One would be told by its environment (`ENV`, `LD_PRELOAD`) to run something
//! else first, outside of any ring, and an agent may let its model say the environment. This program
//! is linked statically and looks at neither.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use thiserror::Error;

use crate::say;

/// The word a shim starts this program with.
pub(crate) const VERB: &str = "from-shim";

/// How the second line begins. With the verb it tells a shim from what is somebody else's.
const MARK: &str = "# Made by `ringfence shim`";

/// The first line is read by the kernel into this much (`BINPRM_BUF_SIZE`, execve(2)).
const FIRST_LINE: usize = 255;

/// More than a shim ever is.
const MOST: u64 = 1 << 20;

/// A shim's content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shim {
    /// What this program is to be started with, before the arguments of the shell.
    pub(super) words: Vec<String>,
    /// Whether its directory was made for it.
    pub(super) made_directory: bool,
}

/// Why a shim cannot be written.
#[derive(Debug, Error)]
pub(super) enum Unwritable {
    #[error("{}: the kernel starts no interpreter at such a path (a space in it, or more than 240 bytes); install ringfence at another", say::Plain(.0))]
    Interpreter(PathBuf),
    #[error("a path or a flag is not UTF-8, which a shim cannot say")]
    NotText,
}

/// Why a file is no shim that can be followed.
#[derive(Debug, Error)]
pub(crate) enum NoShim {
    #[error("{}: {error}", say::Plain(.path))]
    Read {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{}: it was not made by `ringfence shim`, or was changed since", say::Plain(.0))]
    Other(PathBuf),
    #[error("{VERB} is for shims; `ringfence shim DIR` makes them")]
    Unnamed,
}

impl Shim {
    /// The text of the file.
    pub(super) fn text(&self, program: &Path) -> Result<String, Unwritable> {
        let Shim {
            words,
            made_directory,
        } = self;
        let unfit = || Unwritable::Interpreter(program.to_owned());
        let interpreter = program.to_str().ok_or_else(unfit)?;
        let first = format!("#!{interpreter} {VERB}");
        if interpreter.contains(char::is_whitespace) || first.len() >= FIRST_LINE {
            return Err(unfit());
        }
        let line = json!({ "words": words, "made_directory": made_directory });
        Ok(format!(
            "{first}\n{MARK}; `ringfence shim DIR --remove` takes it away.\n{line}\n"
        ))
    }

    /// Reads a shim; `None` for what is none.
    fn parse(text: &str) -> Option<Shim> {
        let mut lines = text.lines();
        let first = lines.next()?.strip_prefix("#!")?;
        first.strip_suffix(VERB)?.strip_suffix(' ')?;
        lines.next()?.strip_prefix(MARK)?;
        let line: Value = serde_json::from_str(lines.next()?).ok()?;
        let words = line.get("words")?.as_array()?;
        let words = words.iter().map(|word| word.as_str().map(str::to_owned));
        Some(Shim {
            words: words.collect::<Option<_>>()?,
            made_directory: line.get("made_directory")?.as_bool()?,
        })
    }

    /// The shim in a file.
    pub(super) fn read(path: &Path) -> Result<Shim, NoShim> {
        let fail = |error| NoShim::Read {
            path: path.to_owned(),
            error,
        };
        let mut text = Vec::new();
        let file = File::open(path).map_err(fail)?;
        file.take(MOST).read_to_end(&mut text).map_err(fail)?;
        String::from_utf8(text)
            .ok()
            .and_then(|text| Shim::parse(&text))
            .ok_or_else(|| NoShim::Other(path.to_owned()))
    }

    /// Whether a regular file, and no link, is a shim.
    pub(super) fn is_at(path: &Path) -> bool {
        std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file()) && Shim::read(path).is_ok()
    }
}

/// The words a shim stands for, when the kernel starts this program for one: those of the shim, and
/// then those its caller gave. `None` where no shim is meant.
pub(crate) fn followed(typed: &[OsString]) -> Result<Option<Vec<OsString>>, NoShim> {
    let [own, verb, rest @ ..] = typed else {
        return Ok(None);
    };
    if verb != VERB {
        return Ok(None);
    }
    let [file, arguments @ ..] = rest else {
        return Err(NoShim::Unnamed);
    };
    let shim = Shim::read(Path::new(file))?;
    let words = shim.words.into_iter().map(OsString::from);
    Ok(Some(
        std::iter::once(own.clone())
            .chain(words)
            .chain(arguments.iter().cloned())
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop};
    use proptest::{prop_assert_eq, proptest};

    fn shim(words: &[&str]) -> Shim {
        Shim {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            made_directory: true,
        }
    }

    #[test]
    fn what_somebody_else_wrote_is_no_shim() {
        let own = shim(&["run"]).text(Path::new("/opt/ringfence")).unwrap();
        assert_eq!(Shim::parse(&own), Some(shim(&["run"])));
        for other in [
            String::new(),
            "#!/bin/sh\nexec bash\n".to_owned(),
            own.replace("#!", "# "),
            own.replace(VERB, "-c"),
            own.replace(MARK, "# Made by me"),
            own.replace("[\"run\"]", "\"run\""),
            own.replace("[\"run\"]", "[1]"),
            own.replace("true", "1"),
        ] {
            assert_eq!(Shim::parse(&other), None, "{other}");
        }
    }

    #[test]
    fn a_program_the_kernel_would_not_start_is_refused() {
        let long = format!("/{}", "x".repeat(250));
        for program in ["/opt/ring fence/ringfence", "/opt/ring\nfence", &long] {
            assert!(shim(&[]).text(Path::new(program)).is_err(), "{program}");
        }
        let just = format!("/{}", "x".repeat(FIRST_LINE - VERB.len() - 5));
        assert!(shim(&[]).text(Path::new(&just)).is_ok());
    }

    #[test]
    fn a_shim_is_followed_with_its_callers_arguments() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert!(followed(&words(&["ringfence"])).unwrap().is_none());
        assert!(
            followed(&words(&["ringfence", "run", VERB]))
                .unwrap()
                .is_none()
        );
        assert!(followed(&words(&["ringfence", VERB])).is_err());
        assert!(followed(&words(&["ringfence", VERB, "/etc/passwd"])).is_err());
        let file = std::env::temp_dir().join(format!("rf-shim-{}", std::process::id()));
        let text = shim(&["run", "--", "/bin/sh"]).text(Path::new("/opt/ringfence"));
        std::fs::write(&file, text.unwrap()).unwrap();
        let typed = words(&["ringfence", VERB, file.to_str().unwrap(), "-c", "--json"]);
        let expected = words(&["ringfence", "run", "--", "/bin/sh", "-c", "--json"]);
        assert_eq!(followed(&typed).unwrap(), Some(expected));
        std::fs::remove_file(&file).unwrap();
    }

    proptest! {
        #[test]
        fn every_word_is_read_back(words in prop::collection::vec(any::<String>(), 0..6)) {
            let shim = Shim { words, made_directory: false };
            let text = shim.text(Path::new("/opt/ringfence")).unwrap();
            prop_assert_eq!(Shim::parse(&text), Some(shim));
        }
    }
}
