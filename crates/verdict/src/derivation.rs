//! The derivation question: H0 independent random initialisation, H1 shared trained weights or a shared trained ancestor.

use crate::margin::{Control, Margin, MarginOutcome};
use crate::observed;
use crate::scope::Scope;
use crate::wording::{Wording, WordingError, fill};
use evidence::{Card, Case, Correspondence, NullBasis, Outcome, RelationKind, Side};
use sources::{Slot, Weight};
use stats::{NullDistribution, PValue};
use std::collections::{BTreeMap, BTreeSet};

/// Exact evidence below this rejects independence. One false rejection in a million independent pairs.
const LOG10_ALPHA: f64 = -6.0;
/// Between this and [`LOG10_ALPHA`] independence is not supported either.
const LOG10_SUGGESTIVE: f64 = -3.0;
/// A comparable part with fewer rows than this cannot decide anything: 1/k! for k = 10 is 3e-7.
const MIN_UNITS: usize = 10;
/// Bit-identical tensors conclude by themselves from this many elements on.
const MIN_IDENTICAL_ELEMENTS: u64 = 1024;

/// The allowed answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation; the wording says more")]
pub enum Conclusion {
    SupportsDerivation,
    SupportsIndependence,
    Inconclusive,
}

/// The strongest admissible p-value of a question.
#[derive(Debug, Clone, PartialEq)]
pub struct StrongestP {
    /// With its kind.
    pub p_value: PValue,
    /// The method that gave it.
    pub method: &'static str,
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What the evidence supports.
    pub conclusion: Conclusion,
    /// What is shared.
    pub scope: Scope,
    /// How the suspect differs, in the Hub's words where they exist. Empty unless derivation is supported.
    pub relation: Vec<RelationKind>,
    /// `None` where no exact test applied.
    pub strongest: Option<StrongestP>,
    /// Every similarity beside its controls, by method.
    pub margins: BTreeMap<&'static str, Margin>,
    /// One sentence.
    pub statement: String,
    /// For an inconclusive answer: what would allow one.
    pub would_help: Option<String>,
    /// What the answer does not say.
    pub limits: Vec<String>,
}

impl Verdict {
    /// The words for how the suspect differs, as in the JSON report.
    pub fn relation_words(&self) -> Vec<&'static str> {
        self.relation.iter().map(|kind| kind.name()).collect()
    }
}

/// Concludes on derivation from the outcomes of all methods that speak to it.
pub fn derivation(
    case: &Case<'_>,
    outcomes: &[(&'static Card, Outcome)],
    controls: &BTreeMap<&'static str, Vec<Control>>,
    wording: &Wording,
) -> Result<Verdict, WordingError> {
    let (reference, suspect, correspondence) = (case.reference, case.suspect, case.correspondence);
    let by_weight = case.shared_elements();
    let scope = Scope::of(suspect, &by_weight);
    let margins = margins(outcomes, controls, wording)?;
    let standing_out = CONCLUDING.iter().find_map(|id| margins.get(id).filter(|m| m.outcome == MarginOutcome::StandsOut).map(|m| (*id, m)));
    let matched = CONCLUDING.iter().find_map(|id| margins.get(id).filter(|m| m.n_matched_blocks > 0).map(|m| (*id, m)));
    let within = margins.get(CONCLUDING[0]).filter(|m| m.outcome == MarginOutcome::Within);
    let strongest = strongest(outcomes);
    let tests = outcomes.iter().filter(|(_, outcome)| outcome.observed().is_some_and(|o| o.p_value.is_some())).count();
    // Several tests looked at the same weights; the smallest p-value is held against a level shared among them.
    let level = LOG10_ALPHA - (tests.max(1) as f64).log10();
    let beyond_chance = strongest.as_ref().is_some_and(|s| s.p_value.log10() <= level);
    let identical: u64 = correspondence.pairs.iter().filter(|p| p.is_identical()).map(|p| p.elements()).sum();
    let shared: u64 = by_weight.iter().sum();
    let matrices = |side: &Side<'_>| side.weights.iter().filter(|w| w.cols > 1 && w.rows > 1).count();
    let comparable_units: usize = correspondence.pairs.iter().filter(|p| p.suspect_weight.cols > 1).map(|p| p.suspect_weight.rows).sum();
    let percent = |part: u64, whole: u64| share(part as f64 / whole.max(1) as f64);

    let words = &wording.inconclusive;
    let helps = &wording.would_help;
    let inconclusive = |why: String, helps: &str| -> Result<_, WordingError> {
        Ok((Conclusion::Inconclusive, fill(&wording.derivation.inconclusive, &[("why", &why)])?, Some(helps.to_owned())))
    };
    let chance = chance(strongest.as_ref(), beyond_chance, wording)?;
    let mut rest = Rest { exact: strongest.is_some(), by_controls: false, within: within.is_some() };
    let (conclusion, statement, would_help) = if let Some(found) = observed::conclusion(case, outcomes, &margins, wording)? {
        rest = Rest {
            exact: false,
            by_controls: found.0 == Conclusion::SupportsDerivation,
            within: found.0 == Conclusion::SupportsIndependence,
        };
        found
    } else if matrices(suspect) == 0 || matrices(reference) == 0 {
        let side = if matrices(suspect) == 0 { "the suspect" } else { "the reference" };
        inconclusive(fill(&words.nothing_readable, &[("side", side)])?, &helps.nothing_readable)?
    } else if shared > 0 && only_tables_of_a_compared_body(case, &by_weight) {
        inconclusive(
            fill(&words.only_tables, &[("shared", &share(scope.shared_fraction)), ("roles", &scope.roles_in_words())])?,
            &helps.only_tables,
        )?
    } else if shared > 0 && beyond_chance && is_alike_as_initialised(case) {
        let p = strongest.as_ref().map(|s| probability(&s.p_value)).unwrap_or_default();
        inconclusive(fill(&words.shared_initialisation, &[("p", &p)])?, &helps.shared_initialisation)?
    } else if shared > 0 && (beyond_chance || identical >= MIN_IDENTICAL_ELEMENTS) {
        let all_identical = identical == shared && identical > 0;
        let sentence =
            if all_identical { &wording.derivation.supports_derivation_identical } else { &wording.derivation.supports_derivation };
        // An identity is a fact whatever the power of the tests beside it.
        let chance = if beyond_chance { chance } else { wording.chance.none.clone() };
        let statement =
            fill(sentence, &[("shared", &share(scope.shared_fraction)), ("roles", &scope.roles_in_words()), ("chance", &chance)])?;
        (Conclusion::SupportsDerivation, statement, None)
    } else if let Some((id, margin)) = standing_out.filter(|_| shared > 0) {
        let values = [
            ("shared", share(scope.shared_fraction)),
            ("roles", scope.roles_in_words()),
            ("agreement", share(statistic(outcomes, id))),
            ("highest", share(margin.highest_control.unwrap_or(0.0))),
            ("n", margin.n_controls.to_string()),
        ];
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        // An exact test that a disguise blinds has nothing to say beside a conclusion that rests on controls.
        (rest.exact, rest.by_controls) = (false, true);
        (Conclusion::SupportsDerivation, fill(&wording.derivation.supports_derivation_undone, &values)?, None)
    } else if let Some((id, margin)) = matched {
        let agreement = share(statistic(outcomes, id));
        inconclusive(
            fill(&words.matched_without_controls, &[("agreement", &agreement), ("why", &margin.why)])?,
            &helps.matched_without_controls,
        )?
    } else if beyond_chance {
        let p = strongest.as_ref().map(|s| probability(&s.p_value)).unwrap_or_default();
        inconclusive(fill(&words.beyond_chance_but_small, &[("p", &p)])?, &helps.beyond_chance_but_small)?
    } else if shared > 0 {
        inconclusive(words.alike_but_untested.clone(), &helps.alike_but_untested)?
    } else if let Some(s) = strongest.as_ref().filter(|s| s.p_value.log10() <= LOG10_SUGGESTIVE - (tests.max(1) as f64).log10()) {
        inconclusive(fill(&words.suggestive, &[("p", &probability(&s.p_value))])?, &helps.suggestive)?
    } else if correspondence.pairs.iter().all(|p| p.suspect_weight.cols == 1) {
        (Conclusion::SupportsIndependence, wording.derivation.supports_independence_shapes.clone(), None)
    } else if comparable_units < MIN_UNITS {
        inconclusive(fill(&words.too_small, &[("units", &comparable_units.to_string())])?, &helps.too_small)?
    } else {
        let compared: u64 = correspondence.pairs.iter().map(|p| p.elements()).sum();
        let coverage = format!("{} of its trained parameters could be compared", percent(compared, suspect.trained_elements()));
        let statement = match within {
            Some(margin) => {
                let n = margin.n_controls.to_string();
                let values = [("coverage", coverage.as_str()), ("chance", &chance), ("n", &n)];
                fill(&wording.derivation.supports_independence_controlled, &values)?
            }
            None => fill(&wording.derivation.supports_independence, &[("coverage", &coverage), ("chance", &chance)])?,
        };
        (Conclusion::SupportsIndependence, statement, None)
    };

    let mut relation: Vec<RelationKind> = Vec::new();
    if conclusion == Conclusion::SupportsDerivation {
        for observation in outcomes.iter().filter_map(|(_, outcome)| outcome.observed()) {
            relation.extend(observation.relations.iter().map(|r| r.kind));
        }
        let mut seen = BTreeSet::new();
        relation.retain(|kind| seen.insert(*kind));
    }
    let strongest = strongest.filter(|_| rest.exact);
    let limits = limits(suspect, correspondence, conclusion, rest, wording)?;
    Ok(Verdict { conclusion, scope, relation, strongest, margins, statement, would_help, limits })
}

/// Whether what is alike is what two trainings from one initialisation leave: weights that correlate weakly at their own index, in units that do
/// not do the same to tokens. A copy that was trained on long after keeps its units: 91 % of them where weights still correlate at .73 to .91
/// (`testdata/lineage`: seed-1 against continued); two trainings from one seed keep 1 % where they correlate at .05 to .40 (seed-1 against
/// `testdata/models/independent`).
fn is_alike_as_initialised(case: &Case<'_>) -> bool {
    let Ok(matching) = case.matching else { return false };
    let asked = !matching.units.is_empty() && matching.units.iter().all(|block| block.matched_share() == 0.0);
    let weak = case
        .correspondence
        .pairs
        .iter()
        .filter(|pair| pair.is_shared() && pair.suspect_weight.cols > 1)
        .all(|pair| pair.correlation() < 0.5);
    asked && weak
}

/// Whether nothing but tables of tokens and vectors corresponds, though every block's matrices were compared, role by role, and the test of units
/// had the power to find them. Public tables are put under new bodies openly, and an independent model can be given a stranger's tables.
fn only_tables_of_a_compared_body(case: &Case<'_>, by_weight: &[u64]) -> bool {
    let is_body = |weight: &Weight| weight.cols > 1 && weight.slot.is_some_and(|slot| slot.layer.is_some());
    let bodies = case.suspect.weights.iter().zip(by_weight).filter(|(weight, _)| is_body(weight));
    let of_reference: BTreeSet<(Option<Slot>, usize, usize)> = case.reference.weights.iter().map(|w| (w.slot, w.rows, w.cols)).collect();
    let (mut elements, mut compared) = (0, 0);
    for (weight, &shared) in bodies {
        if shared > 0 {
            return false;
        }
        elements += weight.elements();
        compared += if of_reference.contains(&(weight.slot, weight.rows, weight.cols)) { weight.elements() } else { 0 };
    }
    // Where matching applies, it must have seen no block either, or a disguise could hide the body.
    let matched = case.matching.is_ok_and(|matching| matching.units.iter().any(|block| block.matched_share() > 0.0));
    elements > 0 && compared == elements && !matched
}

/// Similarity methods that may conclude beside controls. Tables of tokens may be a public embedding; they only describe.
const CONCLUDING: [&str; 2] = ["weights.unit-matching", "weights.head-matching"];

/// What a conclusion rests on.
#[derive(Clone, Copy)]
struct Rest {
    exact: bool,
    by_controls: bool,
    /// Whether controls show that nothing is hidden either.
    within: bool,
}

/// Every similarity beside its controls.
fn margins(
    outcomes: &[(&'static Card, Outcome)],
    controls: &BTreeMap<&'static str, Vec<Control>>,
    wording: &Wording,
) -> Result<BTreeMap<&'static str, Margin>, WordingError> {
    let mut margins = BTreeMap::new();
    for (card, outcome) in outcomes.iter().filter(|(card, _)| card.null_basis == NullBasis::Controls) {
        let Some(profile) = outcome.observed().and_then(|observation| observation.profile.as_ref()) else { continue };
        margins.insert(card.id, Margin::judge(profile, controls.get(card.id).map_or(&[], Vec::as_slice), wording)?);
    }
    Ok(margins)
}

pub(crate) fn statistic(outcomes: &[(&'static Card, Outcome)], id: &str) -> f64 {
    let found = outcomes.iter().find(|(card, _)| card.id == id).and_then(|(_, outcome)| outcome.observed());
    found.map_or(0.0, |observation| observation.statistic)
}

/// The smallest p-value that holds without an approximation. One that rests on the symmetry of training alone stands before one that
/// also takes the values to come from a distribution, however small: its assumption is what an opposing expert would attack.
fn strongest(outcomes: &[(&'static Card, Outcome)]) -> Option<StrongestP> {
    let rigorous = |basis: NullBasis| {
        outcomes
            .iter()
            .filter(|(card, _)| card.null_basis == basis)
            .filter_map(|(card, outcome)| Some(StrongestP { p_value: outcome.observed()?.p_value?, method: card.id }))
            .filter(|s| s.p_value.is_rigorous())
            .min_by(|a, b| a.p_value.ln().total_cmp(&b.p_value.ln()))
    };
    rigorous(NullBasis::Symmetry).or_else(|| rigorous(NullBasis::Model))
}

fn chance(strongest: Option<&StrongestP>, beyond_chance: bool, wording: &Wording) -> Result<String, WordingError> {
    let words = &wording.chance;
    let Some(strongest) = strongest else { return Ok(words.untested.clone()) };
    let p = probability(&strongest.p_value);
    let sentence = match strongest.p_value.from() {
        _ if !beyond_chance => return fill(&words.unremarkable, &[("p", &p_in_brackets(&strongest.p_value))]),
        NullDistribution::Exact => &words.exact,
        NullDistribution::Permutation { .. } => &words.permutation,
        NullDistribution::Asymptotic { .. } => &words.asymptotic,
        NullDistribution::Bound { .. } => &words.bound,
    };
    fill(sentence, &[("p", &p)])
}

/// `0.04`, or `10^-4229` where decimals would not be read; rounded up.
pub(crate) fn probability(p: &PValue) -> String {
    let log10 = p.log10();
    if log10 <= -3.0 {
        return format!("10^{:.0}", log10.ceil());
    }
    let (scale, decimals) = if log10 < -1.0 { (1000.0, 3) } else { (100.0, 2) };
    // The subtraction keeps the binary tail of 0.36 from making it 0.37.
    let up = ((10f64.powf(log10) * scale - 1e-6).ceil() / scale).clamp(0.0, 1.0);
    if up == 1.0 { "1".into() } else { format!("{up:.decimals$}") }
}

/// With the relation that its kind allows: `p = 1`, `p ≤ 0.37`, `p ≈ 0.37`.
pub(crate) fn p_in_brackets(p: &PValue) -> String {
    let value = probability(p);
    match p.from() {
        NullDistribution::Asymptotic { .. } => format!("p ≈ {value}"),
        NullDistribution::Bound { .. } if value != "1" => format!("p ≤ {value}"),
        _ => format!("p = {value}"),
    }
}

/// A share as a person reads it: never `100 %` for less than all.
pub(crate) fn share(fraction: f64) -> String {
    let percent = fraction * 100.0;
    match percent {
        100.0 => "100 %".into(),
        p if p > 99.9 => "more than 99.9 %".into(),
        p if p > 0.0 && p < 0.1 => "less than 0.1 %".into(),
        p => format!("{p:.1} %"),
    }
}

fn limits(
    suspect: &Side<'_>,
    correspondence: &Correspondence,
    conclusion: Conclusion,
    rest: Rest,
    wording: &Wording,
) -> Result<Vec<String>, WordingError> {
    let words = &wording.limits;
    let mut limits = Vec::new();
    match conclusion {
        Conclusion::SupportsDerivation => limits.extend([words.direction.clone(), words.shared_initialisation.clone()]),
        Conclusion::SupportsIndependence if rest.within => {}
        Conclusion::SupportsIndependence => limits.push(words.disguise.clone()),
        Conclusion::Inconclusive => limits.extend([words.shared_initialisation.clone(), words.disguise.clone()]),
    }
    if rest.by_controls || rest.within {
        limits.push(words.controls.clone());
    }
    if rest.exact {
        limits.push(words.p_value.clone());
    }
    limits.extend([words.distillation.clone(), words.persons.clone()]);
    let trained = suspect.trained_elements();
    let constants: u64 = suspect.constants.iter().map(|c| c.elements as u64).sum();
    if constants > 0 {
        limits.push(fill(&words.constants, &[("share", &share(constants as f64 / (constants + trained) as f64))])?);
    }
    let incomparable: u64 = correspondence.incomparable.iter().map(|&i| suspect.weights[i].elements() as u64).sum();
    if incomparable > 0 {
        limits.push(fill(&words.incomparable, &[("share", &share(incomparable as f64 / trained as f64))])?);
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_all_only_when_it_is() {
        assert_eq!(share(1.0), "100 %");
        assert_eq!(share(0.999_99), "more than 99.9 %");
        assert_eq!(share(0.0001), "less than 0.1 %");
        assert_eq!(share(0.5), "50.0 %");
    }

    #[test]
    fn probabilities_are_rounded_towards_caution() {
        let p = |log10: f64| probability(&PValue::new(log10 * std::f64::consts::LN_10, NullDistribution::Bound { of: "test" }));
        assert_eq!(p(-4229.1), "10^-4229");
        assert_eq!([p(-0.3), p(-0.44), p(-1.5), p(0.0), p(-3.2)], ["0.51", "0.37", "0.032", "1", "10^-3"]);
        assert_eq!(p_in_brackets(&PValue::new(-1.0, NullDistribution::Bound { of: "test" })), "p ≤ 0.37");
        assert_eq!(p_in_brackets(&PValue::new(0.0, NullDistribution::Bound { of: "test" })), "p = 1");
    }
}
