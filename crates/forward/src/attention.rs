//! Attention of one sequence: which keys a query sees, how heads share them, how positions turn them.

use crate::activation::softmax_rows;
use crate::computation::{BlockKind, Computation};
use crate::norm::Norm;
use crate::product::{Accumulate, Linear, Matrix, add_scaled_product};
use crate::rotary::RotaryTables;
use crate::taps::{HeadAt, Taps};

/// The matrices of one attention.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Attention {
    pub(crate) q: Linear,
    pub(crate) k: Linear,
    pub(crate) v: Linear,
    pub(crate) out: Linear,
    /// Over each head, or over all heads together: as wide as its gain.
    pub(crate) q_norm: Option<Norm>,
    pub(crate) k_norm: Option<Norm>,
}

/// Buffers that sequences and blocks share.
#[derive(Default)]
pub(crate) struct AttentionBuffers {
    pub(crate) q: Vec<f32>,
    pub(crate) k: Vec<f32>,
    pub(crate) v: Vec<f32>,
    pub(crate) mixed: Vec<f32>,
    scores: Vec<f32>,
    raw: Vec<f32>,
}

/// Where a block stands, and who listens.
pub(crate) struct Place<'a> {
    pub(crate) computation: &'a Computation,
    pub(crate) kind: BlockKind,
    pub(crate) rotary: Option<&'a RotaryTables>,
    pub(crate) layer: usize,
    pub(crate) taps: &'a dyn Taps,
    pub(crate) tells_attention: bool,
    pub(crate) tells_units: bool,
}

impl Attention {
    /// What attention writes for the sequences of a tile, from what it reads: `x` and `y` are `[tokens, hidden]`; `sequences` are their
    /// indices and lengths.
    pub(crate) fn apply(
        &self,
        place: &Place<'_>,
        sequences: &[(usize, usize)],
        x: &[f32],
        buffers: &mut AttentionBuffers,
        y: &mut Vec<f32>,
    ) {
        let computation = place.computation;
        let AttentionBuffers { q, k, v, mixed, scores, raw } = buffers;
        self.q.apply(x, q);
        self.k.apply(x, k);
        self.v.apply(x, v);
        for (norm, values) in [(&self.q_norm, &mut *q), (&self.k_norm, &mut *k)] {
            if let Some(norm) = norm {
                norm.apply(computation.norm, computation.epsilon, values);
            }
        }
        let head_dim = computation.head_dim;
        let (q_width, k_width, v_width) = (self.q.rows, self.k.rows, self.v.rows);
        let value_dim = v_width / computation.kv_heads;
        let mixed_width = computation.heads * value_dim;
        mixed.clear();
        mixed.resize(x.len() / self.q.cols.max(1) * mixed_width, 0.0);
        let mut start = 0;
        for &(sequence, n) in sequences {
            let (q, k) = (&mut q[start * q_width..][..n * q_width], &mut k[start * k_width..][..n * k_width]);
            let v = &v[start * v_width..][..n * v_width];
            let mixed = &mut mixed[start * mixed_width..][..n * mixed_width];
            if let Some(rotary) = place.rotary {
                rotary.of(n).turn(q, q_width, head_dim);
                rotary.of(n).turn(k, k_width, head_dim);
            }
            for head in 0..computation.heads {
                let shared = head * computation.kv_heads / computation.heads;
                scores.resize(n * n, 0.0);
                let queries = Matrix::block(&q[head * head_dim..], n, head_dim, q_width);
                let keys = Matrix::block(&k[shared * head_dim..], n, head_dim, k_width);
                add_scaled_product(queries, keys.transposed(), computation.score_scale, scores, n, Accumulate::Replace);
                if let Some(cap) = computation.score_cap {
                    scores.iter_mut().for_each(|score| *score = cap * (*score / cap).tanh());
                }
                hide(scores, n, computation.causal, place.kind.window);
                if place.tells_attention {
                    raw.clone_from(scores);
                }
                softmax_rows(scores, n);
                if place.tells_attention {
                    place.taps.attention(HeadAt { sequence, layer: place.layer, head }, raw, scores);
                }
                let values = Matrix::block(&v[shared * value_dim..], n, value_dim, v_width);
                let out = &mut mixed[head * value_dim..];
                add_scaled_product(Matrix::rows(scores, n), values, 1.0, out, mixed_width, Accumulate::Replace);
            }
            start += n;
        }
        self.out.apply(mixed, y);
    }
}

/// Hides what a query does not see.
fn hide(scores: &mut [f32], n: usize, causal: bool, window: Option<usize>) {
    for (query, row) in scores.chunks_exact_mut(n.max(1)).enumerate() {
        if causal {
            row[query + 1..].fill(f32::NEG_INFINITY);
        }
        if let Some(window) = window {
            row[..(query + 1).saturating_sub(window)].fill(f32::NEG_INFINITY);
        }
    }
}
