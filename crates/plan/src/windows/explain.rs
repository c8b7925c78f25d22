//! A plan for people, as `run --explain` prints it.

use std::fmt;

use ringfence_nt_access::{Ace, Acl, Control, SecurityDescriptor, Sid};

use super::ring::{Mode, Plan};

/// ACEs in SDDL.
fn words(aces: &[Ace]) -> String {
    let sd = SecurityDescriptor {
        control: Control::DACL_PRESENT,
        dacl: Some(aces.iter().cloned().collect::<Acl>()),
        ..SecurityDescriptor::default()
    };
    // Those of a plan have words.
    sd.to_sddl()
        .map_or_else(|error| error.to_string(), |text| text.replacen("D:", "", 1))
}

fn list(sids: &[Sid]) -> String {
    let sids: Vec<String> = sids.iter().map(Sid::to_string).collect();
    sids.join(" ")
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.mode {
            Mode::Unelevated => {
                writeln!(f, "ring: unelevated, as you, with a write-restricted token")?
            }
            Mode::Elevated { principal, group } => {
                writeln!(f, "ring: elevated, as {principal} of {group}")?;
            }
        }
        writeln!(f, "   token   restricted to {}", list(&self.token.restrict))?;
        writeln!(f, "   default {}", words(&self.default_dacl.aces))?;
        write!(f, "   job     at most {} processes", self.job.processes)?;
        if let Some(memory) = self.job.memory {
            write!(f, ", {memory} bytes")?;
        }
        writeln!(f, "; ends with the ring")?;
        for root in &self.roots {
            writeln!(f, "   grant   {} {}", root.path, words(&root.own))?;
            for guard in &root.guards {
                let (path, promise) = (&guard.path, guard.promise);
                writeln!(f, "   guard   {path} {} [{promise}]", words(&guard.aces))?;
            }
            for name in &root.missing {
                writeln!(f, "   sweep   {name}")?;
            }
        }
        for why in &self.refused {
            writeln!(f, "left out: {why}")?;
        }
        for short in &self.shortfalls {
            write!(f, "less than whole: {}: {}", short.promise, short.what)?;
            if short.accepted {
                f.write_str(" (accepted)")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
