//! Arguments of `lab train`, `lab finetune`, `lab zoo` and `lab bench`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Types of the numbers of a trained model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TrainedDtype {
    /// 32 bits.
    F32,
    /// The upper half of an f32.
    Bf16,
}

/// Arguments of `lab train`.
#[derive(Debug, Args)]
pub struct Train {
    /// A TOML file that says how large the model is, what it reads and how fast it learns. See `docs/guide/train.md`.
    pub recipe: PathBuf,
    /// The new folder; one that holds something is refused. An interrupted training goes on when the same command is given again.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Of the first weights.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Of the written numbers.
    #[arg(long, value_enum, default_value_t = TrainedDtype::F32)]
    pub dtype: TrainedDtype,
}

/// Arguments of `lab finetune`.
#[derive(Debug, Args)]
pub struct Finetune {
    /// A weight file, a folder, or the id of a model in the Hub cache.
    pub model: PathBuf,
    /// The new folder, as for `lab train`.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// A text file; can be given several times, each a document.
    #[arg(long, value_name = "FILE", required = true)]
    pub text: Vec<PathBuf>,
    /// Steps.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub steps: usize,
    /// Sequences of a step.
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub batch: usize,
    /// Tokens of a sequence.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub length: usize,
    /// The highest rate; as high as that of the first training, it is continued pretraining.
    #[arg(long, value_name = "X", default_value_t = 3e-4)]
    pub rate: f64,
    /// Only a low-rank change of this rank is learnt, and merged at the end.
    #[arg(long, value_name = "RANK")]
    pub lora: Option<usize>,
    /// Of the order of the text, and of adapters.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Of the written numbers.
    #[arg(long, value_enum, default_value_t = TrainedDtype::F32)]
    pub dtype: TrainedDtype,
}

/// The subcommands of `lab zoo`.
#[derive(Debug, Subcommand)]
pub enum Zoo {
    /// Make the models of a plan that are not there yet, and the graph of their history.
    Build(ZooBuild),
}

/// Arguments of `lab zoo build`.
#[derive(Debug, Args)]
pub struct ZooBuild {
    /// `small`, `full`, or a TOML file.
    pub plan: String,
    /// The zoo's folder.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
}

/// Arguments of `lab bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// `small`, `full`, or a TOML file.
    pub plan: String,
    /// The zoo's folder; models of the plan that are not there are made.
    #[arg(long, value_name = "DIR")]
    pub zoo: PathBuf,
    /// Folder of the results: `bench.md` for people, `scores.jsonl` for `lab calibrate`.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Fail if a derivation is not supported or an independent pair is.
    #[arg(long)]
    pub expect: bool,
}

/// Arguments of `lab outputs`.
#[derive(Debug, Args)]
pub struct Outputs {
    /// How much is measured.
    #[arg(value_enum)]
    pub size: crate::commands::outputs::Size,
    /// Where models and replies are kept; what is there is not made again.
    #[arg(long, value_name = "DIR")]
    pub work: PathBuf,
    /// Folder of the results: `outputs.md`.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Measure only this part; can be given several times.
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Fail if a demand is not met.
    #[arg(long)]
    pub expect: bool,
}

/// Arguments of `lab calibrate`.
#[derive(Debug, Args)]
pub struct Calibrate {
    /// The methods that go in, as a TOML file.
    pub plan: PathBuf,
    /// The `scores.jsonl` of `lab bench`.
    pub scores: PathBuf,
    /// Folder of the results: `calibration.toml`, `scores.jsonl`, `validation.json`, and `validation.html` for people.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
}
