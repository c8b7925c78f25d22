//! What Codex publishes of its rules (`execpolicy`): each of its examples, imported and judged here. Where an
//! answer is another one, it is said why.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod written;

use ringfence_policy::{Decision, Layer};
use ringfence_rules::RuleSet;
use ringfence_rules::import::{Imported, from_codex};
use written::{decision, of, set};

use Decision::{Allow, Ask, Forbid};

fn imported(text: &str) -> Imported {
    from_codex(text, "default.rules").unwrap_or_else(|error| panic!("{error}"))
}

fn rules(text: &str) -> RuleSet {
    set(&of(Layer::User, &imported(text).toml))
}

/// With `allow` where nothing matches, and with `prompt`: Codex calls both a fallback.
fn both(rules: &RuleSet, text: &str) -> (Decision, Decision) {
    let asking = rules.clone().with_default(Ask);
    (decision(rules, text), decision(&asking, text))
}

#[test]
fn words_match_in_their_order_from_the_first() {
    let rules = rules("prefix_rule(pattern = [\"git\", \"status\"])");
    assert_eq!(both(&rules, "git status"), (Allow, Allow));
    assert_eq!(both(&rules, "git status --short"), (Allow, Allow));
    assert_eq!(both(&rules, "git"), (Allow, Ask));
    assert_eq!(both(&rules, "git log status"), (Allow, Ask));
    assert_eq!(
        both(&rules, "git --config color.status=always status"),
        (Allow, Ask)
    );
}

#[test]
fn the_decision_is_allow_where_none_is_written() {
    let rules = rules(
        "prefix_rule(pattern = [\"ls\"])\nprefix_rule(pattern = [\"cp\"], decision = \"prompt\")\nprefix_rule(pattern = [\"rm\"], decision = \"forbidden\")",
    );
    assert_eq!(both(&rules, "ls -l"), (Allow, Allow));
    assert_eq!(both(&rules, "cp a b"), (Ask, Ask));
    assert_eq!(both(&rules, "rm a"), (Forbid, Forbid));
}

#[test]
fn a_nested_list_is_alternatives_at_any_place() {
    let first =
        rules("prefix_rule(pattern = [[\"bash\", \"sh\"], [\"-c\", \"-l\"]])").with_default(Ask);
    // There `bash -c echo hi` is allowed by that. Here a rule about a shell says nothing of what it runs: it would allow
    // anything.
    assert_eq!(
        first.judge_argv(&["bash", "-c", "echo", "hi"]).decision,
        Ask
    );
    assert_eq!(
        first.judge_argv(&["sh", "-l", "echo", "hi"]).decision,
        Allow
    );
    assert_eq!(first.judge_argv(&["zsh", "-l", "echo", "hi"]).decision, Ask);
    let tail = rules(
        "prefix_rule(pattern = [\"npm\", [\"i\", \"install\"], [\"--legacy-peer-deps\", \"--no-save\"]])",
    );
    assert_eq!(both(&tail, "npm i --legacy-peer-deps"), (Allow, Allow));
    assert_eq!(both(&tail, "npm install --no-save leftpad"), (Allow, Allow));
    assert_eq!(both(&tail, "npm install leftpad"), (Allow, Ask));
}

#[test]
fn the_strictest_of_all_matches_wins() {
    let text = "prefix_rule(pattern = [\"git\"], decision = \"prompt\")\nprefix_rule(pattern = [\"git\", \"commit\"], decision = \"forbidden\")";
    let rules = rules(text);
    assert_eq!(both(&rules, "git status"), (Ask, Ask));
    assert_eq!(both(&rules, "git commit -m hi"), (Forbid, Forbid));
    let verdict = written::shell(&rules, "git commit -m hi");
    let matched: Vec<_> = verdict.segments[0]
        .rules
        .iter()
        .map(|rule| rule.prefix.as_str())
        .collect();
    assert_eq!(matched, ["git commit", "git"]);
    // Over several commands of one line too.
    assert_eq!(
        both(&rules, "git status && git commit -m hi"),
        (Forbid, Forbid)
    );
}

#[test]
fn rules_of_several_files_add_up() {
    let one = imported("prefix_rule(pattern = [\"git\"], decision = \"prompt\")");
    let two = imported("prefix_rule(pattern = [\"git\", \"commit\"], decision = \"forbidden\")");
    let rules = set(&[of(Layer::User, &one.toml), of(Layer::User, &two.toml)].concat());
    assert_eq!(both(&rules, "git commit"), (Forbid, Forbid));
    assert_eq!(both(&rules, "git log"), (Ask, Ask));
}

#[test]
fn a_justification_is_kept_for_any_decision() {
    let rules = rules(
        "prefix_rule(pattern = [\"rm\"], decision = \"forbidden\", justification = \"destructive command\")\nprefix_rule(pattern = [\"ls\"], decision = \"allow\", justification = \"safe and commonly used\")",
    );
    let verdict = written::shell(&rules, "rm -rf /some/important/folder");
    assert!(
        verdict.line().contains("destructive command"),
        "{}",
        verdict.line()
    );
    let verdict = written::shell(&rules, "ls -l");
    assert!(
        verdict.line().contains("safe and commonly used"),
        "{}",
        verdict.line()
    );
    let empty =
        imported("prefix_rule(pattern = [\"ls\"], decision = \"prompt\", justification = \"   \")");
    assert_eq!((empty.rules, empty.notes.len()), (0, 1));
}

#[test]
fn examples_are_words_or_a_line_and_are_tested() {
    let good = "prefix_rule(pattern = [\"git\", \"status\"], match = [[\"git\", \"status\"], \"git status\"], not_match = [[\"git\", \"--config\", \"color.status=always\", \"status\"], \"git --config color.status=always status\"])";
    let good = imported(good);
    assert_eq!((good.rules, good.notes.len()), (1, 0), "{good:#?}");
    assert!(
        good.toml
            .contains("match = [\"git status\", \"git status\"]"),
        "{}",
        good.toml
    );
    // The same examples of a rule that asks do not hold here, and are told: options are passed over.
    let asks = "prefix_rule(pattern = [\"git\", \"status\"], decision = \"prompt\", not_match = [\"git --config color.status=always status\", \"git log\"])";
    let asks = imported(asks);
    assert_eq!((asks.rules, asks.notes.len()), (1, 1), "{asks:#?}");
    assert!(
        asks.toml.contains("not_match = [\"git log\"]"),
        "{}",
        asks.toml
    );
}

#[test]
fn the_published_example_file_has_its_answers() {
    let rules = rules(
        r#"
prefix_rule(
    pattern = ["git", "reset", "--hard"],
    decision = "forbidden",
    justification = "destructive operation",
    match = [["git", "reset", "--hard"]],
    not_match = [["git", "reset", "--keep"], "git reset --merge"],
)
prefix_rule(pattern = ["ls"], match = [["ls"], ["ls", "-l"], ["ls", "-a", "."]])
prefix_rule(pattern = ["cp"], decision = "prompt", match = [["cp", "foo", "bar"], "cp -r src dest"])
prefix_rule(pattern = ["head"], match = [["head", "README.md"]], not_match = [["hea", "-n", "1,5p", "CHANGELOG.md"]])
prefix_rule(pattern = ["printenv"], match = [["printenv", "PATH"]], not_match = [["print", "-0"]])
prefix_rule(pattern = ["which"], match = [["which", "-a", "python3"]])
"#,
    );
    for (text, expected) in [
        ("git reset --hard", (Forbid, Forbid)),
        ("git reset --hard HEAD~1", (Forbid, Forbid)),
        ("git reset --keep", (Allow, Ask)),
        ("ls -a .", (Allow, Allow)),
        ("cp -r src dest", (Ask, Ask)),
        ("head -n 5 CHANGELOG.md", (Allow, Allow)),
        ("hea -n 1,5p CHANGELOG.md", (Allow, Ask)),
        ("printenv", (Allow, Allow)),
        ("which python3", (Allow, Allow)),
    ] {
        assert_eq!(both(&rules, text), expected, "{text}");
    }
}

#[test]
fn a_program_by_its_path_is_known_by_its_name() {
    // There only with `--resolve-host-executables`, and by its path wins over by its name. Here a rule that asks or
    // forbids knows it by any path, and one that allows only in the system's directories.
    let asks = rules("prefix_rule(pattern = [\"git\", \"status\"], decision = \"prompt\")");
    assert_eq!(both(&asks, "/usr/bin/git status"), (Ask, Ask));
    assert_eq!(both(&asks, "/opt/homebrew/bin/git status"), (Ask, Ask));
    let allows = rules(
        "prefix_rule(pattern = [\"git\"], decision = \"allow\")\nprefix_rule(pattern = [\"/opt/x/rg\"])",
    );
    assert_eq!(both(&allows, "/usr/bin/git status"), (Allow, Allow));
    assert_eq!(both(&allows, "/home/ada/git status"), (Allow, Ask));
    assert_eq!(both(&allows, "/opt/x/rg a"), (Allow, Allow));
    assert_eq!(both(&allows, "rg a"), (Allow, Ask));
    let both_ways = rules(
        "prefix_rule(pattern = [\"/usr/bin/git\"], decision = \"allow\")\nprefix_rule(pattern = [\"git\"], decision = \"prompt\")",
    );
    assert_eq!(both(&both_ways, "/usr/bin/git status"), (Ask, Ask));
}

#[test]
fn what_is_no_prefix_rule_is_told() {
    let imported = imported(
        r#"
host_executable(name = "git", paths = ["/usr/bin/git"])
network_rule(host = "api.github.com", protocol = "https", decision = "allow")
for tool in ["a", "b"]:
    prefix_rule(pattern = [tool])
prefix_rule(pattern = [tool])
prefix_rule(pattern = [])
prefix_rule(pattern = ["a"], decision = "deny")
prefix_rule(pattern = ["a"], colour = "red")
prefix_rule(pattern = ["a", ["b", []]])
prefix_rule(pattern = ["a"], match = [1])
prefix_rule(["positional", "a*b"], "prompt")
something(else_ = 1)
"#,
    );
    assert_eq!(imported.rules, 1, "{imported:#?}");
    let notes: Vec<_> = imported
        .notes
        .iter()
        .map(|note| format!("{}: {}: {}", note.line.unwrap(), note.what, note.why))
        .collect();
    insta::assert_snapshot!(format!("{}\n---\n{}", notes.join("\n"), imported.toml));
}

#[test]
fn a_shell_s_list_is_judged_part_by_part() {
    let rules =
        rules("prefix_rule(pattern = [\"a\"])\nprefix_rule(pattern = [\"b\"])").with_default(Ask);
    for (text, expected) in [
        ("a && b | a", Allow),
        ("a && c", Ask),
        ("a $(c)", Ask),
        ("a > file", Allow),
    ] {
        let argv = ["bash", "-lc", text];
        assert_eq!(rules.judge_argv(&argv).decision, expected, "{text}");
        let verdict = rules.judge_argv(&argv);
        // There what is allowed in all its parts leaves the sandbox. Never here.
        assert_eq!(verdict.ring, ringfence_policy::Placement::Inside);
    }
}
