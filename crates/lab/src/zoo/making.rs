//! The models of a plan, parents before children, and how each is made.

use super::Plan;
use super::plan::{Derivation, Students, Tuning};
use crate::LabError;
use crate::bench::{ATTACK, UNDISGUISED};
use serde::Serialize;
use sources::FormatError;
use std::collections::{BTreeMap, BTreeSet};

/// How a model is made. Names are those of other models of the zoo.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "made-by")]
#[expect(missing_docs, reason = "the names are those of the plan")]
pub enum Making {
    /// From nothing.
    Training { recipe: String, corpus: String, order: u64, seed: u64 },
    /// On replies, from nothing or from a base.
    Distillation {
        recipe: String,
        students: usize,
        teachers: Vec<String>,
        seed: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        base: Option<String>,
    },
    /// Trained on, on a corpus or on what a teacher says of it.
    Tuning {
        of: String,
        length: usize,
        batch: usize,
        tuning: Tuning,
        seed: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        teacher: Option<String>,
    },
    /// Steps of the laboratory; `{0}` in one is the path of the first of `others`.
    Steps { of: String, steps: Vec<String>, others: Vec<String>, seed: u64 },
}

/// One model of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Unique in the zoo.
    pub name: String,
    /// How it is made.
    pub making: Making,
    /// The trainings from nothing whose weights are in it.
    pub lineages: BTreeSet<String>,
    /// What trainings from nothing share but their seed; empty for what is derived.
    pub group: String,
    /// What it is derived from, if it is compared.
    pub derived: Option<Derived>,
}

/// What a derived model shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The lineage, or the derivation of it that `of` names.
    pub reference: String,
    /// The row of the table.
    pub transformation: String,
    /// What hides it, or `none`.
    pub disguise: String,
    /// Words that the relation should have.
    pub words: Vec<String>,
    /// Words that are not wrong.
    pub may: Vec<String>,
}

impl Making {
    /// Names of the models that it needs.
    pub fn parents(&self) -> Vec<&str> {
        match self {
            Self::Training { .. } => Vec::new(),
            Self::Distillation { teachers, base, .. } => teachers.iter().chain(base).map(String::as_str).collect(),
            Self::Tuning { of, teacher, .. } => std::iter::once(of).chain(teacher).map(String::as_str).collect(),
            Self::Steps { of, others, .. } => std::iter::once(of).chain(others).map(String::as_str).collect(),
        }
    }
}

/// Every model of a plan.
///
/// # Errors
/// If the plan names a model that it does not make.
pub fn models(plan: &Plan) -> Result<Vec<Model>, LabError> {
    let mut all = Collected { plan, models: Vec::new(), places: BTreeMap::new() };
    for group in &plan.lineages {
        for seed in group.seeds[0]..=group.seeds[1] {
            let making = Making::Training { recipe: group.recipe.clone(), corpus: group.corpus.clone(), order: group.order, seed };
            let name = format!("{}-{seed}", group.name);
            all.add(Model { lineages: [name.clone()].into(), name, making, group: group.name.clone(), derived: None })?;
        }
    }
    let bases: Vec<Model> = all.models.clone();
    let named: BTreeSet<&String> = plan.derivations.iter().flat_map(|derivation| &derivation.groups).collect();
    let mut hidden = 0;
    for (turn, derivation) in plan.derivations.iter().enumerate() {
        let is_meant = |base: &&Model| match derivation.groups.is_empty() {
            true => !named.contains(&base.group),
            false => derivation.groups.contains(&base.group),
        };
        let is_fit = |base: &&Model| is_meant(base) && all.applies(base, derivation.first.iter().chain(&derivation.steps));
        let fit: Vec<&Model> = bases.iter().filter(is_fit).collect();
        for i in 0..derivation.open.max(derivation.hidden).min(fit.len()) {
            // A stride that shares no factor with most counts, so that every derivation meets every group.
            let base = fit[(3 * turn + 7 * i) % fit.len()];
            let name = all.derive(base, derivation, &bases)?;
            let mut disguises = plan.disguises.iter().cycle().skip(hidden).take(plan.disguises.len());
            if let Some(disguise) = disguises.find(|disguise| i < derivation.hidden && all.applies(base, [*disguise])) {
                hidden = (hidden + 1) % plan.disguises.len();
                all.hide(&name, disguise)?;
            }
            if i >= derivation.open {
                // Made to be hidden only.
                all.forget(&name);
            }
        }
    }
    for (place, students) in plan.students.iter().enumerate() {
        all.teach(place, students)?;
    }
    for i in 0..plan.forgeries.min(bases.len()) {
        let reference = &bases[(5 * i) % bases.len()];
        let Some(stranger) = all.stranger(reference, &bases, i) else { continue };
        let making = Making::Steps {
            of: stranger.name.clone(),
            steps: vec!["forge={0}".into()],
            others: vec![reference.name.clone()],
            seed: i as u64,
        };
        let name = format!("{}/forged as {}", stranger.name, reference.name);
        all.add(Model { name, making, lineages: stranger.lineages.clone(), group: String::new(), derived: None })?;
    }
    Ok(all.models)
}

struct Collected<'a> {
    plan: &'a Plan,
    models: Vec<Model>,
    places: BTreeMap<String, usize>,
}

impl Collected<'_> {
    fn add(&mut self, model: Model) -> Result<(), LabError> {
        if let Some(missing) = model.making.parents().into_iter().find(|parent| !self.places.contains_key(*parent)) {
            return Err(FormatError::new(
                format!("model `{}`", model.name),
                format!("`{missing}`"),
                "models that the plan makes before it",
            )
            .into());
        }
        if !self.places.contains_key(&model.name) {
            self.places.insert(model.name.clone(), self.models.len());
            self.models.push(model);
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&Model> {
        self.places.get(name).map(|&place| &self.models[place])
    }

    /// Whether steps apply to models of this recipe.
    fn applies<'b>(&self, base: &Model, steps: impl IntoIterator<Item = &'b String>) -> bool {
        let Ok(recipe) = self.recipe_of(base) else { return true };
        let mut names = steps.into_iter().map(|step| step.split('=').next().unwrap_or_default());
        names.all(|name| !recipe.cannot.iter().any(|cannot| cannot == name))
    }

    fn forget(&mut self, name: &str) {
        if let Some(&place) = self.places.get(name) {
            self.models[place].derived = None;
        }
    }

    /// Another lineage of the group.
    fn stranger<'b>(&self, base: &Model, bases: &'b [Model], turn: usize) -> Option<&'b Model> {
        let others: Vec<&Model> = bases.iter().filter(|other| other.group == base.group && other.name != base.name).collect();
        others.get(turn % others.len().max(1)).copied()
    }

    fn words(&self, steps: &[String]) -> (Vec<String>, Vec<String>) {
        let name = |step: &String| step.split('=').next().unwrap_or_default().to_owned();
        let of = |map: &BTreeMap<String, Vec<String>>| -> Vec<String> {
            steps.iter().flat_map(|step| map.get(step).or_else(|| map.get(&name(step))).into_iter().flatten().cloned()).collect()
        };
        (of(&self.plan.words), of(&self.plan.may))
    }

    fn derive(&mut self, base: &Model, derivation: &Derivation, bases: &[Model]) -> Result<String, LabError> {
        let name = format!("{}/{}", base.name, derivation.name);
        if self.find(&name).is_some() {
            return Ok(name);
        }
        let seed = match &base.making {
            Making::Training { seed, .. } => *seed,
            _ => 0,
        };
        let mut reference = base.name.clone();
        if let Some(of) = &derivation.of {
            reference = self.sibling(base, of, bases)?;
        }
        let (mut words, mut may) = (derivation.words.clone(), derivation.may.clone());
        let mut current = reference.clone();
        let mut lineages = base.lineages.clone();
        let is_last = |stage: usize| match stage {
            0 => derivation.train.is_none() && derivation.steps.is_empty(),
            1 => derivation.steps.is_empty(),
            _ => true,
        };
        let called = |stage: usize| if is_last(stage) { name.clone() } else { format!("{name}, stage {stage}") };
        let stages = [&derivation.first, &Vec::new(), &derivation.steps];
        for (stage, steps) in stages.into_iter().enumerate() {
            if let Some(tuning) = derivation.train.as_ref().filter(|_| stage == 1) {
                let recipe = self.recipe_of(base)?;
                let making = Making::Tuning {
                    of: current.clone(),
                    length: recipe.length,
                    batch: recipe.schedule.batch,
                    tuning: tuning.clone(),
                    seed,
                    teacher: tuning.imitates.then(|| reference.clone()),
                };
                current = called(stage);
                self.add(Model { name: current.clone(), making, lineages: lineages.clone(), group: String::new(), derived: None })?;
            }
            if steps.is_empty() {
                continue;
            }
            let mut others: Vec<String> = Vec::new();
            let mut written = Vec::new();
            for step in steps {
                let mut step = step.clone();
                if step.contains("{stranger}") {
                    let stranger = self.stranger(base, bases, seed as usize);
                    let stranger = stranger.ok_or_else(|| FormatError::new("group", format!("`{}` of one lineage", base.group), "two"))?;
                    step = step.replace("{stranger}", &format!("{{{}}}", others.len()));
                    lineages.extend(stranger.lineages.iter().cloned());
                    others.push(stranger.name.clone());
                }
                if step.contains("{sibling}") {
                    let sibling = derivation.sibling.as_deref().ok_or_else(|| FormatError::new("sibling", "none", "a derivation"))?;
                    step = step.replace("{sibling}", &format!("{{{}}}", others.len()));
                    others.push(self.sibling(base, sibling, bases)?);
                }
                if step.contains("{base}") {
                    step = step.replace("{base}", &format!("{{{}}}", others.len()));
                    others.push(base.name.clone());
                }
                while let Some((before, (model, after))) =
                    step.split_once("{model:").and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
                {
                    let replaced = format!("{before}{{{}}}{after}", others.len());
                    others.push(model.to_owned());
                    step = replaced;
                }
                written.push(step);
            }
            let (more, allowed) = self.words(&written);
            words.extend(more);
            may.extend(allowed);
            let making = Making::Steps { of: current.clone(), steps: written, others, seed };
            current = called(stage);
            self.add(Model { name: current.clone(), making, lineages: lineages.clone(), group: String::new(), derived: None })?;
        }
        if current == reference {
            // Nothing is done but what hides it.
            return Ok(current);
        }
        let transformation = derivation.name.clone();
        if let Some(&place) = self.places.get(&current) {
            let hides = |step: &&String| self.plan.disguises.contains(*step);
            let hidden = derivation.first.iter().chain(&derivation.steps).find(hides);
            let disguise = match (derivation.attack, hidden) {
                (true, _) => ATTACK.to_owned(),
                (false, Some(step)) => format!("{step}, then changed"),
                (false, None) => UNDISGUISED.to_owned(),
            };
            self.models[place].derived = Some(Derived { reference, transformation, disguise, words, may });
        }
        Ok(current)
    }

    fn sibling(&mut self, base: &Model, derivation: &str, bases: &[Model]) -> Result<String, LabError> {
        let plan = self.plan;
        let found = plan.derivations.iter().find(|other| other.name == derivation);
        let found = found.ok_or_else(|| FormatError::new("derivation", format!("`{derivation}`"), "one of the plan"))?;
        let name = format!("{}/{derivation}", base.name);
        let is_new = self.find(&name).is_none();
        let name = self.derive(base, found, bases)?;
        if is_new {
            self.forget(&name);
        }
        Ok(name)
    }

    fn recipe_of(&self, base: &Model) -> Result<&super::plan::Recipe, LabError> {
        let recipe = match &base.making {
            Making::Training { recipe, .. } | Making::Distillation { recipe, .. } => self.plan.recipes.get(recipe),
            _ => None,
        };
        recipe.ok_or_else(|| FormatError::new("recipe", format!("none of `{}`", base.name), "one of the plan").into())
    }

    fn hide(&mut self, name: &str, disguise: &str) -> Result<(), LabError> {
        let Some(model) = self.find(name).cloned() else { return Ok(()) };
        let steps = vec![disguise.to_owned()];
        let (words, may) = self.words(&steps);
        let derived = match model.derived {
            Some(derived) => derived,
            None => Derived {
                reference: model.name.clone(),
                transformation: "copy".into(),
                disguise: String::new(),
                words: Vec::new(),
                may: Vec::new(),
            },
        };
        let derived = Derived {
            disguise: disguise.to_owned(),
            words: derived.words.into_iter().chain(words).collect(),
            may: derived.may.into_iter().chain(may).collect(),
            ..derived
        };
        let making = Making::Steps { of: model.name.clone(), steps, others: Vec::new(), seed: 3 };
        let name = format!("{}, {disguise}", model.name);
        self.add(Model { name, making, lineages: model.lineages, group: String::new(), derived: Some(derived) })
    }

    fn teach(&mut self, place: usize, students: &Students) -> Result<(), LabError> {
        for seed in students.seeds[0]..=students.seeds[1] {
            let name = format!("{}-{seed}", students.name);
            let Students { recipe, teachers, base, .. } = students.clone();
            let lineages = base.as_ref().and_then(|base| self.find(base)).map_or([name.clone()].into(), |base| base.lineages.clone());
            let derived = base.clone().map(|reference| Derived {
                reference,
                transformation: "taught by another model".into(),
                disguise: UNDISGUISED.into(),
                words: vec![if students.adapter.is_some() { "adapter" } else { "finetune" }.into()],
                may: vec!["finetune".into()],
            });
            let making = Making::Distillation { recipe, students: place, teachers, seed, base };
            self.add(Model { lineages, name, making, group: String::new(), derived })?;
        }
        Ok(())
    }
}
