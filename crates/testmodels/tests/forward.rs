//! The forward pass against transformers: values of testdata/scripts/check_forward.py with torch 2.15.0 and transformers 5.23.0.

use serde_json::Value;
use testmodels::{Dtype, FAMILIES, Network, VARIANTS, family, forward, save, save_shards};

const TOKENS: [usize; 10] = [5, 17, 300, 17, 42, 599, 8, 120, 3, 61];

/// Of the first values at positions 0, 4 and 9.
#[test]
fn every_family_computes_what_transformers_computes() {
    let golden: Value = serde_json::from_str(include_str!("forward.json")).expect("the golden file");
    for name in FAMILIES.into_iter().chain(VARIANTS) {
        let output = forward(&family(name, 1), &TOKENS);
        for (place, position) in [0, 4, 9].into_iter().enumerate() {
            for (i, expected) in golden[name][place].as_array().expect("values").iter().enumerate() {
                let (found, expected) = (output[position][i], expected.as_f64().expect("a number"));
                assert!((found - expected).abs() < 1e-4, "{name}, position {position}, value {i}: {found} but {expected}");
            }
        }
    }
}

#[test]
fn folders_are_read_as_they_were_written() {
    let network = family("qwen2", 3);
    assert_eq!(Network::load(save(&network, Dtype::F32).path()), network);

    let mut sharded = Network::load(save_shards(&network, Dtype::Bf16, 3).path());
    sharded.tensors.sort_by_key(|tensor| network.tensors.iter().position(|other| other.name == tensor.name));
    assert_eq!(sharded.tensors.len(), network.tensors.len());
    for (read, written) in sharded.tensors.iter().zip(&network.tensors) {
        assert_eq!((&read.name, &read.shape), (&written.name, &written.shape));
        for (a, b) in read.values.iter().zip(&written.values) {
            // Half a unit of bfloat16's eighth digit.
            assert!((a - b).abs() <= b.abs() / 256.0, "{}: {a} but {b}", read.name);
        }
    }
}
