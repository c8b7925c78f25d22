//! The block and back, and what a ring gets.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::hostile;
use super::*;

fn pairs(list: &[(&str, &str)]) -> Pairs {
    list.iter()
        .map(|(n, v)| ((*n).into(), (*v).into()))
        .collect()
}

fn written(list: &[(&str, &str)]) -> String {
    String::from_utf16(&block(&pairs(list)).unwrap()).unwrap()
}

#[test]
fn a_block_is_sorted_as_windows_does_and_ends_twice() {
    assert_eq!(written(&[]), "\0\0");
    assert_eq!(
        written(&[
            ("b", "2"),
            ("A", "1"),
            ("=C:", r"C:\x"),
            ("_", ""),
            ("1", "x")
        ]),
        "1=x\0=C:=C:\\x\0A=1\0b=2\0_=\0\0"
    );
    // Not as strings, but by name: "A" is before "A B", though '=' is behind ' '.
    assert_eq!(written(&[("A B", "1"), ("A", "2")]), "A=2\0A B=1\0\0");
    // `_` is between the upper and the lower case letters, and names count as upper.
    assert_eq!(written(&[("a_", ""), ("ab", "")]), "ab=\0a_=\0\0");
}

#[test]
fn of_names_that_differ_in_case_the_last_wins() {
    assert_eq!(
        written(&[("Path", "1"), ("x", "y"), ("PATH", "2")]),
        "PATH=2\0x=y\0\0"
    );
    assert_eq!(written(&[("ÄB", "1"), ("äb", "2")]), "äb=2\0\0");
}

#[test]
fn what_cannot_be_said_is_an_error_with_its_place() {
    let fails = |name: &str, value: &str| block(&pairs(&[("ok", "1"), (name, value)])).unwrap_err();
    assert_eq!(fails("", "x"), EnvironmentError::NoName { index: 1 });
    assert_eq!(
        fails("a=b", "x"),
        EnvironmentError::Equals {
            name: "a=b".into(),
            at: 1
        }
    );
    assert_eq!(
        fails("=C:=", "x"),
        EnvironmentError::Equals {
            name: "=C:=".into(),
            at: 3
        }
    );
    assert_eq!(
        fails("a\0", "x"),
        EnvironmentError::Nul {
            name: "a\0".into(),
            at: 1
        }
    );
    assert_eq!(
        fails("a", "b\0"),
        EnvironmentError::Nul {
            name: "a".into(),
            at: 3
        }
    );
    let most = "v".repeat(MOST_UNITS - 3);
    assert!(block(&pairs(&[("a", &most)])).is_ok());
    assert_eq!(
        fails("ab", &most),
        EnvironmentError::TooLong {
            name: "ab".into(),
            units: MOST_UNITS + 1
        }
    );
}

#[test]
fn what_is_no_block_is_refused() {
    let refused = |text: &str| parse(&text.encode_utf16().collect::<Vec<_>>()).unwrap_err();
    for text in ["", "\0", "a=b", "a=b\0", "a=b\0\0c", "\0\0\0", "\0a=b\0\0"] {
        assert_eq!(refused(text), BlockError::End, "{text:?}");
    }
    for (text, at) in [("ab\0\0", 0), ("=ab\0\0", 0), ("a=\0b\0\0", 3)] {
        assert_eq!(refused(text), BlockError::NoEquals { at }, "{text:?}");
    }
}

fn name() -> impl Strategy<Value = Wide> {
    let short = "[=]?[a-cA-C_]{1,2}[:]?".prop_map(|text: String| Wide::from(text.as_str()));
    let odd = hostile::word().prop_filter_map("an = in it", |word| {
        let units = word.units();
        let fits = !units.is_empty() && !units[1..].contains(&EQUALS);
        fits.then_some(word)
    });
    prop_oneof![short, odd]
}

proptest! {
    #[test]
    fn a_block_says_the_pairs_it_was_made_from(
        pairs in prop::collection::vec((name(), hostile::word()), 0..12),
    ) {
        let read = parse(&block(&pairs).unwrap()).unwrap();
        let folded: Vec<_> = read.iter().map(|(name, _)| name.folded()).collect();
        prop_assert!(folded.is_sorted());
        prop_assert_eq!(folded.iter().collect::<BTreeSet<_>>().len(), folded.len());
        for (name, value) in &read {
            let last = pairs.iter().rev().find(|(known, _)| known.is_like(name));
            prop_assert_eq!(last, Some(&(name.clone(), value.clone())));
        }
        for (name, _) in &pairs {
            prop_assert!(folded.contains(&name.folded()));
        }
        // Once in its form it stays.
        prop_assert_eq!(parse(&block(&read).unwrap()).unwrap(), read);
    }

    #[test]
    fn any_units_are_read_without_a_panic(units in prop::collection::vec(0_u16..0x40, 0..40)) {
        if let Ok(read) = parse(&units) {
            prop_assert!(block(&read).is_ok());
        }
    }
}

fn settings(network: Network) -> Settings {
    Settings {
        mode: "elevated".into(),
        network_mode: "off".into(),
        network,
        temp: r"C:\r\tmp".into(),
        profile: None,
        tools: Vec::new(),
        checkouts: Vec::new(),
        curl_home: None,
    }
}

fn get(ring: &Ring, name: &str) -> Option<String> {
    ring.get(&name.into()).map(Wide::to_string)
}

/// What the changes say is what changed, and all of it.
fn told(caller: &Pairs, ring: &Ring) {
    let changed = |name: &Wide| ring.changes.iter().rfind(|c| c.name.is_like(name));
    for (name, value) in &ring.variables {
        let before = caller.iter().rev().find(|(known, _)| known.is_like(name));
        let same = before.is_some_and(|(_, before)| before == value);
        assert_eq!(changed(name).is_some(), !same, "{name}");
        assert!(changed(name).is_none_or(|c| c.what == What::Set), "{name}");
    }
    for (name, _) in caller {
        if ring.get(name).is_none() {
            assert_eq!(changed(name).map(|c| c.what), Some(What::Dropped), "{name}");
        }
    }
    assert!(block(&ring.variables).is_ok());
}

#[test]
fn a_ring_of_the_same_account_with_a_network() {
    let caller = pairs(&[
        ("Path", r"C:\Windows"),
        ("temp", r"C:\Users\ada\Temp"),
        ("=C:", r"C:\ws"),
        ("USERPROFILE", r"C:\Users\ada"),
        ("GIT_PAGER", "delta"),
    ]);
    let ring = for_ring(&caller, &settings(Network::On));
    told(&caller, &ring);
    for (name, value) in [
        ("PATH", Some(r"C:\Windows")),
        ("TEMP", Some(r"C:\r\tmp")),
        ("TMP", Some(r"C:\r\tmp")),
        ("TMPDIR", None),
        ("=C:", None),
        ("USERPROFILE", Some(r"C:\Users\ada")),
        ("GIT_PAGER", Some("delta")),
        ("RINGFENCE", Some("elevated")),
        ("RINGFENCE_NETWORK", Some("off")),
        ("HTTP_PROXY", None),
        ("GIT_CONFIG_COUNT", None),
        ("CARGO_HTTP_CHECK_REVOKE", None),
    ] {
        assert_eq!(get(&ring, name).as_deref(), value, "{name}");
    }
    assert!(ring.changes.iter().all(|change| !change.why.is_advice()));
}

#[test]
fn a_ring_of_another_account_without_a_network() {
    let caller = pairs(&[
        ("HOME", r"C:\Users\ada"),
        ("USERPROFILE", r"C:\Users\ada"),
        ("AppData", r"C:\Users\ada\AppData\Roaming"),
        ("OneDrive", r"C:\Users\ada\OneDrive"),
        ("TMPDIR", "/tmp"),
        ("CARGO_HOME", r"D:\cargo"),
        ("http_proxy", "http://corp:3128"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "user.name"),
        ("GIT_CONFIG_VALUE_0", "Ada"),
    ]);
    let ring = for_ring(
        &caller,
        &Settings {
            profile: Some(Profile {
                user: "RingfenceOffline-1".into(),
                home: r"C:\Users\RingfenceOffline-1".into(),
            }),
            tools: pairs(&[
                ("CARGO_HOME", r"C:\Users\ada\.cargo"),
                ("RUSTUP_HOME", r"C:\Users\ada\.rustup"),
            ]),
            checkouts: vec![r"C:\ws\a b".into()],
            curl_home: Some(r"C:\r\curl".into()),
            ..settings(Network::Off)
        },
    );
    told(&caller, &ring);
    for (name, value) in [
        ("USERPROFILE", Some(r"C:\Users\RingfenceOffline-1")),
        ("HOME", Some(r"C:\Users\RingfenceOffline-1")),
        ("HOMEDRIVE", Some("C:")),
        ("HOMEPATH", Some(r"\Users\RingfenceOffline-1")),
        (
            "LOCALAPPDATA",
            Some(r"C:\Users\RingfenceOffline-1\AppData\Local"),
        ),
        ("USERNAME", Some("RingfenceOffline-1")),
        ("ONEDRIVE", None),
        ("TMPDIR", Some(r"C:\r\tmp")),
        ("CARGO_HOME", Some(r"D:\cargo")),
        ("RUSTUP_HOME", Some(r"C:\Users\ada\.rustup")),
        ("GIT_PAGER", Some("cat")),
        ("GIT_CONFIG_COUNT", Some("3")),
        ("GIT_CONFIG_KEY_0", Some("user.name")),
        ("GIT_CONFIG_KEY_1", Some("safe.directory")),
        ("GIT_CONFIG_VALUE_1", Some("C:/ws/a b")),
        ("GIT_CONFIG_KEY_2", Some("http.schannelCheckRevoke")),
        ("GIT_CONFIG_VALUE_2", Some("false")),
        ("CARGO_HTTP_CHECK_REVOKE", Some("false")),
        ("CURL_HOME", Some(r"C:\r\curl")),
        ("HTTP_PROXY", Some("http://127.0.0.1:9")),
        ("CARGO_NET_OFFLINE", Some("true")),
        ("npm_config_offline", Some("true")),
        ("PIP_NO_INDEX", Some("1")),
    ] {
        assert_eq!(get(&ring, name).as_deref(), value, "{name}");
    }
    let whys: BTreeSet<String> = ring.changes.iter().map(|c| c.why.to_string()).collect();
    assert!(whys.contains("the ring runs as another account"));
}

#[test]
fn behind_a_proxy_the_way_to_it_is_told_and_no_tool_is_sent_offline() {
    let caller = pairs(&[("GIT_CONFIG_COUNT", "many")]);
    let ring = for_ring(&caller, &settings(Network::Proxy(60_080)));
    told(&caller, &ring);
    assert_eq!(
        get(&ring, "https_proxy").as_deref(),
        Some("http://127.0.0.1:60080")
    );
    assert_eq!(get(&ring, "CARGO_NET_OFFLINE"), None);
    assert_eq!(get(&ring, "GIT_CONFIG_COUNT").as_deref(), Some("1"));
    let count = ring
        .changes
        .iter()
        .find(|c| c.name == "GIT_CONFIG_COUNT".into());
    assert_eq!(count.map(|c| c.why), Some(Why::GitCount));
}
