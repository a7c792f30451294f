//! `text.agreement`: a suspect that answers as the reference does, beyond what independent models have in common.

use crate::card::{Card, card};
use crate::method::{Explanation, MethodError, Observation, Outcome};
use crate::records::{Answers, ControlAnswers, OneAnswerEach, RecordMethod, Records};
use stats::holm::holm;
use stats::mcnemar::{Mcnemar, mcnemar_of};
use stats::tails::ln_student_sf;
use stats::{NullDistribution, PValue};

card! {
    /// # Question
    /// Does the suspect answer as the reference does, beyond what independent models have in common? Weight lineage only: it says nothing of
    /// distillation, though a student that learnt many of the reference's replies may come to agree with it more than with its own base.
    /// # Null hypothesis
    /// To the suspect the reference is one more of the controls: what they agree on, beside what other models agree on with each, is of one law.
    /// # Statistic
    /// `Δ = r(R) − mean_j r(C_j)`, where `r(M) = ln(A(S, M) / T(M))`, `A` is the share of prompts on which two models give the same answer, and `T(M)` the
    /// mean of `A(M, ·)` over other models: how much any model agrees with `M`. A model that answers as everybody does is agreed with by all, which is
    /// no descent, and dividing by `T` takes that away. `T` is taken twice, over the other controls and over the reference too: the first is right where the
    /// reference has a standing of its own, the second where it is one of them. What counts is the one that says less. An answer is the most probable
    /// next token. Large values count.
    /// # Shapes and units
    /// One answer a prompt and model, at least 3,000 prompts that all models answered, and at least two controls; a difference of natural logarithms of
    /// shares.
    /// # Null distribution
    /// Student's t with `k − 1` degrees of freedom, of `k` controls: `t = Δ / (s √(1 + 1/k))`, `s` the standard deviation of `r` over the controls; of both `T` the
    /// larger p-value. So models
    /// are what is drawn, and prompts are part of what they differ by. McNemar's exact test beside each control, adjusted by Holm, stands in the parts: it
    /// knows prompts alone, and tells independent models apart as readily as relatives.
    /// # Assumptions
    /// `r` of reference and controls are independent draws of one normal law, if the suspect descends from none of them. That holds for siblings of
    /// the reference (same recipe and data, other draws) and must be argued for others; without siblings, what recipe and data make alike is read as
    /// descent. Without the normal law, a model that is like the controls still stands first of `k + 1` by chance in one of `k + 1` cases, which the part
    /// *controls below* says. Prompts were fixed beforehand. Who tries several references asks for as many times smaller a p-value.
    /// # Survives
    /// Fine-tuning, rounding, merging and disguises that keep the function, as long as most answers stay.
    /// # Fails when
    /// The suspect was trained on for long; the controls are worse models or of other data, or few; a parent of the suspect stands among the controls
    /// (then the spread of the controls is large and nothing is found); the prompts have one obvious answer, on which all models agree.
    /// # Reference
    /// Nikolić, Baluta and Saxena, *Model provenance testing for large language models*, arXiv 2502.00706, whose controls are held against the suspect by a
    /// test of prompts; the division by `T` and the law of models are ours. McNemar 1947; Holm 1979.
    /// # Example
    /// On models of the laboratory, docs/outputs.md.
    pub(crate) static CARD = {
        id: "text.agreement",
        question: Question::Derivation,
        null: "to the suspect the reference is one more of the controls",
        null_basis: NullBasis::Model,
        statistic: Quantity { symbol: "Δ", unit: "1", range: (f64::NEG_INFINITY, f64::INFINITY), tail: crate::card::Tail::Upper },
        needs: Preparation::Records,
        access: &[Access::Text],
        reference: "after Nikolić, Baluta and Saxena, arXiv 2502.00706; McNemar 1947; Holm 1979",
    }
}

pub(crate) struct Agreement;

/// Fewer prompts cannot tell a fine-tune from a sibling.
const MIN_PROMPTS: usize = 3000;
/// One control has no spread.
const MIN_CONTROLS: usize = 2;

impl RecordMethod for Agreement {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, records: &Records<'_>) -> Result<Outcome, MethodError> {
        let Some(answers) = records.answers else { return Ok(Outcome::not_applicable("no answers were given")) };
        let k = answers.controls.len();
        if k < MIN_CONTROLS {
            let why = format!(
                "{k} controls were given, and {MIN_CONTROLS} are needed at least: nothing else says how much independent models differ"
            );
            return Ok(Outcome::not_applicable(why));
        }
        let answered = answered(answers);
        if answered.len() < MIN_PROMPTS {
            let why = format!("all models answered {} prompts, and {MIN_PROMPTS} are needed", answered.len());
            return Ok(Outcome::not_applicable(why));
        }
        let compared = compared(answers, &answered);
        Ok(compared.map_or_else(
            || Outcome::not_applicable("the suspect agrees with all controls alike, or with one model never"),
            Outcome::Observed,
        ))
    }
}

/// Prompts that every model answered.
fn answered(answers: &Answers) -> Vec<usize> {
    let all = [&answers.reference, &answers.suspect].into_iter().chain(answers.controls.iter().map(|control| &control.answers));
    let all: Vec<_> = all.collect();
    (0..answers.suspect.len()).filter(|&prompt| all.iter().all(|of| of.get(prompt).is_some_and(Option::is_some))).collect()
}

/// `None` where the controls do not differ, or an agreement is 0 and has no logarithm.
fn compared(answers: &Answers, prompts: &[usize]) -> Option<Observation> {
    let n = prompts.len();
    let pool: Vec<&OneAnswerEach> =
        std::iter::once(&answers.reference).chain(answers.controls.iter().map(|control| &control.answers)).collect();
    let share = |one: &OneAnswerEach, other: &OneAnswerEach| {
        prompts.iter().filter(|&&prompt| one[prompt] == other[prompt]).count() as f64 / n as f64
    };
    let with: Vec<f64> = pool.iter().map(|model| share(&answers.suspect, model)).collect();
    let among = Among::of(&pool, share);
    let relative = |typical: &[f64]| -> Vec<f64> { with.iter().zip(typical).map(|(with, typical)| (with / typical).ln()).collect() };
    let found = |first: usize| {
        let typical = among.typical(first);
        let relative = relative(&typical);
        beyond(&relative).map(|spread| (spread, relative, typical))
    };
    let both = [found(0)?, found(1)?];
    let (Spread { delta, t, p_value }, relative, typical) =
        both.into_iter().max_by(|a, b| a.0.p_value.ln().total_cmp(&b.0.p_value.ln()))?;

    let k = answers.controls.len();
    let tests: Vec<Mcnemar> = answers.controls.iter().map(|control| mcnemar(answers, control, prompts)).collect();
    let adjusted = holm(&tests.iter().map(|test| test.p_value).collect::<Vec<_>>());
    let words = |i: usize| format!("share of prompts answered alike; {:.4} times what other models give", with[i] / typical[i]);
    let mut parts = vec![Explanation::leaf("with the reference", with[0], "1", words(0))];
    for (i, (control, (test, adjusted))) in answers.controls.iter().zip(tests.iter().zip(adjusted)).enumerate() {
        let words = format!(
            "{}{}; the reference alone on {} prompts, the control alone on {}: McNemar's log10 p {:.1}, adjusted by Holm {:.1}",
            if control.is_sibling { "a sibling; " } else { "" },
            words(i + 1),
            test.only_first,
            test.only_second,
            test.p_value.log10(),
            adjusted.log10()
        );
        parts.push(Explanation::leaf(format!("with {}", control.name), with[i + 1], "1", words));
    }
    let spread = format!("Δ in units of what one more control would spread, Student's t of {k} controls");
    parts.push(Explanation::leaf("beyond the controls", t, "t", spread));
    let below = relative[1..].iter().filter(|control| **control < relative[0]).count();
    let rank = format!("controls that fall short of the reference, of {k}; a model like them is above all by chance in one of {}", k + 1);
    parts.push(Explanation::leaf("controls below", below as f64, "models", rank));
    let siblings = answers.controls.iter().filter(|control| control.is_sibling).count();
    let explanation = Explanation {
        label: "answers that are alike".into(),
        value: Some(delta),
        unit: "1",
        words: format!(
            "on {n} prompts the suspect answers as the reference does on {:.1} %, {:.3} times what it would for a control of the same standing, of {k} controls, {siblings} of them siblings of the reference. This speaks of weight lineage only, not of distillation",
            100.0 * with[0],
            delta.exp(),
        ),
        parts,
    };
    Some(Observation::new(delta, n, Some(p_value), explanation))
}

/// Agreements of reference and controls with one another, the reference first.
struct Among(Vec<Vec<f64>>);

impl Among {
    fn of(pool: &[&OneAnswerEach], share: impl Fn(&OneAnswerEach, &OneAnswerEach) -> f64) -> Self {
        Self(pool.iter().map(|one| pool.iter().map(|other| share(one, other)).collect()).collect())
    }

    /// `T` of each: how much the others agree with it, from the `first` on.
    fn typical(&self, first: usize) -> Vec<f64> {
        let of = |(i, row): (usize, &Vec<f64>)| {
            let others: Vec<f64> = row.iter().enumerate().skip(first).filter(|(j, _)| *j != i).map(|(_, share)| *share).collect();
            others.iter().sum::<f64>() / others.len() as f64
        };
        self.0.iter().enumerate().map(of).collect()
    }
}

fn mcnemar(answers: &Answers, control: &ControlAnswers, prompts: &[usize]) -> Mcnemar {
    let agrees = |other: &OneAnswerEach, prompt: usize| answers.suspect[prompt] == other[prompt];
    mcnemar_of(prompts.iter().map(|&prompt| (agrees(&answers.reference, prompt), agrees(&control.answers, prompt))))
}

/// Where the first of some values lies beside the others.
struct Spread {
    /// Over their mean.
    delta: f64,
    t: f64,
    p_value: PValue,
}

/// `None` of values that are not finite, or others that do not differ.
fn beyond(values: &[f64]) -> Option<Spread> {
    let (first, others) = values.split_first()?;
    let k = others.len() as f64;
    let mean = others.iter().sum::<f64>() / k;
    let variance = others.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (k - 1.0);
    let delta = first - mean;
    let is_spread = delta.is_finite() && variance > 0.0;
    is_spread.then(|| {
        let t = delta / (variance * (1.0 + 1.0 / k)).sqrt();
        let p_value = PValue::new(ln_student_sf(t, k - 1.0), NullDistribution::Asymptotic { law: "Student's t" });
        Spread { delta, t, p_value }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stats::sampling::{below, generator};

    /// Answers that copy those of `of` on `share` hundredths of the prompts, and guess among ten on the others.
    fn like(of: &OneAnswerEach, share: u64, label: &str) -> OneAnswerEach {
        let mut rng = generator(1, label);
        of.iter().map(|said| if below(&mut rng, 100) < share { said.clone() } else { Some(below(&mut rng, 10).to_string()) }).collect()
    }

    /// What comes to mind first.
    fn anybody(n: usize) -> OneAnswerEach {
        like(&vec![None; n], 0, "anybody")
    }

    /// All of them answer half of the prompts as anybody would; the suspect follows the reference on `share` of the rest.
    fn case(n: usize, share: u64) -> Answers {
        let anybody = anybody(n);
        let reference = like(&anybody, 50, "reference");
        let control = |i: usize| ControlAnswers {
            name: format!("control-{i}"),
            is_sibling: i < 2,
            answers: like(&anybody, 50, &format!("control-{i}")),
        };
        let from = like(&anybody, 50, "suspect");
        let mut rng = generator(2, "follows");
        let suspect = from
            .iter()
            .zip(&reference)
            .map(|(own, theirs)| if below(&mut rng, 100) < share { theirs.clone() } else { own.clone() })
            .collect();
        Answers { reference, suspect, controls: (0..5).map(control).collect() }
    }

    fn observe(answers: &Answers) -> Outcome {
        Agreement.observe(&Records { answers: Some(answers), ..Records::default() }).unwrap()
    }

    #[test]
    fn a_follower_stands_out_and_an_independent_model_does_not() {
        let found = observe(&case(3000, 40));
        let found = found.observed().unwrap();
        assert!(found.statistic > 0.1 && found.p_value.unwrap().log10() < -3.0, "{found:?}");
        assert!(!found.p_value.unwrap().is_rigorous());
        assert!(found.explanation.words.contains("5 controls, 2 of them siblings"), "{}", found.explanation.words);
        assert_eq!(found.explanation.parts.len(), 8);
        let none = observe(&case(3000, 0));
        assert!(none.observed().unwrap().p_value.unwrap().log10() > -2.0);
    }

    #[test]
    fn a_reference_that_all_models_agree_with_is_no_parent() {
        let mut answers = case(3000, 0);
        // It answers as anybody does where the controls guess, so all of them agree with it more than with one another.
        answers.reference = anybody(3000);
        let found = observe(&answers);
        let found = found.observed().unwrap();
        let part = |label: &str| found.explanation.parts.iter().find(|part| part.label == label).unwrap().value.unwrap();
        assert!(part("with the reference") > part("with control-0") + 0.1, "{found:?}");
        assert!(found.p_value.unwrap().value() > 0.01, "{found:?}");
    }

    #[test]
    fn a_parent_among_the_controls_leaves_nothing_to_find() {
        let mut answers = case(3000, 40);
        let alone = observe(&answers).observed().unwrap().p_value.unwrap();
        answers.controls.push(ControlAnswers { name: "parent".into(), is_sibling: false, answers: answers.suspect.clone() });
        let found = observe(&answers);
        assert!(found.observed().unwrap().p_value.unwrap().value() > 0.1 && alone.value() < 1e-3);
    }

    #[test]
    fn names_of_answers_and_the_order_of_prompts_and_controls_do_not_matter() {
        let given = case(3100, 20);
        let mut other = given.clone();
        let turned = |answers: &mut OneAnswerEach| {
            answers.reverse();
            answers.iter_mut().flatten().for_each(|answer| answer.push_str(" said"));
        };
        turned(&mut other.reference);
        turned(&mut other.suspect);
        other.controls.iter_mut().for_each(|control| turned(&mut control.answers));
        other.controls.reverse();
        let (one, other) = (observe(&given), observe(&other));
        let (one, other) = (one.observed().unwrap(), other.observed().unwrap());
        assert!((one.statistic - other.statistic).abs() < 1e-12);
        assert!((one.p_value.unwrap().ln() - other.p_value.unwrap().ln()).abs() < 1e-9);
    }

    #[test]
    fn the_p_value_is_uniform_over_models_of_one_law() {
        let models: Vec<OneAnswerEach> = (0..400).map(|i| like(&anybody(3000), 50, &format!("null-{i}"))).collect();
        let p_values: Vec<f64> = models
            .chunks_exact(5)
            .map(|models| {
                let control = |answers: &OneAnswerEach| ControlAnswers { name: String::new(), is_sibling: true, answers: answers.clone() };
                let answers = Answers {
                    suspect: models[0].clone(),
                    reference: models[1].clone(),
                    controls: models[2..].iter().map(control).collect(),
                };
                observe(&answers).observed().unwrap().p_value.unwrap().value()
            })
            .collect();
        let uniform = stats::uniformity::ks_uniform(&p_values).unwrap();
        assert!(uniform.p.value() > 1e-3, "{uniform:?}");
    }

    #[test]
    fn the_reference_is_held_against_the_spread_of_the_controls() {
        // scipy 1.17.1: c = [.5, .52, .57]; t = (.7 - mean(c)) / (std(c, ddof=1) * sqrt(1 + 1/3)); log10(scipy.stats.t.sf(t, 2))
        let found = beyond(&[0.7, 0.5, 0.52, 0.57]).unwrap();
        assert!((found.t - 4.083_267_922_029_726_5).abs() < 1e-9 && (found.p_value.log10() + 1.560_120_005_535_468).abs() < 1e-9);
        assert!(beyond(&[0.7, 0.5, 0.5]).is_none() && beyond(&[f64::NEG_INFINITY, 0.5, 0.6]).is_none());
    }

    #[test]
    fn too_few_prompts_or_controls_are_said() {
        let mut answers = case(3000, 40);
        answers.controls[1].answers[7] = None;
        assert_eq!(observe(&answers).why(), Some("all models answered 2999 prompts, and 3000 are needed"));
        answers.controls.truncate(1);
        assert!(observe(&answers).why().unwrap().starts_with("1 controls were given, and 2 are needed"));
        assert_eq!(Agreement.observe(&Records::default()).unwrap().why(), Some("no answers were given"));
    }
}
