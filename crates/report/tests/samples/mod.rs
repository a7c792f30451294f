//! Reports of made-up comparisons, shaped like real ones: the values are invented, deterministic and of the size that real pairs give.

mod attention;
mod disguised;
mod twins;

pub(crate) use attention::{claimed, claimed_of_a_stranger, claimed_of_another_shape, claimed_without_controls};
pub(crate) use disguised::{disguised, disguised_without_controls, stranger};
pub(crate) use twins::{
    derived_and_distilled, distilled, distilled_in_batches, endpoint, failed_base, failed_placebo, not_distilled, too_few_replies, untested,
};

use report::data::*;
use std::collections::BTreeMap;

const ROLES: [&str; 7] = ["attnQ", "attnK", "attnV", "attnOut", "mlpGate", "mlpUp", "mlpDown"];

/// A number between -1 and 1 that looks drawn and is the same for ever.
fn noise(i: usize) -> f64 {
    let x = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
    let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((x >> 32) % 20_001) as f64 / 10_000.0 - 1.0
}

fn digest(i: usize) -> String {
    let hex: String = (0..4).map(|k| format!("{:016x}", (i as u64 * 4 + k).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    format!("blake3:{hex}")
}

fn sha(i: usize) -> String {
    digest(i).replace("blake3:", "")
}

fn side(path: &str, i: usize, n_layers: u64) -> Side {
    Side {
        path: path.to_owned(),
        sha256: sha(i),
        tensor_root: digest(i + 50),
        family: Some("llama".to_owned()),
        n_parameters: 1_048_576 + 688_128 * n_layers,
        format: Some("safetensors".to_owned()),
        encoding: Some("bf16".to_owned()),
        n_tensors: Some(9 * n_layers + 3),
        n_layers: Some(n_layers),
        model: None,
    }
}

fn cards() -> Vec<Card> {
    vec![
        Card {
            id: "weights.unit-alignment".to_owned(),
            question: "Do the hidden MLP units of the two models line up by index?".to_owned(),
            null: "The two models were trained from independent random initialisations.".to_owned(),
            statistic: "Sum of the cosines of same-index units over the blocks; large values count against the null.".to_owned(),
            access: vec![Access::Weights],
            assumptions:
                "Training treats the hidden units of a block alike, so that under the null their matching is a uniform random permutation."
                    .to_owned(),
            survives: "Fine-tuning, adapters, long further training, quantisation, unstructured pruning.".to_owned(),
            defeats: "Hidden units permuted on purpose; another number of units. A shared random initialisation triggers it too."
                .to_owned(),
            reference: "Zhu et al., Independence tests for language models, ICML 2025, arXiv:2502.12292".to_owned(),
        },
        Card {
            id: "weights.tensor-identity".to_owned(),
            question: "Which tensors are bit-identical, whatever they are called?".to_owned(),
            null: "None: identity is a fact.".to_owned(),
            statistic: "Fraction of the suspect's trained elements in bit-identical tensors.".to_owned(),
            access: vec![Access::Weights],
            assumptions: "Constants that no training touched are left out.".to_owned(),
            survives: "Renaming, other file formats, other shards.".to_owned(),
            defeats: "Any change of a value.".to_owned(),
            reference: "none needed".to_owned(),
        },
    ]
}

fn alignment(z: f64, (log10_p, null): (f64, NullKind), layers: &[Layer]) -> Finding {
    let parts = layers
        .iter()
        .enumerate()
        .map(|(i, layer)| {
            let matrices = ["MLP gate", "MLP up", "MLP down"].map(|matrix| {
                Explanation::value(matrix, layer.z.unwrap_or(0.0) / 1.7, "z").words("688 units, all of them").parts(vec![
                    Explanation { label: "reference".to_owned(), ..Explanation::default() }.digest(digest(i)),
                    Explanation { label: "suspect".to_owned(), ..Explanation::default() }.digest(digest(i + 100)),
                ])
            });
            Explanation::value(format!("block {}", layer.layer), layer.z.unwrap_or(0.0), "z")
                .words("three matrices share one matching")
                .parts(matrices.to_vec())
        })
        .collect();
    Finding {
        method: "weights.unit-alignment".to_owned(),
        question: Question::Derivation,
        outcome: Outcome::Observed,
        statistic: Some(z),
        log10_p: Some(log10_p),
        null_distribution: Some(null),
        null_detail: (null == NullKind::Bound).then(|| "Chatterjee 2007".to_owned()),
        n: Some(688 * layers.len() as u64),
        words: Some(format!("Combined over {} blocks, z = {z}.", layers.len())),
        parts: vec![Explanation::group("by block", parts)],
        ..Finding::default()
    }
}

fn not_applicable(method: &str, why: &str) -> Finding {
    Finding { method: method.to_owned(), outcome: Outcome::NotApplicable, why: Some(why.to_owned()), ..Finding::default() }
}

fn layers(n: usize, z: f64, spread: f64) -> Vec<Layer> {
    (0..n)
        .map(|i| {
            let z = z + spread * noise(i + 7);
            Layer {
                layer: i.to_string(),
                z: Some((z * 100.0).round() / 100.0),
                coincidences: Some(if z > 20.0 { 688 - i as u64 } else { (i % 4) as u64 }),
                units: Some(688),
                log10_p: Some(if z > 5.0 { -(z * z * 0.217).round() } else { -0.3 }),
            }
        })
        .collect()
}

fn block_matrix(n: usize, diagonal: f64) -> BlockMatrix {
    let names: Vec<String> = (0..n).map(|i| i.to_string()).collect();
    let value = |i: usize, j: usize| if i == j { diagonal - 0.02 * noise(i).abs() } else { 0.03 * noise(i * 131 + j + 1) };
    let values: Vec<Vec<Option<f64>>> = (0..n).map(|i| (0..n).map(|j| Some(value(i, j))).collect()).collect();
    let ranked = |i: usize, rank: usize| {
        let mut row: Vec<f64> = (0..n).map(|j| value(i, j)).collect();
        row.sort_by(|a, b| b.total_cmp(a));
        row.get(rank).copied()
    };
    BlockMatrix {
        entries: Entries::Blocks,
        rows: names.clone(),
        cols: names,
        roles: vec!["mlpGate".to_owned(), "mlpUp".to_owned(), "mlpDown".to_owned()],
        measure: "Mean cosine of same-index units".to_owned(),
        values,
        best: (0..n).map(|i| ranked(i, 0)).collect(),
        runner_up: (0..n).map(|i| ranked(i, 1)).collect(),
    }
}

fn matches(n_layers: usize, cosine: f64) -> Vec<TensorMatch> {
    let mut all = Vec::new();
    for layer in 0..n_layers {
        for (k, role) in ROLES.iter().enumerate() {
            let i = layer * ROLES.len() + k;
            let name = format!("model.layers.{layer}.{role}.weight");
            let label = || TensorRef { name: name.clone(), slot: Some(format!("{layer}.{role}.weight")) };
            all.push(TensorMatch {
                reference: label(),
                suspect: label(),
                shape: vec![688, 256],
                cosine: Some(if cosine > 0.5 { cosine - 0.01 * noise(i).abs() } else { cosine + 0.01 * noise(i).abs() }),
                runner_up: Some(0.02 + 0.01 * noise(i + 3)),
                relative_difference: Some(0.06 + 0.02 * noise(i + 9)),
                equal_fraction: Some(if cosine > 0.5 { 0.12 } else { 0.0004 }),
                transposed: false,
                how: MatchedBy::Role,
                digests: Some(DigestPair { reference: digest(i), suspect: digest(i + 1000) }),
            });
        }
    }
    all
}

fn scope(n_layers: usize, fraction: f64) -> Scope {
    let roles: BTreeMap<String, f64> =
        ROLES.iter().map(|role| ((*role).to_owned(), fraction)).chain([("embed".to_owned(), fraction)]).collect();
    let elements = roles.keys().map(|role| (role.clone(), if role == "embed" { 1_048_576 } else { 176_128 * n_layers as u64 })).collect();
    let by_layer = (0..n_layers).map(|i| LayerScope { layer: i.to_string(), shared_fraction: fraction, elements: 688_128 }).collect();
    Scope { shared_fraction: fraction, roles, elements, by_layer }
}

fn report(reference: &str, suspect: &str, n_layers: u64) -> Report {
    Report {
        tool: Tool { name: "filiation".to_owned(), version: "0.1.0".to_owned(), commit: "0123abc".to_owned() },
        case: Case {
            reference: side(reference, 1, n_layers),
            suspect: side(suspect, 2, n_layers),
            controls: Vec::new(),
            seed: 0,
            prompts: None,
        },
        cards: cards(),
        not_run: vec![NotRun { method: "text.released-twin".to_owned(), why: "no prompts were given".to_owned() }],
        limits: vec!["No test here tells which model came first.".to_owned(), "Weights say nothing about who trained a model.".to_owned()],
        custody: vec![
            CustodyFile { side: SideRole::Reference, path: format!("{reference}/model.safetensors"), bytes: 7_610_032, sha256: sha(1) },
            CustodyFile { side: SideRole::Reference, path: format!("{reference}/config.json"), bytes: 712, sha256: sha(3) },
            CustodyFile { side: SideRole::Suspect, path: format!("{suspect}/model.safetensors"), bytes: 7_610_032, sha256: sha(2) },
        ],
        command: Some(format!("filiation compare {reference} {suspect} --report out --seed 0")),
        ..Report::default()
    }
}

/// A fine-tune with four blocks.
pub(crate) fn derived() -> Report {
    derived_with(4)
}

/// A fine-tune with any number of blocks.
pub(crate) fn derived_with(n: usize) -> Report {
    let layers = layers(n, 163.0, 9.0);
    let mut report = report("models/base", "models/finetuned", n as u64);
    report.verdicts = vec![Verdict {
        question: Question::Derivation,
        conclusion: Conclusion::SupportsDerivation,
        scope: scope(n, 1.0),
        relation: vec![Relation::Finetune],
        p_value: Some(PValue { log10: -4229.1, null: NullKind::Exact, method: "weights.unit-alignment".to_owned(), null_detail: None }),
        statement:
            "The weights of models/finetuned support derivation over independence: all of its trained parameters line up with those of \
                    models/base, and independently initialised models would agree as closely with a chance of less than 1 in 10^4229."
                .to_owned(),
        ..Verdict::default()
    }];
    let mut aligned = alignment(163.4, (-4229.1, NullKind::Exact), &layers);
    aligned.controls = vec![
        Control { model: "models/independent".to_owned(), statistic: Some(0.7), log10_p: Some(-0.6) },
        Control { model: "models/other-seed".to_owned(), statistic: Some(-1.2), log10_p: Some(-0.05) },
    ];
    report.findings = vec![
        aligned,
        Finding {
            method: "weights.tensor-identity".to_owned(),
            outcome: Outcome::Observed,
            statistic: Some(0.0),
            n: Some(9 * n as u64 + 3),
            words: Some("No tensor is bit-identical: every one was trained further.".to_owned()),
            ..Finding::default()
        },
        not_applicable("weights.haar-bound", "the two vocabularies share 212 tokens, but 256 are needed"),
    ];
    report.pictures = Pictures { block_matrix: Some(block_matrix(n, 0.998)), layers, ..Pictures::default() };
    report.matches = matches(n, 0.998);
    report.claims = vec![
        Claim {
            field: "base_model".to_owned(),
            value: Some("example/other-base".to_owned()),
            found: "The weights line up with models/base; the named model was not given.".to_owned(),
            outcome: ClaimOutcome::Contradicts,
        },
        Claim {
            field: "base_model_relation".to_owned(),
            value: Some("finetune".to_owned()),
            found: "The relation found is finetune.".to_owned(),
            outcome: ClaimOutcome::Agrees,
        },
        Claim {
            field: "license".to_owned(),
            value: None,
            found: "Weights say nothing about licences.".to_owned(),
            outcome: ClaimOutcome::NotTested,
        },
    ];
    report.constants_left_out = vec![Constant {
        name: "model.rotary_emb.inv_freq".to_owned(),
        why: "rotary frequencies, given by a formula".to_owned(),
        elements: 32,
    }];
    report
}

/// Two seeds of one configuration.
pub(crate) fn independent() -> Report {
    let layers = layers(4, 0.3, 1.6);
    let mut report = report("models/base", "models/independent", 4);
    report.verdicts = vec![Verdict {
        conclusion: Conclusion::SupportsIndependence,
        scope: scope(4, 0.0),
        p_value: Some(PValue {
            log10: -0.41,
            null: NullKind::Permutation,
            method: "weights.unit-alignment".to_owned(),
            null_detail: Some("9,999 permutations".to_owned()),
        }),
        statement:
            "The weights support independence over derivation: nothing in models/independent agrees with models/base beyond what two \
                    independently initialised models show."
                .to_owned(),
        ..Verdict::default()
    }];
    report.findings = vec![alignment(0.3, (-0.41, NullKind::Permutation), &layers)];
    report.pictures = Pictures { block_matrix: Some(block_matrix(4, 0.02)), layers, ..Pictures::default() };
    report.matches = matches(4, 0.02);
    report
}

/// A suspect that is too small for an answer, and a method that failed.
pub(crate) fn inconclusive() -> Report {
    let mut report = report("models/base", "uploads/head-only.onnx", 4);
    report.case.suspect.family = None;
    report.case.suspect.n_layers = None;
    report.verdicts = vec![Verdict {
        conclusion: Conclusion::Inconclusive,
        statement: "The file holds 1,536 trained parameters in two tensors, too few to answer.".to_owned(),
        would_help: Some("The whole checkpoint, or its embeddings with their tokenizer.".to_owned()),
        ..Verdict::default()
    }];
    report.findings = vec![
        not_applicable("weights.unit-alignment", "the suspect has no MLP block"),
        Finding {
            method: "tokenizer.overlap".to_owned(),
            outcome: Outcome::Failed,
            why: Some("`tokenizer.json` of the suspect: vocabulary has 3 tokens with id 7, but ids are unique".to_owned()),
            ..Finding::default()
        },
    ];
    report.not_run.clear();
    report
}

/// Another body on the reference's embeddings.
pub(crate) fn partial() -> Report {
    let layers = layers(12, 0.1, 2.0);
    let mut report = report("models/base", "models/borrowed-embeddings", 12);
    let mut scope = scope(12, 0.0);
    scope.shared_fraction = 0.113;
    scope.roles.insert("embed".to_owned(), 1.0);
    report.verdicts = vec![Verdict {
        conclusion: Conclusion::SupportsDerivation,
        scope,
        relation: vec![Relation::Partial],
        p_value: Some(PValue {
            log10: -812.4,
            null: NullKind::Asymptotic,
            method: "weights.matrix-match".to_owned(),
            null_detail: Some("normal".to_owned()),
        }),
        statement: "The embeddings of models/borrowed-embeddings support derivation over independence; its blocks do not.".to_owned(),
        ..Verdict::default()
    }];
    report.findings = vec![alignment(0.1, (-0.3, NullKind::Bound), &layers)];
    report.pictures = Pictures { block_matrix: Some(block_matrix(12, 0.02)), layers, ..Pictures::default() };
    report.matches = matches(12, 0.02);
    report
}
