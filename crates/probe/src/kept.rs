//! Answers that a transcript kept, for whoever has questions to them later.

use crate::ask::{Ask, Mode, Reply};
use crate::logprobs::shape;
use crate::transcript::{Exchange, Header, Transcript};
use crate::{ProbeError, Shape};
use serde_json::Value;
use std::path::Path;

/// A question in words that was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptReply {
    /// What it was asked for.
    pub id: String,
    /// The text that was sent, or what the user's message says.
    pub prompt: String,
    /// How it was asked.
    pub ask: Ask,
    /// What was answered.
    pub reply: Reply,
}

/// What a transcript keeps of questions in words.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptReplies {
    /// What was asked, of whom.
    pub header: Header,
    /// Those that were answered, in the order in which they were.
    pub replies: Vec<KeptReply>,
}

impl KeptReplies {
    /// Reads a transcript of `filiation probe`: one way of asking, one user's message or one text each.
    ///
    /// # Errors
    /// If it cannot be read, is no transcript, has no answer, or holds another kind of question or several ways of asking.
    pub fn open(path: &Path) -> Result<Self, ProbeError> {
        let Transcript { header, exchanges } = Transcript::open(path)?;
        let fault = |shape: Shape| ProbeError::Transcript { path: path.to_owned(), shape: Box::new(shape) };
        let answered = exchanges.iter().filter(|exchange| exchange.failure.is_none());
        let replies: Vec<KeptReply> = answered.map(kept).collect::<Result<_, _>>().map_err(fault)?;
        let Some(first) = replies.first() else {
            return Err(fault(Shape::new("answers of the transcript", "none", "at least one")));
        };
        let alike = |ask: &Ask| Ask { seed: None, ..ask.clone() };
        if let Some(other) = replies.iter().find(|reply| alike(&reply.ask) != alike(&first.ask)) {
            let found = format!("another for `{}` than for `{}`", other.id.escape_debug(), first.id.escape_debug());
            return Err(fault(Shape::new("way of asking", found, "one mode, temperature and length for all")));
        }
        Ok(Self { header, replies })
    }

    /// How all of them were asked, but for the seeds.
    pub fn asked(&self) -> Option<Ask> {
        self.replies.first().map(|reply| Ask { seed: None, ..reply.ask.clone() })
    }
}

fn kept(exchange: &Exchange) -> Result<KeptReply, Shape> {
    let request = &exchange.request;
    let of = format!("request `{}`", exchange.id.escape_debug());
    let expected = "what `filiation probe` sends";
    let refused = |what: &str, found: &Value| {
        let shape = shape(what, found, expected);
        Shape { what: format!("{} of {of}", shape.what), ..shape }
    };
    let (mode, prompt) = match exchange.path.as_str() {
        "/completions" => (Mode::Completions, &request["prompt"]),
        "/chat/completions" => (Mode::Chat, &request["messages"][0]["content"]),
        other => return Err(Shape::new(format!("path of {of}"), format!("`{}`", other.escape_debug()), expected)),
    };
    let prompt = prompt.as_str().ok_or_else(|| refused("prompt", prompt))?.to_owned();
    let number = |key: &str| request[key].as_f64().ok_or_else(|| refused(key, &request[key]));
    let max_tokens = request["max_tokens"].as_u64().ok_or_else(|| refused("max_tokens", &request["max_tokens"]))?;
    let top = match mode {
        Mode::Completions => &request["logprobs"],
        Mode::Chat => &request["top_logprobs"],
    };
    let ask = Ask {
        top_p: request["top_p"].as_f64(),
        stop: request["stop"][0].as_str().map(str::to_owned),
        seed: request["seed"].as_u64(),
        top_logprobs: top.as_u64().and_then(|top| u32::try_from(top).ok()),
        ..Ask::new(mode, number("temperature")?, max_tokens)
    };
    // Whatever else was sent (`echo`, an earlier turn) makes it another question.
    if ask.request(request["model"].as_str().unwrap_or_default(), &prompt) != *request {
        return Err(Shape::new(of, "other keys", expected));
    }
    let body = exchange.body.as_deref().unwrap_or_default();
    let answer: Value = serde_json::from_str(body).map_err(|error| Shape::new(format!("answer to {of}"), error, "JSON"))?;
    Ok(KeptReply { id: exchange.id.clone(), reply: ask.read(&answer)?, prompt, ask })
}
