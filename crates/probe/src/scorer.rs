//! How probable a suspect behind an endpoint finds given text.

use crate::ask::{estimate, first_choice};
use crate::logprobs::{TokenLogprob, of_choice, of_prompt, score};
use crate::session::{Question, Session};
use crate::{ProbeError, Shape, Spent};
use forward::{Chat, FinishReason, Score, ScoreError, Scored, Scorer};
use serde_json::{Value, json};
use std::sync::Mutex;

/// One token is generated and not looked at: llama-cpp-python takes 0 for as many as there is room for.
const GENERATED: u64 = 1;

/// A suspect that is asked how probable it finds replies, through `/completions`.
pub struct EndpointScorer {
    asking: Mutex<Asking>,
    chat: Chat,
}

struct Asking {
    session: Session,
    /// Set by the first answer that has what is needed.
    way: Option<Way>,
}

/// How a server is asked for log-probabilities of given text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `echo` with `logprobs`: OpenAI's completions, llama-cpp-python, vLLM.
    Echo,
    /// `prompt_logprobs`: vLLM.
    PromptLogprobs,
}

impl EndpointScorer {
    /// A scorer that asks in a session; replies are read with the marks of the chat.
    pub fn new(session: Session, chat: Chat) -> Self {
        Self { asking: Mutex::new(Asking { session, way: None }), chat }
    }

    /// SHA-256 of the transcript as it stands, for reports.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn digest(&self) -> Result<String, ProbeError> {
        self.in_session(Session::digest)
    }

    /// Asks something else in the same session.
    pub fn in_session<T>(&self, ask: impl FnOnce(&mut Session) -> T) -> T {
        ask(&mut self.asking.lock().unwrap_or_else(std::sync::PoisonError::into_inner).session)
    }

    /// As [`Scorer::score`], with the marks of another chat.
    ///
    /// # Errors
    /// As [`Scorer::score`].
    pub fn score_as(&self, chat: &Chat, texts: &[Scored<'_>], advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<Option<Score>>, ScoreError> {
        let mut asking = self.asking.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut scores = Vec::with_capacity(texts.len());
        for (index, scored) in texts.iter().enumerate() {
            let asked = chat.asked(scored.prompt);
            let reply = match scored.finish_reason {
                FinishReason::Stop => chat.answered(scored.reply),
                FinishReason::Length => chat.broken_off(scored.reply),
            };
            let score = if reply.is_empty() { Ok(None) } else { asking.score(&index.to_string(), &format!("{asked}{reply}"), asked.len()) };
            scores.push(score.map_err(|error| ScoreError::Remote { message: error.to_string(), hint: error.hint().map(str::to_owned) })?);
            advance(1);
        }
        Ok(scores)
    }

    /// What was spent, by earlier runs of the transcript too.
    pub fn spent(&self) -> Spent {
        self.in_session(|session| session.spent())
    }
}

impl Way {
    fn request(self, model: &str, text: &str) -> Value {
        match self {
            Self::Echo => {
                json!({"model": model, "prompt": text, "max_tokens": GENERATED, "temperature": 0, "echo": true, "logprobs": 1})
            }
            Self::PromptLogprobs => {
                json!({"model": model, "prompt": text, "max_tokens": GENERATED, "temperature": 0, "prompt_logprobs": 0})
            }
        }
    }

    fn read(self, answer: &Value, text: &str, from: usize) -> Result<Option<Score>, Shape> {
        let choice = first_choice(answer)?;
        let nothing = || Shape::new("log-probabilities of the prompt", "nothing", "`echo` with `logprobs`, or `prompt_logprobs`");
        match self {
            Self::Echo => {
                let tokens = of_choice(choice)?.ok_or_else(nothing)?;
                if tokens.len() as u64 <= GENERATED && from > 0 {
                    return Err(nothing());
                }
                check_places(choice["text"].as_str().unwrap_or_default(), text, &tokens)?;
                let generated = answer.pointer("/usage/completion_tokens").and_then(Value::as_u64).unwrap_or(GENERATED);
                score(text, from, &tokens, usize::try_from(generated.min(GENERATED)).unwrap_or_default())
            }
            // The first token's text is not given, so only the end of the text can be found.
            Self::PromptLogprobs => score(text.get(from..).unwrap_or_default(), 0, &of_prompt(choice)?.ok_or_else(nothing)?, 0),
        }
    }
}

/// Whether each log-probability stands at its own token: the one that was generated must stand last.
///
/// llama-cpp-python 0.3.36 gives every token the distribution of the next one where a model's tokenizer begins texts with no token of its own, and
/// then has none left for the last. Scores that are shifted by a token would look sound.
fn check_places(written: &str, text: &str, tokens: &[TokenLogprob]) -> Result<(), Shape> {
    let generated = written.find(text).and_then(|at| written.get(at + text.len()..)).unwrap_or_default();
    let last = tokens.last().map_or("", |token| token.token.as_str());
    // A part of a character is shown in ways of its own.
    if generated.is_empty() || generated.contains('\u{fffd}') || last.ends_with(generated) {
        return Ok(());
    }
    let found = format!("`{}`", last.escape_debug());
    let hint = "llama-cpp-python gives log-probabilities one token late for a model whose tokenizer begins texts with no token of its own; \
                serve it with vLLM";
    Err(Shape::new("last token of `logprobs`", found, format!("`{}`, which was generated", generated.escape_debug())).hint(hint))
}

impl Asking {
    fn score(&mut self, id: &str, text: &str, from: usize) -> Result<Option<Score>, ProbeError> {
        if let Some(way) = self.way {
            return self.by(way, id, text, from);
        }
        // The first answer shows what the server can do; the second way is tried where the first gives nothing.
        match self.by(Way::Echo, id, text, from) {
            Err(error) if is_no_logprobs(&error) => match self.by(Way::PromptLogprobs, id, text, from) {
                Err(second) if is_no_logprobs(&second) => Err(no_logprobs(self.session.endpoint().url(), &error)),
                other => other,
            },
            other => other,
        }
    }

    fn by(&mut self, way: Way, id: &str, text: &str, from: usize) -> Result<Option<Score>, ProbeError> {
        let request = way.request(self.session.endpoint().model(), text);
        let question = Question { id, path: "/completions", request, estimate: estimate(text, GENERATED) };
        match self.session.ask(question, &|answer| way.read(answer, text, from)) {
            Ok(answered) => {
                self.way = Some(way);
                Ok(answered.value)
            }
            Err(error) if is_too_long(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether a server answered, but not with what was asked for. llama.cpp's own server refuses `echo` with a status of its own failures.
fn is_no_logprobs(error: &ProbeError) -> bool {
    match error {
        ProbeError::Shape { shape, .. } => shape.what.starts_with("log-probabilities of the prompt"),
        ProbeError::GaveUp { last, .. } => last.contains("echo") || last.contains("logprobs"),
        ProbeError::Refused { status, message, .. } => {
            matches!(status, 400 | 422 | 501) && ["echo", "logprobs", "support"].iter().any(|word| message.contains(word))
        }
        _ => false,
    }
}

fn is_too_long(error: &ProbeError) -> bool {
    let words = ["context", "too long", "maximum"];
    matches!(error, ProbeError::Refused { status: 400 | 413 | 422, message, .. } if words.iter().any(|word| message.contains(word)))
}

fn no_logprobs(url: &str, error: &ProbeError) -> ProbeError {
    let said = match error {
        ProbeError::Refused { status, message, .. } => format!(" ({status}: {message})"),
        ProbeError::GaveUp { last, .. } => format!(" ({last})"),
        _ => String::new(),
    };
    let shape = Shape::new("log-probabilities of the prompt", format!("none{said}"), "`echo` with `logprobs`, or `prompt_logprobs`");
    let hint =
        "vLLM gives them, and llama-cpp-python's server when it is started with `--logits_all true`; llama.cpp's own server does not";
    ProbeError::Shape { url: format!("{url}/completions"), shape: Box::new(shape.hint(hint)) }
}

impl Scorer for EndpointScorer {
    fn score(&self, texts: &[Scored<'_>], advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<Option<Score>>, ScoreError> {
        self.score_as(&self.chat, texts, advance)
    }
}
