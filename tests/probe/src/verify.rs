//! The verdict on a ring: what was promised against what was proved.

use crate::answer::{Answer, Tried};
use crate::arena::Arena;
use crate::row::{Need, Row};
use crate::run::{Invocation, NoAnswer, run};
use crate::table::TABLE;
use std::process::Command;

/// Why a row proved nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It would mean nothing here, for these words.
    Need(Need, &'static str),
    /// It does not even work outside.
    Control(Tried),
    /// The ring refused to be built, in these words.
    Refused(String),
    /// Inside it was not there, or could not be tried.
    Inside(Tried),
}

/// What a row says about the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It works outside and is stopped inside.
    Kept,
    /// It works inside.
    Broken,
    /// Nothing is proved.
    NotTried(Reason),
}

/// A row, tried.
#[derive(Clone, Debug)]
pub struct RowResult {
    /// The row.
    pub row: &'static Row,
    /// The answer outside, if it came to that.
    pub control: Option<Tried>,
    /// The answer inside, if it came to that.
    pub inside: Option<Tried>,
    /// What it says.
    pub verdict: Verdict,
}

impl RowResult {
    /// Whether this row leaves a promise in doubt: broken, or inside without a clear answer. What a machine cannot
    /// do outside either, and what a ring refused to begin, is named and does not.
    #[must_use]
    pub const fn is_doubtful(&self) -> bool {
        matches!(
            self.verdict,
            Verdict::Broken | Verdict::NotTried(Reason::Inside(_))
        )
    }
}

/// All rows, tried.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the table's order.
    pub rows: Vec<RowResult>,
}

impl Report {
    /// Whether something was proved and nothing is in doubt.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.count(&Verdict::Kept) > 0 && !self.rows.iter().any(RowResult::is_doubtful)
    }

    fn count(&self, verdict: &Verdict) -> usize {
        self.rows
            .iter()
            .filter(|result| result.verdict == *verdict)
            .count()
    }

    /// How many rows were stopped inside.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.count(&Verdict::Kept)
    }

    /// How many rows got out.
    #[must_use]
    pub fn broken(&self) -> usize {
        self.count(&Verdict::Broken)
    }

    /// How many rows proved nothing.
    #[must_use]
    pub fn not_tried(&self) -> usize {
        self.rows.len() - self.kept() - self.broken()
    }
}

impl Arena {
    /// Tries a row outside. `Err` says which need is not met.
    pub fn control(&self, row: &Row) -> Result<Tried, Reason> {
        self.needs(row)?;
        run(self, row, None).map_err(|NoAnswer::Refused(words)| Reason::Refused(words))
    }

    /// Tries a row in a ring. `Err` says which need is not met, or that the ring refused.
    pub fn inside(
        &self,
        row: &Row,
        ring: &dyn Fn(&Invocation) -> Command,
    ) -> Result<Tried, Reason> {
        self.needs(row)?;
        run(self, row, Some(ring)).map_err(|NoAnswer::Refused(words)| Reason::Refused(words))
    }

    fn needs(&self, row: &Row) -> Result<(), Reason> {
        match row
            .needs
            .iter()
            .find_map(|need| self.unmet(*need).map(|words| (*need, words)))
        {
            Some((need, words)) => Err(Reason::Need(need, words)),
            None => Ok(()),
        }
    }

    fn tried(&self, row: &'static Row, ring: &dyn Fn(&Invocation) -> Command) -> RowResult {
        self.judged(row, self.control(row), ring)
    }

    /// Tries a row in a ring, unless its control has shown already that nothing would be proved.
    pub(crate) fn judged(
        &self,
        row: &'static Row,
        control: Result<Tried, Reason>,
        ring: &dyn Fn(&Invocation) -> Command,
    ) -> RowResult {
        let control = match control {
            Ok(control) => control,
            Err(reason) => {
                return RowResult {
                    row,
                    control: None,
                    inside: None,
                    verdict: Verdict::NotTried(reason),
                };
            }
        };
        if control.answer != Answer::Allowed {
            let verdict = Verdict::NotTried(Reason::Control(control.clone()));
            return RowResult {
                row,
                control: Some(control),
                inside: None,
                verdict,
            };
        }
        let (inside, verdict) = match self.inside(row, ring) {
            Err(reason) => (None, Verdict::NotTried(reason)),
            Ok(inside) => {
                let verdict = match inside.answer {
                    Answer::Denied => Verdict::Kept,
                    Answer::Allowed => Verdict::Broken,
                    Answer::NotFound | Answer::CouldNotTry => {
                        Verdict::NotTried(Reason::Inside(inside.clone()))
                    }
                };
                (Some(inside), verdict)
            }
        };
        RowResult {
            row,
            control: Some(control),
            inside,
            verdict,
        }
    }
}

/// Tries every row of the table that `filter` lets through, outside and in the ring `ring` makes.
pub fn verify(
    arena: &Arena,
    ring: &dyn Fn(&Invocation) -> Command,
    filter: &dyn Fn(&Row) -> bool,
    on_row: &mut dyn FnMut(&RowResult),
) -> Report {
    let mut report = Report::default();
    for row in TABLE.iter().filter(|row| filter(row)) {
        let result = arena.tried(row, ring);
        on_row(&result);
        report.rows.push(result);
    }
    report
}
