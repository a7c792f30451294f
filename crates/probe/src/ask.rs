//! Questions in words: what is sent, and how an answer is read.

use crate::logprobs::{TokenLogprob, of_choice, shape};
use crate::session::{Answered, Question, Session};
use crate::{ProbeError, Shape};
use serde_json::{Map, Value, json};

/// Tokens that a tokenizer puts around a text.
const AROUND: u64 = 8;
/// Tokens of a chat's marks and of a system message that the server adds, as far as not learnt from `usage`.
const CHAT_MARKS: u64 = 64;

/// Which of the two ways is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `/completions`: the text as it is.
    Completions,
    /// `/chat/completions`: one message of a user; the server sets the marks.
    Chat,
}

/// How is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Which way.
    pub mode: Mode,
    /// What logits are divided by before a draw; 0 takes the most probable token.
    pub temperature: f64,
    /// Draws from the fewest tokens of this probability; left to the server where there is none.
    pub top_p: Option<f64>,
    /// Tokens of a reply.
    pub max_tokens: u64,
    /// A text before which a reply ends.
    pub stop: Option<String>,
    /// Of the draws, for servers that take one; it also tells samples of one prompt apart.
    pub seed: Option<u64>,
    /// Alternatives of each token, with their log-probabilities.
    pub top_logprobs: Option<u32>,
    /// Added to the logits of these tokens, by the ids that the server's tokenizer gives them.
    pub logit_bias: Vec<(u32, f64)>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Its text.
    pub text: String,
    /// Why it ends, in the server's word.
    pub finish_reason: Option<String>,
    /// Its tokens, where log-probabilities were asked for and given.
    pub tokens: Option<Vec<TokenLogprob>>,
    /// What the server calls the configuration that answered, where it says so.
    pub system_fingerprint: Option<String>,
    /// Whether it was asked for now, and not found in the transcript.
    pub is_new: bool,
}

impl Ask {
    /// Asks for tokens at a temperature, and for nothing else.
    pub fn new(mode: Mode, temperature: f64, max_tokens: u64) -> Self {
        Self { mode, temperature, top_p: None, max_tokens, stop: None, seed: None, top_logprobs: None, logit_bias: Vec::new() }
    }

    fn path(&self) -> &'static str {
        match self.mode {
            Mode::Completions => "/completions",
            Mode::Chat => "/chat/completions",
        }
    }

    /// What is sent.
    pub(crate) fn request(&self, model: &str, prompt: &str) -> Value {
        let mut request = Map::new();
        let mut set = |key: &str, value: Value| drop(request.insert(key.to_owned(), value));
        set("model", model.into());
        match self.mode {
            Mode::Completions => set("prompt", prompt.into()),
            Mode::Chat => set("messages", json!([{ "role": "user", "content": prompt }])),
        }
        set("max_tokens", self.max_tokens.into());
        set("temperature", self.temperature.into());
        if let Some(top_p) = self.top_p {
            set("top_p", top_p.into());
        }
        if let Some(stop) = &self.stop {
            set("stop", json!([stop]));
        }
        if let Some(seed) = self.seed {
            set("seed", seed.into());
        }
        if !self.logit_bias.is_empty() {
            set("logit_bias", self.logit_bias.iter().map(|(id, bias)| (id.to_string(), Value::from(*bias))).collect::<Map<_, _>>().into());
        }
        match (self.mode, self.top_logprobs) {
            (_, None) => (),
            (Mode::Completions, Some(n)) => set("logprobs", n.into()),
            (Mode::Chat, Some(n)) => {
                set("logprobs", true.into());
                set("top_logprobs", n.into());
            }
        }
        Value::Object(request)
    }

    /// What an answer says.
    ///
    /// # Errors
    /// If it has another shape, or no log-probabilities where they were asked for.
    pub fn read(&self, answer: &Value) -> Result<Reply, Shape> {
        let choice = first_choice(answer)?;
        let (place, text) = match self.mode {
            Mode::Completions => ("choices[0].text", &choice["text"]),
            Mode::Chat => ("choices[0].message.content", &choice["message"]["content"]),
        };
        let text = match text {
            Value::String(text) => text.clone(),
            // A reply that ended at once, or was refused by the model, may have none.
            Value::Null if self.mode == Mode::Chat && choice["message"].is_object() => String::new(),
            other => return Err(shape(place, other, "a text")),
        };
        let tokens = of_choice(choice)?;
        if self.top_logprobs.is_some() && tokens.is_none() {
            let hint = "ask without `--top-logprobs`, or start the server with log-probabilities";
            return Err(Shape::new("`choices[0].logprobs`", "nothing", "log-probabilities of the tokens").hint(hint));
        }
        let finish_reason = choice["finish_reason"].as_str().map(str::to_owned);
        let system_fingerprint = answer["system_fingerprint"].as_str().map(str::to_owned);
        Ok(Reply { text, finish_reason, tokens, system_fingerprint, is_new: false })
    }
}

pub(crate) fn first_choice(answer: &Value) -> Result<&Value, Shape> {
    answer
        .pointer("/choices/0")
        .filter(|choice| choice.is_object())
        .ok_or_else(|| shape("choices[0]", answer.get("choices").unwrap_or(&Value::Null), "an answer"))
}

/// No token is shorter than a byte, so this is never too low for a text as it is.
pub(crate) fn estimate(text: &str, max_tokens: u64) -> u64 {
    (text.len() as u64).saturating_add(AROUND).saturating_add(max_tokens)
}

impl Session {
    /// Asks a prompt; `id` is what the transcript calls it.
    ///
    /// # Errors
    /// If the budget does not reach, the endpoint does not answer, or its answer has another shape.
    pub fn reply(&mut self, id: &str, prompt: &str, ask: &Ask) -> Result<Reply, ProbeError> {
        let marks = if ask.mode == Mode::Chat { CHAT_MARKS } else { 0 };
        let question = Question {
            id,
            path: ask.path(),
            request: ask.request(self.endpoint().model(), prompt),
            estimate: estimate(prompt, ask.max_tokens).saturating_add(marks),
        };
        let Answered { value, is_new } = self.ask(question, &|answer| ask.read(answer))?;
        Ok(Reply { is_new, ..value })
    }
}
