//! Self-relative security descriptors in bytes, both ways (MS-DTYP 2.4.2.2, 2.4.4, 2.4.5, 2.4.6).
//!
//! Bytes are what somebody else wrote: each length and offset is held against what is there. What is read and written again
//! is the same, but for what means nothing (room between the parts, their order, and at the end of a list).

use thiserror::Error;

use crate::ace::{Ace, AceFlags, Guid, Kind, ObjectTypes};
use crate::acl::Acl;
use crate::descriptor::{Control, SecurityDescriptor};
use crate::mask::Mask;
use crate::sid::{Sid, well_known};

/// Bytes that are no security descriptor, SID or ACL; or one that fits in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Something ends after the bytes do.
    #[error("the {part} at byte {at} is cut off")]
    CutOff {
        /// What.
        part: &'static str,
        /// Where it begins.
        at: usize,
    },
    /// A revision or a size that it cannot have.
    #[error("the {part} at byte {at} has a {what} of {value}")]
    Impossible {
        /// What.
        part: &'static str,
        /// Where it begins.
        at: usize,
        /// Which field.
        what: &'static str,
        /// What stands there.
        value: u32,
    },
    /// A list is longer than 65,535 bytes: its size is a 16-bit number.
    #[error("a list of {0} bytes: more than 65,535 cannot be written")]
    TooLong(usize),
}

/// Bytes, and where in the whole they begin.
#[derive(Clone, Copy)]
struct Part<'a> {
    bytes: &'a [u8],
    at: usize,
    name: &'static str,
}

impl<'a> Part<'a> {
    fn take<const N: usize>(&self, from: usize) -> Result<[u8; N], Malformed> {
        from.checked_add(N)
            .and_then(|to| self.bytes.get(from..to))
            .and_then(|slice| slice.try_into().ok())
            .ok_or(Malformed::CutOff {
                part: self.name,
                at: self.at,
            })
    }

    fn u8(&self, from: usize) -> Result<u8, Malformed> {
        self.take::<1>(from).map(|[byte]| byte)
    }

    fn u16(&self, from: usize) -> Result<u16, Malformed> {
        self.take(from).map(u16::from_le_bytes)
    }

    fn u32(&self, from: usize) -> Result<u32, Malformed> {
        self.take(from).map(u32::from_le_bytes)
    }

    fn from(&self, from: usize, name: &'static str) -> Result<Part<'a>, Malformed> {
        let bytes = self.bytes.get(from..).ok_or(Malformed::CutOff {
            part: name,
            at: self.at + from,
        })?;
        Ok(Part {
            bytes,
            at: self.at + from,
            name,
        })
    }

    fn cut(&self, to: usize) -> Result<Part<'a>, Malformed> {
        let bytes = self.bytes.get(..to).ok_or(Malformed::CutOff {
            part: self.name,
            at: self.at,
        })?;
        Ok(Part { bytes, ..*self })
    }

    fn impossible(&self, what: &'static str, value: impl Into<u32>) -> Malformed {
        Malformed::Impossible {
            part: self.name,
            at: self.at,
            what,
            value: value.into(),
        }
    }
}

impl Sid {
    /// From its bytes; what follows is left.
    ///
    /// # Errors
    /// [`Malformed`] where they are none.
    pub fn parse(bytes: &[u8]) -> Result<Sid, Malformed> {
        sid(Part {
            bytes,
            at: 0,
            name: "SID",
        })
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size());
        write_sid(self, &mut bytes);
        bytes
    }
}

fn sid(part: Part<'_>) -> Result<Sid, Malformed> {
    let revision = part.u8(0)?;
    if revision != 1 {
        return Err(part.impossible("revision", revision));
    }
    let count = part.u8(1)?;
    let mut subs = [0; Sid::MOST];
    let room = subs
        .get_mut(..usize::from(count))
        .ok_or_else(|| part.impossible("count", count))?;
    for (index, sub) in room.iter_mut().enumerate() {
        *sub = part.u32(8 + 4 * index)?;
    }
    Sid::new(part.take(2)?, room).ok_or_else(|| part.impossible("count", count))
}

fn write_sid(sid: &Sid, bytes: &mut Vec<u8>) {
    let subs = sid.subauthorities();
    bytes.push(1);
    #[expect(clippy::cast_possible_truncation, reason = "at most fifteen")]
    bytes.push(subs.len() as u8);
    bytes.extend(sid.authority());
    bytes.extend(subs.iter().flat_map(|sub| sub.to_le_bytes()));
}

/// `ACE_OBJECT_TYPE_PRESENT`
const OBJECT_TYPE: u32 = 1;
/// `ACE_INHERITED_OBJECT_TYPE_PRESENT`
const INHERITED_TYPE: u32 = 2;

fn ace(part: Part<'_>) -> Result<Ace, Malformed> {
    let kind = Kind::of(part.u8(0)?);
    let flags = AceFlags(part.u8(1)?);
    if let Kind::Other(_) = kind {
        return Ok(Ace {
            kind,
            flags,
            mask: Mask::NONE,
            sid: well_known::NULL,
            types: ObjectTypes::default(),
            data: part.from(4, "ACE")?.bytes.into(),
        });
    }
    let mask = Mask(part.u32(4)?);
    let mut at = 8;
    let mut types = ObjectTypes::default();
    if kind.has_types() {
        let present = part.u32(8)?;
        if present & !(OBJECT_TYPE | INHERITED_TYPE) != 0 {
            return Err(part.impossible("set of types", present));
        }
        at = 12;
        if present & OBJECT_TYPE != 0 {
            types.object = Some(Guid(part.take(at)?));
            at += 16;
        }
        if present & INHERITED_TYPE != 0 {
            types.inherited = Some(Guid(part.take(at)?));
            at += 16;
        }
    }
    let sid = sid(part.from(at, "SID of an ACE")?)?;
    Ok(Ace {
        kind,
        flags,
        mask,
        sid,
        types,
        data: part.from(at + sid.size(), "ACE")?.bytes.into(),
    })
}

fn write_ace(ace: &Ace, bytes: &mut Vec<u8>) -> Result<(), Malformed> {
    let start = bytes.len();
    bytes.extend([ace.kind.number(), ace.flags.0, 0, 0]);
    if !matches!(ace.kind, Kind::Other(_)) {
        bytes.extend(ace.mask.0.to_le_bytes());
        if ace.kind.has_types() {
            let ObjectTypes { object, inherited } = ace.types;
            let present = if object.is_some() { OBJECT_TYPE } else { 0 }
                | if inherited.is_some() {
                    INHERITED_TYPE
                } else {
                    0
                };
            bytes.extend(present.to_le_bytes());
            bytes.extend([object, inherited].into_iter().flatten().flat_map(|g| g.0));
        }
        write_sid(&ace.sid, bytes);
    }
    bytes.extend(&ace.data);
    // MS-DTYP 2.4.4.1: a multiple of four.
    while !(bytes.len() - start).is_multiple_of(4) {
        bytes.push(0);
    }
    let length = bytes.len() - start;
    let size = u16::try_from(length).map_err(|_| Malformed::TooLong(length))?;
    if let Some(room) = bytes.get_mut(start + 2..start + 4) {
        room.copy_from_slice(&size.to_le_bytes());
    }
    Ok(())
}

impl Acl {
    /// From its bytes; what follows is left.
    ///
    /// # Errors
    /// [`Malformed`] where they are none.
    pub fn parse(bytes: &[u8]) -> Result<Acl, Malformed> {
        acl(Part {
            bytes,
            at: 0,
            name: "ACL",
        })
    }

    /// Its bytes.
    ///
    /// # Errors
    /// [`Malformed::TooLong`] where it has no room.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Malformed> {
        let mut bytes = Vec::new();
        write_acl(self, &mut bytes)?;
        Ok(bytes)
    }
}

fn acl(part: Part<'_>) -> Result<Acl, Malformed> {
    let revision = part.u8(0)?;
    // `RtlValidAcl`; 3 was of a Windows that no one has.
    if !(Acl::REVISION..=Acl::REVISION_DS).contains(&revision) {
        return Err(part.impossible("revision", revision));
    }
    let size = part.u16(2)?;
    if size < 8 {
        return Err(part.impossible("size", size));
    }
    let count = part.u16(4)?;
    let part = part.cut(usize::from(size))?;
    let mut aces = Vec::new();
    let mut at = 8;
    for _ in 0..count {
        let rest = part.from(at, "ACE")?;
        let size = rest.u16(2)?;
        if size < 4 || size % 4 != 0 {
            return Err(rest.impossible("size", size));
        }
        aces.push(ace(rest.cut(usize::from(size))?)?);
        at += usize::from(size);
    }
    Ok(Acl { revision, aces })
}

fn write_acl(acl: &Acl, bytes: &mut Vec<u8>) -> Result<(), Malformed> {
    let start = bytes.len();
    let needs_types = acl.aces.iter().any(|ace| ace.kind.has_types());
    let revision = if needs_types {
        Acl::REVISION_DS
    } else {
        acl.revision
    };
    bytes.extend([revision, 0, 0, 0, 0, 0, 0, 0]);
    for ace in &acl.aces {
        write_ace(ace, bytes)?;
    }
    let length = bytes.len() - start;
    let size = u16::try_from(length).map_err(|_| Malformed::TooLong(length))?;
    // An ACE has four bytes or more, so there are fewer than bytes.
    let count = u16::try_from(acl.aces.len()).map_err(|_| Malformed::TooLong(length))?;
    let header = [size.to_le_bytes(), count.to_le_bytes()].concat();
    if let Some(room) = bytes.get_mut(start + 2..start + 6) {
        room.copy_from_slice(&header);
    }
    Ok(())
}

impl SecurityDescriptor {
    /// From self-relative bytes; what follows is left.
    ///
    /// # Errors
    /// [`Malformed`] where they are none.
    pub fn parse(bytes: &[u8]) -> Result<SecurityDescriptor, Malformed> {
        let whole = Part {
            bytes,
            at: 0,
            name: "security descriptor",
        };
        let revision = whole.u8(0)?;
        if revision != 1 {
            return Err(whole.impossible("revision", revision));
        }
        let control = Control(whole.u16(2)?);
        if !control.has(Control::SELF_RELATIVE) {
            return Err(whole.impossible("control", control.0));
        }
        let part = |field: usize, name: &'static str| match whole.u32(field)? {
            0 => Ok(None),
            // The header has twenty bytes.
            low if low < 20 => Err(whole.impossible("offset", low)),
            offset => whole
                .from(usize::try_from(offset).unwrap_or(usize::MAX), name)
                .map(Some),
        };
        let list = |field: usize, present: Control, name: &'static str| match part(field, name)? {
            // What is not said to be there is not looked at.
            Some(part) if control.has(present) => acl(part).map(Some),
            _ => Ok(None),
        };
        Ok(SecurityDescriptor {
            control: control.without(Control::SELF_RELATIVE),
            resource_manager: whole.u8(1)?,
            owner: part(4, "owner")?.map(sid).transpose()?,
            group: part(8, "group")?.map(sid).transpose()?,
            sacl: list(12, Control::SACL_PRESENT, "SACL")?,
            dacl: list(16, Control::DACL_PRESENT, "DACL")?,
        })
    }

    /// Self-relative bytes: the header, SACL, DACL, owner, group, as `RtlMakeSelfRelativeSD` lays them.
    ///
    /// # Errors
    /// [`Malformed::TooLong`] where a list has no room.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Malformed> {
        let mut control = self.control.with(Control::SELF_RELATIVE);
        if self.dacl.is_some() {
            control = control.with(Control::DACL_PRESENT);
        }
        if self.sacl.is_some() {
            control = control.with(Control::SACL_PRESENT);
        }
        let [low, high] = control.0.to_le_bytes();
        let mut bytes = vec![1, self.resource_manager, low, high];
        bytes.resize(20, 0);
        let mut offsets = [0_u32; 4];
        let [owner_at, group_at, sacl_at, dacl_at] = &mut offsets;
        for (list, at) in [(&self.sacl, sacl_at), (&self.dacl, dacl_at)] {
            if let Some(list) = list {
                *at = here(&bytes)?;
                write_acl(list, &mut bytes)?;
            }
        }
        for (sid, at) in [(&self.owner, owner_at), (&self.group, group_at)] {
            if let Some(sid) = sid {
                *at = here(&bytes)?;
                write_sid(sid, &mut bytes);
            }
        }
        for (index, offset) in offsets.into_iter().enumerate() {
            if let Some(room) = bytes.get_mut(4 + 4 * index..8 + 4 * index) {
                room.copy_from_slice(&offset.to_le_bytes());
            }
        }
        Ok(bytes)
    }
}

fn here(bytes: &[u8]) -> Result<u32, Malformed> {
    u32::try_from(bytes.len()).map_err(|_| Malformed::TooLong(bytes.len()))
}
