//! The reader on files of CTranslate2's own serialiser, on files that each break one rule, and on random damage.

use super::*;
use crate::store::read_f32;
use crate::{hostile, law};
use proptest::prelude::*;

// Written by `ctranslate2` 4.8.1 (`testdata/scripts/make_ctranslate2_small.py`).
const FLOAT32: &[u8] = include_bytes!("../../../../testdata/vectors/ctranslate2/float32.bin");
const INT8: &[u8] = include_bytes!("../../../../testdata/vectors/ctranslate2/int8.bin");
const INT16: &[u8] = include_bytes!("../../../../testdata/vectors/ctranslate2/int16.bin");

fn values(file: &[u8], tensor: &TensorInfo) -> Vec<f32> {
    let mut out = Vec::new();
    read_f32(&[file.to_vec()], tensor, 0..tensor.rows(), &mut out).unwrap();
    out
}

fn names(parsed: &Parsed) -> Vec<&str> {
    parsed.tensors.iter().map(|tensor| tensor.name.as_str()).collect()
}

fn weight(file: &[u8]) -> Vec<f32> {
    let parsed = parse(&file.to_vec()).unwrap();
    let tensor = parsed.tensors.iter().find(|tensor| tensor.name == "linear/weight").unwrap();
    assert_eq!(tensor.shape, [2, 3]);
    values(file, tensor)
}

#[test]
fn variables_and_aliases_of_the_serialiser_are_read() {
    let parsed = parse(&FLOAT32.to_vec()).unwrap();
    assert_eq!(parsed.warnings, [""; 0]);
    assert_eq!(names(&parsed), ["linear/bias", "linear/weight", "num_heads"]);
    assert_eq!(values(FLOAT32, &parsed.tensors[0]), [0.25, -1.0]);
    assert_eq!(weight(FLOAT32), [1.0, -2.0, 0.5, 0.1, 0.04, -0.02]);
    assert!(parsed.tensors[2].shape.is_empty());
    assert_eq!(values(FLOAT32, &parsed.tensors[2]), [2.0]);
    assert_eq!(parsed.metadata["binary_version"], MetaValue::Unsigned(6));
    assert_eq!(parsed.metadata["spec"], MetaValue::Text("SmallSpec".into()));
    assert_eq!(parsed.metadata["revision"], MetaValue::Unsigned(5));
    assert_eq!(parsed.metadata["aliases/tied/weight"], MetaValue::Text("linear/weight".into()));
}

/// Values: printed by the script, integers times the reciprocal of the scale in f32.
#[test]
fn integers_become_values_by_their_stored_scale() {
    assert_eq!(weight(INT8), [1.007_874, -2.0, 0.503_937, 0.1, 0.040_157_482, -0.019_685_04]);
    assert_eq!(weight(INT16), [1.0, -2.0, 0.5, 0.099_609_375, 0.039_062_5, -0.019_531_25]);
    for file in [INT8, INT16] {
        let parsed = parse(&file.to_vec()).unwrap();
        assert_eq!(names(&parsed), ["linear/bias", "linear/weight", "num_heads"], "the scale is no tensor of its own");
    }
}

/// Version 2 and 3 files store the width of an element and their number.
fn old_file(version: u8, width: u8, shape: u32, n: u32, data: &[u8]) -> Vec<u8> {
    let mut file = vec![version, 0, 0, 0, 2, 0, b'S', 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0];
    file.extend(b"weight\0\x01");
    file.extend(shape.to_le_bytes());
    file.push(width);
    file.extend(n.to_le_bytes());
    file.extend(data);
    if version >= 3 {
        file.extend([0; 4]);
    }
    file
}

/// The factor 1000: `Quantize::global_int16_scale` in CTranslate2, for files from before scales were stored.
#[test]
fn before_version_4_the_width_of_an_element_tells_its_type() {
    let float = old_file(2, 4, 1, 1, &1.5f32.to_le_bytes());
    assert_eq!(values(&float, &parse(&float).unwrap().tensors[0]), [1.5]);
    let short = old_file(3, 2, 2, 2, &[0xe8, 0x03, 0x0c, 0xfe]);
    assert_eq!(values(&short, &parse(&short).unwrap().tensors[0]), [1.0, -0.5]);
}

#[test]
fn a_file_without_its_end_keeps_the_whole_variables() {
    let weight_end = FLOAT32.windows(9).position(|w| w == b"num_heads").unwrap() - 2;
    let parsed = parse(&FLOAT32[..weight_end - 4].to_vec()).unwrap();
    assert_eq!(names(&parsed), ["linear/bias"]);
    let sentence =
        "the file is truncated after 1 of 3 variables: tensor `linear/weight`: data: found 20 bytes left at offset 86, expected 24 bytes";
    assert_eq!(parsed.warnings, [sentence]);
    let without_aliases = parse(&FLOAT32[..FLOAT32.len() - 5].to_vec()).unwrap();
    assert_eq!(without_aliases.tensors.len(), 3);
    assert_eq!(without_aliases.warnings.len(), 1);
}

#[test]
fn integers_that_lost_their_scale_are_left_out() {
    for (file, form) in [(INT8, "I8"), (INT16, "I16")] {
        let scale = file.windows(19).position(|w| w == b"linear/weight_scale").unwrap();
        let parsed = parse(&file[..scale + 24].to_vec()).unwrap();
        assert_eq!(names(&parsed), ["linear/bias"]);
        let expected = "weights without scales, expected a variable `linear/weight_scale`";
        assert_eq!(parsed.warnings[1], format!("tensor `linear/weight` is left out: found {form} {expected}"));
    }
}

#[test]
fn packed_weights_are_left_out_with_all_that_belongs_to_them() {
    let variable =
        |name: &str, form: u8| [&[name.len() as u8 + 1, 0], name.as_bytes(), &[0, 1, 1, 0, 0, 0, form, 4, 0, 0, 0], &[1; 4]].concat();
    let mut file = vec![6, 0, 0, 0, 2, 0, b'S', 0, 1, 0, 0, 0, 4, 0, 0, 0];
    for (name, form) in [("bias", 0), ("weight", 3), ("weight_scale", 0), ("weight_zero", 3)] {
        file.extend(variable(name, form));
    }
    file.extend([0; 4]);
    let parsed = parse(&file).unwrap();
    assert_eq!(names(&parsed), ["bias"]);
    assert_eq!(parsed.warnings, ["tensor `weight`: encoding AWQ (packed 4-bit) is not supported yet"]);
}

/// One line a file of `testdata/hostile/ctranslate2` (made by `testdata/scripts/make_hostile_ctranslate2.py`).
const HOSTILE: &[(&str, &str)] = &[
    ("alias-count", "number of aliases: found 4294967295, expected at most 1048576"),
    ("alias-is-a-variable", "alias `a`: found the same name twice, expected unique names"),
    ("alias-of-nothing", "alias `b`: found `c`, expected the name of a variable"),
    ("alias-twice", "alias `b`: found the same name twice, expected unique names"),
    ("axes", "tensor `a`: number of axes: found 9, expected at most 8"),
    ("first-variable-cut", "tensor `a`: data: found 0 bytes left at offset 33, expected 8 bytes"),
    ("header-cut", "name of the model specification: found 0 bytes left at offset 4, expected 2 bytes"),
    ("name-empty", "name of a variable: found 0 bytes without one NUL at their end, expected a NUL-terminated text"),
    (
        "name-not-utf8",
        "name of a variable: found bytes that are not UTF-8 (invalid utf-8 sequence of 1 bytes from index 0), expected UTF-8 text",
    ),
    ("name-too-long", "name of a variable: found 5001 bytes, expected at most 4096 bytes"),
    ("name-twice", "tensor `a`: name: found the same name twice, expected unique names"),
    ("name-with-two-nuls", "name of a variable: found 4 bytes without one NUL at their end, expected a NUL-terminated text"),
    ("name-without-nul", "name of a variable: found 1 bytes without one NUL at their end, expected a NUL-terminated text"),
    ("not-a-model", "binary version: found 1936287828, expected a CTranslate2 binary version from 2 to 6"),
    ("scale-count", "tensor `weight_scale`: quantisation scales: found F32 of shape [3], expected one F32 or 2 of them for `weight`"),
    ("scale-not-a-number", "tensor `weight_scale`: quantisation scales: found NaN, expected numbers above 0"),
    ("scale-type", "tensor `weight_scale`: quantisation scales: found I8 of shape [2], expected one F32 or 2 of them for `weight`"),
    ("scale-zero", "tensor `weight_scale`: quantisation scales: found 0, expected numbers above 0"),
    ("shape-overflows", "tensor `a`: shape: found [4294967295, 4294967295, 4294967295], expected at most 1099511627776 elements"),
    ("shape-overflows-beside-zero", "tensor `a`: shape: found [0, 4294967295, 4294967295], expected at most 1099511627776 elements"),
    ("size-too-large", "tensor `a`: length of the data: found 4294967295 bytes, expected 8 bytes for shape [2] of F32"),
    ("size-too-small", "tensor `a`: length of the data: found 4 bytes, expected 8 bytes for shape [2] of F32"),
    (
        "spec-not-utf8",
        "name of the model specification: found bytes that are not UTF-8 (invalid utf-8 sequence of 1 bytes from index 0), expected UTF-8 text",
    ),
    ("spec-without-nul", "name of the model specification: found 4 bytes without one NUL at their end, expected a NUL-terminated text"),
    ("type-unknown", "tensor `a`: data type: found 6, expected a type number from 0 to 5"),
    ("variable-count", "number of variables: found 4294967295, expected at most 1048576"),
    ("version-new", "binary version: found 7, expected a CTranslate2 binary version from 2 to 6"),
    ("version-old", "binary version: found 1, expected a CTranslate2 binary version from 2 to 6"),
    ("width-unknown", "tensor `a`: bytes of an element: found 8, expected 1, 2 or 4"),
];

#[test]
fn every_hostile_file_gives_its_sentence() {
    hostile::check("ctranslate2", HOSTILE, |file| parse(file));
}

proptest! {
    #[test]
    fn damaged_files_give_an_error_or_tensors_inside_the_file(
        valid in proptest::sample::select(vec![FLOAT32, INT8, INT16]),
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..8),
        cut in prop_oneof![2 => Just(0), 1 => 0..160usize],
    ) {
        let mut file = valid.to_vec();
        for (at, byte) in flips {
            file[at.index(valid.len())] = byte;
        }
        file.truncate(valid.len() - cut);
        let _ = law::holds(&file, parse);
    }

    #[test]
    fn random_bytes_behind_the_version_are_no_danger(version in 2u8..=6, tail in proptest::collection::vec(any::<u8>(), 0..256)) {
        let file = [&[version, 0, 0, 0, 2, 0, b'S', 0], tail.as_slice()].concat();
        let _ = law::holds(&file, parse);
    }
}
