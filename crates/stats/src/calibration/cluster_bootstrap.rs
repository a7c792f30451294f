//! Resampling of the independent sources behind pairs, not of the pairs.

use crate::sampling::{below, generator};

/// How often each of `n` clusters is drawn when `n` are drawn with replacement: the same for the same seed, label and replicate.
pub fn multiplicities(n: usize, seed: u64, label: &str, replicate: u64) -> Vec<u32> {
    let mut rng = generator(seed.wrapping_add(replicate), label);
    let mut counts = vec![0u32; n];
    for _ in 0..n {
        let drawn = usize::try_from(below(&mut rng, n as u64)).unwrap_or(0);
        if let Some(count) = counts.get_mut(drawn) {
            *count += 1;
        }
    }
    counts
}

/// How often a pair counts: as often as its clusters were drawn together, the product of their multiplicities.
///
/// `clusters` names each cluster of the pair once, by its place in `multiplicities`; one that is not there counts as not drawn.
///
/// Reference: for pairs of resampled sources, Poh & Bengio, *Estimating the confidence interval of expected performance curve in biometric
/// authentication using joint bootstrap*, ICASSP 2007; in general Davison & Hinkley, *Bootstrap Methods* (1997), section 3.8.
pub fn pair_weight(clusters: &[usize], multiplicities: &[u32]) -> f64 {
    clusters.iter().map(|&cluster| multiplicities.get(cluster).map_or(0.0, |&count| f64::from(count))).product()
}

/// The quantile of sorted values, between neighbours on a line (definition 7 of Hyndman & Fan, The American Statistician 50, 1996); `None` of none.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    let (low, high) = (*sorted.get(below)?, *sorted.get(above)?);
    // Equal neighbours, two infinities too, need no line.
    Some(if low == high { low } else { low + (high - low) * (place - below as f64) })
}
