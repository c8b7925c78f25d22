//! Times and sizes as a person writes them.

use std::time::Duration;

use crate::error::Problem;

/// A day in seconds; the longest time is [`LONGEST_DAYS`] of them.
const DAY: u64 = 24 * 60 * 60;
const LONGEST_DAYS: u64 = 365;

/// Reads a time: whole numbers with the units `d`, `h`, `m`, `s`, each at most once and the largest first,
/// nothing between them: `90s`, `10m`, `1h30m`. A number without a unit is refused, since tools
/// disagree on what it means; so are zero and more than 365 days.
///
/// # Errors
/// [`Problem::Duration`] and [`Problem::Range`].
pub fn parse_duration(text: &str) -> Result<Duration, Problem> {
    const UNITS: [(char, u64); 4] = [('d', DAY), ('h', 3600), ('m', 60), ('s', 1)];
    let bad = || Problem::Duration(text.to_owned());
    let mut units = UNITS.iter();
    let mut rest = text;
    let mut seconds = 0_u64;
    while !rest.is_empty() {
        let (number, after) = digits(rest).ok_or_else(bad)?;
        let unit = after.chars().next().ok_or_else(bad)?;
        let (_, length) = units.find(|(known, _)| *known == unit).ok_or_else(bad)?;
        // A number of twenty digits is out of range, not wrong.
        let part = number.parse().unwrap_or(u64::MAX).saturating_mul(*length);
        seconds = seconds.saturating_add(part);
        rest = &after[1..];
    }
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    if seconds == 0 || seconds > LONGEST_DAYS * DAY {
        return Err(Problem::Range {
            given: text.to_owned(),
            least: "1s",
            most: "365d",
        });
    }
    Ok(Duration::from_secs(seconds))
}

/// Reads a size in bytes: a number, at most one blank, a unit: `512MiB`, `1.5 GiB`, `10 MB`, `4096B`. Units are
/// `B`, binary `KiB MiB GiB TiB` and decimal `KB MB GB TB`, in any letter case. `4G` and a number without
/// a unit are refused, since tools disagree on what they mean; so are zero and more than 2^63-1.
/// A fraction has at most three digits; part of a byte is cut.
///
/// # Errors
/// [`Problem::Size`] and [`Problem::Range`].
pub fn parse_size(text: &str) -> Result<u64, Problem> {
    const UNITS: [(&str, u64); 9] = [
        ("B", 1),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    let bad = || Problem::Size(text.to_owned());
    let (whole, mut rest) = digits(text).ok_or_else(bad)?;
    let mut thousandths = 0;
    if let Some(after) = rest.strip_prefix('.') {
        let (fraction, after) = digits(after).ok_or_else(bad)?;
        if fraction.len() > 3 {
            return Err(bad());
        }
        let scale = [0, 100, 10, 1][fraction.len()];
        thousandths = fraction.parse::<u128>().map_err(|_| bad())? * scale;
        rest = after;
    }
    let unit = rest.strip_prefix(' ').unwrap_or(rest);
    let known = UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let (_, scale) = known.ok_or_else(bad)?;
    let whole: u128 = whole.parse().unwrap_or(u128::from(u64::MAX));
    let scaled = whole.saturating_mul(1000).saturating_add(thousandths);
    let bytes = scaled.saturating_mul(u128::from(*scale)) / 1000;
    match u64::try_from(bytes) {
        Ok(bytes) if bytes > 0 && i64::try_from(bytes).is_ok() => Ok(bytes),
        _ => Err(Problem::Range {
            given: text.to_owned(),
            least: "1B",
            most: "8388607TiB",
        }),
    }
}

/// A leading run of digits, not empty, and what follows it.
fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// A time as [`parse_duration`] reads it.
#[must_use]
pub fn show_duration(time: Duration) -> String {
    let mut seconds = time.as_secs();
    let mut out = String::new();
    for (unit, length) in [('d', DAY), ('h', 3600), ('m', 60), ('s', 1)] {
        if seconds >= length {
            out.push_str(&(seconds / length).to_string());
            out.push(unit);
            seconds %= length;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// A size as [`parse_size`] reads it.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    for (unit, shift) in [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes != 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let seconds = |text| parse_duration(text).map(|time| time.as_secs()).ok();
        assert_eq!(seconds("10m"), Some(600));
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("1h30m"), Some(5400));
        assert_eq!(seconds("365d"), Some(365 * DAY));
        for bad in [
            "",
            "10",
            "m",
            "10 m",
            "1.5h",
            "30m1h",
            "1m1m",
            "-1s",
            "10M",
            "10min",
            "0s",
            "366d",
            "1h ",
            "99999999999999999999d",
            "10m\n",
            "٣s",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes() {
        let bytes = |text| parse_size(text).ok();
        assert_eq!(bytes("4GiB"), Some(4 << 30));
        assert_eq!(bytes("1.5 GiB"), Some(3 << 29));
        assert_eq!(bytes("256mib"), Some(256 << 20));
        assert_eq!(bytes("10 MB"), Some(10_000_000));
        assert_eq!(bytes("0.5KiB"), Some(512));
        assert_eq!(bytes("1.05KB"), Some(1050));
        for bad in [
            "",
            "4",
            "4G",
            "4  GiB",
            "GiB",
            ".5GiB",
            "1.GiB",
            "1.2345GiB",
            "-1B",
            "0B",
            "0.0001KiB",
            "1e3B",
            "9000000TiB",
            "99999999999999999999999999999999999999999TiB",
            "4GiB\n",
        ] {
            assert!(parse_size(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for time in [1, 59, 60, 3600, 5400, 90_061] {
            let time = Duration::from_secs(time);
            assert_eq!(parse_duration(&show_duration(time)), Ok(time));
        }
        for size in [1, 1000, 1024, 3 << 29, 1 << 40, 12345] {
            assert_eq!(parse_size(&show_size(size)), Ok(size));
        }
    }
}
