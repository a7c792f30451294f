use super::*;
use proptest::prelude::*;

fn case(score: f64, is_target: bool) -> Case {
    Case { score, is_target, weight: 1.0 }
}

fn close(a: f64, b: f64, error: f64) -> bool {
    a == b || (a - b).abs() <= error
}

/// The example of `testdata/calibration.py`.
fn example() -> Vec<Case> {
    let scores = [-2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 2.0];
    let targets = [false, false, true, false, true, false, true, true];
    scores.into_iter().zip(targets).map(|(score, target)| case(score, target)).collect()
}

/// Made by `testdata/calibration.py` (scikit-learn 1.x, LogisticRegression with balanced weights).
#[test]
fn the_fit_is_that_of_scikit_learn() {
    let features = [0.1, 2.0, 0.4, 1.0, 0.35, 0.5, 0.8, 1.5, 0.9, 0.2, 0.7, 1.9, 0.2, 0.1, 0.6, 0.9];
    let truths = [false, false, true, true, true, false, false, true].map(|target| case(0.0, target));
    let fit = logistic(&features, &truths, 0.05).unwrap();
    assert!(close(fit.intercept, 0.06409650612550713, 1e-6), "{fit:?}");
    assert!(close(fit.weights[0], 0.5060804269513967, 1e-6) && close(fit.weights[1], -0.31866549692012536, 1e-6), "{fit:?}");
}

/// Made by `testdata/calibration.py` (scikit-learn 1.x, IsotonicRegression with balanced weights).
#[test]
fn pools_and_costs_are_those_of_scikit_learn() {
    let found: Vec<f64> = pav(&example()).unwrap().calibrated.iter().map(|case| case.score).collect();
    let infinite = f64::INFINITY;
    assert_eq!(found, [-infinite, -infinite, 0.0, 0.0, 0.0, 0.0, infinite, infinite]);
    let cost = costs(&example()).unwrap();
    assert!(close(cost.cllr, 0.7577717155764602, 1e-12) && close(cost.min, 0.5, 1e-12), "{cost:?}");
}

#[test]
fn separated_scores_cost_nothing_but_calibration() {
    // A pool of one class alone once divided by the sum of nothing, which is −0.
    let cost = costs(&[case(-1.0, false), case(0.5, true), case(0.5, true)]).unwrap();
    assert_eq!(cost.min, 0.0);
    assert!(cost.cal > 0.0);
    assert_eq!(cllr(&[case(0.0, true), case(0.0, false)]).unwrap(), 1.0);
}

#[test]
fn what_is_not_a_number_or_of_one_class_is_refused() {
    for cases in [vec![case(f64::NAN, true), case(0.0, false)], vec![case(1.0, true)], vec![]] {
        assert!(cllr(&cases).is_err() && pav(&cases).is_err() && elub(&cases).is_err() && tippett(&cases).is_err());
    }
    let truths = [case(0.0, true), case(0.0, false)];
    assert!(logistic(&[1.0, f64::INFINITY], &truths, 1.0).is_err() && logistic(&[1.0, 2.0], &truths, 0.0).is_err());
    assert!(logistic(&[1.0, 2.0, 3.0], &truths, 1.0).is_err());
}

/// The normalised Bayes error rate of decisions at a log10 threshold, with an extra misleading case in each class (Vergeer et al. 2016, section 2.3).
fn error_rate(cases: &[Case], log10_threshold: f64) -> f64 {
    let share = |target: bool, wrong: &dyn Fn(f64) -> bool| {
        let of: Vec<&Case> = cases.iter().filter(|case| case.is_target == target).collect();
        (of.iter().filter(|case| wrong(case.score)).count() as f64 + 1.0) / (of.len() as f64 + 1.0)
    };
    let missed = share(true, &|score| score <= log10_threshold);
    let misled = share(false, &|score| score > log10_threshold);
    let t = 10f64.powf(log10_threshold);
    if t >= 1.0 { missed + t * misled } else { misled + missed / t }
}

fn cases() -> impl Strategy<Value = Vec<Case>> {
    let of = |target: bool| {
        prop::collection::vec((-3.0..3.0f64, 1u32..4), 1..20).prop_map(move |scores| {
            let case = |(score, weight): (f64, u32)| Case {
                score: if target { score + 1.0 } else { score },
                is_target: target,
                weight: f64::from(weight),
            };
            scores.into_iter().map(case).collect::<Vec<Case>>()
        })
    };
    (of(true), of(false)).prop_map(|(targets, others)| [targets, others].concat())
}

/// Classes and sides exchanged.
fn exchanged(cases: &[Case]) -> Vec<Case> {
    cases.iter().map(|case| Case { score: -case.score, is_target: !case.is_target, ..*case }).collect()
}

proptest! {
    #[test]
    fn exchanging_the_hypotheses_changes_signs_alone(cases in cases()) {
        let (a, b) = (costs(&cases).unwrap(), costs(&exchanged(&cases)).unwrap());
        prop_assert!(close(a.cllr, b.cllr, 1e-9) && close(a.min, b.min, 1e-9));
        let ([low, high], [lower, higher]) = (elub(&cases).unwrap(), elub(&exchanged(&cases)).unwrap());
        prop_assert!(close(low, -higher, 1e-9) && close(high, -lower, 1e-9));
    }

    #[test]
    fn the_least_cost_is_invariant_to_rising_maps_and_below_that_of_any(cases in cases()) {
        let mapped: Vec<Case> = cases.iter().map(|case| Case { score: case.score.powi(3) + 2.0, ..*case }).collect();
        let (a, b) = (costs(&cases).unwrap(), costs(&mapped).unwrap());
        prop_assert!(close(a.min, b.min, 1e-9) && a.min <= a.cllr + 1e-12 && b.min <= b.cllr + 1e-12 && a.min <= 1.0 + 1e-12);
    }

    #[test]
    fn a_weight_counts_as_repeats(cases in cases()) {
        let repeated: Vec<Case> =
            cases.iter().flat_map(|case| std::iter::repeat_n(Case { weight: 1.0, ..*case }, case.weight as usize)).collect();
        let (a, b) = (costs(&cases).unwrap(), costs(&repeated).unwrap());
        prop_assert!(close(a.cllr, b.cllr, 1e-9) && close(a.min, b.min, 1e-9));
    }

    #[test]
    fn pools_rise_and_calibrating_twice_changes_nothing(cases in cases()) {
        let found = pav(&cases).unwrap();
        prop_assert!(found.points.windows(2).all(|pair| pair[0].to < pair[1].from && pair[0].log10_lr < pair[1].log10_lr));
        let again = pav(&found.calibrated).unwrap();
        prop_assert!(found.calibrated.iter().zip(&again.calibrated).all(|(a, b)| close(a.score, b.score, 1e-9)));
    }

    #[test]
    fn decisions_within_the_bounds_are_no_worse_than_without_evidence(cases in cases(), share in 0.001..0.999f64) {
        let [low, high] = elub(&cases).unwrap();
        prop_assert!(low <= 0.0 && high >= 0.0);
        for threshold in [low * share, high * share] {
            if threshold != 0.0 {
                prop_assert!(error_rate(&cases, threshold) <= 1.0 + 1e-9, "{threshold} of {low} to {high}");
            }
        }
        prop_assert!(error_rate(&cases, high + 1e-6) > 1.0 - 1e-5 && error_rate(&cases, low - 1e-6) > 1.0 - 1e-5);
    }

    #[test]
    fn at_even_odds_the_cross_entropy_is_the_cost(cases in cases()) {
        let (points, cost) = (cross_entropy(&cases, &[0.0, -2.0]).unwrap(), costs(&cases).unwrap());
        prop_assert!(close(points[0].ece, cost.cllr, 1e-9) && close(points[0].calibrated, cost.min, 1e-9) && close(points[0].neutral, 1.0, 1e-12));
        prop_assert!(points.iter().all(|point| point.calibrated <= point.ece + 1e-12 && point.calibrated <= point.neutral + 1e-12));
    }

    #[test]
    fn shares_fall_from_one_and_misleading_cases_are_those_on_the_wrong_side(cases in cases()) {
        let steps = tippett(&cases).unwrap();
        prop_assert!(close(steps[0].targets, 1.0, 1e-12) && close(steps[0].others, 1.0, 1e-12));
        prop_assert!(steps.windows(2).all(|pair| pair[0].log10_lr < pair[1].log10_lr && pair[0].targets >= pair[1].targets));
        let [targets, others] = misleading(&cases, 0.95).unwrap();
        prop_assert_eq!(targets.count as usize, cases.iter().filter(|case| case.is_target && case.score < 0.0).count());
        prop_assert!(others.interval.0 <= others.count as f64 / others.of as f64 && others.count as f64 / others.of as f64 <= others.interval.1);
    }

    #[test]
    fn a_resample_draws_as_many_as_there_are(n in 1usize..40, seed: u64) {
        let drawn = multiplicities(n, seed, "test", 3);
        prop_assert_eq!(drawn.iter().sum::<u32>() as usize, n);
        prop_assert_eq!(&drawn, &multiplicities(n, seed, "test", 3));
        prop_assert_eq!(pair_weight(&[0, n - 1], &drawn), f64::from(drawn[0] * drawn[n - 1]));
    }
}
