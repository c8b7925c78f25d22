//! The same fence once more, as rules of the Windows Firewall: where administrators look, and a
//! second mechanism. The filters of [`super::wfp`] hold without these rules.
//!
//! Source: `INetFwRule` to `INetFwRule3` (learn.microsoft.com/windows/win32/api/netfw).

use std::fmt;
use std::net::IpAddr;

use super::Account;

/// The group that the rules are shown under.
pub const GROUP: &str = "Ringfence";

/// Everything but the loopback: a rule on that would block the way to the proxy too, since a block of
/// the firewall's overrules a permit of ours. The firewall refuses `::1` alone (falahati/WindowsFirewallHelper
/// issue 8), and a list it does not like fails the rule (openai/codex pull request 17053); this one is
/// in use elsewhere. Not seen on a real Windows by us.
pub const NOT_LOOPBACK: &str = "0.0.0.0-126.255.255.255,128.0.0.0-255.255.255.255,\
                                ::,::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";

/// `NET_FW_IP_PROTOCOL_ANY`. With it no ports may be set, not even `*`: error 0x80070057
/// (openai/codex issue 17686).
pub const ANY_PROTOCOL: i32 = 256;

/// `NET_FW_PROFILE2_ALL`.
pub const ALL_PROFILES: i32 = 0x7fff_ffff;

/// `NET_FW_RULE_DIRECTION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `NET_FW_RULE_DIR_IN`, 1.
    In,
    /// `NET_FW_RULE_DIR_OUT`, 2.
    Out,
}

/// `NET_FW_ACTION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// `NET_FW_ACTION_BLOCK`, 0.
    Block,
    /// `NET_FW_ACTION_ALLOW`, 1.
    Allow,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name; it is found again by that.
    pub name: String,
    /// What an administrator reads.
    pub description: String,
    /// Which way.
    pub direction: Direction,
    /// What it does.
    pub action: Action,
    /// It is heeded.
    pub enabled: bool,
    /// `Profiles`.
    pub profiles: i32,
    /// `Protocol`.
    pub protocol: i32,
    /// `RemoteAddresses`.
    pub remote_addresses: String,
    /// `LocalUserAuthorizedList`.
    pub users: String,
}

/// The rules for one account: nothing out, nothing in, but on the loopback.
#[must_use]
pub fn rules(account: &Account) -> [Rule; 2] {
    [(Direction::Out, "out"), (Direction::In, "in")].map(|(direction, word)| Rule {
        name: format!("Ringfence-Offline-{word}-{account}"),
        description: format!(
            "Ringfence: commands without network run as {account}; nothing goes {word} for it. Removed by `ringfence setup --undo`."
        ),
        direction,
        action: Action::Block,
        enabled: true,
        profiles: ALL_PROFILES,
        protocol: ANY_PROTOCOL,
        remote_addresses: NOT_LOOPBACK.to_owned(),
        users: account.sddl(),
    })
}

/// A rule that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Defect {
    /// It is not there.
    Absent {
        /// Its name.
        name: String,
    },
    /// It is there and says something else.
    Differs {
        /// Its name.
        name: String,
        /// In what.
        part: &'static str,
    },
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::Absent { name } => write!(f, "the firewall rule {name} is not there"),
            Defect::Differs { name, part } => {
                write!(f, "the firewall rule {name} is there with another {part}")
            }
        }
    }
}

/// What of the rules for this account is not among those found. The firewall allows two rules of
/// one name; each that is found has to be right.
#[must_use]
pub fn missing(account: &Account, found: &[Rule]) -> Vec<Defect> {
    let mut defects = Vec::new();
    for wanted in rules(account) {
        let mut there = found.iter().filter(|rule| rule.name == wanted.name);
        let name = wanted.name.clone();
        let Some(first) = there.next() else {
            defects.push(Defect::Absent { name });
            continue;
        };
        let part = std::iter::once(first)
            .chain(there)
            .find_map(|rule| difference(&wanted, rule));
        if let Some(part) = part {
            defects.push(Defect::Differs { name, part });
        }
    }
    defects
}

fn difference(wanted: &Rule, there: &Rule) -> Option<&'static str> {
    let addresses = |rule: &Rule| covered(&rule.remote_addresses);
    [
        (wanted.direction == there.direction, "direction"),
        (wanted.action == there.action, "action"),
        (wanted.enabled == there.enabled, "state"),
        (wanted.profiles == there.profiles, "profile"),
        (wanted.protocol == there.protocol, "protocol"),
        (addresses(wanted) == addresses(there), "remote address"),
        (wanted.users == there.users, "user"),
    ]
    .into_iter()
    .find(|(same, _)| !same)
    .map(|(_, part)| part)
}

/// The addresses of a list, as ranges that do not touch. The firewall gives a list back in other
/// words than it was given in (`10.0.0.0/8` as `10.0.0.0/255.0.0.0`), in what order it likes. None where a word
/// is not understood (`LocalSubnet`), or empty.
fn covered(list: &str) -> Option<Vec<(bool, u128, u128)>> {
    let mut ranges = Vec::new();
    for word in list.split(',') {
        if word == "*" {
            ranges.push((false, 0, u128::from(u32::MAX)));
            ranges.push((true, 0, u128::MAX));
        } else if let Some((first, last)) = word.split_once('-') {
            let ((six, first), (also_six, last)) = (number(first)?, number(last)?);
            if six != also_six || first > last {
                return None;
            }
            ranges.push((six, first, last));
        } else if let Some((start, prefix)) = word.split_once('/') {
            let (six, start) = number(start)?;
            let host = host_bits(six, prefix)?;
            ranges.push((six, start & !host, start | host));
        } else {
            let (six, one) = number(word)?;
            ranges.push((six, one, one));
        }
    }
    ranges.sort_unstable();
    let mut merged: Vec<(bool, u128, u128)> = Vec::new();
    for (six, first, last) in ranges {
        match merged.last_mut() {
            Some((as_six, _, end)) if *as_six == six && first <= end.saturating_add(1) => {
                *end = last.max(*end);
            }
            _ => merged.push((six, first, last)),
        }
    }
    Some(merged)
}

/// An address as a number, and whether it is one of v6.
fn number(word: &str) -> Option<(bool, u128)> {
    match word.parse().ok()? {
        IpAddr::V4(four) => Some((false, u128::from(u32::from(four)))),
        IpAddr::V6(six) => Some((true, u128::from(six))),
    }
}

/// The bits that `/24` or `/255.255.255.0` leaves free.
fn host_bits(six: bool, prefix: &str) -> Option<u128> {
    let width: u32 = if six { 128 } else { 32 };
    if let Some((false, mask)) = number(prefix).filter(|_| !six) {
        let host = u128::from(u32::MAX) & !mask;
        // Ones below, zeros above: one more is a power of two.
        return (host + 1).is_power_of_two().then_some(host);
    }
    let free = width.checked_sub(prefix.parse().ok()?)?;
    Some(u128::MAX.checked_shr(128 - free).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account::new("S-1-5-21-11-22-33-1007").unwrap()
    }

    #[test]
    fn the_rules_leave_the_loopback_out_and_nothing_else() {
        let all = covered("*").unwrap();
        let with = covered(&format!("{NOT_LOOPBACK},127.0.0.0/8,::1")).unwrap();
        assert_eq!(with, all);
        let ranges = covered(NOT_LOOPBACK).unwrap();
        for address in ["127.0.0.1", "127.0.0.0", "127.255.255.255", "::1"] {
            let (six, one) = number(address).unwrap();
            let inside = |(as_six, first, last): &(bool, u128, u128)| {
                *as_six == six && (*first..=*last).contains(&one)
            };
            assert!(!ranges.iter().any(inside), "{address}");
        }
    }

    #[test]
    fn lists_in_other_words_are_the_same() {
        for (one, other, same) in [
            ("10.0.0.0/8", "10.0.0.0/255.0.0.0", true),
            ("10.0.0.0/8", "10.0.0.0-10.255.255.255", true),
            ("10.0.0.1", "10.0.0.1/32", true),
            ("1.0.0.0-1.0.0.4,1.0.0.5-1.0.0.9", "1.0.0.0-1.0.0.9", true),
            ("::/0", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
            ("::1", "::1/128", true),
            ("0.0.0.0/0,::/0", "*", true),
            ("::,10.0.0.1", "10.0.0.1,::/128", true),
            ("10.0.0.0/8", "10.0.0.0/9", false),
            ("0.0.0.0/0", "*", false),
        ] {
            assert_eq!(covered(one) == covered(other), same, "{one} {other}");
        }
        for list in [
            "",
            "LocalSubnet",
            "1.2.3.4-::1",
            "1.2.3.4/33",
            "2.0.0.0-1.0.0.0",
            "1.2.3.4/255.0.255.0",
        ] {
            assert_eq!(covered(list), None, "{list}");
        }
    }

    type Change = (&'static str, fn(&mut Rule));

    #[test]
    fn what_is_read_back_is_held_against_what_should_be() {
        let account = account();
        let good = rules(&account).to_vec();
        assert_eq!(missing(&account, &good), []);
        assert_eq!(missing(&account, &[]).len(), 2);
        assert_eq!(missing(&account, &good[..1]).len(), 1);
        let changes: [Change; 7] = [
            ("direction", |r| r.direction = Direction::In),
            ("action", |r| r.action = Action::Allow),
            ("state", |r| r.enabled = false),
            ("profile", |r| r.profiles = 1),
            ("protocol", |r| r.protocol = 6),
            ("remote address", |r| {
                r.remote_addresses = "LocalSubnet".to_owned()
            }),
            ("user", |r| r.users = "O:LSD:(A;;CC;;;WD)".to_owned()),
        ];
        for (part, change) in changes {
            let mut found = good.clone();
            change(&mut found[0]);
            let name = found[0].name.clone();
            let defect = Defect::Differs { name, part };
            assert_eq!(
                missing(&account, &found)[..],
                *std::slice::from_ref(&defect)
            );
            // A second rule of the name does not hide the first.
            found.push(good[0].clone());
            assert_eq!(missing(&account, &found), [defect]);
        }
        assert_eq!(good[0].name, "Ringfence-Offline-out-S-1-5-21-11-22-33-1007");
        assert_eq!(good[0].users, "O:LSD:(A;;CC;;;S-1-5-21-11-22-33-1007)");
    }
}
