//! Rules of the Windows Firewall, where administrators look for them.

use std::ffi::{OsStr, OsString};

use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, VARIANT_BOOL, VARIANT_TRUE};

use crate::error::{SysError, com_success};

mod com;

use com::{Apartment, NewRule, Object, PolicyTable, RuleTable, RulesTable, Text};

const BLOCK: i32 = 0;
const IN: i32 = 1;
const OUT: i32 = 2;
const ALL_PROFILES: i32 = i32::MAX;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Connections that come in.
    In,
    /// Connections that go out.
    Out,
}

/// A rule that blocks some users' connections of every protocol, in every profile.
#[derive(Debug, Clone, Copy)]
pub struct Rule<'a> {
    /// By which it is found; Windows lets two have the same.
    pub name: &'a OsStr,
    /// What administrators read.
    pub description: &'a OsStr,
    /// With which rules it is shown together.
    pub group: &'a OsStr,
    /// Which way.
    pub direction: Direction,
    /// Whose: SDDL, as `O:LSD:(A;;CC;;;S-1-5-21-…)`.
    pub users: &'a OsStr,
}

/// A rule as the firewall has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// It is on.
    pub enabled: bool,
    /// It blocks.
    pub blocks: bool,
    /// Which way; `None` when another.
    pub direction: Option<Direction>,
    /// In every profile.
    pub all_profiles: bool,
    /// Whose, in SDDL.
    pub users: OsString,
}

/// Whether rules of this machine count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// They do.
    Full,
    /// A policy of the domain has the firewall's rules instead.
    Overridden,
    /// All that comes in is blocked, whatever the rules.
    InboundBlocked,
    /// Another answer of Windows.
    Unknown(i32),
}

/// The firewall, for the thread that opened it.
#[derive(Debug)]
pub struct Firewall {
    policy: Object<PolicyTable>,
    rules: Object<RulesTable>,
    // Goes last: objects live in it.
    _apartment: Apartment,
}

impl Firewall {
    /// Opens it (`INetFwPolicy2`).
    ///
    /// # Errors
    /// What COM says; `RPC_S_SERVER_UNAVAILABLE` and `EPT_S_NOT_REGISTERED` where the firewall's
    /// service does not run.
    pub fn open() -> Result<Firewall, SysError> {
        let apartment = Apartment::enter()?;
        let policy: Object<PolicyTable> = Object::create()?;
        let mut rules = std::ptr::null_mut();
        // SAFETY: a live object and a live place.
        let answer = unsafe { (policy.table().rules)(policy.raw(), &raw mut rules) };
        com_success("INetFwPolicy2::get_Rules", answer)?;
        // SAFETY: the method succeeded, so such an object is there, for this one to release.
        let rules = unsafe { Object::of("INetFwPolicy2::get_Rules", rules) }?;
        Ok(Firewall {
            policy,
            rules,
            _apartment: apartment,
        })
    }

    /// Whether rules of this machine count (`LocalPolicyModifyState`).
    ///
    /// # Errors
    /// What the method says.
    pub fn effect(&self) -> Result<Effect, SysError> {
        let mut state = 0;
        let policy = &self.policy;
        // SAFETY: a live object and a live place.
        let answer = unsafe { (policy.table().modify_state)(policy.raw(), &raw mut state) };
        com_success("INetFwPolicy2::get_LocalPolicyModifyState", answer)?;
        Ok(match state {
            0 => Effect::Full,
            1 => Effect::Overridden,
            2 => Effect::InboundBlocked,
            other => Effect::Unknown(other),
        })
    }

    /// How many rules there are.
    ///
    /// # Errors
    /// What the method says.
    pub fn count(&self) -> Result<i32, SysError> {
        let mut count = 0;
        // SAFETY: a live object and a live place.
        let answer = unsafe { (self.rules.table().count)(self.rules.raw(), &raw mut count) };
        com_success("INetFwRules::get_Count", answer)?;
        Ok(count)
    }

    /// Adds a rule (`INetFwRule3`, `INetFwRules::Add`).
    ///
    /// Its success is not proof: ask [`Firewall::rule`].
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`: not an administrator. `E_NOINTERFACE`: before Windows 8.
    pub fn add(&self, rule: &Rule<'_>) -> Result<(), SysError> {
        let made: Object<NewRule> = Object::create()?;
        let made: Object<RuleTable> = made.cast()?;
        let table = made.table();
        let texts = [
            ("INetFwRule::put_Name", table.set_name, rule.name),
            (
                "INetFwRule::put_Description",
                table.set_description,
                rule.description,
            ),
            ("INetFwRule::put_Grouping", table.set_grouping, rule.group),
            (
                "INetFwRule3::put_LocalUserAuthorizedList",
                table.set_users,
                rule.users,
            ),
        ];
        for (call, method, text) in texts {
            let text = Text::of(call, text)?;
            // SAFETY: a live object and a live string.
            com_success(call, unsafe { method(made.raw(), text.raw()) })?;
        }
        let direction = match rule.direction {
            Direction::In => IN,
            Direction::Out => OUT,
        };
        let numbers = [
            ("INetFwRule::put_Direction", table.set_direction, direction),
            ("INetFwRule::put_Profiles", table.set_profiles, ALL_PROFILES),
            ("INetFwRule::put_Action", table.set_action, BLOCK),
        ];
        for (call, method, number) in numbers {
            // SAFETY: a live object.
            com_success(call, unsafe { method(made.raw(), number) })?;
        }
        // SAFETY: a live object.
        let answer = unsafe { (table.set_enabled)(made.raw(), VARIANT_TRUE) };
        com_success("INetFwRule::put_Enabled", answer)?;
        // SAFETY: two live objects.
        let answer = unsafe { (self.rules.table().add)(self.rules.raw(), made.raw()) };
        com_success("INetFwRules::Add", answer)
    }

    /// A rule by its name (`INetFwRules::Item`); `None` when there is none.
    ///
    /// # Errors
    /// What the methods say.
    pub fn rule(&self, name: &OsStr) -> Result<Option<Found>, SysError> {
        const CALL: &str = "INetFwRules::Item";
        let name = Text::of(CALL, name)?;
        let mut found = std::ptr::null_mut();
        // SAFETY: a live object, a live string, a live place.
        let answer =
            unsafe { (self.rules.table().item)(self.rules.raw(), name.raw(), &raw mut found) };
        match com_success(CALL, answer) {
            Ok(()) => {}
            Err(error) if error.is(ERROR_FILE_NOT_FOUND) => return Ok(None),
            Err(error) => return Err(error),
        }
        // SAFETY: the method succeeded, so such an object is there, for this one to release.
        let found: Object<NewRule> = unsafe { Object::of(CALL, found) }?;
        let rule: Object<RuleTable> = found.cast()?;
        let table = rule.table();
        let number = |call, method: com::GetNumber| {
            let mut number = 0;
            // SAFETY: a live object and a live place.
            com_success(call, unsafe { method(rule.raw(), &raw mut number) })?;
            Ok::<i32, SysError>(number)
        };
        let mut enabled: VARIANT_BOOL = 0;
        // SAFETY: a live object and a live place.
        let answer = unsafe { (table.enabled)(rule.raw(), &raw mut enabled) };
        com_success("INetFwRule::get_Enabled", answer)?;
        let mut users = std::ptr::null();
        // SAFETY: a live object and a live place.
        let answer = unsafe { (table.users)(rule.raw(), &raw mut users) };
        com_success("INetFwRule3::get_LocalUserAuthorizedList", answer)?;
        // SAFETY: the method succeeded, so a string is there, for this one to free, or null.
        let users = unsafe { Text::taken(users) };
        Ok(Some(Found {
            enabled: enabled != 0,
            blocks: number("INetFwRule::get_Action", table.action)? == BLOCK,
            direction: match number("INetFwRule::get_Direction", table.direction)? {
                IN => Some(Direction::In),
                OUT => Some(Direction::Out),
                _ => None,
            },
            all_profiles: number("INetFwRule::get_Profiles", table.profiles)? == ALL_PROFILES,
            users: users.text(),
        }))
    }

    /// Removes a rule of that name, if there is one (`INetFwRules::Remove`). Of two with one name
    /// it is one: ask [`Firewall::rule`] whether another is left.
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`.
    pub fn remove(&self, name: &OsStr) -> Result<(), SysError> {
        const CALL: &str = "INetFwRules::Remove";
        let name = Text::of(CALL, name)?;
        // SAFETY: a live object and a live string.
        let answer = unsafe { (self.rules.table().remove)(self.rules.raw(), name.raw()) };
        com_success(CALL, answer)
    }
}
