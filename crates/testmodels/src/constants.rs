//! Tensors that no training touches and that unrelated models share.

use crate::Tensor;
use std::f64::consts::TAU;

/// The sinusoidal positions of Vaswani et al. (2017), § 3.5, as whisper's encoder keeps them: sines, then cosines.
pub fn sinusoidal_table(name: &str, positions: usize, width: usize) -> Tensor {
    let half = width / 2;
    let angle = |t: usize, i: usize| t as f64 / 10_000f64.powf(i as f64 / (half - 1) as f64);
    let values = (0..positions)
        .flat_map(|t| (0..width).map(move |i| if i < half { angle(t, i).sin() } else { angle(t, i - half).cos() } as f32))
        .collect();
    Tensor { name: name.into(), shape: vec![positions, width], values }
}

/// The basis of a short-time Fourier transform under a Hann window, as a convolution `[2 k, 1, n]` with `k = n/2 + 1`.
pub fn fourier_basis(name: &str, n: usize) -> Tensor {
    let k = n / 2 + 1;
    let window = |t: usize| 0.5 - 0.5 * (TAU * t as f64 / n as f64).cos();
    let wave = |row: usize, t: usize| {
        let angle = TAU * ((row % k) * t % n) as f64 / n as f64;
        if row < k { angle.cos() } else { -angle.sin() }
    };
    let values = (0..2 * k).flat_map(|row| (0..n).map(move |t| (window(t) * wave(row, t)) as f32)).collect();
    Tensor { name: name.into(), shape: vec![2 * k, 1, n], values }
}
