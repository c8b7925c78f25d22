//! Makes the pictures in `docs/`, from the program as it is: `cargo run -p ringfence-e2e --example screenshots`.
//! (`RINGFENCE_BIN` names the program, as for the tests.)
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a tool"
)]

use std::fmt::Write as _;
use std::path::Path;

use ringfence_e2e::{Client, Who, Workspace, needs, sh, until, with};
use serde_json::json;
use vt100::{Color, Parser};

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
    let mut parser = Parser::new(ROWS.try_into().unwrap(), COLUMNS.try_into().unwrap(), 0);
    parser.process(bytes);
    let (wide, high) = (8.4_f32, 17.0_f32);
    let (width, height) = (
        f32::from(COLUMNS) * wide + 20.0,
        f32::from(ROWS) * high + 20.0,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"monospace\" font-size=\"14\">\n\
         <title>{title}</title>\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#16181d\"/>\n"
    );
    let screen = parser.screen();
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let Some(cell) = screen.cell(row, column) else {
                continue;
            };
            let (x, y) = (
                10.0 + f32::from(column) * wide,
                10.0 + f32::from(row) * high,
            );
            let (mut front, mut back) = (
                colour(cell.fgcolor(), "#d5d8de"),
                colour(cell.bgcolor(), "#16181d"),
            );
            if cell.inverse() {
                std::mem::swap(&mut front, &mut back);
            }
            if back != "#16181d" {
                let _written = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{high}\" fill=\"{back}\"/>",
                    wide + 0.3
                );
            }
            let text = cell.contents();
            if text.trim().is_empty() {
                continue;
            }
            let text = text
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;");
            let bold = if cell.bold() {
                " font-weight=\"bold\""
            } else {
                ""
            };
            let _written = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{front}\"{bold}>{text}</text>",
                y + 13.0
            );
        }
    }
    svg.push_str("</svg>\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(format!("{name}.svg"));
    std::fs::write(&path, svg).unwrap();
    println!("{}", path.display());
}

fn colour(colour: Color, usual: &'static str) -> &'static str {
    match colour {
        Color::Idx(1 | 9) => "#f07178",
        Color::Idx(2 | 10) => "#98c379",
        Color::Idx(3 | 11) => "#e5c07b",
        Color::Idx(6 | 14) => "#56b6c2",
        Color::Idx(8) => "#7f848e",
        _ => usual,
    }
}
