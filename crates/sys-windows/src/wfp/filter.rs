//! One filter.

use std::ffi::OsStr;

use windows_sys::Win32::Foundation::{FWP_E_FILTER_NOT_FOUND, HANDLE};
use windows_sys::Win32::NetworkManagement::WindowsFilteringPlatform as win;
use windows_sys::core::GUID;

use crate::descriptor::SecurityDescriptor;
use crate::error::{Refusal, SysError};
use crate::wfp::{Engine, Guid, Memory, display, flag, malformed, succeeded, unless};
use crate::wide;

/// Where a filter is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// When a connection is to be made, or a first packet sent, over IP version 4.
    ConnectV4,
    /// As well, version 6.
    ConnectV6,
    /// When a connection comes in, or a first packet, over version 4.
    AcceptV4,
    /// As well, version 6.
    AcceptV6,
    /// When a port is taken, or a raw socket made, over version 4.
    ResourceV4,
    /// As well, version 6.
    ResourceV6,
}

impl Layer {
    /// All of them.
    pub const ALL: [Layer; 6] = [
        Layer::ConnectV4,
        Layer::ConnectV6,
        Layer::AcceptV4,
        Layer::AcceptV6,
        Layer::ResourceV4,
        Layer::ResourceV6,
    ];

    fn raw(self) -> GUID {
        match self {
            Layer::ConnectV4 => win::FWPM_LAYER_ALE_AUTH_CONNECT_V4,
            Layer::ConnectV6 => win::FWPM_LAYER_ALE_AUTH_CONNECT_V6,
            Layer::AcceptV4 => win::FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4,
            Layer::AcceptV6 => win::FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V6,
            Layer::ResourceV4 => win::FWPM_LAYER_ALE_RESOURCE_ASSIGNMENT_V4,
            Layer::ResourceV6 => win::FWPM_LAYER_ALE_RESOURCE_ASSIGNMENT_V6,
        }
    }
}

/// What a filter does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Refuses.
    Block,
    /// Lets through, unless a filter of another sublayer refuses.
    Permit,
}

/// When a filter is meant. Of several on one field one must hold, of several fields all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The one who connects is granted `FWP_ACTRL_MATCH_FILTER` (0x1) by this descriptor.
    User(SecurityDescriptor),
    /// The other end is this machine.
    Loopback,
    /// The other end's port is one of these, first and last included.
    RemotePorts(u16, u16),
    /// The protocol (1 ICMP, 6 TCP, 17 UDP, 58 ICMP of version 6).
    Protocol(u8),
}

/// A filter to be added.
#[derive(Debug, Clone, Copy)]
pub struct Filter<'a> {
    /// By which it is found.
    pub key: Guid,
    /// Whose it is.
    pub provider: Guid,
    /// With which it is judged.
    pub sublayer: Guid,
    /// Where it is asked.
    pub layer: Layer,
    /// 0 to 15: in a sublayer, the first that is meant decides, those of more weight first.
    pub weight: u8,
    /// What it does.
    pub action: Action,
    /// When.
    pub conditions: &'a [Condition],
    /// What administrators read.
    pub name: &'a OsStr,
    /// It stays when the machine is started again.
    pub persistent: bool,
}

/// A filter as the engine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// By which it is found.
    pub key: Guid,
    /// Whose it is.
    pub provider: Option<Guid>,
    /// With which it is judged.
    pub sublayer: Guid,
    /// Where it is asked; `None` at a layer that is not one of [`Layer`].
    pub layer: Option<Layer>,
    /// What it does; `None` when another thing.
    pub action: Option<Action>,
    /// How many conditions it has.
    pub conditions: usize,
    /// The descriptor of a condition on the user.
    pub user: Option<SecurityDescriptor>,
    /// It stays when the machine is started again.
    pub persistent: bool,
}

impl Engine {
    /// Adds a filter (`FwpmFilterAdd0`).
    ///
    /// Its success is not proof: ask [`Engine::filter`].
    ///
    /// # Errors
    /// `FWP_E_ALREADY_EXISTS`; `FWP_E_PROVIDER_NOT_FOUND`, `FWP_E_SUBLAYER_NOT_FOUND`;
    /// `FWP_E_CONDITION_NOT_FOUND`: the layer has no such field; `ERROR_ACCESS_DENIED`.
    pub fn add_filter(&self, filter: &Filter<'_>) -> Result<(), SysError> {
        const CALL: &str = "FwpmFilterAdd0";
        let mut name = wide::terminated(CALL, filter.name)?;
        let mut provider = filter.provider.raw();
        let mut values = Values::of(filter.conditions);
        let mut conditions = values.conditions(filter.conditions);
        let count = u32::try_from(conditions.len());
        let value = win::FWPM_FILTER0 {
            filterKey: filter.key.raw(),
            displayData: display(&mut name),
            flags: flag(filter.persistent, win::FWPM_FILTER_FLAG_PERSISTENT),
            providerKey: &raw mut provider,
            layerKey: filter.layer.raw(),
            subLayerKey: filter.sublayer.raw(),
            weight: win::FWP_VALUE0 {
                r#type: win::FWP_UINT8,
                Anonymous: win::FWP_VALUE0_0 {
                    uint8: filter.weight.min(15),
                },
            },
            numFilterConditions: count.map_err(|_| SysError::refused(CALL, Refusal::TooLong))?,
            filterCondition: conditions.as_mut_ptr(),
            action: win::FWPM_ACTION0 {
                r#type: match filter.action {
                    Action::Block => win::FWP_ACTION_BLOCK,
                    Action::Permit => win::FWP_ACTION_PERMIT,
                },
                ..win::FWPM_ACTION0::default()
            },
            ..win::FWPM_FILTER0::default()
        };
        // SAFETY: a live engine, and a filter with a NUL-terminated name, a live key, and as many
        // conditions as the count says, whose values live; the default descriptor.
        let answer = unsafe {
            win::FwpmFilterAdd0(
                self.0,
                &raw const value,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            )
        };
        succeeded(CALL, answer)
    }

    /// A filter by its key (`FwpmFilterGetByKey0`); `None` when there is none.
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`: only administrators may ask.
    pub fn filter(&self, key: Guid) -> Result<Option<Found>, SysError> {
        const CALL: &str = "FwpmFilterGetByKey0";
        let mut answer = Memory(std::ptr::null_mut());
        let key = key.raw();
        // SAFETY: a live engine, a live key, a live place.
        let said = unsafe { win::FwpmFilterGetByKey0(self.0, &raw const key, &raw mut answer.0) };
        if !unless(CALL, said, FWP_E_FILTER_NOT_FOUND)? {
            return Ok(None);
        }
        // SAFETY: the function succeeded, so a filter is there, and what it points to.
        unsafe { found(CALL, answer.0) }.map(Some)
    }

    /// All filters of a provider (`FwpmFilterEnum0`).
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`: only administrators may ask.
    pub fn filters_of(&self, provider: Guid) -> Result<Vec<Found>, SysError> {
        const CALL: &str = "FwpmFilterEnum0";
        const AT_ONCE: u32 = 256;
        let enumeration = Enumeration::of(self)?;
        let mut filters = Vec::new();
        loop {
            let mut answer = Memory(std::ptr::null_mut());
            let mut count = 0;
            // SAFETY: a live engine and enumeration, live places.
            let said = unsafe {
                win::FwpmFilterEnum0(
                    self.0,
                    enumeration.handle,
                    AT_ONCE,
                    &raw mut answer.0,
                    &raw mut count,
                )
            };
            succeeded(CALL, said)?;
            for n in 0..count as usize {
                // SAFETY: the function says that as many pointers are there.
                let filter = unsafe { answer.0.wrapping_add(n).read_unaligned() };
                // SAFETY: each to a filter, and what it points to.
                let filter = unsafe { found(CALL, filter) }?;
                if filter.provider == Some(provider) {
                    filters.push(filter);
                }
            }
            if count < AT_ONCE {
                return Ok(filters);
            }
        }
    }
}

/// An enumeration of all filters.
struct Enumeration<'a> {
    engine: &'a Engine,
    handle: HANDLE,
}

impl Enumeration<'_> {
    fn of(engine: &Engine) -> Result<Enumeration<'_>, SysError> {
        let mut handle: HANDLE = std::ptr::null_mut();
        // SAFETY: a live engine, no template, a live place.
        let answer = unsafe {
            win::FwpmFilterCreateEnumHandle0(engine.0, std::ptr::null(), &raw mut handle)
        };
        succeeded("FwpmFilterCreateEnumHandle0", answer)?;
        Ok(Enumeration { engine, handle })
    }
}

impl Drop for Enumeration<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `of`, and ended only here.
        unsafe { win::FwpmFilterDestroyEnumHandle0(self.engine.0, self.handle) };
    }
}

/// What conditions point to.
struct Values {
    descriptors: Vec<win::FWP_BYTE_BLOB>,
    ranges: Vec<win::FWP_RANGE0>,
}

impl Values {
    fn of(conditions: &[Condition]) -> Values {
        let port = |port: u16| win::FWP_VALUE0 {
            r#type: win::FWP_UINT16,
            Anonymous: win::FWP_VALUE0_0 { uint16: port },
        };
        let mut values = Values {
            descriptors: Vec::new(),
            ranges: Vec::new(),
        };
        for condition in conditions {
            match condition {
                Condition::User(descriptor) => values.descriptors.push(win::FWP_BYTE_BLOB {
                    // A descriptor is less than 256 KiB.
                    size: u32::try_from(descriptor.as_bytes().len()).unwrap_or_default(),
                    data: descriptor.as_bytes().as_ptr().cast_mut(),
                }),
                Condition::RemotePorts(first, last) => values.ranges.push(win::FWP_RANGE0 {
                    valueLow: port(*first),
                    valueHigh: port(*last),
                }),
                Condition::Loopback | Condition::Protocol(_) => {}
            }
        }
        values
    }

    /// They point into these values.
    fn conditions(&mut self, conditions: &[Condition]) -> Vec<win::FWPM_FILTER_CONDITION0> {
        let mut descriptors = self.descriptors.iter_mut();
        let mut ranges = self.ranges.iter_mut();
        let null = std::ptr::null_mut();
        let raw = |condition: &Condition| {
            use win::FWP_CONDITION_VALUE0_0 as Value;
            let (field, how, kind, value) = match condition {
                Condition::User(_) => (
                    win::FWPM_CONDITION_ALE_USER_ID,
                    win::FWP_MATCH_EQUAL,
                    win::FWP_SECURITY_DESCRIPTOR_TYPE,
                    Value {
                        sd: descriptors.next().map_or(null, |value| &raw mut *value),
                    },
                ),
                Condition::Loopback => (
                    win::FWPM_CONDITION_FLAGS,
                    win::FWP_MATCH_FLAGS_ALL_SET,
                    win::FWP_UINT32,
                    Value {
                        uint32: win::FWP_CONDITION_FLAG_IS_LOOPBACK,
                    },
                ),
                Condition::RemotePorts(..) => (
                    win::FWPM_CONDITION_IP_REMOTE_PORT,
                    win::FWP_MATCH_RANGE,
                    win::FWP_RANGE_TYPE,
                    Value {
                        rangeValue: ranges
                            .next()
                            .map_or(std::ptr::null_mut(), |value| &raw mut *value),
                    },
                ),
                Condition::Protocol(number) => (
                    win::FWPM_CONDITION_IP_PROTOCOL,
                    win::FWP_MATCH_EQUAL,
                    win::FWP_UINT8,
                    Value { uint8: *number },
                ),
            };
            win::FWPM_FILTER_CONDITION0 {
                fieldKey: field,
                matchType: how,
                conditionValue: win::FWP_CONDITION_VALUE0 {
                    r#type: kind,
                    Anonymous: value,
                },
            }
        };
        conditions.iter().map(raw).collect()
    }
}

/// A copy of a filter of the engine's.
///
/// # Safety
/// One is there, and what it points to.
unsafe fn found(call: &'static str, filter: *const win::FWPM_FILTER0) -> Result<Found, SysError> {
    if filter.is_null() {
        return Err(malformed(call));
    }
    // SAFETY: the caller's word.
    let filter = unsafe { filter.read_unaligned() };
    let provider = if filter.providerKey.is_null() {
        None
    } else {
        // SAFETY: the caller's word.
        Some(Guid::of(&unsafe { filter.providerKey.read_unaligned() }))
    };
    let count = filter.numFilterConditions as usize;
    let mut user = None;
    for n in 0..count {
        // SAFETY: the caller's word: as many conditions are there.
        let condition = unsafe { filter.filterCondition.wrapping_add(n).read_unaligned() };
        let field = Guid::of(&condition.fieldKey);
        let value = condition.conditionValue;
        if field != Guid::of(&win::FWPM_CONDITION_ALE_USER_ID)
            || value.r#type != win::FWP_SECURITY_DESCRIPTOR_TYPE
        {
            continue;
        }
        // SAFETY: the type says that it is this member.
        let blob = unsafe { value.Anonymous.sd };
        // SAFETY: the caller's word.
        let blob = unsafe { blob.read_unaligned() };
        // SAFETY: the caller's word: as many bytes are there.
        let bytes = unsafe { std::slice::from_raw_parts(blob.data, blob.size as usize) };
        user = Some(SecurityDescriptor::from_answer(call, bytes)?);
    }
    let is = |layer: &Layer| Guid::of(&layer.raw()) == Guid::of(&filter.layerKey);
    Ok(Found {
        key: Guid::of(&filter.filterKey),
        provider,
        sublayer: Guid::of(&filter.subLayerKey),
        layer: Layer::ALL.into_iter().find(is),
        action: match filter.action.r#type {
            win::FWP_ACTION_BLOCK => Some(Action::Block),
            win::FWP_ACTION_PERMIT => Some(Action::Permit),
            _ => None,
        },
        conditions: count,
        user,
        persistent: filter.flags & win::FWPM_FILTER_FLAG_PERSISTENT != 0,
    })
}
