//! Words from a descriptor, as Windows puts them.

use std::fmt::Write;

use super::SddlError;
use super::names::{BITS, FLAGS, KINDS, LABEL, SIDS, WHOLE};
use crate::ace::{Ace, Kind, ObjectTypes};
use crate::acl::Acl;
use crate::descriptor::{Control, SecurityDescriptor};
use crate::mask::Mask;
use crate::sid::Sid;

impl SecurityDescriptor {
    /// In words. What SDDL has none for is left out: whether something was defaulted, and the resource manager's byte.
    ///
    /// # Errors
    /// [`SddlError::NoWords`] where an ACE has none.
    pub fn to_sddl(&self) -> Result<String, SddlError> {
        let mut text = String::new();
        for (name, sid) in [("O:", &self.owner), ("G:", &self.group)] {
            if let Some(sid) = sid {
                text.push_str(name);
                push_sid(&mut text, sid);
            }
        }
        let dacl = [
            Control::DACL_PRESENT,
            Control::DACL_PROTECTED,
            Control::DACL_AUTO_INHERIT_REQ,
            Control::DACL_AUTO_INHERITED,
        ];
        let sacl = [
            Control::SACL_PRESENT,
            Control::SACL_PROTECTED,
            Control::SACL_AUTO_INHERIT_REQ,
            Control::SACL_AUTO_INHERITED,
        ];
        for (name, list, [present, flags @ ..]) in
            [("D:", &self.dacl, dacl), ("S:", &self.sacl, sacl)]
        {
            if list.is_none() && !self.control.has(present) {
                continue;
            }
            text.push_str(name);
            for (name, flag) in ["P", "AR", "AI"].into_iter().zip(flags) {
                if self.control.has(flag) {
                    text.push_str(name);
                }
            }
            match list {
                None => text.push_str("NO_ACCESS_CONTROL"),
                Some(list) => push_list(&mut text, list)?,
            }
        }
        Ok(text)
    }
}

fn push_list(text: &mut String, list: &Acl) -> Result<(), SddlError> {
    for (index, ace) in list.aces.iter().enumerate() {
        let kind = KINDS.iter().find(|(_, kind)| *kind == ace.kind);
        let Some((kind, _)) = kind.filter(|_| ace.data.is_empty()) else {
            return Err(SddlError::NoWords {
                index,
                kind: ace.kind.number(),
                data: ace.data.len(),
            });
        };
        push_ace(text, kind, ace);
    }
    Ok(())
}

fn push_ace(text: &mut String, kind: &str, ace: &Ace) {
    let _ = write!(text, "({kind};");
    for (name, flag) in FLAGS {
        if ace.flags.has(flag) {
            text.push_str(name);
        }
    }
    text.push(';');
    push_mask(text, ace.kind, ace.mask);
    text.push(';');
    let ObjectTypes { object, inherited } = ace.types;
    for guid in [object, inherited] {
        if let Some(guid) = guid {
            let _ = write!(text, "{guid}");
        }
        text.push(';');
    }
    push_sid(text, &ace.sid);
    text.push(')');
}

fn push_mask(text: &mut String, kind: Kind, mask: Mask) {
    let bits: &[(&str, Mask)] = if kind == Kind::Label { &LABEL } else { &BITS };
    if kind != Kind::Label
        && let Some((name, _)) = WHOLE.iter().find(|(_, whole)| *whole == mask)
    {
        text.push_str(name);
        return;
    }
    let named = bits.iter().fold(Mask::NONE, |all, (_, bit)| all | *bit);
    if mask.is_none() || !named.has(mask) {
        let _ = write!(text, "{:#x}", mask.0);
        return;
    }
    for (name, bit) in bits {
        if mask.has(*bit) {
            text.push_str(name);
        }
    }
}

fn push_sid(text: &mut String, sid: &Sid) {
    match SIDS.iter().find(|(_, named)| named == sid) {
        Some((name, _)) => text.push_str(name),
        None => {
            let _ = write!(text, "{sid}");
        }
    }
}
