//! Samples of methods whose null is a question of controls: a disguised derivation with and without controls, and a stranger with them.

use super::{block_matrix, digest, layers, matches, noise, not_applicable, report, scope, side};
use report::data::*;

const BLOCKS: usize = 18;
const UNITS: u64 = 2048;
const CONTROLS: [&str; 4] = ["controls/smol-360m", "controls/qwen-0.5b", "controls/llama-1b", "controls/opt-350m-of-another-long-name"];

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// A share as an independent model has it: some thousandths, more in the first and the last blocks.
fn stranger_share(model: usize, block: usize) -> f64 {
    let ends = (block as f64 / (BLOCKS - 1) as f64 - 0.5).abs() * 2.0;
    round((0.003 + 0.006 * ends + 0.004 * noise(model * 577 + block * 31 + 5)).clamp(0.0005, 0.0139))
}

fn profile(suspect: impl Fn(usize) -> f64, scale: f64) -> Vec<ProfilePoint> {
    (0..BLOCKS)
        .map(|block| ProfilePoint {
            label: block.to_string(),
            reference: block.to_string(),
            depth: block as f64 / (BLOCKS - 1) as f64,
            value: round(suspect(block)),
            n: UNITS,
            controls: (0..CONTROLS.len()).map(|model| Some(round(scale * stranger_share(model, block)))).collect(),
            synthetic: Some(round(scale * (0.0012 + 0.0006 * noise(block + 900)))),
        })
        .collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
    round(sum / n)
}

fn similarity(method: &str, profile: Vec<ProfilePoint>, outcome: MarginOutcome) -> Finding {
    let control = |(i, model): (usize, &&str)| Control {
        model: (*model).to_owned(),
        statistic: Some(mean(profile.iter().filter_map(|point| point.controls.get(i).copied().flatten()))),
        log10_p: None,
    };
    let controls: Vec<Control> = CONTROLS.iter().enumerate().map(control).collect();
    let statistic = mean(profile.iter().map(|point| point.value));
    let (t, why) = match outcome {
        MarginOutcome::StandsOut => (412.7, "In each of 18 blocks the suspect lies above every control at the same relative depth."),
        MarginOutcome::Within => (-0.4, "In 11 of 18 blocks a control lies above the suspect."),
        MarginOutcome::Abstains => (0.0, ""),
    };
    Finding {
        method: method.to_owned(),
        outcome: Outcome::Observed,
        statistic: Some(statistic),
        n: Some(UNITS * BLOCKS as u64),
        words: Some(format!(
            "over {BLOCKS} blocks, on average a share of {statistic} of the units has one counterpart in two of three views"
        )),
        controls,
        synthetic_controls: Some(SyntheticControls {
            statistics: (0..20).map(|i| round(0.0005 + 0.0002 * noise(i + 40))).collect(),
            log10_p: Some(if outcome == MarginOutcome::Within { -0.9 } else { -5210.4 }),
            stand_for: "that units agree by chance, given these two sets of values".to_owned(),
            do_not_stand_for: "that two models trained on the same data learn similar units in similar places".to_owned(),
        }),
        parts: vec![Explanation::group(
            "by block",
            profile
                .iter()
                .map(|point| {
                    Explanation::value(format!("block {}", point.label), point.value, "share")
                        .words("matched with the reference's block of the same place")
                        .parts(vec![Explanation { label: "MLP up".to_owned(), ..Explanation::default() }.digest(digest(7))])
                })
                .collect(),
        )],
        profile,
        margin: Some(Margin {
            outcome,
            why: why.to_owned(),
            t: Some(t),
            log10_p: Some(if outcome == MarginOutcome::StandsOut { -7.6 } else { -0.2 }),
            largest_of_controls: Some(1.8),
        }),
        ..Finding::default()
    }
}

/// Methods that give one number for the whole model.
fn whole(method: &str, statistic: f64, controls: [f64; 4], outcome: MarginOutcome) -> Finding {
    Finding {
        method: method.to_owned(),
        outcome: Outcome::Observed,
        statistic: Some(statistic),
        n: Some(2048),
        words: Some("over 2,048 common tokens".to_owned()),
        controls: CONTROLS
            .iter()
            .zip(controls)
            .map(|(model, v)| Control { model: (*model).to_owned(), statistic: Some(v), log10_p: None })
            .collect(),
        margin: Some(Margin { outcome, why: String::new(), ..Margin::default() }),
        ..Finding::default()
    }
}

fn cards() -> Vec<Card> {
    vec![Card {
        id: "weights.unit-matching".to_owned(),
        question: "Do the hidden units of the two models do the same to common tokens, whatever their order and basis?".to_owned(),
        null: "The two models were trained from independent random initialisations; what trained units share anyway, the controls show."
            .to_owned(),
        statistic: "Share of units whose counterparts by two of three views coincide; large values count against the null.".to_owned(),
        access: vec![Access::Weights, Access::Tokenizer],
        assumptions: "At least three controls of the same shape class that pass their self-test.".to_owned(),
        survives: "Permuted units, rotated residual stream, rescaling, fine-tuning, quantisation.".to_owned(),
        defeats: "Embeddings trained anew; fewer than 512 common tokens.".to_owned(),
        reference: "none needed".to_owned(),
    }]
}

/// 48 units of block 6: strangers by index, the same once matched.
fn undone() -> Undone {
    let n = 48;
    let unit = |i: usize, salt: usize| ((noise(i * 3 + salt).abs() * 2047.0).round() as u64).min(UNITS - 1);
    let rows: Vec<u64> = (0..n as u64).map(|i| i * 42 + 11).collect();
    let values = |diagonal: f64, salt: usize, spread: f64| {
        (0..n)
            .map(|i| {
                (0..n)
                    .map(|j| round(if i == j { diagonal - 0.01 * noise(i).abs() } else { spread * noise(i * 61 + j * 7 + salt).powi(3) }))
                    .collect()
            })
            .collect()
    };
    Undone {
        suspect: "6".to_owned(),
        reference: "6".to_owned(),
        before: rows.clone(),
        after: (0..n).map(|i| unit(i, 77)).collect(),
        rows,
        values_before: values(0.02, 5, 0.12),
        values_after: values(0.998, 91, 0.45),
    }
}

fn remainder() -> Vec<Remainder> {
    let roles =
        [("attnQ", 0.05), ("attnK", 0.05), ("attnV", 0.04), ("attnOut", 0.06), ("mlpGate", 0.021), ("mlpUp", 0.02), ("mlpDown", 0.024)];
    let entry = |block: String, role: &str, size: f64, i: usize| Remainder {
        block,
        role: role.to_owned(),
        n: if role == "embed" { 4096 } else { UNITS },
        correlation: Some(round(1.0 - size * size / 2.0)),
        relative_difference: Some(round(size * (1.0 + 0.3 * noise(i)))),
    };
    let mut all = vec![entry(String::new(), "embed", 0.004, 3), entry(String::new(), "unembed", 0.004, 4)];
    for block in 0..BLOCKS {
        let depth = 1.0 + 3.0 * block as f64 / BLOCKS as f64;
        all.extend(roles.iter().enumerate().map(|(k, (role, size))| entry(block.to_string(), role, size * depth, block * 7 + k)));
    }
    // One head of one block could not be undone.
    all.retain(|r| !(r.block == "13" && r.role == "attnK"));
    all
}

/// A rotated, permuted, rescaled copy with 18 blocks, held against four controls.
pub(crate) fn disguised() -> Report {
    let layers = layers(BLOCKS, 0.1, 1.4);
    let mut report = report("models/base", "uploads/new-model", BLOCKS as u64);
    report.case.controls = CONTROLS.iter().enumerate().map(|(i, path)| side(path, 10 + i, BLOCKS as u64)).collect();
    report.cards.extend(cards());
    report.verdicts = vec![Verdict {
        conclusion: Conclusion::SupportsDerivation,
        scope: scope(BLOCKS, 1.0),
        relation: vec![Relation::Permuted, Relation::Rotated, Relation::Rescaled, Relation::Finetune],
        relation_words: [
            ("permuted", "2,048 of 2,048 units in each of 18 blocks stand in another order"),
            ("rotated", "the basis was found on 3,072 tokens and holds on 1,024 others, with a correlation of 0.998"),
        ]
        .map(|(word, seen)| (word.to_owned(), seen.to_owned()))
        .into(),
        p_value: None,
        statement:
            "The weights of uploads/new-model support derivation over independence: once units and basis are put in order, all of its \
                    trained parameters agree with those of models/base, far beyond four independent control models."
                .to_owned(),
        ..Verdict::default()
    }];
    let heads = profile(|block| 0.97 - 0.02 * noise(block + 3).abs(), 14.0);
    report.findings = vec![
        super::alignment(0.1, (-0.3, NullKind::Bound), &layers),
        similarity("weights.unit-matching", profile(|block| if block % 5 == 2 { 1.0 } else { 0.998 }, 1.0), MarginOutcome::StandsOut),
        Finding { synthetic_controls: None, ..similarity("weights.head-matching", heads, MarginOutcome::StandsOut) },
        whole("weights.embedding-gram", 0.996, [0.31, 0.44, 0.38, 0.29], MarginOutcome::StandsOut),
        whole("weights.image-angles", 0.91, [0.004, 0.011, -0.002, 0.006], MarginOutcome::StandsOut),
    ];
    report.pictures = Pictures { block_matrix: Some(block_matrix(BLOCKS, 0.02)), layers, undone: Some(undone()), remainder: remainder() };
    report.matches = matches(BLOCKS, 0.02);
    report
}

/// The same pair of models, and nothing to hold it against.
pub(crate) fn disguised_without_controls() -> Report {
    let mut report = disguised();
    report.case.controls.clear();
    report.verdicts = vec![Verdict {
        conclusion: Conclusion::Inconclusive,
        statement: "No exact test speaks against independence, and without controls the similarity of the two models says nothing."
            .to_owned(),
        would_help: Some("At least three models of the same shape that are known to be independent: --control MODEL.".to_owned()),
        scope: scope(BLOCKS, 0.0),
        ..Verdict::default()
    }];
    for finding in report.findings.iter_mut().filter(|f| f.needs_controls()) {
        finding.controls.clear();
        finding.profile.iter_mut().for_each(|point| point.controls.clear());
        finding.margin = Some(Margin {
            outcome: MarginOutcome::Abstains,
            why: "no controls were given, but three are needed".to_owned(),
            ..Margin::default()
        });
    }
    report
}

/// An independent model of the same shape that runs among the controls.
pub(crate) fn stranger() -> Report {
    let mut report = super::independent();
    report.case.controls = CONTROLS.iter().enumerate().map(|(i, path)| side(path, 10 + i, BLOCKS as u64)).collect();
    report.cards.extend(cards());
    report.findings.push(similarity("weights.unit-matching", profile(|block| stranger_share(9, block), 1.0), MarginOutcome::Within));
    report.findings.push(not_applicable("weights.embedding-gram", "the two vocabularies share 212 tokens, but 256 are needed"));
    report
}
