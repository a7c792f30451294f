//! `text.radioactivity`: was a model trained on replies that were drawn with this key?

use crate::card::{Card, card};
use crate::marks::{Counted, parts, reading, texts};
use crate::method::{Explanation, MethodError, Observation, Outcome};
use crate::records::{MarkEvidence, RecordMethod, Records};
use stats::p_value::bonferroni;

card! {
    /// # Question
    /// Was the suspect trained on replies that were drawn with this key?
    /// # Null hypothesis
    /// The suspect does not depend on the key. Which model it comes from and how alike it is to the owner's does not matter.
    /// # Statistic
    /// Whoever learns watermarked replies learns to prefer the tokens that the key prefers. Closed: the numbers of `text.watermark` on the
    /// suspect's own texts. Reading: the suspect reads the owner's watermarked texts; scored is the token that it finds most probable after
    /// each window, not the one that stands there, each window once. `z` is the sum over distinct pairs minus its mean in standard
    /// deviations, of the reading where there is one, else of the texts. Large values count.
    /// # Shapes and units
    /// Tokens of the owner's tokenizer, which the suspect must share for the reading.
    /// # Null distribution
    /// Closed: exact, as in `text.watermark`, given the suspect's texts. Reading: the owner drew these texts with the key, so that what the
    /// suspect reads depends on it, and a suspect that copies what it has just read would look guilty. A window is therefore scored only where it
    /// stands for the first time in all texts, in their order: no number of such a window has been used before, so given all that was read
    /// the predicted token's number has its law whatever the suspect is. How many such windows there are may hang on the key; the bound is
    /// Ville's for a uniform mixture of larger rates, which holds whenever one stops. Both together: twice the smaller.
    /// # Assumptions
    /// The key was drawn at random and kept, and the hash is as good as random. Owner's texts are given whole and in the tokens that were
    /// drawn, with their prompts; the suspect's prompts do not depend on the key, but for windows that stand in them, which are dropped.
    /// # Survives
    /// Any change of weights and architecture that keeps what was learnt. The closed form also another tokenizer, because texts are split again.
    /// # Fails when
    /// Few of the replies were learnt or the watermark is weak; the tokens were certain; the suspect's texts or predictions are few. Whether the
    /// key leaked, the test cannot know.
    /// # Reference
    /// Sander, Fernandez, Durmus, Douze and Furon, *Watermarking makes language models radioactive*, arXiv 2402.14904.
    /// # Example
    /// Students of watermarked replies, docs/outputs.md.
    pub(crate) static CARD = {
        id: "text.radioactivity",
        question: Question::Distillation,
        null: "the suspect does not depend on the key of the watermark",
        null_basis: NullBasis::Symmetry,
        statistic: Quantity { symbol: "z", unit: "1", range: (f64::NEG_INFINITY, f64::INFINITY), tail: crate::card::Tail::Upper },
        needs: Preparation::Records,
        access: &[Access::Text],
        reference: "arXiv:2402.14904",
    }
}

pub(crate) struct TextRadioactivity;

impl RecordMethod for TextRadioactivity {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, records: &Records<'_>) -> Result<Outcome, MethodError> {
        let Some(given) = records.radioactivity else {
            return Ok(Outcome::not_applicable("no key of watermarked replies was given, with texts or predictions of the suspect"));
        };
        let (key, digest) = (&given.watermark, given.watermark.digest());
        let counted = Counted::of(&given.closed, key.window());
        let closed = if counted.is_empty() { None } else { Some(texts(&counted, key, records.seed)?) };
        let reading = reading(&given.reading, key)?;
        let tests: Vec<_> = closed.iter().chain(&reading).collect();
        let p_values: Vec<_> = tests.iter().map(|test| test.p_value).collect();
        let (Some(first), Some(p_value)) = (tests.last(), bonferroni(&p_values)) else {
            return Ok(Outcome::not_applicable("no text and no reading is longer than a window"));
        };
        let part = |label: &str, test: &crate::records::MarkTest| Explanation {
            label: label.into(),
            value: Some(test.z),
            unit: "1",
            words: format!(
                "{:.1} of {} pairs, {:.1} under another key on average; log10 p {:.1}",
                test.sum,
                test.n,
                test.expected,
                test.p_value.log10()
            ),
            parts: parts(test, &digest),
        };
        let named = [("the suspect's texts", &closed), ("the owner's texts as the suspect reads them", &reading)];
        let explanation = Explanation {
            label: "numbers of the suspect's choices under the key".into(),
            value: Some(first.z),
            unit: "1",
            words: format!("z {:.2} over {} distinct pairs of window and token", first.z, first.n),
            parts: named.into_iter().filter_map(|(label, test)| Some(part(label, test.as_ref()?))).collect(),
        };
        let observation = Observation::new(first.z, first.n, Some(p_value), explanation);
        let scheme = key.scheme().name().into();
        let evidence = MarkEvidence { scheme, key_digest: digest, texts: closed, reading, p_value };
        Ok(Outcome::Observed(Observation { marks: Some(Box::new(evidence)), ..observation }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Radioactivity, Reading};
    use forward::{Scheme, Watermark};
    use stats::sampling::{below, generator};

    const KGW: Scheme = Scheme::Kgw { gamma: 0.5, delta: 4.0 };

    /// Texts of an owner whose every token is the greener of two, in a vocabulary so small that windows come again and again.
    fn owners(key: &Watermark, seed: u64) -> Vec<Vec<u32>> {
        let mut generator = generator(seed, "owner");
        let mut text = || {
            let mut tokens: Vec<u32> = vec![0];
            while tokens.len() < 60 {
                let window = &tokens[tokens.len() - 1..];
                let [a, b] = [0, 1].map(|_| below(&mut generator, 40) as u32);
                tokens.push(if key.score(window, a) >= key.score(window, b) { a } else { b });
            }
            tokens
        };
        (0..20).map(|_| text()).collect()
    }

    /// A suspect that knows nothing of the key and repeats what came after the same token before; else it says the next token of all.
    fn copier(tokens: &[u32]) -> Vec<u32> {
        (0..tokens.len() - 1)
            .map(|end| {
                let before = (0..end).rev().find(|&before| tokens[before] == tokens[end]);
                before.map_or((tokens[end] + 1) % 40, |before| tokens[before + 1])
            })
            .collect()
    }

    fn read(key: &Watermark, texts: &[Vec<u32>], predict: &dyn Fn(&[u32]) -> Vec<u32>) -> Observation {
        let readings = texts.iter().map(|tokens| Reading { tokens: tokens.clone(), given: 1, predictions: predict(tokens) }).collect();
        let given = Radioactivity { watermark: key.clone(), closed: Vec::new(), reading: readings };
        let outcome = TextRadioactivity.observe(&Records { radioactivity: Some(&given), ..Records::default() }).unwrap();
        outcome.observed().unwrap().clone()
    }

    #[test]
    fn a_suspect_that_copies_what_it_reads_is_not_taken_for_one_that_learnt() {
        let of = |seed: u64| Watermark::new(KGW, 1, [9; 32]).unwrap().stranger(seed, 5);
        let (mut found, mut biased) = (0, 0.0);
        for seed in 0..300 {
            let key = of(seed);
            let texts = owners(&key, seed);
            found += usize::from(read(&key, &texts, &copier).p_value.unwrap().value() <= 0.05);
            // What it says wherever it may: as green as what it copies.
            let all: Vec<f64> = texts
                .iter()
                .flat_map(|tokens| {
                    copier(tokens).into_iter().zip(tokens).map(|(said, &token)| key.score(&[token], said)).collect::<Vec<_>>()
                })
                .collect();
            biased += all.iter().sum::<f64>() / all.len() as f64 / 300.0;
        }
        assert!(biased > 0.55, "{biased}");
        assert!(found <= 25, "{found} of 300 at .05");
        // One that learnt says what is green.
        let key = of(1);
        let learnt = |tokens: &[u32]| -> Vec<u32> {
            tokens[..tokens.len() - 1].iter().map(|&token| (0..40).find(|&said| key.score(&[token], said) == 1.0).unwrap_or(0)).collect()
        };
        let found = read(&key, &owners(&key, 1), &learnt);
        assert!(found.p_value.unwrap().log10() < -6.0, "{:?}", found.p_value);
        // A window counts once, however often it stands there.
        assert!(found.n <= 40, "{}", found.n);
    }

    #[test]
    fn without_a_key_or_texts_it_says_why() {
        let outcome = TextRadioactivity.observe(&Records::default()).unwrap();
        assert!(outcome.why().unwrap().contains("no key of watermarked replies"));
        let key = Watermark::new(KGW, 1, [9; 32]).unwrap();
        let given = Radioactivity { watermark: key, closed: Vec::new(), reading: Vec::new() };
        let outcome = TextRadioactivity.observe(&Records { radioactivity: Some(&given), ..Records::default() }).unwrap();
        assert!(outcome.why().unwrap().contains("longer than a window"));
    }
}
