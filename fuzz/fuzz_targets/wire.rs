//! Messages between harness and runner: what is decoded is encoded to the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_wire::{Order, Report, Wire, decode, encode};

fn there_and_back<M: Wire + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(message) = decode::<M>(bytes) {
        let encoded = encode(&message);
        assert_eq!(decode::<M>(&encoded).as_ref(), Ok(&message));
        // One message has one form: else what one side checked the other might read otherwise.
        assert_eq!(encoded, bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    there_and_back::<Order>(bytes);
    there_and_back::<Report>(bytes);
});
