//! The fence around an account that has no network: filters of the Windows Filtering Platform.
//!
//! One provider and one sublayer of ours, and for each fenced account a set of filters whose GUIDs
//! follow from its SID. All of it lasts over a restart. What stands there is read back and held
//! against what should: [`Fence::missing`]. What the filters decide is in [`evaluate`].
//!
//! Layers, their order for one connection and what is asked there: "ALE Layers" and "TCP Packet
//! Flows" (learn.microsoft.com/windows/win32/fwp); GUIDs from `fwpmu.h` of the Windows SDK.

pub mod evaluate;

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::{Account, Guid};

/// Our provider: by it an administrator sees whose the filters are.
pub const PROVIDER: Guid = Guid::new(0x237e5109_6cbb_40f0_a687_cc2c13cb641a);

/// Our sublayer.
pub const SUBLAYER: Guid = Guid::new(0x3d9b5598_c01b_4346_b3ad_379f8c1190d0);

/// The sublayer's weight: asked first, so that no other's permit that cannot be overruled stands
/// before our blocks ("Filter Arbitration": sublayers are asked from the highest weight down).
pub const SUBLAYER_WEIGHT: u16 = u16::MAX;

/// What weighs more is asked first. Both are below 2^60, where the engine makes weights of its own
/// ("Filter Weight Assignment").
pub const BLOCK_WEIGHT: u64 = 1 << 32;
/// See [`BLOCK_WEIGHT`].
pub const PERMIT_WEIGHT: u64 = 2 << 32;

/// So many ports may be open towards a proxy. They are fixed when the fence is made: another
/// port later would take an administrator again.
pub const MOST_PORTS: u16 = 64;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// All that is neither TCP nor UDP.
const OTHER_PROTOCOLS: [(u8, u8); 3] = [(0, TCP - 1), (TCP + 1, UDP - 1), (UDP + 1, u8::MAX)];

/// `FWP_CONDITION_FLAG_IS_RAW_ENDPOINT`.
pub const RAW_ENDPOINT: u32 = 0x10;

/// Where a filter is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// `FWPM_LAYER_ALE_AUTH_CONNECT_V4`: connecting, and the first packet to somebody.
    ConnectV4,
    /// `FWPM_LAYER_ALE_AUTH_CONNECT_V6`.
    ConnectV6,
    /// `FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4`: accepting, and the first packet from somebody.
    AcceptV4,
    /// `FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V6`.
    AcceptV6,
    /// `FWPM_LAYER_ALE_RESOURCE_ASSIGNMENT_V4`: taking a local port, also on the way to a
    /// connection, and opening a raw socket.
    ResourceV4,
    /// `FWPM_LAYER_ALE_RESOURCE_ASSIGNMENT_V6`.
    ResourceV6,
}

impl Layer {
    /// Its GUID.
    #[must_use]
    pub fn guid(self) -> Guid {
        Guid::new(match self {
            Layer::ConnectV4 => 0xc38d57d1_05a7_4c33_904f_7fbceee60e82,
            Layer::ConnectV6 => 0x4a72393b_319f_44bc_84c3_ba54dcb3b6b4,
            Layer::AcceptV4 => 0xe1cd9fe7_f4b5_4273_96c0_592e487b8650,
            Layer::AcceptV6 => 0xa3b42c97_9f04_4672_b87e_cee9c483257f,
            Layer::ResourceV4 => 0x1247d66d_0b60_4a15_8d44_7155d0f53a0c,
            Layer::ResourceV6 => 0x55a650e1_5f0a_4eca_a653_88f53b26aa8c,
        })
    }
}

/// What a filter does where all its conditions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// `FWP_ACTION_PERMIT`.
    Permit,
    /// `FWP_ACTION_BLOCK`.
    Block,
}

/// One condition. Those on different fields must all hold (`FWPM_FILTER0`); those on the same field are
/// alternatives on some versions of Windows and by common use, and no filter of ours has any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Condition {
    /// `FWPM_CONDITION_ALE_USER_ID` equals: the token is granted "match" by this descriptor.
    User(String),
    /// `FWPM_CONDITION_IP_PROTOCOL` in a range (IANA's numbers).
    Protocol(u8, u8),
    /// `FWPM_CONDITION_IP_REMOTE_ADDRESS` equals.
    RemoteAddress(IpAddr),
    /// `FWPM_CONDITION_IP_REMOTE_PORT` in a range.
    RemotePort(u16, u16),
    /// `FWPM_CONDITION_FLAGS`, all of these are set.
    Flags(u32),
}

impl Condition {
    /// The GUID of the field it looks at.
    #[must_use]
    pub fn field(&self) -> Guid {
        Guid::new(match self {
            Condition::User(_) => 0xaf043a0a_b34d_4f86_979c_c90371af6e66,
            Condition::Protocol(..) => 0x3971ef2b_623e_4f9a_8cb1_6e79b806b9a7,
            Condition::RemoteAddress(_) => 0xb235ae9a_1d64_49b8_a44c_5ff3d9095045,
            Condition::RemotePort(..) => 0xc35a604d_d22b_4e1a_91b4_68f674ee674b,
            Condition::Flags(_) => 0x632ce23b_5167_435c_86d7_e903684aa80c,
        })
    }
}

/// One filter, in our sublayer and of our provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Its GUID.
    pub key: Guid,
    /// What an administrator reads.
    pub name: String,
    /// Where it is asked.
    pub layer: Layer,
    /// Its rank in the sublayer, as it is given to the engine (`FWP_UINT64`).
    pub weight: u64,
    /// What it does.
    pub action: Action,
    /// When.
    pub conditions: Vec<Condition>,
    /// `FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT`: no sublayer below may decide otherwise. On blocks; a
    /// permit of ours leaves others free to block.
    pub last_word: bool,
    /// `FWPM_FILTER_FLAG_PERSISTENT`: it lasts over a restart.
    pub persistent: bool,
}

impl Filter {
    /// `FWPM_FILTER0`'s flags. The engine adds some of its own that say how it keeps the filter, so only
    /// these two bits are to be looked at when it is read back.
    #[must_use]
    pub fn flags(&self) -> u32 {
        const PERSISTENT: u32 = 1;
        const CLEAR_ACTION_RIGHT: u32 = 8;
        let mut flags = 0;
        if self.persistent {
            flags |= PERSISTENT;
        }
        if self.last_word {
            flags |= CLEAR_ACTION_RIGHT;
        }
        flags
    }
}

/// What the engine has of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A provider.
    Provider {
        /// Its GUID.
        key: Guid,
        /// It lasts over a restart.
        persistent: bool,
    },
    /// A sublayer.
    Sublayer {
        /// Its GUID.
        key: Guid,
        /// Its provider's.
        provider: Option<Guid>,
        /// Its rank among sublayers.
        weight: u16,
        /// It lasts over a restart.
        persistent: bool,
    },
    /// A filter in our sublayer.
    Filter(Filter),
}

/// Why there is no such fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FenceError {
    /// No ports, port 0, or more than [`MOST_PORTS`].
    Ports {
        /// The first.
        first: u16,
        /// The last.
        last: u16,
    },
}

impl fmt::Display for FenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FenceError::Ports { first, last } => write!(
                f,
                "{first} to {last} are not between 1 and {MOST_PORTS} ports for a proxy"
            ),
        }
    }
}

impl Error for FenceError {}

/// What should stand for one account: it reaches nothing but the proxy's ports on the loopback, and is
/// reached by nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    account: Account,
    filters: Vec<Filter>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Defect {
    /// It is not there.
    Absent {
        /// Its GUID.
        key: Guid,
        /// What it is.
        name: String,
    },
    /// It is there and says something else.
    Differs {
        /// Its GUID.
        key: Guid,
        /// What it is.
        name: String,
        /// In what.
        part: &'static str,
    },
    /// A permit in our sublayer that is not ours and may be for this account.
    Foreign {
        /// Its GUID.
        key: Guid,
        /// What it says it is.
        name: String,
    },
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::Absent { key, name } => write!(f, "{name} {key} is not there"),
            Defect::Differs { key, name, part } => {
                write!(f, "{name} {key} is there with another {part}")
            }
            Defect::Foreign { key, name } => {
                write!(f, "{name:?} {key} permits something and is none of ours")
            }
        }
    }
}

/// The filters of one address family.
struct Family {
    version: &'static str,
    connect: Layer,
    accept: Layer,
    resource: Layer,
    loopback: IpAddr,
    keys: Keys,
}

/// What the GUIDs of an account's filters are made from, one for each filter.
struct Keys {
    proxy: Guid,
    connect: Guid,
    accept: Guid,
    protocols: [Guid; 3],
    raw: Guid,
}

const FAMILIES: [Family; 2] = [
    Family {
        version: "v4",
        connect: Layer::ConnectV4,
        accept: Layer::AcceptV4,
        resource: Layer::ResourceV4,
        loopback: IpAddr::V4(Ipv4Addr::LOCALHOST),
        keys: Keys {
            proxy: Guid::new(0xa750bf80_9d40_4c84_8dfb_976020fa28a7),
            connect: Guid::new(0x0fe8dbb3_41f1_4c2e_9bcd_c39300147210),
            accept: Guid::new(0x378fc830_0e2d_435b_b0f5_730d73377f5e),
            protocols: [
                Guid::new(0xb86a51ea_98e2_4e96_8870_927e60689bce),
                Guid::new(0x894549a8_cde4_46cc_a994_50d17e4bf2c1),
                Guid::new(0xe33c6d0f_bc79_4bd1_8612_ed0269781b1f),
            ],
            raw: Guid::new(0x0c3c020e_f91c_40e4_94aa_a31fcd4f8fcb),
        },
    },
    Family {
        version: "v6",
        connect: Layer::ConnectV6,
        accept: Layer::AcceptV6,
        resource: Layer::ResourceV6,
        loopback: IpAddr::V6(Ipv6Addr::LOCALHOST),
        keys: Keys {
            proxy: Guid::new(0xefd139df_327f_4fac_9f15_0cf7653fb197),
            connect: Guid::new(0xe00a79d7_c128_49d3_af25_ac3cac17c139),
            accept: Guid::new(0xeb8f48c0_d002_4a30_8534_581ce69a0c81),
            protocols: [
                Guid::new(0x6c1b71b1_b3b7_4c96_bf66_dd6126f332d4),
                Guid::new(0x009bd86e_718e_4456_9d59_0ccf0f13adfa),
                Guid::new(0x7dc60f3c_4d1d_4ee3_8d05_90cc2f75fe6a),
            ],
            raw: Guid::new(0x3c7a9355_8416_4c3b_935e_efa79eb88f09),
        },
    },
];

impl Fence {
    /// The fence of an account that reaches a proxy at these ports of the loopback.
    ///
    /// Taking a local port is asked for on the way to every connection, so that layer is closed for raw
    /// sockets and for what is neither TCP nor UDP only: closed whole it would close the way to the
    /// proxy too.
    ///
    /// # Errors
    /// Too many ports, or none.
    pub fn offline(account: &Account, ports: RangeInclusive<u16>) -> Result<Fence, FenceError> {
        let (first, last) = (*ports.start(), *ports.end());
        if first == 0 || last < first || last - first >= MOST_PORTS {
            return Err(FenceError::Ports { first, last });
        }
        let mut filters = Vec::new();
        for family in &FAMILIES {
            let mut add = |key: Guid, what: &str, layer, action, more: &[Condition]| {
                let mut conditions = vec![Condition::User(account.sddl())];
                conditions.extend_from_slice(more);
                filters.push(Filter {
                    key: key.of(account.sid()),
                    name: format!("Ringfence: {what} {}", family.version),
                    layer,
                    weight: match action {
                        Action::Permit => PERMIT_WEIGHT,
                        Action::Block => BLOCK_WEIGHT,
                    },
                    action,
                    conditions,
                    last_word: action == Action::Block,
                    persistent: true,
                });
            };
            let keys = &family.keys;
            add(
                keys.proxy,
                "permit the proxy on the loopback",
                family.connect,
                Action::Permit,
                &[
                    Condition::Protocol(TCP, TCP),
                    Condition::RemoteAddress(family.loopback),
                    Condition::RemotePort(first, last),
                ],
            );
            let block = Action::Block;
            add(keys.connect, "block connecting", family.connect, block, &[]);
            add(keys.accept, "block accepting", family.accept, block, &[]);
            // A filter for each range: whether two conditions on one field are alternatives is said in
            // two ways, and if they had both to hold no protocol would be in two ranges.
            for (key, (from, to)) in keys.protocols.into_iter().zip(OTHER_PROTOCOLS) {
                let other = [Condition::Protocol(from, to)];
                let what = format!("block protocols {from} to {to},");
                add(key, &what, family.resource, block, &other);
            }
            add(
                keys.raw,
                "block raw sockets",
                family.resource,
                block,
                &[Condition::Flags(RAW_ENDPOINT)],
            );
        }
        Ok(Fence {
            account: account.clone(),
            filters,
        })
    }

    /// Whose it is.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Its filters.
    #[must_use]
    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// All that is to be written, in the order it is written in.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        let mut items = vec![
            Item::Provider {
                key: PROVIDER,
                persistent: true,
            },
            Item::Sublayer {
                key: SUBLAYER,
                provider: Some(PROVIDER),
                weight: SUBLAYER_WEIGHT,
                persistent: true,
            },
        ];
        items.extend(self.filters.iter().cloned().map(Item::Filter));
        items
    }

    /// What of the fence is not there as it should be. `found` is all that the engine has of our
    /// provider, our sublayer and in it, whoever wrote it; filters of other accounts may be among it.
    #[must_use]
    pub fn missing(&self, found: &[Item]) -> Vec<Defect> {
        let mut defects = Vec::new();
        for wanted in self.items() {
            let there = found.iter().find(|item| item.key() == wanted.key());
            let part = match there {
                None => {
                    defects.push(Defect::Absent {
                        key: wanted.key(),
                        name: wanted.name(),
                    });
                    continue;
                }
                Some(there) => wanted.difference(there),
            };
            if let Some(part) = part {
                defects.push(Defect::Differs {
                    key: wanted.key(),
                    name: wanted.name(),
                    part,
                });
            }
        }
        let ours = |key: Guid| self.filters.iter().any(|filter| filter.key == key);
        for item in found {
            let Item::Filter(filter) = item else { continue };
            let permits = filter.action == Action::Permit;
            if permits && !ours(filter.key) && !self.is_for_another(filter) {
                defects.push(Defect::Foreign {
                    key: filter.key,
                    name: filter.name.clone(),
                });
            }
        }
        defects
    }

    /// A filter whose only user is another account.
    fn is_for_another(&self, filter: &Filter) -> bool {
        let mut users = filter.conditions.iter().filter_map(|c| match c {
            Condition::User(sddl) => Some(Account::of_sddl(sddl)),
            _ => None,
        });
        match (users.next(), users.next()) {
            (Some(Some(account)), None) => account != self.account,
            _ => false,
        }
    }
}

impl Item {
    fn key(&self) -> Guid {
        match self {
            Item::Provider { key, .. } | Item::Sublayer { key, .. } => *key,
            Item::Filter(filter) => filter.key,
        }
    }

    fn name(&self) -> String {
        match self {
            Item::Provider { .. } => "Ringfence's provider".to_owned(),
            Item::Sublayer { .. } => "Ringfence's sublayer".to_owned(),
            Item::Filter(filter) => filter.name.clone(),
        }
    }

    /// In what the other differs. Names are for people, and not compared.
    fn difference(&self, there: &Item) -> Option<&'static str> {
        let first = |parts: &[(bool, &'static str)]| {
            parts.iter().find(|(same, _)| !same).map(|(_, part)| *part)
        };
        match (self, there) {
            (
                Item::Provider { persistent, .. },
                Item::Provider {
                    persistent: there, ..
                },
            ) => first(&[(persistent == there, "lifetime")]),
            (
                Item::Sublayer {
                    provider,
                    weight,
                    persistent,
                    ..
                },
                Item::Sublayer {
                    provider: their_provider,
                    weight: their_weight,
                    persistent: their_persistent,
                    ..
                },
            ) => first(&[
                (provider == their_provider, "provider"),
                (weight == their_weight, "weight"),
                (persistent == their_persistent, "lifetime"),
            ]),
            (Item::Filter(own), Item::Filter(there)) => first(&[
                (own.layer == there.layer, "layer"),
                (own.action == there.action, "action"),
                (own.weight == there.weight, "weight"),
                (same_set(&own.conditions, &there.conditions), "condition"),
                (own.last_word == there.last_word, "right to decide last"),
                (own.persistent == there.persistent, "lifetime"),
            ]),
            _ => Some("kind"),
        }
    }
}

/// The engine may give conditions back in another order.
fn same_set(one: &[Condition], other: &[Condition]) -> bool {
    one.len() == other.len()
        && one.iter().all(|c| other.contains(c))
        && other.iter().all(|c| one.contains(c))
}

#[cfg(test)]
mod tests;
