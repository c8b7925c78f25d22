//! What a person wrote: the model of a policy, its TOML, its layers and how they merge.
//!
//! This crate is pure: no filesystem, no environment, no clock, no process. Texts, the home
//! directory and the few variables a path may name come in as arguments of [`load`].
//!
//! # Layers
//! **managed** sets bounds that nothing below can widen; then **flags** over **grants** that a person gave over a *trusted*
//! **project** file over **user** over **built-in**. An *untrusted* project file can only tighten
//! what user and built-in layers say; the flags, the person's own words for one command, stand above
//! both kinds of project file. Nothing is ever dropped in silence: a line that tries what its layer may not do is
//! a [`PolicyError`] that names the file, the line and the remedy.
//!
//! | key | several layers | untrusted project | managed |
//! |---|---|---|---|
//! | `mode`, `network.mode`, `caches.mode`, `linux.mode`, `linux.nested` | the highest layer | at most what is below it | the narrower of both |
//! | `filesystem.snapshot` | the highest layer | only what is below it | what it says |
//! | `filesystem.read` | the highest layer | at most what is below it | what both allow |
//! | `limits.*` | the highest layer | at most what is below it | the smaller of both |
//! | `caches.tools` | the highest layer | a part of what is below it | a part of it; it is the list where no other is |
//! | `write`, `allow`, `pass`, `accept`, `sockets` | union | only what is already covered | only what it covers; it grants nothing itself |
//! | `reveal` | union | never, trusted or not | only what it names; it reveals nothing itself |
//! | `protect`, `hide`, `drop` | union | union | union |
//! | `[[rule]]` | union, strictest match wins | not `allow`, not `ring = "outside"` | not `allow`, not `ring = "outside"` |
//! | `ledger.*`, `approval.*` | the highest layer | never, trusted or not | what it says |
//!
//! Narrower means: `read-only` < `workspace-write` < `full-access`; `off` < `allow` < `on`;
//! `none` < `private` < `shared`; `namespaces` < `auto` < `landlock-only`; `minimal` < a list < `all`.
//! `full-access` is never taken from a project file, trusted or not. Where a managed file stands, `full-access`
//! holds only if it says so itself, since it would go around every other bound; and a managed
//! `network.allow` without `network.mode` bounds the mode by `allow`, since `on` would go around it.
#![forbid(unsafe_code)]

pub mod defaults;
mod document;
mod environment;
mod error;
mod host;
mod keys;
mod merge;
mod model;
mod names;
mod not_yet;
mod path;
mod plain;
mod quantity;
mod rule;
mod schema;
mod show;
mod sources;
mod starter;
mod width;

pub use document::read_rules;
pub use environment::{
    EnvVerdict, Environment, InvalidNamePattern, NamePattern, is_secret_flag, is_secret_setting,
    secrets_in,
};
pub use error::{PolicyError, Problem};
pub use merge::load;
pub use model::{
    Approval, Ask, Bounds, CacheMode, Caches, Effective, Hide, Layer, Ledger, Limits, Linux,
    LinuxMode, Mode, Network, NetworkMode, Origin, Protect, Read, Snapshot, Sourced,
};
pub use names::{UnknownName, one_line};
pub use not_yet::{NotYet, not_yet};
pub use plain::plain;
pub use quantity::{parse_duration, parse_size, show_duration, show_size};
pub use rule::{BadEscape, Decision, Piece, Placement, Rule, Word, pieces};
pub use schema::schema;
pub use show::{show, show_json};
pub use sources::{Context, FileText, Flags, Granted, Sources, Trust};
pub use starter::init_text;
pub use width::widens;
