//! What a test needs of the machine. At a desk one that cannot run says why and passes;
//! where `RINGFENCE_EXPECT` (`userns,landlock=7,root,tools`) promised it, it fails.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]
#![allow(clippy::print_stdout, reason = "a skip is told")]

use std::process::Command;

/// Whether an ordinary process may make user namespaces with their capabilities.
pub fn userns() -> bool {
    let tried = Command::new("unshare")
        .args(["--user", "--map-current-user", "--mount", "true"])
        .output();
    match tried {
        Ok(output) if output.status.success() => true,
        Ok(output) => missing("userns", String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) => missing("userns", &format!("unshare: {error}")),
    }
}

/// Whether the kernel's Landlock has at least this ABI.
pub fn landlock(least: u32) -> bool {
    let have = ringfence_sys_linux::landlock::abi();
    have >= least
        || missing(
            &format!("landlock>={least}"),
            &format!("the kernel has ABI {have}"),
        )
}

/// Whether a program is to be had.
pub fn tool(path: &str) -> bool {
    std::path::Path::new(path).exists() || missing("tools", &format!("there is no {path}"))
}

fn missing(want: &str, why: &str) -> bool {
    let expect = std::env::var("RINGFENCE_EXPECT").unwrap_or_default();
    let promised = expect.split(',').map(str::trim).any(|promise| {
        match (
            want.strip_prefix("landlock>="),
            promise.strip_prefix("landlock="),
        ) {
            (Some(least), Some(has)) => least.parse::<u32>().ok() <= has.parse::<u32>().ok(),
            _ => promise == want,
        }
    });
    assert!(!promised, "RINGFENCE_EXPECT promised {want}, but {why}");
    println!("skipped: needs {want}: {why}");
    false
}
