//! The access check (MS-DTYP 2.5.3.2), with the second question to restricted tokens and the write-restricted rule.

use thiserror::Error;

use crate::ace::{Ace, Effect, Kind};
use crate::acl::Acl;
use crate::descriptor::SecurityDescriptor;
use crate::mask::{GenericMapping, Mask, generic};
use crate::sid::{Sid, well_known};
use crate::token::{Integrity, Privilege, Token};

/// What is taken for true where this model cannot know it. What really happens lies between the two.
///
/// In doubt are: whether the condition of an ACE holds; whether an ACE of a type of objects is of this one; what generic
/// rights in an ACE mean that somebody wrote there unmapped (Windows maps them when it stores a descriptor); and whether
/// `S-1-5-33` is a restricting SID of every write-restricted token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// What may grant does, what may deny does not: for questions of what somebody must not be able to do.
    Grants,
    /// What may deny does, what may grant does not: for questions of what somebody needs.
    Denies,
}

/// Why a right is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No ACE grants it.
    Nothing,
    /// The ACE of this index denies it.
    Ace(usize),
    /// It is granted to the user and the groups, and not to the restricting SIDs; by an ACE that denies it, where there is one.
    Restricting(Option<usize>),
    /// The object's label is above the token's integrity.
    Integrity,
    /// It takes `SeSecurityPrivilege`.
    Privilege,
}

/// What was asked for and is not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[error("{missing:?} is not granted: {cause:?}")]
pub struct Denied {
    /// Which rights.
    pub missing: Mask,
    /// Why the lowest of them is not.
    pub cause: Cause,
}

/// Whether a token gets these rights to an object, all of them; those that it gets. With [`Mask::MAXIMUM_ALLOWED`] these and
/// all others that it would get.
///
/// # Errors
/// [`Denied`] with what is missing.
pub fn access_check(
    descriptor: &SecurityDescriptor,
    token: &Token,
    desired: Mask,
    mapping: &GenericMapping,
    doubt: Doubt,
) -> Result<Mask, Denied> {
    let check = Check {
        descriptor,
        token,
        mapping,
        doubt,
    };
    let desired = mapping.map(desired);
    let needed = desired.without(Mask::MAXIMUM_ALLOWED);
    let granted = if desired.has(Mask::MAXIMUM_ALLOWED) {
        check.granted(!Mask::NONE, mapping.all) | check.granted(needed, needed)
    } else {
        check.granted(needed, needed)
    };
    let missing = needed.without(granted);
    if missing.is_none() {
        Ok(granted)
    } else {
        Err(Denied {
            missing,
            cause: check.cause(Mask(missing.0 & missing.0.wrapping_neg())),
        })
    }
}

/// All rights that a token gets to an object.
#[must_use]
pub fn maximum_allowed(
    descriptor: &SecurityDescriptor,
    token: &Token,
    mapping: &GenericMapping,
    doubt: Doubt,
) -> Mask {
    let check = Check {
        descriptor,
        token,
        mapping,
        doubt,
    };
    check.granted(!Mask::NONE, mapping.all)
}

#[derive(Clone, Copy)]
struct Check<'a> {
    descriptor: &'a SecurityDescriptor,
    token: &'a Token,
    mapping: &'a GenericMapping,
    doubt: Doubt,
}

/// As whom the DACL is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Normal,
    Restricted,
}

/// `SYSTEM_MANDATORY_LABEL_NO_WRITE_UP`
const NO_WRITE_UP: Mask = Mask(1);
/// `SYSTEM_MANDATORY_LABEL_NO_READ_UP`
const NO_READ_UP: Mask = Mask(2);
/// `SYSTEM_MANDATORY_LABEL_NO_EXECUTE_UP`
const NO_EXECUTE_UP: Mask = Mask(4);

impl Check<'_> {
    /// Which of the wanted rights are granted. Without a DACL those are that it may have then.
    fn granted(&self, wanted: Mask, without_dacl: Mask) -> Mask {
        // No DACL has a say about SACLs.
        let asked = wanted.without(Mask::ACCESS_SYSTEM_SECURITY);
        let mut granted = match &self.descriptor.dacl {
            None => without_dacl.without(Mask::ACCESS_SYSTEM_SECURITY),
            Some(dacl) => self.granted_by(dacl, asked),
        };
        if self.token.privileges.has(Privilege::TakeOwnership) {
            granted |= wanted & Mask::WRITE_OWNER;
        }
        granted &= self.allowed_by_label();
        if self.token.privileges.has(Privilege::Security) {
            granted |= wanted & Mask::ACCESS_SYSTEM_SECURITY;
        }
        granted
    }

    fn granted_by(&self, dacl: &Acl, asked: Mask) -> Mask {
        let normal = self.pass(dacl, asked, Pass::Normal);
        if !self.token.is_restricted() {
            return normal;
        }
        let twice = self.asked_twice();
        if !normal.meets(twice) {
            return normal;
        }
        let restricted = self.pass(dacl, normal & twice, Pass::Restricted);
        normal.without(twice) | restricted
    }

    /// The rights about which a restricted token is asked twice.
    fn asked_twice(&self) -> Mask {
        if self.token.write_restricted {
            self.mapping.restricted_writes()
        } else {
            !Mask::NONE
        }
    }

    /// One walk through the DACL: of each right the first ACE that speaks of it has the word.
    fn pass(&self, dacl: &Acl, asked: Mask, pass: Pass) -> Mask {
        let owner = self.is_owner(pass);
        let mut granted = Mask::NONE;
        if owner && !says_what_owners_may(dacl) {
            granted = asked & (Mask::READ_CONTROL | Mask::WRITE_DAC);
        }
        let mut left = asked.without(granted);
        // Most ACEs are of others.
        let known = well_known::OWNER_RIGHTS.bit()
            | match pass {
                Pass::Normal => self.token.bits(),
                Pass::Restricted => {
                    self.token.restricting_bits() | well_known::WRITE_RESTRICTED.bit()
                }
            };
        for ace in &dacl.aces {
            if ace.sid.bit() & known == 0 {
                continue;
            }
            let Some((effect, mask)) = self.says(ace) else {
                continue;
            };
            if !left.meets(mask) || !self.matches(&ace.sid, effect, owner, pass) {
                continue;
            }
            if effect == Effect::Allow {
                granted |= left & mask;
            }
            left = left.without(mask);
            if left.is_none() {
                break;
            }
        }
        granted
    }

    /// What an ACE does with which rights, if anything.
    fn says(&self, ace: &Ace) -> Option<(Effect, Mask)> {
        if !ace.is_effective() {
            return None;
        }
        let effect = match ace.kind {
            Kind::Basic(effect @ (Effect::Allow | Effect::Deny)) => effect,
            Kind::Object(effect @ (Effect::Allow | Effect::Deny)) if ace.types.object.is_none() => {
                effect
            }
            // Of a type, or with a condition.
            kind => match kind.effect()? {
                effect @ (Effect::Allow | Effect::Deny) => {
                    self.doubted(effect).then_some(effect)?
                }
                Effect::Audit | Effect::Alarm => return None,
            },
        };
        let mask = if ace.mask.meets(generic::ANY) && self.doubted(effect) {
            self.mapping.map(ace.mask)
        } else {
            ace.mask.without(generic::ANY)
        };
        Some((effect, mask))
    }

    /// Whether what is in doubt is taken to have this effect.
    fn doubted(&self, effect: Effect) -> bool {
        (effect == Effect::Allow) == (self.doubt == Doubt::Grants)
    }

    fn matches(&self, sid: &Sid, effect: Effect, owner: bool, pass: Pass) -> bool {
        let token = self.token;
        match (pass, effect) {
            (Pass::Normal, Effect::Allow) if token.is(sid) => true,
            (Pass::Normal, Effect::Deny) if token.is_denied_as(sid) => true,
            (Pass::Restricted, _) if token.is_restricted_to(sid) => true,
            (Pass::Restricted, Effect::Allow)
                if token.write_restricted
                    && self.doubt == Doubt::Grants
                    && *sid == well_known::WRITE_RESTRICTED =>
            {
                true
            }
            _ => owner && *sid == well_known::OWNER_RIGHTS,
        }
    }

    /// Whether the object is the token's. In the second question the owner must be a restricting SID, as in the first it
    /// must be the user or an enabled group (`SepTokenIsOwner`).
    fn is_owner(&self, pass: Pass) -> bool {
        self.descriptor
            .owner
            .as_ref()
            .is_some_and(|owner| match pass {
                Pass::Normal => self.token.is(owner),
                Pass::Restricted => self.token.is_restricted_to(owner),
            })
    }

    /// The rights that the mandatory label leaves (MS-DTYP 2.5.3.3).
    fn allowed_by_label(&self) -> Mask {
        let (level, refused) = self
            .descriptor
            .label()
            .unwrap_or((Integrity::MEDIUM.0, NO_WRITE_UP));
        if self.token.integrity.0 >= level {
            return !Mask::NONE;
        }
        // What only reads and executes, and all else: that is writing, with what no generic right but the widest has.
        let GenericMapping {
            read,
            write,
            execute,
            ..
        } = *self.mapping;
        let writing = !(read | execute).without(write);
        let mut allowed = Mask::NONE;
        for (refusal, rights) in [
            (NO_READ_UP, read),
            (NO_WRITE_UP, writing),
            (NO_EXECUTE_UP, execute),
        ] {
            if !refused.has(refusal) {
                allowed |= rights;
            }
        }
        if self.token.privileges.has(Privilege::Relabel) {
            allowed |= Mask::WRITE_OWNER;
        }
        allowed
    }

    /// Why a single right is not granted.
    fn cause(&self, right: Mask) -> Cause {
        if right == Mask::ACCESS_SYSTEM_SECURITY {
            return Cause::Privilege;
        }
        let Some(dacl) = &self.descriptor.dacl else {
            return Cause::Integrity;
        };
        let denier = |pass| {
            dacl.aces.iter().position(|ace| {
                self.says(ace).is_some_and(|(effect, mask)| {
                    effect == Effect::Deny
                        && mask.meets(right)
                        && self.matches(&ace.sid, effect, self.is_owner(pass), pass)
                })
            })
        };
        if self.pass(dacl, right, Pass::Normal).is_none() {
            return denier(Pass::Normal).map_or(Cause::Nothing, Cause::Ace);
        }
        if self.token.is_restricted()
            && self.asked_twice().meets(right)
            && self.pass(dacl, right, Pass::Restricted).is_none()
        {
            return Cause::Restricting(denier(Pass::Restricted));
        }
        Cause::Integrity
    }
}

/// Whether an ACE of the DACL says what owners may: then they may no more by being the owner.
fn says_what_owners_may(dacl: &Acl) -> bool {
    dacl.aces
        .iter()
        .any(|ace| ace.sid == well_known::OWNER_RIGHTS && ace.is_effective())
}
