//! Agreements of views as a profile: block by block, beside synthetic copies whose agreements are chance by construction.

use crate::matching::BlockMatch;
use crate::method::{Explanation, Observation, Profile, ProfilePoint, Scale, Synthetic};
use stats::alignment::{Coincidences, coincidence_p};
use stats::{NullDistribution, PValue, sampling};

/// Copies drawn.
const COPIES: usize = 19;

/// A profile and what an observation says of it.
pub(crate) struct AgreementProfile {
    /// `"units"` or `"heads"`.
    what: &'static str,
    statistic: f64,
    n: usize,
    n_agreeing: usize,
    is_certified: bool,
    profile: Profile,
    parts: Vec<Explanation>,
}

impl AgreementProfile {
    /// The profile of some blocks; `None` where there is none.
    pub(crate) fn of(blocks: &[BlockMatch], what: &'static str, seed: u64) -> Option<Self> {
        let blocks: Vec<&BlockMatch> = blocks.iter().filter(|b| b.n() > 0 && !b.agreements.is_empty()).collect();
        if blocks.is_empty() {
            return None;
        }
        let mean = |shares: &[f64]| shares.iter().sum::<f64>() / shares.len() as f64;
        let statistic = mean(&blocks.iter().map(|b| b.share()).collect::<Vec<_>>());
        let copies: Vec<Vec<f64>> = (0..COPIES)
            .map(|copy| blocks.iter().map(|block| synthetic_share(block, seed, &format!("{what} copy {copy}"))).collect())
            .collect();
        let points = blocks
            .iter()
            .enumerate()
            .map(|(i, b)| ProfilePoint {
                label: b.suspect.to_string(),
                reference: b.reference.to_string(),
                depth: b.depth,
                value: b.share(),
                n: b.n(),
                synthetic: copies.iter().map(|copy| copy[i]).max_by(f64::total_cmp),
            })
            .collect();
        let p_value = synthetic_p(&blocks);
        let synthetic = Some(Synthetic { statistics: copies.iter().map(|copy| mean(copy)).collect(), p_value });
        let parts = blocks.iter().map(|b| part(b, what)).collect();
        Some(Self {
            what,
            statistic,
            n: blocks.iter().map(|b| b.n()).sum(),
            n_agreeing: blocks.iter().map(|b| b.n_matched()).sum(),
            is_certified: blocks.iter().all(|b| b.is_certified),
            profile: Profile { scale: Scale::Share, points, synthetic },
            parts,
        })
    }

    /// Without synthetic copies, where views are not independent of each other.
    pub(crate) fn without_synthetic(mut self) -> Self {
        self.profile.synthetic = None;
        self.profile.points.iter_mut().for_each(|point| point.synthetic = None);
        self
    }

    /// The observation that it makes, over so many common tokens.
    pub(crate) fn observation(self, over: &str) -> Observation {
        let Self { what, statistic, n, n_agreeing, is_certified, profile, parts } = self;
        let certificate =
            if is_certified { "every assignment is exact by its dual certificate" } else { "an assignment's certificate did not close" };
        let explanation = Explanation {
            label: format!("matched {what}"),
            value: Some(statistic),
            unit: "1",
            words: format!("{n_agreeing} of {n} {what} have one counterpart in at least two views, over {over}; {certificate}"),
            parts,
        };
        Observation { profile: Some(profile), ..Observation::new(statistic, n, None, explanation) }
    }
}

/// The chance that views whose units were re-drawn by permutation agree as often as those of the suspect do, over all blocks: the smallest
/// over pairs of views, times their number.
fn synthetic_p(blocks: &[&BlockMatch]) -> PValue {
    let n_pairs = blocks.iter().map(|b| b.agreements.len()).max().unwrap_or(0);
    let of_pair = |pair: usize| {
        let hits: Vec<Coincidences> = blocks
            .iter()
            .filter_map(|b| {
                let n_hits = b.agreements.get(pair)?.units as u64;
                Some(Coincidences { n_units: b.n_reference.max(b.n_suspect) as u64, n_mutual: b.n() as u64, n_hits })
            })
            .collect();
        coincidence_p(&hits).map_or(0.0, |p| p.ln())
    };
    let smallest = (0..n_pairs).map(of_pair).min_by(f64::total_cmp).unwrap_or(0.0);
    PValue::new(
        smallest + (n_pairs.max(1) as f64).ln(),
        NullDistribution::Bound { of: "the law of coincidences, times the pairs of views" },
    )
}

/// The share of agreements when a view's units are re-drawn by permutation.
fn synthetic_share(block: &BlockMatch, seed: u64, label: &str) -> f64 {
    let n_units = block.n_reference.max(block.n_suspect);
    let hits: usize = block
        .agreements
        .iter()
        .map(|agreement| {
            let mut order: Vec<usize> = (0..n_units).collect();
            let mut generator = sampling::generator(seed, &format!("{label} {} {}", block.suspect, agreement.views));
            sampling::shuffle(&mut generator, &mut order);
            order.iter().take(block.n()).enumerate().filter(|(i, unit)| i == *unit).count()
        })
        .sum();
    hits as f64 / (block.agreements.len() * block.n()) as f64
}

fn part(block: &BlockMatch, what: &'static str) -> Explanation {
    let place = if block.is_on_path { "on the best path" } else { "no block resembles it; the one at the same depth" };
    Explanation {
        label: format!("block {} against {}", block.suspect, block.reference),
        value: Some(block.share()),
        unit: "1",
        words: format!("{} of {} {what} have one counterpart in at least two views ({place})", block.n_matched(), block.n()),
        parts: block
            .agreements
            .iter()
            .map(|a| Explanation::leaf(a.views, a.units as f64, what, format!("agree, of {}", block.n())))
            .collect(),
    }
}
