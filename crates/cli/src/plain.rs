//! The words most commands are run with, read without a grammar.
//!
//! `ringfence run -- COMMAND` is typed (by agents, hooks and shims above all) for each command, and describing
//! what else could be typed takes longer than planning the ring. What is read here is what the grammar would
//! make of it; whatever is not surely that is left to the grammar, and so is every mistake.

use std::ffi::{OsStr, OsString};

use crate::flags::{PolicyFlags, once};
use crate::grammar::{RingFlags, RunArgs};

/// `ringfence run` with no flag but such as say yes and such as have a value: what shims, hooks and agents type.
pub(crate) fn plain(typed: &[OsString]) -> Option<RunArgs> {
    let (verb, mut rest) = typed.get(1..)?.split_first()?;
    if verb != "run" {
        return None;
    }
    let mut ring = RingFlags::default();
    let mut policy = PolicyFlags::default();
    loop {
        let (word, after) = rest.split_first()?;
        let flag = match word.as_encoded_bytes() {
            b"--" => {
                rest = after;
                break;
            }
            b"--json" => &mut ring.json,
            b"--changes" => &mut ring.changes,
            b"--trace" => &mut ring.trace,
            b"--starting-rules" => &mut ring.starting_rules,
            b"--rules-answered" => &mut ring.rules_answered,
            b"--nested" => policy.nested(),
            [b'-', ..] => {
                let (name, value, behind) = with_value(word, after)?;
                let taken = match name {
                    "workspace" => {
                        let path = (!value.is_empty()).then(|| value.into());
                        once(&mut ring.workspace, path)
                    }
                    name => policy.take(name, value),
                };
                if !taken {
                    return None;
                }
                rest = behind;
                continue;
            }
            _ => break,
        };
        if std::mem::replace(flag, true) {
            return None;
        }
        rest = after;
    }
    (!rest.is_empty()).then(|| RunArgs {
        policy,
        ring,
        argv: rest.to_vec(),
    })
}

/// `--name=value` or `--name value`, in text, and the words behind. A value that looks like a flag is the grammar's to judge.
fn with_value<'w>(
    word: &'w OsStr,
    after: &'w [OsString],
) -> Option<(&'w str, &'w str, &'w [OsString])> {
    let text = word.to_str()?.strip_prefix("--")?;
    if let Some((name, value)) = text.split_once('=') {
        return Some((name, value, after));
    }
    let (value, after) = after.split_first()?;
    let value = value.to_str().filter(|value| !value.starts_with('-'))?;
    Some((text, value, after))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;

    use super::*;
    use crate::grammar::{Cli, Command, Deferred};

    const WORDS: [&str; 62] = [
        "run",
        "shell",
        "ru",
        "--",
        "-",
        "",
        "true",
        "/bin/sh",
        "-c",
        "--json",
        "--changes",
        "--trace",
        "--starting-rules",
        "--rules-answered",
        "--explain",
        "--json=true",
        "--workspace",
        "--help",
        "-h",
        "--version",
        "--jso",
        "--protect=/a b",
        "--protect",
        "--protect=",
        "--write=~/x",
        "--hide=h=i",
        "--socket=/s",
        "--reveal=npm",
        "--read=all",
        "--pass-env=A*",
        "--drop-env=SHELL",
        "--drop-env=",
        "--accept=ledger",
        "--mode=read-only",
        "--cache-tools=a,b",
        "--nested",
        "--nested=true",
        "--write",
        "--hide",
        "--accept",
        "--workspace=/w",
        "--workspace=",
        "--mode",
        "--mode=none",
        "read-only",
        "--network",
        "--network=off",
        "on",
        "--caches=shared",
        "--caches",
        "--linux-mode=auto",
        "--timeout",
        "--timeout=1h30m",
        "--time=1h",
        "10m",
        "--memory",
        "--memory=4GiB",
        "--output=1",
        "--processes=12",
        "--processes=+1",
        "--processes",
        "12",
    ];

    fn by_grammar(typed: &[OsString]) -> Option<RunArgs> {
        match Cli::try_parse_from(typed).ok()?.command {
            Command::Run(Deferred(args)) => Some(args),
            _ => None,
        }
    }

    fn os(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn what_is_typed_most_is_plain() {
        for words in [
            &["ringfence", "run", "--", "true"][..],
            &["ringfence", "run", "make", "--", "-j2"],
            &["ringfence", "run", "--json", "--", "--json"],
            // A shim's words.
            &[
                "ringfence",
                "run",
                "--protect=/s",
                "--drop-env=SHELL",
                "--starting-rules",
                "--",
                "/bin/sh",
                "-c",
                "x",
            ],
            &[
                "ringfence",
                "run",
                "--starting-rules",
                "--rules-answered",
                "--",
                "/bin/sh",
                "-c",
                "x",
            ],
            // An agent's.
            &[
                "ringfence",
                "run",
                "--workspace",
                "/w",
                "--write",
                "/a",
                "--write",
                "/b",
                "--network",
                "off",
                "--mode=workspace-write",
                "--caches",
                "private",
                "--linux-mode",
                "auto",
                "--timeout",
                "10m",
                "--memory",
                "4GiB",
                "--output=1MiB",
                "--processes",
                "64",
                "--nested",
                "--",
                "make",
            ],
        ] {
            let typed = os(words);
            let read = plain(&typed).map(|read| format!("{read:?}"));
            assert!(read.is_some(), "{words:?}");
            assert_eq!(read, by_grammar(&typed).map(|read| format!("{read:?}")));
        }
    }

    #[test]
    fn what_is_not_surely_plain_is_the_grammars() {
        for words in [
            &["ringfence", "run"][..],
            &["ringfence", "run", "--"],
            &["ringfence", "run", "--json", "--json", "true"],
            &["ringfence", "run", "--network", "some", "true"],
            &[
                "ringfence",
                "run",
                "--network=on",
                "--network",
                "on",
                "true",
            ],
            &["ringfence", "run", "--timeout", "-1s", "true"],
            &["ringfence", "run", "--timeout", "--", "true"],
            &["ringfence", "run", "--memory", "much", "true"],
            &["ringfence", "run", "--write=", "true"],
            &["ringfence", "run", "--write", "", "true"],
            &["ringfence", "run", "--write", "-a", "true"],
            &["ringfence", "run", "--write", "/a"],
            &[
                "ringfence",
                "run",
                "--workspace",
                "/a",
                "--workspace=/b",
                "true",
            ],
            &["ringfence", "run", "--nested", "--nested", "true"],
            &["ringfence", "run", "-h"],
            &["ringfence", "shell"],
            &["ringfence"],
        ] {
            assert!(plain(&os(words)).is_none(), "{words:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_is_plain_is_what_the_grammar_makes_of_it(
            words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..8)
        ) {
            let mut typed = os(&["ringfence", "run"]);
            typed.extend(os(&words));
            if let Some(read) = plain(&typed) {
                let expected = by_grammar(&typed).map(|read| format!("{read:?}"));
                prop_assert_eq!(Some(format!("{read:?}")), expected);
            }
        }
    }
}
