//! The firewall's objects as COM lays them out (`netfw.h`): of each, the methods that are used,
//! and room for those between.

use std::ffi::{OsStr, OsString, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::ptr::NonNull;

use windows_sys::Win32::Foundation::{
    E_OUTOFMEMORY, E_POINTER, RPC_E_CHANGED_MODE, SysAllocStringLen, SysFreeString, SysStringLen,
    VARIANT_BOOL,
};
use windows_sys::Win32::System::Com::{
    CLSCTX_INPROC_SERVER, COINIT_MULTITHREADED, CoCreateInstance, CoInitializeEx, CoUninitialize,
};
use windows_sys::core::{BSTR, GUID, HRESULT};

use crate::error::{Refusal, SysError, com_success};

type This = *mut c_void;
pub(super) type GetObject = unsafe extern "system" fn(This, *mut *mut c_void) -> HRESULT;
pub(super) type GetNumber = unsafe extern "system" fn(This, *mut i32) -> HRESULT;
pub(super) type SetNumber = unsafe extern "system" fn(This, i32) -> HRESULT;
pub(super) type GetText = unsafe extern "system" fn(This, *mut BSTR) -> HRESULT;
pub(super) type SetText = unsafe extern "system" fn(This, BSTR) -> HRESULT;
pub(super) type GetBool = unsafe extern "system" fn(This, *mut VARIANT_BOOL) -> HRESULT;
pub(super) type SetBool = unsafe extern "system" fn(This, VARIANT_BOOL) -> HRESULT;

/// A method that is not used.
type Unused = usize;

/// What every object begins with: `IUnknown`, and the four methods of `IDispatch`.
#[repr(C)]
pub(super) struct Base {
    query: unsafe extern "system" fn(This, *const GUID, *mut *mut c_void) -> HRESULT,
    add_ref: Unused,
    release: unsafe extern "system" fn(This) -> u32,
    dispatch: [Unused; 4],
}

/// A table of methods.
///
/// # Safety
/// It begins with [`Base`] and is laid out as the interface of that number is.
pub(super) unsafe trait Table {
    const INTERFACE: GUID;
    /// The class to make one of.
    const CLASS: Option<GUID>;
}

/// `INetFwPolicy2`.
#[repr(C)]
pub(super) struct PolicyTable {
    base: Base,
    before_rules: [Unused; 11],
    pub(super) rules: GetObject,
    before_state: [Unused; 9],
    pub(super) modify_state: GetNumber,
}

// SAFETY: its layout and number are those of `netfw.h`.
unsafe impl Table for PolicyTable {
    const INTERFACE: GUID = GUID::from_u128(0x98325047_c671_4174_8d81_defcd3f03186);
    const CLASS: Option<GUID> = Some(GUID::from_u128(0xe2b3c97f_6ae1_41ac_817a_f6f92166d7dd));
}

/// `INetFwRules`.
#[repr(C)]
pub(super) struct RulesTable {
    base: Base,
    pub(super) count: GetNumber,
    pub(super) add: unsafe extern "system" fn(This, *mut c_void) -> HRESULT,
    pub(super) remove: SetText,
    pub(super) item: unsafe extern "system" fn(This, BSTR, *mut *mut c_void) -> HRESULT,
}

// SAFETY: its layout and number are those of `netfw.h`.
unsafe impl Table for RulesTable {
    const INTERFACE: GUID = GUID::from_u128(0x9c4c6277_5027_441e_afae_ca1f542da009);
    const CLASS: Option<GUID> = None;
}

/// `INetFwRule`, which is asked for [`RuleTable`] only.
#[repr(C)]
pub(super) struct NewRule {
    base: Base,
}

// SAFETY: it begins as that of `netfw.h`, and has its number.
unsafe impl Table for NewRule {
    const INTERFACE: GUID = GUID::from_u128(0xaf230d27_baba_4e42_aced_f524f22cfce2);
    const CLASS: Option<GUID> = Some(GUID::from_u128(0x2c5bc43e_3369_4c33_ab0c_be9469677af4));
}

/// `INetFwRule3`, which begins with `INetFwRule` and `INetFwRule2`.
#[repr(C)]
pub(super) struct RuleTable {
    base: Base,
    name: Unused,
    pub(super) set_name: SetText,
    description: Unused,
    pub(super) set_description: SetText,
    /// Application, service, protocol, ports, addresses, types of ICMP: eight pairs.
    before_direction: [Unused; 16],
    pub(super) direction: GetNumber,
    pub(super) set_direction: SetNumber,
    /// Interfaces and their types.
    before_enabled: [Unused; 4],
    pub(super) enabled: GetBool,
    pub(super) set_enabled: SetBool,
    grouping: Unused,
    pub(super) set_grouping: SetText,
    pub(super) profiles: GetNumber,
    pub(super) set_profiles: SetNumber,
    /// Edge traversal.
    before_action: [Unused; 2],
    pub(super) action: GetNumber,
    pub(super) set_action: SetNumber,
    /// Options of edge traversal, then package and owner.
    before_users: [Unused; 6],
    pub(super) users: GetText,
    pub(super) set_users: SetText,
}

// SAFETY: its layout and number are those of `netfw.h`.
unsafe impl Table for RuleTable {
    const INTERFACE: GUID = GUID::from_u128(0xb21563ff_d696_4222_ab46_4e89b73ab34a);
    const CLASS: Option<GUID> = None;
}

/// An object with the methods of `T`, released when this goes.
pub(super) struct Object<T: Table> {
    this: NonNull<c_void>,
    table: PhantomData<*const T>,
}

impl<T: Table> Object<T> {
    /// Makes one (`CoCreateInstance`).
    pub(super) fn create() -> Result<Object<T>, SysError> {
        const CALL: &str = "CoCreateInstance";
        let interface = T::INTERFACE;
        let class = T::CLASS.ok_or(SysError::refused(CALL, Refusal::Conflict))?;
        let mut made = std::ptr::null_mut();
        // SAFETY: two live numbers and a live place. The caller is in an apartment, or this
        // fails.
        let answer = unsafe {
            CoCreateInstance(
                &raw const class,
                std::ptr::null_mut(),
                CLSCTX_INPROC_SERVER,
                &raw const interface,
                &raw mut made,
            )
        };
        com_success(CALL, answer)?;
        // SAFETY: just made, with that interface.
        unsafe { Object::of(CALL, made) }
    }

    /// Takes what `call` made.
    ///
    /// # Safety
    /// Null, or an object with this interface, for this one to release.
    pub(super) unsafe fn of(call: &'static str, this: This) -> Result<Object<T>, SysError> {
        let table = PhantomData;
        let this = NonNull::new(this).ok_or(SysError::com(call, E_POINTER))?;
        Ok(Object { this, table })
    }

    /// The same object with other methods (`QueryInterface`).
    pub(super) fn cast<U: Table>(&self) -> Result<Object<U>, SysError> {
        const CALL: &str = "QueryInterface";
        let interface = U::INTERFACE;
        let mut other = std::ptr::null_mut();
        // SAFETY: a live object, a live number, a live place.
        let answer =
            unsafe { (self.base().query)(self.raw(), &raw const interface, &raw mut other) };
        com_success(CALL, answer)?;
        // SAFETY: the object says that it has that interface.
        unsafe { Object::of(CALL, other) }
    }

    pub(super) fn raw(&self) -> This {
        self.this.as_ptr()
    }

    pub(super) fn table(&self) -> &T {
        let place: *const *const T = self.raw().cast_const().cast();
        // SAFETY: a live object begins with the pointer to its methods.
        let table = unsafe { place.read() };
        // SAFETY: which are laid out so, and live as long as it.
        unsafe { &*table }
    }

    fn base(&self) -> &Base {
        let table: *const T = self.table();
        let base: *const Base = table.cast();
        // SAFETY: every table begins so, as `Table` promises.
        unsafe { &*base }
    }
}

impl<T: Table> fmt::Debug for Object<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({:?})", self.this)
    }
}

impl<T: Table> Drop for Object<T> {
    fn drop(&mut self) {
        // SAFETY: a live object, released once.
        unsafe { (self.base().release)(self.raw()) };
    }
}

/// This thread may use COM until this is dropped.
#[derive(Debug)]
pub(super) struct Apartment {
    entered: bool,
    /// It is this thread's.
    _thread: PhantomData<*const ()>,
}

impl Apartment {
    /// Enters one (`CoInitializeEx`), or stays in the one the thread is in.
    pub(super) fn enter() -> Result<Apartment, SysError> {
        // SAFETY: an integer only.
        let answer =
            unsafe { CoInitializeEx(std::ptr::null(), COINIT_MULTITHREADED.cast_unsigned()) };
        let entered = answer != RPC_E_CHANGED_MODE;
        if entered {
            com_success("CoInitializeEx", answer)?;
        }
        Ok(Apartment {
            entered,
            _thread: PhantomData,
        })
    }
}

impl Drop for Apartment {
    fn drop(&mut self) {
        if self.entered {
            // SAFETY: once for the one time this thread entered.
            unsafe { CoUninitialize() };
        }
    }
}

/// A string of COM's.
pub(super) struct Text(BSTR);

impl Text {
    /// A copy (`SysAllocStringLen`).
    pub(super) fn of(call: &'static str, text: &OsStr) -> Result<Text, SysError> {
        let units: Vec<u16> = text.encode_wide().collect();
        if units.contains(&0) {
            return Err(SysError::refused(call, Refusal::InteriorNul));
        }
        let len = u32::try_from(units.len());
        let len = len.map_err(|_| SysError::refused(call, Refusal::TooLong))?;
        // SAFETY: as many units are there.
        let made = unsafe { SysAllocStringLen(units.as_ptr(), len) };
        if made.is_null() {
            return Err(SysError::com(call, E_OUTOFMEMORY));
        }
        Ok(Text(made))
    }

    /// Takes what a method made.
    ///
    /// # Safety
    /// Null, or such a string, for this one to free.
    pub(super) unsafe fn taken(text: BSTR) -> Text {
        Text(text)
    }

    pub(super) fn raw(&self) -> BSTR {
        self.0
    }

    pub(super) fn text(&self) -> OsString {
        if self.0.is_null() {
            return OsString::new();
        }
        // SAFETY: a live string.
        let len = unsafe { SysStringLen(self.0) };
        // SAFETY: that is its length.
        let units = unsafe { std::slice::from_raw_parts(self.0, len as usize) };
        OsString::from_wide(units)
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        // SAFETY: allocated as such a string, and freed only here. Null does nothing.
        unsafe { SysFreeString(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    /// The places of the methods, counted in `netfw.h`.
    #[test]
    fn each_method_is_in_its_place() {
        let place = |offset: usize| offset / size_of::<usize>();
        assert_eq!(place(size_of::<Base>()), 7);
        assert_eq!(place(offset_of!(PolicyTable, rules)), 18);
        assert_eq!(place(offset_of!(PolicyTable, modify_state)), 28);
        assert_eq!(place(offset_of!(RulesTable, item)), 10);
        assert_eq!(place(offset_of!(RuleTable, set_description)), 10);
        assert_eq!(place(offset_of!(RuleTable, direction)), 27);
        assert_eq!(place(offset_of!(RuleTable, enabled)), 33);
        assert_eq!(place(offset_of!(RuleTable, set_grouping)), 36);
        assert_eq!(place(offset_of!(RuleTable, profiles)), 37);
        assert_eq!(place(offset_of!(RuleTable, action)), 41);
        assert_eq!(place(offset_of!(RuleTable, users)), 49);
        assert_eq!(place(offset_of!(RuleTable, set_users)), 50);
    }
}
