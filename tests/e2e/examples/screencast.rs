//! Plays a denied write, its offer, the answer, and what the log says of it, on a terminal with the program as it is, and
//! writes `docs/offer.svg` and `docs/offer.cast`: `cargo run -p ringfence-e2e --example screencast`.
//! (`RINGFENCE_BIN` names the program, as for the tests.)
//!
//! The times in them are those at which a person would type; nothing is measured.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a tool"
)]

#[allow(unreachable_pub, reason = "each tool uses a part")]
mod picture;

use std::fmt::Write as _;

use ringfence_e2e::{Terminal, Who, Workspace, binaries, needs};
use serde_json::json;

const COLUMNS: u16 = 100;
const ROWS: u16 = 28;
const PROMPT: &str = r"\[\e[32m\]ws $\[\e[0m\] ";

/// A recording: what came, and how long after the last it is shown.
#[derive(Default)]
struct Film {
    frames: Vec<(f32, Vec<u8>)>,
    /// So much of the terminal's output has been taken.
    taken: usize,
}

impl Film {
    /// Takes what has come since.
    fn take(&mut self, terminal: &Terminal, after: f32, hidden: &[(String, &str)]) {
        let bytes = &terminal.raw()[self.taken..];
        self.taken = terminal.raw().len();
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        for (of, shown) in hidden {
            text = text.replace(of, shown);
        }
        self.frames.push((after, text.into_bytes()));
    }
}

fn main() {
    let Some(person) = needs(Who::User, &["userns"]).or_else(|| needs(Who::Root, &["userns"]))
    else {
        panic!("this machine makes no rings");
    };
    let ws = Workspace::new(&person, "cast");
    ws.dir("../notes");
    let own = binaries().ringfence.parent().unwrap().display().to_string();
    // Of this machine nothing is shown.
    let hidden = [(ws.base.display().to_string(), "/home/ada")];
    let script =
        format!("export PATH='{own}':\"$PATH\" PS1='{PROMPT}' TZ=UTC; exec bash --norc -i");
    let mut terminal = ws.bare_sh(&script).on_terminal(COLUMNS, ROWS);
    let prompts = |count: usize| move |screen: &str| screen.matches("ws $").count() >= count;
    terminal.until("a prompt", prompts(1));
    let mut film = Film::default();
    film.take(&terminal, 0.0, &hidden);

    let write = "sh -c 'echo milk >> ../notes/today'";
    let say = |terminal: &mut Terminal, film: &mut Film, line: &str| {
        for key in line.chars() {
            let before = terminal.raw().len();
            terminal.types(key.to_string());
            terminal.until_raw(before + 1);
            film.take(terminal, 0.04, &hidden);
        }
    };
    say(
        &mut terminal,
        &mut film,
        &format!("ringfence run --trace -- {write}"),
    );
    terminal.types("\n");
    terminal.until_shows("[?] more:");
    film.take(&terminal, 0.4, &hidden);
    assert!(!ws.has("../notes/today"));
    film.frames.push((3.0, Vec::new()));
    say(&mut terminal, &mut film, "s");
    terminal.types("\n");
    terminal.until("a prompt", prompts(2));
    film.take(&terminal, 0.4, &hidden);
    assert_eq!(ws.read("../notes/today"), "milk\n");
    film.frames.push((1.5, Vec::new()));
    say(&mut terminal, &mut film, "ringfence grants");
    terminal.types("\n");
    terminal.until("a prompt", prompts(3));
    film.take(&terminal, 0.4, &hidden);
    film.frames.push((2.0, Vec::new()));

    let export = ws.ringfence(["log", "export"]).run().ok().out();
    let refused = export
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|record| record["type"] == "command.started")
        .unwrap();
    let number = refused["seq"].to_string();
    say(
        &mut terminal,
        &mut film,
        &format!("clear; ringfence log; ringfence log show {number} | head -12"),
    );
    terminal.types("\n");
    terminal.until_shows("ended");
    terminal.until("a prompt", prompts(1));
    film.take(&terminal, 0.4, &hidden);
    let shown = terminal.shows();
    assert!(
        shown.contains("not written") && shown.contains("for this terminal's session"),
        "{shown}"
    );
    film.frames.push((6.0, Vec::new()));
    terminal.types("exit\n");
    terminal.ends();
    cast(&film);
    svg(&film);
}

/// `asciinema play`: the format asciicast, version 2.
fn cast(film: &Film) {
    let mut text = json!({ "version": 2, "width": COLUMNS, "height": ROWS, "title": "ringfence: a denied write is offered" }).to_string();
    let mut at = 0.0;
    for (after, bytes) in &film.frames {
        at += after;
        let event = json!([
            (f64::from(at) * 100.0).round() / 100.0,
            "o",
            String::from_utf8_lossy(bytes)
        ]);
        let _written = write!(text, "\n{event}");
    }
    text.push('\n');
    println!("{}", picture::write("offer.cast", &text).display());
}

/// One drawing for each screen, each shown in its time; over and over.
fn svg(film: &Film) {
    let mut parser = picture::parser(COLUMNS, ROWS);
    let whole: f32 = film.frames.iter().map(|(after, _)| after).sum();
    let mut screens: Vec<(f32, String)> = Vec::new();
    let mut at = 0.0;
    for (after, bytes) in &film.frames {
        at += after;
        parser.process(bytes);
        let drawn = picture::draw(parser.screen(), COLUMNS, ROWS);
        match screens.last_mut() {
            Some((_, last)) if *last == drawn => {}
            // Several keys are one drawing.
            Some((since, last)) if at - *since < 0.15 && bytes.len() < 8 => *last = drawn,
            _ => screens.push((at, drawn)),
        }
    }
    let mut style = String::from("<style>g{visibility:hidden}");
    let mut inside = String::new();
    let ends: Vec<f32> = screens
        .iter()
        .skip(1)
        .map(|(at, _)| *at)
        .chain([whole])
        .collect();
    for (number, ((from, drawn), to)) in screens.iter().zip(ends).enumerate() {
        let (from, to) = (from / whole * 100.0, to / whole * 100.0);
        // Visible from the one moment to the other, in steps.
        let _written = write!(
            style,
            "@keyframes f{number}{{0%,{from:.3}%{{visibility:hidden}}{:.3}%,{to:.3}%{{visibility:visible}}{:.3}%,100%{{visibility:hidden}}}}\
             #f{number}{{animation:f{number} {whole:.1}s step-end infinite}}",
            (from + 0.001).min(100.0),
            (to + 0.001).min(100.0),
        );
        let _written = write!(inside, "<g id=\"f{number}\">\n{drawn}</g>\n");
    }
    style.push_str("</style>\n");
    let svg = picture::frame(
        COLUMNS,
        ROWS,
        "ringfence: a denied write is offered",
        &style,
        &inside,
    );
    println!("{}", picture::write("offer.svg", &svg).display());
}
