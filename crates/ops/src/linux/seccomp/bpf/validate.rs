use std::error::Error;
use std::fmt;

use super::{Program, offset, op};

/// `BPF_MAXINSNS`.
const MAX_INSTRUCTIONS: usize = 4096;
/// `BPF_MEMWORDS`.
const MEMORY_WORDS: u32 = 16;

/// Why the kernel would refuse a program (it says `EINVAL` to all of them).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidProgram {
    /// It has no instruction, or more than 4096.
    Length {
        /// How many it has.
        instructions: usize,
    },
    /// An operation that seccomp does not have.
    Operation {
        /// Where.
        at: usize,
        /// The operation's code.
        code: u16,
    },
    /// An offset outside the data or not a multiple of four, a memory slot that is not there,
    /// a division by zero or a shift by more than a word has bits.
    Operand {
        /// Where.
        at: usize,
    },
    /// A jump past the end.
    Jump {
        /// Where.
        at: usize,
    },
    /// A memory slot is read before it is written.
    Unwritten {
        /// Where.
        at: usize,
    },
    /// The last instruction is not a return.
    NoReturn,
}

impl fmt::Display for InvalidProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidProgram::Length { instructions } => {
                write!(
                    f,
                    "{instructions} instructions; a filter has 1 to {MAX_INSTRUCTIONS}"
                )
            }
            InvalidProgram::Operation { at, code } => {
                write!(f, "instruction {at}: seccomp has no operation {code:#06x}")
            }
            InvalidProgram::Operand { at } => write!(f, "instruction {at}: operand out of range"),
            InvalidProgram::Jump { at } => write!(f, "instruction {at}: jump past the end"),
            InvalidProgram::Unwritten { at } => {
                write!(f, "instruction {at}: memory read before it is written")
            }
            InvalidProgram::NoReturn => f.write_str("the last instruction is not a return"),
        }
    }
}

impl Error for InvalidProgram {}

impl Program {
    /// Checks what the kernel checks before it takes a filter: `bpf_check_classic`,
    /// `check_load_and_stores` (`net/core/filter.c`) and `seccomp_check_filter`
    /// (`kernel/seccomp.c`).
    ///
    /// # Errors
    /// The first thing it would refuse.
    pub fn validate(&self) -> Result<(), InvalidProgram> {
        let instructions = self.instructions.len();
        if !(1..=MAX_INSTRUCTIONS).contains(&instructions) {
            return Err(InvalidProgram::Length { instructions });
        }
        for (at, instruction) in self.instructions.iter().enumerate() {
            let k = instruction.k;
            let fits = match instruction.code {
                op::LD_ABS => k < offset::END && k.is_multiple_of(4),
                op::LD_MEM | op::LDX_MEM | op::ST | op::STX => k < MEMORY_WORDS,
                op::DIV_K => k != 0,
                op::LSH_K | op::RSH_K => k < u32::BITS,
                op::JA => {
                    self.inside(at, usize::try_from(k).unwrap_or(usize::MAX))?;
                    true
                }
                op::JEQ_K
                | op::JEQ_X
                | op::JGT_K
                | op::JGT_X
                | op::JGE_K
                | op::JGE_X
                | op::JSET_K
                | op::JSET_X => {
                    self.inside(at, usize::from(instruction.jt))?;
                    self.inside(at, usize::from(instruction.jf))?;
                    true
                }
                op::LD_IMM
                | op::LDX_IMM
                | op::LD_LEN
                | op::LDX_LEN
                | op::TAX
                | op::TXA
                | op::RET_K
                | op::RET_A
                | op::ADD_K
                | op::ADD_X
                | op::SUB_K
                | op::SUB_X
                | op::MUL_K
                | op::MUL_X
                | op::DIV_X
                | op::OR_K
                | op::OR_X
                | op::AND_K
                | op::AND_X
                | op::LSH_X
                | op::RSH_X
                | op::NEG
                | op::XOR_K
                | op::XOR_X => true,
                code => return Err(InvalidProgram::Operation { at, code }),
            };
            if !fits {
                return Err(InvalidProgram::Operand { at });
            }
        }
        match self.instructions.last().map(|last| last.code) {
            Some(op::RET_K | op::RET_A) => self.memory_is_written_first(),
            _ => Err(InvalidProgram::NoReturn),
        }
    }

    fn inside(&self, at: usize, skip: usize) -> Result<(), InvalidProgram> {
        match at.checked_add(skip).and_then(|to| to.checked_add(1)) {
            Some(to) if to < self.instructions.len() => Ok(()),
            _ => Err(InvalidProgram::Jump { at }),
        }
    }

    /// Follows, in one pass since jumps only go forward, which slots are written on every way
    /// to an instruction. Jumps and slots were checked before.
    fn memory_is_written_first(&self) -> Result<(), InvalidProgram> {
        let mut on_arrival = vec![u16::MAX; self.instructions.len()];
        let mut written = 0_u16;
        let arrive = |masks: &mut Vec<u16>, to: usize, written: u16| {
            if let Some(mask) = masks.get_mut(to) {
                *mask &= written;
            }
        };
        for (at, instruction) in self.instructions.iter().enumerate() {
            written &= on_arrival.get(at).copied().unwrap_or(0);
            let slot = 1_u16.checked_shl(instruction.k).unwrap_or(0);
            match instruction.code {
                op::ST | op::STX => written |= slot,
                op::LD_MEM | op::LDX_MEM if written & slot == 0 => {
                    return Err(InvalidProgram::Unwritten { at });
                }
                op::JA => {
                    let skip = usize::try_from(instruction.k).unwrap_or(usize::MAX);
                    arrive(&mut on_arrival, (at + 1).saturating_add(skip), written);
                    written = u16::MAX;
                }
                op::JEQ_K
                | op::JEQ_X
                | op::JGT_K
                | op::JGT_X
                | op::JGE_K
                | op::JGE_X
                | op::JSET_K
                | op::JSET_X => {
                    arrive(
                        &mut on_arrival,
                        at + 1 + usize::from(instruction.jt),
                        written,
                    );
                    arrive(
                        &mut on_arrival,
                        at + 1 + usize::from(instruction.jf),
                        written,
                    );
                    written = u16::MAX;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Instruction;
    use super::*;

    const RETURN: Instruction = line(op::RET_K, 0, 0, 0);

    const fn line(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
        Instruction { code, jt, jf, k }
    }

    fn check(instructions: &[Instruction]) -> Result<(), InvalidProgram> {
        Program {
            instructions: instructions.to_vec(),
        }
        .validate()
    }

    #[test]
    fn lengths() {
        assert_eq!(check(&[]), Err(InvalidProgram::Length { instructions: 0 }));
        assert_eq!(check(&[RETURN; 4096]), Ok(()));
        assert_eq!(
            check(&[RETURN; 4097]),
            Err(InvalidProgram::Length { instructions: 4097 })
        );
    }

    #[test]
    fn every_code_but_seccomps_own_is_refused() {
        let accepted = (0..=u16::MAX)
            .filter(|code| {
                // Written first, so that reading it is no error; operand 1 suits all but a load.
                let k = if *code == op::LD_ABS { 4 } else { 1 };
                let program = [line(op::ST, 0, 0, 1), line(*code, 0, 0, k), RETURN, RETURN];
                check(&program).is_ok()
            })
            .count();
        // As many as `seccomp_check_filter` lists.
        assert_eq!(accepted, 41);
        // What other users of classic BPF have and seccomp does not: a half word, a byte, an
        // indirect load, a remainder.
        for code in [0x28, 0x30, 0x40, 0x94] {
            let refused = Err(InvalidProgram::Operation { at: 0, code });
            assert_eq!(check(&[line(code, 0, 0, 1), RETURN]), refused);
        }
    }

    #[test]
    fn operands() {
        for bad in [
            line(op::LD_ABS, 0, 0, 64),
            line(op::LD_ABS, 0, 0, 2),
            line(op::ST, 0, 0, 16),
            line(op::DIV_K, 0, 0, 0),
            line(op::LSH_K, 0, 0, 32),
            line(op::RSH_K, 0, 0, 32),
        ] {
            assert_eq!(
                check(&[bad, RETURN]),
                Err(InvalidProgram::Operand { at: 0 })
            );
        }
        assert_eq!(check(&[line(op::LD_ABS, 0, 0, 60), RETURN]), Ok(()));
    }

    #[test]
    fn jumps() {
        let past_the_end = Err(InvalidProgram::Jump { at: 0 });
        assert_eq!(check(&[line(op::JA, 0, 0, 1), RETURN]), past_the_end);
        assert_eq!(check(&[line(op::JA, 0, 0, u32::MAX), RETURN]), past_the_end);
        assert_eq!(check(&[line(op::JEQ_K, 1, 0, 0), RETURN]), past_the_end);
        assert_eq!(check(&[line(op::JEQ_K, 0, 1, 0), RETURN]), past_the_end);
        assert_eq!(check(&[line(op::JEQ_K, 1, 0, 0), RETURN, RETURN]), Ok(()));
        assert_eq!(
            check(&[RETURN, line(op::LD_IMM, 0, 0, 0)]),
            Err(InvalidProgram::NoReturn)
        );
    }

    #[test]
    fn memory_must_be_written_on_every_way() {
        let read = line(op::LD_MEM, 0, 0, 3);
        assert_eq!(
            check(&[read, RETURN]),
            Err(InvalidProgram::Unwritten { at: 0 })
        );
        assert_eq!(check(&[line(op::ST, 0, 0, 3), read, RETURN]), Ok(()));
        let around = [
            line(op::JEQ_K, 1, 0, 0),
            line(op::ST, 0, 0, 3),
            read,
            RETURN,
        ];
        assert_eq!(check(&around), Err(InvalidProgram::Unwritten { at: 2 }));
        let jumped = [line(op::JA, 0, 0, 1), line(op::ST, 0, 0, 3), read, RETURN];
        assert_eq!(check(&jumped), Err(InvalidProgram::Unwritten { at: 2 }));
    }
}
