//! Nothing runs in what is no ring, unless a person said so by name.

use crate::needs;
use crate::place::{Place, exists, program};

#[test]
fn a_machine_that_says_done_and_does_nothing_is_refused_by_the_name_of_each_lie() {
    let place = Place::new();
    let made = place.workspace().join("made");
    let child = program("ringfence-test-child.exe");
    let words = ["run", "--json", "--"].map(Into::into);
    let mut command = place.ringfence(&words);
    command.arg(child).arg("make").arg(&made);
    let said = crate::place::Said::of(&command.output().unwrap());
    assert_eq!(said.code, 125, "{said:?}");
    assert!(!exists(&made), "something ran");
    let report = said.report();
    assert_eq!(report["ended"]["how"], "refused");
    let lacking: Vec<&str> = report["lacking"]
        .as_array()
        .unwrap()
        .iter()
        .map(|short| short["promise"].as_str().unwrap())
        .collect();
    assert!(lacking.contains(&"network"), "{lacking:?}");
    if !needs::is_wine() {
        return;
    }
    for promise in ["ring", "write", "descendants", "limits.processes", "ipc"] {
        assert!(lacking.contains(&promise), "{promise}: {lacking:?}");
    }
    for said_of in [
        "CreateRestrictedToken accepted 1 restricting SIDs, and the token has 0 of them",
        "JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, and the job does not have it",
        "SetInformationJobObject accepted limits, and the job has others",
    ] {
        assert!(said.err.contains(said_of), "{said_of}: {}", said.err);
    }
}

#[test]
fn what_is_accepted_runs_and_the_outcome_says_none() {
    let place = Place::new();
    let said = place.runs(&["--json"], &["exit", "0"]);
    assert_eq!(said.code, 0, "{said:?}");
    let report = said.report();
    let wanted = if needs::is_wine() { "none" } else { "partial" };
    assert_eq!(report["enforcement"], wanted, "{report}");
    assert_eq!(report["ring"], "unelevated");
    assert_eq!(report["host"]["processes_started"], 1);
    let shortfalls = report["shortfalls"].as_array().unwrap();
    assert!(shortfalls.iter().all(|short| {
        short["accepted"] == true
            || ["caches", "protect.missing"]
                .iter()
                .any(|told| short["promise"] == *told)
    }));
}

#[test]
fn ringfence_itself_is_in_no_write_root() {
    let place = Place::new();
    let own = program("ringfence.exe");
    let there = place.workspace().join("ringfence.exe");
    std::fs::copy(&own, &there).unwrap();
    let run = |accept: &[&str]| {
        let words = place.words(accept, &["exit", "0"]);
        let command = place.ringfence(&words);
        let mut copied = std::process::Command::new(&there);
        copied
            .args(command.get_args())
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .current_dir(place.workspace())
            .stdin(std::process::Stdio::null());
        crate::place::Said::of(&copied.output().unwrap())
    };
    let said = run(&[]);
    assert_eq!(said.code, 125, "{said:?}");
    assert!(said.err.contains("protect.ringfence"), "{said:?}");
    assert_eq!(run(&["--accept=protect.ringfence"]).code, 0);
}

#[test]
fn full_access_is_no_ring_and_says_so() {
    let place = Place::new();
    let said = place.runs(&["--mode", "full-access", "--json"], &["exit", "3"]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("without any boundary"));
    let report = said.report();
    assert_eq!(report["enforcement"], "none");
    assert!(report["ring"].is_null());
}

#[test]
fn one_that_is_forbidden_does_not_start() {
    let place = Place::new();
    let user = place.dir.join(r"roaming\Ringfence\policy.toml");
    std::fs::create_dir_all(user.parent().unwrap()).unwrap();
    let rule = "[[rule]]\nprefix = [\"cmd\", \"/c\"]\ndecision = \"forbid\"\n";
    std::fs::write(user, rule).unwrap();
    let made = place.workspace().join("made");
    let words = [
        "run",
        "--mode",
        "full-access",
        "--",
        "cmd",
        "/c",
        "echo x> made",
    ];
    let mut command = place.ringfence(&words.map(Into::into));
    let said = crate::place::Said::of(&command.output().unwrap());
    assert_eq!(said.code, 125, "{said:?}");
    assert!(!exists(&made));
}

#[test]
fn what_is_not_on_windows_yet_is_refused() {
    let place = Place::new();
    for flag in ["--trace", "--changes"] {
        let made = place.workspace().join("made");
        let said = place.runs(&[flag], &["make", made.to_str().unwrap()]);
        assert_eq!(said.code, 125, "{said:?}");
        assert!(!exists(&made));
    }
}

#[test]
fn what_lies_outside_is_not_written() {
    let place = Place::new();
    let outside = place.dir.join("outside");
    let path = outside.to_str().unwrap();
    // The control: without a ring it is.
    let said = place.runs(&["--mode", "full-access"], &["make", path]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(exists(&outside));
    std::fs::remove_file(&outside).unwrap();
    if !needs::real_windows("a token's restrictions") {
        return;
    }
    let said = place.runs(&[], &["make", path]);
    assert_ne!(said.code, 0, "{said:?}");
    assert!(!exists(&outside));
    let inside = place.workspace().join("inside");
    let said = place.runs(&[], &["make", inside.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{said:?}");
}
