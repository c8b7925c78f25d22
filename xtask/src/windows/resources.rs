//! What Windows reads in an `.exe` is in what was built.

use super::{cache, linker};
use crate::run;
use anyhow::{Context, Result, ensure};
use object::LittleEndian;
use object::pe::{RT_GROUP_ICON, RT_ICON, RT_MANIFEST, RT_VERSION};
use object::read::pe::{PeFile64, ResourceDirectory, ResourceDirectoryEntryData};
use ringfence_resources::{ICON, MANIFEST, Program};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The words that every version resource begins its numbers with.
const NUMBERS: [u8; 4] = 0xfeef_04bd_u32.to_le_bytes();

/// Holds that the file has our manifest, each size of our icon, and a version.
pub(super) fn check(file: &Path) -> Result<()> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    holds(&bytes).with_context(|| {
        format!(
            "{}: its build script must call ringfence_resources::embed",
            file.display()
        )
    })
}

/// The same for the resources alone, linked into an image without code: what is said in them
/// holds before the first program compiles for Windows, and apart from any.
pub(super) fn check_compiled(root: &Path) -> Result<()> {
    let dir = cache::dir(root).join("resources");
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let program = Program {
        name: "ringfence",
        description: "Ringfence",
        version: env!("CARGO_PKG_VERSION"),
    };
    let script = ringfence_resources::write(&dir, program)?;
    let compiled = dir.join("resources.o");
    let mut windres = Command::new(linker::WINDRES);
    windres.arg("--input").arg(&script);
    windres
        .arg("--output-format=coff")
        .arg("--output")
        .arg(&compiled);
    run::must_pass(&mut windres)?;
    let image = dir.join("resources.dll");
    let mut link = Command::new(linker::LINKER);
    link.args(["-shared", "-nostdlib", "-Wl,--entry=0", "-o"]);
    run::must_pass(link.arg(&image).arg(&compiled))?;
    check(&image)
}

fn holds(bytes: &[u8]) -> Result<()> {
    let manifests = found(bytes, RT_MANIFEST)?;
    ensure!(
        manifests == [MANIFEST.as_bytes()],
        "{} manifests, of which one was to be ours",
        manifests.len()
    );
    let sizes = usize::from(u16::from_le_bytes([ICON[4], ICON[5]]));
    let icons = (
        found(bytes, RT_GROUP_ICON)?.len(),
        found(bytes, RT_ICON)?.len(),
    );
    ensure!(
        icons == (1, sizes),
        "{icons:?} icons and sizes, not {:?}",
        (1, sizes)
    );
    let versions = found(bytes, RT_VERSION)?;
    let [version] = versions.as_slice() else {
        anyhow::bail!("{} versions instead of one", versions.len());
    };
    let at = version
        .windows(NUMBERS.len())
        .position(|window| window == NUMBERS)
        .context("a version without numbers")?;
    // Behind the signature and the structure's own version: minor, major, as a pair of u16.
    let major = version.get(at + 8..at + 12).context("a version cut off")?;
    let expected: Vec<u8> = [1, 0]
        .map(|place| number(env!("CARGO_PKG_VERSION"), place))
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    ensure!(
        major == expected,
        "version {major:?} instead of {expected:?}"
    );
    Ok(())
}

/// The number in a version's place.
fn number(version: &str, place: usize) -> u16 {
    let number = version.split(['.', '-']).nth(place);
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The resources of one kind, in every name and language.
fn found(bytes: &[u8], kind: u16) -> Result<Vec<&[u8]>> {
    let file = PeFile64::parse(bytes).context("no image for 64-bit Windows")?;
    let sections = file.section_table();
    let Some(directory) = file
        .data_directories()
        .resource_directory(bytes, &sections)?
    else {
        return Ok(Vec::new());
    };
    let mut places = Vec::new();
    for entry in directory.root()?.entries {
        if entry.name_or_id().id() == Some(kind) {
            gather(&directory, entry.data(directory)?, &mut places)?;
        }
    }
    places
        .into_iter()
        .map(|(at, size)| {
            let data = sections
                .pe_data_at(bytes, at)
                .and_then(|data| data.get(..size as usize));
            data.context("a resource outside of the image")
        })
        .collect()
}

/// Address and size of each resource at and below `entry`.
fn gather(
    directory: &ResourceDirectory<'_>,
    entry: ResourceDirectoryEntryData<'_>,
    places: &mut Vec<(u32, u32)>,
) -> Result<()> {
    match entry {
        ResourceDirectoryEntryData::Data(data) => {
            places.push((
                data.offset_to_data.get(LittleEndian),
                data.size.get(LittleEndian),
            ));
        }
        ResourceDirectoryEntryData::Table(table) => {
            for entry in table.entries {
                gather(directory, entry.data(*directory)?, places)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_image_is_an_error_and_not_a_pass() {
        assert!(holds(b"MZ").is_err());
        assert!(holds(b"").is_err());
    }

    #[test]
    fn a_place_that_a_version_lacks_is_zero() {
        assert_eq!(
            (number("1.2.3", 1), number("1", 1), number("0.7-rc", 1)),
            (2, 0, 7)
        );
    }
}
