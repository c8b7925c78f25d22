//! Directory trees at random, a plan put on them, and what must hold then.

use ringfence_nt_access::random::{Random, Wild};
use ringfence_nt_access::{
    Ace, AceFlags, Child, Control, Doubt, Effect, FileObject, Kind, Mask, SecurityDescriptor, Sid,
    Token, create, file_access, file_right, object, propagate, well_known,
};
use ringfence_plan::promise;
use ringfence_plan::windows::{
    Facts, FileId, Guarded, Mode, Next, Outside, Plan, Principals, Root, Site, Step, Volume, Walk,
    cleanse, plan,
};
use ringfence_policy::Effective;

use super::support::policy;
use super::{BY_DIRECTORY, CHANGES, WORK};

/// A file or directory.
#[derive(Debug, Clone)]
struct Node {
    parent: Option<usize>,
    kind: Child,
    descriptor: SecurityDescriptor,
}

/// A volume: the first node is its root. Parents come before their children.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    workspace: usize,
    guarded: Vec<usize>,
    facts: Facts,
}

/// What is wrong on purpose.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    /// What is protected is not.
    no_guard: bool,
    /// It is, and what is in it is not.
    guard_not_inherited: bool,
    /// Everybody is a restricting SID.
    everyone: bool,
    /// The user is one.
    the_user: bool,
    /// The grant has `FILE_DELETE_CHILD`.
    delete_child: bool,
    /// Owners may change permissions.
    no_owner_rights: bool,
    /// Directories inherit the grant, files do not.
    containers_alone: bool,
    /// The grant is put on the user's profile.
    on_the_profile: bool,
    /// The grant has `WRITE_DAC`.
    write_dac: bool,
    /// A grant that is put there takes the place of one that was.
    replaces: bool,
    /// Directories on the way to what is protected can be renamed.
    no_pins: bool,
}

impl Faults {
    /// Each, by name, and whether it is one of the elevated ring.
    pub(super) fn all() -> Vec<(&'static str, Faults, bool)> {
        let none = Faults::default();
        vec![
            (
                "the protect deny is dropped",
                Faults {
                    no_guard: true,
                    ..none
                },
                false,
            ),
            (
                "the protect deny is dropped, elevated",
                Faults {
                    no_guard: true,
                    ..none
                },
                true,
            ),
            (
                "the protect deny is not inherited",
                Faults {
                    guard_not_inherited: true,
                    ..none
                },
                false,
            ),
            (
                "Everyone restricts",
                Faults {
                    everyone: true,
                    ..none
                },
                false,
            ),
            (
                "the user restricts",
                Faults {
                    the_user: true,
                    ..none
                },
                false,
            ),
            (
                "FILE_DELETE_CHILD is granted",
                Faults {
                    delete_child: true,
                    ..none
                },
                true,
            ),
            (
                "OWNER RIGHTS are forgotten",
                Faults {
                    no_owner_rights: true,
                    ..none
                },
                true,
            ),
            (
                "a wrong inheritance flag",
                Faults {
                    containers_alone: true,
                    ..none
                },
                false,
            ),
            (
                "the profile is granted",
                Faults {
                    on_the_profile: true,
                    ..none
                },
                false,
            ),
            (
                "WRITE_DAC is granted",
                Faults {
                    write_dac: true,
                    ..none
                },
                false,
            ),
            (
                "what was there is replaced",
                Faults {
                    replaces: true,
                    ..none
                },
                false,
            ),
            (
                "the way to what is protected can be renamed",
                Faults {
                    no_pins: true,
                    ..none
                },
                true,
            ),
        ]
    }
}

/// How much of what was seen.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) deleted: u64,
    pub(super) written: u64,
    pub(super) stamped: u64,
    pub(super) left: u64,
}

const PROFILE: usize = 2;
const GROUP: Sid = Sid::account([5, 5, 5, 1100]);
const OFFLINE: Sid = Sid::account([5, 5, 5, 1101]);
const ONLINE: Sid = Sid::account([5, 5, 5, 1102]);
const STRANGER: Sid = Sid::account([6, 6, 6, 1001]);

fn sd(text: &str, user: &Sid) -> SecurityDescriptor {
    SecurityDescriptor::from_sddl(&text.replace("USER", &user.to_string())).unwrap()
}

impl Tree {
    pub(super) fn random(seed: u64, elevated: bool) -> Tree {
        let mut random = Random::new(seed);
        let mut facts = Facts::windows_11_standard_user();
        let user = facts.user.user;
        facts.user.default_dacl = sd("D:(A;;GA;;;SY)(A;;GA;;;USER)", &user).dacl;
        if elevated {
            facts.principals = Some(Principals {
                group: GROUP,
                offline: OFFLINE,
                online: ONLINE,
            });
        }
        // As Windows makes them: the volume, C:\Users, the profile.
        let node = |parent, text: &str| Node {
            parent,
            kind: Child::Container,
            descriptor: sd(text, &user),
        };
        let mut nodes = vec![
            node(
                None,
                "O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)(A;OICIIO;0x1301bf;;;AU)(A;;LC;;;AU)",
            ),
            node(
                Some(0),
                "O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)(A;OICI;0x1200a9;;;WD)",
            ),
            node(
                Some(1),
                "O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;USER)",
            ),
        ];
        let mut pool = vec![
            user,
            well_known::EVERYONE,
            well_known::USERS,
            well_known::ADMINISTRATORS,
            well_known::SYSTEM,
            well_known::CREATOR_OWNER,
            STRANGER,
        ];
        if random.one_in(4) {
            pool.push(well_known::WRITE_RESTRICTED);
        }
        let wild = Wild {
            generic: false,
            labels: false,
            ..Wild::ALL
        };
        let workspace = loop {
            let index = nodes.len();
            let parent = if index < 5 {
                PROFILE
            } else {
                let dirs: Vec<usize> = (0..index)
                    .filter(|n| nodes[*n].kind == Child::Container)
                    .collect();
                dirs[random.below(dirs.len())]
            };
            nodes.push(made(
                &mut random,
                &nodes,
                parent,
                Child::Container,
                &facts.user,
                &pool,
                wild,
            ));
            // A workspace that is none is refused before all this: `table.rs` has those.
            let own = &nodes[index].descriptor;
            let granted = ringfence_nt_access::maximum_allowed(
                own,
                &facts.user,
                &object::FILE,
                Doubt::Denies,
            );
            if index >= 3 && own.dacl.is_some() && granted.has(Mask::WRITE_DAC) && random.one_in(2)
            {
                break index;
            }
        };
        let mut inside = vec![workspace];
        for _ in 0..random.below(14) {
            let dirs: Vec<usize> = inside
                .iter()
                .copied()
                .filter(|n| nodes[*n].kind == Child::Container)
                .collect();
            let parent = if random.one_in(4) {
                random.below(workspace)
            } else {
                dirs[random.below(dirs.len())]
            };
            let kind = if random.one_in(2) {
                Child::Leaf
            } else {
                Child::Container
            };
            let creator = if elevated && parent >= workspace && random.one_in(3) {
                Token::of(OFFLINE, &[GROUP])
            } else {
                facts.user.clone()
            };
            if parent >= workspace {
                inside.push(nodes.len());
            }
            nodes.push(made(
                &mut random,
                &nodes,
                parent,
                kind,
                &creator,
                &pool,
                wild,
            ));
        }
        let guarded = (0..random.below(3))
            .map(|_| inside[random.below(inside.len())])
            .filter(|node| *node != workspace)
            .collect();
        Tree {
            nodes,
            workspace,
            guarded,
            facts,
        }
    }

    fn is_inside(&self, node: usize, of: usize) -> bool {
        let mut at = Some(node);
        while let Some(index) = at {
            if index == of {
                return true;
            }
            at = self.nodes[index].parent;
        }
        false
    }

    fn path(&self, node: usize) -> String {
        match self.nodes[node].parent {
            None => "C:".to_owned(),
            Some(parent) => format!(r"{}\{node}", self.path(parent)),
        }
    }

    fn parent_of<'a>(
        &self,
        all: &'a [SecurityDescriptor],
        node: usize,
    ) -> Option<&'a SecurityDescriptor> {
        self.nodes[node].parent.map(|parent| &all[parent])
    }

    fn site(&self) -> Site {
        let id = FileId {
            volume: 1,
            file: self.workspace as u128,
        };
        let pins = |node: usize| {
            let mut pins = Vec::new();
            let mut at = self.nodes[node].parent.unwrap();
            while at != self.workspace {
                pins.insert(0, self.path(at));
                at = self.nodes[at].parent.unwrap();
            }
            pins
        };
        let before: Vec<SecurityDescriptor> = self.before();
        Site {
            workspace: id,
            roots: vec![Root {
                path: self.path(self.workspace),
                id,
                volume: Volume::ntfs(),
                leads_elsewhere: None,
                descriptor: before[self.workspace].clone(),
                guarded: self
                    .guarded
                    .iter()
                    .map(|node| Guarded {
                        path: self.path(*node),
                        pins: pins(*node),
                        promise: promise::PROTECT_PATHS,
                    })
                    .collect(),
                missing: Vec::new(),
            }],
            hidden: Vec::new(),
            outside: (0..self.nodes.len())
                .filter(|node| !self.is_inside(*node, self.workspace))
                .map(|node| Outside {
                    path: self.path(node),
                    descriptor: before[node].clone(),
                    parent: self.parent_of(&before, node).cloned(),
                })
                .collect(),
            ring: 7,
        }
    }

    fn before(&self) -> Vec<SecurityDescriptor> {
        self.nodes
            .iter()
            .map(|node| node.descriptor.clone())
            .collect()
    }

    /// Plans and applies, with what is wrong on purpose, and looks whether all holds.
    pub(super) fn check(
        &self,
        policy: &Effective,
        faults: Faults,
        told: &mut Told,
    ) -> Result<(), String> {
        let mut facts = self.facts.clone();
        // Where the model is to find the holes, not the table of places.
        facts.places.clear();
        let mut plan = plan(policy, &self.site(), &facts).map_err(|refusal| refusal.to_string())?;
        wrong(&mut plan, faults, &facts);
        let before = self.before();
        let (after, left) = self.apply(&before, &plan, faults);
        told.left += left.len() as u64;
        told.stamped += before.iter().zip(&after).filter(|(b, a)| b != a).count() as u64;
        let base = match plan.mode {
            Mode::Unelevated => facts.user.clone(),
            Mode::Elevated { principal, group } => Token::of(
                principal,
                &[
                    group,
                    well_known::EVERYONE,
                    well_known::USERS,
                    well_known::AUTHENTICATED_USERS,
                ],
            ),
        };
        let child = plan.child(&base);
        let view = View {
            tree: self,
            plan: &plan,
            base: &base,
            child: &child,
            before: &before,
            after: &after,
            left: &left,
        };
        view.outside(told)?;
        view.inside()?;
        view.user_and_others()?;
        view.again_and_undone(faults)
    }

    /// The walk: the workspace, then all in it, each after its directory.
    fn apply(
        &self,
        before: &[SecurityDescriptor],
        plan: &Plan,
        faults: Faults,
    ) -> (Vec<SecurityDescriptor>, Vec<usize>) {
        let mut after = before.to_vec();
        let mut left = Vec::new();
        let Some(root) = plan.roots.first() else {
            return (after, left);
        };
        let top = if faults.on_the_profile {
            PROFILE
        } else {
            self.workspace
        };
        let (ours, principals) = (plan.aces(), plan.principals());
        let walk = Walk {
            user: &self.facts.user,
            ours: &ours,
            // With the fault that owners are forgotten they are forgotten here, too.
            principals: if faults.no_owner_rights {
                &[]
            } else {
                &principals
            },
        };
        for node in top..self.nodes.len() {
            if !self.is_inside(node, top) {
                continue;
            }
            let path = self.path(node);
            let mut own: Vec<Ace> = root
                .guards
                .iter()
                .filter(|guard| guard.path == path)
                .flat_map(|guard| guard.aces.clone())
                .collect();
            let above = if node == top {
                own.extend(root.own.clone());
                None
            } else {
                self.nodes[node].parent
            };
            let step = Step {
                descriptor: &before[node],
                directory: above.map(|above| (&before[above], &after[above])),
                kind: self.nodes[node].kind,
                own: &own,
            };
            match walk.next(step) {
                Next::Same => {}
                Next::Write(mut descriptor) => {
                    if faults.replaces {
                        descriptor.dacl.as_mut().unwrap().aces.pop();
                    }
                    after[node] = *descriptor;
                }
                Next::Left(_) => left.push(node),
            }
        }
        (after, left)
    }
}

/// A file or directory that somebody made: as one does, or with a descriptor that nobody would expect.
fn made(
    random: &mut Random,
    nodes: &[Node],
    parent: usize,
    kind: Child,
    creator: &Token,
    pool: &[Sid],
    wild: Wild,
) -> Node {
    let above = &nodes[parent].descriptor;
    let said = random.one_in(5).then(|| random.descriptor(pool, wild));
    let mut descriptor = create(Some(above), said.as_ref(), kind, creator, &object::FILE);
    match random.below(12) {
        // Written there by somebody who may, or moved there from elsewhere.
        0 | 1 => descriptor = random.descriptor(pool, wild),
        2 => {
            // As `icacls /inheritance:d` leaves it: what was inherited is its own.
            descriptor.control = descriptor
                .control
                .with(Control::DACL_PROTECTED)
                .without(Control::DACL_AUTO_INHERITED);
            for ace in descriptor.dacl.iter_mut().flat_map(|dacl| &mut dacl.aces) {
                ace.flags = ace.flags.without(AceFlags::INHERITED);
            }
        }
        3 => descriptor.owner = Some(STRANGER),
        _ => {}
    }
    Node {
        parent: Some(parent),
        kind,
        descriptor,
    }
}

/// A policy that accepts everything, so that the plan is made and says what it does not keep.
pub(super) fn accepting_all() -> Effective {
    let names: Vec<String> = promise::ALL.iter().map(|p| format!("{p:?}")).collect();
    policy(&format!("[enforcement]\naccept = [{}]", names.join(", ")))
}

fn wrong(plan: &mut Plan, faults: Faults, facts: &Facts) {
    if faults.everyone {
        plan.token.restrict.push(well_known::EVERYONE);
    }
    if faults.the_user {
        plan.token.restrict.push(facts.user.user);
    }
    for root in &mut plan.roots {
        if faults.no_guard {
            root.guards.clear();
        }
        for guard in &mut root.guards {
            if faults.guard_not_inherited {
                for ace in &mut guard.aces {
                    ace.flags = AceFlags::NONE;
                }
            }
        }
        if faults.no_pins {
            root.guards
                .retain(|guard| guard.aces.iter().all(|ace| ace.flags != AceFlags::NONE));
            root.own
                .retain(|ace| ace.kind == Kind::Basic(Effect::Allow));
        }
        if faults.no_owner_rights {
            root.own.retain(|ace| ace.sid != well_known::OWNER_RIGHTS);
        }
        for ace in &mut root.own {
            if ace.kind != Kind::Basic(Effect::Allow) || !ace.mask.has(file_right::WRITE_DATA) {
                continue;
            }
            if faults.delete_child {
                ace.mask |= file_right::DELETE_CHILD;
            }
            if faults.write_dac {
                ace.mask |= Mask::WRITE_DAC;
            }
            if faults.containers_alone {
                ace.flags = ace.flags.without(AceFlags::OBJECT_INHERIT);
            }
        }
        if faults.delete_child {
            root.own
                .retain(|ace| ace.kind == Kind::Basic(Effect::Allow));
            for guard in &mut root.guards {
                for ace in &mut guard.aces {
                    if ace.flags == AceFlags::NONE {
                        ace.mask = Mask::DELETE;
                    }
                }
            }
        }
    }
}

struct View<'a> {
    tree: &'a Tree,
    plan: &'a Plan,
    /// Who the command is before it is restricted.
    base: &'a Token,
    child: &'a Token,
    before: &'a [SecurityDescriptor],
    after: &'a [SecurityDescriptor],
    left: &'a [usize],
}

impl View<'_> {
    fn rights(&self, token: &Token, of: &[SecurityDescriptor], node: usize, doubt: Doubt) -> Mask {
        let object = FileObject {
            own: &of[node],
            parent: self.tree.parent_of(of, node),
        };
        file_access(token, object, doubt)
    }

    /// Whether this object, or its directory where that decides, is open to whoever comes: no descriptor of ours, and no
    /// restricting SID, keeps anybody out there.
    fn is_open(&self, node: usize) -> bool {
        let open = |sd: &SecurityDescriptor| {
            sd.dacl.as_ref().is_none_or(|dacl| {
                dacl.aces
                    .iter()
                    .any(|ace| ace.sid == well_known::WRITE_RESTRICTED && ace.mask.meets(CHANGES))
            })
        };
        open(&self.before[node]) || self.tree.parent_of(self.before, node).is_some_and(open)
    }

    fn say(&self, what: &str, node: usize, rights: Mask) -> String {
        let words = |of: &[SecurityDescriptor]| {
            of[node]
                .to_sddl()
                .unwrap_or_else(|_| format!("{:?}", of[node]))
        };
        format!(
            "{what}: {} {rights:?}\n  before {}\n  after  {}\n{}",
            self.tree.path(node),
            words(self.before),
            words(self.after),
            self.plan
        )
    }

    /// Outside of the write roots nothing is changed, but for what the plan says itself.
    fn outside(&self, told: &mut Told) -> Result<(), String> {
        let says = |promise: &str| {
            self.plan
                .shortfalls
                .iter()
                .any(|short| short.promise == promise)
        };
        for node in 0..self.before.len() {
            if self.tree.is_inside(node, self.tree.workspace) {
                continue;
            }
            let can = self.rights(self.child, self.after, node, Doubt::Grants) & CHANGES;
            if can.is_none() {
                continue;
            }
            if !can.without(BY_DIRECTORY).is_none() {
                told.written += 1;
                if !self.is_open(node) {
                    return Err(self.say("it can be changed", node, can));
                }
                if !says(promise::WRITE) {
                    return Err(self.say("it can be changed, and that is not said", node, can));
                }
            } else {
                told.deleted += 1;
                // It must be the right of the directory, which the user or the account had without us.
                let had = self.rights(self.base, self.before, node, Doubt::Grants);
                if !had.has(can) {
                    return Err(self.say(
                        "it can be deleted, which it could not before",
                        node,
                        can,
                    ));
                }
                if !says(promise::WRITE_DELETE) && !says(promise::WRITE) {
                    return Err(self.say("it can be deleted, and that is not said", node, can));
                }
            }
        }
        Ok(())
    }

    /// In the workspace work can be done, what is protected stays, and nobody changes permissions.
    fn inside(&self) -> Result<(), String> {
        let tree = self.tree;
        let unelevated = self.plan.mode == Mode::Unelevated;
        for node in tree.workspace..self.before.len() {
            if !tree.is_inside(node, tree.workspace) {
                continue;
            }
            let left = self.left.iter().any(|left| tree.is_inside(node, *left));
            let guarded = tree
                .guarded
                .iter()
                .any(|guard| tree.is_inside(node, *guard));
            let held = tree
                .guarded
                .iter()
                .any(|guard| tree.is_inside(*guard, node));
            let most = self.rights(self.child, self.after, node, Doubt::Grants);
            let open = self.is_open(node);
            // What could not be written to is told by the walk: here it is as it was.
            if most.meets(Mask::WRITE_DAC | Mask::WRITE_OWNER) && !open && !left {
                let own = &self.after[node];
                // Who says that owners may everything means it, the principal's own object being the principal's.
                let said = own.dacl.iter().flat_map(|dacl| &dacl.aces).any(|ace| {
                    ace.sid == well_known::OWNER_RIGHTS
                        && ace.mask.meets(Mask::WRITE_DAC | Mask::WRITE_OWNER)
                        || ace.sid == OFFLINE
                });
                if unelevated || !said {
                    return Err(self.say("permissions can be changed", node, most));
                }
            }
            if (guarded || held) && !left && !open {
                let mut can = most & CHANGES;
                if held && !guarded {
                    // A directory on the way is written in; it stays where it is.
                    can &= BY_DIRECTORY;
                }
                if unelevated {
                    can = can.without(BY_DIRECTORY);
                }
                if node == tree.workspace {
                    can = can.without(Mask::DELETE);
                }
                if !can.is_none() {
                    return Err(self.say("what is protected can be changed", node, can));
                }
            }
            if guarded || held || left {
                continue;
            }
            // All that the user could do for work, the command can. Denials for all are denials for the principal, too.
            let least = self.rights(self.child, self.after, node, Doubt::Denies);
            let mut needs = self.rights(&tree.facts.user, self.before, node, Doubt::Denies) & WORK;
            if node == tree.workspace {
                needs = needs.without(Mask::DELETE);
            }
            let denies = self.after[node]
                .dacl
                .iter()
                .flat_map(|dacl| &dacl.aces)
                .any(|ace| ace.kind.effect() == Some(Effect::Deny) && ace.is_effective());
            if !least.has(needs) && (unelevated || !denies) {
                return Err(self.say("work cannot be done", node, needs.without(least)));
            }
        }
        Ok(())
    }

    /// The user loses nothing, and others neither lose nor gain.
    fn user_and_others(&self) -> Result<(), String> {
        let stranger = Token::of(
            STRANGER,
            &[
                well_known::EVERYONE,
                well_known::USERS,
                well_known::AUTHENTICATED_USERS,
            ],
        );
        for node in 0..self.before.len() {
            for doubt in [Doubt::Grants, Doubt::Denies] {
                let of = |token, sds| self.rights(token, sds, node, doubt);
                let (had, has) = (
                    of(&self.tree.facts.user, self.before),
                    of(&self.tree.facts.user, self.after),
                );
                if !has.has(had) {
                    return Err(self.say("the user lost", node, had.without(has)));
                }
                let (had, has) = (of(&stranger, self.before), of(&stranger, self.after));
                // Where the very ACE that we put for owners stood already, behind a denial, ours cannot be told from it:
                // it comes first, and an owner may read the descriptor.
                let mut own = self.before[node].dacl.iter().flat_map(|dacl| &dacl.aces);
                let stood = own.any(|ace| {
                    ace.sid == well_known::OWNER_RIGHTS && ace.mask == Mask::READ_CONTROL
                });
                let gained = has.without(had);
                let bearable = gained.is_none() || stood && gained == Mask::READ_CONTROL;
                if !bearable {
                    return Err(self.say("a stranger gained", node, has.without(had)));
                }
                if self.plan.mode == Mode::Unelevated && had != has {
                    return Err(self.say("a stranger lost", node, had.without(has)));
                }
            }
        }
        Ok(())
    }

    /// A second time nothing is written, a propagation changes nothing of it, and undone it is what it was, byte for byte.
    fn again_and_undone(&self, faults: Faults) -> Result<(), String> {
        if faults.on_the_profile || faults.replaces {
            return Ok(());
        }
        let (again, _) = self.tree.apply(self.after, self.plan, faults);
        let ours = self.plan.aces();
        for node in 0..self.before.len() {
            if again[node] != self.after[node] {
                return Err(self.say("it is written a second time", node, Mask::NONE));
            }
            let kind = self.tree.nodes[node].kind;
            if let Some(above) = self.tree.nodes[node].parent {
                let settled = |sds: &[SecurityDescriptor]| {
                    propagate(&sds[above], &sds[node], kind, &object::FILE).is_none()
                };
                let auto = self.before[node].control.has(Control::DACL_AUTO_INHERITED);
                // Where it would take from the user, or where somebody said it, an object does without what is said of
                // owners: there a propagation puts it.
                let says = |sds: &[SecurityDescriptor], at: usize| {
                    let mut all = sds[at].dacl.iter().flat_map(|dacl| &dacl.aces);
                    all.any(|ace| ace.sid == well_known::OWNER_RIGHTS)
                };
                let dropped =
                    says(self.before, node) || says(self.after, above) != says(self.after, node);
                if auto
                    && settled(self.before)
                    && !self.left.contains(&node)
                    && !dropped
                    && !settled(self.after)
                    && node != self.tree.workspace
                {
                    return Err(self.say("a propagation would change it", node, Mask::NONE));
                }
            }
            let had_ours = self.before[node]
                .dacl
                .iter()
                .flat_map(|dacl| &dacl.aces)
                .any(|ace| {
                    ours.iter()
                        .any(|own| (own.kind, own.mask, own.sid) == (ace.kind, ace.mask, ace.sid))
                });
            let undone = cleanse(&self.after[node], &ours);
            let undone = undone.as_ref().unwrap_or(&self.after[node]);
            if !had_ours && undone.to_bytes() != self.before[node].to_bytes() {
                return Err(self.say("undone it is not what it was", node, Mask::NONE));
            }
        }
        Ok(())
    }
}
