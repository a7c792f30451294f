//! A decoder that answers questions in words: tokenizer, draws and the marks of a chat together.

use crate::{Chat, NotRunnable, Options, Request, Sampler, Tokenizer, Watermark};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sources::{Model, SourceError};

/// How replies are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sampling {
    /// As [`Options::temperature`].
    pub temperature: f32,
    /// As [`Options::top_p`].
    pub top_p: Option<f32>,
    /// As [`Options::max_tokens`].
    pub max_tokens: usize,
}

/// Why a reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FinishReason {
    /// At a token that ends one.
    Stop,
    /// At the most tokens, or the model's last position.
    Length,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Without the marks of the chat.
    pub text: String,
    /// Why it ends.
    pub finish_reason: FinishReason,
    /// What was drawn.
    pub tokens: Vec<u32>,
    /// The natural logarithm of each token's probability under the model itself.
    pub logprobs: Vec<f32>,
}

/// A model that answers.
pub struct Responder {
    /// Its weights.
    pub sampler: Sampler,
    /// Its tokens.
    pub tokenizer: Tokenizer,
    eos: Vec<u32>,
}

impl Responder {
    /// Reads all weights.
    ///
    /// # Errors
    /// If a tensor cannot be read; inside, the reason why the model cannot answer here.
    pub fn read(model: &Model) -> Result<Result<Self, NotRunnable>, SourceError> {
        let sampler = match Sampler::read(model)? {
            Ok(sampler) => sampler,
            Err(why) => return Ok(Err(why)),
        };
        let eos = match model.config.as_ref().map(|config| &config["eos_token_id"]) {
            Some(Value::Array(ids)) => ids.iter().filter_map(Value::as_u64).collect(),
            Some(id) => id.as_u64().into_iter().collect(),
            None => Vec::new(),
        };
        let eos = eos.into_iter().filter_map(|id: u64| u32::try_from(id).ok()).collect();
        Ok(Tokenizer::of(model).map(|tokenizer| Self { sampler, tokenizer, eos }))
    }

    /// Answers every question, which is a prompt's tokens as [`Chat::asked_ids`] gives them and a seed, in their order.
    ///
    /// # Errors
    /// As [`Sampler::reply`]; inside, if the tokenizer cannot join what was drawn.
    pub fn answer(
        &self,
        chat: &Chat,
        sampling: Sampling,
        questions: &[(Vec<u32>, u64)],
        advance: &(dyn Fn(u64) + Sync),
    ) -> Result<Result<Vec<Answer>, NotRunnable>, SourceError> {
        self.answer_marked(chat, sampling, None, questions, advance)
    }

    /// The same with a watermark.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub fn answer_marked(
        &self,
        chat: &Chat,
        sampling: Sampling,
        watermark: Option<&Watermark>,
        questions: &[(Vec<u32>, u64)],
        advance: &(dyn Fn(u64) + Sync),
    ) -> Result<Result<Vec<Answer>, NotRunnable>, SourceError> {
        let Sampling { temperature, top_p, max_tokens } = sampling;
        let options = Options { temperature, top_p, max_tokens, stop: self.stop(chat), watermark: watermark.cloned() };
        let requests: Vec<Request<'_>> = questions.iter().map(|(prompt, seed)| Request { prompt, seed: *seed }).collect();
        let replies = self.sampler.reply(&requests, &options, advance)?;
        let answer = |reply: crate::Reply| {
            let is_ended = reply.tokens.last().is_some_and(|token| options.stop.contains(token));
            let written = self.tokenizer.decode(&reply.tokens)?;
            Ok(Answer {
                text: chat.answer(&written).to_owned(),
                finish_reason: if is_ended { FinishReason::Stop } else { FinishReason::Length },
                tokens: reply.tokens,
                logprobs: reply.logprobs,
            })
        };
        Ok(replies.into_par_iter().map(answer).collect())
    }

    /// Tokens after which a reply is over: those that the configuration names, and those whose text holds the chat's end.
    fn stop(&self, chat: &Chat) -> Vec<u32> {
        let ids = self.tokenizer.ids().min(u32::try_from(self.sampler.vocabulary()).unwrap_or(u32::MAX));
        let holds_end = |text: String| !chat.end().is_empty() && text.contains(chat.end());
        let ends = |id: &u32| self.eos.contains(id) || self.tokenizer.decode(&[*id]).is_ok_and(holds_end);
        (0..ids).filter(ends).collect()
    }
}
