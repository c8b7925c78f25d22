//! Git's configuration files, as git reads them (`git-config(1)`).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::small;
use super::variables::runs_by_itself;

/// Configuration files read for one repository at most.
const MOST: usize = 64;

/// Variables of the environment by which git runs a program (`git(1)`).
const PROGRAMS: [&str; 12] = [
    "GIT_EXTERNAL_DIFF",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_EDITOR",
    "GIT_SEQUENCE_EDITOR",
    "GIT_PAGER",
    "GIT_ASKPASS",
    "GIT_PROXY_COMMAND",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "SSH_ASKPASS",
];

/// One variable of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Section, in lower case.
    pub(crate) section: String,
    /// Subsection, as it is written.
    pub(crate) subsection: Option<String>,
    /// Name, in lower case.
    pub(crate) key: String,
    /// Value; `None` for a name alone, which means true.
    pub(crate) value: Option<String>,
}

impl Entry {
    pub(super) fn is(&self, section: &str, key: &str) -> bool {
        self.subsection.is_none() && self.section == section && self.key == key
    }

    /// The whole name, as `git config` takes it.
    pub(crate) fn name(&self) -> String {
        match &self.subsection {
            Some(sub) => format!("{}.{sub}.{}", self.section, self.key),
            None => format!("{}.{}", self.section, self.key),
        }
    }
}

/// Reads a configuration. Where git would give up on a line, it is read on: what is said
/// below may count by the time git reads it.
pub(crate) fn parse(text: &str) -> Vec<Entry> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut chars = Chars(text.chars().peekable());
    let mut entries = Vec::new();
    let (mut section, mut subsection) = (String::new(), None);
    while let Some(c) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => {}
            '#' | ';' => chars.skip_line(),
            '[' => (section, subsection) = chars.header(),
            c if c.is_ascii_alphabetic() => {
                let mut key = String::from(c.to_ascii_lowercase());
                while let Some(c) = chars.peek()
                    && (c.is_ascii_alphanumeric() || c == '-')
                {
                    key.push(c.to_ascii_lowercase());
                    chars.next();
                }
                let value = chars.value();
                entries.push(Entry {
                    section: section.clone(),
                    subsection: subsection.clone(),
                    key,
                    value,
                });
            }
            _ => chars.skip_line(),
        }
    }
    entries
}

/// A text in which every line ends in a line feed.
struct Chars<'a>(std::iter::Peekable<std::str::Chars<'a>>);

impl Chars<'_> {
    fn next(&mut self) -> Option<char> {
        match self.0.next() {
            Some('\r') if self.0.peek() == Some(&'\n') => self.0.next(),
            other => other,
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.0.peek().copied()
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|c| c != '\n') {}
    }

    /// The rest of `[section]`, `[section "subsection"]` or the old `[section.subsection]`.
    fn header(&mut self) -> (String, Option<String>) {
        let mut section = String::new();
        let mut subsection: Option<String> = None;
        let mut quoted = false;
        while let Some(c) = self.next() {
            match (c, &mut subsection) {
                ('\n', _) => break,
                (']', _) if !quoted => break,
                ('"', Some(_)) => quoted = !quoted,
                ('\\', Some(sub)) if quoted => sub.extend(self.next()),
                (c, Some(sub)) => {
                    if quoted {
                        sub.push(c);
                    }
                }
                (c, None) if c.is_ascii_whitespace() => subsection = Some(String::new()),
                (c, None) => section.push(c.to_ascii_lowercase()),
            }
        }
        // To git it is one name, of which the first part is the section.
        match (section.split_once('.'), subsection) {
            (Some((first, rest)), None) => (first.to_owned(), Some(rest.to_owned())),
            (Some((first, rest)), Some(sub)) => (first.to_owned(), Some(format!("{rest}.{sub}"))),
            (None, subsection) => (section, subsection),
        }
    }

    /// What follows a name, to the end of the line or of its continuations.
    fn value(&mut self) -> Option<String> {
        while self.peek().is_some_and(|c| c == ' ' || c == '\t') {
            self.next();
        }
        if self.peek() != Some('=') {
            self.skip_line();
            return None;
        }
        self.next();
        let mut out = String::new();
        let (mut quoted, mut end) = (false, 0);
        while let Some(c) = self.next() {
            match c {
                '\n' => break,
                '#' | ';' if !quoted => {
                    self.skip_line();
                    break;
                }
                // Blanks count between and in quotes, not around.
                c if c.is_ascii_whitespace() && !quoted => {
                    if !out.is_empty() {
                        out.push(c);
                    }
                    continue;
                }
                '"' => quoted = !quoted,
                '\\' => match self.next() {
                    // The value goes on in the next line.
                    None | Some('\n') => continue,
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('b') => out.push('\u{8}'),
                    Some(other) => out.push(other),
                },
                c => out.push(c),
            }
            end = out.len();
        }
        out.truncate(end);
        Some(out)
    }
}

/// What a set of configuration files says, as far as it matters here.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    /// The files, and all they include (conditions are taken as met).
    pub(crate) files: Vec<PathBuf>,
    /// Every `core.hooksPath`.
    pub(crate) hooks: Vec<PathBuf>,
    /// Every `core.worktree`.
    pub(crate) trees: Vec<PathBuf>,
    /// Every `init.templateDir`: what `git init` and `git clone` copy hooks from.
    pub(crate) templates: Vec<PathBuf>,
    /// Words of commands that git runs by itself and that may be files of a write root.
    pub(crate) programs: Vec<PathBuf>,
    /// Of the files, those that git reads and that are not read here.
    pub(crate) unread: Vec<PathBuf>,
}

impl Configuration {
    /// Reads files and what they include.
    pub(crate) fn read(files: Vec<PathBuf>, home: Option<&Path>) -> Configuration {
        let mut all = Configuration {
            files,
            ..Configuration::default()
        };
        let mut next = 0;
        while next < all.files.len() {
            let file = all.files[next].clone();
            next += 1;
            match small(&file) {
                Ok(Some(text)) => {
                    let base = file.parent().unwrap_or(Path::new("/"));
                    all.take(&parse(&text), base, home);
                }
                Ok(None) => {}
                Err(_) => all.unread.push(file),
            }
        }
        all
    }

    /// Whether it names files that git runs or reads, or cannot be read whole.
    pub(super) fn names_more(&self) -> bool {
        !(self.hooks.is_empty() && self.programs.is_empty() && self.unread.is_empty())
    }

    pub(super) fn take(&mut self, entries: &[Entry], base: &Path, home: Option<&Path>) {
        for entry in entries {
            let Some(value) = &entry.value else { continue };
            if entry.is("core", "worktree") {
                self.trees.push(PathBuf::from(value));
                continue;
            }
            if runs_by_itself(entry) {
                self.programs.extend(files_of(value, home));
                continue;
            }
            let included = entry.is("include", "path")
                || (entry.section == "includeif" && entry.key == "path");
            let hooks = entry.is("core", "hookspath");
            if !included && !hooks && !entry.is("init", "templatedir") {
                continue;
            }
            let Some(value) = expand(value, home) else {
                self.unread.push(base.join(value));
                continue;
            };
            if hooks {
                if is_garbled(&value) {
                    self.unread.push(base.join(&value));
                }
                self.hooks.push(value);
            } else if included {
                let path = base.join(value);
                if is_garbled(&path) || self.files.len() >= MOST && !self.files.contains(&path) {
                    self.unread.push(path);
                } else if !self.files.contains(&path) {
                    self.files.push(path);
                }
            } else if value.is_absolute() {
                self.templates.push(value);
            }
        }
    }
}

/// What of a command may be a file of a write root. A shell may read it, in which what is quoted is a command again: each word
/// is taken, and each part of one. A bare name is looked for in `PATH`, unless something is told to read it.
fn files_of(command: &str, home: Option<&Path>) -> Vec<PathBuf> {
    const BREAKS: &[char] = &[
        ' ', '\t', '\n', ';', '&', '|', '(', ')', '<', '>', '`', '=', ',',
    ];
    const QUOTES: &[char] = &['"', '\''];
    let command = command.trim_start_matches('!');
    // `$(git rev-parse --show-toplevel)/tools/clean`, with and without quotes around the first.
    let below_a_result = [")\"/", ")/"];
    let command = below_a_result
        .iter()
        .fold(command.to_owned(), |all, ends| all.replace(ends, ") ./"));
    let whole = command
        .split(QUOTES)
        .map(str::trim)
        .filter(|part| part.contains('/'));
    let parts = command.split(BREAKS).map(|word| word.replace(QUOTES, ""));
    let mut words: Vec<String> = parts.filter(|word| !word.is_empty()).collect();
    let reads = words.first().is_some_and(|first| {
        let name = first.rsplit('/').next().unwrap_or_default();
        INTERPRETERS.iter().any(|known| name.starts_with(known))
    });
    let mut first = true;
    words.retain(|word| {
        let is_bare = !word.contains('/');
        let is_first = std::mem::take(&mut first);
        !is_bare || !is_first && (reads || word.contains('.'))
    });
    words.extend(whole.map(str::to_owned));
    let mut files = Vec::new();
    for word in &words {
        // `-F./x`
        let option = word.strip_prefix('-').and_then(|rest| rest.get(1..));
        let word = match option {
            Some(value) if value.contains('/') => value,
            Some(_) => continue,
            None if word.starts_with('-') => continue,
            None => word,
        };
        let path = match below_variable(word) {
            Some(("HOME", below)) => {
                home.map_or_else(|| PathBuf::from(word), |home| home.join(below))
            }
            Some(("GIT_DIR", below)) => Path::new(".git").join(below),
            // Of the work tree, all of those that git sets.
            Some((_, below)) => PathBuf::from(below),
            None => PathBuf::from(word),
        };
        if !files.contains(&path) {
            files.push(path);
        }
    }
    files
}

/// What reads a file that it is given as a program.
const INTERPRETERS: [&str; 16] = [
    "sh", "bash", "dash", "zsh", "ksh", "fish", "env", "exec", "python", "perl", "ruby", "node",
    "php", "lua", "awk", "deno",
];

/// The variable a path starts with, and what follows.
fn below_variable(word: &str) -> Option<(&str, &str)> {
    if let Some(below) = word.strip_prefix("~/") {
        return Some(("HOME", below));
    }
    let (name, below) = word.strip_prefix('$')?.split_once('/')?;
    Some((name.trim_matches(['{', '}']), below))
}

/// What is not UTF-8 was read as something else: such a path names nothing that git would find by it.
pub(super) fn is_garbled(path: &Path) -> bool {
    path.as_os_str()
        .to_str()
        .is_none_or(|text| text.contains(char::REPLACEMENT_CHARACTER))
}

/// A path of a configuration as git expands it (`git-config(1)`, pathname). `None` where that takes what only git knows: where
/// it was installed, or another user whom only a directory service has.
fn expand(value: &str, home: Option<&Path>) -> Option<PathBuf> {
    let value = value.strip_prefix(":(optional)").unwrap_or(value);
    if value.starts_with("%(") {
        return None;
    }
    let Some(rest) = value.strip_prefix('~') else {
        return Some(PathBuf::from(value));
    };
    let (name, below) = rest.split_once('/').unwrap_or((rest, ""));
    let of = match (name, home) {
        ("", Some(home)) => home.to_owned(),
        // Without a home git does not read it either.
        ("", None) => return Some(PathBuf::from(value)),
        (name, _) => home_of(name)?,
    };
    Some(if below.is_empty() { of } else { of.join(below) })
}

/// The home of another user, of whom `passwd(5)` says so.
fn home_of(user: &str) -> Option<PathBuf> {
    let all = std::fs::read_to_string("/etc/passwd").ok()?;
    let of = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(user)).then(|| fields.nth(4).map(PathBuf::from))
    };
    all.lines().find_map(of).flatten()
}

/// What the person's and the system's configuration say, for every repository
/// (`git-config(1)`, Scopes).
#[derive(Debug, Default)]
pub(crate) struct Person {
    pub(crate) home: Option<PathBuf>,
    pub(crate) configuration: Configuration,
}

impl Person {
    /// As the environment of this process has it, which git outside has as well.
    pub(crate) fn of(home: Option<&Path>, variable: &dyn Fn(&str) -> Option<OsString>) -> Person {
        let mut files: Vec<PathBuf> = ["GIT_CONFIG_SYSTEM", "GIT_CONFIG_GLOBAL"]
            .iter()
            .filter_map(|name| variable(name))
            .map(PathBuf::from)
            .collect();
        files.push(PathBuf::from("/etc/gitconfig"));
        // A git that was installed below another place has its own there.
        if let Some(path) = variable("PATH") {
            files.extend(beside_programs(&path));
        }
        let base = variable("XDG_CONFIG_HOME").filter(|v| !v.is_empty());
        files.extend(base.map(|base| Path::new(&base).join("git/config")));
        if let Some(home) = home {
            files.push(home.join(".gitconfig"));
            files.push(home.join(".config/git/config"));
        }
        // Others are relative to wherever git is run.
        files.retain(|file| file.is_absolute());
        let mut configuration = Configuration::read(files, home);
        configuration.take(&given(variable), Path::new("/"), home);
        configuration
            .templates
            .extend(variable("GIT_TEMPLATE_DIR").map(PathBuf::from));
        for name in PROGRAMS {
            if let Some(command) = variable(name) {
                let files = files_of(&command.to_string_lossy(), home);
                configuration.programs.extend(files);
            }
        }
        Person {
            home: home.map(Path::to_owned),
            configuration,
        }
    }
}

/// Where gits that are found by `PATH` have their system configuration: beside the directory they are in, or beside the one
/// they lie in. What is installed below `/usr` has it in `/etc`.
fn beside_programs(path: &OsStr) -> Vec<PathBuf> {
    let mut above: Vec<PathBuf> = Vec::new();
    for dir in std::env::split_paths(path) {
        let git = dir.join("git");
        let Ok(found) = std::fs::symlink_metadata(&git) else {
            continue;
        };
        let led = found.is_symlink().then(|| std::fs::canonicalize(&git).ok());
        for git in [Some(git), led.flatten()].into_iter().flatten() {
            let place = git.parent().and_then(Path::parent);
            let place =
                place.filter(|place| !["/", "/usr"].iter().any(|usual| *place == Path::new(usual)));
            above.extend(place.map(|place| place.join("etc/gitconfig")));
        }
    }
    above.dedup();
    above
}

/// Configuration in the environment itself: `GIT_CONFIG_COUNT` and its pairs.
fn given(variable: &dyn Fn(&str) -> Option<OsString>) -> Vec<Entry> {
    let count = variable("GIT_CONFIG_COUNT")
        .and_then(|count| count.to_str()?.trim().parse::<usize>().ok())
        .unwrap_or(0);
    /// As many as an environment of common size has room for.
    const PAIRS: usize = 8192;
    (0..count.min(PAIRS))
        .filter_map(|n| {
            let key = variable(&format!("GIT_CONFIG_KEY_{n}"))?;
            let value = variable(&format!("GIT_CONFIG_VALUE_{n}"))?;
            let key = key.to_str()?;
            let (section, rest) = key.split_once('.')?;
            let (subsection, key) = match rest.rsplit_once('.') {
                Some((subsection, key)) => (Some(subsection.to_owned()), key),
                None => (None, rest),
            };
            Some(Entry {
                section: section.to_ascii_lowercase(),
                subsection,
                key: key.to_ascii_lowercase(),
                value: Some(value.to_string_lossy().into_owned()),
            })
        })
        .collect()
}

/// Whether a configuration is a repository's: git writes these into each.
pub(crate) fn of_repository(text: &str) -> bool {
    parse(text)
        .iter()
        .any(|e| e.is("core", "repositoryformatversion") || e.is("core", "bare"))
}

/// The last component of a path is husky's: what lies beside it is run by what lies in it.
pub(crate) fn runs_what_lies_beside(hooks: &Path) -> bool {
    hooks.file_name().map(OsStr::as_bytes) == Some(b"_")
}

#[cfg(test)]
mod tests {
    use super::{Configuration, Person, parse};
    use std::path::{Path, PathBuf};

    fn hooks(text: &str) -> Vec<PathBuf> {
        let mut all = Configuration::default();
        all.take(&parse(text), Path::new("/b"), Some(Path::new("/home/ada")));
        all.hooks
    }

    fn included(text: &str) -> Vec<PathBuf> {
        let mut all = Configuration::default();
        all.take(&parse(text), Path::new("/b"), Some(Path::new("/home/ada")));
        all.files
    }

    fn paths<const N: usize>(paths: [&str; N]) -> Vec<PathBuf> {
        paths.map(PathBuf::from).to_vec()
    }

    #[test]
    fn what_is_included_in_each_spelling() {
        let team = "[include]\n\tpath = ../team.gitconfig\n";
        assert_eq!(included(team), paths(["/b/../team.gitconfig"]));
        let work = "[includeIf \"gitdir:~/work/\"]\npath=\"a b\"\n[core]\npath=no\n";
        assert_eq!(included(work), paths(["/b/a b"]));
        let deep = "[includeIf \"a]\\\"b\"] path = ~/c";
        assert_eq!(included(deep), paths(["/home/ada/c"]));
        assert_eq!(included("[user]\npath = x\n"), paths([]));
    }

    /// Each as git 2.47 reads it.
    #[test]
    fn hooks_path_in_each_spelling() {
        assert_eq!(hooks("[core]\n\thooksPath = .hooks\n"), paths([".hooks"]));
        assert_eq!(hooks("[CORE] HOOKSPATH=a b ; why"), paths(["a b"]));
        assert_eq!(hooks("[core]\nhooksPath = \"x;#y \"\n"), paths(["x;#y "]));
        assert_eq!(hooks("\u{feff}[core]\nhooksPath = g\\\nh\n"), paths(["gh"]));
        assert_eq!(hooks("[core]\r\nhooksPath = x\r\n"), paths(["x"]));
        // A comment ends with its line, whatever it ends in.
        let comment = "[core] ; \\\n# \\\nhooksPath = a # \\\nhooksPath = b";
        assert_eq!(hooks(comment), paths(["a", "b"]));
        assert_eq!(hooks("[core]\n=?\nhooksPath = x"), paths(["x"]));
        assert_eq!(hooks("[core]\nhooksPath\n"), paths([]));
        assert_eq!(hooks("[core \"sub\"]\nhooksPath = x\n"), paths([]));
        assert_eq!(
            hooks("[user]\nhooksPath = x\n[core]\nbare=false"),
            paths([])
        );
    }

    #[test]
    fn each_scope_a_git_outside_reads() {
        let dir = crate::tests::Dir::new();
        let hooks = |path: &str| format!("[core]\nhooksPath = {path}\n");
        dir.file("home/.gitconfig", &hooks("a"));
        dir.file("home/.config/git/config", &hooks("b"));
        dir.file("xdg/git/config", &hooks("c"));
        dir.file("global", &hooks("d"));
        dir.file("system", &hooks("e"));
        let at = |name: &str| Some(dir.0.join(name).into_os_string());
        let person = Person::of(Some(&dir.0.join("home")), &|name| match name {
            "XDG_CONFIG_HOME" => at("xdg"),
            "GIT_CONFIG_GLOBAL" => at("global"),
            "GIT_CONFIG_SYSTEM" => at("system"),
            "GIT_CONFIG_COUNT" => Some("1".into()),
            "GIT_CONFIG_KEY_0" => Some("core.hooksPath".into()),
            "GIT_CONFIG_VALUE_0" => Some("f".into()),
            _ => None,
        });
        let mut found = person.configuration.hooks;
        found.retain(|path| path.is_relative());
        found.sort();
        assert_eq!(found, paths(["a", "b", "c", "d", "e", "f"]));
    }
}
