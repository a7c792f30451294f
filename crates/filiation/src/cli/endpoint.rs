//! How an endpoint is asked: as which model, within which budget, into which transcript.

use clap::Args;
use std::path::PathBuf;

/// What an endpoint needs; none of it goes with weights on this machine.
#[derive(Debug, Clone, Default, Args)]
pub struct EndpointArgs {
    /// The model's name at the endpoint.
    #[arg(long, value_name = "MODEL")]
    pub name: Option<String>,
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
