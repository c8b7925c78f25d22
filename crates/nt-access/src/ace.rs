//! Access control entries (MS-DTYP 2.4.4).

use std::fmt;

use crate::mask::Mask;
use crate::sid::Sid;

/// What an ACE does with who matches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It grants.
    Allow,
    /// It denies.
    Deny,
    /// It has an access written to the event log.
    Audit,
    /// Reserved; no Windows acts on it.
    Alarm,
}

/// The type of an ACE (MS-DTYP 2.4.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `ACCESS_ALLOWED_ACE_TYPE` and its like.
    Basic(Effect),
    /// `ACCESS_ALLOWED_OBJECT_ACE_TYPE` and its like: of a kind of object, or inherited by one kind of child.
    Object(Effect),
    /// `ACCESS_ALLOWED_CALLBACK_ACE_TYPE` and its like: with a condition, which is kept and not read.
    Callback(Effect),
    /// Both.
    CallbackObject(Effect),
    /// `SYSTEM_MANDATORY_LABEL_ACE_TYPE`: the integrity of the object.
    Label,
    /// `SYSTEM_RESOURCE_ATTRIBUTE_ACE_TYPE`
    Attribute,
    /// `SYSTEM_SCOPED_POLICY_ID_ACE_TYPE`
    Policy,
    /// `SYSTEM_PROCESS_TRUST_LABEL_ACE_TYPE`
    TrustLabel,
    /// `SYSTEM_ACCESS_FILTER_ACE_TYPE`
    AccessFilter,
    /// Of another number: its body is kept as it is, and nothing is known of it.
    Other(u8),
}

impl Kind {
    /// Its number. [`Kind::Other`] has the one that was found.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Kind::Basic(effect) => effect as u8,
            Kind::Object(effect) => 5 + effect as u8,
            Kind::Callback(Effect::Allow) => 9,
            Kind::Callback(Effect::Deny) => 0xa,
            Kind::CallbackObject(Effect::Allow) => 0xb,
            Kind::CallbackObject(Effect::Deny) => 0xc,
            Kind::Callback(Effect::Audit) => 0xd,
            Kind::Callback(Effect::Alarm) => 0xe,
            Kind::CallbackObject(Effect::Audit) => 0xf,
            Kind::CallbackObject(Effect::Alarm) => 0x10,
            Kind::Label => 0x11,
            Kind::Attribute => 0x12,
            Kind::Policy => 0x13,
            Kind::TrustLabel => 0x14,
            Kind::AccessFilter => 0x15,
            Kind::Other(number) => number,
        }
    }

    /// The type of this number.
    #[must_use]
    pub const fn of(number: u8) -> Kind {
        use Effect::{Alarm, Allow, Audit, Deny};
        match number {
            0 => Kind::Basic(Allow),
            1 => Kind::Basic(Deny),
            2 => Kind::Basic(Audit),
            3 => Kind::Basic(Alarm),
            5 => Kind::Object(Allow),
            6 => Kind::Object(Deny),
            7 => Kind::Object(Audit),
            8 => Kind::Object(Alarm),
            9 => Kind::Callback(Allow),
            0xa => Kind::Callback(Deny),
            0xb => Kind::CallbackObject(Allow),
            0xc => Kind::CallbackObject(Deny),
            0xd => Kind::Callback(Audit),
            0xe => Kind::Callback(Alarm),
            0xf => Kind::CallbackObject(Audit),
            0x10 => Kind::CallbackObject(Alarm),
            0x11 => Kind::Label,
            0x12 => Kind::Attribute,
            0x13 => Kind::Policy,
            0x14 => Kind::TrustLabel,
            0x15 => Kind::AccessFilter,
            other => Kind::Other(other),
        }
    }

    /// What it does in a DACL; nothing where it has no business there.
    #[must_use]
    pub const fn effect(self) -> Option<Effect> {
        match self {
            Kind::Basic(effect)
            | Kind::Object(effect)
            | Kind::Callback(effect)
            | Kind::CallbackObject(effect) => Some(effect),
            _ => None,
        }
    }

    /// Whether a condition decides as well.
    #[must_use]
    pub const fn has_condition(self) -> bool {
        matches!(self, Kind::Callback(_) | Kind::CallbackObject(_))
    }

    /// Whether it can name types of objects.
    #[must_use]
    pub const fn has_types(self) -> bool {
        matches!(self, Kind::Object(_) | Kind::CallbackObject(_))
    }
}

/// How an ACE is inherited, and when it audits (MS-DTYP 2.4.4.1, `AceFlags`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AceFlags(pub u8);

impl AceFlags {
    /// None.
    pub const NONE: AceFlags = AceFlags(0);
    /// `OBJECT_INHERIT_ACE`: files inherit it.
    pub const OBJECT_INHERIT: AceFlags = AceFlags(0x1);
    /// `CONTAINER_INHERIT_ACE`: directories inherit it.
    pub const CONTAINER_INHERIT: AceFlags = AceFlags(0x2);
    /// Both.
    pub const INHERIT: AceFlags = AceFlags(0x3);
    /// `NO_PROPAGATE_INHERIT_ACE`: children do, their children do not.
    pub const NO_PROPAGATE: AceFlags = AceFlags(0x4);
    /// `INHERIT_ONLY_ACE`: it means nothing here.
    pub const INHERIT_ONLY: AceFlags = AceFlags(0x8);
    /// `INHERITED_ACE`: it came from the parent.
    pub const INHERITED: AceFlags = AceFlags(0x10);
    /// All of inheritance but [`AceFlags::INHERITED`].
    pub const PASSING_ON: AceFlags = AceFlags(0xf);

    /// Whether all of these are set.
    #[must_use]
    pub const fn has(self, all: AceFlags) -> bool {
        self.0 & all.0 == all.0
    }

    /// With these.
    #[must_use]
    pub const fn with(self, more: AceFlags) -> AceFlags {
        AceFlags(self.0 | more.0)
    }

    /// Without these.
    #[must_use]
    pub const fn without(self, less: AceFlags) -> AceFlags {
        AceFlags(self.0 & !less.0)
    }
}

impl fmt::Debug for AceFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A GUID, as it lies in memory (MS-DTYP 2.3.4.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid(pub [u8; 16]);

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g, h, i, rest @ ..] = self.0;
        let first = u32::from_le_bytes([a, b, c, d]);
        let (second, third) = (u16::from_le_bytes([e, g]), u16::from_le_bytes([h, i]));
        let [j, k, node @ ..] = rest;
        write!(f, "{first:08x}-{second:04x}-{third:04x}-{j:02x}{k:02x}-")?;
        node.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Guid {
    /// From its usual form, without braces.
    #[must_use]
    pub fn parse(text: &str) -> Option<Guid> {
        let mut digits = [0_u8; 16];
        let mut rest = text;
        let mut at = digits.iter_mut();
        for (index, length) in [4, 2, 2, 2, 6].into_iter().enumerate() {
            if index > 0 {
                rest = rest.strip_prefix('-')?;
            }
            let (group, after) = rest.split_at_checked(2 * length)?;
            for pair in 0..length {
                let pair = group.get(2 * pair..2 * pair + 2)?;
                if !pair.chars().all(|c| c.is_ascii_hexdigit()) {
                    return None;
                }
                *at.next()? = u8::from_str_radix(pair, 16).ok()?;
            }
            rest = after;
        }
        let [a, b, c, d, e, f, g, h, node @ ..] = digits;
        let [i, j, k, l, m, n, o, p] = node;
        rest.is_empty()
            .then_some(Guid([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]))
    }
}

/// Which objects an ACE is of, and which children inherit it (MS-DTYP 2.4.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ObjectTypes {
    /// The kind of object, property or extended right.
    pub object: Option<Guid>,
    /// The kind of child that inherits it.
    pub inherited: Option<Guid>,
}

/// An access control entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ace {
    /// Its type.
    pub kind: Kind,
    /// How it is inherited.
    pub flags: AceFlags,
    /// Which rights. Of a [`Kind::Label`]: what those below are refused.
    pub mask: Mask,
    /// Whom it is about. Of a [`Kind::Label`]: the level.
    pub sid: Sid,
    /// Which types of objects.
    pub types: ObjectTypes,
    /// What follows: a condition, an attribute, or what somebody put there. Of [`Kind::Other`] all after the header.
    pub data: Box<[u8]>,
}

impl Ace {
    /// One that grants.
    #[must_use]
    pub fn allow(sid: Sid, mask: Mask, flags: AceFlags) -> Ace {
        Ace::basic(Effect::Allow, sid, mask, flags)
    }

    /// One that denies.
    #[must_use]
    pub fn deny(sid: Sid, mask: Mask, flags: AceFlags) -> Ace {
        Ace::basic(Effect::Deny, sid, mask, flags)
    }

    fn basic(effect: Effect, sid: Sid, mask: Mask, flags: AceFlags) -> Ace {
        Ace {
            kind: Kind::Basic(effect),
            flags,
            mask,
            sid,
            types: ObjectTypes::default(),
            data: Box::default(),
        }
    }

    /// Whether it came from the parent.
    #[must_use]
    pub const fn is_inherited(&self) -> bool {
        self.flags.has(AceFlags::INHERITED)
    }

    /// Whether it means something for the object that it is of.
    #[must_use]
    pub const fn is_effective(&self) -> bool {
        !self.flags.has(AceFlags::INHERIT_ONLY)
    }
}
