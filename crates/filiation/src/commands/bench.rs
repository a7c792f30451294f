//! `filiation lab bench ZOO`: every method and every baseline on pairs whose history is known.

use crate::Error;
use crate::cli::training::Bench;
use crate::printer::Printer;
use crate::progress::Progress;
use evidence::{Advance, Card, Explanation, METHODS, Method, Outcome, Outputs, Prepared, Side};
use forward::{ALL_TAPS, NotRunnable, Observation, ObserveError, Observer, PromptSet};
use lab::baselines::{self, BaselinePair, BaselineSide};
use lab::bench::{Row, Score, Sizes, Table, Truth};
use lab::zoo::{self, Built, Making, Pair, Plan};
use rayon::prelude::*;
use sources::Model;
use std::collections::BTreeMap;
use std::time::Instant;
use verdict::{Conclusion, Control, Wording};

/// Of the shared prompts, the share that a bench runs over: the models are small, and the pairs many.
const EVERY_PROMPT: usize = 10;
/// Controls of a pair.
const CONTROLS: usize = 6;
/// The normal approximation that `weights.unit-alignment` shows and does not conclude from, as a column of its own.
const APPROXIMATION: &str = "weights.unit-alignment, normal approximation";
const ALIGNMENT: &str = "weights.unit-alignment";

pub(crate) fn run(args: &Bench, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let plan = Plan::named(&args.plan)?;
    let built = super::zoo::build(&plan, &args.zoo, progress)?;
    let pairs = zoo::pairs(&plan)?;
    let mut prompts = PromptSet::shared().map_err(|error| error.at(std::path::Path::new("data/prompts/shared-v1.toml")))?;
    let mut place = 0;
    prompts.prompts.retain(|_| {
        place += 1;
        (place - 1) % EVERY_PROMPT == 0
    });
    let bench = Runner { built: &built, models: zoo::models(&plan)?, prompts, wording: Wording::shipped()? };
    let mut by_reference: BTreeMap<&str, Vec<&Pair>> = BTreeMap::new();
    pairs.iter().for_each(|pair| by_reference.entry(&pair.reference).or_default().push(pair));
    let phase = progress.steps("comparing pairs", pairs.len() as u64);
    let groups: Vec<(&str, Vec<&Pair>)> = by_reference.into_iter().collect();
    let rows: Result<Vec<Vec<Row>>, Error> =
        groups.par_iter().with_max_len(1).map(|(reference, pairs)| bench.reference(reference, pairs, &|| phase.advance(1))).collect();
    let rows: Vec<Row> = rows?.into_iter().flatten().collect();
    drop(phase);
    let table = Table::of(&rows);
    let mut lines = String::new();
    for row in &rows {
        lines.push_str(&serde_json::to_string(row).map_err(|error| Error::Report(error.to_string()))?);
        lines.push('\n');
    }
    std::fs::create_dir_all(&args.output).map_err(|error| Error::Io { action: "create", path: args.output.clone(), error })?;
    let page = format!("# Bench\n\nMade by `filiation lab bench {}`: {} pairs.\n\n{}", args.plan, rows.len(), table.markdown());
    crate::whole::write(&args.output, &[("scores.jsonl", &lines), ("bench.md", &page)])?;
    printer.result(&table.summary())?;
    let wrong = wrong(&rows);
    if args.expect && !wrong.is_empty() {
        return Err(Error::Report(format!(
            "found {} pairs concluded otherwise than their history, expected none: {}",
            wrong.len(),
            wrong.join("; ")
        )));
    }
    Ok(())
}

/// Pairs whose conclusion contradicts their history: a derivation that is not supported, or another pair that is said to be derived.
fn wrong(rows: &[Row]) -> Vec<String> {
    let derived = Conclusion::SupportsDerivation;
    let is_wrong = |row: &&Row| (row.conclusion == word(derived)) != (row.truth == Truth::Derived);
    rows.iter().filter(is_wrong).map(|row| format!("{} / {}: {}", row.reference, row.suspect, row.conclusion)).collect()
}

fn word(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::SupportsDerivation => "supports-derivation",
        Conclusion::SupportsIndependence => "supports-independence",
        Conclusion::Inconclusive => "inconclusive",
    }
}

/// The reference of several pairs.
struct Compared<'a> {
    model: &'a Model,
    side: &'a Side<'a>,
    observation: &'a Result<Observation, NotRunnable>,
    baseline: &'a BaselineSide<'a>,
}

/// A control beside one reference.
struct Beside {
    outcomes: Vec<(&'static Card, Outcome)>,
    /// Where it can be run on prompts.
    observation: Option<Observation>,
}

struct Runner<'a> {
    built: &'a Built,
    models: Vec<zoo::Model>,
    prompts: PromptSet,
    wording: Wording,
}

impl Runner<'_> {
    fn open(&self, name: &str) -> Result<Model, Error> {
        let missing = || Error::Report(format!("`{name}`: found no such model in the zoo, expected one of its plan"));
        Ok(Model::open(&self.built.path(name).ok_or_else(missing)?)?)
    }

    fn observation(&self, model: &Model) -> Result<Result<Observation, NotRunnable>, Error> {
        let observer = match Observer::new(model, None, &self.prompts, ALL_TAPS) {
            Ok(observer) => observer,
            Err(why) => return Ok(Err(why)),
        };
        match observer.run(&|_| ()) {
            Ok(observation) => Ok(Ok(observation)),
            Err(ObserveError::NotRunnable(why)) => Ok(Err(why)),
            Err(ObserveError::Source(error)) => Err(error.into()),
        }
    }

    fn find(&self, name: &str) -> Option<&zoo::Model> {
        self.models.iter().find(|model| model.name == name)
    }

    /// Trainings from nothing that share no weights with the reference, those of its own group first.
    fn strangers(&self, reference: &zoo::Model) -> Vec<&zoo::Model> {
        let group = reference.lineages.iter().find_map(|lineage| self.find(lineage)).map_or("", |base| base.group.as_str());
        let is_stranger =
            |model: &&zoo::Model| matches!(model.making, Making::Training { .. }) && zoo::are_strangers(&self.models, model, reference);
        let (own, others): (Vec<_>, Vec<_>) = self.models.iter().filter(is_stranger).partition(|model| model.group == group);
        own.into_iter().chain(others).collect()
    }

    /// All pairs of one reference, beside controls that are compared with it once.
    fn reference(&self, name: &str, pairs: &[&Pair], advance: &(dyn Fn() + Sync)) -> Result<Vec<Row>, Error> {
        let Some(known) = self.find(name) else {
            return Err(Error::Report(format!("`{name}`: found no such model, expected one of the plan")));
        };
        let model = self.open(name)?;
        let side = Side::new(&model)?;
        let observation = self.observation(&model)?;
        let baseline = BaselineSide::read(&model, observation.as_ref().ok())?;
        let strangers = self.strangers(known);
        let mut controls: BTreeMap<&str, Beside> = BTreeMap::new();
        let mut rows = Vec::new();
        for pair in pairs {
            let Some(of_suspect) = self.find(&pair.suspect) else { continue };
            let fit = strangers.iter().filter(|control| zoo::are_strangers(&self.models, control, of_suspect)).take(CONTROLS);
            let chosen: Vec<&str> = fit.map(|control| control.name.as_str()).collect();
            let mut profiles: BTreeMap<&'static str, Vec<Control>> = BTreeMap::new();
            for &name in &chosen {
                if !controls.contains_key(name) {
                    let model = self.open(name)?;
                    let suspect = Side::new(&model)?;
                    let prepared = Prepared::find(&side, &suspect, &[], METHODS, 0, &Advance::QUIET)?;
                    let outcomes = prepared.observe(METHODS, &|_| ())?;
                    controls.insert(name, Beside { outcomes, observation: self.observation(&model)?.ok() });
                }
                for (card, outcome) in &controls[name].outcomes {
                    profiles.entry(card.id).or_default().push(Control::of(name.to_owned(), outcome));
                }
            }
            let observed: Vec<&Observation> = chosen.iter().filter_map(|name| controls[name].observation.as_ref()).collect();
            let reference = Compared { model: &model, side: &side, observation: &observation, baseline: &baseline };
            rows.push(self.row(pair, [known, of_suspect], &reference, &observed, &profiles)?);
            advance();
        }
        Ok(rows)
    }

    fn row(
        &self,
        pair: &Pair,
        known: [&zoo::Model; 2],
        reference: &Compared<'_>,
        observed: &[&Observation],
        controls: &BTreeMap<&'static str, Vec<Control>>,
    ) -> Result<Row, Error> {
        let model = self.open(&pair.suspect)?;
        let suspect = Side::new(&model)?;
        let theirs = self.observation(&model)?;
        let outputs = match (reference.observation, &theirs) {
            (Ok(ours), Ok(theirs)) => Outputs::new(ours, theirs, observed),
            (Err(why), _) | (_, Err(why)) => Err(why.clone()),
        };
        let prepared = Prepared::find(reference.side, &suspect, &[], METHODS, 0, &Advance::QUIET)?.with_outputs(outputs);
        let mut outcomes: Vec<(&'static Card, Outcome)> = Vec::new();
        let mut scores = BTreeMap::new();
        for method in METHODS {
            let started = Instant::now();
            let one: [&dyn Method; 1] = [*method];
            for (card, outcome) in prepared.observe(&one, &|_| ())? {
                scores.extend(scores_of(card, &outcome, started.elapsed().as_secs_f64()));
                outcomes.push((card, outcome));
            }
        }
        let other = BaselineSide::read(&model, theirs.as_ref().ok())?;
        scores.extend(baselines::scores(&BaselinePair::new(reference.baseline, &other)));
        let verdict = verdict::derivation(&prepared.case(), &outcomes, controls, &self.wording)?;
        let lineages = |model: &zoo::Model| model.lineages.iter().cloned().collect();
        let tokens = |model: &Model| model.vocabulary.as_ref().map(|vocabulary| vocabulary.tokens.clone());
        Ok(Row {
            reference: pair.reference.clone(),
            suspect: pair.suspect.clone(),
            reference_lineages: lineages(known[0]),
            suspect_lineages: lineages(known[1]),
            truth: pair.truth,
            transformation: pair.shown.transformation.clone(),
            disguise: pair.shown.disguise.clone(),
            is_same_recipe: pair.is_same_recipe,
            expected_words: pair.shown.words.clone(),
            allowed_words: pair.shown.may.clone(),
            reference_sizes: sizes(reference.model),
            suspect_sizes: sizes(&model),
            same_tokenizer: tokens(reference.model) == tokens(&model),
            conclusion: word(verdict.conclusion).into(),
            relation: verdict.relation_words().into_iter().map(str::to_owned).collect(),
            scores,
        })
    }
}

fn sizes(model: &Model) -> Sizes {
    Sizes {
        family: model.binding.as_ref().map(|binding| binding.family.clone()),
        parameters: model.parameters(),
        layers: model.binding.as_ref().map_or(0, |binding| binding.n_blocks() as u64),
    }
}

fn scores_of(card: &'static Card, outcome: &Outcome, seconds: f64) -> Vec<(String, Score)> {
    match outcome {
        Outcome::Observed(observation) => {
            let log10_p = observation.p_value.map(|p| p.log10());
            let score = Score { statistic: Some(observation.statistic), log10_p, why: None, seconds };
            let mut scores = vec![(card.id.to_owned(), score)];
            if let Some(z) = Some(&observation.explanation).filter(|_| card.id == ALIGNMENT).and_then(z) {
                let log10_p = Some(stats::tails::ln_normal_sf(z) / std::f64::consts::LN_10);
                scores.push((APPROXIMATION.to_owned(), Score { statistic: Some(z), log10_p, why: None, seconds: 0.0 }));
            }
            scores
        }
        Outcome::NotApplicable { why } => {
            vec![(card.id.to_owned(), Score { statistic: None, log10_p: None, why: Some(why.clone()), seconds })]
        }
    }
}

/// The pooled statistic of the approximation, which the method shows among its parts.
fn z(explanation: &Explanation) -> Option<f64> {
    explanation.parts.iter().find(|part| part.label == "z").and_then(|part| part.value)
}
