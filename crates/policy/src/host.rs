//! Entries of `[network] allow`: hosts, patterns of hosts, presets.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::error::Problem;

/// Checks an entry and gives its one spelling: lower case, IPv6 in brackets and short.
///
/// Anything that two parsers could read in two ways is refused: NUL and blanks, a trailing dot, numbers
/// that some resolvers take for an address (`127.1`, `0x7f.1`), a bare IPv6 address.
pub(crate) fn parse(text: &str) -> Result<String, Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    let no = |why| Problem::Host {
        given: text.to_owned(),
        why,
    };
    if !text.is_ascii() {
        return Err(no("write a name outside ASCII in its xn-- form"));
    }
    if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(no("it holds a blank or a control character"));
    }
    let lower = text.to_ascii_lowercase();
    if let Some(preset) = lower.strip_prefix("preset:") {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let named = !preset.is_empty() && preset.bytes().all(fits);
        return if named {
            Ok(lower)
        } else {
            Err(no("the preset has no name"))
        };
    }
    if lower.contains("://") || lower.contains('/') {
        return Err(no("it is a URL or a path, and only hosts are told apart"));
    }
    if lower.contains('@') {
        return Err(no("it holds a user"));
    }
    if let Some(rest) = lower.strip_prefix('[') {
        let (address, after) = rest
            .split_once(']')
            .ok_or_else(|| no("the bracket stays open"))?;
        let address: Ipv6Addr = address.parse().map_err(|_| no("that is no IPv6 address"))?;
        return match after.strip_prefix(':') {
            Some(digits) => Ok(format!(
                "[{address}]:{}",
                port(digits).ok_or_else(|| no(PORT))?
            )),
            None if after.is_empty() => Ok(format!("[{address}]")),
            None => Err(no("only a port may follow the bracket")),
        };
    }
    let (host, port) = match lower.split_once(':') {
        None => (lower.as_str(), None),
        Some((_, rest)) if rest.contains(':') => return Err(no("an IPv6 address needs brackets")),
        Some((host, digits)) => (host, Some(port(digits).ok_or_else(|| no(PORT))?)),
    };
    name(host).map_err(no)?;
    Ok(port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

const PORT: &str = "a port is a number from 1 to 65535";

fn port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| plain)
}

fn name(host: &str) -> Result<(), &'static str> {
    let plain = host.strip_prefix("*.").unwrap_or(host);
    if host == "*" {
        return Err("every host is network mode \"on\"");
    }
    if plain.contains('*') {
        return Err("`*` stands only before the first dot");
    }
    if plain.len() > 253 {
        return Err("it is longer than a name can be");
    }
    if plain.ends_with('.') {
        return Err("it ends in a dot");
    }
    for label in plain.split('.') {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if label.is_empty() || label.len() > 63 || !label.bytes().all(fits) {
            return Err(
                "a part of the name is empty, too long, or holds other than letters, digits, - and _",
            );
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a part of the name begins or ends with -");
        }
    }
    let last = plain.rsplit('.').next().unwrap_or(plain);
    let number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    if number && (plain != host || plain.parse::<Ipv4Addr>().is_err()) {
        return Err("it is neither a name nor a whole IPv4 address");
    }
    Ok(())
}

/// Whether a bound covers an entry, both as [`parse`] gave them. A bound without a port covers every port.
pub(crate) fn covers(bound: &str, entry: &str) -> bool {
    if bound == entry {
        return true;
    }
    if bound.starts_with("preset:") || entry.starts_with("preset:") {
        return false;
    }
    let (bound_host, bound_port) = split(bound);
    let (host, port) = split(entry);
    let same_port = bound_port.is_none() || bound_port == port;
    let same_host = bound_host == host
        || bound_host.strip_prefix('*').is_some_and(|suffix| {
            // `*.example.com` takes the names below it, not example.com, and `*.x` below that.
            suffix.len() < host.len() && host.ends_with(suffix)
        });
    same_port && same_host
}

fn split(entry: &str) -> (&str, Option<&str>) {
    match entry.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (entry, None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_spelling() {
        for (given, spelled) in [
            ("Example.COM:443", "example.com:443"),
            ("*.Example.com", "*.example.com"),
            ("localhost:5432", "localhost:5432"),
            ("preset:npm", "preset:npm"),
            ("[0:0::1]:80", "[::1]:80"),
            ("[::1]", "[::1]"),
            ("10.0.0.1:22", "10.0.0.1:22"),
            ("_srv.example.com", "_srv.example.com"),
        ] {
            assert_eq!(parse(given).unwrap(), spelled);
            assert_eq!(parse(spelled).unwrap(), spelled);
        }
    }

    #[test]
    fn what_two_parsers_could_read_in_two_ways_is_refused() {
        for bad in [
            "",
            " ",
            "*",
            "a b",
            "a\0.com",
            "example.com.",
            "https://example.com",
            "example.com/x",
            "u@h",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[x]",
            "127.1",
            "0x7f.1",
            "2130706433",
            "256.0.0.1",
            "*.1.2.3",
            "a..b",
            "a.*.b",
            "**.a",
            "example.com:0",
            "example.com:",
            "example.com:65536",
            "example.com:+80",
            "example.com:0443",
            "-a.com",
            "bücher.de",
            "preset:",
            "preset:a b",
            ":443",
            "*.",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn covering() {
        assert!(covers("*.example.com", "a.example.com:443"));
        assert!(covers("*.example.com:443", "a.b.example.com:443"));
        assert!(covers("*.example.com", "*.b.example.com"));
        assert!(covers("[::1]", "[::1]:80"));
        assert!(covers("preset:npm", "preset:npm"));
        for (bound, entry) in [
            ("*.example.com", "example.com"),
            ("*.example.com", "evilexample.com"),
            ("a.example.com", "*.example.com"),
            ("*.b.example.com", "*.example.com"),
            ("example.com:443", "example.com"),
            ("example.com:443", "example.com:80"),
            ("preset:npm", "preset:npm2"),
            ("[::1]:80", "[::1]"),
        ] {
            assert!(!covers(bound, entry), "{bound} {entry}");
        }
    }
}
