//! The effective policy as data.

use std::path::Path;

use serde_json::{Value, json};

use crate::defaults::REPOSITORY_PROTECTED;
use crate::model::{Effective, Layer, Origin, Protect, Read, Snapshot, Sourced};
use crate::rule::Word;

/// The effective policy as JSON: each value as `{"value": …, "layer": …, "file": …, "line": …, "flag": …, "grant": …}`,
/// with the last four where there are any. Paths are whole, and lossy where they are not UTF-8; times are in
/// seconds, sizes in bytes; `null` is no limit, for `limits.processes` the built-in one, or for `caches.tools` what is detected.
pub fn show_json(effective: &Effective) -> Value {
    let Effective {
        mode,
        write,
        protect,
        hide,
        reveal,
        read,
        snapshot,
        network,
        caches,
        environment,
        limits,
        accept,
        approval,
        ledger,
        linux,
        rules,
        // Every value is within them.
        bounds: _,
    } = effective;
    json!({
        "mode": one(mode, |mode| json!(mode.name())),
        "filesystem": {
            "write": all(write, |it| path(it)),
            "protect": all(protect, |protect| match protect {
                Protect::Relative(below) => json!({"below_write_roots": path(below)}),
                Protect::Absolute(place) => json!({"path": path(place)}),
            }),
            "protect_in_repositories": REPOSITORY_PROTECTED,
            "hide": all(hide, |hide| json!({
                "path": path(&hide.path),
                "except": hide.except.iter().map(|name| path(name)).collect::<Vec<_>>(),
                "name": hide.name,
                "why": hide.why,
            })),
            "reveal": all(reveal, |name| json!(name)),
            "read": one(read, |read| match read {
                Read::All => json!("all"),
                Read::Minimal => json!("minimal"),
                Read::Paths(paths) => paths.iter().map(|it| path(it)).collect(),
            }),
            "snapshot": one(snapshot, |snapshot| match snapshot {
                Snapshot::Off => json!(false),
                Snapshot::Auto => json!("auto"),
                Snapshot::On => json!(true),
            }),
        },
        "network": {
            "mode": one(&network.mode, |mode| json!(mode.name())),
            "allow": all(&network.allow, |host| json!(host)),
        },
        "caches": {
            "mode": one(&caches.mode, |mode| json!(mode.name())),
            "tools": perhaps(caches.tools.as_ref(), |tools| json!(tools)),
        },
        "environment": {
            "pass": all(&environment.pass, |name| json!(name.as_str())),
            "drop": all(&environment.drop, |name| json!(name.as_str())),
        },
        "limits": {
            "time": perhaps(limits.time.as_ref(), |time| json!(time.as_secs())),
            "memory": perhaps(limits.memory.as_ref(), |bytes| json!(bytes)),
            "processes": perhaps(limits.processes.as_ref(), |count| json!(count)),
            "output": perhaps(limits.output.as_ref(), |bytes| json!(bytes)),
        },
        "enforcement": { "accept": all(accept, |name| json!(name)) },
        "approval": {
            "ask": one(&approval.ask, |ask| json!(ask.name())),
            "within": one(&approval.within, |time| json!(time.as_secs())),
            "most": one(&approval.most, |count| json!(count)),
            "program": one(&approval.program, |words| json!(words)),
        },
        "ledger": {
            "keep": one(&ledger.keep, |time| json!(time.as_secs())),
            "size": one(&ledger.size, |bytes| json!(bytes)),
        },
        "linux": {
            "mode": one(&linux.mode, |mode| json!(mode.name())),
            "sockets": all(&linux.sockets, |it| path(it)),
            "nested": one(&linux.nested, |nested| json!(nested)),
        },
        "rules": all(rules, |rule| json!({
            "prefix": rule.prefix.iter().map(|word| match word {
                Word::One(word) => json!(word),
                Word::AnyOf(words) => json!(words),
            }).collect::<Vec<_>>(),
            "decision": rule.decision.name(),
            "ring": rule.ring.name(),
            "why": rule.why,
            "match": rule.match_,
            "not_match": rule.not_match,
        })),
    })
}

fn path(path: &Path) -> Value {
    json!(path.to_string_lossy())
}

fn one<T>(sourced: &Sourced<T>, value: impl Fn(&T) -> Value) -> Value {
    let Origin {
        layer,
        file,
        line,
        flag,
    } = &sourced.origin;
    let mut out = serde_json::Map::new();
    out.insert("value".to_owned(), value(&sourced.value));
    out.insert("layer".to_owned(), json!(layer.name()));
    if let Some(file) = file {
        out.insert("file".to_owned(), path(file));
    }
    if let Some(line) = line {
        let key = if *layer == Layer::Grant {
            "grant"
        } else {
            "line"
        };
        out.insert(key.to_owned(), json!(line));
    }
    if let Some(flag) = flag {
        out.insert("flag".to_owned(), json!(flag));
    }
    Value::Object(out)
}

fn all<T>(list: &[Sourced<T>], value: impl Fn(&T) -> Value) -> Value {
    list.iter().map(|sourced| one(sourced, &value)).collect()
}

fn perhaps<T>(sourced: Option<&Sourced<T>>, value: impl Fn(&T) -> Value) -> Value {
    sourced.map_or(Value::Null, |sourced| one(sourced, value))
}
