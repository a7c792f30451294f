//! Low-rank adapters (Hu et al., arXiv 2106.09685), merged: `W = W₀ + (α / r) B A`, where only `A` and `B` learn.

use super::optimiser::Place;
use crate::Draws;
use forward::Parameters;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sources::Role;

/// Which matrices get an adapter, and how large.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Adapter {
    /// Of each change, at most.
    pub rank: usize,
    /// The change is multiplied by `alpha / rank`.
    pub alpha: f64,
}

impl Default for Adapter {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0 }
    }
}

/// The factors of every adapted matrix, and what they change.
pub(super) struct Factors {
    scale: f32,
    all: Vec<Pair>,
}

/// Of one matrix.
struct Pair {
    /// Among the places of [`Parameters::each_mut`].
    place: usize,
    rows: usize,
    cols: usize,
    rank: usize,
    base: Vec<f32>,
    /// `[rank, cols]`, Gaussian at first.
    a: Vec<f32>,
    /// `[rows, rank]`, zero at first.
    b: Vec<f32>,
}

fn is_adapted(role: Role) -> bool {
    matches!(role, Role::AttnQ | Role::AttnK | Role::AttnV | Role::AttnOut | Role::MlpGate | Role::MlpUp | Role::MlpDown)
}

impl Factors {
    /// Before the first step: nothing is changed.
    pub(super) fn new(adapter: &Adapter, parameters: &mut Parameters, seed: u64) -> Self {
        let places = parameters.each_mut().into_iter().enumerate();
        let pair = |(place, weight): (usize, forward::Values<'_>)| {
            (weight.is_matrix() && is_adapted(weight.slot.role)).then(|| {
                let (rows, cols) = (weight.rows, weight.values.len() / weight.rows);
                let rank = adapter.rank.clamp(1, rows.min(cols));
                let mut draws = Draws::new(seed, &format!("adapter/{}", weight.slot));
                let deviation = 1.0 / (cols as f64).sqrt();
                let a = (0..rank * cols).map(|_| (deviation * draws.normal()) as f32).collect();
                Pair { place, rows, cols, rank, base: weight.values.to_vec(), a, b: vec![0.0; rows * rank] }
            })
        };
        Self { scale: (adapter.alpha / adapter.rank.max(1) as f64) as f32, all: places.filter_map(pair).collect() }
    }

    /// Every factor.
    pub(super) fn each_mut(&mut self) -> impl Iterator<Item = &mut Vec<f32>> {
        self.all.iter_mut().flat_map(|pair| [&mut pair.a, &mut pair.b])
    }

    /// The gradients of the factors from those of the matrices: `∂A = s Bᵀ ∂W`, `∂B = s ∂W Aᵀ`.
    pub(super) fn gradients(&self, gradient: &mut Parameters) -> Vec<Vec<f32>> {
        let of_matrices = gradient.each_mut();
        let of_pair = |pair: &Pair| {
            let d = &*of_matrices[pair.place].values;
            let (mut a, mut b) = (vec![0.0; pair.a.len()], vec![0.0; pair.b.len()]);
            for (row, d) in d.chunks_exact(pair.cols).enumerate() {
                for r in 0..pair.rank {
                    let (factor, weight) = (&pair.a[r * pair.cols..][..pair.cols], self.scale * pair.b[row * pair.rank + r]);
                    b[row * pair.rank + r] = self.scale * d.iter().zip(factor).map(|(d, a)| d * a).sum::<f32>();
                    a[r * pair.cols..][..pair.cols].iter_mut().zip(d).for_each(|(a, d)| *a += weight * d);
                }
            }
            [a, b]
        };
        self.all.iter().flat_map(of_pair).collect()
    }

    /// Writes `W₀ + s B A` into the matrices.
    pub(super) fn merge(&self, parameters: &mut Parameters) {
        let mut matrices = parameters.each_mut();
        for pair in &self.all {
            let merged = &mut *matrices[pair.place].values;
            merged.par_chunks_exact_mut(pair.cols).enumerate().for_each(|(row, merged)| {
                merged.copy_from_slice(&pair.base[row * pair.cols..][..pair.cols]);
                for r in 0..pair.rank {
                    let weight = self.scale * pair.b[row * pair.rank + r];
                    merged.iter_mut().zip(&pair.a[r * pair.cols..]).for_each(|(w, a)| *w += weight * a);
                }
            });
            debug_assert_eq!(merged.len(), pair.rows * pair.cols);
        }
    }

    /// What learns, beside its gradients.
    pub(super) fn places<'a>(&'a mut self, gradients: &'a [Vec<f32>]) -> Vec<Place<'a>> {
        self.each_mut().zip(gradients).map(|(values, gradient)| Place { values, gradient, decays: true }).collect()
    }
}
