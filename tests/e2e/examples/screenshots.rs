//! Makes the pictures in `docs/`, from the program as it is: `cargo run -p ringfence-e2e --example screenshots`.
//! (`RINGFENCE_BIN` names the program, as for the tests.)
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a tool"
)]

#[allow(unreachable_pub, reason = "each tool uses a part")]
mod picture;

use ringfence_e2e::{Client, Who, Workspace, needs, sh, until, with};
use serde_json::json;

const COLUMNS: u16 = 80;
const ROWS: u16 = 24;

fn main() {
    let Some(person) = needs(Who::Root, &["userns"]).or_else(|| needs(Who::User, &["userns"]))
    else {
        panic!("this machine makes no rings");
    };
    let ws = Workspace::new(&person, "screenshots");
    ws.file(
        ".ringfence.toml",
        "[[rule]]\nprefix = [\"git\", \"push\"]\ndecision = \"ask\"\nwhy = \"publishes commits\"\n",
    );
    let mut client = Client::serve(&ws, &[]);
    let ring = client.ring(&ws);
    for script in [
        "true",
        "echo made > notes.txt",
        "touch .envrc; true",
        "exit 101",
    ] {
        let command = client.command(sh(ring, script));
        client.ended(command, "stdout");
    }
    client.refused(
        "command.start",
        json!({ "ring": ring, "argv": ["git", "push", "origin", "main"] }),
    );
    client.command(with(sh(ring, "exec sleep 1000"), json!({})));
    ws.ring(["sh", "-c", "echo done"]).run().ok();
    let log = || ws.ringfence(["log", "list", "--json"]).ok();
    until("all is recorded", || log().contains("echo done"));

    let mut terminal = ws.ringfence(["top"]).on_terminal(COLUMNS, ROWS);
    terminal.until_shows("sleep 1000");
    terminal.until_shows("moved aside");
    // The last that is drawn.
    terminal.until_shows("only what failed");
    picture(terminal.raw(), "top", "ringfence top");
    terminal.types("q");
    terminal.ends();
    client.wait();
}

/// Draws what a terminal shows that was sent these bytes.
fn picture(bytes: &[u8], name: &str, title: &str) {
    let mut parser = picture::parser(COLUMNS, ROWS);
    parser.process(bytes);
    let inside = picture::draw(parser.screen(), COLUMNS, ROWS);
    let svg = picture::frame(COLUMNS, ROWS, title, "", &inside);
    println!("{}", picture::write(&format!("{name}.svg"), &svg).display());
}
