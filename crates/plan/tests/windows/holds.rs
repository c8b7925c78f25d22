//! What must hold of a tree on which a plan was put.

use ringfence_nt_access::{
    Control, Doubt, Effect, FileObject, Mask, SecurityDescriptor, Token, file_access, object,
    propagate, well_known,
};
use ringfence_plan::promise;
use ringfence_plan::windows::{Mode, Plan, cleanse};

use super::faults::Faults;
use super::tree::{OFFLINE, STRANGER, Told, Tree};
use super::{BY_DIRECTORY, CHANGES, WORK};

/// A tree before and after.
pub(super) struct View<'a> {
    pub(super) tree: &'a Tree,
    pub(super) plan: &'a Plan,
    /// Who the command is before it is restricted.
    pub(super) base: &'a Token,
    pub(super) child: &'a Token,
    pub(super) before: &'a [SecurityDescriptor],
    pub(super) after: &'a [SecurityDescriptor],
    pub(super) left: &'a [usize],
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
    pub(super) fn outside(&self, told: &mut Told) -> Result<(), String> {
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
    pub(super) fn inside(&self) -> Result<(), String> {
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
            if guarded || held || left || tree.nodes[node].linked {
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

    /// To a file with other names commands can do nothing more than before.
    pub(super) fn linked(&self, told: &mut Told) -> Result<(), String> {
        for (node, of) in self.tree.nodes.iter().enumerate() {
            if !of.linked || !self.tree.is_inside(node, self.tree.workspace) {
                continue;
            }
            told.linked += 1;
            for doubt in [Doubt::Grants, Doubt::Denies] {
                // What goes by the right of the directory is of the name in it.
                let changes = CHANGES.without(BY_DIRECTORY);
                let rights = |of| self.rights(self.child, of, node, doubt) & changes;
                let (had, has) = (rights(self.before), rights(self.after));
                if !had.has(has) {
                    return Err(self.say(
                        "what has other names was granted",
                        node,
                        has.without(had),
                    ));
                }
            }
        }
        Ok(())
    }

    /// The user loses nothing, and others neither lose nor gain.
    pub(super) fn user_and_others(&self) -> Result<(), String> {
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
    pub(super) fn again_and_undone(&self, faults: Faults) -> Result<(), String> {
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
                    && !self.tree.nodes[node].linked
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
