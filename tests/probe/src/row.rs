//! A row of the table: one thing to try, the promise it belongs to, and what it needs.

use crate::answer::Tried;
use crate::facts::Facts;

/// Which part of the boundary a row tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Group {
    /// Changing files outside the write roots.
    Write,
    /// Descriptors the caller left open.
    Descriptor,
    /// Protected paths inside the workspace.
    Protect,
    /// Hidden paths.
    Hide,
    /// Mounts and roots.
    Mount,
    /// Namespaces.
    Namespace,
    /// Other processes.
    Process,
    /// Unix sockets.
    Socket,
    /// The network.
    Network,
    /// The kernel's own interfaces.
    Kernel,
    /// Objects shared by key or name.
    Ipc,
    /// Devices and terminals.
    Device,
    /// Settings of the host.
    Host,
    /// More privilege than one has.
    Privilege,
    /// The environment.
    Environment,
    /// Outliving the command.
    Lifetime,
    /// Limits.
    Limit,
    /// Ringfence itself.
    Ringfence,
}

/// What a row needs to mean anything here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Need {
    /// The tester is root.
    Root,
    /// The tester is not root.
    NotRoot,
    /// IPv6 on the loopback interface.
    Ipv6,
    /// An address of the host that is not loopback.
    HostAddress,
    /// A directory where case does not matter.
    CaseFolding,
    /// The path of the harness.
    Harness,
    /// A cgroup v2 subtree with the memory controller that the tester may use.
    MemoryGroup,
    /// x86-64.
    X86,
}

/// When the answer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Judged {
    /// The probe's own answer decides.
    Inside,
    /// The tester looks, after the ring has ended, whether anything stayed.
    After,
}

/// What is on the command's standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Stdin {
    /// `/dev/null`.
    Null,
    /// A file outside, open for reading only.
    FileOutside,
    /// A protected file of the workspace, open for reading only.
    ProtectedFile,
    /// A directory outside.
    DirOutside,
    /// A terminal, which controls the command's session.
    Terminal,
}

/// What the caller leaves open under number 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Extra {
    /// Nothing.
    None,
    /// A file outside, open for reading and writing.
    FileOutside,
    /// A directory outside.
    DirOutside,
    /// A connection to a listener outside.
    Connection,
}

/// What a run ended with, for a judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The command's exit code; `None` for a signal.
    pub code: Option<i32>,
    /// Whether its output was still held open by somebody a second after it ended.
    pub held: bool,
}

/// Tries it, inside.
pub type Attempt = fn(&Facts, &'static str) -> Tried;
/// Looks, outside, after the end: allowed means that something stayed.
pub type Judge = fn(&Facts, &'static str, End) -> Tried;

/// One thing to try.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Unique, dotted, lower case.
    pub name: &'static str,
    /// Which part of the boundary.
    pub group: Group,
    /// What is tried, in a few words.
    pub what: &'static str,
    /// The promise it belongs to, as a policy names it.
    pub promise: &'static str,
    /// What it needs to mean anything.
    pub needs: &'static [Need],
    /// When the answer is known.
    pub judged: Judged,
    /// More flags for `ringfence run`; `{outside}`, `{home}`, `{workspace}` stand for the arena's directories.
    pub flags: &'static [&'static str],
    /// Standard input.
    pub stdin: Stdin,
    /// Descriptor 9.
    pub extra: Extra,
    /// Whether a command that is killed before it can answer was thereby denied.
    pub death_is_denial: bool,
    /// Whether the attempt is aimed at the probe's parent, so that the control needs one that may be hurt.
    pub aims_at_parent: bool,
    /// Whether somebody outside tries to come in while it runs.
    pub called: bool,
    pub(crate) attempt: Attempt,
    pub(crate) argument: &'static str,
    pub(crate) judge: Option<Judge>,
}

impl Row {
    /// A row without needs, flags or descriptors, judged inside.
    pub(crate) const fn new(
        name: &'static str,
        group: Group,
        promise: &'static str,
        what: &'static str,
        attempt: Attempt,
    ) -> Self {
        Self {
            name,
            group,
            what,
            promise,
            needs: &[],
            judged: Judged::Inside,
            flags: &[],
            stdin: Stdin::Null,
            extra: Extra::None,
            death_is_denial: false,
            aims_at_parent: false,
            called: false,
            attempt,
            argument: "",
            judge: None,
        }
    }

    /// With an argument for its attempt and judge.
    pub(crate) const fn with(mut self, argument: &'static str) -> Self {
        self.argument = argument;
        self
    }

    /// For another promise than its neighbours.
    pub(crate) const fn promise(mut self, promise: &'static str) -> Self {
        self.promise = promise;
        self
    }

    /// With needs.
    pub(crate) const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    /// With flags.
    pub(crate) const fn flags(mut self, flags: &'static [&'static str]) -> Self {
        self.flags = flags;
        self
    }

    /// With something on standard input.
    pub(crate) const fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// With something on descriptor 9.
    pub(crate) const fn extra(mut self, extra: Extra) -> Self {
        self.extra = extra;
        self
    }

    /// Judged after the end.
    pub(crate) const fn after(mut self, judge: Judge) -> Self {
        self.judged = Judged::After;
        self.judge = Some(judge);
        self
    }

    /// Death is denial.
    pub(crate) const fn may_die(mut self) -> Self {
        self.death_is_denial = true;
        self
    }

    /// Aimed at the parent.
    pub(crate) const fn at_parent(mut self) -> Self {
        self.aims_at_parent = true;
        self
    }

    /// With a caller outside.
    pub(crate) const fn called(mut self) -> Self {
        self.called = true;
        self
    }

    /// Tries it, here and now.
    #[must_use]
    pub fn attempt(&self, facts: &Facts) -> Tried {
        (self.attempt)(facts, self.argument)
    }
}
