//! Random numbers of one purpose: the same seed and label draw the same for ever.

use rand_chacha::ChaCha8Rng;
use stats::sampling;

/// A stream of draws.
#[derive(Debug)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream of a seed and of what is drawn.
    pub fn new(seed: u64, label: &str) -> Self {
        Self(sampling::generator(seed, label))
    }

    /// Uniform between 0 and 1, without both.
    pub fn uniform(&mut self) -> f64 {
        (sampling::below(&mut self.0, 1 << 53) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Uniform on a logarithmic scale.
    pub fn log_uniform(&mut self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.uniform())
    }

    /// Gaussian, by the method of Box and Muller.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// 1 or −1.
    pub fn sign(&mut self) -> f64 {
        if sampling::below(&mut self.0, 2) == 0 { 1.0 } else { -1.0 }
    }

    /// A uniform index below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        sampling::below(&mut self.0, n as u64) as usize
    }

    /// A uniformly random order of `n` items.
    pub fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        sampling::shuffle(&mut self.0, &mut order);
        order
    }

    /// `n` factors around 1, whose logarithms have this standard deviation.
    pub fn around_one(&mut self, n: usize, deviation: f64) -> Vec<f32> {
        (0..n).map(|_| (deviation * self.normal()).exp() as f32).collect()
    }
}
