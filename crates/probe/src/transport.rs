//! One request over the wire, and what came of it.

use crate::{Endpoint, ProbeError, Shape};
use std::io::Read;
use std::time::Duration;
use ureq::Agent;

/// The log-probabilities of a long text with alternatives take a few megabytes.
pub(crate) const MAX_BODY_BYTES: u64 = 16 << 20;

/// What came of one attempt.
pub(crate) enum Attempt {
    /// A whole answer, whatever it says.
    Answer {
        status: u16,
        /// Where one stands there and is a number of seconds.
        retry_after: Option<Duration>,
        body: Vec<u8>,
    },
    /// The connection broke, or nothing came in time; the model may have worked all the same.
    Lost(String),
    /// Asking again would not help.
    Never {
        reason: String,
        /// Whether nothing was asked of the model.
        is_free: bool,
    },
}

pub(crate) struct Transport {
    agent: Agent,
    bearer: Option<String>,
}

impl Transport {
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        let timeouts = endpoint.timeouts();
        let config = Agent::config_builder()
            .timeout_connect(Some(timeouts.connect))
            .timeout_global(Some(timeouts.answer))
            // A status is an answer, and a redirect would take the key elsewhere.
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("filiation/", env!("CARGO_PKG_VERSION")));
        let config = if endpoint.is_here() { config.proxy(None) } else { config };
        Self { agent: config.build().into(), bearer: endpoint.key().map(crate::endpoint::ApiKey::bearer) }
    }

    pub(crate) fn post(&self, url: &str, request: &str) -> Attempt {
        let mut call = self.agent.post(url).header("Content-Type", "application/json");
        if let Some(bearer) = &self.bearer {
            call = call.header("Authorization", bearer);
        }
        let mut response = match call.send(request) {
            Ok(response) => response,
            Err(error) => return failed(&error),
        };
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()).and_then(seconds);
        let mut body = Vec::new();
        match response.body_mut().as_reader().take(MAX_BODY_BYTES + 1).read_to_end(&mut body) {
            Ok(_) if body.len() as u64 > MAX_BODY_BYTES => {
                Attempt::Never { reason: format!("found an answer of more than {MAX_BODY_BYTES} bytes, expected fewer"), is_free: false }
            }
            Ok(_) => Attempt::Answer { status, retry_after, body },
            Err(error) => Attempt::Lost(format!("the answer broke off after {} bytes ({error})", body.len())),
        }
    }
}

/// No sentence of these shows what was sent.
fn failed(error: &ureq::Error) -> Attempt {
    match error {
        ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
            Attempt::Never { reason: "nothing listens there".into(), is_free: true }
        }
        ureq::Error::ConnectionFailed
        | ureq::Error::HostNotFound
        | ureq::Error::BadUri(_)
        | ureq::Error::Tls(_)
        | ureq::Error::Rustls(_) => Attempt::Never { reason: error.to_string(), is_free: true },
        other => Attempt::Lost(other.to_string()),
    }
}

fn seconds(value: &str) -> Option<Duration> {
    value.trim().parse().ok().and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok())
}

/// What an endpoint says of an error: its message where one stands in the usual place, else the beginning of the body.
pub(crate) fn message(body: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let places = ["/error/message", "/message", "/detail", "/error"];
    let text = value.as_ref().and_then(|value| places.iter().find_map(|place| value.pointer(place)?.as_str())).unwrap_or(body);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(300) {
        Some((at, _)) => format!("{} ..", line.get(..at).unwrap_or_default()),
        None if line.is_empty() => "nothing".into(),
        None => line,
    }
}

/// A body as JSON: an end in the middle is told apart from other faults, because asking again may mend it.
pub(crate) fn json(body: &str) -> Result<Result<serde_json::Value, Shape>, String> {
    match serde_json::from_str(body) {
        Ok(value) => Ok(Ok(value)),
        Err(error) if error.is_eof() => Err(format!("the answer ends in the middle of its JSON, after {} bytes", body.len())),
        Err(error) => Ok(Err(Shape::new("answer", error, "JSON"))),
    }
}

pub(crate) fn unreachable(url: &str, reason: String) -> ProbeError {
    ProbeError::Unreachable { url: url.to_owned(), reason }
}
