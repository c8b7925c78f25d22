//! The token of a ring's commands.

use std::ffi::OsString;

use ringfence_sys_windows::sync::{Event, EventOptions, access as event};
use ringfence_sys_windows::token::{Group, Level, Restriction, Token, access};
use ringfence_sys_windows::{Sid, SysError, random, sddl};

use super::{BuildError, NotDone, Spec, call};

/// `BUILTIN\Administrators`
const ADMINISTRATORS: &str = "S-1-5-32-544";
const SE_GROUP_ENABLED: u32 = 0x4;

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
    let reading = call("reading whose token it is");
    if token.user().map_err(&reading)? != own.user().map_err(&reading)? {
        return not_done(NotDone::User);
    }
    let administrators = Sid::parse(ADMINISTRATORS).map_err(&reading)?;
    let groups = token.groups().map_err(&reading)?;
    let enabled = |group: &&Group| group.attributes & SE_GROUP_ENABLED != 0;
    if groups
        .iter()
        .filter(enabled)
        .any(|group| group.sid == administrators)
    {
        return not_done(NotDone::Administrators);
    }
    let Some(ring) = restrict.last() else {
        return not_done(NotDone::Restricting { asked: 0, had: 0 });
    };
    tried(own, token, ring)
}

fn not_done(what: NotDone) -> Result<(), BuildError> {
    Err(BuildError::NotDone(what))
}

/// A token to act with.
pub(super) fn to_act_with(token: &Token) -> Result<Token, BuildError> {
    token
        .duplicate(Level::Impersonation, access::ALL)
        .map_err(call("making a token to try"))
}

/// A name of an object that nobody can know before.
pub(super) fn name() -> Result<OsString, SysError> {
    let mut number = [0; 16];
    random::fill(&mut number)?;
    let number = u128::from_le_bytes(number);
    Ok(OsString::from(format!(r"Local\ringfence-{number:032x}")))
}

/// Tries the token on two events: one that is the user's alone, one that is the ring's as well.
fn tried(own: &Token, token: &Token, ring: &Sid) -> Result<(), BuildError> {
    let making = call("making what the token is tried on");
    let user = own.user().map_err(&making)?;
    let users = object(&format!("D:(A;;GA;;;{user})")).map_err(&making)?;
    let rings = object(&format!("D:(A;;GA;;;{user})(A;;GA;;;{ring})")).map_err(&making)?;
    let acting = to_act_with(token)?;
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
    let name = name()?;
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
