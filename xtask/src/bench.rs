//! `cargo xtask bench`: how fast two large checkpoints are compared, and in how much memory, beside `cat` and numpy in the same run.

mod assignment;
mod checkpoint;
mod forward;
mod machine;
mod measure;
mod replies;
mod train;

use crate::{Error, cache, say};
use checkpoint::{CheckpointPair, Shape};
use clap::{Args, Subcommand, ValueEnum};
use measure::{Cost, Opened, Run, best};
use std::path::Path;
use std::process::Command;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    part: Option<Part>,
    /// Which llama to make and compare.
    #[arg(long, value_enum, default_value_t = Size::OneBillion)]
    size: Size,
    /// Runs of each row, of which the best counts.
    #[arg(long, value_name = "N", default_value_t = 3)]
    repeats: usize,
    /// Remove the checkpoints afterwards.
    #[arg(long)]
    remove: bool,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Exact assignment alone, beside scipy.
    Assignment(assignment::Bench),
    /// Prefill of a model, beside transformers and llama.cpp.
    Forward(forward::Bench),
    /// Dialogues that a teacher of a million parameters answers.
    Replies(replies::Bench),
    /// Training of a small decoder, beside PyTorch.
    Train(train::Bench),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Size {
    /// A few million parameters: whether the benchmark works.
    #[value(name = "tiny")]
    Tiny,
    /// 2.5 GB a side.
    #[value(name = "1b")]
    OneBillion,
    /// 13.5 GB a side.
    #[value(name = "7b")]
    SevenBillion,
}

/// What a run at a size is held to: seconds of a full compare on two cores.
struct Bar {
    compare_seconds: f64,
}

const PEAK_BAR_BYTES: u64 = 3 << 29;
const PASS_BAR_GB_PER_SECOND: f64 = 4.0;

impl Size {
    fn shape(self) -> Shape {
        match self {
            Self::Tiny => checkpoint::TINY,
            Self::OneBillion => checkpoint::ONE_BILLION,
            Self::SevenBillion => checkpoint::SEVEN_BILLION,
        }
    }

    fn bar(self) -> Option<Bar> {
        match self {
            Self::Tiny => None,
            Self::OneBillion => Some(Bar { compare_seconds: 60.0 }),
            Self::SevenBillion => Some(Bar { compare_seconds: 720.0 }),
        }
    }
}

pub(crate) fn run(args: &Bench) -> Result<(), Error> {
    if cfg!(debug_assertions) {
        return again_in_release();
    }
    match &args.part {
        Some(Part::Assignment(args)) => return assignment::run(args),
        Some(Part::Forward(args)) => return forward::run(args),
        Some(Part::Replies(args)) => return replies::run(args),
        Some(Part::Train(args)) => return train::run(args),
        None => {}
    }
    let folder = cache()?.join("bench");
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let program = crate::pairs::build_filiation()?;
    let shape = args.size.shape();
    note(&format!("checkpoints of size {} in `{}`", shape.name, folder.display()));
    let pair = checkpoint::make(&shape, &folder)?;
    let table = measure_all(args, &shape, &pair, &program, &folder)?;
    say(&table);
    if args.remove { checkpoint::remove(&pair) } else { Ok(()) }
}

/// Timings of a build with debug assertions say nothing.
fn again_in_release() -> Result<(), Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(crate::root())
        .args(["run", "--release", "--quiet", "--package", "xtask", "--"])
        .args(std::env::args_os().skip(1))
        .status()
        .map_err(Error::io("run", Path::new("cargo")))?;
    if status.success() { Ok(()) } else { Err(Error::Failed("bench: the release build failed".into())) }
}

/// The rows of the table, and how they are written.
struct Table {
    bytes: u64,
    cat: Cost,
    numpy: Option<Cost>,
    lines: Vec<String>,
}

impl Table {
    fn new(bytes: u64, cat: Cost, numpy: Option<Cost>) -> Self {
        let lines = vec![
            "| what | threads | seconds | GB/s | of `cat` | times numpy | core seconds | GB a core second |".into(),
            "|---|---:|---:|---:|---:|---:|---:|---:|".into(),
        ];
        Self { bytes, cat, numpy, lines }
    }

    fn row(&mut self, what: &str, threads: usize, cost: Cost) {
        let seconds = cost.elapsed.as_secs_f64();
        let of_cat = self.cat.elapsed.as_secs_f64() / seconds;
        let of_numpy = self.numpy.map_or("–".to_owned(), |numpy| format!("{:.1}", numpy.elapsed.as_secs_f64() / seconds));
        let speed = self.bytes as f64 / 1e9 / seconds;
        let processor = cost.processor.map_or("–".to_owned(), |time| format!("{:.2}", time.as_secs_f64()));
        let a_core = self.a_core_second(cost).map_or("–".to_owned(), |speed| format!("{speed:.2}"));
        let line = format!("| {what} | {threads} | {seconds:.2} | {speed:.2} | {of_cat:.2} | {of_numpy} | {processor} | {a_core} |");
        note(&line);
        self.lines.push(line);
    }

    /// GB of both files in a second of one core's time; `None` where the clock of the system is too coarse to tell.
    fn a_core_second(&self, cost: Cost) -> Option<f64> {
        let seconds = cost.processor?.as_secs_f64();
        (seconds >= 0.1).then(|| self.bytes as f64 / 1e9 / seconds)
    }
}

/// What the benchmark is doing: rows as they are ready, on stderr, for the whole takes minutes.
#[expect(clippy::print_stderr, reason = "progress, beside the table on stdout")]
fn note(text: &str) {
    eprintln!("{text}");
}

fn measure_all(args: &Bench, shape: &Shape, pair: &CheckpointPair, program: &Path, folder: &Path) -> Result<String, Error> {
    let n = args.repeats;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load_before = machine::load();
    let mut notes = Vec::new();

    let cold = if measure::forget_pages(pair) { Some(measure::cat(pair)?) } else { None };
    let cat = best(n, || measure::cat(pair))?;
    let (numpy, their_cosine) = match measure::python(folder) {
        Some(python) => {
            let mut cosine = 0.0;
            let time = best(n, || {
                let (time, found) = measure::numpy(&python, pair)?;
                cosine = found;
                Ok(time)
            })?;
            (Some(time), Some(cosine))
        }
        None => {
            let venv = folder.join("venv");
            notes.push(format!(
                "SKIPPED: the numpy pass, for no Python with numpy was found. To have it: `python3 -m venv {0} && {0}/bin/pip install numpy`.",
                venv.display()
            ));
            (None, None)
        }
    };
    let mut table = Table::new(pair.bytes, cat, numpy);
    table.row("`cat` to /dev/null", 1, cat);
    if let Some(numpy) = numpy {
        table.row("plain numpy pass: widen, one dot product, two norms", 1, numpy);
    }

    let opened = Opened::new(pair)?;
    let (_, found) = opened.correspondence(cores)?;
    let mut ours = None;
    let mut pass_speed = None;
    for threads in thread_counts(cores) {
        let time = best(n, || {
            let (time, moments) = opened.pass(&found, threads)?;
            ours = moments.cosine();
            Ok(time)
        })?;
        if threads == 1 {
            pass_speed = table.a_core_second(time);
        }
        table.row("tier 1, the pass alone", threads, time);
    }
    for threads in thread_counts(cores) {
        let time = best(n, || Ok(opened.correspondence(threads)?.0))?;
        table.row("tier 1 with sampling and pairing", threads, time);
    }
    if let (Some(cold), true) = (cold, measure::forget_pages(pair)) {
        table.row("cold: `cat`", 1, cold);
        table.row("cold: tier 1 with sampling and pairing", cores, opened.correspondence(cores)?.0);
    }
    for threads in thread_counts(cores) {
        table.row("digests: SHA-256 of files, BLAKE3 of tensors", threads, best(n, || opened.custody(threads))?);
    }
    agree(ours, their_cosine)?;

    let identity = best(n, || Ok(measure::compare(program, pair, &["--method", "weights.tensor-identity"])?.cost))?;
    table.row("`filiation compare --method weights.tensor-identity`", cores, identity);
    let full = full_compare(n, program, pair)?;
    table.row("**`filiation compare`**, all methods", cores, full.cost);

    let size = |n: f64| if n < 1e9 { format!("{:.1} m", n / 1e6) } else { format!("{:.2} b", n / 1e9) };
    let mut text = format!(
        "## {}: {}illion parameters a side in bf16, {}illion bytes in all\n\n{}\n\n",
        shape.name,
        size(shape.parameters() as f64),
        size(pair.bytes as f64),
        machine::describe()
    );
    text.push_str(&format!(
        "Best of {n} runs; load average {} before and {} after (each row runs beside whatever else the machine does).\n\n",
        load_before.map_or("unknown".into(), |l| format!("{l:.1}")),
        machine::load().map_or("unknown".into(), |l| format!("{l:.1}"))
    ));
    text.push_str(&table.lines.join("\n"));
    text.push_str("\n\n");
    text.push_str(&bars(args.size, pass_speed, &full));
    notes.push(format!(
        "Cosine of all weights together: {}{}. Conclusion of the full compare: `{}`.",
        ours.map_or("none".into(), |c| format!("{c:.6}")),
        their_cosine.map_or(String::new(), |c| format!(" (numpy: {c:.6})")),
        full.report["verdicts"][0]["conclusion"].as_str().unwrap_or("none")
    ));
    text.push_str(&notes.iter().map(|note| format!("{note}\n")).collect::<String>());
    Ok(text)
}

/// One thread, and all cores where there are more.
fn thread_counts(cores: usize) -> Vec<usize> {
    if cores > 1 { vec![1, cores] } else { vec![1] }
}

/// A speed means nothing if the numbers are not the same.
fn agree(ours: Option<f64>, theirs: Option<f64>) -> Result<(), Error> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) if (ours - theirs).abs() > 1e-3 => {
            Err(Error::Failed(format!("cosine: found {ours}, expected numpy's {theirs}")))
        }
        (None, _) => Err(Error::Failed("cosine: found none, expected a number".into())),
        _ => Ok(()),
    }
}

/// The run of the shortest time, with the largest memory of all.
fn full_compare(repeats: usize, program: &Path, pair: &CheckpointPair) -> Result<Run, Error> {
    let mut full = measure::compare(program, pair, &[])?;
    for _ in 1..repeats.max(1) {
        let next = measure::compare(program, pair, &[])?;
        let peak_bytes = full.peak_bytes.max(next.peak_bytes);
        full = Run { peak_bytes, ..if next.cost.elapsed < full.cost.elapsed { next } else { full } };
    }
    Ok(full)
}

fn bars(size: Size, pass_speed: Option<f64>, full: &Run) -> String {
    let said = |met: bool| if met { "met" } else { "**missed**" };
    let mut text = String::from("| bar | found | |\n|---|---:|---|\n");
    if let Some(bar) = size.bar() {
        if let Some(speed) = pass_speed {
            text.push_str(&format!(
                "| tier 1 pass ≥ {PASS_BAR_GB_PER_SECOND} GB in a second of one core | {speed:.2} GB | {} |\n",
                said(speed >= PASS_BAR_GB_PER_SECOND)
            ));
        }
        let seconds = full.cost.elapsed.as_secs_f64();
        text.push_str(&format!(
            "| full compare < {:.0} s on two cores | {seconds:.1} s | {} |\n",
            bar.compare_seconds,
            said(seconds < bar.compare_seconds)
        ));
    }
    let peak = full.peak_bytes.map_or(("not told by this system".to_owned(), "–"), |peak| {
        (format!("{:.0} MiB", peak as f64 / f64::from(1 << 20)), said(peak < PEAK_BAR_BYTES))
    });
    text.push_str(&format!("| peak memory of the full compare < 1536 MiB | {} | {} |\n\n", peak.0, peak.1));
    text
}
