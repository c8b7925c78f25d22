//! What a secret looks like, by its variable's name and by its own shape.

use std::ops::Range;

use super::EnvVerdict;

mod shape;

/// What becomes of a variable that no policy names.
pub(super) fn judge(name: &[u8], value: &[u8]) -> EnvVerdict {
    let mut buffer = [0; LONGEST];
    let upper = upper(name, &mut buffer);
    if listed(SOCKETS, upper)
        || SOCKET_PREFIXES
            .iter()
            .any(|prefix| upper.starts_with(prefix))
    {
        return EnvVerdict::DropSocket;
    }
    if !trivial(value) && secret_name(upper, value) {
        return EnvVerdict::DropSecretName;
    }
    if shape::is_secret(value) {
        return EnvVerdict::DropSecretShape;
    }
    EnvVerdict::Pass
}

/// Where secrets stand in a text, by their own shape and by the names that stand before them
/// (`--password hunter2`, `TOKEN=…`, `"api_key": "…"`). Ranges of bytes, in order; they may overlap.
pub(crate) fn find(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = shape::find(text);
    let name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let mut at = 0;
    while at < text.len() {
        if !name(&text[at]) {
            at += 1;
            continue;
        }
        let length = text[at..].iter().position(|b| !name(b));
        let end = length.map_or(text.len(), |length| at + length);
        let word = &text[at..end];
        if let Some(value) = value_after(text, end, word.starts_with(b"--"))
            && named_secret(word, &text[value.clone()])
        {
            at = value.end;
            found.push(value);
        } else {
            at = end;
        }
    }
    found.extend(set_to(text));
    found.sort_by_key(|range| (range.start, range.end));
    found
}

/// Values that a name in a word of its own is set to: `configure set aws_secret_access_key X`.
fn set_to(text: &[u8]) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].iter().position(|b| !b.is_ascii_whitespace()) {
        let start = at + start;
        let quote = Some(text[start]).filter(|byte| matches!(byte, b'"' | b'\''));
        let start = start + usize::from(quote.is_some());
        let ends = |byte: &u8| match quote {
            Some(quote) => *byte == quote,
            None => byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b';' | b'&' | b'|'),
        };
        let length = text[start..].iter().position(ends);
        let end = length.map_or(text.len(), |length| start + length);
        words.push(start..end);
        at = (end + usize::from(length.is_some())).min(text.len());
    }
    let triples = words.windows(3).filter(|triple| {
        let [set, name, value] = [0, 1, 2].map(|n| &text[triple[n].clone()]);
        set == b"set" && is_secret_setting(name, value) && !value.starts_with(b"-")
    });
    triples.map(|triple| triple[2].clone()).collect()
}

/// Whether a setting of this name holds a secret: `default.aws_secret_access_key`, `//registry/:_authToken`.
pub(crate) fn is_secret_setting(name: &[u8], value: &[u8]) -> bool {
    let part = |byte: &u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let last = name.rsplit(part).next().unwrap_or_default();
    !name.starts_with(b"-") && !name.contains(&b'=') && named_secret(last, value)
}

/// Whether a text is a flag whose next word is a secret: `--password`.
pub(crate) fn is_secret_flag(word: &[u8]) -> bool {
    let clean = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    word.starts_with(b"--") && word.iter().all(clean) && named_secret(word, b"some value")
}

/// Whether a name says that a value is a secret. Flags and headers are written with dashes.
fn named_secret(name: &[u8], value: &[u8]) -> bool {
    let start = name.iter().position(|byte| *byte != b'-');
    let name = &name[start.unwrap_or(name.len())..];
    if name.is_empty() || trivial(value) || value.starts_with(b"$") {
        return false;
    }
    let mut buffer = [0; LONGEST];
    let upper = upper(name, &mut buffer).to_vec();
    let upper: Vec<u8> = upper
        .iter()
        .map(|byte| if *byte == b'-' { b'_' } else { *byte })
        .collect();
    secret_name(&upper, value)
}

/// The value that belongs to a name which ends here: behind `=`, behind `:` (of some length: prose has colons
/// as well), and behind a blank where the name is a flag. In quotes up to their end.
fn value_after(text: &[u8], end: usize, flag: bool) -> Option<Range<usize>> {
    let quote = |byte: u8| matches!(byte, b'"' | b'\'');
    let mut at = end;
    if text.get(at).is_some_and(|byte| quote(*byte)) {
        at += 1;
    }
    let separator = *text.get(at)?;
    let least = match separator {
        b'=' => 1,
        // `token::tests`, `key://`: names of other things.
        b':' if !matches!(text.get(at + 1), Some(b':' | b'/')) => 8,
        b' ' if flag => 1,
        _ => return None,
    };
    at += 1;
    while text.get(at) == Some(&b' ') && separator != b'=' {
        at += 1;
    }
    let quoted = text.get(at).copied().filter(|byte| quote(*byte));
    at += usize::from(quoted.is_some());
    let ends = |byte: &u8| match quoted {
        Some(quote) => *byte == quote,
        None => {
            byte.is_ascii_whitespace() || matches!(byte, b'&' | b';' | b'"' | b'\'' | b'|' | b')')
        }
    };
    let length = text[at..].iter().position(ends);
    let until = length.map_or(text.len(), |length| at + length);
    let flag_next = separator == b' ' && text.get(at) == Some(&b'-');
    (until - at >= least && !flag_next).then_some(at..until)
}

/// Longer names are judged by their last bytes, where `_TOKEN` stands.
const LONGEST: usize = 128;

fn upper<'a>(name: &[u8], buffer: &'a mut [u8; LONGEST]) -> &'a [u8] {
    let tail = &name[name.len().saturating_sub(LONGEST)..];
    let out = &mut buffer[..tail.len()];
    out.copy_from_slice(tail);
    out.make_ascii_uppercase();
    out
}

fn listed(sorted: &[&[u8]], name: &[u8]) -> bool {
    // The first byte settles most steps without a call; this runs some ten times for each variable.
    let Some(first) = name.first() else {
        return false;
    };
    let order = |probe: &&[u8]| probe[0].cmp(first).then_with(|| (*probe).cmp(name));
    sorted.binary_search_by(order).is_ok()
}

/// A switch or nothing at all: `NO_PASSWORD=1` holds no secret.
fn trivial(value: &[u8]) -> bool {
    const WORDS: [&[u8]; 10] = [
        b"", b"0", b"1", b"true", b"false", b"yes", b"no", b"on", b"off", b"none",
    ];
    value.len() <= 5 && WORDS.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether a variable of this name holds a secret. `name` is in upper case.
fn secret_name(name: &[u8], value: &[u8]) -> bool {
    if listed(HARMLESS, name) {
        return false;
    }
    if listed(SECRETS, name)
        || SECRET_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
    {
        return true;
    }
    let mut words = name
        .split(|byte| !byte.is_ascii_alphanumeric())
        .filter(|w| !w.is_empty());
    let Some(last) = words.next_back() else {
        return false;
    };
    if listed(LAST_WORDS, last) || ENDS.iter().any(|end| last.ends_with(end)) {
        return true;
    }
    // `API_KEY`, `ACCESS_KEY_ID`: what comes before says what kind of key.
    if last == b"TOKENS" {
        // `MAX_OUTPUT_TOKENS=4096` counts, `API_TOKENS=a,b` lists.
        return !value.iter().all(u8::is_ascii_digit);
    }
    // `TOKEN_URL`, `DB_PASSWORD_FILE`: about a secret, not one.
    if listed(ABOUT, last) {
        return false;
    }
    words.any(|word| listed(ANY_WORDS, word)) || listed(ANY_WORDS, last)
}

/// Names that the rules below would take for a secret's and that are not. Sorted.
const HARMLESS: &[&[u8]] = &[
    b"AWS_CA_BUNDLE",
    b"AWS_CONFIG_FILE",
    b"AWS_DEFAULT_OUTPUT",
    b"AWS_DEFAULT_PROFILE",
    b"AWS_DEFAULT_REGION",
    b"AWS_EC2_METADATA_DISABLED",
    b"AWS_ENDPOINT_URL",
    b"AWS_MAX_ATTEMPTS",
    b"AWS_PAGER",
    b"AWS_PROFILE",
    b"AWS_REGION",
    b"AWS_RETRY_MODE",
    b"AWS_SDK_LOAD_CONFIG",
    b"AWS_VAULT_BACKEND",
    b"GPG_KEY",
    b"OLDPWD",
    b"PWD",
];

/// Names no rule below catches. Sorted.
const SECRETS: &[&[u8]] = &[
    b"ACTIONS_ID_TOKEN_REQUEST_URL",
    b"BORG_PASSCOMMAND",
    b"DOCKER_AUTH_CONFIG",
    b"KUBE_CONFIG_DATA",
    b"LDAP_BINDPW",
    b"MYSQL_PWD",
    b"PGPASSWORD",
    b"RESTIC_PASSWORD_COMMAND",
    b"SECRET_KEY_BASE",
    b"SSHPASS",
    b"SUDO_PASS",
];

const SECRET_PREFIXES: &[&[u8]] = &[b"AWS_", b"AMAZON_", b"OP_SESSION_", b"BW_SESSION"];

/// Last words that make a secret of whatever they end. Sorted.
const LAST_WORDS: &[&[u8]] = &[
    b"ACCESSKEY",
    b"ACCESSTOKEN",
    b"APIKEY",
    b"APITOKEN",
    b"AUTH",
    b"AUTHKEY",
    b"AUTHTOKEN",
    b"BEARER",
    b"COOKIE",
    b"COOKIES",
    b"CREDENTIAL",
    b"CREDENTIALS",
    b"CREDS",
    b"JWT",
    b"KEY",
    b"PASS",
    b"PASSPHRASE",
    b"PASSWD",
    b"PASSWORD",
    b"PASSWORDS",
    b"PAT",
    b"PRIVATEKEY",
    b"PWD",
    b"SECRET",
    b"SECRETKEY",
    b"SECRETS",
    b"TOKEN",
];

/// What makes a secret of a last word that ends so: `DbPassword`, `mysecret`. Not `KEY`: `MONKEY`.
const ENDS: &[&[u8]] = &[
    b"ACCESSKEY",
    b"APIKEY",
    b"CREDENTIAL",
    b"CREDENTIALS",
    b"PASSPHRASE",
    b"PASSWD",
    b"PASSWORD",
    b"PRIVATEKEY",
    b"PRIVKEY",
    b"SECRET",
    b"SECRETKEY",
    b"SECRETS",
    b"TOKEN",
];

/// Words that make a secret anywhere in a name, unless its last word is one of [`ABOUT`]. Sorted.
const ANY_WORDS: &[&[u8]] = &[
    b"APIKEY",
    b"AUTHTOKEN",
    b"CREDENTIAL",
    b"CREDENTIALS",
    b"KEY",
    b"PASSPHRASE",
    b"PASSWD",
    b"PASSWORD",
    b"SECRET",
    b"SECRETS",
    b"TOKEN",
];

/// Last words that speak about a secret or a key of another kind. Sorted.
const ABOUT: &[&[u8]] = &[
    b"ALGORITHM",
    b"BACKEND",
    b"COMMAND",
    b"COUNT",
    b"DELAY",
    b"DIR",
    b"DIRECTORY",
    b"ENABLED",
    b"ENDPOINT",
    b"EXPIRES",
    b"EXPIRY",
    b"FILE",
    b"FORMAT",
    b"HELPER",
    b"HOST",
    b"LENGTH",
    b"LIMIT",
    b"MODE",
    b"NAME",
    b"PATH",
    b"PORT",
    b"PROFILE",
    b"PROVIDER",
    b"REGION",
    b"SIZE",
    b"TIMEOUT",
    b"TTL",
    b"TYPE",
    b"URI",
    b"URL",
];

/// Ways out of the ring: sockets, displays, remote controls of the terminal or editor, and programs
/// that hand out logins. Sorted.
const SOCKETS: &[&[u8]] = &[
    b"ALACRITTY_SOCKET",
    b"BUILDKIT_HOST",
    b"CONTAINERD_ADDRESS",
    b"CONTAINER_HOST",
    b"DISPLAY",
    b"DOCKER_CONTEXT",
    b"DOCKER_HOST",
    b"EMACS_SERVER_FILE",
    b"EMACS_SOCKET_NAME",
    b"GIT_ASKPASS",
    b"GNOME_KEYRING_CONTROL",
    b"GNOME_KEYRING_PID",
    b"GPG_AGENT_INFO",
    b"HYPRLAND_INSTANCE_SIGNATURE",
    b"I3SOCK",
    b"ICEAUTHORITY",
    b"KITTY_LISTEN_ON",
    b"KITTY_PUBLIC_KEY",
    b"LISTEN_FDNAMES",
    b"LISTEN_FDS",
    b"LISTEN_PID",
    b"NIRI_SOCKET",
    b"NOTIFY_SOCKET",
    b"NVIM",
    b"NVIM_LISTEN_ADDRESS",
    b"PIPEWIRE_REMOTE",
    b"PODMAN_HOST",
    b"PULSE_SERVER",
    b"SESSION_MANAGER",
    b"SSH_AGENT_PID",
    b"SSH_ASKPASS",
    b"SSH_AUTH_SOCK",
    b"STY",
    b"SUDO_ASKPASS",
    b"SWAYSOCK",
    b"TMUX",
    b"TMUX_PANE",
    b"WATCHMAN_SOCK",
    b"WAYLAND_DISPLAY",
    b"WAYLAND_SOCKET",
    b"WEZTERM_UNIX_SOCKET",
    b"WSL_INTEROP",
    b"XAUTHORITY",
    b"ZELLIJ",
    b"ZELLIJ_SESSION_NAME",
];

const SOCKET_PREFIXES: &[&[u8]] = &[
    b"DBUS_",
    b"VSCODE_GIT_",
    b"VSCODE_IPC_",
    b"GNOME_TERMINAL_S",
    b"SYSTEMD_ACTIVATION_",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_for_the_search() {
        for list in [HARMLESS, SECRETS, LAST_WORDS, ANY_WORDS, ABOUT, SOCKETS] {
            assert!(list.is_sorted_by(|a, b| a < b), "{:?}", list.first());
        }
    }
}
