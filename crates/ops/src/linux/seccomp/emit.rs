//! From the rules to a program.
//!
//! Numbers with the same decision are gathered into intervals, and a balanced tree of
//! comparisons finds the interval of a number.

use super::action::{Action, ENOSYS};
use super::bpf::{Assembler, Label, Program, offset};
use super::check::{Check, Clause, Test, Verdict};
use super::filter::{FOREIGN_EXIT, Filter, SKIPPED, audit_arch, foreign};
use super::table::{NUMBERS, SYSCALLS, by_number};

/// What is done with all numbers of an interval.
#[derive(Debug, Clone, Copy)]
enum Leaf {
    Always(Action),
    Check(&'static Check),
}

impl Leaf {
    fn is_same(self, other: Leaf) -> bool {
        match (self, other) {
            (Leaf::Always(one), Leaf::Always(two)) => one == two,
            (Leaf::Check(one), Leaf::Check(two)) => std::ptr::eq(one, two),
            _ => false,
        }
    }
}

/// The numbers from `start` to the next interval's start.
#[derive(Debug, Clone, Copy)]
struct Interval {
    start: u32,
    leaf: Leaf,
}

const UNKNOWN: Leaf = Leaf::Always(Action::Errno(ENOSYS));

/// More than any filter has, so that nothing grows while one is made.
const CAPACITY: usize = 512;

impl Filter {
    /// The program for the kernel. Takes microseconds: it is made on each cold start.
    #[must_use]
    pub fn program(&self) -> Program {
        let intervals = self.intervals();
        let mut to = Assembler::with_capacity(CAPACITY);

        // Last comes what is used least: calls of another architecture.
        let (foreign_arch, exit_group) = foreign(self.arch);
        let unknown = to.ret(Action::Errno(ENOSYS).encode());
        let allow = to.ret(Action::Allow.encode());
        let numbers = to.if_equal(exit_group, allow, unknown);
        let numbers = to.if_equal(FOREIGN_EXIT, allow, numbers);
        let numbers = to.load(offset::NUMBER, numbers);
        let other_arch = to.if_equal(foreign_arch, numbers, unknown);

        let mut checks = Vec::with_capacity(16);
        for interval in &intervals {
            if let Leaf::Check(check) = interval.leaf {
                let label = self.emit_check(&mut to, check);
                checks.push((interval.start, label));
            }
        }
        let tree = emit_tree(&mut to, &intervals, &checks);
        let native = to.load(offset::NUMBER, tree);
        let arch = to.if_equal(audit_arch(self.arch), native, other_arch);
        let entry = to.load(offset::ARCH, arch);
        to.finish(entry)
    }

    /// All numbers, in order. Bit 30 (x32) needs no case of its own: such numbers are beyond
    /// the table.
    fn intervals(&self) -> Vec<Interval> {
        let mut intervals: Vec<Interval> = Vec::with_capacity(128);
        let mut add = |start: u32, leaf: Leaf| {
            if intervals.last().is_none_or(|last| !last.leaf.is_same(leaf)) {
                intervals.push(Interval { start, leaf });
            }
        };
        for (number, place) in (0..).zip(by_number(self.arch)) {
            let leaf = match SYSCALLS.get(usize::from(*place)) {
                Some(call) => self.leaf(&call.rule.verdict),
                None => UNKNOWN,
            };
            add(number, leaf);
        }
        add(NUMBERS as u32, UNKNOWN);
        add(SKIPPED, Leaf::Always(Action::Allow));
        intervals
    }

    fn leaf(&self, verdict: &'static Verdict) -> Leaf {
        match *verdict {
            Verdict::Allow => Leaf::Always(Action::Allow),
            Verdict::Deny(errno) => Leaf::Always(Action::Errno(errno)),
            Verdict::Needs(switch, errno) => Leaf::Always(if self.has(switch) {
                Action::Allow
            } else {
                Action::Errno(errno)
            }),
            Verdict::Checked(check) => {
                match check.clauses.iter().find(|clause| self.is_live(clause)) {
                    // No argument is looked at, so the kernel may know the answer beforehand.
                    Some(first) if first.tests.is_empty() => Leaf::Always(first.then),
                    _ => Leaf::Check(check),
                }
            }
        }
    }

    fn emit_check(&self, to: &mut Assembler, check: &Check) -> Label {
        let live: Vec<_> = check
            .clauses
            .iter()
            .filter(|clause| self.is_live(clause))
            .collect();
        let mut next = Entry {
            start: to.ret(check.otherwise.encode()),
            loaded: None,
        };
        for (at, clause) in live.iter().enumerate().rev() {
            let before = at.checked_sub(1).and_then(|at| live.get(at));
            next = emit_clause(to, clause, next, before.copied());
        }
        next.start
    }
}

/// Where a clause begins.
struct Entry {
    /// For whoever comes with any accumulator.
    start: Label,
    /// For whoever has the first argument in the accumulator: which, with which mask.
    loaded: Option<(u8, u32, Label)>,
}

impl Entry {
    /// Where to go on from a test that failed.
    fn after(&self, test: &Test) -> Label {
        match self.loaded {
            Some((arg, mask, label)) if (arg, mask) == (test.arg, test.mask) => label,
            _ => self.start,
        }
    }
}

/// A clause, the ones after it being written; `before` is the one to be written after it.
fn emit_clause(to: &mut Assembler, clause: &Clause, next: Entry, before: Option<&Clause>) -> Entry {
    let mut entry = Entry {
        start: to.ret(clause.then.encode()),
        loaded: None,
    };
    for (at, test) in clause.tests.iter().enumerate().rev() {
        let fails = next.after(test);
        let mut label = fails;
        for value in test.among.iter().rev() {
            label = to.if_equal(*value, entry.start, label);
        }
        entry.loaded = Some((test.arg, test.mask, label));
        // Each instruction costs at installation, so none is written that nobody comes to:
        // the clause before may have left the argument loaded.
        let is_loaded = at == 0
            && before.is_some_and(|before| match before.tests {
                [] => false,
                tests => tests
                    .iter()
                    .all(|other| (other.arg, other.mask) == (test.arg, test.mask)),
            });
        if is_loaded {
            entry.start = label;
            continue;
        }
        if test.mask != u32::MAX {
            label = to.and(test.mask, label);
        }
        entry.start = to.load(offset::low(test.arg), label);
    }
    entry
}

fn emit_tree(to: &mut Assembler, intervals: &[Interval], checks: &[(u32, Label)]) -> Label {
    match intervals {
        // Never asked for; an empty tree answers as an unknown number does.
        [] => to.ret(Action::Errno(ENOSYS).encode()),
        [one] => emit_leaf(to, one, checks),
        // One odd number among others: one comparison instead of two.
        [around, odd, after] if after.start - odd.start == 1 && around.leaf.is_same(after.leaf) => {
            let no = emit_leaf(to, around, checks);
            let yes = emit_leaf(to, odd, checks);
            to.if_equal(odd.start, yes, no)
        }
        _ => {
            let (low, high) = intervals.split_at(intervals.len() / 2);
            let start = high.first().map_or(0, |first| first.start);
            let above = emit_tree(to, high, checks);
            let below = emit_tree(to, low, checks);
            to.if_at_least(start, above, below)
        }
    }
}

fn emit_leaf(to: &mut Assembler, interval: &Interval, checks: &[(u32, Label)]) -> Label {
    let action = match interval.leaf {
        Leaf::Always(action) => action,
        Leaf::Check(check) => {
            match checks.iter().find(|(start, _)| *start == interval.start) {
                Some((_, label)) => return *label,
                // Cannot be: each was written before. The stricter end if it ever is.
                None => match check.otherwise {
                    Action::Allow => Action::Errno(ENOSYS),
                    action => action,
                },
            }
        }
    };
    to.ret(action.encode())
}
