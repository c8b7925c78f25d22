//! Files of this machine, by handle.
