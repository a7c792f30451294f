//! One transformer, run block by block over all sequences.

mod embedding;
mod logits;
mod mixture;

use crate::NotRunnable;
use crate::attention::{Attention, AttentionBuffers, Place};
use crate::computation::Computation;
use crate::mlp::{Mlp, MlpBuffers};
use crate::norm::Norm;
use crate::product::Linear;
use crate::rotary::RotaryTables;
use crate::taps::{Taps, UnitsAt};
use crate::weights::{Weights, binding_of, slot, weight};
use mixture::Mixture;
use rayon::prelude::*;
use sources::{FormatError, Model, Role, Slot, SourceError};

/// Tokens of a tile, where sequences allow: many enough that reordering a matrix for the processor costs little beside the product.
const TILE_TOKENS: usize = 512;

/// The matrices of an MLP: gate, up, down.
const MLP: [Role; 3] = [Role::MlpGate, Role::MlpUp, Role::MlpDown];

/// A checkpoint that can be run.
pub struct Network<'a> {
    pub(crate) computation: Computation,
    pub(crate) weights: Weights<'a>,
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
pub(crate) struct Block {
    pub(crate) attn_norm: Option<Norm>,
    pub(crate) attention: Attention,
    pub(crate) attn_post_norm: Option<Norm>,
    pub(crate) mlp_norm: Option<Norm>,
    pub(crate) mlp: Feed,
    pub(crate) mlp_post_norm: Option<Norm>,
}

/// The MLP of a block; experts are read one at a time.
pub(crate) enum Feed {
    Dense(Mlp),
    Mixture(Mixture),
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
        let binding = binding_of(model)?;
        let units = weight(binding, Role::MlpUp, Some(0)).filter(|_| computation.experts.is_none()).map_or(0, |weight| weight.rows);
        let shape = Shape {
            layers: computation.blocks.len(),
            heads: computation.heads,
            hidden: computation.hidden,
            units,
            vocabulary: computation.vocabulary,
            causal: computation.causal,
            max_positions: computation.max_positions,
            has_logits: computation.unembed.is_some(),
            logit_cap: computation.logit_cap,
        };
        Ok(Self { computation, weights: Weights::new(model, binding), shape })
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

    pub(crate) fn read_block(&self, layer: usize) -> Result<Block, SourceError> {
        let at = |role| slot(role, Some(layer));
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
                Feed::Mixture(Mixture { router, shared: shared.transpose()? })
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
                self.mixture(place, mixture.router.rows, lengths, (&read.concat(), &scores.concat()), stream)?;
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
