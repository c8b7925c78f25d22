//! What of a record has no place in its event.

use serde_json::{Map, Value, json};

use crate::export;
use crate::{Record, Text};

/// So many bytes has a string of OCSF at most (`string_t`).
const LONGEST: usize = 65_535;

/// What of a record has no place in its event yet.
pub(super) struct Rest(pub(super) Map<String, Value>);

impl Rest {
    pub(super) fn of(record: &Record) -> Rest {
        let mut fields = match serde_json::to_value(&record.event) {
            Ok(Value::Object(fields)) => fields,
            // Of a later version nothing but its number was read.
            _ => Map::new(),
        };
        // It is the event's code.
        fields.remove("type");
        fields.insert("previous".to_owned(), json!(record.previous.to_string()));
        Rest(fields)
    }

    /// This field has a place now, and all of it is there.
    pub(super) fn placed(&mut self, field: &str) {
        self.0.remove(field);
    }

    /// Takes a field as it stands, for where OCSF holds any JSON.
    pub(super) fn take(&mut self, field: &str) -> Value {
        self.0.remove(field).unwrap_or_default()
    }

    pub(super) fn string(&mut self, field: &str, string: &str) -> String {
        if string.len() <= LONGEST {
            self.placed(field);
        }
        bounded(string)
    }

    pub(super) fn text(&mut self, field: &str, text: &Text) -> String {
        let string = text.to_string();
        if text.as_os_str().to_str().is_some() {
            return self.string(field, &string);
        }
        bounded(&string)
    }

    /// Words as a shell would read them.
    pub(super) fn words(&mut self, field: &str, words: &[Text]) -> String {
        let line = export::line(words);
        if words.iter().all(|word| word.as_os_str().to_str().is_some()) {
            return self.string(field, &line);
        }
        bounded(&line)
    }
}

pub(super) fn bounded(string: &str) -> String {
    string[..string.floor_char_boundary(LONGEST)].to_owned()
}
