//! The profile of standard deviations over depth.

use super::{Baseline, BaselineCard, BaselinePair, BaselineSide, Measured, baseline_card};
use sources::Role;

baseline_card! {
    /// The intrinsic fingerprint (PDF), the number of the accusation against Pangu.
    ///
    /// # Formula
    /// `σ_l(M) = std(W_l^M)` for M of queries, keys, values and output, normalised over blocks; Pearson's correlation of the two models'
    /// profiles, the mean over the four.
    /// # Shapes
    /// Four profiles of one number a block. Profiles of unequal length: the longer one is interpolated linearly at the depths of the shorter.
    /// # Departures
    /// The preprint normalises and correlates; which way does not matter to Pearson's correlation. A profile that does not vary is left out.
    /// # Fails when
    /// Depth shapes every training alike, so that independent models of one recipe score high (.82 and .94 on `testdata`); a profile of few
    /// blocks is near ±1 by chance; maps inside heads and folded gains change it at will, and anybody can forge it by scaling. No control
    /// set was published.
    static CARD = {
        id: "baseline.std-profile",
        source: "Honest AGI, Intrinsic Fingerprint of LLMs, arXiv:2507.03014",
        states_p: false,
        threshold: None,
    }
}

/// Two points always lie on a line.
const MIN_BLOCKS: usize = 3;

pub(super) struct StdProfile;

impl Baseline for StdProfile {
    fn card(&self) -> &'static BaselineCard {
        &CARD
    }

    fn measure(&self, pair: &BaselinePair<'_>) -> Measured {
        let n = pair.reference.blocks().min(pair.suspect.blocks());
        if n < MIN_BLOCKS {
            return Measured::not_applicable(format!("{n} blocks; a correlation over depth needs {MIN_BLOCKS}"));
        }
        let correlations: Vec<f64> = [Role::AttnQ, Role::AttnK, Role::AttnV, Role::AttnOut]
            .into_iter()
            .filter_map(|role| pearson(&at_depths(&profile(pair.reference, role)?, n), &at_depths(&profile(pair.suspect, role)?, n)))
            .collect();
        if correlations.is_empty() {
            return Measured::not_applicable("no attention matrices in every block of both models");
        }
        Measured::value(correlations.iter().sum::<f64>() / correlations.len() as f64)
    }
}

fn profile(side: &BaselineSide<'_>, role: Role) -> Option<Vec<f64>> {
    (0..side.blocks()).map(|layer| Some(deviation(&side.block(role, layer)?.values))).collect()
}

fn deviation(values: &[f32]) -> f64 {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    (values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// A curve over depth, read off at `n` equally spaced depths by linear interpolation.
pub(super) fn at_depths(curve: &[f64], n: usize) -> Vec<f64> {
    let last = curve.len().saturating_sub(1);
    let at = |i: usize| {
        let depth = if n > 1 { i as f64 / (n - 1) as f64 * last as f64 } else { 0.0 };
        let low = (depth.floor() as usize).min(last);
        let part = depth - low as f64;
        curve.get(low).map_or(0.0, |&here| here + part * (curve.get(low + 1).unwrap_or(&here) - here))
    };
    if curve.len() == n { curve.to_vec() } else { (0..n).map(at).collect() }
}

/// Pearson's correlation; none where a side does not vary.
pub(super) fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len().min(b.len()).max(1) as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(&x, &y)| f(x - mean_a, y - mean_b)).sum::<f64>();
    let (aa, ab, bb) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    let varies = |squares: f64, mean: f64| squares > 1e-16 * n * (mean * mean + f64::MIN_POSITIVE);
    (varies(aa, mean_a) && varies(bb, mean_b)).then(|| (ab / (aa * bb).sqrt()).clamp(-1.0, 1.0))
}
