//! Monte-Carlo permutation: of one axis against the other, and of both axes of a matrix together.

use crate::sampling::shuffle;
use crate::{InputError, PValue};
use rand_chacha::ChaCha8Rng;

/// Sums that differ by less than this, relative to their largest possible size, are equal: the order of addition must not decide.
const EQUAL: f64 = 1e-12;

/// `p = (1 + #{Σ_i C_{i,π(i)} ≥ Σ_i C_ii}) / (1 + n)` over `n_draws` uniform permutations π of a similarity matrix, row-major
/// `[n_units, n_units]`.
///
/// Null hypothesis: that of the [module](crate::alignment). Valid at any `n_draws`; ties count against the alternative.
///
/// # Errors
/// If the shape is wrong, or an entry is not finite.
pub fn permutation_p<T: Copy + Into<f64>>(
    similarity: &[T],
    n_units: usize,
    n_draws: u32,
    generator: &mut ChaCha8Rng,
) -> Result<PValue, InputError> {
    InputError::check_shape("similarity matrix", similarity.len(), n_units, n_units)?;
    let tolerance = EQUAL * n_units as f64 * largest_magnitude("similarity matrix", similarity)?;
    let statistic = |order: &[u32]| -> f64 { order.iter().enumerate().map(|(i, &j)| similarity[i * n_units + j as usize].into()).sum() };
    let mut order: Vec<u32> = (0..n_units as u32).collect();
    let observed = statistic(&order);
    let mut as_extreme = 0;
    for _ in 0..n_draws {
        shuffle(generator, &mut order);
        if statistic(&order) >= observed - tolerance {
            as_extreme += 1;
        }
    }
    Ok(PValue::from_permutations(as_extreme, n_draws))
}

/// The outcome of [`joint_permutation`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JointPermutation {
    /// `T = Σ A_ij B_ij` as the units stand.
    pub observed: f64,
    /// Mean of `T` over the drawn permutations.
    pub mean: f64,
    /// Standard deviation of `T` over the drawn permutations; 0 with fewer than two draws.
    pub standard_deviation: f64,
    /// `(1 + #{T_π ≥ T}) / (1 + n)`
    pub p: PValue,
}

impl JointPermutation {
    /// `(T − mean) / standard deviation`, a description and no p-value; `None` where the deviation is 0.
    pub fn z(&self) -> Option<f64> {
        (self.standard_deviation > 0.0).then(|| (self.observed - self.mean) / self.standard_deviation)
    }
}

/// Permutes both axes of a matrix together, where they share one space: recurrent weights, a transform before a tied decoder.
///
/// `reference` and `suspect` are row-major `[n_blocks · n_units, n_units]`: one square matrix, or the stacked gates of a recurrent layer,
/// each of which has the same space on both axes. Statistic: `T_π = Σ_g Σ_ij A^g_ij B^g_{π(i)π(j)}`, the upper tail counts; for a correlation,
/// centre and scale first. Null hypothesis: the units of the suspect carry their indices in a uniformly random order, the same on both
/// axes and in all blocks. (The formula of [`RowAlignment`](super::RowAlignment) does not apply: such a matrix is often near-diagonal in every
/// model.) Reference for the scheme: Mantel, *The detection of disease clustering*, Cancer Research 27 (1967).
///
/// # Errors
/// If a shape is wrong, or an entry is not finite.
pub fn joint_permutation(
    reference: &[f32],
    suspect: &[f32],
    n_blocks: usize,
    n_units: usize,
    n_draws: u32,
    generator: &mut ChaCha8Rng,
) -> Result<JointPermutation, InputError> {
    let n_rows = n_blocks.checked_mul(n_units).ok_or_else(|| InputError::new("number of blocks", n_blocks, "fewer"))?;
    InputError::check_shape("matrix of the reference", reference.len(), n_rows, n_units)?;
    InputError::check_shape("matrix of the suspect", suspect.len(), n_rows, n_units)?;
    let size = largest_magnitude("matrix of the reference", reference)? * largest_magnitude("matrix of the suspect", suspect)?;
    let tolerance = EQUAL * reference.len() as f64 * size;
    let mut order: Vec<u32> = (0..n_units as u32).collect();
    let observed = joint_statistic(reference, suspect, &order);
    let mut as_extreme = 0;
    // Welford's recurrence: the deviation may be far smaller than the mean.
    let (mut mean, mut sum_squares) = (0.0, 0.0);
    for draw in 1..=n_draws {
        shuffle(generator, &mut order);
        let statistic = joint_statistic(reference, suspect, &order);
        if statistic >= observed - tolerance {
            as_extreme += 1;
        }
        let difference = statistic - mean;
        mean += difference / f64::from(draw);
        sum_squares += difference * (statistic - mean);
    }
    let standard_deviation = if n_draws < 2 { 0.0 } else { (sum_squares / (f64::from(n_draws) - 1.0)).sqrt() };
    Ok(JointPermutation { observed, mean, standard_deviation, p: PValue::from_permutations(as_extreme, n_draws) })
}

fn joint_statistic(reference: &[f32], suspect: &[f32], order: &[u32]) -> f64 {
    let n_units = order.len().max(1);
    let n_entries = n_units * n_units;
    let mut total = 0.0;
    for (block, permuted) in reference.chunks_exact(n_entries).zip(suspect.chunks_exact(n_entries)) {
        for (row, &image) in block.chunks_exact(n_units).zip(order) {
            let start = image as usize * n_units;
            let other = &permuted[start..start + n_units];
            // Four independent sums: a fixed order of addition that does not wait for the previous one.
            let mut sums = [0.0f64; 4];
            let mut quads = row.chunks_exact(4).zip(order.chunks_exact(4));
            for (entries, places) in &mut quads {
                for lane in 0..4 {
                    sums[lane] += f64::from(entries[lane]) * f64::from(other[places[lane] as usize]);
                }
            }
            let done = n_units / 4 * 4;
            for (&entry, &place) in row[done..].iter().zip(&order[done..]) {
                sums[0] += f64::from(entry) * f64::from(other[place as usize]);
            }
            total += (sums[0] + sums[1]) + (sums[2] + sums[3]);
        }
    }
    total
}

fn largest_magnitude<T: Copy + Into<f64>>(what: &'static str, entries: &[T]) -> Result<f64, InputError> {
    let mut largest = 0.0;
    for &entry in entries {
        let magnitude = entry.into().abs();
        if !magnitude.is_finite() {
            return Err(InputError::new(what, "an entry that is not finite", "finite entries"));
        }
        if magnitude > largest {
            largest = magnitude;
        }
    }
    Ok(largest)
}
