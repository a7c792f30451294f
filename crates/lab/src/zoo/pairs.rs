//! What is compared with what, and what is known of each pair.

use super::Plan;
use super::making::{Derived, Making, Model, models};
use crate::bench::Truth;
use crate::{Draws, LabError};
use std::collections::BTreeSet;

/// Two models of a zoo.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Names.
    pub reference: String,
    /// Names.
    pub suspect: String,
    /// What is known.
    pub truth: Truth,
    /// Trainings that differ in their seed alone.
    pub is_same_recipe: bool,
    /// The row of the table, with its disguise and words.
    pub shown: Derived,
}

/// Every pair of a plan.
///
/// # Errors
/// If the plan names a model that it does not make.
pub fn pairs(plan: &Plan) -> Result<Vec<Pair>, LabError> {
    let models = models(plan)?;
    let mut pairs = Vec::new();
    for model in &models {
        if let Some(derived) = &model.derived {
            pairs.push(pair(&derived.reference, &model.name, Truth::Derived, derived.clone()));
        }
    }
    let scratch: Vec<&Model> = models.iter().filter(|model| !model.group.is_empty()).collect();
    for (i, a) in scratch.iter().enumerate() {
        for b in scratch[i + 1..].iter().filter(|b| b.group == a.group) {
            pairs.push(Pair {
                is_same_recipe: true,
                ..pair(&a.name, &b.name, Truth::Independent, named("same data and order, other seed"))
            });
        }
    }
    pairs.extend(strangers(plan, &scratch));
    let students: Vec<&Model> = models.iter().filter(|model| matches!(model.making, Making::Distillation { .. })).collect();
    for (i, student) in students.iter().enumerate() {
        let Making::Distillation { teachers, .. } = &student.making else { continue };
        for teacher in teachers {
            pairs.push(pair(teacher, &student.name, Truth::Independent, named("student of the reference")));
        }
        let is_taught_alike =
            |other: &&&Model| matches!(&other.making, Making::Distillation { teachers: theirs, .. } if theirs == teachers);
        let others = students[i + 1..].iter().filter(is_taught_alike).filter(|other| are_strangers(&models, student, other));
        pairs
            .extend(others.take(3).map(|other| pair(&student.name, &other.name, Truth::Independent, named("two students of one teacher"))));
    }
    for model in &models {
        if let (Making::Steps { others, steps, .. }, None) = (&model.making, &model.derived)
            && steps.iter().any(|step| step.starts_with("forge="))
        {
            let reference = others.first().cloned().unwrap_or_default();
            pairs.push(pair(&reference, &model.name, Truth::Independent, named("forged tables, norms and sizes")));
        }
    }
    Ok(pairs)
}

fn pair(reference: &str, suspect: &str, truth: Truth, shown: Derived) -> Pair {
    Pair { reference: reference.into(), suspect: suspect.into(), truth, is_same_recipe: false, shown }
}

fn named(transformation: &str) -> Derived {
    Derived { reference: String::new(), transformation: transformation.into(), disguise: "none".into(), words: Vec::new(), may: Vec::new() }
}

/// Pairs of different groups, drawn: each kind of difference in turn.
fn strangers(plan: &Plan, scratch: &[&Model]) -> Vec<Pair> {
    let mut all: Vec<Pair> = Vec::new();
    for (i, a) in scratch.iter().enumerate() {
        for b in scratch[i + 1..].iter().filter(|b| b.group != a.group) {
            if let Some(difference) = difference(plan, a, b) {
                let truth = if is_one_initialisation(a, b) { Truth::SharedInitialisation } else { Truth::Independent };
                all.push(pair(&a.name, &b.name, truth, named(difference)));
            }
        }
    }
    let order = Draws::new(0, "zoo/strangers").order(all.len());
    let kinds: BTreeSet<String> = all.iter().map(|pair| pair.shown.transformation.clone()).collect();
    let by_kind = |kind: &String| order.iter().filter(|&&i| all[i].shown.transformation == *kind).copied().collect::<Vec<_>>();
    let by_kind: Vec<Vec<usize>> = kinds.iter().map(by_kind).collect();
    let longest = by_kind.iter().map(Vec::len).max().unwrap_or(0);
    let in_turn = (0..longest).flat_map(|turn| by_kind.iter().filter_map(move |kind| kind.get(turn)));
    in_turn.take(plan.strangers).map(|&i| all[i].clone()).collect()
}

/// Whether no weight of one began where one of the other did: they share no lineage, and no two of their lineages share an initialisation.
pub fn are_strangers(models: &[Model], a: &Model, b: &Model) -> bool {
    let trainings = |model: &Model| models.iter().filter(|other| model.lineages.contains(&other.name)).collect::<Vec<_>>();
    let (of_a, of_b) = (trainings(a), trainings(b));
    a.lineages.is_disjoint(&b.lineages) && !of_a.iter().any(|a| of_b.iter().any(|b| is_one_initialisation(a, b)))
}

/// Whether two trainings from nothing drew the same first weights.
fn is_one_initialisation(a: &Model, b: &Model) -> bool {
    let drawn = |model: &Model| match &model.making {
        Making::Training { recipe, seed, .. } | Making::Distillation { recipe, seed, base: None, .. } => Some((recipe.clone(), *seed)),
        _ => None,
    };
    drawn(a).is_some_and(|a| Some(a) == drawn(b))
}

/// How two trainings from nothing differ, beside their seed.
fn difference(plan: &Plan, a: &Model, b: &Model) -> Option<&'static str> {
    let (
        Making::Training { recipe: ra, corpus: ca, order: oa, seed: sa },
        Making::Training { recipe: rb, corpus: cb, order: ob, seed: sb },
    ) = (&a.making, &b.making)
    else {
        return None;
    };
    if ra != rb {
        let (a, b) = (plan.recipes.get(ra)?, plan.recipes.get(rb)?);
        return Some(if a.model.architecture == b.model.architecture { "other size" } else { "other architecture" });
    }
    Some(match (ca == cb, oa == ob, sa == sb) {
        (_, _, true) => "same seed, other data",
        (true, false, _) => "same data, other order and seed",
        _ => "other data and seed",
    })
}
