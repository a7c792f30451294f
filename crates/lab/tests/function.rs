//! The law of the disguises: what a network computes is what it computed before, in every family, while its weights are others.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

use lab::{Disguised, LabError, Precision, Request, disguise};
use sources::Model;
use std::path::Path;
use tempfile::TempDir;
use testmodels::{Dtype, FAMILIES, Gaussian, Network, Tensor, Vectors, family, forward, save};

const TOKENS: [usize; 7] = [3, 17, 256, 17, 599, 41, 0];

/// A family's network behind steps.
fn made(name: &str, seed: u64, steps: &[&str]) -> Result<(TempDir, Disguised, Network), LabError> {
    made_from(&family(name, 1), seed, steps)
}

fn made_from(network: &Network, seed: u64, steps: &[&str]) -> Result<(TempDir, Disguised, Network), LabError> {
    let source = save(network, Dtype::F32);
    let target = tempfile::tempdir().unwrap();
    let folder = target.path().join("disguised");
    let steps: Vec<String> = steps.iter().map(|&step| step.to_owned()).collect();
    let request = Request { folder: &folder, steps: &steps, seed, precision: Precision::Of(lab::Dtype::F32) };
    let made = disguise(Model::open(source.path()).unwrap(), &request, &|_| (), &|_| ())?;
    let network = Network::load(&folder);
    Ok((target, made, network))
}

/// Inner products of the vectors with each other: what is left of a hidden state whose coordinates were turned.
fn gram(vectors: &Vectors) -> Vectors {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum();
    vectors.iter().map(|a| vectors.iter().map(|b| product(a, b)).collect()).collect()
}

/// Largest difference, relative to the root mean square of the first.
fn difference(before: &Vectors, after: &Vectors) -> f64 {
    let pairs: Vec<(f64, f64)> = before.iter().zip(after).flat_map(|(a, b)| a.iter().copied().zip(b.iter().copied())).collect();
    assert_eq!(pairs.len(), before.iter().map(Vec::len).sum::<usize>());
    let size = (pairs.iter().map(|(a, _)| a * a).sum::<f64>() / pairs.len() as f64).sqrt();
    pairs.iter().map(|(a, b)| (a - b).abs() / size).fold(0.0, |most, d| if d > most || d.is_nan() { d } else { most })
}

/// The difference of what the two networks compute; of inner products where a network without a head gives its stream.
fn effect(name: &str, after: &Network) -> f64 {
    effect_on(&family(name, 1), after)
}

fn effect_on(before: &Network, after: &Network) -> f64 {
    let is_headless = before.config.as_ref().unwrap()["model_type"] == "bert";
    let (before, after) = (forward(before, &TOKENS), forward(after, &TOKENS));
    if is_headless { difference(&gram(&before), &gram(&after)) } else { difference(&before, &after) }
}

/// Tensors whose values are others, or which are new.
fn changed(name: &str, after: &Network) -> Vec<String> {
    let before = family(name, 1);
    let same = |tensor: &testmodels::Tensor| before.tensors.iter().any(|old| old.name == tensor.name && old.values == tensor.values);
    after.tensors.iter().filter(|tensor| !same(tensor)).map(|tensor| tensor.name.clone()).collect()
}

/// Steps that a family refuses, because none of their kind keeps its function.
fn refuses(name: &str, step: &str) -> bool {
    match step {
        "rotate" => ["gemma2", "gemma3", "olmo2", "bert"].contains(&name),
        "scale-units" => ["gpt2", "gpt_neox", "bert", "whisper"].contains(&name),
        "regain" => name == "bert",
        _ => false,
    }
}

fn check(step: &str) {
    for name in FAMILIES {
        match made(name, 5, &[step]) {
            Err(error @ LabError::Refused { .. }) => assert!(refuses(name, step), "{name}: {error}"),
            Err(error) => panic!("{name}: {error}"),
            Ok((_folder, made, network)) => {
                assert!(!refuses(name, step), "{name} takes {step}");
                let effect = effect(name, &network);
                assert!(effect <= 1e-4, "{name}, {step}: {effect}");
                assert!(!changed(name, &network).is_empty(), "{name}, {step}: nothing changed");
                assert!(made.records.iter().all(|record| record.keeps_function), "{name}, {step}");
            }
        }
    }
}

#[test]
fn permuted_units_compute_the_same() {
    check("permute-units");
}

#[test]
fn permuted_heads_compute_the_same() {
    check("permute-heads");
}

#[test]
fn permuted_residual_coordinates_compute_the_same() {
    check("permute-residual");
}

#[test]
fn rotated_streams_compute_the_same() {
    check("rotate");
}

#[test]
fn turned_heads_compute_the_same() {
    for step in ["turn-heads=1", "turn-heads", "turn-heads=100"] {
        check(step);
    }
}

#[test]
fn scaled_units_compute_the_same() {
    check("scale-units");
}

#[test]
fn new_gains_compute_the_same() {
    check("regain");
}

#[test]
fn all_together_compute_the_same_and_leave_no_matrix_as_it_was() {
    check("all");
    for name in FAMILIES {
        let (_folder, made, network) = made(name, 6, &["all", "all"]).unwrap();
        let effect = effect(name, &network);
        assert!(effect <= 1e-4, "{name}: {effect}");
        assert!(made.records.len() >= 8, "{name}: {:?}", made.skipped);
        let before = family(name, 1);
        let matrices: Vec<_> = before.tensors.iter().filter(|tensor| tensor.is_matrix()).collect();
        let changed = changed(name, &network);
        // Nothing may touch what sound goes through before whisper's fixed positions, T5's positions, or a mixture's order of experts alone.
        let kept: Vec<_> = matrices.iter().filter(|tensor| !changed.contains(&tensor.name)).map(|tensor| tensor.name.as_str()).collect();
        let is_fixed = |name: &&str| name.contains("conv") || name.contains("embed_positions") || name.contains("relative_attention_bias");
        assert!(kept.iter().all(is_fixed), "{name}: {kept:?}");
    }
}

#[test]
fn an_inexact_rotation_says_so_and_is_one() {
    for name in ["gemma2", "gemma3", "olmo2", "bert"] {
        let (_folder, made, network) = made(name, 5, &["rotate=inexact"]).unwrap();
        assert!(!made.records[0].keeps_function && !made.records[0].notes.is_empty(), "{name}");
        assert!(effect(name, &network) > 1e-3, "{name} has an exact rotation");
    }
}

#[test]
fn an_inexact_rotation_is_exact_where_the_gains_in_its_way_are_equal() {
    for name in ["gemma2", "gemma3", "olmo2", "bert"] {
        let mut network = family(name, 1);
        let is_in_the_way =
            |name: &str| name.ends_with("LayerNorm.weight") || (name.contains("post_") && name.ends_with("layernorm.weight"));
        let gains: Vec<_> = network.tensors.iter_mut().filter(|tensor| is_in_the_way(&tensor.name)).collect();
        assert!(gains.len() >= 6, "{name}");
        gains.into_iter().for_each(|tensor| tensor.values.fill(0.7));
        let (_folder, _, after) = made_from(&network, 5, &["rotate=inexact"]).unwrap();
        let effect = effect_on(&network, &after);
        // Not 1e-4: what a norm adds under its root weighs more once a gain below one stands in front of it.
        assert!(effect <= 5e-4, "{name}: {effect}");
    }
}

#[test]
fn a_seed_gives_the_same_bytes_at_any_number_of_threads() {
    let bytes = |seed: u64, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (folder, ..) = pool.install(|| made("gpt_neox", seed, &["all", "rotate"])).unwrap();
        std::fs::read(folder.path().join("disguised/model.safetensors")).unwrap()
    };
    let one = bytes(7, 1);
    assert!(one == bytes(7, 3), "threads change the bytes");
    assert!(one != bytes(8, 3), "the seed changes nothing");
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let target = tempfile::tempdir().unwrap();
    let kept = target.path().join("kept");
    std::fs::write(&kept, "mine").unwrap();
    let source = save(&family("llama", 1), Dtype::F32);
    let steps = ["permute-units".to_owned()];
    let request = Request { folder: target.path(), steps: &steps, seed: 0, precision: Precision::AsStored };
    let error = disguise(Model::open(source.path()).unwrap(), &request, &|_| (), &|_| ()).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("expected a folder that is empty"), "{error}");
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 1);
    assert!(Path::new(&kept).is_file());
}

/// A head that reads the stream itself, and one that reads the pooler, whose coordinates are not the stream's.
#[test]
fn a_task_head_follows_what_it_reads() {
    let tensor = |name: &str, shape: &[usize]| Tensor {
        name: name.into(),
        shape: shape.to_vec(),
        values: Gaussian::new(2, name).vector(shape.iter().product(), 0.2),
    };
    let scores = |network: &Network, input: &[f64]| -> Vec<f64> {
        let head = network.tensor("classifier.weight");
        head.values.chunks_exact(48).map(|row| row.iter().zip(input).map(|(&w, x)| f64::from(w) * x).sum()).collect()
    };
    let mut by_token = family("bert", 1);
    by_token.set_config("architectures", serde_json::json!(["BertForTokenClassification"]));
    by_token.tensors.retain(|tensor| !tensor.name.contains("pooler"));
    by_token.tensors.push(tensor("classifier.weight", &[5, 48]));
    let (_folder, _, after) = made_from(&by_token, 5, &["permute-residual"]).unwrap();
    let logits = |network: &Network| forward(network, &TOKENS).iter().map(|hidden| scores(network, hidden)).collect::<Vectors>();
    assert!(difference(&logits(&by_token), &logits(&after)) <= 1e-4);

    let mut by_sequence = family("bert", 1);
    by_sequence.set_config("architectures", serde_json::json!(["BertForSequenceClassification"]));
    by_sequence.tensors.retain(|tensor| !tensor.name.contains("pooler"));
    by_sequence.tensors.extend([tensor("pooler.dense.weight", &[48, 48]), tensor("classifier.weight", &[5, 48])]);
    let (_folder, _, after) = made_from(&by_sequence, 5, &["permute-residual"]).unwrap();
    let pooled = |network: &Network| -> Vectors {
        let first = &forward(network, &TOKENS)[0];
        let pooler = network.tensor("pooler.dense.weight").values.chunks_exact(48);
        let pooled: Vec<f64> = pooler.map(|row| row.iter().zip(first).map(|(&w, x)| f64::from(w) * x).sum::<f64>().tanh()).collect();
        vec![scores(network, &pooled)]
    };
    assert!(difference(&pooled(&by_sequence), &pooled(&after)) <= 1e-4);
}
