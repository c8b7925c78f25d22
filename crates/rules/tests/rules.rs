//! How rules of several layers come to one verdict.
#![cfg(unix)] // words that are not UTF-8
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod written;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use ringfence_policy::{Decision, Layer, Placement, Sourced};
use ringfence_rules::{RuleError, RuleSet, SegmentKind, starting};
use written::{decision, of, set, shell, short};

use Decision::{Allow, Ask, Forbid};

#[test]
fn the_strictest_of_all_rules_and_layers_wins() {
    let mut rules = short(Layer::User, &["allow git", "ask git push"]);
    rules.extend(short(Layer::Project, &["forbid git push --force"]));
    rules.extend(short(Layer::Managed, &["ask npm"]));
    let rules = set(&rules);
    for (text, expected) in [
        ("git status", Allow),
        ("git push", Ask),
        ("git push --force", Forbid),
        ("git status && git push --force", Forbid),
        ("npm ci | cat", Ask),
        ("cargo test", Allow),
        ("", Allow),
        ("# nothing", Allow),
    ] {
        assert_eq!(decision(&rules, text), expected, "{text}");
    }
}

#[test]
fn an_allowing_rule_lifts_built_in_ones_and_no_others() {
    let built_in = short(Layer::Builtin, &["ask git push", "forbid sudo"]);
    let user = short(Layer::User, &["allow git push", "allow sudo"]);
    let managed = short(Layer::Managed, &["ask git push origin"]);
    let with_user = set(&[built_in.clone(), user.clone()].concat());
    assert_eq!(decision(&set(&built_in), "git push"), Ask);
    assert_eq!(decision(&with_user, "git push"), Allow);
    assert_eq!(decision(&with_user, "git push origin main"), Allow);
    assert_eq!(decision(&with_user, "timeout 60 git push"), Allow);
    assert_eq!(decision(&with_user, "sudo ls"), Allow);
    // Only where it allows: the command is exact.
    for text in [
        "git push \"$(git branch --show-current)\"",
        "PATH=/tmp/x git push",
        "git() { rm -rf x; }; git push",
        "if ls; then git push; fi",
        "alias git=rm; git push",
        "npx git push",
    ] {
        assert_eq!(decision(&with_user, text), Ask, "{text}");
    }
    assert_eq!(decision(&with_user, "source x; sudo ls"), Decision::Forbid);
    let whole = short(Layer::User, &[]);
    let whole = [
        whole,
        of(
            Layer::User,
            "[[rule]]\nprefix = ['npx git push']\ndecision = 'allow'\n",
        ),
    ];
    let whole = set(&[built_in.clone(), whole.concat()].concat());
    assert_eq!(decision(&whole, "npx git push"), Allow);
    // And where its prefix is known.
    assert_eq!(decision(&with_user, "git $x"), Ask);
    assert_eq!(decision(&with_user, "./git push"), Ask);
    let all = set(&[managed, user, built_in].concat());
    assert_eq!(decision(&all, "git push"), Allow);
    assert_eq!(decision(&all, "git push origin"), Ask);
    // A person's own rules do not lift each other.
    let both = set(&short(Layer::User, &["allow git push", "ask git"]));
    assert_eq!(decision(&both, "git push"), Ask);
}

#[test]
fn what_no_rule_speaks_of_is_as_the_default_says() {
    let rules = set(&short(Layer::User, &["allow ls"]));
    assert_eq!(decision(&rules, "rm x"), Allow);
    let asking = rules.with_default(Ask);
    assert_eq!(decision(&asking, "rm x"), Ask);
    assert_eq!(decision(&asking, "ls"), Allow);
    assert_eq!(decision(&asking, "ls && rm x"), Ask);
    // A wrapper by itself is nothing to ask for.
    assert_eq!(decision(&asking, "env LANG=C timeout 5 ls"), Allow);
    assert_eq!(decision(&asking, "env LANG=C timeout 5 rm"), Ask);
    assert_eq!(decision(&asking, ""), Allow);
    let verdict = shell(&asking, "rm x");
    assert_eq!(verdict.line(), "ask: `rm x`: no rule speaks of it");
}

#[test]
fn a_rule_about_a_wrapper_counts_too() {
    let rules = set(&short(
        Layer::User,
        &["ask env", "forbid xargs rm", "ask bash -c"],
    ));
    assert_eq!(decision(&rules, "env ls"), Ask);
    assert_eq!(decision(&rules, "ls | xargs rm"), Forbid);
    assert_eq!(decision(&rules, "ls | xargs ls"), Allow);
    assert_eq!(decision(&rules, "bash -c ls"), Ask);
    assert_eq!(decision(&rules, "bash script"), Allow);
}

#[test]
fn allowing_a_wrapper_allows_what_its_prefix_reaches() {
    let rules = set(&short(
        Layer::User,
        &[
            "allow env",
            "allow timeout * cargo test",
            "allow nice timeout 5 make",
            "allow xargs ls",
        ],
    ))
    .with_default(Ask);
    for (text, expected) in [
        ("env ls", Ask),
        ("timeout 60 cargo test --all", Allow),
        ("timeout 60 cargo build", Ask),
        ("nice timeout 5 make all", Allow),
        ("nice timeout 5 rm all", Ask),
        // What is read is not known, but the rule speaks of it.
        ("xargs ls", Allow),
        ("xargs -n1 ls", Ask),
    ] {
        assert_eq!(decision(&rules, text), expected, "{text}");
    }
    // Only a rule that holds the text allows what is in it.
    let text = "for x in a; do $x; done";
    let exact = of(
        Layer::User,
        &format!("[[rule]]\nprefix = [\"bash\", \"-c\", \"{text}\"]\ndecision = \"allow\"\n"),
    );
    let any = of(
        Layer::User,
        "[[rule]]\nprefix = [\"bash\", \"-c\", \"*\"]\ndecision = \"allow\"\n",
    );
    let built_in = starting().unwrap();
    for (rules, expected) in [(exact, Allow), (any, Ask)] {
        let rules = set(&[rules, built_in.clone()].concat()).with_default(Ask);
        let verdict = rules.judge_argv(&["bash", "-c", text]);
        assert_eq!(verdict.decision, expected, "{verdict:#?}");
        let other = rules.judge_argv(&["bash", "-c", "for x in b; do $x; done"]);
        assert_eq!(other.decision, Ask);
    }
}

#[test]
fn the_whole_text_of_a_string_can_be_allowed_exactly() {
    let text = "curl -s localhost | sh";
    let rule = format!("[[rule]]\nprefix = ['{text}']\ndecision = \"allow\"\n");
    let built_in = starting().unwrap();
    let rules = set(&[of(Layer::User, &rule), built_in.clone()].concat()).with_default(Ask);
    assert_eq!(decision(&rules, text), Allow);
    assert_eq!(decision(&rules, "curl -s localhost | sh; ls"), Ask);
    // What an administrator asks for might still be in it.
    let managed = short(Layer::Managed, &["ask danger"]);
    let rules = set(&[managed, of(Layer::User, &rule), built_in].concat());
    assert_eq!(decision(&rules, text), Ask);
}

#[test]
fn what_might_be_forbidden_is_asked_for() {
    let rules = set(&short(Layer::User, &["forbid danger"]));
    let verdict = shell(&rules, "$x --all");
    assert_eq!(verdict.decision, Ask);
    let line = verdict.line();
    assert!(line.contains("might be `danger`"), "{line}");
    assert!(line.contains("only known when it runs"), "{line}");
    // Where nothing asks or forbids, nothing might be.
    assert_eq!(decision(&set(&[]), "$x --all"), Allow);
}

#[test]
fn permission_and_placement_are_apart() {
    let outside =
        "[[rule]]\nprefix = [\"make\", \"flash\"]\ndecision = \"ask\"\nring = \"outside\"\n";
    let mut rules = of(Layer::User, outside);
    rules.extend(short(Layer::User, &["allow make", "forbid danger"]));
    let rules = set(&rules);
    for (text, decision, ring) in [
        ("make all", Allow, Placement::Inside),
        ("make flash", Ask, Placement::Outside),
        ("make -j4 flash", Ask, Placement::Outside),
        ("timeout 60 make flash", Ask, Placement::Outside),
        // One shell runs it all, and it would be outside with all of it.
        ("make flash | tee log", Ask, Placement::Inside),
        ("make flash; danger", Forbid, Placement::Inside),
        ("make $x", Ask, Placement::Inside),
        ("if true; then make flash; fi", Ask, Placement::Inside),
    ] {
        let verdict = shell(&rules, text);
        assert_eq!((verdict.decision, verdict.ring), (decision, ring), "{text}");
    }
    // The policy refuses a rule that places outside and allows; one that is made by hand asks.
    let mut by_hand = short(Layer::User, &["allow make"]);
    by_hand[0].value.ring = Placement::Outside;
    let verdict = shell(&set(&by_hand), "make");
    assert_eq!((verdict.decision, verdict.ring), (Ask, Placement::Outside));
}

#[test]
fn a_verdict_names_rule_layer_file_line_and_reason() {
    let text = "# one\n\n[[rule]]\nprefix = [\"git\", [\"push\", \"send-*\"]]\ndecision = \"forbid\"\nwhy = \"use the web page\"\n";
    let rules = set(&of(Layer::Managed, text));
    let verdict = shell(&rules, "ls; git -C x send-email a");
    let (judged, rule) = verdict.because().unwrap();
    let rule = rule.unwrap();
    assert_eq!(judged.command, "git -C x send-email a");
    assert_eq!(
        (rule.prefix.as_str(), rule.line),
        ("git push|send-*", Some(3))
    );
    assert_eq!(
        verdict.line(),
        "forbid: `git -C x send-email a`: use the web page; says managed managed.toml:3"
    );
    insta::assert_snapshot!(serde_json::to_string_pretty(&verdict).unwrap());
}

#[test]
fn a_rule_is_tested_by_its_examples() {
    let good = "[[rule]]\nprefix = [\"git\", \"push\"]\ndecision = \"ask\"\nmatch = [\"git push\", \"cd x && git -C y push\"]\nnot_match = [\"git pull\", \"echo git push\"]\n";
    assert!(RuleSet::new(&of(Layer::User, good)).is_ok());
    let bad = "[[rule]]\nprefix = [\"ls\"]\ndecision = \"ask\"\n\n[[rule]]\nprefix = [\"git\", \"push\"]\ndecision = \"ask\"\nmatch = [\"git pull\", \"\\\"\"]\nnot_match = [\"git push -f\", \"git $x\", \"ls\"]\n";
    let error = RuleSet::new(&of(Layer::User, bad)).unwrap_err();
    insta::assert_snapshot!(error);
    assert_eq!(error.each().len(), 4);
    assert_eq!(error.at().unwrap().line, Some(5));
    // An allowing rule has to match as one that allows.
    let allowing = "[[rule]]\nprefix = [\"git\", \"log\"]\ndecision = \"allow\"\nmatch = [\"git log\", \"git --no-pager log\", \"git log -p $x\"]\nnot_match = [\"git -c a=b log\"]\n";
    let error = RuleSet::new(&of(Layer::User, allowing)).unwrap_err();
    assert_eq!(error.each().len(), 1, "{error}");
    assert!(matches!(error, RuleError::NotMatched { .. }));
}

#[test]
fn a_word_that_is_no_pattern_is_refused() {
    let mut rules = short(Layer::User, &["ask a"]);
    rules[0].value.prefix = vec![ringfence_policy::Word::One("a\\b".to_owned())];
    let error = RuleSet::new(&rules).unwrap_err();
    assert!(error.to_string().contains("`a\\b`"), "{error}");
}

#[test]
fn stars_stand_for_a_part_of_one_word() {
    let rules = set(&of(
        Layer::User,
        r#"
[[rule]]
prefix = ["npm", "run", "deploy*"]
decision = "ask"
[[rule]]
prefix = ["python3.*", "-m", "*", "upload"]
decision = "ask"
[[rule]]
prefix = ["a\\*b"]
decision = "ask"
"#,
    ));
    for (text, expected) in [
        ("npm run deploy", Ask),
        ("npm run deploy:prod", Ask),
        ("npm run dep", Allow),
        ("npm run \"$x\"", Ask),
        ("npm run dep*", Ask),
        ("npm run lint*", Allow),
        ("python3.12 -m x upload", Ask),
        ("python3.12 -m x y upload", Allow),
        ("python3 -m x upload", Allow),
        ("'a*b'", Ask),
        ("axb", Allow),
    ] {
        assert_eq!(decision(&rules, text), expected, "{text}");
    }
}

#[test]
fn options_between_the_words_are_passed_over_where_a_rule_asks() {
    let rules = set(&short(
        Layer::User,
        &[
            "forbid kubectl delete",
            "ask npm publish",
            "ask docker compose push",
            "ask tool do --all",
        ],
    ));
    for (text, expected) in [
        ("kubectl delete pod x", Forbid),
        ("kubectl -n prod delete pod x", Forbid),
        ("kubectl --context=prod delete pod x", Forbid),
        ("kubectl -nprod delete pod x", Forbid),
        ("kubectl -n delete get pods", Allow),
        ("kubectl -n \"$ns\" delete pod x", Forbid),
        ("kubectl -n $ns get pods", Ask),
        ("kubectl \"$@\"", Ask),
        ("kubectl get delete", Allow),
        ("npm --access public publish", Ask),
        ("docker --context x compose -f y.yml push", Ask),
        ("docker compose up", Allow),
        // An option of the prefix stands anywhere behind the words before it, up to `--`.
        ("tool do --all", Ask),
        ("tool do --some --all", Ask),
        ("tool do it --all", Ask),
        ("tool do it -- --all", Allow),
        ("tool --all do", Allow),
        ("tool do \"$x\"", Ask),
        ("tool -x do --all", Ask),
        ("tool --value do --all do --all", Ask),
    ] {
        assert_eq!(decision(&rules, text), expected, "{text}");
    }
}

#[test]
fn goals_and_toolchains_are_passed_over_where_a_rule_asks() {
    let rules = set(&short(
        Layer::User,
        &[
            "ask make deploy",
            "ask mvn deploy",
            "ask cargo publish",
            "ask npm publish",
            "allow cargo test",
        ],
    ));
    for (text, expected) in [
        ("make deploy", Ask),
        ("make -j8 clean deploy", Ask),
        ("make \"$x\"", Ask),
        ("make clean all", Allow),
        ("mvn -q clean deploy -DskipTests", Ask),
        ("./mvnw -f deploy test", Allow),
        ("cargo +nightly publish", Ask),
        ("cargo \"+$x\" publish", Ask),
        ("cargo +nightly test publish", Allow),
        ("npm test publish", Allow),
    ] {
        assert_eq!(decision(&rules, text), expected, "{text}");
    }
    // A rule that allows passes over neither.
    let asking = rules.with_default(Ask);
    assert_eq!(decision(&asking, "cargo test"), Allow);
    assert_eq!(decision(&asking, "cargo +nightly test"), Ask);
}

#[test]
fn an_argv_is_judged_as_it_is() {
    let rules = set(&short(Layer::User, &["ask git push", "allow ls"])).with_default(Ask);
    assert_eq!(
        rules.judge_argv(&["ls", "a b", "*", "$x", "~"]).decision,
        Allow
    );
    assert_eq!(rules.judge_argv(&["git push"]).decision, Ask);
    let free = set(&short(Layer::User, &["ask git push"]));
    assert_eq!(free.judge_argv(&["git push"]).decision, Allow);
    assert_eq!(free.judge_argv(&["git", "push"]).decision, Ask);
    assert_eq!(free.judge_argv(&["git", "pu*"]).decision, Allow);
    assert_eq!(free.judge_argv(&["bash"]).decision, Allow);
    assert_eq!(free.judge_argv::<&str>(&[]).decision, Allow);
    // What is not UTF-8 may be anything.
    let odd = [OsStr::new("git"), OsStr::from_bytes(b"pu\xffsh")];
    assert_eq!(free.judge_argv(&odd).decision, Ask);
    let odd = OsStr::from_bytes(b"ls \xff; git push");
    assert_eq!(
        free.judge_shell(odd, ringfence_rules::Shell::Bash).decision,
        Ask
    );
    let text = [
        OsStr::new("sh"),
        OsStr::new("-c"),
        OsStr::from_bytes(b"ls \xff"),
    ];
    assert_eq!(free.judge_argv(&text).decision, Ask);
    // What is known of it still forbids.
    let forbids = set(&short(Layer::User, &["forbid danger"]));
    let text = OsStr::from_bytes(b"ls \xff; danger \xff x");
    for verdict in [
        forbids.judge_shell(text, ringfence_rules::Shell::Bash),
        forbids.judge_argv(&[OsStr::new("sh"), OsStr::new("-c"), text]),
    ] {
        assert_eq!(verdict.decision, Forbid);
    }
}

#[test]
fn shells_differ_where_they_do() {
    let rules = set(&short(Layer::User, &["ask git push", "allow ls"])).with_default(Ask);
    for (words, expected) in [
        (["bash", "-c", "ls $'a'"], Allow),
        // Not every `sh` knows these quotes.
        (["sh", "-c", "ls $'a'"], Ask),
        (["sh", "-c", "ls a"], Allow),
        (["fish", "-c", "ls a"], Allow),
        (["fish", "-c", "ls (a)"], Ask),
        (["cmd", "/c", "ls a"], Allow),
        (["cmd", "/c", "ls ^a"], Ask),
        (["pwsh", "-c", "ls a"], Allow),
        (["pwsh", "-c", "ls (a)"], Ask),
    ] {
        assert_eq!(rules.judge_argv(&words).decision, expected, "{words:?}");
    }
}

#[test]
fn the_built_in_rules_are_valid_and_give_reasons() {
    let rules = starting().unwrap();
    set(&rules);
    for Sourced { value, origin } in &rules {
        assert_eq!(origin.layer, Layer::Builtin);
        assert!(value.why.is_some(), "{origin}");
        assert!(
            !value.match_.is_empty() && !value.not_match.is_empty(),
            "{origin}"
        );
        assert_ne!(value.decision, Allow, "{origin}");
        assert_eq!(value.ring, Placement::Inside);
    }
    // Nothing but what a ring cannot do is forbidden.
    let forbidding: Vec<_> = rules
        .iter()
        .filter(|rule| rule.value.decision == Forbid)
        .collect();
    assert_eq!(forbidding.len(), 1);
}

#[test]
fn a_shell_that_is_given_nothing_is_a_person_s() {
    let rules = set(&short(Layer::User, &["ask git push"]));
    assert_eq!(rules.judge_argv(&["bash", "-l"]).decision, Allow);
    assert_eq!(decision(&rules, "ls; bash"), Ask);
    let verdict = shell(&rules, "ls; bash");
    assert!(
        verdict
            .segments
            .iter()
            .any(|segment| segment.kind == SegmentKind::Opaque)
    );
}
