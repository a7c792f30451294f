//! A suspect that is only an endpoint: asked within a declared budget, every exchange written down.
//!
//! An [`Endpoint`] says where and which model. A [`Session`] asks it, pays each request from a [`Budget`] before it is sent, and keeps a
//! [transcript](`TRANSCRIPT_SCHEMA`) that is the custody log and the file to go on from. [`Ask`] makes requests and reads replies;
//! [`EndpointScorer`] asks how probable the suspect finds given text.

mod ask;
mod budget;
mod clock;
mod endpoint;
mod error;
mod kept;
mod logprobs;
mod scorer;
mod session;
mod transcript;
mod transport;

pub use ask::{Ask, Mode, Reply};
pub use budget::{Budget, Spent};
pub use clock::{Clock, SystemClock, rfc3339};
pub use endpoint::{API_KEY_VARIABLE, Endpoint, Timeouts};
pub use error::{ProbeError, Shape};
pub use kept::{KeptReplies, KeptReply};
pub use logprobs::TokenLogprob;
pub use scorer::EndpointScorer;
pub use session::{Pace, Session};
pub use transcript::{Exchange, Header, Line, TRANSCRIPT_SCHEMA, Transcript, sha256};
