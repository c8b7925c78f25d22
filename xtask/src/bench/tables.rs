//! What is measured.

use super::contender::Contender;
use super::memory::peak;
use super::place::{Place, settle};
use super::rounds::{Cell, Spread, Unit, interleave, table};
use super::serving::Serving;
use super::warm::Warm;
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

/// The tables, in the order in which they are written.
pub(crate) const NAMES: [&str; 11] = [
    "start",
    "warm",
    "recorded",
    "traced",
    "roots",
    "workspace",
    "pipe",
    "serve",
    "git",
    "files",
    "memory",
];

pub(crate) struct Settings {
    pub(crate) quick: bool,
    pub(crate) rounds: Option<usize>,
}

impl Settings {
    /// Rounds of something that takes milliseconds.
    fn many(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 15 } else { 101 })
    }

    /// Rounds of something that takes a good part of a second.
    fn few(&self) -> usize {
        let most = if self.quick { 3 } else { 15 };
        self.rounds.map_or(most, |rounds| rounds.min(most))
    }

    /// Rounds with peers, of which some take half a second.
    pub(super) fn peers(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 5 } else { 41 })
    }

    fn files(&self) -> usize {
        if self.quick { 2_000 } else { 20_000 }
    }
}

pub(super) fn words(text: &str) -> Vec<OsString> {
    text.split(' ').map(OsString::from).collect()
}

/// Measures the table `name` and gives its Markdown.
pub(crate) fn measure(
    name: &str,
    place: &Place,
    binaries: &Path,
    settings: &Settings,
) -> Result<String> {
    match name {
        "start" => start(place, binaries, settings),
        "warm" => warm(place, binaries, settings),
        "recorded" => recorded(place, binaries, settings),
        "traced" => traced(place, binaries, settings),
        "roots" => roots(place, binaries, settings),
        "workspace" => workspace(place, binaries, settings),
        "pipe" => pipe(place, binaries, settings),
        "serve" => serve(place, binaries, settings),
        "git" => git(place, binaries, settings),
        "files" => files(place, binaries, settings),
        _ => memory(place, binaries, settings),
    }
}

/// Seconds from before the spawn to after the exit.
pub(super) fn whole(contender: &Contender, argv: &[OsString]) -> Result<f64> {
    let mut command = contender.command(argv);
    let start = Instant::now();
    let status = command.status()?;
    let time = start.elapsed();
    ensure!(status.success(), "{}: {status}", contender.name);
    Ok(time.as_secs_f64())
}

fn start(place: &Place, binaries: &Path, settings: &Settings) -> Result<String> {
    let repository = place.repository("start", 100)?;
    let mut contenders = Contender::all(binaries, &repository, &[]);
    contenders.extend(Contender::bwrap_alike(binaries, &repository));
    contenders.extend(Contender::unshare(&repository));
    let argv = words("/bin/true");
    let rounds = settings.many();
    let cells = interleave(&contenders, rounds, &argv, |one| whole(one, &argv))?;
    let what = format!("`/bin/true` from nothing to its exit; {rounds} rounds.");
    Ok(table("Cold start", &what, Unit::Seconds, &cells))
}

fn warm(place: &Place, binaries: &Path, settings: &Settings) -> Result<String> {
    const BARE: &str = "bare, by the same program";
    const KEPT: &str = "ringfence, in a ring that stays";
    const SERVED: &str = "ringfence serve, asked by another program";
    let repository = place.repository("warm", 100)?;
    let mut warm = Warm::ring(binaries, &repository)?;
    let mut serving = Serving::start(binaries, &repository)?;
    let mut contenders = vec![
        Contender::bare(&repository).named(BARE),
        Contender::bare(&repository).named(KEPT),
        Contender::bare(&repository).named(SERVED),
    ];
    contenders.extend(Contender::bwrap(&repository, &[]));
    contenders
        .push(Contender::ringfence(binaries, &repository, &[]).named("ringfence, a ring for each"));
    let argv = words("/bin/true");
    let rounds = settings.many() * 10;
    let cells = interleave(&contenders, rounds, &argv, |one| match one.name.as_str() {
        BARE => warm.once(&["bare"]),
        KEPT => warm.once(&["ring"]),
        SERVED => serving.once(&["/bin/true"]),
        _ => whole(one, &argv),
    })?;
    let what = format!(
        "`/bin/true` by `std::process::Command` and by `ringfence::Command`, whose ring was made \
         before; {rounds} rounds."
    );
    let mut text = table(
        "A command in a ring that stays",
        &what,
        Unit::Seconds,
        &cells,
    );
    // What others leave of the processor's caches is no matter of either.
    let by_turns = [BARE, KEPT];
    let mut samples = by_turns.map(|_| Vec::new());
    for _ in 0..rounds {
        for (samples, word) in samples.iter_mut().zip(["bare", "ring"]) {
            samples.push(warm.once(&[word])?);
        }
    }
    let cells: Vec<Cell> = by_turns
        .into_iter()
        .zip(samples)
        .map(|(name, samples)| Cell {
            name: name.to_owned(),
            result: Ok(Spread::of(samples).median),
        })
        .collect();
    let what = format!(
        "The same two by turns, one of each, with nothing else between them; {rounds} rounds."
    );
    let _ = write!(
        text,
        "\n{}",
        table(
            "A command in a ring that stays, and a bare one, by turns",
            &what,
            Unit::Seconds,
            &cells,
        )
    );
    Ok(text)
}

/// What it costs that commands are recorded, and which files they change.
fn recorded(place: &Place, binaries: &Path, settings: &Settings) -> Result<String> {
    let many = if settings.quick { 10_000 } else { 100_000 };
    let small = place.dir("recorded-small")?;
    let unrecorded = place.dir("recorded-not")?;
    let large = place.dir("recorded-large")?;
    for number in 0..many {
        let dir = large.join(format!("d{}/e{}", number / 10_000, number / 100));
        if number % 100 == 0 {
            std::fs::create_dir_all(&dir)?;
        }
        std::fs::write(dir.join(format!("f{number}")), "x")?;
    }
    settle()?;
    let mut rings = [
        Warm::unrecorded(binaries, &unrecorded, &place.dir("recorded-state")?)?,
        Warm::ring(binaries, &small)?,
        Warm::ring(binaries, &large)?,
    ];
    let names = [
        "not recorded, an empty workspace".to_owned(),
        "recorded, an empty workspace".to_owned(),
        format!("recorded, {many} files that stay as they are"),
    ];
    let rounds = settings.many() * 10;
    // The first commands see the walk through the workspace, which goes on beside them.
    for _ in 0..rounds / 4 {
        for ring in &mut rings {
            ring.once(&["ring"])?;
        }
    }
    let mut samples = names.clone().map(|_| Vec::new());
    for round in 0..rounds {
        for turn in 0..rings.len() {
            let which = (round + turn) % rings.len();
            samples[which].push(rings[which].once(&["ring"])?);
        }
    }
    let cells: Vec<Cell> = names
        .into_iter()
        .zip(samples)
        .map(|(name, samples)| Cell {
            name,
            result: Ok(Spread::of(samples).median),
        })
        .collect();
    let what = format!("`/bin/true` in three rings that stay, by turns; {rounds} rounds.");
    let mut text = table("What recording costs", &what, Unit::Seconds, &cells);
    let _ = write!(
        text,
        "\n### What it costs to tell which files changed\n\nA command that writes so many files anew, in a ring of {many} files that records it and in one that does not, by turns; medians.\n\n| files | recorded over not recorded | added for each file |\n|---:|---:|---:|\n"
    );
    let [unrecorded, _, large] = &mut rings;
    for count in [1, 100, 10_000] {
        let script = format!(
            "mkdir -p out{count} && seq {count} | sed 's,^,out{count}/,' | xargs -n 500 touch"
        );
        let rounds = if count < 10_000 {
            settings.many()
        } else {
            settings.few()
        };
        let mut samples = [Vec::new(), Vec::new()];
        for round in 0..=rounds {
            for (ring, samples) in [&mut *unrecorded, &mut *large]
                .into_iter()
                .zip(&mut samples)
            {
                let took = ring.once(&["ring", "sh", "-c", &script])?;
                // The first makes them.
                if round > 0 {
                    samples.push(took);
                }
            }
        }
        let [bare, kept] = samples.map(|samples| Spread::of(samples).median);
        let each = (kept - bare) * 1e6 / f64::from(count);
        let _ = writeln!(text, "| {count} | {:.2} | {each:.1} us |", kept / bare);
    }
    Ok(text)
}

fn roots(place: &Place, binaries: &Path, settings: &Settings) -> Result<String> {
    let repository = place.repository("roots", 100)?;
    let program = this_program(place)?;
    let argv = words("/bin/true");
    let mut contenders = Vec::new();
    for count in [1, 10, 100] {
        let roots = (0..count)
            .map(|number| place.dir(&format!("root-{count}-{number}")))
            .collect::<Result<Vec<PathBuf>>>()?;
        let ringfence = Contender::ringfence(binaries, &repository, &roots);
        contenders.push(ringfence.named(format!("ringfence, {count} more")));
        if let Some(bwrap) = Contender::bwrap(&repository, &roots) {
            contenders.push(bwrap.named(format!("bwrap, {count} more")));
        }
        if let Some(mounts) = Contender::mounts(&program, &repository, &roots) {
            contenders.push(mounts.named(format!("the mounts alone, {count} more")));
        }
    }
    let rounds = settings.many();
    let cells = interleave(&contenders, rounds, &argv, |one| whole(one, &argv))?;
    let what = format!("`/bin/true` with 1, 10 and 100 write roots more; {rounds} rounds.");
    Ok(table("Write roots", &what, Unit::Seconds, &cells))
}

fn workspace(place: &Place, binaries: &Path, settings: &Settings) -> Result<String> {
    let argv = words("/bin/true");
    let most = if settings.quick { 10_000 } else { 100_000 };
    let mut contenders = Vec::new();
    for files in [100, most] {
        let repository = place.repository(&format!("workspace-{files}"), files)?;
        let ringfence = Contender::ringfence(binaries, &repository, &[]);
        contenders.push(ringfence.named(format!("ringfence, {files} files")));
    }
    let rounds = settings.many();
    let cells = interleave(&contenders, rounds, &argv, |one| whole(one, &argv))?;
    let what = format!(
        "`/bin/true` in a workspace of 100 and of {most} files, after its first use; \
         {rounds} rounds."
    );
    Ok(table(
        "Files in the workspace",
        &what,
        Unit::Seconds,
        &cells,
    ))
}

fn pipe(place: &Place, binaries: &Path, settings: &Settings) -> Result<String> {
    let repository = place.repository("pipe", 100)?;
    let contenders = Contender::all(binaries, &repository, &[]);
    let size: u32 = if settings.quick { 1 << 28 } else { 1 << 30 };
    let large = words(&format!(
        "dd if=/dev/zero bs=64k count={} status=none",
        size >> 16
    ));
    let small = words(&format!("head -c {size} /dev/zero"));
    let rounds = settings.few();
    let mut text = String::new();
    for (argv, title, why) in [
        (large, "Bytes through stdout", "written 64 KiB at a time"),
        (
            small,
            "Bytes through stdout, written in small pieces",
            "8 KiB at a time: two system calls for each, of which each pays for the seccomp filter \
             (some 40 ns), and the sooner the reader falls asleep in between, the more often it is woken",
        ),
    ] {
        let cells = interleave(&contenders, rounds, &argv, |one| {
            through_a_pipe(one, &argv, u64::from(size))
        })?;
        let what = format!(
            "`{}` into a pipe, {why}; {rounds} rounds. More is better.",
            argv.join(" ".as_ref()).display()
        );
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&table(title, &what, Unit::BytesPerSecond, &cells));
    }
    Ok(text)
}

fn serve(place: &Place, binaries: &Path, settings: &Settings) -> Result<String> {
    const SERVED: &str = "ringfence serve";
    let repository = place.repository("serve", 100)?;
    let mut serving = Serving::start(binaries, &repository)?;
    let contenders = vec![
        Contender::bare(&repository),
        Contender::bare(&repository).named(SERVED),
    ];
    let size: u32 = if settings.quick { 1 << 26 } else { 1 << 28 };
    let source = place.text("serve-text", size)?;
    let rounds = settings.few();
    let mut text = String::new();
    for (file, title) in [
        (source.as_path(), "Text through `ringfence serve`"),
        (
            Path::new("/dev/zero"),
            "Other bytes through `ringfence serve` (base64)",
        ),
    ] {
        let shown = format!(
            "dd if={} bs=64k count={} status=none",
            file.display(),
            size >> 16
        );
        let argv = words(&shown);
        let plain: Vec<&str> = shown.split(' ').collect();
        let cells = interleave(&contenders, rounds, &argv, |one| match one.name.as_str() {
            SERVED => serving.bytes(&plain, u64::from(size)),
            _ => through_a_pipe(one, &argv, u64::from(size)),
        })?;
        let what = format!(
            "`dd bs=64k` into a pipe, and as notifications with offsets, which are read and not decoded; \
             {rounds} rounds. More is better."
        );
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&table(title, &what, Unit::BytesPerSecond, &cells));
    }
    Ok(text)
}

/// Bytes a second, from the first one on, so that the start is not counted.
fn through_a_pipe(one: &Contender, argv: &[OsString], size: u64) -> Result<f64> {
    let mut buffer = vec![0; 1 << 20];
    let mut child = one.command(argv).stdout(Stdio::piped()).spawn()?;
    let mut output = child.stdout.take().context("no pipe")?;
    let mut bytes = output.read(&mut buffer)? as u64;
    let first = bytes;
    let start = Instant::now();
    loop {
        match output.read(&mut buffer)? {
            0 => break,
            more => bytes += more as u64,
        }
    }
    let time = start.elapsed();
    child.wait()?;
    ensure!(bytes == size, "{}: {bytes} bytes", one.name);
    #[expect(clippy::cast_precision_loss, reason = "a gigabyte fits")]
    Ok((bytes - first) as f64 / time.as_secs_f64())
}

/// What it costs to look at a command's calls.
fn traced(place: &Place, binaries: &Path, settings: &Settings) -> Result<String> {
    let repository = place.repository("traced", settings.files())?;
    let contenders = [
        Contender::ringfence(binaries, &repository, &[]),
        Contender::traced(binaries, &repository),
    ];
    let rounds = settings.few();
    let shell = |script: &str| {
        let mut argv = words("/bin/sh -c");
        argv.push(script.into());
        argv
    };
    let mut text = String::new();
    for (argv, what) in [
        (words("/bin/true"), "`/bin/true`"),
        (
            shell("i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done"),
            "200 times `/bin/true` by a shell",
        ),
        (
            // What finds nothing says so by its code.
            shell("git grep -c nothing-has-this . || true"),
            "`git grep`, which opens each file,",
        ),
        (
            shell("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"),
            "a shell that counts",
        ),
    ] {
        let cells = interleave(&contenders, rounds, &argv, |one| whole(one, &argv))?;
        let what = format!(
            "{what} in {} files; start included; {rounds} rounds.",
            settings.files()
        );
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&table(
            "A command whose calls are looked at (`--trace`)",
            &what,
            Unit::Seconds,
            &cells,
        ));
    }
    Ok(text)
}

fn git(place: &Place, binaries: &Path, settings: &Settings) -> Result<String> {
    let files = settings.files();
    let repository = place.repository("git", files)?;
    let contenders = Contender::all(binaries, &repository, &[]);
    let rounds = settings.few();
    let mut text = String::new();
    let mut ten_times = words("/bin/sh -c");
    ten_times.push(
        "for i in 1 2 3 4 5 6 7 8 9 10; do git status --short; git log -1 --stat; done".into(),
    );
    for (argv, title, what) in [
        (words("git status --short"), "git status", "`git status`"),
        (
            ten_times,
            "Git work",
            "`git status` and `git log -1 --stat`, ten times each by one command,",
        ),
    ] {
        let cells = interleave(&contenders, rounds, &argv, |one| whole(one, &argv))?;
        let what = format!("{what} in {files} files; start included; {rounds} rounds.");
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&table(title, &what, Unit::Seconds, &cells));
    }
    Ok(text)
}

fn files(place: &Place, binaries: &Path, settings: &Settings) -> Result<String> {
    let files = settings.files();
    let repository = place.repository("files", 100)?;
    let contenders = Contender::all(binaries, &repository, &[]);
    let mut argv = vec![this_program(place)?.into_os_string()];
    argv.extend(words(&format!("churn {files}")));
    let rounds = settings.few();
    let cells = interleave(&contenders, rounds, &argv, |one| {
        settle()?;
        whole(one, &argv)
    })?;
    let what = format!(
        "Create, stat and delete {files} files in the workspace; start included; {rounds} rounds."
    );
    Ok(table("Many files", &what, Unit::Seconds, &cells))
}

/// This program where it can be run: where it lies may be /tmp, which a ring replaces.
fn this_program(place: &Place) -> Result<PathBuf> {
    let program = place.dir("program")?.join("xtask");
    std::fs::copy(std::env::current_exe()?, &program)?;
    Ok(program)
}

/// The work of the table above: makes `count` files in the current directory, asks for each and
/// removes each.
pub(crate) fn churn(count: usize) -> Result<()> {
    let dir = Path::new("churn");
    std::fs::create_dir(dir)?;
    let name = |number: usize| dir.join(format!("f{number}"));
    for number in 0..count {
        std::fs::write(name(number), b"some bytes\n")?;
    }
    for number in 0..count {
        std::fs::metadata(name(number))?;
    }
    for number in 0..count {
        std::fs::remove_file(name(number))?;
    }
    std::fs::remove_dir(dir)?;
    Ok(())
}

fn memory(place: &Place, binaries: &Path, settings: &Settings) -> Result<String> {
    let repository = place.repository("memory", 100)?;
    let contenders = Contender::all(binaries, &repository, &[]);
    let argv = words("cat");
    let rounds = settings.few();
    let cells = interleave(&contenders, rounds, &argv, peak)?;
    let what = format!(
        "`cat`, while it waits: the sum of the peak resident sizes of all processes of the run \
         (pages they share are counted for each); {rounds} rounds."
    );
    let mut text = table("Peak memory", &what, Unit::Bytes, &cells);
    if let [
        Cell {
            result: Ok(bare), ..
        },
        ..,
        Cell {
            result: Ok(ours), ..
        },
    ] = &cells[..]
    {
        let more = (ours - bare) / f64::from(1_u32 << 20);
        let _ = writeln!(text, "\nBeside the command itself: {more:.1} MiB.");
    }
    Ok(text)
}
