//! The ledger as a whole: what is appended is there, what is changed is found, and what is broken is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ringfence_ledger::verify::{Verified, verify, verify_and_close};
use ringfence_ledger::{
    Beginning, CommandEnded, Digest, Error, Event, HostChanged, Keep, Known, Ledger, Place, Record,
    Text, entries, kept_policy, latest,
};

/// A directory of one test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rf-ledger-{}-{number}", std::process::id());
        let dir = Dir(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&dir.0).unwrap();
        dir
    }

    fn ledger(&self) -> Ledger {
        self.ledger_keeping(Keep::default())
    }

    fn ledger_keeping(&self, keep: Keep) -> Ledger {
        Ledger::new(self.dir(), keep)
    }

    fn dir(&self) -> PathBuf {
        self.0.join("ledger")
    }

    fn file(&self, number: u32) -> PathBuf {
        self.dir().join(format!("{number:08}.jsonl"))
    }

    fn verified(&self) -> Verified {
        verify(&self.dir(), &[]).unwrap()
    }

    fn records(&self) -> Vec<Record> {
        entries(&self.dir())
            .unwrap()
            .map(|entry| entry.record.unwrap())
            .collect()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

fn ended(command: u64) -> Event {
    Event::CommandEnded(CommandEnded {
        command,
        how: "exited".to_owned(),
        value: Some(0),
        ..CommandEnded::default()
    })
}

fn write_all_at(mut file: &File, bytes: &[u8], at: u64) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

fn append(ledger: &Ledger, command: u64) -> u64 {
    ledger.append(|_| vec![ended(command)]).unwrap()
}

#[test]
fn what_is_appended_is_there_in_its_order() {
    let dir = Dir::new();
    let ledger = dir.ledger();
    assert_eq!(dir.verified().records, 0, "nothing is made before");
    assert!(!dir.dir().exists());
    assert_eq!(append(&ledger, 7), 2);
    let first = ledger
        .append(|first| vec![ended(first), ended(first + 1)])
        .unwrap();
    assert_eq!(first, 3);
    // Another process's, and a thread's.
    let other = dir.ledger();
    assert_eq!(append(&other, 1), 5);
    assert_eq!(append(&ledger, 2), 6);

    let records = dir.records();
    let numbers: Vec<u64> = records.iter().map(|record| record.seq).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    assert!(matches!(&records[0].event, Event::Opened(opened) if opened.why == Beginning::New));
    assert_eq!(records[2].event, ended(3));
    assert_eq!(records[3].event, ended(4));
    let verified = dir.verified();
    assert_eq!(verified.bad, []);
    assert_eq!(verified.records, 6);
    assert_eq!(verified.head.unwrap().hash, records[5].hash);
    // Nobody else may read it.
    #[cfg(unix)] // on Windows what is made has the descriptor that its directory says
    for path in [dir.dir(), dir.dir().join("head"), dir.file(1)] {
        let meta = std::fs::metadata(&path).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions());
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    // A record's hash is what any tool finds.
    let text = std::fs::read_to_string(dir.file(1)).unwrap();
    let line = text.lines().nth(3).unwrap();
    let hashed = line.split(",\"hash\":").next().unwrap();
    assert_eq!(Digest::of(hashed.as_bytes()), records[3].hash);
}

#[test]
fn readers_see_the_latest_and_what_comes() {
    let dir = Dir::new();
    let ledger = dir.ledger();
    let place = Place::end(&dir.dir()).unwrap();
    append(&ledger, 1);
    let (seen, place) = place.since(&dir.dir()).unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(place.since(&dir.dir()).unwrap().0.len(), 0);
    append(&ledger, 2);
    // What a writer is just writing is not seen before it is whole.
    let file = File::options().append(true).open(dir.file(1)).unwrap();
    let length = file.metadata().unwrap().len();
    write_all_at(&file, b"{\"seq\":4", length).unwrap();
    let (seen, place) = place.since(&dir.dir()).unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].record.as_ref().unwrap().event, ended(2));
    assert_eq!(latest(&dir.dir(), 1).unwrap().count(), 3);
    append(&ledger, 3);
    let seen: Vec<Event> = place
        .since(&dir.dir())
        .unwrap()
        .0
        .into_iter()
        .map(|entry| entry.record.unwrap().event)
        .collect();
    assert_eq!(seen, [Event::Mended { bytes: 8 }, ended(3)]);
    assert!(dir.verified().is_whole());
}

/// The bytes of a ledger, to be spoiled in many ways.
fn sample() -> (Dir, Vec<u8>) {
    let dir = Dir::new();
    let ledger = dir.ledger();
    for command in 0..40 {
        append(&ledger, command);
    }
    let bytes = std::fs::read(dir.file(1)).unwrap();
    assert!(dir.verified().is_whole());
    (dir, bytes)
}

/// Numbers that look random, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

/// Bits turned over, lines taken out, put elsewhere, doubled, and cut off: a thousand of them, and each is
/// found, at the first record that is not as it was.
#[test]
fn whatever_is_changed_is_found() {
    let (dir, good) = sample();
    let seed = std::env::var("RINGFENCE_SEED").map_or(0x5eed_1e49, |seed| seed.parse().unwrap());
    println!("RINGFENCE_SEED={seed}");
    let mut numbers = Numbers(seed);
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for round in 0..1000 {
        let mut changed = lines.clone();
        let at = numbers.next(lines.len());
        let mut flipped;
        let (kind, bytes, first_bad) = match round % 5 {
            0 => {
                flipped = good.clone();
                let byte = numbers.next(good.len());
                flipped[byte] ^= 1 << numbers.next(8);
                let line = good[..byte].iter().filter(|b| **b == b'\n').count();
                ("a bit", flipped, line)
            }
            1 => {
                changed.remove(at);
                ("a line taken out", changed.concat(), at)
            }
            2 => {
                let other = (at + 1 + numbers.next(lines.len() - 1)) % lines.len();
                changed.swap(at, other);
                ("two lines exchanged", changed.concat(), at.min(other))
            }
            3 => {
                changed.insert(at, lines[at]);
                ("a line doubled", changed.concat(), at + 1)
            }
            _ => {
                let length = numbers.next(good.len());
                let line = good[..length].iter().filter(|b| **b == b'\n').count();
                ("cut off", good[..length].to_vec(), line)
            }
        };
        std::fs::write(dir.file(1), &bytes).unwrap();
        let verified = dir.verified();
        let what = format!("round {round} of seed {seed}: {kind}");
        assert!(!verified.is_whole(), "{what} is not found");
        let named = verified.bad.iter().filter_map(|bad| bad.seq).min();
        // Lines count from 0 here, and records from 1; of the first, no number is known before. One that is
        // out of its order is named by its own number.
        let expected = first_bad as u64 + 1;
        let near = named.is_some_and(|seq| (expected - 1..=expected + 1).contains(&seq));
        assert!(
            near || first_bad == 0,
            "{what}: {expected} expected of {:?}",
            verified.bad
        );
        *seen.entry(kind).or_default() += 1;
        std::fs::write(dir.file(1), &good).unwrap();
        assert!(dir.verified().is_whole(), "{what}: put back");
    }
    println!("{seen:?}");
}

/// Who makes the whole chain anew is found only by what was noted elsewhere.
#[test]
fn a_chain_made_anew_is_held_against_what_was_noted() {
    let (dir, _) = sample();
    let noted = dir.verified().head.unwrap();
    assert!(verify(&dir.dir(), &[noted]).unwrap().is_whole());
    std::fs::remove_dir_all(dir.dir()).unwrap();
    let ledger = dir.ledger();
    for command in 0..50 {
        append(&ledger, command);
    }
    assert!(dir.verified().is_whole());
    let found = verify(&dir.dir(), &[noted]).unwrap();
    assert_eq!(found.bad.len(), 1, "{:?}", found.bad);
    assert_eq!(found.bad[0].seq, Some(noted.seq));
    let never = Known {
        seq: 1000,
        hash: noted.hash,
    };
    assert!(!verify(&dir.dir(), &[never]).unwrap().is_whole());
}

/// A file of another ledger behind the end of this one is no part of it: nobody is shown it, it is named, and the chain goes on. What
/// a writer that died had begun is good.
#[test]
fn a_file_of_another_ledger_is_not_taken_for_this_ones() {
    let other = Dir::new();
    for command in 0..9 {
        append(&other.ledger(), command);
    }
    for number in [2, 3] {
        let (dir, _) = sample();
        let own = dir.records();
        std::fs::copy(other.file(1), dir.file(number)).unwrap();
        assert_eq!(dir.records(), own);
        assert_eq!(latest(&dir.dir(), 1).unwrap().count(), own.len());
        let found = verify_and_close(&dir.dir(), &[]).unwrap();
        assert_eq!(found.bad.len(), 1, "{:?}", found.bad);
        assert_eq!(
            (&found.bad[0].file, found.bad[0].line),
            (&dir.file(number), Some(1))
        );
        // That this is one chain still is not taken back.
        append(&dir.ledger(), 100);
        assert_eq!(dir.records().len(), own.len() + 1);
        std::fs::remove_file(dir.file(number)).unwrap();
        assert_eq!(dir.verified().bad, []);
        // Nor are its lines in the file of this one.
        let mut file = File::options().append(true).open(dir.file(1)).unwrap();
        file.write_all(&std::fs::read(other.file(1)).unwrap())
            .unwrap();
        assert_eq!(dir.records().len(), own.len() + 1);
        assert!(!dir.verified().is_whole());
    }
}

/// A writer that dies between a new file and the note of where the chain ends leaves one that the next moves away.
#[test]
fn what_a_writer_that_died_had_begun_is_good() {
    let (dir, _) = sample();
    let own = dir.records();
    let head = std::fs::read(dir.dir().join("head")).unwrap();
    let size = std::fs::metadata(dir.file(1)).unwrap().len();
    // A day later the next file is begun.
    let text = String::from_utf8(head.clone()).unwrap();
    let head_of = |began: i64| {
        let newest = text.split('\n').max_by_key(|line| {
            let turn = line.split_whitespace().nth(1);
            turn.and_then(|turn| turn.parse::<u64>().ok()).unwrap_or(0)
        });
        let words: Vec<&str> = newest.unwrap().split_whitespace().collect();
        format!("{} {began} {} ", words[..6].join(" "), words[7])
    };
    let line = head_of(1);
    let mut sum = Digest::of(line.as_bytes()).to_string();
    sum.truncate(16);
    let slot = format!("{:<256}", format!("{line}{sum}\n"));
    std::fs::write(dir.dir().join("head"), format!("{slot}{slot}")).unwrap();
    let before = std::fs::read(dir.dir().join("head")).unwrap();
    append(&dir.ledger(), 100);
    assert_eq!(std::fs::metadata(dir.file(1)).unwrap().len(), size);
    assert!(dir.file(2).exists());
    std::fs::write(dir.dir().join("head"), &before).unwrap();
    // Whole, torn, and empty.
    let begun = std::fs::read(dir.file(2)).unwrap();
    for left in [&begun[..], &begun[..begun.len() - 9], &begun[..9], &[]] {
        std::fs::write(dir.file(2), left).unwrap();
        assert_eq!(dir.verified().bad, []);
        assert_eq!(dir.records(), own);
    }
    append(&dir.ledger(), 101);
    assert_eq!(dir.verified().bad, []);
    assert_eq!(dir.records().len(), own.len() + 2);
}

/// What is broken where the chain ends is seen by who writes next: a new chain begins and says why.
#[test]
fn a_new_chain_says_what_is_broken() {
    type Break = fn(&Dir);
    let cut: Break = |dir| {
        let file = File::options().write(true).open(dir.file(1)).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length - 200).unwrap();
    };
    let changed: Break = |dir| {
        let file = File::options().write(true).open(dir.file(1)).unwrap();
        let length = file.metadata().unwrap().len();
        write_all_at(&file, b"0000", length - 40).unwrap();
    };
    let appended: Break = |dir| {
        let mut bytes = std::fs::read(dir.file(1)).unwrap();
        bytes.extend_from_slice(b"{\"seq\":42}\n");
        std::fs::write(dir.file(1), bytes).unwrap();
    };
    let missing: Break = |dir| std::fs::remove_file(dir.file(1)).unwrap();
    #[cfg(unix)]
    let linked: Break = |dir| {
        std::fs::rename(dir.file(1), dir.0.join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(dir.0.join("elsewhere"), dir.file(1)).unwrap();
    };
    let no_head: Break = |dir| std::fs::remove_file(dir.dir().join("head")).unwrap();
    let other_head: Break = |dir| {
        let head = dir.dir().join("head");
        std::fs::write(head, [b'x'; 512]).unwrap();
    };
    let middle: Break = |dir| {
        let file = File::options().write(true).open(dir.file(1)).unwrap();
        write_all_at(&file, b"X", 3000).unwrap();
        let found = verify_and_close(&dir.dir(), &[]).unwrap();
        assert_eq!(found.bad.len(), 1);
    };
    let mut table = String::new();
    for (name, spoil) in [
        ("cut", cut),
        ("changed", changed),
        ("appended", appended),
        ("missing", missing),
        #[cfg(unix)] // to make one is a privilege on Windows
        ("linked", linked),
        ("no head", no_head),
        ("other head", other_head),
        ("changed in the middle, and verified", middle),
    ] {
        let (dir, _) = sample();
        spoil(&dir);
        let ledger = dir.ledger();
        let seq = append(&ledger, 100);
        let seq_next = append(&ledger, 101);
        assert_eq!(seq_next, seq + 1, "{name}: the new chain goes on");
        let opened = entries(&dir.dir())
            .unwrap()
            .filter_map(|entry| match entry.record {
                Ok(Record {
                    event: Event::Opened(opened),
                    ..
                }) => Some(opened),
                _ => None,
            })
            .last()
            .unwrap();
        let Beginning::Broken(why) = opened.why else {
            panic!("{name}: {:?}", opened.why);
        };
        let after = opened.after.map(|known| known.seq);
        table.push_str(&format!("{name}: {why}; after {after:?}, then {seq}\n"));
        let found = dir.verified();
        assert!(!found.is_whole());
        for bad in &found.bad {
            let told = bad.to_string().replace(&dir.0.display().to_string(), "");
            let told = told.replace('\\', "/");
            table.push_str(&format!("  {told}\n"));
        }
    }
    let on = if cfg!(unix) {
        ""
    } else {
        "_where_no_links_are"
    };
    insta::assert_snapshot!(format!("a_new_chain_says_what_is_broken{on}"), table);
}

#[test]
fn files_follow_each_other_and_old_ones_go() {
    let dir = Dir::new();
    let keep = Keep {
        time: Duration::from_secs(3600),
        size: 20 << 20,
    };
    let ledger = dir.ledger_keeping(keep);
    let long = || {
        Event::CommandEnded(CommandEnded {
            error: Some("x".repeat(3 << 20)),
            ..CommandEnded::default()
        })
    };
    for _ in 0..20 {
        ledger.append(|_| vec![long()]).unwrap();
    }
    let there: Vec<u32> = (1..20).filter(|n| dir.file(*n).exists()).collect();
    assert!(there.len() <= 4 && *there.first().unwrap() > 1, "{there:?}");
    let found = dir.verified();
    assert_eq!(found.bad, []);
    assert!(found.first.unwrap() > 1);
    let removed = dir
        .records()
        .into_iter()
        .find_map(|record| match record.event {
            Event::Removed(removed) => Some(removed),
            _ => None,
        });
    assert_eq!(removed.unwrap().why, "size");
    // One that nobody said was removed is missing.
    std::fs::remove_file(dir.file(there[0])).unwrap();
    assert!(!dir.verified().is_whole());
}

#[test]
fn a_record_that_is_too_long_or_finds_no_room_is_none() {
    let dir = Dir::new();
    let ledger = dir.ledger();
    append(&ledger, 1);
    let long = Event::CommandEnded(CommandEnded {
        error: Some("x".repeat(5 << 20)),
        ..CommandEnded::default()
    });
    let result = ledger.append(|_| vec![ended(2), long]);
    assert!(matches!(result, Err(Error::TooLong(_))), "{result:?}");
    assert_eq!(append(&ledger, 3), 3);
    let found = dir.verified();
    assert!(found.is_whole(), "{:?}", found.bad);
    assert_eq!(dir.records().last().unwrap().event, ended(3));
}

#[test]
#[cfg(windows)]
fn a_ledger_that_is_open_is_not_removed() {
    let dir = Dir::new();
    let ledger = dir.ledger();
    append(&ledger, 1);
    assert!(std::fs::rename(dir.dir().join("head"), dir.0.join("x")).is_err());
    assert!(std::fs::remove_file(dir.dir().join("head")).is_err());
    assert_eq!(append(&ledger, 2), 3);
    assert!(dir.verified().is_whole());
    drop(ledger);
    std::fs::remove_dir_all(dir.dir()).unwrap();
    assert_eq!(append(&dir.ledger(), 2), 2);
}

#[test]
#[cfg(unix)] // Windows lets nobody remove it
fn a_ledger_removed_while_it_is_open_begins_again() {
    let dir = Dir::new();
    let ledger = dir.ledger();
    append(&ledger, 1);
    std::fs::remove_dir_all(dir.dir()).unwrap();
    assert_eq!(append(&ledger, 2), 2);
    assert!(dir.verified().is_whole());
}

#[test]
fn who_has_it_locked_is_named() {
    let dir = Dir::new();
    let ledger = dir.ledger();
    append(&ledger, 1);
    let (name, who) = if cfg!(windows) {
        ("lock", None)
    } else {
        ("head", Some(std::process::id()))
    };
    let locked = File::options()
        .write(true)
        .open(dir.dir().join(name))
        .unwrap();
    locked.lock().unwrap();
    let error = ledger.append(|_| vec![ended(2)]).unwrap_err();
    assert!(
        matches!(error, Error::Locked { by, .. } if by == who),
        "{error}"
    );
    // Readers wait for nobody.
    assert_eq!(dir.verified().records, 2);
    drop(locked);
    assert_eq!(append(&ledger, 3), 3);
}

#[test]
#[cfg(unix)] // to make a link is a privilege on Windows
fn what_is_no_ledger_is_not_written_to() {
    let dir = Dir::new();
    std::fs::create_dir_all(dir.dir()).unwrap();
    let elsewhere = dir.0.join("elsewhere");
    std::fs::write(&elsewhere, "mine").unwrap();
    std::os::unix::fs::symlink(&elsewhere, dir.dir().join("head")).unwrap();
    let error = dir.ledger().append(|_| vec![ended(1)]).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "mine");
}

#[test]
fn policies_are_kept_and_held_against_what_was_recorded() {
    let dir = Dir::new();
    let ledger = dir.ledger();
    append(&ledger, 1);
    let name = Digest::of_value(&("some", "policy"));
    assert_ne!(name, Digest::of_value(&("some", "polic", "y")));
    let keep = |text: &'static str| ledger.keep_policy(name, || text.to_owned()).unwrap();
    let Some(Event::PolicyKept(kept)) = keep("policy") else {
        panic!("it was not kept");
    };
    assert_eq!(keep("not asked for"), None);
    assert_eq!(kept_policy(&dir.dir(), &kept).unwrap().unwrap(), b"policy");
    let path = dir.dir().join("policies").join(format!("{name}.json"));
    // A day later it is recorded anew: the record of it may be removed for its age.
    let day = std::time::SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified(day).unwrap();
    // Wine replaces no file that is open.
    drop(file);
    assert_eq!(keep("policy"), Some(Event::PolicyKept(kept.clone())));
    assert_eq!(keep("policy"), None);
    std::fs::write(&path, "polizy").unwrap();
    assert_eq!(kept_policy(&dir.dir(), &kept).unwrap(), None);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(kept_policy(&dir.dir(), &kept).unwrap(), None);
}

/// A text that was changed or taken away is named, with the record that tells of it; one that is too old to be kept is not.
#[test]
fn verify_looks_at_the_texts_of_policies() {
    let dir = Dir::new();
    let ledger = dir.ledger();
    let name = Digest::of_value(&"policy");
    let keep = || ledger.keep_policy(name, || "text".to_owned()).unwrap();
    let kept = ledger.append(|_| keep().into_iter().collect()).unwrap();
    assert_eq!(dir.verified().bad, []);
    let path = dir.dir().join("policies").join(format!("{name}.json"));
    let bad = |says: &str| {
        let found = verify_and_close(&dir.dir(), &[]).unwrap().bad;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((&found[0].file, found[0].seq), (&path, Some(kept)));
        assert!(found[0].what.contains(says), "{found:?}");
    };
    std::fs::write(&path, "tezt").unwrap();
    bad("another than was recorded");
    // It was put aside, so that the next command keeps it anew.
    bad("missing");
    // A directory of Windows has no FIFO.
    if cfg!(unix) {
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        bad("another than was recorded");
    }
    let again = keep();
    assert!(again.is_some());
    ledger.append(|_| again.into_iter().collect()).unwrap();
    assert_eq!(dir.verified().bad, []);
    // All of this was one chain.
    let opened = |record: &Record| matches!(record.event, Event::Opened(_));
    assert_eq!(dir.records().iter().filter(|r| opened(r)).count(), 1);
}

#[test]
fn decisions_are_records_like_others() {
    let dir = Dir::new();
    let event = Event::HostChanged(HostChanged {
        what: "trusted".to_owned(),
        path: Text::from("/a/.ringfence.toml"),
        content: Some(Digest::of(b"x")),
    });
    assert!(event.is_decision());
    dir.ledger().append(|_| vec![event.clone()]).unwrap();
    assert_eq!(dir.records()[1].event, event);
}

fn writer(dir: &Dir, name: &str, count: u64) -> Command {
    // Cargo builds examples beside the tests.
    let test = std::env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap().join("examples/append");
    let built = built.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(Path::new(&built).exists(), "{} is missing", built.display());
    let mut command = Command::new(built);
    command.arg(dir.dir()).arg(name).arg(count.to_string());
    command.stdout(Stdio::piped());
    command
}

/// Fifty processes at once: nothing is lost, and the records of each stand in its order.
#[test]
fn fifty_write_at_once() {
    let dir = Dir::new();
    // Wine has one server for all of them, and who waits for a lock waits for seconds at most.
    let count = if cfg!(windows) { 12 } else { 50 };
    let names: Vec<String> = (0..count).map(|n| format!("w{n}")).collect();
    let children: Vec<_> = names
        .iter()
        .map(|name| writer(&dir, name, 30).spawn().unwrap())
        .collect();
    for mut child in children {
        let mut said = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(said.lines().count(), 30);
    }
    let found = dir.verified();
    assert_eq!(found.bad, []);
    let mut of: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in dir.records() {
        if let Event::CommandEnded(ended) = record.event {
            of.entry(ended.how).or_default().push(ended.command);
        }
    }
    assert_eq!(of.len(), count);
    for (name, numbers) in of {
        let expected: Vec<u64> = (0..30).flat_map(|n| vec![n; n as usize % 3 + 1]).collect();
        assert_eq!(numbers, expected, "{name}");
    }
}

/// Writers are killed at any moment, two at a time; what was acknowledged is there, and the chain is whole.
#[test]
fn a_kill_takes_nothing_away_that_was_acknowledged() {
    let dir = Dir::new();
    let tries = std::env::var("RINGFENCE_KILLS").map_or(60, |tries| tries.parse().unwrap());
    let tries = if cfg!(windows) { tries / 4 } else { tries };
    let mut numbers = Numbers(0x1dea);
    let mut acknowledged = Vec::new();
    for round in 0..tries {
        let names = [format!("a{round}"), format!("b{round}")];
        let mut pair = names.clone().map(|name| {
            let mut child = writer(&dir, &name, 1 << 40).spawn().unwrap();
            let out = BufReader::new(child.stdout.take().unwrap());
            (child, out)
        });
        // Killed after so many were heard of, and some microseconds more of the same work.
        let (child, out) = &mut pair[0];
        for _ in 0..numbers.next(12) {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            acknowledged.push((names[0].clone(), line));
        }
        for _ in 0..numbers.next(30_000) {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        pair[1].0.kill().unwrap();
        for (name, (mut child, out)) in names.into_iter().zip(pair) {
            child.wait().unwrap();
            for line in out.lines() {
                acknowledged.push((name.clone(), line.unwrap()));
            }
        }
    }
    // The last of them may have left something torn.
    append(&dir.ledger(), 0);
    let found = dir.verified();
    assert_eq!(found.bad, []);
    let there: BTreeMap<u64, Event> = dir
        .records()
        .into_iter()
        .map(|record| (record.seq, record.event))
        .collect();
    for (name, line) in &acknowledged {
        let (seq, number) = line.trim().split_once(' ').unwrap();
        let Some(Event::CommandEnded(ended)) = there.get(&seq.parse().unwrap()) else {
            panic!("record {seq} of {name} is missing");
        };
        assert_eq!(
            (&ended.how, ended.command.to_string()),
            (name, number.to_owned())
        );
    }
    println!("{tries} kills, {} acknowledged", acknowledged.len());
    assert!(acknowledged.len() > tries);
}
