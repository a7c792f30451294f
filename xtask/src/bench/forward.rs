//! `cargo xtask bench forward`: prefill through our engine, transformers and llama.cpp, of the same tokens on the same threads in one run.

use super::{checkpoint, machine, measure, note};
use crate::{Error, cache, say};
use clap::{Args, ValueEnum};
use forward::{HeadAt, Network, PromptSet, Taps, Tokenizer, UnitsAt, Wanted};
use serde::Deserialize;
use sources::Model;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

#[derive(Debug, Args)]
pub(super) struct Bench {
    /// Which model.
    #[arg(long, value_enum, default_value_t = Subject::Gemma)]
    model: Subject,
    /// Prompts of the shared set, evenly spread over it.
    #[arg(long, value_name = "N", default_value_t = 240)]
    prompts: usize,
    /// Runs of each row, of which the best counts.
    #[arg(long, value_name = "N", default_value_t = 2)]
    repeats: usize,
    /// Threads of every engine.
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// A Python with torch and transformers.
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// A Python with llama-cpp-python.
    #[arg(long, value_name = "FILE")]
    llama_python: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// gemma-3-270m, `Q4_K_M`, of the real pairs.
    Gemma,
    /// A random llama of 1.24 billion parameters in bf16.
    #[value(name = "1b")]
    OneBillion,
}

/// What an engine took.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Measured {
    seconds: f64,
    tokens: usize,
    peak_mib: f64,
    #[serde(default)]
    version: String,
    #[serde(default)]
    batch: Option<usize>,
}

/// A line of the table.
struct Row {
    title: String,
    /// `None` where the engine is not there.
    measured: Option<Measured>,
    /// What our engine took for the same work, tokens a second.
    ours: f64,
}

impl Measured {
    fn speed(&self) -> f64 {
        self.tokens as f64 / self.seconds
    }
}

/// Listens to everything and keeps a sum, so that nothing that is told can be left out.
struct Listener {
    wanted: Wanted,
    heard: AtomicU64,
}

impl Listener {
    fn add(&self, values: &[f32]) {
        self.heard.fetch_add(values.iter().map(|v| u64::from(v.to_bits() & 1)).sum(), Ordering::Relaxed);
    }
}

impl Taps for Listener {
    fn wanted(&self) -> Wanted {
        self.wanted
    }

    fn attention(&self, _: HeadAt, scores: &[f32], probabilities: &[f32]) {
        self.add(scores);
        self.add(probabilities);
    }

    fn stream(&self, _: usize, _: usize, values: &[f32]) {
        self.add(values);
    }

    fn units(&self, _: UnitsAt, _: &[usize], gate: Option<&[f32]>, up: &[f32]) {
        self.add(gate.unwrap_or_default());
        self.add(up);
    }

    fn logits(&self, _: usize, _: usize, values: &[f32]) {
        self.add(values);
    }
}

pub(super) fn run(args: &Bench) -> Result<(), Error> {
    let folder = cache()?.join("bench");
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let (path, name) = match args.model {
        Subject::Gemma => (cache()?.join("pairs/joined/gemma-3-270m-q4_k_m.gguf"), "gemma-3-270m, Q4_K_M"),
        Subject::OneBillion => {
            (checkpoint::make(&checkpoint::ONE_BILLION, &folder)?.reference, "a random llama of 1.24 billion parameters, bf16")
        }
    };
    if !path.exists() {
        return Err(Error::Failed(format!("bench: no `{}`; `cargo xtask pairs fetch` brings it", path.display())));
    }
    let tokens = tokens(args, &path)?;
    let file = folder.join("forward-tokens.json");
    let json = serde_json::to_string(&tokens).map_err(Error::failed)?;
    std::fs::write(&file, json).map_err(Error::io("write", &file))?;

    let logits = Wanted { logits: true, ..Wanted::default() };
    let (with_logits, with_all) = (ours(args, &path, &tokens, logits)?, ours(args, &path, &tokens, forward::ALL_TAPS)?);
    let (logits_speed, all_speed) = (with_logits.speed(), with_all.speed());
    let row = |title: &str, measured, ours| Row { title: title.into(), measured, ours };
    let mut rows = vec![
        row("**ours**, logits at every position", Some(with_logits), logits_speed),
        row("**ours**, all taps", Some(with_all), all_speed),
    ];
    let python = args.python.clone().or_else(|| measure::python_with(&folder, "transformers"));
    for (what, title, ours) in [
        ("logits", "transformers f32, logits", logits_speed),
        ("attention", "transformers f32, `output_attentions` and hidden states", all_speed),
    ] {
        rows.push(row(title, theirs(args, python.as_deref(), "transformers", &path, &file, &[what])?, ours));
    }
    let llama_python = args.llama_python.clone().or_else(|| measure::python_with(&folder, "llama_cpp"));
    let gguf = match args.model {
        Subject::Gemma => Some(path),
        Subject::OneBillion => to_gguf(python.as_deref(), &path, &folder)?,
    };
    let llama = match gguf {
        Some(gguf) => theirs(args, llama_python.as_deref(), "llama.cpp", &gguf, &file, &[])?,
        None => None,
    };
    rows.push(row("llama.cpp, logits at every position", llama, logits_speed));
    say(&table(args, name, &tokens, &rows));
    Ok(())
}

/// Ids of the prompts. The random llama's tokenizer knows no language: its ids are drawn, as many as Gemma's tokens would be about.
fn tokens(args: &Bench, path: &Path) -> Result<Vec<Vec<u32>>, Error> {
    let shared = PromptSet::shared().map_err(Error::failed)?;
    let n = shared.prompts.len();
    let chosen = (0..args.prompts.min(n)).map(|i| &shared.prompts[i * n / args.prompts.min(n)]);
    match args.model {
        Subject::Gemma => {
            let model = Model::open(path).map_err(Error::failed)?;
            let tokenizer = Tokenizer::of(&model).map_err(Error::failed)?;
            chosen.map(|prompt| tokenizer.encode(&prompt.text).map(|encoded| encoded.ids).map_err(Error::failed)).collect()
        }
        Subject::OneBillion => {
            Ok(chosen.map(|prompt| prompt.text.bytes().step_by(4).map(|b| u32::from(b) * 331 % 100_000).collect()).collect())
        }
    }
}

fn ours(args: &Bench, path: &Path, tokens: &[Vec<u32>], wanted: Wanted) -> Result<Measured, Error> {
    let model = Model::open(path).map_err(Error::failed)?;
    let network = Network::open(&model).map_err(Error::failed)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build().map_err(Error::failed)?;
    let mut best = f64::INFINITY;
    machine::forget_peak_memory();
    for _ in 0..args.repeats {
        let listener = Listener { wanted, heard: AtomicU64::new(0) };
        let start = Instant::now();
        pool.install(|| network.run(tokens, &listener, &|_| ())).map_err(Error::failed)?;
        let seconds = start.elapsed().as_secs_f64();
        note(&format!("ours: {seconds:.1} s, heard {}", listener.heard.into_inner()));
        best = if seconds < best { seconds } else { best };
    }
    let peak_mib = machine::peak_memory(std::process::id()).unwrap_or(0) as f64 / f64::from(1 << 20);
    Ok(Measured { seconds: best, tokens: tokens.iter().map(Vec::len).sum(), peak_mib, version: String::new(), batch: None })
}

/// The best of several runs of another engine; `None` where it is not there, which the table says.
fn theirs(
    args: &Bench,
    python: Option<&Path>,
    engine: &str,
    model: &Path,
    tokens: &Path,
    more: &[&str],
) -> Result<Option<Measured>, Error> {
    let Some(python) = python else { return Ok(None) };
    let mut best: Option<Measured> = None;
    for _ in 0..args.repeats {
        let output = Command::new(python)
            .args(["-c", include_str!("forward.py"), engine])
            .args([model, tokens])
            .arg(args.threads.to_string())
            .args(more)
            .env("HF_HUB_OFFLINE", "1")
            .output()
            .map_err(Error::io("run", python))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let Some(measured) = text.lines().last().and_then(|line| serde_json::from_str::<Measured>(line).ok()) else {
            let complaint = String::from_utf8_lossy(&output.stderr);
            note(&format!("{engine} failed: {}", complaint.lines().last().unwrap_or_default()));
            return Ok(None);
        };
        note(&format!("{engine}: {:.1} s", measured.seconds));
        if best.as_ref().is_none_or(|best| measured.seconds < best.seconds) {
            best = Some(measured);
        }
    }
    Ok(best)
}

fn to_gguf(python: Option<&Path>, model: &Path, folder: &Path) -> Result<Option<PathBuf>, Error> {
    let target = folder.join("forward-1b.gguf");
    let Some(python) = python.filter(|_| !target.is_file()) else { return Ok(target.is_file().then_some(target)) };
    let partial = folder.join("forward-1b.partial");
    let status = Command::new(python)
        .args(["-c", include_str!("forward.py"), "to-gguf"])
        .args([model, &partial])
        .status()
        .map_err(Error::io("run", python))?;
    if !status.success() {
        note("the random llama could not be written as GGUF");
        return Ok(None);
    }
    std::fs::rename(&partial, &target).map_err(Error::io("rename", &partial))?;
    Ok(Some(target))
}

fn table(args: &Bench, name: &str, tokens: &[Vec<u32>], rows: &[Row]) -> String {
    let n: usize = tokens.iter().map(Vec::len).sum();
    let mut lines = vec![
        format!(
            "{name}; {} prompts, {n} tokens, {} threads; {}; load {:.1}",
            tokens.len(),
            args.threads,
            machine::describe(),
            machine::load().unwrap_or(0.0)
        ),
        String::new(),
        "| engine | tokens a second | seconds | peak, MiB | ours over it |".into(),
        "|---|---:|---:|---:|---:|".into(),
    ];
    for Row { title, measured, ours } in rows {
        lines.push(match measured {
            Some(measured) => {
                let batch = measured.batch.map_or(String::new(), |n| format!(", batches of {n}"));
                let version = if measured.version.is_empty() { String::new() } else { format!(" ({}{batch})", measured.version) };
                let (speed, ratio) = (measured.speed(), ours / measured.speed());
                format!("| {title}{version} | {speed:.0} | {:.1} | {:.0} | {ratio:.2} |", measured.seconds, measured.peak_mib)
            }
            None => format!("| {title} | not there | – | – | – |"),
        });
    }
    lines.push(String::new());
    lines.join("\n")
}
