//! The list of attributes a process is started with.

use std::ffi::c_void;
use std::marker::PhantomData;

use windows_sys::Win32::System::Threading as win;

use crate::error::{SysError, done};
use crate::memory::Buffer;

/// Attributes, which point to values that live for `'a`.
pub(super) struct Attributes<'a> {
    list: Buffer,
    values: PhantomData<&'a ()>,
}

impl<'a> Attributes<'a> {
    /// A list with room for some attributes.
    pub(super) fn with_room(count: u32) -> Result<Attributes<'a>, SysError> {
        let mut size = 0;
        // SAFETY: with no list, only the size is told.
        unsafe {
            win::InitializeProcThreadAttributeList(std::ptr::null_mut(), count, 0, &raw mut size)
        };
        let mut list = Buffer::zeroed(size);
        // SAFETY: a buffer of the size that was asked for.
        let answer = unsafe {
            win::InitializeProcThreadAttributeList(list.as_mut_ptr(), count, 0, &raw mut size)
        };
        done("InitializeProcThreadAttributeList", answer)?;
        let values = PhantomData;
        Ok(Attributes { list, values })
    }

    /// Adds an attribute whose value is a list.
    pub(super) fn add<T>(&mut self, attribute: u32, values: &'a [T]) -> Result<(), SysError> {
        self.update(attribute, values.as_ptr().cast(), size_of_val(values))
    }

    /// Adds an attribute whose value is told in the pointer's place.
    pub(super) fn add_number(&mut self, attribute: u32, value: isize) -> Result<(), SysError> {
        let value = std::ptr::without_provenance(value.cast_unsigned());
        self.update(attribute, value, size_of::<isize>())
    }

    fn update(
        &mut self,
        attribute: u32,
        value: *const c_void,
        size: usize,
    ) -> Result<(), SysError> {
        // SAFETY: an initialized list, and a value that lives as long as it.
        let answer = unsafe {
            win::UpdateProcThreadAttribute(
                self.list.as_mut_ptr(),
                0,
                attribute as usize,
                value,
                size,
                std::ptr::null_mut(),
                std::ptr::null(),
            )
        };
        done("UpdateProcThreadAttribute", answer)
    }

    pub(super) fn as_ptr(&self) -> win::LPPROC_THREAD_ATTRIBUTE_LIST {
        self.list.as_ptr()
    }
}

impl Drop for Attributes<'_> {
    fn drop(&mut self) {
        // SAFETY: an initialized list, used no more.
        unsafe { win::DeleteProcThreadAttributeList(self.list.as_mut_ptr()) };
    }
}
