//! Listens to a forward pass and keeps what an observation holds.

use super::layout::{entries, row, sampled};
use super::units::{BlockUnits, Groups};
use super::{MAX_LOGIT_POSITIONS, MAX_LOGIT_TOKENS, MAX_STREAM_WORDS, PromptsId, Subject, Tokens, UnitSketches, WordAt};
use crate::words::{WordTokens, words_of_tokens};
use crate::{Encoded, HeadAt, NotRunnable, PromptSet, Taps, UnitsAt, Wanted};
use half::f16;
use sha2::{Digest as _, Sha256};
use sources::vocabulary::Vocabulary;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A listener that keeps what an observation holds. Whoever computes, and on however many threads, what is kept is the same.
///
/// Sequence `i` of the forward pass is prompt `i`. A defect of what is told (a value that is not finite, a head that was never told) is kept
/// and comes out of [`Recorder::finish`].
#[derive(Debug)]
pub struct Recorder {
    pub(super) subject: Subject,
    pub(super) prompts: PromptsId,
    pub(super) tokens: Tokens,
    words: Vec<WordTokens>,
    wanted: Wanted,
    /// By block and prompt.
    pub(super) attention: Vec<Vec<Mutex<Heads>>>,
    groups: Groups,
    pub(super) units: Mutex<Units>,
    pub(super) stream: StreamRows,
    pub(super) logits: LogitRows,
    failure: OnceLock<String>,
}

/// Attention of one prompt in one block, `[heads, entries]`; empty until the first head is told.
#[derive(Debug, Default)]
pub(super) struct Heads {
    pub(super) values: Vec<f16>,
    pub(super) told: usize,
}

/// Blocks whose units were told for all prompts, and those that are being told.
#[derive(Debug, Default)]
pub(super) struct Units {
    done: BTreeMap<usize, UnitSketches>,
    open: BTreeMap<usize, OpenBlock>,
}

/// A block that waits for some of its prompts.
#[derive(Debug)]
struct OpenBlock {
    block: Arc<BlockUnits>,
    /// Prompts that were not told to their end.
    left: usize,
}

/// The residual stream at the sampled words.
#[derive(Debug)]
pub(super) struct StreamRows {
    pub(super) words: Vec<WordAt>,
    /// Of each prompt: `(row, index of the word among the prompt's)`.
    rows: Vec<Vec<(usize, usize)>>,
    /// `[words, hidden]` before each block and after the last, with the number of prompts told.
    pub(super) layers: Vec<Mutex<(Vec<f16>, usize)>>,
}

/// Logits of the sampled tokens at the sampled positions.
#[derive(Debug)]
pub(super) struct LogitRows {
    pub(super) positions: Vec<WordAt>,
    /// Of each prompt: `(position of the token, row)`, ascending.
    rows: Vec<Vec<(usize, usize)>>,
    pub(super) tokens: Vec<u32>,
    pub(super) token_bytes: Vec<Vec<u8>>,
    /// `[positions, tokens]`, with the number of rows told.
    pub(super) values: Mutex<(Vec<f32>, usize)>,
}

impl Recorder {
    /// Prepares for one forward pass over `encoded`, the prompts as the model's tokenizer splits them.
    ///
    /// Units of mixtures are not kept, whatever `wanted` says.
    ///
    /// # Errors
    /// If prompts and encodings do not belong together, or an id is outside the model's vocabulary.
    pub fn new(
        subject: &Subject,
        prompts: &PromptSet,
        encoded: Vec<Encoded>,
        vocabulary: &Vocabulary,
        wanted: Wanted,
    ) -> Result<Self, NotRunnable> {
        let wanted = Wanted { units: wanted.units && subject.units > 0, ..wanted };
        let tokens = join(prompts, &encoded, subject.vocabulary)?;
        let words = tokens.word_tokens();
        let groups = if wanted.units { Groups::new(&words)? } else { Groups::default() };
        let per_prompt = |sample: &[WordAt]| {
            let mut rows = vec![Vec::new(); words.len()];
            for (row, at) in sample.iter().enumerate() {
                if let Ok(index) = words[at.prompt as usize].words.binary_search(&at.word) {
                    rows[at.prompt as usize].push((row, index));
                }
            }
            rows
        };
        let at_most = |limit: usize, wanted: bool| sampled(&words, if wanted { limit } else { 0 });
        let stream_words = at_most(MAX_STREAM_WORDS, wanted.stream);
        let stream = StreamRows {
            rows: per_prompt(&stream_words),
            words: stream_words,
            layers: (0..=subject.n_layers).map(|_| Mutex::default()).collect(),
        };
        let positions = at_most(MAX_LOGIT_POSITIONS, wanted.logits);
        let mut logit_rows = per_prompt(&positions);
        for (rows, words) in logit_rows.iter_mut().zip(&words) {
            rows.iter_mut().for_each(|(row, index)| (*row, *index) = (last(words, *index), *row));
            rows.sort_unstable();
        }
        let sampled_tokens = if wanted.logits { sampled_tokens(vocabulary, subject.vocabulary) } else { Vec::new() };
        let (ids, token_bytes): (Vec<u32>, Vec<Vec<u8>>) = sampled_tokens.into_iter().unzip();
        if wanted.logits && (ids.is_empty() || positions.is_empty()) {
            let found = format!("{} tokens that can be told apart and {} words", ids.len(), positions.len());
            return NotRunnable::because(format!("logits cannot be observed: the model has {found}"));
        }
        let values = vec![0.0; positions.len() * ids.len()];
        let blocks = if wanted.attention { subject.n_layers } else { 0 };
        Ok(Self {
            subject: subject.clone(),
            prompts: PromptsId { label: prompts.label(), digest: prompts.digest() },
            attention: (0..blocks).map(|_| words.iter().map(|_| Mutex::default()).collect()).collect(),
            tokens,
            words,
            wanted,
            groups,
            units: Mutex::default(),
            stream,
            logits: LogitRows { positions, rows: logit_rows, tokens: ids, token_bytes, values: Mutex::new((values, 0)) },
            failure: OnceLock::new(),
        })
    }

    /// The tokens to run, one sequence a prompt.
    pub fn sequences(&self) -> Vec<Vec<u32>> {
        (0..self.tokens.n_prompts()).map(|prompt| self.tokens.ids[self.tokens.prompt(prompt)].to_vec()).collect()
    }

    /// The tokens whose logits are kept; the image that [`Recorder::finish`] is given is of these, in this order.
    pub fn logit_tokens(&self) -> &[u32] {
        &self.logits.tokens
    }

    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Keeps the first defect.
    fn fail(&self, sentence: String) {
        let _ = self.failure.set(sentence);
    }

    /// Whether a matrix has the shape that the subject promises.
    fn fits(&self, what: &str, layer: usize, sequence: usize, found: usize, expected: Option<usize>) -> bool {
        let is_known = sequence < self.words.len() && layer <= self.subject.n_layers;
        if !is_known || expected != Some(found) {
            let expected = expected.map_or_else(|| "none".into(), |n| n.to_string());
            self.fail(format!("{what} of block {layer} on prompt {sequence}: found {found} values, expected {expected}"));
            return false;
        }
        true
    }

    /// Tokens of a prompt; `None` where there is no such prompt.
    fn n(&self, sequence: usize) -> Option<usize> {
        (sequence < self.words.len()).then(|| self.tokens.prompt(sequence).len())
    }

    /// The sums of a block, which begin with its first prompt.
    fn block(&self, layer: usize, is_gated: bool) -> Result<Arc<BlockUnits>, String> {
        let mut units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        if units.done.contains_key(&layer) {
            return Err(format!("the units of block {layer} were told twice for one prompt"));
        }
        let new = || OpenBlock {
            block: Arc::new(BlockUnits::new(layer, self.subject.units, is_gated, &self.groups)),
            left: self.tokens.n_prompts(),
        };
        Ok(Arc::clone(&units.open.entry(layer).or_insert_with(new).block))
    }

    /// Tells a block of one prompt. The call that brings the last prompt to its end closes the block.
    fn tell_block(&self, at: UnitsAt, gate: Option<&[f32]>, up: &[f32]) -> Result<(), String> {
        let block = self.block(at.layer, gate.is_some())?;
        block.tell(at.sequence, &self.words[at.sequence], gate, up, &self.groups)?;
        // Before the count: whoever counts to the end must be the only one who holds the block.
        drop(block);
        let mut units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = units.open.get_mut(&at.layer) else { return Ok(()) };
        open.left -= 1;
        if open.left == 0
            && let Some(open) = units.open.remove(&at.layer)
        {
            let sketches = open.finish(&self.groups)?;
            units.done.insert(at.layer, sketches);
        }
        Ok(())
    }

    /// The sketches of all blocks that were told.
    pub(super) fn take_units(&self) -> Result<Vec<UnitSketches>, String> {
        let mut units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, open)) = units.open.pop_first() {
            open.finish(&self.groups)?;
        }
        Ok(std::mem::take(&mut units.done).into_values().collect())
    }
}

impl OpenBlock {
    fn finish(self, groups: &Groups) -> Result<UnitSketches, String> {
        let layer = self.block.layer;
        let block = Arc::try_unwrap(self.block).map_err(|_| format!("the units of block {layer} are still being told"))?;
        block.finish(groups)
    }
}

impl Taps for Recorder {
    fn wanted(&self) -> Wanted {
        self.wanted
    }

    fn attention(&self, at: HeadAt, _scores: &[f32], probabilities: &[f32]) {
        let n = self.n(at.sequence).unwrap_or(0);
        if !self.fits("attention", at.layer, at.sequence, probabilities.len(), n.checked_mul(n)) {
            return;
        }
        let Some(place) = self.attention.get(at.layer).filter(|_| at.head < self.subject.n_heads).map(|block| &block[at.sequence]) else {
            return self.fail(format!("attention of head {} in block {} was told, which the model does not have", at.head, at.layer));
        };
        let causal = self.subject.causal;
        let size = entries(n, causal);
        let mut kept = Vec::with_capacity(size);
        for i in 0..n {
            let length = row(i, n, causal).len();
            kept.extend(probabilities[i * n..][..length].iter().map(|&p| f16::from_f32(p)));
        }
        let mut heads = place.lock().unwrap_or_else(PoisonError::into_inner);
        if heads.values.is_empty() {
            heads.values = vec![f16::ZERO; self.subject.n_heads * size];
        }
        heads.values[at.head * size..][..size].copy_from_slice(&kept);
        heads.told += 1;
    }

    fn stream(&self, sequence: usize, layer: usize, values: &[f32]) {
        let hidden = self.subject.hidden;
        let expected = self.n(sequence).and_then(|n| n.checked_mul(hidden));
        if !self.fits("residual stream", layer, sequence, values.len(), expected) {
            return;
        }
        let rows = &self.stream.rows[sequence];
        let mut kept = vec![f16::ZERO; rows.len() * hidden];
        let mut mean = vec![0.0f32; hidden];
        for (target, &(_, index)) in kept.chunks_exact_mut(hidden.max(1)).zip(rows) {
            self.words[sequence].mean(index, values, hidden, &mut mean);
            let squares: f64 = mean.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
            let root = (squares / hidden as f64).sqrt();
            let scale = if root == 0.0 { 0.0 } else { 1.0 / root };
            target.iter_mut().zip(&mean).for_each(|(kept, &v)| *kept = f16::from_f64(f64::from(v) * scale));
        }
        let mut layer = self.stream.layers[layer].lock().unwrap_or_else(PoisonError::into_inner);
        let (all, told) = &mut *layer;
        if all.is_empty() {
            *all = vec![f16::ZERO; self.stream.words.len() * hidden];
        }
        for (row, &(place, _)) in kept.chunks_exact(hidden.max(1)).zip(rows) {
            all[place * hidden..][..hidden].copy_from_slice(row);
        }
        *told += 1;
    }

    fn units(&self, at: UnitsAt, tokens: &[usize], gate: Option<&[f32]>, up: &[f32]) {
        if !self.wanted.units {
            return;
        }
        let n = self.n(at.sequence);
        let expected = n.and_then(|n| n.checked_mul(self.subject.units));
        let fits = |what, values: &[f32]| self.fits(what, at.layer, at.sequence, values.len(), expected);
        if at.layer >= self.subject.n_layers {
            return self.fail(format!("units of block {} were told, which the model does not have", at.layer));
        }
        if at.expert.is_some() || Some(tokens.len()) != n {
            return self.fail(format!("units of block {} were told for some tokens only, as of a mixture's experts", at.layer));
        }
        if !fits("up projection", up) || gate.is_some_and(|gate| !fits("gate", gate)) {
            return;
        }
        if let Err(sentence) = self.tell_block(at, gate, up) {
            self.fail(sentence);
        }
    }

    fn logit_positions(&self, sequence: usize, _n: usize) -> Vec<usize> {
        self.logits.rows.get(sequence).into_iter().flatten().map(|&(position, _)| position).collect()
    }

    fn logits(&self, sequence: usize, position: usize, values: &[f32]) {
        let rows = self.logits.rows.get(sequence).map(Vec::as_slice).unwrap_or_default();
        let Ok(found) = rows.binary_search_by_key(&position, |&(position, _)| position) else { return };
        let uncapped = |value: f32| match self.subject.logit_cap {
            Some(cap) => f64::from(cap) * (f64::from(value) / f64::from(cap)).atanh(),
            None => f64::from(value),
        };
        let kept: Vec<f64> = self.logits.tokens.iter().filter_map(|&id| values.get(id as usize)).map(|&value| uncapped(value)).collect();
        let n_tokens = self.logits.tokens.len();
        if kept.len() < n_tokens || !kept.iter().all(|value| value.is_finite()) {
            return self.fail(format!("logits of prompt {sequence}, token {position}: found a value that is missing or not finite"));
        }
        let mean = kept.iter().sum::<f64>() / n_tokens as f64;
        let mut all = self.logits.values.lock().unwrap_or_else(PoisonError::into_inner);
        let (values, told) = &mut *all;
        values[rows[found].1 * n_tokens..][..n_tokens].iter_mut().zip(&kept).for_each(|(place, value)| *place = (value - mean) as f32);
        *told += 1;
    }
}

/// Position of a word's last token.
fn last(words: &WordTokens, index: usize) -> usize {
    words.tokens[index].last().copied().unwrap_or(0)
}

/// All prompts one after another.
fn join(prompts: &PromptSet, encoded: &[Encoded], vocabulary: usize) -> Result<Tokens, NotRunnable> {
    if encoded.len() != prompts.prompts.len() {
        let (found, expected) = (encoded.len(), prompts.prompts.len());
        return NotRunnable::because(format!("{found} prompts were split into tokens, but the set has {expected}"));
    }
    let mut tokens = Tokens { starts: vec![0], ..Tokens::default() };
    for (prompt, encoded) in prompts.prompts.iter().zip(encoded) {
        let refused = |found: String| NotRunnable::because(format!("prompt `{}` has {found}", prompt.id.escape_debug()));
        if encoded.ids.is_empty() || encoded.ids.len() != encoded.spans.len() {
            return refused(format!("{} tokens with {} spans", encoded.ids.len(), encoded.spans.len()));
        }
        if let Some(id) = encoded.ids.iter().find(|&&id| id as usize >= vocabulary) {
            return refused(format!("token {id}, but the model has rows for {vocabulary}"));
        }
        tokens.ids.extend(&encoded.ids);
        tokens.words.extend(words_of_tokens(&prompt.text, &encoded.spans));
        match u32::try_from(tokens.ids.len()) {
            Ok(end) => tokens.starts.push(end),
            Err(_) => return refused("a place behind the 4,294,967,295th token".into()),
        }
    }
    Ok(tokens)
}

/// Ids and byte strings of the sampled tokens: those that alone decode to their bytes, the smallest SHA-256 of the bytes first.
fn sampled_tokens(vocabulary: &Vocabulary, rows: usize) -> Vec<(u32, Vec<u8>)> {
    let mut tokens: Vec<([u8; 32], u32, &[u8])> = vocabulary
        .ids()
        .into_iter()
        .filter(|&(_, id)| id < rows)
        .filter_map(|(bytes, id)| Some((Sha256::digest(bytes).into(), u32::try_from(id).ok()?, bytes)))
        .collect();
    tokens.sort_unstable();
    tokens.truncate(MAX_LOGIT_TOKENS);
    tokens.into_iter().map(|(_, id, bytes)| (id, bytes.to_vec())).collect()
}
