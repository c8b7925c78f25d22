//! The program and the rules, which share no code, answer alike.

use proptest::prelude::*;

use super::super::bpf::{Program, SeccompData};
use super::super::{Action, ENOSYS, Filter, SYSCALLS, Verdict, audit_arch};
use super::{ARCHES, answer, filters};

/// Argument values that some rule tells apart, each also with bits set above those that the
/// kernel looks at.
fn telling_values(row: &'static super::super::Syscall) -> Vec<[u64; 6]> {
    let Verdict::Checked(check) = row.rule.verdict else {
        return vec![[0; 6], [u64::MAX; 6], [1, 2, 3, 4, 5, 6]];
    };
    let mut per_arg: [Vec<u64>; 6] = std::array::from_fn(|_| vec![0, u64::MAX]);
    for test in check.clauses.iter().flat_map(|clause| clause.tests) {
        let values = &mut per_arg[usize::from(test.arg)];
        for value in test.among {
            for near in [
                *value,
                value.wrapping_add(1),
                value.wrapping_sub(1),
                value ^ test.mask,
            ] {
                values.push(u64::from(near));
                values.push(u64::from(near | !test.mask));
                values.push(u64::from(near) | 0xdead_beef_0000_0000);
            }
        }
        for bit in 0..32 {
            values.push(u64::from(test.mask & (1 << bit)));
        }
    }
    let mut all = Vec::new();
    for values in &mut per_arg {
        values.sort_unstable();
        values.dedup();
    }
    for &a in &per_arg[0] {
        for &b in &per_arg[1] {
            for &c in &per_arg[2] {
                for &d in &per_arg[3] {
                    all.push([a, b, c, d, 0, 0]);
                }
            }
        }
    }
    all
}

#[test]
fn every_call_in_every_filter() {
    for filter in filters() {
        let program = filter.program();
        let arch = audit_arch(filter.arch);
        let mut met = [false; 3];
        for row in &SYSCALLS {
            let Some(number) = row.number(filter.arch).map(u32::from) else {
                assert_eq!(filter.verdict_named(row.name, [0; 6]), None);
                continue;
            };
            for args in telling_values(row) {
                let data = SeccompData {
                    number,
                    arch,
                    args,
                    ..SeccompData::default()
                };
                let decision = filter.decide(&data);
                assert_eq!(
                    answer(&program, &data),
                    decision.action,
                    "{} {args:x?}",
                    row.name
                );
                assert_eq!(decision.name, Some(row.name));
                assert!(!decision.why.is_empty());
                met[usize::from(decision.action != Action::Allow)] = true;
                met[2] |= decision.action == Action::Errno(ENOSYS);
            }
        }
        assert_eq!(met, [true; 3], "{filter:?} answers all alike");
    }
}

#[test]
fn every_number_up_to_beyond_the_table_and_every_convention() {
    for filter in filters() {
        let program = filter.program();
        let native = audit_arch(filter.arch);
        for arch in [
            native,
            0x4000_0003,
            0x4000_0028,
            0xc000_003e,
            0xc000_00b7,
            0,
            u32::MAX,
        ] {
            let edges = [
                0x3fff_ffff,
                0x4000_0000,
                0x4000_0001,
                0x7fff_ffff,
                0x8000_0000,
            ];
            let last = [u32::MAX - 1, u32::MAX];
            for number in (0..1100).chain(edges).chain(last) {
                let data = SeccompData {
                    number,
                    arch,
                    ..SeccompData::default()
                };
                assert_eq!(
                    answer(&program, &data),
                    filter.decide(&data).action,
                    "{data:x?}"
                );
            }
        }
    }
}

#[test]
fn every_program_is_one_the_kernel_takes() {
    for filter in filters() {
        let program = filter.program();
        assert_eq!(program.validate(), Ok(()), "{filter:?}");
        // 32 KiB of filters is what a chain of them may have in all; rings nest.
        assert!(
            program.instructions.len() < 512,
            "{}",
            program.instructions.len()
        );
        assert_eq!(Program::from_bytes(&program.to_bytes()), Ok(program));
    }
}

/// The kernel answers by itself for numbers that are allowed without a look at an argument.
#[test]
fn plain_calls_are_allowed_without_loading_an_argument() {
    for filter in filters() {
        let mut program = filter.program();
        // Loading an argument becomes what stops the run.
        for instruction in &mut program.instructions {
            if instruction.code == 0x20 && instruction.k >= 16 {
                instruction.code = 0xffff;
            }
        }
        for row in &SYSCALLS {
            let Some(number) = row.number(filter.arch).map(u32::from) else {
                continue;
            };
            let by_argument = match row.name {
                "socket" | "socketpair" | "sendto" | "sendmsg" | "sendmmsg" | "ioctl"
                | "personality" | "prlimit64" | "setpriority" | "ioprio_set" => true,
                "kill" | "fcntl" => !filter.signals_scoped,
                "sched_setparam" | "sched_setscheduler" | "sched_setaffinity" | "sched_setattr" => {
                    !filter.pids_isolated
                }
                "clone" | "unshare" => !filter.nested,
                _ => false,
            };
            let data = SeccompData {
                number,
                arch: audit_arch(filter.arch),
                ..SeccompData::default()
            };
            assert_eq!(program.run(&data).is_err(), by_argument, "{}", row.name);
        }
    }
}

/// How many comparisons an allowed call costs where the kernel does not know the answer.
#[test]
fn the_tree_is_shallow() {
    for filter in filters() {
        let program = filter.program();
        for row in &SYSCALLS {
            let Some(number) = row.number(filter.arch).map(u32::from) else {
                continue;
            };
            let steps = steps(&program, number, audit_arch(filter.arch));
            let limit = if matches!(row.rule.verdict, Verdict::Checked(_)) {
                60
            } else {
                14
            };
            assert!(steps <= limit, "{}: {steps}", row.name);
        }
    }
}

/// Counts by cutting the program short until it no longer returns.
fn steps(program: &Program, number: u32, arch: u32) -> usize {
    let data = SeccompData {
        number,
        arch,
        ..SeccompData::default()
    };
    let mut executed = 0;
    let mut at = 0;
    loop {
        executed += 1;
        let instruction = program.instructions[at];
        if instruction.code == 0x06 {
            return executed;
        }
        // The accumulator at this place decides where it goes: run a copy that returns here.
        let skip = match instruction.code {
            0x15 | 0x35 => {
                let mut copy = program.clone();
                let place = &mut copy.instructions;
                place[at + 1 + usize::from(instruction.jt)] = marker(1);
                place[at + 1 + usize::from(instruction.jf)] = marker(2);
                match copy.run(&data) {
                    Ok(1) => usize::from(instruction.jt),
                    Ok(2) => usize::from(instruction.jf),
                    other => panic!("{other:?}"),
                }
            }
            0x05 => instruction.k as usize,
            _ => 0,
        };
        at += 1 + skip;
    }
}

fn marker(value: u32) -> super::super::bpf::Instruction {
    super::super::bpf::Instruction {
        code: 0x06,
        jt: 0,
        jf: 0,
        k: value,
    }
}

fn any_filter() -> impl Strategy<Value = Filter> {
    (prop::sample::select(ARCHES.to_vec()), any::<[bool; 6]>()).prop_map(
        |(
            arch,
            [
                inet,
                unix,
                nested,
                ipc_isolated,
                pids_isolated,
                signals_scoped,
            ],
        )| Filter {
            arch,
            inet,
            unix,
            nested,
            ipc_isolated,
            pids_isolated,
            signals_scoped,
        },
    )
}

fn any_data() -> impl Strategy<Value = SeccompData> {
    let number = prop_oneof![4 => 0_u32..600, 1 => any::<u32>()];
    let arch = prop_oneof![
        6 => prop::sample::select(ARCHES.map(audit_arch).to_vec()),
        1 => any::<u32>()
    ];
    // Small values and set bits are what the rules tell apart; whole words are rarely so.
    let low = prop_oneof![
        0_u32..32,
        (0_u32..32).prop_map(|bit| 1 << bit),
        any::<u32>()
    ];
    let arg = (low, prop_oneof![Just(0_u32), any::<u32>()])
        .prop_map(|(low, high)| u64::from(high) << 32 | u64::from(low));
    (number, arch, any::<u64>(), prop::array::uniform6(arg)).prop_map(
        |(number, arch, instruction_pointer, args)| SeccompData {
            number,
            arch,
            instruction_pointer,
            args,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_call_in_any_filter(filter in any_filter(), data in prop::collection::vec(any_data(), 32)) {
        let program = filter.program();
        for data in data {
            prop_assert_eq!(answer(&program, &data), filter.decide(&data).action);
        }
    }

    #[test]
    fn bytes_and_programs_are_each_others_inverse(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        match Program::from_bytes(&bytes) {
            Ok(program) => prop_assert_eq!(program.to_bytes(), bytes),
            Err(_) => prop_assert!(bytes.len() % 8 != 0),
        }
    }

    #[test]
    fn what_the_check_lets_through_runs_and_what_it_does_not_never_panics(
        lines in prop::collection::vec((any_code(), 0_u8..8, 0_u8..8, 0_u32..72), 1..24),
        data in any_data(),
    ) {
        let instructions = lines
            .into_iter()
            .map(|(code, jt, jf, k)| super::super::bpf::Instruction { code, jt, jf, k })
            .collect();
        let program = Program { instructions };
        let ran = program.run(&data);
        if program.validate().is_ok() {
            prop_assert!(ran.is_ok());
        }
        let _ = program.disassemble();
    }

    #[test]
    fn an_action_comes_back_from_its_value(value in any::<u32>(), errno in 0_u16..4096) {
        if let Some(action) = Action::decode(value) {
            prop_assert_eq!(action.encode(), value);
        }
        for action in [Action::Allow, Action::KillProcess, Action::Errno(errno)] {
            prop_assert_eq!(Action::decode(action.encode()), Some(action));
        }
    }
}

fn any_code() -> impl Strategy<Value = u16> {
    prop_oneof![
        3 => prop::sample::select(vec![0x20_u16, 0x54, 0x15, 0x35, 0x05, 0x00, 0x02, 0x60]),
        2 => Just(0x06_u16),
        1 => 0_u16..0x100
    ]
}
