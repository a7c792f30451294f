//! The leading singular values of a matrix that is streamed by rows, twice, and whether it is a low-rank matrix plus noise.

use crate::InputError;
use crate::basis::orthonormal_basis;
use crate::sampling::generator;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};
use rand_chacha::rand_core::Rng;

/// Extra directions beyond the wanted singular values (Halko, Martinsson and Tropp recommend 5 to 10).
const OVERSAMPLING: usize = 8;
/// Rows widened to f64 at a time.
const ROWS_PER_TILE: usize = 128;

/// First pass of a randomised singular value decomposition of `Δ` `[any, n_columns]`: accumulates `W = ΔᵀΔΩ` with random signs `Ω`.
///
/// Halko, Martinsson and Tropp, *Finding structure with randomness* (SIAM Review 53, 2011), algorithm 4.3 with one power step. `Δ` is
/// never held: memory is `O(n_columns · (n_values + 8))`. Push the rows in order, then push the same rows to [`second_pass`](Self::second_pass).
#[derive(Debug)]
pub struct SpectrumSketch {
    n_values: usize,
    rows: RowReader,
    signs: Mat<f64>,
    product: Mat<f64>,
}

/// Second pass: projects the rows on the subspace that the first pass found.
#[derive(Debug)]
pub struct SpectrumProjection {
    n_values: usize,
    n_rows_of_first_pass: usize,
    rows: RowReader,
    basis: Mat<f64>,
    gram: Mat<f64>,
}

/// The leading singular values of a matrix, and its size.
#[derive(Debug, Clone, PartialEq)]
pub struct SketchedSpectrum {
    /// Falling. Those well above the rest are exact to many digits; those inside a flat bulk come out up to about a third too small.
    pub singular_values: Vec<f64>,
    /// The squared Frobenius norm, exact: the sum of *all* squared singular values.
    pub total_squares: f64,
    /// Number of rows.
    pub n_rows: usize,
    /// Number of columns.
    pub n_columns: usize,
}

/// Cuts pushed rows into tiles and widens them.
#[derive(Debug)]
struct RowReader {
    n_columns: usize,
    n_rows: usize,
    total_squares: f64,
    tile: Vec<f64>,
}

impl RowReader {
    fn new(n_columns: usize) -> Self {
        Self { n_columns, n_rows: 0, total_squares: 0.0, tile: Vec::new() }
    }

    fn push(&mut self, rows: &[f32], mut visit: impl FnMut(MatRef<'_, f64>)) -> Result<(), InputError> {
        if !rows.len().is_multiple_of(self.n_columns) {
            return Err(InputError::new("rows", format!("{} entries", rows.len()), format!("a multiple of {}", self.n_columns)));
        }
        for tile in rows.chunks(ROWS_PER_TILE * self.n_columns) {
            self.tile.clear();
            self.tile.extend(tile.iter().map(|&entry| f64::from(entry)));
            let squares: f64 = self.tile.iter().map(|entry| entry * entry).sum();
            if !squares.is_finite() {
                return Err(InputError::new("rows", "an entry that is not finite", "finite entries"));
            }
            self.total_squares += squares;
            let n_rows = tile.len() / self.n_columns;
            visit(MatRef::from_row_major_slice(&self.tile, n_rows, self.n_columns));
            self.n_rows += n_rows;
        }
        Ok(())
    }
}

impl SpectrumSketch {
    /// For matrices of `n_columns` columns, of which the `n_values` largest singular values are wanted.
    ///
    /// # Errors
    /// If there are no columns or no values are wanted.
    pub fn new(n_columns: usize, n_values: usize, seed: u64) -> Result<Self, InputError> {
        if n_columns == 0 || n_values == 0 {
            return Err(InputError::new("sketch", format!("{n_values} values of {n_columns} columns"), "at least one of each"));
        }
        let width = n_values.saturating_add(OVERSAMPLING).min(n_columns);
        let mut rng = generator(seed, "spectrum");
        let signs = Mat::from_fn(n_columns, width, |_, _| if rng.next_u64() >> 63 == 0 { 1.0 } else { -1.0 });
        Ok(Self { n_values: n_values.min(width), rows: RowReader::new(n_columns), signs, product: Mat::zeros(n_columns, width) })
    }

    /// Adds the next rows, row-major `[any, n_columns]`.
    ///
    /// # Errors
    /// If the slice is not whole rows, or an entry is not finite.
    pub fn push_rows(&mut self, rows: &[f32]) -> Result<(), InputError> {
        let (signs, product) = (&self.signs, &mut self.product);
        self.rows.push(rows, |tile| {
            let mut image = Mat::zeros(tile.nrows(), signs.ncols());
            matmul(image.as_mut(), Accum::Replace, tile, signs.as_ref(), 1.0, Par::Seq);
            matmul(product.as_mut(), Accum::Add, tile.transpose(), image.as_ref(), 1.0, Par::Seq);
        })
    }

    /// Ends the first pass.
    pub fn second_pass(self) -> SpectrumProjection {
        let basis = self.product.qr().compute_thin_Q();
        SpectrumProjection {
            n_values: self.n_values,
            n_rows_of_first_pass: self.rows.n_rows,
            rows: RowReader::new(self.rows.n_columns),
            gram: Mat::zeros(basis.ncols(), basis.ncols()),
            basis,
        }
    }
}

impl SpectrumProjection {
    /// Adds the next rows: the same as in the first pass, in any tiling.
    ///
    /// # Errors
    /// If the slice is not whole rows, or an entry is not finite.
    pub fn push_rows(&mut self, rows: &[f32]) -> Result<(), InputError> {
        let (basis, gram) = (&self.basis, &mut self.gram);
        self.rows.push(rows, |tile| {
            let mut image = Mat::zeros(tile.nrows(), basis.ncols());
            matmul(image.as_mut(), Accum::Replace, tile, basis.as_ref(), 1.0, Par::Seq);
            matmul(gram.as_mut(), Accum::Add, image.transpose(), image.as_ref(), 1.0, Par::Seq);
        })
    }

    /// Ends the second pass.
    ///
    /// # Errors
    /// If the passes saw different numbers of rows, or the eigenvalues do not converge.
    pub fn finish(self) -> Result<SketchedSpectrum, InputError> {
        if self.rows.n_rows != self.n_rows_of_first_pass {
            return Err(InputError::new("rows of the second pass", self.rows.n_rows, format!("{}", self.n_rows_of_first_pass)));
        }
        let mut squares = self
            .gram
            .self_adjoint_eigenvalues(Side::Lower)
            .map_err(|error| InputError::new("eigenvalues", format!("{error:?}"), "convergence"))?;
        squares.sort_by(|one, other| other.total_cmp(one));
        squares.truncate(self.n_values.min(self.rows.n_rows));
        // Rounding makes a zero eigenvalue slightly negative.
        let singular_values = squares.into_iter().map(|square| if square > 0.0 { square.sqrt() } else { 0.0 }).collect();
        Ok(SketchedSpectrum {
            singular_values,
            total_squares: self.rows.total_squares,
            n_rows: self.rows.n_rows,
            n_columns: self.rows.n_columns,
        })
    }
}

impl SketchedSpectrum {
    /// The rank r ≥ 1 at which the matrix splits into r strong directions and a rest that looks like noise; `None` if there is no such r
    /// among the known singular values: a full-rank matrix, pure noise, or a spectrum that falls without a step.
    ///
    /// A rest of independent entries with the energy that remains, `s² = (Σσ² − Σ_{i≤r} σ_i²) / ((m−r)(n−r))`, has its largest singular value
    /// near `s (√(m−r) + √(n−r))` (the edge of Marchenko and Pastur's law). Accepted is the least r with
    /// `σ_{r+1}` at most 1.15 edges (there is no further signal), `σ_r` at least 1.3 edges and 1.3 `σ_{r+1}` (a step), and
    /// a flat rest: `σ_{r+1}` at most 1.35 `σ_{r+8}`, which must be known.
    /// A rest below `1e-6` of the whole in norm is exact low rank. A description with fixed thresholds, not a test: it has no p-value.
    pub fn low_rank(&self) -> Option<usize> {
        const FLAT_UNTIL: usize = 8;
        let mut rest = self.total_squares;
        for rank in 1..self.singular_values.len() {
            rest -= self.singular_values[rank - 1] * self.singular_values[rank - 1];
            let (strong, next) = (self.singular_values[rank - 1], self.singular_values[rank]);
            if rest <= 1e-12 * self.total_squares {
                return (strong > 1e3 * next).then_some(rank);
            }
            let later = *self.singular_values.get(rank + FLAT_UNTIL - 1)?;
            let (m, n) = ((self.n_rows - rank) as f64, (self.n_columns - rank) as f64);
            let edge = (rest / (m * n)).sqrt() * (m.sqrt() + n.sqrt());
            if next <= 1.15 * edge && strong >= 1.3 * edge && strong >= 1.3 * next && next <= 1.35 * later {
                return Some(rank);
            }
        }
        None
    }

    /// `√(Σ_{i>r} σᵢ² / Σ σᵢ²)`: what the strongest `rank` directions leave of the whole in norm.
    pub fn rest(&self, rank: usize) -> f64 {
        let strong: f64 = self.singular_values.iter().take(rank).map(|s| s * s).sum();
        (1.0 - strong / self.total_squares).clamp(0.0, 1.0).sqrt()
    }
}

/// The mean of `cos²` of the principal angles between the column spaces of two matrices `[n, width]` with the same rows.
///
/// `‖Q_aᵀ Q_b‖² / min(a, b)` with orthonormal bases of the two (Björck and Golub, Math. Comp. 27, 1973). 1 where the smaller space lies in the
/// larger; `max(a, b)/n` in the mean for random spaces. Columns that depend on others up to rounding leave the space.
///
/// # Errors
/// If a shape is wrong, there are fewer rows than columns, or an entry is not finite.
pub fn mean_squared_cosine((a, a_width): (&[f32], usize), (b, b_width): (&[f32], usize)) -> Result<f64, InputError> {
    let n = a.len() / a_width.max(1);
    InputError::check_shape("first matrix", a.len(), n, a_width)?;
    InputError::check_shape("second matrix", b.len(), n, b_width)?;
    if n < a_width.max(b_width) || a_width == 0 || b_width == 0 {
        return Err(InputError::new("rows", n, format!("at least as many as columns, {a_width} and {b_width}")));
    }
    if a.iter().chain(b).any(|v| !v.is_finite()) {
        return Err(InputError::new("matrix", "an entry that is not finite", "finite entries"));
    }
    let basis = |values: &[f32], width: usize| {
        let wide: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
        orthonormal_basis(MatRef::from_row_major_slice(&wide, n, width), 1e-6)
    };
    let (a, b) = (basis(a, a_width), basis(b, b_width));
    if a.ncols() == 0 || b.ncols() == 0 {
        return Err(InputError::new("matrix", "all zeros", "a column that is not zero"));
    }
    let product: Mat<f64> = a.transpose() * &b;
    Ok(product.squared_norm_l2() / a.ncols().min(b.ncols()) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_are_those_of_the_spaces_and_not_of_the_bases() {
        let mut rng = generator(3, "angles");
        let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| crate::sampling::below(&mut rng, 2001) as f32 / 1000.0 - 1.0).collect() };
        let (n, d) = (200, 10);
        let a = draw(n * d);
        let map = draw(d * d);
        let mapped: Vec<f32> =
            a.chunks(d).flat_map(|row| (0..d).map(|j| (0..d).map(|i| row[i] * map[i * d + j]).sum::<f32>()).collect::<Vec<_>>()).collect();
        assert!((mean_squared_cosine((&a, d), (&mapped, d)).unwrap() - 1.0).abs() < 1e-6);
        let narrow: Vec<f32> = a.chunks(d).flat_map(|row| row[..4].to_vec()).collect();
        assert!((mean_squared_cosine((&a, d), (&narrow, 4)).unwrap() - 1.0).abs() < 1e-6);
        // Random spaces: d/n in the mean, here 0.05 with a standard deviation of about 0.01.
        let b = draw(n * d);
        let chance = mean_squared_cosine((&a, d), (&b, d)).unwrap();
        assert!((chance - 0.05).abs() < 0.03, "{chance}");
        assert_eq!(chance, mean_squared_cosine((&a, d), (&b, d)).unwrap());
        assert!(mean_squared_cosine((&a, d), (&b[..100], 5)).is_err());
    }
    use crate::sampling::below;
    use rand_chacha::ChaCha8Rng;

    fn gaussian(rng: &mut ChaCha8Rng) -> f64 {
        (0..12).map(|_| below(rng, 1 << 30) as f64 / (1u64 << 30) as f64).sum::<f64>() - 6.0
    }

    fn random(n_rows: usize, n_columns: usize, rng: &mut ChaCha8Rng) -> Mat<f64> {
        Mat::from_fn(n_rows, n_columns, |_, _| gaussian(rng))
    }

    fn row_major(matrix: &Mat<f64>) -> Vec<f32> {
        (0..matrix.nrows()).flat_map(|i| (0..matrix.ncols()).map(move |j| matrix[(i, j)] as f32)).collect()
    }

    fn spectrum(rows: &[f32], n_columns: usize, n_values: usize, rows_a_push: usize) -> SketchedSpectrum {
        let mut first = SpectrumSketch::new(n_columns, n_values, 5).unwrap();
        rows.chunks(rows_a_push * n_columns).for_each(|tile| first.push_rows(tile).unwrap());
        let mut second = first.second_pass();
        second.push_rows(rows).unwrap();
        second.finish().unwrap()
    }

    /// `U diag(σ) Vᵀ` with random orthonormal factors.
    fn with_singular_values(n_rows: usize, n_columns: usize, values: &[f64], rng: &mut ChaCha8Rng) -> Mat<f64> {
        let u = random(n_rows, values.len(), rng).qr().compute_thin_Q();
        let v = random(n_columns, values.len(), rng).qr().compute_thin_Q();
        let scaled = Mat::from_fn(n_rows, values.len(), |i, j| u[(i, j)] * values[j]);
        &scaled * v.transpose()
    }

    /// What storing `weight + delta` in bf16 leaves of `delta`.
    fn after_bf16(delta: &Mat<f64>, rng: &mut ChaCha8Rng) -> Mat<f64> {
        let round = |x: f64| {
            let bits = (x as f32).to_bits();
            f64::from(f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000))
        };
        Mat::from_fn(delta.nrows(), delta.ncols(), |i, j| {
            let weight = round(0.02 * gaussian(rng));
            round(weight + delta[(i, j)]) - weight
        })
    }

    #[test]
    fn singular_values_are_those_of_the_full_decomposition() {
        let mut rng = generator(1, "test");
        let values: Vec<f64> = (0..30).map(|i| 2f64.powi(-i)).collect();
        for (m, n) in [(150, 60), (60, 150), (300, 40)] {
            let matrix = with_singular_values(m, n, &values, &mut rng);
            let found = spectrum(&row_major(&matrix), n, 8, 7);
            for (found, expected) in found.singular_values.iter().zip(&values) {
                assert!((found / expected - 1.0).abs() < 1e-5, "{found} {expected}");
            }
            assert_eq!(found.singular_values.len(), 8);
            let total: f64 = values.iter().map(|value| value * value).sum();
            assert!((found.total_squares / total - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn a_planted_adapter_is_found_under_bf16_rounding() {
        let mut rng = generator(2, "test");
        for (m, n, rank) in [(256, 192, 8), (192, 256, 1), (320, 320, 16)] {
            let delta = &random(m, rank, &mut rng) * random(rank, n, &mut rng);
            let scaled = Mat::from_fn(m, n, |i, j| 6e-4 * delta[(i, j)]);
            let stored = after_bf16(&scaled, &mut rng);
            let found = spectrum(&row_major(&stored), n, 32, m);
            assert_eq!(found.low_rank(), Some(rank), "{m}×{n}: {found:?}");
            // Without rounding it is exactly of low rank.
            assert_eq!(spectrum(&row_major(&scaled), n, 32, m).low_rank(), Some(rank), "{m}×{n}, exact");
            // Transposed.
            let across = row_major(&stored.transpose().to_owned());
            assert_eq!(spectrum(&across, m, 32, n).low_rank(), Some(rank), "{n}×{m}");
        }
    }

    #[test]
    fn noise_and_falling_spectra_have_no_low_rank() {
        let mut rng = generator(3, "test");
        let (m, n) = (256, 200);
        for _ in 0..10 {
            assert_eq!(spectrum(&row_major(&random(m, n, &mut rng)), n, 32, m).low_rank(), None);
        }
        for exponent in [0.25, 0.5, 0.75, 1.0, 1.5, 2.0] {
            let values: Vec<f64> = (1..=n).map(|i| (i as f64).powf(-exponent)).collect();
            let matrix = with_singular_values(m, n, &values, &mut rng);
            let found = spectrum(&row_major(&matrix), n, 32, m);
            assert_eq!(found.low_rank(), None, "{exponent}: {:?}", found.singular_values);
        }
        // Training deltas: a few strong directions over a slowly falling rest are not an adapter.
        let values: Vec<f64> = (1..=n).map(|i| if i <= 4 { 10.0 / i as f64 } else { 2.0 * (i as f64).powf(-0.7) }).collect();
        assert_eq!(spectrum(&row_major(&with_singular_values(m, n, &values, &mut rng)), n, 32, m).low_rank(), None);
    }

    #[test]
    fn scaling_changes_nothing_and_seeds_repeat() {
        let mut rng = generator(4, "test");
        let rows = row_major(&random(100, 50, &mut rng));
        let (one, again) = (spectrum(&rows, 50, 10, 100), spectrum(&rows, 50, 10, 100));
        assert_eq!(one, again);
        let doubled: Vec<f32> = rows.iter().map(|x| 2.0 * x).collect();
        let doubled = spectrum(&doubled, 50, 10, 100);
        assert!((doubled.singular_values[3] / one.singular_values[3] - 2.0).abs() < 1e-9);
        assert_eq!(doubled.low_rank(), one.low_rank());
    }

    #[test]
    fn edges_and_bad_input() {
        assert!(SpectrumSketch::new(0, 3, 0).is_err() && SpectrumSketch::new(3, 0, 0).is_err());
        let mut sketch = SpectrumSketch::new(3, 2, 0).unwrap();
        assert!(sketch.push_rows(&[1.0; 4]).is_err());
        assert!(sketch.push_rows(&[1.0, 2.0, f32::NAN]).is_err());
        let mut sketch = SpectrumSketch::new(3, 2, 0).unwrap();
        sketch.push_rows(&[1.0; 6]).unwrap();
        let mut second = sketch.second_pass();
        second.push_rows(&[1.0; 3]).unwrap();
        assert!(second.finish().is_err());
        let zeros = spectrum(&[0.0; 300], 10, 5, 30);
        assert_eq!((zeros.low_rank(), zeros.total_squares), (None, 0.0));
        assert_eq!(spectrum(&[], 10, 5, 1).low_rank(), None);
    }
}
