//! The rules about source files.

use super::Finding;
use super::edges::PURE;
use crate::source::{self, Tree};
use crate::workspace::Package;
use std::collections::BTreeSet;

/// The modules of std through which a pure crate would have effects.
const EFFECTS: [&str; 4] = ["fs", "env", "process", "net"];
/// What these modules hold that only computes.
const HARMLESS: &[(&str, &[&str])] = &[
    ("env", &["split_paths", "join_paths", "consts"]),
    (
        "net",
        &[
            "IpAddr",
            "Ipv4Addr",
            "Ipv6Addr",
            "SocketAddr",
            "AddrParseError",
        ],
    ),
];
/// Methods of `Path` that ask the file system.
const PATH_EFFECTS: [&str; 7] = [
    ".canonicalize()",
    ".symlink_metadata()",
    ".try_exists()",
    ".read_link()",
    ".read_dir()",
    ".is_symlink()",
    "Instant::now",
];
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = [
    "util", "utils", "common", "helper", "helpers", "manager", "misc",
];
/// A file holds one subject; past this many lines it holds two.
const MOST_LINES: usize = 900;

pub(super) fn check(packages: &[Package], tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let mut shipped = BTreeSet::new();
        let mut reached = BTreeSet::new();
        for target in &package.targets {
            let test = matches!(target.kind.as_str(), "test" | "bench" | "example");
            let modules = source::modules(tree, &target.file, test);
            reached.extend(modules.shipped.iter().cloned());
            reached.extend(modules.test);
            shipped.extend(modules.shipped);
            if !test {
                findings.extend(forbids_unsafe(package, &target.file, tree));
            }
        }
        for file in &shipped {
            let Some(text) = tree.get(file) else { continue };
            let code = source::without_tests(&source::without_words(text));
            if PURE.contains(&package.name.as_str()) {
                findings.extend(pure(file, &code));
            }
            let is_root = package.targets.iter().any(|target| target.file == *file);
            findings.extend(platform(package, file, &code, is_root));
        }
        let inside = format!("{}/", package.dir);
        for (file, text) in tree.range(inside.clone()..) {
            if !file.starts_with(&inside) {
                break;
            }
            if !file.ends_with(".rs") {
                continue;
            }
            if !reached.contains(file) {
                findings.push(Finding::new(
                    file,
                    "no crate root reaches this file, so it is neither built nor tested",
                    "declare it with `mod` in its parent, or delete it",
                ));
            }
            findings.extend(names(file));
            let lines = text.lines().count();
            if lines > MOST_LINES {
                findings.push(Finding::new(
                    file,
                    format!("{lines} lines"),
                    format!("split it by subject; a file has at most {MOST_LINES}"),
                ));
            }
        }
    }
    findings
}

/// Each crate root but those of `sys-*` forbids unsafe code.
fn forbids_unsafe(package: &Package, file: &str, tree: &Tree) -> Option<Finding> {
    if package.name.starts_with("ringfence-sys-") {
        return None;
    }
    let text = tree.get(file)?;
    let forbids = source::without_words(text).contains("#![forbid(unsafe_code)]");
    (!forbids).then(|| {
        Finding::new(
            file,
            "a crate root without `#![forbid(unsafe_code)]`",
            "add it; unsafe code belongs into crates/sys-*",
        )
    })
}

fn pure(file: &str, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |at: usize, what: &str| {
        let line = source::line_of(code, at);
        findings.push(Finding::new(
            format!("{file}:{line}"),
            format!("a pure crate uses `{what}`"),
            "take it as data; the harness reads the machine and the files",
        ));
    };
    for (at, _) in code.match_indices("std::") {
        let rest = code[at + "std::".len()..].trim_start();
        for effect in EFFECTS {
            if starts_with_word(rest, effect) && !is_harmless(rest, effect) {
                found(at, &format!("std::{effect}"));
            }
        }
        if let Some(group) = rest.strip_prefix('{') {
            for effect in top_level_names(group)
                .into_iter()
                .filter(|n| EFFECTS.contains(n))
            {
                found(at, &format!("std::{effect}"));
            }
        }
    }
    for method in PATH_EFFECTS {
        for (at, _) in code.match_indices(method) {
            found(at, method);
        }
    }
    findings
}

/// Whether `env::split_paths…` or `net::{Ipv4Addr, Ipv6Addr}…` names only what computes.
fn is_harmless(rest: &str, module: &str) -> bool {
    let Some((_, names)) = HARMLESS.iter().find(|(name, _)| *name == module) else {
        return false;
    };
    let Some(inside) = rest[module.len()..].trim_start().strip_prefix("::") else {
        return false;
    };
    match inside.trim_start().strip_prefix('{') {
        Some(group) => top_level_names(group)
            .iter()
            .all(|name| name.is_empty() || names.contains(name)),
        None => names.iter().any(|name| starts_with_word(inside, name)),
    }
}

fn starts_with_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// The first names of `a::b, c::{d, e}, f}` : a, c, f.
fn top_level_names(group: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let name = group[start..at].trim();
                names.push(name.split("::").next().unwrap_or(name).trim());
                start = at + 1;
                if c == '}' {
                    return names;
                }
            }
            _ => {}
        }
    }
    names
}

/// Code for one operating system lies under `src/sys/` or in a `sys-*` crate. A crate root may leave whole modules
/// out, and say how its program begins.
fn platform(package: &Package, file: &str, code: &str, is_root: bool) -> Vec<Finding> {
    let allowed = package.name.starts_with("ringfence-sys-")
        || file.contains("/src/sys/")
        || file.ends_with("/src/sys.rs")
        || !package.dir.starts_with("crates/");
    if allowed {
        return Vec::new();
    }
    // `cfg!(…)` is not meant: both of its branches are compiled on every host.
    let mut findings = Vec::new();
    for attribute in ["cfg(", "cfg_attr("] {
        for (at, _) in code.match_indices(attribute) {
            let inside = code[at..].split(']').next().unwrap_or_default();
            let words = ["target_os", "target_family", "unix", "windows"];
            let Some(word) = words.into_iter().find(|word| inside.contains(word)) else {
                continue;
            };
            if is_root && leaves_a_module_out(code, at) {
                continue;
            }
            findings.push(Finding::new(
                format!("{file}:{}", source::line_of(code, at)),
                format!("`cfg({word}…)` outside src/sys/"),
                "put the platform's part into src/sys/<os>.rs and call it by one name",
            ));
        }
    }
    findings
}

/// Whether the attribute that holds this `cfg(` is on `mod name;` or `use …;`, on how a program begins, or has only said
/// that what is then not used may stay.
fn leaves_a_module_out(code: &str, at: usize) -> bool {
    let rest = &code[at..];
    // Within a function or another module it would leave out a part.
    if code[..at].matches('{').count() > code[..at].matches('}').count() {
        return false;
    }
    let Some(end) = rest.find(']') else {
        return false;
    };
    if let Some(inside) = rest.strip_prefix("cfg_attr(") {
        let said: String = inside[..end - "cfg_attr(".len()]
            .split_whitespace()
            .collect();
        let begins = said.ends_with(",no_main)") && !said.contains("allow(");
        return begins || said.contains("allow(dead_code") && said.matches("allow(").count() == 1;
    }
    let mut item = rest[end + 1..].trim_start();
    while item.starts_with("#[") {
        let Some(end) = item.find(']') else {
            return false;
        };
        item = item[end + 1..].trim_start();
    }
    for seen in ["pub(crate) ", "pub "] {
        item = item.strip_prefix(seen).unwrap_or(item);
    }
    let is_module = item.strip_prefix("mod ").is_some_and(|name| {
        name.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
            .starts_with(';')
    });
    let begins = item.starts_with("fn main()")
        || item.split_once("!(").is_some_and(|(path, _)| {
            path.ends_with("::program") && !path.contains(char::is_whitespace)
        });
    is_module || begins || item.starts_with("use ")
}

fn names(file: &str) -> Option<Finding> {
    let mut parts = file.trim_end_matches(".rs").split('/');
    let empty = parts.rfind(|part| EMPTY_NAMES.contains(part))?;
    Some(Finding::new(
        file,
        format!("a module called `{empty}`"),
        "name it after what it holds: the kernel object, the message, the rule",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Target;

    const ROOT: &str = "#![forbid(unsafe_code)]\n";

    fn package(name: &str, dir: &str) -> Package {
        Package {
            name: name.to_owned(),
            dir: dir.to_owned(),
            dependencies: Vec::new(),
            targets: vec![Target {
                kind: "lib".to_owned(),
                file: format!("{dir}/src/lib.rs"),
            }],
        }
    }

    fn found(name: &str, files: &[(&str, &str)]) -> Vec<Finding> {
        let tree = files
            .iter()
            .map(|(file, text)| (format!("crates/x/{file}"), (*text).to_owned()))
            .collect();
        check(&[package(name, "crates/x")], &tree)
    }

    #[test]
    fn a_clean_crate_passes() {
        let lib = format!(
            "{ROOT}mod a;\n// std::fs in words\n#[cfg(test)]\nmod tests {{ use std::fs; }}"
        );
        let files = [
            ("src/lib.rs", lib.as_str()),
            ("src/a.rs", "use std::path::Path;"),
        ];
        assert_eq!(found("ringfence-plan", &files), []);
    }

    #[test]
    fn effects_in_a_pure_crate_are_found_with_their_line() {
        let lib = format!(
            "{ROOT}use std::{{collections::BTreeMap, fs::File, io}};\nfn f() {{ std::env::vars(); }}"
        );
        let findings = found("ringfence-plan", &[("src/lib.rs", &lib)]);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert_eq!(findings[0].file, "crates/x/src/lib.rs:2");
        assert_eq!(findings[1].file, "crates/x/src/lib.rs:3");
        assert_eq!(found("ringfence", &[("src/lib.rs", &lib)]), []);
    }

    #[test]
    fn what_only_computes_is_no_effect() {
        let lib = format!(
            "{ROOT}use std::net::{{Ipv4Addr, Ipv6Addr}};\nuse std::net::IpAddr;\n\
             fn f() {{ std::env::split_paths(x); cfg!(windows); }}"
        );
        assert_eq!(found("ringfence-policy", &[("src/lib.rs", &lib)]), []);
        let lib = format!("{ROOT}use std::net::{{Ipv4Addr, TcpStream}};\nuse std::env;");
        assert_eq!(found("ringfence-policy", &[("src/lib.rs", &lib)]).len(), 2);
    }

    #[test]
    fn asking_the_file_system_through_a_path_is_found() {
        let lib = format!("{ROOT}fn f(p: &std::path::Path) {{ p.canonicalize(); }}");
        assert_eq!(found("ringfence-policy", &[("src/lib.rs", &lib)]).len(), 1);
    }

    #[test]
    fn a_root_without_the_fence_is_found() {
        assert_eq!(
            found("ringfence-cli", &[("src/lib.rs", "// forbid(unsafe_code)")]).len(),
            1
        );
        assert_eq!(found("ringfence-sys-linux", &[("src/lib.rs", "")]), []);
    }

    #[test]
    fn a_crate_root_may_leave_out_whole_modules_and_nothing_else() {
        let gate = "#[cfg(target_os = \"linux\")]\n";
        let left_out = format!(
            "{ROOT}#![cfg_attr(windows, allow(dead_code, reason = \"x\"))]\n{gate}mod a;\n\
             #[cfg(windows)]\n#[path = \"b.rs\"]\npub mod a;\n{gate}pub use a::{{B, C}};\n\
             #![cfg_attr(windows, no_main)]\n{gate}ringfence::program!(begin);\n{gate}fn main() {{}}\n"
        );
        let whole = [
            ("src/lib.rs", &*left_out),
            ("src/a.rs", ""),
            ("src/b.rs", ""),
        ];
        assert_eq!(found("ringfence-ledger", &whole), []);
        for item in [
            format!("{gate}mod a {{}}"),
            format!("{gate}fn f() {{}}"),
            format!("fn f() {{ {gate}use a::b; b(); }}"),
            "#![cfg_attr(windows, allow(unsafe_code))]".to_owned(),
            "#![cfg_attr(windows, allow(dead_code), allow(unused))]".to_owned(),
            "#![cfg_attr(windows, allow(unsafe_code), no_main)]".to_owned(),
            format!("{gate}fn main_too() {{}}"),
            format!("{gate}ringfence::other!(begin);"),
        ] {
            let root = format!("{ROOT}{item}");
            let findings = found("ringfence-ledger", &[("src/lib.rs", &root)]);
            assert_eq!(findings.len(), 1, "{item}: {findings:?}");
        }
        // Further in it is as it was.
        let inner = format!("{gate}mod b;");
        let files = [
            ("src/lib.rs", "#![forbid(unsafe_code)]\nmod a;"),
            ("src/a.rs", &*inner),
            ("src/a/b.rs", ""),
        ];
        assert_eq!(found("ringfence-ledger", &files).len(), 1);
    }

    #[test]
    fn platform_code_outside_sys_is_found() {
        let lib = format!("{ROOT}mod sys;\n#[cfg(target_os = \"linux\")]\nfn f() {{}}");
        let files = [
            ("src/lib.rs", lib.as_str()),
            ("src/sys/mod.rs", "#[cfg(unix)]\nfn g() {}"),
        ];
        let findings = found("ringfence", &files);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].file, "crates/x/src/lib.rs:3");
    }

    #[test]
    fn an_empty_name_is_found() {
        let lib = format!("{ROOT}mod util;");
        let files = [("src/lib.rs", lib.as_str()), ("src/util.rs", "")];
        assert_eq!(found("ringfence", &files).len(), 1);
    }

    #[test]
    fn a_file_that_no_root_reaches_is_found() {
        let files = [
            ("src/lib.rs", ROOT),
            ("src/lost.rs", "#[test]\nfn never_run() {}"),
        ];
        let findings = found("ringfence", &files);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].file, "crates/x/src/lost.rs");
    }

    #[test]
    fn an_overlong_file_is_found() {
        let lib = format!("{ROOT}{}", "\n".repeat(MOST_LINES + 1));
        assert_eq!(found("ringfence", &[("src/lib.rs", &lib)]).len(), 1);
    }
}
