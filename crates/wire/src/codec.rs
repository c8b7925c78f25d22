//! Values to bytes and back.

use crate::sys;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// Bytes that are no message of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The bytes end within a value.
    Short,
    /// A count or length larger than what is left.
    Count,
    /// A tag that stands for nothing.
    Tag(u8),
    /// Text that is not UTF-8, or on Windows a string of half a unit.
    Text,
    /// Bytes are left over.
    Trailing,
    /// The first byte names another version of the protocol.
    Version(u8),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Short => f.write_str("message ends within a value"),
            Malformed::Count => f.write_str("count is larger than the message"),
            Malformed::Tag(tag) => write!(f, "unknown tag {tag}"),
            Malformed::Text => f.write_str("text is not in its encoding"),
            Malformed::Trailing => f.write_str("bytes left over"),
            Malformed::Version(v) => write!(f, "protocol version {v}"),
        }
    }
}

impl std::error::Error for Malformed {}

/// Bytes being read.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`Malformed::Short`] when fewer are left.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.rest.split_at_checked(n).ok_or(Malformed::Short)?;
        self.rest = tail;
        Ok(head)
    }

    /// A count of things that take at least `each` bytes.
    ///
    /// # Errors
    /// [`Malformed::Count`] when so many cannot be left.
    pub fn count(&mut self, each: usize) -> Result<usize, Malformed> {
        let n = u32::get(self)? as usize;
        if n.saturating_mul(each.max(1)) > self.rest.len() {
            return Err(Malformed::Count);
        }
        Ok(n)
    }

    /// Succeeds when nothing is left.
    ///
    /// # Errors
    /// [`Malformed::Trailing`].
    pub fn end(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Trailing)
        }
    }
}

/// A value with bytes of its own.
pub trait Wire: Sized {
    /// Appends the value's bytes.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads a value.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are no such value.
    fn get(r: &mut Reader<'_>) -> Result<Self, Malformed>;
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl Wire for $t {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn get(r: &mut Reader<'_>) -> Result<Self, Malformed> {
                let bytes = r.take(size_of::<$t>())?;
                bytes.try_into().map(<$t>::from_le_bytes).map_err(|_| Malformed::Short)
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, i32);

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        match u8::get(r)? {
            0 => Ok(false),
            1 => Ok(true),
            tag => Err(Malformed::Tag(tag)),
        }
    }
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    // A message is at most MESSAGE_MAX long, far below what u32 counts.
    (bytes.len() as u32).put(out);
    out.extend_from_slice(bytes);
}

fn get_bytes<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let n = r.count(1)?;
    r.take(n)
}

impl Wire for OsString {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(&sys::to_bytes(self), out);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        sys::from_bytes(get_bytes(r)?)
    }
}

impl Wire for PathBuf {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(&sys::to_bytes(self.as_os_str()), out);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(PathBuf::from(sys::from_bytes(get_bytes(r)?)?))
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), out);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        std::str::from_utf8(get_bytes(r)?)
            .map(str::to_owned)
            .map_err(|_| Malformed::Text)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        for value in self {
            value.put(out);
        }
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        // Every value takes at least one byte, so the count is bounded by the message.
        let n = r.count(1)?;
        let mut values = Vec::new();
        for _ in 0..n {
            values.push(T::get(r)?);
        }
        Ok(values)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(value) => {
                out.push(1);
                value.put(out);
            }
        }
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(if bool::get(r)? {
            Some(T::get(r)?)
        } else {
            None
        })
    }
}

/// Bytes of a record: its fields in order.
macro_rules! wire_struct {
    ($name:path { $($field:ident),* $(,)? }) => {
        impl $crate::codec::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($field.put(out);)*
            }
            fn get(r: &mut $crate::codec::Reader<'_>) -> Result<Self, $crate::codec::Malformed> {
                $(let $field = $crate::codec::Wire::get(r)?;)*
                Ok(Self { $($field),* })
            }
        }
    };
}

/// Bytes of a choice: a tag, then the chosen one's fields. Tags are append-only.
macro_rules! wire_enum {
    ($name:path { $($tag:literal => $variant:ident $( ( $($tuple:ident),* ) )? $( { $($field:ident),* } )? ),* $(,)? }) => {
        impl $crate::codec::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $( ( $($tuple),* ) )? $( { $($field),* } )? => {
                        out.push($tag);
                        $($($tuple.put(out);)*)?
                        $($($field.put(out);)*)?
                    })*
                }
            }
            fn get(r: &mut $crate::codec::Reader<'_>) -> Result<Self, $crate::codec::Malformed> {
                match <u8 as $crate::codec::Wire>::get(r)? {
                    $($tag => {
                        $($(let $tuple = $crate::codec::Wire::get(r)?;)*)?
                        $($(let $field = $crate::codec::Wire::get(r)?;)*)?
                        Ok(Self::$variant $( ( $($tuple),* ) )? $( { $($field),* } )?)
                    })*
                    tag => Err($crate::codec::Malformed::Tag(tag)),
                }
            }
        }
    };
}

pub(crate) use {wire_enum, wire_struct};
