//! How children inherit: when they are made, and when the parent's DACL changes (MS-DTYP 2.5.3.4).

use crate::ace::{Ace, AceFlags, Kind, ObjectTypes};
use crate::acl::Acl;
use crate::descriptor::{Control, SecurityDescriptor};
use crate::mask::{GenericMapping, Mask, generic};
use crate::sid::{Sid, well_known};
use crate::token::{Integrity, Token};

/// What inherits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Child {
    /// A file, or anything else that has no children.
    Leaf,
    /// A directory, a key.
    Container,
}

/// What a child of this owner and group inherits from these ACEs, in their order.
///
/// For the SIDs of the creator stand owner and group, generic rights are mapped; a container keeps for its own children
/// what was not yet replaced, as an ACE that means nothing for itself.
#[must_use]
pub fn inherited(
    from: &Acl,
    child: Child,
    owner: Sid,
    group: Sid,
    mapping: &GenericMapping,
) -> Vec<Ace> {
    let mut aces = Vec::with_capacity(from.aces.len());
    for ace in &from.aces {
        let to_leaves = ace.flags.has(AceFlags::OBJECT_INHERIT);
        let to_containers = ace.flags.has(AceFlags::CONTAINER_INHERIT);
        let once = ace.flags.has(AceFlags::NO_PROPAGATE);
        // Of another type of child: only its own children may be of it.
        let of_another = ace.types.inherited.is_some();
        let marks = ace
            .flags
            .without(AceFlags::PASSING_ON)
            .with(AceFlags::INHERITED);
        let holds = match child {
            Child::Leaf => to_leaves,
            Child::Container => to_containers,
        } && !of_another;
        let passed = if child == Child::Container && !once && (to_leaves || to_containers) {
            AceFlags(ace.flags.0 & AceFlags::INHERIT.0)
        } else {
            AceFlags::NONE
        };
        let own = Ace {
            sid: replaced(ace.sid, owner, group),
            mask: mapped(ace, mapping),
            flags: marks,
            ..ace.clone()
        };
        let passed_on = Ace {
            flags: marks.with(passed),
            ..ace.clone()
        };
        match (holds, passed != AceFlags::NONE) {
            (true, true) if own.sid == ace.sid && own.mask == ace.mask => aces.push(passed_on),
            (true, true) => {
                aces.push(own);
                aces.push(only_passed_on(passed_on));
            }
            (true, false) => aces.push(own),
            (false, true) => aces.push(only_passed_on(passed_on)),
            (false, false) => {}
        }
    }
    aces
}

fn only_passed_on(ace: Ace) -> Ace {
    Ace {
        flags: ace.flags.with(AceFlags::INHERIT_ONLY),
        ..ace
    }
}

fn replaced(sid: Sid, owner: Sid, group: Sid) -> Sid {
    if sid == well_known::CREATOR_OWNER {
        owner
    } else if sid == well_known::CREATOR_GROUP {
        group
    } else {
        sid
    }
}

/// The rights an ACE has once it is of an object. Those of labels and the like are no rights.
fn mapped(ace: &Ace, mapping: &GenericMapping) -> Mask {
    if ace.kind.effect().is_some() && ace.mask.meets(generic::ANY) {
        mapping.map(ace.mask)
    } else {
        ace.mask
    }
}

/// The descriptor of a child that a token makes, with what it says of it.
///
/// As filesystem and registry do it, with automatic inheritance: what is said of the child comes before what is inherited,
/// unless it says that nothing is ([`Control::DACL_PROTECTED`]); where neither says anything the token's default holds.
#[must_use]
pub fn create(
    parent: Option<&SecurityDescriptor>,
    said: Option<&SecurityDescriptor>,
    child: Child,
    token: &Token,
    mapping: &GenericMapping,
) -> SecurityDescriptor {
    let owner = said.and_then(|said| said.owner).unwrap_or(token.owner);
    let group = said
        .and_then(|said| said.group)
        .unwrap_or(token.primary_group);
    let above = parent.and_then(|parent| parent.dacl.as_ref());
    let from_above =
        above.map_or_else(Vec::new, |acl| inherited(acl, child, owner, group, mapping));
    let mut control = Control::DACL_PRESENT.with(Control::DACL_AUTO_INHERITED);
    let said_dacl = said.filter(|said| said.control.has(Control::DACL_PRESENT));
    let dacl = match said_dacl {
        Some(said) if said.is_protected() => {
            control = Control::DACL_PRESENT.with(Control::DACL_PROTECTED);
            said.dacl
                .as_ref()
                .map(|acl| settled(acl, owner, group, mapping))
        }
        Some(SecurityDescriptor {
            dacl: Some(acl), ..
        }) => {
            let mut acl = settled(acl, owner, group, mapping);
            acl.aces.retain(|ace| !ace.is_inherited());
            acl.aces.extend(from_above);
            Some(acl)
        }
        Some(_) => None,
        None if !from_above.is_empty() => Some(Acl {
            revision: above.map_or(Acl::REVISION, |acl| acl.revision),
            aces: from_above,
        }),
        None => token
            .default_dacl
            .as_ref()
            .map(|acl| settled(acl, owner, group, mapping)),
    };
    if dacl.is_none() && said_dacl.is_none() {
        // No default either: nothing is said of it.
        control = Control::default();
    }
    let sacl = label(parent, child, token, mapping);
    if sacl.is_some() {
        control = control.with(Control::SACL_PRESENT);
    }
    SecurityDescriptor {
        control,
        resource_manager: 0,
        owner: Some(owner),
        group: Some(group),
        dacl,
        sacl,
    }
}

/// Without the creator's SIDs and generic rights, in what holds for the object itself.
fn settled(acl: &Acl, owner: Sid, group: Sid, mapping: &GenericMapping) -> Acl {
    let mut aces = Vec::with_capacity(acl.aces.len());
    for ace in &acl.aces {
        let own = Ace {
            sid: replaced(ace.sid, owner, group),
            mask: mapped(ace, mapping),
            ..ace.clone()
        };
        if !ace.is_effective() || own == *ace {
            aces.push(ace.clone());
        } else if ace.flags.0 & AceFlags::INHERIT.0 == 0 {
            aces.push(own);
        } else {
            aces.push(Ace {
                flags: own.flags.without(AceFlags::PASSING_ON),
                ..own
            });
            aces.push(only_passed_on(ace.clone()));
        }
    }
    Acl {
        revision: acl.revision,
        aces,
    }
}

/// The label of what a token makes: the parent's, where it is inherited, or its own level where that is below medium.
fn label(
    parent: Option<&SecurityDescriptor>,
    child: Child,
    token: &Token,
    mapping: &GenericMapping,
) -> Option<Acl> {
    let above = parent.and_then(|parent| parent.sacl.as_ref());
    let labels: Acl = above
        .into_iter()
        .flat_map(|sacl| &sacl.aces)
        .filter(|ace| ace.kind == Kind::Label)
        .cloned()
        .collect();
    let mut aces = inherited(&labels, child, token.owner, token.primary_group, mapping);
    if aces.is_empty() && token.integrity < Integrity::MEDIUM {
        aces.push(Ace {
            kind: Kind::Label,
            flags: AceFlags::NONE,
            mask: Mask(1),
            sid: Sid::new([0, 0, 0, 0, 0, 16], &[token.integrity.0])?,
            types: ObjectTypes::default(),
            data: Box::default(),
        });
    }
    (!aces.is_empty()).then(|| aces.into_iter().collect())
}

/// The DACL a child has after its parent's changed: what was said of it, and what it inherits now. None where nothing
/// changes: what is protected, and what grants everything to everybody ("NULL DACL"), inherits nothing.
///
/// As `SetSecurityInfo` does it for what is marked as inherited. Of a child from before Windows 2000, in which nothing is
/// marked, all counts as said of it.
#[must_use]
pub fn propagate(
    parent: &SecurityDescriptor,
    child: &SecurityDescriptor,
    kind: Child,
    mapping: &GenericMapping,
) -> Option<Acl> {
    let own = child.dacl.as_ref()?;
    if child.is_protected() {
        return None;
    }
    let owner = child.owner.unwrap_or(well_known::NULL);
    let group = child.group.unwrap_or(well_known::NULL);
    let mut aces: Vec<Ace> = own
        .aces
        .iter()
        .filter(|ace| !ace.is_inherited())
        .cloned()
        .collect();
    if let Some(above) = &parent.dacl {
        aces.extend(inherited(above, kind, owner, group, mapping));
    }
    let changed = aces != own.aces;
    changed.then_some(Acl {
        revision: own.revision,
        aces,
    })
}
