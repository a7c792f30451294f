//! A suspect that says how probable it finds replies, whether its weights are here or it is only an endpoint.

use crate::Error;
use crate::cli::suspect::SuspectArgs;
use crate::endpoint::{is_url, note_transcript, refuse_options, session};
use crate::models::{Compared, digested_weights};
use crate::progress::Progress;
use forward::{Chat, LocalScorer, Score, ScoreError, Scored, Scorer};
use probe::{EndpointScorer, Session};
use serde_json::{Value, json};
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
    /// An endpoint, and the marks that it reads texts with.
    Endpoint(&'a EndpointScorer, &'a Chat),
}

/// Who reads texts, with whatever marks.
#[derive(Clone, Copy)]
pub(crate) enum Reader<'a> {
    Weights(&'a Model),
    Endpoint(&'a EndpointScorer),
}

impl Reader<'_> {
    /// A scorer that reads with the marks of a chat.
    pub(crate) fn scorer<'s>(&'s self, chat: &'s Chat) -> Result<SuspectScorer<'s>, ScoreError> {
        Ok(match self {
            Self::Weights(model) => SuspectScorer::Local(Box::new(LocalScorer::open(model, chat)?)),
            Self::Endpoint(scorer) => SuspectScorer::Endpoint(scorer, chat),
        })
    }
}

/// What a transcript says of questions how probable given texts are: what they are for.
pub(crate) fn logprobs(purpose: &str) -> Value {
    json!({ "ask": "logprobs", "for": purpose })
}

impl Suspect {
    /// Opens weights and digests them, or a session with an endpoint; `asked` is the object by which a transcript says what it is asked for,
    /// `chat` the marks where the arguments name none.
    pub(crate) fn open(args: &SuspectArgs, asked: Value, chat: &Chat, progress: &Progress) -> Result<Self, Error> {
        let chat = args.chat.as_deref().map_or_else(|| Ok(chat.clone()), Chat::named)?;
        if is_url(&args.suspect) {
            return Self::elsewhere(args, chat, asked);
        }
        refuse_options(&args.endpoint, "suspect")?;
        let compared = digested_weights(Path::new(&args.suspect), "digests of the suspect", progress)?;
        Ok(Self { label: args.suspect.clone(), chat, place: Place::Here(Box::new(compared)) })
    }

    fn elsewhere(args: &SuspectArgs, chat: Chat, mut asked: Value) -> Result<Self, Error> {
        if let Some(asked) = asked.as_object_mut() {
            asked.insert("chat".into(), json!(chat));
        }
        let session = session(&args.suspect, &args.endpoint, "suspect", asked)?;
        let label = format!("{} at {}", session.endpoint().model(), session.endpoint().url());
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
            Place::Elsewhere { scorer } => Ok(SuspectScorer::Endpoint(scorer, &self.chat)),
        }
    }

    /// Who reads texts with other marks than those of [`Self::chat`].
    pub(crate) fn reader(&self) -> Reader<'_> {
        match &self.place {
            Place::Here(compared) => Reader::Weights(&compared.model),
            Place::Elsewhere { scorer } => Reader::Endpoint(scorer),
        }
    }

    /// Asks an endpoint something in words; `None` where the weights are here.
    pub(crate) fn in_session<T>(&self, ask: impl FnOnce(&mut Session) -> T) -> Option<T> {
        match &self.place {
            Place::Here(_) => None,
            Place::Elsewhere { scorer } => Some(scorer.in_session(ask)),
        }
    }

    /// Says on stderr what was spent on an endpoint, and the digest that names what it answered.
    pub(crate) fn note_transcript(&self, progress: &Progress) -> Result<(), Error> {
        self.in_session(|session| note_transcript(session, progress)).unwrap_or(Ok(()))
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
            Self::Endpoint(scorer, chat) => scorer.score_as(chat, texts, advance),
        }
    }
}
