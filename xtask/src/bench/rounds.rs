//! Interleaved rounds, medians, and tables of them.

use super::contender::Contender;
use anyhow::Result;
use std::ffi::OsString;
use std::fmt::Write as _;

/// A number that gets better downwards (seconds, bytes of memory) or upwards (bytes per second).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    BytesPerSecond,
    Bytes,
}

impl Unit {
    fn shown(self, value: f64) -> String {
        match self {
            Unit::Seconds if value < 1.0 => format!("{:.2} ms", value * 1e3),
            Unit::Seconds => format!("{value:.2} s"),
            Unit::BytesPerSecond => format!("{:.2} GiB/s", value / f64::from(1_u32 << 30)),
            Unit::Bytes => format!("{:.1} MiB", value / f64::from(1_u32 << 20)),
        }
    }
}

/// What one contender reached.
pub(crate) struct Cell {
    pub(crate) name: String,
    pub(crate) result: Result<f64, String>,
}

/// Runs `once` for every contender, `rounds` times, in an order that rotates; medians.
pub(crate) fn interleave(
    contenders: &[Contender],
    rounds: usize,
    argv: &[OsString],
    mut once: impl FnMut(&Contender) -> Result<f64>,
) -> Result<Vec<Cell>> {
    let broken: Vec<Option<String>> = contenders
        .iter()
        .map(|contender| contender.warm_up(argv))
        .collect();
    let mut samples = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..rounds {
        for step in 0..contenders.len() {
            let at = (round + step) % contenders.len();
            if broken[at].is_none() {
                samples[at].push(once(&contenders[at])?);
            }
        }
    }
    let cells = contenders.iter().zip(samples).zip(broken);
    Ok(cells
        .map(|((contender, samples), broken)| Cell {
            name: contender.name.clone(),
            result: broken.map_or_else(|| Ok(median(samples)), Err),
        })
        .collect())
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    match samples.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => samples[middle],
        _ => f64::midpoint(samples[middle - 1], samples[middle]),
    }
}

/// A Markdown table: a row per contender, with ratios to the first that works and, where it ran,
/// to bubblewrap.
pub(crate) fn table(title: &str, what: &str, unit: Unit, cells: &[Cell]) -> String {
    let reached = |cell: &Cell| cell.result.as_ref().ok().copied();
    let first = cells.first();
    let base = first.and_then(reached);
    let bwrap = cells
        .iter()
        .find(|cell| cell.name == "bwrap")
        .and_then(reached);
    let name = first.map_or("the first", |cell| cell.name.as_str());
    let mut text = format!("### {title}\n\n{what}\n\n| | median | ratio to {name} |");
    if bwrap.is_some() {
        text.push_str(" ratio to bwrap |");
    }
    text.push_str("\n|---|---|---|");
    if bwrap.is_some() {
        text.push_str("---|");
    }
    text.push('\n');
    for cell in cells {
        let ratio = |base: Option<f64>, value: f64| match base {
            Some(base) => format!("{:.2}", value / base),
            None => "–".to_owned(),
        };
        match &cell.result {
            Ok(value) => {
                let (shown, to_first) = (unit.shown(*value), ratio(base, *value));
                let _ = write!(text, "| {} | {shown} | {to_first} |", cell.name);
                if bwrap.is_some() {
                    let _ = write!(text, " {} |", ratio(bwrap, *value));
                }
                text.push('\n');
            }
            Err(why) => {
                let _ = write!(text, "| {} | did not run: {why} | – |", cell.name);
                text.push_str(if bwrap.is_some() { " – |\n" } else { "\n" });
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_table_has_ratios_and_says_who_did_not_run() {
        let cell = |name: &str, result: Result<f64, String>| Cell {
            name: name.to_owned(),
            result,
        };
        let cells = [
            cell("bare", Ok(0.001)),
            cell("bwrap", Ok(0.008)),
            cell("ringfence", Ok(0.004)),
            cell("other", Err("exit status: 1: no".to_owned())),
        ];
        let text = table("Cold start", "words", Unit::Seconds, &cells);
        assert!(
            text.contains("| ringfence | 4.00 ms | 4.00 | 0.50 |"),
            "{text}"
        );
        assert!(
            text.contains("| other | did not run: exit status: 1: no | – | – |"),
            "{text}"
        );
    }
}
