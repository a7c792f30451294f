//! `cargo xtask bench train`: tokens a second of a training, beside PyTorch on the same weights and batches of the same shape in the same run.

use super::{machine, measure, note};
use crate::{Error, cache, say};
use clap::Args;
use forward::Trainable;
use lab::train::{Fit, Progress, Schedule, Sizes, Tune, Windows, begin, fit, train_tokenizer};
use serde::Deserialize;
use sources::Model;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug, Args)]
pub(super) struct Bench {
    /// Width of the residual stream: 96, 4 blocks are half a million parameters; 256, 5 blocks are 5 million.
    #[arg(long, value_name = "N", default_value_t = 96)]
    hidden: usize,
    /// Blocks.
    #[arg(long, value_name = "N", default_value_t = 4)]
    layers: usize,
    /// Tokens of a sequence.
    #[arg(long, value_name = "N", default_value_t = 128)]
    length: usize,
    /// Sequences of a step.
    #[arg(long, value_name = "N", default_value_t = 16)]
    batch: usize,
    /// Steps that are timed; one before them is not.
    #[arg(long, value_name = "N", default_value_t = 20)]
    steps: usize,
    /// Runs, of which the best counts.
    #[arg(long, value_name = "N", default_value_t = 3)]
    repeats: usize,
    /// Threads.
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// A Python with transformers.
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
}

/// A run of one side.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    seconds: f64,
    /// Of the first step and of the last.
    losses: [f64; 2],
    #[serde(default)]
    version: String,
}

pub(super) fn run(args: &Bench) -> Result<(), Error> {
    let folder = cache()?.join("bench");
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let scratch = tempfile::tempdir_in(&folder).map_err(Error::io("create", &folder))?;
    let path = scratch.path().join("model");
    let heads = args.hidden / 32;
    let sizes = Sizes {
        architecture: "llama".into(),
        hidden: args.hidden,
        layers: args.layers,
        heads,
        kv_heads: None,
        units: args.hidden * 8 / 3 / 8 * 8,
        positions: args.length,
        tied: false,
    };
    let tokenizer = train_tokenizer(&["one two three four five".to_owned()], 258).map_err(Error::failed)?;
    begin(&sizes, &tokenizer, 1, &path).map_err(Error::failed)?;
    let model = Arc::new(Model::open(&path).map_err(Error::failed)?);
    let schedule = Schedule { steps: args.steps + 1, batch: args.batch, warmup: 1, ..Schedule::default() };
    let n = (args.steps + 1) * args.batch * args.length;
    let ids: Vec<u32> = (0..n as u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) as u32 % 258).collect();
    let tokens = (args.steps * args.batch * args.length) as f64;
    say(&format!(
        "{} parameters, {} sequences of {} tokens a step, {} threads; {}",
        model.parameters(),
        args.batch,
        args.length,
        args.threads,
        machine::describe()
    ));
    let ours = best(args, &mut || ours(args, &model, schedule, &ids).map(Some))?;
    let python = args.python.clone().or_else(|| measure::python_with(&folder, "transformers"));
    let theirs = match &python {
        Some(python) => best(args, &mut || theirs(args, python, &path, schedule))?,
        None => None,
    };
    for (name, run) in [("ours", &ours), ("PyTorch", &theirs)] {
        let Some(run) = run else {
            note(&format!("SKIPPED: {name}, for no Python with transformers was found"));
            continue;
        };
        let ratio = ours.as_ref().map_or(0.0, |ours| run.seconds / ours.seconds);
        let [first, last] = run.losses;
        say(&format!(
            "{name:<8} {:>9.0} tokens/s; ours is {ratio:.2} times as fast; loss {first:.3} to {last:.3} {}",
            tokens / run.seconds,
            run.version
        ));
    }
    Ok(())
}

fn best(args: &Bench, run: &mut dyn FnMut() -> Result<Option<Run>, Error>) -> Result<Option<Run>, Error> {
    let mut best: Option<Run> = None;
    for _ in 0..args.repeats {
        let Some(next) = run()? else { return Ok(None) };
        if best.as_ref().is_none_or(|best| next.seconds < best.seconds) {
            best = Some(next);
        }
    }
    Ok(best)
}

fn ours(args: &Bench, model: &Arc<Model>, schedule: Schedule, ids: &[u32]) -> Result<Run, Error> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build().map_err(Error::failed)?;
    let mut trainable = Trainable::read(model).map_err(Error::failed)?.map_err(|why| Error::Failed(why.0))?;
    let examples = Windows::new(ids.into(), args.length, 1);
    let of = Fit { schedule, examples: &examples, tune: Tune::Full, seed: 1, state: None };
    pool.install(|| {
        let start: Cell<Option<Instant>> = Cell::new(None);
        let losses = Cell::new([0.0; 2]);
        let advance = |progress: Progress| {
            if progress.step == 1 {
                start.set(Some(Instant::now()));
                losses.set([progress.loss; 2]);
            }
            losses.set([losses.get()[0], progress.loss]);
        };
        fit(&mut trainable, &of, &advance).map_err(Error::failed)?;
        let seconds = start.get().map_or(0.0, |start| start.elapsed().as_secs_f64());
        Ok(Run { seconds, losses: losses.get(), version: String::new() })
    })
}

fn theirs(args: &Bench, python: &Path, model: &Path, schedule: Schedule) -> Result<Option<Run>, Error> {
    let output = Command::new(python)
        .args(["-c", include_str!("train.py")])
        .arg(model)
        .args([args.steps, args.batch, args.length, args.threads].map(|n| n.to_string()))
        .arg(schedule.rate.to_string())
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .map_err(Error::io("run", python))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let run = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    if run.is_none() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        note(&format!("PyTorch failed: {}", complaint.lines().last().unwrap_or_default()));
    }
    Ok(run)
}
