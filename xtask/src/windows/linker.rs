//! What links and strips programs for Windows here: mingw-w64.

use crate::{run, tools};
use anyhow::{Result, bail};

/// Its linker driver, which rustc starts by this name for `x86_64-pc-windows-gnu`.
pub(super) const LINKER: &str = "x86_64-w64-mingw32-gcc";
/// Its resource compiler.
pub(super) const WINDRES: &str = "x86_64-w64-mingw32-windres";
/// What takes debug information out.
pub(super) const STRIP: &str = "x86_64-w64-mingw32-strip";

/// The programs, and the Debian packages that hold them.
const PROGRAMS: [(&str, &str); 3] = [
    (LINKER, "gcc-mingw-w64-x86-64-win32"),
    (WINDRES, "binutils-mingw-w64-x86-64"),
    (STRIP, "binutils-mingw-w64-x86-64"),
];

/// Installs what is missing (as root), or says how.
pub(super) fn setup() -> Result<()> {
    needs(&PROGRAMS)
}

/// Sees to it that each program is on the path: as root by installing its package, else by an
/// error that names the command.
pub(super) fn needs(programs: &[(&str, &'static str)]) -> Result<()> {
    let missing = || -> Vec<&'static str> {
        let mut packages: Vec<_> = programs
            .iter()
            .filter(|(program, _)| run::on_path(program).is_none())
            .map(|(_, package)| *package)
            .collect();
        packages.dedup();
        packages
    };
    let wanted = missing();
    if wanted.is_empty() || (tools::install(&wanted)? && missing().is_empty()) {
        return Ok(());
    }
    bail!(
        "not installed here: {}; on Debian and Ubuntu: sudo {}",
        wanted.join(", "),
        tools::install_line(&wanted)
    )
}
