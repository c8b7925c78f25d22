//! The walk over real files by handle, and processes that end in it.
//!
//! Wine keeps of a file's permissions what a Unix mode holds. What needs ACEs that stay is done with a disk that opens and lists
//! real files and keeps their descriptors in files of its own.
#![cfg(windows)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ringfence_journal::windows::{Files, Opened};
use ringfence_journal::{
    Control, Disk, DiskError, Entry, Facts, Grant, Granted, Kind, Name, Part, Place, Progress,
    Reason, Way, grant, list, path_of, undo,
};
use ringfence_nt_access::{Ace, AceFlags, Mask, SecurityDescriptor, Sid, Token};
use ringfence_plan::windows::{FileId, Purpose, RootPlan, Stamp, synthetic};
use ringfence_sys_windows::counters::counters;
use ringfence_sys_windows::random;
use ringfence_sys_windows::token;

const WORK: Mask = Mask(0x0013_01bf);

/// A directory that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        let mut bytes = [0; 8];
        random::fill(&mut bytes).unwrap();
        let name = format!("ringfence-journal-{:016x}", u64::from_le_bytes(bytes));
        let path = std::path::absolute(std::env::temp_dir().join(name)).unwrap();
        std::fs::create_dir(&path).unwrap();
        Dir(path)
    }

    /// A tree to be granted, and a directory for journals and one for descriptors beside it.
    fn tree() -> Dir {
        let dir = Dir::new();
        for file in [
            "work/.git/config",
            "work/src/main.rs",
            "work/src/deep/er/a",
            "work/b",
        ] {
            let path = dir.0.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "text").unwrap();
        }
        for name in ["journal", "kept"] {
            std::fs::create_dir(dir.0.join(name)).unwrap();
        }
        dir
    }

    fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

fn user() -> Token {
    let own = token::Token::own(token::access::QUERY).unwrap();
    let sid = Sid::parse(own.user().unwrap().as_bytes()).unwrap();
    Token::of(sid, &[])
}

fn plan(dir: &Path) -> RootPlan {
    let path = dir.join("work");
    let path = path.to_str().unwrap().to_owned();
    let root = Files.open_root(&path).unwrap();
    let id = Files.facts(&root).unwrap().id;
    let sid = synthetic(&user().user, id, Purpose::Write);
    let guard = Ace::deny(sid, Mask(0x000d_0156), AceFlags::INHERIT);
    RootPlan {
        guards: vec![Stamp {
            path: format!(r"{path}\.git"),
            aces: vec![guard],
            promise: "protect.git",
        }],
        path,
        id,
        sid,
        own: vec![Ace::allow(sid, WORK, AceFlags::INHERIT)],
        missing: Vec::new(),
    }
}

fn granted(disk: &impl Disk, dir: &Path) -> Granted {
    let (user, root) = (user(), plan(dir));
    let ask = Grant {
        user: &user,
        principals: &[],
        root: &root,
    };
    grant(disk, &dir.join("journal"), &ask, &()).unwrap()
}

fn is_wine() -> bool {
    std::env::var_os("WINEPREFIX").is_some() || Path::new(r"Z:\proc\self").exists()
}

/// Whether this is Windows itself; `what` is what Wine has not. Where `RINGFENCE_EXPECT` promised it, it has to be.
fn real_windows(what: &str) -> bool {
    if !is_wine() {
        return true;
    }
    let expect = std::env::var("RINGFENCE_EXPECT").unwrap_or_default();
    let promised = expect.split(',').any(|promise| promise == "real_windows");
    assert!(
        !promised,
        "RINGFENCE_EXPECT promised Windows, but this is Wine"
    );
    println!("skipped: needs real_windows: {what}");
    false
}

/// The disk whose descriptors stay: real files, and what was written of each beside them. Ends the process at a call.
struct Kept {
    store: PathBuf,
    calls: AtomicU64,
    end_at: u64,
    /// A descriptor is written whole or not at all, as a volume does it: no thread ends the process while another writes one.
    writes: Mutex<()>,
}

impl Kept {
    fn new(dir: &Path, end_at: u64) -> Kept {
        Kept {
            store: dir.join("kept"),
            calls: AtomicU64::new(0),
            end_at,
            writes: Mutex::new(()),
        }
    }

    fn call(&self) {
        if self.calls.fetch_add(1, Ordering::SeqCst) == self.end_at {
            let _none = self.writes.lock();
            std::process::abort();
        }
    }

    fn file(&self, object: &Opened) -> PathBuf {
        let id = Files.facts(object).unwrap().id;
        self.store.join(format!("{:032x}", id.file))
    }

    /// What each has that was never written.
    fn first(&self) -> SecurityDescriptor {
        let user = user().user;
        let text = format!("O:{user}G:{user}D:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;{user})");
        SecurityDescriptor::from_sddl(&text).unwrap()
    }

    /// Whether each object is as it was.
    fn is_back(&self) -> Result<(), String> {
        let first = self.first().to_bytes().unwrap();
        for entry in std::fs::read_dir(&self.store).unwrap() {
            let path = entry.unwrap().path();
            let now = std::fs::read(&path).unwrap();
            if now != first {
                let now = SecurityDescriptor::parse(&now).unwrap();
                return Err(format!("{}: {}", path.display(), now.to_sddl().unwrap()));
            }
        }
        Ok(())
    }
}

impl Disk for Kept {
    type Object = Opened;

    fn open_root(&self, path: &str) -> Result<Opened, DiskError> {
        self.call();
        Files.open_root(path)
    }

    fn open(&self, directory: &Opened, name: &Name, kind: Kind) -> Result<Opened, DiskError> {
        self.call();
        Files.open(directory, name, kind)
    }

    fn open_by_id(&self, near: &str, id: FileId) -> Result<Opened, DiskError> {
        self.call();
        Files.open_by_id(near, id)
    }

    fn facts(&self, object: &Opened) -> Result<Facts, DiskError> {
        self.call();
        Files.facts(object)
    }

    fn list(&self, directory: &Opened) -> Result<Vec<Entry>, DiskError> {
        self.call();
        Files.list(directory)
    }

    fn read(&self, object: &Opened) -> Result<SecurityDescriptor, DiskError> {
        self.call();
        match std::fs::read(self.file(object)) {
            Ok(bytes) => Ok(SecurityDescriptor::parse(&bytes)?),
            Err(_) => Ok(self.first()),
        }
    }

    fn write(&self, object: &Opened, to: &SecurityDescriptor) -> Result<(), DiskError> {
        self.call();
        let _only = self.writes.lock();
        std::fs::write(self.file(object), to.to_bytes()?).unwrap();
        Ok(())
    }
}

#[test]
fn a_tree_of_real_files_is_walked_once_and_taken_back() {
    let dir = Dir::tree();
    let disk = Kept::new(&dir.0, u64::MAX);
    let first = granted(&disk, &dir.0);
    // work, .git, config, src, main.rs, deep, er, a, b
    assert_eq!((first.way, first.seen, first.written), (Way::Walked, 9, 9));
    assert_eq!(first.left, []);
    disk.calls.store(0, Ordering::SeqCst);
    let again = granted(&disk, &dir.0);
    assert_eq!((again.way, again.written), (Way::Stood, 0));
    // Root and guard: each opened, asked what it is, and read; the root once more.
    assert!(disk.calls.load(Ordering::SeqCst) <= 8);
    let root = plan(&dir.0);
    let roots = list(&dir.journal()).unwrap();
    assert_eq!(roots.len(), 1);
    assert_eq!(roots[0].as_ref().unwrap().id, root.id);
    assert_eq!(roots[0].as_ref().unwrap().path, root.path);
    let undone = undo(&disk, &dir.journal(), root.id, &()).unwrap();
    assert!(undone.closed && undone.root == Place::There, "{undone:?}");
    assert_eq!(undone.written, 9);
    disk.is_back().unwrap();
    assert!(!path_of(&dir.journal(), root.id).exists());
}

/// `RINGFENCE_FILES` says of how many files; 100 where it is not set.
#[test]
fn a_second_grant_is_as_small_in_a_large_tree() {
    let files = std::env::var("RINGFENCE_FILES").ok();
    let files: u32 = files.map_or(100, |files| files.parse().unwrap());
    let dir = Dir::tree();
    for n in 0..files {
        let below = dir.0.join("work").join(format!("many{}", n / 100));
        if n % 100 == 0 {
            std::fs::create_dir(&below).unwrap();
        }
        std::fs::write(below.join(n.to_string()), "").unwrap();
    }
    let objects = u64::from(9 + files + files.div_ceil(100));
    let kept = Kept::new(&dir.0, u64::MAX);
    let grants = || match is_wine() {
        true => granted(&kept, &dir.0),
        false => granted(&Files, &dir.0),
    };
    let first = grants();
    assert_eq!((first.way, first.written), (Way::Walked, objects));
    kept.calls.store(0, Ordering::SeqCst);
    let before = counters();
    let again = grants();
    assert_eq!((again.way, again.seen, again.written), (Way::Stood, 0, 0));
    assert_eq!(counters(), before);
    assert!(kept.calls.load(Ordering::SeqCst) <= 8);
}

const CHILD: &str = "RINGFENCE_TEST_JOURNAL";

/// What a test starts: grants or takes back in a directory, and ends at a call.
#[test]
fn child() {
    let Ok(words) = std::env::var(CHILD) else {
        return;
    };
    let mut words = words.splitn(3, ' ');
    let (act, end_at, dir) = (
        words.next().unwrap(),
        words.next().unwrap(),
        words.next().unwrap(),
    );
    let (disk, dir) = (
        Kept::new(Path::new(dir), end_at.parse().unwrap()),
        PathBuf::from(dir),
    );
    match act {
        "grant" => drop(granted(&disk, &dir)),
        "find" => assert_eq!(granted(&disk, &dir).way, Way::Stood),
        _ => drop(undo(&disk, &dir.join("journal"), plan(&dir).id, &()).unwrap()),
    }
}

fn started(act: &str, end_at: u64, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--test-threads", "1"]);
    command.env(CHILD, format!("{act} {end_at} {}", dir.display()));
    command
}

/// Whether the child ended by itself.
fn run_child(act: &str, end_at: u64, dir: &Path) -> bool {
    let said = started(act, end_at, dir).output().unwrap();
    said.status.success()
}

#[test]
fn a_process_that_ends_anywhere_in_granting_leaves_what_can_be_taken_back() {
    let dir = Dir::tree();
    let id = plan(&dir.0).id;
    let mut steps = 0;
    while !run_child("grant", steps, &dir.0) {
        let disk = Kept::new(&dir.0, u64::MAX);
        if steps % 2 == 0 {
            let granted = granted(&disk, &dir.0);
            assert!(granted.left.is_empty(), "{steps}: {granted:?}");
        }
        let undone = undo(&disk, &dir.journal(), id, &()).unwrap();
        assert!(undone.closed, "{steps}: {undone:?}");
        disk.is_back()
            .unwrap_or_else(|wrong| panic!("{steps}: {wrong}"));
        steps += 1;
    }
    println!("ended at each of {steps} calls");
    assert!(steps > 40, "{steps}");
}

#[test]
fn a_process_that_ends_anywhere_in_taking_back_is_followed_by_one_that_does_the_rest() {
    let dir = Dir::tree();
    let id = plan(&dir.0).id;
    let mut steps = 0;
    loop {
        let disk = Kept::new(&dir.0, u64::MAX);
        assert!(granted(&disk, &dir.0).left.is_empty());
        let whole = run_child("undo", steps, &dir.0);
        let undone = undo(&disk, &dir.journal(), id, &()).unwrap();
        assert!(undone.closed, "{steps}: {undone:?}");
        disk.is_back()
            .unwrap_or_else(|wrong| panic!("{steps}: {wrong}"));
        if whole {
            break;
        }
        steps += 1;
    }
    println!("ended at each of {steps} calls");
    assert!(steps > 30, "{steps}");
}

#[test]
fn a_second_process_waits_for_the_first_and_finds_it_done() {
    /// Starts another in its walk.
    struct Starts<'a>(&'a Path, Mutex<Option<Child>>);
    impl Control for Starts<'_> {
        fn progress(&self, _: Progress) {
            let mut other = self.1.lock().unwrap();
            other.get_or_insert_with(|| started("find", u64::MAX, self.0).spawn().unwrap());
        }
    }
    let dir = Dir::tree();
    let disk = Kept::new(&dir.0, u64::MAX);
    let (user, root) = (user(), plan(&dir.0));
    let ask = Grant {
        user: &user,
        principals: &[],
        root: &root,
    };
    let watch = Starts(&dir.0, Mutex::new(None));
    let first = grant(&disk, &dir.journal(), &ask, &watch).unwrap();
    assert_eq!((first.way, first.written), (Way::Walked, 9));
    let mut other = watch.1.into_inner().unwrap().unwrap();
    assert!(other.wait().unwrap().success());
}

#[test]
fn what_a_volume_does_not_keep_is_found_and_put_back() {
    let dir = Dir::tree();
    let root = plan(&dir.0);
    let sddl = |path: &str| {
        let opened = Files.open_root(path).unwrap();
        Files.read(&opened).unwrap().to_sddl().unwrap()
    };
    let paths = [
        root.path.clone(),
        format!(r"{}\.git", root.path),
        format!(r"{}\b", root.path),
    ];
    let before = paths.each_ref().map(|path| sddl(path));
    println!("{before:#?}");
    let start = counters().descriptor_writes;
    let first = granted(&Files, &dir.0);
    let written = counters().descriptor_writes - start;
    println!("{first:?}");
    if !real_windows("a file keeps only its owner's and everybody's rights") {
        // Whoever reads it back sees that: nothing below the root is tried.
        assert_eq!((first.way, written), (Way::NotTheRoot, 1));
        let [left] = &first.left[..] else {
            panic!("{first:?}");
        };
        assert_eq!((left.part, left.why), (Part::Root, Reason::NotKept));
    } else {
        assert_eq!((first.way, first.written, written), (Way::Walked, 9, 9));
        let again = granted(&Files, &dir.0);
        assert_eq!(again.way, Way::Stood);
        assert_eq!(counters().descriptor_writes - start, 9);
        // What is made there inherits it.
        std::fs::write(dir.0.join("work/new"), "").unwrap();
        assert!(sddl(&format!(r"{}\new", root.path)).contains(&root.sid.to_string()));
    }
    let undone = undo(&Files, &dir.journal(), root.id, &()).unwrap();
    println!("{undone:?}");
    assert_eq!(paths.each_ref().map(|path| sddl(path)), before);
    assert!(undone.closed);
}

#[test]
fn what_is_moved_away_is_found_by_its_number() {
    let dir = Dir::tree();
    let disk = Kept::new(&dir.0, u64::MAX);
    granted(&disk, &dir.0);
    let root = plan(&dir.0);
    std::fs::rename(dir.0.join("work/b"), dir.0.join("b")).unwrap();
    let moved = Files.open_root(dir.0.join("b").to_str().unwrap()).unwrap();
    let id = Files.facts(&moved).unwrap().id;
    let found = Files.open_by_id(&root.path, id);
    if found.is_err() && !real_windows("nothing is found by its number") {
        return;
    }
    assert_eq!(Files.facts(&found.unwrap()).unwrap().id, id);
    let undone = undo(&disk, &dir.journal(), root.id, &()).unwrap();
    assert_eq!((undone.moved, undone.gone, undone.closed), (1, 0, true));
    disk.is_back().unwrap();
}

#[test]
fn a_file_outside_with_a_second_name_in_the_tree_is_known_by_its_names() {
    let dir = Dir::tree();
    let disk = Kept::new(&dir.0, u64::MAX);
    std::fs::write(dir.0.join("outside"), "text").unwrap();
    let second = dir.0.join("work/second");
    std::fs::hard_link(dir.0.join("outside"), &second).unwrap();
    let root = Files
        .open_root(dir.0.join("work").to_str().unwrap())
        .unwrap();
    let others = |opened: &Opened| Files.facts(opened).unwrap().other_names;
    let open = |name: &str| Files.open(&root, &Name::from(name), Kind::File).unwrap();
    assert_eq!(
        (others(&root), others(&open("b")), others(&open("second"))),
        (0, 0, 1)
    );
    // Nine as without it, and the one that is left.
    let granted = granted(&disk, &dir.0);
    assert_eq!((granted.seen, granted.written), (10, 9));
    let [left] = &granted.left[..] else {
        panic!("{granted:?}");
    };
    assert_eq!((left.part, left.why), (Part::Other, Reason::OtherNames));
    // The name by which it was opened is gone: another is left, which is not in the tree.
    let opened = open("second");
    std::fs::remove_file(&second).unwrap();
    if real_windows("whether a name is to go is not told") {
        assert_eq!(others(&opened), 1);
    }
}

#[test]
fn a_file_is_opened_with_what_this_user_has() {
    let dir = Dir::tree();
    let path = dir.0.join("work/b");
    // Somebody has it open and shares nothing.
    let _held = std::fs::OpenOptions::new()
        .read(true)
        .share_mode(0)
        .open(&path)
        .unwrap();
    assert!(std::fs::File::open(&path).is_err());
    let root = Files
        .open_root(dir.0.join("work").to_str().unwrap())
        .unwrap();
    let opened = Files.open(&root, &Name::from("B"), Kind::File).unwrap();
    let facts = Files.facts(&opened).unwrap();
    assert_eq!(facts.kind, Kind::File);
    Files.read(&opened).unwrap();
    let root_path = plan(&dir.0).path;
    let by_number = Files.open_by_id(&root_path, facts.id).unwrap();
    Files.read(&by_number).unwrap();
    let none = Files.open(&root, &Name::from("none"), Kind::File);
    assert_eq!(none.unwrap_err(), DiskError::NotThere);
    let names = Files.list(&root).unwrap();
    assert_eq!(names.len(), 3);
}
