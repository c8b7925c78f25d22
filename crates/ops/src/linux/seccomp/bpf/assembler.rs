use super::op;
use super::{Instruction, Program};

/// A place in a program under construction, counted from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Label(usize);

/// How far a conditional jump reaches, less the two trampolines that reaching both its
/// targets may put in between.
const REACH: usize = u8::MAX as usize - 2;

/// Writes a program from its last instruction to its first. What a jump goes to is then
/// always written already: a jump backwards, or to nowhere, cannot be expressed, and how far
/// away a target is, is known at once. A target out of a conditional jump's reach gets a
/// trampoline.
#[derive(Debug)]
pub(in super::super) struct Assembler {
    /// Last instruction first.
    reversed: Vec<Instruction>,
    /// Where the return of a value was written last.
    returns: Vec<(u32, Label)>,
}

impl Assembler {
    pub(in super::super) fn with_capacity(instructions: usize) -> Assembler {
        Assembler {
            reversed: Vec::with_capacity(instructions),
            returns: Vec::with_capacity(8),
        }
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.reversed.push(Instruction { code, jt, jf, k });
        Label(self.reversed.len())
    }

    /// How many instructions the next one would skip to get to a place.
    fn distance(&self, to: Label) -> usize {
        self.reversed.len() - to.0
    }

    /// Makes a place the very next instruction.
    fn adjoin(&mut self, next: Label) {
        match self.distance(next) {
            0 => {}
            // A program has at most 4096 instructions, so this never saturates.
            far => {
                self.push(op::JA, 0, 0, u32::try_from(far).unwrap_or(u32::MAX));
            }
        }
    }

    /// A place that does the same and that a conditional jump reaches.
    fn reach(&mut self, to: Label) -> Label {
        let distance = self.distance(to);
        if distance <= REACH {
            return to;
        }
        match self.reversed.get(to.0 - 1) {
            Some(target) if target.code == op::RET_K => {
                let value = target.k;
                self.ret(value)
            }
            _ => self.push(op::JA, 0, 0, u32::try_from(distance).unwrap_or(u32::MAX)),
        }
    }

    /// `return value`: one that is near already, or a new one.
    pub(in super::super) fn ret(&mut self, value: u32) -> Label {
        let known = self.returns.iter().position(|(of, _)| *of == value);
        if let Some((_, label)) = known.and_then(|at| self.returns.get(at))
            && self.distance(*label) <= REACH
        {
            return *label;
        }
        let label = self.push(op::RET_K, 0, 0, value);
        match known.and_then(|at| self.returns.get_mut(at)) {
            Some(entry) => entry.1 = label,
            None => self.returns.push((value, label)),
        }
        label
    }

    /// `accumulator = word at offset`, then `next`.
    pub(in super::super) fn load(&mut self, offset: u32, next: Label) -> Label {
        self.adjoin(next);
        self.push(op::LD_ABS, 0, 0, offset)
    }

    /// `accumulator &= mask`, then `next`.
    pub(in super::super) fn and(&mut self, mask: u32, next: Label) -> Label {
        self.adjoin(next);
        self.push(op::AND_K, 0, 0, mask)
    }

    /// `if accumulator == value { yes } else { no }`.
    pub(in super::super) fn if_equal(&mut self, value: u32, yes: Label, no: Label) -> Label {
        self.branch(op::JEQ_K, value, yes, no)
    }

    /// `if accumulator >= value { yes } else { no }`, unsigned.
    pub(in super::super) fn if_at_least(&mut self, value: u32, yes: Label, no: Label) -> Label {
        self.branch(op::JGE_K, value, yes, no)
    }

    fn branch(&mut self, code: u16, k: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        let yes = self.reach(yes);
        let no = self.reach(no);
        // `reach` leaves both within 255, so neither saturates.
        let jt = u8::try_from(self.distance(yes)).unwrap_or(u8::MAX);
        let jf = u8::try_from(self.distance(no)).unwrap_or(u8::MAX);
        self.push(code, jt, jf, k)
    }

    /// The program that begins at a place.
    pub(in super::super) fn finish(mut self, entry: Label) -> Program {
        self.adjoin(entry);
        self.reversed.reverse();
        Program {
            instructions: self.reversed,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::SeccompData;
    use super::*;

    fn run(program: &Program, number: u32) -> u32 {
        program.validate().unwrap();
        program
            .run(&SeccompData {
                number,
                ..SeccompData::default()
            })
            .unwrap()
    }

    #[test]
    fn a_chain_longer_than_a_jump_reaches_still_gets_everywhere() {
        let mut to = Assembler::with_capacity(0);
        let far = to.ret(7);
        // Not a return, so that the trampoline has to be a jump.
        let far_load = to.load(4, far);
        let mut next = to.ret(1);
        for value in (0..1500).rev() {
            next = match value % 3 {
                0 => to.if_equal(value, far_load, next),
                1 => to.if_equal(value, far, next),
                _ => {
                    let own = to.ret(value);
                    to.if_equal(value, own, next)
                }
            };
        }
        let start = to.load(0, next);
        let program = to.finish(start);
        assert!(program.instructions.len() > 1500);
        for value in 0..1500 {
            let expected = if value % 3 == 2 { value } else { 7 };
            assert_eq!(run(&program, value), expected, "{value}");
        }
        assert_eq!(run(&program, 1500), 1);
    }

    #[test]
    fn both_targets_far_away_at_once() {
        for filler in 240..270 {
            let mut to = Assembler::with_capacity(0);
            let one = to.ret(1);
            let yes = to.load(4, one);
            let two = to.ret(2);
            let no = to.load(4, two);
            let mut pad = no;
            for _ in 0..filler {
                pad = to.and(u32::MAX, pad);
            }
            let branch = to.if_at_least(10, yes, no);
            let start = to.load(0, branch);
            let program = to.finish(start);
            assert_eq!((run(&program, 10), run(&program, 9)), (1, 2), "{filler}");
        }
    }

    #[test]
    fn an_entry_that_is_not_written_last_is_jumped_to() {
        let mut to = Assembler::with_capacity(0);
        let entry = to.ret(3);
        to.ret(4);
        assert_eq!(run(&to.finish(entry), 0), 3);
    }
}
