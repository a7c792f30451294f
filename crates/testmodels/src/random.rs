//! Seeded Gaussian numbers.

use rand_chacha::ChaCha8Rng;
use stats::sampling;

/// Gaussian numbers of mean 0 and standard deviation 1, a stream of its own for each label.
#[derive(Debug)]
pub struct Gaussian {
    generator: ChaCha8Rng,
    spare: Option<f64>,
}

impl Gaussian {
    /// The stream of `seed` and `label`.
    pub fn new(seed: u64, label: &str) -> Self {
        Self { generator: sampling::generator(seed, label), spare: None }
    }

    /// The next number, by the method of Box and Muller.
    pub fn draw(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let mut uniform = || (sampling::below(&mut self.generator, 1 << 53) as f64 + 0.5) / (1u64 << 53) as f64;
        let (radius, angle) = ((-2.0 * uniform().ln()).sqrt(), std::f64::consts::TAU * uniform());
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }

    /// The next `n` numbers, times `scale`.
    pub fn vector(&mut self, n: usize, scale: f64) -> Vec<f32> {
        (0..n).map(|_| (scale * self.draw()) as f32).collect()
    }

    /// A uniformly random order of `n` items.
    pub fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        sampling::shuffle(&mut self.generator, &mut order);
        order
    }
}
