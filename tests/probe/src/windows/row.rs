//! A row of the table: one thing to try, the promise it belongs to, and what it needs.

use crate::answer::Tried;
use crate::facts::Facts;

/// Which part of the boundary a row tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Group {
    /// Changing files outside the write roots.
    Write,
    /// Protected paths inside the workspace.
    Protect,
    /// Hidden paths.
    Hide,
    /// Other processes.
    Process,
    /// Objects shared by name.
    Ipc,
    /// Desktop, clipboard and console.
    Desktop,
    /// The registry.
    Registry,
    /// The network.
    Network,
    /// Outliving the command.
    Lifetime,
    /// Ringfence itself.
    Ringfence,
}

/// What a row needs to mean anything here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Need {
    /// The tester is elevated.
    Administrator,
    /// Files can have streams beside their content.
    Streams,
    /// The arena could make a junction.
    Junctions,
    /// The arena could make a symbolic link.
    Symlinks,
    /// Files have names of eight letters too.
    ShortNames,
    /// The volume has a name of its own.
    VolumeName,
    /// IPv6 on the loopback interface.
    Ipv6,
    /// An address of the host that is not loopback.
    HostAddress,
    /// The tester has a console.
    Console,
    /// The path of the harness.
    Harness,
}

impl Need {
    /// Why it is not met.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Need::Administrator => "only an administrator could do it outside",
            Need::Streams => "files have no streams here (NTFS has)",
            Need::Junctions => "no junction could be made (it takes NTFS)",
            Need::Symlinks => {
                "no symbolic link could be made (it takes NTFS, and the developer mode or an administrator)"
            }
            Need::ShortNames => "files have no names of eight letters here (fsutil 8dot3name)",
            Need::VolumeName => "this volume's own name could not be had",
            Need::Ipv6 => "there is no IPv6 loopback here",
            Need::HostAddress => "this host has no address but the loopback's",
            Need::Console => "there is no console to type on",
            Need::Harness => "the harness's path is not known",
        }
    }
}

/// When the answer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Judged {
    /// The probe's own answer decides.
    Inside,
    /// The tester looks, after the ring has ended, whether anything stayed.
    After,
}

/// Tries it, inside.
pub type Attempt = fn(&Facts, &'static str) -> Tried;
/// Looks, outside, after the end: allowed means that something stayed.
pub type Judge = fn(&Facts, &'static str) -> Tried;

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
    pub(crate) attempt: Attempt,
    pub(crate) argument: &'static str,
    pub(crate) judge: Option<Judge>,
}

impl Row {
    /// A row without needs, judged inside.
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

    /// Judged after the end.
    pub(crate) const fn after(mut self, judge: Judge) -> Self {
        self.judged = Judged::After;
        self.judge = Some(judge);
        self
    }

    /// Tries it, here and now.
    #[must_use]
    pub fn attempt(&self, facts: &Facts) -> Tried {
        (self.attempt)(facts, self.argument)
    }
}
