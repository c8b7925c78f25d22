//! Hidden paths, and secrets in the environment.

use super::place::{contains, hidden, path, reveal};
use crate::answer::Tried;
use crate::facts::Facts;
use crate::row::{Attempt, Group, Need, Row};
use ringfence_sys_linux::attempt::{errno, mounts, namespaces, namespaces::Namespaces};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

const fn row(
    name: &'static str,
    what: &'static str,
    attempt: Attempt,
    argument: &'static str,
) -> Row {
    Row::new(name, Group::Hide, "hide", what, attempt).with(argument)
}

const fn read_row(name: &'static str, argument: &'static str) -> Row {
    row(name, "read a secret", read, argument)
}

const fn variable(name: &'static str, argument: &'static str) -> Row {
    Row::new(
        name,
        Group::Environment,
        "environment",
        "read a secret variable",
        visible,
    )
    .with(argument)
}

const COMPANY: &[&str] = &["--hide", "{home}/company"];
const INNER: &[&str] = &["--hide", "{workspace}/private"];

pub(super) const ROWS: &[Row] = &[
    read_row("hide.ssh-key", "home:.ssh/id_ed25519"),
    read_row("hide.ssh-custom", "home:.ssh/work_key"),
    read_row("hide.gnupg", "home:.gnupg/private-keys-v1.d/key.key"),
    read_row("hide.aws", "home:.aws/credentials"),
    read_row("hide.azure", "home:.azure/msal_token_cache.json"),
    read_row("hide.gcloud", "home:.config/gcloud/credentials.db"),
    read_row("hide.kube", "home:.kube/config"),
    read_row("hide.docker", "home:.docker/config.json"),
    read_row("hide.netrc", "home:.netrc"),
    read_row("hide.git-credentials", "home:.git-credentials"),
    read_row("hide.gh", "home:.config/gh/hosts.yml"),
    read_row("hide.npmrc", "home:.npmrc"),
    read_row("hide.pypirc", "home:.pypirc"),
    read_row("hide.cargo", "home:.cargo/credentials.toml"),
    read_row("hide.terraform", "home:.terraform.d/credentials.tfrc.json"),
    read_row("hide.history", "home:.bash_history"),
    read_row("hide.codex", "home:.codex/auth.json"),
    read_row("hide.claude", "home:.claude/.credentials.json"),
    read_row(
        "hide.browser",
        "home:.mozilla/firefox/x.default/logins.json",
    ),
    read_row("hide.keyring", "home:.local/share/keyrings/login.keyring"),
    read_row("hide.pass", "home:.password-store/site.gpg"),
    row(
        "hide.list",
        "list the keys' directory",
        list,
        "home:.gnupg/private-keys-v1.d",
    ),
    row("hide.size", "learn a secret's size", size, "home:.netrc"),
    row(
        "hide.self-root",
        "read a secret by /proc/self/root",
        by_root,
        "home:.ssh/id_ed25519",
    ),
    row(
        "hide.link",
        "link a secret into the workspace and read it",
        link,
        "home:.netrc",
    ),
    row(
        "hide.symlink",
        "read a secret through a link in the workspace",
        soft,
        "home:.netrc",
    ),
    row(
        "hide.slash",
        "read a secret by doubled slashes and dots",
        read,
        "home:.//.ssh/../.ssh//id_ed25519",
    ),
    row(
        "hide.bind",
        "bind a secret's directory elsewhere and read it",
        bind,
        "home:.aws",
    )
    .needs(&[Need::Root]),
    row(
        "hide.nested-bind",
        "the same from a namespace of one's own",
        nested_bind,
        "home:.aws",
    ),
    row("hide.unmount", "take the mask off", unmask, "home:.aws").needs(&[Need::Root]),
    row(
        "hide.flag",
        "read below what --hide names",
        read,
        "home:company/plan.txt",
    )
    .flags(COMPANY),
    row(
        "hide.flag-list",
        "list what --hide names",
        list,
        "home:company",
    )
    .flags(COMPANY),
    row(
        "hide.flag-inside",
        "read what is hidden in the workspace",
        read,
        "ws:private/key.pem",
    )
    .flags(INNER),
    row(
        "hide.flag-away",
        "rename what is hidden in the workspace and read it",
        rename_read,
        "ws:private",
    )
    .flags(INNER),
    row(
        "hide.flag-link",
        "link what is hidden in the workspace and read it",
        link,
        "ws:private/key.pem",
    )
    .flags(INNER),
    read_row("hide.state", "home:.local/state/ringfence/ledger.db"),
    variable("env.github", "GITHUB_TOKEN"),
    variable("env.aws", "AWS_SECRET_ACCESS_KEY"),
    variable("env.npm", "NPM_TOKEN"),
    variable("env.anthropic", "ANTHROPIC_API_KEY"),
    variable("env.openai", "OPENAI_API_KEY"),
    variable("env.password", "DB_PASSWORD"),
    variable("env.shape", "BUILD_LABEL"),
    variable("env.shape-aws", "RELEASE_NOTE"),
    variable("env.ssh-agent", "SSH_AUTH_SOCK"),
    Row::new(
        "env.parent",
        Group::Environment,
        "environment",
        "read a secret in the parent's environment",
        parent,
    )
    .with("GITHUB_TOKEN")
    .at_parent(),
];

fn read(facts: &Facts, argument: &'static str) -> Tried {
    reveal(facts, &path(facts, argument))
}

fn list(facts: &Facts, argument: &'static str) -> Tried {
    match fs::read_dir(path(facts, argument)) {
        Ok(entries) => match entries.count() {
            0 => Tried::denied("it looks empty"),
            names => Tried::allowed(format!("{names} names were read")),
        },
        Err(error) => hidden(facts, &error),
    }
}

fn size(facts: &Facts, argument: &'static str) -> Tried {
    match fs::metadata(path(facts, argument)) {
        Ok(meta) if meta.is_file() && meta.len() > 0 => {
            Tried::allowed(format!("{} bytes", meta.len()))
        }
        Ok(_) => Tried::denied("what stands there says nothing of it"),
        Err(error) => hidden(facts, &error),
    }
}

fn by_root(facts: &Facts, argument: &'static str) -> Tried {
    let path = path(facts, argument);
    reveal(
        facts,
        &Path::new("/proc/self/root").join(path.strip_prefix("/").unwrap_or(&path)),
    )
}

fn link(facts: &Facts, argument: &'static str) -> Tried {
    let inside = facts.workspace.join("secret-link");
    match fs::hard_link(path(facts, argument), &inside) {
        Ok(()) => reveal(facts, &inside),
        Err(error) if error.raw_os_error() == Some(errno::EXDEV) => {
            Tried::failed(&error, &[errno::EXDEV])
        }
        Err(error) => hidden(facts, &error),
    }
}

fn soft(facts: &Facts, argument: &'static str) -> Tried {
    let inside = facts.workspace.join("secret-soft");
    match symlink(path(facts, argument), &inside) {
        Ok(()) => reveal(facts, &inside),
        Err(error) => Tried::could_not(format!("the link itself: {error}")),
    }
}

fn bind(facts: &Facts, argument: &'static str) -> Tried {
    super::mount::apart();
    let to = facts.outside.join("mnt");
    match mounts::bind(&path(facts, argument), &to) {
        Ok(()) => reveal(facts, &to.join("credentials")),
        Err(error) => Tried::failed(&error, &[errno::ENOSYS]),
    }
}

fn nested_bind(facts: &Facts, argument: &'static str) -> Tried {
    let stops = &[errno::ENOSYS, errno::ENOSPC];
    if let Err(error) = namespaces::unshare(Namespaces::USER.and(Namespaces::MOUNT)) {
        return Tried::failed(&error, stops);
    }
    let to = facts.outside.join("mnt");
    match mounts::bind(&path(facts, argument), &to) {
        Ok(()) => reveal(facts, &to.join("credentials")),
        Err(error) => Tried::failed(&error, stops),
    }
}

fn unmask(facts: &Facts, argument: &'static str) -> Tried {
    super::mount::apart();
    // Outside nothing is mounted there, which is said only after the check of privilege.
    Tried::gate(
        mounts::unmount(&path(facts, argument), true),
        &[errno::EINVAL],
        &[errno::ENOSYS],
    )
}

fn rename_read(facts: &Facts, argument: &'static str) -> Tried {
    let away = facts.workspace.join("public");
    match fs::rename(path(facts, argument), &away) {
        Ok(()) => reveal(facts, &away.join("key.pem")),
        Err(error) => Tried::failed(&error, &[errno::EBUSY, errno::EXDEV]),
    }
}

fn visible(_: &Facts, argument: &'static str) -> Tried {
    match std::env::var_os(argument) {
        Some(value) if !value.is_empty() => Tried::allowed(format!("{argument} is set")),
        _ => Tried::denied(format!("{argument} is not set")),
    }
}

fn parent(_: &Facts, argument: &'static str) -> Tried {
    let parent = std::os::unix::process::parent_id();
    if parent == 0 {
        return Tried::denied("the parent cannot be seen");
    }
    match fs::read(format!("/proc/{parent}/environ")) {
        Ok(bytes) if contains(&bytes, argument.as_bytes()) => {
            Tried::allowed(format!("{argument} is there"))
        }
        Ok(_) => Tried::denied(format!("{argument} is not there")),
        Err(error) => Tried::failed(&error, &[]),
    }
}
