//! The reader on a file of the reference writer, on files that each break one rule, and on random damage.

use super::*;
use crate::store::read_f32;
use crate::{hostile, law};
use proptest::prelude::*;

/// Written by the `gguf` package 0.19.0 (`testdata/scripts/make_gguf_small.py`).
const SMALL: &[u8] = include_bytes!("../../../../testdata/vectors/gguf/small.gguf");

fn values(file: &[u8], tensor: &TensorInfo) -> Vec<f32> {
    let mut out = Vec::new();
    read_f32(&[file.to_vec()], tensor, 0..tensor.rows(), &mut out).unwrap();
    out
}

#[test]
fn a_file_of_the_reference_writer_is_read_whole() {
    let parsed = parse(&SMALL.to_vec()).unwrap();
    assert_eq!(parsed.warnings, [""; 0]);
    let names: Vec<_> = parsed.tensors.iter().map(|t| (t.name.as_str(), t.shape.as_slice())).collect();
    assert_eq!(names, [("matrix", &[2, 3][..]), ("half", &[2]), ("blocks", &[2, 32])]);
    assert_eq!(values(SMALL, &parsed.tensors[0]), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(values(SMALL, &parsed.tensors[1]), [1.5, -2.0]);
    let ramp = values(SMALL, &parsed.tensors[2]);
    let half_step = 0.5 / 127.0 + 1e-3;
    assert!(ramp.iter().enumerate().all(|(i, v)| (v - (-1.0 + 2.0 * i as f32 / 63.0)).abs() < half_step), "{ramp:?}");
}

#[test]
fn rows_read_one_by_one_are_the_rows_of_the_whole() {
    for tensor in parse(&SMALL.to_vec()).unwrap().tensors {
        let mut row = Vec::new();
        let mut rows: Vec<f32> = Vec::new();
        for i in 0..tensor.rows() {
            read_f32(&[SMALL.to_vec()], &tensor, i..i + 1, &mut row).unwrap();
            rows.extend(&row);
        }
        assert_eq!(rows, values(SMALL, &tensor), "{}", tensor.name);
    }
}

#[test]
fn metadata_keeps_its_types() {
    let metadata = parse(&SMALL.to_vec()).unwrap().metadata;
    assert_eq!(metadata["general.architecture"], MetaValue::Text("llama".into()));
    assert_eq!(metadata["llama.block_count"], MetaValue::Unsigned(1));
    assert_eq!(metadata["test.signed"], MetaValue::Signed(-7));
    assert_eq!(metadata["test.float"], MetaValue::Float(0.5));
    assert_eq!(metadata["test.flag"], MetaValue::Bool(true));
    assert_eq!(metadata["test.byte"], MetaValue::Unsigned(200));
    assert_eq!(metadata["test.wide"], MetaValue::Signed(-(1 << 40)));
    assert_eq!(metadata["test.numbers"], MetaValue::Array(vec![MetaValue::Signed(1), MetaValue::Signed(2), MetaValue::Signed(3)]));
    assert_eq!(tokenizer(&metadata).unwrap().tokens, ["a", "b", "ab", "é"]);
}

#[test]
fn version_2_is_read_like_version_3() {
    let mut file = SMALL.to_vec();
    file[4] = 2;
    assert_eq!(parse(&file).unwrap().tensors, parse(&SMALL.to_vec()).unwrap().tensors);
}

#[test]
fn a_file_without_its_end_keeps_the_whole_tensors() {
    let whole = parse(&SMALL.to_vec()).unwrap();
    let last = whole.tensors[2].extents()[0];
    let parsed = parse(&SMALL[..last.offset as usize + 10].to_vec()).unwrap();
    assert_eq!(parsed.tensors, whole.tensors[..2]);
    let expected = "tensor `blocks` is left out: found 10 bytes of its data before the end of the file, expected 68 bytes";
    assert_eq!(parsed.warnings, [expected]);
}

#[test]
fn a_tensor_without_a_decoder_does_not_hide_the_others() {
    let mut file = SMALL.to_vec();
    let name = file.windows(4).position(|w| w == b"half").unwrap();
    // After the name: number of axes, one axis, type.
    file[name + 4 + 4 + 8] = 17;
    let parsed = parse(&file).unwrap();
    assert_eq!(parsed.tensors.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["matrix", "blocks"]);
    assert_eq!(parsed.warnings, ["tensor `half`: encoding IQ2_XS is not supported yet"]);
}

/// One line a file of `testdata/hostile/gguf` (made by `testdata/scripts/make_hostile_gguf.py`).
const HOSTILE: &[(&str, &str)] = &[
    ("alignment-not-a-power", "metadata `general.alignment`: found 48, expected a power of two up to 1048576"),
    ("alignment-text", "metadata `general.alignment`: found a text, expected an unsigned integer"),
    ("alignment-zero", "metadata `general.alignment`: found 0, expected a power of two up to 1048576"),
    ("array-beyond-file", "metadata `k`: found 15 bytes left at offset 49, expected 8000000 bytes"),
    ("array-too-deep", "metadata `k`: found arrays nested more than 64 deep, expected at most 64 levels"),
    ("array-too-long", "metadata `k`: found 4611686018427387904 values, expected at most 4194304 values in all metadata"),
    ("axes", "tensor `a`: number of axes: found 9, expected at most 8"),
    ("big-endian", "byte order is not supported yet: found a big-endian file of version 3, expected a little-endian file"),
    ("boolean", "metadata `k`: found byte 2, expected 0 or 1 for a boolean"),
    ("header-cut", "version: found 2 bytes left at offset 4, expected 4 bytes"),
    ("key-not-utf8", "metadata key: found bytes that are not UTF-8 (invalid utf-8 sequence of 1 bytes from index 1), expected UTF-8 text"),
    ("key-too-long", "metadata key: found 5000 bytes, expected at most 4096 bytes"),
    ("key-twice", "metadata `k`: found the same key twice, expected unique keys"),
    ("magic", "magic: found bytes `GGML`, expected `GGUF`"),
    ("name-not-utf8", "tensor name: found bytes that are not UTF-8 (invalid utf-8 sequence of 1 bytes from index 0), expected UTF-8 text"),
    ("name-too-long", "tensor name: found 5000 bytes, expected at most 4096 bytes"),
    ("name-twice", "tensor `a`: name: found the same name twice, expected unique names"),
    ("name-twice-unsupported", "tensor `a`: name: found the same name twice, expected unique names"),
    ("offset-misaligned", "tensor `a`: data offset: found 4, expected a multiple of 32"),
    ("offset-overflows", "tensor `a`: data offset: found 18446744073709551584, expected an offset that a file can have"),
    ("overlap", "tensor `second`: data offsets: found offset 160 inside the bytes of `first`, expected an offset of at least 192"),
    ("pair-count", "number of metadata pairs: found 9223372036854775808, expected at most 65536"),
    ("pair-count-beyond-file", "metadata: found 8 bytes left at offset 24, expected 1300 bytes"),
    ("row-splits-a-block", "tensor `a`: length of a row: found 16 values, expected a multiple of 32 values for Q8_0"),
    ("shape-overflows", "tensor `a`: shape: found [4294967296, 4294967296, 4], expected at most 1099511627776 elements"),
    ("shape-overflows-beside-zero", "tensor `a`: shape: found [1099511627776, 1099511627776, 0], expected at most 1099511627776 elements"),
    ("shape-too-large", "tensor `a`: shape: found [2199023255552], expected at most 1099511627776 elements"),
    ("tensor-count", "number of tensors: found 1099511627776, expected at most 1048576"),
    ("tensor-count-beyond-file", "table of tensors: found 8 bytes left at offset 24, expected 24000 bytes"),
    ("text-beyond-file", "metadata `k`: found 19 bytes left at offset 45, expected 1000000 bytes"),
    ("text-too-long", "metadata `k`: found 18446744073709551615 bytes, expected at most 99999979 bytes"),
    ("type-unknown", "tensor `a`: encoding: found type number 77, expected a type number of GGML"),
    ("value-type", "metadata `k`: found value type 13, expected a value type from 0 to 12"),
    ("version", "version is not supported yet: found 1, expected version 2 or 3"),
];

#[test]
fn every_hostile_file_gives_its_sentence() {
    hostile::check("gguf", HOSTILE, |file| parse(file));
}

proptest! {
    #[test]
    fn damaged_files_give_an_error_or_tensors_inside_the_file(
        flips in proptest::collection::vec((0..SMALL.len(), any::<u8>()), 0..8),
        len in prop_oneof![2 => Just(SMALL.len()), 1 => 0..=SMALL.len()],
    ) {
        let mut file = SMALL.to_vec();
        for (at, byte) in flips {
            file[at] = byte;
        }
        file.truncate(len);
        let _ = law::holds(&file, parse);
    }

    #[test]
    fn random_bytes_behind_the_magic_are_no_danger(tail in proptest::collection::vec(any::<u8>(), 0..256)) {
        let file = [b"GGUF\x03\0\0\0", tail.as_slice()].concat();
        let _ = law::holds(&file, parse);
    }
}
