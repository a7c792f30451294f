//! AdamW with a cosine schedule.

use forward::{Gradient, Parameters};
use serde::{Deserialize, Serialize};

/// How fast a training learns, and how much it forgets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Schedule {
    /// Steps in all.
    pub steps: usize,
    /// Steps in which the rate rises from 0.
    pub warmup: usize,
    /// The highest rate.
    pub rate: f64,
    /// Of matrices, a step and unit of rate.
    pub weight_decay: f64,
    /// Of the running means of gradients and of their squares.
    pub betas: [f64; 2],
    /// Gradients of a larger norm are shortened to it.
    pub clip: f64,
}

impl Schedule {
    /// The rate of step `step`, counted from 0: a straight rise, then half a cosine down to a tenth of the highest.
    pub fn rate_at(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.rate * (step + 1) as f64 / self.warmup as f64;
        }
        let rest = self.steps.saturating_sub(self.warmup).max(1) as f64;
        let done = ((step - self.warmup) as f64 / rest).min(1.0);
        self.rate * (0.55 + 0.45 * (std::f64::consts::PI * done).cos())
    }
}

/// Running means of gradients (Loshchilov and Hutter, arXiv 1711.05101).
pub struct AdamW {
    schedule: Schedule,
    /// Steps done.
    pub step: usize,
    mean: Parameters,
    square: Parameters,
}

impl AdamW {
    /// Before the first step.
    pub fn new(schedule: Schedule, parameters: &Parameters) -> Self {
        Self { schedule, step: 0, mean: parameters.zeros(), square: parameters.zeros() }
    }

    /// Takes one step along the mean gradient of a batch, and returns that gradient's norm.
    ///
    /// `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`, `w ← w − η (m̂ / (√v̂ + 10⁻⁸) + λ w)`, where `m̂`, `v̂` are corrected for their
    /// start at zero and only matrices decay.
    pub fn take(&mut self, parameters: &mut Parameters, mut gradient: Gradient) -> f64 {
        let Schedule { weight_decay, betas: [first, second], clip, .. } = self.schedule;
        let rate = self.schedule.rate_at(self.step);
        self.step += 1;
        let power = self.step as i32;
        let (of_mean, of_square) = (1.0 - first.powi(power), 1.0 - second.powi(power));
        let per_target = 1.0 / gradient.n.max(1) as f64;
        let squares = |values: &[f32]| values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>();
        let norm = per_target * gradient.parameters.each_mut().iter().map(|place| squares(place.values)).sum::<f64>().sqrt();
        let scale = per_target * if norm > clip { clip / norm } else { 1.0 };
        let places = parameters.each_mut().into_iter().zip(gradient.parameters.each_mut());
        for ((weight, gradient), (mean, square)) in places.zip(self.mean.each_mut().into_iter().zip(self.square.each_mut())) {
            let decay = if weight.is_matrix() { weight_decay } else { 0.0 };
            let moments = mean.values.iter_mut().zip(square.values.iter_mut());
            for ((w, g), (m, v)) in weight.values.iter_mut().zip(gradient.values.iter()).zip(moments) {
                let g = scale * f64::from(*g);
                let (new_mean, new_square) = (first * f64::from(*m) + (1.0 - first) * g, second * f64::from(*v) + (1.0 - second) * g * g);
                (*m, *v) = (new_mean as f32, new_square as f32);
                let along = new_mean / of_mean / ((new_square / of_square).sqrt() + 1e-8);
                *w -= (rate * (along + decay * f64::from(*w))) as f32;
            }
        }
        norm
    }
}
