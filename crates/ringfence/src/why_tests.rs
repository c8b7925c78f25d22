#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Answer, Ground, Place, explain, place, word};
use ringfence_ops::linux::{Located, Mask};
use ringfence_ops::{Availability, Facts};
use ringfence_plan::{Access, Guarded, Hidden, Missing, Root, Site, plan, promise};
use ringfence_policy::{Context, Effective, FileText, Flags, Layer, Sources, load};
use rustix::fs::FileType;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const HOME: &str = "/home/ada";
const POLICY: &str = "/home/ada/.config/ringfence/policy.toml";

fn policy(text: &str) -> Effective {
    let none = |_: &str| -> Option<OsString> { None };
    load(
        &Sources {
            user: Some(FileText {
                path: POLICY.into(),
                text: text.to_owned(),
            }),
            flags: Flags::default(),
            ..Sources::default()
        },
        &Context {
            account_home: None,
            home: Some(HOME.into()),
            cwd: "/home/ada/work".into(),
            variable: &none,
        },
    )
    .expect("a valid policy")
}

fn dir(path: &str) -> Located {
    Located {
        path: path.into(),
        device: 1,
        inode: path.len() as u64,
        dir: true,
    }
}

fn file(path: &str) -> Located {
    Located {
        dir: false,
        ..dir(path)
    }
}

fn root(path: &str) -> Root {
    let below = |name: &str| Path::new(path).join(name).to_string_lossy().into_owned();
    let guarded = |name: &str, promise| Guarded {
        pins: Vec::new(),
        object: dir(&below(name)),
        promise,
    };
    Root {
        at: dir(path),
        inner: Vec::new(),
        guarded: vec![
            guarded(".git/hooks", promise::PROTECT_GIT),
            guarded("deploy", promise::PROTECT_PATHS),
        ],
        missing: vec![Missing {
            dir: dir(path),
            names: vec![".envrc".into()],
        }],
    }
}

fn site() -> Site {
    let hidden = |name: &str, at: Located, keep: Vec<Located>| Hidden {
        mask: Mask { at, keep },
        name: name.to_owned(),
        pins: Vec::new(),
        link: None,
    };
    Site {
        workspace: "/home/ada/work".into(),
        roots: vec![root("/home/ada/work"), root("/srv/fixtures")],
        cwd: dir("/home/ada/work"),
        hidden: vec![
            hidden(
                "hide.ssh",
                dir("/home/ada/.ssh"),
                vec![file("/home/ada/.ssh/known_hosts")],
            ),
            hidden("hide", dir("/home/ada/vault"), Vec::new()),
        ],
        temps: vec![dir("/tmp")],
        temp_own: None,
        socket_dirs: vec![Mask {
            at: dir("/run"),
            keep: Vec::new(),
        }],
        sockets: vec![file("/srv/docker.sock")],
        granted_sockets: Vec::new(),
        second: Vec::new(),
        caches: Vec::new(),
        kept: Vec::new(),
        shared: Vec::new(),
        readable: None,
        console: None,
        doubts: Vec::new(),
    }
}

const WIDER: &str = "[filesystem]\nwrite = [\"/srv/fixtures\"]\nprotect = [\"deploy\"]\nhide = \
                     [\"~/vault\"]\n";

fn ask_of(text: &str, facts: &Facts, path: &str, kind: Option<FileType>) -> Answer {
    let policy = policy(text);
    let site = site();
    let plan = plan(&policy, &site, facts).expect("a plan");
    let path = PathBuf::from(path);
    explain(
        &Ground {
            policy: &policy,
            plan: Some(&plan),
            site: &site,
            derived: &[],
            home: Some(Path::new(HOME)),
        },
        &Place {
            existing: match kind {
                Some(_) => path.clone(),
                None => path.parent().unwrap().to_owned(),
            },
            path,
            kind,
        },
    )
}

fn ask(path: &str, kind: Option<FileType>) -> Answer {
    ask_of(WIDER, &Facts::current_linux(), path, kind)
}

const FILE: Option<FileType> = Some(FileType::RegularFile);

#[test]
fn the_workspace_is_writable_and_its_hooks_are_not() {
    let answer = ask("/home/ada/work/src/main.rs", FILE);
    assert_eq!((answer.access, answer.word), (Access::Writable, "writable"));
    assert_eq!(answer.remedy, "");

    let answer = ask("/home/ada/work/.git/hooks/pre-commit", None);
    assert_eq!(answer.access, Access::ReadOnly);
    assert_eq!(answer.promise, Some(promise::PROTECT_GIT));
    assert_eq!(answer.remedy, "change it outside");
}

#[test]
fn what_a_file_said_is_named_with_its_line() {
    let answer = ask("/srv/fixtures/a", FILE);
    assert_eq!(answer.access, Access::Writable);
    assert_eq!(
        (answer.origin.layer, answer.origin.line),
        (Layer::User, Some(2))
    );

    let answer = ask("/home/ada/work/deploy/key", FILE);
    assert_eq!(answer.origin.line, Some(3));
    assert_eq!(answer.remedy, format!("take it out of {POLICY}:3"));

    let answer = ask("/home/ada/vault/a", FILE);
    assert_eq!((answer.word, answer.origin.line), ("hidden", Some(4)));
    assert_eq!(answer.remedy, format!("take it out of {POLICY}:4"));
}

#[test]
fn a_built_in_secret_is_revealed_by_its_name() {
    let answer = ask("/home/ada/.ssh/id_ed25519", FILE);
    assert_eq!((answer.access, answer.word), (Access::Hidden, "hidden"));
    assert_eq!(answer.origin.layer, Layer::Builtin);
    assert_eq!(answer.remedy, "--reveal hide.ssh");

    let answer = ask("/home/ada/.ssh/known_hosts", FILE);
    assert_eq!(answer.access, Access::ReadOnly);
    assert!(answer.because.contains("stays visible"), "{answer:?}");
}

#[test]
fn a_secret_that_does_not_exist_is_named_as_one() {
    let answer = ask("/home/ada/.aws/credentials", None);
    assert_eq!(answer.access, Access::ReadOnly);
    assert!(answer.because.contains("hide."), "{answer:?}");
    assert_eq!(answer.remedy, "make it outside first");
}

#[test]
fn what_lies_in_no_write_root_takes_one() {
    let answer = ask("/home/ada/other/it's", FILE);
    assert_eq!(answer.access, Access::ReadOnly);
    assert_eq!(answer.remedy, r"--write '/home/ada/other/it'\''s'");
    // What does not exist is opened by the directory it would be made in.
    let answer = ask("/home/ada/other/new", None);
    assert_eq!(answer.remedy, "--write /home/ada/other");
    // No flag makes a home or a system directory writable, so none is named.
    for path in ["/home/ada", "/etc", "/"] {
        let answer = ask(path, Some(FileType::Directory));
        assert_eq!(answer.access, Access::ReadOnly, "{path}");
        assert_eq!(answer.remedy, "", "{path}");
    }
    let answer = ask("/home/ada/new", None);
    assert!(!answer.remedy.starts_with("--write"), "{answer:?}");
}

#[test]
fn sockets_are_masked_and_granted_one_by_one() {
    let answer = ask("/run/docker.sock", Some(FileType::Socket));
    assert_eq!((answer.access, answer.word), (Access::Hidden, "masked"));
    assert_eq!(answer.remedy, "--socket /run/docker.sock");
    let answer = ask("/srv/docker.sock", Some(FileType::Socket));
    assert_eq!(answer.word, "masked");
    assert_eq!(answer.remedy, "--socket /srv/docker.sock");
}

#[test]
fn a_protected_name_that_is_missing_is_taken_away() {
    let answer = ask("/home/ada/work/.envrc", None);
    assert_eq!(
        (answer.access, answer.word),
        (Access::TakenAway, "taken away")
    );
    assert_eq!(answer.remedy, "make it outside first");
}

#[test]
fn temporary_files_are_private() {
    let answer = ask("/tmp/a", None);
    assert_eq!((answer.access, answer.word), (Access::Private, "private"));
    assert_eq!(answer.promise, Some(promise::TEMP));
}

#[test]
fn the_mode_is_the_reason_where_it_is() {
    let answer = ask_of(
        "mode = \"read-only\"",
        &Facts::current_linux(),
        "/opt/a",
        FILE,
    );
    assert_eq!(answer.origin.line, Some(1));
    assert_eq!(answer.remedy, "--mode workspace-write");
}

#[test]
fn without_namespaces_the_plan_still_answers() {
    let facts = Facts {
        userns: Availability::No {
            why: "pretend".to_owned(),
            remedy: String::new(),
        },
        ..Facts::current_linux()
    };
    let all: Vec<String> = promise::ALL.iter().map(|p| format!("{p:?}")).collect();
    let text = format!(
        "{WIDER}read = \"minimal\"\n[enforcement]\naccept = [{}]\n",
        all.join(", ")
    );
    let answer = ask_of(&text, &facts, "/home/ada/work/a", FILE);
    assert_eq!(answer.access, Access::Writable);
    assert_eq!(answer.because, "it lies in the workspace");
    let answer = ask_of(&text, &facts, "/opt/a", FILE);
    assert_eq!(answer.access, Access::ReadOnly);
    assert_eq!(answer.remedy, "--write /opt/a");
}

#[test]
fn places_are_resolved_as_far_as_they_exist() {
    let base = std::fs::canonicalize(std::env::temp_dir()).unwrap();
    let dir = base.join(format!("ringfence-why-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("real")).unwrap();
    std::os::unix::fs::symlink("real", dir.join("link")).unwrap();

    let linked = place(Path::new("link"), &dir);
    assert_eq!(linked.path, dir.join("real"));
    assert_eq!(linked.kind, Some(FileType::Directory));
    let missing = place(Path::new("link/a/../b/c"), &dir);
    assert_eq!(missing.path, dir.join("real/b/c"));
    assert_eq!((missing.kind, missing.existing), (None, dir.join("real")));
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_word_of_a_shell_is_quoted_where_it_must_be() {
    assert_eq!(word(Path::new("/a/b-c.d")), "/a/b-c.d");
    assert_eq!(word(Path::new("/a b")), "'/a b'");
}
