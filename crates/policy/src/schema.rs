//! The JSON Schema of a policy file, for editors.

use serde_json::{Value, json};

use crate::defaults::{CACHE_TOOLS, hidden_names};
use crate::model::{Ask, CacheMode, LinuxMode, Mode, NetworkMode};
use crate::rule::{Decision, Placement};

/// The JSON Schema (draft 2020-12) of a policy file, pretty.
///
/// What it refuses, [`load`](crate::load) refuses. What depends on more than the text of one value (which layer a
/// file is, where `..` leads, how large a number with its unit is, whether an address is one) only `load` refuses.
pub fn schema() -> String {
    format!("{:#}\n", value())
}

fn value() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ringfence policy",
        "description": "What commands inside the ring may do.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "mode": words(Mode::NAMES, "What may be written. full-access is loud, and never taken from a project file.", "workspace-write"),
            "filesystem": table(json!({
                "write": list(path(), "More write roots, relative to this file; ~ and $HOME, $XDG_… at the beginning."),
                "protect": list(path(), "Read-only inside every write root, also where it does not exist yet."),
                "hide": list(path(), "Unreadable."),
                "reveal": list(json!({"enum": revealable()}), "Built-in hidden entries to switch off; not in a project file."),
                "read": {
                    "description": "all but the hidden; minimal: system, toolchains and workspace; or minimal and a list of paths.",
                    "default": "all",
                    "anyOf": [
                        {"enum": ["all", "minimal"]},
                        {"type": "array", "items": {"allOf": [path(), {"not": {"const": "all"}}]}}
                    ]
                },
                "snapshot": {
                    "description": "Whether what files held before a command is kept, so that it can be undone; auto: in rings that stay, where it is cheap.",
                    "default": "auto",
                    "enum": [true, false, "auto"]
                }
            })),
            "network": table(json!({
                "mode": words(NetworkMode::NAMES, "What may be reached: nothing, the listed hosts, or all.", "off"),
                "allow": list(json!({"type": "string", "minLength": 1, "pattern": HOST}), "host, host:port, *.host, [ipv6]:port or preset:name."),
            })),
            "caches": table(json!({
                "mode": words(CacheMode::NAMES, "private: the tools' caches are seen, writes stay in the ring.", "private"),
                "tools": list(json!({"enum": CACHE_TOOLS}), "Default: detected from the workspace."),
            })),
            "environment": table(json!({
                "pass": list(variable(), "Passed although they look like a secret or a socket; * stands for any run of characters."),
                "drop": list(variable(), "Never passed; stronger than pass."),
            })),
            "limits": table(json!({
                "time": {"type": "string", "pattern": DURATION, "description": "Wall-clock time of one command, for example 10m or 1h30m."},
                "memory": {"type": "string", "pattern": SIZE, "description": "Memory of the whole ring, for example 4GiB."},
                "processes": {"type": "integer", "minimum": 1, "maximum": 4_194_304, "description": "Processes and threads of the whole ring."},
                "output": {"type": "string", "pattern": SIZE, "description": "What one command may print, for example 256MiB."},
            })),
            "enforcement": table(json!({
                "accept": list(json!({"type": "string", "maxLength": 128, "pattern": "^[a-z0-9-]+(\\.[a-z0-9-]+)*$"}), "What to do without on a machine that cannot enforce it, by the name the refusal gave."),
            })),
            "approval": table(json!({
                "ask": words(Ask::NAMES, "When a person is asked; never: what would be asked about is refused; not in a project file.", "on-request"),
                "within": {"type": "string", "pattern": DURATION, "default": "10m", "description": "No answer within this time is no; not in a project file."},
                "most": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 20, "description": "Questions in ten minutes; more are refused; not in a project file."},
                "program": {"type": "array", "items": {"type": "string", "pattern": "^[^\\u0000]*$"}, "description": "A program that may answer too, by its absolute path, and its arguments; not in a project file."},
            })),
            "ledger": table(json!({
                "keep": {"type": "string", "pattern": DURATION, "default": "90d", "description": "Records older than this are removed; not in a project file."},
                "size": {"type": "string", "pattern": SIZE, "default": "1GiB", "description": "The oldest records are removed when all take up more; not in a project file."},
            })),
            "linux": table(json!({
                "mode": words(LinuxMode::NAMES, "Which way of building the ring on Linux.", "auto"),
                "sockets": list(path(), "Unix sockets that may be connected to."),
                "nested": {"type": "boolean", "default": false, "description": "Whether user namespaces may be made inside."},
            })),
            "rule": {
                "type": "array",
                "description": "Rules about commands; the strictest match wins over all layers.",
                "items": rule(),
            },
        },
    })
}

/// ASCII, no blank; one dot-separated name with `*.` perhaps, an address in brackets, or a preset.
const HOST: &str = "^(preset:[A-Za-z0-9-]+|[Pp][Rr][Ee][Ss][Ee][Tt]:[A-Za-z0-9-]+|\\[[0-9A-Fa-f:.]+\\](:[1-9][0-9]{0,4})?|(\\*\\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*(:[1-9][0-9]{0,4})?)$";

const DURATION: &str = "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$";

const SIZE: &str = "^[0-9]+(\\.[0-9]{1,3})? ?([Bb]|[KkMmGgTt][Ii]?[Bb])$";

fn table(properties: Value) -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

fn words(names: &[&str], description: &str, default: &str) -> Value {
    json!({"enum": names, "description": description, "default": default})
}

fn list(items: Value, description: &str) -> Value {
    json!({"type": "array", "items": items, "description": description})
}

fn path() -> Value {
    json!({"type": "string", "minLength": 1, "pattern": "^[^*?\\u0000-\\u001f\\u007f]*$"})
}

fn variable() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[!-<>-~]*$"})
}

fn line() -> Value {
    json!({"type": "string", "pattern": "^[^\\u0000-\\u0008\\u000a-\\u001f\\u007f]*[^\\s\\u0000-\\u001f\\u007f][^\\u0000-\\u0008\\u000a-\\u001f\\u007f]*$"})
}

/// A backslash stands before `*` or another one.
fn prefix_word() -> Value {
    json!({"allOf": [line(), {"pattern": "^([^\\\\]|\\\\[*\\\\])*$"}]})
}

fn revealable() -> Vec<&'static str> {
    hidden_names()
        .iter()
        .copied()
        .filter(|name| *name != "hide.ringfence")
        .collect()
}

fn rule() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["prefix", "decision"],
        "properties": {
            "prefix": {
                "type": "array",
                "minItems": 1,
                "description": "The words a command begins with; a list stands for any of its words, * for any run of characters in one.",
                "items": {"anyOf": [prefix_word(), {"type": "array", "minItems": 1, "items": prefix_word()}]},
            },
            "decision": {"enum": Decision::NAMES, "description": "May it run?"},
            "ring": {"enum": Placement::NAMES, "default": "inside", "description": "Inside which ring? outside always asks."},
            "why": {"allOf": [line()], "description": "Shown to the person and to the model."},
            "match": list(line(), "Commands that must match: self-tests."),
            "not_match": list(line(), "Commands that must not match: self-tests."),
        },
        "not": {
            "required": ["decision", "ring"],
            "properties": {"decision": {"const": "allow"}, "ring": {"const": "outside"}},
        },
    })
}
