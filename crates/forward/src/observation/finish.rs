//! Puts what a recorder heard into an observation, after checking that it heard all of it.

use super::layout::{entries, entry_starts};
use super::recorder::Recorder;
use super::{Image, Logits, Observation, Stream};
use crate::{NotRunnable, Taps};
use half::f16;
use std::sync::PoisonError;

impl Recorder {
    /// The observation. `image` is of [`Recorder::logit_tokens`], and `None` where logits are not observed.
    ///
    /// # Errors
    /// If something was not told, or was told as no number.
    pub fn finish(self, image: Option<Image>) -> Result<Observation, NotRunnable> {
        if let Some(sentence) = self.failure() {
            return NotRunnable::because(sentence);
        }
        let wanted = self.wanted();
        let units = if wanted.units { self.take_units().map_err(NotRunnable)? } else { Vec::new() };
        let n_layers = self.subject.n_layers;
        if wanted.units && units.len() != n_layers {
            return NotRunnable::because(format!("units were told of {} blocks of {n_layers}", units.len()));
        }
        if units.iter().any(|block| block.gate.is_some() != units[0].gate.is_some()) {
            return NotRunnable::because("some blocks have a gate in their MLP and others have none");
        }
        let (heads, causal) = (self.subject.n_heads, self.subject.causal);
        let starts = entry_starts(&self.tokens, causal);
        let mut attention = Vec::new();
        for (layer, prompts) in self.attention.into_iter().enumerate() {
            let total = starts[prompts.len()];
            let mut block = vec![f16::ZERO; heads * total];
            for (prompt, kept) in prompts.into_iter().enumerate() {
                let kept = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
                if kept.told != heads {
                    let told = kept.told;
                    return NotRunnable::because(format!(
                        "attention of block {layer} on prompt {prompt} was told for {told} heads of {heads}"
                    ));
                }
                let size = entries(self.tokens.prompt(prompt).len(), causal);
                for (head, values) in kept.values.chunks_exact(size.max(1)).enumerate() {
                    block[head * total + starts[prompt]..][..size].copy_from_slice(values);
                }
            }
            check_finite(&format!("attention of block {layer}"), &block)?;
            attention.push(block);
        }
        let stream = if wanted.stream {
            let n_prompts = self.tokens.n_prompts();
            let mut layers = Vec::new();
            for (layer, kept) in self.stream.layers.into_iter().enumerate() {
                let (values, told) = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
                if told != n_prompts {
                    return NotRunnable::because(format!("the residual stream {layer} was told for {told} prompts of {n_prompts}"));
                }
                check_finite(&format!("residual stream {layer}"), &values)?;
                layers.push(values);
            }
            Some(Stream { words: self.stream.words, layers })
        } else {
            None
        };
        let logits = if wanted.logits {
            let (values, told) = std::mem::take(&mut *self.logits.values.lock().unwrap_or_else(PoisonError::into_inner));
            let n = self.logits.positions.len();
            if told != n {
                return NotRunnable::because(format!("logits were told at {told} positions of {n}"));
            }
            let (n_tokens, hidden) = (self.logits.tokens.len(), self.subject.hidden);
            let Some(image) = image.filter(|image| (image.n_tokens, image.hidden) == (n_tokens, hidden)) else {
                return NotRunnable::because(format!("logits were told without the image of {n_tokens} tokens of width {hidden}"));
            };
            let super::recorder::LogitRows { positions, tokens, token_bytes, .. } = self.logits;
            Some(Logits { positions, tokens, token_bytes, values, image })
        } else {
            None
        };
        let tool = format!("filiation {}", env!("CARGO_PKG_VERSION"));
        Ok(Observation { tool, subject: self.subject, prompts: self.prompts, tokens: self.tokens, attention, units, stream, logits })
    }
}

fn check_finite(what: &str, values: &[f16]) -> Result<(), NotRunnable> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => NotRunnable::because(format!("{what} holds the value {value}")),
        None => Ok(()),
    }
}
