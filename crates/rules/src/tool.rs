//! Options that stand before a subcommand: which take a value, and which change nothing about what runs.

use crate::word::Word;

/// How many words an option takes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arity {
    None,
    One,
    Unknown,
}

/// What is known of a program's options before its subcommand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    flags: &'static [&'static str],
    values: &'static [&'static str],
    /// Of both, those that a rule that allows passes over.
    harmless: &'static [&'static str],
    /// Each of its operands is a subcommand: `mvn clean deploy`.
    pub(crate) goals: bool,
    /// A word that begins with `+` may stand before the subcommand: the toolchain of `cargo`.
    pub(crate) plus: bool,
}

const UNKNOWN: Tool = Tool {
    flags: &[],
    values: &[],
    harmless: &[],
    goals: false,
    plus: false,
};

const GOALS: Tool = Tool {
    goals: true,
    ..UNKNOWN
};

/// All of them change nothing about what runs.
const CARGO_FLAGS: &[&str] = &[
    "-v",
    "-vv",
    "--verbose",
    "-q",
    "--quiet",
    "--locked",
    "--offline",
    "--frozen",
];

/// From the manuals of each.
const TOOLS: &[(&str, Tool)] = &[
    (
        "git",
        Tool {
            flags: &[
                "-p",
                "--paginate",
                "-P",
                "--no-pager",
                "--no-replace-objects",
                "--no-lazy-fetch",
                "--no-optional-locks",
                "--no-advice",
                "--bare",
                "--literal-pathspecs",
                "--glob-pathspecs",
                "--noglob-pathspecs",
                "--icase-pathspecs",
                "--html-path",
                "--man-path",
                "--info-path",
            ],
            values: &[
                "-C",
                "-c",
                "--git-dir",
                "--work-tree",
                "--namespace",
                "--super-prefix",
                "--config-env",
                "--attr-source",
                "--list-cmds",
            ],
            harmless: &[
                "-P",
                "--no-pager",
                "--no-optional-locks",
                "--no-advice",
                "--literal-pathspecs",
                "-C",
            ],
            ..UNKNOWN
        },
    ),
    (
        "docker",
        Tool {
            flags: &["-D", "--debug", "--tls", "--tlsverify"],
            values: &[
                "-c",
                "--context",
                "--config",
                "-H",
                "--host",
                "-l",
                "--log-level",
                "--tlscacert",
                "--tlscert",
                "--tlskey",
                "-f",
                "--file",
                "-p",
                "--project-name",
                "--profile",
                "--env-file",
                "--project-directory",
            ],
            harmless: &[],
            ..UNKNOWN
        },
    ),
    (
        "kubectl",
        Tool {
            flags: &[
                "--insecure-skip-tls-verify",
                "--match-server-version",
                "--warnings-as-errors",
            ],
            values: &[
                "-n",
                "--namespace",
                "--context",
                "--cluster",
                "--kubeconfig",
                "--user",
                "-s",
                "--server",
                "--as",
                "--as-group",
                "--as-uid",
                "--token",
                "--request-timeout",
                "--cache-dir",
                "--certificate-authority",
                "--client-certificate",
                "--client-key",
                "-v",
                "--v",
            ],
            harmless: &[],
            ..UNKNOWN
        },
    ),
    (
        "npm",
        Tool {
            flags: &[
                "-s",
                "--silent",
                "-g",
                "--global",
                "-q",
                "--quiet",
                "-d",
                "--verbose",
                "-y",
                "--yes",
            ],
            values: &[
                "--prefix",
                "-C",
                "-w",
                "--workspace",
                "--registry",
                "--loglevel",
                "--access",
                "--tag",
                "--otp",
            ],
            harmless: &["-s", "--silent", "-q", "--quiet"],
            ..UNKNOWN
        },
    ),
    (
        "pnpm",
        Tool {
            flags: &[
                "-r",
                "--recursive",
                "-w",
                "--workspace-root",
                "-s",
                "--silent",
            ],
            values: &["-C", "--dir", "-F", "--filter", "--registry", "--reporter"],
            harmless: &["-s", "--silent", "-r", "--recursive"],
            ..UNKNOWN
        },
    ),
    (
        "yarn",
        Tool {
            flags: &["-s", "--silent"],
            values: &["--cwd", "--registry"],
            harmless: &["-s", "--silent"],
            ..UNKNOWN
        },
    ),
    (
        "cargo",
        Tool {
            flags: CARGO_FLAGS,
            values: &["--color", "-C", "--config", "-Z", "--explain"],
            harmless: CARGO_FLAGS,
            plus: true,
            ..UNKNOWN
        },
    ),
    (
        "gh",
        Tool {
            flags: &[],
            values: &["-R", "--repo", "--hostname"],
            harmless: &[],
            ..UNKNOWN
        },
    ),
    (
        "aws",
        Tool {
            flags: &[
                "--debug",
                "--no-verify-ssl",
                "--no-paginate",
                "--no-sign-request",
                "--no-cli-pager",
            ],
            values: &[
                "--profile",
                "--region",
                "--endpoint-url",
                "--output",
                "--query",
                "--ca-bundle",
                "--cli-read-timeout",
                "--cli-connect-timeout",
                "--color",
            ],
            harmless: &[],
            ..UNKNOWN
        },
    ),
    (
        "gcloud",
        Tool {
            flags: &["-q", "--quiet"],
            values: &[
                "--project",
                "--account",
                "--configuration",
                "--format",
                "--verbosity",
            ],
            harmless: &[],
            ..UNKNOWN
        },
    ),
    ("terraform", UNKNOWN),
    ("ant", GOALS),
    (
        "gradle",
        Tool {
            flags: &[
                "-q",
                "--quiet",
                "-i",
                "--info",
                "-s",
                "--stacktrace",
                "--no-daemon",
            ],
            values: &[
                "-b",
                "--build-file",
                "-p",
                "--project-dir",
                "-x",
                "--exclude-task",
                "-g",
                "-I",
                "-c",
            ],
            goals: true,
            ..UNKNOWN
        },
    ),
    ("make", GOALS),
    (
        "mvn",
        Tool {
            flags: &[
                "-B",
                "--batch-mode",
                "-q",
                "--quiet",
                "-o",
                "--offline",
                "-U",
                "-e",
                "-X",
            ],
            values: &[
                "-f",
                "--file",
                "-pl",
                "--projects",
                "-P",
                "-s",
                "--settings",
                "-T",
                "-rf",
                "-D",
            ],
            goals: true,
            ..UNKNOWN
        },
    ),
    ("rake", GOALS),
    ("sbt", GOALS),
    (
        "helm",
        Tool {
            flags: &["--debug"],
            values: &["-n", "--namespace", "--kube-context", "--kubeconfig"],
            harmless: &[],
            ..UNKNOWN
        },
    ),
    (
        "go",
        Tool {
            flags: &[],
            values: &["-C"],
            harmless: &["-C"],
            ..UNKNOWN
        },
    ),
];

impl Tool {
    pub(crate) const fn unknown() -> Self {
        UNKNOWN
    }

    pub(crate) fn of(name: &str) -> Self {
        // The same language under another name.
        let name = match name {
            "podman" | "nerdctl" | "docker-compose" | "podman-compose" => "docker",
            "oc" | "k" => "kubectl",
            "tofu" => "terraform",
            "gmake" => "make",
            "gradlew" => "gradle",
            "mvnw" | "mvnd" => "mvn",
            other => other,
        };
        TOOLS
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(UNKNOWN, |(_, tool)| *tool)
    }

    /// How many words an option takes. What is known holds before the subcommand.
    pub(crate) fn arity(&self, option: &str, before_subcommand: bool) -> Arity {
        if option == "--" {
            return Arity::None;
        }
        if option.contains('=') {
            return Arity::None;
        }
        if self.flags.contains(&option) {
            return Arity::None;
        }
        if self.values.contains(&option) {
            return Arity::One;
        }
        // `-nprod`, `-C/dir`: the value is attached.
        let attached = option.len() > 2
            && !option.starts_with("--")
            && self
                .values
                .iter()
                .any(|value| value.len() == 2 && option.starts_with(value));
        if attached && before_subcommand {
            return Arity::None;
        }
        Arity::Unknown
    }

    /// The words behind options that change nothing about what runs.
    pub(crate) fn without_harmless<'w>(&self, words: &'w [Word]) -> &'w [Word] {
        let mut rest = words;
        while let Some(option) = rest.first().and_then(Word::known) {
            if !self.harmless.contains(&option) {
                break;
            }
            let takes = if self.values.contains(&option) { 2 } else { 1 };
            match rest.get(takes..) {
                Some(after) if rest[..takes].iter().all(Word::is_one) => rest = after,
                _ => break,
            }
        }
        rest
    }
}
