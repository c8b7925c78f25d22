//! What must hold for every plan.
#![allow(clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use ringfence_ops::linux::{Mask, Op};
use ringfence_ops::{Availability, Cgroup, Facts, Need};
use ringfence_plan::{Access, Missing, Plan, RingMode, Root, Site, judge, plan, promise};
use support::{cache, dir, empty_site, file, guarded, hidden, policy};

/// A path of one to three short names, so that paths meet.
fn below() -> impl Strategy<Value = String> {
    proptest::collection::vec(select(vec!["a", "b", "b.d"]), 1..=3).prop_map(|n| n.join("/"))
}

/// Places a write root may have: free, in a temporary directory, in a cache, among
/// sockets.
const ROOTS: [&str; 5] = [
    "/home/ada/work",
    "/tmp/work",
    "/home/ada/.cargo/git/mine",
    "/run/user/1000/work",
    "/srv/x",
];

fn write_root(path: &'static str) -> impl Strategy<Value = Root> {
    let promises = vec![promise::PROTECT_GIT, promise::PROTECT_PATHS];
    (
        proptest::collection::vec((below(), any::<bool>(), select(promises)), 0..6),
        proptest::collection::vec((below(), select(vec!["no", "no/deeper"])), 0..3),
    )
        .prop_map(move |(objects, names)| Root {
            at: dir(path),
            inner: Vec::new(),
            guarded: objects
                .into_iter()
                .map(|(b, is_dir, promise)| guarded(Path::new(path), &b, is_dir, promise))
                .collect(),
            missing: names
                .into_iter()
                .map(|(b, name)| Missing {
                    dir: dir(Path::new(path).join(b)),
                    names: vec![PathBuf::from(name)],
                })
                .collect(),
        })
}

fn roots() -> impl Strategy<Value = Vec<Root>> {
    subsequence(ROOTS.to_vec(), 0..=3)
        .prop_flat_map(|paths| paths.into_iter().map(write_root).collect::<Vec<_>>())
}

/// A site as a survey gives it: roots apart from each other, hidden places too.
fn site() -> impl Strategy<Value = Site> {
    let hides = vec![
        "/home/ada/.ssh",
        "/home/ada/work/a",
        "/tmp/work/b/a",
        "/srv/x/b.d",
        "/etc/key",
        "/var/tmp/key",
    ];
    let listening = vec![
        "/srv/d.sock",
        "/tmp/x.sock",
        "/tmp/work/a/own.sock",
        "/srv/x/s.sock",
    ];
    (
        roots(),
        subsequence(hides, 0..=6),
        any::<bool>(),
        subsequence(vec!["/tmp", "/var/tmp"], 0..=2),
        subsequence(listening, 0..=4),
        (any::<bool>(), any::<bool>(), any::<bool>()),
        proptest::option::of(subsequence(vec!["/usr", "/srv", "/home/ada/work"], 0..=3)),
    )
        .prop_map(
            |(roots, hides, keep, temps, sockets, (run, layered, granted), readable)| Site {
                roots,
                hidden: hides
                    .into_iter()
                    .map(|h| hidden("hide", dir(h), if keep { &["known"] } else { &[] }))
                    .collect(),
                temps: temps.into_iter().map(dir).collect(),
                sockets: sockets.into_iter().map(file).collect(),
                socket_dirs: if run {
                    vec![Mask {
                        at: dir("/run"),
                        keep: vec![file("/run/utmp")],
                    }]
                } else {
                    Vec::new()
                },
                caches: if layered {
                    vec![cache("cargo", "/home/ada/.cargo")]
                } else {
                    Vec::new()
                },
                granted_sockets: if granted {
                    vec![file("/run/granted.sock"), file("/opt/granted.sock")]
                } else {
                    Vec::new()
                },
                readable: readable.map(|list| list.into_iter().map(dir).collect()),
                ..empty_site()
            },
        )
}

fn facts() -> impl Strategy<Value = Facts> {
    let no = || Availability::No {
        why: "it is off".to_owned(),
        remedy: "switch it on".to_owned(),
    };
    (
        select(vec![(5, 4), (5, 13), (5, 15), (6, 1), (6, 18)]),
        any::<bool>(),
        0_u32..=10,
        any::<bool>(),
        proptest::bool::weighted(0.9),
        any::<bool>(),
        proptest::option::of((any::<bool>(), any::<bool>())),
        any::<bool>(),
    )
        .prop_map(
            move |(kernel, root, landlock, userns, seccomp, proc, cgroup, overlay)| Facts {
                kernel,
                root,
                landlock,
                userns: if userns { Availability::Yes } else { no() },
                seccomp,
                proc: if proc { Availability::Yes } else { no() },
                cgroup: cgroup.map(|(memory, pids)| Cgroup {
                    parent: "/sys/fs/cgroup/a".into(),
                    memory,
                    pids,
                }),
                overlay,
                ..Facts::current_linux()
            },
        )
}

const POLICIES: [&str; 4] = [
    "",
    "network.mode = \"on\"\n",
    "limits.memory = \"1GiB\"\nlimits.processes = 99\n",
    "linux.mode = \"landlock-only\"\n",
];

/// Every group of promises: accepting all of them refuses nothing.
fn groups() -> Vec<&'static str> {
    let tops: BTreeSet<&str> = promise::ALL
        .iter()
        .map(|p| p.split_once('.').map_or(*p, |(top, _)| top))
        .collect();
    tops.into_iter().collect()
}

fn accepting(text: &str, names: &[&str]) -> ringfence_policy::Effective {
    policy(&format!("enforcement.accept = {names:?}\n{text}"))
}

fn namespaces(site: &Site, facts: &Facts) -> Option<Plan> {
    plan(&policy(""), site, facts)
        .ok()
        .filter(|p| p.mode == RingMode::Namespaces)
}

fn able() -> Facts {
    Facts::current_linux()
}

/// What a ring in namespaces does with a path, said without looking at any plan: the
/// strongest word first.
fn model(site: &Site, facts: &Facts, path: &Path) -> Access {
    let under = |at: &Path| path.starts_with(at);
    let root = site.roots.iter().find(|r| under(&r.at.path));
    let cache = site.caches.iter().find(|c| under(&c.at.path));
    let temp = site.temps.iter().any(|t| under(&t.path));
    let full = site
        .temps
        .iter()
        .position(|t| under(&t.path))
        .is_some_and(|index| {
            let at = &site.temps[index].path;
            let worked_in = site.roots.iter().any(|r| r.at.path.starts_with(at));
            facts.overlay && (index == 0 || worked_in)
        });
    let granted = site.granted_sockets.iter().any(|s| s.path == path);
    let made = under(Path::new("/dev")) || under(Path::new("/proc"));
    if let Some(list) = &site.readable
        && facts.landlock > 0
        && !list.iter().any(|l| under(&l.path))
        && !(root.is_some() || cache.is_some() || temp || granted || made)
    {
        return Access::Hidden;
    }
    if granted {
        return Access::Writable;
    }
    if temp && root.is_none() && !full {
        return Access::Private;
    }
    if let Some(hidden) = site.hidden.iter().find(|h| under(&h.mask.at.path)) {
        let kept = hidden.mask.keep.iter().any(|k| under(&k.path));
        // The list of what is kept can be read.
        let top = path == hidden.mask.at.path && !hidden.mask.keep.is_empty();
        return if kept || top {
            Access::ReadOnly
        } else {
            Access::Hidden
        };
    }
    if let Some(root) = root {
        if site.sockets.iter().any(|s| s.path == path) {
            return Access::Hidden;
        }
        if root.guarded.iter().any(|g| under(&g.object.path)) {
            return Access::ReadOnly;
        }
        if root
            .missing
            .iter()
            .flat_map(|m| m.names.iter().map(|name| m.dir.path.join(name)))
            .any(|path| under(&path))
        {
            return Access::TakenAway;
        }
        return Access::Writable;
    }
    if temp || cache.is_some() || made {
        return Access::Private;
    }
    if site.sockets.iter().any(|s| s.path == path) {
        return Access::Hidden;
    }
    if let Some(mask) = site.socket_dirs.iter().find(|m| under(&m.at.path)) {
        let kept = mask.keep.iter().any(|k| under(&k.path));
        let top = path == mask.at.path && !mask.keep.is_empty();
        return if kept || top {
            Access::ReadOnly
        } else {
            Access::Hidden
        };
    }
    Access::ReadOnly
}

/// Paths worth asking for: what the site names, what lies above and below, and others.
fn asked(site: &Site) -> Vec<PathBuf> {
    let mut paths: BTreeSet<PathBuf> = [
        "/",
        "/etc/passwd",
        "/etc/key",
        "/run",
        "/run/utmp",
        "/run/x.sock",
        "/run/user/1000",
        "/tmp/x",
        "/tmp/x.sock",
        "/var/tmp/y",
        "/dev/null",
        "/proc/self",
        "/usr/bin/git",
        "/home/ada",
        "/home/ada/.ssh",
        "/home/ada/.ssh/id",
        "/home/ada/.ssh/known",
        "/home/ada/.cargo",
        "/home/ada/.cargo/bin",
        "/home/ada/.cargo/git",
        "/srv/other",
        "/srv/d.sock",
    ]
    .iter()
    .map(PathBuf::from)
    .collect();
    for root in &site.roots {
        paths.insert(root.at.path.clone());
        paths.insert(root.at.path.join("free"));
        for object in root.guarded.iter().map(|g| &g.object.path) {
            paths.extend(object.ancestors().map(Path::to_owned));
            paths.insert(object.join("inside"));
            paths.insert(object.with_file_name("beside"));
        }
        for missing in &root.missing {
            for name in &missing.names {
                let path = missing.dir.path.join(name);
                paths.insert(path.join("inside"));
                paths.insert(path);
            }
        }
    }
    for mask in site.hidden.iter().map(|h| &h.mask) {
        paths.insert(mask.at.path.join("inside"));
        paths.insert(mask.at.path.join("known"));
    }
    paths.extend(
        site.granted_sockets
            .iter()
            .chain(&site.sockets)
            .map(|s| s.path.clone()),
    );
    paths.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_is_planned_each_time(site in site(), facts in facts(), text in select(&POLICIES[..])) {
        let policy = policy(text);
        prop_assert_eq!(plan(&policy, &site, &facts), plan(&policy, &site, &facts));
    }

    #[test]
    fn pins_come_before_what_they_lead_to(site in site()) {
        let plan = namespaces(&site, &able()).expect("nothing is missing");
        let mut done: Vec<&Path> = Vec::new();
        for step in &plan.steps {
            let (Op::Pin(at) | Op::Protect(at)) = &step.op else { continue };
            let root = site.roots.iter().find(|r| at.path.starts_with(&r.at.path)).expect("in a root");
            for above in at.path.ancestors().skip(1).take_while(|a| *a != root.at.path) {
                prop_assert!(done.contains(&above), "{} before {}", at.path.display(), above.display());
            }
            prop_assert!(!done.contains(&at.path.as_path()), "{} twice", at.path.display());
            done.push(&at.path);
        }
    }

    #[test]
    fn what_is_protected_comes_after_the_root_is_placed_and_before_anything_is_hidden(site in site()) {
        let plan = namespaces(&site, &able()).expect("nothing is missing");
        let position = |wanted: &dyn Fn(&Op) -> bool| plan.steps.iter().position(|s| wanted(&s.op));
        for (index, step) in plan.steps.iter().enumerate() {
            let Op::Protect(at) = &step.op else { continue };
            let root = site.roots.iter().find(|r| at.path.starts_with(&r.at.path)).expect("in a root");
            let placed = position(&|op| matches!(op, Op::Place(p) if p.path == root.at.path));
            prop_assert!(placed.is_some_and(|p| p < index));
            let hidden = position(&|op| matches!(op, Op::Hide(_)));
            prop_assert!(hidden.is_none_or(|h| h > index));
        }
    }

    #[test]
    fn nothing_of_the_site_is_forgotten(site in site()) {
        let plan = namespaces(&site, &able()).expect("nothing is missing");
        let protected: Vec<&Path> = plan.steps.iter().filter_map(|s| match &s.op {
            Op::Protect(at) => Some(at.path.as_path()),
            _ => None,
        }).collect();
        for guarded in site.roots.iter().flat_map(|r| &r.guarded) {
            prop_assert!(protected.iter().any(|p| guarded.object.path.starts_with(p)));
        }
        for hidden in &site.hidden {
            let path = &hidden.mask.at.path;
            let gone = plan.steps.iter().any(|s| matches!(&s.op, Op::PrivateDir { at, overlay: false }
                if path.starts_with(&at.path)));
            let found = gone || plan.steps.iter().any(|s| s.need == Need::Must
                && matches!(&s.op, Op::Hide(m) if m.at.path == hidden.mask.at.path));
            prop_assert!(found);
        }
        for missing in site.roots.iter().flat_map(|r| &r.missing) {
            let dir_path = &missing.dir.path;
            let inside = protected.iter().any(|p| dir_path.starts_with(p))
                || site.hidden.iter().any(|h| dir_path.starts_with(&h.mask.at.path));
            for name in &missing.names {
                let watched = plan.steps.iter().any(|s| matches!(&s.op, Op::Watch { dir, names }
                    if dir.path == *dir_path && names.contains(name)));
                prop_assert!(watched || inside);
                let says = |part: &str| part.split_once(": ").is_some_and(|(dirs, names)| {
                    dirs.split(", ").any(|dir| Path::new(dir) == dir_path)
                        && names.split(' ').any(|said| Path::new(said) == name)
                });
                let told = plan.shortfalls.iter().any(|s| s.promise == promise::PROTECT_MISSING
                    && s.what.split_once("appear, in ").is_some_and(|(_, all)| all.split("; ").any(says)));
                prop_assert!(told || inside);
            }
        }
        for root in &site.roots {
            let held = plan.steps.iter().any(|s| matches!(&s.op, Op::Hold(at) if *at == root.at));
            prop_assert!(held);
        }
    }

    #[test]
    fn every_plan_ends_without_privileges(site in site(), facts in facts(), text in select(&POLICIES[..])) {
        let Ok(plan) = plan(&accepting(text, &groups()), &site, &facts) else {
            return Err(TestCaseError::fail("all was accepted"));
        };
        let at = |wanted: &dyn Fn(&Op) -> bool| plan.steps.iter().position(|s| wanted(&s.op));
        prop_assert!(at(&|op| matches!(op, Op::DropCapabilities)).is_some());
        prop_assert!(at(&|op| matches!(op, Op::NoNewPrivs)).is_some());
        prop_assert_eq!(at(&|op| matches!(op, Op::Seccomp(_))).is_some(), facts.seccomp);
        prop_assert_eq!(at(&|op| matches!(op, Op::Landlock(_))).is_some(), facts.landlock > 0);
    }

    #[test]
    fn accepting_removes_no_step(
        site in site(),
        facts in facts(),
        text in select(&POLICIES[..]),
        names in subsequence(groups(), 0..=groups().len()),
    ) {
        let Ok(plain) = plan(&policy(text), &site, &facts) else { return Ok(()) };
        let accepted = plan(&accepting(text, &names), &site, &facts).expect("no less than nothing accepted");
        let ops = |p: &Plan| p.steps.iter().map(|s| s.op.clone()).collect::<Vec<_>>();
        prop_assert_eq!(ops(&plain), ops(&accepted));
        for (before, after) in plain.steps.iter().zip(&accepted.steps) {
            let by_name = names.iter().any(|n| before.promise == *n || before.promise.starts_with(&format!("{n}.")));
            prop_assert!(before.need == after.need || (by_name && after.need == Need::Should));
        }
        prop_assert_eq!(plain.shortfalls.len(), accepted.shortfalls.len());
    }

    #[test]
    fn what_is_refused_is_said_when_it_is_accepted(site in site(), facts in facts(), text in select(&POLICIES[..])) {
        let Err(refusal) = plan(&policy(text), &site, &facts) else { return Ok(()) };
        for lack in &refusal.lacking {
            prop_assert!(promise::ALL.contains(&lack.promise.as_str()));
        }
        let accepted = plan(&accepting(text, &groups()), &site, &facts).expect("all was accepted");
        for lack in &refusal.lacking {
            prop_assert!(accepted.shortfalls.iter().any(|s| s.accepted && s.promise == lack.promise && s.what == lack.what));
        }
    }

    #[test]
    fn the_judge_says_what_the_site_says(site in site(), abi in 0_u32..=10, overlay in any::<bool>()) {
        let facts = Facts { landlock: abi, overlay, ..able() };
        let Some(plan) = namespaces(&site, &facts) else {
            // Reading little takes Landlock.
            prop_assert!(abi == 0 && site.readable.is_some());
            return Ok(());
        };
        for path in asked(&site) {
            let judged = judge(&plan, &path);
            prop_assert_eq!(judged.access, model(&site, &facts, &path), "{} in\n{}", path.display(), plan);
        }
    }

    #[test]
    fn without_namespaces_the_judge_knows_write_roots_and_no_protection(site in site()) {
        let facts = Facts { userns: Availability::No { why: String::new(), remedy: String::new() }, ..able() };
        let plan = plan(&accepting("", &groups()), &site, &facts).expect("all was accepted");
        for path in asked(&site) {
            let writable = site.roots.iter().any(|r| path.starts_with(&r.at.path))
                || site.granted_sockets.iter().any(|s| s.path == path);
            let readable = path.starts_with("/dev/null")
                || site.readable.as_ref().is_none_or(|list| list.iter().any(|l| path.starts_with(&l.path)));
            let expected = match (writable, readable) {
                (true, _) => Access::Writable,
                (false, true) => Access::ReadOnly,
                (false, false) => Access::Hidden,
            };
            prop_assert_eq!(judge(&plan, &path).access, expected, "{} in\n{}", path.display(), plan);
        }
    }
}
