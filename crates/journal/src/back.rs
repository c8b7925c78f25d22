//! What one object's descriptor is to be without our ACEs.

use ringfence_nt_access::{Ace, Control, SecurityDescriptor, Sid, generic, object};
use ringfence_plan::windows::cleanse;

/// All ACEs that were ever put below a root.
#[derive(Debug, Clone)]
pub(crate) struct Ours {
    /// The root's own SID, which nobody else has: what carries it has our ACEs.
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
        let is = |own: &Ace| (own.kind, own.mask, own.sid) == (ace.kind, ace.mask, ace.sid);
        self.aces.iter().any(is)
    }

    /// What an object was, or would be, without us. Of one that nothing was noted of: ACEs that others could have put there
    /// as well (`OWNER RIGHTS`, the user's own) are ours only where one of the root's own SID stands beside them.
    pub(crate) fn without(&self, now: &SecurityDescriptor) -> SecurityDescriptor {
        let mut all = now.dacl.iter().flat_map(|dacl| &dacl.aces);
        let marked = all.any(|ace| ace.sid == self.sid);
        let cleansed = marked.then(|| cleanse(now, &self.aces)).flatten();
        cleansed.unwrap_or_else(|| now.clone())
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
        let bare = |sd: &SecurityDescriptor| cleanse(sd, &self.aces).unwrap_or_else(|| sd.clone());
        let (is, was) = (bare(now), bare(before));
        let aces = |sd: &SecurityDescriptor| sd.dacl.as_ref().map(|dacl| dacl.aces.clone());
        if aces(&is) == aces(&was) && is.is_protected() == was.is_protected() {
            return SecurityDescriptor {
                control: Control(now.control.0 & !BITS.0 | before.control.0 & BITS.0),
                dacl: before.dacl.clone(),
                ..now.clone()
            };
        }
        let mut kept = now.clone();
        // Somebody's own that are the same as ours: as many as there were.
        let mut theirs: Vec<&Ace> = before.dacl.iter().flat_map(|dacl| &dacl.aces).collect();
        if let Some(dacl) = &mut kept.dacl {
            dacl.aces.retain(|ace| {
                let at = theirs.iter().position(|own| *own == ace);
                !self.has(ace) || at.map(|at| theirs.swap_remove(at)).is_some()
            });
        }
        kept
    }
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
