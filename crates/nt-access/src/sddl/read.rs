//! A descriptor from words.

use super::SddlError;
use super::names::{ALSO_READ, BITS, FLAGS, KINDS, LABEL, OF_DOMAIN, SIDS, WHOLE};
use crate::ace::{Ace, AceFlags, Guid, Kind, ObjectTypes};
use crate::acl::Acl;
use crate::descriptor::{Control, SecurityDescriptor};
use crate::mask::Mask;
use crate::sid::Sid;

impl SecurityDescriptor {
    /// From words. Names of a domain's accounts are refused: they mean nothing without it.
    ///
    /// # Errors
    /// [`SddlError`] with the place.
    pub fn from_sddl(text: &str) -> Result<SecurityDescriptor, SddlError> {
        let mut reader = Reader { text, at: 0 };
        let mut made = SecurityDescriptor::default();
        let mut seen = [false; 4];
        while reader.at < text.len() {
            let at = reader.at;
            let parts = ["O:", "G:", "D:", "S:"];
            let part = parts.iter().position(|name| reader.eat(name));
            let first = part.is_some_and(|part| {
                let seen = seen.get_mut(part);
                seen.is_some_and(|seen| !std::mem::replace(seen, true))
            });
            if !first {
                let expected = "O:, G:, D: or S:, each once,";
                return Err(SddlError::Expected { at, expected });
            }
            match part {
                Some(0) => made.owner = Some(reader.sid()?),
                Some(1) => made.group = Some(reader.sid()?),
                Some(2) => {
                    let (list, flags) = reader.list([
                        ("P", Control::DACL_PROTECTED),
                        ("AR", Control::DACL_AUTO_INHERIT_REQ),
                        ("AI", Control::DACL_AUTO_INHERITED),
                    ])?;
                    made.dacl = list;
                    made.control = made.control.with(flags).with(Control::DACL_PRESENT);
                }
                _ => {
                    let (list, flags) = reader.list([
                        ("P", Control::SACL_PROTECTED),
                        ("AR", Control::SACL_AUTO_INHERIT_REQ),
                        ("AI", Control::SACL_AUTO_INHERITED),
                    ])?;
                    made.sacl = list;
                    made.control = made.control.with(flags).with(Control::SACL_PRESENT);
                }
            }
        }
        Ok(made)
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn eat(&mut self, word: &str) -> bool {
        let here = self.rest().starts_with(word);
        if here {
            self.at += word.len();
        }
        here
    }

    fn expected(&self, expected: &'static str) -> SddlError {
        SddlError::Expected {
            at: self.at,
            expected,
        }
    }

    fn list(&mut self, flags: [(&str, Control); 3]) -> Result<(Option<Acl>, Control), SddlError> {
        let mut control = Control::default();
        while let Some((name, flag)) = flags.iter().find(|(name, _)| self.rest().starts_with(name))
        {
            self.at += name.len();
            control = control.with(*flag);
        }
        if self.eat("NO_ACCESS_CONTROL") {
            return Ok((None, control));
        }
        let mut list = Acl::default();
        while self.eat("(") {
            let ace = self.ace()?;
            if ace.kind.has_types() {
                list.revision = Acl::REVISION_DS;
            }
            list.aces.push(ace);
        }
        Ok((Some(list), control))
    }

    fn ace(&mut self) -> Result<Ace, SddlError> {
        let kind = {
            let at = self.at;
            let name = self.field()?;
            let kind = KINDS.iter().find(|(kind, _)| *kind == name);
            kind.map(|(_, kind)| *kind).ok_or(SddlError::Expected {
                at,
                expected: "a type of ACE (A, D, AU, OA, OD, ML, …)",
            })?
        };
        let flags = {
            let at = self.at;
            let names = self.field()?;
            let bits = named(
                names,
                at,
                "flags of an ACE (OI, CI, NP, IO, ID, SA, FA)",
                |n| {
                    let flag = FLAGS.iter().find(|(name, _)| *name == n);
                    flag.map(|(_, flag)| u32::from(flag.0))
                },
            )?;
            #[expect(clippy::cast_possible_truncation, reason = "flags have eight bits")]
            AceFlags(bits as u8)
        };
        let mask = self.mask(kind)?;
        let object = self.guid()?;
        let inherited = self.guid()?;
        if !kind.has_types() && (object.is_some() || inherited.is_some()) {
            return Err(self.expected("no GUID, as this type of ACE has none,"));
        }
        let sid = self.sid()?;
        if !self.eat(")") {
            return Err(self.expected("`)` (conditions and attributes are not read)"));
        }
        Ok(Ace {
            kind,
            flags,
            mask,
            sid,
            types: ObjectTypes { object, inherited },
            data: Box::default(),
        })
    }

    /// Up to the next semicolon, which is eaten.
    fn field(&mut self) -> Result<&'a str, SddlError> {
        let rest = self.rest();
        let end = rest.find([';', ')', '(']).unwrap_or(rest.len());
        let field = rest.get(..end).unwrap_or_default();
        self.at += end;
        if self.eat(";") {
            Ok(field)
        } else {
            Err(self.expected("`;`"))
        }
    }

    fn mask(&mut self, kind: Kind) -> Result<Mask, SddlError> {
        let at = self.at;
        let field = self.field()?;
        let expected = "rights (FA, GR, …, or a number)";
        let number = match field.strip_prefix("0x").or(field.strip_prefix("0X")) {
            Some(hex) => Some((hex, 16)),
            None if field.starts_with(|c: char| c.is_ascii_digit()) => Some((field, 10)),
            None => None,
        };
        if let Some((digits, radix)) = number {
            let digits = Some(digits).filter(|d| d.chars().all(|c| c.is_ascii_hexdigit()));
            return digits
                .and_then(|digits| u32::from_str_radix(digits, radix).ok())
                .map(Mask)
                .ok_or(SddlError::Expected { at, expected });
        }
        let bits = named(field, at, expected, |n| {
            let label = if kind == Kind::Label { &LABEL[..] } else { &[] };
            let mut all = label.iter().chain(&WHOLE).chain(&BITS);
            all.find(|(name, _)| *name == n).map(|(_, mask)| mask.0)
        })?;
        Ok(Mask(bits))
    }

    fn guid(&mut self) -> Result<Option<Guid>, SddlError> {
        let at = self.at;
        let field = self.field()?;
        if field.is_empty() {
            return Ok(None);
        }
        let expected = "a GUID";
        let guid = Guid::parse(field).ok_or(SddlError::Expected { at, expected })?;
        Ok(Some(guid))
    }

    fn sid(&mut self) -> Result<Sid, SddlError> {
        let at = self.at;
        let rest = self.rest();
        let expected = "a SID";
        if rest.starts_with("S-1-") {
            // Its end is where no number can go on: `S-1-5-18D:` ends before the D. In hexadecimal a D is a digit, of which
            // an authority has twelve (MS-DTYP 2.4.2.1).
            const DIGITS: usize = 12;
            let mut end = 4;
            if rest
                .get(4..6)
                .is_some_and(|hex| hex.eq_ignore_ascii_case("0x"))
            {
                end = 6 + rest
                    .get(6..)
                    .and_then(|hex| hex.find(|c: char| !c.is_ascii_hexdigit()))
                    .unwrap_or(rest.len() - 6)
                    .min(DIGITS);
            }
            let tail = rest.get(end..).unwrap_or_default();
            end += tail
                .find(|c: char| !c.is_ascii_digit() && c != '-')
                .unwrap_or(tail.len());
            let sid = rest.get(..end).and_then(|text| text.parse().ok());
            self.at += end;
            return sid.ok_or(SddlError::Expected { at, expected });
        }
        let name = rest.get(..2).unwrap_or_default();
        if let Some((_, sid)) = SIDS.iter().chain(&ALSO_READ).find(|(n, _)| *n == name) {
            self.at += 2;
            return Ok(*sid);
        }
        if OF_DOMAIN.contains(&name) {
            let alias = name.to_owned();
            return Err(SddlError::OfDomain { at, alias });
        }
        Err(SddlError::Expected { at, expected })
    }
}

/// All bits that names of two letters say, one after the other.
fn named(
    names: &str,
    at: usize,
    expected: &'static str,
    bit: impl Fn(&str) -> Option<u32>,
) -> Result<u32, SddlError> {
    let mut bits = 0;
    let mut rest = names;
    while !rest.is_empty() {
        let at = at + names.len() - rest.len();
        let (name, after) = rest
            .split_at_checked(2)
            .ok_or(SddlError::Expected { at, expected })?;
        bits |= bit(name).ok_or(SddlError::Expected { at, expected })?;
        rest = after;
    }
    Ok(bits)
}
