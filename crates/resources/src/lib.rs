//! What Windows reads in an `.exe`: the manifest (as whom it runs, how paths and text are
//! meant), the version, the icon.
//!
//! For build scripts, which call [`embed`]. For other systems that does nothing.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "what a build script prints is what it tells cargo"
)]

use embed_resource::CompilationResult;
use std::fs;
use std::path::{Path, PathBuf};

/// As whom the program runs, and how it means paths and text.
pub const MANIFEST: &str = include_str!("../windows/ringfence.manifest");
/// The icon, in five sizes.
pub const ICON: &[u8] = include_bytes!("../windows/ringfence.ico");

/// What is said about one program.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// Its name without `.exe`.
    pub name: &'a str,
    /// What it is, in a few words: Windows shows them as its name.
    pub description: &'a str,
    /// Its version, as cargo writes it.
    pub version: &'a str,
}

/// Why an `.exe` has no resources.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// Cargo sets it for build scripts.
    #[error("{name} is not set: this is called from a build script")]
    NoBuildScript {
        /// The variable.
        name: &'static str,
    },
    /// A file for the resource compiler could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The resource compiler is missing or failed.
    #[error(
        "the resources were not compiled; for -gnu install mingw-w64 (windres), for -msvc the Windows SDK (rc)"
    )]
    Compile {
        /// What it said.
        source: CompilationResult,
    },
}

/// Puts manifest, version and icon into the binary `name` of the package whose build script
/// calls this, if it is built for Windows.
///
/// # Errors
/// [`EmbedError`]; a program for Windows without a manifest is not to be shipped.
pub fn embed(name: &str, description: &str) -> Result<(), EmbedError> {
    println!("cargo::rerun-if-changed=build.rs");
    if variable("CARGO_CFG_TARGET_OS")? != "windows" {
        return Ok(());
    }
    // From elsewhere code for Microsoft's tools is checked only, and their compiler is not there.
    if variable("CARGO_CFG_TARGET_ENV")? == "msvc" && !cfg!(windows) {
        println!("cargo::warning={name}.exe gets no resources: it cannot be linked here");
        return Ok(());
    }
    let version = variable("CARGO_PKG_VERSION")?;
    let program = Program {
        name,
        description,
        version: &version,
    };
    let script = write(Path::new(&variable("OUT_DIR")?), program)?;
    embed_resource::compile_for(script, [name], embed_resource::NONE)
        .manifest_required()
        .map_err(|source| EmbedError::Compile { source })
}

/// Writes what the resource compiler reads into `dir`. Gives the script, which names the others.
///
/// # Errors
/// [`EmbedError::Write`].
pub fn write(dir: &Path, program: Program<'_>) -> Result<PathBuf, EmbedError> {
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        match fs::write(&path, bytes) {
            Ok(()) => Ok(path),
            Err(source) => Err(EmbedError::Write { path, source }),
        }
    };
    let manifest = put("ringfence.manifest", MANIFEST.as_bytes())?;
    let icon = put("ringfence.ico", ICON)?;
    put("ringfence.rc", script(program, &manifest, &icon).as_bytes())
}

/// The script. Numbers instead of names, so that it includes no header of an SDK.
fn script(program: Program<'_>, manifest: &Path, icon: &Path) -> String {
    let (name, version) = (quoted(program.name), quoted(program.version));
    let numbers = numbers(program.version);
    let description = quoted(program.description);
    let (manifest, icon) = (
        quoted(&manifest.to_string_lossy()),
        quoted(&icon.to_string_lossy()),
    );
    format!(
        "#pragma code_page(65001)\n\
         1 24 \"{manifest}\"\n\
         1 ICON \"{icon}\"\n\
         1 VERSIONINFO\n\
         FILEVERSION {numbers}\n\
         PRODUCTVERSION {numbers}\n\
         FILEFLAGSMASK 0x3f\n\
         FILEFLAGS 0\n\
         FILEOS 0x40004\n\
         FILETYPE 1\n\
         BEGIN\n\
         BLOCK \"StringFileInfo\"\n\
         BEGIN\n\
         BLOCK \"040904b0\"\n\
         BEGIN\n\
         VALUE \"CompanyName\", \"Ringfence\"\n\
         VALUE \"FileDescription\", \"{description}\"\n\
         VALUE \"FileVersion\", \"{version}\"\n\
         VALUE \"InternalName\", \"{name}\"\n\
         VALUE \"LegalCopyright\", \"Apache-2.0\"\n\
         VALUE \"OriginalFilename\", \"{name}.exe\"\n\
         VALUE \"ProductName\", \"Ringfence\"\n\
         VALUE \"ProductVersion\", \"{version}\"\n\
         END\n\
         END\n\
         BLOCK \"VarFileInfo\"\n\
         BEGIN\n\
         VALUE \"Translation\", 0x409, 1200\n\
         END\n\
         END\n"
    )
}

/// Text as it stands between quotes in a script.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\"\"")
}

/// `1.2.3-rc.1` as the four numbers that Windows compares.
fn numbers(version: &str) -> String {
    let plain = version.split(['-', '+']).next().unwrap_or_default();
    let mut numbers: Vec<u16> = plain
        .split('.')
        .map(|number| number.parse().unwrap_or(0))
        .collect();
    numbers.resize(4, 0);
    let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
    numbers.join(",")
}

fn variable(name: &'static str) -> Result<String, EmbedError> {
    std::env::var(name).map_err(|_| EmbedError::NoBuildScript { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_four_numbers() {
        assert_eq!(numbers("1.2.3"), "1,2,3,0");
        assert_eq!(numbers("0.1.0-rc.1+x"), "0,1,0,0");
        assert_eq!(numbers("70000"), "0,0,0,0");
    }

    #[test]
    fn a_path_of_windows_stays_one_in_the_script() {
        let program = Program {
            name: "ringfence",
            description: "says \"no\"",
            version: "0.1.0",
        };
        let text = script(program, Path::new(r"C:\a\m"), Path::new("/b/i"));
        assert!(text.contains("1 24 \"C:\\\\a\\\\m\"\n"), "{text}");
        assert!(text.contains("1 ICON \"/b/i\"\n"), "{text}");
        assert!(text.contains("\"says \"\"no\"\"\""), "{text}");
    }

    #[test]
    fn the_manifest_asks_for_no_more_than_whoever_starts_it_has() {
        for said in [
            "level=\"asInvoker\"",
            ">true</longPathAware>",
            ">UTF-8</activeCodePage>",
            "{8e0f7a12-bfb3-4fe8-b9a5-48fd50a15a9a}",
        ] {
            assert!(MANIFEST.contains(said), "{said}");
        }
    }
}
