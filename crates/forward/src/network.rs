//! One transformer, run block by block over all sequences.

use crate::NotRunnable;
use crate::attention::{Attention, AttentionBuffers, Place};
use crate::computation::Computation;
use crate::mlp::{Mlp, MlpBuffers, routes};
use crate::norm::Norm;
use crate::product::Linear;
use crate::rotary::RotaryTables;
use crate::taps::{Taps, UnitsAt};
use crate::weights::Weights;
use rayon::prelude::*;
use sources::{FormatError, Model, Role, Slot, SourceError};

/// Tokens of a tile, where sequences allow: many enough that reordering a matrix for the processor costs little beside the product.
const TILE_TOKENS: usize = 512;
/// Values of the logits that are held at a time, 256 MiB.
const LOGIT_VALUES: usize = 64 << 20;
/// Rows of the unembedding that one task multiplies with.
const LOGIT_ROWS: usize = 4096;

/// The matrices of an MLP: gate, up, down.
const MLP: [Role; 3] = [Role::MlpGate, Role::MlpUp, Role::MlpDown];

/// A checkpoint that can be run.
pub struct Network<'a> {
    computation: Computation,
    weights: Weights<'a>,
    shape: Shape,
}

/// Sizes of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Blocks.
    pub layers: usize,
    /// Query heads of each block.
    pub heads: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Units of each MLP; 0 for mixtures, whose tokens take different ones.
    pub units: usize,
    /// Whether MLPs have gates.
    pub is_gated: bool,
    /// Rows of the table of tokens.
    pub vocabulary: usize,
    /// Whether a token sees no later ones.
    pub causal: bool,
    /// Longest sequence, where a table of positions ends.
    pub max_positions: Option<usize>,
    /// Whether it says anything about next tokens.
    pub has_logits: bool,
    /// The cap of its logits, `cap · tanh(x / cap)`.
    pub logit_cap: Option<f32>,
}

/// One block in memory.
struct Block {
    attn_norm: Option<Norm>,
    attention: Attention,
    attn_post_norm: Option<Norm>,
    mlp_norm: Option<Norm>,
    mlp: Feed,
    mlp_post_norm: Option<Norm>,
}

/// The MLP of a block; experts are read one at a time.
enum Feed {
    Dense(Mlp),
    Mixture(Mixture),
}

/// How a block chooses among its experts.
struct Mixture {
    router: Linear,
    n_experts: usize,
    /// The expert that every token takes, and the matrix whose sigmoid is its share.
    shared: Option<(Linear, Mlp)>,
}

/// Consecutive sequences that one task takes through a block: indices and lengths, and their part of the stream.
struct Tile<'a> {
    sequences: Vec<(usize, usize)>,
    stream: &'a mut [f32],
}

/// What one task needs.
#[derive(Default)]
struct Buffers {
    read: Vec<f32>,
    written: Vec<f32>,
    fed: Vec<f32>,
    attention: AttentionBuffers,
    mlp: MlpBuffers,
}

impl<'a> Network<'a> {
    /// Of a checkpoint.
    ///
    /// # Errors
    /// With the reason why it cannot be run.
    pub fn open(model: &'a Model) -> Result<Self, NotRunnable> {
        let computation = Computation::of(model)?;
        let Some(binding) = &model.binding else { return NotRunnable::because("no family describes its tensors") };
        let weights = Weights::new(model, binding);
        let rows = |role| binding.weights.iter().find(|w| w.slot == Some(Weights::slot(role, Some(0)))).map(|w| w.rows);
        let shape = Shape {
            layers: computation.blocks.len(),
            heads: computation.heads,
            hidden: computation.hidden,
            units: rows(Role::MlpUp).filter(|_| computation.experts.is_none()).unwrap_or(0),
            is_gated: rows(Role::MlpGate).is_some(),
            vocabulary: computation.vocabulary,
            causal: computation.causal,
            max_positions: computation.max_positions,
            has_logits: computation.unembed.is_some(),
            logit_cap: computation.logit_cap,
        };
        Ok(Self { computation, weights, shape })
    }

    /// Its sizes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Runs sequences of token ids and tells `taps` what it wants to hear, and `advance` each block that is done.
    ///
    /// In memory are the streams of all sequences, one block of weights in f32, and what a tile of 512 tokens needs for each thread; at the
    /// end the unembedding in f32.
    ///
    /// # Errors
    /// If a tensor cannot be read, a token is not in the table, or a sequence is longer than the model's positions.
    pub fn run(&self, sequences: &[impl AsRef<[u32]>], taps: &dyn Taps, advance: &(dyn Fn(u64) + Sync)) -> Result<(), SourceError> {
        self.check(sequences)?;
        let wanted = taps.wanted();
        let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.as_ref().len()).collect();
        let mut stream = self.embed(sequences)?;
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let tables: Vec<RotaryTables> = self.computation.rotaries.iter().map(|rotary| rotary.tables(longest)).collect();
        for (layer, &kind) in self.computation.blocks.iter().enumerate() {
            if wanted.stream {
                self.each_sequence(&lengths, &stream, |sequence, values| taps.stream(sequence, layer, values));
            }
            let place = Place {
                computation: &self.computation,
                kind,
                rotary: kind.rotary.map(|rotary| &tables[rotary]),
                layer,
                taps,
                tells_attention: wanted.attention,
                tells_units: wanted.units,
            };
            self.block(&place, &lengths, &mut stream)?;
            advance(1);
        }
        if wanted.stream {
            self.each_sequence(&lengths, &stream, |sequence, values| taps.stream(sequence, self.computation.blocks.len(), values));
        }
        if let Some(norm) = self.weights.norm(Role::FinalNorm, None)? {
            let hidden = self.computation.hidden;
            stream.par_chunks_mut(TILE_TOKENS * hidden).for_each(|tile| self.normed(Some(&norm), tile));
        }
        if wanted.stream {
            self.each_sequence(&lengths, &stream, |sequence, values| taps.last(sequence, values));
        }
        if wanted.logits
            && let Some(slot) = self.computation.unembed
        {
            self.logits(slot, &lengths, &stream, taps)?;
        }
        Ok(())
    }

    fn check(&self, sequences: &[impl AsRef<[u32]>]) -> Result<(), SourceError> {
        let refuse =
            |what: &str, found: String, expected: String| Err(SourceError::Request(Box::new(FormatError::new(what, found, expected))));
        for (index, sequence) in sequences.iter().map(AsRef::as_ref).enumerate() {
            let limit = self.computation.max_positions.unwrap_or(usize::MAX);
            if sequence.len() > limit {
                return refuse(&format!("sequence {index}"), format!("{} tokens", sequence.len()), format!("at most {limit}"));
            }
            if let Some(id) = sequence.iter().find(|&&id| id as usize >= self.computation.vocabulary) {
                return refuse("token", id.to_string(), format!("one below {}", self.computation.vocabulary));
            }
        }
        Ok(())
    }

    /// The stream before the first block.
    fn embed(&self, sequences: &[impl AsRef<[u32]>]) -> Result<Vec<f32>, SourceError> {
        let computation = &self.computation;
        let hidden = computation.hidden;
        let ids: Vec<usize> = sequences.iter().flat_map(AsRef::as_ref).map(|&id| id as usize).collect();
        let mut stream = self.weights.rows(Role::Embed, &ids)?.unwrap_or_default();
        if computation.embed_scale != 1.0 {
            stream.iter_mut().for_each(|v| *v *= computation.embed_scale);
        }
        let longest = sequences.iter().map(|sequence| sequence.as_ref().len()).max().unwrap_or(0);
        let positions: Vec<usize> = (0..longest).map(|position| position + computation.first_position).collect();
        let positions = self.weights.rows(Role::PositionEmbed, &positions)?;
        // All tokens are of the first type.
        let of_type = self.weights.rows(Role::TypeEmbed, &[0])?;
        let mut rest = stream.as_mut_slice();
        for sequence in sequences {
            let (own, after) = std::mem::take(&mut rest).split_at_mut(sequence.as_ref().len() * hidden);
            if let Some(positions) = &positions {
                own.iter_mut().zip(positions).for_each(|(v, p)| *v += p);
            }
            if let Some(of_type) = &of_type {
                own.chunks_exact_mut(hidden).for_each(|vector| vector.iter_mut().zip(of_type).for_each(|(v, t)| *v += t));
            }
            rest = after;
        }
        self.normed(self.weights.norm(Role::EmbedNorm, None)?.as_ref(), &mut stream);
        Ok(stream)
    }

    fn normed(&self, norm: Option<&Norm>, values: &mut [f32]) {
        if let Some(norm) = norm {
            norm.apply(self.computation.norm, self.computation.epsilon, values);
        }
    }

    fn each_sequence(&self, lengths: &[usize], values: &[f32], tell: impl Fn(usize, &[f32]) + Sync) {
        let mut start = 0;
        let mut parts = Vec::with_capacity(lengths.len());
        for &n in lengths {
            parts.push(&values[start..start + n * self.computation.hidden]);
            start += n * self.computation.hidden;
        }
        parts.into_par_iter().enumerate().for_each(|(sequence, values)| tell(sequence, values));
    }

    fn read_block(&self, layer: usize) -> Result<Block, SourceError> {
        let at = |role| Weights::slot(role, Some(layer));
        let norm = |role| self.weights.norm(role, Some(layer));
        let [q, k, v, out] = self.weights.linears([Role::AttnQ, Role::AttnK, Role::AttnV, Role::AttnOut].map(at))?;
        let attention = Attention {
            q: present(q, at(Role::AttnQ))?,
            k: present(k, at(Role::AttnK))?,
            v: present(v, at(Role::AttnV))?,
            out: present(out, at(Role::AttnOut))?,
            q_norm: norm(Role::AttnQNorm)?,
            k_norm: norm(Role::AttnKNorm)?,
        };
        let mlp = match self.weights.linear(at(Role::MoeRouter))?.filter(|_| self.computation.experts.is_some()) {
            Some(router) => {
                let shared = self.weights.linear(at(Role::SharedRouter))?;
                let shared = shared.map(|share| {
                    Ok::<_, SourceError>((share, self.read_mlp([Role::SharedGate, Role::SharedUp, Role::SharedDown].map(at))?))
                });
                Feed::Mixture(Mixture { router, n_experts: self.weights.n_experts(layer), shared: shared.transpose()? })
            }
            None => Feed::Dense(self.read_mlp(MLP.map(at))?),
        };
        Ok(Block {
            attn_norm: norm(Role::AttnNorm)?,
            attention,
            attn_post_norm: norm(Role::AttnPostNorm)?,
            mlp_norm: norm(Role::MlpNorm)?,
            mlp,
            mlp_post_norm: norm(Role::MlpPostNorm)?,
        })
    }

    fn read_mlp(&self, slots: [Slot; 3]) -> Result<Mlp, SourceError> {
        let [gate, up, down] = self.weights.linears(slots)?;
        Ok(Mlp { gate, up: present(up, slots[1])?, down: present(down, slots[2])? })
    }

    /// Takes all sequences through one block.
    fn block(&self, place: &Place<'_>, lengths: &[usize], stream: &mut [f32]) -> Result<(), SourceError> {
        let block = self.read_block(place.layer)?;
        let tiles = tiles(lengths, self.computation.hidden, stream);
        match &block.mlp {
            Feed::Dense(mlp) => {
                tiles
                    .into_par_iter()
                    .with_max_len(1)
                    .for_each_init(Buffers::default, |buffers, tile| self.dense(&block, mlp, place, tile, buffers));
            }
            Feed::Mixture(mixture) => {
                let attended = |buffers: &mut Buffers, tile: Tile<'_>| {
                    self.attend(&block, place, &tile.sequences, tile.stream, buffers);
                    buffers.read.clear();
                    buffers.read.extend_from_slice(tile.stream);
                    self.normed(block.mlp_norm.as_ref(), &mut buffers.read);
                    let mut scores = Vec::new();
                    mixture.router.apply(&buffers.read, &mut scores);
                    if let Some((share, mlp)) = &mixture.shared {
                        self.add_shared(share, mlp, buffers, tile.stream);
                    }
                    (buffers.read.clone(), scores)
                };
                let parts: Vec<(Vec<f32>, Vec<f32>)> = tiles.into_par_iter().with_max_len(1).map_init(Buffers::default, attended).collect();
                let (read, scores): (Vec<Vec<f32>>, Vec<Vec<f32>>) = parts.into_iter().unzip();
                self.mixture(place, mixture.n_experts, lengths, (&read.concat(), &scores.concat()), stream)?;
            }
        }
        Ok(())
    }

    /// Attention of a tile, added to its stream.
    fn attend(&self, block: &Block, place: &Place<'_>, sequences: &[(usize, usize)], stream: &mut [f32], buffers: &mut Buffers) {
        buffers.read.clear();
        buffers.read.extend_from_slice(stream);
        self.normed(block.attn_norm.as_ref(), &mut buffers.read);
        block.attention.apply(place, sequences, &buffers.read, &mut buffers.attention, &mut buffers.written);
        self.add(block.attn_post_norm.as_ref(), &mut buffers.written, stream);
    }

    /// Adds what was written to the stream, with the norm that stands after one or the other.
    fn add(&self, norm: Option<&Norm>, written: &mut [f32], stream: &mut [f32]) {
        let in_stream = self.computation.norms_in_stream;
        self.normed(norm.filter(|_| !in_stream), written);
        stream.iter_mut().zip(written).for_each(|(v, w)| *v += *w);
        self.normed(norm.filter(|_| in_stream), stream);
    }

    fn dense(&self, block: &Block, mlp: &Mlp, place: &Place<'_>, tile: Tile<'_>, buffers: &mut Buffers) {
        let Tile { sequences, stream } = tile;
        if self.computation.parallel {
            // Both read the stream as it comes; it is kept for the MLP while attention writes.
            buffers.fed.clear();
            buffers.fed.extend_from_slice(stream);
        }
        self.attend(block, place, &sequences, stream, buffers);
        if self.computation.parallel {
            std::mem::swap(&mut buffers.read, &mut buffers.fed);
        } else {
            buffers.read.clear();
            buffers.read.extend_from_slice(stream);
        }
        self.normed(block.mlp_norm.as_ref(), &mut buffers.read);
        let tell = |gate: Option<&[f32]>, up: &[f32]| {
            if place.tells_units {
                tell_units(place, &sequences, gate, up, mlp.up.rows);
            }
        };
        mlp.apply(self.computation.activation, &buffers.read, &mut buffers.mlp, &mut buffers.written, tell);
        self.add(block.mlp_post_norm.as_ref(), &mut buffers.written, stream);
    }

    /// What the expert of all tokens writes, by its share in each.
    fn add_shared(&self, share: &Linear, mlp: &Mlp, buffers: &mut Buffers, stream: &mut [f32]) {
        let mut shares = Vec::new();
        share.apply(&buffers.read, &mut shares);
        mlp.apply(self.computation.activation, &buffers.read, &mut buffers.mlp, &mut buffers.written, |_, _| ());
        let hidden = self.computation.hidden;
        for ((stream, written), share) in stream.chunks_exact_mut(hidden).zip(buffers.written.chunks_exact(hidden)).zip(shares) {
            let share = 1.0 / (1.0 + (-share).exp());
            stream.iter_mut().zip(written).for_each(|(v, w)| *v += share * w);
        }
    }

    /// Experts one after another, each for the tokens that chose it; what they write is added in the order of the experts.
    fn mixture(
        &self,
        place: &Place<'_>,
        n_experts: usize,
        lengths: &[usize],
        (read, scores): (&[f32], &[f32]),
        stream: &mut [f32],
    ) -> Result<(), SourceError> {
        let Some(experts) = self.computation.experts else { return Ok(()) };
        let hidden = self.computation.hidden;
        for (expert, route) in routes(experts, scores, n_experts).into_iter().enumerate() {
            if route.is_empty() {
                continue;
            }
            let mlp = self.read_mlp(MLP.map(|role| Slot { expert: Some(expert), ..Weights::slot(role, Some(place.layer)) }))?;
            let write = |buffers: &mut Buffers, tokens: &[(usize, f32)]| {
                buffers.read.clear();
                tokens.iter().for_each(|&(token, _)| buffers.read.extend_from_slice(&read[token * hidden..][..hidden]));
                let mut written = Vec::new();
                let tell = |gate: Option<&[f32]>, up: &[f32]| {
                    if place.tells_units {
                        tell_expert(place, expert, lengths, tokens, (gate, up), mlp.up.rows);
                    }
                };
                mlp.apply(self.computation.activation, &buffers.read, &mut buffers.mlp, &mut written, tell);
                written
            };
            let written: Vec<Vec<f32>> = route.par_chunks(TILE_TOKENS).map_init(Buffers::default, write).collect();
            for (tokens, written) in route.chunks(TILE_TOKENS).zip(&written) {
                for (&(token, share), vector) in tokens.iter().zip(written.chunks_exact(hidden)) {
                    stream[token * hidden..][..hidden].iter_mut().zip(vector).for_each(|(v, w)| *v += share * w);
                }
            }
        }
        Ok(())
    }

    fn logits(&self, slot: Slot, lengths: &[usize], last: &[f32], taps: &dyn Taps) -> Result<(), SourceError> {
        let hidden = self.computation.hidden;
        let mut places = Vec::new();
        let mut start = 0;
        for (sequence, &n) in lengths.iter().enumerate() {
            places.extend(taps.logit_positions(sequence, n).into_iter().filter(|&position| position < n).map(|p| (sequence, p, start + p)));
            start += n;
        }
        if places.is_empty() {
            return Ok(());
        }
        let table = present(self.weights.linear(slot)?, slot)?;
        let vocabulary = table.rows;
        let at_once = (LOGIT_VALUES / vocabulary.max(1)).max(1);
        for places in places.chunks(at_once) {
            let read: Vec<f32> = places.iter().flat_map(|&(_, _, token)| &last[token * hidden..][..hidden]).copied().collect();
            let columns: Vec<Vec<f32>> =
                (0..vocabulary.div_ceil(LOGIT_ROWS)).into_par_iter().map(|part| table.part(part, LOGIT_ROWS, &read)).collect();
            places.par_iter().enumerate().for_each_init(Vec::new, |row: &mut Vec<f32>, (index, &(sequence, position, _))| {
                row.clear();
                for (part, values) in columns.iter().enumerate() {
                    let width = (vocabulary - part * LOGIT_ROWS).min(LOGIT_ROWS);
                    row.extend_from_slice(&values[index * width..][..width]);
                }
                if let Some(cap) = self.computation.logit_cap {
                    row.iter_mut().for_each(|logit| *logit = cap * (*logit / cap).tanh());
                }
                taps.logits(sequence, position, row);
            });
        }
        Ok(())
    }
}

fn present(linear: Option<Linear>, slot: Slot) -> Result<Linear, SourceError> {
    linear.ok_or_else(|| SourceError::Request(Box::new(FormatError::new("weight", format!("no `{slot}`"), "one in every block"))))
}

fn tell_units(place: &Place<'_>, sequences: &[(usize, usize)], gate: Option<&[f32]>, up: &[f32], width: usize) {
    let mut start = 0;
    for &(sequence, n) in sequences {
        let own = start * width..(start + n) * width;
        let tokens: Vec<usize> = (0..n).collect();
        let at = UnitsAt { sequence, layer: place.layer, expert: None };
        place.taps.units(at, &tokens, gate.map(|gate| &gate[own.clone()]), &up[own.clone()]);
        start += n;
    }
}

/// An expert's tokens come from several sequences; each sequence is told of its own.
fn tell_expert(
    place: &Place<'_>,
    expert: usize,
    lengths: &[usize],
    tokens: &[(usize, f32)],
    (gate, up): (Option<&[f32]>, &[f32]),
    width: usize,
) {
    let mut start = 0;
    let mut told = 0;
    for (sequence, &n) in lengths.iter().enumerate() {
        let own: Vec<usize> =
            tokens.iter().map(|&(token, _)| token).filter(|token| (start..start + n).contains(token)).map(|t| t - start).collect();
        if !own.is_empty() {
            let part = told * width..(told + own.len()) * width;
            let at = UnitsAt { sequence, layer: place.layer, expert: Some(expert) };
            place.taps.units(at, &own, gate.map(|gate| &gate[part.clone()]), &up[part.clone()]);
            told += own.len();
        }
        start += n;
    }
}

/// Whole sequences until a tile is full; what no number of threads changes.
fn tiles<'a>(lengths: &[usize], hidden: usize, stream: &'a mut [f32]) -> Vec<Tile<'a>> {
    let mut tiles = Vec::new();
    let mut rest = stream;
    let mut sequences = Vec::new();
    let mut tokens = 0;
    for (sequence, &n) in lengths.iter().enumerate() {
        sequences.push((sequence, n));
        tokens += n;
        if tokens >= TILE_TOKENS || sequence + 1 == lengths.len() {
            let (own, after) = std::mem::take(&mut rest).split_at_mut(tokens * hidden);
            tiles.push(Tile { sequences: std::mem::take(&mut sequences), stream: own });
            rest = after;
            tokens = 0;
        }
    }
    tiles
}
