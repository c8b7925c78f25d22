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
    pub(super) fn shown(self, value: f64) -> String {
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

/// Runs `once` for every contender, `rounds` times, in an order that changes; medians.
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
    let turns: Vec<usize> = broken
        .iter()
        .map(|broken| usize::from(broken.is_none()))
        .collect();
    let samples = take_turns(&turns, rounds, |at| once(&contenders[at]));
    let cells = contenders.iter().zip(samples).zip(broken);
    cells
        .map(|((contender, samples), broken)| {
            let result = match broken {
                Some(why) => Err(why),
                None => Ok(Spread::of(samples?).median),
            };
            Ok(Cell {
                name: contender.name.clone(),
                result,
            })
        })
        .collect()
}

/// In each of `rounds` rounds everybody has the turns that `turns` says. What each reached in all of
/// them; who fails has no more turns.
pub(crate) fn take_turns(
    turns: &[usize],
    rounds: usize,
    mut once: impl FnMut(usize) -> Result<f64>,
) -> Vec<Result<Vec<f64>>> {
    let places: Vec<usize> = turns
        .iter()
        .enumerate()
        .flat_map(|(at, turns)| std::iter::repeat_n(at, *turns))
        .collect();
    let mut samples: Vec<Result<Vec<f64>>> = turns.iter().map(|_| Ok(Vec::new())).collect();
    for round in 0..rounds {
        for place in order(round, places.len()) {
            let at = places[place];
            if let Ok(reached) = &mut samples[at] {
                match once(at) {
                    Ok(value) => reached.push(value),
                    Err(error) => samples[at] = Err(error),
                }
            }
        }
    }
    samples
}

/// The order of a round: each place once, from another start and with another stride than in the round
/// before, so that nobody has what the same other one left behind each time.
fn order(round: usize, places: usize) -> impl Iterator<Item = usize> {
    let strides: Vec<usize> = (1..places.max(2))
        .filter(|stride| common_divisor(*stride, places) == 1)
        .collect();
    let stride = strides[round % strides.len()];
    (0..places).map(move |step| (round + step * stride) % places)
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// The median of what was reached, and the quartiles around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    pub(crate) fn of(mut samples: Vec<f64>) -> Spread {
        samples.sort_by(f64::total_cmp);
        Spread {
            low: quartile(&samples, 1),
            median: quartile(&samples, 2),
            high: quartile(&samples, 3),
        }
    }

    /// As multiples of `base`.
    pub(crate) fn over(self, base: f64) -> Spread {
        Spread {
            low: self.low / base,
            median: self.median / base,
            high: self.high / base,
        }
    }
}

/// The `number`th of the three quartiles of what is sorted; between two samples, where it lies there.
fn quartile(sorted: &[f64], number: usize) -> f64 {
    let quarters = sorted.len().saturating_sub(1) * number;
    let Some(lower) = sorted.get(quarters / 4) else {
        return f64::NAN;
    };
    let upper = sorted.get(quarters / 4 + 1).unwrap_or(lower);
    lower + (upper - lower) * [0.0, 0.25, 0.5, 0.75][quarters % 4]
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
                let _ = write!(
                    text,
                    "| {} | did not run: {} | – |",
                    cell.name,
                    in_a_cell(why)
                );
                text.push_str(if bwrap.is_some() { " – |\n" } else { "\n" });
            }
        }
    }
    text
}

/// What a program said, so that it stays in its cell.
pub(super) fn in_a_cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(samples: &[f64], low: f64, median: f64, high: f64) -> bool {
        let spread = Spread::of(samples.to_vec());
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        near(spread.low, low) && near(spread.median, median) && near(spread.high, high)
    }

    #[test]
    fn medians_and_quartiles_lie_between_where_they_must() {
        assert!(is(&[3.0, 1.0, 2.0], 1.5, 2.0, 2.5));
        assert!(is(&[4.0, 1.0, 2.0, 3.0], 1.75, 2.5, 3.25));
        assert!(is(&[5.0, 1.0, 4.0, 2.0, 3.0], 2.0, 3.0, 4.0));
        assert!(is(&[7.0], 7.0, 7.0, 7.0));
        assert!(Spread::of(Vec::new()).median.is_nan());
        assert!((Spread::of(vec![6.0]).over(2.0).median - 3.0).abs() < 1e-9);
    }

    #[test]
    fn every_place_has_one_turn_in_a_round_and_no_fixed_predecessor() {
        for places in 0..14 {
            let mut before = vec![std::collections::BTreeSet::new(); places];
            for round in 0..40 {
                let order: Vec<usize> = order(round, places).collect();
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..places), "{order:?}");
                for pair in order.windows(2) {
                    before[pair[1]].insert(pair[0]);
                }
            }
            if places > 2 {
                assert!(before.iter().all(|those| those.len() > 1), "{before:?}");
            }
        }
    }

    #[test]
    fn who_fails_has_no_more_turns_and_the_others_have_all() {
        let mut failed = 0;
        let samples = take_turns(&[2, 1, 0], 5, |at| {
            failed += at;
            anyhow::ensure!(at == 0, "broken");
            Ok(1.0)
        });
        let counts: Vec<Option<usize>> = samples
            .iter()
            .map(|one| one.as_ref().ok().map(Vec::len))
            .collect();
        assert_eq!((counts, failed), (vec![Some(10), None, Some(0)], 1));
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
