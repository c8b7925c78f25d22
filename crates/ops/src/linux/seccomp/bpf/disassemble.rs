use std::fmt::Write as _;

use super::super::action::Action;
use super::{Instruction, Program, offset, op};

impl Program {
    /// The program for a reader: one instruction a line, jumps with the line they go to.
    #[must_use]
    pub fn disassemble(&self) -> String {
        let mut text = String::with_capacity(self.instructions.len() * 32);
        for (at, instruction) in self.instructions.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{at:4}  {}", line(at, instruction));
        }
        text
    }
}

fn line(at: usize, instruction: &Instruction) -> String {
    let &Instruction { code, jt, jf, k } = instruction;
    let condition = |how: &str| {
        let yes = at + 1 + usize::from(jt);
        let no = at + 1 + usize::from(jf);
        format!("if {how} {k:#x} goto {yes} else {no}")
    };
    match code {
        op::LD_ABS => format!("load {}", field(k)),
        op::AND_K => format!("and {k:#x}"),
        op::JA => format!(
            "goto {}",
            (at + 1).saturating_add(usize::try_from(k).unwrap_or(0))
        ),
        op::JEQ_K => condition("=="),
        op::JGE_K => condition(">="),
        op::JGT_K => condition(">"),
        op::JSET_K => condition("has any of"),
        op::RET_K => match Action::decode(k) {
            Some(action) => format!("return {action}"),
            None => format!("return {k:#x}"),
        },
        // What the emitter never writes.
        _ => format!("code {code:#06x} jt {jt} jf {jf} k {k:#x}"),
    }
}

fn field(at: u32) -> String {
    match at {
        offset::NUMBER => "number".to_owned(),
        offset::ARCH => "arch".to_owned(),
        at if at < offset::ARGS => format!("data[{at}]"),
        at => {
            let half = if at.is_multiple_of(8) { "low" } else { "high" };
            format!("args[{}].{half}", (at - offset::ARGS) / 8)
        }
    }
}
