//! The options of commands that run commands, as their manuals have them.

use crate::word::Word;

/// Which options a command has before its operands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    /// Letters without a value.
    flags: &'static str,
    /// Letters with a value.
    values: &'static str,
    /// Letters whose value, if there is one, is attached.
    optional: &'static str,
    long_flags: &'static [&'static str],
    long_values: &'static [&'static str],
    /// Long ones whose value, if there is one, stands behind `=`.
    long_optional: &'static [&'static str],
    /// Operands of its own before the command.
    pub(super) operands: usize,
    /// `NAME=value` may stand before the command.
    pub(super) sets: bool,
    /// A word of the grammar to bash: `!` may stand before the command.
    pub(super) before_not: bool,
    /// A lone dash is an option.
    dash: bool,
}

const NONE: Spec = Spec {
    flags: "",
    values: "",
    optional: "",
    long_flags: &[],
    long_values: &[],
    long_optional: &[],
    operands: 0,
    sets: false,
    before_not: false,
    dash: false,
};

pub(super) const ENV: Spec = Spec {
    flags: "i0v",
    values: "uCa",
    long_flags: &[
        "ignore-environment",
        "null",
        "debug",
        "list-signal-handling",
    ],
    long_values: &["unset", "chdir", "argv0"],
    long_optional: &["block-signal", "default-signal", "ignore-signal"],
    sets: true,
    dash: true,
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
    optional: "eil",
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
        "max-procs",
        "process-slot-var",
    ],
    long_optional: &["eof", "max-lines", "replace"],
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
        "time",
        Spec {
            flags: "pav",
            values: "fo",
            long_flags: &["portability", "append", "verbose"],
            long_values: &["format", "output"],
            sets: true,
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
            long_optional: &["preserve-env"],
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

/// An option, without its dashes, and its value.
pub(super) struct Given<'w> {
    pub(super) name: &'w str,
    pub(super) value: Option<&'w str>,
}

/// Where the operands begin; an error where that cannot be told.
pub(super) fn operands(words: &[Word], from: usize, spec: &Spec) -> Result<usize, ()> {
    each_option(words, from, spec, |_| {})
}

/// The same, and every option on the way. A value that is not known is none.
pub(super) fn each_option<'w>(
    words: &'w [Word],
    from: usize,
    spec: &Spec,
    mut see: impl FnMut(Given<'w>),
) -> Result<usize, ()> {
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
        if text == "-" && spec.dash {
            at += 1;
            continue;
        }
        if !text.starts_with('-') || text == "-" {
            return Ok(at);
        }
        at += 1;
        let next = words.get(at).and_then(Word::known);
        if let Some(long) = text.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            if spec.long_values.contains(&name) {
                at += usize::from(value.is_none());
                see(Given {
                    name,
                    value: value.or(next),
                });
            } else if spec.long_optional.contains(&name) || spec.long_flags.contains(&name) {
                see(Given { name, value });
            } else {
                return Err(());
            }
        } else {
            let letters = &text[1..];
            for (index, letter) in letters.char_indices() {
                let behind = index + letter.len_utf8();
                let name = &letters[index..behind];
                let attached = Some(&letters[behind..]).filter(|rest| !rest.is_empty());
                if spec.values.contains(letter) {
                    at += usize::from(attached.is_none());
                    see(Given {
                        name,
                        value: attached.or(next),
                    });
                    break;
                }
                if spec.optional.contains(letter) {
                    see(Given {
                        name,
                        value: attached,
                    });
                    break;
                }
                if !spec.flags.contains(letter) {
                    return Err(());
                }
                see(Given { name, value: None });
            }
        }
        // The value of an option is one word.
        let value = words.get(at.saturating_sub(1));
        if value.is_some_and(|value| !value.is_one()) {
            return Err(());
        }
    }
    // The last option may lack its value.
    Ok(at.min(words.len()))
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
            ("sudo", "sudo --preserve-env cmd", Ok(2)),
            ("time", "time - cmd", Ok(1)),
            ("timeout", "timeout -k", Ok(2)),
            ("nice", "nice --adjustment", Ok(2)),
            ("nice", "nice -né", Ok(2)),
            ("nice", "nice -é", Err(())),
        ] {
            let spec = spec(name).unwrap();
            assert_eq!(operands(&words(line), 1, spec), expected, "{line}");
        }
    }
}
