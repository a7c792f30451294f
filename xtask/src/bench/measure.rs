//! Times one thing at a time, as the best of several runs: a shared machine makes things slower, never faster.

use super::checkpoint::CheckpointPair;
use super::machine;
use crate::Error;
use evidence::{Correspondence, Pair, Side};
use rayon::prelude::*;
use sources::{Model, digest};
use stats::moments::PairedMoments;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often the memory of a running process is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What a run took: time on the clock, and processor time of all threads and children, which other work on the machine enters less.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) elapsed: Duration,
    pub(super) processor: Option<Duration>,
}

/// The least of `repeats` runs, in time and in processor time.
pub(super) fn best(repeats: usize, mut run: impl FnMut() -> Result<Cost, Error>) -> Result<Cost, Error> {
    let mut best = run()?;
    for _ in 1..repeats {
        let next = run()?;
        best = Cost { elapsed: best.elapsed.min(next.elapsed), processor: best.processor.zip(next.processor).map(|(a, b)| a.min(b)) };
    }
    Ok(best)
}

fn timed<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<(Cost, T), Error> {
    let (start, before) = (Instant::now(), machine::processor_time());
    let result = work()?;
    let elapsed = start.elapsed();
    let processor = machine::processor_time().zip(before).map(|(after, before)| after.saturating_sub(before));
    Ok((Cost { elapsed, processor }, result))
}

fn failed(what: &str, error: impl std::fmt::Display) -> Error {
    Error::Failed(format!("{what}: {error}"))
}

/// `cat` of all files to nowhere.
pub(super) fn cat(pair: &CheckpointPair) -> Result<Cost, Error> {
    let mut cat = Command::new("cat");
    cat.args(pair.reference_files.iter().chain(&pair.suspect_files)).stdout(Stdio::null());
    let (cost, status) = timed(|| cat.status().map_err(Error::io("run", Path::new("cat"))))?;
    if status.success() { Ok(cost) } else { Err(Error::Failed("cat: found a failure, expected bytes".into())) }
}

/// Asks the system to forget the files' pages (`posix_fadvise`, by way of `dd`); false where it cannot.
pub(super) fn forget_pages(pair: &CheckpointPair) -> bool {
    pair.reference_files.iter().chain(&pair.suspect_files).all(|file| {
        let mut input = std::ffi::OsString::from("if=");
        input.push(file);
        Command::new("dd").arg(input).args(["iflag=nocache", "count=0", "status=none"]).status().is_ok_and(|status| status.success())
    })
}

/// A Python that has numpy.
pub(super) fn python(cache: &Path) -> Option<PathBuf> {
    python_with(cache, "numpy")
}

/// A Python that can import `module`: that of the cache's virtual environment, or the system's.
pub(super) fn python_with(cache: &Path, module: &str) -> Option<PathBuf> {
    let has_module = |python: &PathBuf| {
        Command::new(python).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    [cache.join("venv/bin/python3"), PathBuf::from("python3")].into_iter().find(has_module)
}

/// The plain numpy pass: its time without the start of Python, and its cosine.
pub(super) fn numpy(python: &Path, pair: &CheckpointPair) -> Result<(Cost, f64), Error> {
    let script = crate::root().join("xtask/src/bench/plain_pass.py");
    let output = Command::new(python)
        .arg(script)
        .arg(pair.reference_files.len().to_string())
        .args(pair.reference_files.iter().chain(&pair.suspect_files))
        // One core, as the row that it stands beside.
        .envs([("OPENBLAS_NUM_THREADS", "1"), ("OMP_NUM_THREADS", "1"), ("MKL_NUM_THREADS", "1")])
        .output()
        .map_err(Error::io("run", python))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(elapsed)), Some(Ok(processor)), Some(Ok(cosine))) => {
            Ok((Cost { elapsed: Duration::from_secs_f64(elapsed), processor: Some(Duration::from_secs_f64(processor)) }, cosine))
        }
        _ => Err(failed("numpy pass", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Both sides opened in this process, with how their tensors correspond.
pub(super) struct Opened {
    reference: Model,
    suspect: Model,
}

impl Opened {
    pub(super) fn new(pair: &CheckpointPair) -> Result<Self, Error> {
        let open = |path: &Path| Model::open(path).map_err(|e| failed("open", e));
        Ok(Self { reference: open(&pair.reference)?, suspect: open(&pair.suspect)? })
    }

    /// Sampling, pairing and the pass over all pairs: what gives identity and aligned cosines.
    pub(super) fn correspondence(&self, threads: usize) -> Result<(Cost, Correspondence), Error> {
        on(threads, || {
            timed(|| {
                let reference = Side::new(&self.reference).map_err(|e| failed("side", e))?;
                let suspect = Side::new(&self.suspect).map_err(|e| failed("side", e))?;
                Correspondence::find(&reference, &suspect, 0, &|_| ()).map_err(|e| failed("correspondence", e))
            })
        })
    }

    /// Only the pass over the pairs of a known correspondence; the moments of all weights together.
    pub(super) fn pass(&self, found: &Correspondence, threads: usize) -> Result<(Cost, PairedMoments), Error> {
        let of_pair = |p: &Pair| evidence::moments(&self.reference, &p.reference_weight, &self.suspect, &p.suspect_weight, &|_| ());
        on(threads, || {
            timed(|| {
                let parts: Vec<PairedMoments> =
                    found.pairs.par_iter().map(of_pair).collect::<Result<_, _>>().map_err(|e| failed("pass", e))?;
                let mut sum = PairedMoments::default();
                parts.iter().for_each(|part| sum.merge(part));
                Ok(sum)
            })
        })
    }

    /// SHA-256 of every file and BLAKE3 of every tensor, of both sides.
    pub(super) fn custody(&self, threads: usize) -> Result<Cost, Error> {
        on(threads, || {
            let (cost, ()) = timed(|| {
                for model in [&self.reference, &self.suspect] {
                    digest::custody(model, &|_| ()).map_err(|e| failed("custody", e))?;
                }
                Ok(())
            })?;
            Ok(cost)
        })
    }
}

fn on<T: Send>(threads: usize, work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|e| failed("threads", e))?.install(work)
}

/// One run of the program: its time, its largest resident memory where the system tells it, and its JSON.
pub(super) struct Run {
    pub(super) cost: Cost,
    pub(super) peak_bytes: Option<u64>,
    pub(super) report: serde_json::Value,
}

/// `filiation compare` as a user runs it.
pub(super) fn compare(program: &Path, pair: &CheckpointPair, arguments: &[&str]) -> Result<Run, Error> {
    let output = tempfile::tempfile().map_err(Error::io("create", Path::new("a temporary file")))?;
    let stdout = output.try_clone().map_err(Error::io("create", Path::new("a temporary file")))?;
    let mut command = Command::new(program);
    command
        .args(["compare", "--quiet", "--no-registered-controls", "--format", "json"])
        .args(arguments)
        .args([&pair.reference, &pair.suspect])
        .stdout(stdout);
    let mut peak_bytes = None;
    let (cost, status) = timed(|| {
        let mut child = command.spawn().map_err(Error::io("run", program))?;
        loop {
            // The mark only rises, so what the last look misses is what was allocated in the last instant.
            peak_bytes = machine::peak_memory(child.id()).or(peak_bytes);
            if let Some(status) = child.try_wait().map_err(Error::io("wait for", program))? {
                return Ok(status);
            }
            std::thread::sleep(LOOK);
        }
    })?;
    if !status.success() {
        return Err(Error::Failed("filiation compare: found a failure, expected a report".into()));
    }
    let mut output = output;
    std::io::Seek::rewind(&mut output).map_err(Error::io("read", Path::new("a temporary file")))?;
    let report = serde_json::from_reader(std::io::BufReader::new(output)).map_err(|e| failed("report", e))?;
    Ok(Run { cost, peak_bytes, report })
}
