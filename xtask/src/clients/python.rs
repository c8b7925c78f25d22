//! The protocol as Python's types.

use super::protocol::{Definition, Field, Protocol, Shape, Type};

/// Words that cannot be names of fields in the shape of a class: Python's `keyword.kwlist`.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// The text of `protocol.py`.
pub(crate) fn print(protocol: &Protocol) -> String {
    let mut text = format!(
        "# {}\n\"\"\"What is said with `ringfence serve`. {}\"\"\"\n\n\
         from __future__ import annotations\n\n\
         from collections.abc import Awaitable, Callable, Mapping\n\
         from typing import Any, Final, Literal, NotRequired, TypedDict, Union, cast\n\n",
        super::GENERATED,
        protocol.about
    );
    let versions: Vec<String> = protocol.versions.iter().map(u64::to_string).collect();
    text.push_str(&format!(
        "VERSIONS: Final[list[int]] = [{}]\n\"\"\"The versions of the protocol that this was made from.\"\"\"\n",
        versions.join(", ")
    ));
    text.push_str("\nCODES: Final[Mapping[int, str]] = {\n");
    for (code, says) in &protocol.codes {
        text.push_str(&format!("    {code}: {says:?},\n"));
    }
    text.push_str("}\n\"\"\"The codes of errors that are not JSON-RPC's own.\"\"\"\n");
    // Names are looked up as the module is read where they are no annotations: these first.
    for definition in &protocol.definitions {
        if let Shape::OneOf(all) = &definition.shape {
            text.push_str(&alias(definition, all));
        }
    }
    for definition in &protocol.definitions {
        if let Shape::Fields(fields) = &definition.shape {
            text.push_str(&record(definition, fields));
        }
    }
    text.push_str(&methods(protocol));
    text
}

fn alias(definition: &Definition, all: &[(Type, String)]) -> String {
    let types: Vec<Type> = all.iter().map(|(of, _)| of.clone()).collect();
    let mut about = definition.about.clone();
    for (of, says) in all.iter().filter(|(_, says)| !says.is_empty()) {
        about.push_str(&match of {
            Type::Exactly(word) => format!("\n\n`{word}`: {says}"),
            _ => format!("\n\n{says}"),
        });
    }
    // An alias is an expression, in which a union of texts and names must be spelled out.
    let of = match name_of(&Type::Either(types)) {
        union if union.contains(" | ") => format!("Union[{}]", union.replace(" | ", ", ")),
        one => one,
    };
    format!("\n{} = {of}\n{}", definition.name, docstring("", &about))
}

fn record(definition: &Definition, fields: &[Field]) -> String {
    let name = &definition.name;
    if fields.iter().any(|f| KEYWORDS.contains(&f.name.as_str())) {
        let mut text = format!("\n\n{name} = TypedDict(\n    \"{name}\",\n    {{\n");
        for field in fields {
            for line in field.about.lines() {
                text.push_str(&format!("        # {line}\n"));
            }
            text.push_str(&format!(
                "        \"{}\": \"{}\",\n",
                field.name,
                hint(field)
            ));
        }
        text.push_str("    },\n)\n");
        text.push_str(&docstring("", &definition.about));
        return text;
    }
    let mut text = format!("\n\nclass {name}(TypedDict):\n");
    text.push_str(&docstring("    ", &definition.about));
    for field in fields {
        text.push_str(&format!("\n    {}: {}\n", field.name, hint(field)));
        text.push_str(&docstring("    ", &field.about));
    }
    text
}

fn hint(field: &Field) -> String {
    let of = name_of(&field.of);
    if field.required {
        of
    } else {
        format!("NotRequired[{of}]")
    }
}

fn name_of(of: &Type) -> String {
    match of {
        Type::Any => "Any".to_owned(),
        Type::Null => "None".to_owned(),
        Type::Boolean => "bool".to_owned(),
        Type::Integer => "int".to_owned(),
        Type::Text => "str".to_owned(),
        Type::Exactly(text) => format!("Literal[{text:?}]"),
        Type::List(inner) => format!("list[{}]", name_of(inner)),
        // What is handed in is only read, and a mapping of less is one of more.
        Type::Map(inner) => format!("Mapping[str, {}]", name_of(inner)),
        Type::Named(name) => name.clone(),
        Type::Either(all) => {
            let exactly: Option<Vec<String>> = all.iter().map(word).collect();
            match exactly {
                Some(words) => format!("Literal[{}]", words.join(", ")),
                None => all.iter().map(name_of).collect::<Vec<_>>().join(" | "),
            }
        }
    }
}

fn word(of: &Type) -> Option<String> {
    match of {
        Type::Exactly(text) => Some(format!("{text:?}")),
        _ => None,
    }
}

fn docstring(indent: &str, about: &str) -> String {
    if about.is_empty() {
        return String::new();
    }
    // Within quotes nothing else ends them.
    let about = about.replace('\\', "\\\\").replace('"', "\\\"");
    let mut lines = about.lines();
    let first = lines.next().unwrap_or_default();
    let mut text = format!("{indent}\"\"\"{first}");
    for line in lines {
        text.push('\n');
        if !line.is_empty() {
            text.push_str(&format!("{indent}{line}"));
        }
    }
    text.push_str("\"\"\"\n");
    text
}

/// One method for each of the protocol's, with its types.
fn methods(protocol: &Protocol) -> String {
    let mut text = "\n\nclass Methods:\n    \"\"\"The protocol's methods, as they are: parameters in, result out.\"\"\"\n\n    \
                    def __init__(self, call: Callable[[str, Any], Awaitable[Any]]) -> None:\n        \
                    self._call = call\n"
        .to_owned();
    for method in &protocol.methods {
        let name = method.name.replace('.', "_");
        let (params, result) = (&method.params, &method.result);
        text.push_str(&format!(
            "\n    async def {name}(self, params: {params}) -> {result}:\n{}        \
             return cast({result}, await self._call({:?}, params))\n",
            docstring("        ", &method.about),
            method.name
        ));
    }
    text.push_str("\n\nNOTIFICATIONS: Final[Mapping[str, type]] = {\n");
    for told in &protocol.notifications {
        text.push_str(&format!("    {:?}: {},\n", told.name, told.params));
    }
    text.push_str(
        "}\n\"\"\"What is told without having been asked for, and its parameters.\"\"\"\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::super::{example::SCHEMA, protocol};
    use super::print;

    #[test]
    fn types_are_printed_as_python_has_them() {
        let text = print(&protocol::read(SCHEMA).unwrap());
        for part in [
            "\nWhere = Literal[\"front\", \"back\"]\n\"\"\"Where.\n\n`front`: Before.\n\n`back`: Behind.\"\"\"\n",
            "\nName = Union[str, int]\n",
            // A field whose name is a keyword.
            "\nStart = TypedDict(\n    \"Start\",\n    {\n        # Words.\n        \"argv\": \"list[str]\",\n",
            "        \"env\": \"NotRequired[Mapping[str, str | None]]\",\n        \"from\": \"NotRequired[Where]\",\n",
            "\nclass Nothing(TypedDict):\n    \"\"\"Nothing.\"\"\"\n",
            "\n    count: int\n    \"\"\"How many,\n    at most.\"\"\"\n",
            "\n    more: NotRequired[Any]\n",
            "    async def thing_start(self, params: Start) -> Told:\n        \"\"\"Starts.\"\"\"\n        \
             return cast(Told, await self._call(\"thing.start\", params))\n",
            "    \"thing.told\": Told,\n",
            "    -1: \"no\",\n    -2: \"never\",\n",
        ] {
            assert!(text.contains(part), "{part}\n-- is not in --\n{text}");
        }
        assert!(text.starts_with("# Generated"));
        // The other keywords are ones as well.
        let schema = SCHEMA.replace("\"from\"", "\"for\"");
        let text = print(&protocol::read(&schema).unwrap());
        let field = "        \"for\": \"NotRequired[Where]\",\n";
        assert!(
            text.contains(field) && !text.contains("\n    for:"),
            "{text}"
        );
    }
}
