//! The options of commands that run commands, as their manuals have them.

use crate::word::{Word, all_known};

/// Which options a command has before its operands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    /// Letters without a value.
    flags: &'static str,
    /// Letters with a value.
    values: &'static str,
    long_flags: &'static [&'static str],
    long_values: &'static [&'static str],
    /// Operands of its own before the command.
    pub(super) operands: usize,
    /// `NAME=value` may stand before the command.
    pub(super) sets: bool,
    /// `!` may stand before the command.
    pub(super) before_not: bool,
}

const NONE: Spec = Spec {
    flags: "",
    values: "",
    long_flags: &[],
    long_values: &[],
    operands: 0,
    sets: false,
    before_not: false,
};

pub(super) const ENV: Spec = Spec {
    flags: "i0v",
    values: "uCa",
    long_flags: &[
        "ignore-environment",
        "null",
        "debug",
        "block-signal",
        "default-signal",
        "ignore-signal",
        "list-signal-handling",
    ],
    long_values: &["unset", "chdir", "argv0"],
    sets: true,
    ..NONE
};

pub(super) const COMMAND: Spec = Spec { flags: "p", ..NONE };

pub(super) const WATCH: Spec = Spec {
    flags: "bdegtcxwpr",
    values: "n",
    long_flags: &[
        "beep",
        "color",
        "no-color",
        "differences",
        "errexit",
        "exec",
        "no-title",
        "no-wrap",
        "precise",
    ],
    long_values: &["interval"],
    ..NONE
};

pub(super) const XARGS: Spec = Spec {
    flags: "0prtxo",
    values: "EILPadns",
    long_flags: &[
        "null",
        "interactive",
        "no-run-if-empty",
        "verbose",
        "exit",
        "open-tty",
        "show-limits",
    ],
    long_values: &[
        "arg-file",
        "delimiter",
        "max-args",
        "max-chars",
        "max-lines",
        "max-procs",
        "process-slot-var",
        "replace",
    ],
    ..NONE
};

/// The plain wrappers: options, operands, a command.
const SPECS: &[(&str, Spec)] = &[
    ("nohup", NONE),
    ("builtin", NONE),
    ("nocorrect", NONE),
    ("noglob", NONE),
    ("-", NONE),
    (
        "exec",
        Spec {
            flags: "cl",
            values: "a",
            ..NONE
        },
    ),
    (
        "setsid",
        Spec {
            flags: "cfw",
            long_flags: &["ctty", "fork", "wait"],
            ..NONE
        },
    ),
    (
        "nice",
        Spec {
            flags: "0123456789",
            values: "n",
            long_values: &["adjustment"],
            ..NONE
        },
    ),
    (
        "ionice",
        Spec {
            flags: "t",
            values: "cn",
            long_flags: &["ignore"],
            long_values: &["class", "classdata"],
            ..NONE
        },
    ),
    (
        "stdbuf",
        Spec {
            values: "ioe",
            long_values: &["input", "output", "error"],
            ..NONE
        },
    ),
    (
        "timeout",
        Spec {
            flags: "vfp",
            values: "ks",
            long_flags: &["preserve-status", "foreground", "verbose"],
            long_values: &["kill-after", "signal"],
            operands: 1,
            ..NONE
        },
    ),
    (
        "gtimeout",
        Spec {
            flags: "vfp",
            values: "ks",
            long_flags: &["preserve-status", "foreground", "verbose"],
            long_values: &["kill-after", "signal"],
            operands: 1,
            ..NONE
        },
    ),
    (
        "time",
        Spec {
            flags: "pav",
            values: "fo",
            long_flags: &["portability", "append", "verbose"],
            long_values: &["format", "output"],
            before_not: true,
            ..NONE
        },
    ),
    (
        "sudo",
        Spec {
            flags: "ABbEHnPSN",
            values: "CDghpRrTtu",
            long_flags: &[
                "askpass",
                "background",
                "non-interactive",
                "preserve-env",
                "set-home",
                "stdin",
                "no-update",
            ],
            long_values: &[
                "close-from",
                "chdir",
                "group",
                "host",
                "prompt",
                "chroot",
                "role",
                "type",
                "command-timeout",
                "user",
            ],
            sets: true,
            ..NONE
        },
    ),
    (
        "doas",
        Spec {
            flags: "n",
            values: "uaC",
            ..NONE
        },
    ),
    (
        "pkexec",
        Spec {
            long_flags: &["disable-internal-agent", "keep-cwd"],
            long_values: &["user"],
            ..NONE
        },
    ),
];

pub(super) fn spec(name: &str) -> Option<&'static Spec> {
    SPECS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, spec)| spec)
}

/// Where the operands begin; an error where that cannot be told.
pub(super) fn operands(words: &[Word], from: usize, spec: &Spec) -> Result<usize, ()> {
    let mut at = from;
    while let Some(word) = words.get(at) {
        let text = match word {
            Word::Known(text) => text.as_str(),
            // The command itself, whatever it is called: it does not begin with a dash.
            Word::Open(glob) if !glob.head().is_empty() && !glob.head().starts_with('-') => {
                return Ok(at);
            }
            Word::Open(_) | Word::Each(_) => return Err(()),
        };
        if text == "--" {
            return Ok(at + 1);
        }
        // `env -` is `env -i`.
        if text == "-" && spec.sets {
            at += 1;
            continue;
        }
        if !text.starts_with('-') || text == "-" {
            return Ok(at);
        }
        at += 1;
        if let Some(long) = text.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, _)) => (name, true),
                None => (long, false),
            };
            if spec.long_values.contains(&name) {
                at += usize::from(!value);
            } else if !spec.long_flags.contains(&name) {
                return Err(());
            }
        } else {
            let mut letters = text[1..].chars();
            while let Some(letter) = letters.next() {
                if spec.values.contains(letter) {
                    at += usize::from(letters.as_str().is_empty());
                    break;
                }
                if !spec.flags.contains(letter) {
                    return Err(());
                }
            }
        }
        // The value of an option is one word.
        let value = words.get(at.saturating_sub(1));
        if value.is_some_and(|value| !value.is_one()) {
            return Err(());
        }
    }
    Ok(at)
}

/// Programs that run what stands in their words, and how is not followed here: any word may begin a command.
const RUN_OTHERS: &[&str] = &[
    "arch",
    "bwrap",
    "caffeinate",
    "catchsegv",
    "chronic",
    "chroot",
    "chrt",
    "cpulimit",
    "dbus-run-session",
    "direnv",
    "distrobox",
    "dotenv",
    "dotenvx",
    "entr",
    "expect",
    "fakeroot",
    "faketime",
    "firejail",
    "flatpak-spawn",
    "flock",
    "gdb",
    "hyperfine",
    "lldb",
    "ltrace",
    "mise",
    "nix-shell",
    "npx",
    "nsenter",
    "numactl",
    "parallel",
    "perf",
    "pipx",
    "pnpx",
    "prlimit",
    "proot",
    "proxychains",
    "proxychains4",
    "repeat",
    "rr",
    "run0",
    "runcon",
    "rush",
    "script",
    "setarch",
    "setpriv",
    "socat",
    "start-stop-daemon",
    "strace",
    "systemd-run",
    "tasksel",
    "taskset",
    "timelimit",
    "torsocks",
    "torify",
    "trickle",
    "tsocks",
    "unbuffer",
    "unshare",
    "uvx",
    "valgrind",
    "wine",
    "xvfb-run",
    "yes",
];

/// Programs that do so after one of these words.
const RUN_OTHERS_AFTER: &[(&str, &[&str])] = &[
    ("asdf", &["exec"]),
    ("bun", &["x"]),
    ("bundle", &["exec"]),
    ("conda", &["run"]),
    ("corepack", &["pnpm", "yarn", "npm"]),
    ("devbox", &["run"]),
    ("go", &["run"]),
    ("hatch", &["run"]),
    ("mamba", &["run"]),
    ("nix", &["develop", "run", "shell"]),
    ("npm", &["exec", "x"]),
    ("op", &["run"]),
    ("pdm", &["run"]),
    ("pipenv", &["run"]),
    ("pnpm", &["dlx", "exec"]),
    ("poetry", &["run"]),
    ("rbenv", &["exec"]),
    ("rustup", &["run"]),
    ("uv", &["run", "tool"]),
    ("yarn", &["dlx", "exec"]),
];

pub(super) fn runs_others(name: &str, words: &[Word]) -> bool {
    if RUN_OTHERS.contains(&name) {
        return true;
    }
    let Some((_, after)) = RUN_OTHERS_AFTER.iter().find(|(known, _)| *known == name) else {
        return false;
    };
    let early = &words[1..words.len().min(6)];
    after
        .iter()
        .any(|word| early.iter().any(|w| w.may_be(word)))
        && !early.is_empty()
        || !all_known(early)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        text.split(' ').map(|w| Word::Known(w.to_owned())).collect()
    }

    #[test]
    fn operands_begin_behind_options_and_their_values() {
        for (name, line, expected) in [
            ("timeout", "timeout -k 5 10 cmd", Ok(3)),
            ("timeout", "timeout -k5 10 cmd", Ok(2)),
            ("timeout", "timeout --signal=KILL 10 cmd", Ok(2)),
            ("timeout", "timeout --signal KILL 10 cmd", Ok(3)),
            ("timeout", "timeout --sig KILL 10 cmd", Err(())),
            ("nice", "nice -10 cmd", Ok(2)),
            ("nice", "nice -n 10 cmd", Ok(3)),
            ("nohup", "nohup cmd -x", Ok(1)),
            ("nohup", "nohup -- cmd", Ok(2)),
            ("stdbuf", "stdbuf -oL -eL cmd", Ok(3)),
            ("sudo", "sudo -nu ada cmd", Ok(3)),
        ] {
            let spec = spec(name).unwrap();
            assert_eq!(operands(&words(line), 1, spec), expected, "{line}");
        }
    }
}
