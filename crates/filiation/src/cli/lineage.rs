//! Arguments of `palimpsest`, `agreement`, `image` and `equality`: lineage and identity from what models answer.

use super::Format;
use super::probe::Way;
use super::suspect::SuspectArgs;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `palimpsest`.
#[derive(Debug, Args)]
pub struct Palimpsest {
    /// The order in which the reference read its data, drawn at random by its owner: JSON lines `{"text"}` or `{"prompt", "reply"}`, each with a
    /// `"position"` unless the lines stand in the order.
    pub order: PathBuf,
    /// The model that is questioned; an endpoint must give log-probabilities of given text.
    #[command(flatten)]
    pub suspect: SuspectArgs,
    /// A model that did not read in this order, a file or folder; what it finds likely is taken away. Can be given several times, and several of
    /// the reference's own recipe and data find more.
    #[arg(long, value_name = "MODEL", required = true)]
    pub base: Vec<PathBuf>,
    /// How to print the finding.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Of the orders that are drawn.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// Arguments of `agreement`.
#[derive(Debug, Args)]
pub struct Agreement {
    /// The model that is claimed to be the origin: a weight file, a folder, or the id of a model in the Hub cache.
    pub reference: PathBuf,
    /// The model that is questioned, or a transcript of `filiation probe` (`.jsonl`) that has its answers: then its prompts are asked.
    #[command(flatten)]
    pub suspect: SuspectArgs,
    /// An independent model; can be given several times.
    #[arg(long, value_name = "MODEL", required_unless_present = "sibling")]
    pub control: Vec<PathBuf>,
    /// A control that is a sibling of the reference: the same recipe and data, other draws; can be given several times.
    #[arg(long, value_name = "MODEL")]
    pub sibling: Vec<PathBuf>,
    /// Ask these prompts instead of invented ones: JSON lines `{"prompt"}`, with a `"begun"` where the answer's beginning is given.
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Prompts that are invented; fewer than 3,000 are not enough.
    #[arg(long, value_name = "N", default_value_t = 3000, conflicts_with = "prompts")]
    pub n: u64,
    /// How to print the finding.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Of the prompts that are invented.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// Arguments of `image`.
#[derive(Debug, Args)]
pub struct Image {
    /// The model that is claimed to be the origin: a weight file, a folder, or the id of a model in the Hub cache.
    pub reference: PathBuf,
    /// The model that is questioned.
    #[command(flatten)]
    pub suspect: SuspectArgs,
    /// An independent model with the reference's tokens; can be given several times.
    #[arg(long, value_name = "MODEL")]
    pub control: Vec<PathBuf>,
    /// Tokens that the endpoint shows at a time, the anchor that joins them included; its `logprobs` or `top_logprobs`.
    #[arg(long, value_name = "K", default_value_t = 20)]
    pub top_logprobs: u32,
    /// Tokens that are asked for; three halves of the width of the reference's stream unless given.
    #[arg(long, value_name = "N")]
    pub tokens: Option<usize>,
    /// Prompts, drawn from the invented dialogues.
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub n: u64,
    /// Ask as a user's message, in the server's own marks, instead of by the text as it is.
    #[arg(long, value_enum, default_value_t = Way::Completions)]
    pub mode: Way,
    /// How to print the finding.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Of the prompts.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// Arguments of `equality`.
#[derive(Debug, Args)]
pub struct Equality {
    /// The model that an endpoint claims to serve: a file of samples (`.jsonl`, JSON lines `{"prompt", "reply"}`, several a prompt, with a
    /// `"logprob"`, a token's on average, and a `"first": {"token", "logprob"}` where they are known; or a transcript of
    /// `filiation probe --ask reply`), or a model on this machine, which is sampled.
    pub model: PathBuf,
    /// The endpoint: what it answered, in the same forms or as a transcript of `filiation probe --ask reply`; or its address.
    #[command(flatten)]
    pub suspect: SuspectArgs,
    /// Which way an endpoint is asked: `chat` unless given; `completions` sends the marks of `--chat`.
    #[arg(long, value_enum)]
    pub mode: Option<Way>,
    /// Prompts that are invented where both are models; else those of the file are asked.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub n: u64,
    /// Answers that a model on this machine draws to each prompt.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub samples: u64,
    /// What its logits are divided by before a draw.
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    pub temperature: f32,
    /// Tokens of an answer that it draws.
    #[arg(long, value_name = "N", default_value_t = 48)]
    pub max_tokens: usize,
    /// How to print the finding.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Of everything that is drawn.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}
