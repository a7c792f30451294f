//! Fits a calibration, validates it out of fold, and bounds it by what the validation saw.

use super::fit::{Example, fit};
use super::validation::{CrossEntropyPoint, Group, PavPool, ScoredPair, TippettStep, Validation};
use super::{Input, Plan};
use crate::LabError;
use crate::bench::{Row, Sizes, Truth};
use sources::FormatError;
use stats::calibration::{
    Case, Fit, Misleading, costs, cross_entropy, elub, misleading, multiplicities, pair_weight, pav, quantile, tippett,
};
use stats::uniformity::clopper_pearson;
use std::collections::{BTreeMap, BTreeSet};
use verdict::Calibration;
use verdict::calibration::{Cost, Domain, Elub, Feature, Metrics, Population, Range, Rate, SCHEMA};

/// A calibration that changes no more, and how it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Frozen {
    /// With its digest.
    pub calibration: Calibration,
    /// Out of fold.
    pub validation: Validation,
}

/// Of intervals.
const CONFIDENCE: f64 = 0.95;
/// Prior log10 odds of the cross-entropy: −3 to 3.
const PRIORS: std::ops::RangeInclusive<i32> = -30..=30;

/// Fits and validates.
///
/// `scores` is the text that the rows were read from; its digest stands in the calibration. Every pair is scored by a fit that has seen no pair
/// with one of its lineages, and is held within bounds from such pairs alone. The frozen coefficients come from all pairs.
///
/// # Errors
/// If a kind of pair is missing, or the fit or the plan is not valid.
pub fn freeze(rows: &[Row], scores: &str, plan: &Plan) -> Result<Frozen, LabError> {
    let (examples, lineages) = Example::all(rows, &plan.features);
    let whole = fit(&examples, &|_| 1.0, plan.ridge)?.ok_or_else(|| {
        let count = |derived: bool| examples.iter().filter(|e| e.features.is_ok() && e.is_derived() == derived).count();
        FormatError::new(
            "scores",
            format!("{} derived and {} independent pairs with every feature", count(true), count(false)),
            "some of both",
        )
    })?;
    // Not one more than the sources it was seen to hold for.
    let cap = (lineages.len() as f64 + 1.0).log10();
    let raw = out_of_fold(&examples, plan.ridge)?;
    let bounded = (0..examples.len()).map(|i| bounded(i, &examples, &raw, cap)).collect::<Result<Vec<f64>, LabError>>()?;
    let cases: Vec<Case> = examples.iter().zip(&bounded).map(|(example, &score)| example.case(score)).collect();
    let unbounded: Vec<Case> = examples.iter().zip(&raw).map(|(example, raw)| example.case(raw.unwrap_or(0.0))).collect();

    let [lower, upper] = elub(&unbounded)?;
    let resampled = resampled(&examples, &cases, lineages.len(), plan)?;
    let metrics = metrics(&examples, &cases, lineages.len(), &resampled.costs)?;
    let Fit { intercept, weights } = whole;
    let feature = |(input, weight): (&Input, f64)| Feature { method: input.method.clone(), weight, transform: input.transform };
    let calibration = Calibration {
        id: plan.id.clone(),
        schema: SCHEMA,
        intercept,
        cap,
        replicates: resampled.fits.into_iter().map(|fit| [vec![fit.intercept], fit.weights].concat()).collect(),
        elub: Elub { lower, upper },
        features: plan.features.iter().zip(weights).map(feature).collect(),
        population: population(&examples, lineages.len(), scores),
        domain: domain(&examples)?,
        metrics: metrics.clone(),
        digest: String::new(),
    };
    // Read back, so that the digest is that of the text.
    let calibration = Calibration::parse(&calibration.to_toml()?)?;
    let validation = Validation {
        calibration: calibration.reference(),
        limits: calibration.limits(),
        replicates: plan.replicates,
        metrics,
        raw_cllr: stats::calibration::cllr(&unbounded)?,
        tippett: tippett(&cases)?
            .into_iter()
            .map(|step| TippettStep { log10_lr: step.log10_lr, derived: step.targets, independent: step.others })
            .collect(),
        cross_entropy: curve(&cases)?,
        pav: pools(&cases)?,
        transformations: by_transformation(&examples, &bounded),
        by_lineage: by_lineage(&examples, &bounded, &lineages),
        pairs: examples.iter().zip(raw.iter().zip(&bounded)).map(|(e, (&raw, &log10_lr))| scored(e, raw, log10_lr, &lineages)).collect(),
        lineages,
    };
    Ok(Frozen { calibration, validation })
}

/// The log10 LR of every pair from a fit without its lineages; `None` where a feature is missing or too little is left to learn from.
fn out_of_fold(examples: &[Example<'_>], ridge: f64) -> Result<Vec<Option<f64>>, LabError> {
    let mut fits: BTreeMap<&[usize], Option<Fit>> = BTreeMap::new();
    let mut scores = Vec::with_capacity(examples.len());
    for example in examples {
        let clusters = example.clusters.as_slice();
        if !fits.contains_key(clusters) {
            let weight = |i: usize| if examples[i].shares(clusters) { 0.0 } else { 1.0 };
            fits.insert(clusters, fit(examples, &weight, ridge)?);
        }
        let fitted = fits.get(clusters).and_then(Option::as_ref);
        scores.push(fitted.zip(example.features.as_ref().ok()).map(|(fit, features)| fit.log10_lr(features)));
    }
    Ok(scores)
}

/// The log10 LR of a pair, held within the bounds that pairs of other lineages give.
fn bounded(at: usize, examples: &[Example<'_>], raw: &[Option<f64>], cap: f64) -> Result<f64, LabError> {
    let Some(score) = raw[at] else { return Ok(0.0) };
    let others: Vec<Case> = (examples.iter().zip(raw))
        .filter(|(other, _)| !other.shares(&examples[at].clusters))
        .map(|(other, raw)| other.case(raw.unwrap_or(0.0)))
        .collect();
    let [lower, upper] = elub(&others)?;
    Ok(score.clamp(lower.clamp(-cap, 0.0), upper.clamp(0.0, cap)))
}

/// What resampled lineages give.
struct Resampled {
    fits: Vec<Fit>,
    /// Cllr, its minimum and the difference.
    costs: [Vec<f64>; 3],
}

fn resampled(examples: &[Example<'_>], cases: &[Case], lineages: usize, plan: &Plan) -> Result<Resampled, LabError> {
    let mut resampled = Resampled { fits: Vec::new(), costs: Default::default() };
    for replicate in 0..plan.replicates {
        let drawn = multiplicities(lineages, plan.seed, "lab/calibrate", replicate);
        let weights: Vec<f64> = examples.iter().map(|example| pair_weight(&example.clusters, &drawn)).collect();
        // A draw without one kind of pair teaches nothing.
        let Some(fit) = fit(examples, &|i| weights[i], plan.ridge)? else { continue };
        resampled.fits.push(fit);
        let weighted: Vec<Case> = cases.iter().zip(&weights).map(|(case, &weight)| Case { weight, ..*case }).collect();
        let cost = costs(&weighted)?;
        resampled.costs.iter_mut().zip([cost.cllr, cost.min, cost.cal]).for_each(|(costs, cost)| costs.push(cost));
    }
    resampled.costs.iter_mut().for_each(|costs| costs.sort_by(f64::total_cmp));
    Ok(resampled)
}

fn metrics(examples: &[Example<'_>], cases: &[Case], lineages: usize, resampled: &[Vec<f64>; 3]) -> Result<Metrics, LabError> {
    let cost = costs(cases)?;
    let with = |value: f64, others: &[f64]| {
        let at = |share: f64| quantile(others, share).unwrap_or(value);
        Cost { value, lower: at(0.025), upper: at(0.975) }
    };
    let [derived, independent] = misleading(cases, CONFIDENCE)?;
    let rate = |Misleading { count, of, interval: (lower, upper) }| Rate { count, of, lower, upper };
    let misled: BTreeSet<usize> =
        examples.iter().zip(cases).filter(|(_, case)| misleads(case)).flat_map(|(example, _)| example.clusters.iter().copied()).collect();
    let (count, of) = (misled.len() as u64, lineages as u64);
    Ok(Metrics {
        cllr: with(cost.cllr, &resampled[0]),
        cllr_min: with(cost.min, &resampled[1]),
        cllr_cal: with(cost.cal, &resampled[2]),
        misleading_derived: rate(derived),
        misleading_independent: rate(independent),
        misleading_lineages: rate(Misleading { count, of, interval: clopper_pearson(count, of, CONFIDENCE)? }),
    })
}

/// Whether a log10 LR lies on the wrong side of 0.
fn misleads(case: &Case) -> bool {
    if case.is_target { case.score < 0.0 } else { case.score > 0.0 }
}

fn population(examples: &[Example<'_>], lineages: usize, scores: &str) -> Population {
    let count = |of: &dyn Fn(&Example<'_>) -> bool| examples.iter().filter(|example| of(example)).count() as u64;
    let names = |of: &dyn Fn(&Row) -> &String| {
        let names: BTreeSet<&String> = examples.iter().filter(|example| example.is_derived()).map(|example| of(example.row)).collect();
        names.into_iter().cloned().collect()
    };
    Population {
        derived: count(&|example| example.is_derived()),
        independent: count(&|example| !example.is_derived()),
        without_features: count(&|example| example.features.is_err()),
        lineages: lineages as u64,
        scores: blake3::hash(scores.as_bytes()).to_hex().to_string(),
        derivations: names(&|row| &row.transformation),
        disguises: names(&|row| &row.disguise),
    }
}

/// Where both kinds of pairs were seen: what one kind alone reaches, nothing was learned for.
fn domain(examples: &[Example<'_>]) -> Result<Domain, LabError> {
    let sizes = |derived: bool| {
        let of = examples.iter().filter(move |example| example.is_derived() == derived);
        of.flat_map(|example| [&example.row.reference_sizes, &example.row.suspect_sizes])
    };
    let families = |derived: bool| sizes(derived).filter_map(|sizes| sizes.family.clone()).collect::<BTreeSet<String>>();
    let range = |what: &'static str, of: &dyn Fn(&Sizes) -> u64| {
        let ends = |derived: bool| Some((sizes(derived).map(of).min()?, sizes(derived).map(of).max()?));
        let common = ends(true).zip(ends(false)).map(|(a, b)| Range { min: a.0.max(b.0), max: a.1.min(b.1) });
        common.filter(|range| range.min <= range.max).ok_or_else(|| FormatError::new(what, "none that both kinds of pairs have", "some"))
    };
    let differ = |derived: bool| examples.iter().any(|example| example.is_derived() == derived && !example.row.same_tokenizer);
    Ok(Domain {
        families: families(true).intersection(&families(false)).cloned().collect(),
        same_tokenizer_only: !(differ(true) && differ(false)),
        parameters: range("parameters", &|sizes| sizes.parameters)?,
        layers: range("layers", &|sizes| sizes.layers)?,
    })
}

fn curve(cases: &[Case]) -> Result<Vec<CrossEntropyPoint>, LabError> {
    let priors: Vec<f64> = PRIORS.map(|tenths| f64::from(tenths) / 10.0).collect();
    let point = |point: stats::calibration::EcePoint| CrossEntropyPoint {
        prior_log10_odds: point.prior_log10_odds,
        ece: point.ece,
        calibrated: point.calibrated,
        neutral: point.neutral,
    };
    Ok(cross_entropy(cases, &priors)?.into_iter().map(point).collect())
}

fn pools(cases: &[Case]) -> Result<Vec<PavPool>, LabError> {
    let pool = |pool: stats::calibration::PavPoint| PavPool {
        from: pool.from,
        to: pool.to,
        log10_lr: Some(pool.log10_lr).filter(|log10_lr| log10_lr.is_finite()),
    };
    Ok(pav(cases)?.points.into_iter().map(pool).collect())
}

fn by_transformation(examples: &[Example<'_>], scores: &[f64]) -> Vec<Group> {
    let mut groups: BTreeMap<(Truth, &str, &str), Vec<usize>> = BTreeMap::new();
    for (i, Example { row, .. }) in examples.iter().enumerate() {
        groups.entry((row.truth, &row.transformation, &row.disguise)).or_default().push(i);
    }
    let group = |((truth, name, disguise), of): ((Truth, &str, &str), Vec<usize>)| {
        let group = group(name, &of, examples, scores);
        Group { truth: Some(truth), disguise: Some(disguise.to_owned()), ..group }
    };
    groups.into_iter().map(group).collect()
}

fn by_lineage(examples: &[Example<'_>], scores: &[f64], lineages: &[String]) -> Vec<Group> {
    let of = |lineage: usize| (0..examples.len()).filter(|&i| examples[i].clusters.contains(&lineage)).collect::<Vec<usize>>();
    lineages.iter().enumerate().map(|(i, name)| group(name, &of(i), examples, scores)).collect()
}

fn group(name: &str, of: &[usize], examples: &[Example<'_>], scores: &[f64]) -> Group {
    let mut sorted: Vec<f64> = of.iter().map(|&i| scores[i]).collect();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| quantile(&sorted, share).unwrap_or(0.0);
    let count = |is: &dyn Fn(usize) -> bool| of.iter().filter(|&&i| is(i)).count() as u64;
    Group {
        name: name.to_owned(),
        disguise: None,
        truth: None,
        pairs: of.len() as u64,
        without_features: count(&|i| examples[i].features.is_err()),
        misleading: count(&|i| misleads(&examples[i].case(scores[i]))),
        min: at(0.0),
        median: at(0.5),
        max: at(1.0),
    }
}

fn scored(example: &Example<'_>, raw: Option<f64>, log10_lr: f64, lineages: &[String]) -> ScoredPair {
    let row = example.row;
    let alone = || "without the lineages of the pair there are not both kinds of pairs".to_owned();
    ScoredPair {
        reference: row.reference.clone(),
        suspect: row.suspect.clone(),
        lineages: example.clusters.iter().map(|&i| lineages[i].clone()).collect(),
        truth: row.truth,
        transformation: row.transformation.clone(),
        disguise: row.disguise.clone(),
        raw,
        log10_lr,
        missing: example.features.as_ref().err().cloned().or_else(|| raw.is_none().then(alone)),
    }
}
