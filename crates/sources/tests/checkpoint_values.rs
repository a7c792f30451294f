//! Small files of every form that torch 2.15.0 and numpy 2.4.6 write, against the values that those read back.
//! `testdata/scripts/torch_files.py` makes the files and the expected values together.

use serde::Deserialize;
use sources::store::read_f32;
use sources::tensor::{MetaValue, Parsed, Storage, TensorInfo};
use sources::{npz, safetensors, torch};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Expected {
    shape: Vec<usize>,
    values: Vec<f32>,
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../testdata", name].iter().collect()
}

fn values(file: &Vec<u8>, tensor: &TensorInfo) -> Vec<f32> {
    let mut out = Vec::new();
    read_f32(std::slice::from_ref(file), tensor, 0..tensor.rows(), &mut out).expect("a tensor inside its file");
    out
}

fn check(file: &Vec<u8>, parsed: &Parsed, expected: &BTreeMap<String, Expected>, name: &str) {
    let found: Vec<&str> = parsed.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let mut sorted = found.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected.keys().map(String::as_str).collect::<Vec<_>>(), "{name}");
    for tensor in &parsed.tensors {
        let expected = &expected[&tensor.name];
        assert_eq!(tensor.shape, expected.shape, "{name}: {}", tensor.name);
        assert_eq!(values(file, tensor), expected.values, "{name}: {}", tensor.name);
    }
}

#[test]
fn torch_files_give_the_values_of_torch() {
    let expected: BTreeMap<String, BTreeMap<String, Expected>> =
        serde_json::from_slice(&std::fs::read(path("torch/expected.json")).unwrap()).unwrap();
    assert!(expected.len() >= 12);
    for (name, tensors) in &expected {
        let file = std::fs::read(path("torch").join(name)).unwrap();
        check(&file, &torch::parse(&file).unwrap(), tensors, name);
    }
}

#[test]
fn a_checkpoint_keeps_its_scalars_as_metadata() {
    let parsed = torch::parse(&std::fs::read(path("torch/checkpoint.pt")).unwrap()).unwrap();
    let expected = [
        ("best", MetaValue::Float(0.25)),
        ("epoch", MetaValue::Signed(3)),
        ("name", MetaValue::Text("tiny".into())),
        ("optimizer.param_groups.0.lr", MetaValue::Float(0.5)),
        ("resumed", MetaValue::Bool(true)),
    ];
    assert_eq!(parsed.metadata, expected.map(|(key, value)| (key.to_owned(), value)).into());
}

#[test]
fn views_of_one_storage_stay_views() {
    let parsed = torch::parse(&std::fs::read(path("torch/views.pt")).unwrap()).unwrap();
    let storage = |name: &str| &parsed.tensors.iter().find(|tensor| tensor.name == name).unwrap().storage;
    assert_eq!(storage("whole"), storage("tied"));
    assert!(matches!(storage("rows"), Storage::Dense(_)));
    assert!(matches!(storage("transposed"), Storage::Strided { strides, .. } if strides[..] == [1, 6]));
    assert_eq!(parsed.warnings, ["tensor `expanded`: a view that repeats elements is not supported yet"]);
}

#[test]
fn rows_of_a_strided_view_can_be_read_alone() {
    let file = std::fs::read(path("torch/views.pt")).unwrap();
    let parsed = torch::parse(&file).unwrap();
    let tensor = parsed.tensors.iter().find(|tensor| tensor.name == "transposed").unwrap();
    let all = values(&file, tensor);
    let mut rows = Vec::new();
    read_f32(&[file], tensor, 2..5, &mut rows).unwrap();
    assert_eq!(rows, all[2 * 4..5 * 4]);
}

#[test]
fn kinds_of_tensors_that_are_not_read_are_left_out_by_name() {
    let parsed = torch::parse(&std::fs::read(path("torch/left-out.pt")).unwrap()).unwrap();
    assert_eq!(
        parsed.warnings,
        [
            "tensor `quantised`: `torch._utils._rebuild_qtensor` is not supported yet",
            "tensor `sparse`: `torch._utils._rebuild_sparse_tensor` is not supported yet",
            "tensor `complex`: dtype complex64 is not supported yet",
        ]
    );
}

#[test]
fn the_form_before_zip_files_is_named_with_advice() {
    let error = torch::parse(&std::fs::read(path("torch/legacy.pt")).unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "PyTorch file of the form before version 1.6 is not supported yet: found no zip file, \
         expected a zip file as torch.save writes since version 1.6"
    );
    assert!(error.hint.unwrap().contains("torch.save or as safetensors"));
}

#[test]
fn npz_files_give_the_values_of_numpy() {
    let mut expected: BTreeMap<String, Expected> = serde_json::from_slice(&std::fs::read(path("npz/expected.json")).unwrap()).unwrap();
    let not_read = |name: &str, why: &str| format!("tensor `{name}`: {why} is not supported yet");
    let types = [not_read("big", "dtype `>f4` (big-endian)"), not_read("words", "dtype `<U2`"), not_read("complex", "dtype `<c8`")];

    let file = std::fs::read(path("npz/stored.npz")).unwrap();
    let parsed = npz::parse(&file).unwrap();
    check(&file, &parsed, &expected, "stored.npz");
    assert_eq!(parsed.warnings, types);

    // Columns of a deflated array lie all over the stream.
    let fortran = ["fortran", "cube"];
    expected.retain(|name, _| !fortran.contains(&name.as_str()));
    let file = std::fs::read(path("npz/deflated.npz")).unwrap();
    let parsed = npz::parse(&file).unwrap();
    check(&file, &parsed, &expected, "deflated.npz");
    assert_eq!(parsed.warnings[..2], fortran.map(|name| not_read(name, "a deflated array in Fortran order")));
    assert_eq!(parsed.warnings[2..], types);

    let file = std::fs::read(path("npz/single.npy")).unwrap();
    let parsed = npz::parse_npy(&file).unwrap();
    assert_eq!(values(&file, &parsed.tensors[0]), expected["matrix"].values);
}

fn safetensors_file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

#[test]
fn safetensors_types_that_are_not_read_are_left_out_but_keep_their_place() {
    let file = safetensors_file(
        r#"{"__metadata__": {"format": "pt"}, "packed": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]},
            "w": {"dtype": "BF16", "shape": [2], "data_offsets": [2, 6]}}   "#,
        &[0xff, 0xff, 0x80, 0x3f, 0x20, 0xc0],
    );
    let parsed = safetensors::parse(&file).unwrap();
    assert_eq!(parsed.warnings, ["tensor `packed`: dtype F4 is not supported yet"]);
    assert_eq!(parsed.metadata, [("format".to_owned(), MetaValue::Text("pt".into()))].into());
    assert_eq!(parsed.tensors.len(), 1);
    assert_eq!(values(&file, &parsed.tensors[0]), [1.0, -2.5]);
}

#[test]
fn safetensors_tensors_come_in_file_order() {
    let file = safetensors_file(
        r#"{"a": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}, "b": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
            "c": {"dtype": "U8", "shape": [0], "data_offsets": [1, 1]}}"#,
        &[7, 9],
    );
    let parsed = safetensors::parse(&file).unwrap();
    assert_eq!(parsed.tensors.iter().map(|tensor| tensor.name.as_str()).collect::<Vec<_>>(), ["b", "c", "a"]);
    assert_eq!(values(&file, &parsed.tensors[2]), [9.0]);
}

/// Shapes: config.json beside the file (hidden 96, vocabulary 1024).
#[test]
fn the_micro_model_is_read() {
    let file = std::fs::read(path("models/base/model.safetensors")).unwrap();
    let parsed = safetensors::parse(&file).unwrap();
    let embed = parsed.tensors.iter().find(|tensor| tensor.name == "model.embed_tokens.weight").unwrap();
    assert_eq!(embed.shape, [1024, 96]);
    assert!(parsed.warnings.is_empty());
}

#[test]
fn a_shard_index_names_plain_files_only() {
    let index = safetensors::parse_index(
        br#"{"metadata": {"total_size": 12, "total_parameters": 3},
             "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors", "c": "model-00001-of-00002.safetensors"}}"#,
    )
    .unwrap();
    assert_eq!(index.files(), ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]);
    assert_eq!(index.total_bytes, Some(12));
    for file in ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\\\\b", "c:x", "a\\u0000"] {
        let json = format!(r#"{{"weight_map": {{"w": "{file}"}}}}"#);
        let error = safetensors::parse_index(json.as_bytes()).expect_err(file).to_string();
        assert!(error.starts_with("tensor `w`: shard file name: found `"), "{error}");
    }
    let twice = safetensors::parse_index(br#"{"weight_map": {"w": "a", "w": "b"}}"#).unwrap_err().to_string();
    assert_eq!(twice, "shard index: found a second key `w` at line 1 column 35, expected a JSON object with a `weight_map`");
}
