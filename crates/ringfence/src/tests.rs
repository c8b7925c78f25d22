//! Names, programs, state, environment, caches: on a real file system.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use ringfence_plan::RingMode;
use ringfence_policy::{Context, Effective, FileText, NetworkMode, Sources, Trust, load};

use crate::adapt::adapt;
use crate::caches::layers;
use crate::environment::{ChildEnvironment, filter};
use crate::error::{Error, Kind};
use crate::locate::{follow, no_follow};
use crate::prepare::Purpose;
use crate::program::find;
use crate::state::State;
use crate::trust;

/// A directory of this test alone, gone with it.
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn new() -> Dir {
        use std::hash::{BuildHasher, RandomState};
        // Not the process' number alone: one in a namespace of its own has another's.
        let number = RandomState::new().hash_one(std::process::id());
        let path = std::env::temp_dir().join(format!("rf-unit-{number:016x}"));
        std::fs::create_dir(&path).unwrap();
        Dir(path.canonicalize().unwrap())
    }

    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn program(&self, name: &str) -> PathBuf {
        let path = self.file(name, "#!/bin/sh\n");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

fn policy(text: &str) -> Effective {
    let none = |_: &str| -> Option<OsString> { None };
    let sources = Sources {
        user: Some(FileText {
            path: "/home/ada/policy.toml".into(),
            text: text.to_owned(),
        }),
        ..Sources::default()
    };
    let context = Context {
        account_home: None,
        home: Some("/home/ada".into()),
        cwd: "/".into(),
        variable: &none,
    };
    load(&sources, &context).unwrap()
}

fn environment(pairs: &[(&str, &str)]) -> ChildEnvironment {
    let mut child = ChildEnvironment::default();
    for (name, value) in pairs {
        child.set(name, *value);
    }
    child
}

#[test]
fn a_program_is_found_on_the_childs_path_but_never_in_the_current_directory() {
    let dir = Dir::new();
    let here = dir.program("cwd/tool");
    let there = dir.program("bin/tool");
    let cwd = dir.0.join("cwd");
    let bin = dir.0.join("bin");
    let find = |name: &str, path: &str| find(OsStr::new(name), Some(OsStr::new(path)), &cwd);
    // The current directory in each spelling.
    for own in ["", ".", "./", "../cwd", "sub/.."] {
        let path = format!("{own}:{}", bin.display());
        assert_eq!(find("tool", &path).unwrap(), there, "{own:?} first");
        let error = find("tool", own).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound, "{own:?} alone");
    }
    // Named as a path it is the person's word.
    assert_eq!(find("./tool", "").unwrap(), cwd.join("./tool"));
    assert_eq!(find(here.to_str().unwrap(), "").unwrap(), here);
}

#[test]
fn what_is_not_there_is_127_and_what_cannot_run_is_126() {
    let dir = Dir::new();
    dir.file("a/plain", "text");
    dir.dir("a/folder");
    dir.program("b/plain");
    let path = |names: &[&str]| {
        let all: Vec<String> = names
            .iter()
            .map(|n| dir.0.join(n).display().to_string())
            .collect();
        OsString::from(all.join(":"))
    };
    let kind = |name: &str, names: &[&str]| {
        find(OsStr::new(name), Some(&path(names)), &dir.0).map_err(|e| e.kind())
    };
    assert_eq!(kind("none", &["a", "b", "missing"]), Err(Kind::NotFound));
    assert_eq!(kind("", &["a"]), Err(Kind::NotFound));
    assert_eq!(kind("a/none", &[]), Err(Kind::NotFound));
    assert_eq!(kind("a/plain/below", &[]), Err(Kind::NotFound));
    assert_eq!(kind("plain", &["a"]), Err(Kind::NotExecutable));
    assert_eq!(kind("folder", &["a"]), Err(Kind::NotExecutable));
    assert_eq!(kind("a/plain", &[]), Err(Kind::NotExecutable));
    assert_eq!(kind("a/folder", &[]), Err(Kind::NotExecutable));
    // A later directory that has it right wins, as with a shell.
    assert_eq!(kind("plain", &["a", "b"]), Ok(dir.0.join("b/plain")));
    assert!(
        find(OsStr::new("sh"), None, &dir.0).is_ok(),
        "without a PATH"
    );
}

#[test]
fn a_name_is_resolved_to_where_it_really_is() {
    let dir = Dir::new();
    let file = dir.file("real/file", "x");
    symlink("real", dir.0.join("link")).unwrap();
    symlink("file", dir.0.join("real/last")).unwrap();
    assert_eq!(follow(&dir.0.join("link/last")).unwrap().at.path, file);
    let last = no_follow(&dir.0.join("link/last")).unwrap().unwrap();
    assert_eq!(last.path, dir.0.join("real/last"));
    assert_ne!(last.inode, follow(&file).unwrap().at.inode);
    assert_eq!(no_follow(&dir.0.join("link/none")), Ok(None));
    assert_eq!(no_follow(&dir.0.join("none/none")), Ok(None));
    assert_eq!(
        no_follow(Path::new("/")).unwrap().unwrap().path,
        Path::new("/")
    );
    assert!(follow(&dir.0.join("none")).is_err());
    // However it is written.
    let real = dir.0.join("real");
    for written in ["real/", "./real", ".//real/.", "real/../real", "link/"] {
        let found = follow(&dir.0.join(written)).unwrap().at;
        assert_eq!(found.path.as_os_str(), real.as_os_str(), "{written}");
        assert!(found.dir);
    }
    assert!(follow(&dir.0.join("real/file/")).is_err());
    assert_eq!(no_follow(&dir.0.join("real/file/below")), Ok(None));
}

#[test]
fn state_is_written_whole_and_private() {
    let dir = Dir::new();
    let state = State::at(dir.0.join("state"));
    let file = state.dir().join("deep/file");
    state.write(&file, b"one").unwrap();
    state.write(&file, b"two").unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"two");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    assert_eq!(mode(state.dir()), 0o700);
    // A failed try leaves what was, and nothing beside it.
    std::fs::create_dir(state.dir().join("deep/dir")).unwrap();
    let error = state
        .write(&state.dir().join("deep/dir"), b"x")
        .unwrap_err();
    assert!(matches!(error, Error::State { .. }), "{error}");
    let mut left: Vec<_> = std::fs::read_dir(state.dir().join("deep"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["dir", "file"]);
}

#[test]
fn a_lock_is_held_by_one_and_goes_with_it() {
    let dir = Dir::new();
    let state = State::at(dir.0.clone());
    let path = dir.0.join("lock");
    let first = state.try_lock(&path).unwrap();
    assert!(first.is_some());
    assert!(state.try_lock(&path).unwrap().is_none());
    drop(first);
    assert!(state.try_lock(&path).unwrap().is_some());
}

#[test]
fn workspaces_of_one_name_have_directories_of_their_own() {
    let state = State::at("/state".into());
    let names: Vec<PathBuf> = ["/a/work", "/b/work", "/a/work ", "/a/wörk", "/"]
        .iter()
        .map(|p| state.workspace(Path::new(p)))
        .collect();
    for (index, name) in names.iter().enumerate() {
        assert!(name.starts_with("/state/workspaces"), "{name:?}");
        assert_eq!(name.components().count(), 4, "{name:?}");
        assert!(!names[..index].contains(name), "{name:?}");
    }
    let name = names[0].file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("work-"), "{name}");
    // However the path of one is spelled.
    let of = |path: &str| state.workspace(Path::new(path));
    assert_eq!(of("/home/ada/work/"), of("/home/ada/work"));
}

#[test]
fn trust_is_in_the_exact_text_at_that_place() {
    let dir = Dir::new();
    let state = State::at(dir.0.join("state"));
    let path = dir.file("w/.ringfence.toml", "mode = \"read-only\"\n");
    let file = |text: &str| FileText {
        path: path.clone(),
        text: text.to_owned(),
    };
    let text = "mode = \"read-only\"\n";
    assert_eq!(trust::of(Some(&state), &file(text)), Trust::Untrusted);
    trust::trust(&state, &file(text)).unwrap();
    assert_eq!(trust::of(Some(&state), &file(text)), Trust::Trusted);
    assert_eq!(trust::of(None, &file(text)), Trust::Untrusted);
    assert_eq!(
        trust::of(Some(&state), &file("mode = \"read-only\" \n")),
        Trust::Untrusted
    );
    // The same text elsewhere is another's.
    let elsewhere = FileText {
        path: dir.file("v/.ringfence.toml", text),
        text: text.to_owned(),
    };
    assert_eq!(trust::of(Some(&state), &elsewhere), Trust::Untrusted);
    // By a link it is the same place.
    symlink("w", dir.0.join("link")).unwrap();
    let linked = FileText {
        path: dir.0.join("link/.ringfence.toml"),
        text: text.to_owned(),
    };
    assert_eq!(trust::of(Some(&state), &linked), Trust::Trusted);
    assert!(trust::untrust(&state, &path).unwrap());
    assert!(!trust::untrust(&state, &path).unwrap());
    assert_eq!(trust::of(Some(&state), &file(text)), Trust::Untrusted);
}

#[test]
fn the_child_is_told_of_its_ring_and_not_of_the_hosts_runtime_directory() {
    let mut child = environment(&[
        ("TMPDIR", "/host/tmp"),
        ("PWD", "/elsewhere"),
        ("XDG_RUNTIME_DIR", "/run/user/1"),
        ("RINGFENCE", "forged"),
    ]);
    adapt(
        &mut child,
        RingMode::Namespaces,
        NetworkMode::Off,
        Path::new("/tmp"),
        Path::new("/w"),
    );
    let get = |name: &str| child.get(name).and_then(OsStr::to_str);
    assert_eq!(get("TMPDIR"), Some("/tmp"));
    assert_eq!(get("TEMP"), None);
    assert_eq!(get("PWD"), Some("/w"));
    assert_eq!(get("XDG_RUNTIME_DIR"), None);
    assert_eq!(get("RINGFENCE"), Some("namespaces"));
    assert_eq!(get("RINGFENCE_NETWORK"), Some("off"));
    let marks = child.variables.iter().filter(|(n, _)| n == "RINGFENCE");
    assert_eq!(marks.count(), 1);
}

#[test]
fn secrets_are_dropped_and_the_rest_passes() {
    let pairs = [("PATH", "/bin"), ("GITHUB_TOKEN", "ghp_x"), ("LANG", "C")];
    let all = pairs
        .iter()
        .map(|(n, v)| (OsString::from(n), OsString::from(v)));
    let child = filter(all, &policy("").environment);
    assert_eq!(child.to_strings(), ["PATH=/bin", "LANG=C"]);
    let dropped: Vec<&OsString> = child.dropped.iter().map(|(n, _)| n).collect();
    assert_eq!(dropped, ["GITHUB_TOKEN"]);
}

/// Tools whose caches a command gets: layered, kept, shared.
fn tools(dir: &Dir, text: &str, program: &str, child: &ChildEnvironment) -> [Vec<String>; 3] {
    let state = State::at(dir.0.join("state"));
    let home = dir.dir("home");
    let (workspace, program) = (dir.dir("w"), Path::new(program));
    let found = layers(
        &policy(text),
        &workspace,
        (program, &[]),
        child,
        Some(&home),
        Some(&state),
        Purpose::Run,
    )
    .unwrap();
    let short = |p: &Path| p.strip_prefix(&dir.0).unwrap().display().to_string();
    [
        found.overlays.iter().map(|c| short(&c.at.path)).collect(),
        found.kept.iter().map(|k| k.tool.clone()).collect(),
        found.shared.iter().map(|s| short(&s.path)).collect(),
    ]
}

#[test]
fn caches_follow_the_program_the_workspace_and_the_variables() {
    let none = || Vec::<String>::new();
    let plain = environment(&[]);
    let dir = Dir::new();
    dir.dir("home/.cargo");
    dir.dir("home/.npm");
    let one = |name: &str| vec![name.to_owned()];
    assert_eq!(
        tools(&dir, "", "/bin/cat", &plain),
        [none(), none(), none()]
    );
    assert_eq!(
        tools(&dir, "", "/bin/cargo", &plain),
        [one("home/.cargo"), none(), none()]
    );
    // A driver may start any of them; what the user has not is not made for it.
    let both = vec!["home/.cargo".to_owned(), "home/.npm".to_owned()];
    assert_eq!(tools(&dir, "", "/bin/sh", &plain), [both, none(), none()]);
    // The workspace says so.
    dir.file("w/go.mod", "");
    let go = vec!["go".to_owned(), "go".to_owned()];
    assert_eq!(tools(&dir, "", "/bin/cat", &plain), [none(), go, none()]);
    std::fs::remove_file(dir.0.join("w/go.mod")).unwrap();
    // Moved, shared, none, listed.
    dir.dir("elsewhere");
    let moved = environment(&[("CARGO_HOME", dir.0.join("elsewhere").to_str().unwrap())]);
    assert_eq!(tools(&dir, "", "/bin/cargo", &moved)[0], one("elsewhere"));
    let relative = environment(&[("CARGO_HOME", "elsewhere")]);
    assert_eq!(
        tools(&dir, "", "/bin/cargo", &relative)[0],
        one("home/.cargo")
    );
    let shared = "caches.mode = \"shared\"";
    assert_eq!(
        tools(&dir, shared, "/bin/cargo", &plain),
        [none(), none(), one("home/.cargo")]
    );
    let off = "caches.mode = \"none\"";
    assert_eq!(
        tools(&dir, off, "/bin/cargo", &plain),
        [none(), none(), none()]
    );
    let listed = "caches.tools = [\"npm\"]";
    assert_eq!(
        tools(&dir, listed, "/bin/cargo", &plain),
        [one("home/.npm"), none(), none()]
    );
}

#[test]
fn two_rings_of_one_workspace_do_not_share_a_layer() {
    let dir = Dir::new();
    let cache = dir.dir("home/.cargo");
    let (home, workspace) = (dir.dir("home"), dir.dir("w"));
    let state = State::at(dir.0.join("state"));
    let ring = || {
        let program = Path::new("/bin/cargo");
        let child = environment(&[]);
        let (home, state) = (Some(home.as_path()), Some(&state));
        layers(
            &policy(""),
            &workspace,
            (program, &[]),
            &child,
            home,
            state,
            Purpose::Run,
        )
        .unwrap()
    };
    let (first, second) = (ring(), ring());
    let upper = |layers: &crate::caches::Layers| layers.overlays[0].upper.path.clone();
    assert_eq!(first.overlays[0].at.path, cache);
    assert_ne!(upper(&first), upper(&second));
    let again = upper(&first);
    drop(first);
    assert_eq!(upper(&ring()), again);
}

#[test]
fn root_keeps_nothing_in_another_users_home() {
    use crate::sys::kept_in_of;
    let (home, account) = (Path::new("/home/ada"), Path::new("/root"));
    assert_eq!(kept_in_of(home, true, Some(account)), account);
    assert_eq!(kept_in_of(home, false, Some(account)), home);
    assert_eq!(kept_in_of(home, true, None), home);
}
