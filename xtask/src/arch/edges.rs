//! The arrows between crates: each points to a lower rank.

use super::Finding;
use crate::source::Tree;
use crate::workspace::Package;

/// The ranks of ARCHITECTURE.md. A crate may depend on crates of a lower rank only.
const RANKS: &[(&str, u8)] = &[
    ("ringfence-policy", 0),
    ("ringfence-ops", 0),
    ("ringfence-nt-access", 0),
    ("ringfence-sys-linux", 0),
    ("ringfence-resources", 0),
    ("ringfence-sys-windows", 0),
    ("ringfence-plan", 1),
    ("ringfence-rules", 1),
    ("ringfence-wire", 1),
    ("ringfence-ledger", 2),
    ("ringfence-changes", 2),
    ("ringfence-journal", 2),
    ("ringfence-undo", 3),
    ("ringfence-runner", 3),
    ("ringfence", 4),
    ("ringfence-serve", 5),
    ("ringfence-cli", 6),
];

/// Crates that may link only what is listed, whatever their rank.
const LINKS_ONLY: &[(&str, &[&str], &str)] = &[
    (
        "ringfence-runner",
        &[
            "ringfence-wire",
            "ringfence-ops",
            "ringfence-sys-linux",
            "ringfence-sys-windows",
        ],
        "the runner holds no policy and no planner; hand it ops over the wire",
    ),
    (
        "ringfence-probe",
        &[
            "ringfence-ops",
            "ringfence-sys-linux",
            "ringfence-sys-windows",
        ],
        "the probe is the child's view; it knows nothing of the harness",
    ),
];

/// Crates without effects: no system calls, not even through a dependency.
pub(super) const PURE: &[&str] = &[
    "ringfence-policy",
    "ringfence-ops",
    "ringfence-nt-access",
    "ringfence-plan",
    "ringfence-rules",
    "ringfence-wire",
];

/// Crates that stand outside the ranks: nothing may depend on them.
const OUTSIDE: &[&str] = &[
    "ringfence-e2e",
    "ringfence-windows-tests",
    "ringfence-probe",
    "xtask",
    "from-source",
];

fn rank(name: &str) -> Option<u8> {
    RANKS
        .iter()
        .find(|(ranked, _)| *ranked == name)
        .map(|(_, rank)| *rank)
}

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let file = package.manifest();
        let own = rank(&package.name);
        if own.is_none() && !OUTSIDE.contains(&package.name.as_str()) {
            findings.push(Finding::new(
                &file,
                format!("`{}` has no rank", package.name),
                "give it one in xtask/src/arch/edges.rs and in ARCHITECTURE.md",
            ));
        }
        let only = LINKS_ONLY.iter().find(|(name, ..)| *name == package.name);
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| dependency.local)
        {
            let name = dependency.name.as_str();
            let target = dependency.target.as_deref();
            let place = target
                .map(|target| format!(" (for {target})"))
                .unwrap_or_default();
            let arrow = format!("{} -> {name}{place}", package.name);
            if OUTSIDE.contains(&name) {
                findings.push(Finding::new(
                    &file,
                    format!("{arrow}: nothing may depend on a test or a tool"),
                    "move what is shared into a crate with a rank",
                ));
            }
            if let (Some(from), Some(to)) = (own, rank(name))
                && to >= from
            {
                findings.push(Finding::new(
                    &file,
                    format!("{arrow}: an arrow from rank {from} to rank {to}"),
                    "an arrow points to a lower rank; move what is shared downwards",
                ));
            }
            if PURE.contains(&package.name.as_str()) && name.starts_with("ringfence-sys-") {
                findings.push(Finding::new(
                    &file,
                    format!("{arrow}: a pure crate may not reach the system"),
                    "take what is needed as data (facts), probed by the harness",
                ));
            }
            if let Some((_, allowed, remedy)) = only
                && dependency.kind == "normal"
                && !allowed.contains(&name)
            {
                let allowed = allowed.join(", ");
                findings.push(Finding::new(
                    &file,
                    format!("{arrow}: it may link only {allowed}"),
                    *remedy,
                ));
            }
        }
    }
    findings
}

/// Versions are named once, in the root manifest; and each directory under `tests/` is a member.
pub(super) fn check_manifests(packages: &[Package], tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in tree.iter().filter(|(file, _)| file.ends_with("Cargo.toml")) {
        if !packages.iter().any(|package| package.manifest() == *file) {
            findings.push(Finding::new(
                file,
                "a crate that is not a member of the workspace, so nothing builds or tests it",
                "name it under [workspace] members in Cargo.toml",
            ));
            continue;
        }
        let mut in_dependencies = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                in_dependencies = line.ends_with("dependencies]");
            } else if in_dependencies
                && line.contains('=')
                && !line.starts_with('#')
                && !line.contains("workspace = true")
            {
                findings.push(Finding::new(
                    file,
                    format!("`{line}` names a version or path of its own"),
                    "put it under [workspace.dependencies] and write `NAME.workspace = true`",
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Dependency, parse};

    fn package(name: &str, dependencies: &[(&str, &str, Option<&str>)]) -> Package {
        let dependencies = dependencies.iter().map(|(name, kind, target)| Dependency {
            name: (*name).to_owned(),
            kind: (*kind).to_owned(),
            target: target.map(str::to_owned),
            local: true,
        });
        Package {
            name: name.to_owned(),
            dir: format!("crates/{name}"),
            dependencies: dependencies.collect(),
            targets: Vec::new(),
        }
    }

    fn whats(packages: &[Package]) -> Vec<String> {
        check(packages)
            .into_iter()
            .map(|finding| finding.what)
            .collect()
    }

    #[test]
    fn downward_arrows_pass() {
        let packages = [
            package("ringfence-plan", &[("ringfence-policy", "normal", None)]),
            package("ringfence-runner", &[("ringfence-wire", "normal", None)]),
            package("ringfence-cli", &[("ringfence", "normal", None)]),
            package("ringfence-e2e", &[("ringfence-sys-linux", "dev", None)]),
        ];
        assert_eq!(whats(&packages), [""; 0]);
    }

    #[test]
    fn an_upward_arrow_is_found_also_for_one_platform() {
        let packages = [package(
            "ringfence-plan",
            &[("ringfence", "normal", Some("cfg(windows)"))],
        )];
        let whats = whats(&packages);
        assert_eq!(whats.len(), 1);
        assert!(whats[0].contains("rank 1 to rank 4"), "{whats:?}");
        assert!(whats[0].contains("cfg(windows)"), "{whats:?}");
    }

    #[test]
    fn an_arrow_between_equals_is_found() {
        let packages = [package(
            "ringfence-ops",
            &[("ringfence-policy", "dev", None)],
        )];
        assert_eq!(whats(&packages).len(), 1);
    }

    #[test]
    fn the_runner_may_not_link_the_policy() {
        let packages = [package(
            "ringfence-runner",
            &[("ringfence-policy", "normal", None)],
        )];
        let whats = whats(&packages);
        assert!(
            whats.iter().any(|what| what.contains("may link only")),
            "{whats:?}"
        );
    }

    #[test]
    fn a_pure_crate_may_not_reach_the_system() {
        let packages = [package(
            "ringfence-plan",
            &[("ringfence-sys-linux", "normal", None)],
        )];
        let whats = whats(&packages);
        assert!(
            whats.iter().any(|what| what.contains("pure crate")),
            "{whats:?}"
        );
    }

    #[test]
    fn nothing_may_depend_on_a_tool() {
        let packages = [package("ringfence-cli", &[("xtask", "build", None)])];
        assert_eq!(whats(&packages).len(), 1);
    }

    #[test]
    fn a_crate_without_a_rank_is_found() {
        assert_eq!(whats(&[package("ringfence-surprise", &[])]).len(), 1);
    }

    #[test]
    fn metadata_is_read_as_cargo_writes_it() {
        let json = r#"{"workspace_root":"/w","packages":[{"name":"ringfence-plan",
            "manifest_path":"/w/crates/plan/Cargo.toml",
            "dependencies":[
                {"name":"ringfence-cli","kind":null,"target":"cfg(unix)","path":"/w/crates/cli"},
                {"name":"serde","kind":"dev","target":null}],
            "targets":[{"kind":["lib"],"src_path":"/w/crates/plan/src/lib.rs"}]}]}"#;
        let packages = parse(json).unwrap_or_default();
        assert_eq!(packages.len(), 1);
        assert_eq!(packages[0].dir, "crates/plan");
        assert_eq!(packages[0].targets[0].file, "crates/plan/src/lib.rs");
        assert!(packages[0].dependencies[0].local && !packages[0].dependencies[1].local);
        assert_eq!(whats(&packages).len(), 1);
    }

    #[test]
    fn a_version_of_its_own_and_a_lost_crate_are_found() {
        let mut tree = Tree::new();
        tree.insert(
            "crates/a/Cargo.toml".to_owned(),
            "[dependencies]\nlibc = \"0.2\"\nserde.workspace = true\n[[bin]]\nname = \"a\"\n"
                .to_owned(),
        );
        tree.insert("tests/lost/Cargo.toml".to_owned(), String::new());
        let mut known = package("a", &[]);
        known.dir = "crates/a".to_owned();
        let findings = check_manifests(&[known], &tree);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].what.contains("libc"));
        assert!(findings[1].file.contains("lost"));
    }
}
