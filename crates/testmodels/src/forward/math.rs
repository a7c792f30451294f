//! Vectors and what layers do to each of them.

use std::f64::consts::PI;

/// One vector a position.
pub type Vectors = Vec<Vec<f64>>;

/// What stands between the matrices of an MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    Silu,
    Gelu,
    GeluTanh,
    Relu,
}

impl Activation {
    /// Of a name in `config.json`.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "silu" | "swish" => Self::Silu,
            "gelu" => Self::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Self::GeluTanh,
            "relu" => Self::Relu,
            other => panic!("an activation that is known here, not {other}"),
        }
    }

    /// Of one value.
    pub(super) fn of(self, x: f64) -> f64 {
        match self {
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::Gelu => 0.5 * x * (1.0 + erf(x / 2f64.sqrt())),
            Self::GeluTanh => 0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh()),
            Self::Relu if x < 0.0 => 0.0,
            Self::Relu => x,
        }
    }

    /// Of every value.
    pub(super) fn over(self, mut vectors: Vectors) -> Vectors {
        vectors.iter_mut().flatten().for_each(|x| *x = self.of(*x));
        vectors
    }
}

/// The error function by the series of Abramowitz and Stegun 7.1.6, whose terms are all positive.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > f64::EPSILON * sum.abs() * 0.01 {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}

/// Each vector over its root mean square.
pub(super) fn rms_normed(vectors: &[Vec<f64>], eps: f64) -> Vectors {
    let normed = |x: &Vec<f64>| {
        let scale = (mean(x.iter().map(|v| v * v)) + eps).sqrt();
        x.iter().map(|v| v / scale).collect()
    };
    vectors.iter().map(normed).collect()
}

/// Each vector less its mean, over its standard deviation.
pub(super) fn layer_normed(vectors: &[Vec<f64>], eps: f64) -> Vectors {
    let centred = |x: &Vec<f64>| {
        let centre = mean(x.iter().copied());
        x.iter().map(|v| v - centre).collect()
    };
    rms_normed(&vectors.iter().map(centred).collect::<Vectors>(), eps)
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// Numbers of which the exponentials have this ratio and the sum one.
pub(super) fn softmax(scores: &[f64]) -> Vec<f64> {
    let largest = scores.iter().copied().max_by(f64::total_cmp).unwrap_or(0.0);
    let powers: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
    let total: f64 = powers.iter().sum();
    powers.iter().map(|p| p / total).collect()
}

/// `cap · tanh(x / cap)`, or `x` where there is no cap.
pub(super) fn capped(x: f64, cap: Option<f64>) -> f64 {
    cap.map_or(x, |cap| cap * (x / cap).tanh())
}

/// Adds to every vector its own other.
pub(super) fn add(to: &mut Vectors, other: &[Vec<f64>]) {
    for (x, y) in to.iter_mut().zip(other) {
        x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
    }
}

/// Value by value.
pub(super) fn times(mut vectors: Vectors, other: &[Vec<f64>]) -> Vectors {
    for (x, y) in vectors.iter_mut().zip(other) {
        x.iter_mut().zip(y).for_each(|(x, y)| *x *= y);
    }
    vectors
}

/// Every value times a number.
pub(super) fn scaled(mut vectors: Vectors, by: f64) -> Vectors {
    vectors.iter_mut().flatten().for_each(|x| *x *= by);
    vectors
}

/// Cuts every vector into parts of these lengths.
pub(super) fn cut<const N: usize>(vectors: &[Vec<f64>], lengths: [usize; N]) -> [Vectors; N] {
    let mut start = 0;
    lengths.map(|length| {
        let range = start..start + length;
        start += length;
        vectors.iter().map(|x| x[range.clone()].to_vec()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Abramowitz and Stegun, table 7.1.
    #[test]
    fn error_function_meets_the_table() {
        for (x, expected) in [(0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9), (2.0, 0.995_322_265_0), (-1.5, -0.966_105_146_5), (9.0, 1.0)]
        {
            assert!((erf(x) - expected).abs() < 5e-11, "{x}");
        }
    }
}
