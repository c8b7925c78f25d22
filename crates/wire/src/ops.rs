//! Bytes of the ops, which cross from the harness, that plans, to the runner, that builds.

use ringfence_ops::Need;
use ringfence_ops::linux::landlock::{Rule, Ruleset};
use ringfence_ops::linux::{Caches, Clone, Located, Mask, Op, Upper};

use crate::codec::{wire_enum, wire_struct};

wire_enum!(Need { 0 => Must, 1 => Should, 2 => May });
wire_struct!(Located {
    path,
    device,
    inode,
    dir
});
wire_struct!(Clone { net });
wire_struct!(Mask { at, keep });
wire_enum!(Upper { 0 => Ring, 1 => Kept { upper, work } });
wire_struct!(Caches { tool, at, upper });
wire_struct!(Rule { at, rights });
wire_struct!(Ruleset {
    fs,
    net,
    scoped,
    rules
});
wire_enum!(Op {
    0 => Namespaces(clone),
    1 => MapIds { uid, gid },
    2 => Loopback,
    3 => PidMax(n),
    4 => Hold(at),
    5 => ReadOnlyRoot,
    6 => PrivateFiles,
    7 => PrivateDir { at, overlay },
    8 => PrivateCache(cache),
    9 => Devices { console },
    10 => Proc { root },
    11 => MaskDir(mask),
    12 => MaskSocket(at),
    13 => Place(at),
    14 => Pin(at),
    15 => Protect(at),
    16 => Hide(mask),
    17 => Watch { dir, names },
    18 => KeepDir { from, at },
    19 => Landlock(ruleset),
    20 => DropCapabilities,
    21 => NoNewPrivs,
    22 => Seccomp(bytes),
    23 => Cgroup { dir, memory, processes },
    24 => LimitProcesses(n),
    25 => LimitMemory(bytes),
    26 => Subreaper,
});
