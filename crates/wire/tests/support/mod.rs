//! Any message.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::ffi::OsString;
use std::path::PathBuf;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use ringfence_ops::Need;
use ringfence_ops::linux::landlock::{Rule, Ruleset};
use ringfence_ops::linux::{Caches, Clone, Located, Mask, Op, Upper};
use ringfence_wire::{End, Failure, Listed, Names, Note, Order, Report, Spawn, Stage, Widening};

/// Any bytes but NUL, UTF-8 or not.
#[cfg(unix)]
fn os_string() -> impl Strategy<Value = OsString> {
    use std::os::unix::ffi::OsStringExt;
    vec(1_u8..=255, 0..12).prop_map(OsString::from_vec)
}

/// Any units but NUL, UTF-16 or not.
#[cfg(windows)]
fn os_string() -> impl Strategy<Value = OsString> {
    use std::os::windows::ffi::OsStringExt;
    vec(1_u16..=u16::MAX, 0..12).prop_map(|units| OsString::from_wide(&units))
}

fn path() -> impl Strategy<Value = PathBuf> {
    os_string().prop_map(PathBuf::from)
}

pub fn located() -> impl Strategy<Value = Located> {
    (path(), any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(path, device, inode, dir)| {
        Located {
            path,
            device,
            inode,
            dir,
        }
    })
}

fn mask() -> impl Strategy<Value = Mask> {
    (located(), vec(located(), 0..3)).prop_map(|(at, keep)| Mask { at, keep })
}

fn caches() -> impl Strategy<Value = Caches> {
    let upper = prop_oneof![
        Just(Upper::Ring),
        (located(), located()).prop_map(|(upper, work)| Upper::Kept { upper, work }),
    ];
    (any::<String>(), located(), upper).prop_map(|(tool, at, upper)| Caches { tool, at, upper })
}

fn ruleset() -> impl Strategy<Value = Ruleset> {
    let rule = (located(), any::<u64>()).prop_map(|(at, rights)| Rule { at, rights });
    (any::<u64>(), any::<u64>(), any::<u64>(), vec(rule, 0..4)).prop_map(
        |(fs, net, scoped, rules)| Ruleset {
            fs,
            net,
            scoped,
            rules,
        },
    )
}

fn widening() -> impl Strategy<Value = Widening> {
    let names = (located(), vec(path(), 0..3)).prop_map(|(dir, names)| Names { dir, names });
    (
        of(located()),
        vec(located(), 0..3),
        vec(located(), 0..3),
        vec(names, 0..3),
        vec(located(), 0..3),
        vec(located(), 0..3),
        of(ruleset()),
    )
        .prop_map(
            |(write, objects, pins, watch, reveal, sockets, landlock)| Widening {
                write,
                objects,
                pins,
                watch,
                reveal,
                sockets,
                landlock,
            },
        )
}

pub fn op() -> impl Strategy<Value = Op> {
    let plain = prop_oneof![
        Just(Op::Loopback),
        Just(Op::ReadOnlyRoot),
        Just(Op::PrivateFiles),
        Just(Op::DropCapabilities),
        Just(Op::NoNewPrivs),
        Just(Op::Subreaper),
    ];
    let numbers = prop_oneof![
        any::<bool>().prop_map(|net| Op::Namespaces(Clone { net })),
        any::<bool>().prop_map(|root| Op::Proc { root }),
        any::<(u32, u32)>().prop_map(|(uid, gid)| Op::MapIds { uid, gid }),
        any::<u32>().prop_map(Op::PidMax),
        any::<u32>().prop_map(Op::LimitProcesses),
        any::<u64>().prop_map(Op::LimitMemory),
        vec(any::<u8>(), 0..64).prop_map(Op::Seccomp),
        (path(), of(any::<u64>()), of(any::<u32>())).prop_map(|(dir, memory, processes)| {
            Op::Cgroup {
                dir,
                memory,
                processes,
            }
        }),
    ];
    let objects = prop_oneof![
        located().prop_map(Op::Hold),
        (located(), any::<bool>()).prop_map(|(at, overlay)| Op::PrivateDir { at, overlay }),
        caches().prop_map(Op::PrivateCache),
        of(located()).prop_map(|console| Op::Devices { console }),
        mask().prop_map(Op::MaskDir),
        located().prop_map(Op::MaskSocket),
        located().prop_map(Op::Place),
        located().prop_map(Op::Pin),
        located().prop_map(Op::Protect),
        mask().prop_map(Op::Hide),
        (located(), vec(path(), 0..4)).prop_map(|(dir, names)| Op::Watch { dir, names }),
        (located(), path()).prop_map(|(from, at)| Op::KeepDir { from, at }),
        ruleset().prop_map(Op::Landlock),
    ];
    prop_oneof![plain, numbers, objects]
}

fn need() -> impl Strategy<Value = Need> {
    prop_oneof![Just(Need::Must), Just(Need::Should), Just(Need::May)]
}

fn spawn() -> impl Strategy<Value = Spawn> {
    (
        any::<u32>(),
        path(),
        vec(os_string(), 0..4),
        vec(os_string(), 0..4),
        located(),
        any::<(bool, bool, bool, bool, bool, bool, bool)>(),
        (of(located()), any::<bool>()),
        of(any::<u64>()),
        of(any::<u64>()),
    )
        .prop_map(
            |(
                id,
                program,
                argv,
                env,
                cwd,
                (new_session, own_group, terminal, announce, last, keep_background, report),
                (stdin_inside, stdin_outside),
                time_ms,
                memory,
            )| {
                Spawn {
                    id,
                    program,
                    argv,
                    env,
                    cwd,
                    new_session,
                    own_group,
                    terminal,
                    stdin_inside,
                    stdin_outside,
                    report,
                    announce,
                    last,
                    keep_background,
                    time_ms,
                    memory,
                }
            },
        )
}

pub fn order() -> impl Strategy<Value = Order> {
    prop_oneof![
        (vec((need(), op()), 0..6), any::<bool>())
            .prop_map(|(steps, announce)| Order::Build { steps, announce }),
        any::<bool>().prop_map(|net| Order::Namespaces { net }),
        spawn().prop_map(Order::Spawn),
        any::<(u32, i32, bool)>().prop_map(|(id, signal, all)| Order::Signal { id, signal, all }),
        Just(Order::List),
        widening().prop_map(Order::Widen),
        (vec(located(), 0..3), vec(located(), 0..3))
            .prop_map(|(pins, objects)| Order::Protect { pins, objects }),
    ]
}

/// Every stage, by number.
pub const STAGES: [Stage; 16] = [
    Stage::Protocol,
    Stage::Step,
    Stage::Identity,
    Stage::Cwd,
    Stage::Stdin,
    Stage::Fork,
    Stage::Session,
    Stage::Limit,
    Stage::Capabilities,
    Stage::NoNewPrivs,
    Stage::Landlock,
    Stage::Seccomp,
    Stage::Exec,
    Stage::Protect,
    Stage::Namespaces,
    Stage::Widen,
];

pub fn report() -> impl Strategy<Value = Report> {
    let note =
        any::<(u32, String, i32)>().prop_map(|(step, call, errno)| Note { step, call, errno });
    let failure = (
        proptest::sample::select(STAGES.to_vec()),
        of(any::<u32>()),
        any::<(String, i32)>(),
    )
        .prop_map(|(stage, step, (call, errno))| Failure {
            stage,
            step,
            call,
            errno,
        });
    let end = prop_oneof![
        any::<i32>().prop_map(End::Exited),
        any::<i32>().prop_map(End::Signalled),
    ];
    prop_oneof![
        vec(note, 0..4).prop_map(|notes| Report::Built { notes }),
        (of(any::<u32>()), failure).prop_map(|(id, failure)| Report::Failed { id, failure }),
        any::<u32>().prop_map(|id| Report::Started { id }),
        any::<(u32, i32)>().prop_map(|(id, signal)| Report::Stopped { id, signal }),
        (any::<u32>(), end, any::<(u64, u64, bool)>()).prop_map(
            |(id, end, (max_rss_kib, cpu_us, timed_out))| Report::Ended {
                id,
                end,
                max_rss_kib,
                cpu_us,
                timed_out,
            }
        ),
        (path(), of(any::<i32>())).prop_map(|(path, errno)| Report::TakenAway { path, errno }),
        any::<(String, i32)>().prop_map(|(call, errno)| Report::Unwatched { call, errno }),
        any::<i32>().prop_map(|errno| Report::StdinAsIs { errno }),
        Just(Report::Widened),
        any::<u32>().prop_map(|id| Report::Insists { id }),
        vec(any::<(u32, bool, Vec<i32>)>(), 0..3).prop_map(|all| Report::Listed {
            commands: all
                .into_iter()
                .map(|(id, runs, processes)| Listed {
                    id,
                    runs,
                    processes,
                })
                .collect(),
        }),
    ]
}
