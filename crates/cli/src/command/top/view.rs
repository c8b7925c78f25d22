//! What is shown: rings that stand, commands, what wants to be looked at. Drawn from records alone.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, TableState, Wrap};
use ringfence_ledger::story::Story;
use ringfence_policy::plain;

use super::list;

/// A page about one command or ring, in front of all.
pub(super) struct Open {
    pub(super) text: String,
    /// The first line that is shown.
    pub(super) from: usize,
}

/// Where the keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Pane {
    #[default]
    Commands,
    Rings,
    Attention,
}

/// Something that wants to be looked at.
struct Attention {
    seq: u64,
    time: Timestamp,
    what: &'static str,
    text: String,
}

struct RingRow {
    seq: u64,
    cells: [String; 7],
}

/// What is shown, and where the person is in it.
#[derive(Default)]
pub(super) struct View {
    now: Timestamp,
    /// Where the person's clock is; the machine's, where it is not said.
    zone: Option<TimeZone>,
    rings: Vec<RingRow>,
    commands: Vec<list::Row>,
    attention: Vec<Attention>,
    running: usize,
    /// Only what did not end well.
    pub(super) failed: bool,
    pub(super) page: Option<Open>,
    pane: Pane,
    /// What was chosen in each, by its number: rows come and go.
    chosen: [Option<u64>; 3],
}

impl View {
    /// Takes up what happened.
    pub(super) fn tell(
        &mut self,
        story: &Story,
        alive: impl Fn(u32, Timestamp) -> bool + Copy,
        now: Timestamp,
    ) {
        self.now = now;
        let standing = story.rings.iter().filter(|(_, ring)| ring.may_stand(alive));
        self.rings = standing
            .rev()
            .filter_map(|(number, ring)| {
                let made = ring.made.as_ref()?;
                let what = &made.what;
                let runs = ring.commands.iter().filter(|command| {
                    let command = story.commands.get(command);
                    command.is_some_and(|command| command.ended.is_none())
                });
                let runs = runs.count();
                let by = match &what.client {
                    Some(client) => format!("{} {}", plain(&what.by), plain(client)),
                    None => plain(&what.by),
                };
                Some(RingRow {
                    seq: *number,
                    cells: [
                        number.to_string(),
                        by,
                        since(made.time, now),
                        runs.to_string(),
                        (ring.commands.len() - runs).to_string(),
                        format!("{}, net {}", plain(&what.enforcement), plain(&what.network)),
                        plain(&what.workspace.to_string()),
                    ],
                })
            })
            .collect();
        let rows = list::rows(story, alive);
        self.running = rows.iter().filter(|row| row.how == "runs").count();
        self.attention = attention(story, alive);
        self.commands = rows
            .into_iter()
            .rev()
            .filter(|row| row.bad || !self.failed)
            .collect();
    }

    fn local(&self, time: Timestamp) -> Zoned {
        time.to_zoned(self.zone.clone().unwrap_or_else(TimeZone::system))
    }

    fn numbers(&self, pane: Pane) -> Vec<u64> {
        match pane {
            Pane::Commands => self.commands.iter().map(|row| row.seq).collect(),
            Pane::Rings => self.rings.iter().map(|row| row.seq).collect(),
            Pane::Attention => self.attention.iter().map(|row| row.seq).collect(),
        }
    }

    /// Where in its pane the chosen row is now. One that is gone leaves the choice at the first.
    fn at(&self, pane: Pane) -> usize {
        let chosen = self.chosen[pane as usize];
        let numbers = self.numbers(pane);
        chosen
            .and_then(|chosen| numbers.iter().position(|number| *number == chosen))
            .unwrap_or(0)
    }

    pub(super) fn chosen(&self) -> Option<u64> {
        self.numbers(self.pane).get(self.at(self.pane)).copied()
    }

    pub(super) fn move_by(&mut self, by: isize) {
        if let Some(page) = &mut self.page {
            let last = page.text.lines().count().saturating_sub(1);
            page.from = page.from.saturating_add_signed(by).min(last);
            return;
        }
        let numbers = self.numbers(self.pane);
        let to = self.at(self.pane).saturating_add_signed(by);
        let to = to.min(numbers.len().saturating_sub(1));
        // At the first it stays there, whatever comes before it.
        self.chosen[self.pane as usize] = numbers.get(to).copied().filter(|_| to > 0);
    }

    pub(super) fn other_pane(&mut self) {
        self.pane = match self.pane {
            Pane::Commands => Pane::Attention,
            Pane::Attention => Pane::Rings,
            Pane::Rings => Pane::Commands,
        };
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        let [head, body, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Min(1),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        self.draw_head(frame, head);
        if let Some(page) = &self.page {
            let lines: Vec<Line<'_>> = page.text.lines().skip(page.from).map(Line::from).collect();
            let page = Paragraph::new(lines)
                .wrap(Wrap { trim: false })
                .block(Block::bordered());
            frame.render_widget(page, body);
            draw_keys(frame, foot, "esc back  ↑↓ scroll");
            return;
        }
        let rings = u16::try_from(self.rings.len())
            .unwrap_or(u16::MAX)
            .min(body.height / 4)
            .max(1)
            + 3;
        let attention = u16::try_from(self.attention.len())
            .unwrap_or(u16::MAX)
            .min(body.height / 5)
            .max(1)
            + 2;
        let [top, middle, bottom] = Layout::vertical([
            Constraint::Length(rings),
            Constraint::Min(4),
            Constraint::Length(attention),
        ])
        .areas(body);
        self.draw_rings(frame, top);
        self.draw_commands(frame, middle);
        self.draw_attention(frame, bottom);
        draw_keys(
            frame,
            foot,
            "q quit  tab pane  ↑↓ choose  enter all of it  f only what failed",
        );
    }

    fn draw_head(&self, frame: &mut Frame<'_>, area: Rect) {
        let clock = self.local(self.now).strftime("%H:%M:%S").to_string();
        let text = format!(
            " ringfence  rings {}  running {}  to look at {}",
            self.rings.len(),
            self.running,
            self.attention.len()
        );
        let room = usize::from(area.width).saturating_sub(clock.len() + 1);
        let text = format!("{text:<room$}{clock} ");
        let line = Line::styled(text, Style::new().add_modifier(Modifier::REVERSED));
        frame.render_widget(line, area);
    }

    fn block(&self, pane: Pane, title: &str) -> Block<'static> {
        let block = Block::bordered().title(format!(" {title} "));
        if self.pane == pane {
            block.border_style(Style::new().fg(Color::Cyan))
        } else {
            block.border_style(Style::new().fg(Color::DarkGray))
        }
    }

    fn table(&self, frame: &mut Frame<'_>, area: Rect, pane: Pane, table: Table<'_>) {
        let mut state = TableState::default();
        if self.pane == pane && !self.numbers(pane).is_empty() {
            state.select(Some(self.at(pane)));
        }
        let chosen = Style::new().add_modifier(Modifier::REVERSED);
        frame.render_stateful_widget(table.row_highlight_style(chosen), area, &mut state);
    }

    fn draw_rings(&self, frame: &mut Frame<'_>, area: Rect) {
        let rows = self.rings.iter().map(|ring| Row::new(ring.cells.clone()));
        let widths = [
            Constraint::Length(6),
            Constraint::Length(12),
            Constraint::Length(8),
            Constraint::Length(4),
            Constraint::Length(5),
            Constraint::Length(16),
            Constraint::Min(10),
        ];
        let head = Row::new([
            "ring",
            "by",
            "stands",
            "run",
            "ended",
            "enforced",
            "workspace",
        ]);
        let table = Table::new(rows, widths)
            .header(head.style(Style::new().fg(Color::DarkGray)))
            .block(self.block(Pane::Rings, "rings that stand"));
        self.table(frame, area, Pane::Rings, table);
    }

    fn draw_commands(&self, frame: &mut Frame<'_>, area: Rect) {
        let rows = self.commands.iter().map(|row| {
            let how = match row.how.as_str() {
                "ok" => Style::new().fg(Color::Green),
                "runs" => Style::new().fg(Color::Cyan),
                _ if row.bad => Style::new().fg(Color::Red),
                _ => Style::new(),
            };
            let took = row.elapsed_us.map_or_else(
                || {
                    if row.how == "runs" {
                        since(row.time, self.now)
                    } else {
                        String::new()
                    }
                },
                list::took,
            );
            let mut what = vec![Span::raw(row.what.clone())];
            if row.denied > 0 {
                let denied = format!("  ({} denied)", row.denied);
                what.insert(
                    0,
                    Span::styled(
                        denied.trim_start().to_owned() + " ",
                        Style::new().fg(Color::Yellow),
                    ),
                );
            }
            Row::new([
                Cell::from(row.seq.to_string()),
                Cell::from(self.local(row.time).strftime("%H:%M:%S").to_string()),
                Cell::from(Span::styled(row.how.clone(), how)),
                Cell::from(Line::from(took).right_aligned()),
                Cell::from(Line::from(what)),
            ])
        });
        let widths = [
            Constraint::Length(6),
            Constraint::Length(8),
            Constraint::Length(13),
            Constraint::Length(9),
            Constraint::Min(10),
        ];
        let title = if self.failed {
            "commands that failed"
        } else {
            "commands"
        };
        let table = Table::new(rows, widths).block(self.block(Pane::Commands, title));
        self.table(frame, area, Pane::Commands, table);
    }

    fn draw_attention(&self, frame: &mut Frame<'_>, area: Rect) {
        let rows = self.attention.iter().map(|row| {
            let style = if row.what == "asks" {
                Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD)
            } else {
                Style::new().fg(Color::Yellow)
            };
            Row::new([
                Cell::from(row.seq.to_string()),
                Cell::from(self.local(row.time).strftime("%H:%M:%S").to_string()),
                Cell::from(Span::styled(row.what, style)),
                Cell::from(row.text.clone()),
            ])
        });
        let widths = [
            Constraint::Length(6),
            Constraint::Length(8),
            Constraint::Length(13),
            Constraint::Min(10),
        ];
        let table = Table::new(rows, widths).block(self.block(Pane::Attention, "to look at"));
        self.table(frame, area, Pane::Attention, table);
    }
}

fn draw_keys(frame: &mut Frame<'_>, area: Rect, keys: &str) {
    let line = Line::styled(format!(" {keys}"), Style::new().fg(Color::DarkGray));
    frame.render_widget(line, area);
}

/// How long something has been so.
fn since(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Questions that wait, of rings that stand; then what was denied and forbidden, the latest first.
fn attention(story: &Story, alive: impl Fn(u32, Timestamp) -> bool + Copy) -> Vec<Attention> {
    let mut waiting: Vec<Attention> = story
        .questions
        .values()
        .filter(|question| question.answers.is_empty())
        .filter(|question| {
            let ring = question
                .asked
                .what
                .ring
                .and_then(|ring| story.rings.get(&ring));
            ring.is_some_and(|ring| ring.may_stand(alive))
        })
        .map(|question| Attention {
            seq: question.asked.seq,
            time: question.asked.time,
            what: "asks",
            text: list::words(&question.asked.what.argv),
        })
        .collect();
    let mut past: Vec<Attention> = Vec::new();
    let of_commands = story.commands.values().flat_map(|command| {
        let number = command.started.seq;
        command.denials.iter().map(move |denial| (number, denial))
    });
    let of_rings = story
        .rings
        .iter()
        .flat_map(|(number, ring)| ring.denials.iter().map(move |denial| (*number, denial)));
    for (number, denial) in of_commands.chain(of_rings) {
        past.push(Attention {
            seq: number,
            time: denial.time,
            what: match denial.what.what.as_str() {
                "moved-aside" => "moved aside",
                "left-in-place" => "left there",
                "planted-repository" => "planted",
                _ => "denied",
            },
            text: plain(&denial.what.path.to_string()),
        });
    }
    past.extend(story.refused.values().map(|refused| Attention {
        seq: refused.seq,
        time: refused.time,
        what: "forbidden",
        text: list::words(&refused.what.argv),
    }));
    waiting.sort_by_key(|row| std::cmp::Reverse(row.time));
    past.sort_by_key(|row| std::cmp::Reverse(row.time));
    waiting.extend(past);
    waiting
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ringfence_ledger::{
        ApprovalAsked, CommandEnded, CommandStarted, Denial, Digest, Event, Record, RingMade, Text,
    };

    fn records() -> Vec<Record> {
        let mut seq = 0;
        let mut record = |second: i64, event: Event| {
            seq += 1;
            Record {
                seq,
                time: Timestamp::from_second(1_764_340_000 + second).expect("a time"),
                previous: Digest::NONE,
                event,
                hash: Digest::NONE,
            }
        };
        let made = |by: &str, client: Option<&str>, harness: u32, at: &str| {
            Event::RingMade(Box::new(RingMade {
                by: by.to_owned(),
                client: client.map(str::to_owned),
                harness,
                ring: Some("namespaces".to_owned()),
                mode: "workspace-write".to_owned(),
                network: "off".to_owned(),
                workspace: Text::from(at),
                enforcement: "full".to_owned(),
                ..RingMade::default()
            }))
        };
        let started = |ring, words: &[&str]| {
            Event::CommandStarted(CommandStarted {
                ring,
                argv: words.iter().map(|word| Text::from(*word)).collect(),
                ..CommandStarted::default()
            })
        };
        let ended = |command, value, elapsed_us| {
            Event::CommandEnded(CommandEnded {
                command,
                how: "exited".to_owned(),
                value: Some(value),
                elapsed_us,
                ..CommandEnded::default()
            })
        };
        vec![
            record(0, made("mcp", Some("claude-code 2.1"), 1, "/home/ada/work")),
            record(1, started(1, &["cargo", "test"])),
            record(60, ended(2, 101, 59_000_000)),
            record(61, started(1, &["sh", "-c", "echo \u{1b}[2J > .envrc"])),
            record(
                61,
                Event::Denial(Denial {
                    ring: 1,
                    command: Some(4),
                    what: "moved-aside".to_owned(),
                    path: Text::from("/home/ada/work/.envrc"),
                    why: None,
                }),
            ),
            record(61, ended(4, 0, 3_000)),
            record(62, made("run", None, 2, "/home/ada/other")),
            record(62, started(7, &["sleep", "1000"])),
            record(70, started(1, &["npm", "ci"])),
            record(
                80,
                Event::ApprovalAsked(ApprovalAsked {
                    ring: Some(1),
                    subject: Digest::NONE,
                    argv: vec![Text::from("git"), Text::from("push")],
                    cwd: Text::from("/"),
                    verdict: "ask".to_owned(),
                    command: None,
                }),
            ),
        ]
    }

    fn screen(view: &mut View, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| view.draw(frame)).expect("drawn");
        terminal.backend().to_string()
    }

    #[test]
    fn it_fits_a_small_terminal() {
        let story: Story = records().into_iter().collect();
        let mut view = View {
            zone: Some(TimeZone::UTC),
            ..View::default()
        };
        let now = Timestamp::from_second(1_764_340_090).expect("a time");
        // The second ring's harness was killed.
        view.tell(&story, |pid, _| pid == 1, now);
        insta::assert_snapshot!(screen(&mut view, 80, 24));
        view.failed = true;
        view.tell(&story, |pid, _| pid == 1, now);
        view.move_by(1);
        assert_eq!(view.chosen(), Some(8));
        view.other_pane();
        assert_eq!(view.chosen(), Some(10));
        insta::assert_snapshot!(screen(&mut view, 80, 24));
        // However small it is, it is drawn.
        for (width, height) in [(1, 1), (10, 3), (20, 8), (300, 100)] {
            screen(&mut view, width, height);
        }
        let mut nothing = View::default();
        nothing.tell(&Story::default(), |_, _| true, now);
        screen(&mut nothing, 80, 24);
        nothing.move_by(1);
        assert_eq!(nothing.chosen(), None);
    }

    #[test]
    fn what_was_chosen_stays_chosen_when_more_comes() {
        let mut all = records();
        let now = Timestamp::from_second(1_764_340_090).expect("a time");
        let later = all.split_off(8);
        let mut view = View::default();
        view.tell(&all.iter().collect(), |_, _| true, now);
        view.move_by(2);
        let chosen = view.chosen();
        all.extend(later);
        view.tell(&all.iter().collect(), |_, _| true, now);
        assert_eq!(view.chosen(), chosen);
        // At the first it stays with the first.
        view.move_by(isize::MIN);
        assert_eq!(view.chosen(), view.commands.first().map(|row| row.seq));
    }
}
