//! `text.watermark`: were these texts drawn with this key?

use crate::card::{Card, card};
use crate::marks::{Counted, parts, synthid, texts};
use crate::method::{Explanation, MethodError, Observation, Outcome};
use crate::records::{MarkEvidence, RecordMethod, Records};
use forward::WatermarkKey;

card! {
    /// # Question
    /// Were these texts drawn with this key?
    /// # Null hypothesis
    /// The texts do not depend on the key.
    /// # Statistic
    /// A pair of a window (the `k` tokens before) and a token has a number under the key: for green lists 1 with probability γ, else 0; for
    /// Gumbel-max `−ln(1 − u)`, whose mean is 1. `z` is the sum over distinct pairs, each counted once, minus its mean, in standard deviations.
    /// Large values count. Beside it `Σ w (x − mean)` with `w = c^0.75`, where a pair stands `c` times in the texts. For SynthID-Text the sum of
    /// bits over distinct places of its table and over depths.
    /// # Shapes and units
    /// Tokens of the tokenizer that the key was used with. Places whose window stands in a prompt are dropped: whoever copies a prompt chooses
    /// nothing. Windows that reach back into the prompt are left out.
    /// # Null distribution
    /// Exact. Each pair once: `P(Binomial(n, γ) ≥ k)`, or the tail of the gamma law of shape `n`. By weight: `(1 + #) / 1000` beside 999 fresh keys,
    /// and Chernoff's bound where none of these reaches it; then twice the smaller of both tests. SynthID-Text: given the places, the sum at a depth
    /// depends on that depth's key only; all keys that the table tells apart are tried, and sums over depths drawn, or bounded. The test that takes every copy for a number of its own is shown and concludes nothing: copies are no independent numbers.
    /// # Assumptions
    /// The key was drawn at random and kept; the hash (BLAKE3) gives numbers that nobody without the key can tell from random ones. For
    /// SynthID-Text that its keys were drawn at random.
    /// # Survives
    /// Cutting, joining, reordering and part-wise rewriting of texts: a pair is enough.
    /// # Fails when
    /// Texts are short or certain, so that the draw had no choice; every word was replaced; another tokenizer splits them.
    /// # Reference
    /// Kirchenbauer et al., arXiv 2301.10226; Aaronson 2022; Fernandez et al., arXiv 2308.00113; Dathathri et al., Nature 634 (2024).
    /// # Example
    /// Replies and students of about a million parameters, docs/outputs.md: no false finding at 1e-5 under 1,000 keys that nobody used, where the naive
    /// test has one key in five.
    pub(crate) static CARD = {
        id: "text.watermark",
        question: Question::Distillation,
        null: "the texts do not depend on the key",
        null_basis: NullBasis::Symmetry,
        statistic: Quantity { symbol: "z", unit: "1", range: (f64::NEG_INFINITY, f64::INFINITY), tail: crate::card::Tail::Upper },
        needs: Preparation::Records,
        access: &[Access::Text],
        reference: "arXiv:2301.10226; arXiv:2308.00113; Dathathri et al., Nature 634 (2024)",
    }
}

pub(crate) struct TextWatermark;

impl RecordMethod for TextWatermark {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, records: &Records<'_>) -> Result<Outcome, MethodError> {
        let Some(marked) = records.marked else { return Ok(Outcome::not_applicable("no texts with a watermark's key were given")) };
        let (test, digest) = match &marked.key {
            WatermarkKey::Drawn(key) => {
                let counted = Counted::of(&marked.texts, key.window());
                if counted.is_empty() { (None, key.digest()) } else { (Some(texts(&counted, key, records.seed)?), key.digest()) }
            }
            WatermarkKey::Synthid(key) => (synthid(&marked.texts, key, records.seed)?, key.digest()),
        };
        let Some(test) = test else { return Ok(Outcome::not_applicable("no text is longer than a window that stands in no prompt")) };
        let explanation = Explanation {
            label: "numbers of the texts under the key".into(),
            value: Some(test.z),
            unit: "1",
            words: format!(
                "{:.1} of {} distinct pairs, {:.1} under another key on average, z {:.2}",
                test.sum, test.n, test.expected, test.z
            ),
            parts: parts(&test, &digest),
        };
        let observation = Observation::new(test.z, test.n, Some(test.p_value), explanation);
        let scheme = marked.key.scheme().into();
        let evidence = MarkEvidence { scheme, key_digest: digest, p_value: test.p_value, texts: Some(test), reading: None };
        Ok(Outcome::Observed(Observation { marks: Some(Box::new(evidence)), ..observation }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{MarkedTexts, TokenText};
    use forward::{Scheme, Synthid, Watermark};
    use stats::sampling::{below, generator};
    use stats::uniformity::ks_uniform;

    const KGW: Scheme = Scheme::Kgw { gamma: 0.25, delta: 4.0 };

    fn key(scheme: Scheme, seed: u64) -> Watermark {
        Watermark::new(scheme, 2, [1; 32]).unwrap().stranger(seed, 77)
    }

    /// Texts of few words, so that pairs come again: with a key, the best of `choices` draws under it is taken.
    fn texts(n: usize, choices: usize, key: &Watermark, seed: u64) -> Vec<TokenText> {
        let mut generator = generator(seed, "texts");
        let mut text = || {
            let mut reply: Vec<u32> = vec![0, 1];
            while reply.len() < 40 {
                let window = &reply[reply.len() - 2..];
                let drawn: Vec<u32> = (0..choices).map(|_| below(&mut generator, 12) as u32).collect();
                let best = drawn.iter().copied().max_by(|a, b| key.score(window, *a).total_cmp(&key.score(window, *b)));
                reply.push(best.unwrap_or(0));
            }
            TokenText { prompt: vec![0, 1, 2], reply }
        };
        (0..n).map(|_| text()).collect()
    }

    fn observed(key: WatermarkKey, texts: Vec<TokenText>) -> Observation {
        let marked = MarkedTexts { key, texts };
        let outcome = TextWatermark.observe(&Records { marked: Some(&marked), ..Records::default() }).unwrap();
        outcome.observed().unwrap().clone()
    }

    #[test]
    fn the_key_is_found_in_its_own_texts_and_no_other() {
        for scheme in [KGW, Scheme::Gumbel] {
            let (own, other) = (key(scheme, 1), key(scheme, 2));
            let drawn = texts(40, 3, &own, 5);
            let found = observed(WatermarkKey::Drawn(own.clone()), drawn.clone());
            assert!(found.p_value.unwrap().log10() < -6.0 && found.p_value.unwrap().is_rigorous(), "{scheme:?}: {:?}", found.p_value);
            assert!(observed(WatermarkKey::Drawn(other.clone()), drawn.clone()).p_value.unwrap().log10() > -4.0);
            // The order of texts changes nothing; nor does a text that is there twice change what counts each pair once.
            let mut turned = drawn.clone();
            turned.reverse();
            let again = observed(WatermarkKey::Drawn(own.clone()), turned);
            assert_eq!((again.statistic, again.p_value), (found.statistic, found.p_value));
            let twice = observed(WatermarkKey::Drawn(own.clone()), [drawn.clone(), drawn.clone()].concat());
            assert_eq!(twice.marks.unwrap().texts.unwrap().once, found.marks.clone().unwrap().texts.unwrap().once);
            let words = format!("{found:?}");
            assert!(words.contains(&own.digest()) && found.explanation.parts.iter().any(|part| part.label == "naive z"));
        }
    }

    #[test]
    fn under_other_keys_p_values_are_uniform_and_the_naive_test_fails() {
        let drawn = texts(300, 1, &key(Scheme::Gumbel, 0), 9);
        let (mut once, mut naive) = (Vec::new(), 0);
        let counted = Counted::of(&drawn, 2);
        for seed in 0..400 {
            let found = crate::marks::once_and_naive(&counted, &key(Scheme::Gumbel, 1000 + seed)).unwrap();
            once.push(found.0.value());
            naive += usize::from(found.1.p_value.log10() < -5.0);
        }
        assert!(ks_uniform(&once).unwrap().p.value() > 1e-3);
        assert!(naive > 4, "{naive}");
    }

    #[test]
    fn windows_of_prompts_are_dropped() {
        let own = key(KGW, 1);
        let mut drawn = texts(20, 8, &own, 5);
        // The suspect was given the texts and copied them.
        let all: Vec<u32> = drawn.iter().flat_map(|text| text.reply.clone()).collect();
        drawn.iter_mut().for_each(|text| text.prompt = all.clone());
        let marked = MarkedTexts { key: WatermarkKey::Drawn(own), texts: drawn };
        let outcome = TextWatermark.observe(&Records { marked: Some(&marked), ..Records::default() }).unwrap();
        assert_eq!(outcome.why(), Some("no text is longer than a window that stands in no prompt"));
    }

    #[test]
    fn synthid_is_found_and_its_p_values_are_uniform_over_keys() {
        let with = |seed: u64| {
            let mut generator = generator(seed, "keys");
            Synthid::new(3, (0..8).map(|_| below(&mut generator, 1 << 40) as i64).collect(), 1024, 0).unwrap()
        };
        let own = with(1);
        let mut generator = generator(2, "texts");
        let mut text = |choices: usize| {
            let mut reply: Vec<u32> = vec![0, 1];
            while reply.len() < 40 {
                let bits = |token: u32| own.bits(own.place(&[&reply[reply.len() - 2..], &[token]].concat())).iter().filter(|b| **b).count();
                let drawn: Vec<u32> = (0..choices).map(|_| below(&mut generator, 50) as u32).collect();
                let best = drawn.iter().copied().max_by_key(|token| bits(*token));
                reply.push(best.unwrap_or(0));
            }
            TokenText { prompt: vec![], reply }
        };
        let marked: Vec<TokenText> = (0..20).map(|_| text(4)).collect();
        let found = observed(WatermarkKey::Synthid(own.clone()), marked);
        assert!(found.p_value.unwrap().log10() < -6.0);
        let scores = found.marks.unwrap().texts.unwrap().scores.unwrap();
        assert!(scores.mean > 0.6 && scores.weighted > 0.6, "{scores:?}");
        let plain: Vec<TokenText> = (0..2).map(|_| text(1)).collect();
        let p =
            |seed: u64| observed(WatermarkKey::Synthid(with(100 + seed)), plain.clone()).marks.unwrap().texts.unwrap().fresh_keys.unwrap();
        let all: Vec<f64> = (0..60).map(|seed| p(seed).value()).collect();
        assert!(ks_uniform(&all).unwrap().p.value() > 1e-3, "{all:?}");
    }
}
