//! A suspect that says how probable it finds replies, whether its weights are here or it is only an endpoint.

use crate::Error;
use crate::cli::suspect::SuspectArgs;
use crate::models::{Compared, digested_weights};
use crate::progress::Progress;
use forward::{Chat, LocalScorer, Score, ScoreError, Scored, Scorer};
use probe::{Budget, Endpoint, EndpointScorer, Pace, Session, SystemClock};
use serde_json::json;
use sources::Model;
use std::path::Path;

/// A suspect as a command's argument names it.
pub struct Suspect {
    /// What reports call it: a path, or a model at a URL.
    pub label: String,
    chat: Chat,
    place: Place,
}

enum Place {
    Here(Box<Compared>),
    Elsewhere { scorer: Box<EndpointScorer> },
}

/// What a suspect answers with.
pub enum SuspectScorer<'a> {
    /// Weights on this machine.
    Local(Box<LocalScorer<'a>>),
    /// An endpoint.
    Endpoint(&'a EndpointScorer),
}

/// Whether an argument is an address and no path.
fn is_url(suspect: &str) -> bool {
    suspect.starts_with("http://") || suspect.starts_with("https://")
}

impl Suspect {
    /// Opens weights and digests them, or a session with an endpoint; `asked` is what the transcript says it is asked for, `chat` the marks
    /// where the arguments name none.
    pub(crate) fn open(args: &SuspectArgs, asked: &str, chat: &Chat, progress: &Progress) -> Result<Self, Error> {
        let chat = args.chat.as_deref().map_or_else(|| Ok(chat.clone()), Chat::named)?;
        if is_url(&args.suspect) {
            return Self::elsewhere(args, chat, asked);
        }
        let of_endpoints = [
            ("--name", args.name.is_some()),
            ("--budget-requests", args.budget_requests.is_some()),
            ("--budget-tokens", args.budget_tokens.is_some()),
            ("--transcript", args.transcript.is_some()),
            ("--rate", args.rate.is_some()),
        ];
        if let Some((option, _)) = of_endpoints.iter().find(|(_, is_given)| *is_given) {
            let message = format!("`{option}`: found a suspect on this machine, expected an endpoint's URL");
            return Err(Error::Usage { message, hint: None });
        }
        let compared = digested_weights(Path::new(&args.suspect), "digests of the suspect", progress)?;
        Ok(Self { label: args.suspect.clone(), chat, place: Place::Here(Box::new(compared)) })
    }

    fn elsewhere(args: &SuspectArgs, chat: Chat, asked: &str) -> Result<Self, Error> {
        let missing = |option: &str| Error::Usage {
            message: format!("`{option}`: found none, expected one with a suspect that is an endpoint"),
            hint: Some(
                "an endpoint is asked by its model's `--name`, within `--budget-requests` and `--budget-tokens`, into a `--transcript`"
                    .into(),
            ),
        };
        let name = args.name.as_deref().ok_or_else(|| missing("--name"))?;
        let requests = args.budget_requests.ok_or_else(|| missing("--budget-requests"))?;
        let tokens = args.budget_tokens.ok_or_else(|| missing("--budget-tokens"))?;
        let transcript = args.transcript.clone().ok_or_else(|| missing("--transcript"))?;
        let endpoint = Endpoint::from_environment(&args.suspect, name)?;
        let label = format!("{name} at {}", endpoint.url());
        let asked = json!({ "ask": "logprobs", "for": asked, "chat": chat });
        let pace = Pace { per_minute: rate(args.rate)?, seed: 0 };
        let session = Session::open(endpoint, Budget { requests, tokens }, pace, asked, &transcript, Box::new(SystemClock::new()))?;
        let scorer = Box::new(EndpointScorer::new(session, chat.clone()));
        Ok(Self { label, chat, place: Place::Elsewhere { scorer } })
    }

    /// What scores replies.
    ///
    /// # Errors
    /// If weights on this machine cannot be run.
    pub fn scorer(&self) -> Result<SuspectScorer<'_>, Error> {
        match &self.place {
            Place::Here(compared) => {
                Ok(SuspectScorer::Local(Box::new(LocalScorer::open(&compared.model, &self.chat).map_err(ScoreError::from)?)))
            }
            Place::Elsewhere { scorer } => Ok(SuspectScorer::Endpoint(scorer)),
        }
    }

    /// For custody: the tensor root of weights, or SHA-256 of the transcript as it stands now.
    ///
    /// # Errors
    /// If the transcript cannot be read.
    pub fn digest(&self) -> Result<String, Error> {
        match &self.place {
            Place::Here(compared) => Ok(compared.custody.tensor_root.clone()),
            Place::Elsewhere { scorer } => Ok(scorer.digest()?),
        }
    }

    /// The weights, where they are here.
    pub fn model(&self) -> Option<&Model> {
        match &self.place {
            Place::Here(compared) => Some(&compared.model),
            Place::Elsewhere { .. } => None,
        }
    }

    /// The weights with their digests, where they are here.
    pub(crate) fn compared(&self) -> Option<&Compared> {
        match &self.place {
            Place::Here(compared) => Some(compared),
            Place::Elsewhere { .. } => None,
        }
    }

    /// The marks of question and answer.
    pub fn chat(&self) -> &Chat {
        &self.chat
    }
}

impl Scorer for SuspectScorer<'_> {
    fn score(&self, texts: &[Scored<'_>], advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<Option<Score>>, ScoreError> {
        match self {
            Self::Local(scorer) => scorer.score(texts, advance),
            Self::Endpoint(scorer) => scorer.score(texts, advance),
        }
    }
}

/// Requests a minute as given.
pub(crate) fn rate(given: Option<f64>) -> Result<Option<f64>, Error> {
    match given.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
        Some(rate) => Err(Error::Usage { message: format!("rate: found {rate}, expected requests a minute above 0"), hint: None }),
        None => Ok(given),
    }
}
