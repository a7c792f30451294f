//! The dims of one checkpoint: declared by its config or its header, else inferred from the shapes of its tensors.

use super::expression::{Dims, Expression, solve};
use super::file::Family;
use crate::tensor::MetaValue;
use serde_json::Value;
use std::collections::BTreeMap;

/// A stored axis: the sizes that it holds one after another, its length, and how much a vote of it counts.
pub(super) struct Equation<'a> {
    pub(super) terms: Vec<&'a Expression>,
    pub(super) total: u64,
    pub(super) elements: u64,
}

/// What config and header say.
pub(super) fn declared(family: &Family, config: Option<&Value>, metadata: &BTreeMap<String, MetaValue>) -> Dims {
    let sections = || {
        let nested = family.config_sections.iter().filter_map(|section| config?.get(section));
        config.into_iter().chain(nested)
    };
    let architecture = match metadata.get("general.architecture") {
        Some(MetaValue::Text(architecture)) => Some(architecture),
        _ => None,
    };
    let from_config = |key: &String| sections().find_map(|section| section.get(key)?.as_u64());
    let from_header = |key: &String| whole_number(metadata.get(&format!("{}.{key}", architecture?))?);
    let found = family.dims.iter().filter_map(|(name, dim)| {
        let value = dim.config.iter().find_map(from_config).or_else(|| dim.gguf.iter().find_map(from_header));
        Some((name.clone(), value.filter(|&n| n > 0)?))
    });
    found.collect()
}

fn whole_number(value: &MetaValue) -> Option<u64> {
    match value {
        // One value a layer; a family has one for all.
        MetaValue::Array(values) => {
            let first = whole_number(values.first().filter(|value| !matches!(value, MetaValue::Array(_)))?)?;
            values.iter().all(|value| value == &values[0]).then_some(first)
        }
        value => value.as_u64(),
    }
}

/// Adds what the shapes tell to the dims already known. Where tensors disagree, the value with the most elements behind it is taken.
pub(super) fn infer(family: &Family, mut dims: Dims, equations: &[Equation<'_>]) -> Dims {
    loop {
        let mut votes: BTreeMap<&str, BTreeMap<u64, u64>> = BTreeMap::new();
        let mut vote = |(name, value): (_, u64), elements: u64| {
            let count = votes.entry(name).or_default().entry(value).or_default();
            *count = count.saturating_add(elements);
        };
        for equation in equations {
            if let Some(solution) = solve(&equation.terms, equation.total, &dims) {
                vote(solution, equation.elements);
            }
        }
        for (name, dim) in &family.dims {
            let Some(equals) = &dim.equals else { continue };
            match dims.get(name) {
                Some(&total) => solve(&[equals], total, &dims).into_iter().for_each(|solution| vote(solution, 1)),
                None => equals.value(&dims).into_iter().for_each(|value| vote((name.as_str(), value), 1)),
            }
        }
        // Of equal votes the smaller value: any rule does, if it is always the same.
        let elected = votes.iter().filter_map(|(&name, values)| {
            let (&value, _) = values.iter().rev().max_by_key(|&(_, &elements)| elements)?;
            Some((name.to_owned(), value))
        });
        let mut elected: Vec<_> = elected.collect();
        if elected.is_empty() {
            let open = family.dims.iter().find(|(name, dim)| dim.default.is_some() && !dims.contains_key(*name));
            elected.extend(open.and_then(|(name, dim)| Some((name.clone(), dim.default?))));
        }
        if elected.is_empty() {
            return dims;
        }
        dims.extend(elected);
    }
}

/// Whether the dims keep every `equals` whose sides are known.
pub(super) fn agree(family: &Family, dims: &Dims) -> bool {
    family.dims.iter().all(|(name, dim)| match (dims.get(name), dim.equals.as_ref().and_then(|equals| equals.value(dims))) {
        (Some(&value), Some(equal)) => value == equal,
        _ => true,
    })
}
