//! What the program says about itself, kept as files: a change of the grammar
//! is a change in review.

use crate::{clients, test, workspace};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::{Command, Stdio};

const CLI: &str = "docs/reference/cli.txt";
const SCHEMA: &str = "docs/reference/policy.schema.json";
const PROTOCOL: &str = "docs/reference/serve.schema.json";

/// Compares the files with what the debug build says; `update` rewrites them. `tests`: they are run as well.
pub(crate) fn run(root: &Path, update: bool, tests: bool) -> Result<bool> {
    if tests {
        test::build(root)?;
    } else {
        test::build_programs(root)?;
    }
    let program = workspace::binaries(root, "debug")?.join("ringfence");
    let mut text = String::new();
    help(&program, &[], &mut text)?;
    let mut files = vec![(CLI, text)];
    if let Some(schema) = say(&program, &["policy", "schema"])? {
        files.push((SCHEMA, schema));
    }
    if let Some(schema) = say(&program, &["serve", "--schema"])? {
        files.extend(clients::generated(&schema)?);
        files.push((PROTOCOL, schema));
    }
    let mut green = true;
    for (file, now) in files {
        let remedy = "cargo xtask ci --only reference --fix, and review the change";
        green &= kept(root, file, &now, update, remedy)?;
    }
    Ok(green)
}

/// Compares a file with what it should say now; `update` rewrites it.
pub(crate) fn kept(root: &Path, file: &str, now: &str, update: bool, remedy: &str) -> Result<bool> {
    let path = root.join(file);
    if update {
        std::fs::write(&path, now)?;
        return Ok(true);
    }
    if std::fs::read_to_string(&path).unwrap_or_default() == now {
        return Ok(true);
    }
    eprintln!("{file}: not what the program says now");
    eprintln!("  remedy: {remedy}");
    Ok(false)
}

/// The help of `words`, and of each command below it.
fn help(program: &Path, words: &[&str], text: &mut String) -> Result<()> {
    let mut ask = words.to_vec();
    ask.push("--help");
    let said =
        say(program, &ask)?.with_context(|| format!("ringfence {} failed", ask.join(" ")))?;
    let title = [&["ringfence"], words].concat().join(" ");
    text.push_str(&format!("$ {title} --help\n{}\n\n", said.trim_end()));
    for command in commands(&said) {
        let below = [words, &[command.as_str()]].concat();
        help(program, &below, text)?;
    }
    Ok(())
}

/// The names under `Commands:`, but for the generated `help`.
fn commands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with(' '))
        // The words of a long description are indented further.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// What the program prints; `None` when it refuses. The environment does not count.
fn say(program: &Path, words: &[&str]) -> Result<Option<String>> {
    let output = Command::new(program)
        .args(words)
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let text = String::from_utf8(output.stdout)?;
    Ok(output.status.success().then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_from_the_help() {
        let help = "About\n\nCommands:\n  run     Run a command\n          in a ring\n  \
                    policy  Policies\n  help    Print this\n\nOptions:\n  -h, --help\n";
        assert_eq!(commands(help), ["run", "policy"]);
        assert_eq!(commands("Options:\n  -h\n"), [""; 0]);
    }
}
