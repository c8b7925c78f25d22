//! A layer from the command line.

use std::path::{Path, PathBuf};

use super::{Document, Listed, checks};
use crate::error::{PolicyError, Problem};
use crate::keys::{self, Key};
use crate::model::{Origin, Read, Sourced};
use crate::sources::{Context, Flags, Granted};
use crate::{host, path};

/// Checks the flags; every error is found.
pub(crate) fn from_flags(
    flags: &Flags,
    context: &Context<'_>,
) -> Result<Document, Vec<PolicyError>> {
    let mut reader = Reader { errors: Vec::new() };
    let base = context.cwd.as_path();
    let out = Document {
        mode: sourced(flags.mode, "--mode"),
        write: reader.list(&keys::WRITE, "--write", &flags.write, |path: &PathBuf| {
            path::write_root(path, base, context)
        }),
        protect: reader.entries(&keys::PROTECT, "--protect", &flags.protect, |path| {
            path::protect(path, context)
        }),
        hide: reader.entries(&keys::HIDE, "--hide", &flags.hide, |path| {
            checks::hidden(path, base, context)
        }),
        reveal: reader.list(&keys::REVEAL, "--reveal", &flags.reveal, |name| {
            checks::revealed(name)
        }),
        read: reader.read(flags.read.as_deref(), base, context),
        snapshot: sourced(flags.snapshot, "--snapshot"),
        network: sourced(flags.network, "--network"),
        allow: reader.list(&keys::ALLOW, "--allow", &flags.allow, |entry| {
            host::parse(entry)
        }),
        cache_mode: sourced(flags.cache_mode, "--caches"),
        cache_tools: flags.cache_tools.as_ref().map(|tools| {
            let tools = reader.entries(&keys::CACHE_TOOLS, "--cache-tools", tools, |tool| {
                checks::tool(tool)
            });
            let tools = tools.into_iter().map(|tool| tool.value).collect();
            Sourced::new(tools, Origin::flag("--cache-tools"))
        }),
        pass: reader.list(&keys::PASS, "--pass-env", &flags.pass_env, |name| {
            checks::variable(name)
        }),
        drop: reader.entries(&keys::DROP, "--drop-env", &flags.drop_env, |name| {
            checks::variable(name)
        }),
        time: sourced(flags.time, "--time"),
        memory: sourced(flags.memory, "--memory"),
        processes: reader.processes(flags.processes),
        output: sourced(flags.output, "--output"),
        accept: reader.list(&keys::ACCEPT, "--accept", &flags.accept, |name| {
            checks::accepted(name)
        }),
        linux_mode: sourced(flags.linux_mode, "--linux-mode"),
        sockets: reader.list(
            &keys::SOCKETS,
            "--socket",
            &flags.sockets,
            |path: &PathBuf| path::expand(path, base, context),
        ),
        nested: sourced(flags.nested, "--nested"),
        // They are for all commands.
        approval_ask: None,
        approval_within: None,
        approval_most: None,
        approval_program: None,
        ledger_keep: None,
        ledger_size: None,
        rules: Vec::new(),
    };
    for (zero, key, flag) in [
        (
            flags.time.is_some_and(|time| time.is_zero()),
            &keys::TIME,
            "--time",
        ),
        (flags.memory == Some(0), &keys::MEMORY, "--memory"),
        (flags.output == Some(0), &keys::OUTPUT, "--output"),
    ] {
        if zero {
            let most = if flag == "--time" {
                "365d"
            } else {
                "8388607TiB"
            };
            let least = if flag == "--time" { "1s" } else { "1B" };
            reader.bad(
                key,
                flag,
                Problem::Range {
                    given: "0".to_owned(),
                    least,
                    most,
                },
            );
        }
    }
    if reader.errors.is_empty() {
        Ok(out)
    } else {
        Err(reader.errors)
    }
}

/// Checks a grant, as the flags that it stands for.
pub(crate) fn granted(
    grant: &Granted,
    context: &Context<'_>,
) -> Result<Document, Vec<PolicyError>> {
    let flags = Flags {
        write: grant.write.iter().cloned().collect(),
        reveal: grant.reveal.iter().cloned().collect(),
        sockets: grant.socket.iter().cloned().collect(),
        time: grant.time,
        output: grant.output,
        ..Flags::default()
    };
    let origin = Origin::grant(grant.number);
    let mut out = from_flags(&flags, context).map_err(|errors| {
        let retold = errors.into_iter().map(|error| match error {
            PolicyError::BadValue { key, problem, .. } => PolicyError::BadValue {
                at: origin.clone(),
                key,
                problem,
            },
            other => other,
        });
        retold.collect::<Vec<_>>()
    })?;
    retell(&mut out.write, &origin);
    retell(&mut out.reveal, &origin);
    retell(&mut out.sockets, &origin);
    if let Some(time) = &mut out.time {
        time.origin = origin.clone();
    }
    if let Some(output) = &mut out.output {
        output.origin = origin;
    }
    Ok(out)
}

fn retell<T>(listed: &mut Option<Listed<T>>, origin: &Origin) {
    if let Some(listed) = listed {
        listed.origin = origin.clone();
        for item in &mut listed.items {
            item.origin = origin.clone();
        }
    }
}

fn sourced<T>(value: Option<T>, flag: &'static str) -> Option<Sourced<T>> {
    value.map(|value| Sourced::new(value, Origin::flag(flag)))
}

struct Reader {
    errors: Vec<PolicyError>,
}

impl Reader {
    fn bad(&mut self, key: &Key, flag: &'static str, problem: Problem) {
        self.errors.push(PolicyError::BadValue {
            at: Origin::flag(flag),
            key: key.full,
            problem: Box::new(problem),
        });
    }

    fn entries<S, T>(
        &mut self,
        key: &Key,
        flag: &'static str,
        given: &[S],
        check: impl Fn(&S) -> Result<T, Problem>,
    ) -> Vec<Sourced<T>> {
        let mut out = Vec::with_capacity(given.len());
        for value in given {
            match check(value) {
                Ok(value) => out.push(Sourced::new(value, Origin::flag(flag))),
                Err(problem) => self.bad(key, flag, problem),
            }
        }
        out
    }

    /// A flag that was not given is no list, rather than an empty one.
    fn list<S, T>(
        &mut self,
        key: &Key,
        flag: &'static str,
        given: &[S],
        check: impl Fn(&S) -> Result<T, Problem>,
    ) -> Option<Listed<T>> {
        (!given.is_empty()).then(|| Listed {
            origin: Origin::flag(flag),
            items: self.entries(key, flag, given, check),
        })
    }

    fn read(
        &mut self,
        given: Option<&[String]>,
        base: &Path,
        context: &Context<'_>,
    ) -> Option<Sourced<Read>> {
        const FLAG: &str = "--read";
        let given = given?;
        if let [one] = given
            && let Ok(word) = checks::read_word(one)
        {
            return Some(Sourced::new(word, Origin::flag(FLAG)));
        }
        let paths = self.entries(&keys::READ, FLAG, given, |text| {
            checks::read_path(text, base, context)
        });
        let read = checks::read_list(paths.into_iter().map(|path| path.value));
        Some(Sourced::new(read, Origin::flag(FLAG)))
    }

    fn processes(&mut self, given: Option<u32>) -> Option<Sourced<u32>> {
        const FLAG: &str = "--processes";
        let given = given?;
        match checks::processes(i64::from(given), given) {
            Ok(count) => Some(Sourced::new(count, Origin::flag(FLAG))),
            Err(problem) => {
                self.bad(&keys::PROCESSES, FLAG, problem);
                None
            }
        }
    }
}
