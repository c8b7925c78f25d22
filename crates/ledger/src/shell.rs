//! Words as a POSIX shell reads them back: each byte stands for itself. It is how commands are written down.

use std::ffi::{OsStr, OsString};

use crate::sys;

/// The word in single quotes, in which no shell knows a special character but the quote itself.
#[must_use]
pub fn quoted(word: &OsStr) -> OsString {
    let quote = sys::unit(b'\'');
    let mut out = Vec::with_capacity(word.len() + 2);
    out.push(quote);
    for unit in sys::units(word).iter() {
        if *unit == quote {
            // Out of the quotes, one quote, in again.
            out.extend(br"'\''".iter().copied().map(sys::unit));
        } else {
            out.push(*unit);
        }
    }
    out.push(quote);
    sys::of_units(out)
}

/// The word as it is where nothing in it means anything to a shell, else in quotes: a person
/// reads it before they say yes.
fn plain_or_quoted(word: &OsStr) -> OsString {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-/.,:+@=".contains(byte);
    let bytes = sys::bytes(word);
    // `=x` at the start is zsh's for the place of a program.
    let begins = bytes.first().is_some_and(|byte| *byte != b'=');
    if begins && bytes.iter().all(plain) {
        word.to_owned()
    } else {
        quoted(word)
    }
}

/// A line of such words.
#[must_use]
pub fn line<'a>(words: impl IntoIterator<Item = &'a OsStr>) -> OsString {
    let mut out = OsString::new();
    for word in words {
        if !out.is_empty() {
            out.push(" ");
        }
        out.push(plain_or_quoted(word));
    }
    out
}

#[cfg(test)]
#[cfg(unix)] // there are shells to ask
mod tests {
    use super::{line, quoted};
    use proptest::prelude::{any, prop};
    use proptest::{prop_assert_eq, proptest};
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::process::Command;

    /// What a real shell makes of a line: its words, each ended by a NUL.
    fn read_back(shell: &str, line: &OsStr) -> Vec<OsString> {
        let mut script = OsString::from("printf '%s\\0' ");
        script.push(line);
        let output = Command::new(shell)
            .arg("-c")
            .arg(script)
            .output()
            .expect("a shell");
        assert!(output.status.success(), "{line:?}");
        let text = output
            .stdout
            .strip_suffix(b"\0")
            .expect("a NUL at the end")
            .to_vec();
        text.split(|byte| *byte == 0)
            .map(|word| OsString::from_vec(word.to_vec()))
            .collect()
    }

    #[test]
    fn hostile_words_come_back_as_they_were() {
        let words: Vec<OsString> = [
            "",
            "'",
            "''",
            "'; touch /pwned; '",
            r"\'",
            "a\nb",
            "$(id) `id` $HOME !! ~ ~root *",
            "-x",
            "--",
            "\u{202e}e\u{301}\u{1f980}",
            "=ls",
            "#no comment",
            "a=b",
        ]
        .map(OsString::from)
        .into_iter()
        .chain([OsString::from_vec(b"\xff\xfe\x80'".to_vec())])
        .collect();
        for shell in ["sh", "bash"] {
            let whole = line(words.iter().map(OsString::as_os_str));
            assert_eq!(read_back(shell, &whole), words, "{shell}");
        }
    }

    proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(96))]

        #[test]
        fn every_word_comes_back_as_it_was(
            words in prop::collection::vec(prop::collection::vec(1_u8..=255, 0..24), 1..5)
        ) {
            let words: Vec<OsString> = words.into_iter().map(OsString::from_vec).collect();
            let whole = line(words.iter().map(OsString::as_os_str));
            prop_assert_eq!(read_back("sh", &whole), words);
        }

        #[test]
        fn what_shells_know_comes_back_as_it_was(
            text in r#"['"\\$`!~*?\[\]{}()<>|&;# \t\n=a-]{0,32}"#, again in any::<bool>()
        ) {
            // Quoted twice, as by an agent that puts the line into its own `eval '…'`.
            let word = OsString::from(&text);
            let mut whole = quoted(&word);
            let mut expected = word;
            if again {
                expected = whole.clone();
                whole = quoted(&whole);
            }
            for shell in ["sh", "bash"] {
                prop_assert_eq!(read_back(shell, &whole), vec![expected.clone()]);
            }
            prop_assert_eq!(whole.as_bytes().first(), Some(&b'\''));
        }
    }
}
