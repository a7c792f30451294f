//! The written folder: names, types, configuration, tokens and the record.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

use lab::{Precision, Request, disguise};
use serde_json::Value;
use sources::Model;
use std::path::Path;
use tempfile::TempDir;
use testmodels::{Dtype, FAMILIES, Llama, Network, VARIANTS, family, forward, save, save_q8_0};

fn write(source: &Path, steps: &[&str], precision: Precision) -> TempDir {
    let target = tempfile::tempdir().unwrap();
    let folder = target.path().join("new");
    let steps: Vec<String> = steps.iter().map(|&step| step.to_owned()).collect();
    let request = Request { folder: &folder, steps: &steps, seed: 3, precision };
    disguise(Model::open(source).unwrap(), &request, &|_| (), &|_| ()).unwrap();
    target
}

fn json(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("new").join(name)).unwrap()).unwrap()
}

#[test]
fn without_steps_every_family_is_written_as_it_was() {
    for name in FAMILIES.into_iter().chain(VARIANTS) {
        let before = family(name, 1);
        let source = save(&before, Dtype::Bf16);
        let target = write(source.path(), &[], Precision::AsStored);
        let (before, after) = (Network::load(source.path()), Network::load(&target.path().join("new")));
        assert_eq!(after.config, before.config, "{name}");
        assert_eq!(after.tokens, before.tokens, "{name}");
        let names = |network: &Network| {
            let mut names: Vec<_> = network.tensors.iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect();
            names.sort();
            names
        };
        assert_eq!(names(&after), names(&before), "{name}");
        for tensor in &before.tensors {
            assert!(after.tensor(&tensor.name).values == tensor.values, "{name}: {}", tensor.name);
        }
    }
}

#[test]
fn a_gguf_file_becomes_a_folder_that_computes_the_same() {
    let network = Llama::new(4).build();
    let source = save_q8_0(&network);
    let target = write(source.path(), &["permute-heads", "rotate"], Precision::Of(lab::Dtype::F32));
    let after = Network::load(&target.path().join("new"));
    let mut expected = network.config.clone().unwrap();
    expected["hidden_act"] = "silu".into();
    assert_eq!(after.config.as_ref().unwrap(), &expected);
    assert_eq!(after.tokens, network.tokens);

    let tokens = [1, 5, 600, 2];
    let (before, after) = (forward(&network, &tokens), forward(&after, &tokens));
    let (mut product, mut squares) = (0.0, [0.0, 0.0]);
    for (a, b) in before.iter().flatten().zip(after.iter().flatten()) {
        product += a * b;
        squares[0] += a * a;
        squares[1] += b * b;
    }
    let cosine = product / (squares[0] * squares[1]).sqrt();
    // Eight bits a value lose about .3 % of a matrix, and nothing of the order of heads.
    assert!(cosine > 0.999, "{cosine}");
}

#[test]
fn the_tokenizer_of_a_gguf_file_splits_texts_into_the_permuted_ids() {
    let mut network = Llama::new(4).build();
    let n = network.tokens.as_ref().unwrap().len();
    network.tokens = Some((0..n).map(|id| if id < 26 { char::from(b'a' + id as u8).into() } else { format!("w{id}") }).collect());
    let target = write(save_q8_0(&network).path(), &["permute-vocabulary"], Precision::AsStored);
    let folder = target.path().join("new");
    let tokenizer = forward::Tokenizer::of(&Model::open(&folder).unwrap()).unwrap();
    let new_tokens = Network::load(&folder).tokens.unwrap();
    let id = |token: &str| new_tokens.iter().position(|new| new == token).unwrap() as u32;
    let ids = tokenizer.encode("zebra").unwrap().ids;
    assert_eq!(ids, ["z", "e", "b", "r", "a"].map(id));
    assert_ne!(ids, [25, 4, 1, 17, 0]);
    assert_eq!(json(target.path(), "disguise.json")["skipped"], serde_json::json!([]));
}

#[test]
fn half_types_stay_and_what_no_step_touches_keeps_its_bits() {
    let source = save(&family("gemma3", 1), Dtype::Bf16);
    let target = write(source.path(), &["permute-units"], Precision::AsStored);
    let folder = target.path().join("new");
    let size = |path: &Path| std::fs::metadata(path.join("model.safetensors")).unwrap().len();
    assert!(size(&folder).abs_diff(size(source.path())) < 1000);
    let (before, after) = (Network::load(source.path()), Network::load(&folder));
    for tensor in before.tensors.iter().filter(|tensor| !tensor.name.contains(".mlp.")) {
        assert!(after.tensor(&tensor.name).values == tensor.values, "{}", tensor.name);
    }
}

#[test]
fn the_record_says_what_was_done_to_what() {
    let source = save(&family("gemma2", 1), Dtype::F32);
    let target = write(source.path(), &["turn-heads=3", "rotate=inexact", "all"], Precision::Of(lab::Dtype::F16));
    let record = json(target.path(), "disguise.json");
    assert_eq!(record["schema"], "urn:filiation:disguise:v1");
    assert_eq!((&record["seed"], &record["dtype"], &record["source"]["family"]), (&3.into(), &"f16".into(), &"gemma2".into()));
    assert_eq!(record["asked"], serde_json::json!(["turn-heads=3", "rotate=inexact", "all"]));
    let steps: Vec<&str> = record["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    let all = ["turn-heads", "scale-units", "permute-heads", "permute-units", "permute-residual", "regain"];
    assert_eq!(steps, [["turn-heads=3", "rotate=inexact"].as_slice(), all.as_slice()].concat());
    assert_eq!(record["steps"][0]["parameters"]["condition"], 3.0);
    assert_eq!((&record["steps"][0]["keepsFunction"], &record["steps"][1]["keepsFunction"]), (&true.into(), &false.into()));
    assert_eq!(record["keepsFunction"], false);
    assert!(record["skipped"][0].as_str().unwrap().starts_with("step `rotate`: found norms behind the writers"), "{}", record["skipped"]);
    let digest = sources::digest::custody(&Model::open(source.path()).unwrap(), &|_| ()).unwrap();
    assert_eq!(record["source"]["tensorRoot"], digest.tensor_root);
    assert_eq!(json(target.path(), "config.json")["tie_word_embeddings"], false);
}
