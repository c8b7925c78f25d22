//! What a test needs of the machine.
//!
//! At a desk a test that cannot run says why and is skipped. Where `RINGFENCE_EXPECT` promised what
//! is missing, it fails: `RINGFENCE_EXPECT=userns,landlock=7,root,tools`.

use std::process::{Command, Stdio};

use crate::person::Person;

/// Who a test runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// An ordinary user.
    User,
    /// Uid 0.
    Root,
}

/// Whether this machine has all of `wanted` for `who`; `None` after printing what is missing.
///
/// Names: `userns`, `landlock>=N`, `tool:NAME`. Being `who` is always asked.
///
/// # Panics
/// When something is missing that `RINGFENCE_EXPECT` promised.
pub fn needs(who: Who, wanted: &[&str]) -> Option<Person> {
    let person = match Person::find(who) {
        Ok(person) => person,
        Err(why) => return missing("root", &why),
    };
    crate::warm::toolchain(&person);
    for want in wanted {
        if let Err(why) = has(&person, want) {
            return missing(want, &why);
        }
    }
    Some(person)
}

/// Prints the skip, or fails when the capability was promised.
pub(crate) fn missing<T>(want: &str, why: &str) -> Option<T> {
    assert!(
        !promised(want, &std::env::var("RINGFENCE_EXPECT").unwrap_or_default()),
        "RINGFENCE_EXPECT promised {want}, but {why}"
    );
    println!("skipped: needs {want}: {why}");
    None
}

/// Whether the comma list `expect` promises `want`.
fn promised(want: &str, expect: &str) -> bool {
    expect.split(',').map(str::trim).any(|promise| {
        if let (Some(at_least), Some(has)) = (
            want.strip_prefix("landlock>="),
            promise.strip_prefix("landlock="),
        ) {
            return at_least.parse::<u32>().unwrap_or(u32::MAX) <= has.parse::<u32>().unwrap_or(0);
        }
        promise == want
            || (promise == "tools" && (want.starts_with("tool:") || want.starts_with("warm:")))
    })
}

fn has(person: &Person, want: &str) -> Result<(), String> {
    if let Some(tool) = want.strip_prefix("tool:") {
        return person
            .tool(tool)
            .map(drop)
            .ok_or_else(|| format!("{tool} is not on the PATH of {}", person.name));
    }
    if let Some(least) = want.strip_prefix("landlock>=") {
        let least: i32 = least.parse().expect("landlock>=N");
        let have = landlock_version();
        return if have >= least {
            Ok(())
        } else {
            Err(format!("the kernel's Landlock is {have}"))
        };
    }
    match want {
        "userns" => user_namespaces(person),
        other => panic!("no capability is called {other}"),
    }
}

fn user_namespaces(person: &Person) -> Result<(), String> {
    let tried = person
        .command("unshare", std::path::Path::new("/"))
        .args(["--user", "--map-current-user", "true"])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("unshare cannot be started: {e}"))?;
    if tried.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&tried.stderr).trim().to_owned())
    }
}

/// landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) has no front in a library here,
/// and this crate holds no unsafe code; perl is in every Debian.
fn landlock_version() -> i32 {
    Command::new("perl")
        .args(["-e", "print syscall(444, 0, 0, 1)"])
        .output()
        .ok()
        .and_then(|out| String::from_utf8_lossy(&out.stdout).trim().parse().ok())
        .unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::promised;

    #[test]
    fn a_promise_is_kept_by_name_and_by_version() {
        assert!(promised("root", "userns, root"));
        assert!(!promised("root", "userns"));
        assert!(promised("landlock>=4", "landlock=7"));
        assert!(!promised("landlock>=8", "landlock=7"));
        assert!(promised("tool:git", "tools"));
        assert!(promised("warm:npm", "tools"));
        assert!(!promised("tool:git", ""));
    }
}
