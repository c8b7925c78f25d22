//! An administrator's policy: the text of a value in the registry. Group Policy puts values below this key, and on Windows only
//! administrators may write there; whether that is so here is asked each time.

use std::ffi::OsStr;
use std::io;
use std::os::windows::io::AsHandle;
use std::path::PathBuf;

use ringfence_nt_access::{
    Doubt, Malformed, Mask, Privileges, Restriction, SecurityDescriptor, Sid, Token,
    maximum_allowed, object, well_known,
};
use ringfence_policy::FileText;
use ringfence_sys_windows::acl::{self, Parts};
use ringfence_sys_windows::registry::{Root, access};
use ringfence_sys_windows::{SysError, token};

use crate::careful;
use crate::error::Error;
use crate::windows::convert;

/// Where it is, as people are told: key and value, always of the 64-bit view.
pub(crate) const MANAGED: &str = r"HKLM\SOFTWARE\Policies\Ringfence\Policy";
const KEY: &str = r"SOFTWARE\Policies\Ringfence";
const VALUE: &str = "Policy";
/// What a key that leads to another one has.
const LINK: &str = "SymbolicLinkValue";

/// `KEY_SET_VALUE`
const SET_VALUE: Mask = Mask(0x2);
/// Who has one of these changes what the policy says, or makes it so that they can.
const CHANGES: Mask = SET_VALUE
    .or(Mask::DELETE)
    .or(Mask::WRITE_DAC)
    .or(Mask::WRITE_OWNER);

/// Why a policy that is there is not used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("it cannot be read: {0}")]
    Read(#[from] SysError),
    #[error("who may change it cannot be told: {0}")]
    Malformed(#[from] Malformed),
    #[error("the key is a link to another one")]
    Link,
    #[error(
        "{who} may change it without being an administrator, so that it is not an administrator's word"
    )]
    Changeable { who: &'static str },
    #[error("a value of type {0}, and a policy is text (REG_SZ or REG_MULTI_SZ)")]
    NotText(u32),
    #[error("text with half a character")]
    NotUnicode,
    #[error("longer than {} KiB", careful::SMALL / 1024)]
    TooLong,
}

/// The policy; `None` where there is no such key, or no such value in it.
pub(crate) fn managed() -> Result<Option<FileText>, Error> {
    match own().and_then(|own| read(Root::LocalMachine, KEY.as_ref(), &own)) {
        Ok(text) => Ok(text.map(|text| FileText {
            path: PathBuf::from(MANAGED),
            text,
        })),
        Err(error) => Err(Error::ManagedPolicy {
            place: MANAGED,
            error: io::Error::new(io::ErrorKind::InvalidData, error),
        }),
    }
}

/// The text of the value below this key. `own`: the token of who asks.
fn read(root: Root, key: &OsStr, own: &Token) -> Result<Option<String>, Unusable> {
    let Some(key) = root.open(key, access::QUERY_VALUE | access::READ_CONTROL)? else {
        return Ok(None);
    };
    if key.get(LINK.as_ref())?.is_some() {
        return Err(Unusable::Link);
    }
    // Asked also where there is no value: who could remove it has.
    let descriptor = acl::read(key.as_handle(), Parts::ACCESS)?;
    let descriptor = SecurityDescriptor::parse(descriptor.as_bytes())?;
    if let Some(who) = who_may_change(&descriptor, own) {
        return Err(Unusable::Changeable { who });
    }
    let Some(value) = key.get(VALUE.as_ref())? else {
        return Ok(None);
    };
    let texts = value.as_texts().ok_or(Unusable::NotText(value.kind))?;
    let mut whole = String::new();
    for text in texts {
        whole.push_str(text.to_str().ok_or(Unusable::NotUnicode)?);
        whole.push('\n');
    }
    if whole.len() as u64 > careful::SMALL {
        return Err(Unusable::TooLong);
    }
    Ok(Some(whole))
}

/// Who of those that are no administrators may change a key, if one may. Asked of the DACL alone: privileges go past every one.
fn who_may_change(key: &SecurityDescriptor, own: &Token) -> Option<&'static str> {
    // S-1-5-21-0-0-0-0 is nobody's: what is granted to this one is granted to all who log on.
    let anybody = Token::of(
        Sid::account([0; 4]),
        &[
            well_known::EVERYONE,
            well_known::AUTHENTICATED_USERS,
            well_known::USERS,
            well_known::INTERACTIVE,
            well_known::LOCAL_ACCOUNT,
        ],
    );
    // What an administrator is where nothing was elevated: an agent of theirs runs as that.
    let own = own.restricted(&Restriction {
        lua: true,
        ..Restriction::default()
    });
    let may = |token: &Token| {
        let granted = maximum_allowed(key, token, &object::KEY, Doubt::Grants);
        granted.meets(CHANGES)
    };
    if may(&anybody) {
        Some("every user")
    } else if may(&own) {
        Some("you")
    } else {
        None
    }
}

/// The token of this process, without its privileges.
fn own() -> Result<Token, Unusable> {
    let token = token::Token::own(token::access::QUERY)?;
    Ok(Token {
        privileges: Privileges::NONE,
        ..convert::token(&token)?
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use ringfence_sys_windows::registry::{Key, Value};
    use ringfence_sys_windows::sddl;
    use std::ffi::OsString;

    /// Somebody, and somebody else.
    const USER: &str = "S-1-5-21-1-2-3-1001";
    const OTHER: &str = "S-1-5-21-1-2-3-1002";

    fn user() -> Token {
        Token::of(
            USER.parse().unwrap(),
            &[well_known::EVERYONE, well_known::ADMINISTRATORS],
        )
    }

    /// A key of this user's, who is nobody that is asked about here.
    struct Own {
        name: String,
        key: Key,
    }

    impl Own {
        fn new(name: &str) -> Own {
            let name = format!("ringfence-{name}-{}", std::process::id());
            let path = format!("Software\\{name}");
            let (key, new) = Root::CurrentUser
                .create(path.as_ref(), access::ALL, None)
                .unwrap();
            assert!(new);
            Own { name, key }
        }

        fn read(&self) -> Result<Option<String>, Unusable> {
            let path = format!("Software\\{}", self.name);
            read(Root::CurrentUser, path.as_ref(), &user())
        }

        fn set(&self, kind: u32, text: &str) {
            let data = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let value = Value { kind, data };
            self.key.set(VALUE.as_ref(), &value).unwrap();
        }

        fn protect(&self, text: &str) {
            let descriptor = sddl::parse(text).unwrap();
            acl::store(self.key.as_handle(), Parts::DACL, &descriptor).unwrap();
        }
    }

    impl Drop for Own {
        fn drop(&mut self) {
            self.protect("D:P(A;;KA;;;WD)");
            let software = Root::CurrentUser.open("Software".as_ref(), access::ALL);
            let software = software.unwrap().unwrap();
            software.delete_tree(self.name.as_ref()).unwrap();
        }
    }

    #[test]
    fn a_text_or_lines_are_read_and_what_is_not_there_is_none() {
        assert_eq!(
            read(
                Root::CurrentUser,
                "Software\\ringfence none".as_ref(),
                &user()
            )
            .unwrap(),
            None
        );
        let own = Own::new("read");
        assert_eq!(own.read().unwrap(), None);
        // REG_SZ, with and without its NUL, and REG_MULTI_SZ.
        own.set(1, "[network]\nmode = \"off\" # ö\0");
        let whole = "[network]\nmode = \"off\" # ö\n";
        assert_eq!(own.read().unwrap().as_deref(), Some(whole));
        own.set(1, "[network]\nmode = \"off\" # ö");
        assert_eq!(own.read().unwrap().as_deref(), Some(whole));
        own.set(7, "[network]\0mode = \"off\" # ö\0\0");
        assert_eq!(own.read().unwrap().as_deref(), Some(whole));
        // What an editor of the registry does not show holds too.
        own.set(7, "a = 1\0\0b = 2\0\0");
        assert_eq!(own.read().unwrap().as_deref(), Some("a = 1\n\nb = 2\n"));
    }

    #[test]
    fn what_is_no_text_is_an_error() {
        let own = Own::new("kinds");
        // REG_EXPAND_SZ, REG_BINARY, REG_DWORD: with other words on each machine, or none.
        for kind in [2, 3, 4] {
            own.set(kind, "ab");
            let error = own.read().unwrap_err();
            assert!(matches!(error, Unusable::NotText(found) if found == kind));
        }
        let half = OsString::from("a");
        let mut value = Value::text(&half).unwrap();
        value.data = vec![0x00, 0xd8];
        own.key.set(VALUE.as_ref(), &value).unwrap();
        assert!(matches!(own.read(), Err(Unusable::NotUnicode)));
        own.set(1, &"a".repeat(1 << 20));
        assert!(matches!(own.read(), Err(Unusable::TooLong)));
    }

    #[test]
    fn a_key_that_may_not_be_read_is_an_error() {
        let own = Own::new("denied");
        own.set(1, "a = 1");
        own.protect("D:P(A;;WDSD;;;WD)");
        assert!(matches!(own.read(), Err(Unusable::Read(_))));
        own.protect("D:P(A;;KR;;;WD)");
        assert!(own.read().unwrap().is_some());
    }

    #[test]
    fn what_somebody_may_change_who_is_no_administrator_is_not_trusted() {
        let own = Own::new("changed");
        own.set(1, "a = 1");
        let full = "(A;;KA;;;SY)(A;;KA;;;BA)(A;;KR;;;WD)";
        for (more, who) in [
            ("", None),
            ("(A;;KA;;;CO)", None),
            ("(A;OICIIO;KA;;;WD)", None),
            ("(A;;CC;;;WD)", None),
            ("(A;;DC;;;WD)", Some("every user")),
            ("(A;;SD;;;BU)", Some("every user")),
            ("(A;;WD;;;AU)", Some("every user")),
            ("(A;;WO;;;IU)", Some("every user")),
            ("(A;;GW;;;WD)", Some("every user")),
            (&format!("(A;;KW;;;{USER})"), Some("you")),
            (&format!("(A;;KW;;;{OTHER})"), None),
        ] {
            own.protect(&format!("D:P{more}{full}"));
            let said = match own.read() {
                Ok(_) => None,
                Err(Unusable::Changeable { who }) => Some(who),
                Err(error) => unreachable!("{more}: {error}"),
            };
            assert_eq!(said, who, "{more}");
        }
    }

    #[test]
    fn the_owner_and_a_key_without_a_list_are_asked_too() {
        let judged = |text: &str| {
            let key = SecurityDescriptor::from_sddl(text).unwrap();
            who_may_change(&key, &user())
        };
        assert_eq!(judged("O:BAG:BAD:(A;;KR;;;WD)"), None);
        // Who owns it may change its list.
        assert_eq!(judged(&format!("O:{USER}G:BAD:(A;;KR;;;WD)")), Some("you"));
        assert_eq!(
            judged(&format!("O:{USER}G:BAD:(A;;KR;;;WD)(A;;KR;;;S-1-3-4)")),
            None
        );
        assert_eq!(judged("O:BAG:BAD:NO_ACCESS_CONTROL"), Some("every user"));
        // This process can be asked about.
        assert_eq!(
            who_may_change(
                &SecurityDescriptor::from_sddl("O:BAG:BAD:(A;;KA;;;BA)").unwrap(),
                &super::own().unwrap()
            ),
            None
        );
    }
}
