//! A policy's text, as it is kept beside the ledger.

use std::ffi::OsStr;

use ringfence_ledger::words;
use ringfence_policy::Effective;
use serde_json::{Value, json};

/// What `ringfence policy show --json` prints, without the secrets in the words of the program that answers.
pub(crate) fn policy(policy: &Effective) -> String {
    let mut shown = ringfence_policy::show_json(policy);
    let program = shown.pointer_mut("/approval/program/value");
    if let Some(Value::Array(program)) = program {
        let said: Vec<&str> = program.iter().filter_map(Value::as_str).collect();
        let (without, count) = words(said.iter().map(OsStr::new));
        if count > 0 {
            *program = without.iter().map(|word| json!(word.to_string())).collect();
        }
    }
    shown.to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ringfence_policy::Flags;

    use crate::layers;

    #[test]
    fn no_secret_of_the_program_that_answers_is_in_it() {
        let here = Path::new("/nowhere");
        let mut effective =
            layers::effective(Flags::default(), here, here, None, None, &[]).expect("a policy");
        let program = [
            "/usr/bin/answer",
            "--token",
            "hunter2",
            "https://a:hunter2@b",
        ];
        effective.approval.program.value = program.map(str::to_owned).to_vec();
        let text = super::policy(&effective);
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains(r#""/usr/bin/answer","--token","[redacted]""#));
    }
}
