//! Pairs as cases of a logistic regression, and its fits on some of them.

use super::Input;
use crate::LabError;
use crate::bench::{Row, Truth};
use stats::calibration::{Case, Fit, logistic};
use std::collections::BTreeSet;

/// A pair whose truth is known, as the regression sees it.
pub(super) struct Example<'a> {
    pub(super) row: &'a Row,
    /// Lineages of either side, each once: places in the list of all of them.
    pub(super) clusters: Vec<usize>,
    /// Transformed statistics, or why there are none.
    pub(super) features: Result<Vec<f64>, String>,
}

impl<'a> Example<'a> {
    /// The pairs that are derived or independent, and the names of their lineages in order. Pairs of one initialisation are neither.
    pub(super) fn all(rows: &'a [Row], features: &[Input]) -> (Vec<Self>, Vec<String>) {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.truth != Truth::SharedInitialisation).collect();
        let names: BTreeSet<&String> = rows.iter().flat_map(|row| row.reference_lineages.iter().chain(&row.suspect_lineages)).collect();
        let names: Vec<String> = names.into_iter().cloned().collect();
        let example = |row: &'a Row| {
            let of_pair: BTreeSet<&String> = row.reference_lineages.iter().chain(&row.suspect_lineages).collect();
            let clusters = of_pair.into_iter().filter_map(|name| names.binary_search(name).ok()).collect();
            Self { row, clusters, features: transformed(row, features) }
        };
        (rows.into_iter().map(example).collect(), names)
    }

    pub(super) fn is_derived(&self) -> bool {
        self.row.truth == Truth::Derived
    }

    /// With a score, counting once.
    pub(super) fn case(&self, score: f64) -> Case {
        Case { score, is_target: self.is_derived(), weight: 1.0 }
    }

    /// Whether the two pairs have a lineage in common.
    pub(super) fn shares(&self, clusters: &[usize]) -> bool {
        self.clusters.iter().any(|cluster| clusters.contains(cluster))
    }
}

/// In the order of the features; an error names those that are missing, as the calibration itself would.
fn transformed(row: &Row, features: &[Input]) -> Result<Vec<f64>, String> {
    let value = |Input { method, transform }: &Input| {
        let statistic = row.scores.get(method).and_then(|score| score.statistic);
        statistic.and_then(|statistic| transform.apply(statistic)).ok_or_else(|| format!("`{method}`"))
    };
    let (values, missing): (Vec<_>, Vec<_>) = features.iter().map(value).partition(Result::is_ok);
    if missing.is_empty() {
        return Ok(values.into_iter().flatten().collect());
    }
    let missing: Vec<String> = missing.into_iter().filter_map(Result::err).collect();
    Err(format!("{} gave no statistic", missing.join(" and ")))
}

/// Fits weighted examples that have features; `weight` gives 0 to those left out. `None` where a kind of pair is left without any.
///
/// Features are brought to mean 0 and variance 1 first, each kind of pair weighing ½, so that the penalty does not depend on their units.
pub(super) fn fit(examples: &[Example<'_>], weight: &dyn Fn(usize) -> f64, ridge: f64) -> Result<Option<Fit>, LabError> {
    let used: Vec<(&Example<'_>, &[f64], f64)> = (examples.iter().enumerate())
        .filter_map(|(i, example)| Some((example, example.features.as_deref().ok()?, weight(i))))
        .filter(|&(_, _, weight)| weight > 0.0)
        .collect();
    let total = |derived: bool| used.iter().filter(|(example, ..)| example.is_derived() == derived).map(|(.., weight)| weight).sum::<f64>();
    let totals = [total(true), total(false)];
    if totals.contains(&0.0) {
        return Ok(None);
    }
    let width = used.first().map_or(0, |(_, features, _)| features.len());
    let balanced = |example: &Example<'_>, weight: f64| 0.5 * weight / totals[usize::from(!example.is_derived())];
    let mean = |of: &dyn Fn(&[f64]) -> f64| used.iter().map(|(example, x, weight)| balanced(example, *weight) * of(x)).sum::<f64>();
    let means: Vec<f64> = (0..width).map(|k| mean(&|x| x[k])).collect();
    let scales: Vec<f64> = (0..width)
        .map(|k| mean(&|x| (x[k] - means[k]).powi(2)).sqrt())
        // A feature that never changes carries nothing, whatever its unit.
        .map(|scale| if scale > 0.0 { scale } else { 1.0 })
        .collect();
    let features: Vec<f64> = used.iter().flat_map(|(_, x, _)| (0..width).map(|k| (x[k] - means[k]) / scales[k])).collect();
    let cases: Vec<Case> = used.iter().map(|(example, _, weight)| Case { weight: *weight, ..example.case(0.0) }).collect();
    let Fit { intercept, weights } = logistic(&features, &cases, ridge)?;
    let weights: Vec<f64> = weights.iter().zip(&scales).map(|(weight, scale)| weight / scale).collect();
    let intercept = intercept - weights.iter().zip(&means).map(|(weight, mean)| weight * mean).sum::<f64>();
    Ok(Some(Fit { intercept, weights }))
}
