//! The clients of `ringfence serve` under `clients/`: their types are made from the published schema.

mod protocol;
mod python;
mod suites;
mod typescript;

use anyhow::Result;

pub(crate) use suites::{is_installed, remember, test};

/// Stands at the top of what is made here.
const GENERATED: &str = "Generated from docs/reference/serve.schema.json: \
                         cargo xtask ci --only reference --fix. Do not edit.";

/// The files that are made from the schema, and what they say.
pub(crate) fn generated(schema: &str) -> Result<[(&'static str, String); 2]> {
    let protocol = protocol::read(schema)?;
    Ok([
        (
            "clients/python/src/ringfence/protocol.py",
            python::print(&protocol),
        ),
        (
            "clients/typescript/src/protocol.ts",
            typescript::print(&protocol),
        ),
    ])
}

#[cfg(test)]
mod example {
    /// A small protocol with all that the printers must know.
    pub(super) const SCHEMA: &str = r##"{
        "description": "All.", "versions": [1, 2],
        "$defs": {
            "Name": {"anyOf": [{"type": "string"}, {"type": "integer", "format": "int32"}]},
            "Nothing": {"type": "object", "description": "Nothing.", "additionalProperties": false},
            "Start": {"type": "object", "required": ["argv"], "properties": {
                "argv": {"type": "array", "items": {"type": "string"}, "description": "Words."},
                "env": {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
                "from": {"$ref": "#/$defs/Where", "default": "front"}}},
            "Told": {"type": "object", "required": ["count", "names"], "properties": {
                "count": {"type": "integer", "minimum": 0, "description": "How many,\nat most."},
                "more": true,
                "names": {"type": "array", "items": {"type": ["string", "null"]}}}},
            "Where": {"description": "Where.", "oneOf": [
                {"const": "front", "type": "string", "description": "Before."},
                {"const": "back", "type": "string", "description": "Behind."}]}
        },
        "methods": {"thing.start": {"description": "Starts.",
            "params": {"$ref": "#/$defs/Start"}, "result": {"$ref": "#/$defs/Told"}}},
        "notifications": {"thing.told": {"$ref": "#/$defs/Told"}},
        "errors": {"codes": {"-2": "never", "-1": "no"}, "data": {"$ref": "#/$defs/Nothing"}}
    }"##;
}
