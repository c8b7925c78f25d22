//! An approval that was shown is the approval that is enforced: whatever is changed between asking and running.
//!
//! `RINGFENCE_SEED` begins elsewhere, `RINGFENCE_ROUNDS` goes on longer.
#![cfg(target_os = "linux")] // where rings are
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    missing_docs,
    reason = "tests"
)]

#[path = "../../sys-linux/tests/needs/mod.rs"]
mod needs;
mod place;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use ringfence::grants::{Grants, Held, Lasts, Object, What};
use ringfence::ring::Grant;
use ringfence::rules::Question;
use ringfence::{Command, Error, Request, Ring, State, prepare};

use place::Place;

struct Dice(u64);

impl Dice {
    fn new() -> Dice {
        let seed =
            std::env::var("RINGFENCE_SEED").map_or(0x9e37_79b9, |seed| seed.parse().unwrap());
        println!("RINGFENCE_SEED={seed}");
        Dice(seed)
    }

    /// Below `most`. splitmix64.
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most as u64) as usize
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

fn rounds(usual: usize) -> usize {
    std::env::var("RINGFENCE_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}

/// A command, as whoever embeds the library says it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    words: Vec<String>,
    directory: &'static str,
    env: Vec<(&'static str, Option<String>)>,
    bare: bool,
}

/// Words that look alike, hide something, or are nearly the same.
const WORDS: [&str; 16] = [
    "a",
    "A",
    "a ",
    " a",
    "",
    "-rf",
    "--",
    "é",
    "e\u{301}",
    "a\nb",
    "a\u{200b}",
    "а",
    "$HOME",
    "'",
    "\\",
    "../x",
];
const NAMES: [&str; 3] = ["ONE", "TWO", "THREE"];
const DIRECTORIES: [&str; 3] = [".", "sub", "sub/below"];

impl Said {
    fn any(dice: &mut Dice) -> Said {
        let count = dice.below(5);
        let words = (0..count).map(|_| (*dice.of(&WORDS)).to_owned()).collect();
        let mut env: Vec<(&'static str, Option<String>)> = Vec::new();
        for name in NAMES {
            match dice.below(4) {
                0 => env.push((name, Some((*dice.of(&WORDS)).to_owned()))),
                1 => env.push((name, None)),
                _ => {}
            }
        }
        Said {
            words,
            directory: dice.of::<&str>(&DIRECTORIES),
            env,
            bare: dice.below(4) == 0,
        }
    }

    /// Something about it becomes something else, or looks as if.
    fn changed(&self, dice: &mut Dice) -> Said {
        let mut said = self.clone();
        match dice.below(9) {
            0 => {
                let at = dice.below(said.words.len() + 1);
                said.words.insert(at, (*dice.of(&WORDS)).to_owned());
            }
            1 if !said.words.is_empty() => {
                let at = dice.below(said.words.len());
                said.words.remove(at);
            }
            2 if said.words.len() > 1 => {
                let (one, other) = (dice.below(said.words.len()), dice.below(said.words.len()));
                said.words.swap(one, other);
            }
            3 if !said.words.is_empty() => {
                let at = dice.below(said.words.len());
                said.words[at].push_str(dice.of::<&str>(&WORDS));
            }
            // Two words as one, one as two.
            4 if said.words.len() > 1 => {
                let at = dice.below(said.words.len() - 1);
                let next = said.words.remove(at + 1);
                said.words[at] = format!("{} {next}", said.words[at]);
            }
            5 => said.directory = dice.of::<&str>(&DIRECTORIES),
            6 => {
                let name = *dice.of(&NAMES);
                said.env.retain(|(known, _)| *known != name);
                let value = (dice.below(2) == 0).then(|| (*dice.of(&WORDS)).to_owned());
                said.env.push((name, value));
            }
            7 if !said.env.is_empty() => {
                let at = dice.below(said.env.len());
                said.env.remove(at);
            }
            _ => said.bare = !said.bare,
        }
        said
    }

    /// What it comes to: the order in which variables are named is none of it.
    fn means(&self) -> Said {
        let mut said = self.clone();
        said.env.sort();
        // In an environment that has nothing, nothing is taken out.
        if said.bare {
            said.env.retain(|(_, value)| value.is_some());
        }
        said
    }

    fn command(&self, ring: &Ring, workspace: &Path) -> Command {
        let mut command = ring.command(workspace.join("record"));
        command.args(&self.words).current_dir(self.directory);
        if self.bare {
            command.env_clear();
        }
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }
}

fn asks(command: &mut Command) -> Question {
    match command.status() {
        Err(Error::Asks(question)) => *question,
        other => panic!("{other:?}"),
    }
}

/// Each command is asked about; what runs writes down what it is.
#[test]
fn an_answer_is_for_what_was_asked() {
    let Some(place) = Place::of("an_answer_is_for_what_was_asked") else {
        return;
    };
    let policy = place.home.join(".config/ringfence");
    fs::create_dir_all(&policy).unwrap();
    fs::write(policy.join("policy.toml"), "[approval]\nask = \"always\"\n").unwrap();
    let workspace = place.workspace();
    fs::create_dir_all(workspace.join("sub/below")).unwrap();
    let record = workspace.join("record");
    let ran = workspace.join("ran");
    fs::write(
        &record,
        format!(
            "#!/bin/sh\nprintf '%s\\n' \"$#\" \"$@\" > '{}'\n",
            ran.display()
        ),
    )
    .unwrap();
    fs::set_permissions(&record, fs::Permissions::from_mode(0o755)).unwrap();
    let ring = place.ring();
    let mut dice = Dice::new();
    let (mut refused, mut same) = (0, 0);
    for _ in 0..rounds(400) {
        let said = Said::any(&mut dice);
        let question = asks(&mut said.command(&ring, &workspace));
        assert_eq!(question.argv().len(), said.words.len() + 1);
        let mut other = said.changed(&mut dice);
        for _ in 0..dice.below(2) {
            other = other.changed(&mut dice);
        }
        let mut command = other.command(&ring, &workspace);
        let status = command.approve(&question).status();
        if other.means() == said.means() {
            // The same after all.
            same += 1;
            if status.is_ok() {
                fs::remove_file(&ran).unwrap();
                continue;
            }
        }
        assert!(
            matches!(status, Err(Error::Asks(_))),
            "{said:?} {other:?}: {status:?}"
        );
        assert!(!ran.exists(), "{said:?} {other:?}");
        refused += 1;
        // As it was asked about it runs, once.
        let mut command = said.command(&ring, &workspace);
        assert!(command.approve(&question).status().unwrap().success());
        let expected = format!(
            "{}\n{}",
            said.words.len(),
            said.words
                .iter()
                .map(|word| format!("{word}\n"))
                .collect::<String>()
        );
        let expected = if said.words.is_empty() {
            "0\n\n".to_owned()
        } else {
            expected
        };
        let written = fs::read_to_string(&ran).unwrap();
        assert!(
            written == expected || written == "0\n",
            "{said:?}: {written:?}"
        );
        fs::remove_file(&ran).unwrap();
        asks(&mut command);
    }
    println!("{refused} refused, {same} the same after all");
    assert!(refused > rounds(400) / 2);
}

/// What is done to a path between asking and granting.
const SWAPS: [&str; 7] = [
    "nothing",
    "gone",
    "link",
    "other",
    "file",
    "parent is a link",
    "link and back",
];

/// Does that; whether the same object still stands there.
fn swap(how: &str, path: &Path, secret: &Path) -> bool {
    let aside = path.with_extension("aside");
    let parent = path.parent().unwrap();
    let parent_aside = parent.with_extension("aside");
    match how {
        "nothing" => return true,
        "link and back" => {
            fs::rename(path, &aside).unwrap();
            symlink(secret, path).unwrap();
            fs::remove_file(path).unwrap();
            fs::rename(&aside, path).unwrap();
            return true;
        }
        "gone" => fs::rename(path, &aside).unwrap(),
        "link" => {
            fs::rename(path, &aside).unwrap();
            symlink(secret, path).unwrap();
        }
        "other" => {
            fs::rename(path, &aside).unwrap();
            fs::create_dir(path).unwrap();
        }
        "file" => {
            fs::rename(path, &aside).unwrap();
            fs::write(path, "").unwrap();
        }
        _ => {
            // Below the link there is a directory of the same name.
            fs::rename(parent, &parent_aside).unwrap();
            symlink(secret, parent).unwrap();
        }
    }
    false
}

fn writes(ring: &Ring, path: &Path) -> bool {
    let mut touch = ring.command("touch");
    touch.arg(path.join("written"));
    touch.stderr(ringfence::ring::Stdio::null());
    touch.status().unwrap().success()
}

fn empty(path: &Path) -> bool {
    let entries = fs::read_dir(path).unwrap().flatten();
    entries
        .into_iter()
        .all(|entry| entry.path().is_dir() && empty(&entry.path()))
}

/// A place outside, and another to which it could lead.
fn ground(place: &Place, round: usize) -> (PathBuf, PathBuf) {
    let path = place.home.join(format!("outside{round}/beside/wanted"));
    let secret = place.home.join(format!("secret{round}"));
    fs::create_dir_all(&path).unwrap();
    fs::create_dir_all(secret.join("wanted")).unwrap();
    (path, secret)
}

#[test]
fn a_grant_is_of_what_was_shown() {
    let Some(place) = Place::of("a_grant_is_of_what_was_shown") else {
        return;
    };
    let mut dice = Dice::new();
    let mut granted = 0;
    for round in 0..rounds(70) {
        // To a ring that stays.
        let ring = place.ring();
        let how = dice.of(&SWAPS);
        let (path, secret) = ground(&place, round);
        let planned = ring.plan_grant(&Grant::Write(path.clone())).unwrap();
        assert_eq!(planned.paths(), [path.as_path()]);
        assert!(!writes(&ring, &path), "not before it is made");
        let same = swap(how, &path, &secret);
        let made = ring.make(&planned);
        assert_eq!(made.is_ok(), same, "{how}: {made:?}");
        assert_eq!(writes(&ring, &path), same, "{how}");
        assert!(empty(&secret), "{how}");
        granted += usize::from(same);
    }
    assert!(granted > 0);
}

#[test]
fn a_grant_that_is_kept_is_of_what_was_shown() {
    let Some(place) = Place::of("a_grant_that_is_kept_is_of_what_was_shown") else {
        return;
    };
    let mut dice = Dice::new();
    let state = State::of_user(Some(&place.home)).unwrap();
    let grants = Grants::of(&state);
    let request = || Request {
        argv: vec!["true".into()],
        ..place.request()
    };
    let workspace = fs::canonicalize(place.workspace()).unwrap();
    for round in 0..rounds(140) {
        let how = dice.of(&SWAPS);
        let (path, secret) = ground(&place, round);
        let what = What::Write(Object::at(&path).unwrap());
        if dice.below(2) == 0 {
            // For this once: another object is an error.
            let held = Held {
                number: 0,
                what,
                answer: 0,
            };
            let with = || Request {
                granted: vec![held.clone()],
                ..request()
            };
            prepare(with()).unwrap();
            let same = swap(how, &path, &secret);
            let prepared = prepare(with());
            assert_eq!(prepared.is_ok(), same, "{how}: {prepared:?}");
            if let Err(error) = prepared {
                // A path that is not there is an error of its own.
                let gone = *how == "gone";
                assert!(
                    gone || matches!(error, Error::GrantMoved { .. } | Error::Policy(_))
                        || error.to_string().contains("wanted"),
                    "{how}: {error}"
                );
            }
        } else {
            // Kept: it does not hold.
            let number = grants.keep(what, &workspace, Lasts::Project, 0).unwrap();
            let ring = Ring::open(request()).unwrap();
            assert!(writes(&ring, &path), "{how}");
            fs::remove_file(path.join("written")).unwrap();
            let same = swap(how, &path, &secret);
            let kept = grants.all().unwrap();
            let kept = kept.iter().find(|grant| grant.number == number).unwrap();
            assert_eq!(kept.holds(), same, "{how}");
            let ring = Ring::open(request()).unwrap();
            assert_eq!(writes(&ring, &path), same, "{how}");
            assert!(empty(&secret), "{how}");
            // For its workspace alone.
            let other = place.home.join("other");
            fs::create_dir_all(&other).unwrap();
            let elsewhere = Request {
                workspace: Some(other.clone()),
                directory: Some(other),
                ..request()
            };
            let elsewhere = Ring::open(elsewhere).unwrap();
            assert!(!writes(&elsewhere, &path), "{how}");
            assert!(grants.revoke(number).unwrap().is_some());
            let ring = Ring::open(request()).unwrap();
            assert!(!writes(&ring, &path), "{how}: taken back");
        }
        assert!(empty(&secret), "{how}");
    }
}
