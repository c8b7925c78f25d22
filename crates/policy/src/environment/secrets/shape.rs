//! Secrets by their own shape: what a value holds, whatever its variable is called.

use std::ops::Range;

/// Whether a value holds a secret. One walk over the bytes.
pub(super) fn is_secret(value: &[u8]) -> bool {
    if value.len() < 8 {
        return false;
    }
    let mut start = 0;
    for end in 0..=value.len() {
        let byte = value.get(end).copied();
        if byte.is_some_and(part_of_token) {
            continue;
        }
        if is_token(&value[start..end]) {
            return true;
        }
        if byte == Some(b':') && password_in_url(&value[end..]).is_some() {
            return true;
        }
        start = end + 1;
    }
    marked(value)
}

/// Where secrets stand in a text, in its order. Of a word such as `https://user:password@host` it is
/// the password alone; of a header or a key what stands up to the end of its line or quotes.
pub(super) fn find(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if !is_secret(text) {
        return found;
    }
    let mut start = 0;
    for end in 0..=text.len() {
        let byte = text.get(end).copied();
        if byte.is_some_and(part_of_token) {
            continue;
        }
        if is_token(&text[start..end]) {
            found.push(start..end);
        }
        if byte == Some(b':')
            && let Some(password) = password_in_url(&text[end..])
        {
            found.push(end + password.start..end + password.end);
        }
        start = end + 1;
    }
    for at in 0..text.len() {
        if is_mark(&text[at..]) {
            let rest = &text[at..];
            let ends = |byte: &u8| matches!(byte, b'\n' | b'"' | b'\'');
            let length = if rest.starts_with(b"-----BEGIN") {
                rest.len()
            } else if rest[0] == b'"' {
                // From the key on: the value may be anything.
                rest.len()
            } else {
                rest.iter().position(ends).unwrap_or(rest.len())
            };
            found.push(at..at + length);
        }
    }
    found.sort_by_key(|range| (range.start, range.end));
    found
}

fn part_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// A known beginning, the least length of the rest, and what the rest is made of.
type Shape = (&'static [u8], usize, fn(u8) -> bool);

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn dotted(byte: u8) -> bool {
    word(byte) || byte == b'.'
}

fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn capital(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// Prefixes that the issuers document for their secret scanners.
const SHAPES: &[Shape] = &[
    (b"ghp_", 30, alnum),
    (b"gho_", 30, alnum),
    (b"ghu_", 30, alnum),
    (b"ghs_", 30, dotted),
    (b"ghr_", 30, alnum),
    (b"github_pat_", 22, word),
    (b"glpat-", 16, dotted),
    (b"gldt-", 16, dotted),
    (b"glrt-", 16, dotted),
    (b"glcbt-", 16, dotted),
    (b"glptt-", 16, dotted),
    (b"glsoat-", 16, dotted),
    (b"gloas-", 16, dotted),
    (b"xoxa-", 10, word),
    (b"xoxb-", 10, word),
    (b"xoxc-", 10, word),
    (b"xoxd-", 10, word),
    (b"xoxe-", 10, word),
    (b"xoxe.", 10, dotted),
    (b"xoxp-", 10, word),
    (b"xoxr-", 10, word),
    (b"xoxs-", 10, word),
    (b"xapp-", 10, word),
    (b"npm_", 36, alnum),
    (b"pypi-", 50, word),
    (b"hf_", 30, alnum),
    (b"dop_v1_", 64, hex),
    (b"doo_v1_", 64, hex),
    (b"dor_v1_", 64, hex),
    (b"shpat_", 32, hex),
    (b"shpca_", 32, hex),
    (b"shppa_", 32, hex),
    (b"shpss_", 32, hex),
    (b"sk_live_", 16, alnum),
    (b"sk_test_", 16, alnum),
    (b"rk_live_", 16, alnum),
    (b"rk_test_", 16, alnum),
    (b"whsec_", 24, word),
    (b"SG.", 50, dotted),
    (b"AIza", 35, word),
    (b"ya29.", 20, dotted),
    (b"GOCSPX-", 20, word),
    (b"AGE-SECRET-KEY-1", 20, capital),
    (b"hvs.", 20, word),
    (b"hvb.", 20, word),
    (b"tskey-", 16, word),
    (b"nvapi-", 30, word),
    (b"gsk_", 40, alnum),
    (b"xai-", 40, alnum),
    (b"r8_", 36, alnum),
    (b"pplx-", 40, alnum),
    (b"lin_api_", 30, alnum),
    (b"ntn_", 40, alnum),
    (b"dckr_pat_", 20, word),
    (b"dckr_oat_", 20, word),
    (b"rubygems_", 40, hex),
    (b"cioT", 28, alnum),
    (b"ATATT3", 40, word),
    (b"ATCTT3", 40, word),
    (b"dapi", 32, hex),
    (b"PMAK-", 40, word),
    (b"glsa_", 32, word),
    (b"glc_", 32, word),
    (b"sntrys_", 40, word),
    (b"figd_", 30, word),
    (b"fo1_", 30, word),
    (b"atlasv1", 20, word),
];

/// Which bytes a shape can begin with: most tokens begin with another.
const BEGINS: [bool; 256] = {
    let mut begins = [false; 256];
    let mut index = 0;
    while index < SHAPES.len() {
        begins[SHAPES[index].0[0] as usize] = true;
        index += 1;
    }
    begins
};

fn is_token(token: &[u8]) -> bool {
    let (Some(&first), true) = (token.first(), token.len() >= 12) else {
        return false;
    };
    let shaped = |(start, least, of): &Shape| {
        start[0] == first
            && token
                .strip_prefix(*start)
                .is_some_and(|rest| rest.len() >= *least && rest.iter().all(|byte| of(*byte)))
    };
    match first {
        b'A' if aws_key(token) => true,
        b's' if sk_key(token) => true,
        b'e' if jwt(token) => true,
        _ => BEGINS[usize::from(first)] && SHAPES.iter().any(shaped),
    }
}

/// AWS key ids: four letters and sixteen of base 32 (IAM user guide, Unique identifiers).
fn aws_key(token: &[u8]) -> bool {
    const KINDS: [&[u8]; 4] = [b"AKIA", b"ASIA", b"ABIA", b"ACCA"];
    token.len() == 20
        && KINDS.iter().any(|kind| token.starts_with(kind))
        && token.iter().all(|byte| capital(*byte))
}

/// `sk-…` of several issuers. A digit and a length keep names such as `sk-learn-dev-tools` out.
fn sk_key(token: &[u8]) -> bool {
    token.strip_prefix(b"sk-").is_some_and(|rest| {
        rest.len() >= 20
            && rest.iter().all(|byte| word(*byte))
            && rest.iter().any(u8::is_ascii_digit)
            && rest.iter().any(u8::is_ascii_alphabetic)
    })
}

/// Three parts in base64url, the first a JSON object (RFC 7519).
fn jwt(token: &[u8]) -> bool {
    let mut parts = token.split(|byte| *byte == b'.');
    let part = |part: Option<&[u8]>, least: usize| {
        part.is_some_and(|part| part.len() >= least && part.iter().all(|byte| word(*byte)))
    };
    token.starts_with(b"eyJ")
        && part(parts.next(), 10)
        && part(parts.next(), 8)
        && part(parts.next(), 8)
}

/// `://user:password@host`, from the colon on (RFC 3986, userinfo).
fn password_in_url(from_colon: &[u8]) -> Option<Range<usize>> {
    let authority = from_colon.strip_prefix(b"://")?;
    let ends = |byte: &u8| matches!(byte, b'/' | b'?' | b'#') || byte.is_ascii_whitespace();
    let authority = &authority[..authority.iter().position(ends).unwrap_or(authority.len())];
    // The last `@`: a password may hold one, although it should not.
    let at = authority.iter().rposition(|byte| *byte == b'@')?;
    let colon = authority[..at].iter().position(|byte| *byte == b':')?;
    (colon + 1 < at).then_some(colon + 4..at + 3)
}

/// Secrets known by words inside: private keys, connection strings, headers, webhooks.
fn marked(value: &[u8]) -> bool {
    (0..value.len()).any(|at| is_mark(&value[at..]))
}

/// Whether what is not empty begins with one of them.
fn is_mark(rest: &[u8]) -> bool {
    // By the first byte: most values hold none of these, and this runs for each variable.
    match rest[0] {
        b'-' => rest.starts_with(b"-----BEGIN") && private_key(rest),
        b'A' => rest.starts_with(b"AccountKey=") || header(rest),
        b'a' => header(rest),
        b'S' => {
            rest.starts_with(b"SharedAccessKey=") || rest.starts_with(b"SharedAccessSignature=")
        }
        b'h' => rest.starts_with(b"hooks.slack.com/services/"),
        b'"' => rest.starts_with(b"\"private_key\""),
        b'_' => rest.starts_with(b"_authToken"),
        _ => false,
    }
}

/// A PEM or OpenSSH private key, not a certificate (RFC 7468): the label stands in the first line.
fn private_key(value: &[u8]) -> bool {
    const WORDS: &[u8] = b"PRIVATE KEY";
    let label = &value[..value.len().min(64)];
    label.windows(WORDS.len()).any(|part| part == WORDS)
}

/// `Authorization: Bearer …`, as tools take their extra headers.
fn header(value: &[u8]) -> bool {
    const NAME: &[u8] = b"authorization";
    value
        .get(..NAME.len())
        .is_some_and(|name| name.eq_ignore_ascii_case(NAME))
        && matches!(value.get(NAME.len()), Some(b':' | b'='))
}
