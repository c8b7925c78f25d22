//! How the effective policy is printed.
#![cfg(target_os = "linux")] // the paths are
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::path::Path;

use ringfence_policy::{Effective, Flags, Mode, Sources, Trust, show, show_json};
use support::{layers, load_from};

fn example() -> Effective {
    let managed = "[limits]\nprocesses = 512\n";
    let user = "[filesystem]\nwrite = [\"~/shared\", \"/srv/a \\\"b\\\"\"]\nhide = [\"~/company-secrets\"]\nread = [\"/opt\"]\n\
                reveal = [\"hide.kaggle\"]\n[caches]\ntools = [\"cargo\", \"npm\"]\n[environment]\npass = [\"CI\"]\n[limits]\n\
                time = \"90m\"\nmemory = \"1.5 GiB\"\n[linux]\nsockets = [\"/run/x.sock\"]\n";
    let project = "[filesystem]\nprotect = [\"deploy/\"]\n[[rule]]\nprefix = [\"git\", [\"push\", \"fetch\"]]\ndecision = \"ask\"\n\
                   why = \"publishes \\\"work\\\"\"\nmatch = [\"git push\"]\n";
    let flags = Flags {
        mode: Some(Mode::ReadOnly),
        allow: vec!["Example.com:443".into()],
        accept: vec!["protect.git".into()],
        ..Flags::default()
    };
    load_from(&layers(managed, user, project, Trust::Untrusted, flags)).unwrap()
}

/// The page without the built-in hidden entries but for the first, which stand in their own table.
fn without_built_in_hides(mut policy: Effective) -> Effective {
    let mut built_in = 0;
    policy.hide.retain(|hide| {
        built_in += usize::from(hide.origin.file.is_none());
        hide.origin.file.is_some() || matches!(built_in, 1 | 2)
    });
    policy
}

#[test]
fn a_page() {
    let page = show(
        &without_built_in_hides(example()),
        Some(Path::new("/home/a")),
    );
    insta::assert_snapshot!(page);
}

#[test]
fn the_default_page_lists_every_hidden_and_protected_path_with_its_reason() {
    let policy = load_from(&Sources::default()).unwrap();
    let page = show(&policy, Some(Path::new("/home/a")));
    for hide in &policy.hide {
        let line = page
            .lines()
            .find(|line| line.contains(&*hide.value.why))
            .unwrap();
        assert!(line.contains(&hide.value.name));
    }
    for protect in ringfence_policy::defaults::WORKSPACE_PROTECTED {
        assert!(page.contains(&format!("\"{protect}\",")), "{protect}");
    }
    insta::assert_snapshot!(page.lines().take(36).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_page_is_toml() {
    for policy in [example(), load_from(&Sources::default()).unwrap()] {
        let page = show(&policy, Some(Path::new("/home/a")));
        let table: toml::Table = page.parse().unwrap();
        assert_eq!(
            table["filesystem"]["hide"].as_array().unwrap().len(),
            policy.hide.len()
        );
    }
}

#[test]
fn a_file_s_odd_name_stays_in_its_comment() {
    let mut sources = layers(
        "",
        "mode = \"read-only\"",
        "",
        Trust::Untrusted,
        Flags::default(),
    );
    sources.user.as_mut().unwrap().path = "/x\nnetwork.mode = 1 #/policy.toml".into();
    let policy = load_from(&sources).unwrap();
    let table: toml::Table = show(&policy, None).parse().unwrap();
    assert_eq!(table["network"]["mode"].as_str(), Some("off"));
}

#[test]
fn as_json() {
    insta::assert_snapshot!(format!(
        "{:#}",
        show_json(&without_built_in_hides(example()))
    ));
}
