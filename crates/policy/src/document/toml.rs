//! A layer from a file's text.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Document, Listed, checks, rule};
use crate::UnknownName;
use crate::error::{PolicyError, Problem};
use crate::keys::{self, Key};
use crate::model::{Layer, Origin, Read, Snapshot, Sourced};
use crate::rule::Rule;
use crate::sources::{Context, FileText};
use crate::{host, path, quantity};

/// Reads a file. Every error of it is found; the order is the file's.
pub(crate) fn from_toml(
    file: &FileText,
    layer: Layer,
    context: &Context<'_>,
) -> Result<Document, Vec<PolicyError>> {
    let mut reader = Reader::new(file, layer);
    let table = parsed(file, &reader)?;
    let document = reader.document(&table, context);
    if reader.errors.is_empty() {
        Ok(document)
    } else {
        Err(sorted(reader.errors))
    }
}

/// Reads a file that holds nothing but rules, in their order.
///
/// # Errors
/// Every error of the file; any key but `rule` is one.
pub fn read_rules(file: &FileText, layer: Layer) -> Result<Vec<Sourced<Rule>>, PolicyError> {
    let mut reader = Reader::new(file, layer);
    let read = parsed(file, &reader).map(|table| {
        let mut rules = Vec::new();
        for (key, value) in &table {
            match key.get_ref().as_ref() {
                "rule" => rules = rule::read(&mut reader, value),
                _ => reader.unknown("", key),
            }
        }
        rules
    });
    let (rules, errors) = match read {
        Ok(rules) => (rules, sorted(reader.errors)),
        Err(errors) => (Vec::new(), errors),
    };
    PolicyError::of(errors).map_or(Ok(rules), Err)
}

fn parsed<'t>(file: &'t FileText, reader: &Reader<'_>) -> Result<DeTable<'t>, Vec<PolicyError>> {
    let (table, syntax) = DeTable::parse_recoverable(&file.text);
    if !syntax.is_empty() {
        // What was recovered is a guess: say only what is no TOML, and only the first per line.
        let mut errors: Vec<PolicyError> = Vec::new();
        for error in &syntax {
            let start = error.span().map_or(0, |span| span.start);
            let at = reader.at(start);
            if errors.iter().all(|known| known.at() != Some(&at)) {
                let reason = error
                    .message()
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ");
                errors.push(PolicyError::Syntax { at, reason });
            }
        }
        return Err(sorted(errors));
    }
    Ok(table.into_inner())
}

fn sorted(mut errors: Vec<PolicyError>) -> Vec<PolicyError> {
    errors.sort_by_key(|error| error.at().and_then(|at| at.line));
    errors
}

/// A value with the place it stands.
pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// Turns values into checked ones and keeps what is wrong with them.
pub(super) struct Reader<'a> {
    file: &'a FileText,
    layer: Layer,
    /// Where each line but the first begins.
    lines: Vec<usize>,
    pub(super) errors: Vec<PolicyError>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a FileText, layer: Layer) -> Self {
        let lines = file
            .text
            .match_indices('\n')
            .map(|(at, _)| at + 1)
            .collect();
        Self {
            file,
            layer,
            lines,
            errors: Vec::new(),
        }
    }

    /// The origin of what begins at this byte.
    pub(super) fn at(&self, byte: usize) -> Origin {
        let line = self.lines.partition_point(|start| *start <= byte) + 1;
        Origin::file(
            self.layer,
            &self.file.path,
            u32::try_from(line).unwrap_or(u32::MAX),
        )
    }

    fn document(&mut self, table: &DeTable<'_>, context: &Context<'_>) -> Document {
        let parent = self.file.path.parent().unwrap_or(Path::new(""));
        let base = if self.layer == Layer::Managed {
            // An administrator's may be in no directory, and does not mean another place from each: then only absolute paths are taken.
            parent.to_owned()
        } else {
            // An absolute path stays as it is.
            context.cwd.join(parent)
        };
        let mut out = Document::default();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "mode" => out.mode = self.word(&keys::MODE, value),
                "rule" => out.rules = rule::read(self, value),
                name => match keys::TABLES.iter().find(|known| **known == name) {
                    Some(name) => self.table(name, value, &base, context, &mut out),
                    None => self.unknown("", key),
                },
            }
        }
        out
    }

    fn table(
        &mut self,
        name: &'static str,
        value: &Value<'_>,
        base: &Path,
        context: &Context<'_>,
        out: &mut Document,
    ) {
        let DeValue::Table(table) = value.get_ref() else {
            let found = kind(value.get_ref());
            let at = self.at(value.span().start);
            let example = keys::table_example(name);
            self.errors.push(PolicyError::WrongType {
                at: Box::new(at),
                key: name,
                expected: "a table",
                found,
                example,
            });
            return;
        };
        let expand = |text: &str| path::expand(Path::new(text), base, context);
        for (key, value) in table {
            match (name, key.get_ref().as_ref()) {
                ("filesystem", "write") => {
                    out.write = self.list(&keys::WRITE, value, |text| {
                        path::write_root(Path::new(text), base, context)
                    });
                }
                ("filesystem", "protect") => {
                    out.protect = self.entries(&keys::PROTECT, value, |text| {
                        path::protect(Path::new(text), context)
                    });
                }
                ("filesystem", "hide") => {
                    out.hide = self.entries(&keys::HIDE, value, |text| {
                        checks::hidden(Path::new(text), base, context)
                    });
                }
                ("filesystem", "reveal") => {
                    out.reveal = self.list(&keys::REVEAL, value, checks::revealed);
                }
                ("filesystem", "read") => {
                    out.read = self.read(value, |text| checks::read_path(text, base, context));
                }
                ("filesystem", "snapshot") => out.snapshot = self.snapshot(value),
                ("network", "mode") => out.network = self.word(&keys::NETWORK_MODE, value),
                ("network", "allow") => out.allow = self.list(&keys::ALLOW, value, host::parse),
                ("caches", "mode") => out.cache_mode = self.word(&keys::CACHE_MODE, value),
                ("caches", "tools") => {
                    out.cache_tools =
                        self.list(&keys::CACHE_TOOLS, value, checks::tool)
                            .map(|listed| {
                                let tools =
                                    listed.items.into_iter().map(|item| item.value).collect();
                                Sourced::new(tools, listed.origin)
                            });
                }
                ("environment", "pass") => {
                    out.pass = self.list(&keys::PASS, value, checks::variable);
                }
                ("environment", "drop") => {
                    out.drop = self.entries(&keys::DROP, value, checks::variable);
                }
                ("limits", "time") => {
                    out.time = self.text(&keys::TIME, value, quantity::parse_duration);
                }
                ("limits", "memory") => {
                    out.memory = self.text(&keys::MEMORY, value, quantity::parse_size);
                }
                ("limits", "output") => {
                    out.output = self.text(&keys::OUTPUT, value, quantity::parse_size);
                }
                ("limits", "processes") => out.processes = self.processes(value),
                ("enforcement", "accept") => {
                    out.accept = self.list(&keys::ACCEPT, value, checks::accepted);
                }
                ("approval", "ask") => out.approval_ask = self.word(&keys::APPROVAL_ASK, value),
                ("approval", "within") => {
                    out.approval_within =
                        self.text(&keys::APPROVAL_WITHIN, value, quantity::parse_duration);
                }
                ("approval", "most") => out.approval_most = self.most(value),
                ("approval", "program") => out.approval_program = self.program(value),
                ("ledger", "keep") => {
                    out.ledger_keep =
                        self.text(&keys::LEDGER_KEEP, value, quantity::parse_duration);
                }
                ("ledger", "size") => {
                    out.ledger_size = self.text(&keys::LEDGER_SIZE, value, quantity::parse_size);
                }
                ("linux", "mode") => out.linux_mode = self.word(&keys::LINUX_MODE, value),
                ("linux", "sockets") => out.sockets = self.list(&keys::SOCKETS, value, expand),
                ("linux", "nested") => out.nested = self.boolean(&keys::NESTED, value),
                _ => self.unknown(name, key),
            }
        }
    }

    pub(super) fn unknown(
        &mut self,
        table: &'static str,
        key: &Spanned<std::borrow::Cow<'_, str>>,
    ) {
        let at = self.at(key.span().start);
        let key = key.get_ref().clone().into_owned();
        self.errors.push(PolicyError::UnknownKey { at, table, key });
    }

    pub(super) fn wrong(&mut self, key: &Key, value: &Value<'_>) {
        let at = self.at(value.span().start);
        let found = kind(value.get_ref());
        self.errors.push(PolicyError::WrongType {
            at: Box::new(at),
            key: key.full,
            expected: key.expected,
            found,
            example: key.example,
        });
    }

    pub(super) fn bad(&mut self, key: &Key, at: Origin, problem: Problem) {
        self.errors.push(PolicyError::BadValue {
            at,
            key: key.full,
            problem: Box::new(problem),
        });
    }

    /// A text that must hold something.
    pub(super) fn text<T>(
        &mut self,
        key: &Key,
        value: &Value<'_>,
        check: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<Sourced<T>> {
        let DeValue::String(text) = value.get_ref() else {
            self.wrong(key, value);
            return None;
        };
        let at = self.at(value.span().start);
        match check(text) {
            Ok(value) => Some(Sourced::new(value, at)),
            Err(problem) => {
                self.bad(key, at, problem);
                None
            }
        }
    }

    pub(super) fn word<T: FromStr<Err = UnknownName>>(
        &mut self,
        key: &Key,
        value: &Value<'_>,
    ) -> Option<Sourced<T>> {
        self.text(key, value, checks::word)
    }

    fn boolean(&mut self, key: &Key, value: &Value<'_>) -> Option<Sourced<bool>> {
        let DeValue::Boolean(boolean) = value.get_ref() else {
            self.wrong(key, value);
            return None;
        };
        Some(Sourced::new(*boolean, self.at(value.span().start)))
    }

    /// `true`, `false` or `"auto"`.
    fn snapshot(&mut self, value: &Value<'_>) -> Option<Sourced<Snapshot>> {
        let said = match value.get_ref() {
            DeValue::Boolean(true) => Snapshot::On,
            DeValue::Boolean(false) => Snapshot::Off,
            DeValue::String(text) if text == "auto" => Snapshot::Auto,
            _ => {
                self.wrong(&keys::SNAPSHOT, value);
                return None;
            }
        };
        Some(Sourced::new(said, self.at(value.span().start)))
    }

    fn processes(&mut self, value: &Value<'_>) -> Option<Sourced<u32>> {
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong(&keys::PROCESSES, value);
            return None;
        };
        let at = self.at(value.span().start);
        // What does not fit in 64 bits is out of range like any other.
        let count = i64::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i64::MAX);
        match checks::processes(count, integer) {
            Ok(count) => Some(Sourced::new(count, at)),
            Err(problem) => {
                self.bad(&keys::PROCESSES, at, problem);
                None
            }
        }
    }

    fn most(&mut self, value: &Value<'_>) -> Option<Sourced<u32>> {
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong(&keys::APPROVAL_MOST, value);
            return None;
        };
        let at = self.at(value.span().start);
        let count = i64::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i64::MAX);
        match checks::most(count, integer) {
            Ok(count) => Some(Sourced::new(count, at)),
            Err(problem) => {
                self.bad(&keys::APPROVAL_MOST, at, problem);
                None
            }
        }
    }

    /// A program by its absolute path, and its arguments.
    fn program(&mut self, value: &Value<'_>) -> Option<Sourced<Vec<String>>> {
        let listed = self.list(&keys::APPROVAL_PROGRAM, value, |word| {
            if word.contains('\0') {
                return Err(Problem::Control(word.to_owned()));
            }
            Ok(word.to_owned())
        })?;
        let words: Vec<String> = listed.items.into_iter().map(|word| word.value).collect();
        match words.first() {
            // Which one it is must not hang on where a command was asked for.
            Some(first) if !first.starts_with('/') => {
                let problem = Problem::NotAbsolute(first.clone());
                self.bad(&keys::APPROVAL_PROGRAM, listed.origin, problem);
                None
            }
            _ => Some(Sourced::new(words, listed.origin)),
        }
    }

    /// A list of texts, each with its own line.
    pub(super) fn list<T>(
        &mut self,
        key: &Key,
        value: &Value<'_>,
        check: impl Fn(&str) -> Result<T, Problem>,
    ) -> Option<Listed<T>> {
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong(key, value);
            return None;
        };
        let items = array
            .iter()
            .filter_map(|item| self.text(key, item, &check))
            .collect();
        Some(Listed {
            origin: self.at(value.span().start),
            items,
        })
    }

    pub(super) fn entries<T>(
        &mut self,
        key: &Key,
        value: &Value<'_>,
        check: impl Fn(&str) -> Result<T, Problem>,
    ) -> Vec<Sourced<T>> {
        self.list(key, value, check)
            .map(|listed| listed.items)
            .unwrap_or_default()
    }

    fn read(
        &mut self,
        value: &Value<'_>,
        check: impl Fn(&str) -> Result<Option<PathBuf>, Problem>,
    ) -> Option<Sourced<Read>> {
        if let DeValue::Array(_) = value.get_ref() {
            let listed = self.list(&keys::READ, value, check)?;
            let read = checks::read_list(listed.items.into_iter().map(|item| item.value));
            return Some(Sourced::new(read, listed.origin));
        }
        self.text(&keys::READ, value, checks::read_word)
    }
}

/// What a value is, for people.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
