//! Sequences that grow by a token a step, with the keys and values of the tokens before.

use super::choice::{self, Choice};
use super::{Options, Task};
use crate::activation::{exp, sum};
use crate::mlp::MlpBuffers;
use crate::norm::Norm;
use crate::rotary::RotaryTables;
use crate::training::Trainable;
use pulp::Arch;

/// Tokens of a step. Rows without a sequence are taken along, so that every product has one shape and its sums one order.
pub(super) const ROWS: usize = 64;

/// A sequence on its way.
pub(super) struct Sequence {
    task: Task,
    tokens: Vec<u32>,
    /// Tokens that were given.
    given: usize,
    /// Tokens that have gone through the network.
    read: usize,
    /// Keys and values of those, by block: `[read, width]`.
    cache: Vec<(Vec<f32>, Vec<f32>)>,
    pub(super) drawn: Vec<u32>,
    pub(super) logprobs: Vec<f32>,
    pub(super) distributions: Vec<f32>,
}

impl Sequence {
    pub(super) fn new(tokens: &[u32], task: Task) -> Self {
        Self {
            task,
            tokens: tokens.to_vec(),
            given: tokens.len(),
            read: 0,
            cache: Vec::new(),
            drawn: Vec::new(),
            logprobs: Vec::new(),
            distributions: Vec::new(),
        }
    }

    /// Whether what the network says after the token at `read` is wanted.
    fn listens(&self) -> bool {
        match self.task {
            Task::Draw { .. } => self.read + 1 >= self.given,
            Task::Read { from, .. } => self.read >= from && self.read + 1 < self.given,
        }
    }
}

/// The sequences of one thread.
pub(super) struct Decoder<'a> {
    decoder: &'a Trainable,
    tables: &'a [RotaryTables],
    options: &'a Options,
    /// Tokens that a sequence may have.
    limit: usize,
    /// Rows that may hold a sequence.
    together: usize,
    buffers: Buffers,
    choice: Choice,
}

/// `[ROWS, width]` each.
#[derive(Default)]
struct Buffers {
    stream: Vec<f32>,
    read: Vec<f32>,
    fed: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    mixed: Vec<f32>,
    written: Vec<f32>,
    scores: Vec<f32>,
    logits: Vec<f32>,
    mlp: MlpBuffers,
}

type Row = Option<(usize, Sequence)>;

impl<'a> Decoder<'a> {
    pub(super) fn new(decoder: &'a Trainable, tables: &'a [RotaryTables], options: &'a Options, limit: usize, together: usize) -> Self {
        Self { decoder, tables, options, limit, together, buffers: Buffers::default(), choice: Choice::default() }
    }

    /// Takes sequences until there are no more; a row whose sequence is done takes the next.
    pub(super) fn run(&mut self, take: &dyn Fn() -> Option<(usize, Sequence)>, done: &dyn Fn(usize, Sequence)) {
        let mut rows: Vec<Row> = (0..ROWS).map(|_| None).collect();
        let mut caches = Vec::new();
        loop {
            for row in rows.iter_mut().take(self.together).filter(|row| row.is_none()) {
                *row = take();
                let Some((_, sequence)) = row else { break };
                sequence.cache = caches.pop().unwrap_or_else(|| vec![Default::default(); self.decoder.parameters.blocks.len()]);
            }
            if rows.iter().all(Option::is_none) {
                return;
            }
            self.step(&mut rows);
            for row in &mut rows {
                let Some((index, mut sequence)) = row.take_if(|(_, sequence)| sequence.read == sequence.tokens.len()) else { continue };
                let mut cache = std::mem::take(&mut sequence.cache);
                cache.iter_mut().for_each(|(k, v)| [k, v].into_iter().for_each(Vec::clear));
                caches.push(cache);
                done(index, sequence);
            }
        }
    }

    /// Reads the next token of every row, and draws the one after it where it is not given.
    fn step(&mut self, rows: &mut [Row]) {
        self.embed(rows);
        for layer in 0..self.decoder.parameters.blocks.len() {
            self.block(layer, rows);
        }
        if rows.iter().flatten().any(|(_, sequence)| sequence.listens()) {
            let Buffers { stream, logits, .. } = &mut self.buffers;
            normed(self.decoder, self.decoder.parameters.final_norm.as_ref(), stream);
            let parameters = &self.decoder.parameters;
            parameters.unembed.as_ref().unwrap_or(&parameters.embed).apply(stream, logits);
        }
        for (place, row) in rows.iter_mut().enumerate() {
            if let Some((_, sequence)) = row {
                self.listen(place, sequence);
                sequence.read += 1;
            }
        }
    }

    fn listen(&mut self, place: usize, sequence: &mut Sequence) {
        if !sequence.listens() {
            return;
        }
        let vocabulary = self.decoder.vocabulary();
        let logits = &mut self.buffers.logits[place * vocabulary..][..vocabulary];
        if let Some(cap) = self.decoder.computation.logit_cap {
            logits.iter_mut().for_each(|logit| *logit = cap * (*logit / cap).tanh());
        }
        match sequence.task {
            Task::Read { temperature, .. } => {
                choice::probabilities(logits, temperature);
                sequence.distributions.extend_from_slice(logits);
            }
            Task::Draw { seed } => {
                if sequence.drawn.len() == self.options.max_tokens || sequence.tokens.len() >= self.limit {
                    return;
                }
                let position = sequence.drawn.len();
                let window = self.options.watermark.as_ref().and_then(|watermark| watermark.window_of(&sequence.tokens, sequence.given));
                let (token, logprob) = self.choice.draw(logits, self.options, window, || choice::uniform(seed, position));
                sequence.drawn.push(token as u32);
                sequence.logprobs.push(logprob);
                // The last token of a reply is not read.
                let is_last = self.options.stop.contains(&(token as u32))
                    || sequence.drawn.len() == self.options.max_tokens
                    || sequence.tokens.len() + 1 == self.limit;
                if !is_last {
                    sequence.tokens.push(token as u32);
                }
            }
        }
    }

    fn embed(&mut self, rows: &[Row]) {
        let Trainable { computation, parameters } = self.decoder;
        let hidden = computation.hidden;
        let stream = &mut self.buffers.stream;
        stream.clear();
        stream.resize(ROWS * hidden, 0.0);
        for (row, vector) in rows.iter().zip(stream.chunks_exact_mut(hidden.max(1))) {
            let Some((_, sequence)) = row else { continue };
            let token = sequence.tokens[sequence.read] as usize;
            let of_token = &parameters.embed.weight[token * hidden..][..hidden];
            vector.iter_mut().zip(of_token).for_each(|(v, e)| *v = e * computation.embed_scale);
            if let Some(positions) = &parameters.positions {
                let of_position = &positions.weight[(sequence.read + computation.first_position) * hidden..][..hidden];
                vector.iter_mut().zip(of_position).for_each(|(v, p)| *v += p);
            }
        }
    }

    fn block(&mut self, layer: usize, rows: &mut [Row]) {
        let Trainable { computation, parameters } = self.decoder;
        let block = &parameters.blocks[layer];
        let Buffers { stream, read, fed, q, k, v, mixed, written, scores, mlp, .. } = &mut self.buffers;
        fed.clone_from(stream);
        read.clone_from(stream);
        normed(self.decoder, block.attn_norm.as_ref(), read);
        block.attention.q.apply(read, q);
        block.attention.k.apply(read, k);
        block.attention.v.apply(read, v);
        normed(self.decoder, block.attention.q_norm.as_ref(), q);
        normed(self.decoder, block.attention.k_norm.as_ref(), k);
        let kind = computation.blocks[layer];
        // No sequence is so long that its positions turn otherwise.
        let rotary = kind.rotary.map(|rotary| self.tables[rotary].of(0));
        let (q_width, k_width, v_width) = (block.attention.q.rows, block.attention.k.rows, block.attention.v.rows);
        let mixed_width = block.attention.out.cols;
        mixed.clear();
        mixed.resize(ROWS * mixed_width, 0.0);
        for (place, row) in rows.iter_mut().enumerate() {
            let Some((_, sequence)) = row else { continue };
            let (q, k) = (&mut q[place * q_width..][..q_width], &mut k[place * k_width..][..k_width]);
            if let Some(rotary) = rotary {
                rotary.turn_at(sequence.read, 1.0, q, computation.head_dim);
                rotary.turn_at(sequence.read, 1.0, k, computation.head_dim);
            }
            let (keys, values) = &mut sequence.cache[layer];
            keys.extend_from_slice(k);
            values.extend_from_slice(&v[place * v_width..][..v_width]);
            let first = kind.window.map_or(0, |window| (sequence.read + 1).saturating_sub(window));
            let past = Past { keys: &keys[first * k_width..], values: &values[first * v_width..], widths: (k_width, v_width) };
            past.attend(self.decoder, q, scores, &mut mixed[place * mixed_width..][..mixed_width]);
        }
        block.attention.out.apply(mixed, written);
        normed(self.decoder, block.attn_post_norm.as_ref(), written);
        add(stream, written);
        read.clone_from(if computation.parallel { fed } else { stream });
        normed(self.decoder, block.mlp_norm.as_ref(), read);
        block.mlp.apply(computation.activation, read, mlp, written, |_, _| ());
        normed(self.decoder, block.mlp_post_norm.as_ref(), written);
        add(stream, written);
    }
}

fn normed(decoder: &Trainable, norm: Option<&Norm>, values: &mut [f32]) {
    if let Some(norm) = norm {
        norm.apply(decoder.computation.norm, decoder.computation.epsilon, values);
    }
}

fn add(stream: &mut [f32], written: &[f32]) {
    stream.iter_mut().zip(written).for_each(|(v, w)| *v += w);
}

/// The tokens that a query sees, its own included.
struct Past<'a> {
    keys: &'a [f32],
    values: &'a [f32],
    widths: (usize, usize),
}

impl Past<'_> {
    /// What the heads of one token mix, into `mixed`, `[heads · value_dim]` of zeros.
    fn attend(&self, decoder: &Trainable, q: &[f32], scores: &mut Vec<f32>, mixed: &mut [f32]) {
        let computation = &decoder.computation;
        let (heads, kv_heads, head_dim) = (computation.heads, computation.kv_heads, computation.head_dim);
        let (k_width, v_width) = self.widths;
        let value_dim = v_width / kv_heads.max(1);
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for ((head, query), mixed) in q.chunks_exact(head_dim).take(heads).enumerate().zip(mixed.chunks_exact_mut(value_dim.max(1)))
                {
                    let shared = head * kv_heads / heads;
                    scores.clear();
                    scores.extend(
                        self.keys
                            .chunks_exact(k_width)
                            .map(|key| computation.score_scale * dot(query, &key[shared * head_dim..][..head_dim])),
                    );
                    if let Some(cap) = computation.score_cap {
                        scores.iter_mut().for_each(|score| *score = cap * (*score / cap).tanh());
                    }
                    let largest = scores.iter().fold(f32::NEG_INFINITY, |most, &score| if score > most { score } else { most });
                    scores.iter_mut().for_each(|score| *score = exp(*score - largest));
                    let scale = 1.0 / sum(scores, |p| p);
                    for (p, value) in scores.iter().zip(self.values.chunks_exact(v_width)) {
                        let p = p * scale;
                        let value = &value[shared * value_dim..][..value_dim];
                        mixed.iter_mut().zip(value).for_each(|(m, v)| *m += p * v);
                    }
                }
            },
        );
    }
}

/// Of two vectors, in eight lanes: an order that any machine keeps.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    for (a, b) in a_chunks.zip(b_chunks) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (a, b))| *lane += a * b);
    }
    lanes.iter_mut().zip(a_rest.iter().zip(b_rest)).for_each(|(lane, (a, b))| *lane += a * b);
    lanes.iter().sum()
}
