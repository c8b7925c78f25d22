//! The protocol as TypeScript's types.

use super::protocol::{Definition, Field, Protocol, Shape, Type};

/// The text of `protocol.ts`.
pub(crate) fn print(protocol: &Protocol) -> String {
    let mut text = format!(
        "// {}\n/** What is said with `ringfence serve`. {} */\n",
        super::GENERATED,
        protocol.about
    );
    let versions: Vec<String> = protocol.versions.iter().map(u64::to_string).collect();
    text.push_str(&format!(
        "\n/** The versions of the protocol that this was made from. */\nexport const VERSIONS: readonly number[] = [{}];\n",
        versions.join(", ")
    ));
    text.push_str(
        "\n/** The codes of errors that are not JSON-RPC's own. */\nexport const CODES: Readonly<Record<number, string>> = {\n",
    );
    for (code, says) in &protocol.codes {
        text.push_str(&format!("  [{code}]: {says:?},\n"));
    }
    text.push_str("};\n");
    for definition in &protocol.definitions {
        text.push_str(&match &definition.shape {
            Shape::OneOf(all) => alias(definition, all),
            Shape::Fields(fields) => record(definition, fields),
        });
    }
    text.push_str(
        "\n/** Each method: what it takes and what it answers. */\nexport interface Methods {\n",
    );
    for method in &protocol.methods {
        text.push_str(&comment("  ", &method.about));
        text.push_str(&format!(
            "  {:?}: {{ params: {}; result: {} }};\n",
            method.name, method.params, method.result
        ));
    }
    text.push_str("}\n\n/** What is told without having been asked for. */\nexport interface Notifications {\n");
    for told in &protocol.notifications {
        text.push_str(&format!("  {:?}: {};\n", told.name, told.params));
    }
    text.push_str("}\n");
    text
}

fn alias(definition: &Definition, all: &[(Type, String)]) -> String {
    let mut text = format!(
        "\n{}export type {} =",
        comment("", &definition.about),
        definition.name
    );
    for (of, says) in all {
        text.push('\n');
        text.push_str(&comment("  ", says));
        text.push_str(&format!("  | {}", name_of(of)));
    }
    text.push_str(";\n");
    text
}

fn record(definition: &Definition, fields: &[Field]) -> String {
    let (about, name) = (comment("", &definition.about), &definition.name);
    if fields.is_empty() {
        // An interface without members would take anything.
        return format!("\n{about}export type {name} = Record<string, never>;\n");
    }
    let mut text = format!("\n{about}export interface {name} {{\n");
    for field in fields {
        text.push_str(&comment("  ", &field.about));
        let optional = if field.required { "" } else { "?" };
        text.push_str(&format!(
            "  {}{optional}: {};\n",
            field.name,
            name_of(&field.of)
        ));
    }
    text.push_str("}\n");
    text
}

fn name_of(of: &Type) -> String {
    match of {
        Type::Any => "unknown".to_owned(),
        Type::Null => "null".to_owned(),
        Type::Boolean => "boolean".to_owned(),
        Type::Integer => "number".to_owned(),
        Type::Text => "string".to_owned(),
        Type::Exactly(text) => format!("{text:?}"),
        Type::List(inner) => match name_of(inner) {
            union if union.contains(" | ") => format!("({union})[]"),
            one => format!("{one}[]"),
        },
        Type::Map(inner) => format!("Record<string, {}>", name_of(inner)),
        Type::Named(name) => name.clone(),
        Type::Either(all) => all.iter().map(name_of).collect::<Vec<_>>().join(" | "),
    }
}

fn comment(indent: &str, about: &str) -> String {
    if about.is_empty() {
        return String::new();
    }
    let about = about.replace("*/", "*\\/");
    if !about.contains('\n') {
        return format!("{indent}/** {about} */\n");
    }
    let mut text = format!("{indent}/**\n");
    for line in about.lines() {
        text.push_str(format!("{indent} * {line}").trim_end());
        text.push('\n');
    }
    text.push_str(&format!("{indent} */\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::super::{example::SCHEMA, protocol};
    use super::print;

    #[test]
    fn types_are_printed_as_typescript_has_them() {
        let text = print(&protocol::read(SCHEMA).unwrap());
        for part in [
            "\n/** Where. */\nexport type Where =\n  /** Before. */\n  | \"front\"\n  /** Behind. */\n  | \"back\";\n",
            "\nexport type Name =\n  | string\n  | number;\n",
            "export interface Start {\n  /** Words. */\n  argv: string[];\n",
            "  env?: Record<string, string | null>;\n  from?: Where;\n}\n",
            "export type Nothing = Record<string, never>;\n",
            "  /**\n   * How many,\n   * at most.\n   */\n  count: number;\n  names: (string | null)[];\n  more?: unknown;\n",
            "  /** Starts. */\n  \"thing.start\": { params: Start; result: Told };\n",
            "  \"thing.told\": Told;\n",
            "  [-1]: \"no\",\n  [-2]: \"never\",\n",
        ] {
            assert!(text.contains(part), "{part}\n-- is not in --\n{text}");
        }
        assert!(text.starts_with("// Generated"));
    }
}
