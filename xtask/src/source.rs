//! Reading Rust sources far enough for the rules: comments and literals taken
//! out, test code told apart, modules followed from each crate root.
//!
//! This is a scan of text, not a compiler: it looks for habits, and the
//! compiler and clippy look for the rest.

use std::collections::{BTreeMap, BTreeSet};

/// Every source file of the workspace, by path relative to its root.
pub(crate) type Tree = BTreeMap<String, String>;

/// `source` with each comment, string and character literal replaced by spaces. Lines and byte
/// offsets stay where they are.
pub(crate) fn without_words(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => block_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !is_word(bytes, at.wrapping_sub(1)) => raw_end(bytes, at).unwrap_or(at),
            b'\'' => char_end(bytes, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            at += 1;
            continue;
        }
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn is_word(bytes: &[u8], at: usize) -> bool {
    bytes
        .get(at)
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |len| at + len)
}

fn block_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of `r"…"` or `r#"…"#`, if one starts here.
fn raw_end(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..]
        .iter()
        .take_while(|byte| **byte == b'#')
        .count();
    let open = start + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"')
        .chain(std::iter::repeat_n(b'#', hashes))
        .collect();
    let mut at = open + 1;
    while at < bytes.len() {
        if bytes[at..].starts_with(&close) {
            return Some(at + close.len());
        }
        at += 1;
    }
    Some(bytes.len())
}

/// The end of a character literal; `None` for a lifetime.
fn char_end(bytes: &[u8], start: usize) -> Option<usize> {
    if bytes.get(start + 1) == Some(&b'\\') {
        let close = bytes[start + 3..].iter().position(|byte| *byte == b'\'')?;
        return Some(start + 3 + close + 1);
    }
    // One character of at most four bytes, then the closing quote.
    (2..=5)
        .map(|len| start + len)
        .find(|end| bytes.get(*end) == Some(&b'\''))
        .and_then(|end| {
            let inside = std::str::from_utf8(&bytes[start + 1..end]).ok()?;
            (inside.chars().count() == 1).then_some(end + 1)
        })
}

/// `stripped` (see [`without_words`]) with every item under `#[cfg(test)]` replaced by spaces.
pub(crate) fn without_tests(stripped: &str) -> String {
    let mut out = stripped.to_owned().into_bytes();
    let mut from = 0;
    let marks = ["#[cfg(test)]", "#[cfg(all(test,"];
    let next = |from: usize| {
        let found = marks
            .iter()
            .filter_map(|mark| Some((stripped[from..].find(mark)?, mark)));
        found.min().map(|(at, mark)| (from + at, mark.len()))
    };
    while let Some((start, length)) = next(from) {
        let end = item_end(stripped.as_bytes(), start + length);
        for byte in &mut out[start..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        from = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The end of the item that starts at `start`: its `;` or its closing brace.
fn item_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    bytes.len()
}

/// The line (from 1) of a byte offset.
pub(crate) fn line_of(source: &str, at: usize) -> usize {
    source.as_bytes()[..at]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

/// One `mod name;` (not `mod name { … }`).
struct Declared {
    name: String,
    path: Option<String>,
    test: bool,
}

fn declared(source: &str) -> Vec<Declared> {
    let stripped = without_words(source);
    let shipped = without_tests(&stripped);
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = stripped[from..].find("mod ") {
        let start = from + at;
        from = start + 4;
        if is_word(stripped.as_bytes(), start.wrapping_sub(1)) {
            continue;
        }
        let rest = stripped[from..].trim_start();
        let name: String = rest
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if name.is_empty() || !rest[name.len()..].trim_start().starts_with(';') {
            continue;
        }
        // An attribute on the lines above may name the file.
        let above = &source[..start];
        let tail = &above[above.rfind([';', '}', '{']).map_or(0, |at| at + 1)..];
        let path = tail.find("#[path").and_then(|at| {
            let value = tail[at..].split('"').nth(1)?;
            Some(value.to_owned())
        });
        let test = !shipped[start..].starts_with("mod ");
        found.push(Declared { name, path, test });
    }
    found
}

/// The files that belong to one crate root.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    /// Compiled into what is shipped.
    pub(crate) shipped: BTreeSet<String>,
    /// Compiled for tests only.
    pub(crate) test: BTreeSet<String>,
}

/// Follows `mod` declarations from the crate root `file`.
pub(crate) fn modules(tree: &Tree, file: &str, test: bool) -> Modules {
    let mut modules = Modules::default();
    let mut open = vec![(file.to_owned(), test, true)];
    while let Some((file, test, is_root)) = open.pop() {
        let Some(source) = tree.get(&file) else {
            continue;
        };
        let seen = if test {
            &mut modules.test
        } else {
            &mut modules.shipped
        };
        if !seen.insert(file.clone()) {
            continue;
        }
        let (dir, name) = file.rsplit_once('/').unwrap_or(("", &file));
        let stem = name.trim_end_matches(".rs");
        let base = if is_root || stem == "mod" {
            dir.to_owned()
        } else {
            format!("{dir}/{stem}")
        };
        for child in declared(source) {
            // The modules of a file that is named by its path lie beside it, as those of a root.
            let (candidates, beside) = match &child.path {
                Some(path) => (vec![normal(&format!("{dir}/{path}"))], true),
                None => {
                    let file = format!("{base}/{}.rs", child.name);
                    (vec![file, format!("{base}/{}/mod.rs", child.name)], false)
                }
            };
            for candidate in candidates {
                open.push((candidate, test || child.test, beside));
            }
        }
    }
    modules
}

/// `a/b/../c` as `a/c`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_characters_are_blanked_and_lines_stay() {
        let source =
            "a // unsafe\nb \"un\\\"safe\" c 'u' d r#\"un\"safe\"# e /* x /* y */ z */ f\n";
        let stripped = without_words(source);
        assert!(!stripped.contains("safe"), "{stripped}");
        assert_eq!(stripped.len(), source.len());
        assert_eq!(stripped.lines().count(), source.lines().count());
        let left: String = stripped.split_whitespace().collect();
        assert_eq!(left, "abcdef");
    }

    #[test]
    fn lifetimes_are_not_characters() {
        let source = "fn f<'a>(x: &'a str) -> &'a str { x }";
        assert_eq!(without_words(source), source);
    }

    #[test]
    fn quote_and_backslash_characters_do_not_open_strings() {
        let stripped = without_words("let a = '\"'; let b = '\\''; let c = '\\\\'; unsafe {}");
        assert!(stripped.contains("unsafe {}"), "{stripped}");
    }

    #[test]
    fn test_items_are_blanked_and_what_follows_stays() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { {} } }\nfn c() {}\n\
                      #[cfg(all(test, unix))]\nmod more { fn b() {} }\n";
        let shipped = without_tests(source);
        assert!(shipped.contains("fn a") && shipped.contains("fn c"));
        assert!(!shipped.contains("fn b"));
    }

    #[test]
    fn modules_are_followed_from_the_root() {
        let mut tree = Tree::new();
        for (file, source) in [
            (
                "k/src/lib.rs",
                "mod a;\n#[cfg(test)]\nmod tests;\n#[path = \"odd/name.rs\"]\nmod c;",
            ),
            ("k/src/a.rs", "mod b;"),
            ("k/src/a/b.rs", ""),
            ("k/src/tests.rs", ""),
            ("k/src/odd/name.rs", "mod d;"),
            ("k/src/odd/d.rs", ""),
            ("k/src/lost.rs", ""),
        ] {
            tree.insert(file.to_owned(), source.to_owned());
        }
        let modules = modules(&tree, "k/src/lib.rs", false);
        let shipped: Vec<&str> = modules.shipped.iter().map(String::as_str).collect();
        assert_eq!(
            shipped,
            [
                "k/src/a.rs",
                "k/src/a/b.rs",
                "k/src/lib.rs",
                "k/src/odd/d.rs",
                "k/src/odd/name.rs"
            ]
        );
        let test: Vec<&str> = modules.test.iter().map(String::as_str).collect();
        assert_eq!(test, ["k/src/tests.rs"]);
    }
}
