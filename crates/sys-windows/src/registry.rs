//! Registry keys and their values, always of the 64-bit view.

use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::io::{AsHandle, BorrowedHandle};

use windows_sys::Win32::Foundation::{
    ERROR_FILE_NOT_FOUND, ERROR_MORE_DATA, ERROR_NO_MORE_ITEMS, ERROR_SUCCESS,
};
use windows_sys::Win32::System::Registry as win;

use crate::descriptor::{self, SecurityDescriptor};
use crate::error::{Refusal, SysError, succeeded};
use crate::memory::{self, u16_at, u32_at};
use crate::wide;

/// What may be done through a key's handle.
pub mod access {
    pub use windows_sys::Win32::Storage::FileSystem::{DELETE, READ_CONTROL, WRITE_DAC};
    pub use windows_sys::Win32::System::Registry::{
        KEY_ALL_ACCESS as ALL, KEY_CREATE_SUB_KEY as CREATE_SUB_KEY,
        KEY_ENUMERATE_SUB_KEYS as ENUMERATE_SUB_KEYS, KEY_QUERY_VALUE as QUERY_VALUE,
        KEY_READ as READ, KEY_SET_VALUE as SET_VALUE, KEY_WRITE as WRITE,
    };
}

/// Names and values are shorter than this, in units.
const LONGEST_NAME: usize = 16_384;

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// `HKEY_CURRENT_USER`, of the process's user.
    CurrentUser,
    /// `HKEY_LOCAL_MACHINE`.
    LocalMachine,
    /// `HKEY_USERS`.
    Users,
}

/// A key.
#[derive(Debug)]
pub struct Key(win::HKEY);

// SAFETY: a handle of the process, for any thread.
unsafe impl Send for Key {}
// SAFETY: as above; the kernel orders what several threads do with it.
unsafe impl Sync for Key {}

/// A value as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// `REG_*`.
    pub kind: u32,
    /// Its bytes.
    pub data: Vec<u8>,
}

impl Value {
    /// A string (`REG_SZ`).
    ///
    /// # Errors
    /// [`Refusal::InteriorNul`].
    pub fn text(text: &OsStr) -> Result<Value, SysError> {
        let units = wide::terminated("RegSetValueExW", text)?;
        Ok(Value {
            kind: win::REG_SZ,
            data: units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        })
    }

    /// A number (`REG_DWORD`).
    #[must_use]
    pub fn number(number: u32) -> Value {
        Value {
            kind: win::REG_DWORD,
            data: number.to_le_bytes().to_vec(),
        }
    }

    /// The string, if it is one. Whoever wrote it may have left out the NUL.
    #[must_use]
    pub fn as_text(&self) -> Option<OsString> {
        let units = (0..self.data.len() / 2).filter_map(|n| u16_at(&self.data, n * 2));
        (self.kind == win::REG_SZ).then(|| wide::text(&units.collect::<Vec<u16>>()))
    }

    /// Several strings (`REG_MULTI_SZ`).
    ///
    /// # Errors
    /// [`Refusal::InteriorNul`]. [`Refusal::NotAName`]: an empty one, which ends the list.
    pub fn texts(texts: &[&OsStr]) -> Result<Value, SysError> {
        let mut data = Vec::new();
        for text in texts {
            let units = not_empty("RegSetValueExW", text)?;
            data.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        }
        data.extend([0, 0]);
        Ok(Value {
            kind: win::REG_MULTI_SZ,
            data,
        })
    }

    /// All that is stored of a string or of several, if it is that: also what lies behind a NUL in a string, or behind an empty one of
    /// several, where who reads them one by one ends. None where half a unit is left over.
    #[must_use]
    pub fn as_texts(&self) -> Option<Vec<OsString>> {
        let whole = self.data.len().is_multiple_of(2);
        let units = (0..self.data.len() / 2).filter_map(|n| u16_at(&self.data, n * 2));
        let mut units: Vec<u16> = units.collect();
        while units.last() == Some(&0) {
            units.pop();
        }
        match self.kind {
            win::REG_SZ => whole.then(|| vec![OsString::from_wide(&units)]),
            win::REG_MULTI_SZ => whole.then(|| {
                let texts = units.split(|unit| *unit == 0);
                texts.map(OsString::from_wide).collect()
            }),
            _ => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<u32> {
        let number = u32_at(&self.data, 0).filter(|_| self.data.len() == 4);
        number.filter(|_| self.kind == win::REG_DWORD)
    }
}

impl Root {
    fn raw(self) -> win::HKEY {
        match self {
            Root::CurrentUser => win::HKEY_CURRENT_USER,
            Root::LocalMachine => win::HKEY_LOCAL_MACHINE,
            Root::Users => win::HKEY_USERS,
        }
    }

    /// Opens a key by its path from here (`RegOpenKeyExW`), not following it where it is a link.
    /// `None` when there is none.
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`.
    pub fn open(self, path: &OsStr, access: u32) -> Result<Option<Key>, SysError> {
        open(self.raw(), path, access)
    }

    /// Makes a key with those above it (`RegCreateKeyExW`), and says whether it is new: one that
    /// was there is opened, and keeps its descriptor.
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`.
    pub fn create(
        self,
        path: &OsStr,
        access: u32,
        descriptor: Option<&SecurityDescriptor>,
    ) -> Result<(Key, bool), SysError> {
        create(self.raw(), path, access, descriptor)
    }
}

impl Key {
    /// As [`Root::open`], from this key.
    ///
    /// # Errors
    /// As of that.
    pub fn open(&self, path: &OsStr, access: u32) -> Result<Option<Key>, SysError> {
        open(self.0, path, access)
    }

    /// As [`Root::create`], from this key.
    ///
    /// # Errors
    /// As of that.
    pub fn create(
        &self,
        path: &OsStr,
        access: u32,
        descriptor: Option<&SecurityDescriptor>,
    ) -> Result<(Key, bool), SysError> {
        create(self.0, path, access, descriptor)
    }

    /// A value (`RegQueryValueExW`); `None` when there is none of that name.
    ///
    /// # Errors
    /// What the function says.
    pub fn get(&self, name: &OsStr) -> Result<Option<Value>, SysError> {
        const CALL: &str = "RegQueryValueExW";
        let name = wide::terminated(CALL, name)?;
        let (mut kind, mut filled) = (0, 0);
        let asked = memory::filled(CALL, 512, |place, size, needed| {
            *needed = size;
            // SAFETY: a live key, a NUL-terminated name, live places, and a buffer of the size
            // given.
            let answer = unsafe {
                win::RegQueryValueExW(
                    self.0,
                    name.as_ptr(),
                    std::ptr::null(),
                    &raw mut kind,
                    place.cast(),
                    needed,
                )
            };
            filled = *needed;
            succeeded(CALL, answer)
        });
        match asked {
            Ok(buffer) => {
                let data = buffer.bytes().get(..filled as usize);
                let data = data.ok_or(SysError::refused(CALL, Refusal::Malformed))?;
                Ok(Some(Value {
                    kind,
                    data: data.to_vec(),
                }))
            }
            Err(error) if error.is(ERROR_FILE_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets a value (`RegSetValueExW`).
    ///
    /// # Errors
    /// The handle has no `SET_VALUE`.
    pub fn set(&self, name: &OsStr, value: &Value) -> Result<(), SysError> {
        const CALL: &str = "RegSetValueExW";
        let name = wide::terminated(CALL, name)?;
        let len = u32::try_from(value.data.len());
        let len = len.map_err(|_| SysError::refused(CALL, Refusal::TooLong))?;
        // SAFETY: a live key, a NUL-terminated name, and data of the length given.
        let answer = unsafe {
            win::RegSetValueExW(
                self.0,
                name.as_ptr(),
                0,
                value.kind,
                value.data.as_ptr(),
                len,
            )
        };
        succeeded(CALL, answer)
    }

    /// Deletes a value (`RegDeleteValueW`), and says whether there was one.
    ///
    /// # Errors
    /// The handle has no `SET_VALUE`.
    pub fn delete_value(&self, name: &OsStr) -> Result<bool, SysError> {
        const CALL: &str = "RegDeleteValueW";
        let name = wide::terminated(CALL, name)?;
        // SAFETY: a live key and a NUL-terminated name.
        found(CALL, unsafe { win::RegDeleteValueW(self.0, name.as_ptr()) })
    }

    /// Deletes a key below with all that it has (`RegDeleteTreeW`), and says whether there was
    /// one.
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`: of one of them; then some may be gone.
    pub fn delete_tree(&self, path: &OsStr) -> Result<bool, SysError> {
        const CALL: &str = "RegDeleteTreeW";
        let path = not_empty(CALL, path)?;
        // SAFETY: a live key and a NUL-terminated path, which is not empty: so it is not the
        // key itself that is emptied.
        found(CALL, unsafe { win::RegDeleteTreeW(self.0, path.as_ptr()) })
    }

    /// The names of the keys right below (`RegEnumKeyExW`).
    ///
    /// # Errors
    /// The handle has no `ENUMERATE_SUB_KEYS`.
    pub fn keys(&self) -> Result<Vec<OsString>, SysError> {
        names("RegEnumKeyExW", |index, name, len| {
            // SAFETY: a live key and a buffer of the length given.
            unsafe {
                win::RegEnumKeyExW(
                    self.0,
                    index,
                    name,
                    len,
                    std::ptr::null(),
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                )
            }
        })
    }

    /// The names of its values (`RegEnumValueW`).
    ///
    /// # Errors
    /// The handle has no `QUERY_VALUE`.
    pub fn values(&self) -> Result<Vec<OsString>, SysError> {
        names("RegEnumValueW", |index, name, len| {
            // SAFETY: a live key and a buffer of the length given.
            unsafe {
                win::RegEnumValueW(
                    self.0,
                    index,
                    name,
                    len,
                    std::ptr::null(),
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                )
            }
        })
    }
}

/// For the functions that read and set its descriptor.
impl AsHandle for Key {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        // SAFETY: the key of this machine is a handle of the kernel, open as long as this.
        unsafe { BorrowedHandle::borrow_raw(self.0) }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: opened by this module, and closed only here.
        unsafe { win::RegCloseKey(self.0) };
    }
}

fn open(from: win::HKEY, path: &OsStr, access: u32) -> Result<Option<Key>, SysError> {
    const CALL: &str = "RegOpenKeyExW";
    let path = wide::terminated(CALL, path)?;
    let mut key: win::HKEY = std::ptr::null_mut();
    // SAFETY: a live or predefined key, a NUL-terminated path, a live place.
    let answer = unsafe {
        win::RegOpenKeyExW(
            from,
            path.as_ptr(),
            win::REG_OPTION_OPEN_LINK,
            access | win::KEY_WOW64_64KEY,
            &raw mut key,
        )
    };
    Ok(found(CALL, answer)?.then_some(Key(key)))
}

fn create(
    from: win::HKEY,
    path: &OsStr,
    access: u32,
    descriptor: Option<&SecurityDescriptor>,
) -> Result<(Key, bool), SysError> {
    const CALL: &str = "RegCreateKeyExW";
    let path = not_empty(CALL, path)?;
    let attributes = descriptor::attributes(descriptor, false);
    let mut key: win::HKEY = std::ptr::null_mut();
    let mut how = 0;
    // SAFETY: a live or predefined key, a NUL-terminated path, attributes that point to a whole
    // descriptor or none, live places.
    let answer = unsafe {
        win::RegCreateKeyExW(
            from,
            path.as_ptr(),
            0,
            std::ptr::null(),
            win::REG_OPTION_NON_VOLATILE,
            access | win::KEY_WOW64_64KEY,
            &raw const attributes,
            &raw mut key,
            &raw mut how,
        )
    };
    succeeded(CALL, answer)?;
    Ok((Key(key), how == win::REG_CREATED_NEW_KEY))
}

/// An empty path would be the key itself.
fn not_empty(call: &'static str, path: &OsStr) -> Result<Vec<u16>, SysError> {
    if path.encode_wide().next().is_none() {
        return Err(SysError::refused(call, Refusal::NotAName));
    }
    wide::terminated(call, path)
}

fn found(call: &'static str, answer: u32) -> Result<bool, SysError> {
    match succeeded(call, answer) {
        Ok(()) => Ok(true),
        Err(error) if error.is(ERROR_FILE_NOT_FOUND) => Ok(false),
        Err(error) => Err(error),
    }
}

fn names(
    call: &'static str,
    mut ask: impl FnMut(u32, *mut u16, *mut u32) -> u32,
) -> Result<Vec<OsString>, SysError> {
    let mut names = Vec::new();
    let mut buffer = vec![0_u16; LONGEST_NAME];
    for index in 0.. {
        let mut len = u32::try_from(buffer.len()).unwrap_or_default();
        match ask(index, buffer.as_mut_ptr(), &raw mut len) {
            // The value's data was not asked for, so only the name counts.
            ERROR_SUCCESS | ERROR_MORE_DATA => names.push(wide::text(&buffer)),
            ERROR_NO_MORE_ITEMS => break,
            error => return Err(SysError::win32(call, error)),
        }
    }
    Ok(names)
}
