//! How often tests reject where there is nothing to find.

use super::Demand;
use crate::Error;
use evidence::MethodError;
use stats::uniformity::{clopper_pearson, ks_uniform};
use std::collections::BTreeMap;

/// The p-value of one test where there is nothing to find.
pub(crate) struct Null {
    /// What it was done on.
    pub(crate) kind: String,
    pub(crate) p: f64,
}

/// Below this, p-values are not uniform.
const UNIFORM: f64 = 0.001;

/// A table by kind, and what is demanded of all together: the size at .01 inside its exact 99 % interval, and uniformity.
pub(crate) fn judge(what: &str, nulls: &[Null]) -> Result<(Vec<Demand>, String), Error> {
    let failed = |error: stats::InputError| Error::Method(MethodError::Input(error));
    let mut page =
        String::from("| nothing to find in | tests | p ≤ .01 | p ≤ .001 | smallest p | uniform: KS p |\n|---|---:|---|---:|---:|---:|\n");
    let mut kinds: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    nulls.iter().for_each(|null| kinds.entry(&null.kind).or_default().push(null.p));
    let all: Vec<f64> = nulls.iter().map(|null| null.p).collect();
    let row = |kind: &str, p: &[f64]| -> Result<(String, bool, f64), Error> {
        let count = |level: f64| p.iter().filter(|p| **p <= level).count() as u64;
        let (low, high) = clopper_pearson(count(0.01), p.len() as u64, 0.99).map_err(failed)?;
        let uniform = ks_uniform(p).map_err(failed)?.p.value();
        let smallest = p.iter().copied().min_by(f64::total_cmp).unwrap_or(1.0);
        let line = format!(
            "| {kind} | {} | {} ({low:.4} to {high:.4}) | {} | {smallest:.4} | {uniform:.3} |\n",
            p.len(),
            count(0.01),
            count(0.001)
        );
        Ok((line, (low..=high).contains(&0.01), uniform))
    };
    for (kind, p) in &kinds {
        page.push_str(&row(kind, p)?.0);
    }
    if all.is_empty() {
        return Ok((vec![Demand { what: format!("{what}: nulls"), found: "none".into(), is_met: false }], page));
    }
    let (line, is_nominal, uniform) = row("**all**", &all)?;
    page.push_str(&line);
    page.push('\n');
    let small = all.iter().filter(|p| **p <= 0.01).count();
    let demands = vec![
        Demand {
            what: format!("{what}: size at .01 inside its 99 % interval, over {} nulls", all.len()),
            found: format!("{small} of {}", all.len()),
            is_met: is_nominal,
        },
        Demand { what: format!("{what}: p uniform under the null"), found: format!("KS p {uniform:.3}"), is_met: uniform > UNIFORM },
    ];
    Ok((demands, page))
}
