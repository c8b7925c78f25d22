//! What ACEs are put on which object, one descriptor at a time.
//!
//! Additions alone: all other ACEs, their order, and whether anything is inherited stay as they are. The walk through a
//! directory is the harness'; what it writes on each object is decided here.

use ringfence_nt_access::{
    Ace, AceFlags, Acl, Child, Control, Effect, SecurityDescriptor, inherited, object, well_known,
};

/// The descriptor with these ACEs said of the object itself; none where nothing is added. What has no DACL grants them, and
/// everything else, already: it stays.
#[must_use]
pub fn stamp(sd: &SecurityDescriptor, aces: &[Ace]) -> Option<SecurityDescriptor> {
    let mut dacl = sd.dacl.clone()?;
    for ace in aces {
        dacl.add(ace.clone());
    }
    changed(sd, dacl)
}

/// The descriptor of a child after its directory was stamped: with what it inherits of `ours`, the ACEs that were.
///
/// Where all that the child inherited is what its directory passes on, it stands where Windows would put it when it
/// propagates the next time. A child that inherits nothing ([`Control::DACL_PROTECTED`]) has it said of itself, and its own
/// children inherit it from there. None where nothing is added.
#[must_use]
pub fn pass_on(
    parent: &SecurityDescriptor,
    child: &SecurityDescriptor,
    kind: Child,
    ours: &[Ace],
) -> Option<SecurityDescriptor> {
    let own = child.dacl.as_ref()?;
    let above = parent.dacl.as_ref()?;
    let owner = child.owner.unwrap_or(well_known::NULL);
    let group = child.group.unwrap_or(well_known::NULL);
    let all = inherited(above, kind, owner, group, &object::FILE);
    let is_ours = |ace: &Ace| ours.iter().any(|own| is_of(ace, own));
    let passed: Vec<Ace> = all.iter().filter(|ace| is_ours(ace)).cloned().collect();
    if !child.control.has(Control::DACL_AUTO_INHERITED) || child.is_protected() {
        let said = passed.into_iter().map(|ace| said_of_itself(ace, kind));
        return stamp(child, &said.collect::<Vec<_>>());
    }
    let said = own.aces.iter().filter(|ace| !ace.is_inherited());
    // What is said of a child comes before what it inherits: there a denial has to be said as well.
    let grants = |ace: &Ace| ace.kind.effect() == Some(Effect::Allow) && !is_ours(ace);
    let denials: Vec<Ace> = if said.clone().any(grants) {
        let denials = passed.iter().filter(|ace| denies(ace));
        denials
            .cloned()
            .map(|ace| said_of_itself(ace, kind))
            .collect()
    } else {
        Vec::new()
    };
    let had: Vec<&Ace> = own.aces.iter().filter(|ace| ace.is_inherited()).collect();
    let theirs = |ace: &&Ace| !is_ours(ace);
    let natural = had
        .iter()
        .copied()
        .filter(theirs)
        .eq(all.iter().filter(theirs));
    let mut aces: Vec<Ace> = said.cloned().collect();
    if natural {
        aces.extend(all);
    } else {
        // It came from elsewhere, with what it inherited there: that stays, as it is.
        let had = had.into_iter().filter(theirs).cloned();
        aces.extend(passed);
        aces.extend(had);
    }
    let mut dacl = Acl {
        revision: own.revision,
        aces,
    };
    for denial in denials {
        dacl.add(denial);
    }
    changed(child, dacl)
}

/// The descriptor of a file that has other names than this: with the denials of `ours` that its directory passes on, and
/// nothing else. None where it has them.
///
/// What else is there stays, denials that it has by another name above all. A grant is not added: the other names may lie
/// where nobody planned one.
#[must_use]
pub fn pass_on_denials(
    parent: &SecurityDescriptor,
    child: &SecurityDescriptor,
    ours: &[Ace],
) -> Option<SecurityDescriptor> {
    let own = child.dacl.as_ref()?;
    let above = parent.dacl.as_ref()?;
    let owner = child.owner.unwrap_or(well_known::NULL);
    let group = child.group.unwrap_or(well_known::NULL);
    let all = inherited(above, Child::Leaf, owner, group, &object::FILE);
    let is_ours = |ace: &Ace| ours.iter().any(|own| is_of(ace, own));
    // What is said of a file comes before what it inherits.
    let grants = |ace: &Ace| ace.kind.effect() == Some(Effect::Allow) && !ace.is_inherited();
    let first = !own.aces.iter().any(grants);
    let has = |denial: &Ace| {
        let is = |ace: &Ace| is_of(ace, denial) && (first || !ace.is_inherited());
        own.aces.iter().any(is)
    };
    let lacks = all
        .into_iter()
        .filter(|ace| denies(ace) && is_ours(ace) && !has(ace));
    let said = lacks.map(|ace| said_of_itself(ace, Child::Leaf));
    stamp(child, &said.collect::<Vec<_>>())
}

pub(super) fn denies(ace: &Ace) -> bool {
    ace.kind.effect() == Some(Effect::Deny)
}

/// An inherited ACE as one that is said of the object, passed on as it would have been.
fn said_of_itself(ace: Ace, kind: Child) -> Ace {
    let flags = match kind {
        Child::Leaf => AceFlags::NONE,
        Child::Container => ace.flags.without(AceFlags::INHERITED),
    };
    Ace { flags, ..ace }
}

/// The descriptor without these ACEs, be they said of the object or inherited; none where there is none.
#[must_use]
pub fn cleanse(sd: &SecurityDescriptor, ours: &[Ace]) -> Option<SecurityDescriptor> {
    let mut dacl = sd.dacl.clone()?;
    dacl.aces
        .retain(|ace| !ours.iter().any(|own| is_of(ace, own)));
    changed(sd, dacl)
}

/// Whether an ACE is this one, wherever it came from and whoever inherits it.
#[must_use]
pub fn is_of(ace: &Ace, own: &Ace) -> bool {
    (ace.kind, ace.mask, ace.sid) == (own.kind, own.mask, own.sid)
}

fn changed(sd: &SecurityDescriptor, dacl: Acl) -> Option<SecurityDescriptor> {
    (sd.dacl.as_ref() != Some(&dacl)).then(|| SecurityDescriptor {
        dacl: Some(dacl),
        ..sd.clone()
    })
}
