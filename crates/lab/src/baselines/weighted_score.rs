//! The weighted score of Cisco's Model Provenance Kit: five signals of weights in one number.

use super::std_profile::{at_depths, pearson};
use super::{Baseline, BaselineCard, BaselinePair, BaselineSide, Measured, baseline_card};
use sources::{Role, Slot};
use stats::products::cosine;
use std::collections::BTreeMap;

baseline_card! {
    /// The identity score; above .75 the kit says "High-Confidence Match", above .65 "Weak Match".
    ///
    /// # Formula
    /// `.36 EAS + .08 NLF + .16 LEP + .19 END + .21 WVC`, weights of missing signals shared among the others. EAS: `(r + 1)/2`, r of the
    /// cosines of all pairs of 64 tokens' embeddings. NLF: cosine of all norm gains in one vector. LEP: `(r + 1)/2`, r of the blocks' sums
    /// of Frobenius norms. END: cosine of histograms of the embeddings' lengths, 20 bins from shortest to longest of each side. WVC: mean
    /// over common blocks of the cosine of at most 4,096 values a matrix, taken at equal steps. Cosines below 0 are 0.
    /// # Shapes
    /// Norms of 64 coordinates and more; at least 2 common blocks for WVC, 2 blocks for LEP, 8 tokens for EAS.
    /// # Departures
    /// Weights and signals are the published ones (`docs/architecture.md`, `docs/signals.md`, commit 9991417 of June 2026). Its 64 tokens
    /// are digits, frequent words by script and draws of numpy, chosen for each side; here 64 common tokens by the digest of their bytes,
    /// the same on both sides. The score without its gate.
    /// # Fails when
    /// Norms, energies and histograms of lengths are alike in independent models of one recipe, and together make .43 of the score; the
    /// weights were chosen on the 111 pairs on which the accuracy is stated.
    static CARD = {
        id: "baseline.weighted-score",
        source: "Cisco, Model Provenance Kit, cisco-ai-defense/model-provenance-kit",
        states_p: false,
        threshold: Some(0.75),
    }
}

const ANCHORS: usize = 64;
const MIN_ANCHORS: usize = 8;
const MIN_GAINS: usize = 64;
const BINS: usize = 20;
const VALUES_PER_MATRIX: usize = 4096;
const MIN_VALUES: usize = 64;
const MIN_COMMON_BLOCKS: usize = 2;

type Signal = fn(&BaselinePair<'_>) -> Option<f64>;
/// With their weights.
const SIGNALS: [(f64, Signal); 5] = [(0.36, anchors), (0.08, gains), (0.16, energies), (0.19, lengths), (0.21, values)];

pub(super) struct WeightedScore;

impl Baseline for WeightedScore {
    fn card(&self) -> &'static BaselineCard {
        &CARD
    }

    fn measure(&self, pair: &BaselinePair<'_>) -> Measured {
        let found: Vec<(f64, f64)> = SIGNALS.iter().filter_map(|(weight, signal)| Some((*weight, signal(pair)?))).collect();
        let total: f64 = found.iter().map(|(weight, _)| weight).sum();
        if found.is_empty() {
            return Measured::not_applicable("none of the five signals can be computed");
        }
        Measured::value(found.iter().map(|(weight, value)| weight * value).sum::<f64>() / total)
    }
}

fn at_least_zero(cosine: f64) -> f64 {
    cosine.clamp(0.0, 1.0)
}

/// EAS.
fn anchors(pair: &BaselinePair<'_>) -> Option<f64> {
    let [x, y] = pair.embeddings().ok()?;
    let k = x.n().min(ANCHORS);
    if k < MIN_ANCHORS {
        return None;
    }
    let cosines = |rows: &super::pair::TokenRows| -> Vec<f64> {
        let row = |i: usize| &rows.values[i * rows.width..][..rows.width];
        (0..k).flat_map(|i| (i + 1..k).map(move |j| cosine(row(i), row(j)))).collect()
    };
    pearson(&cosines(&x), &cosines(&y)).map(|r| f64::midpoint(r, 1.0))
}

/// NLF.
fn gains(pair: &BaselinePair<'_>) -> Option<f64> {
    let of = |side: &BaselineSide<'_>| -> Vec<(Slot, Vec<f32>)> {
        side.gains().filter(|(_, gain)| gain.len() >= MIN_GAINS).map(|(slot, gain)| (slot, gain.to_vec())).collect()
    };
    let (ours, theirs) = (of(pair.reference), of(pair.suspect));
    let joined = |gains: &[(Slot, Vec<f32>)]| gains.iter().flat_map(|(_, gain)| gain.iter().copied()).collect::<Vec<f32>>();
    let is_direct = |gains: &[(Slot, Vec<f32>)]| gains.windows(2).all(|two| two[0].1.len() == two[1].1.len());
    let (a, b) = (joined(&ours), joined(&theirs));
    if is_direct(&ours) && is_direct(&theirs) && a.len() == b.len() && !a.is_empty() {
        return Some(at_least_zero(cosine(&a, &b)));
    }
    let summary = |gains: &[(Slot, Vec<f32>)]| gains.iter().flat_map(|(_, gain)| summary(gain)).collect::<Vec<f32>>();
    let (a, b) = (summary(&ours), summary(&theirs));
    let n = a.len().min(b.len());
    (n >= 4).then(|| at_least_zero(cosine(&a[..n], &b[..n])))
}

/// Mean, standard deviation, largest and smallest.
fn summary(gain: &[f32]) -> [f32; 4] {
    let n = gain.len().max(1) as f64;
    let mean = gain.iter().map(|&g| f64::from(g)).sum::<f64>() / n;
    let variance = gain.iter().map(|&g| (f64::from(g) - mean).powi(2)).sum::<f64>() / n;
    let extreme = |largest: bool| gain.iter().copied().max_by(|a, b| if largest { a.total_cmp(b) } else { b.total_cmp(a) }).unwrap_or(0.0);
    [mean as f32, variance.sqrt() as f32, extreme(true), extreme(false)]
}

/// LEP.
fn energies(pair: &BaselinePair<'_>) -> Option<f64> {
    let (a, b) = (pair.reference.energies(), pair.suspect.energies());
    let n = a.len().min(b.len());
    if n < 2 {
        return None;
    }
    pearson(&at_depths(a, n), &at_depths(b, n)).map(|r| f64::midpoint(r, 1.0))
}

/// END.
fn lengths(pair: &BaselinePair<'_>) -> Option<f64> {
    let histogram = |side: &BaselineSide<'_>| {
        let table = side.embedding()?;
        let lengths: Vec<f64> = (0..table.rows).map(|row| stats::products::dot(table.row(row), table.row(row)).sqrt()).collect();
        let low = lengths.iter().copied().min_by(f64::total_cmp)?;
        let high = lengths.iter().copied().max_by(f64::total_cmp)?;
        let mut bins = vec![0.0f32; BINS];
        for length in lengths {
            let at = if high > low { ((length - low) / (high - low) * BINS as f64) as usize } else { 0 };
            bins[at.min(BINS - 1)] += 1.0;
        }
        Some(bins)
    };
    Some(at_least_zero(cosine(&histogram(pair.reference)?, &histogram(pair.suspect)?)))
}

/// WVC.
fn values(pair: &BaselinePair<'_>) -> Option<f64> {
    let (ours, theirs) = (sampled(pair.reference), sampled(pair.suspect));
    let common = ours.iter().filter_map(|(layer, a)| Some((a, theirs.get(layer)?)));
    let cosines: Vec<f64> = common
        .filter_map(|(a, b)| {
            let n = a.len().min(b.len());
            let (a, b) = (&a[..n], &b[..n]);
            (n >= MIN_VALUES).then(|| at_least_zero(cosine(a, b)))
        })
        .collect();
    (cosines.len() >= MIN_COMMON_BLOCKS).then(|| cosines.iter().sum::<f64>() / cosines.len() as f64)
}

/// Values of every block's matrices one after another, at equal steps.
fn sampled(side: &BaselineSide<'_>) -> BTreeMap<usize, Vec<f32>> {
    let mut layers: BTreeMap<usize, Vec<f32>> = BTreeMap::new();
    for held in side.weights().values().filter(|held| held.rank > 1) {
        let Some((slot, layer)) = held.slot.and_then(|slot| Some((slot, slot.layer?))) else { continue };
        if slot.role == Role::AttnRelativeBias {
            continue;
        }
        let values = &held.values.values;
        let step = values.len().div_ceil(VALUES_PER_MATRIX).max(1);
        layers.entry(layer).or_default().extend(values.iter().step_by(step).take(VALUES_PER_MATRIX));
    }
    layers
}
