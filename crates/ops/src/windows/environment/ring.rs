//! The environment of a ring, made from the caller's.

use std::fmt;

use super::Pairs;
use crate::windows::Wide;

/// What a ring reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// Everything.
    On,
    /// A proxy of ours, at this port of the loopback.
    Proxy(u16),
    /// Nothing.
    Off,
}

/// The profile of the account a ring runs as, where that is not the caller's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The account's name.
    pub user: Wide,
    /// Its directory, with its drive: `C:\Users\…`.
    pub home: Wide,
}

/// What a ring's environment depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The ring's mode in a word, for the marker `RINGFENCE`.
    pub mode: Wide,
    /// The policy's word for the network, for the marker `RINGFENCE_NETWORK`.
    pub network_mode: Wide,
    /// What the ring reaches.
    pub network: Network,
    /// The ring's own directory for temporary files.
    pub temp: Wide,
    /// The account, where it is another than the caller's.
    pub profile: Option<Profile>,
    /// Homes of the caller's tools that the ring may read (`CARGO_HOME`, `RUSTUP_HOME`), which
    /// the tools would look for in the other account's profile.
    pub tools: Pairs,
    /// Checkouts that another account owns than the ring's.
    pub checkouts: Vec<Wide>,
    /// A directory of the ring's with a `.curlrc` of [`CURLRC`] in it.
    pub curl_home: Option<Wide>,
}

/// curl has no variable for this, only a file under `CURL_HOME`. "best effort" goes on where the
/// list of revoked certificates cannot be had, and still heeds one that can (curl 7.70 and later).
pub const CURLRC: &str = "ssl-revoke-best-effort\n";

/// Port 9 (discard): nobody listens, so who is sent there fails at once and not after a timeout.
const NOWHERE: u16 = 9;

/// Why a variable changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// Temporary files go into the ring's own directory.
    Temporary,
    /// Tells programs that they are in a ring. Nothing is enforced by it.
    Marker,
    /// It says who the caller is or where their profile lies; the ring has another account.
    OtherAccount,
    /// It leads to the caller's tools, which the other account's profile has not.
    Tools,
    /// The shell's directory on a drive is the caller's, not the ring's.
    DriveDirectory,
    /// Git refuses checkouts of another owner (`safe.directory`).
    ForeignOwner,
    /// The number of Git's settings from the environment was none.
    GitCount,
    /// A pager waits for a key that nobody presses.
    Pager,
    /// Windows' TLS cannot ask for revoked certificates behind the fence
    /// (`CRYPT_E_REVOCATION_OFFLINE`), and fails then.
    Revocation,
    /// Advice: the way to the proxy.
    Proxy,
    /// Advice: there is no network, and programs that are told fail at once. The fence holds
    /// without it.
    Offline,
}

impl Why {
    /// It is advice: a program may look past it, and nothing is lost then.
    #[must_use]
    pub fn is_advice(self) -> bool {
        matches!(self, Why::Proxy | Why::Offline)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Why::Temporary => "temporary files go into the ring's own directory",
            Why::Marker => "programs can see that they are in a ring",
            Why::OtherAccount => "the ring runs as another account",
            Why::Tools => "your tools are found from the ring's account",
            Why::DriveDirectory => "the directory on a drive is your shell's",
            Why::ForeignOwner => "Git refuses checkouts of another owner",
            Why::GitCount => "the number of Git's settings was none",
            Why::Pager => "nobody presses a pager's keys",
            Why::Revocation => "revoked certificates cannot be asked for behind the fence",
            Why::Proxy => "the way to the proxy",
            Why::Offline => "there is no network, and programs that know fail at once",
        })
    }
}

/// What became of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// It has this value now.
    Set,
    /// It is not there.
    Dropped,
}

/// One variable that is not as the caller has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The variable.
    pub name: Wide,
    /// What became of it.
    pub what: What,
    /// Why.
    pub why: Why,
}

/// A ring's environment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ring {
    /// What its processes are started with.
    pub variables: Pairs,
    /// How that differs from the caller's.
    pub changes: Vec<Change>,
}

/// Variables of the caller's account that the other has not.
const OF_THE_CALLER: [&str; 7] = [
    "LOGONSERVER",
    "USERDOMAIN",
    "USERDOMAIN_ROAMINGPROFILE",
    "USERDNSDOMAIN",
    "OneDrive",
    "OneDriveConsumer",
    "OneDriveCommercial",
];

/// What tools take to be told that there is no network.
const OFFLINE: [(&str, &str); 5] = [
    ("CARGO_NET_OFFLINE", "true"),
    ("npm_config_offline", "true"),
    ("PIP_NO_INDEX", "1"),
    ("UV_OFFLINE", "1"),
    ("GOPROXY", "off"),
];

/// The environment of a ring from the caller's, which the policy has already looked through.
#[must_use]
pub fn for_ring(caller: &[(Wide, Wide)], settings: &Settings) -> Ring {
    let mut ring = Ring::default();
    for (name, value) in caller {
        if name.units().first() == Some(&u16::from(b'=')) {
            ring.changes.push(Change {
                name: name.clone(),
                what: What::Dropped,
                why: Why::DriveDirectory,
            });
        } else {
            ring.variables.retain(|(known, _)| !known.is_like(name));
            ring.variables.push((name.clone(), value.clone()));
        }
    }
    if let Some(profile) = &settings.profile {
        ring.move_to(profile);
    }
    for (name, home) in &settings.tools {
        if ring.get(name).is_none() {
            ring.set(name.clone(), home.clone(), Why::Tools);
        }
    }
    for name in ["TEMP", "TMP"] {
        ring.set(name, settings.temp.clone(), Why::Temporary);
    }
    // Not a name of Windows', but of the Unix tools there.
    ring.replace("TMPDIR", settings.temp.clone(), Why::Temporary);
    ring.set("RINGFENCE", settings.mode.clone(), Why::Marker);
    ring.set(
        "RINGFENCE_NETWORK",
        settings.network_mode.clone(),
        Why::Marker,
    );
    if ring.get(&"GIT_PAGER".into()).is_none() {
        // Git takes this word for "no pager" and starts nothing.
        ring.set("GIT_PAGER", "cat", Why::Pager);
    }
    ring.git(settings);
    ring.network(settings);
    ring
}

impl Ring {
    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &Wide) -> Option<&Wide> {
        let mut found = self.variables.iter().filter(|(n, _)| n.is_like(name));
        found.next().map(|(_, value)| value)
    }

    fn set(&mut self, name: impl Into<Wide>, value: impl Into<Wide>, why: Why) {
        let (name, value) = (name.into(), value.into());
        if self.get(&name) == Some(&value) {
            return;
        }
        self.variables.retain(|(known, _)| !known.is_like(&name));
        self.variables.push((name.clone(), value));
        self.changes.push(Change {
            name,
            what: What::Set,
            why,
        });
    }

    fn replace(&mut self, name: &str, value: Wide, why: Why) {
        if self.get(&name.into()).is_some() {
            self.set(name, value, why);
        }
    }

    fn drop_out(&mut self, name: &str, why: Why) {
        let name = Wide::from(name);
        if self.get(&name).is_some() {
            self.variables.retain(|(known, _)| !known.is_like(&name));
            self.changes.push(Change {
                name,
                what: What::Dropped,
                why,
            });
        }
    }

    fn move_to(&mut self, profile: &Profile) {
        let why = Why::OtherAccount;
        let home = profile.home.units();
        let below = |rest: &str| {
            let mut path = home.to_vec();
            path.extend(rest.encode_utf16());
            Wide::from(path)
        };
        let (drive, path) = home.split_at(home.len().min(2));
        self.set("USERNAME", profile.user.clone(), why);
        self.set("USERPROFILE", profile.home.clone(), why);
        self.set("HOMEDRIVE", Wide::from(drive), why);
        self.set("HOMEPATH", Wide::from(path), why);
        self.set("APPDATA", below(r"\AppData\Roaming"), why);
        self.set("LOCALAPPDATA", below(r"\AppData\Local"), why);
        self.replace("HOME", profile.home.clone(), why);
        for name in OF_THE_CALLER {
            self.drop_out(name, why);
        }
    }

    /// Git's settings from the environment are numbered (`GIT_CONFIG_COUNT`); the caller's stay.
    fn git(&mut self, settings: &Settings) {
        let mut added = Vec::new();
        for checkout in &settings.checkouts {
            let slashes = checkout.units().iter().map(|unit| match *unit {
                0x5c => 0x2f,
                other => other,
            });
            let path = Wide::from(slashes.collect::<Vec<u16>>());
            added.push(("safe.directory", path, Why::ForeignOwner));
        }
        if settings.network != Network::On {
            let key = "http.schannelCheckRevoke";
            added.push((key, Wide::from("false"), Why::Revocation));
        }
        if added.is_empty() {
            return;
        }
        let before = self.get(&"GIT_CONFIG_COUNT".into()).map(Wide::to_string);
        let known = match before.as_deref() {
            None | Some("") => Some(0),
            Some(number) => number.parse::<u32>().ok().filter(|n| *n <= 10_000),
        };
        let mut count = known.unwrap_or(0);
        let why = match (known, added.first()) {
            (None, _) | (_, None) => Why::GitCount,
            (Some(_), Some((.., why))) => *why,
        };
        for (key, value, why) in added {
            self.set(format!("GIT_CONFIG_KEY_{count}").as_str(), key, why);
            self.set(format!("GIT_CONFIG_VALUE_{count}").as_str(), value, why);
            count += 1;
        }
        self.set("GIT_CONFIG_COUNT", count.to_string().as_str(), why);
    }

    fn network(&mut self, settings: &Settings) {
        let (port, why) = match settings.network {
            Network::On => return,
            Network::Proxy(port) => (port, Why::Proxy),
            Network::Off => (NOWHERE, Why::Offline),
        };
        self.set("CARGO_HTTP_CHECK_REVOKE", "false", Why::Revocation);
        if let Some(home) = &settings.curl_home {
            self.set("CURL_HOME", home.clone(), Why::Revocation);
        }
        let proxy = format!("http://127.0.0.1:{port}");
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            self.set(name, proxy.as_str(), why);
        }
        self.set("NO_PROXY", "localhost,127.0.0.1,::1", why);
        if settings.network == Network::Off {
            for (name, value) in OFFLINE {
                self.set(name, value, why);
            }
        }
    }
}
