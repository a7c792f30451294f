//! What each piece of a block hands back: from the gradient of what it wrote to those of what it read and of its weights.

use crate::activation::{slope, sum};
use crate::attention::{Attention, AttentionBuffers, Place};
use crate::mlp::Mlp;
use crate::norm::Norm;
use crate::product::{Accumulate, Linear, Matrix, add_product, add_scaled_product};
use sources::form::{Activation, NormKind};

impl Linear {
    /// With `y = x Wᵀ + b`: `∂W += ∂yᵀ x`, `∂b += Σ ∂y`, and `∂x (+)= ∂y W`.
    pub(super) fn back(&self, x: &[f32], dy: &[f32], gradient: &mut Self, dx: &mut [f32], accumulate: Accumulate) {
        self.gather(x, dy, gradient);
        add_product(Matrix::rows(dy, self.rows), Matrix::rows(&self.weight, self.cols), dx, accumulate);
    }

    /// The gradient of the weights alone.
    pub(super) fn gather(&self, x: &[f32], dy: &[f32], gradient: &mut Self) {
        add_product(Matrix::rows(dy, self.rows).transposed(), Matrix::rows(x, self.cols), &mut gradient.weight, Accumulate::Add);
        if let Some(bias) = &mut gradient.bias {
            for dy in dy.chunks_exact(self.rows.max(1)) {
                bias.iter_mut().zip(dy).for_each(|(b, d)| *b += d);
            }
        }
    }
}

impl Norm {
    /// From what was normed and the gradient of the result to the gradient of what was normed, in place of `dy`.
    ///
    /// With `z = (x − m) s` and `y = g z + b`: `∂x = s (g ∂y − mean(g ∂y) − z · mean(g ∂y · z))`, the middle term for layer norms only.
    pub(super) fn back(&self, kind: NormKind, epsilon: f32, x: &[f32], dy: &mut [f32], gradient: &mut Self) {
        let n = self.gain.len().max(1);
        let mut z = vec![0.0; n];
        for (x, dy) in x.chunks_exact(n).zip(dy.chunks_exact_mut(n)) {
            let mean = if kind == NormKind::Layer { sum(x, |v| v) / n as f32 } else { 0.0 };
            z.iter_mut().zip(x).for_each(|(z, x)| *z = x - mean);
            let scale = 1.0 / (sum(&z, |v| v * v) / n as f32 + epsilon).sqrt();
            z.iter_mut().for_each(|z| *z *= scale);
            gradient.gain.iter_mut().zip(&z).zip(&*dy).for_each(|((g, z), d)| *g += z * d);
            if let Some(bias) = &mut gradient.bias {
                bias.iter_mut().zip(&*dy).for_each(|(b, d)| *b += d);
            }
            dy.iter_mut().zip(&self.gain).for_each(|(d, gain)| *d *= gain);
            let centre = if kind == NormKind::Layer { sum(dy, |v| v) / n as f32 } else { 0.0 };
            let along = dy.iter().zip(&z).map(|(d, z)| d * z).sum::<f32>() / n as f32;
            dy.iter_mut().zip(&z).for_each(|(d, z)| *d = scale * (*d - centre - z * along));
        }
    }
}

/// What a pass through attention left behind.
#[derive(Default)]
pub(super) struct KeptAttention {
    /// What it read, `[tokens, hidden]`.
    pub(super) read: Vec<f32>,
    /// Queries and keys as turned, values, and what the heads mixed.
    pub(super) buffers: AttentionBuffers,
    /// Of every sequence and head, in that order: `[n, n]` scores as the softmax read them, and probabilities.
    pub(super) heads: Vec<(Vec<f32>, Vec<f32>)>,
}

impl Attention {
    /// The gradient of what attention read, from that of what it wrote.
    pub(super) fn back(
        &self,
        place: &Place<'_>,
        lengths: &[usize],
        kept: &KeptAttention,
        dy: &[f32],
        gradient: &mut Self,
        dx: &mut Vec<f32>,
    ) {
        let computation = place.computation;
        let AttentionBuffers { q, k, v, mixed, .. } = &kept.buffers;
        let (q_width, k_width, v_width) = (self.q.rows, self.k.rows, self.v.rows);
        let (heads, head_dim) = (computation.heads, computation.head_dim);
        let value_dim = v_width / computation.kv_heads.max(1);
        let mixed_width = heads * value_dim;
        let mut d_mixed = vec![0.0; mixed.len()];
        self.out.back(mixed, dy, &mut gradient.out, &mut d_mixed, Accumulate::Replace);
        let (mut dq, mut dk, mut dv) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
        let mut d_scores = Vec::new();
        let mut start = 0;
        for (sequence, &n) in lengths.iter().enumerate() {
            let part = |width: usize| start * width..(start + n) * width;
            let (q, k, v) = (&q[part(q_width)], &k[part(k_width)], &v[part(v_width)]);
            let d_mixed = &d_mixed[part(mixed_width)];
            let (dq, dk, dv) = (&mut dq[part(q_width)], &mut dk[part(k_width)], &mut dv[part(v_width)]);
            for head in 0..heads {
                let shared = head * computation.kv_heads / heads;
                let (scores, probabilities) = &kept.heads[sequence * heads + head];
                let d_out = Matrix::block(&d_mixed[head * value_dim..], n, value_dim, mixed_width);
                let values = Matrix::block(&v[shared * value_dim..], n, value_dim, v_width);
                d_scores.resize(n * n, 0.0);
                add_scaled_product(d_out, values.transposed(), 1.0, &mut d_scores, n, Accumulate::Replace);
                let p = Matrix::rows(probabilities, n);
                add_scaled_product(p.transposed(), d_out, 1.0, &mut dv[shared * value_dim..], v_width, Accumulate::Add);
                softmax_back(probabilities, &mut d_scores, n);
                if let Some(cap) = computation.score_cap {
                    // What is hidden has a score of negative infinity and a gradient of zero.
                    for (d, score) in d_scores.iter_mut().zip(scores).filter(|(_, score)| score.is_finite()) {
                        *d *= 1.0 - (score / cap) * (score / cap);
                    }
                }
                let d = Matrix::rows(&d_scores, n);
                let queries = Matrix::block(&q[head * head_dim..], n, head_dim, q_width);
                let keys = Matrix::block(&k[shared * head_dim..], n, head_dim, k_width);
                let scale = computation.score_scale;
                add_scaled_product(d, keys, scale, &mut dq[head * head_dim..], q_width, Accumulate::Replace);
                add_scaled_product(d.transposed(), queries, scale, &mut dk[shared * head_dim..], k_width, Accumulate::Add);
            }
            if let Some(rotary) = place.rotary {
                rotary.of(n).turn_back(dq, q_width, head_dim);
                rotary.of(n).turn_back(dk, k_width, head_dim);
            }
            start += n;
        }
        for (norm, linear, d, gradient) in
            [(&self.q_norm, &self.q, &mut dq, &mut gradient.q_norm), (&self.k_norm, &self.k, &mut dk, &mut gradient.k_norm)]
        {
            if let (Some(norm), Some(gradient)) = (norm, gradient) {
                // What was normed was overwritten; it is one product away.
                let mut before = Vec::new();
                linear.apply(&kept.read, &mut before);
                norm.back(computation.norm, computation.epsilon, &before, d, gradient);
            }
        }
        dx.clear();
        dx.resize(kept.read.len(), 0.0);
        self.q.back(&kept.read, &dq, &mut gradient.q, dx, Accumulate::Replace);
        self.k.back(&kept.read, &dk, &mut gradient.k, dx, Accumulate::Add);
        self.v.back(&kept.read, &dv, &mut gradient.v, dx, Accumulate::Add);
    }
}

/// With `p = softmax(s)` by rows: `∂s = p (∂p − Σ p ∂p)`, in place of `∂p`.
fn softmax_back(p: &[f32], d: &mut [f32], width: usize) {
    for (p, d) in p.chunks_exact(width.max(1)).zip(d.chunks_exact_mut(width.max(1))) {
        let mean: f32 = p.iter().zip(&*d).map(|(p, d)| p * d).sum();
        d.iter_mut().zip(p).for_each(|(d, p)| *d = p * (*d - mean));
    }
}

/// What a pass through an MLP left behind.
#[derive(Default)]
pub(super) struct KeptMlp {
    /// What it read, `[tokens, hidden]`.
    pub(super) read: Vec<f32>,
    /// Before the nonlinearity, `[tokens, units]`.
    pub(super) gate: Option<Vec<f32>>,
    pub(super) up: Vec<f32>,
}

impl Mlp {
    /// The gradient of what the MLP read, from that of what it wrote.
    pub(super) fn back(&self, activation: Activation, kept: &KeptMlp, dy: &[f32], gradient: &mut Self, dx: &mut Vec<f32>) {
        let mut active = kept.gate.as_ref().unwrap_or(&kept.up).clone();
        crate::activation::apply(activation, &mut active);
        let hidden: Vec<f32> = match &kept.gate {
            Some(_) => active.iter().zip(&kept.up).map(|(a, up)| a * up).collect(),
            None => active.clone(),
        };
        let mut d_hidden = vec![0.0; hidden.len()];
        self.down.back(&hidden, dy, &mut gradient.down, &mut d_hidden, Accumulate::Replace);
        dx.clear();
        dx.resize(kept.read.len(), 0.0);
        match (&self.gate, &kept.gate, &mut gradient.gate) {
            (Some(matrix), Some(gate), Some(gradient_of_gate)) => {
                let mut d_gate: Vec<f32> = d_hidden.iter().zip(&kept.up).map(|(d, up)| d * up).collect();
                slope(activation, gate, &mut d_gate);
                d_hidden.iter_mut().zip(&active).for_each(|(d, active)| *d *= active);
                matrix.back(&kept.read, &d_gate, gradient_of_gate, dx, Accumulate::Replace);
                self.up.back(&kept.read, &d_hidden, &mut gradient.up, dx, Accumulate::Add);
            }
            _ => {
                slope(activation, &kept.up, &mut d_hidden);
                self.up.back(&kept.read, &d_hidden, &mut gradient.up, dx, Accumulate::Replace);
            }
        }
    }
}
