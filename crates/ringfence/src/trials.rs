//! The smallest grant that would let something pass: what the planner would have with it, tried before anybody is asked.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ringfence_plan::Access;

use crate::layers;
use crate::prepare::{Preview, Request, preview};
use crate::ring::Grant;
use crate::why::{Answer, Place, explain};

/// So many grants are tried on the planner: each is a plan of its own.
const MOST: usize = 8;

/// Grants that are tried for one command; the same is tried once.
#[derive(Debug)]
pub struct Trials<'a> {
    request: &'a Request,
    /// What the planner would have with each; nothing where it would not.
    tried: HashMap<Trial, Option<Box<Preview>>>,
}

/// A grant that is tried.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Trial {
    Write(PathBuf),
    Reveal(String),
}

impl<'a> Trials<'a> {
    /// Of this command.
    #[must_use]
    pub fn of(request: &'a Request) -> Trials<'a> {
        Trials {
            request,
            tried: HashMap::new(),
        }
    }

    /// The smallest that would have to be writable for this to be: what is there, or the directory in which it would be.
    /// None where the planner would not have it: what is protected in a write root, or too wide for one. Nor what Ringfence
    /// itself is made of.
    pub fn writing(&mut self, at: &Place) -> Option<Grant> {
        let path = &at.path;
        let smallest: PathBuf = if path.exists() {
            path.clone()
        } else {
            path.parent()?.to_owned()
        };
        let own = std::env::current_exe().ok();
        let own = own.as_deref().and_then(Path::parent);
        let in_own = |own: PathBuf| smallest.starts_with(own.canonicalize().unwrap_or(own));
        if own.is_some_and(|own| own.starts_with(&smallest))
            || layers::own_places().into_iter().any(in_own)
        {
            return None;
        }
        let trial = Trial::Write(smallest.clone());
        self.would(trial, at, Answer::may_write)
            .then_some(Grant::Write(smallest))
    }

    /// What would have to be revealed for this to be seen. None of what a policy hides, or is never revealed.
    pub fn revealing(&mut self, at: &Place, answer: &Answer) -> Option<Grant> {
        let name = answer.reveal.clone()?;
        let trial = Trial::Reveal(name.clone());
        self.would(trial, at, |answer| answer.access != Access::Hidden)
            .then_some(Grant::Reveal(name))
    }

    /// Whether a path would be that much open with a grant, as the planner says.
    fn would(&mut self, trial: Trial, at: &Place, open: impl Fn(&Answer) -> bool) -> bool {
        if !self.tried.contains_key(&trial) {
            if self.tried.len() >= MOST {
                return false;
            }
            let mut wider = self.request.clone();
            match &trial {
                Trial::Write(root) => wider.flags.write.push(root.clone()),
                Trial::Reveal(name) => wider.flags.reveal.push(name.clone()),
            }
            let seen = preview(wider).ok().map(Box::new);
            self.tried.insert(trial.clone(), seen);
        }
        let Some(Some(seen)) = self.tried.get(&trial) else {
            return false;
        };
        let home = layers::home();
        open(&explain(&seen.ground(home.as_deref()), at))
    }
}
