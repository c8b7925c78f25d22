//! `cargo xtask bench --peers`: Ringfence beside other sandboxes, each asked for the same: everything readable,
//! one workspace writable, no network. One is measured when it was seen to do that; else its row says why not.

mod check;
mod install;
mod list;
mod ways;

pub(crate) use install::{install, node};

use super::place::Place;
use super::rounds::{Spread, Unit, in_a_cell, take_turns};
use super::tables::Settings;
use anyhow::{Context, Result};
use check::Ground;
use list::{BARE, BARE_KEPT, Entrant};
use std::fmt::Write as _;
use std::path::Path;

const COMMAND: [&str; 1] = ["/bin/true"];

/// Seconds, and how many turns somebody has in a round who takes less.
const QUICK: f64 = 0.02;
const QUICK_TURNS: usize = 4;

/// What stands in a row.
struct Row {
    name: String,
    version: String,
    reached: Result<Reached, String>,
}

struct Reached {
    /// A start for each command: one more costs what the first does.
    cold: Option<Spread>,
    more: Spread,
    /// Bytes.
    memory: Option<f64>,
}

/// The table, as whoever this is.
pub(super) fn measure(
    place: &Place,
    binaries: &Path,
    installed: &Path,
    settings: &Settings,
) -> Result<String> {
    let workspace = place.repository("peers", 100)?;
    let ground = Ground::make(place, &workspace)?;
    let mut entrants = list::all(place, binaries, installed, &workspace)?;
    let mut turns = Vec::new();
    for entrant in &mut entrants {
        eprintln!("trying {}", entrant.name);
        turns.push(turns_of(entrant, &ground));
    }
    let rounds = settings.peers();
    let samples = take_turns(&turns, rounds, |at| match &mut entrants[at].way {
        Ok(way) => way.once(&COMMAND),
        Err(why) => anyhow::bail!("{why}"),
    });
    let rows = rows(entrants, samples)?;
    Ok(format!(
        "`/bin/true`: medians and, in brackets, quartiles of {rounds} rounds, as multiples of the bare command; in a round each has \
         one turn, and who takes less than {:.0} ms has {QUICK_TURNS}.\n\n{}",
        QUICK * 1e3,
        table(&rows)
    ))
}

/// None where it is refused: then its way says why.
fn turns_of(entrant: &mut Entrant, ground: &Ground) -> usize {
    let Ok(way) = &mut entrant.way else {
        return 0;
    };
    if entrant.confines {
        match ground.judge(way.as_mut()) {
            Ok(note) => entrant.note = note,
            Err(why) => {
                entrant.way = Err(why);
                return 0;
            }
        }
    }
    match way.once(&COMMAND) {
        Ok(seconds) if seconds < QUICK => QUICK_TURNS,
        _ => 1,
    }
}

/// With the ratios: of what is started for each command to the bare command by this program, of what stays
/// to the one by the library's program, which is the cheaper of both.
fn rows(entrants: Vec<Entrant>, samples: Vec<Result<Vec<f64>>>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let base_of = |name: &str| -> Result<f64> {
        let mut all = entrants.iter().zip(&samples);
        let found = all.find(|(entrant, _)| entrant.name == name);
        let samples = found.and_then(|(_, samples)| samples.as_ref().ok());
        Ok(Spread::of(samples.context("the bare command failed")?.clone()).median)
    };
    let (bare, bare_kept) = (base_of(BARE)?, base_of(BARE_KEPT)?);
    for (entrant, samples) in entrants.into_iter().zip(samples) {
        let reached = match (entrant.way, samples) {
            (Err(why), _) => Err(why),
            (Ok(_), Err(error)) => Err(format!("failed while it was measured: {error:#}")),
            (Ok(way), Ok(samples)) => {
                let base = if entrant.stays { bare_kept } else { bare };
                let more = Spread::of(samples).over(base);
                Ok(Reached {
                    cold: (!entrant.stays).then_some(more),
                    more,
                    memory: (entrant.confines || !entrant.stays)
                        .then(|| {
                            let memory = way.memory();
                            if let Err(error) = &memory {
                                eprintln!("the memory of {}: {error:#}", entrant.name);
                            }
                            memory.ok()
                        })
                        .flatten(),
                })
            }
        };
        let note = entrant.note.map(|note| format!(" ({note})"));
        rows.push(Row {
            name: format!("{}{}", entrant.name, note.unwrap_or_default()),
            version: entrant.version,
            reached,
        });
    }
    Ok(rows)
}

fn table(rows: &[Row]) -> String {
    let mut text =
        "| | version | cold start | one more command | peak memory |\n|---|---|---|---|---|\n"
            .to_owned();
    for Row {
        name,
        version,
        reached,
    } in rows
    {
        let _ = match reached {
            Err(why) => writeln!(text, "| {name} | {version} | {} | – | – |", in_a_cell(why)),
            Ok(reached) => {
                let cold = reached.cold.map_or("–".to_owned(), shown);
                let more = match reached.cold {
                    Some(_) => "the same again".to_owned(),
                    None => shown(reached.more),
                };
                let shown_bytes = |bytes| Unit::Bytes.shown(bytes);
                let memory = reached.memory.map_or("–".to_owned(), shown_bytes);
                writeln!(text, "| {name} | {version} | {cold} | {more} | {memory} |")
            }
        };
    }
    text
}

/// Three digits that count.
fn shown(spread: Spread) -> String {
    let Spread { low, median, high } = spread;
    match median {
        _ if median < 9.995 => format!("**{median:.2}** ({low:.2}–{high:.2})"),
        _ if median < 99.95 => format!("**{median:.1}** ({low:.1}–{high:.1})"),
        _ => format!("**{median:.0}** ({low:.0}–{high:.0})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(low: f64, median: f64, high: f64) -> Spread {
        Spread { low, median, high }
    }

    #[test]
    fn a_row_says_what_was_reached_or_why_nothing_was() {
        let row = |name: &str, reached| Row {
            name: name.to_owned(),
            version: "1.2".to_owned(),
            reached,
        };
        let again = spread(60.0, 63.04, 70.0);
        let rows = [
            row(
                "each",
                Ok(Reached {
                    cold: Some(again),
                    more: again,
                    memory: Some(1.5 * 1024.0 * 1024.0),
                }),
            ),
            row(
                "stays",
                Ok(Reached {
                    cold: None,
                    more: spread(1.4, 1.446, 1.5),
                    memory: None,
                }),
            ),
            row("lacks", Err("did not run: a|b\nc".to_owned())),
        ];
        let text = table(&rows);
        for line in [
            "| each | 1.2 | **63.0** (60.0–70.0) | the same again | 1.5 MiB |",
            "| stays | 1.2 | – | **1.45** (1.40–1.50) | – |",
            "| lacks | 1.2 | did not run: a\\|b c | – | – |",
        ] {
            assert!(text.lines().any(|found| found == line), "{text}");
        }
    }

    #[test]
    fn three_digits_count() {
        assert_eq!(shown(spread(9.0, 9.994, 11.0)), "**9.99** (9.00–11.00)");
        assert_eq!(shown(spread(9.0, 9.999, 11.0)), "**10.0** (9.0–11.0)");
        assert_eq!(shown(spread(390.2, 399.6, 420.0)), "**400** (390–420)");
    }
}
