//! `ringfence rules`.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use ringfence::{Error, State, layers, rules as in_force};
use ringfence_policy::{Decision, Effective, Flags, Sources};
use ringfence_rules::import::{Imported, from_claude, from_codex};
use ringfence_rules::{Judged, MatchedRule, RuleSet, SegmentKind, Shell, Verdict};
use serde_json::json;

use crate::exit::ExitCode;
use crate::say;

#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct RulesArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Try the examples of the rules that hold here, or of the files named; exit code 1 if one fails
    Check(CheckArgs),
    /// Say in one line what the rules decide about a command; exit code 1 unless it is allowed
    Test(CommandArgs),
    /// Say what the rules decide about a command, part by part, and who said so
    Why(CommandArgs),
    /// Print the rules of another program as rules of a policy, and what could not be taken
    Import(ImportArgs),
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
    /// Policy files, each read as your own
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("about").args(["shell", "command"]).required(true))]
struct CommandArgs {
    /// The directory whose rules hold [default: the current directory]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// A text that a shell reads, instead of a command
    #[arg(long, value_name = "TEXT")]
    shell: Option<OsString>,
    /// As if each command were asked about that no rule allows
    #[arg(long)]
    ask: bool,
    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// Whose rules they are [default: .rules are codex's, .json claude-code's]
    #[arg(long, value_name = "PROGRAM")]
    from: Option<From>,
    /// Print one line of JSON: the rules, and what could not be taken
    #[arg(long)]
    json: bool,
    /// The file
    file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// Files of prefix_rule(…), in ~/.codex/rules
    Codex,
    /// settings.json with permissions
    ClaudeCode,
}

pub(crate) fn rules(args: RulesArgs) -> ExitCode {
    let RulesArgs { what } = args;
    let done = match what {
        What::Check(args) => check(args),
        What::Test(args) => test(args),
        What::Why(args) => why(args),
        What::Import(args) => import(args),
    };
    done.unwrap_or_else(|error| say::error(&error).into())
}

/// What holds in a directory.
fn effective(workspace: Option<PathBuf>) -> Result<Effective, Error> {
    let cwd = std::env::current_dir().map_err(|_| Error::NoCwd)?;
    let home = layers::home();
    let state = State::of_user(home.as_deref());
    layers::effective(
        Flags::default(),
        &cwd.join(workspace.unwrap_or_default()),
        &cwd,
        home.as_deref(),
        state.as_ref(),
        // They grant paths, and this is about rules.
        &[],
    )
}

fn check(args: CheckArgs) -> Result<ExitCode, Error> {
    let CheckArgs { json, files } = args;
    let cwd = std::env::current_dir().map_err(|_| Error::NoCwd)?;
    let mut errors = Vec::new();
    let mut text = String::new();
    let mut count = 0;
    let mut tried = |policy: Result<Option<Effective>, Error>, name: &str| {
        let found = policy.and_then(|policy| policy.as_ref().map(in_force::written).transpose());
        match found {
            Ok(None) => errors.push(format!("{name}: no such file")),
            Ok(Some(rules)) => {
                count += rules.len();
                let plural = if rules.len() == 1 { "rule" } else { "rules" };
                let _ = writeln!(text, "{name}: {} {plural}, valid", rules.len());
            }
            Err(error) => errors.extend(error.to_string().lines().map(str::to_owned)),
        }
    };
    if files.is_empty() {
        tried(effective(None).map(Some), "here");
    }
    for file in &files {
        let path = cwd.join(file);
        let policy = layers::read(&path).and_then(|read| match read {
            Some(read) => {
                let sources = Sources {
                    user: Some(read),
                    ..Sources::default()
                };
                layers::merge(&sources, &cwd, layers::home().as_deref()).map(Some)
            }
            None => Ok(None),
        });
        let name = say::Plain(file).to_string();
        tried(policy, &name);
    }
    let code = if errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(say::NO)
    };
    if json {
        let answer = json!({ "valid": errors.is_empty(), "rules": count, "errors": errors });
        return Ok(say::out_with(format_args!("{answer}\n"), code));
    }
    for error in errors {
        say::line(error);
    }
    Ok(say::out_with(text, code))
}

/// What the rules that hold say of a command.
fn judged(args: &CommandArgs) -> Result<Verdict, Error> {
    let rules: RuleSet = in_force::of(&effective(args.workspace.clone())?)?;
    let rules = if args.ask {
        rules.with_default(Decision::Ask)
    } else {
        rules
    };
    Ok(match &args.shell {
        Some(text) => rules.judge_shell(text, Shell::Bash),
        None => rules.judge_argv(&args.command),
    })
}

fn test(args: CommandArgs) -> Result<ExitCode, Error> {
    let verdict = judged(&args)?;
    let code = if verdict.decision == Decision::Allow {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(say::NO)
    };
    Ok(if args.json {
        as_json(&verdict, code)
    } else {
        say::out_with(format_args!("{}\n", verdict.line()), code)
    })
}

fn why(args: CommandArgs) -> Result<ExitCode, Error> {
    let verdict = judged(&args)?;
    if args.json {
        return Ok(as_json(&verdict, ExitCode::SUCCESS));
    }
    Ok(say::out(page(&verdict, layers::home().as_deref())))
}

/// Prints a verdict for programs. One that cannot be written is none.
fn as_json(verdict: &Verdict, code: ExitCode) -> ExitCode {
    match serde_json::to_string(verdict) {
        Ok(json) => say::out_with(format_args!("{json}\n"), code),
        Err(error) => say::refuse(format_args!(
            "the verdict cannot be written as JSON: {error}"
        )),
    }
}

fn page(verdict: &Verdict, home: Option<&Path>) -> String {
    let mut text = format!("{}\n", verdict.line());
    let _ = writeln!(text, "  ring      {}", verdict.ring);
    for judged in &verdict.segments {
        // What was only looked through, and of which nothing is said, tells nothing.
        if judged.kind == SegmentKind::Found && judged.rules.is_empty() {
            continue;
        }
        segment(&mut text, judged, home);
    }
    text
}

fn segment(text: &mut String, judged: &Judged, home: Option<&Path>) {
    let Judged {
        command,
        argv: _,
        kind,
        decision,
        inexact,
        inside_of,
        writes,
        rules,
    } = judged;
    let kind = match kind {
        SegmentKind::Command => "command",
        SegmentKind::Wrapper => "wrapper",
        SegmentKind::Found => "found",
        SegmentKind::Opaque => "opaque",
    };
    let depth = if inside_of.is_some() { "  " } else { "" };
    let _ = writeln!(text, "  {depth}{kind:<9} {decision}: {command}");
    if let Some(inexact) = inexact {
        let _ = writeln!(text, "  {depth}          not exact: {inexact}");
    }
    if !writes.is_empty() {
        let writes: Vec<String> = writes
            .iter()
            .map(|file| say::Plain(file).to_string())
            .collect();
        let _ = writeln!(text, "  {depth}          writes {}", writes.join(", "));
    }
    for rule in rules {
        let MatchedRule {
            prefix,
            decision,
            ring: _,
            why,
            sure,
            origin,
            file: _,
            line: _,
        } = rule;
        let might = if *sure { "" } else { "might be " };
        let why = why
            .as_ref()
            .map(|why| format!(": {why}"))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "  {depth}          {might}{decision} `{}`{} ({})",
            say::Plain(prefix),
            say::Plain(&why),
            origin.display(home)
        );
    }
}

fn import(args: ImportArgs) -> Result<ExitCode, Error> {
    let ImportArgs { from, json, file } = args;
    let shown = say::Plain(&file).to_string();
    let extension = file.extension().and_then(|extension| extension.to_str());
    let from = match (from, extension) {
        (Some(from), _) => from,
        (None, Some("rules")) => From::Codex,
        (None, Some("json")) => From::ClaudeCode,
        (None, _) => {
            return Ok(say::refuse(format_args!(
                "{shown}: whose rules are these? Say --from codex or --from claude-code"
            )));
        }
    };
    let Some(read) = layers::read(&file)? else {
        return Ok(say::refuse(format_args!("{shown}: no such file")));
    };
    let imported = match from {
        From::Codex => from_codex(&read.text, &shown),
        From::ClaudeCode => from_claude(&read.text, &shown),
    };
    let Imported { toml, rules, notes } = match imported {
        Ok(imported) => imported,
        Err(error) => return Ok(say::refuse(format_args!("{shown}: {error}"))),
    };
    if json {
        let notes: Vec<_> = notes
            .iter()
            .map(|note| json!({ "line": note.line, "what": note.what, "taken": note.taken, "why": note.why }))
            .collect();
        let answer = json!({ "rules": rules, "toml": toml, "notes": notes });
        return Ok(say::out(format_args!("{answer}\n")));
    }
    for note in &notes {
        let place = note.line.map(|line| format!(":{line}")).unwrap_or_default();
        let taken = if note.taken {
            "taken, but"
        } else {
            "not taken"
        };
        say::line(format_args!(
            "{shown}{place}: {}: {taken}: {}",
            note.what, note.why
        ));
    }
    Ok(say::out(toml))
}
