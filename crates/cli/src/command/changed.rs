//! Which files a command changed, in a line.

use std::collections::BTreeMap;

use ringfence::changed::{Changes, How};

/// So many files are named.
const NAMED: usize = 4;

/// How many of each kind, and the names of the first.
pub(super) fn line(changes: &Changes) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut names = Vec::new();
    let mut generated = Vec::new();
    for root in &changes.roots {
        let count = &root.counts;
        for (how, count) in [
            ("added", count.added),
            ("modified", count.modified),
            ("deleted", count.deleted),
            ("renamed", count.renamed),
            ("with other permissions", count.mode),
            ("of another kind", count.replaced),
            ("touched", count.touched),
        ] {
            if count > 0 {
                *counts.entry(how).or_default() += count;
            }
        }
        names.extend(root.entries.iter().map(|entry| {
            let sign = match entry.how {
                How::Added => '+',
                How::Deleted => '-',
                How::Renamed { .. } => '>',
                _ => '~',
            };
            format!("{sign}{}", entry.path.display())
        }));
        generated.extend(
            root.summaries
                .iter()
                .map(|summary| format!("{} in {}", summary.counts.all(), summary.path.display())),
        );
    }
    let total: u64 = counts.values().sum();
    let mut parts: Vec<String> = counts
        .iter()
        .map(|(how, count)| format!("{count} {how}"))
        .collect();
    parts.extend(generated);
    let mut line = if parts.is_empty() {
        "no file changed".to_owned()
    } else {
        format!("changed: {}", parts.join(", "))
    };
    if !names.is_empty() {
        names.truncate(NAMED);
        let more = total.saturating_sub(names.len() as u64);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        line.push_str(&format!(" ({}{more})", names.join(" ")));
    }
    if let Some(why) = changes.incomplete.first() {
        line.push_str(&format!("; not all was seen: {why}"));
    }
    line
}
