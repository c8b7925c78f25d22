//! What has a name in SDDL (MS-DTYP 2.5.1.1, `sddl.h`).

use crate::ace::{AceFlags, Effect, Kind};
use crate::mask::{Mask, file_right, generic};
use crate::sid::{Sid, well_known};

pub(super) const KINDS: [(&str, Kind); 16] = [
    ("A", Kind::Basic(Effect::Allow)),
    ("D", Kind::Basic(Effect::Deny)),
    ("AU", Kind::Basic(Effect::Audit)),
    ("AL", Kind::Basic(Effect::Alarm)),
    ("OA", Kind::Object(Effect::Allow)),
    ("OD", Kind::Object(Effect::Deny)),
    ("OU", Kind::Object(Effect::Audit)),
    ("OL", Kind::Object(Effect::Alarm)),
    ("ML", Kind::Label),
    ("XA", Kind::Callback(Effect::Allow)),
    ("XD", Kind::Callback(Effect::Deny)),
    ("XU", Kind::Callback(Effect::Audit)),
    ("ZA", Kind::CallbackObject(Effect::Allow)),
    ("RA", Kind::Attribute),
    ("SP", Kind::Policy),
    ("TL", Kind::TrustLabel),
];

pub(super) const FLAGS: [(&str, AceFlags); 8] = [
    ("OI", AceFlags::OBJECT_INHERIT),
    ("CI", AceFlags::CONTAINER_INHERIT),
    ("NP", AceFlags::NO_PROPAGATE),
    ("IO", AceFlags::INHERIT_ONLY),
    ("ID", AceFlags::INHERITED),
    ("SA", AceFlags(0x40)),
    ("FA", AceFlags(0x80)),
    ("CR", AceFlags(0x20)),
];

/// Masks that are written with one name when they are just that.
pub(super) const WHOLE: [(&str, Mask); 8] = [
    ("FA", file_right::ALL),
    ("FR", file_right::GENERIC_READ),
    ("FW", file_right::GENERIC_WRITE),
    ("FX", file_right::GENERIC_EXECUTE),
    ("KA", Mask(0x000f_003f)),
    ("KR", Mask(0x0002_0019)),
    ("KW", Mask(0x0002_0006)),
    // The same as `KR`, so it is read and never written.
    ("KX", Mask(0x0002_0019)),
];

/// Masks of one bit.
pub(super) const BITS: [(&str, Mask); 17] = [
    ("CC", Mask(0x1)),
    ("DC", Mask(0x2)),
    ("LC", Mask(0x4)),
    ("SW", Mask(0x8)),
    ("RP", Mask(0x10)),
    ("WP", Mask(0x20)),
    ("DT", Mask(0x40)),
    ("LO", Mask(0x80)),
    ("CR", Mask(0x100)),
    ("SD", Mask::DELETE),
    ("RC", Mask::READ_CONTROL),
    ("WD", Mask::WRITE_DAC),
    ("WO", Mask::WRITE_OWNER),
    ("GA", generic::ALL),
    ("GX", generic::EXECUTE),
    ("GW", generic::WRITE),
    ("GR", generic::READ),
];

/// What a label refuses.
pub(super) const LABEL: [(&str, Mask); 3] = [("NW", Mask(1)), ("NR", Mask(2)), ("NX", Mask(4))];

/// Names of SIDs that are the same on every machine.
pub(super) const SIDS: [(&str, Sid); 44] = [
    ("AA", builtin(579)),
    ("AC", well_known::ALL_APP_PACKAGES),
    ("AN", well_known::ANONYMOUS),
    ("AO", builtin(548)),
    ("AU", well_known::AUTHENTICATED_USERS),
    ("BA", well_known::ADMINISTRATORS),
    ("BG", well_known::GUESTS),
    ("BO", builtin(551)),
    ("BU", well_known::USERS),
    ("CD", builtin(574)),
    ("CG", well_known::CREATOR_GROUP),
    ("CO", well_known::CREATOR_OWNER),
    ("CY", builtin(569)),
    ("ED", nt(9)),
    ("ER", builtin(573)),
    ("ES", builtin(576)),
    ("HA", builtin(578)),
    ("HI", well_known::HIGH_LEVEL),
    ("IS", builtin(568)),
    ("IU", well_known::INTERACTIVE),
    ("LS", well_known::LOCAL_SERVICE),
    ("LU", builtin(559)),
    ("LW", well_known::LOW_LEVEL),
    ("ME", well_known::MEDIUM_LEVEL),
    ("MP", level(0x2100)),
    ("MS", builtin(577)),
    ("MU", builtin(558)),
    ("NO", builtin(556)),
    ("NS", well_known::NETWORK_SERVICE),
    ("NU", well_known::NETWORK),
    ("OW", well_known::OWNER_RIGHTS),
    ("PO", builtin(550)),
    ("PS", well_known::SELF),
    ("PU", builtin(547)),
    ("RA", builtin(575)),
    ("RC", well_known::RESTRICTED),
    ("RD", builtin(555)),
    ("RE", builtin(552)),
    ("RM", builtin(580)),
    ("RU", builtin(554)),
    ("SI", well_known::SYSTEM_LEVEL),
    ("SO", builtin(549)),
    ("SY", well_known::SYSTEM),
    ("WD", well_known::EVERYONE),
];

/// More of them, which are read and not written: older systems do not know them.
pub(super) const ALSO_READ: [(&str, Sid); 5] = [
    ("AS", asserted(1)),
    ("SS", asserted(2)),
    ("SU", well_known::SERVICE),
    ("UD", user_mode_drivers()),
    ("WR", well_known::WRITE_RESTRICTED),
];

/// Names that mean another SID on every machine or in every domain.
pub(super) const OF_DOMAIN: [&str; 16] = [
    "AP", "CA", "CN", "DA", "DC", "DD", "DG", "DU", "EA", "EK", "KA", "LA", "LG", "PA", "RO", "SA",
];

const fn nt(rid: u32) -> Sid {
    of(5, &[rid])
}

const fn builtin(rid: u32) -> Sid {
    of(5, &[32, rid])
}

const fn level(level: u32) -> Sid {
    of(16, &[level])
}

const fn asserted(rid: u32) -> Sid {
    of(18, &[rid])
}

const fn user_mode_drivers() -> Sid {
    of(5, &[84, 0, 0, 0, 0, 0])
}

const fn of(authority: u8, subs: &[u32]) -> Sid {
    match Sid::new([0, 0, 0, 0, 0, authority], subs) {
        Some(sid) => sid,
        None => well_known::NULL,
    }
}
