//! Claude Code's permission lists, imported.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod written;

use ringfence_policy::{Decision, Layer};
use ringfence_rules::import::{ImportError, from_claude};
use written::{decision, of, set};

use Decision::{Allow, Ask, Forbid};

const SETTINGS: &str = r#"{
  "permissions": {
    "allow": [
      "Bash(npm run test)", "Bash(git log:*)", "Bash(git diff *)", "Bash(ls*)", "Bash(npm run test:*)",
      "Bash(git * main)", "Bash(* --version)", "Read(~/.zshrc)", "WebFetch(domain:example.com)", "mcp__x__y",
      "Bash(a && b)", "Bash(echo $HOME)", "Bash(grep 'a b' *)", "Bash(find . -exec rm {} \\;)", "Bash(broken", 7
    ],
    "ask": ["Bash(git push:*)", "Bash(docker compose *)"],
    "deny": ["Bash(curl:*)", "Read(./.env)", "Edit(/etc/**)", "PowerShell(x)"],
    "additionalDirectories": ["../docs"],
    "defaultMode": "acceptEdits"
  },
  "model": "x"
}"#;

#[test]
fn lists_become_rules_and_all_else_is_told() {
    let imported = from_claude(SETTINGS, "settings.json").unwrap();
    let notes: Vec<_> = imported
        .notes
        .iter()
        .map(|note| {
            let taken = if note.taken { "taken" } else { "left" };
            format!("{taken}: {}: {}", note.what, note.why)
        })
        .collect();
    insta::assert_snapshot!(format!("{}\n---\n{}", notes.join("\n"), imported.toml));
    let rules = set(&of(Layer::User, &imported.toml)).with_default(Ask);
    for (text, expected) in [
        ("npm run test", Allow),
        ("npm run test:unit", Ask),
        ("git log --oneline", Allow),
        ("git logs", Ask),
        ("git diff", Allow),
        ("ls -la", Allow),
        ("lsof", Allow),
        ("git push origin main", Ask),
        ("docker compose up", Ask),
        ("curl -s x", Forbid),
        ("ls && curl x", Forbid),
        ("grep 'a b' c", Allow),
        ("echo x", Ask),
    ] {
        assert_eq!(decision(&rules, text), expected, "{text}");
    }
}

#[test]
fn all_of_bash_is_any_program() {
    let rules = |list: &str| {
        let text = format!("{{\"permissions\": {{{list}}}}}");
        set(&of(Layer::User, &from_claude(&text, "x").unwrap().toml)).with_default(Ask)
    };
    for list in ["\"allow\": [\"Bash\"]", "\"allow\": [\"Bash(*)\"]"] {
        assert_eq!(decision(&rules(list), "rm x"), Allow);
    }
    assert_eq!(decision(&rules("\"deny\": [\"Bash\"]"), "rm x"), Forbid);
    assert_eq!(decision(&rules("\"deny\": [\"Bash\"]"), "./rm x"), Forbid);
}

#[test]
fn other_texts_are_refused() {
    for text in ["", "{", "[]", "{}", "{\"permissions\": []}"] {
        assert!(from_claude(text, "x").is_err(), "{text}");
    }
    assert_eq!(from_claude("{}", "x"), Err(ImportError::NoPermissions));
}
