//! What a command is told by its environment. Nothing is kept by it: it makes tools fail at once, and in words, instead of
//! after a minute, or not at all.

use std::path::Path;

use ringfence_policy::NetworkMode;

use crate::environment::{self, ChildEnvironment};

/// Where nobody listens: port 9 (discard, RFC 863) of this machine.
const NOWHERE: &str = "http://127.0.0.1:9";

/// For commands without network: a proxy that is not there, and each tool's own word for it.
const OFFLINE: [(&str, &str); 11] = [
    ("HTTP_PROXY", NOWHERE),
    ("HTTPS_PROXY", NOWHERE),
    ("ALL_PROXY", NOWHERE),
    ("NO_PROXY", "localhost,127.0.0.1,::1"),
    ("CARGO_NET_OFFLINE", "true"),
    ("GOPROXY", "off"),
    ("NPM_CONFIG_OFFLINE", "true"),
    ("PIP_NO_INDEX", "1"),
    ("UV_OFFLINE", "1"),
    ("YARN_ENABLE_NETWORK", "0"),
    // git(1): over no other way than the disk; so ssh is not started either.
    ("GIT_ALLOW_PROTOCOL", "file"),
];

/// Sets what a ring changes.
pub(super) fn adapt(
    child: &mut ChildEnvironment,
    ring: Option<&str>,
    network: NetworkMode,
    temp: Option<&Path>,
) {
    if let Some(temp) = temp {
        environment::temporary(child, temp);
    }
    let Some(ring) = ring else {
        return;
    };
    child.set("RINGFENCE", ring);
    child.set("RINGFENCE_NETWORK", network.to_string());
    if network != NetworkMode::On {
        for (name, value) in OFFLINE {
            child.set(name, value);
        }
    }
}
