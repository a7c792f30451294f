//! `text.equality`: do an endpoint and the model that it claims to serve answer alike?

use crate::card::{Card, card};
use crate::method::{Explanation, MethodError, Observation, Outcome};
use crate::records::{PromptSamples, RecordMethod, Records, Sample};
use stats::mmd::{Symbols, mmd};
use stats::p_value::bonferroni;
use stats::within_prompts::{WithinPrompts, tracking, tracking_first};

card! {
    /// # Question
    /// Do an endpoint and the model that it claims to serve answer alike?
    /// # Null hypothesis
    /// The endpoint serves the claimed model: to each prompt, its answers and the model's are draws of one distribution.
    /// # Statistic
    /// `MMD²`, unbiased, mean over prompts: `mean k(x, x′) + mean k(y, y′) − 2 mean k(x, y)` over different answers `x` of the model and `y` of the
    /// endpoint, where the Hamming kernel `k` is the share of equal characters at equal positions of the first 1,000, shorter answers padded with a character of
    /// their own. Large values count. Where every answer comes with its first token's log-probability, also the sum over prompts and tokens `t` of
    /// `n m / (n + m) · |mean of the model − mean of the endpoint|`, `n` and `m` how often each began with `t`: after one prompt a model gives a token one
    /// number, so this finds what texts cannot. Where only whole answers have one, the mean over prompts of the difference of their means.
    /// # Shapes and units
    /// At least two answers a prompt and source; answers of one source to different prompts are never compared. Dimensionless; nats a token.
    /// # Null distribution
    /// Exact, by permuting labels within each prompt: `(1 + #{T* ≥ T}) / (B + 1)`, B = 999. Of both statistics the smaller, times 2.
    /// # Assumptions
    /// Both sources were asked the same prompts with the same settings of the sampler, and each answer is a draw of its own: no cache, no seed
    /// that is used twice.
    /// # Survives
    /// Not meant to: an endpoint that serves another model, another rounding, another temperature or another system prompt is what it should find.
    /// # Fails when
    /// The difference is small beside what answers vary: too few prompts or answers. An endpoint that rounds in another way than the model beside it is
    /// another rounding, and is found: ask for both through one server, or compare texts alone. Log-probabilities that an endpoint states and does
    /// not compute prove nothing. It speaks of what was served when it was asked.
    /// # Reference
    /// Gao, Liang and Guestrin, *Model equality testing*, arXiv 2410.20247; Gretton et al., JMLR 13 (2012); tracking after Chauvin et al., arXiv 2512.03816.
    /// # Example
    /// On models of the laboratory, docs/outputs.md.
    pub(crate) static CARD = {
        id: "text.equality",
        question: Question::Identity,
        null: "the endpoint serves the claimed model",
        null_basis: NullBasis::Symmetry,
        statistic: Quantity { symbol: "MMD²", unit: "1", range: (-1.0, 2.0), tail: crate::card::Tail::Upper },
        needs: Preparation::Records,
        access: &[Access::Text],
        reference: "Gao, Liang and Guestrin, arXiv 2410.20247; Gretton et al. 2012",
    }
}

pub(crate) struct Equality;

/// Arrangements of labels that are drawn.
const DRAWS: u32 = 999;
/// Characters of an answer that are compared.
const LENGTH: usize = 1000;

impl RecordMethod for Equality {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, records: &Records<'_>) -> Result<Outcome, MethodError> {
        let Some(samples) = records.samples else { return Ok(Outcome::not_applicable("no samples were given")) };
        let usable: Vec<&PromptSamples> =
            samples.prompts.iter().filter(|prompt| prompt.reference.len() > 1 && prompt.suspect.len() > 1).collect();
        if usable.is_empty() {
            let why = format!("of {} prompts none has two answers of each source", samples.prompts.len());
            return Ok(Outcome::not_applicable(why));
        }
        let symbols =
            |samples: &[Sample]| -> Vec<Symbols> { samples.iter().map(|sample| sample.reply.chars().take(LENGTH).collect()).collect() };
        let texts: Vec<_> = usable.iter().map(|prompt| (symbols(&prompt.reference), symbols(&prompt.suspect))).collect();
        let found = mmd(&texts, LENGTH, DRAWS, records.seed, "text.equality/mmd")?;
        let log10 = |p: stats::PValue| format!("log10 p {:.2}", p.log10());
        let mut parts = vec![Explanation::leaf("MMD²", found.mean, "1", format!("of the texts, Hamming kernel; {}", log10(found.p_value)))];
        let mut p_value = found.p_value;
        if let Some((tracked, unit, what)) = tracked(&usable, records.seed)? {
            parts.push(Explanation::leaf("tracking", tracked.mean, unit, format!("{what}; {}", log10(tracked.p_value))));
            p_value = bonferroni(&[found.p_value, tracked.p_value]).unwrap_or(found.p_value);
        }
        let mean_length = |side: fn(&PromptSamples) -> &[Sample]| {
            let lengths = usable.iter().flat_map(|prompt| side(prompt).iter().map(|sample| sample.reply.chars().count()));
            let (sum, n) = lengths.fold((0, 0), |(sum, n), length| (sum + length, n + 1));
            (sum as f64 / f64::from(n), n)
        };
        let (of_model, of_endpoint) = (mean_length(|prompt| &prompt.reference), mean_length(|prompt| &prompt.suspect));
        for (label, (length, n)) in [("length, model", of_model), ("length, endpoint", of_endpoint)] {
            parts.push(Explanation::leaf(label, length, "characters", format!("mean of {n} answers")));
        }
        let explanation = Explanation {
            label: "answers of both sources".into(),
            value: Some(found.mean),
            unit: "1",
            words: format!(
                "on {} prompts, {} answers of the claimed model and {} of the endpoint have an MMD² of {:.2e}, where 0 is expected of one and the same",
                usable.len(),
                of_model.1,
                of_endpoint.1,
                found.mean
            ),
            parts,
        };
        Ok(Outcome::Observed(Observation::new(found.mean, usable.len(), Some(p_value), explanation)))
    }
}

/// What log-probabilities show, with its unit and words: those of first tokens, if all answers have one, else those of whole answers.
fn tracked(usable: &[&PromptSamples], seed: u64) -> Result<Option<(WithinPrompts, &'static str, &'static str)>, MethodError> {
    const LABEL: &str = "text.equality/tracking";
    if let Some(first) = of_both(usable, |sample| sample.first.clone().filter(|(_, logprob)| logprob.is_finite())) {
        let words = "mean over prompts of the differences of first tokens' log-probabilities, by how often both sources began with them";
        return Ok(Some((tracking_first(&first, DRAWS, seed, LABEL)?, "nats", words)));
    }
    let Some(whole) = of_both(usable, |sample| sample.logprob.filter(|logprob| logprob.is_finite())) else { return Ok(None) };
    let words = "mean |difference| of the log-probabilities that the sources state of their answers";
    Ok(Some((tracking(&whole, DRAWS, seed, LABEL)?, "nats a token", words)))
}

/// Something of every answer of both sources, by prompt, if all have it.
fn of_both<T>(usable: &[&PromptSamples], of: impl Fn(&Sample) -> Option<T>) -> Option<Vec<(Vec<T>, Vec<T>)>> {
    let all = |samples: &[Sample]| samples.iter().map(&of).collect::<Option<Vec<T>>>();
    usable.iter().map(|prompt| Some((all(&prompt.reference)?, all(&prompt.suspect)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Samples;
    use stats::sampling::{below, generator};

    /// A source that says one of `words` words, each as likely.
    fn source(seed: u64, label: &str, words: u64, with_logprob: bool) -> Vec<Sample> {
        let mut rng = generator(seed, label);
        let all = ["harbour", "boat", "rope", "dawn", "morning"];
        (0..8)
            .map(|_| {
                let said = below(&mut rng, words) as usize;
                let logprob = with_logprob.then(|| -(said as f64) - below(&mut rng, 1000) as f64 / 1000.0);
                Sample { reply: all[said].into(), logprob, first: None }
            })
            .collect()
    }

    fn samples(seed: u64, words: u64, with_logprob: bool) -> Samples {
        let prompt = |p: usize| PromptSamples {
            reference: source(seed, &format!("a{p}"), 3, with_logprob),
            suspect: source(seed, &format!("b{p}"), words, with_logprob),
        };
        Samples { prompts: (0..120).map(prompt).collect() }
    }

    fn observe(samples: &Samples) -> Outcome {
        Equality.observe(&Records { samples: Some(samples), seed: 3, ..Records::default() }).unwrap()
    }

    #[test]
    fn one_source_is_no_finding_and_another_is() {
        let p = |words: u64, with_logprob: bool| observe(&samples(1, words, with_logprob)).observed().unwrap().p_value.unwrap();
        assert!(p(3, false).value() > 0.01 && p(3, true).value() > 0.01);
        // One in a thousand, and twice that where two statistics were looked at.
        let (texts, both) = (p(5, false).value(), p(5, true).value());
        assert!((texts - 0.001).abs() < 1e-12 && (both - 0.002).abs() < 1e-12, "{texts} {both}");
    }

    #[test]
    fn swapping_the_sources_changes_no_statistic() {
        let given = samples(2, 4, true);
        let swapped = Samples {
            prompts: given.prompts.iter().map(|p| PromptSamples { reference: p.suspect.clone(), suspect: p.reference.clone() }).collect(),
        };
        let (one, other) = (observe(&given), observe(&swapped));
        assert!((one.observed().unwrap().statistic - other.observed().unwrap().statistic).abs() < 1e-12);
    }

    #[test]
    fn a_rounding_that_no_text_shows_is_seen_in_first_tokens() {
        let mut given = samples(1, 3, false);
        let sources = given.prompts.iter_mut().flat_map(|p| [(&mut p.reference, 0.0), (&mut p.suspect, 1e-4)]);
        sources.for_each(|(source, shift)| {
            source.iter_mut().for_each(|sample| sample.first = Some((sample.reply.clone(), shift - sample.reply.len() as f64)));
        });
        let found = observe(&given);
        assert!((found.observed().unwrap().p_value.unwrap().value() - 0.002).abs() < 1e-12);
        // One that is missing leaves the texts.
        given.prompts[3].reference[1].first = None;
        assert!(observe(&given).observed().unwrap().p_value.unwrap().value() > 0.01);
    }

    #[test]
    fn one_missing_log_probability_leaves_the_texts() {
        let mut given = samples(1, 5, true);
        given.prompts[3].suspect[2].logprob = None;
        let found = observe(&given);
        let found = found.observed().unwrap();
        assert!((found.p_value.unwrap().value() - 0.001).abs() < 1e-12);
        assert!(found.explanation.parts.iter().all(|part| part.label != "tracking"));
    }

    #[test]
    fn single_answers_cannot_be_compared() {
        let mut given = samples(1, 3, false);
        given.prompts.iter_mut().for_each(|prompt| prompt.suspect.truncate(1));
        assert_eq!(observe(&given).why(), Some("of 120 prompts none has two answers of each source"));
        assert_eq!(Equality.observe(&Records::default()).unwrap().why(), Some("no samples were given"));
    }
}
