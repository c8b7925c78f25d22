//! Directory trees at random, a plan put on them, and what must hold then.

use ringfence_nt_access::random::{Random, Wild};
use ringfence_nt_access::{
    Ace, AceFlags, Child, Control, Doubt, Mask, SecurityDescriptor, Sid, Token, create, object,
    well_known,
};
use ringfence_plan::promise;
use ringfence_plan::windows::{
    Facts, FileId, Guarded, Mode, Next, Outside, Plan, Principals, Root, Site, Step, Volume, Walk,
    plan,
};
use ringfence_policy::Effective;

use super::faults::{Faults, wrong};
use super::holds::View;
use super::support::policy;

/// A file or directory.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) parent: Option<usize>,
    pub(super) kind: Child,
    /// It has other names, none of which is in the tree.
    pub(super) linked: bool,
    descriptor: SecurityDescriptor,
}

/// A volume: the first node is its root. Parents come before their children.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) workspace: usize,
    pub(super) guarded: Vec<usize>,
    pub(super) facts: Facts,
}

/// How much of what was seen.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) deleted: u64,
    pub(super) written: u64,
    pub(super) stamped: u64,
    pub(super) left: u64,
    pub(super) linked: u64,
}

const PROFILE: usize = 2;
const GROUP: Sid = Sid::account([5, 5, 5, 1100]);
pub(super) const OFFLINE: Sid = Sid::account([5, 5, 5, 1101]);
const ONLINE: Sid = Sid::account([5, 5, 5, 1102]);
pub(super) const STRANGER: Sid = Sid::account([6, 6, 6, 1001]);

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
            linked: false,
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

    pub(super) fn is_inside(&self, node: usize, of: usize) -> bool {
        let mut at = Some(node);
        while let Some(index) = at {
            if index == of {
                return true;
            }
            at = self.nodes[index].parent;
        }
        false
    }

    pub(super) fn path(&self, node: usize) -> String {
        match self.nodes[node].parent {
            None => "C:".to_owned(),
            Some(parent) => format!(r"{}\{node}", self.path(parent)),
        }
    }

    pub(super) fn parent_of<'a>(
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
            open: Vec::new(),
            repositories: true,
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
        view.linked(told)?;
        view.user_and_others()?;
        view.again_and_undone(faults)
    }

    /// The walk: the workspace, then all in it, each after its directory.
    pub(super) fn apply(
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
                linked: self.nodes[node].linked && !faults.links_forgotten,
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
        linked: kind == Child::Leaf && random.one_in(4),
        descriptor,
    }
}

/// A policy that accepts everything, so that the plan is made and says what it does not keep.
pub(super) fn accepting_all() -> Effective {
    let names: Vec<String> = promise::ALL.iter().map(|p| format!("{p:?}")).collect();
    policy(&format!("[enforcement]\naccept = [{}]", names.join(", ")))
}
