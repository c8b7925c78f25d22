//! Telling a client of a command: its output as it comes, and its end.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::sync::watch;

use super::outgoing::Outgoing;
use crate::command::Attached;
use crate::noticed::News;
use crate::protocol::{CommandClosed, CommandEnded, RingNoticed};
use crate::rings::{Open, lock};

/// The commands that a client is told of; to let go of one ends that.
#[derive(Debug, Default)]
pub(super) struct Telling(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// How often one was begun.
    begun: u64,
    commands: BTreeMap<u64, (u64, watch::Sender<()>)>,
}

/// One that was begun: its number, and what ends when it is to.
pub(super) struct Begun(u64, watch::Receiver<()>);

impl Telling {
    /// Begins to tell a command. Whoever told it before does no more.
    pub(super) fn begin(&self, command: u64) -> Begun {
        let mut told = lock(&self.0);
        told.begun += 1;
        let number = told.begun;
        let (until, ended) = watch::channel(());
        told.commands.insert(command, (number, until));
        Begun(number, ended)
    }

    /// Tells it no more.
    pub(super) fn end(&self, command: u64) {
        lock(&self.0).commands.remove(&command);
    }

    /// Tells it until all is told, or that is ended.
    pub(super) async fn tell(&self, attached: Attached, out: &Outgoing, begun: Begun) {
        let Begun(number, mut until) = begun;
        tokio::select! {
            () = tell_all(&attached, out) => {}
            // Never sent: let go of.
            _ = until.changed() => {}
        }
        let command = attached.command.number;
        let mut told = lock(&self.0);
        // Unless somebody else tells it by now.
        if told
            .commands
            .get(&command)
            .is_some_and(|(other, _)| *other == number)
        {
            told.commands.remove(&command);
        }
    }
}

async fn tell_all(attached: &Attached, out: &Outgoing) {
    let Attached { command, reader } = attached;
    let mut changed = command.changed.subscribe();
    let mut end_is_told = false;
    loop {
        changed.mark_unchanged();
        // Looked at before what is there: what came before the end is told before it.
        let ended = command.ended();
        let states: Vec<(bool, bool)> = command.outputs.iter().map(|o| o.state()).collect();
        let mut told = false;
        for output in &command.outputs {
            if !output.has_for(*reader) {
                continue;
            }
            let Some(mut room) = out.room().await else {
                return;
            };
            if output.take_line(*reader, command.number, &mut room.line) {
                told = true;
                if !out.send_line(room).await {
                    return;
                }
            } else {
                out.give_back(room);
            }
        }
        if told {
            continue;
        }
        let settled = states.iter().all(|(settled, _)| *settled);
        let eof = states.iter().all(|(_, eof)| *eof);
        let was_told = end_is_told;
        if let (Some(ended), true, false) = (ended, settled, end_is_told) {
            end_is_told = true;
            let notification = CommandEnded {
                command: command.number,
                open: !eof,
                ended,
            };
            if !out.notify("command.ended", &notification).await {
                return;
            }
        }
        if end_is_told && eof {
            // Where the end said already that nothing more comes, that is all.
            if was_told {
                let closed = CommandClosed {
                    command: command.number,
                };
                out.notify("command.closed", &closed).await;
            }
            return;
        }
        // The sender is the command's.
        let _told = changed.changed().await;
    }
}

/// Tells what is noticed in a ring, until it is gone.
pub(super) async fn noticed(open: &Open, out: &Outgoing) {
    /// Names and repositories in one notification.
    const MOST: usize = 64;
    let mut changes = open.noticed.changes();
    loop {
        tokio::select! {
            // Of a ring that is gone as well.
            biased;
            _ = changes.changed() => {}
            () = open.ring.gone() => return,
        }
        loop {
            let News { taken_away, made } = open.news(MOST).await;
            if taken_away.is_empty() && made.is_empty() {
                break;
            }
            let noticed = RingNoticed {
                ring: open.number,
                taken_away,
                made,
            };
            if !out.notify("ring.noticed", &noticed).await {
                return;
            }
        }
    }
}
