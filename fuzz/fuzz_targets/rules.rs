//! Command lines, and rules of others: judged, imported; and what is in a wrapper is no safer for it.
#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ringfence_policy::{FileText, Layer, read_rules};
use ringfence_rules::import::{from_claude, from_codex};
use ringfence_rules::{RuleSet, Shell};

static RULES: LazyLock<RuleSet> = LazyLock::new(|| {
    let rules = RuleSet::new(&[]).expect("no rule is wrong");
    rules.with_starting().expect("tests read them")
});

fuzz_target!(|bytes: &[u8]| {
    let text = OsStr::from_bytes(bytes);
    let bare = RULES.judge_shell(text, Shell::Bash);
    let _line = bare.line();
    RULES.judge_shell(text, Shell::Posix);
    RULES.judge_shell(text, Shell::Foreign);
    let words: Vec<&OsStr> = bytes
        .split(|byte| *byte == b'\n')
        .map(OsStr::from_bytes)
        .collect();
    RULES.judge_argv(&words);
    if !bytes.contains(&0) {
        let argv = [
            OsStr::new("env"),
            OsStr::new("bash"),
            OsStr::new("-c"),
            text,
        ];
        let wrapped = RULES.judge_argv(&argv);
        assert!(
            wrapped.decision >= bare.decision,
            "{} in a wrapper",
            wrapped.line()
        );
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for imported in [from_codex(text, "x"), from_claude(text, "x")]
        .into_iter()
        .flatten()
    {
        let file = FileText {
            path: "x".into(),
            text: imported.toml,
        };
        let rules = read_rules(&file, Layer::User).expect("what comes out can be read");
        assert_eq!(rules.len(), imported.rules);
        RuleSet::new(&rules).expect("and its examples hold");
    }
});
