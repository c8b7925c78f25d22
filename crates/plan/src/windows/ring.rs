//! Policy, site and facts in; who the command is and what is granted to whom out.

use std::collections::BTreeSet;

use ringfence_nt_access::{
    Ace, AceFlags, Acl, Doubt, Group, Integrity, Mask, Membership, Restriction, SecurityDescriptor,
    Sid, Token, file_access, file_right, maximum_allowed, object, well_known,
};
use ringfence_ops::{Availability, Enforcement, Outcome, Shortfall};
use ringfence_policy::{Effective, NetworkMode, Read};

use super::facts::{Facts, Principals};
use super::identity::{FileId, Purpose, synthetic};
use super::refuse::{RootRefusal, refuse_root};
use super::site::{Guarded, Root, Site};
use crate::{DEFAULT_PROCESSES, Draft, Refusal, promise};

/// What may be done in a write root: read, write, execute. Not to delete what is in a directory whatever that says itself
/// ([`file_right::DELETE_CHILD`]), nor to change permissions or owner.
const WORK: Mask = Mask(0x0012_01bf);

/// What is denied of what is protected. Neither to wait for it nor to read its descriptor: `FILE_GENERIC_WRITE` has both,
/// and without them nothing can be read.
const CHANGES: Mask = Mask(0x0000_0116)
    .or(file_right::DELETE_CHILD)
    .or(Mask::DELETE)
    .or(Mask::WRITE_DAC)
    .or(Mask::WRITE_OWNER);

/// As whom the command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// As the user, with a token that is asked twice about writing.
    Unelevated,
    /// As one of the accounts that setup made.
    Elevated {
        /// The account.
        principal: Sid,
        /// The group of both.
        group: Sid,
    },
}

/// What is bounded by the job that all processes of the ring are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// So many processes at once.
    pub processes: u32,
    /// So many bytes all together commit.
    pub memory: Option<u64>,
}

/// ACEs that are put on one object, and what inherits them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Its path.
    pub path: String,
    /// The ACEs.
    pub aces: Vec<Ace>,
    /// The promise that needs them.
    pub promise: &'static str,
}

/// One write root, with all that is put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootPlan {
    /// Its path.
    pub path: String,
    /// Which directory that must still be.
    pub id: FileId,
    /// Who writes there.
    pub sid: Sid,
    /// What is put on the directory itself.
    pub own: Vec<Ace>,
    /// What is put on objects in it.
    pub guards: Vec<Stamp>,
    /// Names in it that must not come to be: what appears there is taken away after the command.
    pub missing: Vec<String>,
}

/// How a ring is built here, and what it will not keep whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// As whom.
    pub mode: Mode,
    /// Who the ring itself is: its temporary directory, pipes, events.
    pub ring: Sid,
    /// How the token is made of the principal's.
    pub token: Restriction,
    /// Who may open what the command makes without saying who may.
    pub default_dacl: Acl,
    /// The write roots.
    pub roots: Vec<RootPlan>,
    /// Write roots that are left out, and why.
    pub refused: Vec<RootRefusal>,
    /// The job.
    pub job: Job,
    /// Whether the machine holds the command to its token at all.
    pub confined: bool,
    /// Promises that are known beforehand to be kept less than whole.
    pub shortfalls: Vec<Shortfall>,
}

impl Plan {
    /// The outcome when all was done as planned, plus what was noted meanwhile.
    pub fn outcome(&self, noted: Vec<Shortfall>) -> Outcome {
        let mut shortfalls = self.shortfalls.clone();
        shortfalls.extend(noted);
        let outcome = Outcome::of(shortfalls);
        if self.confined {
            outcome
        } else {
            Outcome {
                enforcement: Enforcement::None,
                ..outcome
            }
        }
    }

    /// The command's token, made of this one.
    #[must_use]
    pub fn child(&self, of: &Token) -> Token {
        let mut token = of.restricted(&self.token);
        token.default_dacl = Some(self.default_dacl.clone());
        token
    }

    /// The accounts that commands run as, where they run as another than the user.
    #[must_use]
    pub fn principals(&self) -> Vec<Sid> {
        match self.mode {
            Mode::Unelevated => Vec::new(),
            Mode::Elevated { principal, .. } => vec![principal],
        }
    }

    /// All ACEs that are put anywhere, to be known again.
    #[must_use]
    pub fn aces(&self) -> Vec<Ace> {
        let all = self.roots.iter().flat_map(|root| {
            let guards = root.guards.iter().flat_map(|guard| &guard.aces);
            root.own.iter().chain(guards)
        });
        all.cloned().collect()
    }
}

/// Plans the ring of a policy on a Windows machine.
///
/// # Errors
/// [`Refusal`] when the policy requires what this machine cannot enforce and the user has not accepted to do without.
pub fn plan(policy: &Effective, site: &Site, facts: &Facts) -> Result<Plan, Refusal> {
    let mut draft = Draft::new(policy);
    let online = policy.network.mode.value == NetworkMode::On;
    let mode = mode(facts.principals.as_ref(), online);
    let user = facts.user.user;
    let ring = synthetic(&user, site.workspace, Purpose::Ring(site.ring));
    let mut roots = Vec::new();
    let mut refused = Vec::new();
    for (index, root) in site.roots.iter().enumerate() {
        match refuse_root(root, facts) {
            Ok(()) => roots.push(root_plan(root, &user, &mode)),
            Err(why) if index == 0 => draft.must_not_do_without(promise::RING, why.to_string()),
            // The others can be worked in all the same.
            Err(why) => refused.push(why),
        }
    }
    let mut restrict: Vec<Sid> = roots.iter().map(|root| root.sid).collect();
    restrict.push(ring);
    let principal = match &mode {
        Mode::Unelevated => user,
        Mode::Elevated { principal, .. } => {
            // Its own: else it could not open what it made with a DACL for itself alone.
            restrict.push(*principal);
            *principal
        }
    };
    let token = Restriction {
        restrict,
        disable_max_privilege: true,
        lua: true,
        write_restricted: true,
        ..Restriction::default()
    };
    let plan = Plan {
        mode,
        ring,
        token,
        default_dacl: default_dacl(principal, ring),
        roots,
        refused,
        job: Job {
            processes: policy
                .limits
                .processes
                .as_ref()
                .map_or(DEFAULT_PROCESSES, |limit| limit.value),
            memory: policy.limits.memory.as_ref().map(|limit| limit.value),
        },
        confined: facts.restricted_tokens.is_yes(),
        shortfalls: Vec::new(),
    };
    machine(&mut draft, policy, facts);
    leaks(&mut draft, policy, site, facts, &plan);
    draft.finish_windows(plan)
}

fn mode(principals: Option<&Principals>, online: bool) -> Mode {
    match principals {
        None => Mode::Unelevated,
        Some(Principals {
            group,
            offline,
            online: connected,
        }) => Mode::Elevated {
            principal: if online { *connected } else { *offline },
            group: *group,
        },
    }
}

fn root_plan(root: &Root, user: &Sid, mode: &Mode) -> RootPlan {
    let sid = synthetic(user, root.id, Purpose::Write);
    let whom: Vec<Sid> = match mode {
        Mode::Unelevated => vec![sid],
        Mode::Elevated { group, .. } => vec![*group, sid],
    };
    let below = AceFlags::INHERIT.with(AceFlags::INHERIT_ONLY);
    let mut own: Vec<Ace> = whom
        .iter()
        .flat_map(|sid| {
            [
                // The directory itself stays where it is.
                Ace::allow(*sid, WORK, AceFlags::NONE),
                Ace::allow(*sid, WORK.or(Mask::DELETE), below),
            ]
        })
        .collect();
    if let Mode::Elevated { group, .. } = mode {
        if !root.guarded.is_empty() {
            // Who may delete what is in the directory could delete what is protected: everybody may, where others said so.
            own.push(Ace::deny(*group, file_right::DELETE_CHILD, AceFlags::NONE));
        }
        // What the principal makes is its own, and owners may change permissions: not here. The user, who owns what the user
        // makes, must not lose by that.
        own.push(Ace::allow(
            well_known::OWNER_RIGHTS,
            Mask::READ_CONTROL,
            AceFlags::INHERIT,
        ));
        let owners = Mask::READ_CONTROL.or(Mask::WRITE_DAC);
        own.push(Ace::allow(*user, owners, AceFlags::INHERIT));
    }
    RootPlan {
        path: root.path.clone(),
        id: root.id,
        sid,
        own,
        guards: root
            .guarded
            .iter()
            .flat_map(|guarded| guards(guarded, &whom))
            .collect(),
        missing: root.missing.clone(),
    }
}

/// What keeps a protected object as it is, and where it is.
fn guards(guarded: &Guarded, whom: &[Sid]) -> Vec<Stamp> {
    let of = |path: &str, aces: Vec<Ace>| Stamp {
        path: path.to_owned(),
        aces,
        promise: guarded.promise,
    };
    let deny =
        |mask: Mask, flags: AceFlags| whom.iter().map(move |sid| Ace::deny(*sid, mask, flags));
    let mut stamps: Vec<Stamp> = guarded
        .pins
        .iter()
        // Who could rename a directory on the way could put another in its place.
        .map(|pin| {
            let held = Mask::DELETE.or(file_right::DELETE_CHILD);
            of(pin, deny(held, AceFlags::NONE).collect())
        })
        .collect();
    stamps.push(of(
        &guarded.path,
        deny(CHANGES, AceFlags::INHERIT).collect(),
    ));
    stamps
}

/// Who may open what the command makes, where neither it nor a directory says who may: the ring, whose second question it
/// has to pass, and the principal. That it owns it gives no more.
fn default_dacl(principal: Sid, ring: Sid) -> Acl {
    let all = ringfence_nt_access::generic::ALL;
    [
        Ace::allow(well_known::SYSTEM, all, AceFlags::NONE),
        Ace::allow(principal, all, AceFlags::NONE),
        Ace::allow(ring, all, AceFlags::NONE),
        Ace::allow(well_known::OWNER_RIGHTS, Mask::READ_CONTROL, AceFlags::NONE),
    ]
    .into_iter()
    .collect()
}

/// What the machine cannot do for any policy.
fn machine(draft: &mut Draft<'_>, policy: &Effective, facts: &Facts) {
    if let Availability::No { why, remedy } = &facts.restricted_tokens {
        draft.lack(promise::RING, why.clone(), remedy);
        let what = "all that you may write can be written".to_owned();
        draft.lack(promise::WRITE, what, remedy);
    }
    if let Availability::No { why, remedy } = &facts.jobs {
        draft.lack(promise::DESCENDANTS, why.clone(), remedy);
    }
    if let Availability::No { why, remedy } = &facts.desktop {
        draft.lack(promise::IPC, why.clone(), remedy);
    }
    if let Availability::No { why, remedy } = &facts.job_limits {
        draft.lack(promise::LIMIT_PROCESSES, why.clone(), remedy);
        if policy.limits.memory.is_some() {
            draft.lack(promise::LIMIT_MEMORY, why.clone(), remedy);
        }
    }
}

const SETUP: &str =
    "an account for commands alone keeps it (setup, by an administrator; not there yet)";

const SHARES: &str =
    r"shares of other machines and of this one (\\localhost\...) are written as you";

/// What the token is not kept from, as the model answers.
fn leaks(draft: &mut Draft<'_>, policy: &Effective, site: &Site, facts: &Facts, plan: &Plan) {
    let child = match &plan.mode {
        Mode::Unelevated => plan.child(&facts.user),
        Mode::Elevated { principal, group } => plan.child(&account(*principal, *group)),
    };
    let unelevated = plan.mode == Mode::Unelevated;
    if policy.network.mode.value != NetworkMode::On {
        match (&plan.mode, &facts.fence) {
            (Mode::Unelevated, _) => {
                let what = format!(
                    "the network can be reached, and {SHARES}: a command that runs as you is not told from your other programs"
                );
                draft.lack(promise::NETWORK, what, SETUP);
            }
            (_, Availability::No { why, remedy }) => {
                let what = format!("the network can be reached: {why}");
                draft.lack(promise::NETWORK, what, remedy);
            }
            (_, Availability::Yes) => (),
        }
    } else if unelevated {
        // Who serves a share knows the user, and nothing of the token.
        draft.tell(promise::WRITE, SHARES.to_owned(), "");
    }
    let readable = site.hidden.iter().filter(|hidden| {
        let rights = file_access(&child, hidden.object(), Doubt::Grants);
        rights.meets(file_right::READ_DATA)
    });
    let readable: Vec<&str> = readable.map(|hidden| hidden.path.as_str()).collect();
    if !readable.is_empty() {
        let what = format!("what is hidden can be read: {}", some(&readable));
        draft.lack(promise::HIDE, what, SETUP);
    }
    if policy.read.value != Read::All {
        // Also where an account of its own has nothing to read in the profile: what all users may read lies elsewhere too.
        let what = "all that the account may read is readable".to_owned();
        draft.lack(promise::READ, what, "");
    }
    if let Some(what) = of_your_processes(&facts.user, &child) {
        draft.lack(promise::PROCESSES, what, SETUP);
    }
    brokers(draft, unelevated);
    if unelevated && is_elevated(&facts.user) {
        draft.lack(
            promise::PRIVILEGES,
            "this runs elevated: commands are denied the administrators' group, and may keep the high integrity".to_owned(),
            "start it without elevation",
        );
    }
    undecided(draft, site, unelevated);
    files(draft, site, &child);
    if !site.repositories && !plan.roots.is_empty() {
        let what = "repositories further in than a write root itself are not looked for: what git runs of them can be written";
        draft.lack(promise::PROTECT_GIT, what.to_owned(), "");
    }
    for root in &plan.roots {
        if !root.missing.is_empty() {
            draft.tell(
                promise::PROTECT_MISSING,
                format!("{} protected names in {} that do not exist can be made; what is made there is taken away after the command", root.missing.len(), root.path),
                "",
            );
        }
        if unelevated {
            // Each by its own name: who accepts one has not accepted the others.
            let lost: BTreeSet<&'static str> =
                root.guards.iter().map(|guard| guard.promise).collect();
            for promise in lost {
                draft.lack(
                    promise,
                    format!("what is protected in {} cannot be written, but deleted and renamed: that goes by the right of the directory (FILE_DELETE_CHILD)", root.path),
                    SETUP,
                );
            }
        }
    }
}

/// Who starts programs for whoever asks. They ask who it is, not with which token, and what they start is not in the job.
fn brokers(draft: &mut Draft<'_>, unelevated: bool) {
    const WHAT: &str = "services of this machine start programs for whoever asks (Task Scheduler, WMI, BITS, the shell)";
    if unelevated {
        let what =
            format!("{WHAT}: what they start as you is in no ring, and outlives the command");
        draft.lack(promise::DESCENDANTS, what, SETUP);
    } else {
        let what = format!("{WHAT}: what they start has the command's account and outlives it");
        draft.tell(promise::DESCENDANTS, what, "");
    }
}

/// Whether this is an administrator's full token. What it starts is denied the group; whether it has a lower integrity is
/// not documented.
fn is_elevated(user: &Token) -> bool {
    let administrators = |group: &Group| {
        group.sid == well_known::ADMINISTRATORS && group.membership == Membership::Enabled
    };
    user.integrity >= Integrity::HIGH || user.groups.iter().any(administrators)
}

/// Places where no descriptor decides, each by its name.
fn undecided(draft: &mut Draft<'_>, site: &Site, unelevated: bool) {
    let places = site.open.iter();
    let places: Vec<String> = places
        .filter(|open| unelevated || !open.why.is_the_users())
        .map(ToString::to_string)
        .collect();
    if !places.is_empty() {
        let places = places.join(", ");
        draft.lack(
            promise::WRITE,
            format!("no permissions decide there, and all can be written: {places}"),
            "take the disk out, or unmap the drive (`net use X: /delete`)",
        );
    }
}

/// What the command could do to files outside.
fn files(draft: &mut Draft<'_>, site: &Site, child: &Token) {
    let mut deleted = Vec::new();
    let mut written = Vec::new();
    for outside in &site.outside {
        let rights = file_access(child, outside.object(), Doubt::Grants);
        let changes = rights & CHANGES;
        if changes.meets(
            CHANGES
                .without(file_right::DELETE_CHILD)
                .without(Mask::DELETE),
        ) {
            written.push(outside.path.as_str());
        } else if !changes.is_none() {
            deleted.push(outside.path.as_str());
        }
    }
    if !deleted.is_empty() {
        let what = format!(
            "what is in directories of yours can be deleted and renamed, {} among them: that goes by the right of the directory (FILE_DELETE_CHILD), about which no restricted token is asked twice",
            some(&deleted)
        );
        draft.lack(promise::WRITE_DELETE, what, SETUP);
    }
    if !written.is_empty() {
        let what = format!("everybody may write there: {}", some(&written));
        let remedy = "give it a DACL that does not let all write (`icacls PATH /reset`)";
        draft.lack(promise::WRITE, what, remedy);
    }
}

/// A few of many.
fn some(paths: &[&str]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<&str> = paths.iter().take(SHOWN).copied().collect();
    match paths.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}

/// What the command may do with other programs of the user, which say nothing of who may.
fn of_your_processes(user: &Token, child: &Token) -> Option<String> {
    const TERMINATE: Mask = Mask(0x1);
    const READ_MEMORY: Mask = Mask(0x10);
    const WRITE_MEMORY: Mask = Mask(0x28);
    let all = object::PROCESS.all;
    let usual = [well_known::SYSTEM, user.user]
        .map(|sid| Ace::allow(sid, all, AceFlags::NONE))
        .into_iter()
        .collect();
    let descriptor = SecurityDescriptor::new(user.user, user.primary_group, usual);
    let rights = maximum_allowed(&descriptor, child, &object::PROCESS, Doubt::Grants);
    let can: Vec<&str> = [
        (TERMINATE, "ended"),
        (READ_MEMORY, "read"),
        (WRITE_MEMORY, "written to"),
    ]
    .into_iter()
    .filter(|(right, _)| rights.meets(*right))
    .map(|(_, word)| word)
    .collect();
    (!can.is_empty()).then(|| format!("your other programs can be {}", can.join(" and ")))
}

/// An account of setup's, as it logs on.
fn account(principal: Sid, group: Sid) -> Token {
    Token::of(
        principal,
        &[
            group,
            well_known::EVERYONE,
            well_known::USERS,
            well_known::INTERACTIVE,
            well_known::AUTHENTICATED_USERS,
            well_known::LOCAL_ACCOUNT,
        ],
    )
}
