//! Claude Code's PreToolUse contract: the call in, the answer out. The sources are named in
//! docs/agents.md.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ringfence::rules::Verdict;
use ringfence_ledger::shell;
use ringfence_policy::Decision;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::command::hook::{Decide, wrapped};

/// The tools that hand a text to a shell, in the field `command`.
const SHELLS: [&str; 2] = ["Bash", "Monitor"];

/// The most a program takes as one word, with the NUL that ends it (`MAX_ARG_STRLEN`, `execve(2)`).
/// The agent hands the whole line to its shell as one.
const LONGEST: usize = 32 * 4096;

/// How a command is put into a ring.
#[derive(Debug)]
pub(super) struct Ring {
    /// This program.
    pub(super) program: PathBuf,
    /// Flags of `run`.
    pub(super) flags: Vec<OsString>,
}

/// What to answer.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// The call to make instead.
    Rewritten(Value),
    /// No shell is meant; nothing is said.
    NoShell,
}

/// Why a call is blocked: it could not be made to run in a ring.
#[derive(Debug, Error)]
pub(super) enum Blocked {
    #[error("the tool call on stdin is not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error("the tool call on stdin is no object")]
    NoObject,
    #[error("{0} is missing in the tool call, or is no string")]
    NoString(&'static str),
    #[error("tool_input is missing in the tool call, or is no object")]
    NoInput,
    #[error(
        "this hook answers PreToolUse, and was called for {0:?}; mend its place in settings.json"
    )]
    OtherEvent(String),
    #[error("the command has a NUL in it, which no program can be given")]
    Nul,
    #[error(
        "the command is too long: {0} bytes with what runs it, and a program takes {LONGEST}; write it to a file and run that"
    )]
    TooLong(usize),
    #[error("a path or a flag of this hook is not UTF-8, which JSON cannot say")]
    NotText,
    #[error("not run: {}", .0.line())]
    Forbidden(Box<Verdict>),
    #[error(
        "not run: the mode is full-access ({0}), in which there is no ring; take that out, or this hook"
    )]
    NoRing(String),
    #[error("the rules that hold cannot be read: {0}")]
    Rules(#[from] ringfence::Error),
}

/// What the rules say of a shell's text, in a directory.
pub(super) type Judge<'a> = &'a dyn Fn(&str, Option<&Path>) -> Result<Verdict, Blocked>;

/// Answers a call.
pub(super) fn answer(
    call: &[u8],
    ring: &Ring,
    decide: Decide,
    judge: Judge<'_>,
) -> Result<Answer, Blocked> {
    let call: Value = serde_json::from_slice(call).map_err(Blocked::NotJson)?;
    let call = call.as_object().ok_or(Blocked::NoObject)?;
    let event = string(call, "hook_event_name")?;
    if event != "PreToolUse" {
        return Err(Blocked::OtherEvent(event.to_owned()));
    }
    let tool = string(call, "tool_name")?;
    if !SHELLS.contains(&tool) {
        return Ok(Answer::NoShell);
    }
    let input = call.get("tool_input").and_then(Value::as_object);
    let mut input = input.ok_or(Blocked::NoInput)?.clone();
    if tool == "Monitor" && !input.contains_key("command") {
        // It watches a web socket, and starts nothing.
        return Ok(Answer::NoShell);
    }
    let command = string(&input, "command")?;
    if command.contains('\0') {
        return Err(Blocked::Nul);
    }
    let cwd = call.get("cwd").and_then(Value::as_str).map(Path::new);
    let verdict = judge(command, cwd)?;
    if verdict.decision == Decision::Forbid {
        return Err(Blocked::Forbidden(Box::new(verdict)));
    }
    // Wrapped whatever it is: what looks wrapped already may say another mode, or go on after it.
    let line = text(wrapped(ring, command))?;
    if line.len() >= LONGEST {
        return Err(Blocked::TooLong(line.len()));
    }
    // The answer replaces the whole input, so all else in it is said again.
    input.insert("command".to_owned(), Value::String(line));
    let mut said = json!({ "hookEventName": "PreToolUse", "updatedInput": input });
    if verdict.decision == Decision::Ask {
        // Whatever is said of others.
        said["permissionDecision"] = json!("ask");
        said["permissionDecisionReason"] = json!(format!("Ringfence: {}", verdict.line()));
    } else if let Some(decision) = decide.decision() {
        said["permissionDecision"] = json!(decision);
        said["permissionDecisionReason"] = json!("Ringfence runs this command in a ring");
    }
    Ok(Answer::Rewritten(json!({ "hookSpecificOutput": said })))
}

impl Decide {
    /// In the words of the contract; `None` where nothing is said.
    fn decision(self) -> Option<&'static str> {
        match self {
            Decide::Ask => Some("ask"),
            Decide::Allow => Some("allow"),
            Decide::Rules => None,
        }
    }
}

fn string<'a>(map: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, Blocked> {
    map.get(name)
        .and_then(Value::as_str)
        .ok_or(Blocked::NoString(name))
}

fn text(text: OsString) -> Result<String, Blocked> {
    text.into_string().map_err(|_| Blocked::NotText)
}

/// What calls this hook with these flags, for `.claude/settings.json`.
pub(super) fn settings(ring: &Ring, decide: Decide) -> Result<Value, Blocked> {
    let Ring { program, flags } = ring;
    let decide = match decide {
        Decide::Ask => None,
        Decide::Allow => Some("--decide=allow"),
        Decide::Rules => Some("--decide=rules"),
    };
    let words = [program.as_os_str(), "hook".as_ref(), "claude-code".as_ref()]
        .into_iter()
        .chain(decide.map(AsRef::as_ref))
        .chain(flags.iter().map(OsString::as_os_str));
    let line = text(shell::line(words))?;
    Ok(json!({
        // A ring ends with its command, and where that command went ends with it: so the agent
        // says it to its model.
        "env": { "CLAUDE_BASH_MAINTAIN_PROJECT_WORKING_DIR": "1" },
        "hooks": {
            "PreToolUse": [{
                "matcher": SHELLS.join("|"),
                "hooks": [{
                    "type": "command",
                    // A hook that cannot be started, or is killed, would let the command go.
                    "command": format!("{line} || exit 2"),
                }],
            }],
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::any;
    use proptest::{prop_assert, prop_assert_eq, proptest};
    use std::process::Command;

    fn ring() -> Ring {
        Ring {
            program: PathBuf::from("/opt/ring fence/ringfence"),
            flags: vec!["--mode=read-only".into(), "--write=/a b".into()],
        }
    }

    fn call(tool: &str, input: Value) -> Vec<u8> {
        json!({
            "session_id": "s",
            "transcript_path": "/t",
            "cwd": "/w",
            "permission_mode": "default",
            "hook_event_name": "PreToolUse",
            "tool_name": tool,
            "tool_input": input,
            "tool_use_id": "toolu_1",
        })
        .to_string()
        .into_bytes()
    }

    fn no_rules(text: &str, _: Option<&Path>) -> Result<Verdict, Blocked> {
        let none = ringfence_rules::RuleSet::new([]).map_err(ringfence::Error::from)?;
        Ok(none.judge_shell(text, ringfence_rules::Shell::Bash))
    }

    fn starting(text: &str, at: Option<&Path>) -> Result<Verdict, Blocked> {
        assert_eq!(at, Some(Path::new("/w")));
        let rules = ringfence_rules::RuleSet::new([])
            .map_err(ringfence::Error::from)?
            .with_starting()
            .map_err(ringfence::Error::from)?;
        Ok(rules.judge_shell(text, ringfence_rules::Shell::Bash))
    }

    fn rewritten(call: &[u8], decide: Decide) -> Value {
        match answer(call, &ring(), decide, &no_rules).unwrap() {
            Answer::Rewritten(value) => value["hookSpecificOutput"].clone(),
            Answer::NoShell => panic!("not rewritten"),
        }
    }

    #[test]
    fn a_command_is_rewritten_and_all_else_stays() {
        let input = json!({
            "command": "git status && echo 'a'",
            "description": "state",
            "timeout": 120_000,
            "run_in_background": true,
            "dangerouslyDisableSandbox": true,
            "later": { "unknown": [1, 2.5, null] },
        });
        for tool in SHELLS {
            let said = rewritten(&call(tool, input.clone()), Decide::Ask);
            assert_eq!(said["hookEventName"], "PreToolUse");
            let mut expected = input.clone();
            expected["command"] = json!(
                r"'/opt/ring fence/ringfence' run --mode=read-only '--write=/a b' --rules-answered -- bash -c -- 'git status && echo '\''a'\'''"
            );
            assert_eq!(said["updatedInput"], expected);
        }
    }

    #[test]
    fn the_person_is_asked_unless_they_said_otherwise() {
        let call = call("Bash", json!({ "command": "ls" }));
        assert_eq!(rewritten(&call, Decide::Ask)["permissionDecision"], "ask");
        assert_eq!(
            rewritten(&call, Decide::Allow)["permissionDecision"],
            "allow"
        );
        let said = rewritten(&call, Decide::Rules);
        assert_eq!(said.get("permissionDecision"), None);
        assert!(said["updatedInput"]["command"].is_string());
    }

    #[test]
    fn what_rules_ask_about_is_asked_whatever_is_said_of_others() {
        for decide in [Decide::Ask, Decide::Allow, Decide::Rules] {
            let call = call("Bash", json!({ "command": "ls && git push" }));
            let Ok(Answer::Rewritten(answer)) = answer(&call, &ring(), decide, &starting) else {
                panic!("not rewritten");
            };
            let said = &answer["hookSpecificOutput"];
            assert_eq!(said["permissionDecision"], "ask");
            let reason = said["permissionDecisionReason"].as_str().unwrap();
            assert!(reason.contains("`git push`"), "{reason}");
        }
        let call = call("Bash", json!({ "command": "ls; sudo id" }));
        let blocked = answer(&call, &ring(), Decide::Allow, &starting).unwrap_err();
        assert!(blocked.to_string().contains("`sudo id`"), "{blocked}");
    }

    #[test]
    fn what_is_no_shell_passes() {
        for tool in [
            "Write",
            "Edit",
            "Read",
            "Task",
            "mcp__x__Bash",
            "bash",
            "BashOutput",
            "",
        ] {
            let call = call(tool, json!({ "command": "ls" }));
            assert_eq!(
                answer(&call, &ring(), Decide::Ask, &no_rules).unwrap(),
                Answer::NoShell,
                "{tool}"
            );
        }
    }

    #[test]
    fn a_monitor_of_a_web_socket_passes() {
        let socket = call("Monitor", json!({ "ws": { "url": "wss://x" } }));
        assert_eq!(
            answer(&socket, &ring(), Decide::Ask, &no_rules).unwrap(),
            Answer::NoShell
        );
        let both = call("Monitor", json!({ "ws": {}, "command": 3 }));
        assert!(answer(&both, &ring(), Decide::Ask, &no_rules).is_err());
    }

    #[test]
    fn what_cannot_be_read_or_rewritten_is_blocked() {
        let head = r#""hook_event_name":"PreToolUse","tool_name":"Bash""#;
        let long = "x".repeat(LONGEST);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for bad in [
            "".to_owned(),
            "ls".to_owned(),
            "null".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            "\u{feff}{}".to_owned(),
            deep,
            r#"{"tool_name":"Bash","tool_input":{"command":"ls"}}"#.to_owned(),
            r#"{"hook_event_name":"PreToolUse","tool_input":{"command":"ls"}}"#.to_owned(),
            r#"{"hook_event_name":"PreToolUse","tool_name":["Bash"],"tool_input":{"command":"ls"}}"#.to_owned(),
            r#"{"hook_event_name":"PostToolUse","tool_name":"Bash","tool_input":{"command":"ls"}}"#.to_owned(),
            format!("{{{head}}}"),
            format!(r#"{{{head},"tool_input":"ls"}}"#),
            format!(r#"{{{head},"tool_input":{{}}}}"#),
            format!(r#"{{{head},"tool_input":{{"command":null}}}}"#),
            format!(r#"{{{head},"tool_input":{{"command":["ls"]}}}}"#),
            format!(r#"{{{head},"tool_input":{{"command":"a\u0000b"}}}}"#),
            format!(r#"{{{head},"tool_input":{{"command":"\ud800"}}}}"#),
            format!(r#"{{{head},"tool_input":{{"command":"{long}"}}}}"#),
            format!(r#"{{{head},"tool_input":{{"command":"ls"}}}} trailing"#),
        ] {
            let shown: String = bad.chars().take(120).collect();
            assert!(answer(bad.as_bytes(), &ring(), Decide::Allow, &no_rules).is_err(), "{shown}");
        }
        let mut bytes = call("Bash", json!({ "command": "ls" }));
        bytes.push(0xff);
        assert!(answer(&bytes, &ring(), Decide::Allow, &no_rules).is_err());
        // The control: the same call, whole.
        let good = format!(r#"{{{head},"tool_input":{{"command":"ls"}}}}"#);
        assert!(answer(good.as_bytes(), &ring(), Decide::Allow, &no_rules).is_ok());
    }

    #[test]
    fn a_name_that_is_said_twice_means_what_the_agent_takes_it_for() {
        // JSON.parse takes the last, and so do we.
        let twice = r#"{"hook_event_name":"PreToolUse","tool_name":"Read","tool_name":"Bash","tool_input":{"command":"safe","command":"other"}}"#;
        let said = rewritten(twice.as_bytes(), Decide::Ask);
        let line = said["updatedInput"]["command"].as_str().unwrap();
        assert!(line.ends_with(" 'other'"), "{line}");
    }

    #[test]
    fn what_looks_wrapped_is_wrapped_again() {
        for command in [
            "'/opt/ring fence/ringfence' run --mode full-access -- sh -c id",
            "'/opt/ring fence/ringfence' run --mode=read-only '--write=/a b' --rules-answered -- bash -c -- 'true'; rm -rf ~",
            "'/opt/ring fence/ringfence' run --mode=read-only '--write=/a b' --rules-answered -- bash -c -- 'true'",
        ] {
            let said = rewritten(&call("Bash", json!({ "command": command })), Decide::Ask);
            let line = said["updatedInput"]["command"].as_str().unwrap();
            let expected = text(wrapped(&ring(), command)).unwrap();
            assert_eq!(line, expected);
            assert!(line.len() > command.len());
        }
    }

    #[test]
    fn the_settings_call_this_hook_and_block_without_it() {
        let said = settings(&ring(), Decide::Allow).unwrap();
        let entry = &said["hooks"]["PreToolUse"][0];
        assert_eq!(entry["matcher"], "Bash|Monitor");
        assert_eq!(entry["hooks"][0]["type"], "command");
        let command = entry["hooks"][0]["command"].as_str().unwrap();
        assert_eq!(
            command,
            "'/opt/ring fence/ringfence' hook claude-code --decide=allow --mode=read-only '--write=/a b' || exit 2"
        );
        // It is not installed there: the hook fails as one that blocks.
        let status = Command::new("sh").arg("-c").arg(command).output().unwrap();
        assert_eq!(status.status.code(), Some(2));
    }

    proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(96))]

        /// A real shell that is given the line starts one program, with one word for the command.
        #[test]
        fn a_shell_reads_the_line_as_one_ring_with_one_command(command in any::<String>()) {
            if command.contains('\0') {
                let call = call("Bash", json!({ "command": command }));
                prop_assert!(answer(&call, &ring(), Decide::Ask, &no_rules).is_err());
                return Ok(());
            }
            let said = rewritten(&call("Bash", json!({ "command": command })), Decide::Ask);
            let line = said["updatedInput"]["command"].as_str().unwrap();
            // The words, for a program that prints them.
            let script = format!("printf '%s\\0' {line}");
            let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
            prop_assert!(output.status.success());
            let printed = String::from_utf8(output.stdout).unwrap();
            let words: Vec<&str> = printed.trim_end_matches('\0').split('\0').collect();
            let mut expected = vec![
                "/opt/ring fence/ringfence", "run", "--mode=read-only", "--write=/a b", "--rules-answered", "--", "bash", "-c", "--",
            ];
            if !command.is_empty() {
                expected.push(&command);
            }
            prop_assert_eq!(words, expected);
        }
    }
}
