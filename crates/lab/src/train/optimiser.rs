//! AdamW with a cosine schedule.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How fast a training learns, and how much it forgets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Schedule {
    /// Steps in all.
    pub steps: usize,
    /// Sequences of a step.
    pub batch: usize,
    /// Steps in which the rate rises from 0.
    pub warmup: usize,
    /// The highest rate.
    pub rate: f64,
    /// Of matrices, for a step and unit of rate.
    pub weight_decay: f64,
    /// Of the running means of gradients and of their squares.
    pub betas: [f64; 2],
    /// Gradients of a larger norm are shortened to it.
    pub clip: f64,
}

impl Default for Schedule {
    /// What `lab train` takes for what a recipe leaves out.
    fn default() -> Self {
        Self { steps: 1000, batch: 16, warmup: 50, rate: 3e-3, weight_decay: 0.1, betas: [0.9, 0.95], clip: 1.0 }
    }
}

impl Schedule {
    /// The rate of step `step`, counted from 0: a straight rise, then half a cosine down to a tenth of the highest.
    pub fn rate_at(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.rate * (step + 1) as f64 / self.warmup as f64;
        }
        let rest = self.steps.saturating_sub(self.warmup).max(1) as f64;
        let done = ((step - self.warmup) as f64 / rest).clamp(0.0, 1.0);
        self.rate * (0.55 + 0.45 * (std::f64::consts::PI * done).cos())
    }
}

/// Numbers that learn together.
pub(super) struct Place<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) gradient: &'a [f32],
    /// Matrices do; gains and biases do not.
    pub(super) decays: bool,
}

/// Running means of gradients and of their squares (Loshchilov and Hutter, arXiv 1711.05101).
pub struct AdamW {
    schedule: Schedule,
    /// Steps done.
    pub(super) step: usize,
    /// Means, then squares, place by place.
    pub(super) moments: Vec<[Vec<f32>; 2]>,
}

impl AdamW {
    /// Before the first step, for places of these lengths.
    pub(super) fn new(schedule: Schedule, lengths: impl Iterator<Item = usize>) -> Self {
        Self { schedule, step: 0, moments: lengths.map(|n| [vec![0.0; n], vec![0.0; n]]).collect() }
    }

    /// Takes one step along the sum of gradients of `n` targets, and returns the norm of their mean.
    ///
    /// `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`, `w ← w − η (m̂ / (√v̂ + 10⁻⁸) + λ w)`, where `m̂`, `v̂` are corrected for their
    /// start at zero.
    pub(super) fn take(&mut self, places: Vec<Place<'_>>, n: usize) -> f64 {
        let Schedule { weight_decay, betas: [first, second], clip, .. } = self.schedule;
        let rate = self.schedule.rate_at(self.step);
        self.step += 1;
        let power = self.step as i32;
        let (of_mean, of_square) = (1.0 - first.powi(power), 1.0 - second.powi(power));
        let per_target = 1.0 / n.max(1) as f64;
        let squares: Vec<f64> = places.par_iter().map(|place| place.gradient.iter().map(|g| f64::from(*g) * f64::from(*g)).sum()).collect();
        let norm = per_target * squares.iter().sum::<f64>().sqrt();
        let scale = (per_target * if norm > clip { clip / norm } else { 1.0 }) as f32;
        let (first, second) = (first as f32, second as f32);
        let (step, of_square) = ((rate / of_mean) as f32, (1.0 / of_square) as f32);
        places.into_par_iter().zip(&mut self.moments).for_each(|(place, [mean, square])| {
            let kept = 1.0 - if place.decays { (rate * weight_decay) as f32 } else { 0.0 };
            let moments = mean.iter_mut().zip(square);
            for ((w, g), (m, v)) in place.values.iter_mut().zip(place.gradient).zip(moments) {
                let g = scale * g;
                *m = first * *m + (1.0 - first) * g;
                *v = second * *v + (1.0 - second) * g * g;
                *w = *w * kept - step * *m / ((*v * of_square).sqrt() + 1e-8);
            }
        });
        norm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_and_falls_to_a_tenth() {
        let schedule = Schedule { steps: 100, warmup: 10, rate: 1.0, ..Schedule::default() };
        assert_eq!(schedule.rate_at(0), 0.1);
        assert_eq!(schedule.rate_at(9), 1.0);
        assert!((schedule.rate_at(55) - 0.55).abs() < 1e-12 && (schedule.rate_at(100) - 0.1).abs() < 1e-12);
        assert!((10..99).all(|step| schedule.rate_at(step) > schedule.rate_at(step + 1)));
    }

    /// `torch.optim.AdamW` 2.15 on w = [1, -2], gradients [0.5, -0.25] then [0.1, 0.4], lr 0.1, betas (0.9, 0.95), weight_decay 0.1:
    /// see `testdata/scripts/training_oracle.py`, which prints these.
    #[test]
    fn two_steps_are_those_of_torch() {
        let schedule = Schedule {
            steps: 1_000_000_000,
            warmup: 0,
            rate: 0.1,
            weight_decay: 0.1,
            betas: [0.9, 0.95],
            clip: 1e9,
            ..Schedule::default()
        };
        let mut values = [1.0f32, -2.0];
        let mut adam = AdamW::new(schedule, [2].into_iter());
        for gradient in [[0.5f32, -0.25], [0.1, 0.4]] {
            adam.take(vec![Place { values: &mut values, gradient: &gradient, decays: true }], 1);
        }
        let torch = [0.799_847_2, -1.888_660_4];
        assert!(values.iter().zip(torch).all(|(ours, torch)| (ours - torch).abs() < 2e-6), "{values:?}");
    }
}
