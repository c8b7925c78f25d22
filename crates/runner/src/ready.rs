//! A process that stands ready for the next command, so that the command need not wait for it.
//!
//! There is one while no command runs, and none before the first: a ring of one command has no use
//! for it. In a ring whose commands run side by side the first of them takes it, and the others are
//! started from nothing: a spare beside a command that ends would have to be told from what that
//! command left.

use std::sync::Arc;

use ringfence_sys_linux::spawn::{Restrictions, Spare, Spares};

/// The spare, and who makes it.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    spares: Option<Spares>,
    /// There is no thread to be had.
    cannot: bool,
    spare: Option<Spare>,
}

impl Ready {
    /// There is none, and there could be.
    pub(crate) fn lacks(&self) -> bool {
        self.spare.is_none() && !self.cannot
    }

    /// Has one made.
    pub(crate) fn stand(&mut self, restrictions: &Arc<Restrictions>) {
        if self.spares.is_none() {
            self.spares = Spares::new().ok();
            // Commands are started without.
            self.cannot = self.spares.is_none();
        }
        // One that was dismissed may take a moment to leave: later, then.
        self.spare = self
            .spares
            .as_mut()
            .and_then(|spares| spares.spare(restrictions.clone()));
    }

    /// There is a thread that may be about to make one.
    pub(crate) fn makes(&self) -> bool {
        self.spares.is_some()
    }

    /// The process id of the one there is.
    pub(crate) fn pid(&self) -> Option<i32> {
        self.spare.as_ref().and_then(Spare::pid)
    }

    /// The one there is.
    pub(crate) fn take(&mut self) -> Option<Spare> {
        self.spare.take()
    }

    /// The ring is about to be another: what stands ready was made for this one.
    pub(crate) fn dismiss(&mut self) {
        self.spare = None;
    }
}
