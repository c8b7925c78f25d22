//! Every key of a policy file: what belongs there and how it is written.

use std::fmt;

use crate::names::nearest;

/// A key: where it stands and what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    /// The table, empty at the top.
    pub(crate) table: &'static str,
    /// The key itself.
    pub(crate) name: &'static str,
    /// Table and key, as errors and `show` name it.
    pub(crate) full: &'static str,
    /// What belongs there.
    pub(crate) expected: &'static str,
    /// How it is written.
    pub(crate) example: &'static str,
}

macro_rules! keys {
    ($($id:ident = $table:literal, $name:literal, $full:literal, $expected:literal, $example:literal;)+) => {
        $(pub(crate) const $id: Key =
            Key { table: $table, name: $name, full: $full, expected: $expected, example: $example };)+
        /// All of them.
        pub(crate) const ALL: &[Key] = &[$($id),+];
    };
}

keys! {
    MODE = "", "mode", "mode", "a string", "mode = \"workspace-write\"";
    WRITE = "filesystem", "write", "filesystem.write", "a list of strings", "write = [\"../shared\"]";
    PROTECT = "filesystem", "protect", "filesystem.protect", "a list of strings", "protect = [\"deploy/\"]";
    HIDE = "filesystem", "hide", "filesystem.hide", "a list of strings", "hide = [\"~/secrets\"]";
    REVEAL = "filesystem", "reveal", "filesystem.reveal", "a list of strings", "reveal = [\"hide.ssh\"]";
    READ = "filesystem", "read", "filesystem.read", "a string or a list of strings", "read = \"all\"";
    SNAPSHOT = "filesystem", "snapshot", "filesystem.snapshot", "true, false or \"auto\"", "snapshot = true";
    NETWORK_MODE = "network", "mode", "network.mode", "a string", "mode = \"off\"";
    ALLOW = "network", "allow", "network.allow", "a list of strings", "allow = [\"example.com:443\"]";
    CACHE_MODE = "caches", "mode", "caches.mode", "a string", "mode = \"private\"";
    CACHE_TOOLS = "caches", "tools", "caches.tools", "a list of strings", "tools = [\"cargo\", \"npm\"]";
    PASS = "environment", "pass", "environment.pass", "a list of strings", "pass = [\"RUST_LOG\"]";
    DROP = "environment", "drop", "environment.drop", "a list of strings", "drop = [\"*_INTERNAL\"]";
    TIME = "limits", "time", "limits.time", "a string", "time = \"10m\"";
    MEMORY = "limits", "memory", "limits.memory", "a string", "memory = \"4GiB\"";
    PROCESSES = "limits", "processes", "limits.processes", "a whole number", "processes = 512";
    OUTPUT = "limits", "output", "limits.output", "a string", "output = \"256MiB\"";
    ACCEPT = "enforcement", "accept", "enforcement.accept", "a list of strings", "accept = [\"protect.git\"]";
    APPROVAL_ASK = "approval", "ask", "approval.ask", "a string", "ask = \"on-request\"";
    APPROVAL_WITHIN = "approval", "within", "approval.within", "a string", "within = \"10m\"";
    APPROVAL_MOST = "approval", "most", "approval.most", "a whole number", "most = 20";
    APPROVAL_PROGRAM = "approval", "program", "approval.program", "a list of strings", "program = [\"/usr/local/bin/ask-me\"]";
    LEDGER_KEEP = "ledger", "keep", "ledger.keep", "a string", "keep = \"90d\"";
    LEDGER_SIZE = "ledger", "size", "ledger.size", "a string", "size = \"1GiB\"";
    LINUX_MODE = "linux", "mode", "linux.mode", "a string", "mode = \"auto\"";
    SOCKETS = "linux", "sockets", "linux.sockets", "a list of strings", "sockets = [\"/run/postgresql/.s.PGSQL.5432\"]";
    NESTED = "linux", "nested", "linux.nested", "true or false", "nested = true";
    RULE_PREFIX = "rule", "prefix", "rule.prefix", "a list of strings, or of lists of strings", "prefix = [\"git\", \"push\"]";
    RULE_DECISION = "rule", "decision", "rule.decision", "a string", "decision = \"ask\"";
    RULE_RING = "rule", "ring", "rule.ring", "a string", "ring = \"inside\"";
    RULE_WHY = "rule", "why", "rule.why", "a string", "why = \"publishes work\"";
    RULE_MATCH = "rule", "match", "rule.match", "a list of strings", "match = [\"git push origin main\"]";
    RULE_NOT_MATCH = "rule", "not_match", "rule.not_match", "a list of strings", "not_match = [\"git status\"]";
}

/// The tables, and the rules.
pub(crate) const TABLES: &[&str] = &[
    "filesystem",
    "network",
    "caches",
    "environment",
    "limits",
    "enforcement",
    "approval",
    "ledger",
    "linux",
    "rule",
];

/// How a table is written.
pub(crate) fn table_example(table: &str) -> &'static str {
    match table {
        "filesystem" => "[filesystem] on a line of its own, its keys below it",
        "network" => "[network] on a line of its own, its keys below it",
        "caches" => "[caches] on a line of its own, its keys below it",
        "environment" => "[environment] on a line of its own, its keys below it",
        "limits" => "[limits] on a line of its own, its keys below it",
        "enforcement" => "[enforcement] on a line of its own, its keys below it",
        "approval" => "[approval] on a line of its own, its keys below it",
        "ledger" => "[ledger] on a line of its own, its keys below it",
        "linux" => "[linux] on a line of its own, its keys below it",
        _ => "[[rule]] on a line of its own, its keys below it",
    }
}

/// `table.key`, or the key alone at the top, fit for one line.
pub(crate) fn dotted(table: &str, key: &str) -> String {
    let key = crate::names::quoted(key);
    let key = key.trim_matches('`');
    if table.is_empty() {
        key.to_owned()
    } else {
        format!("{table}.{key}")
    }
}

/// What an unknown key should probably have been.
pub(crate) struct Nearest<'a> {
    pub(crate) table: &'static str,
    pub(crate) key: &'a str,
}

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut here: Vec<&'static str> = ALL
            .iter()
            .filter(|key| key.table == self.table)
            .map(|key| key.name)
            .collect();
        if self.table.is_empty() {
            here.extend(TABLES);
        }
        if let Some(near) = nearest(self.key, &here) {
            return write!(f, "did you mean `{near}`?");
        }
        if let Some(other) = ALL
            .iter()
            .find(|key| key.name == self.key && key.table != self.table)
        {
            return match other.table {
                "" => write!(f, "`{}` stands at the top, before any table", other.name),
                table => write!(f, "`{}` stands in [{table}]", other.name),
            };
        }
        f.write_str("known here: ")?;
        f.write_str(&here.join(", "))
    }
}
