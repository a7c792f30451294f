//! Constants made again by their formulas, and trained-like matrices that must never be taken for one.

use super::{Constant, recognise};
use proptest::prelude::*;
use std::f64::consts::TAU;

fn table(rows: usize, cols: usize, value: impl Fn(usize, usize) -> f64) -> Vec<f32> {
    (0..rows * cols).map(|i| value(i / cols, i % cols) as f32).collect()
}

/// The basis of Silero's STFT layer: a periodic Hann window over `n` samples, cosines, then negative sines.
fn stft(n: usize, window: impl Fn(usize) -> f64) -> Vec<f32> {
    let k = n / 2 + 1;
    table(2 * k, n, |row, t| {
        let phase = TAU * ((row % k) * t) as f64 / n as f64;
        window(t) * if row < k { phase.cos() } else { -phase.sin() }
    })
}

#[test]
fn a_windowed_fourier_basis() {
    for n in [128, 256] {
        let hann = |t: usize| 0.5 - 0.5 * (TAU * t as f64 / n as f64).cos();
        assert_eq!(recognise(n + 2, n, &stft(n, hann)), Some(Constant::FourierBasis));
        let mut changed = stft(n, hann);
        changed[n * 5 + n / 2] += 0.2;
        assert_eq!(recognise(n + 2, n, &changed), None);
    }
}

/// `sinusoids(length, channels)` of Whisper's encoder: sines, then cosines, of frequencies from 1 to 1/10000.
#[test]
fn whisper_s_positions() {
    let (length, channels) = (1500, 64);
    let half = channels / 2;
    let values = table(length, channels, |t, c| {
        let angle = t as f64 * (-(10_000f64.ln()) / (half - 1) as f64 * (c % half) as f64).exp();
        if c < half { angle.sin() } else { angle.cos() }
    });
    assert_eq!(recognise(length, channels, &values), Some(Constant::Sinusoidal));
    let half_precision: Vec<f32> = values.iter().map(|&value| half::f16::from_f32(value).to_f32()).collect();
    assert_eq!(recognise(length, channels, &half_precision), Some(Constant::Sinusoidal));
}

#[test]
fn rotary_tables() {
    let (length, dim) = (512, 64);
    let angle = |t: usize, c: usize| t as f64 * 10_000f64.powf(-((c % (dim / 2)) as f64) / (dim / 2) as f64);
    assert_eq!(recognise(length, dim, &table(length, dim, |t, c| angle(t, c).cos())), Some(Constant::Sinusoidal));
    assert_eq!(recognise(length, dim, &table(length, dim, |t, c| angle(t, c).sin())), Some(Constant::Sinusoidal));
    assert_eq!(recognise(dim, length, &table(dim, length, |c, t| angle(t, c).sin())), Some(Constant::Sinusoidal));
}

#[test]
fn progressions() {
    let positions = table(1, 512, |_, i| i as f64);
    assert_eq!(recognise(1, 512, &positions), Some(Constant::Progression));
    let inverse_frequencies = table(32, 1, |i, _| 10_000f64.powf(-(i as f64) / 32.0));
    assert_eq!(recognise(32, 1, &inverse_frequencies), Some(Constant::Progression));
    let mut changed = inverse_frequencies;
    changed[7] *= 1.01;
    assert_eq!(recognise(32, 1, &changed), None);
}

#[test]
fn masks_and_untouched_gains() {
    let causal = table(64, 64, |row, col| if col > row { f64::NEG_INFINITY } else { 0.0 });
    assert_eq!(recognise(64, 64, &causal), Some(Constant::FewValues));
    assert_eq!(recognise(384, 1, &[1.0; 384]), Some(Constant::FewValues));
    assert_eq!(recognise(64, 64, &table(64, 64, |row, col| f64::from(u8::from(row == col)))), Some(Constant::FewValues));
}

/// Triangles between equally spaced points of the HTK mel scale, `2595 log10(1 + f / 700)`, as in Whisper's and Kaldi's front ends.
#[test]
fn a_mel_filter_bank() {
    let (n_mels, n_bins, highest) = (40, 257, 8000.0);
    let mel = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
    let hertz = |mel: f64| 700.0 * (10f64.powf(mel / 2595.0) - 1.0);
    let point = |i: usize| hertz(mel(highest) * i as f64 / (n_mels + 1) as f64);
    let filter = |m: usize, bin: usize| {
        let f = highest * bin as f64 / (n_bins - 1) as f64;
        let (up, down) = ((f - point(m)) / (point(m + 1) - point(m)), (point(m + 2) - f) / (point(m + 2) - point(m + 1)));
        (if up < down { up } else { down }).clamp(0.0, 1.0)
    };
    assert_eq!(recognise(n_mels, n_bins, &table(n_mels, n_bins, filter)), Some(Constant::FilterBank));
    assert_eq!(recognise(n_bins, n_mels, &table(n_bins, n_mels, |bin, m| filter(m, bin))), Some(Constant::FilterBank));
}

#[test]
fn nothing_is_said_of_what_is_too_small_or_does_not_fit() {
    assert_eq!(recognise(1, 1, &[0.5]), None);
    assert_eq!(recognise(3, 1, &[1.0, 2.0, 3.0]), None);
    assert_eq!(recognise(4, 4, &[1.0; 15]), None);
    assert_eq!(recognise(1, 8, &[f32::NAN; 8]), None);
}

/// SplitMix64 (Steele, Lea and Flood 2014) and the polar form of the normal distribution.
struct Normal(u64);

impl Normal {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn draw(&mut self) -> f64 {
        let (radius, turn) = ((-2.0 * (1.0 - self.uniform()).ln()).sqrt(), self.uniform());
        radius * (TAU * turn).cos()
    }

    fn matrix(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.draw()).collect()
    }
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_and_trained_like_matrices_are_no_constants(seed: u64, rows in 1usize..40, cols in 1usize..40) {
        let mut normal = Normal(seed);
        let n = rows * cols;
        let gaussian = normal.matrix(n);
        let (left, right) = (normal.matrix(rows), normal.matrix(cols));
        // A strong direction of rank one, as trained matrices have, over noise.
        let low_rank: Vec<f64> = (0..n).map(|i| 3.0 * left[i / cols] * right[i % cols] + 0.1 * gaussian[i]).collect();
        // Gains that training moved a little from one.
        let gains: Vec<f64> = gaussian.iter().map(|g| 1.0 + 1e-3 * g).collect();
        // Positions that changed smoothly down the rows.
        let mut smooth = gaussian.clone();
        for i in cols..n {
            smooth[i] = smooth[i - cols] + 0.05 * gaussian[i];
        }
        let quantised: Vec<f64> = gaussian.iter().map(|g| (g * 40.0).round().clamp(-127.0, 127.0)).collect();
        let pruned: Vec<f64> = gaussian.iter().map(|&g| if g.abs() < 1.0 { 0.0 } else { g }).collect();
        let sorted = { let mut sorted = gaussian.clone(); sorted.sort_by(f64::total_cmp); sorted };
        for (what, values) in [
            ("gaussian", &gaussian), ("low rank", &low_rank), ("gains", &gains), ("smooth", &smooth),
            ("quantised", &quantised), ("sorted", &sorted),
        ] {
            prop_assert_eq!(recognise(rows, cols, &narrow(values)), None, "{}", what);
        }
        if n >= 256 {
            let ternary: Vec<f64> = gaussian.iter().map(|g| (g * 1.2).round().clamp(-1.0, 1.0)).collect();
            prop_assert_eq!(recognise(rows, cols, &narrow(&ternary)), None, "ternary");
            prop_assert_eq!(recognise(rows, cols, &narrow(&pruned)), None, "pruned");
        }
    }
}

/// Along an axis of one place nothing differs; that is no sign of a constant.
#[test]
fn eight_trained_numbers_are_no_constant() {
    let values = [0.3, -1.2, 0.8, 0.1, -0.4, 1.9, -0.7, 0.2];
    assert_eq!([recognise(1, 8, &values), recognise(8, 1, &values)], [None, None]);
    assert_eq!(recognise(1, 16, &[[1.0; 8], [0.0; 8]].concat()), Some(Constant::FewValues));
}
