//! An administrator's policy, by the real binary: where it is, what it bounds, and that what cannot be used stops everything.

use std::process::{Command, Stdio};

use crate::Person;

/// The key of an administrator's policy, which is there while this lives.
struct Managed;

impl Managed {
    const KEY: &str = r"HKLM\SOFTWARE\Policies\Ringfence";

    fn reg(words: &[&str]) -> bool {
        let mut reg = Command::new("reg");
        reg.args(words).arg("/f").arg("/reg:64");
        let said = reg.stdin(Stdio::null()).output();
        said.is_ok_and(|said| said.status.success())
    }

    /// None where somebody else's is there, or this user may make none.
    fn new() -> Option<Managed> {
        let mut query = Command::new("reg");
        query.args(["query", Managed::KEY, "/reg:64"]);
        let there = query.output().is_ok_and(|said| said.status.success());
        (!there && Managed::reg(&["add", Managed::KEY])).then_some(Managed)
    }

    fn set(&self, kind: &str, text: &str) {
        let value = ["add", Managed::KEY, "/v", "Policy", "/t", kind, "/d", text];
        assert!(Managed::reg(&value), "{text}");
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        assert!(Managed::reg(&["delete", Managed::KEY]));
    }
}

/// It holds for everyone on the machine, so that nothing else runs meanwhile (`.config/nextest.toml`).
#[test]
fn an_administrators_policy_bounds_the_users_alone_on_the_machine() {
    const PLACE: &str = r"HKLM\SOFTWARE\Policies\Ringfence\Policy";
    let person = Person::new();
    let Some(managed) = Managed::new() else {
        println!("skipped: needs administrator: {PLACE} cannot be made here, or is there");
        return;
    };
    let holds = || person.says(&["policy", "check"]);
    assert_eq!(holds().code, 0, "a key without the value says nothing");
    person.write_user("[network]\r\nmode = \"on\"\r\n");
    assert_eq!(holds().code, 0);
    let shown = || person.says(&["policy", "show"]);
    assert!(!shown().out.contains(PLACE), "{:?}", shown());
    managed.set("REG_SZ", "network.mode = 'off'");
    let bounded = shown();
    assert!(bounded.out.contains(PLACE), "{bounded:?}");
    let data = person.says(&["policy", "show", "--json"]);
    assert!(data.out.contains("\"off\""), "{data:?}");
    assert!(!data.out.contains("\"on\""), "{data:?}");
    let checked = holds();
    assert!(
        checked.out.starts_with(&format!("{PLACE}: valid\n")),
        "{checked:?}"
    );
    let told = person.says(&["doctor"]);
    assert!(
        told.out.contains(&format!("managed: {PLACE}\n")),
        "{told:?}"
    );
    // Several lines, as Group Policy writes them.
    managed.set("REG_MULTI_SZ", r"[network]\0mode = 'off'");
    assert_eq!(holds().code, 0);
    assert!(shown().out.contains(PLACE));

    // What cannot be used stops everything, and is never passed over.
    for (kind, text, why) in [
        ("REG_DWORD", "1", "a value of type 4"),
        ("REG_EXPAND_SZ", "network.mode = 'off'", "a value of type 2"),
        ("REG_SZ", "network.mode = 'of'", "mode"),
        // There is no directory that it is relative to.
        (
            "REG_SZ",
            "filesystem.write = ['sub']",
            "cannot be made absolute",
        ),
    ] {
        managed.set(kind, text);
        let checked = holds();
        assert_eq!(checked.code, 1, "{text}: {checked:?}");
        let line = &checked.err[0];
        assert!(line.contains(PLACE) && line.contains(why), "{line}");
        assert_eq!(shown().code, 125, "{text}");
        let told = person.says(&["doctor"]);
        assert!(told.code == 1 && told.out.contains(why), "{told:?}");
    }
}
