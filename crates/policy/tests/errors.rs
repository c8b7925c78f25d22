//! The words of each error: one line, with place, reason and remedy.
#![cfg(unix)] // the paths are
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use ringfence_policy::{Flags, Sources, Trust};
use support::{layers, load_from, user};

fn error(text: &str) -> String {
    load_from(&Sources {
        user: user(text),
        ..Sources::default()
    })
    .unwrap_err()
    .to_string()
}

#[test]
fn wrong_files() {
    let texts = [
        "mode = ",
        "mode = \"read-only\"\nmode = \"read-only\"",
        "\n\nmoed = \"read-only\"",
        "colour = 1",
        "write = []",
        "[filesystems]\nwrite = []",
        "[filesystem]\nwrites = []",
        "[filesystem]\nmemory = 1",
        "[network]\n\"a\\nb\" = 1",
        "mode = 3",
        "mode = \"workspace\"",
        "mode = \"readonly\"",
        "mode = \"\"",
        "network = \"off\"",
        "[filesystem]\nwrite = [\n  \"ok\",\n  \"\",\n  7,\n  \"a\\u0000b\",\n  \"a\\nb\",\n]",
        "[filesystem]\nwrite = [\"*.c\", \"/..\", \"~bob/x\", \"$SECRET/x\", \"x/$HOME\", \"$TMPDIR/x\", \"/\", \"~\"]",
        "[filesystem]\nprotect = [\"../x\", \".\"]",
        "[filesystem]\nreveal = [\"ssh\", \"hide.shh\", \"hide.ringfence\"]",
        "[filesystem]\nread = [\"all\"]",
        "[network]\nallow = [\"https://example.com\", \"*\", \"127.1\", \"a b\"]",
        "[caches]\ntools = [\"bazel\", \"crago\"]",
        "[environment]\npass = [\"A B\"]",
        "[limits]\ntime = \"10\"\nmemory = \"4G\"\nprocesses = 0\noutput = 12",
        "[limits]\ntime = \"400d\"\nmemory = \"9000000TiB\"\nprocesses = 99999999999999999999",
        "[enforcement]\naccept = [\"Git Hooks\"]",
        "[linux]\nmode = \"none\"\nnested = \"yes\"",
        "[[rule]]\n[[rule]]\nprefix = []\ndecision = \"deny\"\n[[rule]]\nprefix = [\"x\"]\ndecision = \"allow\"\nring = \"outside\"",
        "[[rule]]\nprefix = [\"x\"]\ndecision = \"ask\"\nwhy = \"a\\nb\"\nexcept = []",
        "rule = 1",
    ];
    let mut page = String::new();
    for text in texts {
        let error = error(text);
        for line in error.lines() {
            assert!(
                line.starts_with("/home/a/.config/ringfence/policy.toml:"),
                "{line}"
            );
            assert!(line.contains(';'), "a remedy: {line}");
        }
        page.push_str(&format!("{}\n{error}\n\n", text.replace('\n', "⏎")));
    }
    insta::assert_snapshot!(page);
}

#[test]
fn wrong_layers() {
    let managed = "[filesystem]\nwrite = [\"/srv\"]\n";
    let project = "mode = \"full-access\"\n[filesystem]\nwrite = [\"../x\"]\nreveal = [\"hide.ssh\"]\n[network]\nmode = \"on\"\n\
                   [limits]\ntime = \"2m\"\n[[rule]]\nprefix = [\"x\"]\ndecision = \"allow\"\n";
    let user = "[filesystem]\nwrite = [\"/opt\"]\n[limits]\ntime = \"1m\"\n";
    let flags = Flags {
        write: vec!["out".into()],
        ..Flags::default()
    };
    let error = load_from(&layers(managed, user, project, Trust::Untrusted, flags)).unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn wrong_flags() {
    let flags = Flags {
        write: vec!["".into(), "a*".into()],
        protect: vec!["..".into()],
        reveal: vec!["ssh".into()],
        read: Some(vec!["all".into(), "/opt".into()]),
        allow: vec!["*".into()],
        cache_tools: Some(vec!["bazel".into()]),
        pass_env: vec!["A=B".into()],
        time: Some(std::time::Duration::ZERO),
        memory: Some(0),
        processes: Some(0),
        accept: vec!["X".into()],
        ..Flags::default()
    };
    let error = load_from(&Sources {
        flags,
        ..Sources::default()
    })
    .unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn words_for_the_command_line() {
    let mode = "read-olny".parse::<ringfence_policy::Mode>().unwrap_err();
    assert_eq!(
        mode.to_string(),
        "unknown value `read-olny`; did you mean `read-only`?"
    );
    let mode = "x".parse::<ringfence_policy::NetworkMode>().unwrap_err();
    assert_eq!(
        mode.to_string(),
        "unknown value `x`; it must be one of `off`, `allow`, `on`"
    );
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_keep_the_line_numbers() {
    let error = error("\u{feff}# a\r\n\r\nmoed = 1\r\n");
    assert!(
        error.starts_with("/home/a/.config/ringfence/policy.toml:3: moed"),
        "{error}"
    );
}

/// What others wrote is quoted so that it turns no direction and moves no cursor, however long it is.
#[test]
fn what_is_quoted_shows_as_what_it_is() {
    let line = |text| ringfence_policy::one_line(text, 12);
    assert_eq!(line("git push a\u{202e}b"), r"git push a\u{202e}b");
    assert_eq!(
        line("a\u{200b}\u{1b}[31m\u{9b}b"),
        r"a\u{200b}\u{1b}[31m\u{9b}b"
    );
    assert_eq!(line("josé データ; and so on"), "josé データ; an…");
}
