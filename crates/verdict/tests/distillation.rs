//! The answer on distillation, branch by branch, from simulated log-probabilities.

#![expect(clippy::unwrap_used, reason = "a test stops where its own numbers cannot be tested")]

use evidence::{
    Card, Explanation, MarkEvidence, MarkTest, Observation, Outcome, RECORD_METHODS, Records, ScoredRequest, Together, TwinScores,
};
use stats::{EValue, NullDistribution, PValue};
use testmodels::Gaussian;
use verdict::distillation::{Conclusion, Plan, Verdict, conclude};
use verdict::{Wording, WordingError};

const TWIN: &str = "text.released-twin";
const COMMITTED: Plan<'static> = Plan { primary: TWIN, is_committed: true, is_sequence: false };

/// A hundred placebo requests and `n` others with two twins each; every log-probability is drawn about −2.5 with a standard deviation of .15,
/// and the released ones lie `shifts` higher: under the suspect, under the base, and under the suspect in the placebo.
fn outcomes(n: usize, shifts: [f64; 3], effect: f64) -> Vec<(&'static Card, Outcome)> {
    let mut normal = Gaussian::new(7, "replies");
    let mut drawn = |shift: f64| -> Vec<f64> { (0..3).map(|i| -2.5 + 0.15 * normal.draw() + if i == 0 { shift } else { 0.0 }).collect() };
    let requests = (0..n + 100)
        .map(|i| ScoredRequest {
            cluster: format!("c{i}"),
            batch: 0,
            is_placebo: i >= n,
            suspect: drawn(shifts[if i < n { 0 } else { 2 }]),
            base: Some(drawn(if i < n { shifts[1] } else { 0.0 })),
            further: Vec::new(),
        })
        .collect();
    observe(&TwinScores { requests, effect, is_sequence: false })
}

fn observe(scores: &TwinScores) -> Vec<(&'static Card, Outcome)> {
    let records = Records { twins: Some(scores), seed: 1, ..Records::default() };
    let twin = RECORD_METHODS.iter().find(|method| method.card().id == TWIN).unwrap();
    vec![(twin.card(), twin.observe(&records).unwrap())]
}

fn verdict(outcomes: &[(&'static Card, Outcome)], plan: &Plan<'_>) -> Verdict {
    let verdict = conclude(outcomes, plan, &Wording::shipped().unwrap()).unwrap();
    expect_careful_words(&verdict);
    verdict
}

/// The report says "supports"; it accuses nobody and claims no certainty.
fn expect_careful_words(verdict: &Verdict) {
    let all = [vec![verdict.statement.clone()], verdict.limits.clone(), verdict.would_help.clone().into_iter().collect()].concat();
    for sentence in &all {
        let lower = sentence.to_lowercase();
        let words: Vec<&str> = lower.split(|c: char| !c.is_alphabetic()).collect();
        for word in
            ["proves", "proof", "proved", "stolen", "stole", "theft", "guilty", "copied", "match", "matches", "certain", "infringes"]
        {
            assert!(!words.contains(&word), "`{word}` in: {sentence}");
        }
        assert!(!sentence.contains(['{', '}']) && !sentence.contains(".."), "{sentence}");
    }
    assert!(verdict.statement.ends_with('.') && !verdict.statement.contains('\n'), "{}", verdict.statement);
    assert_eq!(verdict.would_help.is_some(), verdict.conclusion == Conclusion::Inconclusive);
    for words in ["weights of the reference", "with what intent", "which of the replies"] {
        assert!(verdict.limits.iter().any(|limit| limit.contains(words)), "no limit says `{words}`: {:?}", verdict.limits);
    }
}

#[test]
fn an_effect_that_chance_does_not_explain_supports_distillation() {
    let found = verdict(&outcomes(400, [0.1, 0.0, 0.0], 0.05), &COMMITTED);
    assert_eq!(found.conclusion, Conclusion::SupportsDistillation, "{}", found.statement);
    let strongest = found.strongest.unwrap();
    assert!(strongest.method == TWIN && strongest.p_value.log10() <= -6.0);
    assert!(found.statement.starts_with("The evidence supports that the suspect was trained on replies"), "{}", found.statement);
    let power = format!("at most 10^{:.0} (a rigorous upper bound)", strongest.p_value.log10().ceil());
    assert!(found.statement.contains("400 requests") && found.statement.contains(&power), "{}", found.statement);
    assert!(!found.statement.contains("exploratory") && !found.limits.iter().any(|limit| limit.contains("xploratory")));
}

#[test]
fn nothing_found_where_it_would_have_been_is_no_evidence() {
    let found = verdict(&outcomes(400, [0.0; 3], 0.1), &COMMITTED);
    assert_eq!(found.conclusion, Conclusion::NoEvidenceOfDistillation, "{}", found.statement);
    assert!(found.statement.contains("0.1000 nats a token") && found.statement.contains("at least 0.9"), "{}", found.statement);
    assert!(found.limits.iter().any(|limit| limit.contains("absence of evidence")), "{:?}", found.limits);
}

#[test]
fn too_few_requests_are_said_to_be_too_few_with_the_number_needed() {
    let few = outcomes(40, [0.0; 3], 0.02);
    let found = verdict(&few, &COMMITTED);
    assert_eq!(found.conclusion, Conclusion::Inconclusive, "{}", found.statement);
    let twins = few[0].1.observed().unwrap().twins.as_ref().unwrap();
    assert!(twins.requests_needed > 40);
    assert!(found.would_help.unwrap().contains(&format!("about {} logged requests", twins.requests_needed)));
    assert!(found.statement.contains("40 requests are too few"), "{}", found.statement);
}

#[test]
fn a_failed_check_stands_before_any_number() {
    for (shifts, said) in [
        ([0.1, 0.1, 0.0], vec!["the public base, which saw neither"]),
        ([0.1, 0.0, 0.15], vec!["replies that went to others"]),
        ([0.1, 0.1, 0.15], vec!["the public base, which saw neither", "; and replies that went to others"]),
        ([0.0, 0.1, 0.0], vec!["the public base, which saw neither"]),
    ] {
        let found = verdict(&outcomes(400, shifts, 0.1), &COMMITTED);
        assert_eq!(found.conclusion, Conclusion::Inconclusive, "{}", found.statement);
        for words in said {
            assert!(found.statement.contains(words), "no `{words}` in: {}", found.statement);
        }
        assert!(found.statement.contains("for another reason than training"), "{}", found.statement);
        assert!(found.would_help.unwrap().starts_with("twins drawn anew"));
    }
}

/// p between 10^-6 and 10^-3, though the declared effect would have been found: neither evidence nor its absence.
#[test]
fn in_between_nothing_is_concluded() {
    let mut between = outcomes(400, [0.0; 3], 0.1);
    for (log10, expected) in [
        (-6.1, Conclusion::SupportsDistillation),
        (-5.9, Conclusion::Inconclusive),
        (-3.1, Conclusion::Inconclusive),
        (-2.9, Conclusion::NoEvidenceOfDistillation),
    ] {
        let Outcome::Observed(observation) = &mut between[0].1 else { panic!("the test did not run") };
        observation.p_value = Some(PValue::new(log10 * std::f64::consts::LN_10, NullDistribution::Bound { of: "test" }));
        let found = verdict(&between, &COMMITTED);
        assert_eq!(found.conclusion, expected, "{}", found.statement);
        assert_eq!(found.statement.contains("more than chance allows without doubt"), expected == Conclusion::Inconclusive);
    }
}

#[test]
fn what_was_not_committed_beforehand_is_exploratory() {
    let plan = Plan { is_committed: false, ..COMMITTED };
    for (shift, effect) in [(0.1, 0.05), (0.0, 0.1), (0.0, 0.001)] {
        let outcomes = outcomes(400, [shift, 0.0, 0.0], effect);
        let (found, committed) = (verdict(&outcomes, &plan), verdict(&outcomes, &COMMITTED));
        assert_eq!(found.conclusion, committed.conclusion);
        let words = "exploratory: the replies and twins were not committed before the suspect was opened";
        assert!(found.statement.ends_with(&format!("; {words}.")), "{}", found.statement);
        assert!(found.limits[0].starts_with(&words.replacen('e', "E", 1)), "{:?}", found.limits);
    }
}

#[test]
fn only_the_declared_primary_test_concludes() {
    let strong = outcomes(400, [0.1, 0.0, 0.0], 0.05);
    let found = verdict(&strong, &Plan { primary: "text.watermark", ..COMMITTED });
    assert_eq!((found.conclusion, found.strongest), (Conclusion::Inconclusive, None));
    assert!(found.statement.contains("`text.watermark`, was not run"), "{}", found.statement);
    assert!(found.limits.iter().any(|limit| limit.contains("`text.released-twin` were run beside")), "{:?}", found.limits);
}

#[test]
fn a_test_that_does_not_apply_says_why() {
    let found = verdict(&observe(&TwinScores::default()), &COMMITTED);
    assert_eq!(found.conclusion, Conclusion::Inconclusive);
    assert!(found.statement.contains("does not apply: the suspect could read no released reply"), "{}", found.statement);
}

/// A limit law is no reason to conclude, and a method without a least effect cannot show absence.
#[test]
fn p_values_must_hold_and_absence_needs_power() {
    let mut outcomes = outcomes(400, [0.1, 0.0, 0.0], 0.05);
    let mut with = |p: Option<PValue>| {
        let Outcome::Observed(observation) = &mut outcomes[0].1 else { panic!("the test did not run") };
        (observation.twins, observation.p_value) = (None, p);
        verdict(&outcomes, &COMMITTED)
    };
    let none = with(None);
    assert!(none.conclusion == Conclusion::Inconclusive && none.statement.contains("gives no p-value"), "{}", none.statement);
    let limit = with(Some(PValue::new(-99.0, NullDistribution::Asymptotic { law: "normal" })));
    assert_eq!(limit.conclusion, Conclusion::Inconclusive, "{}", limit.statement);
    let exact = with(Some(PValue::new(-99.0, NullDistribution::Exact)));
    assert!(exact.conclusion == Conclusion::SupportsDistillation && exact.statement.contains("(exact)"), "{}", exact.statement);
    let open = with(Some(PValue::new(-1.0, NullDistribution::Exact)));
    assert!(open.conclusion == Conclusion::Inconclusive && open.statement.contains("does not say what it would"), "{}", open.statement);
}

/// 400 requests in two batches, of which each has the other's first prompt where `is_shared`.
fn in_batches(shift: f64, is_sequence: bool, is_shared: bool) -> Vec<(&'static Card, Outcome)> {
    let mut normal = Gaussian::new(9, "batches");
    let request = |i: usize| ScoredRequest {
        cluster: if is_shared && i.is_multiple_of(200) { "c0".to_owned() } else { format!("c{i}") },
        batch: i / 200,
        is_placebo: false,
        suspect: (0..3).map(|k| -2.5 + 0.15 * normal.draw() + if k == 0 { shift } else { 0.0 }).collect(),
        base: None,
        further: Vec::new(),
    };
    observe(&TwinScores { requests: (0..400).map(request).collect(), effect: 0.05, is_sequence })
}

#[test]
fn the_verdict_says_which_number_was_to_conclude() {
    let level = "`text.released-twin` at the level of 10^-6, by the";
    let pooled = verdict(&outcomes(400, [0.1, 0.0, 0.0], 0.05), &COMMITTED);
    assert_eq!(pooled.declared, format!("{level} p-value of one fixed set of replies"));
    assert!(!pooled.limits.iter().any(|limit| limit.contains("E-values")), "{:?}", pooled.limits);

    let sequence = Plan { is_sequence: true, ..COMMITTED };
    let product = verdict(&in_batches(0.1, true, false), &sequence);
    assert!(
        product.declared.starts_with(&format!("{level} product of e-values over disjoint batches: from 10^6 on")),
        "{}",
        product.declared
    );
    assert_eq!(product.conclusion, Conclusion::SupportsDistillation, "{}", product.statement);
    let e = (-product.strongest.as_ref().unwrap().p_value.log10()).floor();
    let said = format!("the e-values of 2 batches, each tested by itself, multiply to 10^{e:.0}, which");
    assert!(
        e >= 6.0 && product.statement.contains(&said) && product.statement.contains("whenever the owner stops"),
        "{}",
        product.statement
    );
    assert!(product.limits.iter().any(|limit| limit.contains("leaves out those that show nothing")), "{:?}", product.limits);
    assert!(!product.limits.iter().any(|limit| limit.contains("at most twice the level")), "{:?}", product.limits);

    let undeclared = verdict(&in_batches(0.1, false, false), &COMMITTED);
    assert_eq!((undeclared.conclusion, &undeclared.statement), (product.conclusion, &product.statement));
    assert!(undeclared.limits.iter().any(|limit| limit.contains("at most twice the level")), "{:?}", undeclared.limits);

    let mean = verdict(&in_batches(0.1, true, true), &sequence);
    assert!(mean.declared.contains("mean of e-values"), "{}", mean.declared);
    assert!(mean.limits.iter().any(|limit| limit.contains("averaged and not multiplied")), "{:?}", mean.limits);
    let untested = verdict(&observe(&TwinScores::default()), &COMMITTED);
    assert_eq!(untested.declared, "`text.released-twin` at the level of 10^-6");
}

/// By Markov's inequality, and not before: e of 10^6 rejects.
#[test]
fn a_product_of_a_million_is_needed() {
    for (log10_e, expected) in [(6.1, Conclusion::SupportsDistillation), (5.9, Conclusion::Inconclusive)] {
        let mut outcomes = in_batches(0.0, true, false);
        let Outcome::Observed(observation) = &mut outcomes[0].1 else { panic!("the test did not run") };
        // e = ½ p^−½ of one p-value.
        let p = -2.0 * (log10_e * std::f64::consts::LN_10 + std::f64::consts::LN_2);
        let e = EValue::from_p(PValue::new(p, NullDistribution::Exact));
        observation.p_value = Some(e.to_p());
        observation.twins.as_mut().unwrap().together = Together::Product(e);
        let found = verdict(&outcomes, &Plan { is_sequence: true, ..COMMITTED });
        assert_eq!(found.conclusion, expected, "{}", found.statement);
    }
}

#[test]
fn checks_that_are_missing_are_limits() -> Result<(), WordingError> {
    let mut normal = Gaussian::new(8, "replies");
    let requests = (0..30).map(|i| ScoredRequest {
        cluster: format!("c{i}"),
        batch: 0,
        is_placebo: false,
        suspect: (0..2).map(|_| normal.draw()).collect(),
        base: None,
        further: Vec::new(),
    });
    let outcomes = observe(&TwinScores { requests: requests.collect(), effect: 0.1, is_sequence: false });
    let found = conclude(&outcomes, &COMMITTED, &Wording::shipped()?)?;
    for words in ["No public base was tested", "No replies that went to others"] {
        assert!(found.limits.iter().any(|limit| limit.starts_with(words)), "{words}: {:?}", found.limits);
    }
    Ok(())
}

/// What a suspect said in 2,000 pairs, of which the key likes `green`, where a quarter is expected.
fn marked(green: u32) -> Vec<(&'static Card, Outcome)> {
    let n = 2_000;
    let values: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i < green))).collect();
    let once = stats::marks::once(&values, stats::marks::Law::Bit { rate: 0.25 }).unwrap();
    let z = (f64::from(green) - 500.0) / (2_000.0f64 * 0.25 * 0.75).sqrt();
    let test = MarkTest {
        places: 2_400,
        dropped: 400,
        n: n as usize,
        sum: f64::from(green),
        expected: 500.0,
        z,
        weighted_z: z,
        once,
        fresh_keys: None,
        chernoff: None,
        naive: None,
        null_z: Vec::new(),
        scores: None,
        p_value: once,
    };
    let evidence = MarkEvidence { scheme: "kgw".into(), key_digest: "00".into(), texts: Some(test), reading: None, p_value: once };
    let observation = Observation {
        statistic: z,
        n: n as usize,
        p_value: Some(once),
        explanation: Explanation { label: "numbers".into(), value: Some(z), unit: "1", ..Explanation::default() },
        relations: Vec::new(),
        blocks: Vec::new(),
        profile: None,
        attention: None,
        twins: None,
        marks: Some(Box::new(evidence)),
    };
    let method = RECORD_METHODS.iter().find(|method| method.card().id == RADIOACTIVITY).unwrap();
    vec![(method.card(), Outcome::Observed(observation))]
}

const RADIOACTIVITY: &str = "text.radioactivity";

#[test]
fn a_key_that_fits_supports_and_one_that_does_not_says_how_much_more_is_needed() {
    let plan = Plan { primary: RADIOACTIVITY, is_committed: false, is_sequence: false };
    let found = verdict(&marked(700), &plan);
    assert_eq!(found.conclusion, Conclusion::SupportsDistillation, "{}", found.statement);
    assert!(found.statement.contains("drawn with the reference's key") && found.statement.contains("z 10.3 over 2000 distinct pairs"));
    assert!(found.statement.contains("nothing shows that the key was fixed before"), "{}", found.statement);
    assert!(found.limits.iter().any(|limit| limit.contains("another key fits")), "{:?}", found.limits);
    // Python 3.12: math.ceil(2000 * (6.538073335301533 / 2.0655911179772892) ** 2); the first is `stats::exchangeable::detectable(1e-6, .9)`.
    let little = verdict(&marked(540), &plan);
    assert_eq!(little.conclusion, Conclusion::Inconclusive);
    assert!(little.would_help.unwrap().contains("about 20038 distinct pairs, where 2000 were at hand"));
    let none = verdict(&marked(490), &plan);
    assert!(none.conclusion == Conclusion::Inconclusive && none.would_help.unwrap().contains("does not follow the key at all"));
}
