//! Arguments of `probe`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What is asked of each prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Asked {
    /// The most probable next token.
    NextToken,
    /// Replies.
    Reply,
}

/// Which way is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// `/completions`, the text as it is.
    Completions,
    /// `/chat/completions`, the prompt as a user's message.
    Chat,
}

/// Arguments of `probe`.
#[derive(Debug, Args)]
pub struct Probe {
    /// Base URL of an OpenAI-compatible endpoint: `http://127.0.0.1:8080/v1`. A key is read from the environment variable FILIATION_API_KEY alone.
    #[arg(long, value_name = "URL")]
    pub endpoint: String,
    /// The model's name there.
    #[arg(long, value_name = "NAME")]
    pub model: String,
    /// The transcript of every request and answer (`urn:filiation:probe:v1`); one of the same questions is gone on with.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Requests that may be sent, by all runs of this transcript together, failed attempts counted.
    #[arg(long, value_name = "N")]
    pub budget_requests: u64,
    /// Tokens that may be read and written, by all runs together.
    #[arg(long, value_name = "N")]
    pub budget_tokens: u64,
    /// Prompts: a text file with one a line, or `.jsonl` with `{"id": .., "prompt": ..}` a line. Else they are drawn from the shipped dialogues.
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// How many prompts are drawn.
    #[arg(long, value_name = "N", default_value_t = 100, conflicts_with = "prompts")]
    pub dialogues: u64,
    /// Of the prompts, of the seeds that are sent, and of the jitter of waits.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// What is asked of each prompt.
    #[arg(long, value_enum, default_value_t = Asked::NextToken)]
    pub ask: Asked,
    /// Which way is asked.
    #[arg(long, value_enum, default_value_t = Way::Chat)]
    pub mode: Way,
    /// Ask for log-probabilities, of this many tokens in each place.
    #[arg(long, value_name = "K")]
    pub top_logprobs: Option<u32>,
    /// Replies to each prompt.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub samples: u64,
    /// What logits are divided by before a reply's tokens are drawn; 0 takes the most probable.
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    pub temperature: f64,
    /// Tokens of a reply.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub max_tokens: u64,
    /// Requests a minute at most.
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
}
