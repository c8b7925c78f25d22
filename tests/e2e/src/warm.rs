//! Caches and toolchains as a person has them after yesterday's work: filled outside, by the real
//! clients, once per home.

use std::fs;
use std::path::{Path, PathBuf};

use crate::needs::missing;
use crate::person::{Lock, Person};

/// What can be warmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warm {
    /// `~/.cargo` holds the crate `itoa`.
    Cargo,
    /// `~/.npm` holds the package `is-number`; a project with its lock file is made.
    Npm,
    /// A directory of wheels holds `pytest`.
    Wheels,
    /// `uv` is installed in a venv of its own and `~/.cache/uv` holds `iniconfig`.
    Uv,
    /// `~/.m2/repository` holds what Debian packages of Maven's plugins and JUnit.
    Maven,
    /// `~/go/pkg/mod` holds a module `example.com/greet` from a local proxy directory.
    GoModule,
}

impl Warm {
    fn name(self) -> &'static str {
        match self {
            Self::Cargo => "warm:cargo",
            Self::Npm => "warm:npm",
            Self::Wheels => "warm:wheels",
            Self::Uv => "warm:uv",
            Self::Maven => "warm:maven",
            Self::GoModule => "warm:go",
        }
    }

    fn script(self) -> &'static str {
        match self {
            Self::Cargo => {
                "mkdir src && echo 'pub fn f() {}' > src/lib.rs
                 printf '[package]\\nname = \"warm\"\\nversion = \"0.1.0\"\\nedition = \"2021\"\\n[dependencies]\\nitoa = \"=1.0.15\"\\n' > Cargo.toml
                 cargo fetch"
            }
            Self::Npm => {
                "printf '{\"name\":\"warm\",\"version\":\"1.0.0\",\"private\":true,\"dependencies\":{\"is-number\":\"7.0.0\"}}' > package.json
                 npm install --no-audit --no-fund"
            }
            Self::Wheels => "python3 -m venv v && v/bin/python -m pip download --quiet --dest wheels pytest && rm -r v",
            Self::Uv => {
                "python3 -m venv tool && tool/bin/python -m pip install --quiet uv
                 python3 -m venv v
                 tool/bin/uv pip install --python v/bin/python iniconfig && rm -r v"
            }
            Self::Maven => {
                "for plugin in resources compiler surefire; do
                     ls -d /usr/share/maven-repo/org/apache/maven/plugins/maven-$plugin-plugin
                 done
                 mkdir -p ~/.m2/repository && cp -rs /usr/share/maven-repo/. ~/.m2/repository/ 2>/dev/null || true
                 test -e ~/.m2/repository/junit/junit/4.13.2/junit-4.13.2.pom"
            }
            Self::GoModule => {
                "at=proxy/example.com/greet/@v && mkdir -p $at 'z/example.com/greet@v1.0.0'
                 printf 'module example.com/greet\\n\\ngo 1.18\\n' | tee $at/v1.0.0.mod > 'z/example.com/greet@v1.0.0/go.mod'
                 printf 'package greet\\n\\nfunc Hi() string { return \"hi\" }\\n' > 'z/example.com/greet@v1.0.0/greet.go'
                 echo v1.0.0 > $at/list && echo '{\"Version\":\"v1.0.0\"}' > $at/v1.0.0.info
                 (cd z && python3 -c 'import sys, zipfile
z = zipfile.ZipFile(sys.argv[1], \"w\")
for name in sys.argv[2:]: z.write(name)
z.close()' ../$at/v1.0.0.zip example.com/greet@v1.0.0/go.mod example.com/greet@v1.0.0/greet.go)
                 printf 'module warm\\n\\ngo 1.18\\n' > go.mod
                 GOPROXY=file://$PWD/proxy GONOSUMDB=* GONOSUMCHECK=1 GOFLAGS=-mod=mod GOSUMDB=off go get example.com/greet@v1.0.0"
            }
        }
    }
}

/// Warms a cache of the person's, once; the directory it was done in.
///
/// `None` after saying why it cannot be done here (no registry, no package).
pub fn warm(person: &Person, what: Warm) -> Option<PathBuf> {
    let name = what.name().replace(':', "-");
    let place = person.dir("warm");
    let dir = place.join(&name);
    let _alone = Lock::take(&place.join(format!("{name}.lock")));
    if dir.join(".done").exists() {
        return Some(dir);
    }
    let _ = fs::remove_dir_all(&dir);
    let dir = person.dir(&format!("warm/{name}"));
    let mut command = person.command("sh", &dir);
    command
        .args(["-ec", what.script()])
        .envs(client_settings())
        .stdin(std::process::Stdio::null());
    let done = command.output().unwrap();
    if !done.status.success() {
        let said = [done.stdout, done.stderr].concat();
        let why = String::from_utf8_lossy(&said);
        return missing(
            what.name(),
            &format!("warming failed ({}): {}", done.status, why.trim()),
        );
    }
    fs::write(dir.join(".done"), "").unwrap();
    Some(dir)
}

/// What the caller's environment says about proxies, certificates and indexes: registries are
/// reached as this machine reaches them.
fn client_settings() -> Vec<(String, String)> {
    std::env::vars()
        .filter(|(name, _)| {
            let lower = name.to_lowercase();
            lower.ends_with("_proxy")
                || lower.ends_with("ca_bundle")
                || lower.starts_with("ssl_cert")
                || lower.starts_with("pip_")
                || lower.starts_with("uv_")
                || lower.starts_with("npm_config_registry")
                || lower.starts_with("cargo_http_")
                || lower.starts_with("cargo_registr")
                || lower == "node_extra_ca_certs"
        })
        .collect()
}

/// Gives the account made for the tests a rustup of its own: hard links to the caller's toolchain,
/// which lies in a home that is closed to it.
pub(crate) fn toolchain(person: &Person) {
    let settings = person.home.join(".rustup/settings.toml");
    if person.is_root() || !rustix::process::geteuid().is_root() || settings.exists() {
        return;
    }
    let real = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let of = |var: &str, below: &str| {
        std::env::var_os(var).map_or_else(|| real.join(below), PathBuf::from)
    };
    let (rustup, cargo) = (of("RUSTUP_HOME", ".rustup"), of("CARGO_HOME", ".cargo"));
    let place = person.dir("warm");
    let _alone = Lock::take(&place.join("toolchain.lock"));
    let Some(sysroot) = sysroot() else { return };
    if settings.exists() || !cargo.join("bin/rustup").exists() || !sysroot.starts_with(&rustup) {
        return;
    }
    let toolchain = sysroot.file_name().unwrap().to_string_lossy().into_owned();
    let to = person.dir(&format!(".rustup/toolchains/{toolchain}"));
    for part in ["bin", "lib", "libexec"] {
        link_or_copy(&sysroot.join(part), &to.join(part));
    }
    let bin = person.dir(".cargo/bin");
    link_or_copy(&cargo.join("bin/rustup"), &bin.join("rustup"));
    for proxy in ["cargo", "rustc", "rustdoc"] {
        let _ = std::os::unix::fs::symlink("rustup", bin.join(proxy));
    }
    let text = format!(
        "version = \"12\"\nprofile = \"minimal\"\nauto_self_update = \"disable\"\ndefault_toolchain = \"{toolchain}\"\n"
    );
    fs::write(&settings, text).unwrap();
    person.own(&settings);
}

fn sysroot() -> Option<PathBuf> {
    let said = std::process::Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let path = PathBuf::from(String::from_utf8(said.stdout).ok()?.trim());
    path.is_absolute()
        .then(|| fs::canonicalize(path).ok())
        .flatten()
}

fn link_or_copy(from: &Path, to: &Path) {
    if !from.exists() {
        return;
    }
    let cp = |how: &str| {
        std::process::Command::new("cp")
            .arg(how)
            .arg("-T")
            .arg(from)
            .arg(to)
            .output()
            .is_ok_and(|out| out.status.success())
    };
    if !cp("-al") {
        let _ = fs::remove_dir_all(to);
        assert!(
            cp("-a"),
            "cannot copy {} to {}",
            from.display(),
            to.display()
        );
    }
}
