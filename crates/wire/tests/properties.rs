//! What must hold for every message and for every heap of bytes.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use ringfence_wire::{Malformed, Order, Report, VERSION, Wire, decode, encode};
use support::{order, report};

/// Bytes that were cut off anywhere, or have one too many, are no message.
fn whole_or_nothing<M: Wire + std::fmt::Debug>(message: &M) -> Result<(), TestCaseError> {
    let bytes = encode(message);
    for end in 0..bytes.len() {
        let cut = decode::<M>(&bytes[..end]);
        prop_assert!(
            matches!(cut, Err(Malformed::Short | Malformed::Count)),
            "cut at {end}: {cut:?}"
        );
    }
    for extra in [0, 1, 255] {
        let mut long = bytes.clone();
        long.push(extra);
        prop_assert_eq!(decode::<M>(&long).err(), Some(Malformed::Trailing));
    }
    let mut other = bytes;
    for version in [0, VERSION + 1, 255] {
        other[0] = version;
        prop_assert_eq!(decode::<M>(&other).err(), Some(Malformed::Version(version)));
    }
    Ok(())
}

/// What decodes has these bytes and no others: nothing is made up, so nothing larger
/// than the message is ever built.
fn only_spelling<M: Wire + std::fmt::Debug>(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(message) = decode::<M>(bytes) {
        prop_assert_eq!(encode(&message), bytes);
    }
    Ok(())
}

/// One byte of a good message changed.
fn bitten(good: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (good, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut bytes, at, byte)| {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn orders_come_back_as_they_went(message in order()) {
        prop_assert_eq!(decode::<Order>(&encode(&message)), Ok(message));
    }

    #[test]
    fn reports_come_back_as_they_went(message in report()) {
        prop_assert_eq!(decode::<Report>(&encode(&message)), Ok(message));
    }

    #[test]
    fn an_order_is_whole_or_nothing(message in order()) {
        whole_or_nothing(&message)?;
    }

    #[test]
    fn a_report_is_whole_or_nothing(message in report()) {
        whole_or_nothing(&message)?;
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(mut bytes in vec(any::<u8>(), 0..300)) {
        only_spelling::<Order>(&bytes)?;
        only_spelling::<Report>(&bytes)?;
        // Past the version, and past the tag.
        if let Some(first) = bytes.first_mut() {
            *first = VERSION;
        }
        for tag in 0..7 {
            if let Some(second) = bytes.get_mut(1) {
                *second = tag;
            }
            only_spelling::<Order>(&bytes)?;
            only_spelling::<Report>(&bytes)?;
        }
    }

    #[test]
    fn an_order_with_one_wrong_byte_is_another_order_or_an_error(bytes in bitten(order().prop_map(|m| encode(&m)))) {
        only_spelling::<Order>(&bytes)?;
    }

    #[test]
    fn a_report_with_one_wrong_byte_is_another_report_or_an_error(bytes in bitten(report().prop_map(|m| encode(&m)))) {
        only_spelling::<Report>(&bytes)?;
    }
}
