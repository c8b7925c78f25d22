//! What each layer may say, key by key.
#![cfg(unix)] // the paths are
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use ringfence_policy::{
    CacheMode, Effective, FileText, Flags, Granted, Layer, LinuxMode, Mode, NetworkMode,
    PolicyError, Protect, Read, Sources, Trust, not_yet,
};
use support::{layers, load_from};

fn ok(sources: &Sources) -> Effective {
    load_from(sources).unwrap_or_else(|error| panic!("{error}"))
}

fn with_project(user: &str, project: &str, trust: Trust) -> Result<Effective, PolicyError> {
    load_from(&layers("", user, project, trust, Flags::default()))
}

fn with_managed(managed: &str, user: &str) -> Result<Effective, PolicyError> {
    load_from(&layers(
        managed,
        user,
        "",
        Trust::Untrusted,
        Flags::default(),
    ))
}

#[test]
fn layers_have_their_order() {
    assert!(Layer::Builtin < Layer::User && Layer::User < Layer::Project);
    assert!(Layer::Project < Layer::Flags && Layer::Flags < Layer::Managed);
}

#[test]
fn nothing_said_is_the_safe_default() {
    let policy = ok(&Sources::default());
    assert_eq!(policy.mode.value, Mode::WorkspaceWrite);
    assert_eq!(policy.network.mode.value, NetworkMode::Off);
    assert_eq!(policy.caches.mode.value, CacheMode::Private);
    assert_eq!(policy.read.value, Read::All);
    assert_eq!(policy.linux.mode.value, LinuxMode::Auto);
    assert!(!policy.linux.nested.value);
    assert!(policy.write.is_empty() && policy.accept.is_empty() && policy.rules.is_empty());
    assert!(not_yet(&policy).is_empty());
    let hides = |path: &str| {
        policy
            .hide
            .iter()
            .any(|hide| hide.value.path == Path::new(path))
    };
    assert!(hides("/home/a/.ssh") && hides("/home/a/.local/state/ringfence"));
    let own = Protect::Absolute("/home/a/.config/ringfence".into());
    assert!(policy.protect.iter().any(|protect| protect.value == own));
    assert!(
        policy
            .protect
            .iter()
            .any(|p| p.value == Protect::Relative(".ringfence.toml".into()))
    );
}

#[test]
fn flags_stand_over_user_and_user_over_built_in() {
    let user = "mode = \"read-only\"\n[network]\nmode = \"on\"\n[limits]\ntime = \"1m\"\n";
    let policy = ok(&layers("", user, "", Trust::Untrusted, Flags::default()));
    assert_eq!(policy.mode.value, Mode::ReadOnly);
    assert_eq!(
        (policy.mode.origin.layer, policy.mode.origin.line),
        (Layer::User, Some(1))
    );
    assert_eq!(policy.network.mode.origin.line, Some(3));
    let flags = Flags {
        mode: Some(Mode::FullAccess),
        network: Some(NetworkMode::Off),
        write: vec!["x".into()],
        ..Flags::default()
    };
    let policy = ok(&layers("", user, "", Trust::Untrusted, flags));
    assert_eq!(policy.mode.value, Mode::FullAccess);
    assert_eq!(policy.mode.origin.to_string(), "flag --mode");
    assert_eq!(policy.network.mode.value, NetworkMode::Off);
    assert_eq!(policy.write[0].value, Path::new("/work/x"));
    assert_eq!(policy.limits.time.unwrap().origin.line, Some(5));
}

#[test]
fn paths_are_relative_to_their_file() {
    let user =
        "[filesystem]\nwrite = [\n  \"../x\",\n  '~/y',\n]\nhide = [\"h\"]\nprotect = [\"p\"]\n";
    let policy = ok(&layers("", user, "", Trust::Untrusted, Flags::default()));
    assert_eq!(policy.write[0].value, Path::new("/home/a/.config/x"));
    assert_eq!(policy.write[0].origin.line, Some(3));
    assert_eq!(policy.write[1].value, Path::new("/home/a/y"));
    assert_eq!(policy.write[1].origin.line, Some(4));
    let hide = policy.hide.last().unwrap();
    assert_eq!(hide.value.path, Path::new("/home/a/.config/ringfence/h"));
    assert_eq!(
        policy.protect.last().unwrap().value,
        Protect::Relative("p".into())
    );
}

#[test]
fn an_untrusted_project_tightens() {
    let user =
        "[network]\nmode = \"on\"\n[limits]\nprocesses = 100\n[filesystem]\nwrite = [\"/srv\"]\n";
    let project = "mode = \"read-only\"\n[filesystem]\nread = \"minimal\"\nprotect = [\"p\"]\nhide = [\"h\"]\n\
                   write = [\"/srv/inner\"]\n[network]\nmode = \"off\"\n[caches]\nmode = \"none\"\ntools = [\"npm\"]\n\
                   [environment]\ndrop = [\"X\"]\n[limits]\nprocesses = 50\ntime = \"1m\"\n[linux]\nmode = \"namespaces\"\n\
                   nested = false\n[[rule]]\nprefix = [\"rm\"]\ndecision = \"forbid\"\n";
    let policy = with_project(user, project, Trust::Untrusted).unwrap();
    assert_eq!(policy.mode.value, Mode::ReadOnly);
    assert_eq!(policy.mode.origin.layer, Layer::Project);
    assert_eq!(policy.read.value, Read::Minimal);
    assert_eq!(policy.network.mode.value, NetworkMode::Off);
    assert_eq!(policy.caches.mode.value, CacheMode::None);
    assert_eq!(policy.caches.tools.unwrap().value, ["npm"]);
    assert_eq!(policy.limits.processes.unwrap().value, 50);
    assert_eq!(policy.linux.mode.value, LinuxMode::Namespaces);
    assert_eq!(
        policy.linux.nested.origin.layer,
        Layer::Builtin,
        "saying the same changes nothing"
    );
    assert_eq!(
        policy.write.len(),
        1,
        "what is covered already adds nothing"
    );
    assert_eq!(policy.hide.last().unwrap().value.path, Path::new("/work/h"));
    assert_eq!(policy.rules.len(), 1);
}

#[test]
fn an_untrusted_project_that_widens_is_an_error_for_each_key() {
    let widening = [
        ("[filesystem]\nwrite = [\"../x\"]", "filesystem.write"),
        ("[filesystem]\nread = \"all\"", "filesystem.read"),
        ("[filesystem]\nread = [\"/opt\"]", "filesystem.read"),
        ("[network]\nmode = \"on\"", "network.mode"),
        ("[network]\nmode = \"allow\"", "network.mode"),
        ("[network]\nallow = [\"example.com\"]", "network.allow"),
        ("[caches]\nmode = \"shared\"", "caches.mode"),
        ("[caches]\ntools = [\"npm\", \"go\"]", "caches.tools"),
        ("[environment]\npass = [\"X\"]", "environment.pass"),
        ("[limits]\ntime = \"2m\"", "limits.time"),
        ("[limits]\nmemory = \"2GiB\"", "limits.memory"),
        ("[limits]\nprocesses = 101", "limits.processes"),
        ("[limits]\noutput = \"2GiB\"", "limits.output"),
        (
            "[enforcement]\naccept = [\"protect.git\"]",
            "enforcement.accept",
        ),
        ("[linux]\nmode = \"landlock-only\"", "linux.mode"),
        ("[linux]\nsockets = [\"/run/x\"]", "linux.sockets"),
        ("[linux]\nnested = true", "linux.nested"),
        (
            "[[rule]]\nprefix = [\"x\"]\ndecision = \"allow\"",
            "rule.decision",
        ),
        (
            "[[rule]]\nprefix = [\"x\"]\ndecision = \"ask\"\nring = \"outside\"",
            "rule.ring",
        ),
    ];
    let user = "[filesystem]\nread = \"minimal\"\n[caches]\ntools = [\"npm\"]\n[limits]\ntime = \"1m\"\nmemory = \"1GiB\"\n\
                processes = 100\noutput = \"1GiB\"\n";
    for (project, expected) in widening {
        let error = with_project(user, project, Trust::Untrusted).unwrap_err();
        let PolicyError::Untrusted { key, at, .. } = &error else {
            panic!("{project}: {error}");
        };
        assert_eq!(*key, expected);
        assert!(at.line.is_some());
        let text = error.to_string();
        assert!(
            text.contains("/work/.ringfence.toml:") && text.contains("`ringfence trust`"),
            "{text}"
        );
        assert!(
            with_project(user, project, Trust::Trusted).is_ok(),
            "{project}"
        );
    }
    let error = with_project(
        "mode = \"read-only\"",
        "mode = \"workspace-write\"",
        Trust::Untrusted,
    );
    assert!(matches!(
        error,
        Err(PolicyError::Untrusted { key: "mode", .. })
    ));
}

#[test]
fn a_trusted_project_stands_between_user_and_flags() {
    let user = "[network]\nmode = \"off\"\n[caches]\nmode = \"none\"\n";
    let project = "[network]\nmode = \"on\"\n[caches]\nmode = \"shared\"\n";
    let flags = Flags {
        cache_mode: Some(CacheMode::Private),
        ..Flags::default()
    };
    let policy = ok(&layers("", user, project, Trust::Trusted, flags));
    assert_eq!(policy.network.mode.value, NetworkMode::On);
    assert_eq!(policy.network.mode.origin.layer, Layer::Project);
    assert_eq!(policy.caches.mode.value, CacheMode::Private);
}

#[test]
fn some_things_no_project_says() {
    for trust in [Trust::Untrusted, Trust::Trusted] {
        for project in [
            "mode = \"full-access\"",
            "[filesystem]\nreveal = [\"hide.ssh\"]",
        ] {
            let error = with_project("mode = \"full-access\"", project, trust).unwrap_err();
            assert!(
                matches!(error, PolicyError::NeverFromProject { .. }),
                "{error}"
            );
        }
    }
}

#[test]
fn flags_are_a_person_s_word_over_an_untrusted_project() {
    let flags = Flags {
        network: Some(NetworkMode::On),
        drop_env: vec!["A".into()],
        ..Flags::default()
    };
    let project = "[network]\nmode = \"off\"\n[environment]\ndrop = [\"B\"]\n";
    let policy = ok(&layers("", "", project, Trust::Untrusted, flags));
    assert_eq!(policy.network.mode.value, NetworkMode::On);
    assert_eq!(policy.environment.drop.len(), 2);
}

/// What one advises to add to `--read minimal` can be added to it.
#[test]
fn a_list_may_name_what_it_begins_with() {
    let read = |flags: &[&str]| {
        let read = Some(flags.iter().map(|flag| (*flag).to_owned()).collect());
        let flags = Flags {
            read,
            ..Flags::default()
        };
        ok(&layers("", "", "", Trust::Untrusted, flags)).read.value
    };
    let opt = Read::Paths(vec!["/opt".into()]);
    assert_eq!(read(&["minimal", "/opt"]), opt);
    assert_eq!(read(&["/opt"]), opt);
    assert_eq!(read(&["minimal", "minimal"]), Read::Minimal);
    let file = "[filesystem]\nread = [\"minimal\"]\n";
    let policy = ok(&layers("", file, "", Trust::Untrusted, Flags::default()));
    assert_eq!(policy.read.value, Read::Minimal);
}

#[test]
fn managed_lowers_what_is_ordered() {
    let managed = "mode = \"read-only\"\n[filesystem]\nread = [\"/opt\", \"/srv/a\"]\n[network]\nmode = \"off\"\n[caches]\n\
                   mode = \"none\"\n[limits]\ntime = \"1m\"\nprocesses = 9\n[linux]\nmode = \"namespaces\"\nnested = false\n";
    let user = "mode = \"full-access\"\n[filesystem]\nread = [\"/opt/x\", \"/srv\"]\n[network]\nmode = \"on\"\n[caches]\n\
                mode = \"shared\"\n[limits]\ntime = \"2m\"\nprocesses = 3\n[linux]\nmode = \"auto\"\nnested = true\n";
    let policy = with_managed(managed, user).unwrap();
    assert_eq!(policy.mode.value, Mode::ReadOnly);
    assert_eq!(
        policy.mode.origin.to_string(),
        "managed /etc/ringfence/managed.toml:1"
    );
    assert_eq!(
        policy.read.value,
        Read::Paths(vec!["/srv/a".into(), "/opt/x".into()])
    );
    assert_eq!(policy.network.mode.value, NetworkMode::Off);
    assert_eq!(policy.caches.mode.value, CacheMode::None);
    assert_eq!(policy.limits.time.unwrap().value.as_secs(), 60);
    assert_eq!(policy.limits.processes.unwrap().value, 3);
    assert_eq!(policy.linux.mode.value, LinuxMode::Namespaces);
    assert!(!policy.linux.nested.value);
}

#[test]
fn managed_never_gives() {
    let managed = "mode = \"full-access\"\n[filesystem]\nwrite = [\"/srv\"]\nreveal = [\"hide.ssh\"]\n[network]\nmode = \"on\"\n\
                   allow = [\"example.com\"]\n[caches]\nmode = \"shared\"\n[environment]\npass = [\"*\"]\n[enforcement]\n\
                   accept = [\"x\"]\n[linux]\nmode = \"landlock-only\"\nsockets = [\"/run\"]\nnested = true\n";
    let mut policy = with_managed(managed, "").unwrap();
    // The bounds themselves stay, for whoever resolves paths.
    let bounds = std::mem::take(&mut policy.bounds);
    assert_eq!(bounds.write.unwrap().value, [PathBuf::from("/srv")]);
    assert_eq!(bounds.sockets.unwrap().value, [PathBuf::from("/run")]);
    assert_eq!(policy, with_managed("", "").unwrap());
}

#[test]
fn a_managed_rule_cannot_grant() {
    for rule in [
        "decision = \"allow\"",
        "decision = \"ask\"\nring = \"outside\"",
    ] {
        let error = with_managed(&format!("[[rule]]\nprefix = [\"x\"]\n{rule}\n"), "").unwrap_err();
        assert!(
            matches!(error, PolicyError::ManagedGrants { .. }),
            "{error}"
        );
    }
}

#[test]
fn a_managed_policy_in_no_file_has_no_directory_that_paths_are_relative_to() {
    let sources = |write: &str| Sources {
        managed: Some(FileText {
            path: r"HKLM\SOFTWARE\Policies\Ringfence\Policy".into(),
            text: format!("[filesystem]\nwrite = [\"{write}\"]"),
        }),
        ..Sources::default()
    };
    let error = load_from(&sources("sub")).unwrap_err().to_string();
    assert!(error.contains("cannot be made absolute"), "{error}");
    assert!(load_from(&sources("~/sub")).is_ok());
}

#[test]
fn managed_lists_bound_the_others() {
    let managed = "[filesystem]\nwrite = [\"/srv\"]\nreveal = [\"hide.ssh\"]\n[network]\nallow = [\"*.example.com:443\"]\n\
                   [caches]\ntools = [\"npm\"]\n[environment]\npass = [\"CI\", \"RUST_*\"]\n[enforcement]\naccept = [\"a\"]\n\
                   [linux]\nsockets = []\n";
    let fine = "[filesystem]\nwrite = [\"/srv/x\"]\nreveal = [\"hide.ssh\"]\n[network]\nallow = [\"a.example.com:443\"]\n\
                [caches]\ntools = [\"npm\"]\n[environment]\npass = [\"RUST_LOG\"]\n[enforcement]\naccept = [\"a\"]\n";
    assert!(with_managed(managed, fine).is_ok());
    for (user, expected) in [
        ("[filesystem]\nwrite = [\"/srv2\"]", "filesystem.write"),
        ("[filesystem]\nreveal = [\"hide.aws\"]", "filesystem.reveal"),
        ("[network]\nallow = [\"example.com:443\"]", "network.allow"),
        ("[caches]\ntools = [\"npm\", \"go\"]", "caches.tools"),
        ("[environment]\npass = [\"RUST*\"]", "environment.pass"),
        ("[enforcement]\naccept = [\"b\"]", "enforcement.accept"),
        ("[linux]\nsockets = [\"/run/x\"]", "linux.sockets"),
    ] {
        let error = with_managed(managed, user).unwrap_err();
        assert!(
            matches!(error, PolicyError::BeyondManaged { key, .. } if key == expected),
            "{error}"
        );
    }
    let tools = with_managed(managed, "").unwrap().caches.tools.unwrap();
    assert_eq!(
        (tools.value, tools.origin.layer),
        (vec!["npm".to_owned()], Layer::Managed)
    );
}

#[test]
fn an_empty_list_means_none() {
    let none = "[caches]\ntools = []\n[environment]\npass = []\n[filesystem]\nwrite = []\n";
    let policy = ok(&layers("", none, "", Trust::Untrusted, Flags::default()));
    assert_eq!(policy.caches.tools.unwrap().value, [""; 0]);
    assert!(policy.environment.pass.is_empty() && policy.write.is_empty());
    // As a bound it is one.
    for (key, list) in [
        ("caches.tools", "[caches]\ntools = [\"npm\"]"),
        ("environment.pass", "[environment]\npass = [\"CI\"]"),
        ("filesystem.write", "[filesystem]\nwrite = [\"/srv\"]"),
    ] {
        let error = with_managed(none, list).unwrap_err();
        assert!(
            matches!(&error, PolicyError::BeyondManaged { key: k, .. } if *k == key),
            "{error}"
        );
    }
}

#[test]
fn a_managed_file_closes_the_ways_around_it() {
    let policy = with_managed("[environment]\ndrop = [\"X\"]", "mode = \"full-access\"").unwrap();
    assert_eq!(policy.mode.value, Mode::WorkspaceWrite);
    assert_eq!(
        policy.mode.origin.to_string(),
        "managed /etc/ringfence/managed.toml"
    );
    let policy = with_managed("mode = \"full-access\"", "mode = \"full-access\"").unwrap();
    assert_eq!(policy.mode.value, Mode::FullAccess);
    let policy = with_managed("[network]\nallow = []", "[network]\nmode = \"on\"").unwrap();
    assert_eq!(policy.network.mode.value, NetworkMode::Allow);
}

#[test]
fn hidden_entries_are_switched_off_by_name() {
    let hides =
        |policy: &Effective, name: &str| policy.hide.iter().any(|hide| hide.value.name == name);
    let flags = Flags {
        reveal: vec!["hide.ssh".into()],
        ..Flags::default()
    };
    let policy = ok(&layers(
        "",
        "[filesystem]\nhide = [\"~/.ssh\"]",
        "",
        Trust::Untrusted,
        flags,
    ));
    assert!(!hides(&policy, "hide.ssh"));
    assert!(hides(&policy, "hide.aws"));
    assert!(hides(&policy, "hide"), "what a policy hides stays hidden");
    assert_eq!(policy.reveal.len(), 1);
}

#[test]
fn what_cannot_be_enforced_yet_is_named() {
    let user = "[network]\nmode = \"allow\"\nallow = [\"example.com\"]\n";
    let policy = with_project(user, "", Trust::Untrusted).unwrap();
    let lines: Vec<String> = not_yet(&policy).iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("/home/a/.config/ringfence/policy.toml:"))
    );
    assert!(lines[0].contains(":2: network.mode: `allow`"));
}

#[test]
fn rules_of_stronger_layers_come_first() {
    let rule = |name: &str| format!("[[rule]]\nprefix = [\"{name}\"]\ndecision = \"ask\"\n");
    let sources = layers(
        &rule("m"),
        &rule("u"),
        &rule("p"),
        Trust::Untrusted,
        Flags::default(),
    );
    let layers: Vec<Layer> = ok(&sources)
        .rules
        .iter()
        .map(|rule| rule.origin.layer)
        .collect();
    assert_eq!(layers, [Layer::Managed, Layer::Project, Layer::User]);
}

/// A `.ringfence.toml` made further in does not lift what one further out asks for.
#[test]
fn every_project_file_above_holds() {
    let outer = support::file("/work/.ringfence.toml", "mode = \"read-only\"\n");
    let inner = support::file("/work/a/.ringfence.toml", "[limits]\nprocesses = 7\n");
    let with = |inner_trust| {
        ok(&Sources {
            projects: vec![
                (outer.clone(), Trust::Untrusted),
                (inner.clone(), inner_trust),
            ],
            ..Sources::default()
        })
    };
    for trust in [Trust::Untrusted, Trust::Trusted] {
        let policy = with(trust);
        assert_eq!(policy.mode.value, Mode::ReadOnly);
        assert_eq!(policy.limits.processes.unwrap().value, 7);
    }
    // Only a person's word, or nothing, about the inner one widens again.
    let inner = support::file("/work/a/.ringfence.toml", "mode = \"workspace-write\"\n");
    let sources = |trust| Sources {
        projects: vec![(outer.clone(), Trust::Untrusted), (inner.clone(), trust)],
        ..Sources::default()
    };
    assert!(load_from(&sources(Trust::Untrusted)).is_err());
    assert_eq!(
        ok(&sources(Trust::Trusted)).mode.value,
        Mode::WorkspaceWrite
    );
}

/// Secrets lie in the account's home, whatever `HOME` says.
#[test]
fn hidden_in_both_homes() {
    let variable = |_: &str| None;
    let policy = ringfence_policy::load(
        &Sources::default(),
        &ringfence_policy::Context {
            home: Some("/tmp/h".into()),
            account_home: Some("/home/ada".into()),
            cwd: "/work".into(),
            variable: &variable,
        },
    )
    .unwrap();
    for path in ["/tmp/h/.ssh", "/home/ada/.ssh"] {
        let hidden = policy
            .hide
            .iter()
            .any(|hide| hide.value.path == std::path::Path::new(path));
        assert!(hidden, "{path}");
    }
}

#[test]
fn a_grant_widens_within_the_administrators_bounds() {
    let granted = |user: &str, managed: &str| {
        let mut sources = layers(managed, user, "", Trust::Untrusted, Flags::default());
        sources.grants = vec![Granted {
            number: 7,
            write: Some("/srv/notes".into()),
            reveal: None,
            socket: None,
            time: Some(Duration::from_secs(20)),
            output: Some(2048),
        }];
        load_from(&sources)
    };
    let policy = granted("[limits]\ntime = \"10s\"\noutput = \"1KiB\"\n", "").unwrap();
    assert_eq!(policy.write[0].origin.to_string(), "grant 7");
    let limits = |policy: &Effective| {
        let time = policy.limits.time.as_ref().map(|time| time.value.as_secs());
        (
            time,
            policy.limits.output.as_ref().map(|output| output.value),
        )
    };
    assert_eq!(limits(&policy), (Some(20), Some(2048)));
    // It makes nothing narrower than it is by now.
    let policy = granted("[limits]\ntime = \"1h\"\n", "").unwrap();
    assert_eq!(limits(&policy), (Some(3600), None));
    let policy = granted("[limits]\ntime = \"10s\"\n", "[limits]\ntime = \"15s\"\n").unwrap();
    assert_eq!(limits(&policy), (Some(15), None));
    let error = granted("", "[filesystem]\nwrite = [\"/srv/other\"]\n").unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("grant 7 (ringfence grants revoke 7 takes it back)"),
        "{error}"
    );
}
