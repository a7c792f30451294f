//! `text.palimpsest`: the order in which a model read its training data, still legible in a model that came from it.

use crate::card::{Card, card};
use crate::method::{Explanation, MethodError, Observation, Outcome};
use crate::records::{OrderScores, RecordMethod, Records};
use stats::exchangeable::residuals;
use stats::rank_order::{RankOrder, rank_order};

card! {
    /// # Question
    /// Does the suspect remember the reference's training data in the order in which the reference read it? Weight lineage only: it says
    /// nothing of distillation.
    /// # Null hypothesis
    /// The suspect does not depend on the order in which the reference read its data. It may have read the same data, by the same recipe, in any other
    /// order.
    /// # Statistic
    /// `ρ`, Spearman's rank correlation over documents of the place in the kept order with `ℓ_S − Σ_k β_k ℓ_k`, where `ℓ` is the mean log-probability
    /// of a token, over the first 256 tokens, the `k` are models that did not read in this order, and the `β` those of least squares. What is left is what
    /// the suspect knows of a document beyond what its words make likely. What was read later is remembered better, so large values count.
    /// # Shapes and units
    /// One place, and the log-probabilities of the suspect and of one base or more, in nats, a document; `ρ` in [-1, 1].
    /// # Null distribution
    /// Exact, by the drawing of the order alone, which neither `ℓ` nor `β` depends on: `(1 + #{ρ* ≥ ρ}) / (B + 1)` over orders drawn anew; and where none of
    /// these reaches `ρ`, a bound without a floor. It pairs place `i` from the front with place `i` from the back: which of the two documents of a pair came
    /// first is a fair coin. Spearman's sum is the sum of these coins, each times half the distance of its places and the difference of its ranks, and
    /// the lesser of Chernoff's and of Bentkus and Dzindzalieta's bound holds for its tail.
    /// # Assumptions
    /// The owner drew the order at random, uniformly, without looking at the documents, and kept it. Nothing here can check that: an order by length, source or date, or one
    /// that was written down afterwards, makes the p-value worthless. What shows it is a commitment to the order, or to the seed that it follows
    /// from, made before the suspect was there. Each document was read once. The bases did not read in this order; which they are is fixed before the suspect is
    /// opened. Several on the same data take away more of the noise than one.
    /// # Survives
    /// Fine-tuning and continued pretraining on other data, in part; rounding; every change that keeps the function.
    /// # Fails when
    /// The data were read in many epochs, each in an order of its own, or in a rate that decays to nothing; much training followed; the suspect
    /// says no log-probabilities of given text. A student of the reference's replies has not read the documents at all.
    /// # Reference
    /// Kuditipudi et al., *Blackbox model provenance via palimpsestic membership inference*, arXiv 2510.19796; Bentkus and Dzindzalieta, *Bernoulli* 21
    /// (2015).
    /// # Example
    /// On models of the laboratory, docs/outputs.md.
    pub(crate) static CARD = {
        id: "text.palimpsest",
        question: Question::Derivation,
        null: "the suspect does not depend on the order in which the reference read its training data",
        null_basis: NullBasis::Symmetry,
        statistic: Quantity::correlation("ρ"),
        needs: Preparation::Records,
        access: &[Access::Text, Access::Log],
        reference: "Kuditipudi et al., arXiv 2510.19796",
    }
}

pub(crate) struct Palimpsest;

/// Orders that are drawn.
const DRAWS: u32 = 999;
/// Parts of the order whose means are shown.
const TENTHS: usize = 10;

impl RecordMethod for Palimpsest {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, records: &Records<'_>) -> Result<Outcome, MethodError> {
        let Some(order) = records.order else { return Ok(Outcome::not_applicable("no training order was given")) };
        let mut documents = order.documents.clone();
        if documents.len() < 2 {
            let why = format!("all models could read {} documents of the order, and two are needed", documents.len());
            return Ok(Outcome::not_applicable(why));
        }
        documents.sort_by_key(|document| document.position);
        if let Some(pair) = documents.windows(2).find(|pair| pair[0].position == pair[1].position) {
            return Ok(Outcome::not_applicable(format!("two documents were read at place {}, which is no order", pair[0].position)));
        }
        let suspect: Vec<f64> = documents.iter().map(|document| document.suspect).collect();
        let n_bases = documents[0].bases.len();
        if n_bases == 0 || documents.iter().any(|document| document.bases.len() != n_bases) {
            return Ok(Outcome::not_applicable("documents have no log-probability of a base, or some of more bases than others"));
        }
        let bases: Vec<Vec<f64>> = (0..n_bases).map(|k| documents.iter().map(|document| document.bases[k]).collect()).collect();
        let (betas, rest) = residuals(std::slice::from_ref(&suspect), &bases.iter().map(std::slice::from_ref).collect::<Vec<_>>())?;
        let rest: Vec<f64> = rest.into_iter().flatten().collect();
        let Some(found) = rank_order(&rest, DRAWS, records.seed, "text.palimpsest")? else {
            return Ok(Outcome::not_applicable("the bases leave the same amount of the suspect on every document"));
        };
        let read = Read { suspect, bases, betas, rest };
        Ok(Outcome::Observed(observation(order, &read, found, records.seed)?))
    }
}

/// Log-probabilities of the documents, in the order of reading.
struct Read {
    suspect: Vec<f64>,
    bases: Vec<Vec<f64>>,
    /// Share of each base, taken one after the other.
    betas: Vec<f64>,
    /// What the bases leave of the suspect.
    rest: Vec<f64>,
}

fn observation(order: &OrderScores, read: &Read, found: RankOrder, seed: u64) -> Result<Observation, MethodError> {
    let n = read.rest.len();
    let p = |label: &str, p: stats::PValue, words: &str| Explanation::leaf(label, p.log10(), "log10", words);
    let mut parts = vec![
        p("by drawn orders", found.permutation, "p-value; never below one in the number of draws and one"),
        p("by pairs of places", found.paired, "p-value; without a floor"),
    ];
    let alone = |label: &str, values: &[f64], words: String| -> Result<Option<Explanation>, MethodError> {
        let found = rank_order(values, DRAWS, seed, &format!("text.palimpsest/{label}"))?;
        Ok(found.map(|alone| Explanation::leaf(label, alone.rho, "1", format!("{words}; log10 p {:.1}", alone.p_value.log10()))))
    };
    // What remains without the bases: the same test, of more noise.
    parts.extend(alone("suspect alone", &read.suspect, "without the bases; as valid, and weaker".into())?);
    for (k, (base, beta)) in read.bases.iter().zip(&read.betas).enumerate() {
        let words = format!("it did not read in this order, so it should show nothing; taken away {beta:.3} times");
        parts.extend(alone(&format!("base {} alone", k + 1), base, words)?);
    }
    let mean = read.rest.iter().sum::<f64>() / n as f64;
    let tenth = |i: usize| &read.rest[i * n / TENTHS..(i + 1) * n / TENTHS];
    for part in (0..TENTHS).map(tenth).enumerate().filter(|(_, part)| !part.is_empty()) {
        let (i, values) = part;
        let here = values.iter().sum::<f64>() / values.len() as f64;
        parts.push(Explanation::leaf(
            format!("part {} of {TENTHS}", i + 1),
            here - mean,
            "nats a token",
            "what the bases leave of the suspect, beside its mean over all documents",
        ));
    }
    let unread = if order.unread > 0 { format!("; {} more could not be read", order.unread) } else { String::new() };
    let explanation = Explanation {
        label: "documents in the order of reading".into(),
        value: Some(found.rho),
        unit: "1",
        words: format!(
            "over {n} documents, the later the reference read one the better the suspect knows it beside {}: rank correlation {:.4}{unread}. This speaks of weight lineage only, not of distillation",
            match read.bases.len() {
                1 => "the base".to_owned(),
                k => format!("{k} bases"),
            },
            found.rho
        ),
        parts,
    };
    Ok(Observation::new(found.rho, n, Some(found.p_value), explanation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::ReadDocument;
    use stats::sampling;

    fn noise(seed: u64, label: &str, n: usize) -> Vec<f64> {
        let mut generator = sampling::generator(seed, label);
        (0..n).map(|_| sampling::below(&mut generator, 1 << 30) as f64 / f64::from(1 << 30)).collect()
    }

    /// Documents whose log-probability rises by `slope` from the first to the last.
    fn order(seed: u64, n: usize, slope: f64) -> OrderScores {
        let (suspect, hard) = (noise(seed, "suspect", n), noise(seed, "hard", n));
        let document = |i: usize| ReadDocument {
            position: 10 * i as u64,
            suspect: -hard[i] - 0.3 * suspect[i] + slope * i as f64 / n as f64,
            bases: vec![-hard[i]],
        };
        OrderScores { documents: (0..n).map(document).collect(), unread: 0 }
    }

    fn observe(order: &OrderScores) -> Outcome {
        Palimpsest.observe(&Records { order: Some(order), seed: 1, ..Records::default() }).unwrap()
    }

    #[test]
    fn what_is_remembered_in_order_is_found_and_nothing_else() {
        let found = observe(&order(1, 2000, 0.2));
        let found = found.observed().unwrap();
        assert!(found.statistic > 0.3 && found.p_value.unwrap().log10() < -20.0 && found.p_value.unwrap().is_rigorous());
        let alone = found.explanation.parts.iter().find(|part| part.label == "base 1 alone").unwrap();
        assert!(alone.value.unwrap().abs() < 0.1, "{alone:?}");
        let none = observe(&order(1, 2000, 0.0));
        assert!(none.observed().unwrap().p_value.unwrap().log10() > -3.0);
        // What was read earlier being remembered better is not what a reading leaves.
        let backward = observe(&order(1, 2000, -0.2));
        assert_eq!(backward.observed().unwrap().p_value.unwrap().value(), 1.0);
    }

    #[test]
    fn a_second_base_takes_more_of_the_noise_away_and_invents_nothing() {
        let with_second = |slope: f64| {
            let mut given = order(1, 2000, slope);
            // A sibling of the suspect shares most of what the first base leaves, and knows nothing of the order.
            let own = noise(1, "suspect", 2000);
            given.documents.iter_mut().zip(&own).for_each(|(document, own)| document.bases.push(document.bases[0] - 0.2 * own));
            given
        };
        let p = |order: &OrderScores| observe(order).observed().unwrap().p_value.unwrap().log10();
        assert!(p(&with_second(0.05)) < p(&order(1, 2000, 0.05)) - 2.0);
        assert!(p(&with_second(0.0)) > -3.0);
        let found = observe(&with_second(0.05));
        assert!(found.observed().unwrap().explanation.words.contains("beside 2 bases"));
    }

    #[test]
    fn the_order_of_the_list_does_not_matter_and_places_count_by_rank() {
        let given = order(3, 300, 0.1);
        let mut other = given.clone();
        other.documents.reverse();
        other.documents.iter_mut().for_each(|document| document.position = document.position * document.position + 7);
        let (one, other) = (observe(&given), observe(&other));
        let (one, other) = (one.observed().unwrap(), other.observed().unwrap());
        assert_eq!((one.statistic, one.p_value), (other.statistic, other.p_value));
    }

    #[test]
    fn what_is_no_order_says_so() {
        let why = |order: &OrderScores| observe(order).why().unwrap_or_default().to_owned();
        assert_eq!(Palimpsest.observe(&Records::default()).unwrap().why(), Some("no training order was given"));
        assert_eq!(why(&order(1, 1, 0.0)), "all models could read 1 documents of the order, and two are needed");
        let mut twice = order(1, 9, 0.1);
        twice.documents[4].position = 0;
        assert_eq!(why(&twice), "two documents were read at place 0, which is no order");
        let mut same = order(1, 9, 0.1);
        same.documents.iter_mut().for_each(|document| document.suspect = document.bases[0]);
        assert!(why(&same).contains("the same amount"));
        let mut fewer = order(1, 9, 0.1);
        fewer.documents[4].bases.clear();
        assert!(why(&fewer).contains("some of more bases"));
        let mut broken = order(1, 9, 0.1);
        broken.documents[4].suspect = f64::NAN;
        assert!(Palimpsest.observe(&Records { order: Some(&broken), ..Records::default() }).is_err());
    }
}
