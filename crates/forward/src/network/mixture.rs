//! A mixture of experts in a block: each token takes a few, and one that all take where the family has it.

use super::{Buffers, MLP, Network, TILE_TOKENS};
use crate::attention::Place;
use crate::mlp::{Mlp, routes};
use crate::product::Linear;
use crate::taps::UnitsAt;
use crate::weights::slot;
use rayon::prelude::*;
use sources::{Slot, SourceError};

/// How a block chooses among its experts.
pub(crate) struct Mixture {
    /// A row an expert.
    pub(super) router: Linear,
    /// The expert that every token takes, and the matrix whose sigmoid is its share.
    pub(super) shared: Option<(Linear, Mlp)>,
}

impl Network<'_> {
    /// What the expert of all tokens writes, by its share in each.
    pub(super) fn add_shared(&self, share: &Linear, mlp: &Mlp, buffers: &mut Buffers, stream: &mut [f32]) {
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
    pub(super) fn mixture(
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
            let mlp = self.read_mlp(MLP.map(|role| Slot { expert: Some(expert), ..slot(role, Some(place.layer)) }))?;
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
