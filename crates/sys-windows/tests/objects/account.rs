//! Accounts, their rights, and starting as one. Wine has one user and makes no other.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use ringfence_sys_windows::account::{self, NewUser, flags};
use ringfence_sys_windows::logon::Logon;
use ringfence_sys_windows::random;
use ringfence_sys_windows::rights::{Policy, names};
use ringfence_sys_windows::sid::WellKnown;
use ringfence_sys_windows::token::{Token, access};
use ringfence_sys_windows::{Sid, SysError};
use windows_sys::Win32::Foundation::ERROR_LOGON_FAILURE;

use crate::child::code;
use crate::needs;

fn is_administrator() -> bool {
    let token = Token::own(access::QUERY).unwrap();
    let elevated = token.is_elevated().unwrap();
    if !elevated {
        println!("skipped: needs administrator");
    }
    elevated
}

/// Of at most 20 characters.
fn short(what: &str) -> OsString {
    let mut bytes = [0; 4];
    random::fill(&mut bytes).unwrap();
    OsString::from(format!("rf-{what}-{:08x}", u32::from_le_bytes(bytes)))
}

fn password() -> OsString {
    let mut bytes = [0; 12];
    random::fill(&mut bytes).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    OsString::from(format!("Aa1!{hex}"))
}

/// A user that goes with the test.
struct Own(OsString);

impl Own {
    fn new(password: &OsStr) -> Result<Own, SysError> {
        let name = short("user");
        let user = NewUser {
            name: &name,
            password,
            comment: OsStr::new("of a test"),
            flags: flags::SCRIPT | flags::PASSWORD_STAYS,
        };
        account::add_user(&user)?;
        Ok(Own(name))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Ok(Some((sid, _))) = Sid::of_account(&self.0) {
            let _profile = account::delete_profile(&sid);
        }
        let _deleted = account::delete_user(&self.0);
    }
}

#[test]
fn the_user_of_this_process_has_an_account_and_nobody_has_none() {
    let user = Token::own(access::QUERY).unwrap().user().unwrap();
    let name = user.account().unwrap().unwrap().name;
    assert_eq!(account::user(&name).unwrap().unwrap().name, name);
    assert_eq!(account::user(&short("none")).unwrap(), None);
    assert!(!account::delete_user(&short("none")).unwrap());
    assert!(account::user(OsStr::new("a\0b")).is_err());
}

#[test]
fn a_user_is_made_changed_and_deleted() {
    if !needs::real_windows("NetUserAdd succeeds and makes nobody") {
        // Whoever looks for the identifier sees that. By its name this process still finds the
        // user, whom no other process does.
        let made = Own::new(&password()).unwrap();
        assert_eq!(Sid::of_account(&made.0).unwrap(), None);
        return;
    }
    if !is_administrator() {
        return;
    }
    let made = Own::new(&password()).unwrap();
    let found = account::user(&made.0).unwrap().unwrap();
    assert_eq!(found.comment, "of a test");
    assert_ne!(found.flags & flags::PASSWORD_STAYS, 0);
    assert_eq!(found.flags & flags::DISABLED, 0);
    account::set_flags(&made.0, found.flags | flags::DISABLED).unwrap();
    let found = account::user(&made.0).unwrap().unwrap();
    assert_ne!(found.flags & flags::DISABLED, 0);
    account::set_password(&made.0, &password()).unwrap();
    assert!(account::delete_user(&made.0).unwrap());
    assert_eq!(account::user(&made.0).unwrap(), None);
}

#[test]
fn a_group_is_made_filled_and_deleted() {
    let (name, user) = (short("group"), Token::own(access::QUERY).unwrap());
    let user = user.user().unwrap();
    if !needs::real_windows("NetLocalGroupAdd succeeds and makes nothing") {
        account::add_group(&name, OsStr::new("of a test")).unwrap();
        assert_eq!(Sid::of_account(&name).unwrap(), None);
        account::add_member(&name, &user).unwrap();
        assert_ne!(account::members(&name).unwrap_or_default(), [user]);
        return;
    }
    if !is_administrator() {
        return;
    }
    assert_eq!(account::group(&name).unwrap(), None);
    account::add_group(&name, OsStr::new("of a test")).unwrap();
    assert_eq!(account::group(&name).unwrap().unwrap(), "of a test");
    assert!(account::add_group(&name, OsStr::new("")).is_err());
    assert_eq!(account::members(&name).unwrap(), []);
    assert!(account::add_member(&name, &user).unwrap());
    assert!(!account::add_member(&name, &user).unwrap());
    assert_eq!(
        account::members(&name).unwrap(),
        std::slice::from_ref(&user)
    );
    assert!(account::remove_member(&name, &user).unwrap());
    assert!(!account::remove_member(&name, &user).unwrap());
    assert!(account::delete_group(&name).unwrap());
    assert!(!account::delete_group(&name).unwrap());
}

#[test]
fn rights_are_given_and_taken() {
    let wanted = [names::DENY_NETWORK, names::DENY_BATCH];
    if !needs::real_windows("rights are taken and not kept") {
        let made_up = Sid::parse("S-1-5-21-11-22-33-44").unwrap();
        let policy = Policy::open().unwrap();
        policy.add(&made_up, &wanted).unwrap();
        assert_eq!(policy.of(&made_up).unwrap_or_default(), [""; 0]);
        assert!(!policy.remove(&made_up, &[]).unwrap());
        return;
    }
    if !is_administrator() {
        return;
    }
    let made = Own::new(&password()).unwrap();
    let (sid, _) = Sid::of_account(&made.0).unwrap().unwrap();
    let policy = Policy::open().unwrap();
    assert_eq!(policy.of(&sid).unwrap(), [""; 0]);
    policy.add(&sid, &wanted).unwrap();
    let mut held = policy.of(&sid).unwrap();
    held.sort();
    let mut wanted = wanted;
    wanted.sort_unstable();
    assert_eq!(held, wanted);
    assert!(policy.remove(&sid, &wanted).unwrap());
    assert_eq!(policy.of(&sid).unwrap(), [""; 0]);
    assert!(!policy.remove(&sid, &wanted).unwrap());
    assert!(policy.add(&sid, &["SeNonsenseRight"]).is_err());
}

#[test]
fn a_program_starts_as_another_user() {
    let (password, wrong) = (password(), password());
    let logon = |user| Logon {
        user,
        password: &password,
        profile: false,
        program: Path::new("C:\\windows\\system32\\cmd.exe"),
        line: OsStr::new("cmd /c exit 11"),
        environment: None,
        directory: Some(Path::new("C:\\")),
        desktop: None,
        suspended: false,
        no_window: true,
    };
    let long = OsString::from("x".repeat(1024));
    let too_long = Logon {
        line: &long,
        ..logon(OsStr::new("nobody"))
    };
    assert!(too_long.start().is_err());
    let shown = format!("{:?}", logon(OsStr::new("somebody")));
    assert!(!shown.contains(password.to_str().unwrap()), "{shown}");
    if !needs::real_windows("nobody can log on") {
        // It answers "no" and not why.
        assert!(logon(OsStr::new("nobody")).start().is_err());
        return;
    }
    if !is_administrator() {
        return;
    }
    let made = Own::new(&password).unwrap();
    let (sid, _) = Sid::of_account(&made.0).unwrap().unwrap();
    let users = Sid::well_known(WellKnown::Users).unwrap();
    let users = users.account().unwrap().unwrap().name;
    account::add_member(&users, &sid).unwrap();
    let refused = Logon {
        password: &wrong,
        ..logon(&made.0)
    };
    assert_eq!(code(&refused.start()), ERROR_LOGON_FAILURE);
    let held = Logon {
        suspended: true,
        ..logon(&made.0)
    };
    let started = held.start().unwrap();
    let token = Token::of_process(
        std::os::windows::io::AsHandle::as_handle(&started.process),
        access::QUERY,
    );
    assert_eq!(token.unwrap().user().unwrap(), sid);
    assert!(started.resume().unwrap());
    assert_eq!(started.process.wait(None).unwrap(), Some(11));
}
