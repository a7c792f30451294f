//! Asks, waits, asks again, and writes down what came of it, within a budget.

use crate::budget::{Account, Budget, Spent};
use crate::clock::{Clock, rfc3339};
use crate::transcript::{Exchange, Header, Writer, request_digest, sha256};
use crate::transport::{Attempt, Transport, json, message, unreachable};
use crate::{Endpoint, ProbeError, Shape};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Attempts at one request.
const MOST_ATTEMPTS: u32 = 6;
/// The first wait between two, which doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// More than this is not waited for, whatever the endpoint asks.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);

/// How fast is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pace {
    /// Requests a minute; as fast as they are answered unless given.
    pub per_minute: Option<f64>,
    /// Of the jitter of waits.
    pub seed: u64,
}

/// A run of questions to one endpoint.
pub struct Session {
    endpoint: Endpoint,
    transport: Transport,
    account: Account,
    transcript: Writer,
    clock: Box<dyn Clock>,
    pace: Pace,
    /// Before this no request is sent.
    next: Duration,
}

/// One request.
pub(crate) struct Question<'a> {
    pub(crate) id: &'a str,
    pub(crate) path: &'static str,
    pub(crate) request: Value,
    /// The most tokens that it can take, but for a chat's own marks.
    pub(crate) estimate: u64,
}

/// What was understood of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answered<T> {
    pub(crate) value: T,
    /// Whether it was asked for now, and not found in the transcript.
    pub(crate) is_new: bool,
}

/// What one attempt leads to.
enum Next {
    Done { status: u16, body: String },
    Again { status: Option<u16>, body: Option<String>, why: String, wait: Option<Duration>, is_free: bool },
    Stop { status: Option<u16>, body: Option<String>, error: ProbeError, is_free: bool },
}

impl Session {
    /// Begins a transcript, or goes on with one of the same questions.
    ///
    /// # Errors
    /// If the file holds other questions, or cannot be read or written.
    pub fn open(
        endpoint: Endpoint,
        budget: Budget,
        pace: Pace,
        asked: Value,
        transcript: &Path,
        clock: Box<dyn Clock>,
    ) -> Result<Self, ProbeError> {
        let (transcript, spent) = Writer::open(transcript, &Header::new(&endpoint, budget, asked))?;
        let transport = Transport::new(&endpoint);
        Ok(Self { endpoint, transport, account: Account::new(budget, spent), transcript, clock, pace, next: Duration::ZERO })
    }

    /// Whom it asks.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What was spent, by earlier runs of this transcript too.
    pub fn spent(&self) -> Spent {
        self.account.spent
    }

    /// What was declared.
    pub fn budget(&self) -> Budget {
        self.account.budget
    }

    /// SHA-256 of the transcript as it stands, for reports.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn digest(&mut self) -> Result<String, ProbeError> {
        self.transcript.digest()
    }

    /// Asks, unless the transcript has the answer; `read` understands it.
    pub(crate) fn ask<T>(&mut self, question: Question<'_>, read: &dyn Fn(&Value) -> Result<T, Shape>) -> Result<Answered<T>, ProbeError> {
        let Question { id, path, request, estimate } = question;
        let url = format!("{}{path}", self.endpoint.url());
        let understood = |body: &str| -> Result<T, ProbeError> {
            let value = json(body).map_err(|reason| unreachable(&url, reason))?;
            value.and_then(|value| read(&value)).map_err(|shape| ProbeError::Shape { url: url.clone(), shape: Box::new(shape) })
        };
        let digest = request_digest(path, &request);
        if let Some(found) = self.transcript.found(&digest)? {
            return Ok(Answered { value: understood(found.body.as_deref().unwrap_or_default())?, is_new: false });
        }
        let sent = crate::transcript::canonical(&request);
        let mut exchange = Exchange {
            id: id.to_owned(),
            path: path.to_owned(),
            request_digest: digest,
            request,
            status: None,
            body: None,
            body_digest: None,
            sent_at: String::new(),
            received_at: String::new(),
            attempts: 0,
            tokens: 0,
            failure: None,
        };
        let result = loop {
            let reserved = match self.account.reserve(estimate) {
                Ok(reserved) => reserved,
                Err(error) => break Err(error),
            };
            self.keep_pace();
            if exchange.attempts == 0 {
                exchange.sent_at = rfc3339(self.clock.now());
            }
            exchange.attempts += 1;
            let attempt = self.transport.post(&url, &sent);
            exchange.received_at = rfc3339(self.clock.now());
            let next = self.judge(attempt, &url);
            let (status, body, used) = match &next {
                Next::Done { status, body } => (Some(*status), Some(body), usage(body)),
                Next::Again { status, body, is_free, .. } | Next::Stop { status, body, is_free, .. } => {
                    (*status, body.as_ref(), is_free.then_some(0))
                }
            };
            exchange.status = status;
            exchange.body = body.cloned();
            exchange.tokens = exchange.tokens.saturating_add(self.account.settle(reserved, used));
            match next {
                Next::Done { body, .. } => break understood(&body),
                Next::Stop { error, .. } => break Err(error),
                Next::Again { why, .. } if exchange.attempts >= MOST_ATTEMPTS => {
                    break Err(ProbeError::GaveUp { url: url.clone(), attempts: exchange.attempts, last: why });
                }
                Next::Again { wait, .. } => self.clock.wait(wait.unwrap_or_else(|| self.back_off(&exchange))),
            }
        };
        exchange.body_digest = exchange.body.as_ref().map(|body| sha256(body.as_bytes()));
        exchange.failure = result.as_ref().err().map(ToString::to_string);
        if exchange.attempts > 0 {
            self.transcript.add(exchange)?;
        }
        result.map(|value| Answered { value, is_new: true })
    }

    /// What to do about an attempt.
    fn judge(&self, attempt: Attempt, url: &str) -> Next {
        let (status, retry_after, bytes) = match attempt {
            Attempt::Answer { status, retry_after, body } => (status, retry_after, body),
            Attempt::Lost(why) => return Next::Again { status: None, body: None, why, wait: None, is_free: false },
            Attempt::Never { reason, is_free } => {
                return Next::Stop { status: None, body: None, error: unreachable(url, reason), is_free };
            }
        };
        let body = match String::from_utf8(bytes) {
            Ok(body) => body,
            Err(error) => {
                let shape = Shape::new("answer", error.utf8_error(), "UTF-8 text");
                let error = ProbeError::Shape { url: url.to_owned(), shape: Box::new(shape) };
                return Next::Stop { status: Some(status), body: None, error, is_free: false };
            }
        };
        let body = self.endpoint.key().map_or(body.clone(), |key| key.hidden_in(&body));
        match status {
            200..=299 => match json(&body) {
                Err(why) => Next::Again { status: Some(status), body: Some(body), why, wait: None, is_free: false },
                Ok(_) => Next::Done { status, body },
            },
            408 | 409 | 429 | 500..=599 => {
                let why = format!("{status}: {}", message(&body));
                // A server that refuses for want of room has read nothing; one that failed may have.
                let is_free = matches!(status, 409 | 429 | 503);
                match retry_after {
                    Some(wait) if wait > LONGEST_RETRY_AFTER => {
                        let reason =
                            format!("{why}; found {} s to wait, expected at most {}", wait.as_secs(), LONGEST_RETRY_AFTER.as_secs());
                        Next::Stop { status: Some(status), body: Some(body), error: unreachable(url, reason), is_free }
                    }
                    wait => Next::Again { status: Some(status), body: Some(body), why, wait, is_free },
                }
            }
            _ => {
                let error = ProbeError::Refused { url: url.to_owned(), status, message: message(&body) };
                Next::Stop { status: Some(status), body: Some(body), error, is_free: true }
            }
        }
    }

    /// Twice as long each time, and between half and all of it, so that many who wait do not come back together.
    fn back_off(&self, exchange: &Exchange) -> Duration {
        let full = FIRST_WAIT.saturating_mul(1 << exchange.attempts.saturating_sub(1).min(16)).min(LONGEST_WAIT);
        let drawn = sha256(format!("{}/{}/{}", self.pace.seed, exchange.request_digest, exchange.attempts).as_bytes());
        let share = u32::from_str_radix(drawn.get(..8).unwrap_or("0"), 16).unwrap_or_default();
        full.mul_f64(0.5 + 0.5 * f64::from(share) / f64::from(u32::MAX))
    }

    /// Waits until the next request may be sent.
    fn keep_pace(&mut self) {
        let Some(per_minute) = self.pace.per_minute.filter(|n| *n > 0.0) else { return };
        let now = self.clock.elapsed();
        if let Some(early) = self.next.checked_sub(now).filter(|early| !early.is_zero()) {
            self.clock.wait(early);
        }
        let apart = Duration::try_from_secs_f64(60.0 / per_minute).unwrap_or(LONGEST_RETRY_AFTER);
        self.next = self.clock.elapsed().saturating_add(apart);
    }
}

/// Tokens that an answer says it took.
fn usage(body: &str) -> Option<u64> {
    let value: Value = serde_json::from_str(body).ok()?;
    let usage = value.get("usage")?;
    let number = |key: &str| usage.get(key).and_then(Value::as_u64);
    number("total_tokens").or_else(|| number("prompt_tokens")?.checked_add(number("completion_tokens").unwrap_or(0)))
}
