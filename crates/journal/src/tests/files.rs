//! Journals that are torn, garbled, of another version, of somebody else, or of two at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::ALONE;
use super::case::Case;
use crate::book::JournalError;
use crate::crew::Crew;
use crate::grant::GrantError;
use crate::left::{Control, Progress};
use crate::undo::{UndoError, list_in};
use crate::{State, Way};

/// The bytes of the one journal there is.
fn bytes(case: &Case) -> Vec<u8> {
    let sheets = case.shelf.sheets.lock().unwrap();
    assert_eq!(sheets.len(), 1);
    sheets.values().next().unwrap().bytes.clone()
}

fn put(case: &Case, bytes: &[u8]) {
    let mut sheets = case.shelf.sheets.lock().unwrap();
    sheets.values_mut().next().unwrap().bytes = bytes.to_vec();
}

#[test]
fn what_is_torn_at_the_end_is_mended_and_what_is_not_readable_elsewhere_is_refused_with_its_place()
{
    let case = Case::plain(3);
    case.granted();
    let whole = bytes(&case);
    let lines = whole.iter().filter(|byte| **byte == b'\n').count();
    let after = case.volume.with(|files| files.bytes());
    for cut in 0..whole.len() {
        let case = Case::plain(3);
        case.granted();
        put(&case, &whole[..cut]);
        // What a crash leaves of a line that was being written is never an error.
        let granted = case.grant(ALONE).unwrap();
        assert_eq!(granted.way, Way::Walked, "{cut}");
        assert_eq!(case.volume.with(|files| files.bytes()), after);
        assert!(bytes(&case).ends_with(b"\n"));
        assert_eq!(case.granted().way, Way::Stood, "{cut}");
    }
    for at in (0..whole.len()).filter(|at| whole[*at] != b'\n') {
        let mut other = whole.clone();
        other[at] ^= 0x20;
        put(&case, &other);
        let line = whole[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let refused = case.undo(ALONE).unwrap_err();
        let UndoError::Journal(JournalError::Unreadable { line: found, .. }) = refused else {
            panic!("{at}: {refused}");
        };
        assert_eq!(found, line, "{at}");
        // Nothing was written, there or anywhere.
        assert_eq!(bytes(&case), other);
        assert_eq!(case.volume.with(|files| files.bytes()), after);
        let listed = list_in(&case.shelf).unwrap();
        assert!(matches!(listed[..], [Err(JournalError::Unreadable { .. })]));
    }
    println!("{} bytes in {lines} lines", whole.len());
}

#[test]
fn a_newer_journal_and_anothers_are_refused_and_stay() {
    use crate::line::{Header, Line, VERSION};
    let case = Case::plain(3);
    case.granted();
    let whole = bytes(&case);
    let header = |version, user: &str| {
        let header = Header {
            version,
            user: user.to_owned(),
            sid: case.plan.sid.to_string(),
            id: crate::line::key(case.plan.id),
        };
        Line::Journal(header).to_bytes()
    };
    let newer = [header(VERSION + 1, "S-1-1-0"), b"something new\n".to_vec()].concat();
    put(&case, &newer);
    let grant = case.grant(ALONE).unwrap_err();
    let undo = case.undo(ALONE).unwrap_err();
    for said in [grant.to_string(), undo.to_string()] {
        assert!(said.contains("newer Ringfence (version 2"), "{said}");
    }
    assert_eq!(bytes(&case), newer);

    let whole = String::from_utf8(whole).unwrap();
    // Without its first line and its last, which says whose plan was walked.
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let rest = lines[1..lines.len() - 1].concat();
    let anothers = [header(VERSION, "S-1-5-21-1-2-3-4"), rest.into()].concat();
    put(&case, &anothers);
    let refused = case.grant(ALONE).unwrap_err();
    let is_anothers = matches!(refused, GrantError::Journal(JournalError::Another { .. }));
    assert!(is_anothers, "{refused}");
    assert_eq!(bytes(&case), anothers);
}

#[test]
fn of_two_notes_of_an_object_the_first_is_what_it_was() {
    use crate::line::{Kept, Line, Object, key};
    let case = Case::plain(3);
    case.granted();
    let file = case
        .volume
        .with(|files| *files.nodes.last_key_value().unwrap().0);
    let now = case
        .volume
        .with(|files| files.nodes[&file].sd.to_bytes().unwrap());
    let kept = Kept::of(&now);
    let object = Line::Object(Object {
        path: "f2".to_owned(),
        id: key(super::simulated::id(file)),
        before: kept.digest.clone(),
    });
    let more = [Line::Descriptor(kept).to_bytes(), object.to_bytes()].concat();
    put(&case, &[bytes(&case), more].concat());
    assert!(case.undo(ALONE).unwrap().closed);
    case.is_back().unwrap();
}

#[test]
fn behind_what_could_not_be_written_nothing_more_is() {
    use crate::book::Pen;
    use crate::line::Line;
    let case = Case::plain(3);
    let pen = Pen::open(&case.shelf, case.plan.id, None).unwrap();
    case.volume.kill.set(0);
    assert!(pen.write(&[Line::Undoing]).is_err());
    let torn = bytes(&case);
    assert!(!torn.is_empty());
    // The disk has room again.
    case.volume.kill.set(u64::MAX);
    assert!(pen.write(&[Line::Undoing]).is_err());
    assert_eq!(bytes(&case), torn);
}

#[test]
fn journals_are_listed_with_how_far_they_are() {
    let case = Case::plain(3);
    let listed = |case: &Case| list_in(&case.shelf).unwrap().pop().map(Result::unwrap);
    assert_eq!(listed(&case), None);
    case.volume.kill.set(8);
    drop(case.grant(ALONE));
    case.volume.kill.set(u64::MAX);
    let root = listed(&case).unwrap();
    assert_eq!(
        (root.state, root.path),
        (State::BrokenOff, r"C:\dev\work".to_owned())
    );
    case.granted();
    let root = listed(&case).unwrap();
    assert_eq!((root.state, root.objects), (State::Walked, 7));
    case.volume.kill.set(3);
    drop(case.undo(ALONE));
    assert_eq!(listed(&case).unwrap().state, State::Undoing);
    case.volume.kill.set(u64::MAX);
    case.undo(ALONE).unwrap();
    assert_eq!(listed(&case), None);
}

/// Cancels after so many calls.
#[derive(Default)]
struct Impatient {
    left: AtomicU64,
    last: AtomicU64,
}

impl Control for Impatient {
    fn progress(&self, progress: Progress) {
        self.last.fetch_max(progress.seen, Ordering::SeqCst);
    }

    fn is_cancelled(&self) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        let left = &self.left;
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
            .is_err()
    }
}

#[test]
fn what_is_cancelled_goes_on_and_nothing_is_written_twice() {
    let all = Case::plain(200).granted();
    for after in [0, 1, 5, 20] {
        let case = Case::plain(200);
        let watch = Impatient {
            left: after.into(),
            ..Impatient::default()
        };
        let first = case.grant_watched(ALONE, &watch).unwrap();
        assert_eq!(first.way, Way::Cancelled);
        assert_eq!(watch.last.load(Ordering::SeqCst), first.seen);
        let second = case.granted();
        assert_eq!(second.way, Way::Walked);
        assert_eq!(first.written + second.written, all.written);
        assert!(first.written > 0 && second.written > 0);

        let watch = Impatient {
            left: after.into(),
            ..Impatient::default()
        };
        let (volume, shelf) = (&case.volume, &case.shelf);
        let undone = crate::undo::undo_in(volume, shelf, case.plan.id, &watch, ALONE).unwrap();
        assert!(undone.cancelled && !undone.closed);
        assert!(case.undo(ALONE).unwrap().closed);
        case.is_back().unwrap();
    }
}

/// Tells that it walks, and goes on when somebody waits for it.
struct Held {
    walks: Sender<()>,
    waited: Mutex<Option<Receiver<()>>>,
}

impl Control for Held {
    fn progress(&self, _: Progress) {
        let waited = self.waited.lock().unwrap().take();
        if let Some(waited) = waited {
            self.walks.send(()).unwrap();
            waited.recv().unwrap();
        }
    }
}

/// Tells that it waits.
struct Waits(Sender<()>);

impl Control for Waits {
    fn waiting(&self) {
        self.0.send(()).unwrap();
    }
}

#[test]
fn of_two_at_once_the_second_waits_and_finds_it_done() {
    let case = Case::plain(500);
    let crew = Crew {
        threads: 2,
        batch: 8,
    };
    let ((walks, walking), (waits, waited)) = (channel(), channel());
    let first = Held {
        walks,
        waited: Mutex::new(Some(waited)),
    };
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(|| case.grant_watched(crew, &first).unwrap());
        walking.recv().unwrap();
        let second = Waits(waits);
        let other = case.grant_watched(crew, &second).unwrap();
        (one.join().unwrap(), other)
    });
    assert_eq!((one.way, other.way), (Way::Walked, Way::Stood));
    // Both take back at once: one finds nothing more.
    let undone = std::thread::scope(|scope| {
        let both = [(), ()].map(|()| scope.spawn(|| case.undo(crew).unwrap()));
        both.map(|undone| undone.join().unwrap())
    });
    assert!(undone.iter().all(|undone| undone.closed));
    case.is_back().unwrap();
}

#[test]
fn on_a_disk_the_files_are_as_in_memory() {
    let dir = std::env::temp_dir().join(format!("ringfence-journal-{}", std::process::id()));
    let _none = std::fs::remove_dir_all(&dir);
    assert_eq!(crate::list(&dir).unwrap().len(), 0);
    std::fs::create_dir(&dir).unwrap();
    let case = Case::plain(100);
    let (volume, id) = (&case.volume, case.plan.id);
    let grant = || crate::grant(volume, &dir, &case.ask(), &()).unwrap();
    assert_eq!(grant().way, Way::Walked);
    assert_eq!(grant().way, Way::Stood);
    let path = crate::path_of(&dir, id);
    let whole = std::fs::read(&path).unwrap();
    let torn = [&whole[..], b"{\"sum\":\"0123"].concat();
    std::fs::write(&path, torn).unwrap();
    assert_eq!(grant().way, Way::Walked);
    let mended = std::fs::read(&path).unwrap();
    // What was torn is gone, and that the tree is walked again stands there.
    assert!(mended.starts_with(&whole) && mended.len() > whole.len());
    let listed = crate::list(&dir).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].as_ref().unwrap().state, State::Walked);
    let undone = crate::undo(volume, &dir, id, &()).unwrap();
    assert!(undone.closed && !path.exists());
    case.is_back().unwrap();
    assert!(crate::undo(volume, &dir, id, &()).unwrap().closed);
    std::fs::remove_dir_all(&dir).unwrap();
}
