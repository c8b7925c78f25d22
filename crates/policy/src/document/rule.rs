//! The shape of `[[rule]]`.

use toml::de::{DeTable, DeValue};

use super::checks;
use super::toml::{Reader, Value};
use crate::error::{PolicyError, Problem};
use crate::keys;
use crate::model::Sourced;
use crate::rule::{Decision, Placement, Rule, Word};

pub(super) fn read(reader: &mut Reader<'_>, value: &Value<'_>) -> Vec<Sourced<Rule>> {
    let DeValue::Array(array) = value.get_ref() else {
        return not_a_rule(reader, value);
    };
    let mut rules = Vec::new();
    for item in array {
        match item.get_ref() {
            DeValue::Table(table) => rules.extend(rule(reader, item, table)),
            _ => rules.extend(not_a_rule(reader, item)),
        }
    }
    rules
}

fn not_a_rule(reader: &mut Reader<'_>, value: &Value<'_>) -> Vec<Sourced<Rule>> {
    reader.wrong(&RULE, value);
    Vec::new()
}

const RULE: keys::Key = keys::Key {
    table: "",
    name: "rule",
    full: "rule",
    expected: "a [[rule]] table",
    example: "[[rule]] on a line of its own, its keys below it",
};

fn rule(reader: &mut Reader<'_>, whole: &Value<'_>, table: &DeTable<'_>) -> Option<Sourced<Rule>> {
    let at = reader.at(whole.span().start);
    let (mut prefix, mut decision, mut ring, mut why) = (None, None, None, None);
    let (mut match_, mut not_match) = (Vec::new(), Vec::new());
    let errors_before = reader.errors.len();
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "prefix" => prefix = words(reader, value),
            "decision" => decision = reader.word::<Decision>(&keys::RULE_DECISION, value),
            "ring" => ring = reader.word::<Placement>(&keys::RULE_RING, value),
            "why" => why = reader.text(&keys::RULE_WHY, value, checks::rule_text),
            "match" => match_ = commands(reader, &keys::RULE_MATCH, value),
            "not_match" => not_match = commands(reader, &keys::RULE_NOT_MATCH, value),
            _ => reader.unknown("rule", key),
        }
    }
    let placed = ring.as_ref().map_or(Placement::Inside, |ring| ring.value);
    if let (Some(said), Placement::Outside) = (&decision, placed)
        && said.value == Decision::Allow
    {
        reader.bad(
            &keys::RULE_DECISION,
            said.origin.clone(),
            Problem::OutsideAllows,
        );
    }
    // A key that stands there and is wrong is not missing as well.
    for key in [&keys::RULE_PREFIX, &keys::RULE_DECISION] {
        if !table.iter().any(|(name, _)| name.get_ref() == key.name) {
            let (key, example) = (key.full, key.example);
            reader.errors.push(PolicyError::MissingKey {
                at: at.clone(),
                key,
                example,
            });
        }
    }
    if reader.errors.len() > errors_before {
        return None;
    }
    let rule = Rule {
        prefix: prefix?,
        decision: decision?.value,
        ring: placed,
        why: why.map(|why| why.value),
        match_,
        not_match,
    };
    Some(Sourced::new(rule, at))
}

fn commands(reader: &mut Reader<'_>, key: &keys::Key, value: &Value<'_>) -> Vec<String> {
    let listed = reader.entries(key, value, checks::rule_text);
    listed.into_iter().map(|item| item.value).collect()
}

fn words(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<Word>> {
    let key = &keys::RULE_PREFIX;
    let DeValue::Array(array) = value.get_ref() else {
        reader.wrong(key, value);
        return None;
    };
    let mut words = Vec::new();
    for item in array {
        match item.get_ref() {
            DeValue::Array(choices) => {
                let any = reader.entries(key, item, checks::prefix_word);
                if choices.is_empty() {
                    let at = reader.at(item.span().start);
                    reader.bad(key, at, Problem::EmptyList);
                }
                words.push(Word::AnyOf(
                    any.into_iter().map(|word| word.value).collect(),
                ));
            }
            _ => {
                let word = reader.text(key, item, checks::prefix_word);
                words.extend(word.map(|word| Word::One(word.value)));
            }
        }
    }
    if array.is_empty() {
        let at = reader.at(value.span().start);
        reader.bad(key, at, Problem::EmptyList);
    }
    Some(words)
}
