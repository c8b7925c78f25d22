//! The child's environment.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use ringfence_policy::{EnvVerdict, Environment};

/// The ring this process runs in, as the ring's own variable says. Nothing is decided by
/// it: it is said, so that an answer is not taken for one about the machine.
#[must_use]
pub fn inside() -> Option<String> {
    std::env::var_os("RINGFENCE").map(|mode| mode.to_string_lossy().into_owned())
}

/// What a child gets and what was kept from it.
#[derive(Debug, Clone, Default)]
pub struct ChildEnvironment {
    /// Names and values.
    pub variables: Vec<(OsString, OsString)>,
    /// Names that were dropped, and why.
    pub dropped: Vec<(OsString, EnvVerdict)>,
}

impl ChildEnvironment {
    /// Sets a variable, in place of one of that name.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.retain(|(n, _)| !is_called(n, name));
        self.variables.push((name.into(), value.into()));
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .iter()
            .find(|(n, _)| is_called(n, name))
            .map(|(_, v)| v.as_os_str())
    }

    /// As `execve(2)` takes it.
    #[must_use]
    pub fn to_strings(&self) -> Vec<OsString> {
        self.variables
            .iter()
            .map(|(name, value)| {
                let mut text = name.clone();
                text.push("=");
                text.push(value);
                text
            })
            .collect()
    }
}

/// Whether a variable has this name: on Windows `Path` is `PATH`.
fn is_called(variable: &OsStr, name: &str) -> bool {
    if cfg!(windows) {
        variable.eq_ignore_ascii_case(name)
    } else {
        variable == name
    }
}

/// Sorts out what passes.
#[must_use]
pub fn filter(
    variables: impl Iterator<Item = (OsString, OsString)>,
    rules: &Environment,
) -> ChildEnvironment {
    let mut child = ChildEnvironment::default();
    for (name, value) in variables {
        match rules.judge(&name, &value) {
            EnvVerdict::Pass => child.variables.push((name, value)),
            verdict => child.dropped.push((name, verdict)),
        }
    }
    child
}

/// Whether a variable names what is loaded, read or run beside a program (`ld.so(8)`, and the manuals of interpreters and git).
pub(crate) fn leads(name: &OsStr) -> bool {
    const BEGIN: [&str; 10] = [
        "BASH_FUNC_",
        "DYLD_",
        "GIT_",
        "JAVA_",
        "LD_",
        "LUA_",
        "NODE_",
        "PERL",
        "PYTHON",
        "RUBY",
    ];
    const WHOLE: [&str; 12] = [
        "BASH_ENV",
        "CDPATH",
        "CLASSPATH",
        "ENV",
        "FPATH",
        "GCONV_PATH",
        "GEM_HOME",
        "GEM_PATH",
        "PHPRC",
        "PHP_INI_SCAN_DIR",
        "VIRTUAL_ENV",
        "ZDOTDIR",
    ];
    // Who a commit is by.
    const NOT: [&str; 3] = ["GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_TERMINAL_PROMPT"];
    let name = name.to_string_lossy();
    let begins = |with: &[&str]| with.iter().any(|begin| name.starts_with(begin));
    WHOLE.contains(&&*name) || begins(&BEGIN) && !begins(&NOT)
}

/// Variables that name the directory for temporary files.
pub(crate) const TEMPORARY: [&str; 3] = ["TMPDIR", "TMP", "TEMP"];

/// Sends temporary files to a directory that is not the usual one.
pub fn temporary(child: &mut ChildEnvironment, temp: &Path) {
    for name in TEMPORARY {
        child.set(name, temp.as_os_str());
    }
}
