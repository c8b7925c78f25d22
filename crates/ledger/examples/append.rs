//! Appends records until it is killed, and says each that is acknowledged: `append DIRECTORY NAME [COUNT]`.
//! The test of what a kill may take away runs many of these.

use std::io::Write;

use ringfence_ledger::{CommandEnded, Event, Keep, Ledger};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("a directory")?;
    let name = arguments.next().ok_or("a name")?;
    let count = arguments.next().map_or(Ok(u64::MAX), |n| n.parse())?;
    // Nothing is removed that the test will look for.
    let keep = Keep {
        size: u64::MAX,
        ..Keep::default()
    };
    let ledger = Ledger::new(directory.into(), keep);
    let mut out = std::io::stdout().lock();
    for number in 0..count {
        let events = (0..number % 3 + 1).map(|more| {
            Event::CommandEnded(CommandEnded {
                command: number,
                how: name.clone(),
                value: Some(more as i32),
                // Some are long: a write of many pages can be cut off by a kill.
                error: (number % 7 == 0).then(|| "x".repeat(20_000)),
                ..CommandEnded::default()
            })
        });
        let first = ledger.append(|_| events.collect())?;
        writeln!(out, "{first} {number}")?;
        out.flush()?;
    }
    Ok(())
}
