//! What a key says of texts: pairs of window and token, counted, scored and tested. Shared by `text.watermark` and `text.radioactivity`.

use crate::method::{Explanation, MethodError};
use crate::records::{MarkTest, MeanScores, Reading, TokenText};
use forward::{MAX_WINDOW, Scheme, Synthid, Watermark};
use rayon::prelude::*;
use stats::exchangeable::exchange;
use stats::marks::{Law, chernoff, naive, once, stopped, weighted_sum, weighted_z, weights};
use stats::{PValue, p_value};
use std::collections::BTreeSet;

/// Fresh keys that the weighted sum stands beside.
pub(crate) const FRESH_KEYS: u32 = 999;
/// Draws of SynthID's keys.
const DRAWS: u32 = 9_999;

/// A window and the token after it; windows are filled up with zeros in front.
type Pair = [u32; MAX_WINDOW + 1];

/// Distinct pairs of texts, with how often each stands there.
pub(crate) struct Counted {
    pairs: Vec<Pair>,
    counts: Vec<u64>,
    places: u64,
    dropped: u64,
}

impl Counted {
    /// Pairs inside replies; those whose window stands in any prompt are dropped, because whoever copies a prompt chooses nothing.
    pub(crate) fn of(texts: &[TokenText], window: usize) -> Self {
        let given: BTreeSet<&[u32]> = texts.iter().flat_map(|text| text.prompt.windows(window)).collect();
        let (mut all, mut places, mut dropped) = (Vec::new(), 0, 0);
        for ngram in texts.iter().flat_map(|text| text.reply.windows(window + 1)) {
            places += 1;
            match given.contains(&ngram[..window]) {
                true => dropped += 1,
                false => all.push(pair(ngram)),
            }
        }
        all.sort_unstable();
        let (mut pairs, mut counts): (Vec<Pair>, Vec<u64>) = (Vec::new(), Vec::new());
        for pair in all {
            match (pairs.last(), counts.last_mut()) {
                (Some(last), Some(count)) if *last == pair => *count += 1,
                _ => {
                    pairs.push(pair);
                    counts.push(1);
                }
            }
        }
        Self { pairs, counts, places, dropped }
    }

    /// The numbers of the pairs under a key.
    pub(crate) fn scores(&self, key: &Watermark) -> Vec<f64> {
        self.pairs.iter().map(|pair| key.score(&pair[MAX_WINDOW - key.window()..MAX_WINDOW], pair[MAX_WINDOW])).collect()
    }

    /// Why nothing can be tested.
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

fn pair(ngram: &[u32]) -> Pair {
    let mut pair = [0; MAX_WINDOW + 1];
    pair[MAX_WINDOW + 1 - ngram.len()..].copy_from_slice(ngram);
    pair
}

/// The law of a scheme's numbers under a key that had no part.
pub(crate) fn law(key: &Watermark) -> Law {
    match key.scheme() {
        Scheme::Kgw { gamma, .. } => Law::Bit { rate: gamma },
        Scheme::Gumbel => Law::Exponential,
    }
}

/// The three tests on texts.
pub(crate) fn texts(counted: &Counted, key: &Watermark, seed: u64) -> Result<MarkTest, MethodError> {
    let (law, weights) = (law(key), weights(&counted.counts));
    let values = counted.scores(key);
    let sum = weighted_sum(&values, &weights, law);
    let beside: Vec<f64> = (0..u64::from(FRESH_KEYS))
        .into_par_iter()
        .map(|index| weighted_sum(&counted.scores(&key.stranger(seed, index)), &weights, law))
        .collect();
    let reached = beside.iter().filter(|other| **other >= sum).count();
    let fresh_keys = PValue::from_permutations(reached as u32, FRESH_KEYS);
    let bound = chernoff(sum, &weights, law);
    let test = MarkTest {
        places: counted.places,
        dropped: counted.dropped,
        weighted_z: weighted_z(sum, &weights, law),
        null_z: beside.into_iter().map(|sum| weighted_z(sum, &weights, law)).collect(),
        fresh_keys: Some(fresh_keys),
        chernoff: Some(bound),
        naive: Some(naive(&values, &counted.counts, law)?),
        ..plain(&values, law, once(&values, law)?)
    };
    let weighted = p_value::beyond_draws(fresh_keys, bound);
    Ok(MarkTest { p_value: p_value::bonferroni(&[test.once, weighted]).unwrap_or(test.once), ..test })
}

/// What the tests say of a key that had no part in the texts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OtherKey {
    /// Each pair once.
    pub once: PValue,
    /// By weight, beside fresh keys.
    pub fresh_keys: PValue,
    /// By weight, bounded.
    pub chernoff: PValue,
    /// Every copy taken for a number of its own.
    pub naive: PValue,
}

/// The tests on the same texts under `n` other keys, beside `references` fresh ones that they share: how often they find what is not there.
///
/// # Errors
/// If no text is longer than a window.
pub fn other_keys(texts: &[TokenText], key: &Watermark, n: u64, references: u32, seed: u64) -> Result<Vec<OtherKey>, MethodError> {
    let counted = Counted::of(texts, key.window());
    let (law, weights) = (law(key), weights(&counted.counts));
    let sum = |index: u64| weighted_sum(&counted.scores(&key.stranger(seed, index)), &weights, law);
    let beside: Vec<f64> = (n..n + u64::from(references)).into_par_iter().map(sum).collect();
    let test = |index: u64| {
        let values = counted.scores(&key.stranger(seed, index));
        let sum = weighted_sum(&values, &weights, law);
        let reached = beside.iter().filter(|other| **other >= sum).count();
        Ok(OtherKey {
            once: once(&values, law)?,
            fresh_keys: PValue::from_permutations(reached as u32, references),
            chernoff: chernoff(sum, &weights, law),
            naive: naive(&values, &counted.counts, law)?.p_value,
        })
    };
    (0..n).into_par_iter().map(test).collect()
}

/// What a suspect predicts in the owner's texts: each window once, where it stands first of all texts.
///
/// The owner drew these texts with the key, so that what the suspect has read hangs on it. But only on the numbers of windows that the owner
/// drew at before: a window that is there for the first time, in the order of the texts, has numbers that nobody has used yet.
pub(crate) fn reading(texts: &[Reading], key: &Watermark) -> Result<Option<MarkTest>, MethodError> {
    let window = key.window();
    let mut seen: BTreeSet<&[u32]> = BTreeSet::new();
    let (mut values, mut places, mut dropped) = (Vec::new(), 0, 0);
    for text in texts {
        for end in window..text.tokens.len() {
            let before = &text.tokens[end - window..end];
            let is_new = seen.insert(before);
            // Windows of the prompt are seen and not scored.
            let Some(&predicted) = text.predictions.get(end - 1).filter(|_| end >= text.given) else { continue };
            places += 1;
            match is_new {
                true => values.push(key.score(before, predicted)),
                false => dropped += 1,
            }
        }
    }
    if values.is_empty() {
        return Ok(None);
    }
    let law = law(key);
    let p_value = stopped(&values, law)?;
    Ok(Some(MarkTest { places, dropped, p_value, ..plain(&values, law, p_value) }))
}

/// The first and the last of the tests of [`texts`], for simulations.
#[cfg(test)]
pub(crate) fn once_and_naive(counted: &Counted, key: &Watermark) -> Result<(PValue, stats::marks::Naive), MethodError> {
    let values = counted.scores(key);
    Ok((once(&values, law(key))?, naive(&values, &counted.counts, law(key))?))
}

fn plain(values: &[f64], law: Law, once: PValue) -> MarkTest {
    let (sum, n) = (values.iter().sum::<f64>(), values.len() as f64);
    let z = (sum - n * law.mean()) / (n * law.variance()).sqrt();
    MarkTest {
        places: 0,
        dropped: 0,
        n: values.len(),
        sum,
        expected: n * law.mean(),
        z,
        weighted_z: z,
        once,
        fresh_keys: None,
        chernoff: None,
        naive: None,
        scores: None,
        null_z: Vec::new(),
        p_value: once,
    }
}

/// SynthID's bits: each place of the table once, and the sum over depths beside all keys that the table tells apart.
///
/// The library's hash keeps of an n-gram what its table's size leaves, so n-grams of one place have equal bits under every key and count once.
/// Given the places, the sum of a depth is a function of that depth's key alone: its law under a random key is known by trying them all.
pub(crate) fn synthid(texts: &[TokenText], key: &Synthid, seed: u64) -> Result<Option<MarkTest>, MethodError> {
    let window = key.ngram_len() - 1;
    let given: BTreeSet<&[u32]> = texts.iter().flat_map(|text| text.prompt.windows(window)).collect();
    let (mut distinct, mut places, mut dropped, mut copies) = (BTreeSet::new(), 0, 0, 0);
    for ngram in texts.iter().flat_map(|text| text.reply.windows(window + 1)) {
        places += 1;
        match given.contains(&ngram[..window]) {
            true => dropped += 1,
            false => copies += u64::from(!distinct.insert(key.place(ngram))),
        }
    }
    if distinct.is_empty() {
        return Ok(None);
    }
    let distinct: Vec<u32> = distinct.into_iter().collect();
    let keys = key.distinct_keys();
    let sums: Vec<u32> = distinct
        .par_chunks(256)
        .map(|places| {
            let mut sums = vec![0u32; keys];
            for &place in places {
                sums.iter_mut().zip(key.bits_of_all_keys(place)).for_each(|(sum, bit)| *sum += u32::from(bit));
            }
            sums
        })
        .reduce(|| vec![0; keys], |a, b| a.iter().zip(&b).map(|(a, b)| a + b).collect());
    // The first value of each cluster is the owner's key; any other could as well have been.
    let clusters: Vec<Vec<Vec<f64>>> = (0..key.depth())
        .map(|depth| {
            let mut values: Vec<f64> = sums.iter().map(|&sum| f64::from(sum)).collect();
            values.swap(0, key.key_index(depth));
            vec![values]
        })
        .collect();
    let found = exchange(&clusters, DRAWS, seed, "text.watermark/synthid")?;
    let expected = key.depth() as f64 * sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() / keys as f64;
    Ok(Some(MarkTest {
        places,
        dropped: dropped + copies,
        n: distinct.len() * key.depth(),
        sum: clusters.iter().map(|values| values[0][0]).sum(),
        expected,
        z: found.z(),
        weighted_z: found.z(),
        once: found.p_value,
        fresh_keys: Some(found.arrangements),
        chernoff: Some(found.bound),
        naive: None,
        null_z: found.null_sums.iter().map(|sum| sum / found.null_sd).filter(|z| z.is_finite()).collect(),
        scores: Some(mean_scores(&clusters.iter().map(|values| values[0][0] / distinct.len() as f64).collect::<Vec<_>>())),
        p_value: found.p_value,
    }))
}

/// From the mean bit at each depth. Reference: Dathathri et al., *Nature* 634 (2024), the mean and the weighted mean score.
fn mean_scores(depths: &[f64]) -> MeanScores {
    let n = depths.len() as f64;
    let step = 9.0 / depths.len().saturating_sub(1).max(1) as f64;
    let weights: Vec<f64> = (0..depths.len()).map(|depth| 10.0 - step * depth as f64).collect();
    let weighted = depths.iter().zip(&weights).map(|(bit, weight)| bit * weight).sum::<f64>() / weights.iter().sum::<f64>();
    MeanScores { mean: depths.iter().sum::<f64>() / n, weighted }
}

/// The parts of a test, for a report.
pub(crate) fn parts(test: &MarkTest, digest: &str) -> Vec<Explanation> {
    let leaf = |label: &str, value: f64, words: String| Explanation::leaf(label, value, "1", words);
    let kind = |p: Option<PValue>| p.map_or(String::new(), |p| format!("log10 p {:.1}", p.log10()));
    let mut parts = vec![
        leaf("n", test.n as f64, format!("each pair of window and token once; key {digest:.16}…")),
        leaf("k", test.sum, format!("{:.1} under another key on average; {}", test.expected, kind(Some(test.once)))),
        leaf("z", test.z, "each pair once".into()),
        leaf("dropped", test.dropped as f64, format!("of {} places: in a prompt, or there before", test.places)),
    ];
    if test.chernoff.is_some() {
        let words = format!("beside fresh keys {}, by Chernoff's bound {}", kind(test.fresh_keys), kind(test.chernoff));
        parts.push(leaf("weighted z", test.weighted_z, words));
    }
    if let Some(scores) = test.scores {
        parts.push(leaf("mean score", scores.mean, "SynthID-Text's, of every place once; .5 without a mark".into()));
        parts.push(leaf("weighted mean score", scores.weighted, "SynthID-Text's, by depths; .5 without a mark".into()));
    }
    if let Some(naive) = test.naive {
        let words = "every copy taken for a number of its own, which they are not: concludes nothing".into();
        parts.push(leaf("naive z", naive.z, words));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_scores_are_those_of_the_formula() {
        // Python 3.12, numpy 2.4.6: w = np.linspace(10, 1, 3); g = np.array([.7, .6, .4]); (g.mean(), (g * w).sum() / w.sum())
        let found = mean_scores(&[0.7, 0.6, 0.4]);
        assert!(
            (found.mean - 0.566_666_666_666_666_7).abs() < 1e-12 && (found.weighted - 0.648_484_848_484_848_6).abs() < 1e-12,
            "{found:?}"
        );
        assert_eq!(mean_scores(&[0.7]), MeanScores { mean: 0.7, weighted: 0.7 });
    }
}
