//! Words that were made to be read wrongly.

use proptest::prelude::*;

use super::Wide;

/// Pieces that some reader takes for more than themselves.
fn piece() -> impl Strategy<Value = Vec<u16>> {
    prop_oneof![
        8 => prop::sample::select(vec![
            "\"", "\"\"", "\"\"\"", "\\", "\\\\", "\\\\\\", "\\\"", "\\\\\"", " ", "\t", "\n", "\r", "&", "|", "<",
            ">", "^", "(", ")", "%", "%%", "!", ",", ";", "=", "@", ":", "~", "/?", "%PATH%", "%cd%", "%cd:~,%",
            "%a", "%a:b=c%", "!x!", "^&", "&&calc", "\" & calc & \"", "2>&1", "C:\\dir\\", "-x", "a", "b c", "ä",
            "😀", "\u{a0}", "\u{3000}", "\u{ff02}", "\u{1a}", "\u{b}", "\u{7f}",
        ])
        .prop_map(|text| text.encode_utf16().collect()),
        1 => prop::sample::select(vec![vec![0xd800_u16], vec![0xdfff], vec![0xdc00, 0xd800], vec![0xffff]]),
        2 => prop::collection::vec(1_u16.., 1..4),
        2 => prop::collection::vec(0x20_u16..0x7f, 1..8),
    ]
}

/// A word without NUL.
pub(super) fn word() -> impl Strategy<Value = Wide> {
    prop::collection::vec(piece(), 0..8).prop_map(|pieces| Wide::from(pieces.concat()))
}

/// A word that can name a program: without a quotation mark.
pub(super) fn program() -> impl Strategy<Value = Wide> {
    word().prop_map(|word| {
        let units = word.into_units();
        let kept: Vec<u16> = units.into_iter().filter(|u| *u != 0x22).collect();
        Wide::from(kept)
    })
}

/// A program and its words.
pub(super) fn argv() -> impl Strategy<Value = Vec<Wide>> {
    (program(), prop::collection::vec(word(), 0..6)).prop_map(|(program, words)| {
        let mut argv = vec![program];
        argv.extend(words);
        argv
    })
}
