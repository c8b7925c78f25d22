//! What reaches other processes by a number, and Landlock has no word about.

use super::super::action::{Action, EPERM};
use super::super::check::{Check, Rule, Switch, Test, Verdict};
use super::{WHOLE, clause, rule, test, where_switch};

/// Who is meant is an `int`, and 0 the caller.
const fn who(arg: u8, label: &'static str) -> Test {
    test(arg, WHOLE, &[0], label)
}

const ITSELF_WHY: &str = "the calling thread itself";
/// The number of each thread stands for its whole process.
const LIMITS_WHY: &str =
    "others': the runner, which could take nothing away any more, and the next command";
const OTHERS_WHY: &str = "the kernel asks for the uid alone, which processes outside have too";
const OWN_GROUP_WHY: &str = "the process group is the caller's and began outside, where a script and its pipeline are in it";

/// `kill`.
pub static KILL: Rule = rule(
    "signals",
    Verdict::Checked(&Check {
        clauses: &[
            where_switch(
                Switch::SignalsScoped,
                true,
                &[],
                Action::Allow,
                "Landlock keeps them in the ring",
            ),
            clause(
                &[who(0, "pid 0, the own process group")],
                Action::Errno(EPERM),
                OWN_GROUP_WHY,
            ),
        ],
        otherwise: Action::Allow,
        why: "by number: the pid namespace and the uid bound whom it reaches",
    }),
    "by whom they reach",
);
/// `prlimit64`.
pub static LIMITS: Rule = rule(
    "limits of a process",
    Verdict::Checked(&Check {
        clauses: &[clause(&[who(0, "pid 0")], Action::Allow, ITSELF_WHY)],
        otherwise: Action::Errno(EPERM),
        why: LIMITS_WHY,
    }),
    "getrlimit, setrlimit and ulimit, by whose limits are meant",
);
/// Policies and processors.
pub static SCHEDULING: Rule = rule(
    "scheduling and processors of a thread",
    Verdict::Checked(&Check {
        clauses: &[
            where_switch(
                Switch::PidsIsolated,
                true,
                &[],
                Action::Allow,
                "the pid namespace bounds whom it reaches",
            ),
            clause(&[who(0, "pid 0")], Action::Allow, ITSELF_WHY),
        ],
        otherwise: Action::Errno(EPERM),
        why: OTHERS_WHY,
    }),
    "by whose it is; a thread library names its own threads by number, and does without",
);
/// `setpriority`.
pub static PRIORITY: Rule = rule(
    "priority",
    Verdict::Checked(&Check {
        clauses: &[
            where_switch(
                Switch::PidsIsolated,
                false,
                &[test(0, WHOLE, &[0], "which PRIO_PROCESS"), who(1, "who 0")],
                Action::Allow,
                ITSELF_WHY,
            ),
            where_switch(
                Switch::PidsIsolated,
                false,
                &[],
                Action::Errno(EPERM),
                OTHERS_WHY,
            ),
            clause(
                &[
                    test(0, WHOLE, &[1, 2], "which PRIO_PGRP or PRIO_USER"),
                    who(1, "who 0"),
                ],
                Action::Errno(EPERM),
                OWN_GROUP_WHY,
            ),
        ],
        otherwise: Action::Allow,
        why: "the pid namespace bounds whom it reaches",
    }),
    "by whose it is",
);
/// `ioprio_set`.
pub static IO_PRIORITY: Rule = rule(
    "priority of input and output",
    Verdict::Checked(&Check {
        clauses: &[
            where_switch(
                Switch::PidsIsolated,
                false,
                &[
                    test(0, WHOLE, &[1], "which IOPRIO_WHO_PROCESS"),
                    who(1, "who 0"),
                ],
                Action::Allow,
                ITSELF_WHY,
            ),
            where_switch(
                Switch::PidsIsolated,
                false,
                &[],
                Action::Errno(EPERM),
                OTHERS_WHY,
            ),
            clause(
                &[
                    test(
                        0,
                        WHOLE,
                        &[2, 3],
                        "which IOPRIO_WHO_PGRP or IOPRIO_WHO_USER",
                    ),
                    who(1, "who 0"),
                ],
                Action::Errno(EPERM),
                OWN_GROUP_WHY,
            ),
        ],
        otherwise: Action::Allow,
        why: "the pid namespace bounds whom it reaches",
    }),
    "by whose it is",
);
