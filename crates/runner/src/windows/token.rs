//! The token of a ring's commands.

use std::ffi::OsString;

use ringfence_sys_windows::sync::{Event, EventOptions, access as event};
use ringfence_sys_windows::token::{Level, Restriction, Token, access};
use ringfence_sys_windows::{Sid, SysError, random, sddl};

use super::{BuildError, NotDone, Spec, call};

pub(super) fn own() -> Result<Token, BuildError> {
    let rights =
        access::QUERY | access::DUPLICATE | access::ASSIGN_PRIMARY | access::ADJUST_DEFAULT;
    Token::of_process(ringfence_sys_windows::process::current(), rights)
        .map_err(call("opening the own token"))
}

/// The restricted token, as it was asked for; whether it is that says [`verify`].
pub(super) fn made(own: &Token, spec: &Spec) -> Result<Token, BuildError> {
    let token = restricted(own, &spec.restrict)?;
    let Some(list) = &spec.default_dacl else {
        return Ok(token);
    };
    token
        .set_default_dacl(list)
        .map_err(call("setting the token's default DACL"))?;
    let read = token
        .default_dacl()
        .map_err(call("reading the token's default DACL"))?;
    if read.as_ref() != Some(list) {
        return Err(BuildError::NotDone(NotDone::DefaultDacl));
    }
    Ok(token)
}

pub(super) fn restricted(own: &Token, restrict: &[Sid]) -> Result<Token, BuildError> {
    let restriction = Restriction {
        no_privileges: true,
        least_user: true,
        write_restricted: true,
        restricting: restrict.to_vec(),
        ..Restriction::default()
    };
    own.restricted(&restriction)
        .map_err(call("making the token"))
}

/// Looks whether the token is restricted: what it says of itself, and what it is let do.
pub(super) fn verify(own: &Token, token: &Token, restrict: &[Sid]) -> Result<(), BuildError> {
    // A system without restricting SIDs does not answer: that is none.
    let had = token.restricting().unwrap_or_default();
    let known = restrict
        .iter()
        .filter(|sid| had.iter().any(|group| group.sid == **sid))
        .count();
    if known != restrict.len() || had.len() != restrict.len() {
        let asked = restrict.len();
        return not_done(NotDone::Restricting { asked, had: known });
    }
    let privileges = token
        .privileges()
        .map_err(call("reading the token's privileges"))?;
    if privileges.len() > 1 {
        let had = privileges.len();
        return not_done(NotDone::Privileges { had });
    }
    let Some(ring) = restrict.last() else {
        return not_done(NotDone::Restricting { asked: 0, had: 0 });
    };
    tried(own, token, ring)
}

fn not_done(what: NotDone) -> Result<(), BuildError> {
    Err(BuildError::NotDone(what))
}

/// Tries the token on two events: one that is the user's alone, one that is the ring's as well.
fn tried(own: &Token, token: &Token, ring: &Sid) -> Result<(), BuildError> {
    let making = call("making what the token is tried on");
    let user = own.user().map_err(&making)?;
    let users = object(&format!("D:(A;;GA;;;{user})")).map_err(&making)?;
    let rings = object(&format!("D:(A;;GA;;;{user})(A;;GA;;;{ring})")).map_err(&making)?;
    let acting = token
        .duplicate(Level::Impersonation, access::ALL)
        .map_err(call("making a token to try"))?;
    let open = |object: &Object, rights| acting.acting(|| Event::open(&object.name, rights));
    let trying = call("acting with the token that is tried");
    if open(&users, event::EVENT_MODIFY_STATE)
        .map_err(&trying)?
        .is_ok()
    {
        return not_done(NotDone::Writes);
    }
    if let Err(error) = open(&rings, event::EVENT_MODIFY_STATE).map_err(&trying)? {
        return not_done(NotDone::DoesNotWrite(error));
    }
    if let Err(error) = open(&users, event::SYNCHRONIZE).map_err(&trying)? {
        return not_done(NotDone::DoesNotRead(error));
    }
    Ok(())
}

/// An event by a name that nobody can know before.
struct Object {
    name: OsString,
    _event: Event,
}

fn object(list: &str) -> Result<Object, SysError> {
    let mut number = [0; 16];
    random::fill(&mut number)?;
    let name = OsString::from(format!(
        r"Local\ringfence-{:032x}",
        u128::from_le_bytes(number)
    ));
    let descriptor = sddl::parse(list)?;
    let (event, _) = Event::create(EventOptions {
        name: Some(&name),
        descriptor: Some(&descriptor),
        ..EventOptions::default()
    })?;
    Ok(Object {
        name,
        _event: event,
    })
}
