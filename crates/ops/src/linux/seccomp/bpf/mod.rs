//! Classic BPF as seccomp takes it: instructions, their bytes, an assembler, the kernel's own
//! check of a program, an interpreter and a disassembler.

mod assembler;
mod disassemble;
mod instruction;
mod interpret;
mod validate;

pub(super) use assembler::{Assembler, Label};
pub use instruction::{Instruction, Program, ProgramBytesError};
pub use interpret::{RunError, SeccompData};
pub use validate::InvalidProgram;

/// Offsets into the kernel's `struct seccomp_data`, in bytes.
pub(super) mod offset {
    /// `int nr`.
    pub(in super::super) const NUMBER: u32 = 0;
    /// `__u32 arch`.
    pub(in super::super) const ARCH: u32 = 4;
    /// `__u64 args[0]`.
    pub(in super::super) const ARGS: u32 = 16;
    /// `sizeof(struct seccomp_data)`.
    pub(in super::super) const END: u32 = 64;

    /// The low half of an argument; both architectures are little-endian.
    pub(in super::super) fn low(arg: u8) -> u32 {
        ARGS + 8 * u32::from(arg)
    }
}

/// Operation codes (`linux/bpf_common.h`), each already put together from its parts.
pub(super) mod op {
    pub(in super::super) const LD_ABS: u16 = 0x20;
    pub(super) const LD_IMM: u16 = 0x00;
    pub(super) const LD_MEM: u16 = 0x60;
    pub(super) const LD_LEN: u16 = 0x80;
    pub(super) const LDX_IMM: u16 = 0x01;
    pub(super) const LDX_MEM: u16 = 0x61;
    pub(super) const LDX_LEN: u16 = 0x81;
    pub(super) const ST: u16 = 0x02;
    pub(super) const STX: u16 = 0x03;
    pub(super) const TAX: u16 = 0x07;
    pub(super) const TXA: u16 = 0x87;
    pub(super) const RET_K: u16 = 0x06;
    pub(super) const RET_A: u16 = 0x16;
    pub(super) const ADD_K: u16 = 0x04;
    pub(super) const ADD_X: u16 = 0x0c;
    pub(super) const SUB_K: u16 = 0x14;
    pub(super) const SUB_X: u16 = 0x1c;
    pub(super) const MUL_K: u16 = 0x24;
    pub(super) const MUL_X: u16 = 0x2c;
    pub(super) const DIV_K: u16 = 0x34;
    pub(super) const DIV_X: u16 = 0x3c;
    pub(super) const OR_K: u16 = 0x44;
    pub(super) const OR_X: u16 = 0x4c;
    pub(super) const AND_K: u16 = 0x54;
    pub(super) const AND_X: u16 = 0x5c;
    pub(super) const LSH_K: u16 = 0x64;
    pub(super) const LSH_X: u16 = 0x6c;
    pub(super) const RSH_K: u16 = 0x74;
    pub(super) const RSH_X: u16 = 0x7c;
    pub(super) const NEG: u16 = 0x84;
    pub(super) const XOR_K: u16 = 0xa4;
    pub(super) const XOR_X: u16 = 0xac;
    pub(super) const JA: u16 = 0x05;
    pub(super) const JEQ_K: u16 = 0x15;
    pub(super) const JEQ_X: u16 = 0x1d;
    pub(super) const JGT_K: u16 = 0x25;
    pub(super) const JGT_X: u16 = 0x2d;
    pub(super) const JGE_K: u16 = 0x35;
    pub(super) const JGE_X: u16 = 0x3d;
    pub(super) const JSET_K: u16 = 0x45;
    pub(super) const JSET_X: u16 = 0x4d;
}
