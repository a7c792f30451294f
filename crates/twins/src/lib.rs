//! What an owner must do for `text.released-twin`: read the log of what a service answered, draw replies that it could as well have given, and
//! commit to them before a suspect is opened.
//!
//! It knows no suspect, no statistic and no conclusion.
#![forbid(unsafe_code)]

mod commitment;
mod draw;
mod error;
mod log;
mod secret;

pub use commitment::{COMMITMENT_SCHEMA, Commitment, Plan};
pub use draw::{Asked, Drawing, Drawn, Header, Line, LocalSnapshot, Snapshot, SnapshotRecord, TWINS_SCHEMA, TwinFile, Utterance};
pub use error::TwinError;
pub use log::{LoggedRequest, Sample, clusters, read_log};
pub use secret::{CampaignKey, Secret};
