//! The command line: a contract, so its words change only with a major version.

pub mod distil;
pub mod endpoint;
pub mod lineage;
pub mod probe;
pub mod suspect;
pub mod training;
pub mod twins;
pub mod watermark;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// Was this model derived from that one? Exact tests, stated error rates, and evidence that both sides can re-run.
#[derive(Debug, Parser)]
#[command(name = "filiation", version, propagate_version = true, term_width = 80)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// No progress and no warnings on stderr.
    #[arg(long, global = true)]
    pub quiet: bool,
    /// Threads to compute with; the result is the same at any number.
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compare two checkpoints: was the suspect derived from the reference?
    Compare(Compare),
    /// Measure a claim that somebody makes of two models, beside what independent models score.
    Claim {
        /// What is claimed.
        #[command(subcommand)]
        command: Claim,
    },
    /// Write what a model does on prompts into a file that can be compared without the weights.
    Observe(Observe),
    /// Ask a suspect that is only an endpoint, within a declared budget, and write every exchange down.
    Probe(probe::Probe),
    /// What is in a checkpoint: family, encodings, tensors, digests, claims of its card.
    Inspect(Inspect),
    /// Test who learnt what a service released: replies beside twins that it could as well have given.
    Twins {
        /// What to do.
        #[command(subcommand)]
        command: twins::Twins,
    },
    /// Keep a registry of independent models, for `compare` to take as controls.
    Controls {
        /// What to do with it.
        #[command(subcommand)]
        command: Controls,
    },
    /// Is the order in which the reference read its training data legible in the suspect? Weight lineage only.
    Palimpsest(lineage::Palimpsest),
    /// Does the suspect answer like the reference, more than like any control? Weight lineage only.
    Agreement(lineage::Agreement),
    /// Could the reference's output layer have given what an endpoint says of some tokens? Weight lineage only.
    Image(lineage::Image),
    /// Does an endpoint answer like the model that it claims to serve?
    Equality(lineage::Equality),
    /// What a method tests, survives and fails on.
    Explain(Explain),
    /// Make models with a known history, to test methods on.
    Lab {
        /// What to make.
        #[command(subcommand)]
        command: Lab,
    },
    /// Draw a watermark's key, and look for it in texts.
    Watermark {
        /// What to do.
        #[command(subcommand)]
        command: watermark::Watermark,
    },
    /// List the methods.
    Methods {
        /// How to print.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs; the contract is `urn:filiation:report:v1`.
    Json,
}

/// Whether models are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Run {
    /// Where that takes minutes at most.
    Auto,
    /// However long it takes.
    Always,
    /// Weights alone are compared.
    Never,
}

/// Conclusions that can be asked to fail the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Exit with 3 if the evidence supports derivation.
    Derivation,
    /// Exit with 3 if the evidence allows no conclusion.
    Inconclusive,
}

/// What `compare` and `claim` have in common: two models, what stands beside them, and how the result is given.
#[derive(Debug, Clone, Args)]
pub struct Pair {
    /// The model that is claimed to be the origin: a weight file, a folder, an observation, or the id of a model in the Hub cache.
    pub reference: PathBuf,
    /// The model that is questioned, in the same forms.
    pub suspect: PathBuf,
    /// An independent model to judge the suspect's similarities by; three or more allow a conclusion. Can be given several times.
    #[arg(long, value_name = "MODEL")]
    pub control: Vec<PathBuf>,
    /// Take no controls but those of `--control`; else the registered ones of the reference's shape stand beside them. See `filiation controls`.
    #[arg(long)]
    pub no_registered_controls: bool,
    /// Run the models on the prompts of this file instead of the shared set. See `data/prompts/README.md`.
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Write the report into this folder: a page for people, and `report.json` for programs.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// How to print the result on stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Draws units, rows and permutations; the same seed gives the same report.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// The two models.
    #[command(flatten)]
    pub pair: Pair,
    /// A further model that the suspect may be a mixture of; can be given several times.
    #[arg(long, value_name = "MODEL")]
    pub parent: Vec<PathBuf>,
    /// Run only this method; can be given several times. See `filiation methods`.
    #[arg(long, value_name = "ID")]
    pub method: Vec<String>,
    /// Whether models are run on prompts: small ones unless told otherwise.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Run::Auto)]
    pub run: Run,
    /// Exit with 3 on this conclusion.
    #[arg(long, value_enum, value_name = "CONCLUSION")]
    pub fail_on: Option<FailOn>,
}

/// The subcommands of `claim`.
#[derive(Debug, Subcommand)]
pub enum Claim {
    /// "Their attention is correlated": the claimed number, and what remains of it once everything is removed that all models share.
    Attention(Pair),
}

/// Arguments of `observe`.
#[derive(Debug, Args)]
pub struct Observe {
    /// A weight file, a folder, or the id of a model in the Hub cache.
    pub model: PathBuf,
    /// The observation file.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Run the model on the prompts of this file instead of the shared set.
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// A weight file, a folder, or the id of a model in the Hub cache.
    pub model: PathBuf,
    /// Also list every tensor with its digest.
    #[arg(long)]
    pub tensors: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// The subcommands of `controls`.
#[derive(Debug, Subcommand)]
pub enum Controls {
    /// Register models that are known to be independent of those that will be references. The weights stay where they are.
    Add {
        /// A weight file, a folder, or the id of a model in the Hub cache.
        #[arg(required = true, value_name = "MODEL")]
        models: Vec<PathBuf>,
    },
    /// List the registered controls by shape class.
    List {
        /// How to print.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Take models out of the registry; their weights are not touched.
    Remove {
        /// A registered path, or a tensor root, or its first eight digits or more.
        #[arg(required = true, value_name = "MODEL|DIGEST")]
        controls: Vec<PathBuf>,
    },
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// As in `filiation methods`: `weights.unit-alignment`.
    pub method: String,
}

/// The subcommands of `lab`.
#[derive(Debug, Subcommand)]
pub enum Lab {
    /// Write a copy of a checkpoint that went through steps, each seeded and recorded.
    Disguise(Disguise),
    /// Print invented dialogues: what teachers are asked, and text to train on.
    Dialogues(distil::Dialogues),
    /// Let a student learn what a teacher answers, between models on this machine.
    Distil {
        /// What to do.
        #[command(subcommand)]
        command: distil::Distil,
    },
    /// Train a small decoder from text.
    Train(training::Train),
    /// Train a model on, whole or by a low-rank adapter that is merged.
    Finetune(training::Finetune),
    /// Build models whose history is known.
    Zoo {
        /// What to do.
        #[command(subcommand)]
        command: training::Zoo,
    },
    /// Run every method, and what others publish, on pairs whose history is known.
    Bench(training::Bench),
    /// Measure the tests on outputs: what they find, and how often they find what is not there.
    Outputs(training::Outputs),
    /// Fit similarities of pairs whose history is known to a likelihood ratio, validate it and freeze it.
    Calibrate(training::Calibrate),
}

/// Arguments of `lab disguise`.
#[derive(Debug, Args)]
pub struct Disguise {
    /// A weight file, a folder, or the id of a model in the Hub cache.
    #[arg(required_unless_present = "list")]
    pub model: Option<PathBuf>,
    /// The new folder; one that holds something is refused.
    #[arg(short, long, value_name = "DIR", required_unless_present = "list")]
    pub output: Option<PathBuf>,
    /// `NAME` or `NAME=VALUE`, in order; can be given several times. See `--list`.
    #[arg(long, value_name = "STEP", required_unless_present = "list")]
    pub step: Vec<String>,
    /// Of all draws; the same seed gives the same bytes.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Of the written numbers.
    #[arg(long, value_enum, default_value_t = Dtype::AsStored)]
    pub dtype: Dtype,
    /// List the steps and what they do.
    #[arg(long)]
    pub list: bool,
}

/// Types of written numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dtype {
    /// 32 bits: what a step computes is kept as computed.
    F32,
    /// The upper half of an f32.
    Bf16,
    /// IEEE half.
    F16,
    /// Half types stay what they are; everything else becomes f32.
    AsStored,
}

/// The definition that completions, the man page and the reference are made from.
pub fn command() -> clap::Command {
    Cli::command()
}
