//! `text.agreement`: a suspect that answers as the reference does, more often than as any control does.

use crate::card::{Card, card};
use crate::method::{Explanation, MethodError, Observation, Outcome};
use crate::records::{Answers, RecordMethod, Records};
use stats::PValue;
use stats::holm::holm;
use stats::mcnemar::{Mcnemar, mcnemar_of};
use stats::tails::ln_student_sf;

card! {
    /// # Question
    /// Does the suspect answer as the reference does, more often than as any control does? Weight lineage only: it says nothing of
    /// distillation, though a student that learnt many of the reference's replies may come to agree with it more than with its own base.
    /// # Null hypothesis
    /// There is a control that the suspect agrees with at least as often as with the reference, over the prompts that these were drawn from.
    /// # Statistic
    /// `Δ`, the smallest difference over controls: share of prompts on which suspect and reference give the same answer, less the share on which suspect
    /// and control do. An answer is the most probable next token. Large values count.
    /// # Shapes and units
    /// One answer a prompt and model, at least 3,000 prompts that all models answered; a difference of shares in [-1, 1].
    /// # Null distribution
    /// For each control McNemar's exact test, `P(Binomial(b + c, ½) ≥ b)`, where on `b` prompts the suspect agrees with the reference alone and on `c` with the
    /// control alone. The claim is *more than with every control*, so the p-value is the largest over controls, which needs no correction; the parts give
    /// each of them, and adjusted by Holm for whoever reads them one by one.
    /// # Assumptions
    /// Prompts are drawn independently from a distribution that was fixed beforehand. The p-value speaks of prompts, given these models: that
    /// an independent model agrees with the reference no more than with the best of the controls is what the controls have to show. So siblings of
    /// the reference (same recipe and data, other draws) belong among them; without siblings, what recipe and data make alike is read as descent. A model
    /// that is like the controls stands first of `k + 1` by chance in one of `k + 1` cases, and with thousands of prompts often significantly so: models
    /// differ, and McNemar's p-value knows prompts alone. So the parts also hold the reference against the spread of the controls (Student's t, under a
    /// normal law of models); a small p-value with a small t is no finding.
    /// # Survives
    /// Fine-tuning, rounding, merging and disguises that keep the function, as long as most answers stay.
    /// # Fails when
    /// The suspect was trained on for long; the controls are worse models or of other data; a parent of the suspect stands among the controls (then the
    /// parent is what it agrees with); the prompts have one obvious answer, on which all models agree.
    /// # Reference
    /// Nikolić, Baluta and Saxena, *Model provenance testing for large language models*, arXiv 2502.00706, corrected; McNemar 1947; Holm 1979.
    /// # Example
    /// On models of the laboratory, docs/guide/lineage-by-outputs.md.
    pub(crate) static CARD = {
        id: "text.agreement",
        question: Question::Derivation,
        null: "there is a control that the suspect agrees with at least as often as with the reference",
        null_basis: NullBasis::Model,
        statistic: Quantity { symbol: "Δ", unit: "1", range: (-1.0, 1.0), tail: crate::card::Tail::Upper },
        needs: Preparation::Records,
        access: &[Access::Text],
        reference: "Nikolić, Baluta and Saxena, arXiv 2502.00706; McNemar 1947; Holm 1979",
    }
}

pub(crate) struct Agreement;

/// The part that holds the reference against the spread of the controls.
const BEYOND: &str = "beyond the controls";
/// Fewer prompts cannot tell a fine-tune from a sibling.
const MIN_PROMPTS: usize = 3000;

impl RecordMethod for Agreement {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, records: &Records<'_>) -> Result<Outcome, MethodError> {
        let Some(answers) = records.answers else { return Ok(Outcome::not_applicable("no answers were given")) };
        if answers.controls.is_empty() {
            return Ok(Outcome::not_applicable("no control was given, and without one nothing says how often independent models agree"));
        }
        let answered = answered(answers);
        if answered.len() < MIN_PROMPTS {
            let why = format!("all models answered {} prompts, and {MIN_PROMPTS} are needed", answered.len());
            return Ok(Outcome::not_applicable(why));
        }
        Ok(compared(answers, &answered).map_or_else(|| Outcome::not_applicable("no control was given"), Outcome::Observed))
    }
}

/// Prompts that every model answered.
fn answered(answers: &Answers) -> Vec<usize> {
    let all = [&answers.reference, &answers.suspect].into_iter().chain(answers.controls.iter().map(|control| &control.answers));
    let all: Vec<_> = all.collect();
    (0..answers.suspect.len()).filter(|&prompt| all.iter().all(|of| of.get(prompt).is_some_and(Option::is_some))).collect()
}

fn compared(answers: &Answers, prompts: &[usize]) -> Option<Observation> {
    let n = prompts.len();
    let agrees = |other: &[Option<String>], prompt: usize| answers.suspect[prompt] == other[prompt];
    let share = |other: &[Option<String>]| prompts.iter().filter(|&&prompt| agrees(other, prompt)).count() as f64 / n as f64;
    let with_reference = share(&answers.reference);
    let tests: Vec<Mcnemar> = answers
        .controls
        .iter()
        .map(|control| mcnemar_of(prompts.iter().map(|&prompt| (agrees(&answers.reference, prompt), agrees(&control.answers, prompt)))))
        .collect();
    let p_values: Vec<PValue> = tests.iter().map(|test| test.p_value).collect();
    let p_value = p_values.iter().copied().max_by(|a, b| a.ln().total_cmp(&b.ln()))?;
    let mut parts =
        vec![Explanation::leaf("with the reference", with_reference, "1", "share of prompts on which the suspect answers alike")];
    let mut delta = f64::INFINITY;
    let mut below = 0;
    for ((control, test), adjusted) in answers.controls.iter().zip(&tests).zip(holm(&p_values)) {
        let with_control = share(&control.answers);
        let difference = (test.only_first as f64 - test.only_second as f64) / n as f64;
        delta = if difference < delta { difference } else { delta };
        below += usize::from(difference > 0.0);
        let words = format!(
            "share with {}`{}`; the reference alone on {} prompts, the control alone on {}; log10 p {:.1}, adjusted by Holm {:.1}",
            if control.is_sibling { "the sibling " } else { "" },
            control.name,
            test.only_first,
            test.only_second,
            test.p_value.log10(),
            adjusted.log10()
        );
        parts.push(Explanation::leaf(format!("with {}", control.name), with_control, "1", words));
    }
    parts.extend(beyond(with_reference, &answers.controls.iter().map(|control| share(&control.answers)).collect::<Vec<_>>()));
    let k = answers.controls.len();
    let siblings = answers.controls.iter().filter(|control| control.is_sibling).count();
    let rank = format!(
        "controls that the suspect agrees with less often than with the reference, of {k}; a model like them is above all by chance in one of {}",
        k + 1
    );
    parts.push(Explanation::leaf("controls below", below as f64, "models", rank));
    let explanation = Explanation {
        label: "answers that are alike".into(),
        value: Some(delta),
        unit: "1",
        words: format!(
            "on {n} prompts the suspect answers as the reference does on {:.1} %, by {:.1} percentage points {} than as the nearest of {k} controls, {siblings} of them siblings of the reference. This speaks of weight lineage only, not of distillation",
            100.0 * with_reference,
            100.0 * delta.abs(),
            if delta < 0.0 { "less" } else { "more" },
        ),
        parts,
    };
    Some(Observation::new(delta, n, Some(p_value), explanation))
}

/// How far the reference lies beyond what the controls differ among themselves, if one more control would be a draw of their normal law. `None` of
/// fewer than two that differ.
fn beyond(with_reference: f64, with_controls: &[f64]) -> Option<Explanation> {
    let k = with_controls.len() as f64;
    let mean = with_controls.iter().sum::<f64>() / k;
    let variance = with_controls.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / (k - 1.0);
    let is_spread = with_controls.len() > 1 && variance > 0.0;
    is_spread.then(|| {
        let t = (with_reference - mean) / (variance * (1.0 + 1.0 / k)).sqrt();
        let log10_p = ln_student_sf(t, k - 1.0) / std::f64::consts::LN_10;
        let words = format!("the reference beside one more draw of the controls' normal law, Student's t of {k} controls; log10 p {log10_p:.2}, if they are one");
        Explanation::leaf(BEYOND, t, "t", words)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{ControlAnswers, OneAnswerEach};
    use stats::sampling::{below, generator};

    /// Answers that copy those of `of` on `share` hundredths of the prompts, and guess among ten on the others.
    fn like(of: &OneAnswerEach, share: u64, label: &str) -> OneAnswerEach {
        let mut rng = generator(1, label);
        of.iter().map(|said| if below(&mut rng, 100) < share { said.clone() } else { Some(below(&mut rng, 10).to_string()) }).collect()
    }

    /// All of them answer half of the prompts as anybody would; the suspect follows the reference on `share` of the rest.
    fn case(n: usize, share: u64) -> Answers {
        let anybody: OneAnswerEach = like(&vec![None; n], 0, "anybody");
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
        Answers { reference, suspect, controls: (0..3).map(control).collect() }
    }

    fn observe(answers: &Answers) -> Outcome {
        Agreement.observe(&Records { answers: Some(answers), ..Records::default() }).unwrap()
    }

    #[test]
    fn a_follower_stands_out_and_an_independent_model_does_not() {
        let found = observe(&case(3000, 40));
        let found = found.observed().unwrap();
        assert!(found.statistic > 0.1 && found.p_value.unwrap().log10() < -10.0, "{found:?}");
        assert_eq!(found.p_value.unwrap().from(), stats::NullDistribution::Exact);
        assert!(found.explanation.words.contains("3 controls, 2 of them siblings"), "{}", found.explanation.words);
        assert_eq!(found.explanation.parts.len(), 6);
        let beyond = found.explanation.parts.iter().find(|part| part.label == BEYOND).unwrap();
        assert!(beyond.value.unwrap() > 5.0, "{beyond:?}");
        let none = observe(&case(3000, 0));
        assert!(none.observed().unwrap().p_value.unwrap().log10() > -2.0);
    }

    #[test]
    fn the_p_value_is_the_largest_over_controls() {
        let mut answers = case(3000, 40);
        let alone = observe(&answers).observed().unwrap().p_value.unwrap();
        answers.controls.push(ControlAnswers { name: "parent".into(), is_sibling: false, answers: answers.suspect.clone() });
        let found = observe(&answers);
        let found = found.observed().unwrap();
        assert!(found.statistic < 0.0 && found.p_value.unwrap().value() > 0.999 && alone.value() < 1e-9);
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
        assert_eq!((one.statistic, one.p_value), (other.statistic, other.p_value));
    }

    #[test]
    fn the_reference_is_held_against_the_spread_of_the_controls() {
        // scipy 1.17.1: c = [.5, .52, .57]; t = (.7 - mean(c)) / (std(c, ddof=1) * sqrt(1 + 1/3)); log10(scipy.stats.t.sf(t, 2))
        let found = beyond(0.7, &[0.5, 0.52, 0.57]).unwrap();
        assert!((found.value.unwrap() - T_OF_THREE).abs() < 1e-9 && found.words.contains(LOG10_P_OF_THREE), "{found:?}");
        assert!(beyond(0.7, &[0.5]).is_none() && beyond(0.7, &[0.5, 0.5]).is_none());
    }
    const T_OF_THREE: f64 = 4.0832679220297265;
    const LOG10_P_OF_THREE: &str = "log10 p -1.56";

    #[test]
    fn too_few_prompts_or_no_control_is_said() {
        let mut answers = case(3000, 40);
        answers.controls[1].answers[7] = None;
        assert_eq!(observe(&answers).why(), Some("all models answered 2999 prompts, and 3000 are needed"));
        answers.controls.clear();
        assert!(observe(&answers).why().unwrap().starts_with("no control was given"));
        assert_eq!(Agreement.observe(&Records::default()).unwrap().why(), Some("no answers were given"));
    }
}
