//! What the NT kernel decides about access, as a pure model: SIDs, access masks, ACEs, ACLs and security descriptors in
//! their bytes and in SDDL, how children inherit, tokens with restricting SIDs, and the access check itself.
//!
//! The planner for Windows reasons with it before anything is written, on every operating system. It is held against two
//! implementations that are not ours (Wine's `AccessCheck` and Samba's), with random cases; what differs and why is in
//! `docs/platforms/windows.md`.
//!
//! Sources: MS-DTYP (<https://learn.microsoft.com/openspecs/windows_protocols/ms-dtyp/>) by section; where Windows does
//! what that does not say, the item says where it is known from.
//!
//! Not in it: lowbox tokens (app containers), central access policies, process trust labels, claims, and object types
//! (`AccessCheckByType`). Where one of them could decide, the answer is a bound: see [`Doubt`].
#![forbid(unsafe_code)]

mod ace;
mod acl;
mod bytes;
mod check;
mod descriptor;
mod file;
mod inherit;
mod mask;
pub mod random;
mod sddl;
mod sid;
mod token;

pub use ace::{Ace, AceFlags, Effect, Guid, Kind, ObjectTypes};
pub use acl::Acl;
pub use bytes::Malformed;
pub use check::{Cause, Denied, Doubt, access_check, maximum_allowed};
pub use descriptor::{Control, SecurityDescriptor};
pub use file::{FileObject, file_access};
pub use inherit::{Child, create, inherited, propagate};
pub use mask::{GenericMapping, Mask, file_right, generic, object};
pub use sddl::SddlError;
pub use sid::{ParseSidError, Sid, well_known};
pub use token::{Group, Integrity, Membership, Privilege, Privileges, Restriction, Token};
