//! Access masks (MS-DTYP 2.4.3), and what the generic rights mean for each type of object.

use std::fmt;
use std::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, Not};

/// A set of rights.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mask(pub u32);

impl Mask {
    /// No right.
    pub const NONE: Mask = Mask(0);
    /// To delete the object.
    pub const DELETE: Mask = Mask(0x0001_0000);
    /// To read its owner, group and DACL.
    pub const READ_CONTROL: Mask = Mask(0x0002_0000);
    /// To change its DACL.
    pub const WRITE_DAC: Mask = Mask(0x0004_0000);
    /// To change its owner.
    pub const WRITE_OWNER: Mask = Mask(0x0008_0000);
    /// To wait for it.
    pub const SYNCHRONIZE: Mask = Mask(0x0010_0000);
    /// To read and change its SACL.
    pub const ACCESS_SYSTEM_SECURITY: Mask = Mask(0x0100_0000);
    /// In a request: all that is granted.
    pub const MAXIMUM_ALLOWED: Mask = Mask(0x0200_0000);

    /// Whether all of these are in it.
    #[must_use]
    pub const fn has(self, all: Mask) -> bool {
        self.0 & all.0 == all.0
    }

    /// Whether one of these is in it.
    #[must_use]
    pub const fn meets(self, any: Mask) -> bool {
        self.0 & any.0 != 0
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Both.
    #[must_use]
    pub const fn or(self, other: Mask) -> Mask {
        Mask(self.0 | other.0)
    }

    /// Without those.
    #[must_use]
    pub const fn without(self, other: Mask) -> Mask {
        Mask(self.0 & !other.0)
    }
}

impl BitOr for Mask {
    type Output = Mask;
    fn bitor(self, other: Mask) -> Mask {
        Mask(self.0 | other.0)
    }
}

impl BitAnd for Mask {
    type Output = Mask;
    fn bitand(self, other: Mask) -> Mask {
        Mask(self.0 & other.0)
    }
}

impl BitOrAssign for Mask {
    fn bitor_assign(&mut self, other: Mask) {
        self.0 |= other.0;
    }
}

impl BitAndAssign for Mask {
    fn bitand_assign(&mut self, other: Mask) {
        self.0 &= other.0;
    }
}

impl Not for Mask {
    type Output = Mask;
    fn not(self) -> Mask {
        Mask(!self.0)
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Rights that mean for each type of object what its mapping says.
pub mod generic {
    use super::Mask;

    /// `GENERIC_ALL`
    pub const ALL: Mask = Mask(0x1000_0000);
    /// `GENERIC_EXECUTE`
    pub const EXECUTE: Mask = Mask(0x2000_0000);
    /// `GENERIC_WRITE`
    pub const WRITE: Mask = Mask(0x4000_0000);
    /// `GENERIC_READ`
    pub const READ: Mask = Mask(0x8000_0000);
    /// All four.
    pub const ANY: Mask = Mask(0xf000_0000);
}

/// The rights of files and directories (`winnt.h`).
pub mod file_right {
    use super::Mask;

    /// To read a file; to list a directory.
    pub const READ_DATA: Mask = Mask(0x1);
    /// To write a file; to make a file in a directory.
    pub const WRITE_DATA: Mask = Mask(0x2);
    /// To append to a file; to make a directory in a directory.
    pub const APPEND_DATA: Mask = Mask(0x4);
    /// To read extended attributes.
    pub const READ_EA: Mask = Mask(0x8);
    /// To write extended attributes.
    pub const WRITE_EA: Mask = Mask(0x10);
    /// To execute a file; to go through a directory (which all may who have `SeChangeNotifyPrivilege`).
    pub const EXECUTE: Mask = Mask(0x20);
    /// To delete what is in a directory, whatever that says itself.
    pub const DELETE_CHILD: Mask = Mask(0x40);
    /// To read attributes.
    pub const READ_ATTRIBUTES: Mask = Mask(0x80);
    /// To write attributes.
    pub const WRITE_ATTRIBUTES: Mask = Mask(0x100);
    /// `FILE_GENERIC_READ`
    pub const GENERIC_READ: Mask = Mask(0x0012_0089);
    /// `FILE_GENERIC_WRITE`
    pub const GENERIC_WRITE: Mask = Mask(0x0012_0116);
    /// `FILE_GENERIC_EXECUTE`
    pub const GENERIC_EXECUTE: Mask = Mask(0x0012_00a0);
    /// `FILE_ALL_ACCESS`
    pub const ALL: Mask = Mask(0x001f_01ff);
}

/// What the generic rights mean for a type of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenericMapping {
    /// `GENERIC_READ`
    pub read: Mask,
    /// `GENERIC_WRITE`
    pub write: Mask,
    /// `GENERIC_EXECUTE`
    pub execute: Mask,
    /// `GENERIC_ALL`
    pub all: Mask,
}

impl GenericMapping {
    const fn of(read: u32, write: u32, execute: u32, all: u32) -> GenericMapping {
        GenericMapping {
            read: Mask(read),
            write: Mask(write),
            execute: Mask(execute),
            all: Mask(all),
        }
    }

    /// The rights with what their generic ones mean here in place of these (`RtlMapGenericMask`).
    #[must_use]
    pub const fn map(&self, mask: Mask) -> Mask {
        let mut mapped = mask.without(generic::ANY);
        if mask.has(generic::READ) {
            mapped = mapped.or(self.read);
        }
        if mask.has(generic::WRITE) {
            mapped = mapped.or(self.write);
        }
        if mask.has(generic::EXECUTE) {
            mapped = mapped.or(self.execute);
        }
        if mask.has(generic::ALL) {
            mapped = mapped.or(self.all);
        }
        mapped
    }

    /// What a write-restricted token is asked about twice: what writing means here and neither reading nor executing does,
    /// and to delete, to change the DACL, the owner or the SACL.
    ///
    /// It is not documented; known from `SepAccessCheck` of Windows 10 and 11, and from the machine of codex#32915, where
    /// [`file_right::DELETE_CHILD`] was granted without a second question.
    #[must_use]
    pub const fn restricted_writes(&self) -> Mask {
        self.write
            .without(self.read.or(self.execute))
            .or(Mask::DELETE)
            .or(Mask::WRITE_DAC)
            .or(Mask::WRITE_OWNER)
            .or(Mask::ACCESS_SYSTEM_SECURITY)
    }
}

/// The mappings of the types of objects.
///
/// Files, processes, threads, tokens, keys, jobs and services are in the documentation of each type's rights; of the
/// others `winnt.h` has the rights alone, and the mapping is what `NtQueryObject` tells (`ObjectTypeInformation`).
pub mod object {
    use super::GenericMapping;

    /// Files, directories, named pipes, devices.
    pub const FILE: GenericMapping =
        GenericMapping::of(0x0012_0089, 0x0012_0116, 0x0012_00a0, 0x001f_01ff);
    /// Keys of the registry.
    pub const KEY: GenericMapping =
        GenericMapping::of(0x0002_0019, 0x0002_0006, 0x0002_0019, 0x000f_003f);
    /// Processes.
    pub const PROCESS: GenericMapping =
        GenericMapping::of(0x0002_0410, 0x0002_0bea, 0x0012_1001, 0x001f_ffff);
    /// Threads.
    pub const THREAD: GenericMapping =
        GenericMapping::of(0x0002_0048, 0x0002_0437, 0x0012_0800, 0x001f_ffff);
    /// Tokens.
    pub const TOKEN: GenericMapping =
        GenericMapping::of(0x0002_001a, 0x0002_01e0, 0x0002_0005, 0x000f_01ff);
    /// Events.
    pub const EVENT: GenericMapping =
        GenericMapping::of(0x0002_0001, 0x0002_0002, 0x0012_0000, 0x001f_0003);
    /// Mutexes.
    pub const MUTANT: GenericMapping =
        GenericMapping::of(0x0002_0001, 0x0002_0000, 0x0012_0000, 0x001f_0001);
    /// Semaphores.
    pub const SEMAPHORE: GenericMapping =
        GenericMapping::of(0x0002_0001, 0x0002_0002, 0x0012_0000, 0x001f_0003);
    /// Sections (file mappings).
    pub const SECTION: GenericMapping =
        GenericMapping::of(0x0002_0005, 0x0002_0002, 0x0002_0008, 0x000f_001f);
    /// Jobs.
    pub const JOB: GenericMapping =
        GenericMapping::of(0x0002_0004, 0x0002_000b, 0x0012_0000, 0x001f_003f);
    /// Desktops.
    pub const DESKTOP: GenericMapping =
        GenericMapping::of(0x0002_0041, 0x0002_00be, 0x0002_0100, 0x000f_01ff);
    /// Window stations (that of the user, `WinSta0`).
    pub const WINDOW_STATION: GenericMapping =
        GenericMapping::of(0x0002_0303, 0x0002_001c, 0x0002_0060, 0x000f_037f);
    /// Directories of the object manager (`\BaseNamedObjects`).
    pub const DIRECTORY: GenericMapping =
        GenericMapping::of(0x0002_0003, 0x0002_000c, 0x0002_0003, 0x000f_000f);
    /// Services.
    pub const SERVICE: GenericMapping =
        GenericMapping::of(0x0002_008d, 0x0002_0002, 0x0002_0170, 0x000f_01ff);
}
