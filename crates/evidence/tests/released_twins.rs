//! Laws of `text.released-twin` on scores that are drawn here.

#![expect(clippy::unwrap_used, reason = "a test stops where its own scores cannot be tested")]

use evidence::{HEADINGS, METHODS, Observation, Outcome, RECORD_METHODS, Records, ScoredRequest, Together, TwinScores, record_method};
use stats::EValue;
use stats::sampling::{below, generator};
use stats::uniformity::ks_uniform;
use std::collections::BTreeSet;

/// Scores of `n` requests with `twins` twins; the released reply gains `effect`, and the base explains what replies have in common.
fn scores(seed: u64, n: usize, twins: usize, effect: f64) -> TwinScores {
    let mut draws = generator(seed, "scores");
    let mut normal = || (0..12).map(|_| below(&mut draws, 1 << 20) as f64 / f64::from(1 << 20)).sum::<f64>() - 6.0;
    let request = |i: usize| {
        let base: Vec<f64> = (0..=twins).map(|_| 0.3 * normal()).collect();
        let suspect = base.iter().enumerate().map(|(k, b)| 0.8 * b + 0.1 * normal() + if k == 0 { effect } else { 0.0 }).collect();
        ScoredRequest { cluster: format!("c{}", i / 2), batch: 0, is_placebo: false, suspect, base: Some(base), further: Vec::new() }
    };
    TwinScores { requests: (0..n).map(request).collect(), effect: 0.02, is_sequence: false }
}

fn observe(twins: &TwinScores) -> Observation {
    let records = Records { twins: Some(twins), ..Records::default() };
    match record_method("text.released-twin").unwrap().observe(&records).unwrap() {
        Outcome::Observed(observation) => observation,
        Outcome::NotApplicable { why } => panic!("{why}"),
    }
}

#[test]
fn cards_of_records_are_complete_and_their_ids_are_nobody_else_s() {
    let mut ids: BTreeSet<&str> = METHODS.iter().map(|method| method.card().id).collect();
    for method in RECORD_METHODS {
        let card = method.card();
        let headings: Vec<&str> = card.sections().iter().map(|(heading, _)| *heading).collect();
        assert_eq!(headings, HEADINGS, "{}", card.id);
        assert!(card.sections().iter().all(|(_, text)| !text.trim().is_empty()) && !card.null.is_empty(), "{}", card.id);
        assert!(ids.insert(card.id) && card.statistic.range.0 < card.statistic.range.1, "{}", card.id);
    }
}

#[test]
fn whoever_has_no_records_is_told_which_are_missing() {
    for method in RECORD_METHODS {
        let outcome = method.observe(&Records::default()).unwrap();
        assert!(outcome.why().is_some_and(|why| !why.is_empty()), "{}", method.card().id);
    }
}

#[test]
fn one_seed_gives_the_same_bits_and_order_does_not_matter() {
    let twins = scores(1, 60, 2, 0.05);
    let (one, other) = (observe(&twins), observe(&twins));
    assert_eq!((one.statistic.to_bits(), one.p_value), (other.statistic.to_bits(), other.p_value));
    assert_eq!(one.twins, other.twins);
    let mut turned = twins.clone();
    turned.requests.reverse();
    let turned = observe(&turned);
    assert!(
        (turned.statistic - one.statistic).abs() < 1e-12 && (turned.twins.unwrap().primary.z - one.twins.unwrap().primary.z).abs() < 1e-9
    );
}

#[test]
fn what_was_learnt_is_found_and_a_base_sharpens_it() {
    let found = observe(&scores(2, 300, 2, 0.08));
    let twins = found.twins.unwrap();
    assert!(found.p_value.unwrap().log10() < -6.0 && (found.statistic - 0.08).abs() < 0.03, "{}", found.statistic);
    let (low, high) = twins.primary.interval;
    assert!(low < found.statistic && found.statistic < high);
    let without = twins.without_base.unwrap();
    assert!(twins.primary.z > 1.5 * without.z, "{} {}", twins.primary.z, without.z);
    assert!((twins.beta.unwrap() - 0.8).abs() < 0.1 && twins.base_alone.unwrap().p_value.log10() > -3.0);
    // Requests for one effect go with the square of it.
    let ratio = twins.requests_needed as f64 / 300.0;
    assert!((ratio - (twins.detectable / twins.effect).powi(2)).abs() < 0.01 * ratio + 1.0 / 300.0);
}

#[test]
fn p_is_uniform_where_nothing_was_learnt() {
    let p: Vec<f64> = (0..400).map(|seed| observe(&scores(1000 + seed, 24, 2, 0.0)).p_value.unwrap().value()).collect();
    let uniform = ks_uniform(&p).unwrap();
    // scipy 1.17.1: scipy.stats.binom.ppf(0.995, 400, 0.01) = 10
    assert!(uniform.p.value() > 1e-3 && p.iter().filter(|p| **p <= 0.01).count() <= 10, "{uniform:?}");
}

#[test]
fn batches_multiply_as_e_values_and_only_where_they_share_no_cluster() {
    let mut twins = scores(3, 200, 1, 0.06);
    twins.requests.iter_mut().enumerate().for_each(|(i, request)| request.batch = usize::from(i >= 100));
    let found = observe(&twins);
    let evidence = found.twins.unwrap();
    let ln_e: Vec<f64> = evidence.batches.iter().map(|batch| 0.5f64.ln() - 0.5 * batch.p_value.ln()).collect();
    assert_eq!(ln_e.len(), 2);
    assert!((found.p_value.unwrap().ln() + ln_e[0] + ln_e[1]).abs() < 1e-9);
    twins.requests[150].cluster = twins.requests[0].cluster.clone();
    let shared = observe(&twins).p_value.unwrap();
    assert!(shared.ln() > found.p_value.unwrap().ln(), "a cluster in two batches is counted twice");
    assert!(matches!(observe(&twins).twins.unwrap().together, Together::Mean(_)));
}

/// `n` requests of one twin each in batches of `each`, told apart by an arrangement: bit `i` set means that twin and released reply of request `i` change places.
fn arranged(scores: &TwinScores, each: usize, arrangement: u64) -> TwinScores {
    let mut arranged = TwinScores { is_sequence: true, ..scores.clone() };
    for (i, request) in arranged.requests.iter_mut().enumerate() {
        request.cluster = format!("c{i:03}");
        request.batch = i / each;
        request.base = None;
        if arrangement >> i & 1 == 1 {
            request.suspect.reverse();
        }
    }
    arranged
}

/// The law that everything about e-values rests on, counted and not drawn: over all arrangements that chance could have made, each as likely, the
/// mean of the e-value is at most 1.
#[test]
fn over_all_arrangements_the_mean_of_the_e_value_is_at_most_one() {
    let given = scores(5, 7, 1, 0.1);
    let e = |arrangement: u64| {
        let evidence = observe(&arranged(&given, 7, arrangement)).twins.unwrap();
        match evidence.together {
            Together::Product(e) => e.ln().exp(),
            other => panic!("{other:?}"),
        }
    };
    let mean = (0..1 << 7).map(e).sum::<f64>() / f64::from(1 << 7);
    assert!(mean <= 1.0 && mean > 0.8, "{mean}");
}

/// 400 suspects that learnt nothing, four batches each, asked after every batch: products are at most 1 on average, and reach 10 at any
/// time in at most a tenth of all.
#[test]
fn a_product_of_e_values_holds_whenever_the_owner_stops() {
    let (mut last, mut stopped) = (Vec::new(), 0u64);
    for seed in 0..400 {
        let evidence = observe(&arranged(&scores(5_000 + seed, 24, 1, 0.0), 6, 0)).twins.unwrap();
        let mut product = 0.0;
        let so_far = evidence.batches.iter().map(|batch| {
            product += EValue::from_p(batch.p_value).log10();
            product
        });
        stopped += u64::from(so_far.collect::<Vec<f64>>().iter().any(|log10| *log10 >= 1.0));
        last.push(10f64.powf(product));
    }
    let mean = last.iter().sum::<f64>() / 400.0;
    let variance = last.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / 399.0;
    assert!(mean <= 1.0 + 4.0 * (variance / 400.0).sqrt(), "{mean}");
    // Lower end of the exact interval of the share, so that luck alone is no failure.
    assert!(stats::uniformity::clopper_pearson(stopped, 400, 0.998).unwrap().0 <= 0.1, "{stopped}");
}

#[test]
fn the_order_of_batches_does_not_matter() {
    // 60 requests a batch: too many arrangements to count, so that they are drawn.
    let mut given = scores(6, 180, 1, 0.03);
    given.requests.iter_mut().enumerate().for_each(|(i, request)| {
        request.cluster = format!("c{i:03}");
        request.batch = i / 60;
    });
    let found = observe(&given);
    for order in [[2, 1, 0], [1, 2, 0], [0, 2, 1]] {
        let mut other = given.clone();
        other.requests.iter_mut().for_each(|request| request.batch = order[request.batch]);
        let other = observe(&other);
        assert!((other.p_value.unwrap().ln() - found.p_value.unwrap().ln()).abs() < 1e-12, "{order:?}");
        assert_eq!(other.statistic, found.statistic);
    }
}

#[test]
fn a_declared_sequence_is_e_values_from_its_first_batch_on() {
    let pooled = scores(7, 200, 2, 0.05);
    let sequence = TwinScores { is_sequence: true, ..pooled.clone() };
    let (pooled, sequence) = (observe(&pooled), observe(&sequence));
    let (one, other) = (pooled.twins.clone().unwrap(), sequence.twins.clone().unwrap());
    assert_eq!((one.together, one.batches.len(), other.batches.len()), (Together::Pooled, 0, 1));
    let Together::Product(e) = other.together else { panic!("{:?}", other.together) };
    assert!((e.ln() - EValue::from_p(other.batches[0].p_value).ln()).abs() < 1e-12 && sequence.p_value == Some(e.to_p()));
    // What it costs to be allowed to go on: the same replies say less, and a larger effect is needed.
    assert!(sequence.p_value.unwrap().ln() > pooled.p_value.unwrap().ln() && other.detectable > one.detectable);
    assert_eq!(sequence.statistic, pooled.statistic);
}

#[test]
fn placebo_and_unreadable_requests_do_not_count_as_tested() {
    let mut twins = scores(4, 60, 2, 0.05);
    twins.requests.iter_mut().skip(40).for_each(|request| request.is_placebo = true);
    twins.requests[0].suspect.truncate(1);
    let found = observe(&twins);
    let evidence = found.twins.unwrap();
    assert_eq!((found.n, evidence.placebo.unwrap().requests), (39, 20));
}
