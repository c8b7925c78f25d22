//! What a person reviews when a rule changes.

use super::super::{Filter, rules_table};
use super::{filters, usual};
use crate::Arch;

#[test]
fn the_rules() {
    insta::assert_snapshot!(rules_table());
}

#[test]
fn the_usual_program() {
    insta::assert_snapshot!(usual(Arch::X86_64).program().disassemble());
}

#[test]
fn no_line_is_too_long_to_read() {
    for line in rules_table().lines() {
        assert!(line.len() <= 140, "{line}");
    }
}

/// A switch that changes nothing would be a promise not kept.
#[test]
fn each_switch_changes_the_program() {
    for filter in filters() {
        let program = filter.program();
        let flipped = [
            Filter {
                inet: !filter.inet,
                ..filter
            },
            Filter {
                unix: !filter.unix,
                ..filter
            },
            Filter {
                nested: !filter.nested,
                ..filter
            },
            Filter {
                ipc_isolated: !filter.ipc_isolated,
                ..filter
            },
            Filter {
                pids_isolated: !filter.pids_isolated,
                ..filter
            },
            Filter {
                signals_scoped: !filter.signals_scoped,
                ..filter
            },
        ];
        for other in flipped {
            assert_ne!(other.program(), program, "{filter:?} {other:?}");
        }
    }
}
