//! Protected names in a write root: what exists is guarded, what does not is watched.

mod lead;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::sync::OnceLock;

use ringfence_ops::linux::Located;
use ringfence_plan::{Doubt, Guarded, Missing, promise};
use ringfence_sys_linux::SysError;
use ringfence_sys_linux::listing::{self, Listing};
use ringfence_sys_linux::object::{self, Identity};
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::careful;
use crate::locate::{located, look, trail};

/// The paths of all write roots of which none lies in another. There may be many, and a
/// path has few ancestors.
#[derive(Debug)]
pub(crate) struct Tops {
    paths: HashSet<PathBuf>,
    /// Of these, those of the work itself: never guarded whole.
    work: HashSet<PathBuf>,
}

impl Tops {
    /// The one a canonical path lies in.
    fn above(&self, path: &Path) -> Option<&PathBuf> {
        path.ancestors().find_map(|up| self.paths.get(up))
    }

    /// Which of them are the workspace and what it needs.
    pub(crate) fn of_work(mut self, work: impl IntoIterator<Item = PathBuf>) -> Tops {
        self.work.extend(work);
        self
    }

    pub(crate) fn is_work(&self, root: &Path) -> bool {
        self.work.contains(root)
    }

    /// Those that are this, or lie in it, but for the work's own.
    fn within<'t>(&'t self, path: &'t Path) -> impl Iterator<Item = &'t PathBuf> {
        let within = self.paths.iter().filter(move |root| root.starts_with(path));
        within.filter(|root| !self.is_work(root))
    }
}

impl FromIterator<PathBuf> for Tops {
    fn from_iter<T: IntoIterator<Item = PathBuf>>(paths: T) -> Tops {
        Tops {
            paths: paths.into_iter().collect(),
            work: HashSet::new(),
        }
    }
}

/// Files that git runs by configuration that is known, and what each was when a command began.
pub(crate) type Programs = BTreeMap<PathBuf, Stood>;

/// How a program stood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stood {
    /// Which file it is, when it was changed, by the kernel's word, and its mode: of what is a file.
    stamp: Option<(u64, u64, i64, i64, u32)>,
    /// What it holds, unless that is much.
    holds: Option<u64>,
}

impl Stood {
    pub(crate) fn of(path: &Path) -> Stood {
        use std::hash::{BuildHasher, RandomState};
        use std::os::unix::fs::MetadataExt;
        /// Of this process, so that nobody can have two with the same.
        static KEY: OnceLock<RandomState> = OnceLock::new();
        let meta = std::fs::metadata(path).ok();
        let file = meta.filter(std::fs::Metadata::is_file);
        let stamp = |m: &std::fs::Metadata| (m.dev(), m.ino(), m.ctime(), m.ctime_nsec(), m.mode());
        let read = |_: &_| careful::read(path, careful::SMALL).ok();
        let bytes = file.as_ref().and_then(read);
        let key = KEY.get_or_init(RandomState::new);
        Stood {
            stamp: file.as_ref().map(stamp),
            holds: bytes.map(|bytes| key.hash_one(&bytes)),
        }
    }

    /// Whether something else stands there now that may be run.
    pub(crate) fn is_another(&self, path: &Path) -> bool {
        let now = Stood::of(path);
        let mode = |stood: &Stood| stood.stamp.map(|(.., mode)| mode);
        let same = self.holds.is_some() && self.holds == now.holds && mode(self) == mode(&now);
        now.stamp.is_some() && now.stamp != self.stamp && !same
    }
}

/// Guards being collected for one write root.
#[derive(Debug)]
pub(crate) struct Guards<'a> {
    roots: &'a Tops,
    guarded: Vec<Guarded>,
    missing: Vec<Lacking>,
    /// A write root that lacks each of these, each once, and how many in `missing` come before them.
    each: Option<(&'a Located, &'a [PathBuf], usize)>,
    /// The directories of `missing`, each once: there are many names in few.
    places: Vec<Rc<Located>>,
    doubts: Vec<Doubt>,
    /// Directories that were repositories, and are none now.
    vacant: Vec<PathBuf>,
    /// Work trees that say that they have submodules.
    submodules: BTreeSet<PathBuf>,
    /// Files that git runs, by configuration that is known.
    programs: Programs,
    /// No file could be opened any more: what is protected is not known.
    short: Option<SysError>,
    /// Directories that are guarded, with all in them.
    sealed: BTreeSet<PathBuf>,
    /// Names in protected directories that may yet be looked at.
    looks: usize,
    /// The names in the write root, once they were read.
    names: Option<(PathBuf, Option<Listing>)>,
    /// The directory that was walked to last: there are many names in few.
    way: Option<Way>,
}

/// A directory below a write root, and the way to it.
#[derive(Debug)]
struct Way {
    root: PathBuf,
    relative: PathBuf,
    /// What lies on the way, and the directory itself.
    pins: Vec<Located>,
    dir: OwnedFd,
}

impl Way {
    fn leads(&self, root: &Path, relative: &Path) -> bool {
        self.root.as_os_str() == root.as_os_str()
            && self.relative.as_os_str() == relative.as_os_str()
    }
}

/// Names in protected directories that are looked at for links, in one write root: what
/// people keep there is far less, and a command must not take longer for what lies there.
const LOOKS: usize = 4096;

/// Directories below a protected one that are looked into, one in another.
const DEEPEST: u32 = 4;

/// A protected path of which only the beginning exists.
#[derive(Debug)]
struct Lacking {
    /// The write root.
    root: Rc<Located>,
    /// What exists below it, outermost first.
    pins: Vec<Located>,
    /// The whole path below the root.
    relative: PathBuf,
    /// By a link, which a command may have made, and not by name.
    led: bool,
}

impl<'a> Guards<'a> {
    pub(crate) fn new(roots: &'a Tops) -> Guards<'a> {
        Guards {
            roots,
            guarded: Vec::new(),
            missing: Vec::new(),
            each: None,
            places: Vec::new(),
            doubts: Vec::new(),
            vacant: Vec::new(),
            submodules: BTreeSet::new(),
            programs: Programs::new(),
            short: None,
            sealed: BTreeSet::new(),
            looks: LOOKS,
            names: None,
            way: None,
        }
    }

    /// Whether a write root may have a name. Most that are protected do not exist.
    pub(crate) fn may_have(&mut self, root: BorrowedFd<'_>, at: &Path, name: &OsStr) -> bool {
        self.names(root, at)
            .is_none_or(|names| names.may_have(name.as_bytes()))
    }

    /// The names in a write root, where that can be said.
    pub(crate) fn names(&mut self, root: BorrowedFd<'_>, at: &Path) -> Option<&Listing> {
        let known = self.names.take();
        let known = known.filter(|(known, _)| known.as_os_str() == at.as_os_str());
        let known = known.unwrap_or_else(|| (at.to_owned(), Listing::of(root)));
        self.names.insert(known).1.as_ref()
    }

    /// What was missed for want of descriptors, if anything was.
    pub(crate) fn short(&self) -> Option<SysError> {
        self.short
    }

    /// Nobody need accept that: more files can be let open.
    pub(crate) fn ran_short(&mut self, error: SysError) {
        self.short.get_or_insert(error);
    }

    /// Watches for paths, each named once, of which a write root does not have the beginnings.
    pub(crate) fn lacks_each(&mut self, root: &'a Located, paths: &'a [PathBuf]) {
        self.each = Some((root, paths, self.missing.len()));
    }

    /// Each object and each name once for each promise.
    pub(crate) fn finish(mut self) -> (Vec<Guarded>, Vec<Missing>) {
        if let Some((root, paths, before)) = self.each.take() {
            if self.guarded.is_empty() && self.missing.is_empty() {
                let names = paths.to_vec();
                let dir = root.clone();
                return (Vec::new(), vec![Missing { dir, names }]);
            }
            let after = self.missing.split_off(before);
            for path in paths {
                self.lacks(root, Vec::new(), path.clone(), false);
            }
            self.missing.extend(after);
        }
        let mut seen = HashSet::new();
        self.guarded
            .retain(|g| seen.insert((g.object.path.clone(), g.promise)));
        let fixed: BTreeSet<&Path> = self
            .guarded
            .iter()
            .flat_map(|g| g.pins.iter().chain([&g.object]))
            .map(|at| at.path.as_path())
            .collect();
        let mut missing: Vec<Missing> = Vec::new();
        let mut of_dir: HashMap<OsString, (usize, HashSet<OsString>)> = HashMap::new();
        // There is an end to what is watched: what was named comes first.
        self.missing.sort_by_key(|lacking| lacking.led);
        for Lacking {
            root,
            pins,
            relative,
            led: _,
        } in self.missing
        {
            // A directory that can be moved away, and another put in its place, is no
            // place to watch: the nearest that cannot is, at worst the root itself.
            let depth = pins
                .iter()
                .rposition(|at| fixed.contains(at.path.as_path()))
                .map_or(0, |at| at + 1);
            let (dir, name) = match depth {
                0 => (&*root, relative),
                depth => (
                    &pins[depth - 1],
                    relative.components().skip(depth).collect(),
                ),
            };
            let (index, names) = match of_dir.get_mut(dir.path.as_os_str()) {
                Some(known) => known,
                None => {
                    missing.push(Missing {
                        dir: dir.clone(),
                        names: Vec::new(),
                    });
                    of_dir
                        .entry(dir.path.clone().into_os_string())
                        .or_insert((missing.len() - 1, HashSet::new()))
                }
            };
            if names.insert(name.clone().into_os_string()) {
                missing[*index].names.push(name);
            }
        }
        (self.guarded, missing)
    }

    fn lacks(&mut self, root: &Located, pins: Vec<Located>, relative: PathBuf, led: bool) {
        let same = |known: &&Rc<Located>| known.path.as_os_str() == root.path.as_os_str();
        let root = match self.places.iter().rev().find(same) {
            Some(known) => known.clone(),
            None => {
                let root = Rc::new(root.clone());
                self.places.push(root.clone());
                root
            }
        };
        self.missing.push(Lacking {
            root,
            pins,
            relative,
            led,
        });
    }

    /// Guards a path below a write root, or watches for it.
    pub(crate) fn add(
        &mut self,
        root: BorrowedFd<'_>,
        at: &Located,
        relative: &Path,
        promise: &'static str,
    ) -> Result<(), SysError> {
        if let Some((pins, relative)) = self.walk(root, at, relative, promise)? {
            self.lacks(at, pins, relative, false);
        }
        Ok(())
    }

    /// Watches a name whether it exists or not: the runner knows what may stand there.
    pub(crate) fn watch(&mut self, root: &Located, relative: &Path) {
        self.lacks(root, Vec::new(), relative.to_owned(), false);
    }

    /// Guards a path below a write root if it exists.
    pub(crate) fn add_existing(
        &mut self,
        root: BorrowedFd<'_>,
        at: &Located,
        relative: &Path,
        promise: &'static str,
    ) -> Result<(), SysError> {
        self.walk(root, at, relative, promise).map(|_| ())
    }

    /// What of the path exists, and the path, where not all of it does.
    fn walk(
        &mut self,
        root: BorrowedFd<'_>,
        at: &Located,
        relative: &Path,
        promise: &'static str,
    ) -> Result<Option<(Vec<Located>, PathBuf)>, SysError> {
        let relative: PathBuf = plain(relative).collect();
        let parent = relative.parent().unwrap_or(Path::new(""));
        let mut pins: Vec<Located> = Vec::new();
        let mut dir: Option<OwnedFd> = None;
        let mut components = relative.components();
        if let Some(way) = self.way.take_if(|way| way.leads(&at.path, parent)) {
            (pins, dir) = (way.pins, Some(way.dir));
            let depth = parent.components().count();
            components.nth(depth.saturating_sub(1));
        }
        while let Some(component) = components.next() {
            let Component::Normal(name) = component else {
                continue;
            };
            if dir.is_none() && !self.may_have(root, &at.path, name) {
                return Ok(Some((pins, relative)));
            }
            let c_name = CString::new(name.as_bytes())
                .map_err(|_| SysError::new("openat", rustix::io::Errno::INVAL.raw_os_error()))?;
            let above = dir.as_ref().map_or(root, AsFd::as_fd);
            let rest = components.as_path();
            let identity = object::identity_at(above, &c_name)?;
            if rest.as_os_str().is_empty()
                && let Some(dir) = dir.take()
            {
                self.way = Some(Way {
                    root: at.path.clone(),
                    relative: parent.to_owned(),
                    pins: pins.clone(),
                    dir,
                });
            }
            let Some(identity) = identity else {
                return Ok(Some((pins, relative)));
            };
            let here = &pins.last().unwrap_or(at).path;
            let object = located(here.join(name), &identity);
            if rest.as_os_str().is_empty() || !identity.is_dir() {
                // The last component; or a link or file that stands in the way of the
                // rest, and must not be swapped for a directory.
                if identity.kind() != FileType::Symlink {
                    self.object(pins, object, &identity, promise);
                    return Ok(None);
                }
                // What a link leads to is protected too, where it lies in a write root.
                if let Ok(target) = std::fs::read_link(&object.path) {
                    self.trail(here.clone(), &target.join(rest), here, promise);
                }
                self.guarded.push(Guarded {
                    pins,
                    object,
                    promise,
                });
                return Ok(None);
            }
            let above = dir.as_ref().map_or(root, AsFd::as_fd);
            dir = Some(object::open_at(above, Path::new(name))?);
            pins.push(object);
        }
        Ok(None)
    }

    /// Guards what a path leads to, and each link by which it does, where they lie in a
    /// write root; watches for what does not exist.
    pub(crate) fn reach(&mut self, path: &Path, promise: &'static str) -> Result<(), SysError> {
        let trail = match trail(path) {
            // It leads nowhere, and what is in a write root of it is a link by itself.
            Err(e) if e.errno == Errno::LOOP.raw_os_error() => return self.place(path, promise),
            other => other?,
        };
        for link in &trail.links {
            self.place(link, promise)?;
        }
        self.place(&trail.end, promise)
    }

    /// Guards a write root itself: nothing of it is writable then.
    pub(crate) fn whole(&mut self, root: &Path, promise: &'static str) -> Result<(), SysError> {
        if let Some(identity) = look(root)? {
            self.guarded.push(Guarded {
                pins: Vec::new(),
                object: located(root, &identity),
                promise,
            });
        }
        Ok(())
    }

    /// Guards a canonical path in a write root, or watches for it.
    fn place(&mut self, path: &Path, promise: &'static str) -> Result<(), SysError> {
        let Some(root) = self.roots.above(path) else {
            return Ok(());
        };
        let mut pins: Vec<Located> = Vec::new();
        let mut here = root.clone();
        let relative = path.strip_prefix(root).unwrap_or(path);
        if relative.as_os_str().is_empty() {
            return self.whole(path, promise);
        }
        let mut components = relative.components();
        while let Some(component) = components.next() {
            here.push(component);
            let Some(identity) = look(&here)? else {
                // Where the write root itself is gone there is nothing to watch.
                if let Some(identity) = look(root)? {
                    self.lacks(&located(root, &identity), pins, relative.to_owned(), false);
                }
                return Ok(());
            };
            let object = located(here.clone(), &identity);
            if identity.kind() == FileType::Symlink {
                self.guarded.push(Guarded {
                    pins,
                    object,
                    promise,
                });
                return Ok(());
            }
            if components.as_path().as_os_str().is_empty() || !identity.is_dir() {
                self.object(pins, object, &identity, promise);
                return Ok(());
            }
            pins.push(object);
        }
        Ok(())
    }

    fn is_sealed(&self, path: &Path) -> bool {
        path.ancestors().any(|dir| self.sealed.contains(dir))
    }

    /// The components between the write root a path lies in and its last one.
    fn pins(&self, path: &Path) -> Option<Vec<Located>> {
        let mut chain = self.chain(path)?;
        // A write root itself is no object in one.
        chain.pop().map(|_| chain)
    }

    /// The components below the write root a canonical path lies in.
    fn chain(&self, path: &Path) -> Option<Vec<Located>> {
        let root = self.roots.above(path)?;
        let mut chain = Vec::new();
        let mut here = root.clone();
        for component in path.strip_prefix(root).ok()?.components() {
            here.push(component);
            // Gone since: then nothing stands there to be protected.
            let identity = object::identity_of(&here).ok().flatten()?;
            chain.push(located(here.clone(), &identity));
        }
        Some(chain)
    }

    /// Guards an object that is no link, and what links in it lead to.
    fn object(
        &mut self,
        pins: Vec<Located>,
        object: Located,
        identity: &Identity,
        promise: &'static str,
    ) {
        let path = object.path.clone();
        self.guarded.push(Guarded {
            pins,
            object,
            promise,
        });
        if identity.is_dir() {
            if self.sealed.insert(path.clone()) {
                self.inside(&path, promise, 0);
            }
        } else if identity.kind() == FileType::RegularFile && identity.links > 1 {
            self.other_name(&path, promise);
        }
    }

    /// Guards what links in a protected directory lead to: it is obeyed by their names.
    fn inside(&mut self, dir: &Path, promise: &'static str, depth: u32) {
        let entries = match listing::entries(dir) {
            Ok(entries) => entries,
            Err(Errno::NOENT) => return,
            Err(e) => {
                let e = std::io::Error::from(e);
                let what = format!(
                    "writable, if links in {} lead to it: {e}; what they lead to is not known",
                    dir.display()
                );
                return self.doubt(promise, what);
            }
        };
        let mut dirs = Vec::new();
        for entry in entries.flatten() {
            if self.looks == 0 {
                let what = format!(
                    "writable, if links in {} lead to it: too many names to look at",
                    dir.display()
                );
                return self.doubt(promise, what);
            }
            self.looks -= 1;
            let name = entry.name;
            let path = dir.join(&name);
            let kind = match entry.kind {
                FileType::Unknown => match look(&path) {
                    Ok(Some(identity)) => identity.kind(),
                    _ => continue,
                },
                kind => kind,
            };
            if name == ".git" {
                // A work tree (an agent's own, say): no settings, and as large as they get.
                return;
            }
            if kind == FileType::Symlink {
                if let Ok(target) = std::fs::read_link(&path) {
                    self.trail(dir.to_owned(), &target, dir, promise);
                }
            } else if kind == FileType::Directory {
                dirs.push(path);
            } else if promise == promise::PROTECT_GIT
                // Git does not run these.
                && !name.as_bytes().ends_with(b".sample")
                && kind == FileType::RegularFile
                && look(&path).is_ok_and(|found| found.is_some_and(|f| f.links > 1))
            {
                self.other_name(&path, promise);
            }
        }
        if depth < DEEPEST {
            for dir in dirs {
                self.inside(&dir, promise, depth + 1);
            }
        }
    }

    /// A mount covers a name, and this file has another, by which it may be written.
    fn other_name(&mut self, path: &Path, promise: &'static str) {
        let what = format!(
            "writable by its other name (a hard link), if that lies in a write root: {}",
            path.display()
        );
        self.doubt(promise, what);
    }

    /// Something that is protected less than whole.
    pub(crate) fn doubt(&mut self, promise: &'static str, what: String) {
        self.note(Doubt {
            promise,
            what,
            refused: false,
        });
    }

    /// Something that is not protected at all.
    pub(crate) fn give_up(&mut self, promise: &'static str, what: String) {
        self.note(Doubt {
            promise,
            what,
            refused: true,
        });
    }

    fn note(&mut self, doubt: Doubt) {
        if !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
    }

    /// Notes a directory that was a repository and is none now.
    pub(crate) fn vacant(&mut self, tree: PathBuf) {
        self.vacant.push(tree);
    }

    /// Those that were noted.
    pub(crate) fn vacated(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.vacant)
    }

    /// Notes a work tree that says that it has submodules.
    pub(crate) fn has_submodules(&mut self, tree: PathBuf) {
        self.submodules.insert(tree);
    }

    /// Those that were noted.
    pub(crate) fn submodules(&mut self) -> BTreeSet<PathBuf> {
        std::mem::take(&mut self.submodules)
    }

    /// Notes a file that git runs, or may run once it is there.
    pub(crate) fn program(&mut self, path: PathBuf) {
        if self.roots.above(&path).is_some() {
            // `./tools/x`
            let path: PathBuf = path.components().collect();
            let stands = Stood::of(&path);
            self.programs.insert(path, stands);
        }
    }

    /// Those that were noted.
    pub(crate) fn programs(&mut self) -> Programs {
        std::mem::take(&mut self.programs)
    }

    /// What could not be protected as it should be.
    pub(crate) fn doubts(&mut self) -> Vec<Doubt> {
        std::mem::take(&mut self.doubts)
    }
}

/// A path's names.
pub(super) fn plain(path: &Path) -> impl Iterator<Item = Component<'_>> {
    path.components()
        .filter(|c| matches!(c, Component::Normal(_)))
}
