//! The exact law of coincidences: how many of m mutual nearest neighbours among h units would carry equal indices by chance.

use crate::tails::{ln_add, ln_factorial};
use crate::{InputError, NullDistribution, PValue};

/// The coincidences of one block: `n_hits` of `n_mutual` mutual nearest neighbours among `n_units` units carry equal indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coincidences {
    /// `h`
    pub n_units: u64,
    /// `m ≤ h`
    pub n_mutual: u64,
    /// `K ≤ m`
    pub n_hits: u64,
}

/// `ln P(K ≥ k)` for one block of `h` units with `m` mutual pairs. `−∞` for `k > m`; NaN for `m > h`.
///
/// Null hypothesis: that of the [module](crate::alignment). The m pairs are then hit by a uniform random permutation, and
/// `P(K ≥ k) = Σ_{j≥k} (−1)^{j−k} C(j−1, k−1) S_j` with the factorial moments `S_j = C(m, j) (h−j)!/h!` (Feller, vol. I, IV.5;
/// `m = h` is the matching problem of Montmort). At `k = m = h` it is `1/h!`. Successive terms fall at least like `1/(j−k+1)`, so the
/// sum is taken relative to its first term, whose logarithm is a sum of at most `m` logarithms: no step cancels.
pub fn ln_coincidence_sf(n_units: u64, n_mutual: u64, n_hits: u64) -> f64 {
    if n_mutual > n_units {
        return f64::NAN;
    }
    if n_hits == 0 {
        return 0.0;
    }
    if n_hits > n_mutual {
        return f64::NEG_INFINITY;
    }
    let (h, m, k) = (n_units as f64, n_mutual as f64, n_hits as f64);
    let series = alternating(|i| (k + i) / (i + 1.0) * (m - k - i) / ((k + i + 1.0) * (h - k - i)), n_mutual - n_hits);
    let ln_p = ln_factorial_moment(n_units, n_mutual, n_hits) + series.ln();
    // At k = 1, m = h = 1 the event is certain; rounding may carry it past one.
    if ln_p > 0.0 { 0.0 } else { ln_p }
}

/// `ln P(K = k)`, the same series without the binomial weight: `Σ_{j≥k} (−1)^{j−k} C(j, k) S_j`.
fn ln_coincidence_pmf(n_units: u64, n_mutual: u64, n_hits: u64) -> f64 {
    if n_hits > n_mutual {
        return f64::NEG_INFINITY;
    }
    let (h, m, k) = (n_units as f64, n_mutual as f64, n_hits as f64);
    let series = alternating(|i| (m - k - i) / ((i + 1.0) * (h - k - i)), n_mutual - n_hits);
    // Exactly zero where all but one of the units would have to be at their own place.
    if series <= 1e-15 { f64::NEG_INFINITY } else { ln_factorial_moment(n_units, n_mutual, n_hits) + series.ln() }
}

/// `1 − r_0 + r_0 r_1 − …`, where `ratio(i)` leads from term `i` to term `i + 1`, and there are `n_more` terms after the first.
fn alternating(ratio: impl Fn(f64) -> f64, n_more: u64) -> f64 {
    let mut sum = 1.0;
    let mut term = 1.0;
    for i in 0..n_more {
        term *= -ratio(i as f64);
        if sum + term == sum {
            break;
        }
        sum += term;
    }
    sum
}

/// `ln S_k = ln C(m, k) (h−k)!/h! = Σ_{i<k} ln((m−i)/(h−i)) − ln k!`
fn ln_factorial_moment(n_units: u64, n_mutual: u64, k: u64) -> f64 {
    let ratios: f64 = if n_mutual == n_units { 0.0 } else { (0..k).map(|i| ((n_mutual - i) as f64 / (n_units - i) as f64).ln()).sum() };
    ratios - ln_factorial(k)
}

/// `ln` of the bound `P(Σ K_b ≥ k) ≤ B^k / k!` over `B` independent blocks of any sizes; at most 0.
///
/// Every factorial moment `E[(K_b)_j] = (m_b)_j / (h_b)_j` is at most 1; by Vandermonde's identity the k-th factorial moment of the sum is
/// at most `B^k`; and `1{K ≥ k} ≤ C(K, k)`.
pub fn ln_coincidence_sum_bound(n_blocks: u64, k: u64) -> f64 {
    let ln_p = k as f64 * (n_blocks as f64).ln() - ln_factorial(k);
    if k == 0 || ln_p > 0.0 { 0.0 } else { ln_p }
}

/// The p-value of the total number of hits over blocks that are independent under the null.
///
/// One block: exact. Several: the exact convolution while `n_blocks · hits²` is at most 2²⁴ (a second at worst), else
/// [`ln_coincidence_sum_bound`], which is then within a factor of the order of `e^hits/n_units` of the truth.
///
/// # Errors
/// If a block has more hits than mutual pairs or more pairs than units.
pub fn coincidence_p(blocks: &[Coincidences]) -> Result<PValue, InputError> {
    for block in blocks {
        if block.n_hits > block.n_mutual || block.n_mutual > block.n_units {
            return Err(InputError::new("coincidences of a block", format!("{block:?}"), "n_hits ≤ n_mutual ≤ n_units"));
        }
    }
    if let [block] = blocks {
        return Ok(PValue::new(ln_coincidence_sf(block.n_units, block.n_mutual, block.n_hits), NullDistribution::Exact));
    }
    const AFFORDABLE: u64 = 1 << 24;
    let n_blocks = blocks.len() as u64;
    let total = blocks.iter().fold(0u64, |sum, block| sum.saturating_add(block.n_hits));
    if total.saturating_mul(total).saturating_mul(n_blocks) <= AFFORDABLE {
        return Ok(PValue::new(ln_convolved_sf(blocks, total as usize), NullDistribution::Exact));
    }
    Ok(PValue::new(ln_coincidence_sum_bound(n_blocks, total), NullDistribution::Bound { of: "factorial moments" }))
}

/// `ln P(Σ K_b ≥ k)` by convolution. The mass at `k` or more is carried as such, so that a tiny tail is never one minus something.
fn ln_convolved_sf(blocks: &[Coincidences], k: usize) -> f64 {
    let mut below = vec![f64::NEG_INFINITY; k];
    let mut at_least = f64::NEG_INFINITY;
    match below.first_mut() {
        Some(zero) => *zero = 0.0,
        None => return 0.0,
    }
    for block in blocks {
        let law = |hits: usize| ln_coincidence_pmf(block.n_units, block.n_mutual, hits as u64);
        let tail = |hits: usize| ln_coincidence_sf(block.n_units, block.n_mutual, hits as u64);
        let pmf: Vec<f64> = (0..k).map(law).collect();
        at_least = (0..k).fold(at_least, |sum, already| ln_add(sum, below[already] + tail(k - already)));
        below = (0..k).map(|sum| ln_sum((0..=sum).map(|already| below[already] + pmf[sum - already]))).collect();
    }
    if at_least > 0.0 { 0.0 } else { at_least }
}

/// `ln Σ e^x`, relative to the largest.
fn ln_sum(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    match terms.clone().max_by(f64::total_cmp) {
        Some(largest) if largest > f64::NEG_INFINITY => largest + terms.map(|term| (term - largest).exp()).sum::<f64>().ln(),
        _ => f64::NEG_INFINITY,
    }
}
