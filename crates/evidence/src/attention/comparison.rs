//! The attention of the suspect, and of every control, against the reference's.

use super::entries::{Entries, LEAST_PROMPTS};
use super::matching::{MatchedHeads, matched, mean};
use super::measures::{CONTROLS_REGRESSED, HEAD_AVERAGED, MATCHED_HEADS, MEASURES, PROMPT_MEAN_REMOVED, RAW_POOLED, SINK_REMOVED};
use super::pairing::{Stage, Task, of_control, stages};
use super::residual::{Covariations, Residual};
use super::stage::{At, Lacking, StageSums, WantedSums};
use crate::depth::relative_depth;
use crate::method::{MethodError, Outcome};
use crate::outputs::{LEAST_CONTROLS, Outputs};
use forward::Observation;
use stats::InputError;
use stats::correlation::{CrossSums, PearsonSums};

/// How much of a comparison is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The suspect's heads matched by their probabilities as they are.
    Raw,
    /// What the suspect has in common with the reference beyond the controls.
    Residual,
    /// All measures of the suspect and of every control in its place.
    Everything,
}

/// Why there is no comparison.
#[derive(Debug)]
pub(crate) enum NoComparison {
    /// The method does not apply.
    NotApplicable(String),
    /// It failed.
    Failed(MethodError),
}

impl NoComparison {
    /// As a method's answer.
    pub(crate) fn into_outcome(self) -> Result<Outcome, MethodError> {
        match self {
            Self::NotApplicable(why) => Ok(Outcome::not_applicable(why)),
            Self::Failed(error) => Err(error),
        }
    }
}

impl From<InputError> for NoComparison {
    fn from(error: InputError) -> Self {
        Self::Failed(error.into())
    }
}

/// What was found.
pub(crate) struct Comparison<'a> {
    /// The reference, the suspect, and the controls that can be compared.
    pub(super) models: Vec<&'a Observation>,
    pub(super) entries: Entries,
    /// The suspect, then the controls that can be compared.
    pub(crate) rows: Vec<Row>,
    /// Of each control given: which model it is, or why it cannot be compared.
    pub(super) controls: Vec<Result<usize, String>>,
}

/// One model in the suspect's place.
pub(crate) struct Row {
    model: usize,
    /// In the order of its blocks.
    pub(crate) layers: Vec<LayerRow>,
    raw_pooled: PearsonSums,
    head_averaged: PearsonSums,
}

/// A block and its counterpart in the reference. What was not asked for, or is not defined, is empty.
pub(crate) struct LayerRow {
    pub(crate) layer: usize,
    pub(crate) reference_layer: usize,
    /// From 0 to 1.
    pub(crate) depth: f64,
    pub(crate) raw: Vec<MatchedHeads>,
    sink_removed: Vec<MatchedHeads>,
    prompt_mean_removed: Vec<MatchedHeads>,
    pub(crate) residual: Vec<MatchedHeads>,
    /// The raw correlation of the heads that are matched by their residuals.
    pub(super) raw_of_residual: Vec<Option<f64>>,
}

impl<'a> Comparison<'a> {
    /// Compares what can be compared.
    pub(crate) fn of(outputs: &Outputs<'a>, extent: Extent) -> Result<Self, NoComparison> {
        let (reference, suspect) = (outputs.reference, outputs.suspect);
        for (name, model) in [("reference", reference), ("suspect", suspect)] {
            if !model.has_attention() {
                return Err(NoComparison::NotApplicable(format!("the attention of the {name} was not observed")));
            }
        }
        if let Some(why) = differs_in_sight("suspect", suspect, reference) {
            return Err(NoComparison::NotApplicable(why));
        }
        let mut models = vec![reference, suspect];
        let mut controls = Vec::new();
        for &control in outputs.controls {
            let why = if control.has_attention() {
                differs_in_sight("control", control, reference)
            } else {
                Some("its attention was not observed".into())
            };
            controls.push(why.map_or(Ok(models.len()), Err));
            if controls.last().is_some_and(Result::is_ok) {
                models.push(control);
            }
        }
        let entries = Entries::common(&models, reference.subject.causal, outputs.by_words);
        let mut comparison = Self { models, entries, rows: Vec::new(), controls };
        if extent == Extent::Residual
            && let Some(why) = comparison.no_residual(1)
        {
            return Err(NoComparison::NotApplicable(why));
        }
        comparison.fill(extent)?;
        Ok(comparison)
    }

    /// Tokens or words that attend, in all prompts.
    pub(crate) fn n_rows(&self) -> usize {
        self.entries.n_rows()
    }

    /// Whether words were compared; else tokens.
    pub(crate) fn is_by_words(&self) -> bool {
        self.entries.by_words
    }

    /// The controls that a model's residuals are taken on.
    fn regressors(&self, model: usize) -> impl Iterator<Item = usize> {
        (2..self.models.len()).filter(move |&control| control != model)
    }

    /// Why nothing can be regressed on the controls of a model.
    fn no_residual(&self, model: usize) -> Option<String> {
        let n = self.regressors(model).count();
        if n < LEAST_CONTROLS {
            return Some(format!(
                "what independent models share is learned from at least {LEAST_CONTROLS} controls besides the model in question, and {n} can be compared"
            ));
        }
        self.no_deviations()
    }

    /// Why no mean over prompts can be subtracted.
    fn no_deviations(&self) -> Option<String> {
        (!self.entries.has_deviations()).then(|| {
            let n = self.entries.n_prompts();
            format!("a mean over prompts needs {LEAST_PROMPTS} prompts that have the same position, and the longest of {n} prompts do not")
        })
    }

    fn fill(&mut self, extent: Extent) -> Result<(), NoComparison> {
        let n_layers: Vec<usize> = self.models.iter().map(|model| model.subject.n_layers).collect();
        let subjects: Vec<usize> = if extent == Extent::Everything { (1..n_layers.len()).collect() } else { vec![1] };
        let has_deviations = self.entries.has_deviations();
        let regressors: Vec<usize> =
            if extent != Extent::Raw && self.no_residual(1).is_none() { self.regressors(0).collect() } else { Vec::new() };
        let wanted = WantedSums {
            raw: extent != Extent::Residual,
            sink_removed: extent == Extent::Everything,
            deviations: extent != Extent::Raw && has_deviations,
        };
        let row =
            |&model: &usize| Row { model, layers: Vec::new(), raw_pooled: PearsonSums::default(), head_averaged: PearsonSums::default() };
        self.rows = subjects.iter().map(row).collect();
        for stage in stages(&n_layers, &subjects, &regressors) {
            let sums = StageSums::of(&self.models, &self.entries, &stage, wanted).map_err(|why| self.lacking(why))?;
            self.read(&stage, &sums, &n_layers)?;
        }
        Ok(())
    }

    fn lacking(&self, why: Lacking) -> NoComparison {
        match why {
            Lacking::Input(error) => error.into(),
            Lacking::Attention((model, layer)) => {
                let name = self.models[model].subject.model.escape_debug();
                NoComparison::NotApplicable(format!("the observation of `{name}` holds no attention of block {layer} on some prompt"))
            }
        }
    }

    /// Adds the layers of a stage to their rows.
    fn read(&mut self, stage: &Stage, sums: &StageSums, n_layers: &[usize]) -> Result<(), NoComparison> {
        for task in &stage.tasks {
            let model = task.subject.0;
            let heads = |at: At| self.models[at.0].subject.n_heads;
            let (n_reference, n_subject) = (heads(task.reference), heads(task.subject));
            let pair = task.pair();
            let matched_by = |sums: Option<&CrossSums>| match sums {
                Some(sums) => matched_heads(sums, n_reference, n_subject),
                None => Ok(Vec::new()),
            };
            let raw = sums.raw.get(&pair);
            let residual = if self.no_residual(model).is_none() { self.residuals(task, sums, n_layers)? } else { Vec::new() };
            let layer = LayerRow {
                layer: task.subject.1,
                reference_layer: task.reference.1,
                depth: relative_depth(task.subject.1, n_layers[model]),
                raw: matched_by(raw)?,
                sink_removed: matched_by(sums.sink_removed.get(&pair))?,
                prompt_mean_removed: matched_by(sums.deviations.get(&pair))?,
                raw_of_residual: residual.iter().map(|m| raw?.pair(m.reference, m.suspect).correlation()).collect(),
                residual,
            };
            let Some(row) = self.rows.iter_mut().find(|row| row.model == model) else { continue };
            if let Some(raw) = raw {
                row.head_averaged.merge(&raw.pair(n_reference, n_subject));
                (0..n_reference.min(n_subject)).for_each(|head| row.raw_pooled.merge(&raw.pair(head, head)));
            }
            row.layers.push(layer);
        }
        Ok(())
    }

    /// Heads matched by what the controls leave of them.
    fn residuals(&self, task: &Task, sums: &StageSums, n_layers: &[usize]) -> Result<Vec<MatchedHeads>, InputError> {
        if sums.deviations.is_empty() {
            return Ok(Vec::new());
        }
        let known = Covariations(sums);
        let of_block = |at: At| -> Vec<Option<Residual>> {
            let block = |control: usize| (of_control(control, at, n_layers), self.models[control].subject.n_heads);
            let controls: Vec<(At, usize)> = self.regressors(task.subject.0).map(block).collect();
            (0..self.models[at.0].subject.n_heads).map(|head| Residual::of((at, head), &controls, &known)).collect()
        };
        let (references, subjects) = (of_block(task.reference), of_block(task.subject));
        let varies = |all: &[Option<Residual>]| all.iter().map(Option::is_some).collect::<Vec<_>>();
        let r = |i: usize, j: usize| Some(references[i].as_ref()?.correlation(subjects[j].as_ref()?, &known));
        matched(&varies(&references), &varies(&subjects), r)
    }

    /// The measures of a row, or why they are not defined.
    pub(super) fn measures(&self, row: &Row) -> [Result<f64, String>; MEASURES.len()] {
        let (reference, subject) = (&self.models[0].subject, &self.models[row.model].subject);
        let constant = || "no head varies".to_owned();
        let of = |heads: fn(&LayerRow) -> &Vec<MatchedHeads>| row.mean(heads).ok_or_else(constant);
        let sizes = [("blocks", reference.n_layers, subject.n_layers), ("heads", reference.n_heads, subject.n_heads)];
        let mut measures: [Result<f64, String>; MEASURES.len()] = std::array::from_fn(|_| Err(String::new()));
        measures[RAW_POOLED] = match sizes.iter().find(|(_, ours, theirs)| ours != theirs) {
            Some((what, ours, theirs)) => {
                Err(format!("the reference has {ours} {what} and this model {theirs}, so no index stands for the same"))
            }
            None => row.raw_pooled.correlation().ok_or_else(constant),
        };
        measures[HEAD_AVERAGED] = row.head_averaged.correlation().ok_or_else(constant);
        measures[MATCHED_HEADS] = of(|layer| &layer.raw);
        measures[SINK_REMOVED] = of(|layer| &layer.sink_removed);
        measures[PROMPT_MEAN_REMOVED] = self.no_deviations().map_or_else(|| of(|layer| &layer.prompt_mean_removed), Err);
        measures[CONTROLS_REGRESSED] = self.no_residual(row.model).map_or_else(|| of(|layer| &layer.residual), Err);
        measures
    }
}

impl Row {
    /// Mean over the blocks that have matched heads; `None` without any.
    pub(crate) fn mean(&self, heads: impl Fn(&LayerRow) -> &Vec<MatchedHeads>) -> Option<f64> {
        let layers: Vec<f64> = self.layers.iter().filter_map(|layer| mean(heads(layer))).collect();
        (!layers.is_empty()).then(|| layers.iter().sum::<f64>() / layers.len() as f64)
    }
}

fn matched_heads(sums: &CrossSums, n_reference: usize, n_subject: usize) -> Result<Vec<MatchedHeads>, InputError> {
    let references: Vec<bool> = (0..n_reference).map(|head| sums.left_varies(head)).collect();
    let subjects: Vec<bool> = (0..n_subject).map(|head| sums.right_varies(head)).collect();
    matched(&references, &subjects, |i, j| sums.pair(i, j).correlation())
}

/// Why the rows of two models are no distributions over the same places.
fn differs_in_sight(name: &str, model: &Observation, reference: &Observation) -> Option<String> {
    let sees = |causal: bool| if causal { "earlier tokens only" } else { "all tokens" };
    let (theirs, ours) = (model.subject.causal, reference.subject.causal);
    (theirs != ours).then(|| {
        format!(
            "tokens attend to {} in the reference and to {} in the {name}, so that their rows are shares of different sets",
            sees(ours),
            sees(theirs)
        )
    })
}
