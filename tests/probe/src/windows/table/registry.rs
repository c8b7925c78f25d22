//! The registry: the user's part of it, by the user's own name, whoever the command is.

use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use ringfence_sys_windows::SysError;
use ringfence_sys_windows::acl::{self, Parts};
use ringfence_sys_windows::registry::{Key, Root, Value, access};
use std::ffi::OsStr;
use std::os::windows::io::AsHandle as _;

const fn row(
    name: &'static str,
    what: &'static str,
    attempt: Attempt,
    argument: &'static str,
) -> Row {
    Row::new(name, Group::Registry, "write", what, attempt).with(argument)
}

pub(super) const ROWS: &[Row] = &[
    row(
        "registry.software",
        "make a key in the user's Software",
        create,
        "Software",
    ),
    row(
        "registry.value",
        "set a value of a program's key",
        set_own,
        "",
    ),
    row("registry.delete", "delete a program's key", delete_own, "").promise("write.delete"),
    row("registry.dacl", "set a key's DACL again", set_dacl, "").promise("write.metadata"),
    row(
        "registry.run",
        "have a program start when the user logs on",
        set,
        r"Software\Microsoft\Windows\CurrentVersion\Run",
    ),
    row(
        "registry.environment",
        "set a variable of the user's environment",
        set,
        "Environment",
    ),
    row(
        "registry.classes",
        "have a kind of file open with another program",
        create,
        "_Classes",
    ),
    row(
        "registry.policy",
        "make the administrator's policy",
        open_machine,
        r"SOFTWARE\Policies",
    )
    .promise("protect.ringfence")
    .needs(&[Need::Administrator]),
    row(
        "registry.services",
        "open the machine's services for writing",
        open_machine,
        r"SYSTEM\CurrentControlSet\Services",
    )
    .needs(&[Need::Administrator]),
];

fn tried<T>(result: Result<T, SysError>) -> Tried {
    Tried::of(result.map_err(crate::sys), &[])
}

/// The user's key; it is there, or nothing is said. What is begun with `_` is a part of its own beside the user's (`Software\Classes` is a link to one).
fn open(facts: &Facts, key: &str, access: u32) -> Result<Option<Key>, SysError> {
    let key = if key.starts_with('_') {
        format!("{}{key}", facts.user)
    } else {
        facts.key(key)
    };
    Root::Users.open(OsStr::new(&key), access)
}

fn absent() -> Tried {
    Tried::not_found("there is no such key")
}

fn own(facts: &Facts) -> String {
    format!(r"Software\{}", facts.value())
}

fn create(facts: &Facts, argument: &'static str) -> Tried {
    let key = match open(
        facts,
        argument,
        access::CREATE_SUB_KEY | access::ENUMERATE_SUB_KEYS,
    ) {
        Ok(Some(key)) => key,
        Ok(None) => return absent(),
        Err(error) => return tried::<()>(Err(error)),
    };
    let name = format!("{}-made", facts.value());
    let made = key.create(OsStr::new(&name), access::SET_VALUE, None);
    if made.is_ok() {
        // It is the user's own, where nothing tidies up by this name.
        let _ = key.delete_tree(OsStr::new(&name));
    }
    tried(made)
}

/// Sets a value that does nothing, and deletes it at once.
fn set(facts: &Facts, argument: &'static str) -> Tried {
    let key = match open(facts, argument, access::SET_VALUE) {
        Ok(Some(key)) => key,
        Ok(None) => return absent(),
        Err(error) => return tried::<()>(Err(error)),
    };
    let name = facts.value();
    let set = Value::text(OsStr::new("rem")).and_then(|value| key.set(OsStr::new(&name), &value));
    if set.is_ok() {
        let _ = key.delete_value(OsStr::new(&name));
    }
    tried(set)
}

fn set_own(facts: &Facts, _: &'static str) -> Tried {
    match open(facts, &own(facts), access::SET_VALUE) {
        Ok(Some(key)) => tried(key.set(OsStr::new("secret"), &Value::number(2))),
        Ok(None) => absent(),
        Err(error) => tried::<()>(Err(error)),
    }
}

fn delete_own(facts: &Facts, _: &'static str) -> Tried {
    // The handle's own rights do not matter: to delete is asked of the key itself.
    match open(facts, &own(facts), access::ENUMERATE_SUB_KEYS) {
        Ok(Some(key)) => match key.delete_tree(OsStr::new("below")) {
            Ok(true) => Tried::allowed("it was deleted"),
            Ok(false) => absent(),
            Err(error) => tried::<()>(Err(error)),
        },
        Ok(None) => absent(),
        Err(error) => tried::<()>(Err(error)),
    }
}

fn set_dacl(facts: &Facts, _: &'static str) -> Tried {
    match open(facts, &own(facts), access::WRITE_DAC | access::READ_CONTROL) {
        Ok(Some(key)) => tried(
            acl::read(key.as_handle(), Parts::DACL)
                .and_then(|now| acl::store(key.as_handle(), Parts::DACL, &now)),
        ),
        Ok(None) => absent(),
        Err(error) => tried::<()>(Err(error)),
    }
}

/// Opens without writing: it is the host's own.
fn open_machine(_: &Facts, argument: &'static str) -> Tried {
    match Root::LocalMachine.open(OsStr::new(argument), access::WRITE) {
        Ok(Some(_)) => Tried::allowed("it was opened"),
        Ok(None) => absent(),
        Err(error) => tried::<()>(Err(error)),
    }
}
