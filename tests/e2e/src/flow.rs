//! A flow of real work: first as the control, then in the default ring.

use crate::command::Run;
use crate::leftovers::Before;
use crate::needs::{Who, needs};
use crate::person::Person;
use crate::workspace::Workspace;

/// One pass of a flow: the place, and whether its commands run in a ring.
#[derive(Debug)]
pub struct Site {
    /// The place of this pass.
    pub ws: Workspace,
    /// Whether [`Site::run`] means a ring.
    pub ringed: bool,
}

impl Site {
    /// The command that is tried: without a ring in the control, inside after that.
    pub fn run<S: Into<std::ffi::OsString>>(&self, argv: impl IntoIterator<Item = S>) -> Run {
        if self.ringed {
            self.ws.ring(argv)
        } else {
            self.ws.bare(argv)
        }
    }

    /// A shell script that is tried.
    pub fn sh(&self, script: &str) -> Run {
        self.run(["sh", "-ec", script])
    }

    /// What is prepared beforehand or looked at afterwards, never in a ring.
    pub fn outside(&self, script: &str) -> Run {
        self.ws.bare_sh(script)
    }

    /// Who works.
    pub fn person(&self) -> &Person {
        &self.ws.person
    }
}

/// Runs a flow as `who`: the control, then the ring, then a look for what is left.
pub fn drive(who: Who, name: &str, wanted: &[&str], flow: impl Fn(&Site)) {
    let Some(person) = needs(who, wanted) else {
        return;
    };
    let control = Site {
        ws: Workspace::new(&person, name),
        ringed: false,
    };
    flow(&control);
    drop(control);
    if std::env::var_os("RINGFENCE_E2E_CONTROL_ONLY").is_some() {
        return;
    }
    let before = Before::look();
    let site = Site {
        ws: Workspace::new(&person, name),
        ringed: true,
    };
    flow(&site);
    before.nothing_left(&site.ws);
}

/// Runs a test that has no control as `who`: what it proves is about the ring alone.
pub fn drive_once(who: Who, name: &str, wanted: &[&str], test: impl Fn(&Workspace)) {
    let Some(person) = needs(who, wanted) else {
        return;
    };
    let before = Before::look();
    let ws = Workspace::new(&person, name);
    test(&ws);
    before.nothing_left(&ws);
}

/// Declares flows: each is run as an ordinary user and as root.
#[macro_export]
macro_rules! flows {
    ($($(#[$about:meta])* $name:ident needs [$($need:expr),* $(,)?] |$site:ident| $body:block)*) => {$(
        $(#[$about])*
        mod $name {
            #[allow(unused_imports, reason = "the same for each flow")]
            use super::*;
            fn flow($site: &$crate::Site) $body
            #[test]
            fn as_user() {
                $crate::drive($crate::Who::User, stringify!($name), &[$($need),*], flow);
            }
            #[test]
            fn as_root() {
                $crate::drive($crate::Who::Root, stringify!($name), &[$($need),*], flow);
            }
        }
    )*};
}

/// Declares tests of the ring alone: each is run as an ordinary user and as root.
#[macro_export]
macro_rules! rings {
    ($($(#[$about:meta])* $name:ident needs [$($need:expr),* $(,)?] |$ws:ident| $body:block)*) => {$(
        $(#[$about])*
        mod $name {
            #[allow(unused_imports, reason = "the same for each test")]
            use super::*;
            fn test($ws: &$crate::Workspace) $body
            #[test]
            fn as_user() {
                $crate::drive_once($crate::Who::User, stringify!($name), &[$($need),*], test);
            }
            #[test]
            fn as_root() {
                $crate::drive_once($crate::Who::Root, stringify!($name), &[$($need),*], test);
            }
        }
    )*};
}
