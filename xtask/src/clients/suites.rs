//! The tests of the clients, with their own tools: installed into target/ and node_modules/ from
//! files that pin them, again only when those have changed.

use crate::closing::{Counts, read_junit};
use crate::{run, test, workspace};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the machine must have promised for a suite that cannot run to be a failure.
const PROMISES: [&str; 2] = ["tools", "userns"];

/// Runs all of them that can run here.
pub(crate) fn test(root: &Path) -> Result<Counts> {
    let place = Place {
        root: root.to_owned(),
        tools: workspace::target_dir(root).join("clients"),
        server: workspace::binaries(root, "debug")?.join("ringfence"),
    };
    std::fs::create_dir_all(&place.tools)
        .with_context(|| format!("cannot make {}", place.tools.display()))?;
    let mut counts = Counts::default();
    // Both wait most of their time, for what must not happen: they run at once, and are told one after the other.
    let suites = match rings(&place) {
        Some(why) => [("Python", &why), ("TypeScript", &why)].map(|(name, why)| {
            let lacks = Suite::Lacks(why.clone());
            (name, String::new(), Ok(lacks))
        }),
        None => std::thread::scope(|threads| {
            let place = &place;
            [("Python", python as Run), ("TypeScript", typescript)]
                .map(|(name, run)| {
                    let ran = threads.spawn(move || {
                        let mut said = String::new();
                        let ran = run(place, &mut said);
                        (said, ran)
                    });
                    (name, ran)
                })
                .map(|(name, ran)| match ran.join() {
                    Ok((said, ran)) => (name, said, ran),
                    Err(panic) => std::panic::resume_unwind(panic),
                })
        }),
    };
    for (name, said, ran) in suites {
        println!("== {name} client");
        print!("{said}");
        let told = match ran {
            Ok(Suite::Ran(told)) => told,
            // The other one is told, too.
            Err(error) => {
                eprintln!("the {name} client: {error:#}");
                one(false)
            }
            Ok(Suite::Lacks(what)) => {
                let promised = test::promised(run::is_root()).unwrap_or_default();
                lacking(name, &what, &promised.to_string_lossy())
            }
        };
        println!("== {name} client: {told}");
        counts.add(told);
    }
    Ok(counts)
}

/// Where everything is.
struct Place {
    root: PathBuf,
    /// What is installed and remembered here.
    tools: PathBuf,
    /// The program whose `serve` is tested with.
    server: PathBuf,
}

/// Runs a suite, and says what its tools wrote.
type Run = fn(&Place, &mut String) -> Result<Suite>;

enum Suite {
    Ran(Counts),
    /// What this machine lacks for it.
    Lacks(String),
}

/// A skip with its reason; a failure where it was promised that there is none.
fn lacking(name: &str, what: &str, promised: &str) -> Counts {
    let mut counts = Counts::default();
    if PROMISES
        .iter()
        .all(|one| promised.split(',').any(|p| p == *one))
    {
        eprintln!("the {name} client cannot be tested here, and it was promised: needs {what}");
        counts.failed = 1;
    } else {
        println!("skipped the {name} client: needs {what}");
        counts.skipped = 1;
    }
    counts
}

/// Why no ring can be made here, if none can.
fn rings(place: &Place) -> Option<String> {
    let mut doctor = Command::new(&place.server);
    doctor.args(["doctor", "--json"]).stdin(Stdio::null());
    let said = doctor.output().ok()?.stdout;
    let report: serde_json::Value = serde_json::from_slice(&said).ok()?;
    (report["can_enforce"] == false).then(|| "rings: `ringfence doctor` says why".to_owned())
}

/// The first number of a version, and the second.
fn version(text: &str) -> Option<(u32, u32)> {
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let mut numbers = digits.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// A program of at least this version: on the caller's path, else on the system's.
fn program(name: &str, least: (u32, u32)) -> Option<(PathBuf, String)> {
    let on_system = run::on_path_of(name, crate::tools::SYSTEM_PATH.as_ref());
    [run::on_path(name), on_system]
        .into_iter()
        .flatten()
        .find_map(|path| {
            let mut ask = Command::new(&path);
            let answer = ask.arg("--version").stdin(Stdio::null()).output().ok()?;
            let said = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
            (version(&said)? >= least).then_some((path, said))
        })
}

/// Whether what was installed is what these words say; they are remembered with [`remember`].
pub(crate) fn is_installed(mark: &Path, words: &str) -> bool {
    std::fs::read_to_string(mark).is_ok_and(|before| before == words)
}

pub(crate) fn remember(mark: &Path, words: &str) -> Result<()> {
    std::fs::write(mark, words).with_context(|| format!("cannot write {}", mark.display()))
}

/// Installs what a suite needs.
fn must_pass(command: &mut Command, said: &mut String) -> Result<()> {
    if !run::passes_and_says(command, said)? {
        bail!("{} failed", run::shown(command));
    }
    Ok(())
}

/// A check that is one test.
fn one(green: bool) -> Counts {
    Counts {
        passed: usize::from(green),
        failed: usize::from(!green),
        skipped: 0,
    }
}

fn python(place: &Place, said: &mut String) -> Result<Suite> {
    let Some((program, version)) = program("python3", (3, 11)) else {
        return Ok(Suite::Lacks("Python 3.11 or later (python3)".to_owned()));
    };
    let sources = place.root.join("clients/python");
    let pins = sources.join("requirements-test.txt");
    let environment = place.tools.join("python");
    let mark = place.tools.join("python.installed");
    let words = format!("{version}\n{}", std::fs::read_to_string(&pins)?);
    let python = environment.join("bin/python");
    if !python.exists() || !is_installed(&mark, &words) {
        let mut make = Command::new(&program);
        make.args(["-m", "venv", "--clear"]).arg(&environment);
        if !run::passes_and_says(&mut make, said)? {
            return Ok(Suite::Lacks("Python's venv (python3-venv)".to_owned()));
        }
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "--require-hashes"]);
        install.args(["--disable-pip-version-check", "--only-binary", ":all:"]);
        must_pass(install.arg("--requirement").arg(&pins), said)?;
        remember(&mark, &words)?;
    }
    let tool = |module: &str| {
        let mut tool = Command::new(&python);
        tool.current_dir(&sources).args(["-m", module]);
        tool.env("PYTHONDONTWRITEBYTECODE", "1");
        tool.env(test::HARNESS, &place.server);
        tool
    };
    let mut types = tool("mypy");
    let cache = place.tools.join("mypy");
    let mut counts = one(run::passes_and_says(
        types.arg("--cache-dir").arg(cache),
        said,
    )?);
    let junit = place.tools.join("python.xml");
    // A file of an earlier run must not be counted for this one.
    let _ = std::fs::remove_file(&junit);
    let mut tests = tool("pytest");
    tests.arg("--quiet").arg("--junit-xml").arg(&junit);
    let green = run::passes_and_says(&mut tests, said)?;
    let (mut told, _) = read_junit(&junit);
    told.failed = told.failed.max(usize::from(!green));
    counts.add(told);
    Ok(Suite::Ran(counts))
}

fn typescript(place: &Place, said: &mut String) -> Result<Suite> {
    let Some((node, version)) = program("node", (20, 11)) else {
        return Ok(Suite::Lacks("Node 20.11 or later (node)".to_owned()));
    };
    let sources = place.root.join("clients/typescript");
    let mark = place.tools.join("typescript.installed");
    let words = format!(
        "{version}\n{}",
        std::fs::read_to_string(sources.join("package-lock.json"))?
    );
    let compiler = sources.join("node_modules/typescript/bin/tsc");
    if !compiler.exists() || !is_installed(&mark, &words) {
        let Some(npm) = run::on_path("npm") else {
            return Ok(Suite::Lacks("npm".to_owned()));
        };
        let mut install = Command::new(npm);
        install.current_dir(&sources);
        // The tools have no scripts to run; what comes to have one is not run either.
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        must_pass(&mut install, said)?;
        remember(&mark, &words)?;
    }
    // A test whose source is gone is none.
    let built = sources.join("dist");
    if built.exists() {
        std::fs::remove_dir_all(&built)?;
    }
    let mut compile = Command::new(&node);
    compile.current_dir(&sources).arg(&compiler);
    let mut counts = one(run::passes_and_says(&mut compile, said)?);
    if counts.failed > 0 {
        return Ok(Suite::Ran(counts));
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(built.join("test"))? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".test.js") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        bail!("{} holds no tests", built.join("test").display());
    }
    let tap = place.tools.join("typescript.tap");
    let _ = std::fs::remove_file(&tap);
    let mut tests = Command::new(&node);
    tests.current_dir(&sources).arg("--test");
    tests.args(["--test-reporter", "spec", "--test-reporter-destination"]);
    tests.args(["stdout", "--test-reporter", "tap"]);
    tests.arg("--test-reporter-destination").arg(&tap);
    tests.args(&files).env(test::HARNESS, &place.server);
    let green = run::passes_and_says(&mut tests, said)?;
    let mut told = parse_tap(&std::fs::read_to_string(&tap).unwrap_or_default());
    told.failed = told.failed.max(usize::from(!green || told.passed == 0));
    counts.add(told);
    Ok(Suite::Ran(counts))
}

/// The last lines of what node's test runner writes.
fn parse_tap(text: &str) -> Counts {
    let number = |word: &str| -> usize {
        let start = format!("# {word} ");
        let mut all = text.lines().filter_map(|line| line.strip_prefix(&start));
        all.next_back()
            .and_then(|n| n.trim().parse().ok())
            .unwrap_or(0)
    };
    Counts {
        passed: number("pass"),
        failed: number("fail") + number("cancelled"),
        skipped: number("skipped"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_a_skip_unless_it_was_promised() {
        let promised = lacking("X", "a tool", "userns,landlock=4,tools,root");
        assert_eq!((promised.failed, promised.skipped), (1, 0));
        for less in ["", "userns", "landlock=4,tools"] {
            let skip = lacking("X", "a tool", less);
            assert_eq!((skip.failed, skip.skipped), (0, 1), "{less}");
        }
    }

    #[test]
    fn versions_are_read_as_programs_say_them() {
        assert_eq!(version("Python 3.11.2"), Some((3, 11)));
        assert_eq!(version("v20.20.2\n"), Some((20, 20)));
        assert_eq!(version("none"), None);
    }

    #[test]
    fn the_end_of_a_tap_file_is_counted() {
        let text =
            "ok 1 - a\n# pass words\n# tests 9\n# pass 4\n# fail 2\n# cancelled 1\n# skipped 3\n";
        let counts = parse_tap(text);
        assert_eq!((counts.passed, counts.failed, counts.skipped), (4, 3, 3));
        assert_eq!(parse_tap(""), Counts::default());
    }
}
