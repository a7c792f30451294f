//! Attention of any kind: which keys a query sees, how heads share them, how positions turn them.

use super::math::{Vectors, capped, softmax};
use super::parameters::Parameters;
use serde_json::Value;
use std::f64::consts::TAU;

/// Heads, and what is done to the scores before the softmax.
pub(super) struct Attention {
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    /// Of every score.
    pub(super) scale: f64,
    pub(super) soft_cap: Option<f64>,
    /// Whether a query sees no later keys.
    pub(super) causal: bool,
    /// How many keys up to its own position a query sees.
    pub(super) window: Option<usize>,
    /// Added to the scores, `[head][query][key]`; none where empty.
    pub(super) bias: Vec<Vectors>,
}

impl Attention {
    /// Every head for itself, scaled by the root of its width, without a mask.
    pub(super) fn plain(heads: usize, width: usize) -> Self {
        let scale = ((width / heads) as f64).sqrt().recip();
        Self { heads, kv_heads: heads, scale, soft_cap: None, causal: false, window: None, bias: Vec::new() }
    }

    /// The same under a causal mask.
    pub(super) fn causal(self) -> Self {
        Self { causal: true, ..self }
    }

    /// Mixtures of values, one vector a query, heads one after another.
    pub(super) fn mix(&self, queries: &[Vec<f64>], keys: &[Vec<f64>], values: &[Vec<f64>]) -> Vectors {
        let head_dim = queries[0].len() / self.heads;
        let value_dim = values[0].len() / self.kv_heads;
        let mix_one = |position: usize, query: &Vec<f64>| {
            let seen: Vec<usize> = (0..keys.len()).filter(|&key| self.sees(position, key)).collect();
            let mut output = Vec::with_capacity(self.heads * value_dim);
            for head in 0..self.heads {
                let shared = head * self.kv_heads / self.heads;
                let query = &query[head * head_dim..][..head_dim];
                let score = |&key: &usize| {
                    let product: f64 = query.iter().zip(&keys[key][shared * head_dim..]).map(|(q, k)| q * k).sum();
                    let bias = self.bias.get(head).map_or(0.0, |bias| bias[position][key]);
                    capped(product * self.scale, self.soft_cap) + bias
                };
                let shares = softmax(&seen.iter().map(score).collect::<Vec<f64>>());
                let value =
                    |i: usize| seen.iter().zip(&shares).map(|(&key, share)| share * values[key][shared * value_dim + i]).sum::<f64>();
                output.extend((0..value_dim).map(value));
            }
            output
        };
        queries.iter().enumerate().map(|(position, query)| mix_one(position, query)).collect()
    }

    fn sees(&self, query: usize, key: usize) -> bool {
        (!self.causal || key <= query) && self.window.is_none_or(|window| key + window > query)
    }
}

/// Turns dimension `j` of a head with dimension `j + n/2` by an angle that grows with the position.
pub(super) struct Rotary {
    frequencies: Vec<f64>,
}

impl Rotary {
    /// Over the first `dims` dimensions of a head, with the scaling that `settings` (`rope_parameters` or `rope_scaling`) asks for.
    pub(super) fn new(dims: usize, theta: f64, settings: Option<&Value>) -> Self {
        let number = |key: &str| settings.and_then(|s| s[key].as_f64()).unwrap_or_else(|| panic!("{key} of the rotary scaling"));
        let kind = settings.and_then(|s| s["rope_type"].as_str().or_else(|| s["type"].as_str())).unwrap_or("default");
        let scaled = |frequency: f64| match kind {
            "default" => frequency,
            "linear" => frequency / number("factor"),
            "llama3" => {
                let turns = number("original_max_position_embeddings") * frequency / TAU;
                let (low, high) = (number("low_freq_factor"), number("high_freq_factor"));
                let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                frequency * (kept + (1.0 - kept) / number("factor"))
            }
            other => panic!("a rotary scaling that is known here, not {other}"),
        };
        Self { frequencies: (0..dims / 2).map(|j| scaled(theta.powf(-2.0 * j as f64 / dims as f64))).collect() }
    }

    /// Base and scaling from the configuration, old and new keys.
    pub(super) fn of(parameters: &Parameters, dims: usize) -> Self {
        let settings = parameters.setting("rope_parameters").or_else(|| parameters.setting("rope_scaling"));
        let theta = settings.and_then(|s| s["rope_theta"].as_f64()).or_else(|| parameters.number("rope_theta"));
        let theta = theta.or_else(|| parameters.number("rotary_emb_base")).unwrap_or(10_000.0);
        Self::new(dims, theta, settings)
    }

    /// Turns every head of every vector.
    pub(super) fn turn(&self, vectors: &mut Vectors, head_dim: usize) {
        let half = self.frequencies.len();
        for (position, vector) in vectors.iter_mut().enumerate() {
            for head in vector.chunks_exact_mut(head_dim) {
                for (j, frequency) in self.frequencies.iter().enumerate() {
                    let (sin, cos) = (position as f64 * frequency).sin_cos();
                    let (a, b) = (head[j], head[j + half]);
                    (head[j], head[j + half]) = (a * cos - b * sin, b * cos + a * sin);
                }
            }
        }
    }
}
