//! A suspect that is asked how probable it finds replies, or what it answers: weights on this machine, or an endpoint.

use super::endpoint::EndpointArgs;
use clap::Args;

/// Which suspect, and how it is asked.
#[derive(Debug, Clone, Args)]
pub struct SuspectArgs {
    /// The model that is questioned: a weight file, a folder, the id of a model in the Hub cache, or the base URL of an OpenAI-compatible endpoint
    /// (`http://127.0.0.1:8080/v1`). Some commands take its kept answers too (`.jsonl`): `agreement` a transcript of `probe`, `equality` also samples.
    #[arg(value_name = "MODEL|URL")]
    pub suspect: String,
    /// How a question and a reply become one text, where it is not as this command has it otherwise: a name or a file. See
    /// `data/chats/README.md`.
    #[arg(long, value_name = "NAME|FILE")]
    pub chat: Option<String>,
    /// How it is asked, where it is an endpoint.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
}
