//! Two sources answer the same prompts: would what was seen change if, prompt by prompt, it were drawn anew which answer is whose?

use crate::{InputError, PValue, sampling};

/// Sums that differ by less than this share of a prompt count as equal, against the finding.
const TIE: f64 = 1e-12;

/// The outcome of [`within_prompts`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WithinPrompts {
    /// Mean over prompts of the statistic.
    pub mean: f64,
    /// `(1 + #{T* ≥ T}) / (draws + 1)`.
    pub p_value: PValue,
}

/// Permutes labels within each prompt. `sizes[p]` are the answers of the first and of the second source; `statistic(p, order)` is given indices of all of them,
/// those of the first source in front.
///
/// Null hypothesis: the answers to a prompt are exchangeable, whoever gave them, and prompts are independent. Statistic: the sum over prompts; large
/// values count. What prompts have of their own, such as hard ones, long answers or answers that are always the same, does not enter the null.
///
/// # Errors
/// If there is no prompt.
pub fn within_prompts(
    sizes: &[(usize, usize)],
    draws: u32,
    seed: u64,
    label: &str,
    statistic: impl Fn(usize, &[usize]) -> f64,
) -> Result<WithinPrompts, InputError> {
    if sizes.is_empty() {
        return Err(InputError::new("prompts", 0, "at least one that both sources answered"));
    }
    let mut orders: Vec<Vec<usize>> = sizes.iter().map(|(first, second)| (0..first + second).collect()).collect();
    let total = |orders: &[Vec<usize>]| orders.iter().enumerate().fold(0.0, |sum, (prompt, order)| sum + statistic(prompt, order));
    let observed = total(&orders);
    let mark = observed - TIE * sizes.len() as f64;
    let mut generator = sampling::generator(seed, label);
    let reached = (0..draws).filter(|_| {
        orders.iter_mut().for_each(|order| sampling::shuffle(&mut generator, order));
        total(&orders) >= mark
    });
    let reached = reached.count() as u32;
    Ok(WithinPrompts { mean: observed / sizes.len() as f64, p_value: PValue::from_permutations(reached, draws) })
}

/// Tracks log-probabilities: mean over prompts of `|mean of the first − mean of the second|`, with [`within_prompts`]'s null.
///
/// # Errors
/// If there is no prompt, a source has no value for one, or a value is not finite.
pub fn tracking(prompts: &[(Vec<f64>, Vec<f64>)], draws: u32, seed: u64, label: &str) -> Result<WithinPrompts, InputError> {
    let all: Vec<Vec<f64>> = prompts.iter().map(|(first, second)| first.iter().chain(second).copied().collect()).collect();
    let sizes: Vec<(usize, usize)> = prompts.iter().map(|(first, second)| (first.len(), second.len())).collect();
    check(all.iter().flatten().copied(), sizes.iter().copied())?;
    within_prompts(&sizes, draws, seed, label, |prompt, order| {
        let (first, second) = order.split_at(sizes[prompt].0);
        let mean = |of: &[usize]| of.iter().map(|&i| all[prompt][i]).sum::<f64>() / of.len() as f64;
        (mean(first) - mean(second)).abs()
    })
}

/// A source's first words to one prompt, each with the log-probability that the source gives it.
pub type FirstTokens = Vec<(String, f64)>;

/// Tracks the log-probabilities of first tokens: the sum over prompts and tokens `t` of `n m / (n + m) · |mean of the first − mean of the second|`, where
/// `n` and `m` are how often each source began with `t`, with [`within_prompts`]'s null.
///
/// A model gives a token one number after one prompt, so whatever differs is a difference of models or of rounding, and rounding is as
/// exchangeable as answers are. Reference: after Chauvin et al., arXiv 2512.03816.
///
/// # Errors
/// If there is no prompt, a source has no token for one, or a value is not finite.
pub fn tracking_first(prompts: &[(FirstTokens, FirstTokens)], draws: u32, seed: u64, label: &str) -> Result<WithinPrompts, InputError> {
    let all: Vec<Vec<&(String, f64)>> = prompts.iter().map(|(first, second)| first.iter().chain(second).collect()).collect();
    check(all.iter().flatten().map(|(_, logprob)| *logprob), prompts.iter().map(|(first, second)| (first.len(), second.len())))?;
    let sizes: Vec<(usize, usize)> = prompts.iter().map(|(first, second)| (first.len(), second.len())).collect();
    // Which token each answer began with, as a number of its prompt.
    let kinds: Vec<Vec<usize>> = all
        .iter()
        .map(|answers| answers.iter().map(|(token, _)| answers.iter().position(|(other, _)| other == token).unwrap_or_default()).collect())
        .collect();
    within_prompts(&sizes, draws, seed, label, |prompt, order| {
        let mut sums = vec![[(0.0, 0.0); 2]; order.len()];
        for (place, &i) in order.iter().enumerate() {
            let (sum, n) = &mut sums[kinds[prompt][i]][usize::from(place >= sizes[prompt].0)];
            *sum += all[prompt][i].1;
            *n += 1.0;
        }
        let both = sums.iter().filter(|[first, second]| first.1 > 0.0 && second.1 > 0.0);
        both.map(|[first, second]| first.1 * second.1 / (first.1 + second.1) * (first.0 / first.1 - second.0 / second.1).abs()).sum()
    })
}

fn check(mut values: impl Iterator<Item = f64>, mut sizes: impl Iterator<Item = (usize, usize)>) -> Result<(), InputError> {
    if let Some(value) = values.find(|value| !value.is_finite()) {
        return Err(InputError::new("log-probability", value, "a finite number"));
    }
    match sizes.any(|(first, second)| first == 0 || second == 0) {
        true => Err(InputError::new("log-probabilities of a prompt", 0, "at least one of each source")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uniformity;

    fn values(seed: u64, label: &str, n: usize, shift: f64) -> Vec<f64> {
        let mut generator = sampling::generator(seed, label);
        (0..n).map(|_| shift - ((sampling::below(&mut generator, 1 << 30) as f64 + 0.5) / f64::from(1 << 30)).ln()).collect()
    }

    /// Prompts differ in level, which must not show; sources differ by `shift`.
    fn prompts(seed: u64, shift: f64) -> Vec<(Vec<f64>, Vec<f64>)> {
        let of = |p: usize| (values(seed, &format!("a{p}"), 5, p as f64), values(seed, &format!("b{p}"), 3, p as f64 + shift));
        (0..20).map(of).collect()
    }

    #[test]
    fn p_is_uniform_under_the_null() {
        let p: Vec<f64> = (0..1000).map(|seed| tracking(&prompts(seed, 0.0), 199, seed, "").unwrap().p_value.value()).collect();
        assert!(uniformity::ks_uniform(&p).unwrap().p.value() > 1e-3);
        // 99 % of binomials of 1,000 and .01 lie between 3 and 19.
        let small = p.iter().filter(|p| **p <= 0.01).count();
        assert!((3..=19).contains(&small), "{small}");
    }

    #[test]
    fn another_level_is_found_whichever_is_called_first() {
        let prompts = prompts(1, 3.0);
        let swapped: Vec<_> = prompts.iter().map(|(a, b)| (b.clone(), a.clone())).collect();
        let (one, other) = (tracking(&prompts, 999, 1, "").unwrap(), tracking(&swapped, 999, 1, "").unwrap());
        // One in a thousand is the least that 999 draws show.
        let is_least = |found: WithinPrompts| (found.p_value.log10() + 3.0).abs() < 1e-12;
        assert!(is_least(one) && is_least(other) && (one.mean - other.mean).abs() < 1e-12, "{one:?} {other:?}");
    }

    /// Sources that begin with one of three words, each with its own log-probability, moved by `shift` in the second and rounded apart by `noise`.
    fn first_tokens(seed: u64, shift: f64, noise: f64) -> Vec<(FirstTokens, FirstTokens)> {
        let source = |label: String, n: usize, shift: f64| {
            let mut generator = sampling::generator(seed, &label);
            let mut answer = || {
                let word = sampling::below(&mut generator, 3);
                let rounding = noise * (sampling::below(&mut generator, 1000) as f64 / 1000.0 - 0.5);
                (format!("word {word}"), -1.0 - word as f64 + shift + rounding)
            };
            (0..n).map(|_| answer()).collect::<FirstTokens>()
        };
        (0..20).map(|p| (source(format!("a{p}"), 6, 0.0), source(format!("b{p}"), 5, shift))).collect()
    }

    #[test]
    fn first_tokens_show_the_smallest_change_and_are_uniform_under_the_null() {
        let p =
            |seed: u64, shift: f64, noise: f64| tracking_first(&first_tokens(seed, shift, noise), 199, seed, "").unwrap().p_value.value();
        assert!((p(1, 1e-6, 0.0) - 0.005).abs() < 1e-12 && p(1, 1e-6, 1.0) > 0.005);
        // Without any noise all arrangements are alike.
        assert!((p(1, 0.0, 0.0) - 1.0).abs() < 1e-12);
        let null: Vec<f64> = (0..1000).map(|seed| p(seed, 0.0, 0.1)).collect();
        assert!(uniformity::ks_uniform(&null).unwrap().p.value() > 1e-3);
        // 99 % of binomials of 1,000 and .01 lie between 3 and 19.
        let small = null.iter().filter(|p| **p <= 0.01).count();
        assert!((3..=19).contains(&small), "{small}");
    }

    #[test]
    fn only_tokens_that_both_began_with_are_compared() {
        let source = |tokens: &[(&str, f64)]| tokens.iter().map(|(token, p)| ((*token).to_owned(), *p)).collect::<FirstTokens>();
        // One against two `a`s: 1·2/3 · |−1 + 2|.
        let one = source(&[("a", -1.0), ("b", -7.0)]);
        let found = tracking_first(&[(one, source(&[("a", -1.5), ("a", -2.5), ("c", -3.0)]))], 9, 0, "").unwrap();
        assert!((found.mean - 2.0 / 3.0).abs() < 1e-15, "{found:?}");
        assert!(tracking_first(&[(source(&[("a", f64::NAN)]), source(&[("a", -1.0)]))], 9, 0, "").is_err());
        assert!(tracking_first(&[(Vec::new(), source(&[("a", -1.0)]))], 9, 0, "").is_err());
    }

    #[test]
    fn the_mean_is_that_of_the_hand() {
        // |1.5 − 4| and |0 − (−1)|: 1.75 on average.
        let found = tracking(&[(vec![1.0, 2.0], vec![4.0]), (vec![0.0], vec![-1.0])], 9, 0, "").unwrap();
        assert!((found.mean - 1.75).abs() < 1e-15);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        assert_eq!(tracking(&[], 9, 0, "").unwrap_err().to_string(), "prompts: found 0, expected at least one that both sources answered");
        assert_eq!(
            tracking(&[(vec![1.0], vec![])], 9, 0, "").unwrap_err().to_string(),
            "log-probabilities of a prompt: found 0, expected at least one of each source"
        );
        assert!(tracking(&[(vec![f64::NAN], vec![1.0])], 9, 0, "").is_err());
    }
}
