//! Refusals, identities and the page, one by one.

use ringfence_nt_access::{
    Acl, Group, Integrity, Membership, SecurityDescriptor, Sid, Token, well_known,
};
use ringfence_ops::{Availability, Enforcement};
use ringfence_plan::promise;
use ringfence_plan::windows::{
    Facts, FileId, Guarded, Open, Outside, Place, Plan, Principals, Purpose, Root, RootRefusal,
    Site, Undecided, Volume, plan, refuse_root, synthetic,
};

use super::support::policy;

const OF: FileId = FileId {
    volume: 0x1234,
    file: 42,
};

const ACCOUNTS: Principals = Principals {
    group: Sid::account([5, 5, 5, 1100]),
    offline: Sid::account([5, 5, 5, 1101]),
    online: Sid::account([5, 5, 5, 1102]),
};

fn user() -> Sid {
    Facts::windows_11_standard_user().user.user
}

fn sd(text: &str) -> SecurityDescriptor {
    SecurityDescriptor::from_sddl(&text.replace("USER", &user().to_string())).unwrap()
}

fn root(path: &str) -> Root {
    Root {
        path: path.to_owned(),
        id: OF,
        volume: Volume::ntfs(),
        leads_elsewhere: None,
        descriptor: sd("O:USERG:USERD:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIID;FA;;;USER)"),
        guarded: Vec::new(),
        missing: Vec::new(),
    }
}

fn site() -> Site {
    let mut root = root(r"C:\Users\dev\repo");
    root.guarded = vec![Guarded {
        path: r"C:\Users\dev\repo\.git\hooks".to_owned(),
        pins: vec![r"C:\Users\dev\repo\.git".to_owned()],
        promise: promise::PROTECT_GIT,
    }];
    root.missing = vec![r"C:\Users\dev\repo\.vscode\tasks.json".to_owned()];
    let of_profile = |path: &str| {
        let profile = sd("O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;USER)");
        Outside {
            path: path.to_owned(),
            descriptor: profile.clone(),
            parent: Some(profile),
        }
    };
    Site {
        workspace: OF,
        roots: vec![root],
        hidden: vec![of_profile(r"C:\Users\dev\.ssh")],
        outside: vec![of_profile(r"C:\Users\dev\Documents")],
        open: Vec::new(),
        repositories: true,
        ring: 1,
    }
}

fn planned(text: &str) -> Plan {
    plan(&policy(text), &site(), &Facts::windows_11_standard_user()).unwrap()
}

const ACCEPTED: &str = "[enforcement]\naccept = [\"network\", \"hide\", \"processes\", \"descendants\", \"write.delete\", \"protect\"]";

#[test]
fn a_sid_is_the_same_for_the_same_and_another_for_another() {
    let of = |user, id, purpose| synthetic(&user, id, purpose);
    let one = of(user(), OF, Purpose::Write);
    assert_eq!(one, of(user(), OF, Purpose::Write));
    // What was granted with it must be known again: it never changes.
    assert_eq!(
        one.to_string(),
        "S-1-5-21-885309409-891967996-3293449738-2293450233"
    );
    let others = [
        of(Sid::account([1, 2, 3, 4]), OF, Purpose::Write),
        of(user(), FileId { volume: 1, ..OF }, Purpose::Write),
        of(user(), FileId { file: 1, ..OF }, Purpose::Write),
        of(user(), OF, Purpose::Ring(0)),
        of(user(), OF, Purpose::Ring(1)),
    ];
    for (index, other) in others.iter().enumerate() {
        assert_ne!(*other, one);
        assert!(!others[..index].contains(other));
        assert_eq!(other.subauthorities().len(), 5);
    }
}

#[test]
fn what_cannot_be_a_write_root_is_refused_with_what_to_do() {
    let facts = Facts::windows_11_standard_user();
    let refused = |root: &Root| refuse_root(root, &facts).map_err(|why| why.to_string());
    assert_eq!(refused(&root(r"C:\Users\dev\repo")), Ok(()));
    assert_eq!(refused(&root(r"C:\Users\dev\AppData\Local\Temp\x")), Ok(()));
    assert_eq!(refused(&root(r"D:\work")), Ok(()));
    for (path, why) in [
        (r"C:\", "is all of a volume"),
        (r"C:", "is all of a volume"),
        (r"\\server\share\repo", "is on another machine"),
        (r"C:\Users\dev", "is your profile"),
        (r"c:\users\DEV\", "is your profile"),
        (r"C:\Users", "holds your profile"),
        (
            r"C:\Users\dev\AppData\Local\Temp",
            "is the directory of all temporary files",
        ),
        (
            r"C:\Users\dev\AppData",
            "holds the directory of all temporary files",
        ),
        (r"C:\Windows", "is Windows"),
        (r"C:\Windows\System32\spool", "is in Windows"),
        (r"C:\Program Files\tool", "is in the installed programs"),
        (r"C:\Program Files (x86)", "is the installed programs"),
        (r"C:\ProgramData\x", "is in what programs keep"),
        (
            r"C:\Users\dev\AppData\Local\Ringfence\x",
            "is in Ringfence's own state",
        ),
    ] {
        let told = refused(&root(path)).unwrap_err();
        assert!(told.contains(why), "{path}: {told}");
    }
    // A name that only begins alike is another.
    assert_eq!(refused(&root(r"C:\Windows.old\x")), Ok(()));
    let with = |change: &dyn Fn(&mut Root)| {
        let mut root = root(r"D:\work");
        change(&mut root);
        refuse_root(&root, &facts).unwrap_err()
    };
    assert!(matches!(
        with(&|root| root.volume.keeps_descriptors = false),
        RootRefusal::NoDescriptors { .. }
    ));
    assert!(matches!(
        with(&|root| root.volume.remote = true),
        RootRefusal::Remote { .. }
    ));
    assert!(matches!(
        with(&|root| root.leads_elsewhere = Some(r"D:\link".to_owned())),
        RootRefusal::LeadsElsewhere { .. }
    ));
    assert!(matches!(
        with(&|root| root.descriptor.dacl = None),
        RootRefusal::NoDacl { .. }
    ));
    assert!(matches!(
        with(&|root| root.descriptor = sd("O:SYG:SYD:(A;OICI;0x1301bf;;;USER)")),
        RootRefusal::NotYours { .. }
    ));
}

#[test]
fn what_is_not_kept_as_you_is_refused_by_name_until_it_is_accepted() {
    let facts = Facts::windows_11_standard_user();
    let refusal = plan(&policy(""), &site(), &facts).unwrap_err();
    let names: Vec<&str> = refusal.lacking.iter().map(|l| l.promise.as_str()).collect();
    assert_eq!(
        names,
        [
            promise::NETWORK,
            promise::HIDE,
            promise::PROCESSES,
            promise::DESCENDANTS,
            promise::WRITE_DELETE,
            promise::PROTECT_GIT
        ]
    );
    let outcome = planned(ACCEPTED).outcome(Vec::new());
    assert_eq!(outcome.enforcement, Enforcement::Partial);
    let told: Vec<&str> = outcome
        .shortfalls
        .iter()
        .map(|s| s.promise.as_str())
        .collect();
    assert!(told.contains(&promise::PROTECT_MISSING), "{told:?}");
    assert_eq!(told.len(), 7, "{told:?}");
    // With the network on, nothing is lost there.
    let text = format!("{ACCEPTED}\n[network]\nmode = \"on\"");
    let told = planned(&text).shortfalls;
    assert!(!told.iter().any(|short| short.promise == promise::NETWORK));
    // But who serves a share knows nothing of the token.
    assert!(told.iter().any(|short| short.what.contains("localhost")));
}

/// What a plan of this site is refused for, of one promise; nothing where it is not.
fn lacks(promise: &str, site: &Site, facts: &Facts) -> Vec<String> {
    let lacking = plan(&policy(ACCEPTED), site, facts).map_or_else(|no| no.lacking, |_| Vec::new());
    let of = lacking.into_iter().filter(|lack| lack.promise == promise);
    of.map(|lack| lack.what).collect()
}

#[test]
fn where_no_descriptor_decides_each_place_is_named_and_refused() {
    let mut facts = Facts::windows_11_standard_user();
    let mut with = site();
    assert!(lacks(promise::WRITE, &with, &facts).is_empty());
    with.open = [
        (r"D:\", Undecided::FileSystem("exFAT".to_owned())),
        (r"Z:\", Undecided::Machine),
        (r"\\wsl.localhost\Ubuntu", Undecided::Wsl),
        (r"E:\", Undecided::Unknown("it is locked".to_owned())),
    ]
    .into_iter()
    .map(|(path, why)| Open {
        path: path.to_owned(),
        why,
    })
    .collect();
    assert_eq!(
        lacks(promise::WRITE, &with, &facts),
        [
            r"no permissions decide there, and all can be written: D:\ (exFAT), Z:\ (another machine), \\wsl.localhost\Ubuntu (WSL), E:\ (cannot be asked: it is locked)"
        ]
    );
    // An account of its own has no drives and no Linux of the user's, and the same disks.
    facts.principals = Some(ACCOUNTS);
    facts.fence = Availability::Yes;
    assert_eq!(
        lacks(promise::WRITE, &with, &facts),
        [
            r"no permissions decide there, and all can be written: D:\ (exFAT), E:\ (cannot be asked: it is locked)"
        ]
    );
    with.open.retain(|open| open.why.is_the_users());
    assert!(lacks(promise::WRITE, &with, &facts).is_empty());
}

#[test]
fn an_elevated_prompt_makes_no_ring_as_the_user() {
    let mut facts = Facts::windows_11_standard_user();
    assert!(lacks(promise::PRIVILEGES, &site(), &facts).is_empty());
    facts.user.integrity = Integrity::HIGH;
    assert_eq!(lacks(promise::PRIVILEGES, &site(), &facts).len(), 1);
    facts.user.integrity = Integrity::MEDIUM;
    facts.user.groups.push(Group {
        sid: well_known::ADMINISTRATORS,
        membership: Membership::DenyOnly,
    });
    assert!(lacks(promise::PRIVILEGES, &site(), &facts).is_empty());
    facts.user.groups.last_mut().unwrap().membership = Membership::Enabled;
    assert_eq!(lacks(promise::PRIVILEGES, &site(), &facts).len(), 1);
    // An account of its own is no administrator, whoever asks for it.
    facts.principals = Some(ACCOUNTS);
    facts.fence = Availability::Yes;
    assert!(lacks(promise::PRIVILEGES, &site(), &facts).is_empty());
}

/// An account of its own reads nothing in the profile and reaches no network: as the model answers, and only if its fence holds.
#[test]
fn an_account_of_its_own_keeps_what_the_user_does_not() {
    let mut facts = Facts::windows_11_standard_user();
    facts.principals = Some(ACCOUNTS);
    let refusal = plan(&policy(""), &site(), &facts).unwrap_err();
    let names: Vec<&str> = refusal.lacking.iter().map(|l| l.promise.as_str()).collect();
    assert_eq!(names, [promise::NETWORK]);
    facts.fence = Availability::Yes;
    let made = plan(&policy(""), &site(), &facts).unwrap();
    let told: Vec<&str> = made.shortfalls.iter().map(|s| s.promise.as_str()).collect();
    // What services start is the account's, but not in the job.
    assert_eq!(told, [promise::DESCENDANTS, promise::PROTECT_MISSING]);
    // A hidden file that everybody may read is readable whoever one is.
    let mut open = site();
    open.hidden[0].descriptor = sd("O:USERG:USERD:(A;;FR;;;WD)");
    let refusal = plan(&policy(""), &open, &facts).unwrap_err();
    assert_eq!(refusal.lacking[0].promise, promise::HIDE);
    // Nor is a part of the disk kept from being read.
    let minimal = policy("[filesystem]\nread = \"minimal\"");
    let refusal = plan(&minimal, &site(), &facts).unwrap_err();
    assert_eq!(refusal.lacking[0].promise, promise::READ);
}

#[test]
fn a_machine_that_does_not_restrict_makes_no_ring() {
    let mut facts = Facts::windows_11_standard_user();
    facts.restricted_tokens = Availability::No {
        why: "restricting SIDs were accepted and are not there".to_owned(),
        remedy: String::new(),
    };
    let refusal = plan(&policy(ACCEPTED), &site(), &facts).unwrap_err();
    let names: Vec<&str> = refusal.lacking.iter().map(|l| l.promise.as_str()).collect();
    assert_eq!(names, [promise::RING, promise::WRITE]);
    let text = ACCEPTED.replace("[\"network\"", "[\"ring\", \"write\", \"network\"");
    let plan = plan(&policy(&text), &site(), &facts).unwrap();
    assert_eq!(plan.outcome(Vec::new()).enforcement, Enforcement::None);
}

#[test]
fn one_bad_root_does_not_stop_the_rest_and_a_bad_workspace_does() {
    let mut with = site();
    with.roots.push(root(r"C:\Windows\x"));
    with.roots.push(root(r"D:\more"));
    let facts = Facts::windows_11_standard_user();
    let made = plan(&policy(ACCEPTED), &with, &facts).unwrap();
    assert_eq!(made.roots.len(), 2);
    assert_eq!(made.refused.len(), 1);
    with.roots[0].path = r"C:\Windows".to_owned();
    let refusal = plan(&policy(ACCEPTED), &with, &facts).unwrap_err();
    assert!(refusal.to_string().contains("is Windows"), "{refusal}");
}

#[test]
fn the_token_is_restricted_to_its_ring_and_its_roots_alone() {
    let plan = planned(ACCEPTED);
    assert_eq!(plan.token.restrict, [plan.roots[0].sid, plan.ring]);
    assert!(plan.token.write_restricted && plan.token.lua && plan.token.disable_max_privilege);
    let child = plan.child(&Token::of(user(), &[]));
    assert!(child.is_restricted() && child.write_restricted);
    let default: &Acl = child.default_dacl.as_ref().unwrap();
    assert_eq!(default.aces.len(), 4);
}

#[test]
fn a_plan_can_be_read() {
    insta::with_settings!({ snapshot_path => "../snapshots" }, {
        insta::assert_snapshot!(planned(ACCEPTED).to_string());
    });
    let mut facts = Facts::windows_11_standard_user();
    facts.principals = Some(ACCOUNTS);
    facts.fence = Availability::Yes;
    facts.places.retain(|(place, _)| *place != Place::State);
    insta::with_settings!({ snapshot_path => "../snapshots" }, {
        insta::assert_snapshot!(plan(&policy(""), &site(), &facts).unwrap().to_string());
    });
}
