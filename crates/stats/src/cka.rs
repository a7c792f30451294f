//! Centred kernel alignment: how alike two representations of the same inputs are, whatever their bases, and without the bias of small samples.
//!
//! Kornblith, Norouzi, Lee and Hinton, *Similarity of neural network representations revisited* (ICML 2019). With more coordinates than inputs
//! the plain statistic calls independent representations alike (.95 for 200 inputs and 4,096 coordinates); the unbiased estimate of HSIC by Song,
//! Smola, Gretton, Bedo and Borgwardt, *Feature selection via dependence maximization* (JMLR 13, 2012), eq. 5, is zero for them in the mean.

use crate::InputError;
use crate::sampling::generator;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};
use rand_chacha::rand_core::Rng;

/// Directions beyond the wanted ones, and rounds of the subspace iteration. A component that dominates is exact to many digits; what is taken
/// away is a projection in any case.
const OVERSAMPLING: usize = 8;
const ROUNDS: usize = 12;
/// Inputs below which the unbiased estimate does not exist.
const MIN_INPUTS: usize = 4;

/// Products of all pairs of inputs, centred in both directions: `H X Xᵀ H`.
#[derive(Debug, Clone)]
pub struct CentredGram {
    n: usize,
    entries: Vec<f64>,
}

/// Leading principal components of the inputs.
#[derive(Debug, Clone)]
pub struct Components {
    /// Eigenvalues of the Gram matrix, falling.
    pub values: Vec<f64>,
    vectors: Mat<f64>,
    /// Squares of all eigenvalues, of which the component's own is its weight in the alignment.
    pub total_squares: f64,
}

impl CentredGram {
    /// From the products `X Xᵀ`, row-major `[n, n]`.
    ///
    /// # Errors
    /// If the shape is wrong, there are fewer than four inputs, or an entry is not finite.
    pub fn new(products: &[f32], n: usize) -> Result<Self, InputError> {
        InputError::check_shape("products of inputs", products.len(), n, n)?;
        if n < MIN_INPUTS {
            return Err(InputError::new("inputs", n, format!("at least {MIN_INPUTS}")));
        }
        if products.iter().any(|v| !v.is_finite()) {
            return Err(InputError::new("products of inputs", "an entry that is not finite", "finite entries"));
        }
        let mut entries: Vec<f64> = products.iter().map(|&v| f64::from(v)).collect();
        let means: Vec<f64> = entries.chunks_exact(n).map(|row| row.iter().sum::<f64>() / n as f64).collect();
        let mean = means.iter().sum::<f64>() / n as f64;
        for (row, row_mean) in entries.chunks_exact_mut(n).zip(&means) {
            row.iter_mut().zip(&means).for_each(|(v, column_mean)| *v += mean - row_mean - column_mean);
        }
        Ok(Self { n, entries })
    }

    fn matrix(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice(&self.entries, self.n, self.n)
    }

    fn times(&self, vectors: MatRef<'_, f64>) -> Mat<f64> {
        let mut product = Mat::zeros(self.n, vectors.ncols());
        matmul(product.as_mut(), Accum::Replace, self.matrix(), vectors, 1.0, Par::Seq);
        product
    }

    /// At most `k` leading components, by a subspace iteration whose start is the same for ever.
    ///
    /// # Errors
    /// If the decomposition does not converge.
    pub fn leading(&self, k: usize) -> Result<Components, InputError> {
        let width = (k + OVERSAMPLING).min(self.n);
        let mut rng = generator(0, "principal components");
        let mut basis = Mat::from_fn(self.n, width, |_, _| if rng.next_u64() >> 63 == 0 { 1.0 } else { -1.0 });
        for _ in 0..ROUNDS {
            basis = self.times(basis.as_ref()).qr().compute_thin_Q();
        }
        let small = basis.transpose() * self.times(basis.as_ref());
        let failed = |_| InputError::new("products of inputs", "no convergence of the decomposition", "finite entries of moderate size");
        let eigen = small.self_adjoint_eigen(Side::Lower).map_err(failed)?;
        let n_kept = k.min(width);
        // faer gives the smallest first.
        let at = |i: usize| width - 1 - i;
        let turn = Mat::from_fn(width, n_kept, |i, j| eigen.U()[(i, at(j))]);
        Ok(Components {
            values: (0..n_kept).map(|i| eigen.S()[at(i)]).collect(),
            vectors: basis * turn,
            total_squares: self.entries.iter().map(|v| v * v).sum(),
        })
    }

    /// The Gram matrix of the inputs without their first `k` components.
    #[must_use]
    pub fn without(&self, components: &Components, k: usize) -> Self {
        let u = components.vectors.get(.., ..k.min(components.vectors.ncols()));
        let image = self.times(u);
        // (1 − UUᵀ) C (1 − UUᵀ) = C − U Wᵀ − W Uᵀ with W = CU − U (UᵀCU) / 2.
        let inner = u.transpose() * &image;
        let half = image - faer::Scale(0.5) * (u * inner);
        let mut entries = self.entries.clone();
        let target = faer::MatMut::from_row_major_slice_mut(&mut entries, self.n, self.n);
        let mut target = target;
        matmul(target.as_mut(), Accum::Add, u, half.transpose(), -1.0, Par::Seq);
        matmul(target, Accum::Add, half.as_ref(), u.transpose(), -1.0, Par::Seq);
        Self { n: self.n, entries }
    }

    /// `n (n − 3)` times the unbiased estimate of HSIC with another one; unbiased also given the inputs, over all orders of one side.
    fn unbiased_hsic(&self, other: &Self) -> f64 {
        let n = self.n as f64;
        let diagonal = |gram: &Self| gram.entries.iter().step_by(gram.n + 1).copied().collect::<Vec<f64>>();
        let (a, b) = (diagonal(self), diagonal(other));
        let products: f64 = self.entries.iter().zip(&other.entries).map(|(x, y)| x * y).sum();
        let on_diagonal: f64 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
        // Centred rows sum to zero, so without its diagonal a row sums to minus the diagonal's entry.
        let traces = a.iter().sum::<f64>() * b.iter().sum::<f64>();
        products - on_diagonal + traces / ((n - 1.0) * (n - 2.0)) - 2.0 / (n - 2.0) * on_diagonal
    }

    fn biased_hsic(&self, other: &Self) -> f64 {
        self.entries.iter().zip(&other.entries).map(|(x, y)| x * y).sum()
    }
}

impl Components {
    /// How many components have to go until none of what is left carries more than `share` of the alignment's weight, the squares of the
    /// eigenvalues; at most all of the components that are known.
    pub fn dominant(&self, share: f64) -> usize {
        let mut rest = self.total_squares;
        for (k, value) in self.values.iter().enumerate() {
            let own = value * value;
            if own <= share * rest {
                return k;
            }
            rest -= own;
        }
        self.values.len()
    }
}

/// The unbiased alignment, from −1 to 1 and 0 in the mean for independent representations; `None` where a side does not vary, or the number of
/// inputs differs.
pub fn unbiased_cka(a: &CentredGram, b: &CentredGram) -> Option<f64> {
    ratio(a, b, CentredGram::unbiased_hsic)
}

/// The plain alignment, from 0 to 1; far from 0 for independent representations of many coordinates.
pub fn biased_cka(a: &CentredGram, b: &CentredGram) -> Option<f64> {
    ratio(a, b, CentredGram::biased_hsic)
}

fn ratio(a: &CentredGram, b: &CentredGram, hsic: impl Fn(&CentredGram, &CentredGram) -> f64) -> Option<f64> {
    if a.n != b.n {
        return None;
    }
    let (aa, bb) = (hsic(a, a), hsic(b, b));
    // Of centred inputs that are all alike, rounding is left.
    let varies = |own: f64, gram: &CentredGram| own > 1e-12 * gram.biased_hsic(gram) && own > 0.0;
    (varies(aa, a) && varies(bb, b)).then(|| (hsic(a, b) / (aa * bb).sqrt()).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests;
