//! What filters of one sublayer decide: the engine's rules, as a model.
//!
//! Source: "Filter Arbitration", "ALE Layers", "TCP Packet Flows", `FWPM_FILTER0`
//! (learn.microsoft.com/windows/win32/fwp). What no filter decides is left to the sublayers below,
//! the Windows Firewall's among them; here that counts as let through, which is the worst case.

use std::net::IpAddr;

use super::{Action, Condition, Filter, Layer, RAW_ENDPOINT};
use crate::windows::Account;

/// Who opens the socket: the SIDs of the token.
#[derive(Debug, Clone, Default)]
pub struct Token {
    /// User and enabled groups.
    pub sids: Vec<String>,
    /// The restricting SIDs, where the token has such a list: then a descriptor must grant one
    /// of these too. Whether that is so for a write-restricted token is documented nowhere;
    /// taken as yes, it asks that the account itself is in the list.
    pub restricting: Option<Vec<String>>,
}

/// One attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Which way.
    pub direction: Direction,
    /// The other end.
    pub remote: IpAddr,
    /// Its port; 0 for protocols without ports.
    pub port: u16,
    /// IANA's number.
    pub protocol: u8,
    /// By a raw socket.
    pub raw: bool,
}

/// Which way a connection, or the first packet of a kind, goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the token's process.
    Out,
    /// To the token's process.
    In,
}

impl Flow {
    /// The layers that are asked, in order. A local port is taken in both directions, when it is
    /// not asked for also. A v4 address in v6's form is asked for at v4's layers.
    #[must_use]
    pub fn layers(&self) -> [Layer; 2] {
        match (self.remote.to_canonical(), self.direction) {
            (IpAddr::V4(_), Direction::Out) => [Layer::ResourceV4, Layer::ConnectV4],
            (IpAddr::V4(_), Direction::In) => [Layer::ResourceV4, Layer::AcceptV4],
            (IpAddr::V6(_), Direction::Out) => [Layer::ResourceV6, Layer::ConnectV6],
            (IpAddr::V6(_), Direction::In) => [Layer::ResourceV6, Layer::AcceptV6],
        }
    }

    fn meets(&self, condition: &Condition, layer: Layer, token: &Token) -> bool {
        // Taking a local port knows of no other end.
        let has_remote = !matches!(layer, Layer::ResourceV4 | Layer::ResourceV6);
        match condition {
            Condition::User(sddl) => token.matches(sddl),
            Condition::Protocol(from, to) => (*from..=*to).contains(&self.protocol),
            Condition::RemoteAddress(address) => {
                has_remote && *address == self.remote.to_canonical()
            }
            Condition::RemotePort(from, to) => has_remote && (*from..=*to).contains(&self.port),
            Condition::Flags(flags) => {
                let set = if self.raw { RAW_ENDPOINT } else { 0 };
                set & flags == *flags
            }
        }
    }
}

impl Token {
    /// Whether the descriptor of a user condition grants "match".
    fn matches(&self, sddl: &str) -> bool {
        let Some(account) = Account::of_sddl(sddl) else {
            return false;
        };
        let holds = |sids: &[String]| sids.iter().any(|sid| sid == account.sid());
        holds(&self.sids) && self.restricting.as_deref().is_none_or(holds)
    }
}

/// What the sublayer decides at one layer; None where no filter matches. The heaviest filter that matches
/// decides. Where the documentation leaves a choice the worst case is taken: among filters of one weight a permit
/// goes first, and two conditions on one field are alternatives for a permit and must both hold for a block.
#[must_use]
pub fn decide(filters: &[Filter], layer: Layer, flow: &Flow, token: &Token) -> Option<Action> {
    let holds = |filter: &Filter, condition: &Condition| {
        let field = condition.field();
        let others = filter.conditions.iter();
        let mut alike = others.filter(|c| c.field() == field);
        match filter.action {
            Action::Permit => alike.any(|c| flow.meets(c, layer, token)),
            Action::Block => flow.meets(condition, layer, token),
        }
    };
    let matching = filters.iter().filter(|filter| {
        filter.layer == layer && filter.conditions.iter().all(|c| holds(filter, c))
    });
    matching
        .max_by_key(|filter| (filter.weight, filter.action == Action::Permit))
        .map(|filter| filter.action)
}

/// Whether the attempt comes through: no layer that is asked blocks it.
#[must_use]
pub fn comes_through(filters: &[Filter], flow: &Flow, token: &Token) -> bool {
    let blocked = |layer| decide(filters, layer, flow, token) == Some(Action::Block);
    !flow.layers().into_iter().any(blocked)
}
