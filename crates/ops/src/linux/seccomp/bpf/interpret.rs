use std::error::Error;
use std::fmt;

use super::{Instruction, Program, offset, op};

/// What a filter looks at: the kernel's `struct seccomp_data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeccompData {
    /// System call number, as the caller put it in the register.
    pub number: u32,
    /// Calling convention (`AUDIT_ARCH_*`).
    pub arch: u32,
    /// Where the call was made.
    pub instruction_pointer: u64,
    /// The six argument registers, whole.
    pub args: [u64; 6],
}

impl SeccompData {
    /// The word at an offset that is a multiple of four and inside.
    fn word(&self, at: u32) -> Option<u32> {
        if at >= offset::END || !at.is_multiple_of(4) {
            return None;
        }
        let wide = match at {
            offset::NUMBER => return Some(self.number),
            offset::ARCH => return Some(self.arch),
            at if at < offset::ARGS => self.instruction_pointer,
            at => *self
                .args
                .get(usize::try_from((at - offset::ARGS) / 8).ok()?)?,
        };
        // Little-endian: the low half comes first. The cut is the point.
        Some(if at.is_multiple_of(8) {
            wide as u32
        } else {
            (wide >> 32) as u32
        })
    }
}

/// A program that cannot be run; [`Program::validate`] refuses each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunError {
    /// An instruction that seccomp does not have, or with an operand it does not take.
    Instruction {
        /// Where.
        at: usize,
    },
    /// It ran past its end.
    End,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Instruction { at } => write!(f, "instruction {at} is not one of seccomp's"),
            RunError::End => f.write_str("the program ran past its end"),
        }
    }
}

impl Error for RunError {}

impl Program {
    /// What the kernel's interpreter would return for a system call (`SECCOMP_RET_*`). Ends
    /// for every program: jumps only go forward.
    ///
    /// # Errors
    /// Where the program is not one the kernel would have accepted, and that mattered.
    pub fn run(&self, data: &SeccompData) -> Result<u32, RunError> {
        let mut machine = Machine {
            a: 0,
            x: 0,
            memory: [0; 16],
        };
        let mut at = 0_usize;
        loop {
            let instruction = self.instructions.get(at).ok_or(RunError::End)?;
            match machine
                .step(instruction, data)
                .ok_or(RunError::Instruction { at })?
            {
                Next::Return(value) => return Ok(value),
                Next::Skip(count) => {
                    at = usize::try_from(count)
                        .ok()
                        .and_then(|count| at.checked_add(count)?.checked_add(1))
                        .ok_or(RunError::End)?;
                }
            }
        }
    }
}

enum Next {
    Return(u32),
    Skip(u32),
}

struct Machine {
    a: u32,
    x: u32,
    memory: [u32; 16],
}

impl Machine {
    fn step(&mut self, instruction: &Instruction, data: &SeccompData) -> Option<Next> {
        let &Instruction { code, jt, jf, k } = instruction;
        let slot = usize::try_from(k).ok()?;
        let branch = |holds: bool| Some(Next::Skip(u32::from(if holds { jt } else { jf })));
        match code {
            op::RET_K => return Some(Next::Return(k)),
            op::RET_A => return Some(Next::Return(self.a)),
            op::JA => return Some(Next::Skip(k)),
            op::JEQ_K => return branch(self.a == k),
            op::JEQ_X => return branch(self.a == self.x),
            op::JGT_K => return branch(self.a > k),
            op::JGT_X => return branch(self.a > self.x),
            op::JGE_K => return branch(self.a >= k),
            op::JGE_X => return branch(self.a >= self.x),
            op::JSET_K => return branch(self.a & k != 0),
            op::JSET_X => return branch(self.a & self.x != 0),
            // The kernel ends the whole program with 0 there.
            op::DIV_X if self.x == 0 => return Some(Next::Return(0)),

            op::LD_ABS => self.a = data.word(k)?,
            op::LD_IMM => self.a = k,
            op::LD_LEN => self.a = offset::END,
            op::LD_MEM => self.a = *self.memory.get(slot)?,
            op::LDX_IMM => self.x = k,
            op::LDX_LEN => self.x = offset::END,
            op::LDX_MEM => self.x = *self.memory.get(slot)?,
            op::ST => *self.memory.get_mut(slot)? = self.a,
            op::STX => *self.memory.get_mut(slot)? = self.x,
            op::TAX => self.x = self.a,
            op::TXA => self.a = self.x,

            op::ADD_K => self.a = self.a.wrapping_add(k),
            op::ADD_X => self.a = self.a.wrapping_add(self.x),
            op::SUB_K => self.a = self.a.wrapping_sub(k),
            op::SUB_X => self.a = self.a.wrapping_sub(self.x),
            op::MUL_K => self.a = self.a.wrapping_mul(k),
            op::MUL_X => self.a = self.a.wrapping_mul(self.x),
            op::DIV_K => self.a = self.a.checked_div(k)?,
            op::DIV_X => self.a = self.a.checked_div(self.x)?,
            op::AND_K => self.a &= k,
            op::AND_X => self.a &= self.x,
            op::OR_K => self.a |= k,
            op::OR_X => self.a |= self.x,
            op::XOR_K => self.a ^= k,
            op::XOR_X => self.a ^= self.x,
            op::LSH_K => self.a = self.a.checked_shl(k)?,
            op::LSH_X => self.a = self.a.wrapping_shl(self.x),
            op::RSH_K => self.a = self.a.checked_shr(k)?,
            op::RSH_X => self.a = self.a.wrapping_shr(self.x),
            op::NEG => self.a = self.a.wrapping_neg(),
            _ => return None,
        }
        Some(Next::Skip(0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn straight(code: &[(u16, u32)]) -> Program {
        let line = |&(code, k): &(u16, u32)| Instruction {
            code,
            jt: 0,
            jf: 0,
            k,
        };
        Program {
            instructions: code.iter().map(line).collect(),
        }
    }

    fn result(code: &[(u16, u32)]) -> u32 {
        let program = straight(code);
        program.validate().unwrap();
        program.run(&SeccompData::default()).unwrap()
    }

    #[test]
    fn each_word_of_the_data_is_where_the_kernel_has_it() {
        let data = SeccompData {
            number: 1,
            arch: 2,
            instruction_pointer: 0x4_0000_0003,
            args: std::array::from_fn(|n| {
                let low = 5 + 2 * n as u64;
                (low + 1) << 32 | low
            }),
        };
        for word in 0..16 {
            let program = straight(&[(op::LD_ABS, word * 4), (op::RET_A, 0)]);
            assert_eq!(program.run(&data), Ok(word + 1));
        }
    }

    #[test]
    fn arithmetic_is_the_kernels() {
        let (a, x) = (0xf0f0_0005_u32, 7_u32);
        let cases = [
            (op::ADD_K, op::ADD_X, a.wrapping_add(x)),
            (op::SUB_K, op::SUB_X, a - x),
            (op::MUL_K, op::MUL_X, a.wrapping_mul(x)),
            (op::DIV_K, op::DIV_X, a / x),
            (op::AND_K, op::AND_X, a & x),
            (op::OR_K, op::OR_X, a | x),
            (op::XOR_K, op::XOR_X, a ^ x),
            (op::LSH_K, op::LSH_X, a << x),
            (op::RSH_K, op::RSH_X, a >> x),
        ];
        for (by_k, by_x, expected) in cases {
            assert_eq!(
                result(&[(op::LD_IMM, a), (by_k, x), (op::RET_A, 0)]),
                expected
            );
            let with_x = [(op::LD_IMM, a), (op::LDX_IMM, x), (by_x, 0), (op::RET_A, 0)];
            assert_eq!(result(&with_x), expected);
        }
        assert_eq!(
            result(&[(op::LD_IMM, 1), (op::NEG, 0), (op::RET_A, 0)]),
            u32::MAX
        );
        let by_zero = [
            (op::LD_IMM, 9),
            (op::LDX_IMM, 0),
            (op::DIV_X, 0),
            (op::RET_K, 5),
        ];
        assert_eq!(result(&by_zero), 0);
    }

    #[test]
    fn registers_and_memory_keep_values() {
        let code = [
            (op::LD_IMM, 6),
            (op::ST, 15),
            (op::TAX, 0),
            (op::STX, 0),
            (op::LD_LEN, 0),
            (op::LDX_MEM, 15),
            (op::ADD_X, 0),
            (op::TAX, 0),
            (op::LD_MEM, 0),
            (op::ADD_X, 0),
            (op::RET_A, 0),
        ];
        assert_eq!(result(&code), 64 + 6 + 6);
        let code = [(op::LDX_LEN, 0), (op::TXA, 0), (op::RET_A, 0)];
        assert_eq!(result(&code), 64);
    }

    #[test]
    fn jumps_compare_unsigned() {
        let jump = |code, a: u32, k| {
            let program = Program {
                instructions: vec![
                    Instruction {
                        code: op::LD_IMM,
                        jt: 0,
                        jf: 0,
                        k: a,
                    },
                    Instruction {
                        code,
                        jt: 1,
                        jf: 0,
                        k,
                    },
                    Instruction {
                        code: op::RET_K,
                        jt: 0,
                        jf: 0,
                        k: 0,
                    },
                    Instruction {
                        code: op::RET_K,
                        jt: 0,
                        jf: 0,
                        k: 1,
                    },
                ],
            };
            program.validate().unwrap();
            program.run(&SeccompData::default()).unwrap() == 1
        };
        assert!(jump(op::JGT_K, u32::MAX, 1) && !jump(op::JGT_K, 1, 1));
        assert!(jump(op::JGE_K, 1, 1) && !jump(op::JGE_K, 0, u32::MAX));
        assert!(jump(op::JEQ_K, 4, 4) && !jump(op::JEQ_K, 4, 5));
        assert!(jump(op::JSET_K, 6, 4) && !jump(op::JSET_K, 6, 1));
        // X is 0 there.
        assert!(jump(op::JGE_X, 0, 9) && !jump(op::JGT_X, 0, 9));
        assert!(jump(op::JEQ_X, 0, 9) && !jump(op::JSET_X, 9, 9));
    }

    #[test]
    fn what_is_no_program_is_an_error_and_no_panic() {
        let run = |code: &[(u16, u32)]| straight(code).run(&SeccompData::default());
        assert_eq!(run(&[]), Err(RunError::End));
        assert_eq!(run(&[(op::JA, u32::MAX)]), Err(RunError::End));
        assert_eq!(
            run(&[(op::LD_ABS, 64)]),
            Err(RunError::Instruction { at: 0 })
        );
        assert_eq!(
            run(&[(op::LD_ABS, 2)]),
            Err(RunError::Instruction { at: 0 })
        );
        assert_eq!(
            run(&[(op::LD_MEM, 16)]),
            Err(RunError::Instruction { at: 0 })
        );
        assert_eq!(run(&[(op::DIV_K, 0)]), Err(RunError::Instruction { at: 0 }));
        assert_eq!(
            run(&[(op::LD_IMM, 0), (0xffff, 0)]),
            Err(RunError::Instruction { at: 1 })
        );
    }
}
