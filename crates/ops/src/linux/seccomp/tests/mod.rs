#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod denied;
mod equivalence;
mod review;
mod table;

use super::bpf::{Program, SeccompData};
use super::{Action, Filter, SYSCALLS, audit_arch};
use crate::Arch;

const ARCHES: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];

/// Every filter there is.
fn filters() -> impl Iterator<Item = Filter> {
    ARCHES.into_iter().flat_map(|arch| {
        (0_u8..64).map(move |bits| Filter {
            arch,
            inet: bits & 1 != 0,
            unix: bits & 2 != 0,
            nested: bits & 4 != 0,
            ipc_isolated: bits & 8 != 0,
            pids_isolated: bits & 16 != 0,
            signals_scoped: bits & 32 != 0,
        })
    })
}

/// The filter of a ring built of namespaces.
fn usual(arch: Arch) -> Filter {
    Filter {
        arch,
        inet: true,
        unix: true,
        nested: false,
        ipc_isolated: true,
        pids_isolated: true,
        signals_scoped: true,
    }
}

fn answer(program: &Program, data: &SeccompData) -> Action {
    Action::decode(program.run(data).unwrap()).unwrap()
}

/// A native call, as the program of the filter answers it.
fn call(filter: Filter, program: &Program, name: &str, args: [u64; 6]) -> Action {
    let row = SYSCALLS.iter().find(|row| row.name == name).expect(name);
    let number = u32::from(row.number(filter.arch).expect(name));
    let arch = audit_arch(filter.arch);
    answer(
        program,
        &SeccompData {
            number,
            arch,
            args,
            ..SeccompData::default()
        },
    )
}
