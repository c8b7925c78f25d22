//! What one object's descriptor is to be without our ACEs.

use ringfence_nt_access::{Ace, Control, Effect, SecurityDescriptor, Sid, generic, object};
use ringfence_plan::windows::is_of;

/// All ACEs that were ever put below a root.
#[derive(Debug, Clone)]
pub(crate) struct Ours {
    /// The root's own SID, which nobody else has: each ACE with it is ours, whatever it says. A command knows it, and can make
    /// a file with more for it than was planned.
    pub(crate) sid: Sid,
    pub(crate) aces: Vec<Ace>,
}

/// What of the control bits is a DACL's, and is kept.
const BITS: Control = Control::DACL_PROTECTED.with(Control::DACL_AUTO_INHERITED);

impl Ours {
    pub(crate) fn add(&mut self, aces: &[Ace]) {
        for ace in aces {
            if !self.aces.contains(ace) {
                self.aces.push(ace.clone());
            }
        }
    }

    fn has(&self, ace: &Ace) -> bool {
        ace.sid == self.sid || self.aces.iter().any(|own| is_of(ace, own))
    }

    fn bare(&self, sd: &SecurityDescriptor) -> SecurityDescriptor {
        retained(sd, |ace| !self.has(ace))
    }

    /// What an object was, or would be, without us. Of one that nothing was noted of: ACEs that others could have put there
    /// as well (`OWNER RIGHTS`, the user's own) are ours only where one of the root's own SID stands beside them.
    pub(crate) fn without(&self, now: &SecurityDescriptor) -> SecurityDescriptor {
        let mut all = now.dacl.iter().flat_map(|dacl| &dacl.aces);
        let marked = all.any(|ace| ace.sid == self.sid);
        if marked { self.bare(now) } else { now.clone() }
    }

    /// Whether two say the same with ACEs of ours, wherever in their lists and whoever inherits them.
    pub(crate) fn are_as(&self, a: &SecurityDescriptor, b: &SecurityDescriptor) -> bool {
        let aces = |sd: &SecurityDescriptor| -> Vec<Ace> {
            let all = sd.dacl.iter().flat_map(|dacl| &dacl.aces);
            all.filter(|ace| self.has(ace)).cloned().collect()
        };
        let (a, b) = (aces(a), aces(b));
        let within = |a: &[Ace], b: &[Ace]| a.iter().all(|ace| b.iter().any(|own| is_of(ace, own)));
        within(&a, &b) && within(&b, &a)
    }

    /// What an object is without what is the root's own SID's and none of the plan's.
    pub(crate) fn of_plan(&self, now: &SecurityDescriptor, plan: &[Ace]) -> SecurityDescriptor {
        let is_planned = |ace: &Ace| plan.iter().any(|own| is_of(ace, own));
        retained(now, |ace| ace.sid != self.sid || is_planned(ace))
    }

    /// What a file with other names keeps: of ours what the plan puts as well, and each denial, since by another name it may be
    /// protected.
    pub(crate) fn linked(
        &self,
        now: &SecurityDescriptor,
        before: Option<&SecurityDescriptor>,
        plan: &[Ace],
    ) -> SecurityDescriptor {
        let is_planned = |ace: &Ace| plan.iter().any(|own| is_of(ace, own));
        let denies = |ace: &Ace| ace.kind.effect() == Some(Effect::Deny);
        // Of what is not the SID's it is known by the note alone, or by what stands beside it, whether it is ours.
        let bare = self.taken_back(now, before);
        let mut theirs: Vec<&Ace> = bare.dacl.iter().flat_map(|dacl| &dacl.aces).collect();
        retained(now, |ace| {
            let at = theirs.iter().position(|own| *own == ace);
            let is_theirs = at.map(|at| theirs.swap_remove(at)).is_some();
            is_theirs || denies(ace) || is_planned(ace)
        })
    }

    /// What an object is to be, now that it is this, and was that before the first of ours was put on it.
    ///
    /// Where nobody but us changed it, what it was. Where somebody did, that stays, without what is ours.
    pub(crate) fn taken_back(
        &self,
        now: &SecurityDescriptor,
        before: Option<&SecurityDescriptor>,
    ) -> SecurityDescriptor {
        let Some(before) = before else {
            return self.without(now);
        };
        let (is, was) = (self.bare(now), self.bare(before));
        let aces = |sd: &SecurityDescriptor| sd.dacl.as_ref().map(|dacl| dacl.aces.clone());
        if aces(&is) == aces(&was) && is.is_protected() == was.is_protected() {
            return SecurityDescriptor {
                control: Control(now.control.0 & !BITS.0 | before.control.0 & BITS.0),
                dacl: before.dacl.clone(),
                ..now.clone()
            };
        }
        // Somebody's own that are the same as ours: as many as there were.
        let mut theirs: Vec<&Ace> = before.dacl.iter().flat_map(|dacl| &dacl.aces).collect();
        retained(now, |ace| {
            let at = theirs.iter().position(|own| *own == ace);
            !self.has(ace) || at.map(|at| theirs.swap_remove(at)).is_some()
        })
    }
}

fn retained(sd: &SecurityDescriptor, keep: impl FnMut(&Ace) -> bool) -> SecurityDescriptor {
    let mut kept = sd.clone();
    if let Some(dacl) = &mut kept.dacl {
        dacl.aces.retain(keep);
    }
    kept
}

/// Whether two say the same of who may do what.
pub(crate) fn same(a: &SecurityDescriptor, b: &SecurityDescriptor) -> bool {
    a.dacl == b.dacl && a.control.0 & BITS.0 == b.control.0 & BITS.0
}

/// Whether what was read back is what was written. Generic rights are mapped when a descriptor is stored.
pub(crate) fn is_kept(written: &SecurityDescriptor, read: &SecurityDescriptor) -> bool {
    let mapped = |sd: &SecurityDescriptor| -> Option<Vec<Ace>> {
        let map = |ace: &Ace| {
            let mut ace = ace.clone();
            if ace.is_effective() && ace.kind.effect().is_some() && ace.mask.meets(generic::ANY) {
                ace.mask = object::FILE.map(ace.mask);
            }
            ace
        };
        sd.dacl
            .as_ref()
            .map(|dacl| dacl.aces.iter().map(map).collect())
    };
    let protected = |sd: &SecurityDescriptor| sd.is_protected();
    mapped(written) == mapped(read) && protected(written) == protected(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sd(text: &str) -> SecurityDescriptor {
        SecurityDescriptor::from_sddl(text).unwrap()
    }

    fn ours() -> Ours {
        Ours {
            sid: "S-1-5-21-1-2-3-4".parse().unwrap(),
            aces: sd("D:(A;;FR;;;S-1-5-21-1-2-3-4)(A;;RC;;;OW)")
                .dacl
                .unwrap()
                .aces,
        }
    }

    #[test]
    fn what_others_could_have_put_is_ours_only_beside_our_own_sid() {
        let theirs = sd("D:(A;;FA;;;SY)(A;;RC;;;OW)");
        assert_eq!(ours().taken_back(&theirs, None), theirs);
        let marked = sd("D:AI(A;ID;FR;;;S-1-5-21-1-2-3-4)(A;;FA;;;SY)(A;ID;RC;;;OW)");
        assert_eq!(ours().taken_back(&marked, None), sd("D:AI(A;;FA;;;SY)"));
    }

    #[test]
    fn what_somebody_changed_stays_and_what_they_had_of_the_same_too() {
        let before = sd("D:(A;;FA;;;SY)(A;;RC;;;OW)");
        let both = "(A;;RC;;;OW)(A;;RC;;;OW)(A;;FR;;;S-1-5-21-1-2-3-4)";
        let now = sd(&format!("D:P(A;;FA;;;SY){both}"));
        let kept = sd("D:P(A;;FA;;;SY)(A;;RC;;;OW)");
        assert_eq!(ours().taken_back(&now, Some(&before)), kept);
        let now = sd(&format!("D:(A;;FA;;;SY){both}"));
        assert_eq!(ours().taken_back(&now, Some(&before)), before);
    }

    #[test]
    fn what_was_stored_is_seen_whatever_was_mapped() {
        let written = sd("D:(A;;GR;;;SY)(A;OICIIO;GR;;;SY)");
        assert!(is_kept(&written, &sd("D:AI(A;;FR;;;SY)(A;OICIIO;GR;;;SY)")));
        assert!(!is_kept(&written, &sd("D:(A;;FR;;;SY)(A;OICIIO;FR;;;SY)")));
        assert!(!is_kept(&written, &sd("D:P(A;;FR;;;SY)(A;OICIIO;GR;;;SY)")));
        assert!(!is_kept(&written, &sd("D:(A;;FR;;;SY)")));
    }
}
