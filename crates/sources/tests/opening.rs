//! What is not a model, or not all of one, is told apart before anything is concluded from it.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

use sources::Model;
use std::path::{Path, PathBuf};

fn testdata(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../testdata", path].iter().collect()
}

/// The sentence about a file of these bytes, without its path, and the advice.
fn refusal(name: &str, bytes: &[u8]) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let error = Model::open(&path).unwrap_err();
    let prefix = format!("`{}`: ", path.display());
    let sentence = error.to_string().strip_prefix(&prefix).expect("the path first").to_owned();
    (sentence, error.hint().unwrap_or_default().to_owned())
}

#[test]
fn what_stands_in_place_of_weights_is_called_by_its_name() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 5\n";
    let cases: [(&[u8], &str, &str); 9] = [
        (pointer, "a pointer of Git LFS or Xet, not the file that it stands for", "run `git lfs pull`"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "a web page", "a download that needs a login"),
        (b"\n <html lang=en>", "a web page", "a download that needs a login"),
        (b"{\"architectures\": [\"LlamaForCausalLM\"]}", "JSON text", "pass the weights"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "a gzip file", "unpack it"),
        (b"\x89HDF\r\n\x1a\n\x00\x00", "an HDF5 file, as Keras and TensorFlow write", "convert the weights"),
        (b"", "no bytes", "the download or the copy broke off"),
        (b"hello, this is no model", "bytes that start with 68 65 6c 6c 6f 2c 20 74", "pass a weight file"),
        (b"x", "bytes that start with 78", "pass a weight file"),
    ];
    for (bytes, found, advice) in cases {
        let (sentence, hint) = refusal("model.safetensors", bytes);
        assert!(sentence.starts_with(&format!("file: found {found}, expected ")), "{sentence}");
        assert!(hint.starts_with(advice), "{hint}");
    }
}

/// A header of 123 bytes makes the first byte of a safetensors file an opening brace.
#[test]
fn a_length_that_looks_like_json_is_still_a_length() {
    let mut header = br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#.to_vec();
    header.resize(0x7b, b' ');
    let bytes = [&0x7bu64.to_le_bytes()[..], &header, &[0; 8]].concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(Model::open(&path).unwrap().parameters(), 2);
}

#[test]
fn folders_and_pipes_in_place_of_files_are_refused_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Model::open(&folder.path().join("none")).unwrap_err().to_string().starts_with("cannot open `"));
    let index = folder.path().join("model.safetensors.index.json");
    std::fs::create_dir(folder.path().join("a.safetensors")).unwrap();
    std::fs::write(&index, r#"{"weight_map":{"x":"a.safetensors"}}"#).unwrap();
    let sentence = Model::open(folder.path()).unwrap_err().to_string();
    assert!(sentence.ends_with("shards: found no file `a.safetensors`, expected all 1 files that the index names"), "{sentence}");
    #[cfg(unix)]
    {
        let sentence = Model::open(Path::new("/dev/null")).unwrap_err().to_string();
        assert_eq!(sentence, "`/dev/null`: file: found a pipe or a device, expected a regular file");
    }
}

#[test]
fn an_adapter_is_known_by_its_tensors_and_names_its_base_model() {
    let folder = tempfile::tempdir().unwrap();
    let header = br#"{"base_model.model.layers.0.q_proj.lora_A.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 8]].concat();
    std::fs::write(folder.path().join("adapter_model.safetensors"), bytes).unwrap();
    std::fs::write(folder.path().join("adapter_config.json"), r#"{"base_model_name_or_path":"org/base"}"#).unwrap();
    let model = Model::open(folder.path()).unwrap();
    assert!(model.is_adapter);
    assert_eq!(model.claims.base_models[0].value, "org/base");
    assert!(!Model::open(&testdata("models/base")).unwrap().is_adapter);
}

#[test]
fn one_shard_alone_and_an_index_that_names_too_much_are_warned_of() {
    let shard = testdata("containers/safetensors-bf16-sharded/model-00002-of-00003.safetensors");
    let model = Model::open(&shard).unwrap();
    assert_eq!(model.warnings, ["this file is shard 2 of 3; only its tensors were read"]);

    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(&shard, folder.path().join("a.safetensors")).unwrap();
    std::fs::write(folder.path().join("model.safetensors.index.json"), r#"{"weight_map":{"absent.weight":"a.safetensors"}}"#).unwrap();
    let model = Model::open(folder.path()).unwrap();
    assert_eq!(model.warnings, ["the index names 1 tensors that its files do not hold, first `absent.weight`"]);
}

/// Every broken file is refused or read, and every tensor of a readable one can be read: nothing panics.
#[test]
fn no_hostile_file_panics() {
    let mut n = [0, 0];
    for format in std::fs::read_dir(testdata("hostile")).unwrap() {
        for file in std::fs::read_dir(format.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let opened = Model::open(&path).and_then(|model| sources::digest::custody(&model, &|_| {}));
            n[usize::from(opened.is_ok())] += 1;
            if let Err(error) = opened {
                let sentence = error.to_string();
                assert!(sentence.starts_with(&format!("`{}`: ", path.display())), "{sentence}");
                assert!(sentence.contains("found ") && sentence.contains("expected "), "{sentence}");
            }
        }
    }
    assert!(n[0] > 150, "{n:?}");
}
