//! `cargo xtask bench assignment`: exact assignment of matrices as methods meet them, beside scipy on the same bytes in the same run.

use super::{machine, measure, note};
use crate::{Error, cache, say};
use clap::Args;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use stats::assignment::{Assignment, maximum_weight_assignment};
use stats::sampling::{below, generator, shuffle};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub(super) struct Bench {
    /// Runs of each solver, of which the best counts; none starts after ten seconds, and ours has no more runs than scipy.
    #[arg(long, value_name = "N", default_value_t = 25)]
    repeats: usize,
    /// Small matrices: whether the benchmark works.
    #[arg(long)]
    tiny: bool,
}

const SHAPES: [(usize, usize); 2] = [(1024, 11_008), (11_008, 11_008)];
const TINY_SHAPES: [(usize, usize); 2] = [(64, 600), (300, 300)];
const BUDGET: Duration = Duration::from_secs(10);
const TIMES_SCIPY_BAR: f64 = 4.0;
/// Coordinates over which strangers are correlated: their correlations have a standard deviation of `1/√T`.
const N_TOKENS: f64 = 1024.0;

/// How the weights come about; all are shaped like correlations of hidden units.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Nothing in common.
    Strangers,
    /// Strangers, and one entry of each row raised by .2 to 1: a related model with its units permuted.
    Planted,
    /// Cosines of unit vectors in so many dimensions, with noise of .01: strangers whose units see a space of low rank.
    LowRank(usize),
}

const KINDS: [Kind; 5] = [Kind::Strangers, Kind::Planted, Kind::LowRank(32), Kind::LowRank(64), Kind::LowRank(256)];

impl Kind {
    fn name(self) -> String {
        match self {
            Self::Strangers => "strangers".into(),
            Self::Planted => "planted".into(),
            Self::LowRank(rank) => format!("rank {rank} and noise"),
        }
    }

    fn weights(self, n_rows: usize, n_columns: usize) -> Vec<f32> {
        let mut weights = vec![0.0; n_rows * n_columns];
        let noise = if let Self::LowRank(_) = self { 0.01 } else { N_TOKENS.sqrt().recip() };
        weights.par_chunks_exact_mut(n_columns).enumerate().for_each(|(row, out)| gaussians(&format!("noise/{row}"), noise, out));
        match self {
            Self::Strangers => {}
            Self::Planted => {
                let mut rng = generator(0, "planted");
                let mut columns: Vec<usize> = (0..n_columns).collect();
                shuffle(&mut rng, &mut columns);
                for (row, column) in weights.chunks_exact_mut(n_columns).zip(columns) {
                    row[column] += 0.2 + 0.8 * uniform(&mut rng) as f32;
                }
            }
            Self::LowRank(rank) => {
                let rows = unit_vectors("rows", n_rows, rank);
                let columns = unit_vectors("columns", n_columns, rank);
                let across: Vec<f32> = (0..rank * n_columns).map(|at| columns[at % n_columns * rank + at / n_columns]).collect();
                weights.par_chunks_exact_mut(n_columns).zip(rows.par_chunks_exact(rank)).for_each(|(out, unit)| {
                    for (coordinate, others) in unit.iter().zip(across.chunks_exact(n_columns)) {
                        out.iter_mut().zip(others).for_each(|(out, other)| *out += coordinate * other);
                    }
                });
            }
        }
        weights
    }
}

/// Uniform in the open interval from 0 to 1.
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (below(rng, 1 << 32) as f64 + 0.5) / (1u64 << 32) as f64
}

/// Box and Muller, both of each pair.
fn gaussians(label: &str, deviation: f64, out: &mut [f32]) {
    let mut rng = generator(0, label);
    for pair in out.chunks_mut(2) {
        let radius = deviation * (-2.0 * uniform(&mut rng).ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * uniform(&mut rng)).sin_cos();
        pair.iter_mut().zip([cosine, sine]).for_each(|(out, part)| *out = (radius * part) as f32);
    }
}

fn unit_vectors(label: &str, n: usize, rank: usize) -> Vec<f32> {
    let mut vectors = vec![0.0; n * rank];
    gaussians(label, 1.0, &mut vectors);
    for vector in vectors.chunks_exact_mut(rank) {
        let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|x| *x /= norm);
    }
    vectors
}

pub(super) fn run(args: &Bench) -> Result<(), Error> {
    let folder = cache()?.join("bench");
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let python = python(&folder);
    let load_before = machine::load();
    let mut lines = vec![
        "| matrix | weights | runs | ours, seconds | scipy, seconds | times scipy | largest sum, ours | scipy − ours | bound − ours | |"
            .to_owned(),
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---|".to_owned(),
    ];
    lines.iter().for_each(|line| note(line));
    let mut least_ratio = f64::INFINITY;
    for (n_rows, n_columns) in if args.tiny { TINY_SHAPES } else { SHAPES } {
        for kind in KINDS {
            let row = measure_one(args, kind, (n_rows, n_columns), &folder, python.as_deref())?;
            least_ratio = row.ratio().map_or(least_ratio, |ratio| if ratio < least_ratio { ratio } else { least_ratio });
            let line = row.line(&format!("{n_rows} × {n_columns}"), &kind.name());
            note(&line);
            lines.push(line);
        }
    }
    let load = |load: Option<f64>| load.map_or("unknown".into(), |load| format!("{load:.1}"));
    let mut text = format!(
        "## Assignment\n\n{}\n\nOne thread each; best of up to {} runs, none started after {} s, as many of ours as of scipy's; load average {} before and {} after.\n\n{}\n\n",
        machine::describe(),
        args.repeats,
        BUDGET.as_secs(),
        load(load_before),
        load(machine::load()),
        lines.join("\n")
    );
    if python.is_none() {
        text.push_str(&format!(
            "SKIPPED: scipy, for no Python with scipy was found. To have it: `python3 -m venv {0} && {0}/bin/pip install scipy`.\n",
            folder.join("venv").display()
        ));
    } else if !args.tiny {
        let said = if least_ratio >= TIMES_SCIPY_BAR { "met" } else { "**missed**" };
        text.push_str(&format!(
            "| bar | found | |\n|---|---:|---|\n| ≥ {TIMES_SCIPY_BAR} times scipy, at least | {least_ratio:.1} | {said} |\n"
        ));
    }
    say(&text);
    Ok(())
}

struct Row {
    ours: Assignment,
    our_seconds: f64,
    n_runs: usize,
    scipy: Option<Scipy>,
}

struct Scipy {
    /// Of the best run.
    seconds: f64,
    n_runs: usize,
    total: f64,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.scipy.as_ref().map(|scipy| scipy.seconds / self.our_seconds)
    }

    fn line(&self, shape: &str, kind: &str) -> String {
        let total = self.ours.total;
        let scipy = self.scipy.as_ref();
        let none = || "–".to_owned();
        format!(
            "| {shape} | {kind} | {} | {:.4} | {} | {} | {total:.9} | {} | {:.1e} | {} |",
            self.n_runs,
            self.our_seconds,
            scipy.map_or_else(none, |scipy| format!("{:.4}", scipy.seconds)),
            self.ratio().map_or_else(none, |ratio| format!("{ratio:.1}")),
            scipy.map_or_else(none, |scipy| format!("{:.1e}", scipy.total - total)),
            self.ours.upper_bound - total,
            if self.ours.is_certified() { "certified" } else { "**not certified**" }
        )
    }
}

/// Writes the matrix once, so that both solvers read the same bytes.
fn measure_one(args: &Bench, kind: Kind, (n_rows, n_columns): (usize, usize), folder: &Path, python: Option<&Path>) -> Result<Row, Error> {
    machine::require_free(folder, 4 * (n_rows * n_columns) as u64)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(Error::io("create", folder))?;
    let bytes: Vec<u8> = kind.weights(n_rows, n_columns).iter().flat_map(|weight| weight.to_le_bytes()).collect();
    file.write_all(&bytes).map_err(Error::io("write", file.path()))?;
    drop(bytes);
    let scipy = python.map(|python| scipy(args, python, file.path(), n_rows, n_columns)).transpose()?;
    // As many runs on both sides: the best of more runs would be better by that alone.
    let n_runs = scipy.as_ref().map_or(args.repeats.max(1), |scipy| scipy.n_runs);
    let (ours, our_seconds) = solve(n_runs, file.path(), n_rows, n_columns)?;
    if let Some(Scipy { total: theirs, .. }) = scipy
        && (theirs - ours.total).abs() > 1e-9 * (1.0 + theirs.abs())
    {
        return Err(Error::Failed(format!("largest sum of {}: found {}, expected scipy's {theirs}", kind.name(), ours.total)));
    }
    Ok(Row { ours, our_seconds, n_runs, scipy })
}

fn solve(n_runs: usize, path: &Path, n_rows: usize, n_columns: usize) -> Result<(Assignment, f64), Error> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let weights: Vec<f32> = bytes.as_chunks().0.iter().map(|&number| f32::from_le_bytes(number)).collect();
    drop(bytes);
    let mut best = (None, Duration::MAX);
    for _ in 0..n_runs {
        let start = Instant::now();
        let found = maximum_weight_assignment(&weights, n_rows, n_columns).map_err(|e| Error::Failed(format!("assignment: {e}")))?;
        best = (Some(found), best.1.min(start.elapsed()));
    }
    let found = best.0.ok_or_else(|| Error::Failed("assignment: found no run, expected one".into()))?;
    Ok((found, best.1.as_secs_f64()))
}

/// A Python that has scipy.
fn python(folder: &Path) -> Option<PathBuf> {
    measure::python_with(folder, "scipy.optimize")
}

/// Scipy's solve alone, without the start of Python and without conversions.
fn scipy(args: &Bench, python: &Path, path: &Path, n_rows: usize, n_columns: usize) -> Result<Scipy, Error> {
    let output = Command::new(python)
        .arg(crate::root().join("xtask/src/bench/scipy_assignment.py"))
        .arg(path)
        .args([n_rows, n_columns, args.repeats.max(1), BUDGET.as_secs() as usize].map(|number| number.to_string()))
        .output()
        .map_err(Error::io("run", python))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(seconds)), Some(Ok(n_runs)), Some(Ok(total))) => Ok(Scipy { seconds, n_runs: n_runs as usize, total }),
        _ => Err(Error::Failed(format!("scipy: {}", String::from_utf8_lossy(&output.stderr).trim()))),
    }
}
