//! Access control lists and security descriptors as self-relative bytes, checked to be whole
//! so that functions which trust their lengths may be given them.

use std::fmt;

use windows_sys::Win32::Security::{
    ACL, PSECURITY_DESCRIPTOR, SE_DACL_PRESENT, SE_SACL_PRESENT, SE_SELF_RELATIVE,
    SECURITY_ATTRIBUTES,
};

use crate::error::{Refusal, SysError};
use crate::memory::{Buffer, u16_at, u32_at};
use crate::sid::{self, Sid};

/// Two lists of at most 64 KiB each and two identifiers are less.
const MOST: usize = 256 << 10;
const HEADER: usize = 20;

/// An access control list.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Acl(Buffer);

impl Acl {
    /// The list these bytes are.
    ///
    /// # Errors
    /// [`Refusal::Malformed`]: its entries do not lie in it, or an entry's identifier not in
    /// the entry.
    pub fn from_bytes(bytes: &[u8]) -> Result<Acl, SysError> {
        if acl_len(bytes) == Some(bytes.len()) {
            Ok(Acl(Buffer::of(bytes)))
        } else {
            Err(SysError::refused("Acl", Refusal::Malformed))
        }
    }

    /// The list these bytes begin with.
    pub(crate) fn from_start(call: &'static str, bytes: &[u8]) -> Result<Acl, SysError> {
        let start = acl_len(bytes).and_then(|len| bytes.get(..len));
        let start = start.ok_or(SysError::refused(call, Refusal::Malformed))?;
        Ok(Acl(Buffer::of(start)))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// For functions that read it.
    pub(crate) fn as_ptr(&self) -> *const ACL {
        self.0.as_ptr().cast_const().cast()
    }
}

impl fmt::Debug for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Acl({} bytes)", self.0.len())
    }
}

/// A security descriptor in self-relative form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecurityDescriptor(Buffer);

impl SecurityDescriptor {
    /// The descriptor these bytes are.
    ///
    /// # Errors
    /// [`Refusal::Malformed`]: not self-relative, or a part does not lie in it.
    pub fn from_bytes(bytes: &[u8]) -> Result<SecurityDescriptor, SysError> {
        SecurityDescriptor::from_answer("SecurityDescriptor", bytes)
    }

    pub(crate) fn from_answer(
        call: &'static str,
        bytes: &[u8],
    ) -> Result<SecurityDescriptor, SysError> {
        match is_whole(bytes) {
            Some(true) => Ok(SecurityDescriptor(Buffer::of(bytes))),
            _ => Err(SysError::refused(call, Refusal::Malformed)),
        }
    }

    /// A descriptor made of its parts, in the order that Windows writes them.
    ///
    /// `control` are its `SE_*` flags; that it is self-relative and has a DACL is added. No
    /// `dacl` here means no access control at all (a NULL DACL), not an empty list.
    #[must_use]
    pub fn of(
        control: u16,
        owner: Option<&Sid>,
        group: Option<&Sid>,
        dacl: Option<&Acl>,
    ) -> SecurityDescriptor {
        let mut bytes = vec![1, 0];
        let control = control & !SE_SACL_PRESENT | SE_SELF_RELATIVE | SE_DACL_PRESENT;
        bytes.extend(control.to_le_bytes());
        bytes.resize(HEADER, 0);
        let parts = [
            (16, dacl.map(Acl::as_bytes)),
            (4, owner.map(Sid::as_bytes)),
            (8, group.map(Sid::as_bytes)),
        ];
        for (at, part) in parts {
            let Some(part) = part else { continue };
            // At most 64 KiB and two identifiers, so it fits.
            let offset = u32::try_from(bytes.len()).unwrap_or_default().to_le_bytes();
            let place = bytes.iter_mut().skip(at).zip(offset);
            place.for_each(|(to, from)| *to = from);
            bytes.extend_from_slice(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        SecurityDescriptor(Buffer::of(&bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// Its `SE_*` flags, such as that the list is protected or was inherited.
    #[must_use]
    pub fn control(&self) -> u16 {
        u16_at(self.as_bytes(), 2).unwrap_or_default()
    }

    /// Who owns the object, if the descriptor says.
    #[must_use]
    pub fn owner(&self) -> Option<Sid> {
        Sid::from_start("owner", self.part(4)?).ok()
    }

    /// The object's primary group, if the descriptor says.
    #[must_use]
    pub fn group(&self) -> Option<Sid> {
        Sid::from_start("group", self.part(8)?).ok()
    }

    /// The discretionary list.
    #[must_use]
    pub fn dacl(&self) -> Dacl {
        if self.control() & SE_DACL_PRESENT == 0 {
            return Dacl::Absent;
        }
        let list = self.part(16).map(|part| Acl::from_start("dacl", part));
        match list {
            None => Dacl::Null,
            // `is_whole` has seen that it lies in there.
            Some(list) => list.map_or(Dacl::Absent, Dacl::List),
        }
    }

    fn part(&self, at: usize) -> Option<&[u8]> {
        let offset = u32_at(self.as_bytes(), at).filter(|offset| *offset != 0)?;
        self.as_bytes().get(offset as usize..)
    }

    /// For functions that read it.
    pub(crate) fn as_ptr(&self) -> PSECURITY_DESCRIPTOR {
        self.0.as_ptr()
    }
}

impl fmt::Debug for SecurityDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecurityDescriptor({} bytes)", self.0.len())
    }
}

/// A descriptor's discretionary list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dacl {
    /// The descriptor says nothing of it: it was not asked for.
    Absent,
    /// There is none: everybody may do everything.
    Null,
    /// This; an empty one lets nobody in.
    List(Acl),
}

/// What functions that make an object want: its descriptor and whether children inherit the
/// handle. It points into `descriptor`, which must outlive the call.
pub(crate) fn attributes(
    descriptor: Option<&SecurityDescriptor>,
    inherit: bool,
) -> SECURITY_ATTRIBUTES {
    SECURITY_ATTRIBUTES {
        // 24, whatever the platform.
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or_default(),
        lpSecurityDescriptor: descriptor.map_or(std::ptr::null_mut(), SecurityDescriptor::as_ptr),
        bInheritHandle: inherit.into(),
    }
}

/// How long the list is that begins here, if its entries lie in it.
fn acl_len(bytes: &[u8]) -> Option<usize> {
    let (revision, size, count) = (*bytes.first()?, u16_at(bytes, 2)?, u16_at(bytes, 4)?);
    if !(2..=4).contains(&revision) || size < 8 {
        return None;
    }
    let list = bytes.get(..usize::from(size))?;
    let mut rest = list.get(8..)?;
    for _ in 0..count {
        let (kind, len) = (*rest.first()?, usize::from(u16_at(rest, 2)?));
        let entry = rest.get(..len)?;
        if len < 8 || !len.is_multiple_of(4) || !has_identifier(kind, entry) {
            return None;
        }
        rest = rest.get(len..)?;
    }
    Some(list.len())
}

/// Whether the identifier of an entry lies in it.
fn has_identifier(kind: u8, entry: &[u8]) -> bool {
    let at = match kind {
        // Object entries have flags that say which of two GUIDs are there.
        5..=8 | 11 | 12 | 15 | 16 => {
            let Some(flags) = u32_at(entry, 8) else {
                return false;
            };
            12 + 16 * (flags & 3).count_ones() as usize
        }
        // The compound entry, which nothing uses, has two.
        4 => return false,
        _ => 8,
    };
    entry.get(at..).and_then(sid::len).is_some()
}

fn is_whole(bytes: &[u8]) -> Option<bool> {
    let (revision, control) = (*bytes.first()?, u16_at(bytes, 2)?);
    if revision != 1 || control & SE_SELF_RELATIVE == 0 || bytes.len() > MOST {
        return Some(false);
    }
    let part = |at: usize| -> Option<Option<&[u8]>> {
        match u32_at(bytes, at)? as usize {
            0 => Some(None),
            offset if offset < HEADER || !offset.is_multiple_of(4) => None,
            offset => bytes.get(offset..).map(Some),
        }
    };
    for at in [4, 8] {
        if let Some(identifier) = part(at)? {
            sid::len(identifier)?;
        }
    }
    for (at, present) in [(12, SE_SACL_PRESENT), (16, SE_DACL_PRESENT)] {
        if let (true, Some(list)) = (control & present != 0, part(at)?) {
            acl_len(list)?;
        }
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYONE: [u8; 12] = [1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];

    fn list() -> Vec<u8> {
        let mut list = vec![2, 0, 28, 0, 1, 0, 0, 0, 0, 0, 20, 0, 1, 0, 0, 0];
        list.extend(EVERYONE);
        list
    }

    #[test]
    fn a_list_with_an_entry_outside_is_refused() {
        assert!(Acl::from_bytes(&list()).is_ok());
        // One entry more, a longer entry, a longer identifier, a shorter list.
        for (at, value) in [(4, 2), (10, 24), (17, 2), (2, 24)] {
            let mut other = list();
            other[at] = value;
            assert!(Acl::from_bytes(&other).is_err(), "{at}");
        }
    }

    #[test]
    fn a_descriptor_of_parts_has_them() {
        let everyone = Sid::from_bytes(&EVERYONE).unwrap();
        let list = Acl::from_bytes(&list()).unwrap();
        let made = SecurityDescriptor::of(0x1000, Some(&everyone), None, Some(&list));
        let read = SecurityDescriptor::from_bytes(made.as_bytes()).unwrap();
        assert_eq!(read.owner(), Some(everyone));
        assert_eq!(read.group(), None);
        assert_eq!(read.dacl(), Dacl::List(list));
        assert_eq!(read.control(), 0x9004);
        let open = SecurityDescriptor::of(0, None, None, None);
        assert_eq!(open.dacl(), Dacl::Null);
    }

    #[test]
    fn a_descriptor_with_a_part_outside_is_refused() {
        let list = Acl::from_bytes(&list()).unwrap();
        let made = SecurityDescriptor::of(0, None, None, Some(&list));
        for cut in 0..made.as_bytes().len() {
            assert!(SecurityDescriptor::from_bytes(&made.as_bytes()[..cut]).is_err());
        }
    }
}
