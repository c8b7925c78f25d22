//! Security identifiers (MS-DTYP 2.4.2).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use thiserror::Error;

/// A security identifier: who somebody is, or what group they are in.
///
/// It is copied, not allocated: at most fifteen subauthorities (MS-DTYP 2.4.2.2), and the access check compares many.
#[derive(Clone, Copy, Eq, PartialOrd, Ord)]
pub struct Sid {
    /// Made from the rest: two that differ differ here, nearly always. Compared first.
    tag: u32,
    count: u8,
    authority: [u8; 6],
    sub: [u32; Sid::MOST],
}

impl PartialEq for Sid {
    #[inline]
    fn eq(&self, other: &Sid) -> bool {
        // Nearly always the tags tell: the rest is not read then.
        self.tag == other.tag
            && self.count == other.count
            && self.authority == other.authority
            && self.sub == other.sub
    }
}

impl Hash for Sid {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tag.hash(state);
        self.subauthorities().hash(state);
    }
}

/// What is not a SID in words (`S-1-5-32-544`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a SID is S-1-AUTHORITY-SUB-…, of at most fifteen numbers below 2^32 after the authority")]
pub struct ParseSidError;

impl Sid {
    /// So many subauthorities a SID has at most.
    pub const MOST: usize = 15;

    /// A SID of this authority and these subauthorities. None with more than fifteen.
    #[must_use]
    pub const fn new(authority: [u8; 6], subs: &[u32]) -> Option<Sid> {
        if subs.len() > Sid::MOST {
            return None;
        }
        let mut sub = [0; Sid::MOST];
        // FNV-1a, by words: it has to be cheap and to tell neighbours apart, nothing more.
        let mut tag = 0x811c_9dc5_u32;
        let mut index = 0;
        while index < authority.len() {
            tag = (tag ^ authority[index] as u32).wrapping_mul(0x0100_0193);
            index += 1;
        }
        index = 0;
        while index < subs.len() {
            sub[index] = subs[index];
            tag = (tag ^ subs[index]).wrapping_mul(0x0100_0193);
            index += 1;
        }
        Some(Sid {
            tag,
            #[expect(clippy::cast_possible_truncation, reason = "at most fifteen")]
            count: subs.len() as u8,
            authority,
            sub,
        })
    }

    /// Of the NT authority (`S-1-5-…`).
    const fn nt(subs: &[u32]) -> Sid {
        Sid::of(5, subs)
    }

    /// Of an authority below 256. More than fifteen subauthorities are cut off: those here are written down below.
    const fn of(authority: u8, subs: &[u32]) -> Sid {
        match Sid::new([0, 0, 0, 0, 0, authority], subs) {
            Some(sid) => sid,
            None => Sid::of(authority, &[]),
        }
    }

    /// A SID in the shape of an account's (`S-1-5-21-a-b-c-d`): the one shape of an unassigned SID that
    /// `CreateRestrictedToken` takes as restricting.
    #[must_use]
    pub const fn account(words: [u32; 4]) -> Sid {
        Sid::nt(&[21, words[0], words[1], words[2], words[3]])
    }

    /// Who says what the rest means.
    #[must_use]
    pub const fn authority(&self) -> [u8; 6] {
        self.authority
    }

    /// What the authority said.
    #[must_use]
    pub fn subauthorities(&self) -> &[u32] {
        self.sub.get(..usize::from(self.count)).unwrap_or_default()
    }

    /// The last subauthority: within its domain, who.
    #[must_use]
    pub fn rid(&self) -> Option<u32> {
        self.subauthorities().last().copied()
    }

    /// One bit of 64: of two that differ it differs nearly always. The bits of a token's SIDs, together, tell of most others
    /// that they are not among them.
    pub(crate) const fn bit(&self) -> u64 {
        1 << (self.tag >> 26)
    }

    /// So many bytes it has (MS-DTYP 2.4.2.2).
    #[must_use]
    pub fn size(&self) -> usize {
        8 + 4 * usize::from(self.count)
    }

    /// The level that a mandatory label names (`S-1-16-…`).
    #[must_use]
    pub fn integrity(&self) -> Option<u32> {
        match (self.authority, self.subauthorities()) {
            ([0, 0, 0, 0, 0, 16], [level]) => Some(*level),
            _ => None,
        }
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self
            .authority
            .iter()
            .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        // MS-DTYP 2.4.2.1: in hexadecimal from 2^32 on.
        if value < 1 << 32 {
            write!(f, "S-1-{value}")?;
        } else {
            write!(f, "S-1-0x{value:012x}")?;
        }
        for sub in self.subauthorities() {
            write!(f, "-{sub}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sid {
    type Err = ParseSidError;

    fn from_str(text: &str) -> Result<Sid, ParseSidError> {
        let rest = text
            .strip_prefix("S-1-")
            .or_else(|| text.strip_prefix("s-1-"))
            .ok_or(ParseSidError)?;
        let mut parts = rest.split('-');
        let authority = number(parts.next().unwrap_or_default(), (1 << 48) - 1)?;
        let mut subs = [0; Sid::MOST];
        let mut count = 0;
        for part in parts {
            let sub = number(part, u64::from(u32::MAX))?;
            *subs.get_mut(count).ok_or(ParseSidError)? =
                u32::try_from(sub).map_err(|_| ParseSidError)?;
            count += 1;
        }
        let [_, _, authority @ ..] = authority.to_be_bytes();
        Sid::new(authority, subs.get(..count).unwrap_or_default()).ok_or(ParseSidError)
    }
}

/// A number in decimal or, after `0x`, in hexadecimal.
fn number(text: &str, most: u64) -> Result<u64, ParseSidError> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = hex.map_or((text, 10), |hex| (hex, 16));
    // `from_str_radix` takes a sign.
    if !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(ParseSidError);
    }
    let value = u64::from_str_radix(digits, radix).map_err(|_| ParseSidError)?;
    if value <= most {
        Ok(value)
    } else {
        Err(ParseSidError)
    }
}

/// SIDs that mean the same everywhere (MS-DTYP 2.4.2.4).
pub mod well_known {
    use super::Sid;

    /// Nobody.
    pub const NULL: Sid = Sid::of(0, &[0]);
    /// All, also who is not logged on under the name of a user.
    pub const EVERYONE: Sid = Sid::of(1, &[0]);
    /// In what is inherited: whoever makes the child.
    pub const CREATOR_OWNER: Sid = Sid::of(3, &[0]);
    /// In what is inherited: the primary group of whoever makes the child.
    pub const CREATOR_GROUP: Sid = Sid::of(3, &[1]);
    /// The object's owner, where it says what an owner may (instead of reading and changing its descriptor).
    pub const OWNER_RIGHTS: Sid = Sid::of(3, &[4]);
    /// Who came over the network.
    pub const NETWORK: Sid = Sid::nt(&[2]);
    /// Who runs as a batch job.
    pub const BATCH: Sid = Sid::nt(&[3]);
    /// Who sits at the machine.
    pub const INTERACTIVE: Sid = Sid::nt(&[4]);
    /// Services.
    pub const SERVICE: Sid = Sid::nt(&[6]);
    /// Who has no name.
    pub const ANONYMOUS: Sid = Sid::nt(&[7]);
    /// The object itself.
    pub const SELF: Sid = Sid::nt(&[10]);
    /// Who has proved who they are.
    pub const AUTHENTICATED_USERS: Sid = Sid::nt(&[11]);
    /// Restricted code: in the restricting list of some tokens.
    pub const RESTRICTED: Sid = Sid::nt(&[12]);
    /// The system.
    pub const SYSTEM: Sid = Sid::nt(&[18]);
    /// Services with little.
    pub const LOCAL_SERVICE: Sid = Sid::nt(&[19]);
    /// Services with little, on the network under the machine's name.
    pub const NETWORK_SERVICE: Sid = Sid::nt(&[20]);
    /// Write-restricted code.
    pub const WRITE_RESTRICTED: Sid = Sid::nt(&[33]);
    /// An account of this machine.
    pub const LOCAL_ACCOUNT: Sid = Sid::nt(&[113]);
    /// An account of this machine that is an administrator.
    pub const LOCAL_ADMINISTRATOR: Sid = Sid::nt(&[114]);
    /// The group of administrators.
    pub const ADMINISTRATORS: Sid = Sid::nt(&[32, 544]);
    /// The group of users.
    pub const USERS: Sid = Sid::nt(&[32, 545]);
    /// The group of guests.
    pub const GUESTS: Sid = Sid::nt(&[32, 546]);
    /// The installer of Windows' own files.
    pub const TRUSTED_INSTALLER: Sid = Sid::nt(&[
        80,
        956_008_885,
        3_418_522_649,
        1_831_038_044,
        1_853_292_631,
        2_271_478_464,
    ]);
    /// All app containers.
    pub const ALL_APP_PACKAGES: Sid = Sid::of(15, &[2, 1]);
    /// All app containers, also those that are granted less.
    pub const ALL_RESTRICTED_APP_PACKAGES: Sid = Sid::of(15, &[2, 2]);
    /// Levels of integrity.
    pub const UNTRUSTED_LEVEL: Sid = Sid::of(16, &[0]);
    /// What the network gave.
    pub const LOW_LEVEL: Sid = Sid::of(16, &[0x1000]);
    /// What users start, and what has no label.
    pub const MEDIUM_LEVEL: Sid = Sid::of(16, &[0x2000]);
    /// Elevated.
    pub const HIGH_LEVEL: Sid = Sid::of(16, &[0x3000]);
    /// The system.
    pub const SYSTEM_LEVEL: Sid = Sid::of(16, &[0x4000]);
}
