//! Digests speak of values: the same values have the same digests in every container. `testdata/scripts/make_containers.py` makes the files.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

use sources::digest::{Custody, custody};
use sources::{Model, TensorSource};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn of(container: &str) -> (Model, Custody) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../testdata/containers", container].iter().collect();
    let model = Model::open(&path).unwrap();
    let custody = custody(&model, &|_| {}).unwrap();
    (model, custody)
}

fn by_name(container: &str) -> BTreeMap<String, String> {
    let (model, custody) = of(container);
    model.tensors().iter().map(|t| t.name.clone()).zip(custody.tensors).collect()
}

const HUB_NAMES: [&str; 5] = ["safetensors-f32", "safetensors-bf16-sharded", "torch-f16", "torch-bf16-sharded", "f32.npz"];
const GGUF: [&str; 3] = ["f32.gguf", "f16.gguf", "bf16.gguf"];

#[test]
fn the_same_names_and_values_give_the_same_root_whatever_the_container_the_shards_and_the_width() {
    let roots: BTreeSet<String> = HUB_NAMES.map(|name| of(name).1.tensor_root).into();
    assert_eq!(roots.len(), 1, "{roots:?}");
    let files: BTreeSet<String> = HUB_NAMES.map(|name| of(name).1.sha256).into();
    assert_eq!(files.len(), HUB_NAMES.len(), "the files differ all the same");
    let roots: BTreeSet<String> = GGUF.map(|name| of(name).1.tensor_root).into();
    assert_eq!(roots.len(), 1, "{roots:?}");
}

#[test]
fn other_names_keep_the_digests_and_other_orders_do_not() {
    let (hub, gguf) = (by_name("safetensors-f32"), by_name("bf16.gguf"));
    assert_eq!(hub["model.embed_tokens.weight"], gguf["token_embd.weight"]);
    assert_eq!(hub["model.layers.1.mlp.down_proj.weight"], gguf["blk.1.ffn_down.weight"]);
    // GGUF interleaves the halves of each head's query and key rows.
    assert_ne!(hub["model.layers.0.self_attn.q_proj.weight"], gguf["blk.0.attn_q.weight"]);
    let common = hub.values().filter(|digest| gguf.values().any(|other| other == *digest)).count();
    assert_eq!((common, hub.len()), (17, 21), "all but query and key of two blocks");
}

#[test]
fn quantised_values_have_digests_of_their_own() {
    let (full, quantised) = (by_name("f32.gguf"), by_name("q8_0.gguf"));
    assert_ne!(full["token_embd.weight"], quantised["token_embd.weight"]);
    assert_eq!(full["blk.0.attn_norm.weight"], quantised["blk.0.attn_norm.weight"], "vectors stay in F32");
}

#[test]
fn one_changed_value_changes_its_tensor_and_the_root_only() {
    let source: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../testdata/containers/safetensors-f32/model.safetensors"].iter().collect();
    let mut bytes = std::fs::read(&source).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 0x80;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let model = Model::open(&path).unwrap();
    let changed = custody(&model, &|_| {}).unwrap();
    let (_, original) = of("safetensors-f32");
    let differing = changed.tensors.iter().zip(&original.tensors).filter(|(a, b)| a != b).count();
    assert_eq!(differing, 1);
    assert_ne!(changed.tensor_root, original.tensor_root);
    assert_ne!(changed.sha256, original.sha256);
}

#[test]
fn every_file_that_was_read_is_listed() {
    let (_, custody) = of("safetensors-bf16-sharded");
    let names: Vec<_> = custody.files.iter().map(|f| f.path.file_name().unwrap().to_str().unwrap()).collect();
    let shards = ["model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors"];
    assert_eq!(names, [&shards[..], &["config.json"]].concat());
}

#[test]
fn the_bytes_announced_are_the_bytes_reported() {
    for container in HUB_NAMES.iter().chain(&GGUF) {
        let (model, _) = of(container);
        let done = std::sync::atomic::AtomicU64::new(0);
        custody(&model, &|n| {
            done.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
        })
        .unwrap();
        assert_eq!(done.into_inner(), sources::digest::custody_bytes(&model), "{container}");
    }
}
