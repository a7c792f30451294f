//! One pass forward and back.

use super::Parameters;
use super::backward::{KeptAttention, KeptMlp};
use super::parameters::BlockParameters;
use crate::NotRunnable;
use crate::attention::Place;
use crate::computation::Computation;
use crate::network::{Feed, Network};
use crate::norm::Norm;
use crate::product::{Accumulate, Linear};
use crate::rotary::RotaryTables;
use crate::taps::{HeadAt, Taps, Wanted};
use crate::weights::slot;
use rayon::prelude::*;
use sources::{Model, Role, SourceError};
use std::sync::Mutex;

/// Tokens of a tile, where sequences allow.
const TILE_TOKENS: usize = 512;
/// Tiles whose gradients are in memory together. Not the number of threads, on which no bit may depend.
const TILES_AT_ONCE: usize = 4;

/// A decoder in memory.
pub struct Trainable {
    pub(crate) computation: Computation,
    /// Its weights.
    pub parameters: Parameters,
}

/// What a sequence teaches.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// Its own next tokens, from this position on: what comes before is read and not learnt.
    NextTokens(usize),
    /// Probabilities of the next token at each position but the last from this one on, `[n − 1 − from, vocabulary]`.
    Distributions(usize, &'a [f32]),
}

/// The loss of a batch, and where it falls.
#[derive(Debug, Clone)]
pub struct Gradient {
    /// Sum of the cross-entropies of all targets, in nats.
    pub loss: f64,
    /// Targets.
    pub n: usize,
    /// Of the sum.
    pub parameters: Parameters,
}

/// What a block left behind on the way forward.
#[derive(Default)]
struct KeptBlock {
    entered: Vec<f32>,
    attention: KeptAttention,
    /// Before the norm that follows attention, where there is one.
    attended: Vec<f32>,
    /// The stream that the MLP's norm read.
    between: Vec<f32>,
    mlp: KeptMlp,
    fed: Vec<f32>,
}

/// Keeps scores and probabilities of one tile and block.
struct Heads(Mutex<Vec<(Vec<f32>, Vec<f32>)>>);

impl Taps for Heads {
    fn wanted(&self) -> Wanted {
        Wanted { attention: true, ..Wanted::default() }
    }

    fn attention(&self, _: HeadAt, scores: &[f32], probabilities: &[f32]) {
        // One thread takes a tile through a block, head by head.
        if let Ok(mut heads) = self.0.lock() {
            heads.push((scores.to_vec(), probabilities.to_vec()));
        }
    }
}

impl Trainable {
    /// Reads all weights.
    ///
    /// # Errors
    /// If a tensor cannot be read; inside, the reason why the model cannot be trained here.
    pub fn read(model: &Model) -> Result<Result<Self, NotRunnable>, SourceError> {
        let network = match Network::open(model) {
            Ok(network) => network,
            Err(why) => return Ok(Err(why)),
        };
        let computation = network.computation.clone();
        let reason = match &computation {
            c if !c.causal || c.unembed.is_none() => Some("it does not predict next tokens"),
            c if c.experts.is_some() => Some("mixtures of experts are run here, not trained"),
            c if c.norms_in_stream => Some("its norms stand in the stream"),
            _ => None,
        };
        if let Some(why) = reason {
            return Ok(Err(NotRunnable(why.into())));
        }
        let mut blocks = Vec::with_capacity(computation.blocks.len());
        for layer in 0..computation.blocks.len() {
            let block = network.read_block(layer)?;
            let Feed::Dense(mlp) = block.mlp else { return Ok(Err(NotRunnable("it has experts and no number of chosen ones".into()))) };
            blocks.push(BlockParameters {
                attn_norm: block.attn_norm,
                attention: block.attention,
                attn_post_norm: block.attn_post_norm,
                mlp_norm: block.mlp_norm,
                mlp,
                mlp_post_norm: block.mlp_post_norm,
            });
        }
        let linear = |role| network.weights.linear(slot(role, None));
        let Some(embed) = linear(Role::Embed)? else { return Ok(Err(NotRunnable("it has no table of tokens".into()))) };
        let own_head = computation.unembed.is_some_and(|slot| slot.role == Role::Unembed);
        let parameters = Parameters {
            embed,
            positions: linear(Role::PositionEmbed)?,
            blocks,
            final_norm: network.weights.norm(Role::FinalNorm, None)?,
            unembed: if own_head { linear(Role::Unembed)? } else { None },
        };
        Ok(Ok(Self { computation, parameters }))
    }

    /// Rows of the table of tokens.
    pub fn vocabulary(&self) -> usize {
        self.computation.vocabulary
    }

    /// The loss of sequences and its gradient, summed over targets in an order that no number of threads changes.
    pub fn gradient(&self, batch: &[(&[u32], Target<'_>)]) -> Gradient {
        let longest = batch.iter().map(|(tokens, _)| tokens.len()).max().unwrap_or(0);
        let tables: Vec<RotaryTables> = self.computation.rotaries.iter().map(|rotary| rotary.tables(longest)).collect();
        let mut tiles: Vec<&[(&[u32], Target<'_>)]> = Vec::new();
        let (mut first, mut tokens) = (0, 0);
        for (i, (sequence, _)) in batch.iter().enumerate() {
            tokens += sequence.len();
            if tokens >= TILE_TOKENS || i + 1 == batch.len() {
                tiles.push(&batch[first..=i]);
                (first, tokens) = (i + 1, 0);
            }
        }
        let mut total = Gradient { loss: 0.0, n: 0, parameters: self.parameters.zeros() };
        for tiles in tiles.chunks(TILES_AT_ONCE) {
            let parts: Vec<Gradient> = tiles.par_iter().with_max_len(1).map(|tile| self.tile(tile, &tables)).collect();
            for mut part in parts {
                total.loss += part.loss;
                total.n += part.n;
                total.parameters.add(&mut part.parameters);
            }
        }
        total
    }

    fn tile(&self, tile: &[(&[u32], Target<'_>)], tables: &[RotaryTables]) -> Gradient {
        let lengths: Vec<usize> = tile.iter().map(|(tokens, _)| tokens.len()).collect();
        let mut gradient = Gradient { loss: 0.0, n: 0, parameters: self.parameters.zeros() };
        let mut stream = self.embed(tile);
        let mut kept = Vec::with_capacity(self.parameters.blocks.len());
        for layer in 0..self.parameters.blocks.len() {
            kept.push(self.forward(layer, &lengths, tables, &mut stream));
        }
        let mut last = stream.clone();
        self.normed(self.parameters.final_norm.as_ref(), &mut last);
        let mut d = self.predict(tile, &last, &mut gradient);
        self.normed_back(self.parameters.final_norm.as_ref(), &stream, &mut d, gradient.parameters.final_norm.as_mut());
        for (layer, kept) in kept.iter().enumerate().rev() {
            self.backward(layer, &lengths, tables, kept, &mut d, &mut gradient.parameters.blocks[layer]);
        }
        self.embed_back(tile, &d, &mut gradient.parameters);
        gradient
    }

    fn normed(&self, norm: Option<&Norm>, values: &mut [f32]) {
        if let Some(norm) = norm {
            norm.apply(self.computation.norm, self.computation.epsilon, values);
        }
    }

    fn normed_back(&self, norm: Option<&Norm>, x: &[f32], d: &mut [f32], gradient: Option<&mut Norm>) {
        if let (Some(norm), Some(gradient)) = (norm, gradient) {
            norm.back(self.computation.norm, self.computation.epsilon, x, d, gradient);
        }
    }

    fn embed(&self, tile: &[(&[u32], Target<'_>)]) -> Vec<f32> {
        let (hidden, scale) = (self.computation.hidden, self.computation.embed_scale);
        let mut stream = Vec::new();
        for (tokens, _) in tile {
            for (position, &id) in tokens.iter().enumerate() {
                let start = stream.len();
                stream.extend(self.parameters.embed.weight[id as usize * hidden..][..hidden].iter().map(|v| v * scale));
                if let Some(positions) = &self.parameters.positions {
                    let row = &positions.weight[(position + self.computation.first_position) * hidden..][..hidden];
                    stream[start..].iter_mut().zip(row).for_each(|(v, p)| *v += p);
                }
            }
        }
        stream
    }

    fn embed_back(&self, tile: &[(&[u32], Target<'_>)], d: &[f32], gradient: &mut Parameters) {
        let (hidden, scale) = (self.computation.hidden, self.computation.embed_scale);
        let places = tile.iter().flat_map(|(tokens, _)| tokens.iter().enumerate());
        for ((position, &id), d) in places.zip(d.chunks_exact(hidden.max(1))) {
            let row = &mut gradient.embed.weight[id as usize * hidden..][..hidden];
            row.iter_mut().zip(d).for_each(|(g, d)| *g += scale * d);
            if let Some(positions) = &mut gradient.positions {
                let row = &mut positions.weight[(position + self.computation.first_position) * hidden..][..hidden];
                row.iter_mut().zip(d).for_each(|(g, d)| *g += d);
            }
        }
    }

    fn place<'a>(&'a self, layer: usize, tables: &'a [RotaryTables], taps: &'a dyn Taps) -> Place<'a> {
        let kind = self.computation.blocks[layer];
        Place {
            computation: &self.computation,
            kind,
            rotary: kind.rotary.map(|rotary| &tables[rotary]),
            layer,
            taps,
            tells_attention: true,
            tells_units: false,
        }
    }

    fn forward(&self, layer: usize, lengths: &[usize], tables: &[RotaryTables], stream: &mut [f32]) -> KeptBlock {
        let block = &self.parameters.blocks[layer];
        let heads = Heads(Mutex::default());
        let sequences: Vec<(usize, usize)> = lengths.iter().copied().enumerate().collect();
        let mut kept = KeptBlock { entered: stream.to_vec(), ..KeptBlock::default() };

        kept.attention.read = stream.to_vec();
        self.normed(block.attn_norm.as_ref(), &mut kept.attention.read);
        let place = self.place(layer, tables, &heads);
        block.attention.apply(&place, &sequences, &kept.attention.read, &mut kept.attention.buffers, &mut kept.attended);
        kept.attention.heads = heads.0.into_inner().unwrap_or_default();
        self.add(block.attn_post_norm.as_ref(), &kept.attended, stream);

        kept.between = if self.computation.parallel { kept.entered.clone() } else { stream.to_vec() };
        kept.mlp.read = kept.between.clone();
        self.normed(block.mlp_norm.as_ref(), &mut kept.mlp.read);
        let KeptMlp { read, gate, up } = &mut kept.mlp;
        let tell = |told_gate: Option<&[f32]>, told_up: &[f32]| {
            *gate = told_gate.map(<[f32]>::to_vec);
            *up = told_up.to_vec();
        };
        block.mlp.apply(self.computation.activation, read, &mut Default::default(), &mut kept.fed, tell);
        self.add(block.mlp_post_norm.as_ref(), &kept.fed, stream);
        kept
    }

    /// Adds what was written to the stream, normed where a norm stands after it.
    fn add(&self, norm: Option<&Norm>, written: &[f32], stream: &mut [f32]) {
        let mut normed = Vec::new();
        let written = match norm {
            Some(norm) => {
                normed.extend_from_slice(written);
                self.normed(Some(norm), &mut normed);
                &normed
            }
            None => written,
        };
        stream.iter_mut().zip(written).for_each(|(v, w)| *v += w);
    }

    /// From the gradient of the stream after a block to that before it.
    fn backward(
        &self,
        layer: usize,
        lengths: &[usize],
        tables: &[RotaryTables],
        kept: &KeptBlock,
        d: &mut Vec<f32>,
        gradient: &mut BlockParameters,
    ) {
        let block = &self.parameters.blocks[layer];
        let mut written = d.clone();
        self.normed_back(block.mlp_post_norm.as_ref(), &kept.fed, &mut written, gradient.mlp_post_norm.as_mut());
        let mut read = Vec::new();
        block.mlp.back(self.computation.activation, &kept.mlp, &written, &mut gradient.mlp, &mut read);
        self.normed_back(block.mlp_norm.as_ref(), &kept.between, &mut read, gradient.mlp_norm.as_mut());
        // In a parallel block attention wrote to what the MLP did not read.
        written.clone_from(d);
        d.iter_mut().zip(&read).for_each(|(d, r)| *d += r);
        if !self.computation.parallel {
            written.clone_from(d);
        }

        self.normed_back(block.attn_post_norm.as_ref(), &kept.attended, &mut written, gradient.attn_post_norm.as_mut());
        let silent = Heads(Mutex::default());
        let place = self.place(layer, tables, &silent);
        block.attention.back(&place, lengths, &kept.attention, &written, &mut gradient.attention, &mut read);
        self.normed_back(block.attn_norm.as_ref(), &kept.entered, &mut read, gradient.attn_norm.as_mut());
        d.iter_mut().zip(&read).for_each(|(d, r)| *d += r);
    }

    /// The cross-entropy of every target, and the gradient of the normed last stream.
    fn predict(&self, tile: &[(&[u32], Target<'_>)], last: &[f32], gradient: &mut Gradient) -> Vec<f32> {
        let hidden = self.computation.hidden;
        let mut rows = Vec::new();
        let mut start = 0;
        for (tokens, target) in tile {
            let (Target::NextTokens(from) | Target::Distributions(from, _)) = *target;
            rows.extend((from..tokens.len().saturating_sub(1)).map(|position| start + position));
            start += tokens.len();
        }
        let read: Vec<f32> = rows.iter().flat_map(|&row| &last[row * hidden..][..hidden]).copied().collect();
        let head: &Linear = self.parameters.unembed.as_ref().unwrap_or(&self.parameters.embed);
        let mut logits = Vec::new();
        head.apply(&read, &mut logits);
        let vocabulary = head.rows;
        let mut each = logits.chunks_exact_mut(vocabulary.max(1));
        for (tokens, target) in tile {
            let (Target::NextTokens(from) | Target::Distributions(from, _)) = *target;
            for position in from..tokens.len().saturating_sub(1) {
                let Some(logits) = each.next() else { break };
                let wanted = match target {
                    Target::NextTokens(_) => Wished::Token(tokens[position + 1] as usize),
                    Target::Distributions(_, all) => Wished::Shares(&all[(position - from) * vocabulary..][..vocabulary]),
                };
                gradient.loss += cross_entropy(logits, wanted, self.computation.logit_cap);
                gradient.n += 1;
            }
        }
        let mut d_read = vec![0.0; read.len()];
        let into = gradient.parameters.unembed.as_mut().unwrap_or(&mut gradient.parameters.embed);
        head.back(&read, &logits, into, &mut d_read, Accumulate::Replace);
        let mut d = vec![0.0; last.len()];
        for (&row, from) in rows.iter().zip(d_read.chunks_exact(hidden.max(1))) {
            d[row * hidden..][..hidden].copy_from_slice(from);
        }
        d
    }
}

/// What the next token should be.
enum Wished<'a> {
    Token(usize),
    Shares(&'a [f32]),
}

/// The cross-entropy; logits become its gradient.
fn cross_entropy(logits: &mut [f32], wished: Wished<'_>, cap: Option<f32>) -> f64 {
    let raw = cap.map(|cap| {
        logits.iter_mut().for_each(|logit| *logit = cap * (*logit / cap).tanh());
        (cap, logits.to_vec())
    });
    let said = |logits: &[f32]| match wished {
        Wished::Token(token) => f64::from(logits[token]),
        Wished::Shares(shares) => logits.iter().zip(shares).map(|(l, s)| f64::from(*l) * f64::from(*s)).sum(),
    };
    let expected = said(logits);
    let largest = logits.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    let total: f64 = logits.iter().map(|&l| f64::from(l - largest).exp()).sum();
    let loss = total.ln() + f64::from(largest) - expected;
    crate::activation::softmax_rows(logits, logits.len());
    match wished {
        Wished::Token(token) => logits[token] -= 1.0,
        Wished::Shares(shares) => logits.iter_mut().zip(shares).for_each(|(p, s)| *p -= s),
    }
    if let Some((cap, capped)) = raw {
        logits.iter_mut().zip(&capped).for_each(|(d, c)| *d *= 1.0 - (c / cap) * (c / cap));
    }
    loss
}
