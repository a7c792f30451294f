//! One token out of the logits of all.

use super::Options;
use crate::activation::{exp, sum};
use crate::watermark::{Scheme, Watermark};
use pulp::Arch;

/// Weights that are added up before the place of a draw is looked for among them.
const GROUP: usize = 64;

/// Buffers of a draw.
#[derive(Default)]
pub(super) struct Choice {
    weights: Vec<f32>,
    order: Vec<(f32, usize)>,
    marked: Vec<f32>,
}

impl Choice {
    /// The token that is drawn by `uniform`, between 0 and 1, and the logarithm of its probability under the logits as they are. The options'
    /// watermark has its say where there is a window.
    pub(super) fn draw(
        &mut self,
        logits: &[f32],
        options: &Options,
        window: Option<&[u32]>,
        uniform: impl FnOnce() -> f64,
    ) -> (usize, f32) {
        let (best, largest) = largest(logits);
        let total = self.powers(logits, largest, 1.0);
        let token = match (&options.watermark, window) {
            (Some(watermark), Some(window)) => self.marked(logits, (best, largest), options, (watermark, window), uniform),
            _ => {
                // At temperature 1 the weights are there.
                let total = (options.temperature == 1.0).then_some(total);
                self.plain(logits, (best, largest), total, options, uniform)
            }
        };
        (token, (f64::from(logits[token] - largest) - total.ln()) as f32)
    }

    fn plain(
        &mut self,
        logits: &[f32],
        (best, largest): (usize, f32),
        total: Option<f64>,
        options: &Options,
        uniform: impl FnOnce() -> f64,
    ) -> usize {
        if options.temperature == 0.0 {
            return best;
        }
        let total = total.unwrap_or_else(|| self.powers(logits, largest, options.temperature));
        match options.top_p.filter(|&p| p < 1.0) {
            Some(p) => self.nucleus(f64::from(p), total, uniform()).unwrap_or(best),
            None => self.place(uniform() * total).unwrap_or(best),
        }
    }

    fn marked(
        &mut self,
        logits: &[f32],
        (best, most): (usize, f32),
        options: &Options,
        (watermark, window): (&Watermark, &[u32]),
        uniform: impl FnOnce() -> f64,
    ) -> usize {
        match watermark.scheme() {
            Scheme::Kgw { gamma, delta } => {
                let mut marked = std::mem::take(&mut self.marked);
                marked.clear();
                let green = watermark.uniforms(window, logits.len()).into_iter().map(|u| if u < gamma { delta as f32 } else { 0.0 });
                marked.extend(logits.iter().zip(green).map(|(logit, green)| logit + green));
                let token = self.plain(&marked, largest(&marked), None, options, uniform);
                self.marked = marked;
                token
            }
            Scheme::Gumbel if options.temperature == 0.0 => best,
            Scheme::Gumbel => {
                let total = self.powers(logits, most, options.temperature);
                match options.top_p.filter(|&p| p < 1.0) {
                    Some(p) => {
                        let (n, _) = self.keep(f64::from(p), total);
                        self.order.truncate(n);
                    }
                    None => {
                        self.order.clear();
                        self.order.extend(self.weights.iter().enumerate().map(|(i, &weight)| (weight, i)));
                    }
                }
                // The largest u^(1/p) is the smallest −ln(u)/p, and a common factor of all p changes nothing.
                let uniforms = watermark.uniforms(window, logits.len());
                let race =
                    self.order.iter().filter(|(weight, _)| *weight > 0.0).map(|&(weight, i)| (-uniforms[i].ln() / f64::from(weight), i));
                race.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map_or(best, |(_, token)| token)
            }
        }
    }

    /// `e^((x − largest) / temperature)` of all, and their sum.
    fn powers(&mut self, logits: &[f32], largest: f32, temperature: f32) -> f64 {
        self.weights.clear();
        self.weights.extend_from_slice(logits);
        powers(&mut self.weights, largest, temperature)
    }

    /// The first token up to which the weights add up to more than `mark`.
    fn place(&self, mark: f64) -> Option<usize> {
        let mut before = 0.0;
        for (group, weights) in self.weights.chunks(GROUP).enumerate() {
            let own = group_sum(weights);
            if before + own <= mark {
                before += own;
                continue;
            }
            for (i, &weight) in weights.iter().enumerate() {
                before += f64::from(weight);
                if before > mark {
                    return Some(group * GROUP + i);
                }
            }
        }
        // Rounding left the mark behind the last sum.
        self.weights.iter().rposition(|&weight| weight > 0.0)
    }

    /// A draw from the fewest tokens that have the share `p` of the total; of equal ones, the first.
    fn nucleus(&mut self, p: f64, total: f64, uniform: f64) -> Option<usize> {
        let (n, kept) = self.keep(p, total);
        let mut rest = uniform * kept;
        for &(weight, token) in &self.order[..n] {
            rest -= f64::from(weight);
            if rest < 0.0 {
                return Some(token);
            }
        }
        self.order[..n].last().map(|&(_, token)| token)
    }

    /// Puts the tokens in order; the first of them have the share `p` of the total: how many, and their weight.
    fn keep(&mut self, p: f64, total: f64) -> (usize, f64) {
        // All tokens that weigh less than this have together less than 1 − p.
        let least = (1.0 - p) * total / self.weights.len() as f64;
        self.order.clear();
        self.order.extend(self.weights.iter().enumerate().filter(|(_, weight)| f64::from(**weight) >= least).map(|(i, &w)| (w, i)));
        self.order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let (mut kept, mut n) = (0.0, 0);
        while n < self.order.len() && (n == 0 || kept < p * total) {
            kept += f64::from(self.order[n].0);
            n += 1;
        }
        (n, kept)
    }
}

/// `ln Σ e^x`.
pub(crate) fn ln_sum_of_powers(logits: &[f32]) -> f64 {
    let (_, largest) = largest(logits);
    f64::from(largest) + powers(&mut logits.to_vec(), largest, 1.0).ln()
}

/// Turns logits into probabilities.
pub(super) fn probabilities(logits: &mut [f32], temperature: f32) {
    let (_, largest) = largest(logits);
    let total = powers(logits, largest, temperature);
    logits.iter_mut().for_each(|weight| *weight = (f64::from(*weight) / total) as f32);
}

/// The first of the largest values, and the value.
fn largest(logits: &[f32]) -> (usize, f32) {
    let value = logits.iter().fold(f32::NEG_INFINITY, |most, &logit| if logit > most { logit } else { most });
    (logits.iter().position(|&logit| logit == value).unwrap_or(0), value)
}

fn powers(values: &mut [f32], largest: f32, temperature: f32) -> f64 {
    let scale = 1.0 / temperature;
    Arch::new().dispatch(
        #[inline(always)]
        || values.iter_mut().for_each(|value| *value = exp((*value - largest) * scale)),
    );
    values.chunks(GROUP).map(group_sum).sum()
}

fn group_sum(values: &[f32]) -> f64 {
    Arch::new().dispatch(
        #[inline(always)]
        || f64::from(sum(values, |value| value)),
    )
}

/// A number between 0 and 1, without 1, for one place of one request: 53 bits of a keyed digest of the place.
pub(super) fn uniform(seed: u64, position: usize) -> f64 {
    let mut key = *b"12345678filiation.sampling.draw1";
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let digest = blake3::keyed_hash(&key, &(position as u64).to_le_bytes());
    let bits = digest.as_bytes().iter().take(8).rev().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(temperature: f32, top_p: Option<f32>) -> Options {
        Options { temperature, top_p, max_tokens: 1, stop: Vec::new(), watermark: None }
    }

    /// `ln` of the shares 1, 2, 4, 1 of 8.
    const LOGITS: [f32; 4] = [0.0, std::f32::consts::LN_2, 2.0 * std::f32::consts::LN_2, 0.0];

    #[test]
    fn a_draw_falls_where_the_shares_say() {
        let mut choice = Choice::default();
        for (u, expected) in [(0.0, 0), (0.124, 0), (0.126, 1), (0.374, 1), (0.376, 2), (0.874, 2), (0.876, 3), (0.999, 3)] {
            assert_eq!(choice.draw(&LOGITS, &options(1.0, None), None, || u).0, expected, "{u}");
        }
        // At temperature 1/2 the shares are squared: 1, 4, 16, 1 of 22.
        for (u, expected) in [(0.045, 0), (0.046, 1), (0.227, 1), (0.228, 2), (0.954, 2), (0.955, 3)] {
            assert_eq!(choice.draw(&LOGITS, &options(0.5, None), None, || u).0, expected, "{u}");
        }
        assert_eq!(choice.draw(&LOGITS, &options(0.0, None), None, || 0.0).0, 2);
    }

    #[test]
    fn a_nucleus_is_the_fewest_tokens_of_that_share() {
        let mut choice = Choice::default();
        let mut drawn = |p: f32| {
            let mut found: Vec<usize> =
                (0..100).map(|i| choice.draw(&LOGITS, &options(1.0, Some(p)), None, || f64::from(i) / 100.0).0).collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        assert_eq!(drawn(0.4), [2]);
        assert_eq!(drawn(0.7), [1, 2]);
        // The first and the last are equally probable; the first is enough.
        assert_eq!(drawn(0.8), [0, 1, 2]);
        assert_eq!(drawn(0.9), [0, 1, 2, 3]);
    }

    #[test]
    fn what_was_drawn_is_told_with_its_untempered_probability() {
        let mut choice = Choice::default();
        for options in [options(1.0, None), options(0.3, None), options(2.0, Some(0.6)), options(0.0, None)] {
            let (token, logprob) = choice.draw(&LOGITS, &options, None, || 0.5);
            assert_eq!(token, 2);
            assert!((logprob - 0.5f32.ln()).abs() < 1e-6, "{options:?}: {logprob}");
        }
    }

    fn marked(scheme: Scheme, temperature: f32, top_p: Option<f32>) -> Options {
        Options { watermark: Some(Watermark::new(scheme, 1, [3; 32]).unwrap()), ..options(temperature, top_p) }
    }

    #[test]
    fn gumbel_max_draws_from_the_tempered_nucleus() {
        let mut choice = Choice::default();
        // Shares of 8, or of 7 and 22 with temperature and nucleus.
        for (temperature, top_p, shares) in
            [(1.0, None, [1.0, 2.0, 4.0, 1.0]), (0.5, None, [1.0, 4.0, 16.0, 1.0]), (1.0, Some(0.8), [1.0, 2.0, 4.0, 0.0])]
        {
            let options = marked(Scheme::Gumbel, temperature, top_p);
            let (n, mut counts) = (20_000u32, [0.0f64; 4]);
            // Other windows, other numbers; the seed's own draw is never asked for.
            (0..n).for_each(|window| counts[choice.draw(&LOGITS, &options, Some(&[window]), || f64::NAN).0] += 1.0);
            let total: f64 = shares.iter().sum();
            for (count, share) in counts.into_iter().zip(shares) {
                let expected = f64::from(n) * share / total;
                assert!((count - expected).abs() <= 5.0 * expected.sqrt(), "{temperature} {top_p:?}: {counts:?}");
            }
        }
        assert_eq!(choice.draw(&LOGITS, &marked(Scheme::Gumbel, 0.0, None), Some(&[1]), || 0.0).0, 2);
    }

    #[test]
    fn green_tokens_weigh_more_and_log_probabilities_are_the_models() {
        let mut choice = Choice::default();
        let options = marked(Scheme::Kgw { gamma: 0.5, delta: 50.0 }, 1.0, None);
        let watermark = options.watermark.clone().unwrap();
        let shares = [0.125f32, 0.25, 0.5, 0.125];
        for window in 0..200 {
            let green: Vec<bool> = (0..4).map(|token| watermark.score(&[window], token) == 1.0).collect();
            let (token, logprob) = choice.draw(&LOGITS, &options, Some(&[window]), || f64::from(window) / 200.0);
            assert!(green[token] || !green.contains(&true), "{window}");
            assert!((logprob - shares[token].ln()).abs() < 1e-6);
            // Without a window, as if there were no watermark.
            assert_eq!(choice.draw(&LOGITS, &options, None, || 0.13), choice.draw(&LOGITS, &self::options(1.0, None), None, || 0.13));
        }
    }

    #[test]
    fn places_of_a_request_and_requests_draw_apart() {
        let draws: Vec<f64> = (0..100).flat_map(|seed| (0..100).map(move |position| uniform(seed, position))).collect();
        // Standard deviation of the mean of 10,000: .0029; five of them.
        let mean = draws.iter().sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.0145, "{mean}");
        let mut sorted = draws.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(sorted[0] >= 0.0 && sorted[9_999] < 1.0);
        // From blake3 1.0.11 for Python: `blake3.blake3(pack("<Q", 3), key=…).digest(8)`, its upper 53 bits. Stored replies hang on it.
        assert_eq!(uniform(7, 3).to_bits(), GOLDEN);
    }
    const GOLDEN: u64 = 4_588_459_148_026_601_472;
}
