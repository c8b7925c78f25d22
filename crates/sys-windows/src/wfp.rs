//! The Windows Filtering Platform: filters of connections, by who makes them.

use std::ffi::OsStr;

use windows_sys::Win32::Foundation::{
    FWP_E_FILTER_NOT_FOUND, FWP_E_PROVIDER_NOT_FOUND, FWP_E_SUBLAYER_NOT_FOUND, HANDLE,
};
use windows_sys::Win32::NetworkManagement::WindowsFilteringPlatform as win;
use windows_sys::Win32::System::Rpc::RPC_C_AUTHN_WINNT;
use windows_sys::core::GUID;

use crate::error::{Refusal, SysError};
use crate::wide;

mod filter;

pub use filter::{Action, Condition, Filter, Found, Layer};

/// A number that is unique in the world, by which objects of the platform are found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guid(pub u128);

impl Guid {
    fn raw(self) -> GUID {
        GUID::from_u128(self.0)
    }

    fn of(raw: &GUID) -> Guid {
        let high =
            u128::from(raw.data1) << 96 | u128::from(raw.data2) << 80 | u128::from(raw.data3) << 64;
        Guid(high | u128::from(u64::from_be_bytes(raw.data4)))
    }
}

/// The platform's engine.
#[derive(Debug)]
pub struct Engine(HANDLE);

/// A provider: whose filters are.
#[derive(Debug, Clone, Copy)]
pub struct Provider<'a> {
    /// By which it is found.
    pub key: Guid,
    /// What administrators read.
    pub name: &'a OsStr,
    /// It stays when the machine is started again.
    pub persistent: bool,
}

/// A sublayer: filters that are judged together, apart from those of others.
#[derive(Debug, Clone, Copy)]
pub struct SubLayer<'a> {
    /// By which it is found.
    pub key: Guid,
    /// Whose it is.
    pub provider: Guid,
    /// What administrators read.
    pub name: &'a OsStr,
    /// Those of more weight are asked first.
    pub weight: u16,
    /// It stays when the machine is started again.
    pub persistent: bool,
}

impl Engine {
    /// Opens the engine of this machine (`FwpmEngineOpen0`).
    ///
    /// # Errors
    /// `RPC_S_CANNOT_SUPPORT` (1764), `EPT_S_NOT_REGISTERED` (1753): the Base Filtering Engine
    /// does not run. `ERROR_ACCESS_DENIED`.
    pub fn open() -> Result<Engine, SysError> {
        let mut engine: HANDLE = std::ptr::null_mut();
        // SAFETY: no other machine, no other identity, a default session, and a live place.
        let answer = unsafe {
            win::FwpmEngineOpen0(
                std::ptr::null(),
                RPC_C_AUTHN_WINNT,
                std::ptr::null(),
                std::ptr::null(),
                &raw mut engine,
            )
        };
        succeeded("FwpmEngineOpen0", answer)?;
        Ok(Engine(engine))
    }

    /// Does several changes, or none of them: they are committed when `change` succeeds, and
    /// taken back when it does not (`FwpmTransactionBegin0`, `Commit0`, `Abort0`).
    ///
    /// # Errors
    /// What `change` failed with; `ERROR_ACCESS_DENIED`; `FWP_E_TXN_IN_PROGRESS`: another's.
    pub fn transaction<T>(
        &self,
        change: impl FnOnce(&Engine) -> Result<T, SysError>,
    ) -> Result<T, SysError> {
        struct Abort<'a>(&'a Engine);
        impl Drop for Abort<'_> {
            fn drop(&mut self) {
                // SAFETY: a live engine. Where that fails, closing it aborts too.
                unsafe { win::FwpmTransactionAbort0(self.0.0) };
            }
        }
        // SAFETY: a live engine.
        let answer = unsafe { win::FwpmTransactionBegin0(self.0, 0) };
        succeeded("FwpmTransactionBegin0", answer)?;
        let abort = Abort(self);
        let made = change(self)?;
        // SAFETY: a live engine.
        let answer = unsafe { win::FwpmTransactionCommit0(self.0) };
        succeeded("FwpmTransactionCommit0", answer)?;
        std::mem::forget(abort);
        Ok(made)
    }

    /// Adds a provider (`FwpmProviderAdd0`).
    ///
    /// # Errors
    /// `FWP_E_ALREADY_EXISTS`; `ERROR_ACCESS_DENIED`.
    pub fn add_provider(&self, provider: &Provider<'_>) -> Result<(), SysError> {
        const CALL: &str = "FwpmProviderAdd0";
        let mut name = wide::terminated(CALL, provider.name)?;
        let value = win::FWPM_PROVIDER0 {
            providerKey: provider.key.raw(),
            displayData: display(&mut name),
            flags: flag(provider.persistent, win::FWPM_PROVIDER_FLAG_PERSISTENT),
            ..win::FWPM_PROVIDER0::default()
        };
        // SAFETY: a live engine and a provider with a NUL-terminated name; the default
        // descriptor.
        let answer =
            unsafe { win::FwpmProviderAdd0(self.0, &raw const value, std::ptr::null_mut()) };
        succeeded(CALL, answer)
    }

    /// There is such a provider (`FwpmProviderGetByKey0`).
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`.
    pub fn has_provider(&self, key: Guid) -> Result<bool, SysError> {
        let mut found = Memory(std::ptr::null_mut());
        let key = key.raw();
        // SAFETY: a live engine, a live key, a live place.
        let answer =
            unsafe { win::FwpmProviderGetByKey0(self.0, &raw const key, &raw mut found.0) };
        unless("FwpmProviderGetByKey0", answer, FWP_E_PROVIDER_NOT_FOUND)
    }

    /// Deletes a provider that nothing belongs to any more (`FwpmProviderDeleteByKey0`), and says
    /// whether there was one.
    ///
    /// # Errors
    /// `FWP_E_IN_USE`; `ERROR_ACCESS_DENIED`.
    pub fn delete_provider(&self, key: Guid) -> Result<bool, SysError> {
        let key = key.raw();
        // SAFETY: a live engine and a live key.
        let answer = unsafe { win::FwpmProviderDeleteByKey0(self.0, &raw const key) };
        unless("FwpmProviderDeleteByKey0", answer, FWP_E_PROVIDER_NOT_FOUND)
    }

    /// Adds a sublayer (`FwpmSubLayerAdd0`).
    ///
    /// # Errors
    /// `FWP_E_ALREADY_EXISTS`; `ERROR_ACCESS_DENIED`.
    pub fn add_sublayer(&self, sublayer: &SubLayer<'_>) -> Result<(), SysError> {
        const CALL: &str = "FwpmSubLayerAdd0";
        let mut name = wide::terminated(CALL, sublayer.name)?;
        let mut provider = sublayer.provider.raw();
        let value = win::FWPM_SUBLAYER0 {
            subLayerKey: sublayer.key.raw(),
            displayData: display(&mut name),
            flags: flag(sublayer.persistent, win::FWPM_SUBLAYER_FLAG_PERSISTENT),
            providerKey: &raw mut provider,
            weight: sublayer.weight,
            ..win::FWPM_SUBLAYER0::default()
        };
        // SAFETY: a live engine and a sublayer with a NUL-terminated name and a live key; the
        // default descriptor.
        let answer =
            unsafe { win::FwpmSubLayerAdd0(self.0, &raw const value, std::ptr::null_mut()) };
        succeeded(CALL, answer)
    }

    /// There is such a sublayer (`FwpmSubLayerGetByKey0`).
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`.
    pub fn has_sublayer(&self, key: Guid) -> Result<bool, SysError> {
        let mut found = Memory(std::ptr::null_mut());
        let key = key.raw();
        // SAFETY: a live engine, a live key, a live place.
        let answer =
            unsafe { win::FwpmSubLayerGetByKey0(self.0, &raw const key, &raw mut found.0) };
        unless("FwpmSubLayerGetByKey0", answer, FWP_E_SUBLAYER_NOT_FOUND)
    }

    /// Deletes a sublayer with no filters (`FwpmSubLayerDeleteByKey0`), and says whether there
    /// was one.
    ///
    /// # Errors
    /// `FWP_E_IN_USE`; `ERROR_ACCESS_DENIED`.
    pub fn delete_sublayer(&self, key: Guid) -> Result<bool, SysError> {
        let key = key.raw();
        // SAFETY: a live engine and a live key.
        let answer = unsafe { win::FwpmSubLayerDeleteByKey0(self.0, &raw const key) };
        unless("FwpmSubLayerDeleteByKey0", answer, FWP_E_SUBLAYER_NOT_FOUND)
    }

    /// Deletes a filter (`FwpmFilterDeleteByKey0`), and says whether there was one.
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`.
    pub fn delete_filter(&self, key: Guid) -> Result<bool, SysError> {
        let key = key.raw();
        // SAFETY: a live engine and a live key.
        let answer = unsafe { win::FwpmFilterDeleteByKey0(self.0, &raw const key) };
        unless("FwpmFilterDeleteByKey0", answer, FWP_E_FILTER_NOT_FOUND)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // SAFETY: opened by `open`, and closed only here.
        unsafe { win::FwpmEngineClose0(self.0) };
    }
}

/// Memory that these functions allocate.
struct Memory<T>(*mut T);

impl<T> Drop for Memory<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            let place: *mut *mut T = &raw mut self.0;
            // SAFETY: allocated by a function of this family, and freed only here.
            unsafe { win::FwpmFreeMemory0(place.cast()) };
        }
    }
}

fn flag(set: bool, flag: u32) -> u32 {
    if set { flag } else { 0 }
}

/// It points to the name.
fn display(name: &mut [u16]) -> win::FWPM_DISPLAY_DATA0 {
    win::FWPM_DISPLAY_DATA0 {
        name: name.as_mut_ptr(),
        description: std::ptr::null_mut(),
    }
}

/// These functions answer a Win32 error, or an `HRESULT` of their own.
fn succeeded(call: &'static str, answer: u32) -> Result<(), SysError> {
    match answer {
        0 => Ok(()),
        code if code & 0x8000_0000 != 0 => Err(SysError::com(call, code.cast_signed())),
        code => Err(SysError::win32(call, code)),
    }
}

/// True when it was done, false when there is none.
fn unless(call: &'static str, answer: u32, none: i32) -> Result<bool, SysError> {
    if answer.cast_signed() == none {
        return Ok(false);
    }
    succeeded(call, answer).map(|()| true)
}

fn malformed(call: &'static str) -> SysError {
    SysError::refused(call, Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_the_same_there_and_back() {
        let guid = Guid(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        assert_eq!(Guid::of(&guid.raw()), guid);
        assert_eq!(guid.raw().data1, 0x0123_4567);
    }
}
