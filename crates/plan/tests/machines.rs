//! What is planned on pretend machines, and what is refused.
//!
//! One plan is shown whole; the others as what differs from it.
#![cfg(unix)] // the paths are
#![allow(clippy::expect_used, missing_docs)]

mod support;

use insta::assert_snapshot;
use ringfence_ops::linux::Mask;
use ringfence_ops::{Availability, Cgroup, Container, Facts};
use support::{
    cache, difference, dir, empty_site, file, guarded, hidden, kept, machine, missing, planned,
    root, shown, site,
};

fn no(why: &str, remedy: &str) -> Availability {
    Availability::No {
        why: why.to_owned(),
        remedy: remedy.to_owned(),
    }
}

/// What changes against the default policy on the ordinary machine.
fn changed(text: &str, site: &ringfence_plan::Site, facts: &Facts) -> String {
    let base = planned("", &support::site(), &machine(|_| {}));
    difference(&base, &planned(text, site, facts))
}

fn without_userns(facts: &mut Facts) {
    facts.userns = no(
        "user.max_user_namespaces is 0",
        "sudo sysctl -w user.max_user_namespaces=15000",
    );
}

#[test]
fn an_ordinary_user_on_a_current_kernel() {
    assert_snapshot!(shown(&planned("", &site(), &machine(|_| {}))));
}

#[test]
fn root_on_a_current_kernel() {
    let facts = machine(|f| {
        f.root = true;
        f.uid = 0;
        f.gid = 0;
    });
    assert_snapshot!(changed("", &site(), &facts));
}

/// Docker's usual root: the kernel's exceptions for uid 0 need no capability.
#[test]
fn uid_0_without_capabilities_is_limited_and_shown_as_root_is() {
    let text = "limits.processes = 400";
    let of = |root| {
        let facts = machine(|f| {
            f.root = root;
            f.uid = 0;
            f.gid = 0;
        });
        planned(text, &site(), &facts)
    };
    let user = planned(text, &site(), &machine(|_| {}));
    let without = difference(&user, &of(false));
    assert_eq!(without, difference(&user, &of(true)));
    assert_snapshot!(without);
}

#[test]
fn every_landlock_abi_in_namespaces() {
    let mut text = String::new();
    for abi in 0..=10 {
        let facts = machine(|f| f.landlock = abi);
        text += &format!("ABI {abi}\n{}\n", changed("", &site(), &facts));
    }
    assert_snapshot!(text);
}

#[test]
fn every_landlock_abi_without_namespaces() {
    let accept = "enforcement.accept = [\"protect\", \"hide\", \"write.metadata\", \"sockets\", \
                  \"processes\", \"descendants\", \"devices\", \"proc\", \"temp\", \"network.localhost\"]\n";
    let mut text = String::new();
    let base = machine(|f| {
        without_userns(f);
        f.landlock = 7;
    });
    let base = planned(accept, &site(), &base);
    text += &format!("ABI 7\n{}\n", shown(&base));
    for abi in (0..=10).filter(|abi| *abi != 7) {
        let facts = machine(|f| {
            without_userns(f);
            f.landlock = abi;
        });
        let plan = planned(accept, &site(), &facts);
        text += &format!("ABI {abi}\n{}\n", difference(&base, &plan));
    }
    assert_snapshot!(text);
}

#[test]
fn without_namespaces_each_lost_promise_is_refused_by_name() {
    let facts = machine(without_userns);
    let mut everything = site();
    everything.caches.push(cache("cargo", "/home/ada/.cargo"));
    assert_snapshot!(shown(&planned("", &everything, &facts)));
}

#[test]
fn without_namespaces_what_is_accepted_is_not_refused() {
    let facts = machine(without_userns);
    let accept = |names: &str| planned(&format!("enforcement.accept = [{names}]"), &site(), &facts);
    let mut text = String::new();
    for names in [
        "\"protect\"",
        "\"protect.git\", \"hide\"",
        "\"protect\", \"hide\", \"write\", \"sockets\", \"processes\", \"descendants\", \"devices\", \"temp\"",
    ] {
        text += &format!("accept {names}\n{}\n", shown(&accept(names)));
    }
    assert_snapshot!(text);
}

#[test]
fn namespaces_that_were_asked_for_are_not_replaced() {
    let facts = machine(without_userns);
    assert_snapshot!(shown(&planned(
        "linux.mode = \"namespaces\"",
        &site(),
        &facts
    )));
}

#[test]
fn a_ring_that_is_accepted_to_be_missing_still_names_what_is_lost() {
    let facts = machine(|f| {
        without_userns(f);
        f.landlock = 0;
    });
    assert_snapshot!(shown(&planned(
        "enforcement.accept = [\"ring\"]",
        &site(),
        &facts
    )));
}

#[test]
fn kernels_from_5_4_to_6_18() {
    let mut text = String::new();
    for (kernel, landlock) in [
        ((5, 4), 0),
        ((5, 10), 0),
        ((5, 15), 1),
        ((6, 1), 2),
        ((6, 18), 7),
    ] {
        for root in [false, true] {
            let facts = machine(|f| {
                f.kernel = kernel;
                f.landlock = landlock;
                f.overlay = kernel >= (5, 11);
                f.root = root;
            });
            let who = if root { "root" } else { "user" };
            text += &format!(
                "{}.{} as {who}\n{}\n",
                kernel.0,
                kernel.1,
                changed("", &site(), &facts)
            );
        }
    }
    assert_snapshot!(text);
}

#[test]
fn a_container_with_a_masked_proc() {
    let facts = machine(|f| {
        f.container = Some(Container::Docker);
        f.root = true;
        f.uid = 0;
        f.gid = 0;
        f.proc = no(
            "parts of /proc are masked: /proc/kcore /proc/keys",
            "in a container: --security-opt systempaths=unconfined",
        );
    });
    assert_snapshot!(changed("", &site(), &facts));
}

#[test]
fn wsl_2() {
    let facts = machine(|f| {
        f.wsl = true;
        f.kernel = (5, 15);
        f.landlock = 1;
    });
    let mut wsl = site();
    wsl.socket_dirs.push(Mask {
        at: dir("/mnt/wslg"),
        keep: Vec::new(),
    });
    assert_snapshot!(changed("", &wsl, &facts));
}

#[test]
fn no_proc_at_all() {
    let facts = machine(|f| f.proc = no("there is no /proc", "mount /proc"));
    assert_snapshot!(changed("", &site(), &facts));
}

#[test]
fn no_seccomp() {
    let facts = machine(|f| f.seccomp = false);
    let mut text = changed("", &site(), &facts);
    let lost = "enforcement.accept = [\"syscalls\", \"protect\", \"hide\", \"write\"]\n\
                linux.mode = \"landlock-only\"";
    text += "\nwithout namespaces, and accepted\n";
    text += &shown(&planned(lost, &site(), &facts));
    assert_snapshot!(text);
}

#[test]
fn limits_with_and_without_a_delegated_cgroup() {
    let asked = "[limits]\nmemory = \"4GiB\"\nprocesses = 128\n";
    let group = |memory, pids| {
        Some(Cgroup {
            parent: "/sys/fs/cgroup/user.slice/ada".into(),
            memory,
            pids,
        })
    };
    let mut text = String::new();
    for (name, cgroup) in [
        ("none", None),
        ("pids", group(false, true)),
        ("memory", group(true, false)),
        ("both", group(true, true)),
    ] {
        for (kernel, root) in [
            ((6, 18), false),
            ((6, 18), true),
            ((5, 13), false),
            ((6, 1), true),
        ] {
            let facts = machine(|f| {
                f.kernel = kernel;
                f.root = root;
                f.cgroup = cgroup.clone();
            });
            let who = if root { "root" } else { "user" };
            text += &format!(
                "cgroup {name}, {}.{}, {who}\n{}\n",
                kernel.0,
                kernel.1,
                changed(asked, &site(), &facts)
            );
        }
        let facts = machine(|f| {
            without_userns(f);
            f.cgroup = cgroup.clone();
        });
        let all = "enforcement.accept = [\"protect\", \"hide\", \"write\", \"sockets\", \
                   \"processes\", \"descendants\", \"devices\", \"proc\", \"temp\", \"network\"]\n";
        let base = planned(all, &site(), &machine(without_userns));
        text += &format!(
            "cgroup {name}, landlock-only\n{}\n",
            difference(&base, &planned(&(all.to_owned() + asked), &site(), &facts))
        );
    }
    assert_snapshot!(text);
}

#[test]
fn the_network_on() {
    let facts = machine(|_| {});
    let before_scopes = machine(|f| f.landlock = 5);
    let on = "network.mode = \"on\"";
    assert_snapshot!(format!(
        "{}\nLandlock ABI 5\n{}",
        changed(on, &site(), &facts),
        changed(on, &site(), &before_scopes)
    ));
}

#[test]
fn read_only_mode() {
    let mut none = site();
    none.roots.clear();
    assert_snapshot!(changed("mode = \"read-only\"", &none, &machine(|_| {})));
}

#[test]
fn reading_little() {
    let mut little = site();
    little.readable = Some(vec![
        dir("/usr"),
        dir("/etc"),
        dir("/home/ada/.cargo"),
        dir("/home/ada/work"),
    ]);
    let text = "filesystem.read = \"minimal\"";
    let mut all = changed(text, &little, &machine(|_| {}));
    all += "\nwithout Landlock\n";
    all += &changed(text, &little, &machine(|f| f.landlock = 0));
    assert_snapshot!(all);
}

#[test]
fn caches_layered_kept_and_shared() {
    let facts = machine(|_| {});
    let mut layered = site();
    layered.caches.push(cache("cargo", "/home/ada/.cargo"));
    let mut private = site();
    private.kept.push(kept("npm"));
    let mut shared = site();
    shared.shared.push(dir("/home/ada/.cargo"));
    assert_snapshot!(format!(
        "layered\n{}\nkept\n{}\nshared\n{}",
        changed("", &layered, &facts),
        changed("", &private, &facts),
        changed("caches.mode = \"shared\"", &shared, &facts)
    ));
}

#[test]
fn write_roots_around_and_inside_of_caches() {
    let mut site = empty_site();
    site.roots = vec![root("/home/ada/work"), root("/home/ada/.cargo/git/mine")];
    site.caches.push(cache("cargo", "/home/ada/.cargo"));
    // In a write root it is written as it is.
    site.caches.push(cache("npm", "/home/ada/work/.npm"));
    site.caches.push(cache("pip", "/home/ada/work"));
    assert_snapshot!(shown(&planned("", &site, &machine(|_| {}))));
}

/// What a command left behind must not take the watches of the next one in silence.
#[test]
fn more_missing_names_than_can_be_watched_are_refused_and_the_policys_own_come_first() {
    use ringfence_ops::linux::{Op, WATCHES_MOST};
    let mut many = site();
    let names = |count| (0..count).map(|n| format!("a/n{n}").into()).collect();
    let mut made = support::missing("/home/ada/ws/made/.git", "hooks");
    made.names = names(WATCHES_MOST);
    // It sorts before the workspace, and comes after it all the same.
    let mut other = root("/aaa");
    other.missing = vec![made.clone()];
    many.roots.insert(0, other);
    let facts = machine(|_| {});
    let refusal = planned("", &many, &facts).unwrap_err();
    let lacks = |promise: &str| refusal.lacking.iter().any(|l| l.promise == promise);
    assert!(
        lacks(ringfence_plan::promise::PROTECT_MISSING),
        "{refusal:?}"
    );
    let accepted = "[enforcement]\naccept = [\"protect.missing\"]\n";
    let plan = planned(accepted, &many, &facts).unwrap();
    let watched: Vec<_> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.op {
            Op::Watch { dir, names } => Some((dir.path.clone(), names.len())),
            _ => None,
        })
        .collect();
    let at = |path: &std::path::Path| watched.iter().position(|(dir, _)| dir == path);
    assert!(
        at("/home/ada/work".as_ref()) < at(&made.dir.path),
        "{watched:?}"
    );
    assert!(watched.contains(&(made.dir.path.clone(), WATCHES_MOST)));
    // The control: as many as can be are not refused.
    many.roots[0].missing[0].names = names(1000);
    assert!(planned("", &many, &facts).is_ok());
}

#[test]
fn more_write_roots() {
    let mut more = site();
    more.roots.push(root("/srv/b"));
    more.roots.push(ringfence_plan::Root {
        at: file("/srv/a.txt"),
        inner: Vec::new(),
        guarded: Vec::new(),
        missing: Vec::new(),
    });
    assert_snapshot!(changed("", &more, &machine(|_| {})));
}

#[test]
fn a_workspace_in_tmp() {
    let mut temporary = site();
    temporary.roots = vec![root("/tmp/work")];
    temporary.sockets.push(file("/tmp/work/own.sock"));
    temporary
        .hidden
        .push(hidden("hide", file("/tmp/work/.env"), &[]));
    assert_snapshot!(shown(&planned("", &temporary, &machine(|_| {}))));
}

#[test]
fn granted_sockets() {
    let mut granted = site();
    granted
        .granted_sockets
        .push(file("/run/user/1000/agent.sock"));
    granted.granted_sockets.push(file("/srv/db.sock"));
    assert_snapshot!(changed(
        "linux.sockets = [\"/run/user/1000/agent.sock\", \"/srv/db.sock\"]",
        &granted,
        &machine(|_| {})
    ));
}

#[test]
fn no_repository() {
    let mut bare = site();
    bare.roots[0].guarded.clear();
    bare.roots[0].missing = vec![
        missing("/home/ada/work", ".vscode/settings.json"),
        missing("/home/ada/work", ".vscode/settings.json"),
    ];
    assert_snapshot!(changed("", &bare, &machine(|_| {})));
}

#[test]
fn nested_repositories_are_pinned_once_and_from_outside_in() {
    let mut nested = site();
    let at = std::path::Path::new("/home/ada/work");
    for below in [
        "third/party/.git/hooks",
        "third/.git/config",
        "third.d/.git/hooks",
    ] {
        nested.roots[0].guarded.push(guarded(
            at,
            below,
            true,
            ringfence_plan::promise::PROTECT_GIT,
        ));
    }
    // One that lies in what is read-only as a whole.
    nested.roots[0].guarded.push(guarded(
        at,
        ".git/hooks/pre-commit",
        false,
        ringfence_plan::promise::PROTECT_PATHS,
    ));
    assert_snapshot!(changed("", &nested, &machine(|_| {})));
}

#[test]
fn hidden_inside_a_write_root() {
    let mut site = site();
    site.hidden.push(hidden(
        "hide",
        dir("/home/ada/work/secrets"),
        &["public.pem"],
    ));
    assert_snapshot!(changed("", &site, &machine(|_| {})));
}

#[test]
fn nested_namespaces_allowed() {
    let text = "linux.nested = true";
    assert_snapshot!(changed(text, &site(), &machine(|_| {})));
}
