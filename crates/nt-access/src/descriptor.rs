//! Security descriptors (MS-DTYP 2.4.6).

use crate::ace::Kind;
use crate::acl::Acl;
use crate::mask::Mask;
use crate::sid::Sid;

/// The control bits (MS-DTYP 2.4.6, `Control`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Control(pub u16);

impl Control {
    /// `SE_OWNER_DEFAULTED`
    pub const OWNER_DEFAULTED: Control = Control(0x1);
    /// `SE_GROUP_DEFAULTED`
    pub const GROUP_DEFAULTED: Control = Control(0x2);
    /// `SE_DACL_PRESENT`
    pub const DACL_PRESENT: Control = Control(0x4);
    /// `SE_DACL_DEFAULTED`
    pub const DACL_DEFAULTED: Control = Control(0x8);
    /// `SE_SACL_PRESENT`
    pub const SACL_PRESENT: Control = Control(0x10);
    /// `SE_SACL_DEFAULTED`
    pub const SACL_DEFAULTED: Control = Control(0x20);
    /// `SE_DACL_AUTO_INHERIT_REQ`
    pub const DACL_AUTO_INHERIT_REQ: Control = Control(0x100);
    /// `SE_SACL_AUTO_INHERIT_REQ`
    pub const SACL_AUTO_INHERIT_REQ: Control = Control(0x200);
    /// `SE_DACL_AUTO_INHERITED`: what was inherited is marked, and is replaced when the parent changes.
    pub const DACL_AUTO_INHERITED: Control = Control(0x400);
    /// `SE_SACL_AUTO_INHERITED`
    pub const SACL_AUTO_INHERITED: Control = Control(0x800);
    /// `SE_DACL_PROTECTED`: nothing is inherited.
    pub const DACL_PROTECTED: Control = Control(0x1000);
    /// `SE_SACL_PROTECTED`
    pub const SACL_PROTECTED: Control = Control(0x2000);
    /// `SE_RM_CONTROL_VALID`
    pub const RM_CONTROL_VALID: Control = Control(0x4000);
    /// `SE_SELF_RELATIVE`
    pub const SELF_RELATIVE: Control = Control(0x8000);

    /// Whether all of these are set.
    #[must_use]
    pub const fn has(self, all: Control) -> bool {
        self.0 & all.0 == all.0
    }

    /// With these.
    #[must_use]
    pub const fn with(self, more: Control) -> Control {
        Control(self.0 | more.0)
    }

    /// Without these.
    #[must_use]
    pub const fn without(self, less: Control) -> Control {
        Control(self.0 & !less.0)
    }
}

/// A security descriptor: whose an object is and who may do what with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct SecurityDescriptor {
    /// The control bits. Whether a list is present is written as it is; [`Control::SELF_RELATIVE`] is of the bytes alone.
    pub control: Control,
    /// What a resource manager put there ([`Control::RM_CONTROL_VALID`]).
    pub resource_manager: u8,
    /// Whose it is.
    pub owner: Option<Sid>,
    /// The primary group. Windows' own checks do not ask for it.
    pub group: Option<Sid>,
    /// Who may do what. `None` grants everything to everybody: with [`Control::DACL_PRESENT`] it is said so (a "NULL DACL"),
    /// without it nothing is said.
    pub dacl: Option<Acl>,
    /// What is audited, and the mandatory label.
    pub sacl: Option<Acl>,
}

impl SecurityDescriptor {
    /// Of this owner, with this DACL.
    #[must_use]
    pub fn new(owner: Sid, group: Sid, dacl: Acl) -> SecurityDescriptor {
        SecurityDescriptor {
            control: Control::DACL_PRESENT,
            owner: Some(owner),
            group: Some(group),
            dacl: Some(dacl),
            ..SecurityDescriptor::default()
        }
    }

    /// Whether nothing is inherited from the parent.
    #[must_use]
    pub const fn is_protected(&self) -> bool {
        self.control.has(Control::DACL_PROTECTED)
    }

    /// The mandatory label: level, and what those below are refused (`SYSTEM_MANDATORY_LABEL_NO_WRITE_UP` 1, `_NO_READ_UP` 2,
    /// `_NO_EXECUTE_UP` 4). The first that means something for the object itself, as MS-DTYP 2.5.3.3 has it.
    #[must_use]
    pub fn label(&self) -> Option<(u32, Mask)> {
        let sacl = self.sacl.as_ref()?;
        let ace = sacl
            .aces
            .iter()
            .find(|ace| ace.kind == Kind::Label && ace.is_effective())?;
        Some((ace.sid.integrity()?, ace.mask))
    }
}
