//! Keeps what files held before a command changed them, so that it can be undone.
//!
//! In a ring that stays a thread reads what its write roots hold, once, and after each command what that changed: no command waits
//! for it. For one command alone that is done before it starts and after it has ended, and only where it is asked for.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ringfence_changes::{Changes, Follow, GENERATED, Mark, RootDetails, Snapshot};
use ringfence_policy::Snapshot as Wanted;
use ringfence_undo::{Begun, Bounds, Content, Keeper, Key, Manifest, Most, Store};

use crate::changed;
use crate::state::State;

#[cfg(test)]
mod tests;

/// Where before-images of a user are kept.
pub(crate) fn store(state: &State) -> Store {
    Store::new(state.undo(), Bounds::default())
}

/// A file that changed a moment ago is read again after so long: then another change has another time.
const SETTLES: Duration = Duration::from_millis(25);

/// Who ends a ring waits so long for what its last commands changed.
const LAST: Duration = Duration::from_secs(2);

/// Directories that are not kept: tools fill them. What git holds is, but for its own caches of others' content.
fn generated() -> impl Iterator<Item = &'static str> {
    let all = GENERATED.iter().map(|generated| generated.path);
    all.filter(|path| *path != ".git/objects")
}

/// What keeps in a ring that stays.
#[derive(Debug)]
pub(crate) struct Keeping {
    jobs: Mutex<Sender<Job>>,
    /// Commands that run.
    running: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    ended: Mutex<Option<Receiver<()>>>,
}

#[derive(Debug)]
enum Job {
    /// These are kept from now on.
    Roots(Vec<PathBuf>, Arc<Follow>),
    /// Something happened.
    News,
    /// A command ended.
    Ended(Box<Ended>),
    /// Nothing more comes.
    Last,
}

/// What a command changed that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) of: Key,
    pub(crate) shared: bool,
    pub(crate) details: Vec<RootDetails>,
    pub(crate) changes: Arc<Changes>,
}

impl Keeping {
    /// Begins; `None` where no thread is to be had.
    pub(crate) fn start(store: Store, wanted: Wanted) -> Option<Keeping> {
        let (send, jobs) = channel();
        let (end, ended) = channel();
        let running = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = Thread {
            store: Arc::new(store),
            wanted,
            running: Arc::clone(&running),
            stop: Arc::clone(&stop),
            roots: Vec::new(),
        };
        std::thread::Builder::new()
            .name("keep".to_owned())
            .spawn(move || {
                thread.run(&jobs);
                drop(end);
            })
            .ok()?;
        Some(Keeping {
            jobs: Mutex::new(send),
            running,
            stop,
            ended: Mutex::new(Some(ended)),
        })
    }

    fn send(&self, job: Job) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        // A thread that is gone keeps nothing.
        let _gone = jobs.send(job);
    }

    /// Keeps these as well.
    pub(crate) fn roots(&self, roots: Vec<PathBuf>, follow: Arc<Follow>) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let news = jobs.clone();
        drop(jobs);
        follow.on_news(move || {
            let _gone = news.send(Job::News);
        });
        self.send(Job::Roots(roots, follow));
    }

    /// A command starts.
    pub(crate) fn starts(&self) {
        self.running.fetch_add(1, Ordering::SeqCst);
    }

    /// One that started has ended; of one that is not known by a record nothing is kept.
    pub(crate) fn ends(&self, ended: Option<Ended>) {
        match ended {
            // It counts until what it changed has been looked at.
            Some(ended) => self.send(Job::Ended(Box::new(ended))),
            None => one_less(&self.running),
        }
    }

    /// Nothing more comes: waits until what the last commands changed is kept, for a moment.
    pub(crate) fn finish(&self) {
        let ended = self
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(ended) = ended {
            self.stop.store(true, Ordering::SeqCst);
            self.send(Job::Last);
            // Either it has ended, or it takes too long.
            let _over = ended.recv_timeout(LAST);
        }
    }
}

/// One that started before anything was kept is not counted.
fn one_less(running: &AtomicUsize) {
    let less = |running: usize| running.checked_sub(1);
    let _counted = running.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.send(Job::Last);
    }
}

struct Thread {
    store: Arc<Store>,
    wanted: Wanted,
    running: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    roots: Vec<Kept>,
}

/// A directory that is kept.
struct Kept {
    keeper: Keeper,
    follow: Arc<Follow>,
    /// Since when changes have not been looked at.
    mark: Mark,
    /// Why nothing is.
    nothing: Option<String>,
}

impl Thread {
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let unsettled = self.roots.iter().any(|root| root.keeper.is_unsettled());
            let job = if unsettled {
                jobs.recv_timeout(SETTLES)
            } else {
                jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match job {
                Ok(Job::Roots(roots, follow)) => self.begin(roots, &follow),
                Ok(Job::News) => {
                    // While a command runs, what it is about to write is not read.
                    if self.running.load(Ordering::SeqCst) == 0 {
                        self.look();
                    }
                }
                Ok(Job::Ended(ended)) => {
                    self.ended(*ended);
                    one_less(&self.running);
                    if self.running.load(Ordering::SeqCst) == 0 {
                        self.look();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    for root in &mut self.roots {
                        // What cannot be kept is not, and the manifest that lacks it says so.
                        let _unkept = root.keeper.settle();
                    }
                }
                Ok(Job::Last) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn begin(&mut self, roots: Vec<PathBuf>, follow: &Arc<Follow>) {
        for root in outermost(roots) {
            let mark = follow.mark();
            let Ok(mut keeper) = Keeper::open(Arc::clone(&self.store), &root, generated()) else {
                continue;
            };
            let most = match self.wanted {
                Wanted::On => Most::ALL,
                Wanted::Auto | Wanted::Off => Most::CHEAP,
            };
            let stop = || self.stop.load(Ordering::SeqCst);
            let nothing = nothing(&keeper.begin(most, &stop));
            self.roots.push(Kept {
                keeper,
                follow: Arc::clone(follow),
                mark,
                nothing,
            });
        }
    }

    /// Takes in what happened while no command ran.
    fn look(&mut self) {
        for root in self.roots.iter_mut().filter(|root| root.nothing.is_none()) {
            let mark = root.follow.mark();
            let (_, details) = root.follow.since_in_detail(&root.mark);
            root.mark = mark;
            for details in details {
                if details.root == root.keeper.root() {
                    let changes = details.details;
                    // What cannot be kept is not, and the manifest that lacks it says so.
                    let _unkept = root.keeper.capture(changes);
                }
            }
            // One that has begun meanwhile may ask for it; the next look forgets it.
            if self.running.load(Ordering::SeqCst) == 0 {
                root.keeper.forget_past();
            }
        }
    }

    fn ended(&mut self, ended: Ended) {
        let mut manifest = Manifest::new(ended.of);
        manifest.shared = ended.shared;
        manifest.incomplete = incomplete(&ended.changes);
        for details in ended.details {
            let root = self
                .roots
                .iter_mut()
                .find(|root| root.keeper.root() == details.root);
            match root {
                Some(root) => match &root.nothing {
                    Some(why) => manifest.nothing = Some(why.clone()),
                    None => capture(&mut root.keeper, details, &mut manifest),
                },
                None => manifest.nothing = Some("it could not be opened".to_owned()),
            }
        }
        // The command has ended; that it cannot be undone is told to who asks.
        let _unkept = keep(&self.store, manifest);
    }
}

fn incomplete(changes: &Changes) -> Vec<String> {
    changes.incomplete.iter().map(ToString::to_string).collect()
}

fn capture(keeper: &mut Keeper, details: RootDetails, manifest: &mut Manifest) {
    match keeper.capture(details.details) {
        Ok(captured) => {
            manifest.generated += captured.generated;
            manifest.more += captured.more;
            if !captured.steps.steps.is_empty() {
                manifest.roots.push(captured.steps);
            }
        }
        Err(error) => manifest.nothing = Some(error.to_string()),
    }
}

/// Of a command that changed nothing there is nothing to keep.
fn keep(store: &Store, manifest: Manifest) -> Result<(), ringfence_undo::Error> {
    if manifest.steps() > 0 || manifest.nothing.is_some() || manifest.generated > 0 {
        store.keep(manifest)?;
    }
    Ok(())
}

/// Why nothing is kept.
fn nothing(begun: &Result<Begun, ringfence_undo::Error>) -> Option<String> {
    let larger = "; with `snapshot = true` under [filesystem] in your policy, or `--snapshot`, it is kept all the same";
    match begun {
        Ok(Begun::Whole { .. } | Begun::Stopped) => None,
        Ok(Begun::TooMuch { files, bytes }) => Some(format!(
            "at least {files} files with {} MiB would have had to be read first, which is more than is done unasked{larger}",
            bytes >> 20
        )),
        Ok(Begun::TooMany) => Some("it has more files than are looked at".to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

/// Without what lies in another.
fn outermost(roots: Vec<PathBuf>) -> Vec<PathBuf> {
    let within = |root: &Path| {
        let outer = |other: &PathBuf| other != root && root.starts_with(other);
        roots.iter().any(outer)
    };
    let inner: Vec<bool> = roots.iter().map(|root| within(root)).collect();
    let mut all: Vec<PathBuf> = roots
        .into_iter()
        .zip(inner)
        .filter(|(_, inner)| !inner)
        .map(|(root, _)| root)
        .collect();
    all.dedup();
    all
}

/// How what one command may write stands before it.
#[derive(Debug)]
pub(crate) struct Stands {
    snapshot: Snapshot,
    /// What is kept of it, where that is wanted.
    kept: Option<Alone>,
}

/// What is kept for one command alone.
#[derive(Debug)]
struct Alone {
    store: Arc<Store>,
    /// For each directory; or why nothing of it is.
    keepers: Vec<(Keeper, Option<String>)>,
}

impl Stands {
    /// Walks it; and, where it is to be kept, reads what is not known yet.
    pub(crate) fn now(roots: &[&Path], store: Option<Store>) -> Stands {
        let kept = store.map(|store| {
            let store = Arc::new(store);
            let roots = outermost(roots.iter().map(|root| root.to_path_buf()).collect());
            let keepers = roots.iter().filter_map(|root| {
                let mut keeper = Keeper::open(Arc::clone(&store), root, generated()).ok()?;
                let nothing = nothing(&keeper.begin(Most::ALL, &|| false));
                if keeper.is_unsettled() {
                    settle(&mut keeper);
                }
                Some((keeper, nothing))
            });
            let keepers = keepers.collect();
            Alone { store, keepers }
        });
        Stands {
            snapshot: Snapshot::take(roots, changed::options()),
            kept,
        }
    }

    /// What became another since; it is kept under the command's number. And what of it is not kept.
    pub(crate) fn changes(self, of: Option<Key>) -> (Changes, Option<String>) {
        let (Some(alone), Some(of)) = (self.kept, of) else {
            return (self.snapshot.changes(), None);
        };
        let Alone { store, mut keepers } = alone;
        let (changes, details) = self.snapshot.changes_in_detail();
        let mut manifest = Manifest::new(of);
        manifest.incomplete = incomplete(&changes);
        for details in details {
            let its = keepers.iter_mut().find(|(k, _)| k.root() == details.root);
            match its {
                Some((_, Some(why))) => manifest.nothing = Some(why.clone()),
                Some((keeper, None)) => capture(keeper, details, &mut manifest),
                None => manifest.nothing = Some("it could not be opened".to_owned()),
            }
        }
        let unkept = unkept(&manifest);
        let failed = keep(&store, manifest).err();
        (changes, failed.map(|error| error.to_string()).or(unkept))
    }
}

/// What a command changed and nobody can have back.
fn unkept(manifest: &Manifest) -> Option<String> {
    if manifest.nothing.is_some() {
        return manifest.nothing.clone();
    }
    let steps = manifest.roots.iter().flat_map(|root| root.steps.iter());
    let mut lost = steps.filter_map(|step| match step.before.as_ref()?.content {
        Content::Not(why) => Some((&step.path, why)),
        _ => None,
    });
    let (path, why) = lost.next()?;
    let more = match lost.count() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!("{}: {}{more}", path.display(), why.words()))
}

/// Waits for the next tick of the clock by which files are dated, and reads again what was written in this one.
#[expect(
    clippy::disallowed_methods,
    reason = "there is nothing that tells of the next tick"
)]
fn settle(keeper: &mut Keeper) {
    std::thread::sleep(SETTLES);
    // What cannot be kept is not, and the manifest that lacks it says so.
    let _unkept = keeper.settle();
}
