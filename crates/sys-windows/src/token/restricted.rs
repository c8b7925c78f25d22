//! A lesser token made from one.

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Security as win;

use crate::error::{Refusal, SysError, done};
use crate::handle::owned;
use crate::sid::Sid;
use crate::token::{Luid, Token};

/// What is taken from a token (`CreateRestrictedToken`).
#[derive(Debug, Clone, Default)]
pub struct Restriction {
    /// All privileges but `SeChangeNotifyPrivilege` (`DISABLE_MAX_PRIVILEGE`).
    pub no_privileges: bool,
    /// As User Account Control makes a lesser token: administrators' groups for denying only
    /// (`LUA_TOKEN`).
    pub least_user: bool,
    /// The restricting identifiers count for writing only (`WRITE_RESTRICTED`).
    pub write_restricted: bool,
    /// Groups that count for denying only.
    pub deny_only: Vec<Sid>,
    /// Privileges to take away.
    pub delete: Vec<Luid>,
    /// Identifiers of the second access check: what is asked must be granted to one of these
    /// too. Identifiers of app containers are refused.
    pub restricting: Vec<Sid>,
}

impl Token {
    /// A token with less than this one, with all access (`CreateRestrictedToken`).
    ///
    /// Its success is not proof: ask [`Token::restricting`], [`Token::groups`] and
    /// [`Token::privileges`] whether it has what was asked.
    ///
    /// # Errors
    /// The handle has no `DUPLICATE`. `ERROR_INVALID_PARAMETER`: a restricting identifier is
    /// of an app container.
    pub fn restricted(&self, restriction: &Restriction) -> Result<Token, SysError> {
        const CALL: &str = "CreateRestrictedToken";
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(restriction.no_privileges, win::DISABLE_MAX_PRIVILEGE)
            | flag(restriction.least_user, win::LUA_TOKEN)
            | flag(restriction.write_restricted, win::WRITE_RESTRICTED);
        let deny_only = entries(&restriction.deny_only);
        let restricting = entries(&restriction.restricting);
        let delete: Vec<win::LUID_AND_ATTRIBUTES> = restriction
            .delete
            .iter()
            .map(|luid| win::LUID_AND_ATTRIBUTES {
                Luid: (*luid).into(),
                Attributes: 0,
            })
            .collect();
        let count =
            |len: usize| u32::try_from(len).map_err(|_| SysError::refused(CALL, Refusal::TooLong));
        let mut token: HANDLE = std::ptr::null_mut();
        // SAFETY: a live handle, a live place, and three lists as long as their counts say,
        // with identifiers that `restriction` keeps.
        let answer = unsafe {
            win::CreateRestrictedToken(
                self.raw(),
                flags,
                count(deny_only.len())?,
                deny_only.as_ptr(),
                count(delete.len())?,
                delete.as_ptr(),
                count(restricting.len())?,
                restricting.as_ptr(),
                &raw mut token,
            )
        };
        done(CALL, answer)?;
        // SAFETY: just made.
        unsafe { owned(CALL, token) }.map(Token)
    }
}

/// The attributes of both lists must be zero.
fn entries(sids: &[Sid]) -> Vec<win::SID_AND_ATTRIBUTES> {
    sids.iter()
        .map(|sid| win::SID_AND_ATTRIBUTES {
            Sid: sid.as_ptr(),
            Attributes: 0,
        })
        .collect()
}
