//! The hidden paths: where each tool keeps its secrets, and which document says so.

mod table;

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{absolute, xdg_default};
use crate::model::Hide;
use Base::{Absolute, Cache, Config, Data, Home, Moved, State};
use Os::{Any, Linux, Mac, Unix, Windows};
use table::ENTRIES;
pub use table::MOVED_BY;
pub(super) use table::NAMES;

/// Where an entry's path begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// The home directory.
    Home,
    /// `XDG_CONFIG_HOME`, and `~/.config`.
    Config,
    /// `XDG_DATA_HOME`, and `~/.local/share`.
    Data,
    /// `XDG_STATE_HOME`, and `~/.local/state`.
    State,
    /// `XDG_CACHE_HOME`, and `~/.cache`.
    Cache,
    /// The value of a tool's own variable, which the path is below; nothing while it is unset.
    Moved(&'static str),
    /// The root.
    Absolute,
}

/// Where an entry makes sense.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Os {
    /// Each.
    Any,
    /// Linux and macOS.
    Unix,
    /// Linux.
    Linux,
    /// macOS.
    Mac,
    /// Windows.
    Windows,
}

impl Os {
    pub(super) fn here() -> Self {
        if cfg!(windows) {
            Windows
        } else if cfg!(target_os = "macos") {
            Mac
        } else {
            Linux
        }
    }

    fn has(self, entry: Self) -> bool {
        entry == Any || entry == self || (entry == Unix && self != Windows)
    }
}

/// Names directly below an entry's path that stay visible: they hold no secret and ssh(1) needs them.
fn visible(path: &str) -> &'static [&'static str] {
    if path == ".ssh" {
        &["known_hosts", "config"]
    } else {
        &[]
    }
}

/// The hidden paths of a system.
pub(super) fn on(
    os: Os,
    home: Option<&Path>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Vec<Hide> {
    // The same four for every entry, and each look-up of a variable may walk the environment.
    let moved = |name| absolute(variable, name).and_then(|path| crate::path::normal(&path));
    let bases = [Config, Data, State, Cache].map(|base| {
        let usual = home
            .zip(base.xdg().and_then(xdg_default))
            .map(|(home, usual)| home.join(usual));
        (
            base,
            base.xdg()
                .and_then(moved)
                .filter(|moved| usual.as_ref() != Some(moved)),
        )
    });
    let mut all: Vec<Hide> = Vec::with_capacity(ENTRIES.len());
    for &(name, _, base, path, why) in ENTRIES.iter().filter(|entry| os.has(entry.1)) {
        let mut add = |path: PathBuf, except: &[&str]| {
            all.push(Hide {
                path,
                except: except.iter().map(PathBuf::from).collect(),
                why: Cow::Borrowed(why),
                name: name.to_owned(),
            });
        };
        match base {
            Absolute => add(PathBuf::from(path), &[]),
            Home => {
                if let Some(home) = home {
                    add(below(home, "", path), visible(path));
                }
            }
            Config | Data | State | Cache => {
                let usual = base.xdg().and_then(xdg_default).zip(home);
                let moved = bases.iter().find(|(known, _)| *known == base);
                if let Some((_, Some(moved))) = moved {
                    add(below(moved, "", path), &[]);
                }
                if let Some((usual, home)) = usual {
                    add(below(home, usual, path), &[]);
                }
            }
            Moved(tool) => {
                for place in places(tool, variable) {
                    let place = if path.is_empty() {
                        place
                    } else {
                        place.join(path)
                    };
                    if harmless_to_hide(&place, home) && all.iter().all(|hide| hide.path != place) {
                        all.push(Hide {
                            path: place,
                            except: Vec::new(),
                            why: Cow::Borrowed(why),
                            name: name.to_owned(),
                        });
                    }
                }
            }
        }
    }
    all
}

/// One path of three parts in one allocation: there are many, and they are made for each command.
fn below(base: &Path, middle: &str, path: &str) -> PathBuf {
    let length = base.as_os_str().len() + middle.len() + path.len() + 2;
    let mut out = PathBuf::with_capacity(length);
    out.push(base);
    if !middle.is_empty() {
        out.push(middle);
    }
    out.push(path);
    out
}

impl Base {
    fn xdg(self) -> Option<&'static str> {
        match self {
            Config => Some("XDG_CONFIG_HOME"),
            Data => Some("XDG_DATA_HOME"),
            State => Some("XDG_STATE_HOME"),
            Cache => Some("XDG_CACHE_HOME"),
            Home | Moved(_) | Absolute => None,
        }
    }
}

/// The absolute places a tool's variable names. `KUBECONFIG` is a list, as `PATH` is.
fn places(tool: &str, variable: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let Some(value) = variable(tool) else {
        return Vec::new();
    };
    let listed: Vec<PathBuf> = if tool == "KUBECONFIG" {
        std::env::split_paths(&value).collect()
    } else {
        vec![PathBuf::from(value)]
    };
    let absolute = listed.iter().filter(|path| path.is_absolute());
    absolute
        .filter_map(|path| crate::path::normal(path))
        .collect()
}

/// `HISTFILE=/dev/null` keeps no history, and hiding the device would break every shell; a variable
/// that names the home directory or what holds it must not make all of it unreadable.
fn harmless_to_hide(place: &Path, home: Option<&Path>) -> bool {
    let kernel = [Path::new("/dev"), Path::new("/proc"), Path::new("/sys")];
    place.parent().is_some()
        && !kernel.iter().any(|kernel| place.starts_with(kernel))
        && !home.is_some_and(|home| home.starts_with(place))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HOME: &str = if cfg!(windows) {
        "C:\\home\\a"
    } else {
        "/home/a"
    };

    fn paths(os: Os, variables: &[(&str, &str)]) -> Vec<PathBuf> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        on(os, Some(Path::new(HOME)), &variable)
            .into_iter()
            .map(|hide| hide.path)
            .collect()
    }

    #[test]
    fn each_system_has_enough_entries_and_no_path_twice() {
        for (os, least) in [(Linux, 120), (Mac, 90), (Windows, 70)] {
            let mut all = paths(os, &[]);
            assert!(all.len() >= least, "{} entries", all.len());
            let count = all.len();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), count);
        }
    }

    #[test]
    fn every_entry_names_its_source_and_names_are_in_step() {
        let mut names: Vec<&str> = ENTRIES.iter().map(|entry| entry.0).collect();
        names.dedup();
        assert_eq!(
            names, NAMES,
            "entries of one name stand together, in the order of NAMES"
        );
        for entry in ENTRIES {
            let (what, source) = entry.4.split_once(": ").unwrap();
            assert!(
                !what.is_empty() && source.len() > 4,
                "{entry:?}",
                entry = entry.3
            );
            assert!(!entry.4.contains(char::is_control));
        }
        let mut moved: Vec<&str> = ENTRIES
            .iter()
            .filter_map(|e| if let Moved(v) = e.2 { Some(v) } else { None })
            .collect();
        moved.dedup();
        assert_eq!(moved, MOVED_BY);
    }

    #[cfg(unix)]
    #[test]
    fn a_moved_place_is_hidden_beside_the_usual_one() {
        let all = paths(
            Linux,
            &[
                ("XDG_CONFIG_HOME", "/cfg"),
                ("XDG_STATE_HOME", "/home/a/.local/state/"),
                ("KUBECONFIG", "/k/one:/k/x/../two:three"),
                ("HISTFILE", "/home/a/.bash_history"),
            ],
        );
        let count = |path: &str| all.iter().filter(|known| *known == Path::new(path)).count();
        assert_eq!(count("/cfg/gh"), 1);
        assert_eq!(count("/home/a/.config/gh"), 1);
        assert_eq!(count("/home/a/.local/state/ringfence"), 1);
        assert_eq!((count("/k/one"), count("/k/two")), (1, 1));
        assert_eq!(count("/home/a/.bash_history"), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_cannot_hide_the_home_or_a_device() {
        let plain = paths(Linux, &[]);
        for (name, value) in [
            ("HISTFILE", "/dev/null"),
            ("GNUPGHOME", "/home/a"),
            ("GNUPGHOME", "/home/a/x/.."),
            ("CLOUDSDK_CONFIG", "/"),
            ("XDG_CONFIG_HOME", "relative"),
            ("GNUPGHOME", ""),
        ] {
            assert_eq!(paths(Linux, &[(name, value)]), plain, "{name}={value}");
        }
    }

    #[test]
    fn without_a_home_the_system_s_own_remain() {
        let all = on(Linux, None, &|_| None);
        assert!(all.iter().any(|hide| hide.path == Path::new("/etc/shadow")));
        assert!(all.iter().all(|hide| hide.path.has_root()));
    }
}
