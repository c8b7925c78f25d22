//! Which object gets which ACEs: the plan names them by path, the walk knows them by their numbers.

use std::collections::HashMap;

use ringfence_nt_access::{Ace, Child, SecurityDescriptor, Sid};
use ringfence_plan::windows::{FileId, Next, RootPlan, Step, Walk};

use crate::disk::{Disk, DiskError, Facts, Kind};
use crate::left::{Left, Part, Reason};
use crate::line::{self, Aces, Guard, Planned};
use crate::name::{Below, Name};

/// What of a kind inherits.
pub(crate) fn child(kind: Kind) -> Child {
    match kind {
        Kind::Directory => Child::Container,
        Kind::File | Kind::ReparsePoint => Child::Leaf,
    }
}

/// A plan's guard, by where it is below the root.
struct Post<'a> {
    below: Below,
    aces: &'a [Ace],
    promise: &'static str,
}

/// A path of the plan that is not in its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outside(pub(crate) String);

/// The plan of a root, as it is written down and looked for.
pub(crate) struct Aims<'a> {
    root: &'a RootPlan,
    posts: Vec<Post<'a>>,
    /// All ACEs of it.
    pub(crate) ours: Vec<Ace>,
}

impl<'a> Aims<'a> {
    pub(crate) fn of(root: &'a RootPlan) -> Result<Aims<'a>, Outside> {
        let mut posts = Vec::new();
        for guard in &root.guards {
            posts.push(Post {
                below: below(&root.path, &guard.path).ok_or(Outside(guard.path.clone()))?,
                aces: &guard.aces,
                promise: guard.promise,
            });
        }
        let mut ours = root.own.clone();
        ours.extend(root.guards.iter().flat_map(|guard| guard.aces.clone()));
        Ok(Aims { root, posts, ours })
    }

    /// The plan as a line; none where an ACE has no words.
    pub(crate) fn line(&self, user: &Sid, principals: &[Sid]) -> Option<Planned> {
        let guards = self.posts.iter().map(|post| {
            Some(Guard {
                path: post.below.to_text(),
                aces: line::words(post.aces)?,
                promise: post.promise.to_owned(),
            })
        });
        let aces = Aces {
            principals: principals.iter().map(Sid::to_string).collect(),
            own: line::words(&self.root.own)?,
            guards: guards.collect::<Option<_>>()?,
        };
        let said = serde_json::to_string(&(
            line::VERSION,
            user.to_string(),
            self.root.sid.to_string(),
            line::key(self.root.id),
            &aces,
        ));
        Some(Planned {
            digest: line::digest(said.ok()?.as_bytes()),
            root: self.root.path.clone(),
            aces,
        })
    }
}

/// Where a path of the plan is below its root. Both are final paths, so case is all in which the same can differ.
fn below(root: &str, path: &str) -> Option<Below> {
    let parts = |path| str::split(path, ['\\', '/']).filter(|part: &&str| !part.is_empty());
    let mut rest = parts(path);
    for part in parts(root) {
        let own = rest.next()?;
        if own.to_lowercase() != part.to_lowercase() {
            return None;
        }
    }
    Some(rest.fold(Below::default(), |below, part| below.join(Name::from(part))))
}

/// An object on the way to what is protected, as it was found.
struct Stand<O> {
    path: Below,
    object: O,
    facts: Facts,
    descriptor: SecurityDescriptor,
    above: Option<usize>,
}

/// The objects of a plan, found: the root, what is protected, and what lies between.
pub(crate) struct Found<'a, O> {
    root: &'a RootPlan,
    stands: Vec<Stand<O>>,
    own: HashMap<FileId, (Vec<Ace>, Part)>,
    /// What is protected and could not be found.
    pub(crate) lost: Vec<Left>,
}

impl<'a> Aims<'a> {
    /// Looks for each from the root on, by name, through nothing that leads elsewhere.
    pub(crate) fn find<D: Disk>(
        &self,
        disk: &D,
        root: D::Object,
    ) -> Result<Found<'a, D::Object>, DiskError> {
        let top = stand(disk, root, Below::default(), None)?;
        let mut found = Found {
            root: self.root,
            own: HashMap::from([(top.facts.id, (Vec::new(), Part::Root))]),
            stands: vec![top],
            lost: Vec::new(),
        };
        let mut known: HashMap<String, usize> = HashMap::new();
        for post in &self.posts {
            match find(disk, &mut found.stands, &mut known, &post.below) {
                Ok(id) => {
                    let empty = || (Vec::new(), Part::Guard(post.promise));
                    let (aces, _) = found.own.entry(id).or_insert_with(empty);
                    aces.extend(post.aces.iter().cloned());
                }
                Err(why) => found.lost.push(Left {
                    path: post.below.clone(),
                    part: Part::Guard(post.promise),
                    why: why.into(),
                }),
            }
        }
        let top = found.own.entry(self.root.id);
        let (aces, _) = top.or_insert_with(|| (Vec::new(), Part::Root));
        aces.extend(self.root.own.iter().cloned());
        Ok(found)
    }
}

fn stand<D: Disk>(
    disk: &D,
    object: D::Object,
    path: Below,
    above: Option<usize>,
) -> Result<Stand<D::Object>, DiskError> {
    let facts = disk.facts(&object)?;
    if facts.kind == Kind::ReparsePoint {
        return Err(DiskError::LeadsElsewhere);
    }
    Ok(Stand {
        descriptor: disk.read(&object)?,
        path,
        object,
        facts,
        above,
    })
}

fn find<D: Disk>(
    disk: &D,
    stands: &mut Vec<Stand<D::Object>>,
    known: &mut HashMap<String, usize>,
    below: &Below,
) -> Result<FileId, DiskError> {
    let mut at = 0;
    let mut path = Below::default();
    for name in below.names() {
        path = path.join(name.clone());
        let text = path.to_text();
        at = if let Some(index) = known.get(&text) {
            *index
        } else {
            let above = stands.get(at).ok_or(DiskError::NotThere)?;
            let object = disk.open(&above.object, name, Kind::File)?;
            let found = stand(disk, object, path.clone(), Some(at))?;
            stands.push(found);
            known.insert(text, stands.len() - 1);
            stands.len() - 1
        };
    }
    stands
        .get(at)
        .map(|stand| stand.facts.id)
        .ok_or(DiskError::NotThere)
}

/// The last part of the way to something protected.
pub(crate) struct OneWay<'a, O> {
    pub(crate) directory: &'a O,
    pub(crate) name: Name,
    pub(crate) id: FileId,
    pub(crate) kind: Kind,
    pub(crate) path: &'a Below,
}

impl<O> Found<'_, O> {
    /// The ACEs that are said of an object, and what it is to the plan.
    pub(crate) fn own(&self, id: FileId) -> (&[Ace], Part) {
        self.own
            .get(&id)
            .map_or((&[], Part::Other), |(aces, part)| (aces, *part))
    }

    /// Whether an object goes by this name: what is protected by that of the plan, since by another its directory hands on
    /// something else, and it would be found wanting each time; the rest by any.
    pub(crate) fn is_its_name(&self, id: FileId, path: &Below) -> bool {
        if self.own(id).1 == Part::Other {
            return true;
        }
        let stand = self.stands.iter().find(|stand| stand.facts.id == id);
        // Case is all in which the same can differ; what is taken for another here is come to by its path.
        let lower = |path: &Below| path.to_text().to_lowercase();
        stand.is_none_or(|stand| lower(&stand.path) == lower(path))
    }

    /// How what is protected was come to, the outermost first.
    pub(crate) fn ways(&self) -> Vec<OneWay<'_, O>> {
        let way = |stand: &'_ Stand<O>| Some((stand.above?, stand.path.last()?.clone()));
        let mut ways = Vec::new();
        for stand in &self.stands {
            if let Some((above, name)) = way(stand)
                && let Some(above) = self.stands.get(above)
            {
                ways.push(OneWay {
                    directory: &above.object,
                    name,
                    id: stand.facts.id,
                    kind: stand.facts.kind,
                    path: &stand.path,
                });
            }
        }
        ways
    }

    /// Which directory the root is.
    pub(crate) fn id(&self) -> FileId {
        self.root.id
    }

    /// Whether the root and all that is protected have what they shall have, or cannot: what is left so, and why. None where
    /// something is to be written.
    pub(crate) fn stands(&self, walk: &Walk<'_>) -> Option<Vec<Left>> {
        let mut left = self.lost.clone();
        for stand in &self.stands {
            let (own, part) = self.own(stand.facts.id);
            if part == Part::Other {
                continue;
            }
            let above = stand.above.and_then(|above| self.stands.get(above));
            let step = Step {
                descriptor: &stand.descriptor,
                directory: above.map(|above| (&above.descriptor, &above.descriptor)),
                kind: child(stand.facts.kind),
                own,
                linked: stand.facts.is_linked(),
            };
            match walk.next(step) {
                Next::Same => {}
                Next::Write(_) => return None,
                Next::Left(why) => left.push(Left {
                    path: stand.path.clone(),
                    part,
                    why: Reason::from(why),
                }),
            }
        }
        Some(left)
    }
}
