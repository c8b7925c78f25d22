//! Whom a fence is around, as the filters say it.

use std::error::Error;
use std::fmt;

/// A local or domain account, `S-1-5-21-a-b-c-r`: nothing else is fenced. A group's or a
/// well-known SID here would fence people.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account(String);

/// Not the SID of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnAccount {
    /// What was given.
    pub sid: String,
}

impl fmt::Display for NotAnAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not the SID of an account (S-1-5-21-A-B-C-R)",
            self.sid
        )
    }
}

impl Error for NotAnAccount {}

/// Relative numbers below this are Windows' own accounts and groups (Administrator 500, Guest 501,
/// Domain Users 513); those that are made start here (MS-DTYP 2.4.2.4, MS-SAMR 3.1.1.9.2).
const FIRST_MADE: u32 = 1000;

impl Account {
    /// Looks at a SID in words, digit by digit: it goes into a descriptor as it is.
    ///
    /// # Errors
    /// Anything but the SID of an account that somebody made.
    pub fn new(sid: &str) -> Result<Account, NotAnAccount> {
        let refused = || NotAnAccount {
            sid: sid.to_owned(),
        };
        let numbers = sid.strip_prefix("S-1-5-21-").ok_or_else(refused)?;
        let mut last = 0;
        let mut count = 0;
        for number in numbers.split('-') {
            let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            let plain = digits && (number == "0" || !number.starts_with('0'));
            last = if plain { number.parse().ok() } else { None }.ok_or_else(refused)?;
            count += 1;
        }
        if count == 4 && last >= FIRST_MADE {
            Ok(Account(sid.to_owned()))
        } else {
            Err(refused())
        }
    }

    /// The SID.
    #[must_use]
    pub fn sid(&self) -> &str {
        &self.0
    }

    /// The descriptor by which a filter or a firewall rule means this account: its owner is LOCAL
    /// SERVICE, its one entry lets the account "match" (`CC` is 1, `FWP_ACTRL_MATCH_FILTER`).
    /// Source: "Permitting and Blocking Applications and Users" (learn.microsoft.com/windows/win32/fwp).
    #[must_use]
    pub fn sddl(&self) -> String {
        format!("O:LSD:(A;;CC;;;{})", self.0)
    }

    /// The account that such a descriptor means; None if it says anything else, or more.
    #[must_use]
    pub fn of_sddl(sddl: &str) -> Option<Account> {
        let sid = sddl.strip_prefix("O:LSD:(A;;CC;;;")?.strip_suffix(')')?;
        Account::new(sid).ok()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_account_that_was_made_is_one() {
        let account = Account::new("S-1-5-21-1-2-4294967295-1001").unwrap();
        assert_eq!(
            account.sddl(),
            "O:LSD:(A;;CC;;;S-1-5-21-1-2-4294967295-1001)"
        );
        assert_eq!(Account::of_sddl(&account.sddl()), Some(account));
        for sid in [
            "",
            "S-1-1-0",
            "S-1-5-32-545",
            "S-1-5-21-1-2-3",
            "S-1-5-21-1-2-3-500",
            "S-1-5-21-1-2-3-513",
            "S-1-5-21-1-2-3-4-1001",
            "S-1-5-21-1-2-3-01001",
            "S-1-5-21-1-2-3-+1001",
            "S-1-5-21-1-2-4294967296-1001",
            "S-1-5-21-1-2-3-1001)(A;;CC;;;WD",
            "S-1-5-21-1-2-3-1001 ",
            "WD",
        ] {
            assert!(Account::new(sid).is_err(), "{sid}");
        }
        for sddl in [
            "O:LSD:(A;;CC;;;WD)",
            "O:LSD:(D;;CC;;;S-1-5-21-1-2-3-1001)",
            "O:LSD:(A;;CC;;;S-1-5-21-1-2-3-1001)(A;;CC;;;S-1-5-21-1-2-3-1002)",
            "D:(A;;CC;;;S-1-5-21-1-2-3-1001)",
        ] {
            assert_eq!(Account::of_sddl(sddl), None, "{sddl}");
        }
    }
}
