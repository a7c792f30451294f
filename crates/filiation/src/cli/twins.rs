//! Arguments of `twins`.

use super::Format;
use super::endpoint::EndpointArgs;
use super::probe::Way;
use super::suspect::SuspectArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What `twins` does.
#[derive(Debug, Subcommand)]
pub enum Twins {
    /// Draw a secret into a new file that only its owner may read.
    Key {
        /// The new file.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Draw replies that a service could as well have released; goes on where it was interrupted.
    Draw(Draw),
    /// Write what is published before a suspect is opened: digests of replies and twins, and the test that will be done.
    Commit(Commit),
    /// Test whether a suspect finds the released replies more probable than their twins.
    Test(Test),
}

/// Arguments of `twins draw`.
#[derive(Debug, Args)]
pub struct Draw {
    /// The log of the service (JSON lines, docs/formats/request-log.md), or replies that `lab distil replies` stored.
    pub log: PathBuf,
    /// The snapshot that answered: a weight file or a folder on this machine, or the base URL of an OpenAI-compatible endpoint of the owner's own
    /// that still serves it (`http://127.0.0.1:8080/v1`).
    #[arg(long, value_name = "SNAPSHOT|URL")]
    pub model: String,
    /// How it is asked, where it is an endpoint.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Which way an endpoint is asked, as the released replies were: `chat` unless given; `completions` sends the marks of `--chat`.
    #[arg(long, value_enum)]
    pub mode: Option<Way>,
    /// The owner's secret, as `twins key` writes it.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Names what the twins are for; a campaign's key can be disclosed without any other's.
    #[arg(long, value_name = "NAME")]
    pub campaign: String,
    /// The file of twins (JSON lines); one of the same drawing is gone on with.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Twins a request.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub twins: usize,
    /// Test replies to this account; can be given several times. Without it, all.
    #[arg(long, value_name = "NAME")]
    pub account: Vec<String>,
    /// Also draw for so many requests of other accounts: they must show nothing.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "account")]
    pub placebo: usize,
    /// How a question and an answer become one text: `dialogues`, `chatml`, `llama3`, `gemma`, or a TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = "dialogues")]
    pub chat: String,
    /// What logits were divided by, where the log does not say.
    #[arg(long, value_name = "T")]
    pub temperature: Option<f32>,
    /// Replies were drawn from the fewest tokens of this probability, where the log does not say.
    #[arg(long, value_name = "P", requires = "temperature")]
    pub top_p: Option<f32>,
    /// The most tokens of a reply, where the log does not say.
    #[arg(long, value_name = "N", requires = "temperature")]
    pub max_tokens: Option<usize>,
}

/// Arguments of `twins commit`.
#[derive(Debug, Args)]
pub struct Commit {
    /// The file of twins.
    pub twins: PathBuf,
    /// The secret that they were drawn by.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The new file that is published.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// A model that saw neither replies nor twins, whose part in the log-probabilities will be taken away: first the public base of the suspect.
    #[arg(long, value_name = "MODEL")]
    pub base: Vec<PathBuf>,
    /// The smallest effect that matters, in nats a token.
    #[arg(long, value_name = "NATS", default_value_t = 0.02)]
    pub effect: f64,
    /// Of the drawn arrangements.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Further batches may follow: the evidence is then the product of e-values from this file on, and you may stop after any batch. Without it,
    /// the file is one fixed set, tested by its p-value, which needs fewer replies.
    #[arg(long)]
    pub sequential: bool,
}

/// Arguments of `twins test`.
#[derive(Debug, Args)]
pub struct Test {
    /// The file of twins.
    pub twins: PathBuf,
    /// The model that is questioned.
    #[command(flatten)]
    pub suspect: SuspectArgs,
    /// What was published before the suspect was opened; one for each file of twins, in their order.
    #[arg(long, value_name = "FILE")]
    pub commitment: Vec<PathBuf>,
    /// A further file of twins, of other requests, tested by itself: e-values of batches multiply; can be given several times.
    #[arg(long, value_name = "FILE")]
    pub batch: Vec<PathBuf>,
    /// A model that saw neither replies nor twins; as committed, in the same order.
    #[arg(long, value_name = "MODEL")]
    pub base: Vec<PathBuf>,
    /// The smallest effect that matters, in nats a token; as committed.
    #[arg(long, value_name = "NATS")]
    pub effect: Option<f64>,
    /// Of the drawn arrangements; as committed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The `report.json` of a comparison of the same suspect with the reference's weights: both questions stand in one table.
    #[arg(long, value_name = "FILE")]
    pub beside: Option<PathBuf>,
    /// Write the report into this folder: a page for people, and `report.json` for programs.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// How to print the result on stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}
