//! What becomes of one object of a write root: the walk through it is the harness', each step is decided here.

use ringfence_nt_access::{
    Ace, AceFlags, Child, Doubt, FileObject, Mask, SecurityDescriptor, Sid, Token, file_access,
    maximum_allowed, object, well_known,
};

use super::stamp::{denies, is_of, pass_on, pass_on_denials, stamp};

/// An object in a write root, or the root itself.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Its descriptor, as it was read.
    pub descriptor: &'a SecurityDescriptor,
    /// That of its directory: before, and as it is now. None of the root, where nothing is passed on.
    pub directory: Option<(&'a SecurityDescriptor, &'a SecurityDescriptor)>,
    /// What it is.
    pub kind: Child,
    /// The ACEs that are put on it, by its path.
    pub own: &'a [Ace],
    /// It is a file with other names than that by which it was met: they may lie where nothing is to be granted.
    pub linked: bool,
}

/// What is to be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it has all that it shall have.
    Same,
    /// This is written.
    Write(Box<SecurityDescriptor>),
    /// It is left as it is, and the walk goes on.
    Left(Why),
}

/// Why an object is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// It has no DACL: it grants everything to everybody already, and nothing can be taken back there without making it grant
    /// less to others.
    NoDacl,
    /// The user may not change its permissions.
    NotYours,
    /// The user would lose a right by it.
    WouldTakeFromYou,
}

/// A walk through a write root.
#[derive(Debug, Clone, Copy)]
pub struct Walk<'a> {
    /// The real user.
    pub user: &'a Token,
    /// All ACEs of the plan.
    pub ours: &'a [Ace],
    /// Accounts that commands run as, where they run as another than the user: what they own is theirs to work with, and not
    /// to open to others.
    pub principals: &'a [Sid],
}

impl Walk<'_> {
    /// Decides about one object.
    ///
    /// No right is taken from the user, whatever stands in the descriptor: where `OWNER RIGHTS` would do that (they are for
    /// what a principal makes, and replace what an owner may), the object does without them.
    ///
    /// A file with other names gets denials alone (and what keeps an account from its permissions, where that owns it), by each of its names: a file has one descriptor, so a grant by the name in
    /// the root would be one by a name outside of it. None is taken from it either, since it is met in any order.
    #[must_use]
    pub fn next(&self, step: Step<'_>) -> Next {
        let now = step.descriptor;
        let Some(dacl) = &now.dacl else {
            return Next::Left(Why::NoDacl);
        };
        // Where somebody said what owners may, that stays the word: ours could be more than that.
        let said = dacl
            .aces
            .iter()
            .any(|ace| says_of_owners(ace) && !self.ours.iter().any(|own| is_of(ace, own)));
        let with = if step.linked {
            self.denied(step)
        } else {
            self.wanted(step, !said)
        };
        let Some(with) = with else {
            return Next::Same;
        };
        let rights = maximum_allowed(now, self.user, &object::FILE, Doubt::Denies);
        if !rights.has(Mask::WRITE_DAC) {
            return Next::Left(Why::NotYours);
        }
        if self.takes_nothing(step, &with) {
            return Next::Write(Box::new(with));
        }
        if step.linked {
            return Next::Left(Why::WouldTakeFromYou);
        }
        match self.wanted(step, false) {
            None => Next::Same,
            Some(with) if self.takes_nothing(step, &with) => Next::Write(Box::new(with)),
            Some(_) => Next::Left(Why::WouldTakeFromYou),
        }
    }

    /// The descriptor with all that belongs on it, or none where it has that.
    fn wanted(&self, step: Step<'_>, owners: bool) -> Option<SecurityDescriptor> {
        let ours: Vec<Ace> = self
            .ours
            .iter()
            .filter(|ace| owners || ace.sid != well_known::OWNER_RIGHTS)
            .cloned()
            .collect();
        let now = step.descriptor;
        let passed = step
            .directory
            .and_then(|(_, above)| pass_on(above, now, step.kind, &ours));
        let mut own: Vec<Ace> = step
            .own
            .iter()
            .filter(|ace| ours.contains(ace))
            .cloned()
            .collect();
        let so_far = passed.as_ref().unwrap_or(now);
        let theirs = self.owns(so_far);
        let inherited = so_far.dacl.iter().flat_map(|dacl| &dacl.aces);
        if theirs && owners && !inherited.chain(&own).any(says_of_owners) {
            // Its directory has it not to pass on.
            own.push(of_owners());
        }
        stamp(so_far, &own).or(passed)
    }

    /// Whether commands own it.
    fn owns(&self, of: &SecurityDescriptor) -> bool {
        of.owner
            .is_some_and(|owner| self.principals.contains(&owner))
    }

    /// The descriptor with all denials that belong on it, or none where it has them.
    fn denied(&self, step: Step<'_>) -> Option<SecurityDescriptor> {
        let now = step.descriptor;
        let passed = step
            .directory
            .and_then(|(_, above)| pass_on_denials(above, now, self.ours));
        let so_far = passed.as_ref().unwrap_or(now);
        let mut own: Vec<Ace> = step.own.iter().filter(|ace| denies(ace)).cloned().collect();
        let mut said = so_far.dacl.iter().flat_map(|dacl| &dacl.aces);
        if self.owns(so_far) && !said.any(says_of_owners) {
            own.push(of_owners());
        }
        stamp(so_far, &own).or(passed)
    }

    fn takes_nothing(&self, step: Step<'_>, after: &SecurityDescriptor) -> bool {
        let (before_above, above) = step.directory.unzip();
        [Doubt::Grants, Doubt::Denies].into_iter().all(|doubt| {
            let rights = |own, parent| file_access(self.user, FileObject { own, parent }, doubt);
            rights(after, above).has(rights(step.descriptor, before_above))
        })
    }
}

/// Owners read permissions, and do not change them.
fn of_owners() -> Ace {
    Ace::allow(well_known::OWNER_RIGHTS, Mask::READ_CONTROL, AceFlags::NONE)
}

fn says_of_owners(ace: &Ace) -> bool {
    ace.sid == well_known::OWNER_RIGHTS && ace.is_effective()
}
