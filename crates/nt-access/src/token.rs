//! Access tokens (MS-DTYP 2.5.2), and what restricts them (`CreateRestrictedToken`).

use crate::acl::Acl;
use crate::sid::{Sid, well_known};

/// A level of integrity: the last number of `S-1-16-…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Integrity(pub u32);

impl Integrity {
    /// Untrusted.
    pub const UNTRUSTED: Integrity = Integrity(0);
    /// Low.
    pub const LOW: Integrity = Integrity(0x1000);
    /// Medium: what users start, and objects without a label.
    pub const MEDIUM: Integrity = Integrity(0x2000);
    /// High: elevated.
    pub const HIGH: Integrity = Integrity(0x3000);
    /// The system.
    pub const SYSTEM: Integrity = Integrity(0x4000);
}

/// How a token is in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Membership {
    /// ACEs for the group hold (`SE_GROUP_ENABLED`).
    Enabled,
    /// Those that deny hold (`SE_GROUP_USE_FOR_DENY_ONLY`).
    DenyOnly,
    /// None holds.
    Disabled,
}

/// A group of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Group {
    /// Which.
    pub sid: Sid,
    /// How.
    pub membership: Membership,
}

/// A privilege that decides about access. Those that do not are not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Privilege {
    /// `SeBackupPrivilege`: reads whatever it is.
    Backup,
    /// `SeRestorePrivilege`: writes, deletes and gives away whatever it is.
    Restore,
    /// `SeTakeOwnershipPrivilege`
    TakeOwnership,
    /// `SeSecurityPrivilege`: reads and changes SACLs.
    Security,
    /// `SeRelabelPrivilege`
    Relabel,
    /// `SeDebugPrivilege`: opens any process or thread.
    Debug,
    /// `SeChangeNotifyPrivilege`: goes through directories that it may not go through.
    ChangeNotify,
}

impl Privilege {
    /// All.
    pub const ALL: [Privilege; 7] = [
        Privilege::Backup,
        Privilege::Restore,
        Privilege::TakeOwnership,
        Privilege::Security,
        Privilege::Relabel,
        Privilege::Debug,
        Privilege::ChangeNotify,
    ];

    /// As Windows names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Privilege::Backup => "SeBackupPrivilege",
            Privilege::Restore => "SeRestorePrivilege",
            Privilege::TakeOwnership => "SeTakeOwnershipPrivilege",
            Privilege::Security => "SeSecurityPrivilege",
            Privilege::Relabel => "SeRelabelPrivilege",
            Privilege::Debug => "SeDebugPrivilege",
            Privilege::ChangeNotify => "SeChangeNotifyPrivilege",
        }
    }
}

/// The privileges a token has, be they enabled or not: who has one can enable it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Privileges(u8);

impl Privileges {
    /// None.
    pub const NONE: Privileges = Privileges(0);

    /// Whether it is among them.
    #[must_use]
    pub const fn has(self, privilege: Privilege) -> bool {
        self.0 & 1 << privilege as u8 != 0
    }

    /// With one more.
    #[must_use]
    pub const fn with(self, privilege: Privilege) -> Privileges {
        Privileges(self.0 | 1 << privilege as u8)
    }

    /// Without those.
    #[must_use]
    pub const fn without(self, those: Privileges) -> Privileges {
        Privileges(self.0 & !those.0)
    }

    /// Those that are in both.
    #[must_use]
    pub const fn both(self, others: Privileges) -> Privileges {
        Privileges(self.0 & others.0)
    }
}

impl FromIterator<Privilege> for Privileges {
    fn from_iter<T: IntoIterator<Item = Privilege>>(privileges: T) -> Privileges {
        privileges
            .into_iter()
            .fold(Privileges::NONE, Privileges::with)
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The user.
    pub user: Sid,
    /// ACEs for the user hold only where they deny.
    pub user_deny_only: bool,
    /// The groups.
    pub groups: Vec<Group>,
    /// Who is asked a second time; of such a token both must grant. Each holds for grants and denials (their attributes are
    /// not looked at). An empty list grants nothing.
    pub restricting: Option<Vec<Sid>>,
    /// The second question is for writing alone ([`GenericMapping::restricted_writes`](crate::GenericMapping::restricted_writes)).
    pub write_restricted: bool,
    /// The privileges.
    pub privileges: Privileges,
    /// The level of integrity, with the policy that every token of a user has (`TOKEN_MANDATORY_POLICY_NO_WRITE_UP`).
    pub integrity: Integrity,
    /// Whose the objects are that it makes.
    pub owner: Sid,
    /// Their primary group.
    pub primary_group: Sid,
    /// Who may do what with them, where neither who makes them nor a parent says it.
    pub default_dacl: Option<Acl>,
}

/// What `CreateRestrictedToken` is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restriction {
    /// `SidsToDisable`: these are for denials only.
    pub disable: Vec<Sid>,
    /// `PrivilegesToDelete`
    pub delete: Privileges,
    /// `SidsToRestrict`
    pub restrict: Vec<Sid>,
    /// `DISABLE_MAX_PRIVILEGE`: all privileges but `SeChangeNotifyPrivilege` are deleted.
    pub disable_max_privilege: bool,
    /// `LUA_TOKEN`
    pub lua: bool,
    /// `WRITE_RESTRICTED`
    pub write_restricted: bool,
}

impl Token {
    /// An ordinary user's, of medium integrity, in these groups.
    #[must_use]
    pub fn of(user: Sid, groups: &[Sid]) -> Token {
        Token {
            user,
            user_deny_only: false,
            groups: groups
                .iter()
                .map(|sid| Group {
                    sid: *sid,
                    membership: Membership::Enabled,
                })
                .collect(),
            restricting: None,
            write_restricted: false,
            privileges: Privileges::NONE.with(Privilege::ChangeNotify),
            integrity: Integrity::MEDIUM,
            owner: user,
            primary_group: groups.first().copied().unwrap_or(user),
            default_dacl: None,
        }
    }

    /// The [bits](Sid::bit) of user and groups.
    pub(crate) fn bits(&self) -> u64 {
        let groups = self.groups.iter().map(|group| group.sid.bit());
        groups.fold(self.user.bit(), |all, bit| all | bit)
    }

    /// The [bits](Sid::bit) of the restricting SIDs.
    pub(crate) fn restricting_bits(&self) -> u64 {
        let list = self.restricting.iter().flatten();
        list.fold(0, |all, sid| all | sid.bit())
    }

    /// Whether it is asked twice.
    #[must_use]
    pub const fn is_restricted(&self) -> bool {
        self.restricting.is_some()
    }

    /// Whether ACEs that grant to this SID hold.
    #[must_use]
    pub fn is(&self, sid: &Sid) -> bool {
        (self.user == *sid && !self.user_deny_only)
            || self
                .groups
                .iter()
                .any(|group| group.sid == *sid && group.membership == Membership::Enabled)
    }

    /// Whether ACEs that deny to this SID hold.
    #[must_use]
    pub fn is_denied_as(&self, sid: &Sid) -> bool {
        self.user == *sid
            || self
                .groups
                .iter()
                .any(|group| group.sid == *sid && group.membership != Membership::Disabled)
    }

    /// Whether this SID is in the restricting list.
    #[must_use]
    pub fn is_restricted_to(&self, sid: &Sid) -> bool {
        self.restricting
            .as_ref()
            .is_some_and(|list| list.contains(sid))
    }

    /// The token that `CreateRestrictedToken` makes of this one.
    #[must_use]
    pub fn restricted(&self, by: &Restriction) -> Token {
        let mut token = self.clone();
        token.user_deny_only |= by.disable.contains(&token.user);
        for group in &mut token.groups {
            let disabled =
                by.disable.contains(&group.sid) || (by.lua && is_administrative(&group.sid));
            if disabled {
                group.membership = Membership::DenyOnly;
            }
        }
        let kept = Privileges::NONE.with(Privilege::ChangeNotify);
        token.privileges = token.privileges.without(by.delete);
        if by.disable_max_privilege || by.lua {
            token.privileges = token.privileges.both(kept);
        }
        if by.lua {
            token.integrity = token.integrity.min(Integrity::MEDIUM);
        }
        if !by.restrict.is_empty() {
            token.restricting = Some(match token.restricting {
                None => by.restrict.clone(),
                // Once more restricted is never less: what both have.
                Some(own) => own
                    .into_iter()
                    .filter(|sid| by.restrict.contains(sid))
                    .collect(),
            });
        }
        // One that was restricted for everything stays it.
        token.write_restricted = if self.is_restricted() {
            self.write_restricted && (by.restrict.is_empty() || by.write_restricted)
        } else {
            by.write_restricted && token.is_restricted()
        };
        token
    }
}

/// Groups that `LUA_TOKEN` leaves for denials only: those of administrators, and of operators who can become one. Windows has
/// no list of them in its documentation; this is what the tokens of a filtered administrator show.
fn is_administrative(sid: &Sid) -> bool {
    const OPERATORS: [u32; 8] = [544, 547, 548, 549, 550, 551, 556, 569];
    const OF_DOMAINS: [u32; 6] = [498, 512, 516, 518, 519, 520];
    match sid.subauthorities() {
        [32, rid] => OPERATORS.contains(rid),
        [21, _, _, _, rid] => OF_DOMAINS.contains(rid),
        _ => *sid == well_known::LOCAL_ADMINISTRATOR,
    }
}
