//! Do two sources answer alike? The unbiased squared maximum mean discrepancy with the Hamming kernel.

use crate::InputError;
use crate::within_prompts::{WithinPrompts, within_prompts};

/// Symbols of a text that is compared; a text may be shorter than `length`, which pads it with a symbol of its own.
pub type Symbols = Vec<char>;

/// Positions at which two texts have equal symbols, of the first `length`; padding equals padding alone.
pub fn equal_positions(left: &[char], right: &[char], length: usize) -> usize {
    let (left, right) = (&left[..left.len().min(length)], &right[..right.len().min(length)]);
    let longer = if left.len() > right.len() { left.len() } else { right.len() };
    left.iter().zip(right).filter(|(a, b)| a == b).count() + (length - longer)
}

/// Sums over prompts the unbiased `MMD²` of the texts of two sources, labels permuted within each prompt.
///
/// With the kernel `k` = share of equal positions of `length`, `MMD² = mean k(x, x′) + mean k(y, y′) − 2 mean k(x, y)`, means over different texts: its
/// expectation is 0 where both sources have one distribution. The null hypothesis is [`within_prompts`]'s. Reference: Gretton et al., JMLR 13 (2012), lemma 6;
/// Gao, Liang and Guestrin, *Model equality testing*, arXiv 2410.20247.
///
/// # Errors
/// If there is no prompt, `length` is 0, or a source has fewer than two texts for a prompt.
pub fn mmd(
    prompts: &[(Vec<Symbols>, Vec<Symbols>)],
    length: usize,
    draws: u32,
    seed: u64,
    label: &str,
) -> Result<WithinPrompts, InputError> {
    if length == 0 {
        return Err(InputError::new("length of texts", 0, "at least one symbol"));
    }
    let sizes: Vec<(usize, usize)> = prompts.iter().map(|(first, second)| (first.len(), second.len())).collect();
    if let Some((first, second)) = sizes.iter().find(|(first, second)| *first < 2 || *second < 2) {
        return Err(InputError::new("texts of a prompt", format!("{first} and {second}"), "at least two of each source"));
    }
    // Whole numbers, so that arrangements that differ in nothing have sums that differ in nothing.
    let equal: Vec<Vec<u32>> = prompts
        .iter()
        .map(|(first, second)| {
            let all: Vec<&Symbols> = first.iter().chain(second).collect();
            all.iter().flat_map(|left| all.iter().map(|right| equal_positions(left, right, length) as u32)).collect()
        })
        .collect();
    within_prompts(&sizes, draws, seed, label, |prompt, order| {
        let ((m, n), equal) = (sizes[prompt], &equal[prompt]);
        let (first, second) = order.split_at(m);
        let among = |of: &[usize]| -> u64 {
            of.iter().enumerate().map(|(i, &a)| of[..i].iter().map(|&b| u64::from(equal[a * (m + n) + b])).sum::<u64>()).sum()
        };
        let between: u64 = first.iter().map(|&a| second.iter().map(|&b| u64::from(equal[a * (m + n) + b])).sum::<u64>()).sum();
        let pairs = |k: usize| (k * (k - 1) / 2) as f64;
        let sum = among(first) as f64 / pairs(m) + among(second) as f64 / pairs(n) - 2.0 * between as f64 / (m * n) as f64;
        sum / length as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sampling, uniformity};
    use proptest::prelude::*;

    fn symbols(text: &str) -> Symbols {
        text.chars().collect()
    }

    /// Texts of a few letters, whose first letter a source prefers by `lean` of ten.
    fn texts(seed: u64, label: &str, n: usize, lean: u64) -> Vec<Symbols> {
        let mut generator = sampling::generator(seed, label);
        let mut text = || {
            let length = 1 + sampling::below(&mut generator, 6) as usize;
            (0..length)
                .map(|_| {
                    if sampling::below(&mut generator, 10) < lean {
                        'a'
                    } else {
                        ['a', 'b', 'c'][sampling::below(&mut generator, 3) as usize]
                    }
                })
                .collect()
        };
        (0..n).map(|_| text()).collect()
    }

    #[test]
    fn positions_are_counted_with_their_padding() {
        for (a, b, length, expected) in
            [("abc", "abd", 5, 4), ("abc", "ab", 5, 4), ("", "", 3, 3), ("abc", "", 3, 0), ("abcdef", "abcxyz", 3, 3), ("é", "e", 2, 1)]
        {
            assert_eq!(equal_positions(&symbols(a), &symbols(b), length), expected, "{a} {b}");
        }
    }

    #[test]
    fn the_statistic_is_that_of_the_hand() {
        // k: aa–ab ½, ba–bb ½, aa–ba ½, aa–bb 0, ab–ba 0, ab–bb ½, of 2 positions: ½ + ½ − 2 · ¼ = ½.
        let prompts = [(vec![symbols("aa"), symbols("ab")], vec![symbols("ba"), symbols("bb")])];
        let found = mmd(&prompts, 2, 9, 0, "").unwrap();
        assert!((found.mean - 0.5).abs() < 1e-15, "{found:?}");
    }

    #[test]
    fn p_is_uniform_under_the_null_and_small_beside_it() {
        let run = |seed: u64, lean: u64, prompts: u64| {
            let prompt = |p: u64| (texts(seed, &format!("a{p}"), 6, p % 7), texts(seed, &format!("b{p}"), 4, p % 7 + lean));
            mmd(&(0..prompts).map(prompt).collect::<Vec<_>>(), 8, 199, seed, "").unwrap().p_value.value()
        };
        let p: Vec<f64> = (0..1000).map(|seed| run(seed, 0, 12)).collect();
        assert!(uniformity::ks_uniform(&p).unwrap().p.value() > 1e-3);
        // 99 % of binomials of 1,000 and .01 lie between 3 and 19.
        let small = p.iter().filter(|p| **p <= 0.01).count();
        assert!((3..=19).contains(&small), "{small}");
        assert!(run(1, 9, 100) <= 0.01);
    }

    #[test]
    fn sources_that_always_say_the_same_are_no_finding() {
        let prompt = || (vec![symbols("yes"); 3], vec![symbols("yes"); 3]);
        let found = mmd(&[prompt(), prompt()], 10, 99, 0, "").unwrap();
        assert_eq!((found.mean, found.p_value.value()), (0.0, 1.0));
        assert_eq!(
            mmd(&[(vec![symbols("a")], vec![])], 1, 9, 0, "").unwrap_err().to_string(),
            "texts of a prompt: found 1 and 0, expected at least two of each source"
        );
        assert!(mmd(&[prompt()], 0, 9, 0, "").is_err() && mmd(&[], 1, 9, 0, "").is_err());
    }

    proptest! {
        #[test]
        fn neither_the_names_of_symbols_nor_the_order_of_sources_matters(seed: u64) {
            let prompts: Vec<_> = (0..5u64).map(|p| (texts(seed, &format!("a{p}"), 3, p), texts(seed, &format!("b{p}"), 4, 9 - p))).collect();
            let renamed = |texts: &Vec<Symbols>| texts.iter().map(|t| t.iter().map(|c| char::from_u32(*c as u32 + 7).unwrap()).collect()).collect();
            let other: Vec<_> = prompts.iter().map(|(a, b)| (renamed(a), renamed(b))).collect();
            let swapped: Vec<_> = prompts.iter().map(|(a, b)| (b.clone(), a.clone())).collect();
            let found = mmd(&prompts, 6, 99, seed, "").unwrap();
            prop_assert_eq!(found, mmd(&other, 6, 99, seed, "").unwrap());
            prop_assert!((found.mean - mmd(&swapped, 6, 99, seed, "").unwrap().mean).abs() < 1e-12);
        }
    }
}
