//! Is the best rotation between two embeddings nearly a permutation? A bound that needs no controls.

use crate::assignment::maximum_weight_assignment;
use crate::tails::ln_factorial;
use crate::{InputError, NullDistribution, PValue};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use std::f64::consts::LN_2;

/// The outcome of [`haar_bound`].
#[derive(Debug, Clone, PartialEq)]
pub struct HaarBound {
    /// `tr = max_π Σ_i |Q_{i,π(i)}|` of the polar factor Q: n if it is a signed permutation.
    pub trace: f64,
    /// The permutation: the suspect's coordinate of each coordinate of the reference.
    pub coordinates: Vec<usize>,
    /// `ln p ≤ −tr²/2 + ln n! + n ln 2`
    pub p: PValue,
}

/// `E₁ᵀ E₂`, row-major `[d, d]`, of two tables `[n, d]` with the same rows in the same order.
///
/// # Errors
/// If the tables are not whole rows, or not equally many.
pub fn cross_gram(reference: &[f32], suspect: &[f32], d: usize) -> Result<Vec<f64>, InputError> {
    let n = reference.len() / d.max(1);
    InputError::check_shape("table of the reference", reference.len(), n, d)?;
    InputError::check_shape("table of the suspect", suspect.len(), n, d)?;
    let mut gram = vec![0.0f64; d * d];
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for rows in (0..n).step_by(ROWS_PER_TILE) {
        let tile = rows * d..(rows + ROWS_PER_TILE).min(n) * d;
        left.clear();
        left.extend(reference[tile.clone()].iter().map(|&v| f64::from(v)));
        right.clear();
        right.extend(suspect[tile.clone()].iter().map(|&v| f64::from(v)));
        let n_rows = tile.len() / d;
        matmul(
            MatMut::from_row_major_slice_mut(&mut gram, d, d),
            Accum::Add,
            MatRef::from_row_major_slice(&left, n_rows, d).transpose(),
            MatRef::from_row_major_slice(&right, n_rows, d),
            1.0,
            Par::Seq,
        );
    }
    Ok(gram)
}

/// The orthogonal polar factor `Q = U Vᵀ` of `C = U Σ Vᵀ`, row-major `[n, n]`, and the smallest singular value over the largest.
///
/// Of `C = Bᵀ A` it is the turn that brings the rows of B closest to those of A, `min ‖B Q − A‖` (Schönemann, Psychometrika 31, 1966). Where
/// `C` is singular, the turn is arbitrary in the directions that it does not see.
///
/// # Errors
/// If the shape is wrong, an entry is not finite, or the decomposition does not converge.
pub fn polar_factor(matrix: &[f64], n: usize) -> Result<(Vec<f64>, f64), InputError> {
    InputError::check_shape("matrix", matrix.len(), n, n)?;
    if n == 0 || matrix.iter().any(|entry| !entry.is_finite()) {
        return Err(InputError::new("matrix", "no entries, or one that is not finite", "finite entries"));
    }
    let decomposition = MatRef::from_row_major_slice(matrix, n, n)
        .svd()
        .map_err(|error| InputError::new("singular values", format!("{error:?}"), "convergence"))?;
    let values = decomposition.S().column_vector();
    let polar: Mat<f64> = decomposition.U() * decomposition.V().transpose();
    Ok(((0..n * n).map(|at| polar[(at / n, at % n)]).collect(), if values[0] > 0.0 { values[n - 1] / values[0] } else { 0.0 }))
}

/// Rows widened to f64 at a time.
const ROWS_PER_TILE: usize = 1024;

/// Compares the orthogonal polar factor `Q = U Vᵀ` of a cross-Gram matrix `C = U Σ Vᵀ`, row-major `[n, n]` (rows: reference), with the signed
/// permutations.
///
/// Null hypothesis: Q is uniform (Haar) on the orthogonal group, as when the coordinates of one side were turned by a rotation
/// independent of the other. For a fixed signed permutation S, the even moments of `tr(SQ)` are at most those of a standard normal
/// (Rains, *Increasing subsequences and the classical groups*, 1998), so `P(tr(SQ) ≥ t) ≤ e^(−t²/2)`; the union over `2^n n!` of them gives
/// `ln p ≤ −tr²/2 + ln n! + n ln 2`. Conservative: independent models give a bound above 1. Reference: MDIR, arXiv:2508.06309.
/// A singular decomposition and an assignment of size n: about half a minute at n = 4096.
///
/// # Errors
/// If the shape is wrong, an entry is not finite, `C` is singular to rounding (its polar factor is then arbitrary), or the decomposition
/// does not converge.
pub fn haar_bound(cross_gram: &[f64], n: usize) -> Result<HaarBound, InputError> {
    InputError::check_shape("cross-Gram matrix", cross_gram.len(), n, n)?;
    if n == 0 || cross_gram.iter().any(|entry| !entry.is_finite()) {
        return Err(InputError::new("cross-Gram matrix", "no entries, or one that is not finite", "finite entries"));
    }
    let (polar, conditioning) = polar_factor(cross_gram, n)?;
    if conditioning <= 1e-13 {
        return Err(InputError::new("cross-Gram matrix", format!("rank below {n}"), "full rank"));
    }
    let magnitudes: Vec<f64> = polar.iter().map(|entry| entry.abs()).collect();
    let assignment = maximum_weight_assignment(&magnitudes, n, n)?;
    let trace = assignment.total;
    let ln_p = -0.5 * trace * trace + ln_factorial(n as u64) + n as f64 * LN_2;
    Ok(HaarBound {
        trace,
        coordinates: assignment.column_of_row.into_iter().flatten().collect(),
        p: PValue::new(ln_p, NullDistribution::Bound { of: "Haar measure, union over signed permutations" }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::{below, generator, shuffle};

    fn random(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = generator(seed, "haar");
        (0..n * n).map(|_| (0..12).map(|_| below(&mut rng, 1 << 30) as f64 / (1u64 << 30) as f64).sum::<f64>() - 6.0).collect()
    }

    #[test]
    fn a_noisy_signed_permutation_is_recognised() {
        let n = 60;
        let mut order: Vec<usize> = (0..n).collect();
        shuffle(&mut generator(1, "order"), &mut order);
        let mut gram: Vec<f64> = random(n, 1).iter().map(|x| 0.02 * x).collect();
        order.iter().enumerate().for_each(|(i, &j)| gram[i * n + j] += if i % 3 == 0 { -1.0 } else { 1.0 } * (1.0 + i as f64 / 10.0));
        let found = haar_bound(&gram, n).unwrap();
        assert_eq!(found.coordinates, order);
        assert!(found.trace > 55.0 && found.trace <= 60.0 + 1e-9);
        assert!(found.p.log10() < -500.0, "{}", found.p.log10());
        // Exchanging the sides transposes the matrix and changes nothing.
        let transposed: Vec<f64> = (0..n * n).map(|at| gram[at % n * n + at / n]).collect();
        assert!((haar_bound(&transposed, n).unwrap().trace - found.trace).abs() < 1e-9);
    }

    #[test]
    fn random_rotations_stay_below_the_bound() {
        // Gaussian matrices have Haar polar factors. With n = 12 the bound is close to 1, where it could fail first.
        let n_draws = 400;
        let ps: Vec<f64> = (0..n_draws).map(|seed| haar_bound(&random(12, seed), 12).unwrap().p.value()).collect();
        for level in [0.001, 0.01, 0.05, 0.2, 0.5] {
            let rate = ps.iter().filter(|&&p| p <= level).count() as f64 / n_draws as f64;
            assert!(rate <= level, "{level}: {rate}");
        }
    }

    #[test]
    fn the_trace_of_a_haar_matrix_is_sub_gaussian() {
        // The step that the bound rests on, for the identity: P(tr Q ≥ t) ≤ e^(−t²/2), with n = 3 and 20,000 draws.
        let n_draws = 20_000u32;
        let traces: Vec<f64> = (0..n_draws)
            .map(|seed| {
                let gram = random(3, u64::from(seed));
                let decomposition = MatRef::from_row_major_slice(&gram, 3, 3).svd().unwrap();
                let polar: Mat<f64> = decomposition.U() * decomposition.V().transpose();
                (0..3).map(|i| polar[(i, i)]).sum()
            })
            .collect();
        for t in [0.5, 1.0, 1.5, 2.0, 2.5, 2.9] {
            let rate = traces.iter().filter(|&&trace| trace >= t).count() as f64 / f64::from(n_draws);
            assert!(rate <= (-0.5f64 * t * t).exp() + 0.01, "{t}: {rate}");
        }
    }

    #[test]
    fn bad_matrices_are_refused() {
        assert!(haar_bound(&[1.0; 3], 2).is_err());
        assert!(haar_bound(&[1.0; 4], 2).is_err(), "rank one");
        assert!(haar_bound(&[1.0, 0.0, 0.0, f64::NAN], 2).is_err());
        assert!(haar_bound(&[], 0).is_err());
    }
}
