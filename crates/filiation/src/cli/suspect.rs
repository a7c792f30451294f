//! A suspect that is asked how probable it finds replies: weights on this machine, or an endpoint.

use clap::Args;
use std::path::PathBuf;

/// Which suspect, and how it is asked.
#[derive(Debug, Clone, Args)]
pub struct SuspectArgs {
    /// The model that is questioned: a weight file, a folder, the id of a model in the Hub cache, or the base URL of an OpenAI-compatible endpoint
    /// (`http://127.0.0.1:8080/v1`).
    #[arg(value_name = "MODEL|URL")]
    pub suspect: String,
    /// The model's name at the endpoint.
    #[arg(long, value_name = "MODEL")]
    pub name: Option<String>,
    /// How a question and a reply become one text, where the suspect reads them in its own way: a name or a file. See `data/chats/README.md`.
    #[arg(long, value_name = "NAME|FILE")]
    pub chat: Option<String>,
    /// Requests that the endpoint may be sent, by all runs of this transcript together.
    #[arg(long, value_name = "N")]
    pub budget_requests: Option<u64>,
    /// Tokens that it may read and write.
    #[arg(long, value_name = "N")]
    pub budget_tokens: Option<u64>,
    /// The file of every request and answer (`urn:filiation:probe:v1`); one of the same questions is gone on with.
    #[arg(long, value_name = "FILE")]
    pub transcript: Option<PathBuf>,
    /// Requests a minute at most.
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
}
