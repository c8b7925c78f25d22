//! Programs that run what stands in their words, and how is not followed here.

use super::Inside;
use crate::read::{Why, crude};
use crate::word::Word;

/// How their words become commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Any word may begin one.
    Words,
    /// The same, and each word is a text that a shell may read.
    Texts,
    /// The same, and each word is a text of another language, in which a command may stand anywhere.
    Foreign,
}
use How::{Foreign, Texts, Words};

/// From their manuals.
const ALWAYS: &[(&str, How)] = &[
    ("abduco", Words),
    ("appimage-run", Words),
    ("arch", Words),
    ("aws-vault", Words),
    ("bunx", Words),
    ("bwrap", Words),
    ("caffeinate", Words),
    ("catatonit", Words),
    ("catchsegv", Words),
    ("chamber", Words),
    ("chpst", Words),
    ("chronic", Words),
    ("chroot", Words),
    ("chrt", Words),
    ("concurrently", Texts),
    ("corepack", Words),
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
    ("dumb-init", Words),
    ("entr", Texts),
    ("env-cmd", Words),
    ("envchain", Words),
    ("envdir", Words),
    ("execlineb", Texts),
    ("expect", Foreign),
    ("fakechroot", Words),
    ("fakeroot", Words),
    ("faketime", Words),
    ("firejail", Words),
    ("flatpak-spawn", Words),
    ("flock", Texts),
    ("gdb", Foreign),
    ("gosu", Words),
    ("hyperfine", Texts),
    ("i386", Words),
    ("ifne", Words),
    ("keychain", Words),
    ("lckdo", Words),
    ("linux32", Words),
    ("linux64", Words),
    ("lldb", Foreign),
    ("ltrace", Words),
    ("mise", Words),
    ("nix-shell", Texts),
    ("nodemon", Texts),
    ("npx", Words),
    ("nq", Words),
    ("nsenter", Words),
    ("numactl", Words),
    ("pee", Texts),
    ("perf", Words),
    ("pipx", Words),
    ("pnpx", Words),
    ("prlimit", Words),
    ("proot", Words),
    ("proxychains", Words),
    ("proxychains4", Words),
    ("pueue", Texts),
    ("reflex", Words),
    ("repeat", Words),
    ("rr", Words),
    ("rtx", Words),
    ("run0", Words),
    ("runcon", Words),
    ("runuser", Texts),
    ("s6-envdir", Words),
    ("s6-setlock", Words),
    ("s6-setsid", Words),
    ("s6-setuidgid", Words),
    ("s6-softlimit", Words),
    ("screen", Foreign),
    ("script", Texts),
    ("setarch", Words),
    ("setlock", Words),
    ("setpriv", Words),
    ("setuidgid", Words),
    ("sg", Texts),
    ("socat", Foreign),
    ("softlimit", Words),
    ("sops", Texts),
    ("ssh-agent", Words),
    ("start-stop-daemon", Words),
    ("steam-run", Words),
    ("strace", Words),
    ("su", Texts),
    ("su-exec", Words),
    ("systemd-inhibit", Words),
    ("systemd-run", Words),
    ("tasksel", Words),
    ("taskset", Words),
    ("teller", Words),
    ("timelimit", Words),
    ("tini", Words),
    ("tmux", Foreign),
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
    ("wsl", Texts),
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
    "setlock",
    "setuidgid",
    "su-exec",
    "taskset",
];

/// Programs that do so after one of these words, wherever it stands: what is before it may be options and their values.
const AFTER: &[(&str, &[&str])] = &[
    ("asdf", &["exec"]),
    ("bun", &["run", "x"]),
    ("buildah", &["unshare"]),
    ("bundle", &["exec"]),
    ("cargo", &["watch"]),
    ("conda", &["run"]),
    ("devbox", &["run"]),
    ("devenv", &["shell"]),
    ("fnm", &["exec"]),
    ("foreman", &["run"]),
    ("forego", &["run"]),
    ("go", &["run"]),
    ("goenv", &["exec"]),
    ("guix", &["environment", "shell"]),
    ("hatch", &["run"]),
    ("honcho", &["run"]),
    ("ip", &["exec"]),
    ("jenv", &["exec"]),
    ("lerna", &["exec"]),
    ("mamba", &["run"]),
    ("micromamba", &["run"]),
    ("n", &["exec", "run", "x"]),
    ("nix", &["develop", "run", "shell"]),
    ("nodenv", &["exec"]),
    ("npm", &["exec", "x"]),
    ("nvm", &["exec", "run"]),
    ("op", &["run"]),
    ("pdm", &["run"]),
    ("pipenv", &["run"]),
    ("pixi", &["exec", "run"]),
    ("pnpm", &["dlx", "exec"]),
    ("podman", &["unshare"]),
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
            texts: *how != Words,
        }];
        if *how == Foreign {
            inside.extend(
                words
                    .iter()
                    .skip(1)
                    .filter_map(Word::known)
                    .flat_map(anywhere),
            );
        }
        if name == "npx" {
            inside.extend(called(words));
        }
        return inside;
    }
    if name == "pnpm" {
        let fallen = not_of_pnpm(words);
        if !fallen.is_empty() {
            return fallen;
        }
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
    // `nix run nixpkgs#git -- push`.
    if name == "nix"
        && let Some((installable, rest)) = words.get(at + 2..).and_then(<[Word]>::split_first)
        && let Some((_, program)) = installable.known().and_then(|text| text.split_once('#'))
    {
        let rest = rest.iter().filter(|word| word.known() != Some("--"));
        let program = Word::Known(program.to_owned());
        inside.push(Inside::Alike(
            std::iter::once(&program).chain(rest).cloned().collect(),
        ));
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

/// The commands of pnpm itself (pnpm.io/pnpm-cli): what is none of them is a script, or `pnpm exec` of it.
const OF_PNPM: &str = "a add approve-builds audit bin c cache cat-file cat-index ci clean-install config create dedupe deploy deprecate dist-tag dlx doctor env exec fetch \
    find-hash get help i ic ignored-builds import init install install-clean install-test it la licenses link list ll ln login logout ls m multi outdated pack \
    patch patch-commit patch-remove ping prune publish rb rebuild recursive remove restart rm root run run-script runtime search self-update server set setup \
    start stop store t test tst un uni uninstall unlink unpublish up update upgrade version view whoami why";

/// `pnpm git push`.
fn not_of_pnpm(words: &[Word]) -> Vec<Inside> {
    let mut fallen = Vec::new();
    let mut behind_option = false;
    for at in 1..words.len() {
        let is_option = words[at].is_option() == Some(true);
        if !is_option {
            let known = |text: &str| OF_PNPM.split_whitespace().any(|own| own == text);
            if words[at].known().is_some_and(known) {
                return Vec::new();
            }
            fallen.push(Inside::Alike(words[at..].to_vec()));
            // What stands behind an option may be its value.
            if !behind_option || fallen.len() == MOST_STARTS {
                break;
            }
        }
        behind_option = is_option;
    }
    fallen
}

/// The most words of a text of another language that are looked at.
const MOST_STARTS: usize = 64;

/// What a text of another language may run: it is not read, a command may begin with any of its words.
fn anywhere(text: &str) -> Vec<Inside> {
    if !text.contains([' ', '\t', '\n']) {
        return Vec::new();
    }
    let mut inside = Vec::new();
    // Keys that are typed end with one.
    for piece in crude(&text.replace("\\n", "\n")) {
        for at in 0..piece.words.len() {
            if inside.len() == MOST_STARTS {
                inside.push(Inside::Unknown(Why::Size));
                return inside;
            }
            inside.push(Inside::Alike(piece.words[at..].to_vec()));
        }
    }
    inside
}

/// The most words of `parallel` with which its command may begin.
const MOST_OF_PARALLEL: usize = 16;

/// `parallel CMD ::: WORD …`: the command is a text that a shell reads, with the words at its end or in their place.
pub(super) fn parallel(words: &[Word]) -> Vec<Inside> {
    let is_list = |word: &Word| word.known().is_some_and(|text| text.starts_with(":::"));
    let end = words.iter().position(is_list).unwrap_or(words.len());
    let mut inside = vec![Inside::Among {
        from: 1,
        own: 0,
        texts: true,
    }];
    let asks = ["--version", "--help", "--citation", "-h", "-V"];
    let operand = |word: &Word| match word.known() {
        Some(text) => !text.starts_with('-') || asks.contains(&text),
        None => true,
    };
    if !words[1..end].iter().any(operand) {
        // It reads its commands.
        inside.push(Inside::Unknown(Why::Made));
    }
    // Its options are many: the command begins somewhere among the first words, or they are all options.
    let filled = |word: &Word| match word {
        Word::Known(text) if text.contains('{') => Word::many(),
        other => other.clone(),
    };
    let mut named = false;
    let mut starts = 0;
    for at in 1..end {
        let is_known = filled(&words[at]).known().is_some();
        // What is not known is an argument behind a word that is.
        if words[at].is_option() == Some(true) || !is_known && named {
            continue;
        }
        starts += 1;
        if starts > MOST_OF_PARALLEL {
            inside.push(Inside::Unknown(Why::Size));
            break;
        }
        // Any words follow anyway.
        let given = words[at..end].iter().take(MOST_STARTS).map(filled);
        inside.push(Inside::Alike(given.chain([Word::many()]).collect()));
        named |= is_known;
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

/// `rg --pre CMD`, which is given paths, and `--hostname-bin CMD`.
pub(super) fn rg(words: &[Word]) -> Vec<Inside> {
    let mut inside = Vec::new();
    for (at, word) in words.iter().enumerate().skip(1) {
        let program = match word {
            Word::Known(text) if text == "--" => break,
            Word::Known(text) if text == "--pre" || text == "--hostname-bin" => {
                words.get(at + 1).cloned()
            }
            Word::Known(text) => text
                .strip_prefix("--pre=")
                .or_else(|| text.strip_prefix("--hostname-bin="))
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
