//! A walk before, a walk after.

use std::path::Path;

use crate::changes::Changes;
use crate::detail::RootDetails;
use crate::generated::Table;
use crate::index::{Index, Marked};
use crate::options::Options;
use crate::report::{Report, Standing};

/// How the roots stood when it was taken.
///
/// Costs a walk when it is taken and one when it is asked: an entry takes a call to the kernel. Of [`Options`], those about
/// watches mean nothing here.
pub struct Snapshot {
    index: Index,
    report: Report,
    marked: Marked,
}

impl Snapshot {
    /// Walks the roots, and notes what is there. What cannot be read is told with the changes.
    pub fn take<P: AsRef<Path>>(roots: impl IntoIterator<Item = P>, options: Options) -> Snapshot {
        let options = Options {
            walk_unwatched: false,
            ..options
        };
        let mut index = Index::new(roots, &options, false);
        while index.step().is_some() {}
        let marked = index.mark();
        Snapshot {
            index,
            report: Report {
                table: Table::new(&options.generated),
                most: options.most,
            },
            marked,
        }
    }

    /// Walks once more, and tells what has become another since.
    #[must_use]
    pub fn changes(mut self) -> Changes {
        self.index.look_everywhere();
        let settled = self.index.catch_up_with_all();
        self.report
            .make(&self.index, Standing::of(&self.marked, settled))
    }

    /// The same, and each change with how its place stood.
    #[must_use]
    pub fn changes_in_detail(mut self) -> (Changes, Vec<RootDetails>) {
        self.index.look_everywhere();
        let settled = self.index.catch_up_with_all();
        let standing = Standing::of(&self.marked, settled);
        self.report.make_in_detail(&self.index, standing)
    }

    /// Entries that were there, directories among them.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.index.tree.entries()
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("entries", &self.entries())
            .finish_non_exhaustive()
    }
}
