//! What must hold for every policy.
#![cfg(unix)] // the paths are
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use proptest::prelude::*;
use ringfence_policy::{
    EnvVerdict, Environment, FileText, Flags, Mode, NetworkMode, Sources, Trust, load, show,
    show_json, widens,
};
use support::{layers, load_from};

/// One of some texts for a key, or the key left out.
fn perhaps(key: &'static str, values: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        3 => proptest::sample::select(values).prop_map(move |value| format!("{key} = {value}\n")),
    ]
}

const PATHS: &[&str] = &[
    "[]",
    "[\"/srv\"]",
    "[\"/srv/a\"]",
    "[\"/srv/a\", \"/opt\"]",
    "[\"/opt/x\", \"/home/a/.ssh/config\"]",
];

/// A valid file, narrow or wide, with keys that meet those of other files.
fn text() -> impl Strategy<Value = String> {
    let filesystem = (
        perhaps("write", PATHS),
        perhaps("protect", &["[\"p\"]", "[\"p/q\", \"/srv/p\"]", "[]"]),
        perhaps("hide", PATHS),
        perhaps(
            "reveal",
            &["[\"hide.ssh\"]", "[\"hide.aws\", \"hide.ssh\"]", "[]"],
        ),
        perhaps(
            "read",
            &[
                "\"all\"",
                "\"minimal\"",
                "[\"/srv\"]",
                "[\"/srv/a\", \"/opt\"]",
                "[]",
            ],
        ),
    )
        .prop_map(|(a, b, c, d, e)| format!("[filesystem]\n{a}{b}{c}{d}{e}"));
    let hosts = &[
        "[]",
        "[\"*.example.com\"]",
        "[\"a.example.com:443\"]",
        "[\"preset:npm\", \"localhost\"]",
    ];
    let network = (
        perhaps("mode", &["\"off\"", "\"allow\"", "\"on\""]),
        perhaps("allow", hosts),
    )
        .prop_map(|(a, b)| format!("[network]\n{a}{b}"));
    let caches = (
        perhaps("mode", &["\"private\"", "\"shared\"", "\"none\""]),
        perhaps("tools", &["[]", "[\"npm\"]", "[\"cargo\", \"npm\"]"]),
    )
        .prop_map(|(a, b)| format!("[caches]\n{a}{b}"));
    let names = &["[]", "[\"CI\"]", "[\"MY_*\"]", "[\"MY_TOKEN\", \"*\"]"];
    let environment = (perhaps("pass", names), perhaps("drop", names))
        .prop_map(|(a, b)| format!("[environment]\n{a}{b}"));
    let limits = (
        perhaps("time", &["\"1m\"", "\"2m\""]),
        perhaps("memory", &["\"1GiB\"", "\"2GiB\""]),
        perhaps("processes", &["1", "2"]),
        perhaps("output", &["\"1KB\"", "\"1KiB\""]),
    )
        .prop_map(|(a, b, c, d)| format!("[limits]\n{a}{b}{c}{d}"));
    let linux = (
        perhaps("mode", &["\"auto\"", "\"namespaces\"", "\"landlock-only\""]),
        perhaps("sockets", PATHS),
        perhaps("nested", &["true", "false"]),
    )
        .prop_map(|(a, b, c)| format!("[linux]\n{a}{b}{c}"));
    let rule = proptest::sample::select(
        &[
            "",
            "[[rule]]\nprefix = [\"x\"]\ndecision = \"forbid\"\n",
            "[[rule]]\nprefix = [\"x\"]\ndecision = \"allow\"\n",
        ][..],
    );
    let mode = perhaps(
        "mode",
        &["\"read-only\"", "\"workspace-write\"", "\"full-access\""],
    );
    let accept = perhaps("accept", &["[]", "[\"a\"]", "[\"a\", \"b\"]"])
        .prop_map(|a| format!("[enforcement]\n{a}"));
    (
        mode,
        filesystem,
        network,
        caches,
        environment,
        limits,
        linux,
        (accept, rule),
    )
        .prop_map(|(a, b, c, d, e, f, g, (h, i))| format!("{a}{b}{c}{d}{e}{f}{g}{h}{i}"))
}

/// A file that mostly tightens, so that many pass as an untrusted project's.
fn tight() -> impl Strategy<Value = String> {
    (
        perhaps("mode", &["\"read-only\"", "\"workspace-write\""]),
        perhaps("filesystem.hide", PATHS),
        perhaps("filesystem.read", &["\"minimal\"", "[\"/srv/a\"]"]),
        perhaps("network.mode", &["\"off\"", "\"allow\""]),
        perhaps("caches.mode", &["\"none\"", "\"private\""]),
        perhaps("environment.drop", &["[\"MY_*\"]"]),
        perhaps("limits.time", &["\"1s\"", "\"1m\""]),
        perhaps("linux.mode", &["\"namespaces\"", "\"auto\""]),
    )
        .prop_map(|(a, b, c, d, e, f, g, h)| format!("{a}{b}{c}{d}{e}{f}{g}{h}"))
}

fn flags() -> impl Strategy<Value = Flags> {
    (
        proptest::option::of(proptest::sample::select(
            &[Mode::ReadOnly, Mode::FullAccess][..],
        )),
        proptest::option::of(proptest::sample::select(
            &[NetworkMode::Off, NetworkMode::On][..],
        )),
        any::<bool>(),
        proptest::option::of(1_u32..4),
    )
        .prop_map(|(mode, network, write, processes)| Flags {
            mode,
            network,
            write: if write {
                vec!["/srv/a/b".into()]
            } else {
                Vec::new()
            },
            processes,
            ..Flags::default()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn an_untrusted_project_never_widens(
        user in text(), project in prop_oneof![text(), tight()], flags in flags(),
    ) {
        let without = load_from(&layers("", &user, "", Trust::Untrusted, flags.clone())).unwrap();
        if let Ok(with) = load_from(&layers("", &user, &project, Trust::Untrusted, flags)) {
            prop_assert_eq!(widens(&without, &with), Vec::<&str>::new());
        }
    }

    #[test]
    fn a_managed_file_never_widens(
        managed in prop_oneof![text(), tight()], user in text(), project in text(), flags in flags(),
    ) {
        let without = layers("", &user, &project, Trust::Trusted, flags.clone());
        let with = layers(&managed, &user, &project, Trust::Trusted, flags);
        if let (Ok(without), Ok(with)) = (load_from(&without), load_from(&with)) {
            prop_assert_eq!(widens(&without, &with), Vec::<&str>::new());
        }
    }

    #[test]
    fn nothing_below_goes_beyond_a_managed_file(managed in text(), user in text(), flags in flags()) {
        // The bound is itself a policy: what the person's file would be, did it say the same.
        let bound = load_from(&layers("", &managed, "", Trust::Untrusted, Flags::default())).unwrap();
        let with = load_from(&layers(&managed, &user, "", Trust::Untrusted, flags));
        if let Ok(with) = with {
            let wider = widens(&bound, &with);
            for (key, written) in [
                ("mode", true),
                ("filesystem.read", managed.contains("read = ")),
                ("filesystem.write", managed.contains("write = ")),
                ("network.mode", managed.contains("[network]\nmode")),
                ("network.allow", managed.contains("allow = ")),
                ("caches.mode", managed.contains("[caches]\nmode")),
                ("environment.pass", managed.contains("pass = ")),
                ("limits.time", true),
                ("limits.memory", true),
                ("limits.processes", true),
                ("limits.output", true),
                ("enforcement.accept", managed.contains("accept = ")),
                ("linux.sockets", managed.contains("sockets = ")),
                ("linux.nested", managed.contains("nested = ")),
                ("filesystem.protect", true),
                ("environment.drop", true),
            ] {
                prop_assert!(!(written && wider.contains(&key)), "{key}: {wider:?}");
            }
        }
    }

    #[test]
    fn saying_it_again_changes_nothing(text in text()) {
        let once = load_from(&layers("", &text, "", Trust::Untrusted, Flags::default())).unwrap();
        let again = load_from(&layers("", &text, "", Trust::Untrusted, Flags::default())).unwrap();
        prop_assert_eq!(&once, &again);
        prop_assert_eq!(widens(&once, &once), Vec::<&str>::new());
        // The same words from a trusted project, or as a bound, allow neither more nor less.
        let plain = !text.contains("reveal = [\"") && !text.contains("full-access");
        if plain {
            let twice = load_from(&layers("", &text, &text, Trust::Trusted, Flags::default())).unwrap();
            prop_assert_eq!(widens(&once, &twice), Vec::<&str>::new());
            // A project protects beside its file, too.
            let mut wider = widens(&twice, &once);
            wider.retain(|key| *key != "filesystem.protect");
            prop_assert_eq!(wider, Vec::<&str>::new());
            if !text.contains("decision = \"allow\"") {
                let bounded = load_from(&layers(&text, &text, "", Trust::Untrusted, Flags::default())).unwrap();
            prop_assert_eq!(widens(&once, &bounded), Vec::<&str>::new());
            }
        }
    }

    #[test]
    fn a_file_over_nothing_tells_what_it_widens(text in text()) {
        let nothing = load_from(&Sources::default()).unwrap();
        let said = load_from(&layers("", &text, "", Trust::Untrusted, Flags::default())).unwrap();
        let refused = load_from(&layers("", "", &text, Trust::Untrusted, Flags::default())).is_err();
        prop_assert_eq!(refused, !widens(&nothing, &said).is_empty() || text.contains("reveal = [\""));
    }

    #[test]
    fn what_loads_is_shown_as_toml(text in text()) {
        let policy = load_from(&layers("", &text, "", Trust::Untrusted, Flags::default())).unwrap();
        prop_assert!(show(&policy, None).parse::<toml::Table>().is_ok());
        prop_assert!(show_json(&policy).is_object());
    }

    #[test]
    fn loading_is_total_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let _ = load_from(&layers(&text, &text, &text, Trust::Untrusted, Flags::default()));
    }

    #[test]
    fn loading_is_total_on_torn_files(text in text(), at in any::<prop::sample::Index>(), junk in "\\PC{0,8}") {
        let at = at.index(text.len() + 1);
        let torn = format!("{}{junk}{}", &text[..at], &text[at..]);
        if let Err(error) = load_from(&layers("", &torn, "", Trust::Untrusted, Flags::default())) {
            for one in error.each() {
                prop_assert!(one.at().is_some());
                prop_assert_eq!(one.to_string().lines().count(), 1);
            }
        }
    }

    #[test]
    fn any_path_and_word_is_taken_or_refused(word in "\\PC{0,12}", path in "[/.~$a*{}\\\\:-]{0,12}") {
        let flags = Flags {
            write: vec![path.clone().into()],
            protect: vec![path.clone().into(), word.clone().into()],
            hide: vec![word.clone().into()],
            allow: vec![word.clone()],
            pass_env: vec![word.clone()],
            accept: vec![word],
            read: Some(vec![path]),
            ..Flags::default()
        };
        if let Ok(policy) = load_from(&Sources { flags, ..Sources::default() }) {
            for write in &policy.write {
                prop_assert!(write.value.is_absolute());
                prop_assert!(write.value.components().all(|c| c != std::path::Component::ParentDir));
            }
            prop_assert!(show(&policy, None).parse::<toml::Table>().is_ok());
        }
    }

    #[test]
    fn judging_is_total(name in proptest::collection::vec(any::<u8>(), 0..200), value in proptest::collection::vec(any::<u8>(), 0..400)) {
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt;
            let (name, value) = (std::ffi::OsStr::from_bytes(&name), std::ffi::OsStr::from_bytes(&value));
            let _ = Environment::default().judge(name, value);
        }
        #[cfg(not(unix))]
        {
            let (name, value) = (String::from_utf8_lossy(&name), String::from_utf8_lossy(&value));
            let _ = Environment::default().judge(name.as_ref().as_ref(), value.as_ref().as_ref());
        }
    }

    #[test]
    fn a_token_is_found_wherever_it_stands(before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
        let token = format!("ghp_{}", "0aB".repeat(12));
        let value = format!("{before} {token} {after}");
        let verdict = Environment::default().judge("A".as_ref(), value.as_ref());
        prop_assert_eq!(verdict, EnvVerdict::DropSecretShape);
    }
}

#[test]
fn a_file_without_an_absolute_name_is_read_beside_the_current_directory() {
    let none = |_: &str| None;
    let context = ringfence_policy::Context {
        account_home: None,
        home: None,
        cwd: "/work".into(),
        variable: &none,
    };
    let file = FileText {
        path: "sub/p.toml".into(),
        text: "filesystem.write = [\"x\"]".into(),
    };
    let policy = load(
        &Sources {
            user: Some(file),
            ..Sources::default()
        },
        &context,
    )
    .unwrap();
    assert_eq!(policy.write[0].value, std::path::Path::new("/work/sub/x"));
}
