//! `ringfence undo-command`.

use std::io::{IsTerminal, Write};

use clap::Args;
use ringfence::undo::{Left, NoUndo, Plan, Planned, Undo, Undone, Verdict, What, Which, look};
use ringfence_policy::plain;
use serde_json::{Value, json};

use crate::exit::ExitCode;
use crate::say;

/// Put back what a command changed: what files held, what was deleted, what was renamed. What changed since is left alone
#[derive(Debug, Args)]
pub(crate) struct UndoArgs {
    /// The command's number, as `ringfence log` gives it; or the number of an undo
    #[arg(required_unless_present = "last", conflicts_with = "last")]
    number: Option<u64>,
    /// The last command that changed something in the workspace you are in
    #[arg(long)]
    last: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Also what changed since, and where other commands ran at the same time
    #[arg(long)]
    force: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn undo(args: UndoArgs) -> ExitCode {
    if ringfence_serve::report::inside().is_some() {
        return say::refuse("this runs in a ring, where what is kept is hidden");
    }
    let which = match args.number {
        Some(number) => Which::Number(number),
        None => match std::env::current_dir() {
            Ok(here) => Which::LastIn(here),
            Err(error) => return say::refuse(format_args!("the current directory: {error}")),
        },
    };
    match undone(&args, &which) {
        Ok(code) => code,
        Err(error) => {
            let code = say::refuse(say::Plain(&error.to_string()));
            if args.json {
                say::out(format_args!("{}\n", json!({ "error": error.to_string() })));
            }
            code
        }
    }
}

fn undone(args: &UndoArgs, which: &Which) -> Result<ExitCode, NoUndo> {
    let undo = look(which, args.force)?;
    if let Some(before) = undo.unfinished() {
        say::line(format_args!(
            "the undo {before} of command {} did not come to its end; this is that command once more",
            undo.number()
        ));
    }
    if args.dry_run {
        let code = code(undo.plan());
        if args.json {
            let report = report(undo.number(), undo.is_shared(), undo.plan(), None);
            return Ok(say::out_with(
                format_args!(
                    "{report}
"
                ),
                code,
            ));
        }
        return Ok(say::out_with(page(&undo, undo.plan(), true), code));
    }
    let undo = match asked(args, which, undo)? {
        Ok(undo) => undo,
        Err(code) => return Ok(code),
    };
    let (number, shared) = (undo.number(), undo.is_shared());
    let head = head(&undo);
    let Undone { number: own, plan } = undo.run()?;
    let code = code(&plan);
    if args.json {
        let report = report(number, shared, &plan, Some(own));
        return Ok(say::out_with(format_args!("{report}\n"), code));
    }
    let mut text = head;
    text.push_str(&changes(&plan, false));
    text.push_str(&format!(
        "{} of {} undone; `ringfence undo-command {own}` takes that back\n",
        plan.undone(),
        plan.planned.len()
    ));
    Ok(say::out_with(text, code))
}

/// Asks where a person has to say so; without one it is refused.
fn asked(args: &UndoArgs, which: &Which, undo: Undo) -> Result<Result<Undo, ExitCode>, NoUndo> {
    if args.force {
        return Ok(Ok(undo));
    }
    let may_ask = !args.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if undo.is_shared() {
        let shared =
            "other commands of its ring ran at the same time: some of what changed may be theirs";
        if !may_ask {
            return Ok(Err(say::refuse(format_args!(
                "{shared}; look at it with --dry-run, and undo it all the same with --force"
            ))));
        }
        say::line(shared);
        say::out(page(&undo, undo.plan(), true));
        if !yes("undo it all the same?") {
            return Ok(Err(say::refuse("not undone")));
        }
    }
    let changed = undo.plan().planned.iter().any(|planned| {
        matches!(
            planned.verdict,
            Verdict::Left(Left::Changed | Left::InTheWay)
        )
    });
    if changed && may_ask {
        say::out(page(&undo, undo.plan(), true));
        if yes("undo what changed since as well? (it is kept, and can be taken back)") {
            // What is there is looked at once more.
            return look(which, true).map(Ok);
        }
    }
    Ok(Ok(undo))
}

fn yes(question: &str) -> bool {
    let mut stderr = std::io::stderr();
    let shown = write!(stderr, "ringfence: {question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    shown.is_ok()
        && std::io::stdin().read_line(&mut answer).is_ok()
        && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn code(plan: &Plan) -> ExitCode {
    let manifest = &plan.manifest;
    let less = plan.left() > 0
        || manifest.more > 0
        || manifest.generated > 0
        || manifest.nothing.is_some();
    ExitCode::from(u8::from(less) * say::NO)
}

fn head(undo: &Undo) -> String {
    let words = ringfence_ledger::shell::line(undo.argv());
    format!("{} {}\n", undo.number(), plain(&words.to_string_lossy()))
}

fn page(undo: &Undo, plan: &Plan, dry: bool) -> String {
    let mut text = head(undo);
    text.push_str(&changes(plan, dry));
    text.push_str(&format!(
        "{} of {} would be undone\n",
        plan.undone(),
        plan.planned.len()
    ));
    text
}

/// A line for each change.
fn changes(plan: &Plan, dry: bool) -> String {
    let mut text = String::new();
    for planned in &plan.planned {
        let Some((root, step)) = plan.step(planned) else {
            continue;
        };
        let path = plain(&root.join(&step.path).to_string_lossy());
        let what = match (&planned.verdict, dry) {
            (Verdict::Undo, false) => did(planned.what),
            (Verdict::Undo, true) => does(planned.what),
            (Verdict::Already, _) => "as it was",
            (Verdict::Left(_), _) => "left",
        };
        let why = match &planned.verdict {
            Verdict::Left(left) => format!(": {left}"),
            _ => String::new(),
        };
        let to = step
            .from
            .as_ref()
            .map(|from| format!(" -> {}", plain(&from.to_string_lossy())));
        text.push_str(&format!(
            "  {what:<12} {path}{}{why}\n",
            to.unwrap_or_default()
        ));
    }
    let manifest = &plan.manifest;
    if manifest.more > 0 {
        text.push_str(&format!(
            "  and {} changes more, which are not kept\n",
            manifest.more
        ));
    }
    if manifest.generated > 0 {
        text.push_str(&format!(
            "  not undone: {} changes in generated directories (target, node_modules)\n",
            manifest.generated
        ));
    }
    if let Some(why) = &manifest.nothing {
        text.push_str(&format!(
            "  not kept in one of its directories: {}\n",
            plain(why)
        ));
    }
    for why in &manifest.incomplete {
        text.push_str(&format!("  not all was seen: {}\n", plain(why)));
    }
    text
}

fn does(what: What) -> &'static str {
    match what {
        What::Remove => "remove",
        What::Create => "make anew",
        What::PutBack => "put back",
        What::Mode => "permissions",
        What::Rename => "rename",
        What::Replace => "replace",
    }
}

fn did(what: What) -> &'static str {
    match what {
        What::Remove => "removed",
        What::Create => "made anew",
        What::PutBack => "put back",
        What::Mode => "permissions",
        What::Rename => "renamed",
        What::Replace => "replaced",
    }
}

fn report(number: u64, shared: bool, plan: &Plan, own: Option<u64>) -> Value {
    let change = |planned: &Planned| {
        let (root, step) = plan.step(planned)?;
        let why = match &planned.verdict {
            Verdict::Left(left) => Some(left.to_string()),
            _ => None,
        };
        let verdict = match &planned.verdict {
            Verdict::Undo => "undo",
            Verdict::Already => "already",
            Verdict::Left(_) => "left",
        };
        Some(json!({
            "root": root.to_string_lossy(),
            "path": step.path.to_string_lossy(),
            "from": step.from.as_ref().map(|from| from.to_string_lossy()),
            "what": planned.what,
            "verdict": verdict,
            "why": why,
        }))
    };
    json!({
        "command": number,
        "undo": own,
        "dry_run": own.is_none(),
        "shared": shared,
        "undone": plan.undone(),
        "left": plan.left(),
        "more": plan.manifest.more,
        "generated": plan.manifest.generated,
        "not_kept": plan.manifest.nothing,
        "incomplete": plan.manifest.incomplete,
        "changes": plan.planned.iter().filter_map(change).collect::<Vec<_>>(),
    })
}
