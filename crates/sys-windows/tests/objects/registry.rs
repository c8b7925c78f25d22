//! Registry keys.

use std::ffi::{OsStr, OsString};
use std::os::windows::io::AsHandle;

use ringfence_sys_windows::acl::{self, Parts};
use ringfence_sys_windows::registry::{Key, Root, Value, access};
use ringfence_sys_windows::{SysError, sddl};
use windows_sys::Win32::Foundation::ERROR_ACCESS_DENIED;

use crate::child::code;
use crate::support::unique;

struct Own {
    path: OsString,
    key: Key,
}

impl Own {
    fn new() -> Own {
        let mut path = OsString::from("Software\\");
        path.push(unique("key"));
        let (key, new) = Root::CurrentUser.create(&path, access::ALL, None).unwrap();
        assert!(new);
        Own { path, key }
    }

    fn open(&self, access: u32) -> Result<Option<Key>, SysError> {
        Root::CurrentUser.open(&self.path, access)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let software = Root::CurrentUser.open(OsStr::new("Software"), access::ALL);
        let name = self.path.to_str().unwrap().trim_start_matches("Software\\");
        let deleted = software.unwrap().unwrap().delete_tree(OsStr::new(name));
        assert!(deleted.unwrap());
    }
}

#[test]
fn values_are_set_read_listed_and_deleted() {
    let own = Own::new();
    let (text, number) = (OsStr::new("text"), OsStr::new("number"));
    let long = OsString::from("long ".repeat(1000));
    own.key.set(text, &Value::text(&long).unwrap()).unwrap();
    own.key.set(number, &Value::number(7)).unwrap();
    let get = |name| own.key.get(name).unwrap();
    assert_eq!(get(text).unwrap().as_text(), Some(long));
    assert_eq!(get(text).unwrap().as_number(), None);
    assert_eq!(get(number).unwrap().as_number(), Some(7));
    assert_eq!(get(number).unwrap().as_text(), None);
    assert_eq!(get(OsStr::new("none")), None);
    let mut names = own.key.values().unwrap();
    names.sort();
    assert_eq!(names, ["number", "text"]);
    assert!(own.key.delete_value(number).unwrap());
    assert!(!own.key.delete_value(number).unwrap());
    assert!(Value::text(OsStr::new("a\0b")).is_err());
}

#[test]
fn several_strings_are_read_with_all_that_is_stored() {
    let own = Own::new();
    let name = OsStr::new("texts");
    let texts = ["one", "zwei ö 箱", "three"].map(OsStr::new);
    own.key.set(name, &Value::texts(&texts).unwrap()).unwrap();
    let stored = own.key.get(name).unwrap().unwrap();
    assert_eq!(stored.as_texts().unwrap(), texts);
    assert_eq!((stored.as_text(), stored.as_number()), (None, None));
    let kept = |kind, data: &[u8]| {
        let data = data.to_vec();
        own.key.set(name, &Value { kind, data }).unwrap();
        own.key.get(name).unwrap().unwrap().as_texts()
    };
    // REG_SZ, REG_EXPAND_SZ, REG_MULTI_SZ.
    assert_eq!(kept(1, b"a\0\n\0b\0\0\0").unwrap(), ["a\nb"]);
    assert_eq!(kept(1, b"a\0\0\0b\0").unwrap(), ["a\0b"]);
    assert_eq!(kept(1, b"a\0b"), None);
    assert_eq!(kept(2, b"a\0\0\0"), None);
    assert_eq!(kept(7, b"a\0\0\0\0\0b\0").unwrap(), ["a", "", "b"]);
    assert!(Value::texts(&[OsStr::new("")]).is_err());
}

#[test]
fn keys_are_made_found_listed_and_deleted_with_all_below() {
    let own = Own::new();
    let (_, new) = own
        .key
        .create(OsStr::new("a\\b"), access::ALL, None)
        .unwrap();
    assert!(new);
    let (_, new) = own.key.create(OsStr::new("a"), access::ALL, None).unwrap();
    assert!(!new);
    own.key.create(OsStr::new("c"), access::READ, None).unwrap();
    let mut names = own.key.keys().unwrap();
    names.sort();
    assert_eq!(names, ["a", "c"]);
    assert!(
        own.key
            .open(OsStr::new("a\\b"), access::READ)
            .unwrap()
            .is_some()
    );
    assert!(own.key.delete_tree(OsStr::new("a")).unwrap());
    assert!(!own.key.delete_tree(OsStr::new("a")).unwrap());
    assert!(
        own.key
            .open(OsStr::new("a"), access::READ)
            .unwrap()
            .is_none()
    );
    assert!(own.key.delete_tree(OsStr::new("")).is_err());
    assert!(own.open(access::READ).unwrap().is_some());
}

#[test]
fn the_descriptor_of_a_key_is_read_back_and_enforced() {
    let own = Own::new();
    let read_only = own.open(access::READ).unwrap().unwrap();
    let set = read_only.set(OsStr::new("x"), &Value::number(1));
    assert_eq!(code(&set), ERROR_ACCESS_DENIED);
    let text = "D:P(A;;KR;;;WD)";
    let before = acl::read(own.key.as_handle(), Parts::DACL).unwrap();
    let less = sddl::parse(text).unwrap();
    acl::store(own.key.as_handle(), Parts::DACL, &less).unwrap();
    let read = acl::read(own.key.as_handle(), Parts::DACL).unwrap();
    assert_eq!(sddl::show(&read, Parts::DACL).unwrap(), text);
    assert!(own.open(access::READ).unwrap().is_some());
    assert_eq!(code(&own.open(access::SET_VALUE)), ERROR_ACCESS_DENIED);
    acl::store(own.key.as_handle(), Parts::DACL, &before).unwrap();
}
