//! The distillation question: H0 the suspect did not depend on which outputs the reference released, H1 it was trained on some of them.

use crate::StrongestP;
use crate::derivation::{p_in_brackets, probability};
use crate::wording::{Wording, WordingError, fill};
use evidence::{Card, MarkEvidence, MarkTest, Observation, Outcome, Question, Together, TwinEvidence};
use stats::{EValue, NullDistribution, PValue};

/// The level of the declared primary test: one false rejection in a million suspects that did not depend on what was released.
pub const LOG10_LEVEL: f64 = -6.0;
/// Between this and [`LOG10_LEVEL`] there is neither evidence nor its absence.
const LOG10_SUGGESTIVE: f64 = -3.0;
/// How often a sufficient number of pairs under a key would reject.
const POWER: f64 = 0.9;
/// A check that rejects here has failed: the released replies differ from their twins whoever looks at them.
const LOG10_CHECK: f64 = -3.0;

/// What was laid down about the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan<'a> {
    /// Id of the one method that may conclude.
    pub primary: &'a str,
    /// Whether replies and twins were committed before the suspect was opened.
    pub is_committed: bool,
    /// Whether batches were declared to come in one after the other before the first of them was tested.
    pub is_sequence: bool,
}

/// The allowed answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation; the wording says more")]
pub enum Conclusion {
    SupportsDistillation,
    NoEvidenceOfDistillation,
    Inconclusive,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What the evidence supports.
    pub conclusion: Conclusion,
    /// Of the declared primary test; `None` where it gave none.
    pub strongest: Option<StrongestP>,
    /// Which test was to conclude, and by which number: the p-value of one fixed set, or e-values of batches.
    pub declared: String,
    /// One sentence.
    pub statement: String,
    /// For an inconclusive answer: what would allow one.
    pub would_help: Option<String>,
    /// What the answer does not say.
    pub limits: Vec<String>,
}

/// Concludes from the declared primary test alone, at 10^-6, after its checks. What other methods found is not looked at.
///
/// # Errors
/// If the wording asks for something that nobody fills in.
pub fn conclude(outcomes: &[(&'static Card, Outcome)], plan: &Plan<'_>, wording: &Wording) -> Result<Verdict, WordingError> {
    let of_question = || outcomes.iter().filter(|(card, _)| card.question == Question::Distillation);
    let primary = of_question().find(|(card, _)| card.id == plan.primary);
    let observed = primary.and_then(|(card, outcome)| Some((card.id, outcome.observed()?)));
    let strongest = observed.and_then(|(method, o)| Some(StrongestP { p_value: o.p_value?, method }));
    let words = &wording.distillation;
    let is_of_marks = observed.is_some_and(|(_, observation)| observation.marks.is_some());
    let exploratory = if is_of_marks { &wording.distillation_marks.exploratory } else { &words.exploratory };
    let exploratory = if plan.is_committed { String::new() } else { format!("; {exploratory}") };

    let answer = match (primary, observed) {
        (None, _) => {
            let why = fill(&words.not_run, &[("method", plan.primary)])?;
            Answer::Inconclusive { why, helps: words.helps_not_run.clone() }
        }
        (Some((_, outcome)), None) => {
            let why = fill(&words.not_applicable, &[("method", plan.primary), ("why", outcome.why().unwrap_or_default())])?;
            Answer::Inconclusive { why, helps: words.helps_not_applicable.clone() }
        }
        (Some(_), Some((_, observation))) => answer(observation, plan, wording)?,
    };
    let (conclusion, sentence, would_help) = match answer {
        Answer::Supports(sentence) => (Conclusion::SupportsDistillation, sentence, None),
        Answer::NoEvidence(sentence) => (Conclusion::NoEvidenceOfDistillation, sentence, None),
        Answer::Inconclusive { why, helps } => (Conclusion::Inconclusive, fill(&words.inconclusive, &[("why", &why)])?, Some(helps)),
    };
    let secondary: Vec<&str> =
        of_question().filter(|(card, outcome)| card.id != plan.primary && outcome.observed().is_some()).map(|(card, _)| card.id).collect();
    Ok(Verdict {
        conclusion,
        declared: declared(observed.and_then(|(_, o)| o.twins.as_deref()), plan, wording)?,
        statement: format!("{sentence}{exploratory}."),
        would_help,
        limits: limits(conclusion, observed.map(|(_, o)| o), plan, &secondary, wording)?,
        strongest,
    })
}

/// A sentence without its point, or the reason why there is none.
enum Answer {
    Supports(String),
    NoEvidence(String),
    Inconclusive { why: String, helps: String },
}

fn answer(observation: &Observation, plan: &Plan<'_>, wording: &Wording) -> Result<Answer, WordingError> {
    let words = &wording.distillation;
    let Some(p) = observation.p_value.filter(|p| p.is_rigorous()) else {
        let why = fill(&words.no_probability, &[("method", plan.primary)])?;
        return Ok(Answer::Inconclusive { why, helps: words.helps_no_probability.clone() });
    };
    let twins = observation.twins.as_deref();
    let failed = twins.map(|twins| failed_checks(twins, wording)).transpose()?.unwrap_or_default();
    if !failed.is_empty() {
        return Ok(Answer::Inconclusive { why: failed.join("; and "), helps: words.helps_check.clone() });
    }
    let chance = match twins.map(|twins| (twins.together, twins.batches.len())) {
        None | Some((Together::Pooled, _)) => chance(&p, wording)?,
        Some((together, n)) => chance_of_batches(&p, together, n, wording)?,
    };
    let level = format!("10^{LOG10_LEVEL:.0}");
    let p_words = p_in_brackets(&p);
    if let Some(marks) = observation.marks.as_deref() {
        return marked(marks, &p, &level, wording);
    }
    let Some(twins) = twins else {
        return Ok(if p.log10() <= LOG10_LEVEL {
            Answer::Supports(fill(&words.supports, &[("chance", &chance)])?)
        } else {
            Answer::Inconclusive {
                why: fill(&words.unknown_power, &[("p", &p_words), ("level", &level)])?,
                helps: words.helps_unknown_power.clone(),
            }
        });
    };
    let requests = twins.primary.requests.to_string();
    let declared = nats(twins.effect);
    if p.log10() <= LOG10_LEVEL {
        let values = [("requests", requests.as_str()), ("effect", &nats(twins.primary.effect)), ("chance", &chance)];
        return Ok(Answer::Supports(fill(&words.supports_twins, &values)?));
    }
    if p.log10() <= LOG10_SUGGESTIVE {
        let why = fill(&words.suggestive, &[("p", &p_words), ("level", &level)])?;
        return Ok(Answer::Inconclusive { why, helps: words.helps_suggestive.clone() });
    }
    if twins.effect > 0.0 && twins.detectable <= twins.effect {
        let power = twins.power.to_string();
        let values = [("requests", requests.as_str()), ("p", &p_words), ("effect", &declared), ("power", &power)];
        return Ok(Answer::NoEvidence(fill(&words.no_evidence, &values)?));
    }
    let detectable = nats(twins.detectable);
    let values = [("p", p_words.as_str()), ("level", &level), ("requests", &requests), ("detectable", &detectable), ("effect", &declared)];
    let needed = twins.requests_needed.to_string();
    Ok(Answer::Inconclusive {
        why: fill(&words.power, &values)?,
        helps: fill(&words.helps_power, &[("needed", &needed), ("requests", &requests)])?,
    })
}

/// What the key says of the suspect's choices.
fn marked(marks: &MarkEvidence, p: &PValue, level: &str, wording: &Wording) -> Result<Answer, WordingError> {
    let words = &wording.distillation_marks;
    let z = |test: &MarkTest| if test.weighted_z > test.z { test.weighted_z } else { test.z };
    let tests = [&marks.texts, &marks.reading].into_iter().flatten();
    let best = tests.max_by(|a, b| z(a).total_cmp(&z(b)));
    let (z, n) = best.map_or((0.0, 0), |test| (z(test), test.n));
    let pairs = n.to_string();
    if p.log10() <= LOG10_LEVEL {
        let values = [("z", format!("{z:.1}")), ("pairs", pairs), ("p", probability(p))];
        return Ok(Answer::Supports(fill(&words.supports, &values.each_ref().map(|(name, value)| (*name, value.as_str())))?));
    }
    let why = fill(&words.power, &[("level", level), ("p", &p_in_brackets(p)), ("pairs", &pairs)])?;
    let helps = match stats::marks::needed(z, n, 10f64.powf(LOG10_LEVEL), POWER) {
        Some(needed) => fill(&words.helps_power, &[("needed", &needed.to_string()), ("pairs", &pairs)])?,
        None => words.helps_none.clone(),
    };
    Ok(Answer::Inconclusive { why, helps })
}

/// Why the number is worth nothing: the base, or replies that went to others, show it too.
fn failed_checks(twins: &TwinEvidence, wording: &Wording) -> Result<Vec<String>, WordingError> {
    let words = &wording.distillation;
    let checks = [(&twins.base_alone, &words.base_rejects), (&twins.placebo, &words.placebo_rejects)];
    let failed = checks.into_iter().filter_map(|(test, sentence)| Some((test.as_ref()?, sentence)));
    failed
        .filter(|(test, _)| test.p_value.log10() <= LOG10_CHECK)
        .map(|(test, sentence)| fill(sentence, &[("p", &p_in_brackets(&test.p_value))]))
        .collect()
}

fn chance(p: &PValue, wording: &Wording) -> Result<String, WordingError> {
    let words = &wording.distillation;
    let sentence = match p.from() {
        NullDistribution::Exact => &words.chance_exact,
        NullDistribution::Permutation { .. } => &words.chance_permutation,
        NullDistribution::Asymptotic { .. } | NullDistribution::Bound { .. } => &words.chance_bound,
    };
    fill(sentence, &[("p", &probability(p))])
}

/// The same where batches came in one after the other, with what they multiply to.
fn chance_of_batches(p: &PValue, together: Together, n: usize, wording: &Wording) -> Result<String, WordingError> {
    let words = &wording.distillation;
    let (sentence, e) = match together {
        Together::Pooled => return chance(p, wording),
        Together::Product(e) => (&words.chance_product, e),
        Together::Mean(e) => (&words.chance_mean, e),
    };
    let batches = if n == 1 { "one batch".to_owned() } else { format!("{n} batches") };
    fill(sentence, &[("batches", &batches), ("e", &e_value(e)), ("p", &probability(p))])
}

/// In a power of ten below it, because more digits say nothing.
fn e_value(e: EValue) -> String {
    format!("10^{:.0}", e.log10().floor())
}

fn declared(twins: Option<&TwinEvidence>, plan: &Plan<'_>, wording: &Wording) -> Result<String, WordingError> {
    let words = &wording.distillation;
    let sentence = match twins.map(|twins| twins.together) {
        Some(Together::Pooled) => &words.declared_pooled,
        Some(Together::Product(_)) => &words.declared_product,
        Some(Together::Mean(_)) => &words.declared_mean,
        None => &words.declared,
    };
    let (level, threshold) = (format!("10^{LOG10_LEVEL:.0}"), format!("10^{:.0}", -LOG10_LEVEL));
    fill(sentence, &[("method", plan.primary), ("level", &level), ("threshold", &threshold)])
}

/// With the digits that differences of mean log-probabilities have.
fn nats(value: f64) -> String {
    format!("{value:.4}")
}

fn limits(
    conclusion: Conclusion,
    observed: Option<&Observation>,
    plan: &Plan<'_>,
    secondary: &[&str],
    wording: &Wording,
) -> Result<Vec<String>, WordingError> {
    let words = &wording.distillation_limits;
    let mut limits = Vec::new();
    let marks = observed.is_some_and(|observation| observation.marks.is_some()).then_some(&wording.distillation_marks);
    if !plan.is_committed {
        let (exploratory, why) = match marks {
            Some(marks) => (&marks.exploratory, &marks.exploratory_limit),
            None => (&wording.distillation.exploratory, &words.exploratory),
        };
        let mut letters = exploratory.chars();
        limits.extend(letters.next().map(|first| format!("{}{}. {why}", first.to_uppercase(), letters.as_str())));
    }
    if conclusion == Conclusion::NoEvidenceOfDistillation {
        limits.push(words.absence.clone());
    }
    limits.extend([words.weights.clone(), words.persons.clone(), words.which.clone()]);
    if let Some(marks) = marks {
        limits.extend([marks.p_value.clone(), marks.ways.clone()]);
    } else if let Some(observation) = observed {
        limits.push(words.p_value.clone());
        if let Some(twins) = observation.twins.as_deref() {
            limits.push(words.sampling.clone());
            if !matches!(twins.together, Together::Pooled) {
                limits.push(words.batches.clone());
            }
            if !matches!(twins.together, Together::Pooled) && !plan.is_sequence {
                limits.push(words.undeclared_batches.clone());
            }
            if matches!(twins.together, Together::Mean(_)) {
                limits.push(words.shared_clusters.clone());
            }
            let missing = [(twins.base_alone.is_none(), &words.no_base), (twins.placebo.is_none(), &words.no_placebo)];
            limits.extend(missing.into_iter().filter(|(is_missing, _)| *is_missing).map(|(_, sentence)| sentence.clone()));
        }
    }
    if !secondary.is_empty() {
        let methods = secondary.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        limits.push(fill(&words.secondary, &[("methods", &methods), ("primary", plan.primary)])?);
    }
    Ok(limits)
}
