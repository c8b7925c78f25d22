//! What is protected in a ring that stands: repositories that were found since it was planned.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;

use ringfence_ops::linux::Located;
use ringfence_plan::{Root, Site};
use ringfence_wire::Order;

use crate::site::index;
use crate::state::State;

/// What has been found, and protected.
#[derive(Debug, Default)]
pub(crate) struct Late {
    /// Repositories found while a command ran, and not known before.
    pub(crate) found: BTreeSet<PathBuf>,
    protected: BTreeSet<PathBuf>,
}

impl Late {
    /// What a walk has found is known from now on, to later rings as well.
    pub(crate) fn know(&mut self, walks: &[(Located, index::Walked)], state: Option<&State>) {
        for (root, walked) in walks {
            if let Some(state) = state {
                // An index that cannot be kept costs the next command a walk, no more.
                let _unkept = index::save(state, &root.path, walked);
            }
            let repositories = walked.found.iter().map(|below| root.path.join(below));
            self.found.extend(repositories);
        }
    }

    /// The orders by which what a walk has found is protected: repositories made before `before`.
    /// Later ones are a command's own work, perhaps not finished.
    pub(crate) fn orders(
        &mut self,
        walks: &[(Located, index::Walked)],
        state: Option<&State>,
        site: &Site,
        before: SystemTime,
    ) -> Vec<Order> {
        self.know(walks, state);
        let mut orders = Vec::new();
        for (root, walked) in walks {
            let Ok(Root { mut guarded, .. }) =
                crate::site::guard_new(root, &walked.found, site, before)
            else {
                continue;
            };
            // What an earlier look found is not mounted over once more.
            guarded.retain(|g| self.protected.insert(g.object.path.clone()));
            for guard in &mut guarded {
                guard
                    .pins
                    .retain(|pin| self.protected.insert(pin.path.clone()));
            }
            if guarded.is_empty() {
                continue;
            }
            // One order: the runner protects all of it before it pins what leads there.
            let (pins, objects): (Vec<_>, Vec<_>) =
                guarded.into_iter().map(|g| (g.pins, g.object)).unzip();
            orders.push(Order::Protect {
                pins: pins.concat(),
                objects,
            });
        }
        orders
    }
}
