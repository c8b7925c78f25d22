//! Whatever is handed in: no panic, and an end.
#![cfg(unix)] // words that are not UTF-8
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod strings;
mod written;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::LazyLock;

use proptest::prelude::*;
use ringfence_policy::{Decision, Layer};
use ringfence_rules::import::{from_claude, from_codex};
use ringfence_rules::{RuleSet, Shell, starting};

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Posix, Shell::Foreign];

/// What runs other commands, each in its own way.
const WRAPPERS: &[&str] = &[
    "env",
    "xargs",
    "find",
    "timeout",
    "bash",
    "git",
    "npx",
    "cmd",
    "powershell",
    "pwsh",
    "sudo",
    "doas",
    "pkexec",
    "nice",
    "ionice",
    "stdbuf",
    "setsid",
    "time",
    "exec",
    "command",
    "builtin",
    "eval",
    "trap",
    "source",
    "watch",
    "busybox",
    "fd",
    "rg",
    "at",
    "script",
    "flock",
    "su",
    "python3",
    "uv",
    "npm",
    "cargo",
    "zsh",
    "fish",
    "export",
    "declare",
    "read",
    "printf",
    "hash",
    "git-rebase",
    "parallel",
    "mvn",
];

/// The built-in rules, read and tried once.
fn all() -> &'static RuleSet {
    static RULES: LazyLock<RuleSet> = LazyLock::new(|| written::set(&starting().unwrap()));
    &RULES
}

proptest! {
    #[test]
    fn any_bytes_have_a_verdict(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let rules = all();
        for shell in SHELLS {
            rules.judge_shell(OsStr::from_bytes(&bytes), shell);
        }
        rules.judge_argv(&[OsStr::new("bash"), OsStr::new("-c"), OsStr::from_bytes(&bytes)]);
    }

    #[test]
    fn any_words_have_a_verdict(words in proptest::collection::vec("[-a-zA-Z0é${}()'\"*=/; ]{0,12}", 0..20)) {
        let rules = all();
        for first in WRAPPERS {
            let mut argv = vec![(*first).to_owned()];
            argv.extend(words.iter().cloned());
            rules.judge_argv(&argv);
        }
    }

    /// Options that lack their value, and letters of more than one byte wherever an option has letters.
    #[test]
    fn any_options_have_a_verdict(
        options in proptest::collection::vec("(-|--|/|[+])?[a-zA-Zéß=/-]{0,4}", 0..6),
        last in "(-|--|/|-/)[a-zA-Zé]{0,3}(=é?)?",
    ) {
        let rules = all();
        for first in WRAPPERS {
            let mut argv = vec![(*first).to_owned()];
            argv.extend(options.iter().cloned());
            argv.push(last.clone());
            rules.judge_argv(&argv);
            rules.judge_shell(argv.join(" "), Shell::Bash);
        }
    }

    #[test]
    fn any_file_is_imported_or_refused(text in "(?s).{0,200}") {
        let _ = from_codex(&text, "x");
        let _ = from_claude(&text, "x");
    }

    /// Putting a string in a shell, in a wrapper, in a program, beside another command makes it no safer.
    #[test]
    fn nothing_is_safer_for_being_wrapped(text in strings::string()) {
        let rules = written::set(&written::short(Layer::User, &["ask ab", "forbid bx", "ask xx"]));
        let bare = rules.judge_shell(&text, Shell::Bash).decision;
        let argv = rules.judge_argv(&["env", "timeout", "5", "bash", "-c", "--", &text]).decision;
        prop_assert!(argv >= bare, "{text:?}: {argv} in a wrapper, {bare} by itself");
        for around in [format!("q; {text}\n"), format!("{{ {text}\n}}\n")] {
            let within = rules.judge_shell(&around, Shell::Bash).decision;
            prop_assert!(within >= bare.min(Decision::Ask), "{around:?}: {within}, {bare} by itself");
        }
    }

    /// One more rule that asks or forbids makes nothing safer.
    #[test]
    fn a_stricter_set_is_stricter(text in strings::string()) {
        let few = written::short(Layer::User, &["ask ab"]);
        let more = written::short(Layer::Managed, &["forbid bx", "ask a"]);
        let both = written::set(&[few.clone(), more].concat());
        let decision = |rules: &RuleSet| rules.judge_shell(&text, Shell::Bash).decision;
        prop_assert!(decision(&both) >= decision(&written::set(&few)));
    }
}

/// Each letter that may be an option, at the end of the words and with a letter of two bytes behind it.
#[test]
fn each_option_at_the_end_has_a_verdict() {
    let rules = all();
    let letters = ('a'..='z')
        .chain('A'..='Z')
        .chain('0'..='9')
        .chain(['é', '-', '+', '=']);
    for letter in letters {
        for dash in ["-", "--", "/é/"] {
            for end in ["", "é", "=é"] {
                let option = format!("{dash}{letter}{end}");
                for first in WRAPPERS {
                    rules.judge_argv(&[*first, &option]);
                    rules.judge_argv(&[*first, "x", &option]);
                    rules.judge_argv(&[*first, &option, "é"]);
                }
            }
        }
    }
    for text in [
        "xargs -n",
        "xargs -I",
        "xargs --max-args",
        "cmd '/é/c'",
        "cmd /é/c x",
        "timeout -k",
        "sudo -u",
    ] {
        rules.judge_shell(text, Shell::Bash);
    }
}

#[test]
fn what_is_deep_or_long_is_opaque_and_soon_judged() {
    let rules = all();
    let most = 128 * 1024;
    for unit in [
        "(",
        ")",
        "{",
        "$(",
        "`",
        "\"",
        "'",
        "\\",
        "$((",
        "((",
        "[[ ",
        "if ",
        "case x in ",
        "<(",
        "${x:-",
        "$'",
        "<<a ",
        "<<a\n",
        "a;",
        "a\n",
        "a|",
        "! ",
        "x=",
        "x=(",
        "a ",
        "$x",
        "*",
        "{a,",
        "eval ",
        "env ",
        "npx ",
        "xargs ",
        "sh -c '",
        "parallel ",
        "time -p ",
        "tmux 'a b' ",
        "git-git ",
        "python -m ",
        "hub ",
        "fd -x ",
        "git config alias.x ",
        "script -c 'a b' ",
        "export PAGER=",
        "nix run a#",
        "timeout 1 ",
        "f() ",
        "&",
        "é",
        "\u{0}",
        "for x in ",
        "git -c ",
        "\"$(",
        "$(\"",
        "\"`",
        "a=`",
        "${",
        "${a[",
        "function f ",
        "coproc ",
        "time ",
        "[ ",
        "a[",
        "~",
        "-",
        "#",
        "\\\n",
        "\t",
        "[a]",
        "@(a)",
        "a* ",
        "$((1))",
        "$(a)",
        "(a);",
        "-a ",
        ">a ",
        "a=b ",
        "a &&",
        "{a,b}",
    ] {
        for length in [1000, most - 100, most + 1] {
            let text = unit.repeat(length / unit.len() + 1);
            rules.judge_shell(&text, Shell::Bash);
        }
        let argv: Vec<&str> = std::iter::repeat_n(unit.trim(), 5000).collect();
        rules.judge_argv(&argv);
    }
    let long = format!("ls {}; git push", "a".repeat(most));
    assert_eq!(
        rules.judge_shell(&long, Shell::Bash).decision,
        Decision::Ask
    );
    let argv = ["ls".to_owned(), "a".repeat(1 << 22)];
    rules.judge_argv(&argv);
    // Shells inside each other, quoted anew each time, past what is followed.
    let mut text = "git push".to_owned();
    for _ in 0..12 {
        text = format!("sh -c '{}'", text.replace('\'', "'\\''"));
        if text.len() > 1 << 20 {
            break;
        }
    }
    assert_eq!(
        rules.judge_shell(&text, Shell::Bash).decision,
        Decision::Ask
    );
    let wrapped: Vec<&str> = std::iter::repeat_n("nohup", 100)
        .chain(["git", "push"])
        .collect();
    assert_eq!(rules.judge_argv(&wrapped).decision, Decision::Ask);
}
