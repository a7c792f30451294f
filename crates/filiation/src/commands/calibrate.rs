//! `filiation lab calibrate PLAN SCORES -o DIR`: a frozen calibration and its validation.

use crate::Error;
use crate::cli::training::Calibrate;
use crate::printer::Printer;
use lab::bench::{Table, Truth};
use lab::calibrate::{Frozen, Plan, freeze, rows};
use report::validation::{self, Validation as Document};
use std::fmt::Write as _;
use verdict::Calibration;
use verdict::calibration::{Cost, Feature, Range, Rate, Transform};

pub(crate) fn run(args: &Calibrate, printer: &Printer) -> Result<(), Error> {
    let plan = Plan::read(&args.plan)?;
    let scores = std::fs::read_to_string(&args.scores).map_err(|error| Error::Io { action: "read", path: args.scores.clone(), error })?;
    let rows = rows(&scores).map_err(|error| error.at(&args.scores))?;
    let frozen = freeze(&rows, &scores, &plan)?;
    std::fs::create_dir_all(&args.output).map_err(|error| Error::Io { action: "create", path: args.output.clone(), error })?;
    let files = frozen.files(&scores)?;
    let page = validation::render(&document(&frozen, &Table::of(&rows), args)).map_err(|error| Error::Report(error.to_string()))?;
    let page = [("validation.html", page.as_str())];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).chain(page).collect();
    crate::whole::write(&args.output, &files)?;
    printer.result(&summary(&frozen))
}

/// What the page says.
fn document(Frozen { calibration, validation: out_of_fold }: &Frozen, table: &Table, args: &Calibrate) -> Document {
    let Calibration { population, domain, metrics, .. } = calibration;
    let cost = |name: &str, meaning: &str, cost: Cost| validation::Cost {
        name: name.into(),
        meaning: meaning.into(),
        value: cost.value,
        interval: [cost.lower, cost.upper],
    };
    let rate =
        |name: &str, rate: Rate| validation::Rate { name: name.into(), count: rate.count, of: rate.of, interval: [rate.lower, rate.upper] };
    let range = |range: &Range| format!("{} to {}", range.min, range.max);
    let tokenizers = if domain.same_tokenizer_only { "one, the same for both" } else { "any" };
    let group = |group: &lab::calibrate::Group| validation::Group {
        is_derived: group.truth == Some(Truth::Derived),
        name: group.name.clone(),
        disguise: group.disguise.clone().unwrap_or_default(),
        pairs: group.pairs,
        misleading: group.misleading,
        log10_lrs: [group.min, group.median, group.max],
    };
    Document {
        id: calibration.id.clone(),
        digest: calibration.digest.clone(),
        scores: population.scores.clone(),
        derived: population.derived,
        independent: population.independent,
        without_features: population.without_features,
        lineages: population.lineages,
        limits: out_of_fold.limits,
        formula: formula(calibration),
        domain: vec![
            ["families".into(), domain.families.join(", ")],
            ["parameters".into(), range(&domain.parameters)],
            ["layers".into(), range(&domain.layers)],
            ["tokenizers".into(), tokenizers.into()],
            ["derivations".into(), population.derivations.join("; ")],
            ["disguises".into(), population.disguises.join("; ")],
        ],
        costs: vec![
            cost("Cllr", "cost of the log likelihood ratios; 1 is that of saying nothing", metrics.cllr),
            cost("Cllr_min", "what remains under the best monotone calibration", metrics.cllr_min),
            cost("Cllr_cal", "the price of calibration, bounds included", metrics.cllr_cal),
        ],
        misleading: vec![
            rate("derived pairs", metrics.misleading_derived),
            rate("independent pairs", metrics.misleading_independent),
            rate("lineages", metrics.misleading_lineages),
        ],
        tippett: out_of_fold.tippett.iter().map(|step| [step.log10_lr, step.derived, step.independent]).collect(),
        cross_entropy: (out_of_fold.cross_entropy.iter())
            .map(|point| [point.prior_log10_odds, point.ece, point.calibrated, point.neutral])
            .collect(),
        pools: out_of_fold.pav.iter().map(|pool| (pool.from, pool.to, pool.log10_lr)).collect(),
        groups: out_of_fold.transformations.iter().map(group).collect(),
        demands: table.bars.iter().map(|bar| (bar.what.clone(), bar.found.clone(), bar.is_met)).collect(),
        relations: table.relations.confusion.iter().map(|c| (c.expected.clone(), c.said.clone(), c.n as u64)).collect(),
        relations_right: [table.relations.right as u64, table.relations.n as u64],
        command: format!("filiation lab calibrate {} {} -o DIR", args.plan.display(), args.scores.display()),
        version: env!("CARGO_PKG_VERSION").into(),
    }
}

fn formula(calibration: &Calibration) -> Vec<String> {
    let weighed = calibration.features.iter().map(|Feature { method, weight, transform }| {
        let transformed = match transform {
            Transform::Identity {} => "x".to_owned(),
            Transform::Logit { clamp } => format!("ln(x / (1 − x)), x within {clamp} and {}", 1.0 - clamp),
            Transform::Log { clamp } => format!("ln(x), x at least {clamp}"),
        };
        format!("  + {weight:.4} · t, t = {transformed}, x of {method}")
    });
    let [lower, upper] = calibration.limits();
    let ends = [format!("held within {lower:.2} and {upper:.2}")];
    [format!("log10 LR = {:.4}", calibration.intercept)].into_iter().chain(weighed).chain(ends).collect()
}

/// Within 80 columns.
fn summary(Frozen { calibration, validation }: &Frozen) -> String {
    let mut text = String::new();
    let (population, metrics) = (&calibration.population, &calibration.metrics);
    let [lower, upper] = validation.limits;
    let lines = [
        format!(
            "{} of {} derived and {} independent pairs, {} lineages",
            calibration.id, population.derived, population.independent, population.lineages
        ),
        format!("log10 LR from {lower:.2} to {upper:.2}"),
        String::new(),
        format!("{:<12} {:>7} {:>17}", "", "bits", "95 % interval"),
    ];
    let costs = [("Cllr", metrics.cllr), ("Cllr_min", metrics.cllr_min), ("Cllr_cal", metrics.cllr_cal)];
    let cost =
        |(name, Cost { value, lower, upper }): (&str, Cost)| format!("{name:<12} {value:>7.4} {:>17}", format!("{lower:.4} to {upper:.4}"));
    let misleading = [("derived pairs", metrics.misleading_derived), ("independent pairs", metrics.misleading_independent)];
    let rates =
        misleading.map(|(name, rate)| format!("misleading {name}: {} of {}, rate below {:.4} (97.5 %)", rate.count, rate.of, rate.upper));
    for line in lines.into_iter().chain(costs.map(cost)).chain([String::new()]).chain(rates) {
        // Writing into a string does not fail.
        let _ = writeln!(text, "{line}");
    }
    text
}
