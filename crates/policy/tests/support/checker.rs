//! A checker of the part of JSON Schema (draft 2020-12) that our schema uses. A whole one takes two minutes to
//! build. A keyword it does not know is a panic, never a pass.

use serde_json::Value;

/// Whether a value conforms to a schema.
pub(crate) fn conforms(schema: &Value, value: &Value) -> bool {
    let keywords = schema.as_object().unwrap();
    keywords
        .iter()
        .all(|(keyword, say)| match keyword.as_str() {
            "$schema" | "title" | "description" | "default" => true,
            "type" => has_type(say.as_str().unwrap(), value),
            "enum" => say.as_array().unwrap().contains(value),
            "const" => say == value,
            "anyOf" => say
                .as_array()
                .unwrap()
                .iter()
                .any(|schema| conforms(schema, value)),
            "allOf" => say
                .as_array()
                .unwrap()
                .iter()
                .all(|schema| conforms(schema, value)),
            "not" => !conforms(say, value),
            "pattern" => value.as_str().is_none_or(|text| {
                regex_lite::Regex::new(say.as_str().unwrap())
                    .unwrap()
                    .is_match(text)
            }),
            "minLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() >= number(say)),
            "maxLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() <= number(say)),
            "minimum" => value
                .as_f64()
                .is_none_or(|number| number >= say.as_f64().unwrap()),
            "maximum" => value
                .as_f64()
                .is_none_or(|number| number <= say.as_f64().unwrap()),
            "minItems" => value
                .as_array()
                .is_none_or(|items| items.len() >= number(say)),
            "items" => value
                .as_array()
                .is_none_or(|items| items.iter().all(|item| conforms(say, item))),
            "required" => value.as_object().is_none_or(|object| {
                say.as_array()
                    .unwrap()
                    .iter()
                    .all(|key| object.contains_key(key.as_str().unwrap()))
            }),
            "properties" => value.as_object().is_none_or(|object| {
                let known = say.as_object().unwrap();
                known
                    .iter()
                    .all(|(key, schema)| object.get(key).is_none_or(|v| conforms(schema, v)))
            }),
            "additionalProperties" => {
                assert_eq!(say, &Value::Bool(false));
                let known = schema["properties"].as_object().unwrap();
                value
                    .as_object()
                    .is_none_or(|object| object.keys().all(|key| known.contains_key(key)))
            }
            unknown => panic!("the checker does not know `{unknown}`"),
        })
}

fn number(say: &Value) -> usize {
    usize::try_from(say.as_u64().unwrap()).unwrap()
}

fn has_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        unknown => panic!("the checker does not know the type `{unknown}`"),
    }
}
