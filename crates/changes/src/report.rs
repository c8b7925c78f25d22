//! Sums up, sorts, bounds.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::changes::{Changes, Counts, Entry, How, RootChanges, Summary};
use crate::detail::{Detail, RootDetails};
use crate::generated::Table;
use crate::index::{Index, Marked, RootAt};
use crate::log::Point;
use crate::net::{self, Raw};
use crate::reason::Reason;
use crate::tree::NodeId;
use crate::unseen::Why;

/// What is told with every report.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) table: Table,
    pub(crate) most: usize,
}

/// How things stood at the mark, and how they stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) point: Point,
    /// The first walk had ended at the mark.
    pub(crate) walked: bool,
    /// All was taken in, both times.
    pub(crate) settled: bool,
    /// Directories without a watch are told of: nobody walked them.
    pub(crate) unwatched_told: bool,
    /// The mark is one of this index.
    pub(crate) known: bool,
}

impl Standing {
    pub(crate) fn of(marked: &Marked, settled: bool) -> Standing {
        Standing {
            point: marked.point,
            walked: marked.walked,
            settled: marked.settled && settled,
            unwatched_told: true,
            known: true,
        }
    }
}

impl Report {
    pub(crate) fn make(&self, index: &Index, standing: Standing) -> Changes {
        self.make_with(index, standing, None)
    }

    /// The same, and each change with how its place stood.
    pub(crate) fn make_in_detail(
        &self,
        index: &Index,
        standing: Standing,
    ) -> (Changes, Vec<RootDetails>) {
        let mut details = Vec::new();
        let changes = self.make_with(index, standing, Some(&mut details));
        (changes, details)
    }

    fn make_with(
        &self,
        index: &Index,
        standing: Standing,
        mut details: Option<&mut Vec<RootDetails>>,
    ) -> Changes {
        let mut incomplete = reasons(index, standing);
        let known = standing.known.then_some(standing.point);
        let raw = known.and_then(|point| net::since(&index.tree, &index.log, point));
        if raw.is_none() {
            incomplete.push(Reason::Forgotten);
        }
        let mut of: HashMap<NodeId, Vec<Raw>> = HashMap::new();
        for raw in raw.into_iter().flatten() {
            of.entry(raw.root).or_default().push(raw);
        }
        let mut left = self.most;
        let mut unlisted = 0;
        let mut roots = Vec::with_capacity(index.roots.len());
        for root in &index.roots {
            let mut raw = match root.at {
                RootAt::Here { node, .. } => of.remove(&node).unwrap_or_default(),
                RootAt::Within | RootAt::Nowhere => Vec::new(),
            };
            // As paths are ordered: what is in a directory comes right after it.
            raw.sort_by(|a, b| ordered(&a.path).cmp(ordered(&b.path)));
            if let Some(details) = &mut details
                && !raw.is_empty()
            {
                details.push(RootDetails {
                    root: root.path.clone(),
                    details: raw.iter().map(Detail::of).collect(),
                });
            }
            let mut told = self.root(root.path.clone(), raw);
            unlisted += cut(&mut told.summaries, left);
            left = left.saturating_sub(told.summaries.len());
            unlisted += cut(&mut told.entries, left);
            left = left.saturating_sub(told.entries.len());
            roots.push(told);
        }
        Changes {
            roots,
            unlisted,
            incomplete,
        }
    }

    fn root(&self, root: PathBuf, raw: Vec<Raw>) -> RootChanges {
        let mut told = RootChanges {
            root,
            ..RootChanges::default()
        };
        let mut summaries: HashMap<Vec<u8>, Summary> = HashMap::new();
        for raw in raw {
            match self.summed(&raw) {
                Some(end) => {
                    let path = &raw.path[..end];
                    if !summaries.contains_key(path) {
                        let summary = Summary {
                            path: as_path(path.to_vec()),
                            counts: Counts::default(),
                            written: 0,
                            deleted: 0,
                        };
                        summaries.insert(path.to_vec(), summary);
                    }
                    if let Some(summary) = summaries.get_mut(path) {
                        sum(summary, &raw);
                    }
                }
                None => {
                    told.counts.count(&raw.how);
                    told.entries.push(entry(raw));
                }
            }
        }
        told.summaries = summaries.into_values().collect();
        told.summaries.sort_by(|a, b| a.path.cmp(&b.path));
        told
    }

    /// How long the path of the generated directory is that a change is summed up with.
    fn summed(&self, raw: &Raw) -> Option<usize> {
        let dir = raw.kind == crate::changes::Kind::Directory;
        let end = self.table.within(&raw.path, dir)?;
        // What came from elsewhere is missing there, and that is to be seen.
        let from_here = raw.from.as_ref().is_none_or(|from| {
            self.table.within(from, dir) == Some(end) && from[..end] == raw.path[..end]
        });
        from_here.then_some(end)
    }
}

/// Cuts a list to what may be listed. How many are cut off.
fn cut<T>(list: &mut Vec<T>, most: usize) -> u64 {
    let over = list.len().saturating_sub(most);
    list.truncate(most);
    over as u64
}

/// A path's bytes so that they order as its names do: no name has a NUL.
fn ordered(path: &[u8]) -> impl Iterator<Item = u8> {
    path.iter().map(|b| if *b == b'/' { 0 } else { *b })
}

pub(crate) fn as_path(path: Vec<u8>) -> PathBuf {
    OsString::from_vec(path).into()
}

fn sum(summary: &mut Summary, raw: &Raw) {
    summary.counts.count(&raw.how);
    match raw.how {
        How::Deleted => summary.deleted += raw.before().unwrap_or_default(),
        How::Mode { .. } | How::Touched => {}
        _ => summary.written += raw.after().unwrap_or_default(),
    }
}

fn entry(raw: Raw) -> Entry {
    let (before, after) = (raw.before(), raw.after());
    let how = match (raw.how, raw.from) {
        (How::Renamed { modified, .. }, Some(from)) => How::Renamed {
            from: as_path(from),
            modified,
        },
        (how, _) => how,
    };
    Entry {
        path: as_path(raw.path),
        kind: raw.kind,
        how,
        before,
        after,
    }
}

fn reasons(index: &Index, standing: Standing) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !standing.walked {
        let ended = index.is_walked();
        reasons.push(Reason::NotWalked { ended });
    }
    for root in index.roots.iter().filter(|root| root.gone) {
        let root = root.path.clone();
        reasons.push(Reason::RootGone { root });
    }
    let whole = |dir: NodeId, name: &[u8]| {
        let path = index.tree.path(dir).and_then(|(top, mut path)| {
            let at = |root: &&crate::index::Root| matches!(root.at, RootAt::Here { node, .. } if node == top);
            let root = index.roots.iter().find(at)?;
            if !name.is_empty() {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(name);
            }
            let below: &Path = &as_path(path);
            // Without a slash at the end where it is the root itself.
            Some(root.path.components().chain(below.components()).collect())
        });
        path.unwrap_or_default()
    };
    let unwatched = index.unseen.all(Why::Unwatched);
    if let Some(one) = unwatched.first()
        && standing.unwatched_told
    {
        reasons.push(Reason::Unwatched {
            directories: unwatched.len() as u64,
            one: whole(*one, b""),
        });
    }
    let unreadable = index.unseen.all(Why::Unreadable);
    if let Some(one) = unreadable.first() {
        reasons.push(Reason::Unreadable {
            directories: unreadable.len() as u64,
            one: whole(*one, b""),
        });
    }
    let mounts = index.unseen.mounts();
    if let Some((dir, name)) = mounts.first() {
        reasons.push(Reason::OtherMount {
            directories: mounts.len() as u64,
            one: whole(*dir, name),
        });
    }
    if !standing.settled {
        reasons.push(Reason::Unsettled);
    }
    reasons
}
