//! Puts a finished case into the report's plain data. Computes nothing that a reader would call a finding.

mod attention;
pub(crate) mod files;
pub(crate) mod records;

use crate::cli::{Compare, Run};
use crate::models::Compared;
use crate::page::Page;
use evidence::{Access, Card, Case, Explanation, METHODS, Outcome, Pair, Profile, Question, RelationKind, Restored};
use files::custody_files;
use forward::PromptSet;
use report::data;
use sources::TensorSource;
use sources::digest::Custody;
use stats::{NullDistribution, PValue};
use std::collections::BTreeMap;
use verdict::calibration::Likelihood;
use verdict::{Conclusion, Margin, MarginOutcome, SyntheticWording, Verdict, Wording};

/// What the methods of a run gave, in their order.
pub(crate) type Outcomes = Vec<(&'static Card, Outcome)>;

/// Everything known at the end of a run.
pub(crate) struct Examined<'a> {
    pub(crate) args: &'a Compare,
    pub(crate) page: Page,
    pub(crate) case: &'a Case<'a>,
    pub(crate) reference: &'a Compared,
    pub(crate) suspect: &'a Compared,
    /// Where models were run on prompts.
    pub(crate) prompts: Option<&'a PromptSet>,
    pub(crate) outcomes: &'a [(&'static Card, Outcome)],
    pub(crate) controls: &'a [ControlOutcomes<'a>],
    pub(crate) verdict: &'a Verdict,
    /// Where there are calibrations.
    pub(crate) likelihood: Option<&'a Likelihood<'a>>,
    pub(crate) wording: &'a Wording,
}

/// The same methods on an independent model.
pub(crate) struct ControlOutcomes<'a> {
    pub(crate) control: &'a Compared,
    /// On the prompts.
    pub(crate) was_run: bool,
    pub(crate) outcomes: Outcomes,
}

pub(crate) fn report(examined: &Examined<'_>) -> data::Report {
    let (case, given) = (examined, examined.case);
    let mut custody = custody_files(data::SideRole::Reference, &case.reference.custody);
    custody.extend(custody_files(data::SideRole::Suspect, &case.suspect.custody));
    custody.extend(case.controls.iter().flat_map(|beside| custody_files(data::SideRole::Control, &beside.control.custody)));
    let pairs = given.correspondence.pairs.iter().map(|pair| (given.suspect.weights[pair.suspect].label(), pair)).collect();
    data::Report {
        schema: data::SCHEMA.to_owned(),
        tool: tool(),
        case: data::Case {
            reference: side(case.reference),
            suspect: side(case.suspect),
            controls: case.controls.iter().map(|beside| side(beside.control)).collect(),
            seed: case.args.pair.seed,
            prompts: case.prompts.map(|prompts| data::Prompts {
                label: prompts.label(),
                digest: prompts.digest(),
                n_prompts: prompts.prompts.len() as u64,
            }),
        },
        verdicts: vec![verdict(case)],
        findings: case.outcomes.iter().enumerate().map(|(i, (card, outcome))| finding(case, &pairs, i, card, outcome)).collect(),
        cards: case.outcomes.iter().map(|(card, _)| self::card(card)).collect(),
        pictures: data::Pictures {
            block_matrix: block_matrix(case),
            layers: layers(case),
            undone: given.restored.and_then(undone),
            remainder: given.restored.map_or_else(Vec::new, remainder),
        },
        matches: given.correspondence.pairs.iter().map(|pair| tensor_match(case, pair)).collect(),
        constants_left_out: given
            .suspect
            .constants
            .iter()
            .map(|c| data::Constant { name: c.label.clone(), why: c.why.clone(), elements: c.elements as u64 })
            .collect(),
        claims: claims(case),
        not_run: METHODS
            .iter()
            .map(|method| method.card())
            .filter(|card| !case.outcomes.iter().any(|(run, _)| run.id == card.id))
            .map(|card| data::NotRun { method: card.id.into(), why: "not among the methods that --method named".into() })
            .collect(),
        limits: case.verdict.limits.clone(),
        custody,
        command: Some(command(case)),
        ..data::Report::default()
    }
}

fn tool() -> data::Tool {
    data::Tool { name: "filiation".into(), version: env!("CARGO_PKG_VERSION").into(), commit: env!("FILIATION_COMMIT").into() }
}

pub(crate) fn side(compared: &Compared) -> data::Side {
    let Compared { model, custody, observation, .. } = compared;
    let subject = observation.as_ref().map(|observation| &observation.subject);
    data::Side {
        path: model.path.display().to_string(),
        sha256: custody.sha256.clone(),
        tensor_root: custody.tensor_root.clone(),
        family: subject.map(|s| s.family.clone()).or_else(|| model.binding.as_ref().map(|b| b.family.clone())),
        n_parameters: subject.map_or_else(|| model.parameters(), |s| s.n_parameters),
        format: Some(if subject.is_some() { "observation".into() } else { model.format.to_string() }),
        encoding: model.encodings().into_iter().next().map(|(name, _)| name),
        n_tensors: subject.is_none().then(|| model.tensors().len() as u64),
        n_layers: match subject {
            Some(subject) => Some(subject.n_layers as u64),
            None => model.binding.as_ref().map(|b| b.n_blocks() as u64),
        },
        model: None,
    }
}

fn verdict(case: &Examined<'_>) -> data::Verdict {
    let verdict = case.verdict;
    let stated = case.likelihood.and_then(|likelihood| likelihood.stated.as_ref());
    data::Verdict {
        question: data::Question::Derivation,
        conclusion: match verdict.conclusion {
            Conclusion::SupportsDerivation => data::Conclusion::SupportsDerivation,
            Conclusion::SupportsIndependence => data::Conclusion::SupportsIndependence,
            Conclusion::Inconclusive => data::Conclusion::Inconclusive,
        },
        scope: data::Scope {
            shared_fraction: verdict.scope.shared_fraction,
            roles: verdict.scope.roles.iter().map(|(name, role)| (name.clone(), role.fraction())).collect(),
            elements: verdict.scope.roles.iter().map(|(name, role)| (name.clone(), role.elements)).collect(),
            by_layer: verdict
                .scope
                .by_layer
                .iter()
                .map(|layer| data::LayerScope {
                    layer: layer.layer.clone(),
                    shared_fraction: layer.shared as f64 / layer.elements.max(1) as f64,
                    elements: layer.elements,
                })
                .collect(),
        },
        relation: verdict.relation.iter().map(|&kind| relation(kind)).collect(),
        relation_words: case
            .outcomes
            .iter()
            .filter_map(|(_, outcome)| outcome.observed())
            .flat_map(|o| &o.relations)
            .filter(|relation| verdict.relation.contains(&relation.kind))
            .map(|relation| (relation.kind.name().to_owned(), relation.words.clone()))
            .collect(),
        p_value: verdict.strongest.as_ref().map(|s| {
            let (null, null_detail) = null_of(s.p_value);
            data::PValue { log10: s.p_value.log10(), null, method: s.method.into(), null_detail }
        }),
        log10_lr: stated.map(|(_, evaluated)| evaluated.log10_lr),
        log10_lr_bounds: stated.map(|(_, evaluated)| evaluated.bounds),
        calibration: stated.map(|(calibration, _)| calibration.reference()),
        likelihood: case.likelihood.map(|likelihood| likelihood.sentence.clone()),
        statement: verdict.statement.clone(),
        would_help: verdict.would_help.clone(),
    }
}

fn relation(kind: RelationKind) -> data::Relation {
    match kind {
        RelationKind::Identical => data::Relation::Identical,
        RelationKind::Quantized => data::Relation::Quantized,
        RelationKind::Pruned => data::Relation::Pruned,
        RelationKind::Adapter => data::Relation::Adapter,
        RelationKind::Finetune => data::Relation::Finetune,
        RelationKind::Merge => data::Relation::Merge,
        RelationKind::LayersChanged => data::Relation::LayersChanged,
        RelationKind::VocabularyChanged => data::Relation::VocabularyChanged,
        RelationKind::Permuted => data::Relation::Permuted,
        RelationKind::Rotated => data::Relation::Rotated,
        RelationKind::Rescaled => data::Relation::Rescaled,
        RelationKind::Upcycled => data::Relation::Upcycled,
        RelationKind::Partial => data::Relation::Partial,
    }
}

pub(crate) fn null_of(p: PValue) -> (data::NullKind, Option<String>) {
    match p.from() {
        NullDistribution::Exact => (data::NullKind::Exact, None),
        NullDistribution::Permutation { n } => (data::NullKind::Permutation, Some(format!("{n} permutations"))),
        NullDistribution::Asymptotic { law } => (data::NullKind::Asymptotic, Some(law.into())),
        NullDistribution::Bound { of } => (data::NullKind::Bound, Some(of.into())),
    }
}

fn finding(case: &Examined<'_>, pairs: &PairsByLabel<'_>, index: usize, card: &Card, outcome: &Outcome) -> data::Finding {
    let controls = case
        .controls
        .iter()
        .map(|beside| {
            let observed = beside.outcomes[index].1.observed();
            data::Control {
                model: beside.control.model.path.display().to_string(),
                statistic: observed.map(|o| o.statistic),
                log10_p: observed.and_then(|o| o.p_value).map(PValue::log10),
            }
        })
        .collect();
    let mut finding = data::Finding { controls, ..observed(card, outcome) };
    if let Some(o) = outcome.observed() {
        if let Some(profile) = &o.profile {
            similarity(&mut finding, profile, case.verdict.margins.get(card.id), &case.wording.synthetic);
        }
        finding.attention = o.attention.as_deref().map(|claim| attention::claim(case, claim));
        finding.parts = o.explanation.parts.iter().map(|part| explanation(case, pairs, part)).collect();
        finding.parts.extend(o.relations.iter().map(|r| data::Explanation {
            label: r.kind.name().into(),
            words: r.words.clone(),
            ..data::Explanation::default()
        }));
    }
    finding
}

/// What every method observes, without its parts.
fn observed(card: &Card, outcome: &Outcome) -> data::Finding {
    let mut finding = data::Finding { method: card.id.into(), question: question(card.question), ..data::Finding::default() };
    match outcome {
        Outcome::Observed(o) => {
            let null = o.p_value.map(null_of);
            finding.outcome = data::Outcome::Observed;
            finding.statistic = Some(o.statistic);
            finding.log10_p = o.p_value.map(PValue::log10);
            finding.null_distribution = null.as_ref().map(|(kind, _)| *kind);
            finding.null_detail = null.and_then(|(_, detail)| detail);
            finding.n = Some(o.n as u64);
            finding.words = Some(o.explanation.words.clone());
        }
        Outcome::NotApplicable { why } => {
            finding.outcome = data::Outcome::NotApplicable;
            finding.why = Some(why.clone());
        }
    }
    finding
}

/// The profile of a similarity beside its controls.
fn similarity(finding: &mut data::Finding, profile: &Profile, margin: Option<&Margin>, wording: &SyntheticWording) {
    finding.synthetic_controls = profile.synthetic.as_ref().map(|synthetic| data::SyntheticControls {
        statistics: synthetic.statistics.clone(),
        log10_p: Some(synthetic.p_value.log10()),
        stand_for: wording.stand_for.clone(),
        do_not_stand_for: wording.do_not_stand_for.clone(),
    });
    let at_depth = |i: usize| margin.and_then(|m| m.at_depth.get(i)).cloned().unwrap_or_default();
    let point = |(i, p): (usize, &evidence::ProfilePoint)| data::ProfilePoint {
        label: p.label.clone(),
        reference: p.reference.clone(),
        depth: p.depth,
        value: p.value,
        n: p.n as u64,
        controls: at_depth(i),
        synthetic: p.synthetic,
    };
    finding.profile = profile.points.iter().enumerate().map(point).collect();
    finding.margin = margin.map(|m| data::Margin {
        outcome: match m.outcome {
            MarginOutcome::StandsOut => data::MarginOutcome::StandsOut,
            MarginOutcome::Within => data::MarginOutcome::Within,
            MarginOutcome::Abstains => data::MarginOutcome::Abstains,
        },
        why: m.why.clone(),
        t: m.t,
        log10_p: m.p_value.map(PValue::log10),
        largest_of_controls: m.largest_of_controls,
    });
}

fn undone(restored: &Restored) -> Option<data::Undone> {
    let picture = restored.picture.as_ref()?;
    let numbers = |units: &[usize]| units.iter().map(|&unit| unit as u64).collect();
    let matrix = |values: &[f32]| {
        let rounded = |v: &f32| (f64::from(*v) * 1000.0).round() / 1000.0;
        values.chunks(picture.rows.len().max(1)).map(|row| row.iter().map(rounded).collect()).collect()
    };
    Some(data::Undone {
        suspect: picture.suspect.to_string(),
        reference: picture.reference.to_string(),
        rows: numbers(&picture.rows),
        before: numbers(&picture.before),
        after: numbers(&picture.after),
        values_before: matrix(&picture.values_before),
        values_after: matrix(&picture.values_after),
    })
}

fn remainder(restored: &Restored) -> Vec<data::Remainder> {
    let of = |role: &evidence::RestoredRole| data::Remainder {
        block: role.block.map_or_else(String::new, |block| block.to_string()),
        role: verdict::role_name(role.role),
        n: role.n as u64,
        correlation: role.remainder.correlation(),
        relative_difference: role.remainder.relative_difference(),
    };
    restored.roles.iter().map(of).collect()
}

pub(crate) fn question(question: Question) -> data::Question {
    match question {
        Question::Derivation => data::Question::Derivation,
        Question::Distillation => data::Question::Distillation,
        Question::Identity => data::Question::Identity,
    }
}

/// Pairs by the label of the suspect's weight, as methods name their parts.
type PairsByLabel<'a> = BTreeMap<String, &'a Pair>;

/// A number of a method with its parts; where it is about one tensor, down to the digests of the two sides.
fn explanation(case: &Examined<'_>, pairs: &PairsByLabel<'_>, e: &Explanation) -> data::Explanation {
    let mut parts: Vec<data::Explanation> = e.parts.iter().map(|part| explanation(case, pairs, part)).collect();
    if let Some(pair) = pairs.get(&e.label) {
        let leaf = |side: &str, custody: &Custody, weight: &sources::Weight| data::Explanation {
            label: side.into(),
            words: format!("`{}`", weight.name),
            digest: custody.tensors.get(weight.view.tensor).map(|d| format!("blake3:{d}")),
            ..data::Explanation::default()
        };
        parts.push(leaf("suspect", &case.suspect.custody, &case.case.suspect.weights[pair.suspect]));
        parts.push(leaf("reference", &case.reference.custody, &case.case.reference.weights[pair.reference]));
    }
    data::Explanation {
        label: e.label.clone(),
        value: e.value,
        unit: e.unit.into(),
        words: e.words.clone(),
        parts,
        ..data::Explanation::default()
    }
}

fn card(card: &Card) -> data::Card {
    data::Card {
        id: card.id.into(),
        question: card.section("Question"),
        null: card.null.into(),
        statistic: card.section("Statistic"),
        access: card
            .access
            .iter()
            .map(|access| match access {
                Access::Weights => data::Access::Weights,
                Access::Tokenizer => data::Access::Tokenizer,
                Access::Activations => data::Access::Activations,
                Access::Logits => data::Access::Logits,
                Access::Text => data::Access::Text,
                Access::Log => data::Access::Log,
            })
            .collect(),
        assumptions: card.section("Assumptions"),
        survives: card.section("Survives"),
        defeats: card.section("Fails when"),
        reference: card.reference.into(),
    }
}

fn block_matrix(case: &Examined<'_>) -> Option<data::BlockMatrix> {
    let stored = &case.case.correspondence.blocks;
    // A disguise empties the matrix of stored values; what matching saw of the same blocks is then the picture.
    let largest = |blocks: &evidence::BlockMatrix| blocks.values.iter().flatten().copied().max_by(f64::total_cmp).unwrap_or(0.0);
    let undone =
        case.case.matching.ok().map(|matching| &matching.unit_matrix).filter(|units| largest(units) > largest(stored).clamp(0.25, 1.0));
    let blocks = undone.unwrap_or(stored);
    if blocks.values.iter().all(Option::is_none) {
        return None;
    }
    let width = blocks.cols.len();
    let rows: Vec<Vec<Option<f64>>> = blocks.values.chunks(width).map(<[Option<f64>]>::to_vec).collect();
    let ranked = |row: &Vec<Option<f64>>, rank: usize| {
        let mut values: Vec<f64> = row.iter().flatten().copied().collect();
        values.sort_by(|a, b| b.total_cmp(a));
        values.get(rank).copied()
    };
    // The same test as in `evidence`: without blocks on both sides its matrix holds tensors.
    let has_blocks = |side: &evidence::Side<'_>| side.model.binding.as_ref().is_some_and(|b| b.layers.iter().any(|&(_, n)| n > 0));
    let entries =
        if has_blocks(case.case.reference) && has_blocks(case.case.suspect) { data::Entries::Blocks } else { data::Entries::Tensors };
    Some(data::BlockMatrix {
        entries,
        rows: blocks.rows.clone(),
        cols: blocks.cols.clone(),
        roles: Vec::new(),
        measure: match entries {
            _ if undone.is_some() => "share of drawn hidden units on which two views agree, over common tokens".into(),
            data::Entries::Blocks => "mean cosine of the matrices of equal role, on drawn entries".into(),
            data::Entries::Tensors => "cosine of the two matrices, on drawn entries".into(),
        },
        best: rows.iter().map(|row| ranked(row, 0)).collect(),
        runner_up: rows.iter().map(|row| ranked(row, 1)).collect(),
        values: rows,
    })
}

fn layers(case: &Examined<'_>) -> Vec<data::Layer> {
    case.outcomes
        .iter()
        .filter_map(|(_, outcome)| outcome.observed())
        .flat_map(|o| &o.blocks)
        .map(|block| data::Layer {
            layer: block.label.clone(),
            z: Some(block.z),
            coincidences: Some(block.coincidences as u64),
            units: Some(block.units as u64),
            log10_p: Some(block.p_value.log10()),
        })
        .collect()
}

fn tensor_match(case: &Examined<'_>, pair: &Pair) -> data::TensorMatch {
    let (reference, suspect) = (&case.case.reference.weights[pair.reference], &case.case.suspect.weights[pair.suspect]);
    let tensor = |weight: &sources::Weight| data::TensorRef { name: weight.name.clone(), slot: weight.slot.map(|slot| slot.to_string()) };
    let digest = |custody: &Custody, weight: &sources::Weight| custody.tensors.get(weight.view.tensor).map(|d| format!("blake3:{d}"));
    let digests = digest(&case.reference.custody, reference).zip(digest(&case.suspect.custody, suspect));
    data::TensorMatch {
        reference: tensor(reference),
        suspect: tensor(suspect),
        shape: case.case.suspect.model.tensors()[suspect.view.tensor].shape.iter().map(|&n| n as u64).collect(),
        cosine: pair.moments.pearson(),
        runner_up: pair.runner_up,
        relative_difference: pair.moments.relative_difference(),
        equal_fraction: pair.moments.equal_fraction(),
        transposed: pair.transposed,
        how: match pair.how {
            evidence::How::Role => data::MatchedBy::Role,
            evidence::How::Content => data::MatchedBy::Content,
            evidence::How::Tokens => data::MatchedBy::Tokens,
            evidence::How::Prefix => data::MatchedBy::Prefix,
        },
        digests: digests.map(|(reference, suspect)| data::DigestPair { reference, suspect }),
    }
}

/// The card's claims beside what was found. Names are not tested: two checkpoints of any name can be compared.
fn claims(case: &Examined<'_>) -> Vec<data::Claim> {
    let claims = &case.case.suspect.model.claims;
    let conclusion = case.verdict.conclusion;
    let mut list: Vec<data::Claim> = claims
        .base_models
        .iter()
        .map(|claim| data::Claim {
            field: "base_model".into(),
            value: Some(claim.value.clone()),
            found: format!(
                "declared in {}; {}; whether that reference is the declared model is not tested",
                claim.origin,
                match conclusion {
                    Conclusion::SupportsDerivation => "derivation from the reference given here is supported",
                    Conclusion::SupportsIndependence => "derivation from the reference given here is not supported",
                    Conclusion::Inconclusive => "on the reference given here there is no conclusion",
                }
            ),
            outcome: data::ClaimOutcome::NotTested,
        })
        .collect();
    if let Some(claim) = &claims.relation {
        let found = case.verdict.relation_words();
        let outcome = match conclusion {
            Conclusion::SupportsDerivation if found.contains(&claim.value.as_str()) => data::ClaimOutcome::Agrees,
            Conclusion::SupportsDerivation if !found.is_empty() => data::ClaimOutcome::Contradicts,
            _ => data::ClaimOutcome::NotTested,
        };
        let words = if found.is_empty() { "no relation was found".to_owned() } else { format!("found: {}", found.join(", ")) };
        list.push(data::Claim { field: "base_model_relation".into(), value: Some(claim.value.clone()), found: words, outcome });
    }
    if let Some(claim) = &claims.licence {
        let reference = case.case.reference.model.claims.licence.as_ref();
        let found = reference.map_or_else(|| "the reference declares none".to_owned(), |r| format!("the reference declares {}", r.value));
        list.push(data::Claim { field: "license".into(), value: Some(claim.value.clone()), found, outcome: data::ClaimOutcome::NotTested });
    }
    list
}

/// Names every control, registered or not, so that whoever runs it elsewhere gets this report.
fn command(case: &Examined<'_>) -> String {
    let args = case.args;
    let mut words = vec![
        "filiation".to_owned(),
        case.page.subcommand().into(),
        quote(&args.pair.reference.display().to_string()),
        quote(&args.pair.suspect.display().to_string()),
    ];
    for beside in case.controls {
        words.extend(["--control".to_owned(), quote(&beside.control.given.display().to_string())]);
    }
    words.push("--no-registered-controls".into());
    for parent in &args.parent {
        words.extend(["--parent".to_owned(), quote(&parent.display().to_string())]);
    }
    if let Some(prompts) = &args.pair.prompts {
        words.extend(["--prompts".to_owned(), quote(&prompts.display().to_string())]);
    }
    // The page of a claim has its own methods, and runs the models.
    if case.page == Page::Report {
        args.method.iter().for_each(|method| words.extend(["--method".to_owned(), quote(method)]));
        match args.run {
            Run::Auto => {}
            Run::Always => words.extend(["--run".to_owned(), "always".into()]),
            Run::Never => words.extend(["--run".to_owned(), "never".into()]),
        }
    }
    words.extend(["--seed".to_owned(), args.pair.seed.to_string()]);
    words.join(" ")
}

/// A word as a shell reads it.
pub(crate) fn quote(text: &str) -> String {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=+:,@".contains(c)) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
