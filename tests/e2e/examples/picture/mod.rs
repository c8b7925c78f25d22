//! Screens as SVG.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use vt100::{Color, Parser, Screen};

const WIDE: f32 = 8.4;
const HIGH: f32 = 17.0;

/// A terminal's screen.
pub fn parser(columns: u16, rows: u16) -> Parser {
    Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0)
}

/// What stands before and behind the drawing of a screen of this size.
pub fn frame(columns: u16, rows: u16, title: &str, style: &str, inside: &str) -> String {
    let (width, height) = (
        f32::from(columns) * WIDE + 20.0,
        f32::from(rows) * HIGH + 20.0,
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"monospace\" font-size=\"14\">\n\
         <title>{title}</title>\n{style}<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#16181d\"/>\n{inside}</svg>\n"
    )
}

/// What it shows: words that look the same are one.
pub fn draw(screen: &Screen, columns: u16, rows: u16) -> String {
    let mut svg = String::new();
    for row in 0..rows {
        let y = 10.0 + f32::from(row) * HIGH;
        let mut run: Option<Run> = None;
        for column in 0..columns {
            let Some(cell) = screen.cell(row, column) else {
                continue;
            };
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
                    "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{HIGH}\" fill=\"{back}\"/>",
                    10.0 + f32::from(column) * WIDE,
                    WIDE + 0.3
                );
            }
            let looks = (front, cell.bold());
            let text = if cell.contents().is_empty() {
                " "
            } else {
                cell.contents()
            };
            match &mut run {
                Some(run) if run.looks == looks => run.text.push_str(text),
                _ => {
                    svg.extend(run.take().map(|run| run.draw(y)));
                    run = Some(Run {
                        column,
                        looks,
                        text: text.to_owned(),
                    });
                }
            }
        }
        svg.extend(run.map(|run| run.draw(y)));
    }
    svg
}

/// Cells beside each other that look the same.
struct Run {
    column: u16,
    looks: (&'static str, bool),
    text: String,
}

impl Run {
    fn draw(self, y: f32) -> String {
        let text = self.text.trim_end();
        let begins = text.chars().take_while(|c| *c == ' ').count();
        let text = text.trim_start();
        if text.is_empty() {
            return String::new();
        }
        let (front, bold) = self.looks;
        let x = 10.0 + (f32::from(self.column) + begins as f32) * WIDE;
        let length = text.chars().count() as f32 * WIDE;
        let bold = if bold { " font-weight=\"bold\"" } else { "" };
        let text = text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        format!(
            "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" xml:space=\"preserve\" fill=\"{front}\"{bold}>{text}</text>\n",
            y + 13.0
        )
    }
}

/// Writes a file of `docs/`.
pub fn write(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name);
    std::fs::write(&path, text).unwrap();
    path
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
