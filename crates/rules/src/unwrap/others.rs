//! Programs that run what stands in their words, and how is not followed here.

use super::Inside;
use crate::read::Why;
use crate::word::Word;

/// How their words become commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Any word may begin one.
    Words,
    /// The same, and each word is a text that a shell may read.
    Texts,
}
use How::{Texts, Words};

/// From their manuals.
const ALWAYS: &[(&str, How)] = &[
    ("abduco", Words),
    ("arch", Words),
    ("aws-vault", Words),
    ("bwrap", Words),
    ("caffeinate", Words),
    ("catchsegv", Words),
    ("chpst", Words),
    ("chronic", Words),
    ("chroot", Words),
    ("chrt", Words),
    ("concurrently", Texts),
    ("cpulimit", Words),
    ("cross-env", Words),
    ("cross-env-shell", Texts),
    ("daemonize", Words),
    ("dbus-launch", Words),
    ("dbus-run-session", Words),
    ("direnv", Words),
    ("distrobox", Words),
    ("dotenv", Words),
    ("dotenvx", Words),
    ("dtach", Words),
    ("entr", Texts),
    ("env-cmd", Words),
    ("envdir", Words),
    ("expect", Texts),
    ("fakechroot", Words),
    ("fakeroot", Words),
    ("faketime", Words),
    ("firejail", Words),
    ("flatpak-spawn", Words),
    ("flock", Texts),
    ("gdb", Words),
    ("gosu", Words),
    ("hyperfine", Texts),
    ("i386", Words),
    ("ifne", Words),
    ("keychain", Words),
    ("lckdo", Words),
    ("linux32", Words),
    ("linux64", Words),
    ("lldb", Words),
    ("ltrace", Words),
    ("mise", Words),
    ("nix-shell", Texts),
    ("nodemon", Texts),
    ("npx", Words),
    ("nsenter", Words),
    ("numactl", Words),
    ("parallel", Texts),
    ("pee", Texts),
    ("perf", Words),
    ("pipx", Words),
    ("pnpx", Words),
    ("prlimit", Words),
    ("proot", Words),
    ("proxychains", Words),
    ("proxychains4", Words),
    ("reflex", Words),
    ("repeat", Words),
    ("rr", Words),
    ("run0", Words),
    ("runcon", Words),
    ("runuser", Texts),
    ("rush", Texts),
    ("screen", Texts),
    ("script", Texts),
    ("sem", Texts),
    ("setarch", Words),
    ("setlock", Words),
    ("setpriv", Words),
    ("setuidgid", Words),
    ("sg", Texts),
    ("socat", Texts),
    ("softlimit", Words),
    ("ssh-agent", Words),
    ("start-stop-daemon", Words),
    ("strace", Words),
    ("su", Texts),
    ("su-exec", Words),
    ("systemd-inhibit", Words),
    ("systemd-run", Words),
    ("taskset", Words),
    ("tasksel", Words),
    ("timelimit", Words),
    ("tmux", Texts),
    ("torify", Words),
    ("torsocks", Words),
    ("trickle", Words),
    ("ts", Words),
    ("tsocks", Words),
    ("tsp", Words),
    ("unbuffer", Words),
    ("unshare", Words),
    ("uvx", Words),
    ("valgrind", Words),
    ("watchexec", Texts),
    ("wine", Words),
    ("x86_64", Words),
    ("xvfb-run", Words),
    ("yes", Words),
];

/// Of these, those with an operand before the command.
const ONE_OF_ITS_OWN: &[&str] = &[
    "chroot",
    "chrt",
    "envdir",
    "faketime",
    "flock",
    "gosu",
    "lckdo",
    "setarch",
    "setlock",
    "setuidgid",
    "su-exec",
    "taskset",
];

/// Programs that do so after one of these words, wherever it stands: what is before it may be options and their values.
const AFTER: &[(&str, &[&str])] = &[
    ("asdf", &["exec"]),
    ("bun", &["x"]),
    ("bundle", &["exec"]),
    ("cargo", &["watch"]),
    ("conda", &["run"]),
    ("corepack", &["pnpm", "yarn", "npm"]),
    ("devbox", &["run"]),
    ("go", &["run"]),
    ("guix", &["environment", "shell"]),
    ("hatch", &["run"]),
    ("ip", &["exec"]),
    ("mamba", &["run"]),
    ("micromamba", &["run"]),
    ("nix", &["develop", "run", "shell"]),
    ("nodenv", &["exec"]),
    ("npm", &["exec", "x"]),
    ("nvm", &["exec", "run"]),
    ("op", &["run"]),
    ("pdm", &["run"]),
    ("pipenv", &["run"]),
    ("pixi", &["exec", "run"]),
    ("pnpm", &["dlx", "exec"]),
    ("poetry", &["run"]),
    ("pyenv", &["exec"]),
    ("rbenv", &["exec"]),
    ("rustup", &["run"]),
    ("rye", &["run"]),
    ("tox", &["exec"]),
    ("uv", &["run", "tool"]),
    ("volta", &["run"]),
    ("xdotool", &["exec"]),
    ("yarn", &["dlx", "exec"]),
];

/// What one of them may run.
pub(super) fn others(name: &str, words: &[Word]) -> Vec<Inside> {
    // The loader of the system: `/lib64/ld-linux-x86-64.so.2 PROGRAM`.
    if name.starts_with("ld-linux") || name.starts_with("ld-musl") || name == "ld.so" {
        return vec![Inside::among(1)];
    }
    if let Some((_, how)) = ALWAYS.iter().find(|(known, _)| *known == name) {
        let mut inside = vec![Inside::Among {
            from: 1,
            own: usize::from(ONE_OF_ITS_OWN.contains(&name)),
            texts: *how == Texts,
        }];
        if name == "npx" {
            inside.extend(called(words));
        }
        return inside;
    }
    let Some((_, after)) = AFTER.iter().find(|(known, _)| *known == name) else {
        return Vec::new();
    };
    let is = |word: &Word| after.iter().any(|after| word.may_be(after));
    let Some(at) = words.iter().skip(1).position(is) else {
        return Vec::new();
    };
    let mut inside = vec![Inside::among(at + 2)];
    if name == "npm" {
        inside.extend(called(words));
    }
    if name == "cargo" {
        // `-x` is one of cargo's own, `-s` a text.
        for pair in words.windows(2) {
            if let [Word::Known(option), Word::Known(text)] = pair
                && matches!(option.as_str(), "-x" | "--exec")
            {
                inside.push(Inside::beside(at + 2, &format!("cargo {text}"), Why::Made));
            }
        }
    }
    inside
}

/// `npx -c TEXT`.
fn called(words: &[Word]) -> Vec<Inside> {
    let mut inside = Vec::new();
    for (at, word) in words.iter().enumerate().skip(1) {
        match word.known() {
            Some("-c" | "--call") => match words.get(at + 1) {
                Some(Word::Known(text)) => inside.push(Inside::beside(at + 1, text, Why::Made)),
                Some(_) => inside.push(Inside::Unknown(Why::Made)),
                None => {}
            },
            Some(option) => {
                if let Some(text) = option.strip_prefix("--call=") {
                    inside.push(Inside::beside(at, text, Why::Made));
                }
            }
            None => {}
        }
    }
    inside
}

/// `rg --pre CMD`, which is given paths.
pub(super) fn rg(words: &[Word]) -> Vec<Inside> {
    let mut inside = Vec::new();
    for (at, word) in words.iter().enumerate().skip(1) {
        let program = match word {
            Word::Known(text) if text == "--" => break,
            Word::Known(text) if text == "--pre" => words.get(at + 1).cloned(),
            Word::Known(text) => text
                .strip_prefix("--pre=")
                .map(|text| Word::Known(text.to_owned())),
            Word::Open(_) | Word::Each(_) => None,
        };
        if let Some(program) = program {
            inside.push(Inside::Alike(vec![program, Word::many()]));
        }
    }
    inside
}

/// `python -m MODULE …`, which is the program of that name.
pub(super) fn python(words: &[Word]) -> Option<Inside> {
    let mut at = 1;
    while let Some(Word::Known(option)) = words.get(at) {
        let letters = option.strip_prefix('-')?;
        if let Some(long) = letters.strip_prefix('-') {
            at += if long == "check-hash-based-pycs" {
                2
            } else {
                1
            };
            continue;
        }
        at += 1;
        let Some(with_value) = letters.find(['m', 'c', 'W', 'X', 'Q']) else {
            continue;
        };
        let value = &letters[with_value + 1..];
        match (&letters[with_value..=with_value], value.is_empty()) {
            ("m", false) => {
                let module = Word::Known(value.to_owned());
                let rest = words.get(at..).unwrap_or_default();
                return Some(Inside::Alike([&[module], rest].concat()));
            }
            ("m", true) => return Some(Inside::Alike(words.get(at..)?.to_vec())),
            ("c", _) => return None,
            (_, true) => at += 1,
            (_, false) => {}
        }
    }
    None
}
