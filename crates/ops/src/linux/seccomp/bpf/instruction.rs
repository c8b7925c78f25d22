use std::error::Error;
use std::fmt;

/// One instruction: `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// How many instructions to skip where a condition holds.
    pub jt: u8,
    /// How many instructions to skip where it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// The size of `struct sock_filter`.
const SIZE: usize = 8;

impl Instruction {
    fn to_bytes(self) -> [u8; SIZE] {
        let [c0, c1] = self.code.to_le_bytes();
        let [k0, k1, k2, k3] = self.k.to_le_bytes();
        [c0, c1, self.jt, self.jf, k0, k1, k2, k3]
    }

    fn from_bytes([c0, c1, jt, jf, k0, k1, k2, k3]: [u8; SIZE]) -> Instruction {
        Instruction {
            code: u16::from_le_bytes([c0, c1]),
            jt,
            jf,
            k: u32::from_le_bytes([k0, k1, k2, k3]),
        }
    }
}

/// A filter program. Nothing says that it is a good one: see [`Program::validate`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Program {
    /// In order of execution.
    pub instructions: Vec<Instruction>,
}

/// Bytes that are no program.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProgramBytesError {
    /// The length is not a multiple of an instruction's eight bytes.
    Torn {
        /// The length, in bytes.
        length: usize,
    },
}

impl fmt::Display for ProgramBytesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramBytesError::Torn { length } => {
                write!(f, "{length} bytes are not a whole number of instructions")
            }
        }
    }
}

impl Error for ProgramBytesError {}

impl Program {
    /// The bytes of an array of `struct sock_filter`, as both architectures (little-endian)
    /// lay it out.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.instructions.len() * SIZE);
        for instruction in &self.instructions {
            bytes.extend_from_slice(&instruction.to_bytes());
        }
        bytes
    }

    /// The inverse of [`Program::to_bytes`].
    ///
    /// # Errors
    /// Where the last instruction is cut short.
    pub fn from_bytes(bytes: &[u8]) -> Result<Program, ProgramBytesError> {
        let (whole, rest) = bytes.as_chunks::<SIZE>();
        if !rest.is_empty() {
            return Err(ProgramBytesError::Torn {
                length: bytes.len(),
            });
        }
        let instructions = whole
            .iter()
            .map(|bytes| Instruction::from_bytes(*bytes))
            .collect();
        Ok(Program { instructions })
    }
}
