//! Whether somebody is the sandbox as which he is measured: commands run in it and write in the workspace,
//! nothing is written outside of it, nobody is reached over the network.

use super::ways::{Cold, Way};
use crate::bench::contender::Contender;
use crate::bench::place::Place;
use anyhow::{Result, ensure};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// Directories that all write in; a sandbox may have its own ones in their place.
const SHARED: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// Where that is tried: a workspace, a directory beside it, those that all share, and somebody who listens.
pub(super) struct Ground {
    inside: PathBuf,
    outside: PathBuf,
    shared: Vec<PathBuf>,
    listener: TcpListener,
}

/// What a way let a command do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reached {
    inside: bool,
    outside: bool,
    shared: bool,
    network: bool,
}

impl Ground {
    /// With the control that the bare command reaches all of it.
    pub(super) fn make(place: &Place, workspace: &Path) -> Result<Ground> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let name = format!("ringfence-bench-{}", std::process::id());
        let ground = Ground {
            shared: SHARED.map(|dir| Path::new(dir).join(&name)).to_vec(),
            inside: workspace.join("tried"),
            outside: place.dir("outside")?.join("tried"),
            listener,
        };
        let bare = ground.tried(&mut Cold(Contender::bare(workspace)));
        let all = Reached {
            inside: true,
            outside: true,
            shared: true,
            network: true,
        };
        ensure!(bare == all, "the control shows nothing: bare has {bare:?}");
        Ok(ground)
    }

    /// What is to be known of `way`, or why it cannot be measured as a sandbox.
    pub(super) fn judge(&self, way: &mut dyn Way) -> Result<Option<&'static str>, String> {
        way.once(&["/bin/true"])
            .map_err(|error| format!("did not run: {error:#}"))?;
        verdict(self.tried(way)).map_err(str::to_owned)
    }

    fn tried(&self, way: &mut dyn Way) -> Reached {
        let mut writes = |file: &Path| {
            let told = way.once(&["/bin/touch", &file.to_string_lossy()]).is_ok();
            (told, std::fs::remove_file(file).is_ok())
        };
        let (told_inside, seen_inside) = writes(&self.inside);
        let (told_outside, seen_outside) = writes(&self.outside);
        let seen_shared: Vec<bool> = self.shared.iter().map(|file| writes(file).1).collect();
        let port = self.listener.local_addr().map_or(0, |at| at.port());
        let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
        let told_network = way.once(&["/bin/bash", "-c", &connect]).is_ok();
        let seen_network = self.listener.accept().is_ok();
        Reached {
            // Allowed is what is seen from outside and told from inside; denied is what is neither.
            inside: told_inside && seen_inside,
            outside: told_outside || seen_outside,
            shared: seen_shared.contains(&true),
            network: told_network || seen_network,
        }
    }
}

fn verdict(reached: Reached) -> Result<Option<&'static str>, &'static str> {
    match reached {
        Reached { inside: false, .. } => Err("not measured: it does not write in the workspace"),
        Reached { outside: true, .. } => Err("not measured: it writes outside of the workspace"),
        Reached { network: true, .. } => Err("not measured: it reaches the network"),
        Reached { shared: true, .. } => Ok(Some("everybody's temporary files writable")),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reaches_too_much_or_too_little_is_not_measured() {
        let confined = Reached {
            inside: true,
            outside: false,
            shared: false,
            network: false,
        };
        assert_eq!(verdict(confined), Ok(None));
        let says = |reached, word: &str| {
            let why = verdict(reached).err().unwrap_or_default();
            assert!(why.contains(word), "{why}");
        };
        let mut other = confined;
        other.inside = false;
        says(other, "does not write");
        other = confined;
        other.outside = true;
        says(other, "outside");
        other = confined;
        other.network = true;
        says(other, "network");
        other = confined;
        other.shared = true;
        assert!(matches!(verdict(other), Ok(Some(_))));
    }
}
