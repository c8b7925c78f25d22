//! Trees at random, the plans for them, and what a walk by hand makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use ringfence_nt_access::random::{Random, Wild};
use ringfence_nt_access::{
    Ace, AceFlags, Child, Control, Doubt, Mask, SecurityDescriptor, Sid, Token, create,
    file_access, file_right, maximum_allowed, object, well_known,
};
use ringfence_plan::promise;
use ringfence_plan::windows::{
    self, Guarded, Next, Principals, Root, RootPlan, Site, Step, Volume as Kept, Walk, plan,
};
use ringfence_policy::{Context, Effective, FileText, Flags, Sources, load};

use super::drawer::Drawer;
use super::simulated::{Files, Kill, Node, Volume, id};
use crate::Way;
use crate::crew::Crew;
use crate::disk::Kind;
use crate::grant::{Grant, GrantError, Granted, grant_in};
use crate::left::Control as Watch;
use crate::undo::{UndoError, Undone, undo_in};

const GROUP: Sid = Sid::account([5, 5, 5, 1100]);
pub(super) const OFFLINE: Sid = Sid::account([5, 5, 5, 1101]);
const ONLINE: Sid = Sid::account([5, 5, 5, 1102]);
const STRANGER: Sid = Sid::account([6, 6, 6, 1001]);

/// A volume with a workspace, its plan, and where journals are.
pub(super) struct Case {
    pub(super) volume: Volume,
    pub(super) shelf: Drawer,
    pub(super) facts: windows::Facts,
    pub(super) workspace: u128,
    pub(super) guarded: Vec<u128>,
    pub(super) plan: RootPlan,
    pub(super) principals: Vec<Sid>,
    /// All descriptors, before anything.
    pub(super) before: BTreeMap<u128, Vec<u8>>,
}

pub(super) fn sd(text: &str, user: &Sid) -> SecurityDescriptor {
    SecurityDescriptor::from_sddl(&text.replace("USER", &user.to_string())).unwrap()
}

fn policy() -> Effective {
    let none = |_: &str| -> Option<OsString> { None };
    let names: Vec<String> = promise::ALL.iter().map(|p| format!("{p:?}")).collect();
    let sources = Sources {
        user: Some(FileText {
            path: PathBuf::from("/home/ada/.config/ringfence/policy.toml"),
            text: format!("[enforcement]\naccept = [{}]", names.join(", ")),
        }),
        flags: Flags::default(),
        ..Sources::default()
    };
    let context = Context {
        account_home: None,
        home: Some("/home/ada".into()),
        cwd: "/home/ada/work".into(),
        variable: &none,
    };
    load(&sources, &context).unwrap()
}

pub(super) fn kind(of: Kind) -> Child {
    match of {
        Kind::Directory => Child::Container,
        _ => Child::Leaf,
    }
}

impl Case {
    fn empty(elevated: bool) -> (windows::Facts, Files, u128) {
        let mut facts = windows::Facts::windows_11_standard_user();
        facts.places.clear();
        let user = facts.user.user;
        facts.user.default_dacl = sd("D:(A;;GA;;;SY)(A;;GA;;;USER)", &user).dacl;
        if elevated {
            facts.principals = Some(Principals {
                group: GROUP,
                offline: OFFLINE,
                online: ONLINE,
            });
        }
        let mut files = Files::default();
        let top = "O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)(A;OICIIO;0x1301bf;;;AU)(A;;LC;;;AU)";
        let profile = "O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;USER)";
        let volume = files.add(None, "C:", Kind::Directory, sd(top, &user));
        let profile = files.add(Some(volume), "dev", Kind::Directory, sd(profile, &user));
        (facts, files, profile)
    }

    /// A plain tree of so many files, forty in a directory, with a protected directory.
    pub(super) fn plain(files: usize) -> Case {
        let (facts, mut volume, profile) = Case::empty(false);
        let user = facts.user.clone();
        let work = volume.make(profile, "work", Kind::Directory, &user);
        let git = volume.make(work, ".git", Kind::Directory, &user);
        volume.make(git, "config", Kind::File, &user);
        let mut dir = work;
        for n in 0..files {
            if n % 40 == 0 {
                dir = volume.make(work, &format!("d{n}"), Kind::Directory, &user);
            }
            volume.make(dir, &format!("f{n}"), Kind::File, &user);
        }
        Case::of(facts, volume, work, vec![git])
    }

    /// A tree as nobody would expect it, of at most so many objects in the workspace.
    pub(super) fn random(seed: u64, elevated: bool, most: usize) -> Case {
        let mut random = Random::new(seed);
        let (facts, mut files, profile) = Case::empty(elevated);
        let user = facts.user.clone();
        let pool = [
            user.user,
            user.user,
            well_known::EVERYONE,
            well_known::USERS,
            well_known::ADMINISTRATORS,
            well_known::CREATOR_OWNER,
            STRANGER,
        ];
        let workspace = loop {
            let made = wild(&mut random, &files, profile, Kind::Directory, &user, &pool);
            let granted = maximum_allowed(&made, &user, &object::FILE, Doubt::Denies);
            let needed = Mask::WRITE_DAC | Mask::READ_CONTROL | file_right::READ_DATA;
            if made.dacl.is_some() && granted.has(needed) {
                break files.add(Some(profile), "work", Kind::Directory, made);
            }
        };
        let mut dirs = vec![workspace];
        let mut inside = Vec::new();
        for n in 0..random.below(most) {
            let parent = if random.one_in(6) {
                profile
            } else {
                dirs[random.below(dirs.len())]
            };
            let what = match random.below(9) {
                0..4 => Kind::File,
                4..8 => Kind::Directory,
                _ => Kind::ReparsePoint,
            };
            let maker = if elevated && random.one_in(3) {
                Token::of(OFFLINE, &[GROUP])
            } else {
                user.clone()
            };
            let made = wild(&mut random, &files, parent, what, &maker, &pool);
            let made = files.add(Some(parent), &format!("n{n}"), what, made);
            if what == Kind::ReparsePoint {
                // Where it leads there is something too.
                files.make(made, "beyond", Kind::File, &user);
                files.nodes.get_mut(&made).unwrap().disguised = random.one_in(2);
            } else if random.one_in(20) {
                files.nodes.get_mut(&made).unwrap().deaf = true;
            }
            if parent != profile {
                inside.push(made);
                if what == Kind::Directory {
                    dirs.push(made);
                }
            }
        }
        let guarded = (0..random.below(3).min(inside.len()))
            .map(|_| inside[random.below(inside.len())])
            .collect();
        if let Some(&file) = inside.iter().find(|id| files.nodes[id].kind == Kind::File)
            && random.one_in(3)
        {
            let dir = dirs[random.below(dirs.len())];
            files.link(file, dir, "second");
        }
        Case::of(facts, files, workspace, guarded)
    }

    pub(super) fn of(
        facts: windows::Facts,
        files: Files,
        workspace: u128,
        guarded: Vec<u128>,
    ) -> Case {
        let kill = Arc::new(Kill {
            after: u64::MAX.into(),
            steps: 0.into(),
        });
        let (plan, principals) = planned(&facts, &files, workspace, &guarded);
        Case {
            shelf: Drawer::new(&kill),
            before: files.bytes(),
            volume: Volume {
                files: files.into(),
                user: facts.user.clone(),
                kill,
            },
            facts,
            workspace,
            guarded,
            plan,
            principals,
        }
    }

    /// Another policy: other objects are protected.
    pub(super) fn replan(&mut self, guarded: Vec<u128>) {
        let facts = &self.facts;
        let workspace = self.workspace;
        let (plan, _) = self
            .volume
            .with(|files| planned(facts, files, workspace, &guarded));
        (self.plan, self.guarded) = (plan, guarded);
    }

    pub(super) fn ask(&self) -> Grant<'_> {
        Grant {
            user: &self.facts.user,
            principals: &self.principals,
            root: &self.plan,
        }
    }

    pub(super) fn grant(&self, crew: Crew) -> Result<Granted, GrantError> {
        self.grant_watched(crew, &())
    }

    pub(super) fn grant_watched(
        &self,
        crew: Crew,
        watch: &dyn Watch,
    ) -> Result<Granted, GrantError> {
        grant_in(&self.volume, &self.shelf, &self.ask(), watch, crew)
    }

    pub(super) fn undo(&self, crew: Crew) -> Result<Undone, UndoError> {
        undo_in(&self.volume, &self.shelf, self.plan.id, &(), crew)
    }

    /// Granted, to the end, or as far as the root lets it.
    pub(super) fn granted(&self) -> Granted {
        let granted = self.grant(super::ALONE).unwrap();
        assert_ne!(granted.way, Way::Cancelled);
        granted
    }

    /// Whether all is as it was, but for what is not there any more.
    pub(super) fn is_back(&self) -> Result<(), String> {
        self.volume.with(|files| {
            for (id, node) in &files.nodes {
                let Some(before) = self.before.get(id) else {
                    continue;
                };
                if node.sd.to_bytes().unwrap() != *before {
                    let was = SecurityDescriptor::parse(before).unwrap();
                    return Err(format!(
                        "{}\n was {was:?}\n is  {:?}",
                        files.path(*id),
                        node.sd
                    ));
                }
            }
            Ok(())
        })
    }

    /// No journal is left.
    pub(super) fn is_closed(&self) -> bool {
        self.shelf.sheets.lock().unwrap().is_empty()
    }

    /// Whether an ACE of the root's own SID is anywhere.
    pub(super) fn marked(&self) -> Option<String> {
        let sid = self.plan.sid;
        self.volume.with(|files| {
            let marked = |node: &Node| {
                let mut aces = node.sd.dacl.iter().flat_map(|dacl| &dacl.aces);
                aces.any(|ace| ace.sid == sid)
            };
            let found = files.nodes.iter().find(|(_, node)| marked(node));
            found.map(|(id, _)| files.path(*id))
        })
    }

    /// What a walk by hand makes of the tree: another one than that which is tested, one object after the other.
    pub(super) fn by_hand(&self) -> BTreeMap<u128, SecurityDescriptor> {
        let mut ours = self.plan.own.clone();
        ours.extend(self.plan.guards.iter().flat_map(|guard| guard.aces.clone()));
        let walk = Walk {
            user: &self.facts.user,
            ours: &ours,
            principals: &self.principals,
        };
        self.volume.with(|files| {
            let mut after: BTreeMap<u128, SecurityDescriptor> = files
                .nodes
                .iter()
                .map(|(id, node)| (*id, node.sd.clone()))
                .collect();
            let before = after.clone();
            let mut seen = BTreeSet::new();
            self.visit(
                files,
                &walk,
                self.workspace,
                None,
                &before,
                &mut after,
                &mut seen,
            );
            let mut guards: Vec<&str> = self.plan.guards.iter().map(|g| g.path.as_str()).collect();
            guards.sort_by_key(|path| path.len());
            let root_is_left = !seen.contains(&0);
            for path in guards {
                // What is in a directory that cannot be listed is come to by its path.
                let at = files
                    .nodes
                    .keys()
                    .copied()
                    .find(|id| files.path(*id) == path)
                    .unwrap();
                let above = files.nodes[&at].parent;
                if !root_is_left && !seen.contains(&at) && self.reached(files, above.unwrap()) {
                    let now = after.clone();
                    self.visit(files, &walk, at, above, &now, &mut after, &mut seen);
                }
            }
            after
        })
    }

    #[expect(clippy::too_many_arguments, reason = "a walk by hand")]
    fn visit(
        &self,
        files: &Files,
        walk: &Walk<'_>,
        at: u128,
        above: Option<u128>,
        before: &BTreeMap<u128, SecurityDescriptor>,
        after: &mut BTreeMap<u128, SecurityDescriptor>,
        seen: &mut BTreeSet<u128>,
    ) {
        let node = &files.nodes[&at];
        let object = ringfence_nt_access::FileObject {
            own: &node.sd,
            parent: node.parent.map(|parent| &files.nodes[&parent].sd),
        };
        let rights = file_access(&self.facts.user, object, Doubt::Grants);
        if node.deaf || node.kind == Kind::ReparsePoint || !rights.has(Mask::READ_CONTROL) {
            return;
        }
        let path = files.path(at);
        let guarded = self.plan.guards.iter().any(|guard| guard.path == path);
        if above.is_some() && above != node.parent && guarded && self.reached(files, at) {
            // By its second name: it is protected by the first.
            return;
        }
        // What is protected and cannot be reached by its path is not protected.
        let mut own: Vec<Ace> = (self.plan.guards.iter())
            .filter(|guard| guard.path == path && self.reached(files, at))
            .flat_map(|guard| guard.aces.clone())
            .collect();
        if above.is_none() {
            own.extend(self.plan.own.clone());
        }
        let now = after[&at].clone();
        let step = Step {
            descriptor: &now,
            directory: above.map(|above| (&before[&above], &after[&above])),
            kind: kind(node.kind),
            own: &own,
            linked: node.also.is_some() && node.kind == Kind::File,
        };
        match walk.next(step) {
            Next::Same => {}
            Next::Write(sd) => {
                after.insert(at, *sd);
            }
            Next::Left(_) if above.is_none() => return,
            Next::Left(_) => {}
        }
        // And that the root has its ACEs.
        seen.extend([0, at]);
        if node.kind == Kind::Directory && rights.has(file_right::READ_DATA) {
            for child in files.children(at) {
                self.visit(files, walk, child, Some(at), before, after, seen);
            }
        }
    }

    fn reached(&self, files: &Files, mut at: u128) -> bool {
        while at != self.workspace {
            let node = &files.nodes[&at];
            let above = node.parent.unwrap();
            let object = ringfence_nt_access::FileObject {
                own: &node.sd,
                parent: Some(&files.nodes[&above].sd),
            };
            let rights = file_access(&self.facts.user, object, Doubt::Grants);
            if node.deaf || !rights.has(Mask::READ_CONTROL) || node.kind == Kind::ReparsePoint {
                return false;
            }
            at = above;
        }
        true
    }
}

fn planned(
    facts: &windows::Facts,
    files: &Files,
    workspace: u128,
    guarded: &[u128],
) -> (RootPlan, Vec<Sid>) {
    let pins = |node: u128| {
        let mut pins = Vec::new();
        let mut at = files.nodes[&node].parent.unwrap();
        while at != workspace {
            pins.insert(0, files.path(at));
            at = files.nodes[&at].parent.unwrap();
        }
        pins
    };
    let site = Site {
        workspace: id(workspace),
        roots: vec![Root {
            path: files.path(workspace),
            id: id(workspace),
            volume: Kept::ntfs(),
            leads_elsewhere: None,
            descriptor: files.nodes[&workspace].sd.clone(),
            guarded: guarded
                .iter()
                .map(|node| Guarded {
                    path: files.path(*node),
                    pins: pins(*node),
                    promise: promise::PROTECT_PATHS,
                })
                .collect(),
            missing: Vec::new(),
        }],
        hidden: Vec::new(),
        outside: Vec::new(),
        open: Vec::new(),
        repositories: true,
        ring: 7,
    };
    let plan = plan(&policy(), &site, facts).unwrap_or_else(|refusal| panic!("{refusal}"));
    let principals = plan.principals();
    (plan.roots.into_iter().next().unwrap(), principals)
}

/// A descriptor as it comes to be, or as somebody made it.
fn wild(
    random: &mut Random,
    files: &Files,
    parent: u128,
    what: Kind,
    maker: &Token,
    pool: &[Sid],
) -> SecurityDescriptor {
    let wild = Wild {
        labels: false,
        ..Wild::ALL
    };
    let above = &files.nodes[&parent].sd;
    let said = random.one_in(5).then(|| random.descriptor(pool, wild));
    let mut made = create(Some(above), said.as_ref(), kind(what), maker, &object::FILE);
    match random.below(10) {
        0 | 1 => made = random.descriptor(pool, wild),
        2 => {
            made.control = made
                .control
                .with(Control::DACL_PROTECTED)
                .without(Control::DACL_AUTO_INHERITED);
            for ace in made.dacl.iter_mut().flat_map(|dacl| &mut dacl.aces) {
                ace.flags = ace.flags.without(AceFlags::INHERITED);
            }
        }
        3 => made.owner = Some(STRANGER),
        4 => {
            // The very ACEs for owners that a plan puts.
            let own = Ace::allow(
                well_known::OWNER_RIGHTS,
                Mask::READ_CONTROL,
                AceFlags::INHERIT,
            );
            if let Some(dacl) = &mut made.dacl {
                dacl.add(own);
            }
        }
        _ => {}
    }
    made
}
