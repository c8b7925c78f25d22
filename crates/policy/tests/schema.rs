//! The schema and the parser agree on one corpus.
#![cfg(unix)] // the paths are
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/checker.rs"]
mod checker;
mod support;

use ringfence_policy::{Sources, init_text, schema};
use serde_json::Value;
use support::{load_from, user};

const GOOD: &[&str] = &[
    "",
    "# nothing\n",
    "mode = \"read-only\"",
    "mode = \"workspace-write\"\n[filesystem]\nwrite = []\n",
    "[filesystem]\nwrite = [\"../x\", \"~/y\", \"$XDG_DATA_HOME/z\", \"/srv\"]\nprotect = [\"deploy/\", \"/srv/p\"]\nhide = [\"~/s\"]\nreveal = [\"hide.ssh\"]\nread = \"minimal\"",
    "filesystem.read = [\"/opt\", \"app/[id].tsx\"]",
    "filesystem.read = [\"minimal\", \"/opt\"]",
    "filesystem = { read = \"all\" }",
    "[network]\nmode = \"allow\"\nallow = [\"preset:npm\", \"*.example.com:443\", \"localhost:5432\", \"[::1]:80\", \"10.0.0.1\", \"Example.COM\"]",
    "[caches]\nmode = \"none\"\ntools = [\"cargo\", \"npm\", \"pip\", \"uv\", \"go\", \"maven\", \"gradle\"]",
    "[environment]\npass = [\"CI\", \"RUST_*\"]\ndrop = [\"*_INTERNAL\", \"npm_config_//h/:_authToken\"]",
    "[limits]\ntime = \"1h30m\"\nmemory = \"1.5 GiB\"\nprocesses = 512\noutput = \"256MiB\"",
    "[limits]\ntime = \"90s\"\nmemory = \"10 mb\"\nprocesses = 0x10\noutput = \"4096B\"",
    "[enforcement]\naccept = [\"protect.git\"]",
    "[linux]\nmode = \"landlock-only\"\nsockets = [\"/run/x.sock\"]\nnested = true",
    "[[rule]]\nprefix = [\"git\", [\"push\", \"fetch\"]]\ndecision = \"ask\"\nring = \"inside\"\nwhy = \"publishes work\"\nmatch = [\"git push origin main\"]\nnot_match = [\"git status\"]\n[[rule]]\nprefix = [\"rm\"]\ndecision = \"forbid\"",
    "[[rule]]\nprefix = [\"make\"]\ndecision = \"ask\"\nring = \"outside\"",
    "[[rule]]\nprefix = [\"npm\", [\"run\", \"r*\"], \"test:*\", '\\*', 'C:\\\\x\\\\*.exe']\ndecision = \"forbid\"",
    "rule = []",
    "[filesystem]\n[network]\n[caches]\n[environment]\n[limits]\n[enforcement]\n[linux]\n",
];

const BAD: &[&str] = &[
    "modee = \"read-only\"",
    "mode = \"readonly\"",
    "mode = \"\"",
    "mode = 1",
    "filesystem = 1",
    "filesystem = []",
    "[filesystems]",
    "[filesystem]\nwrites = []",
    "[filesystem]\nwrite = \"x\"",
    "[filesystem]\nwrite = [1]",
    "[filesystem]\nwrite = [\"\"]",
    "[filesystem]\nwrite = [\"*.c\"]",
    "[filesystem]\nwrite = [\"a\\nb\"]",
    "[filesystem]\nwrite = [\"a\\u0000b\"]",
    "[filesystem]\nprotect = [\"a?\"]",
    "[filesystem]\nhide = [\"\"]",
    "[filesystem]\nreveal = [\"ssh\"]",
    "[filesystem]\nreveal = [\"hide.ringfence\"]",
    "[filesystem]\nread = \"some\"",
    "[filesystem]\nread = [\"all\"]",
    "[filesystem]\nread = true",
    "[network]\nmode = \"allowed\"",
    "[network]\nallow = [\"*\"]",
    "[network]\nallow = [\"https://example.com\"]",
    "[network]\nallow = [\"a b\"]",
    "[network]\nallow = [\"example.com.\"]",
    "[network]\nallow = [\"example.com:0\"]",
    "[network]\nallow = [\"::1\"]",
    "[network]\nallow = [\"b\u{fc}cher.de\"]",
    "[network]\nallow = [\"-a.com\"]",
    "[network]\nallow = [\"preset:\"]",
    "[caches]\nmode = \"on\"",
    "[caches]\ntools = [\"bazel\"]",
    "[environment]\npass = [\"A B\"]",
    "[environment]\ndrop = [\"A=B\"]",
    "[environment]\ndrop = [\"\"]",
    "[limits]\ntime = 10",
    "[limits]\ntime = \"10\"",
    "[limits]\ntime = \"10 m\"",
    "[limits]\ntime = \"1m1h\"",
    "[limits]\nmemory = \"4G\"",
    "[limits]\nmemory = 4096",
    "[limits]\nmemory = \"1.2345GiB\"",
    "[limits]\nprocesses = 0",
    "[limits]\nprocesses = -1",
    "[limits]\nprocesses = 5000000",
    "[limits]\nprocesses = 1.5",
    "[limits]\nprocesses = \"512\"",
    "[enforcement]\naccept = [\"Protect\"]",
    "[enforcement]\naccept = [\"a..b\"]",
    "[enforcement]\naccept = true",
    "[linux]\nmode = \"principal\"",
    "[linux]\nnested = \"yes\"",
    "[linux]\nsockets = [\"\"]",
    "rule = 1",
    "rule = [1]",
    "[rule]\nprefix = [\"git\"]\ndecision = \"ask\"",
    "[[rule]]\ndecision = \"ask\"",
    "[[rule]]\nprefix = [\"git\"]",
    "[[rule]]\nprefix = []\ndecision = \"ask\"",
    "[[rule]]\nprefix = [\"\"]\ndecision = \"ask\"",
    "[[rule]]\nprefix = [[]]\ndecision = \"ask\"",
    "[[rule]]\nprefix = [\"a\\nb\"]\ndecision = \"ask\"",
    "[[rule]]\nprefix = ['a\\b']\ndecision = \"ask\"",
    "[[rule]]\nprefix = [\"a\", [\"b\", 'c\\']]\ndecision = \"ask\"",
    "[[rule]]\nprefix = [1]\ndecision = \"ask\"",
    "[[rule]]\nprefix = \"git\"\ndecision = \"ask\"",
    "[[rule]]\nprefix = [\"git\"]\ndecision = \"deny\"",
    "[[rule]]\nprefix = [\"git\"]\ndecision = \"allow\"\nring = \"outside\"",
    "[[rule]]\nprefix = [\"git\"]\ndecision = \"ask\"\nwhy = \"a\\nb\"",
    "[[rule]]\nprefix = [\"git\"]\ndecision = \"ask\"\nreason = \"x\"",
    "[[rule]]\nprefix = [\"git\"]\ndecision = \"ask\"\nmatch = \"git\"",
];

/// What only the parser can refuse: the schema says so in its documentation.
const PARSER_ONLY: &[&str] = &[
    "[filesystem]\nwrite = [\"/..\"]",
    "[filesystem]\nwrite = [\"/\"]",
    "[filesystem]\nwrite = [\"~\"]",
    "[filesystem]\nwrite = [\"$SECRET/x\"]",
    "[filesystem]\nprotect = [\".\"]",
    "[network]\nallow = [\"127.1\"]",
    "[network]\nallow = [\"example.com:65536\"]",
    "[limits]\ntime = \"0s\"",
    "[limits]\nmemory = \"0B\"",
    "[limits]\nmemory = \"9000000TiB\"",
];

fn parses(text: &str) -> bool {
    load_from(&Sources {
        user: user(text),
        ..Sources::default()
    })
    .is_ok()
}

fn conforms(schema: &Value, text: &str) -> bool {
    let table: toml::Table = text.parse().unwrap();
    checker::conforms(schema, &serde_json::to_value(table).unwrap())
}

#[test]
fn schema_and_parser_agree() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    for text in GOOD {
        assert!(parses(text), "the parser refuses:\n{text}");
        assert!(conforms(&schema, text), "the schema refuses:\n{text}");
    }
    for text in BAD {
        assert!(!parses(text), "the parser takes:\n{text}");
        assert!(!conforms(&schema, text), "the schema takes:\n{text}");
    }
    for text in PARSER_ONLY {
        assert!(!parses(text), "the parser takes:\n{text}");
        assert!(
            conforms(&schema, text),
            "the schema refuses, so it belongs to BAD:\n{text}"
        );
    }
}

/// The starter with every setting's comment marker removed; prose keeps its `# `.
fn uncommented() -> String {
    let settings = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') && !rest.is_empty() => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    init_text().lines().map(settings).collect()
}

#[test]
fn the_starter_is_valid_and_changes_nothing() {
    let with = load_from(&Sources {
        user: user(init_text()),
        ..Sources::default()
    })
    .unwrap();
    assert_eq!(with, load_from(&Sources::default()).unwrap());
}

#[test]
fn the_starter_s_examples_are_valid_and_name_every_key() {
    let text = uncommented();
    let loaded = load_from(&Sources {
        user: user(&text),
        ..Sources::default()
    });
    assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    assert!(conforms(&schema, &text));
    let table: toml::Table = text.parse().unwrap();
    for (name, part) in schema["properties"].as_object().unwrap() {
        assert!(table.contains_key(name), "{name}");
        let part = part.get("items").unwrap_or(part);
        for key in part
            .get("properties")
            .and_then(|keys| keys.as_object())
            .into_iter()
            .flatten()
        {
            let there = match &table[name] {
                toml::Value::Array(rules) => rules[0].get(key.0),
                other => other.get(key.0),
            };
            assert!(there.is_some(), "{name}.{}", key.0);
        }
    }
}
