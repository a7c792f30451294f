//! A snapshot that is served: the owner's own service draws the twins of its replies.

use crate::endpoint::{decimal, reply};
use ::twins::{Asked, Snapshot, SnapshotRecord, TwinError, Utterance};
use forward::{Chat, FinishReason};
use probe::{Ask, Mode, ProbeError, Reply, Session};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The owner's own endpoint, asked once more what it was asked, with seeds that follow from the owner's secret.
///
/// It is for testing alone: what it draws stands beside replies that were released, and nothing trains on it. It is no client that uses
/// somebody's API as a teacher, and no such client is to be made of it: the log that it asks for is that of the service itself.
pub(crate) struct ServedSnapshot {
    asking: Mutex<Asking>,
    mode: Mode,
}

struct Asking {
    session: Session,
    /// What the first answer said of its configuration; outside, whether there was one.
    fingerprint: Option<Option<String>>,
}

impl ServedSnapshot {
    /// A snapshot that answers in a session, by a user's message or by a text between the marks of the chat.
    pub(crate) fn new(session: Session, mode: Mode) -> Self {
        Self { asking: Mutex::new(Asking { session, fingerprint: None }), mode }
    }

    /// SHA-256 of the transcript as it stands.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn digest(&self) -> Result<String, ProbeError> {
        self.asking().session.digest()
    }

    fn asking(&self) -> MutexGuard<'_, Asking> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asking {
    fn ask(&mut self, mode: Mode, chat: &Chat, asked: &Asked<'_>) -> Result<Utterance, TwinError> {
        let sampling = asked.sampling;
        let ask = Ask {
            top_p: sampling.top_p.map(decimal),
            seed: Some(asked.seed),
            ..Ask::new(mode, decimal(sampling.temperature), sampling.max_tokens as u64)
        };
        let id = format!("{}/{}", asked.request_id, asked.twin);
        let Reply { text, finish_reason, system_fingerprint, .. } =
            reply(&mut self.session, &id, asked.prompt, chat, &ask).map_err(remote)?;
        let first = self.fingerprint.get_or_insert_with(|| system_fingerprint.clone());
        if *first != system_fingerprint {
            let hint = "these are two configurations of the service, and twins of one reply come from one: ask the one that began, or \
                        begin another file and transcript";
            return Err(refused(&id, "system_fingerprint", &shown(&system_fingerprint), &shown(first), hint));
        }
        let finish_reason = match finish_reason.as_deref() {
            Some("stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            other => {
                let found = shown(&other.map(str::to_owned));
                let hint =
                    "a reply that something else cut short is no draw: leave that request out of the log, or ask without what cuts it";
                return Err(refused(&id, "finish_reason", &found, "`stop` or `length`", hint));
            }
        };
        Ok(Utterance { text, finish_reason })
    }
}

impl Snapshot for ServedSnapshot {
    fn record(&self, chat: &Chat, first: &Asked<'_>) -> Result<SnapshotRecord, TwinError> {
        let mut asking = self.asking();
        asking.ask(self.mode, chat, first)?;
        Ok(SnapshotRecord::of_endpoint(asking.session.endpoint().model(), asking.fingerprint.clone().flatten()))
    }

    fn answer(&self, chat: &Chat, asked: &[Asked<'_>], advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<Utterance>, TwinError> {
        let mut asking = self.asking();
        let said = asked.iter().map(|asked| {
            let said = asking.ask(self.mode, chat, asked)?;
            advance(1);
            Ok(said)
        });
        said.collect()
    }
}

fn shown(text: &Option<String>) -> String {
    text.as_ref().map_or("none".into(), |text| format!("`{}`", text.escape_debug()))
}

fn remote(error: ProbeError) -> TwinError {
    TwinError::Remote { message: error.to_string(), hint: error.hint().map(str::to_owned) }
}

fn refused(id: &str, what: &str, found: &str, expected: &str, hint: &str) -> TwinError {
    let message = format!("`{what}` of the reply to `{}`: found {found}, expected {expected}", id.escape_debug());
    TwinError::Remote { message, hint: Some(hint.into()) }
}
