//! What git itself runs for some of its commands, or because of a setting on its command line.

use super::Inside;
use crate::names::{self, Setting};
use crate::read::Why;
use crate::word::Word;

/// The commands of git whose options run something.
const FILTERS: &[&str] = &[
    "--setup",
    "--env-filter",
    "--tree-filter",
    "--index-filter",
    "--parent-filter",
    "--msg-filter",
    "--commit-filter",
    "--tag-name-filter",
];

pub(super) fn git(words: &[Word]) -> Vec<Inside> {
    let mut inside = Vec::new();
    let texts: Vec<Option<&str>> = words.iter().map(Word::known).collect();
    let subcommand = subcommand(&texts);
    let named = |name: &str| texts.iter().flatten().any(|text| *text == name);
    for (at, text) in texts.iter().enumerate().skip(1) {
        let next = texts.get(at + 1).copied();
        let Some(text) = *text else {
            // `"--exec=$x"`, `"-cfoo=$x"`: something is run, and what is not known.
            if let Word::Open(glob) = &words[at]
                && (runs_value(glob.head().split('=').next().unwrap_or_default())
                    && glob.head().contains('='))
            {
                inside.push(Inside::Unknown(Why::Made));
            }
            continue;
        };
        // Of the next word as it stands.
        let next_as_text = |inside: &mut Vec<Inside>| match next {
            Some(Some(next)) => inside.push(Inside::beside(at + 1, next, Why::Names)),
            Some(None) => inside.push(Inside::Unknown(Why::Made)),
            None => {}
        };
        let (option, value) = match text.split_once('=') {
            Some((option, value)) if text.starts_with("--") => (option, Some(value)),
            _ => (text, None),
        };
        match (option, value) {
            (option, None) if option == "-c" || is_short_for(option, "--config") => {
                match (next, words.get(at + 1)) {
                    (Some(Some(setting)), _) => inside.extend(configured(at + 1, setting)),
                    (Some(None), Some(Word::Open(glob))) => match glob.head().split_once('=') {
                        Some(_) => inside.extend(open_setting(glob.head())),
                        None => inside.push(Inside::Unknown(Why::Made)),
                    },
                    _ => {}
                }
            }
            (option, Some(setting)) if is_short_for(option, "--config") => {
                inside.extend(configured(at, setting));
            }
            ("--config-env", _) => {
                let setting = value.or(next.flatten()).unwrap_or_default();
                inside.extend(open_setting(setting));
            }
            (option, Some(value)) if runs_value(option) => {
                inside.push(Inside::beside(at, value, Why::Names));
            }
            (option, None) if runs_value(option) || FILTERS.contains(&option) => {
                next_as_text(&mut inside);
            }
            (option, Some(value)) if is_short_for(option, "--open-files-in-pager") => {
                inside.push(Inside::beside(at, value, Why::Names));
            }
            // Hooks of a repository that is made.
            ("--template", value) if (named("clone") || named("init")) && value != Some("") => {
                inside.push(Inside::Unknown(Why::Made));
            }
            ("foreach" | "run", None) => inside.push(Inside::Among {
                from: at + 1,
                own: 0,
                texts: true,
            }),
            _ => {}
        }
        if let Some(setting) = text.strip_prefix("-c").filter(|rest| rest.contains('=')) {
            inside.extend(configured(at, setting));
        }
        // `-x CMD`, `-xCMD`, `-ix CMD`.
        let letters = text.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
        for (command, letter) in [
            ("rebase", 'x'),
            ("difftool", 'x'),
            ("grep", 'O'),
            ("clone", 'u'),
        ] {
            if let Some((_, attached)) = letters.and_then(|letters| letters.split_once(letter))
                && named(command)
            {
                if !attached.is_empty() {
                    inside.push(Inside::beside(at, attached, Why::Names));
                } else if letter != 'O' {
                    next_as_text(&mut inside);
                }
            }
        }
        // A transport that is a command.
        if let Some(command) = text.strip_prefix("ext::") {
            inside.push(Inside::beside(at, command, Why::Names));
        }
    }
    match subcommand.and_then(|at| Some((at, texts.get(at).copied().flatten()?))) {
        // A setting that is kept, and counts for what comes after it.
        Some((at, "config")) => {
            let open_key = |word: &Word| match word {
                Word::Open(glob) => names::setting(glob.head()) != Setting::Harmless,
                _ => false,
            };
            if words.iter().skip(at + 1).any(open_key) {
                inside.push(Inside::Unknown(Why::Made));
            }
            for (index, pair) in texts.windows(2).enumerate().skip(at + 1) {
                let [Some(key), value] = pair else { continue };
                match (names::setting(key), value) {
                    (Setting::Harmless | Setting::File, _) => {}
                    (_, Some(value)) => {
                        inside.extend(configured(index + 1, &format!("{key}={value}")));
                    }
                    (_, None) => inside.push(Inside::Unknown(Why::Made)),
                }
            }
        }
        // `git for-each-repo --config=x push`.
        Some((at, "for-each-repo")) => {
            let git = [Word::Known("git".to_owned())];
            for from in at + 1..words.len().min(at + 8) {
                inside.push(Inside::Alike([&git, &words[from..]].concat()));
            }
        }
        _ => {}
    }
    inside
}

/// Where the subcommand stands, options of git's own passed over.
fn subcommand(texts: &[Option<&str>]) -> Option<usize> {
    let mut at = 1;
    while let Some(text) = texts.get(at)? {
        match *text {
            "-C" | "-c" | "--git-dir" | "--work-tree" | "--namespace" | "--config-env"
            | "--super-prefix" | "--attr-source" | "--list-cmds" => at += 2,
            option if option.starts_with('-') => at += 1,
            _ => return Some(at),
        }
    }
    None
}

/// Whether git takes an option for this one: cut short, as long as it is clear.
fn is_short_for(option: &str, long: &str) -> bool {
    option.len() > 3 && long.starts_with(option)
}

/// Options whose value is a command.
fn runs_value(option: &str) -> bool {
    ["--exec", "--extcmd", "--upload-pack", "--receive-pack"]
        .iter()
        .any(|long| is_short_for(option, long))
}

/// What a setting runs: `KEY=VALUE`.
fn configured(at: usize, setting: &str) -> Option<Inside> {
    let (key, value) = setting.split_once('=')?;
    match names::setting(key) {
        Setting::Harmless => None,
        // With `!` it is a command of its own, without one of git's.
        Setting::Alias => Some(match value.strip_prefix('!') {
            Some(command) => Inside::beside(at, command, Why::Names),
            None => Inside::beside(at, &format!("git {value}"), Why::Names),
        }),
        Setting::Command => Some(Inside::beside(
            at,
            value.trim_start_matches('!'),
            Why::Names,
        )),
        Setting::File if value.is_empty() || value == "/dev/null" || value == "never" => None,
        Setting::File => Some(Inside::Unknown(Why::Made)),
    }
}

/// The same where the value is not known.
fn open_setting(setting: &str) -> Option<Inside> {
    let (key, _) = setting.split_once('=')?;
    (names::setting(key) != Setting::Harmless).then_some(Inside::Unknown(Why::Made))
}
