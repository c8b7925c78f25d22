//! Descriptors and tokens at random, for tests: this crate's, of those who plan with it, and of those that hold it against
//! other implementations. (No feature: one that a test of another crate turns on would be on for all.)
//!
//! The same seed gives the same, everywhere and always.

use crate::ace::{Ace, AceFlags, Effect, Guid, Kind, ObjectTypes};
use crate::acl::Acl;
use crate::descriptor::{Control, SecurityDescriptor};
use crate::mask::{Mask, file_right, generic};
use crate::sid::{Sid, well_known};
use crate::token::{Group, Integrity, Membership, Privilege, Privileges, Token};

/// Numbers that look random (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

/// What may be in a descriptor or token beside the ordinary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wild {
    /// Generic rights in ACEs.
    pub generic: bool,
    /// Conditions, types of objects, and types of ACEs that nobody knows.
    pub doubtful: bool,
    /// Mandatory labels, and levels of integrity.
    pub labels: bool,
    /// ACEs for `OWNER RIGHTS`.
    pub owner_rights: bool,
    /// No DACL, or none that is said.
    pub no_dacl: bool,
    /// Groups for denials only, and disabled ones.
    pub deny_only: bool,
    /// Privileges.
    pub privileges: bool,
    /// Flags of inheritance.
    pub inheritance: bool,
}

impl Wild {
    /// All of it.
    pub const ALL: Wild = Wild {
        generic: true,
        doubtful: true,
        labels: true,
        owner_rights: true,
        no_dacl: true,
        deny_only: true,
        privileges: true,
        inheritance: true,
    };
}

impl Random {
    /// From this seed on.
    #[must_use]
    pub const fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next 32 bits.
    pub fn word(&mut self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the upper half is dropped")]
        let word = self.bits() as u32;
        word
    }

    /// A number below this; 0 where that is 0.
    pub fn below(&mut self, most: usize) -> usize {
        let most = u64::try_from(most).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.bits() % most).unwrap_or_default()
    }

    /// Once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these, of which there is at least one; the first SID that means nobody where there is none.
    pub fn sid(&mut self, pool: &[Sid]) -> Sid {
        pool.get(self.below(pool.len()))
            .copied()
            .unwrap_or(well_known::NULL)
    }

    /// Rights of files, as people grant them, and as they do not.
    pub fn mask(&mut self, generic: bool) -> Mask {
        const USUAL: [Mask; 10] = [
            file_right::ALL,
            file_right::GENERIC_READ,
            file_right::GENERIC_WRITE,
            file_right::GENERIC_EXECUTE,
            Mask::DELETE,
            Mask::WRITE_DAC,
            Mask::WRITE_OWNER,
            Mask::READ_CONTROL,
            file_right::DELETE_CHILD,
            // "Modify" of the dialog.
            Mask(0x0013_01bf),
        ];
        let mut mask = match self.below(3) {
            0 => Mask(self.word()) & file_right::ALL,
            1 => Mask(1 << self.below(9)) | Mask(1 << (16 + self.below(5))),
            _ => USUAL
                .get(self.below(USUAL.len()))
                .copied()
                .unwrap_or_default(),
        };
        if generic && self.one_in(4) {
            mask = Mask(self.word()) & generic::ANY;
        }
        mask
    }

    /// An ACE of a DACL.
    pub fn ace(&mut self, pool: &[Sid], wild: Wild) -> Ace {
        let effect = if self.one_in(3) {
            Effect::Deny
        } else {
            Effect::Allow
        };
        let mut sid = self.sid(pool);
        if wild.owner_rights && self.one_in(6) {
            sid = well_known::OWNER_RIGHTS;
        }
        let mut flags = AceFlags::NONE;
        if wild.inheritance {
            if self.one_in(2) {
                flags = AceFlags((self.word() & 0xf) as u8);
            }
            // To be inherited only means something with a child to inherit it.
            if flags.0 & AceFlags::INHERIT.0 == 0 {
                flags = AceFlags::NONE;
            }
        }
        let mut ace = Ace {
            kind: Kind::Basic(effect),
            flags,
            mask: self.mask(wild.generic),
            sid,
            types: ObjectTypes::default(),
            data: Box::default(),
        };
        if wild.doubtful && self.one_in(5) {
            self.make_doubtful(&mut ace, effect);
        }
        ace
    }

    fn make_doubtful(&mut self, ace: &mut Ace, effect: Effect) {
        let guid = |random: &mut Random| {
            let bytes = [random.bits().to_le_bytes(), random.bits().to_le_bytes()];
            random.one_in(2).then(|| {
                let mut guid = [0; 16];
                for (to, from) in guid.iter_mut().zip(bytes.as_flattened()) {
                    *to = *from;
                }
                Guid(guid)
            })
        };
        match self.below(4) {
            0 => ace.kind = Kind::Object(effect),
            1 => ace.kind = Kind::Callback(effect),
            2 => ace.kind = Kind::CallbackObject(effect),
            _ => {
                ace.kind = Kind::Other(0x40);
                ace.mask = Mask::NONE;
                ace.sid = well_known::NULL;
            }
        }
        if ace.kind.has_types() {
            ace.types = ObjectTypes {
                object: guid(self),
                inherited: guid(self),
            };
        }
        if !ace.kind.has_types() {
            let words = self.below(4);
            ace.data = (0..4 * words).map(|_| (self.word() & 0xff) as u8).collect();
        }
    }

    /// A descriptor of a file.
    pub fn descriptor(&mut self, pool: &[Sid], wild: Wild) -> SecurityDescriptor {
        let count = self.below(8);
        let mut made = SecurityDescriptor::new(
            self.sid(pool),
            self.sid(pool),
            (0..count).map(|_| self.ace(pool, wild)).collect(),
        );
        if wild.no_dacl && self.one_in(12) {
            made.dacl = None;
            if self.one_in(2) {
                made.control = Control::default();
            }
        }
        if wild.inheritance && made.dacl.is_some() {
            for (flag, times) in [
                (Control::DACL_PROTECTED, 5),
                (Control::DACL_AUTO_INHERITED, 2),
            ] {
                if self.one_in(times) {
                    made.control = made.control.with(flag);
                }
            }
        }
        if wild.labels && self.one_in(3) {
            let level = [0, 0x1000, 0x2000, 0x3000].get(self.below(4)).copied();
            let sid = Sid::new([0, 0, 0, 0, 0, 16], &[level.unwrap_or_default()]);
            made.control = made.control.with(Control::SACL_PRESENT);
            made.sacl = Some(Acl::from_iter([Ace {
                kind: Kind::Label,
                flags: AceFlags::NONE,
                mask: Mask(self.word() & 7),
                sid: sid.unwrap_or(well_known::MEDIUM_LEVEL),
                types: ObjectTypes::default(),
                data: Box::default(),
            }]));
        }
        made
    }

    /// Somebody's token, of the first in the pool or another, in some of the groups.
    pub fn token(&mut self, pool: &[Sid], wild: Wild) -> Token {
        let user = self.sid(pool);
        let mut token = Token::of(user, &[]);
        for sid in pool {
            if *sid == user || self.one_in(2) {
                continue;
            }
            let membership = match self.below(6) {
                0 if wild.deny_only => Membership::DenyOnly,
                1 if wild.deny_only => Membership::Disabled,
                _ => Membership::Enabled,
            };
            token.groups.push(Group {
                sid: *sid,
                membership,
            });
        }
        if wild.privileges {
            token.privileges = Privilege::ALL
                .into_iter()
                .filter(|_| self.one_in(5))
                .collect::<Privileges>();
        }
        if wild.labels {
            token.integrity = Integrity(0x1000 * (self.word() % 4));
        }
        token
    }
}
