//! What a client of `ringfence serve` sends: lines, requests, and a whole conversation.
#![no_main]

use std::cell::LazyCell;
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use ringfence_serve::protocol::Call;
use ringfence_serve::{Rings, fuzzing};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::runtime::{Builder, Runtime};

/// A line is too long sooner here, so that the fuzzer finds out what happens then.
const MAX: usize = 64;

/// These read files, start programs and make directories: only their parameters are read.
const WITH_EFFECTS: [&str; 4] = ["ring.open", "why", "doctor", "policy.show"];

thread_local! {
    static RUNTIME: LazyCell<Runtime> = const {
        LazyCell::new(|| Builder::new_current_thread().enable_time().build().unwrap())
    };
}

/// Lines as anyone would take them from the whole.
fn expected(bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    lines.pop();
    let bounded = |line: &[u8]| (line.len() <= MAX).then(|| line.to_vec());
    lines.into_iter().map(bounded).collect()
}

fn parsed(line: &[u8]) {
    let Ok(Value::Object(request)) = serde_json::from_slice::<Value>(line) else {
        return;
    };
    let params = request
        .get("params")
        .map(|params| RawValue::from_string(params.to_string()).expect("it was a value"));
    if let Some(Value::String(method)) = request.get("method") {
        let _call = Call::parse(method, params.as_deref());
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, bytes)) = input.split_first() else {
        return;
    };
    RUNTIME.with(|runtime| {
        let lines = runtime.block_on(fuzzing::lines(bytes, (*piece).into(), MAX));
        assert_eq!(lines.unwrap(), expected(bytes));
        bytes.split(|byte| *byte == b'\n').for_each(parsed);
        let text = String::from_utf8_lossy(bytes);
        if WITH_EFFECTS.iter().any(|method| text.contains(method)) || text.contains("\\u") {
            return;
        }
        let rings = Rings::new(Some(PathBuf::from("/nonexistent")));
        let said = runtime.block_on(fuzzing::converse(rings, bytes, (*piece).into()));
        // Whatever is said, each line of it is an answer or a notification.
        let mut answers = said.split(|byte| *byte == b'\n').peekable();
        while let Some(answer) = answers.next() {
            if answers.peek().is_none() {
                assert!(answer.is_empty(), "the last line has no end");
                break;
            }
            let answer: Value = serde_json::from_slice(answer).expect("an answer is JSON");
            assert_eq!(answer["jsonrpc"], "2.0");
            assert!(answer.get("id").is_some() || answer.get("method").is_some());
        }
    });
});
