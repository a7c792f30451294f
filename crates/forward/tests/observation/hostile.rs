//! Observations that break one rule each: every one is refused with a sentence that names the place, what was found and what was expected.

use crate::made::{Made, bytes};
use forward::Observation;
use serde_json::{Value, json};

/// A container apart: its header, and the bytes behind it.
struct Container {
    header: Value,
    data: Vec<u8>,
}

impl Container {
    fn new() -> Self {
        let bytes = bytes(&Made::new(20).observed(2, 0));
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        Self { header: serde_json::from_slice(&bytes[8..8 + length]).unwrap(), data: bytes[8 + length..].to_vec() }
    }

    /// The container with its header written anew.
    fn bytes(&self) -> Vec<u8> {
        let header = self.header.to_string();
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &self.data].concat()
    }

    fn metadata(&mut self, key: &str, value: &str) {
        self.header["__metadata__"][key] = json!(value);
    }

    fn offset(&self, tensor: &str) -> usize {
        self.header[tensor]["data_offsets"][0].as_u64().unwrap() as usize
    }

    /// Overwrites the first bytes of a tensor, from its element `at` of this width on.
    fn overwrite(&mut self, tensor: &str, at: usize, value: &[u8]) {
        let start = self.offset(tensor) + at * value.len();
        self.data[start..start + value.len()].copy_from_slice(value);
    }

    fn rename(&mut self, tensor: &str, name: &str) {
        let entry = self.header.as_object_mut().unwrap().remove(tensor).unwrap();
        self.header[name] = entry;
    }
}

/// The sentence of a changed container, without the path.
fn sentence(change: impl FnOnce(&mut Container)) -> String {
    let mut container = Container::new();
    change(&mut container);
    sentence_of(&container.bytes())
}

fn sentence_of(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let error = Observation::read(file.path()).unwrap_err().to_string();
    let path = format!("`{}`: ", file.path().display());
    error.strip_prefix(&path).unwrap().to_owned()
}

#[test]
fn an_unchanged_container_is_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), Container::new().bytes()).unwrap();
    assert_eq!(Observation::read(file.path()).unwrap(), Made::new(20).observed(1, 0));
}

#[test]
fn metadata_are_checked_one_by_one() {
    let with = |key: &'static str, value: &'static str| sentence(|c| c.metadata(key, value));
    let expected = "metadata `schema`: found `urn:filiation:observation:v2`, expected `urn:filiation:observation:v1`";
    assert_eq!(with("schema", "urn:filiation:observation:v2"), expected);
    assert_eq!(with("weight", "1"), "metadata: found the key `weight`, expected no other keys");
    assert_eq!(with("tensor_root", "5a5a"), "metadata `tensor_root`: found `5a5a`, expected 64 hexadecimal digits in lower case");
    assert_eq!(with("prompts_digest", ""), "metadata `prompts_digest`: found ``, expected 64 hexadecimal digits in lower case");
    assert_eq!(with("n_layers", "0"), "metadata `n_layers`: found `0`, expected a number from 1 to 4096");
    assert_eq!(with("hidden", "010"), "metadata `hidden`: found `010`, expected a number from 0 to 1048576");
    assert_eq!(with("causal", "yes"), "metadata `causal`: found `yes`, expected `true` or `false`");
    assert_eq!(with("norm", "none"), "metadata `norm`: found `none`, expected `rms` or `layer`");
    assert_eq!(with("logit_cap", "NaN"), "metadata `logit_cap`: found `NaN`, expected nothing, or a number above 0");
    let without = sentence(|c| drop(c.header["__metadata__"].as_object_mut().unwrap().remove("engine")));
    assert_eq!(without, "metadata `engine`: found none, expected a text");
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    let bytes = Container::new().bytes();
    for length in [0, 7, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        let found = sentence_of(&bytes[..length]);
        assert!(found.contains("found ") && found.contains("expected "), "{length} bytes: {found}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(
        sentence_of(&longer),
        "data offsets: found 1 more bytes after the last tensor, expected an end of the file right behind the last tensor"
    );
}

#[test]
fn tensors_have_their_names_types_and_shapes() {
    let expected = "tensor `surprise`: tensors: found a tensor that observations of this kind do not have, expected no others";
    let surprise = sentence(|c| {
        let end = c.data.len();
        c.header["surprise"] = json!({ "dtype": "U8", "shape": [0], "data_offsets": [end, end] });
    });
    assert_eq!(surprise, expected);
    let missing = sentence(|c| c.rename("attention.2", "attention.3"));
    assert_eq!(missing, "tensor `attention.2`: tensors: found none of this name, expected this tensor");
    let missing = sentence(|c| c.rename("units.1.gate", "units.9.gate"));
    assert_eq!(missing, "tensor `units.1.gate`: tensors: found none of this name, expected this tensor");
    let shape = sentence(|c| c.metadata("n_heads", "4"));
    assert!(shape.starts_with("tensor `attention.0`: shape: found [2, ") && shape.contains(", expected [4, "), "{shape}");
    let shape = sentence(|c| c.metadata("units", "20"));
    assert_eq!(shape, "tensor `units.0.gate`: shape: found [40, 512], expected [20, 512]");
    let dtype = sentence(|c| c.header["stream.0"]["dtype"] = json!("BF16"));
    assert_eq!(dtype, "tensor `stream.0`: type: found BF16, expected F16");
    let layers = sentence(|c| c.metadata("n_layers", "2"));
    assert_eq!(layers, "tensor `attention.2`: tensors: found a tensor that observations of this kind do not have, expected no others");
}

#[test]
fn numbers_are_finite_and_in_their_range() {
    let half = |value: f32| half::f16::from_f32(value).to_le_bytes();
    let found = sentence(|c| c.overwrite("attention.1", 5, &half(f32::NAN)));
    assert_eq!(found, "tensor `attention.1`: values: found NaN, expected numbers from 0 to 1");
    let found = sentence(|c| c.overwrite("attention.1", 5, &half(1.5)));
    assert_eq!(found, "tensor `attention.1`: values: found 1.5, expected numbers from 0 to 1");
    let found = sentence(|c| c.overwrite("units.0.up", 7, &half(f32::INFINITY)));
    assert_eq!(found, "tensor `units.0.up`: values: found inf, expected numbers from -1 to 1");
    let found = sentence(|c| c.overwrite("stream.3", 0, &half(4.0)));
    assert!(found.starts_with("tensor `stream.3`: values: found 4, expected numbers from -3.16"), "{found}");
    let found = sentence(|c| c.overwrite("logits.values", 3, &f32::NEG_INFINITY.to_le_bytes()));
    assert_eq!(found, "tensor `logits.values`: values: found -inf, expected finite numbers");
    let found = sentence(|c| c.overwrite("logits.image", 0, &f32::NAN.to_le_bytes()));
    assert_eq!(found, "tensor `logits.image`: values: found NaN, expected finite numbers");
}

#[test]
fn tokens_words_and_samples_agree() {
    let put = |tensor: &'static str, at, value: u32| sentence(|c| c.overwrite(tensor, at, &value.to_le_bytes()));
    assert_eq!(put("tokens", 4, 1024), "tensor `tokens`: token id: found 1024, expected an id below 1024");
    assert!(
        put("starts", 1, 0)
            .starts_with("tensor `starts`: starts of the prompts: found other places, expected at least one prompt, from 0 to ")
    );
    assert!(put("starts", 1, u32::MAX).starts_with("tensor `starts`: starts of the prompts: found other places"));
    assert_eq!(put("words", 0, 1 << 30), "tensor `words`: word: found 1073741824, expected at most 16777216, or 4294967295 for none");
    let row = put("stream.words", 0, 9999);
    assert!(row.starts_with("tensor `stream.words`: row 0: found word ") && row.contains(" of prompt 9999, expected word "), "{row}");
    assert_eq!(put("logits.tokens", 0, 5000), "tensor `logits.tokens`: token id: found 5000, expected an id below 1024");
    let end = put("logits.token_ends", 0, u32::MAX);
    assert!(end.starts_with("tensor `logits.token_ends`: end of a token: found 4294967295, expected an end from 0 to "), "{end}");
    let order = sentence(|c| c.overwrite("logits.token_bytes", 0, b"\xff"));
    assert_eq!(
        order,
        "tensor `logits.token_bytes`: sampled tokens: found another order, expected byte strings in the order of their SHA-256, each once"
    );
}

#[test]
fn lengths_that_would_overflow_are_refused_before_memory_is_asked_for() {
    let huge = sentence(|c| c.header["attention.0"]["shape"] = json!([2, 1u64 << 62]));
    assert!(huge.starts_with("tensor `attention.0`: shape: found [2, 4611686018427387904], expected at most "), "{huge}");
    let header = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    assert!(sentence_of(&header).starts_with("header: found 18446744073709551615 bytes, expected at most "), "{}", sentence_of(&header));
}
