//! Wine, on which the tests for Windows run: the one that is installed, if it is new enough,
//! else Debian's, unpacked into a directory of its own and changed so that it runs from there.

use super::{cache, debian, linker};
use crate::run::{self, Account};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest that the tests were seen to pass with.
const OLDEST: u32 = 10;
/// The release of Debian that has it.
const RELEASE: &str = "trixie";
/// Goes up when what is below makes another tree of the same packages.
const TREE: &str = "wine-2";

/// What is unpacked: Wine, the libraries it is linked to (it needs a newer libc than this
/// machine may have), and those that its cryptography loads.
const PACKAGES: [&str; 16] = [
    "libc6",
    "libgcc-s1",
    "libunwind8",
    "liblzma5",
    "libwine",
    "wine64",
    "libz-mingw-w64",
    "libgnutls30t64",
    "libnettle8t64",
    "libhogweed6t64",
    "libgmp10",
    "libp11-kit0",
    "libidn2-0",
    "libunistring5",
    "libtasn1-6",
    "libffi8",
];

/// Files of Wine for games, browsers and sound, which are two thirds of it: every new prefix
/// gets a copy of what is there. And its debugger: it is started for each program that crashes,
/// crashes itself, and is started for that.
const LEFT_OUT: [&str; 18] = [
    "winedbg*",
    "d3d*",
    "wined3d*",
    "d2d1*",
    "mshtml*",
    "msvcp[0-9]*",
    "msvcr[0-9]*",
    "msvcrtd*",
    "light.msstyles",
    "xa*",
    "xinput*",
    "x3d*",
    "dx[d-z]*",
    "dsound*",
    "msxml*",
    "jscript*",
    "quartz*",
    "mf*.dll",
];

/// A Wine that can be started.
pub(super) struct Wine {
    /// Runs a program for Windows.
    pub(super) program: PathBuf,
    /// What all of them share: files, registry, processes.
    pub(super) server: PathBuf,
}

impl Wine {
    /// Finds it, or makes it. Where `account` is who runs the tests it is made in that one's
    /// home, since a build directory may lie where only root can go.
    pub(super) fn setup(root: &Path, account: Option<&Account>) -> Result<Wine> {
        if let Some(installed) = installed()? {
            return Ok(installed);
        }
        let place = match account {
            Some(account) => account.home.join(super::PLACE),
            None => cache::dir(root),
        };
        let tree = place.join(TREE);
        cache::made(&tree, |part| make(part, &tree))?;
        Ok(Wine {
            program: tree.join("usr/lib/wine/wine64"),
            server: tree.join("usr/lib/wine/wineserver64"),
        })
    }
}

/// The installed one, if it is new enough.
fn installed() -> Result<Option<Wine>> {
    let Some(program) = run::on_path("wine") else {
        return Ok(None);
    };
    let mut ask = Command::new("timeout");
    ask.args(["--signal=KILL", "20"]).arg(&program);
    let said = run::output(ask.arg("--version"))?;
    let new_enough = major(&said).is_some_and(|major| major >= OLDEST);
    // Debian keeps it beside the path.
    let server = run::on_path("wineserver").or_else(|| {
        let beside = PathBuf::from("/usr/lib/wine/wineserver");
        beside.is_file().then_some(beside)
    });
    Ok(server
        .filter(|_| new_enough)
        .map(|server| Wine { program, server }))
}

/// The first number of `wine-10.0 (Debian 10.0~repack-6)`.
fn major(said: &str) -> Option<u32> {
    said.trim()
        .strip_prefix("wine-")?
        .split('.')
        .next()?
        .parse()
        .ok()
}

/// Makes the tree in `part`, to be run from `tree`.
fn make(part: &Path, tree: &Path) -> Result<()> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "Wine's programs here are for x86-64, which this machine is not"
    );
    linker::needs(&[
        (linker::STRIP, "binutils-mingw-w64-x86-64"),
        ("patchelf", "patchelf"),
    ])?;
    println!("xtask: unpacking Wine of Debian {RELEASE} (114 MB, once)");
    let work = part.join("work");
    let release = debian::Release::read(&work.join("apt"), RELEASE)
        .context("Wine 10 or newer is not installed, and cannot be had from Debian")?;
    let excluded: Vec<String> = LEFT_OUT
        .iter()
        .map(|name| format!("--exclude=./usr/lib/x86_64-linux-gnu/wine/x86_64-windows/{name}"))
        .collect();
    let mut tar = vec!["--wildcards", "--exclude=./usr/share/doc/*"];
    tar.extend(excluded.iter().map(String::as_str));
    for deb in release.download(&PACKAGES, &work.join("debs"))? {
        debian::unpack(&deb, part, &tar)?;
    }
    relocate(part, tree)?;
    strip(&part.join("usr/lib/x86_64-linux-gnu/wine/x86_64-windows"))?;
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))
}

/// Makes what lies in `part` run from `tree`, without what is installed on this machine.
fn relocate(part: &Path, tree: &Path) -> Result<()> {
    let libraries = "usr/lib/x86_64-linux-gnu";
    let programs = part.join("usr/lib/wine");
    for program in ["wine64", "wineserver64"] {
        let mut patch = Command::new("patchelf");
        patch
            .arg("--set-interpreter")
            .arg(tree.join(libraries).join("ld-linux-x86-64.so.2"))
            .args(["--force-rpath", "--set-rpath"])
            .arg(tree.join(libraries))
            .arg(programs.join(program));
        run::must_pass(&mut patch)?;
    }
    // Wine starts its server by this name; Debian's is a script with paths of an installation.
    let server = programs.join("wineserver");
    if server.symlink_metadata().is_ok() {
        fs::remove_file(&server)?;
    }
    symlink("wineserver64", &server)?;
    // The server looks for `wine/nls` here, and elsewhere on the machine if it is missing.
    let shared = part.join("usr/share/wine/wine");
    if shared.symlink_metadata().is_err() {
        symlink(".", &shared)?;
    }
    // What cannot be loaded: with FreeType and without fonts Wine makes no desktop window, and
    // then each explorer.exe starts another one without end.
    fs::write(part.join(libraries).join("libfreetype.so.6"), "")?;
    // What the package does when it is installed.
    let from = part.join("usr/x86_64-w64-mingw32/lib/zlib1.dll");
    let zlib = fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
    let to = part.join(libraries).join("wine/x86_64-windows/zlib1.dll");
    fs::write(to, builtin(zlib)?)?;
    Ok(())
}

/// The library with the mark of those that are Wine's own, in the place where it looks for it.
fn builtin(mut library: Vec<u8>) -> Result<Vec<u8>> {
    let mark = library
        .get_mut(64..96)
        .context("a library shorter than its header")?;
    mark.fill(0);
    mark[..16].copy_from_slice(b"Wine builtin DLL");
    Ok(library)
}

/// Takes the debug information out of Wine's libraries: two thirds of what each prefix copies.
fn strip(dir: &Path) -> Result<()> {
    let files: Vec<PathBuf> = fs::read_dir(dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            let extension = path.extension().unwrap_or_default();
            ["dll", "exe", "drv", "sys"]
                .iter()
                .any(|kind| extension == *kind)
        })
        .collect();
    let mut strip = Command::new(linker::STRIP);
    strip.arg("--strip-debug").args(files);
    run::must_pass(&mut strip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_wine_says() {
        assert_eq!(major("wine-10.0 (Debian 10.0~repack-6)\n"), Some(10));
        assert_eq!(major("wine-8.21\n"), Some(8));
        assert_eq!(major("no wine\n"), None);
    }

    #[test]
    fn a_library_is_marked_as_wines_own_and_keeps_the_rest() {
        let marked = builtin(vec![7; 100]).unwrap();
        assert_eq!(&marked[64..80], b"Wine builtin DLL");
        assert_eq!(&marked[80..96], &[0; 16]);
        assert_eq!(marked[63], 7);
        assert_eq!(marked[96], 7);
        assert!(builtin(vec![7; 95]).is_err());
    }
}
