//! The published schema of `ringfence serve`, read as types that a client can have.
//!
//! Only what the schema uses is understood. Anything else is an error that names its place, so that
//! no part of the protocol is missing from the clients in silence.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

/// All that is said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Protocol {
    pub(crate) about: String,
    /// The versions that are spoken.
    pub(crate) versions: Vec<u64>,
    pub(crate) definitions: Vec<Definition>,
    pub(crate) methods: Vec<Method>,
    pub(crate) notifications: Vec<Notification>,
    /// The codes of errors that are not JSON-RPC's own, with what they say.
    pub(crate) codes: Vec<(i64, String)>,
    /// What an error carries.
    pub(crate) error_data: String,
}

/// A request: its parameters and its answer are definitions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Method {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) params: String,
    pub(crate) result: String,
}

/// What is told without having been asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notification {
    pub(crate) name: String,
    pub(crate) params: String,
}

/// A type with a name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) shape: Shape,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// An object with these fields.
    Fields(Vec<Field>),
    /// One of these, each with what it means.
    OneOf(Vec<(Type, String)>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) of: Type,
    pub(crate) required: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Any,
    Null,
    Boolean,
    Integer,
    Text,
    /// This very text.
    Exactly(String),
    List(Box<Type>),
    /// An object with any names.
    Map(Box<Type>),
    /// A definition.
    Named(String),
    Either(Vec<Type>),
}

/// Reads the text of the schema.
pub(crate) fn read(schema: &str) -> Result<Protocol> {
    let all: Value = serde_json::from_str(schema).context("the schema is no JSON")?;
    let mut definitions = Vec::new();
    for (name, value) in object(&all, "$defs")? {
        let definition =
            definition(name, value).with_context(|| format!("$defs.{name} of the schema"))?;
        definitions.push(definition);
    }
    let mut methods = Vec::new();
    for (name, value) in object(&all, "methods")? {
        methods.push(Method {
            name: name.clone(),
            about: about(value),
            params: reference(&value["params"])?,
            result: reference(&value["result"])?,
        });
    }
    let mut notifications = Vec::new();
    for (name, value) in object(&all, "notifications")? {
        notifications.push(Notification {
            name: name.clone(),
            params: reference(value)?,
        });
    }
    let mut codes = Vec::new();
    for (code, says) in object(&all["errors"], "codes")? {
        let code = code.parse().with_context(|| format!("code {code}"))?;
        codes.push((code, says.as_str().unwrap_or_default().to_owned()));
    }
    codes.sort_by_key(|(code, _): &(i64, _)| -code);
    let versions = all["versions"].as_array().context("no `versions`")?;
    let protocol = Protocol {
        about: about(&all),
        versions: versions.iter().filter_map(Value::as_u64).collect(),
        definitions,
        methods,
        notifications,
        codes,
        error_data: reference(&all["errors"]["data"])?,
    };
    all_are_defined(&protocol)?;
    Ok(protocol)
}

fn object<'a>(value: &'a Value, key: &str) -> Result<&'a Map<String, Value>> {
    let found = value[key].as_object();
    found.with_context(|| format!("the schema has no `{key}`"))
}

fn about(value: &Value) -> String {
    value["description"].as_str().unwrap_or_default().to_owned()
}

fn definition(name: &str, value: &Value) -> Result<Definition> {
    let shape = match (value["oneOf"].as_array(), value["anyOf"].as_array()) {
        (Some(all), _) | (None, Some(all)) => {
            let each = |one: &Value| Ok((type_of(one)?, about(one)));
            Shape::OneOf(all.iter().map(each).collect::<Result<_>>()?)
        }
        (None, None) if value["type"] == "object" => Shape::Fields(fields(value)?),
        (None, None) => Shape::OneOf(vec![(type_of(value)?, String::new())]),
    };
    Ok(Definition {
        name: name.to_owned(),
        about: about(value),
        shape,
    })
}

fn fields(value: &Value) -> Result<Vec<Field>> {
    let Some(properties) = value["properties"].as_object() else {
        return Ok(Vec::new());
    };
    let required = value["required"].as_array().map_or(&[][..], Vec::as_slice);
    let mut fields = Vec::new();
    for (name, property) in properties {
        fields.push(Field {
            name: name.clone(),
            about: about(property),
            of: type_of(property).with_context(|| format!("property `{name}`"))?,
            required: required.iter().any(|one| one == name.as_str()),
        });
    }
    // What must be given stands first.
    fields.sort_by_key(|field| !field.required);
    Ok(fields)
}

/// What else a property may say without being of another type for it.
const PLAIN: [&str; 5] = ["description", "default", "format", "minimum", "maximum"];

fn type_of(value: &Value) -> Result<Type> {
    if value == &Value::Bool(true) {
        return Ok(Type::Any);
    }
    let Some(said) = value.as_object() else {
        bail!("{value} is no type");
    };
    let known = |key: &str, more: &[&str]| PLAIN.contains(&key) || more.contains(&key);
    let only = |more: &[&str]| match said.keys().find(|key| !known(key, more)) {
        Some(key) => bail!("`{key}` is not understood; teach xtask/src/clients/protocol.rs"),
        None => Ok(()),
    };
    if said.contains_key("$ref") {
        only(&["$ref"])?;
        return Ok(Type::Named(reference(value)?));
    }
    for of in ["anyOf", "oneOf"] {
        if let Some(all) = said.get(of).and_then(Value::as_array) {
            only(&[of])?;
            return either(all.iter().map(type_of));
        }
    }
    if let Some(exactly) = said.get("const") {
        only(&["const", "type"])?;
        let text = exactly.as_str().context("a `const` that is no text")?;
        return Ok(Type::Exactly(text.to_owned()));
    }
    match said.get("type") {
        None => {
            only(&[])?;
            Ok(Type::Any)
        }
        Some(Value::String(name)) => {
            only(&["type", "items", "additionalProperties"])?;
            simple(name, value)
        }
        Some(Value::Array(names)) => {
            only(&["type", "items", "additionalProperties"])?;
            let named = |name: &Value| simple(name.as_str().unwrap_or_default(), value);
            either(names.iter().map(named))
        }
        Some(other) => bail!("type {other} is not understood"),
    }
}

fn either(all: impl Iterator<Item = Result<Type>>) -> Result<Type> {
    Ok(Type::Either(all.collect::<Result<_>>()?))
}

fn simple(name: &str, value: &Value) -> Result<Type> {
    Ok(match name {
        "null" => Type::Null,
        "boolean" => Type::Boolean,
        "integer" => Type::Integer,
        "string" => Type::Text,
        "array" => Type::List(Box::new(type_of(&value["items"])?)),
        "object" => Type::Map(Box::new(type_of(&value["additionalProperties"])?)),
        other => bail!("type `{other}` is not understood"),
    })
}

fn reference(value: &Value) -> Result<String> {
    let target = value["$ref"].as_str().context("no `$ref`")?;
    let name = target.strip_prefix("#/$defs/");
    Ok(name.with_context(|| format!("`{target}`"))?.to_owned())
}

/// A name that nobody defines would be found by no test of the generator, but by whoever imports it.
fn all_are_defined(protocol: &Protocol) -> Result<()> {
    fn named(of: &Type) -> Vec<&str> {
        match of {
            Type::Named(name) => vec![name],
            Type::List(inner) | Type::Map(inner) => named(inner),
            Type::Either(all) => all.iter().flat_map(named).collect(),
            _ => Vec::new(),
        }
    }
    let mut used: Vec<&str> = vec![&protocol.error_data];
    for definition in &protocol.definitions {
        match &definition.shape {
            Shape::Fields(fields) => used.extend(fields.iter().flat_map(|field| named(&field.of))),
            Shape::OneOf(all) => used.extend(all.iter().flat_map(|(of, _)| named(of))),
        }
    }
    for method in &protocol.methods {
        used.extend([method.params.as_str(), &method.result]);
    }
    used.extend(protocol.notifications.iter().map(|n| n.params.as_str()));
    for name in used {
        if !protocol.definitions.iter().any(|known| known.name == name) {
            bail!("`{name}` is used and not defined");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::example::SCHEMA;
    use super::*;

    fn find<'a>(protocol: &'a Protocol, name: &str) -> &'a Shape {
        let found = protocol.definitions.iter().find(|d| d.name == name);
        &found.unwrap().shape
    }

    #[test]
    fn fields_know_their_type_and_whether_they_must_be_there() {
        let protocol = read(SCHEMA).unwrap();
        let Shape::Fields(fields) = find(&protocol, "Start") else {
            panic!("no object");
        };
        let shown: Vec<_> = fields
            .iter()
            .map(|f| (f.name.as_str(), f.required))
            .collect();
        assert_eq!(shown, [("argv", true), ("env", false), ("from", false)]);
        assert_eq!(fields[0].of, Type::List(Box::new(Type::Text)));
        let nullable = Type::Either(vec![Type::Text, Type::Null]);
        assert_eq!(fields[1].of, Type::Map(Box::new(nullable)));
        assert_eq!(fields[2].of, Type::Named("Where".to_owned()));
        assert_eq!(find(&protocol, "Nothing"), &Shape::Fields(Vec::new()));
        assert_eq!(
            protocol.codes,
            [(-1, "no".to_owned()), (-2, "never".to_owned())]
        );
    }

    #[test]
    fn what_is_not_understood_is_an_error_that_says_where() {
        for (was, is, named) in [
            (
                "\"items\": {\"type\": \"string\"}",
                "\"items\": {\"type\": \"string\", \"pattern\": \"x\"}",
                "pattern",
            ),
            (
                "\"data\": {\"$ref\": \"#/$defs/Nothing",
                "\"data\": {\"$ref\": \"#/$defs/Lost",
                "Lost",
            ),
            ("\"const\": \"front\"", "\"const\": 7", "const"),
            ("\"type\": \"array\"", "\"type\": \"tuple\"", "tuple"),
        ] {
            assert!(SCHEMA.contains(was), "{was}");
            let error = read(&SCHEMA.replace(was, is)).unwrap_err();
            assert!(format!("{error:#}").contains(named), "{error:#}");
        }
    }
}
