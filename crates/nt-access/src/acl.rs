//! Access control lists (MS-DTYP 2.4.5).

use crate::ace::{Ace, Effect};

/// A list of ACEs. Their order decides: the first that speaks of a right has the word.
///
/// An empty one grants nothing. Having none at all (a "NULL DACL") grants everything to everybody: see
/// [`SecurityDescriptor::dacl`](crate::SecurityDescriptor::dacl).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Acl {
    /// 2, or 4 where types of objects are named. It is written as high as its ACEs need.
    pub revision: u8,
    /// The entries.
    pub aces: Vec<Ace>,
}

impl Default for Acl {
    fn default() -> Acl {
        Acl {
            revision: Acl::REVISION,
            aces: Vec::new(),
        }
    }
}

impl FromIterator<Ace> for Acl {
    fn from_iter<T: IntoIterator<Item = Ace>>(aces: T) -> Acl {
        Acl {
            aces: aces.into_iter().collect(),
            ..Acl::default()
        }
    }
}

impl Acl {
    /// `ACL_REVISION`
    pub const REVISION: u8 = 2;
    /// `ACL_REVISION_DS`
    pub const REVISION_DS: u8 = 4;

    /// Whether it stands in the order that Windows' own tools make and need: what was said here before what was inherited,
    /// and in each of these denials before grants. (Of what is inherited, each ancestor's is in this order; where one ends
    /// and the next begins is not written, so that part is not looked at.)
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        let rank = |ace: &Ace| match (ace.is_inherited(), ace.kind.effect()) {
            (true, _) => 2,
            (false, Some(Effect::Deny)) => 0,
            (false, _) => 1,
        };
        self.aces
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if rank(a) <= rank(b)))
    }

    /// Adds what is said of this object itself, and leaves all that is there, in its order: a denial comes first of all and
    /// so holds whatever follows; a grant comes after the denials that stand at the beginning, and so takes back none of
    /// these. Nothing is added twice.
    pub fn add(&mut self, ace: Ace) {
        if self.aces.contains(&ace) {
            return;
        }
        let at = match ace.kind.effect() {
            Some(Effect::Deny) => 0,
            _ => self
                .aces
                .iter()
                .position(|ace| ace.is_inherited() || ace.kind.effect() != Some(Effect::Deny))
                .unwrap_or(self.aces.len()),
        };
        self.aces.insert(at, ace);
    }
}
