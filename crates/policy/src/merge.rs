//! How the layers become one policy. The table in the crate's documentation is what this does.

mod steps;

use std::path::PathBuf;
use std::time::Duration;

use crate::defaults::{self, WORKSPACE_PROTECTED};
use crate::document::{Document, from_flags, from_toml, granted};
use crate::environment::{Environment, NamePattern};
use crate::error::PolicyError;
use crate::keys;
use crate::model::{
    Approval, Ask, Bounds, CacheMode, Caches, Effective, Layer, Ledger, Limits, Linux, LinuxMode,
    Mode, Network, NetworkMode, Origin, Protect, Read, Snapshot, Sourced,
};
use crate::names::quoted;
use crate::sources::{Context, FileText, Sources, Trust};
use crate::width::{host_covers, path_covers, read_covers, read_meet, tools_cover};
use crate::{path, quantity};
use steps::{
    add, add_listed, at_most, lower, lower_some, narrow, narrow_some, nothing_new, path_text,
    paths, read_text, rule_grants, set, set_some, stronger_rules, within,
};

/// Reads every layer and merges them, as the crate's documentation says.
///
/// Without files and flags no text is parsed.
///
/// # Errors
/// Every error of every file and flag, at once. With any error there is no policy.
pub fn load(sources: &Sources, context: &Context<'_>) -> Result<Effective, PolicyError> {
    let mut errors = Vec::new();
    let mut read = |file: Option<&FileText>, layer| -> Option<Document> {
        from_toml(file?, layer, context)
            .map_err(|found| errors.extend(found))
            .ok()
    };
    let managed = read(sources.managed.as_ref(), Layer::Managed);
    let user = read(sources.user.as_ref(), Layer::User);
    // Not the nearest alone: who may write a directory could lift what holds above it.
    let projects: Vec<_> = sources
        .projects
        .iter()
        .map(|(file, trust)| (read(Some(file), Layer::Project), file, *trust))
        .collect();
    let grants: Vec<_> = sources
        .grants
        .iter()
        .filter_map(|grant| {
            granted(grant, context)
                .map_err(|found| errors.extend(found))
                .ok()
        })
        .collect();
    let flags = from_flags(&sources.flags, context)
        .map_err(|found| errors.extend(found))
        .ok();
    // What a broken file would have allowed is unknown, so nothing is said about the others' width.
    if let Some(error) = PolicyError::of(errors) {
        return Err(error);
    }

    let mut merge = Merge {
        effective: built_in(context),
        errors: Vec::new(),
    };
    if let Some(user) = user {
        merge.layer(user);
    }
    for (project, file, trust) in projects {
        let Some(mut project) = project else { continue };
        merge.never_from_project(&mut project);
        also_beside(&mut project, file);
        match trust {
            Trust::Trusted => merge.layer(project),
            Trust::Untrusted => merge.tighten(project),
        }
    }
    for mut grant in grants {
        // A grant widens, whatever the limits have become since.
        let limits = &merge.effective.limits;
        let wider = |now: Option<Duration>, time: Duration| now.is_some_and(|now| now < time);
        grant.time = grant
            .time
            .filter(|time| wider(limits.time.as_ref().map(|now| now.value), time.value));
        let output = limits.output.as_ref().map(|now| now.value);
        grant.output = grant
            .output
            .filter(|more| output.is_some_and(|now| now < more.value));
        merge.layer(grant);
    }
    if let Some(flags) = flags {
        merge.layer(flags);
    }
    if let (Some(managed), Some(file)) = (managed, &sources.managed) {
        merge.bound(managed, file);
    }
    merge
        .errors
        .sort_by_key(|error| error.at().map(|at| (at.layer, at.line)));
    if let Some(error) = PolicyError::of(merge.errors) {
        return Err(error);
    }
    let mut effective = merge.effective;
    let Effective { hide, reveal, .. } = &mut effective;
    if !reveal.is_empty() {
        let revealed = |name: &str| reveal.iter().any(|revealed| revealed.value == name);
        hide.retain(|hide| hide.origin.layer != Layer::Builtin || !revealed(&hide.value.name));
    }
    Ok(effective)
}

/// What a project protects is meant below each write root, and beside the file that says so: a write
/// root may lie further in, or further out.
fn also_beside(project: &mut Document, file: &FileText) {
    let Some(dir) = file.path.parent() else {
        return;
    };
    let beside = |entry: &Sourced<Protect>| match &entry.value {
        Protect::Relative(below) => Some(Sourced {
            value: Protect::Absolute(path::normal(&dir.join(below))?),
            origin: entry.origin.clone(),
        }),
        Protect::Absolute(_) => None,
    };
    let more: Vec<_> = project.protect.iter().filter_map(beside).collect();
    project.protect.extend(more);
}

/// What holds when nobody says anything.
fn built_in(context: &Context<'_>) -> Effective {
    let home = context.home.as_deref().and_then(path::normal);
    let mut hide = defaults::hidden_where(home.as_deref(), context.variable);
    let account_home = context.account_home.as_deref().and_then(path::normal);
    if account_home.is_some() && account_home != home {
        // What a variable moved is hidden already.
        for more in defaults::hidden_where(account_home.as_deref(), &|_| None) {
            if !hide.contains(&more) {
                hide.push(more);
            }
        }
    }
    let mut protect: Vec<_> = WORKSPACE_PROTECTED
        .iter()
        .map(|below| Sourced::built_in(Protect::Relative(PathBuf::from(below))))
        .collect();
    // A write root above it must not let a command write the policy of the next one.
    let moved =
        defaults::absolute(context.variable, "XDG_CONFIG_HOME").and_then(|p| path::normal(&p));
    let usual = home.map(|home| home.join(".config"));
    for config in [
        usual.clone(),
        moved.filter(|moved| usual.as_ref() != Some(moved)),
    ] {
        let own = config.map(|config| Protect::Absolute(config.join("ringfence")));
        protect.extend(own.map(Sourced::built_in));
    }
    Effective {
        mode: Sourced::built_in(Mode::WorkspaceWrite),
        write: Vec::new(),
        protect,
        hide: hide.into_iter().map(Sourced::built_in).collect(),
        reveal: Vec::new(),
        read: Sourced::built_in(Read::All),
        snapshot: Sourced::built_in(Snapshot::Auto),
        network: Network {
            mode: Sourced::built_in(NetworkMode::Off),
            allow: Vec::new(),
        },
        caches: Caches {
            mode: Sourced::built_in(CacheMode::Private),
            tools: None,
        },
        environment: Environment::default(),
        limits: Limits::default(),
        accept: Vec::new(),
        approval: Approval {
            ask: Sourced::built_in(Ask::OnRequest),
            within: Sourced::built_in(Duration::from_secs(10 * 60)),
            most: Sourced::built_in(20),
            program: Sourced::built_in(Vec::new()),
        },
        ledger: Ledger {
            keep: Sourced::built_in(Duration::from_secs(90 * 24 * 60 * 60)),
            size: Sourced::built_in(1 << 30),
        },
        linux: Linux {
            mode: Sourced::built_in(LinuxMode::Auto),
            sockets: Vec::new(),
            nested: Sourced::built_in(false),
        },
        rules: Vec::new(),
        bounds: Bounds::default(),
    }
}

struct Merge {
    effective: Effective,
    errors: Vec<PolicyError>,
}

impl Merge {
    /// A layer whose words stand above what is there.
    fn layer(&mut self, said: Document) {
        let out = &mut self.effective;
        set(&mut out.mode, said.mode);
        set(&mut out.read, said.read);
        set(&mut out.snapshot, said.snapshot);
        set(&mut out.network.mode, said.network);
        set(&mut out.caches.mode, said.cache_mode);
        set(&mut out.linux.mode, said.linux_mode);
        set(&mut out.linux.nested, said.nested);
        set(&mut out.approval.ask, said.approval_ask);
        set(&mut out.approval.within, said.approval_within);
        set(&mut out.approval.most, said.approval_most);
        set(&mut out.approval.program, said.approval_program);
        set(&mut out.ledger.keep, said.ledger_keep);
        set(&mut out.ledger.size, said.ledger_size);
        set_some(&mut out.caches.tools, said.cache_tools);
        set_some(&mut out.limits.time, said.time);
        set_some(&mut out.limits.memory, said.memory);
        set_some(&mut out.limits.processes, said.processes);
        set_some(&mut out.limits.output, said.output);
        add_listed(&mut out.write, said.write);
        add_listed(&mut out.reveal, said.reveal);
        add_listed(&mut out.network.allow, said.allow);
        add_listed(&mut out.environment.pass, said.pass);
        add_listed(&mut out.accept, said.accept);
        add_listed(&mut out.linux.sockets, said.sockets);
        add(&mut out.protect, said.protect);
        add(&mut out.hide, said.hide);
        add(&mut out.environment.drop, said.drop);
        stronger_rules(&mut out.rules, said.rules);
    }

    /// Takes out, as errors, what no project file may say.
    fn never_from_project(&mut self, said: &mut Document) {
        if let Some(mode) = said.mode.take_if(|mode| mode.value == Mode::FullAccess) {
            self.errors.push(PolicyError::NeverFromProject {
                at: mode.origin,
                key: keys::MODE.full,
                asked: quoted(Mode::FullAccess.name()),
            });
        }
        // The ledger is one for all of a person's projects.
        let time = said.ledger_keep.take().map(|keep| {
            let asked = quantity::show_duration(keep.value);
            (keep.origin, keys::LEDGER_KEEP.full, asked)
        });
        let size = said.ledger_size.take().map(|size| {
            let asked = quantity::show_size(size.value);
            (size.origin, keys::LEDGER_SIZE.full, asked)
        });
        // Nor does a project say who speaks for a person, and when.
        let ask = said.approval_ask.take().map(|ask| {
            let asked = ask.value.name().to_owned();
            (ask.origin, keys::APPROVAL_ASK.full, asked)
        });
        let within = said.approval_within.take().map(|within| {
            let asked = quantity::show_duration(within.value);
            (within.origin, keys::APPROVAL_WITHIN.full, asked)
        });
        let most = said.approval_most.take().map(|most| {
            let asked = most.value.to_string();
            (most.origin, keys::APPROVAL_MOST.full, asked)
        });
        let program = said.approval_program.take().map(|program| {
            let asked = program.value.join(" ");
            (program.origin, keys::APPROVAL_PROGRAM.full, asked)
        });
        let never = [time, size, ask, within, most, program];
        for (at, key, asked) in never.into_iter().flatten() {
            let asked = quoted(&asked);
            self.errors
                .push(PolicyError::NeverFromProject { at, key, asked });
        }
        for name in said
            .reveal
            .take()
            .map(|listed| listed.items)
            .unwrap_or_default()
        {
            let (at, asked) = (name.origin, quoted(&name.value));
            let key = keys::REVEAL.full;
            self.errors
                .push(PolicyError::NeverFromProject { at, key, asked });
        }
    }

    /// A project file nobody accepted: at most what is there.
    fn tighten(&mut self, said: Document) {
        let (out, errors) = (&mut self.effective, &mut self.errors);
        narrow(
            errors,
            &keys::MODE,
            &mut out.mode,
            said.mode,
            |a, b| b <= a,
            |m| quoted(m.name()),
        );
        narrow(
            errors,
            &keys::READ,
            &mut out.read,
            said.read,
            read_covers,
            read_text,
        );
        // More takes room from the person's other projects, less what could be undone: it says neither.
        let snapshot = &mut out.snapshot;
        narrow(
            errors,
            &keys::SNAPSHOT,
            snapshot,
            said.snapshot,
            |a, b| a == b,
            |s| quoted(s.written()),
        );
        let mode = &mut out.network.mode;
        narrow(
            errors,
            &keys::NETWORK_MODE,
            mode,
            said.network,
            |a, b| b <= a,
            |m| quoted(m.name()),
        );
        let (mode, said_mode) = (&mut out.caches.mode, said.cache_mode);
        let fits = |a: &CacheMode, b: &CacheMode| b.width() <= a.width();
        narrow(errors, &keys::CACHE_MODE, mode, said_mode, fits, |m| {
            quoted(m.name())
        });
        let fits = |a: &LinuxMode, b: &LinuxMode| b.width() <= a.width();
        let (mode, said_mode) = (&mut out.linux.mode, said.linux_mode);
        narrow(errors, &keys::LINUX_MODE, mode, said_mode, fits, |m| {
            quoted(m.name())
        });
        let nested = &mut out.linux.nested;
        narrow(
            errors,
            &keys::NESTED,
            nested,
            said.nested,
            |a, b| b <= a,
            |n| quoted(&n.to_string()),
        );

        let fits = |below: Option<&Sourced<Vec<String>>>, tools: &Sourced<Vec<String>>| {
            tools_cover(
                below.map(|tools| tools.value.as_slice()),
                Some(&tools.value),
            )
        };
        let tools = |tools: &Vec<String>| quoted(&tools.join(", "));
        narrow_some(
            errors,
            &keys::CACHE_TOOLS,
            &mut out.caches.tools,
            said.cache_tools,
            fits,
            tools,
        );
        let time = |time: &std::time::Duration| quoted(&quantity::show_duration(*time));
        let size = |size: &u64| quoted(&quantity::show_size(*size));
        let count = |count: &u32| quoted(&count.to_string());
        let limits = &mut out.limits;
        narrow_some(
            errors,
            &keys::TIME,
            &mut limits.time,
            said.time,
            at_most,
            time,
        );
        narrow_some(
            errors,
            &keys::MEMORY,
            &mut limits.memory,
            said.memory,
            at_most,
            size,
        );
        narrow_some(
            errors,
            &keys::PROCESSES,
            &mut limits.processes,
            said.processes,
            at_most,
            count,
        );
        narrow_some(
            errors,
            &keys::OUTPUT,
            &mut limits.output,
            said.output,
            at_most,
            size,
        );

        nothing_new(
            errors,
            &keys::WRITE,
            &out.write,
            said.write,
            path_covers,
            path_text,
        );
        let (pass, covers) = (&out.environment.pass, NamePattern::covers);
        nothing_new(errors, &keys::PASS, pass, said.pass, covers, |name| {
            quoted(name.as_str())
        });
        let allow = &out.network.allow;
        nothing_new(
            errors,
            &keys::ALLOW,
            allow,
            said.allow,
            host_covers,
            |host| quoted(host),
        );
        nothing_new(
            errors,
            &keys::ACCEPT,
            &out.accept,
            said.accept,
            String::eq,
            |n| quoted(n),
        );
        let sockets = &out.linux.sockets;
        nothing_new(
            errors,
            &keys::SOCKETS,
            sockets,
            said.sockets,
            path_covers,
            path_text,
        );

        add(&mut out.protect, said.protect);
        add(&mut out.hide, said.hide);
        add(&mut out.environment.drop, said.drop);
        for (at, key, asked) in said.rules.iter().filter_map(rule_grants) {
            errors.push(PolicyError::Untrusted {
                at,
                key,
                asked,
                below: None,
            });
        }
        stronger_rules(&mut out.rules, said.rules);
    }

    /// The administrator's bounds: nothing there may go beyond them.
    fn bound(&mut self, bound: Document, file: &FileText) {
        let (out, errors) = (&mut self.effective, &mut self.errors);
        let whole_file = || Origin {
            layer: Layer::Managed,
            file: Some(file.path.clone()),
            line: None,
            flag: None,
        };
        // Full access would go around every other bound, and `on` around a list of hosts.
        let mode = bound
            .mode
            .unwrap_or_else(|| Sourced::new(Mode::WorkspaceWrite, whole_file()));
        let hosts = bound.allow.as_ref().map(|listed| listed.origin.clone());
        let network = bound
            .network
            .or(hosts.map(|at| Sourced::new(NetworkMode::Allow, at)));
        lower(&mut out.mode, Some(mode), |bound, value| value <= bound);
        lower(&mut out.network.mode, network, |bound, value| {
            value <= bound
        });
        lower(&mut out.caches.mode, bound.cache_mode, |b, v| {
            v.width() <= b.width()
        });
        lower(&mut out.linux.mode, bound.linux_mode, |b, v| {
            v.width() <= b.width()
        });
        lower(&mut out.linux.nested, bound.nested, |bound, value| {
            value <= bound
        });
        if let Some(read) = bound.read
            && !read_covers(&read.value, &out.read.value)
        {
            out.read = Sourced::new(read_meet(&read.value, &out.read.value), read.origin);
        }
        // Neither more nor less is the narrower: what the administrator says holds.
        set(&mut out.snapshot, bound.snapshot);
        set(&mut out.approval.ask, bound.approval_ask);
        set(&mut out.approval.within, bound.approval_within);
        set(&mut out.approval.most, bound.approval_most);
        set(&mut out.approval.program, bound.approval_program);
        set(&mut out.ledger.keep, bound.ledger_keep);
        set(&mut out.ledger.size, bound.ledger_size);
        lower_some(&mut out.limits.time, bound.time);
        lower_some(&mut out.limits.memory, bound.memory);
        lower_some(&mut out.limits.processes, bound.processes);
        lower_some(&mut out.limits.output, bound.output);
        if let Some(tools) = bound.cache_tools {
            match &out.caches.tools {
                None => out.caches.tools = Some(tools),
                Some(said) => {
                    let beyond = |tool: &&String| !tools.value.contains(tool);
                    for tool in said.value.iter().filter(beyond) {
                        errors.push(PolicyError::BeyondManaged {
                            at: said.origin.clone(),
                            key: keys::CACHE_TOOLS.full,
                            asked: quoted(tool),
                            bound: Box::new(tools.origin.clone()),
                        });
                    }
                }
            }
        }
        out.bounds = Bounds {
            write: bound.write.as_ref().map(paths),
            sockets: bound.sockets.as_ref().map(paths),
        };
        within(
            errors,
            &keys::WRITE,
            &out.write,
            bound.write,
            path_covers,
            path_text,
        );
        within(
            errors,
            &keys::REVEAL,
            &out.reveal,
            bound.reveal,
            String::eq,
            |n| quoted(n),
        );
        within(
            errors,
            &keys::ALLOW,
            &out.network.allow,
            bound.allow,
            host_covers,
            |h| quoted(h),
        );
        let (pass, covers) = (&out.environment.pass, NamePattern::covers);
        within(errors, &keys::PASS, pass, bound.pass, covers, |name| {
            quoted(name.as_str())
        });
        within(
            errors,
            &keys::ACCEPT,
            &out.accept,
            bound.accept,
            String::eq,
            |name| quoted(name),
        );
        let sockets = &out.linux.sockets;
        within(
            errors,
            &keys::SOCKETS,
            sockets,
            bound.sockets,
            path_covers,
            path_text,
        );
        add(&mut out.protect, bound.protect);
        add(&mut out.hide, bound.hide);
        add(&mut out.environment.drop, bound.drop);
        for (at, key, asked) in bound.rules.iter().filter_map(rule_grants) {
            errors.push(PolicyError::ManagedGrants { at, key, asked });
        }
        stronger_rules(&mut out.rules, bound.rules);
    }
}
