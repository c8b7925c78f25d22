//! Rules about commands, as they hold in rings that stay.
#![cfg(target_os = "linux")] // where rings are
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    missing_docs,
    reason = "tests"
)]

#[path = "../../sys-linux/tests/needs/mod.rs"]
mod needs;
mod place;

use ringfence::{Error, Request, Ring};

use place::Place;

#[test]
fn rules_hold_for_each_command() {
    let Some(place) = Place::of("rules_hold_for_each_command") else {
        return;
    };
    let policy = place.home.join(".config/ringfence");
    std::fs::create_dir_all(&policy).unwrap();
    let rules = "[[rule]]\nprefix = [\"touch\", \"never\"]\ndecision = \"forbid\"\nwhy = \"is not to be\"\n\
                 [[rule]]\nprefix = [\"touch\", \"perhaps\"]\ndecision = \"ask\"\n";
    std::fs::write(policy.join("policy.toml"), rules).unwrap();
    let ring = place.ring();
    let runs = |command: &mut ringfence::Command| command.status().map(|status| status.success());
    let made = |name: &str| place.workspace().join(name).exists();
    let touch = |name: &str| {
        let mut touch = ring.command("touch");
        touch.arg(name);
        touch
    };
    assert!(runs(&mut touch("always")).unwrap() && made("always"));
    // By whatever way it is said.
    for argv in [
        &["touch", "never"][..],
        &["sh", "-c", "true; touch never"],
        &["env", "A=b", "/usr/bin/touch", "never"],
    ] {
        let mut command = ring.command(argv[0]);
        let error = runs(command.args(&argv[1..])).unwrap_err();
        assert!(matches!(error, Error::Forbidden(_)), "{error}");
        assert!(error.to_string().contains("is not to be"), "{error}");
    }
    let asked = |command: &mut ringfence::Command| match runs(command) {
        Err(Error::Asks(question)) => question,
        other => panic!("{other:?}"),
    };
    let question = asked(&mut touch("perhaps"));
    assert_eq!(question.argv(), ["touch", "perhaps"]);
    assert!(!made("never") && !made("perhaps"));
    // An answer is for the very command, and for once.
    std::fs::create_dir(place.workspace().join("sub")).unwrap();
    for other in [
        touch("perhaps").arg("more"),
        touch("perhaps").env("A", "b"),
        touch("perhaps").env_clear(),
        touch("perhaps").current_dir("sub"),
    ] {
        asked(other.approve(&question));
    }
    assert!(!made("perhaps") && !made("sub/perhaps"));
    // What it was given is there for the next try.
    let mut cat = ring.command("sh");
    cat.args(["-c", "cat; touch perhaps"])
        .stdin(std::fs::File::open("/proc/version").unwrap());
    let asked_cat = asked(&mut cat);
    let output = cat.approve(&asked_cat).output().unwrap();
    assert!(
        output.status.success() && output.stdout.starts_with(b"Linux"),
        "{output:?}"
    );
    std::fs::remove_file(place.workspace().join("perhaps")).unwrap();
    let mut perhaps = touch("perhaps");
    assert!(runs(perhaps.approve(&question)).unwrap() && made("perhaps"));
    asked(&mut perhaps);
    // Or for as often as it comes, in this ring.
    ring.approve(&question).unwrap();
    for _ in 0..2 {
        assert!(runs(&mut touch("perhaps")).unwrap());
    }
    asked(touch("perhaps").arg("more"));
    let other = place.ring();
    asked(other.command("touch").arg("perhaps"));
    // What might be anything might be what is forbidden.
    asked(ring.command("sh").args(["-c", "x=true; eval \"$x\""]));
    std::fs::remove_file(policy.join("policy.toml")).unwrap();
    // The built-in ones hold where they are asked for, below one's own.
    let mut push = ring.command("git");
    push.args(["push", "--help-nothing"]);
    assert!(!runs(&mut push).unwrap(), "no rule speaks of it");
    let strict = Ring::open(Request {
        starting_rules: true,
        ..place.request()
    })
    .unwrap();
    asked(strict.command("git").args(["push", "origin"]));
    let opaque = strict
        .command("sh")
        .args(["-c", "x=true; eval \"$x\""])
        .status();
    assert!(
        opaque.unwrap().success(),
        "what might be anything is no reason to ask"
    );
}
