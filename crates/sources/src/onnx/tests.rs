//! The reader against its files: valid ones from the official library, hostile ones with one broken rule each, and a law on any bytes.

use super::parse;
use crate::store::read_f32;
use crate::tensor::{MetaValue, Parsed, TensorInfo};
use crate::{Encoding, law};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    let path = testdata(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file of `testdata/onnx`, made by `testdata/scripts/make_onnx.py` with onnx 1.23.2 and onnxruntime 1.32.0.
struct Valid {
    files: Vec<Vec<u8>>,
    parsed: Parsed,
}

impl Valid {
    fn open(name: &str) -> Self {
        let own = bytes(&format!("onnx/{name}"));
        let parsed = parse(&own).unwrap();
        let external = parsed.external_files.iter().map(|file| bytes(&format!("onnx/{file}")));
        let files = std::iter::once(own).chain(external).collect();
        Self { files, parsed }
    }

    fn tensor(&self, name: &str) -> &TensorInfo {
        self.parsed.tensors.iter().find(|tensor| tensor.name == name).unwrap_or_else(|| panic!("no tensor `{name}`"))
    }

    fn values(&self, name: &str) -> Vec<f32> {
        let (tensor, mut values) = (self.tensor(name), Vec::new());
        read_f32(&self.files, tensor, 0..tensor.rows(), &mut values).unwrap();
        values
    }

    fn names(&self) -> Vec<&str> {
        self.parsed.tensors.iter().map(|tensor| tensor.name.as_str()).collect()
    }
}

/// The script's `wave(n)`: sin(0), sin(1), ...
fn wave(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i as f64).sin() as f32).collect()
}

#[test]
fn every_data_type_is_read_from_raw_and_from_typed_data() {
    let valid = Valid::open("dtypes.onnx");
    let kinds = [
        ("FLOAT", Encoding::F32),
        ("UINT8", Encoding::U8),
        ("INT8", Encoding::I8),
        ("UINT16", Encoding::U16),
        ("INT16", Encoding::I16),
        ("INT32", Encoding::I32),
        ("INT64", Encoding::I64),
        ("BOOL", Encoding::Bool),
        ("FLOAT16", Encoding::F16),
        ("DOUBLE", Encoding::F64),
        ("UINT32", Encoding::U32),
        ("UINT64", Encoding::U64),
        ("BFLOAT16", Encoding::Bf16),
        ("FLOAT8E4M3FN", Encoding::F8E4M3),
        ("FLOAT8E5M2", Encoding::F8E5M2),
    ];
    for (kind, encoding) in kinds {
        let expected = if encoding == Encoding::Bool { [0.0, 1.0, 1.0, 1.0, 1.0, 1.0] } else { [0.0, 1.0, 2.0, 3.0, 4.0, 5.0] };
        for form in ["typed", "raw"] {
            let name = format!("{form}_{kind}");
            assert_eq!((valid.tensor(&name).encoding, &*valid.tensor(&name).shape), (encoding, &[2, 3][..]), "{name}");
            assert_eq!(valid.values(&name), expected, "{name}");
        }
    }
    assert_eq!(valid.values("negative"), [-1.0, -(2f32.powi(40))]);
    assert_eq!(valid.values("scalar"), [2.5]);
    assert!(valid.values("empty").is_empty());
}

#[test]
fn forms_that_are_not_read_are_named_in_warnings() {
    assert_eq!(
        Valid::open("dtypes.onnx").parsed.warnings,
        [
            "tensor `nibbles` is left out: data type INT4 is not supported yet",
            "tensor `words` is left out: data type STRING is not supported yet",
            "tensor `thin` is left out: a sparse tensor is not supported yet",
        ]
    );
}

#[test]
fn the_producer_and_the_operator_sets_are_recorded() {
    let metadata = Valid::open("dtypes.onnx").parsed.metadata;
    assert_eq!(metadata.get("producer_name"), Some(&MetaValue::Text("filiation-testdata".into())));
    assert_eq!(metadata.get("opset"), Some(&MetaValue::Unsigned(17)));
    assert_eq!(metadata.get("opset.com.microsoft"), Some(&MetaValue::Unsigned(1)));
}

#[test]
fn external_data_is_read_from_its_file() {
    let valid = Valid::open("external.onnx");
    assert_eq!(valid.parsed.external_files, ["external.data"]);
    assert_eq!(valid.values("first"), wave(6));
    assert_eq!(valid.values("second"), wave(4));
    assert_eq!(valid.values("q"), [1.0, 2.0]);
    assert_eq!(
        valid.parsed.warnings,
        ["tensor `q` keeps its integers as values: its scale lies in another file, which is not supported yet"]
    );
}

#[test]
fn names_of_several_graphs_carry_their_path() {
    let valid = Valid::open("scopes.onnx");
    let shifted = |by: f32| -> Vec<f32> { wave(2).iter().map(|value| value + by).collect() };
    let expected = [
        ("If_0.else_branch.w", 1.0),
        ("If_0.then_branch.w", 0.0),
        ("only", 4.0),
        ("If_0.then_branch.Deep.then_branch.w", 3.0),
        ("main", 0.0),
        ("c", 2.0),
    ];
    assert_eq!(valid.names(), expected.map(|(name, _)| name));
    for (name, by) in expected {
        assert_eq!(valid.values(name), shifted(by), "{name}");
    }
}

/// The stored integers are 0 to 5 in shape [2, 3], except where noted; expected is `(q - zero_point) * scale`.
#[test]
fn quantised_weights_have_the_values_the_graph_computes_with() {
    let valid = Valid::open("quantised.onnx");
    let by_rows = [0.0, 0.5, 1.0, 6.0, 8.0, 10.0];
    let by_columns = [0.0, 2.0, 8.0, 1.5, 8.0, 20.0];
    let expected: &[(&str, &[f32])] = &[
        ("dq.single", &[-0.75, -0.5, -0.25, 0.0, 0.25, 0.5]),
        ("dq.default_axis", &[0.0, 0.0, 0.0, 1.5, 6.0, 12.0]),
        ("dq.rows", &by_rows),
        ("dq.copied", &[0.0, 0.25, 0.5, 0.75, 1.0, 1.25]),
        ("dq.table", &[-0.25, 0.0, 0.25, 0.5, 0.75, 1.0]),
        // Stored: 100, -200, 300.
        ("dq.bias", &[50.0, -400.0, 1200.0]),
        ("cast.columns", &by_columns),
        ("cast.shifted", &[-1.0, -0.5, 0.0, 2.0, 4.0, 6.0]),
        ("integer.columns", &[-0.5, 2.0, 4.0, 1.0, 8.0, 16.0]),
        ("integer.kernel", &[-0.5, 0.0, 0.5, 4.0, 6.0, 8.0]),
        ("linear.columns", &[0.0, 2.0, 4.0, 1.5, 8.0, 16.0]),
        ("linear.kernel", &by_rows),
        // Stored: 8, 16; the scale is that of the activation, 2, times that of the weight, 0.5 and 2.
        ("linear.bias", &[8.0, 64.0]),
        ("gemm.rows", &[0.0, 0.5, 1.0, 4.0, 6.0, 8.0]),
        // Stored: 4, 4.
        ("gemm.bias", &[4.0, 16.0]),
        ("dynamic.columns", &by_columns),
        ("named_quantized", &[-0.75, -0.5, -0.25, 0.0, 0.25, 0.5]),
        ("lost", &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
        ("plain", &wave(2)),
    ];
    for (name, values) in expected {
        assert_eq!(valid.values(name), *values, "{name}");
    }
    // No scale and no zero point is on the list of weights.
    assert_eq!(valid.parsed.tensors.len(), expected.len());
    assert_eq!(
        valid.parsed.warnings,
        [
            "tensor `packed` is left out: blockwise quantisation is not supported yet",
            "tensor `blocks` is left out: blockwise quantisation is not supported yet",
            "tensor `lost` keeps its integers as values: no scale for it was found in the graph",
        ]
    );
}

/// The float weights are `wave`; symmetric 8 bits cannot be further off than half a step of 1/127, ONNX Runtime's 7-bit
/// range for some operators than twice that, and U8 with a zero point likewise.
#[test]
fn a_real_quantiser_s_weights_come_back_within_its_step() {
    let valid = Valid::open("dynamic.onnx");
    let transposed = |rows: usize, columns: usize| -> Vec<f32> {
        let flat = wave(rows * columns);
        (0..columns).flat_map(|c| (0..rows).map(move |r| r * columns + c)).map(|i| flat[i]).collect()
    };
    let expected = [
        ("table_quantized", wave(24)),
        ("linear_quantized", wave(12)),
        // DynamicQuantizeLSTM keeps its weights with the inputs first.
        ("W_quantized", transposed(8, 3)),
        ("R_quantized", transposed(8, 2)),
    ];
    assert_eq!(valid.names(), expected.each_ref().map(|(name, _)| *name));
    for (name, floats) in expected {
        let values = valid.values(name);
        assert_eq!(values.len(), floats.len());
        for (i, (value, float)) in values.iter().zip(&floats).enumerate() {
            assert!((value - float).abs() <= 1.0 / 127.0, "{name}[{i}]: {value} against {float}");
        }
    }
}

/// Each stored element is its own index; the orders are those of the ONNX operators GRU (z r h) and LSTM (i o f c) and of
/// `torch.nn.GRU` (r z n) and `torch.nn.LSTM` (i f g o).
#[test]
fn recurrent_weights_are_in_pytorch_s_layout() {
    let valid = Valid::open("recurrent.onnx");
    let expected: &[(&str, &[usize], &[f32])] = &[
        ("GRU.W.weight_ih", &[3, 2], &[2.0, 3.0, 0.0, 1.0, 4.0, 5.0]),
        ("GRU.R.weight_hh", &[3, 1], &[1.0, 0.0, 2.0]),
        ("GRU.B.bias_ih", &[3], &[1.0, 0.0, 2.0]),
        ("GRU.B.bias_hh", &[3], &[4.0, 3.0, 5.0]),
        ("LSTM.W.weight_ih.forward", &[4, 2], &[0.0, 1.0, 4.0, 5.0, 6.0, 7.0, 2.0, 3.0]),
        ("LSTM.W.weight_ih.reverse", &[4, 2], &[8.0, 9.0, 12.0, 13.0, 14.0, 15.0, 10.0, 11.0]),
        ("LSTM.R.weight_hh.forward", &[4, 1], &[0.0, 2.0, 3.0, 1.0]),
        ("LSTM.R.weight_hh.reverse", &[4, 1], &[4.0, 6.0, 7.0, 5.0]),
        ("LSTM.B.bias_ih.forward", &[4], &[0.0, 2.0, 3.0, 1.0]),
        ("LSTM.B.bias_hh.forward", &[4], &[4.0, 6.0, 7.0, 5.0]),
        ("LSTM.B.bias_ih.reverse", &[4], &[8.0, 10.0, 11.0, 9.0]),
        ("LSTM.B.bias_hh.reverse", &[4], &[12.0, 14.0, 15.0, 13.0]),
        ("RNN.W.weight_ih", &[1, 2], &[0.0, 1.0]),
        ("RNN.R.weight_hh", &[1, 1], &[0.0]),
        ("RNN.B.bias_ih", &[1], &[0.0]),
        ("RNN.B.bias_hh", &[1], &[1.0]),
    ];
    assert_eq!(valid.names(), expected.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
    for (name, shape, values) in expected {
        assert_eq!(valid.tensor(name).shape, *shape, "{name}");
        assert_eq!(valid.values(name), *values, "{name}");
    }
}

/// The files of `testdata/hostile/onnx`, made by `testdata/scripts/make_hostile_onnx.py`, and what the reader says.
const HOSTILE: &[(&str, &str)] = &[
    ("absurd-dims-behind-a-zero", "tensor `w`: dims: found [0, 1099511627776, 1099511627776], expected at most 1099511627776 elements"),
    ("absurd-dims", "tensor `w`: dims: found [1099511627776, 1099511627776], expected at most 1099511627776 elements"),
    ("constant-without-output", "outputs of a Constant node: found 0, expected 1"),
    ("duplicate-name-of-a-constant", "tensor `w`: name: found the same name twice in one graph, expected unique names"),
    ("duplicate-names", "tensor `w`: name: found the same name twice in one graph, expected unique names"),
    (
        "external-absolute",
        "tensor `w`: external location: found `/etc/passwd`, expected a relative path that does not leave the folder of the model",
    ),
    ("external-and-raw", "tensor `w`: data: found external data and data in the file, expected one of them"),
    (
        "external-backslash",
        r"tensor `w`: external location: found `..\\secret.bin`, expected a relative path that does not leave the folder of the model",
    ),
    (
        "external-drive",
        "tensor `w`: external location: found `C:weights.bin`, expected a relative path that does not leave the folder of the model",
    ),
    ("external-length-mismatch", "tensor `w`: external length: found 12 bytes, expected 16 bytes"),
    ("external-offset-no-number", "tensor `w`: external offset: found `-1`, expected a number"),
    (
        "external-offset-overflow",
        "tensor `w`: external offset: found 18446744073709551615, expected an offset that the length can be added to",
    ),
    (
        "external-parent",
        "tensor `w`: external location: found `../secret.bin`, expected a relative path that does not leave the folder of the model",
    ),
    ("external-without-location", "tensor `w`: external location: found none, expected a relative path"),
    ("field-number-zero", "field number in ModelProto: found 0, expected 1 to 536870911"),
    ("group", "wire type of field 1 of TensorProto: found 3 (a group), expected 0, 1, 2 or 5"),
    ("length-beyond-end", "length of field 9 of TensorProto: found 127 bytes, expected at most the 0 bytes left in the message"),
    (
        "name-not-utf8",
        "name of a tensor: found bytes that are not UTF-8 (invalid utf-8 sequence of 1 bytes from index 0), expected UTF-8 text",
    ),
    ("name-too-long", "name of a tensor: found 4097 bytes, expected at most 4096 bytes"),
    ("negative-dims", "tensor `w`: dims: found [2, -2], expected no negative dimension"),
    ("nesting-too-deep", "nested graphs: found more than 64 levels, expected at most 64 levels"),
    ("no-data", "tensor `w`: length of the data: found 0 bytes, expected 16 bytes for shape [2, 2] of F32"),
    ("no-graph", "graph of ModelProto: found none, expected one graph"),
    ("no-name", "name of a tensor: found none, expected a name"),
    ("raw-and-typed", "tensor `w`: data: found raw_data and float_data, expected one of them"),
    ("raw-twice", "tensor `w`: raw_data: found two runs of data, expected one run"),
    (
        "scale-axis-outside",
        "tensor `q`: quantisation scales and zero points: found [2] values, expected one, or one a channel of shape [2, 2]",
    ),
    (
        "scale-length-mismatch",
        "tensor `q`: quantisation scales and zero points: found [3] values, expected one, or one a channel of shape [2, 2]",
    ),
    ("shape-data-mismatch", "tensor `w`: length of the data: found 16 bytes, expected 24 bytes for shape [2, 3] of F32"),
    ("too-many-axes", "dims: found more than 8 axes, expected at most 8 axes"),
    ("truncated-field", "length of field 7 of ModelProto: found 29 bytes, expected at most the 3 bytes left in the message"),
    ("truncated-varint", "varint: found 0 bytes left at offset 8, expected 1 bytes"),
    ("two-graphs", "graph of ModelProto: found two graphs, expected one graph"),
    ("typed-count-mismatch", "tensor `w`: length of the data: found 3 numbers in int64_data, expected 4 for shape [2, 2]"),
    ("typed-field-of-another-type", "tensor `w`: data field: found float_data, expected int64_data for I64"),
    ("unknown-data-type", "tensor `w`: data_type: found 99, expected a number from 1 to 28"),
    ("varint-too-long", "varint: found more than 64 bits, expected a varint of at most ten bytes"),
    ("wrong-wire-type", "field 8 of TensorProto: found a varint, expected bytes with a length"),
];

#[test]
fn each_broken_rule_has_its_sentence() {
    for (name, sentence) in HOSTILE {
        match parse(&bytes(&format!("hostile/onnx/{name}.onnx"))) {
            Ok(parsed) => panic!("{name}: read as {parsed:?}"),
            Err(error) => assert_eq!(error.to_string(), *sentence, "{name}"),
        }
    }
}

#[test]
fn every_hostile_file_has_its_sentence() {
    let mut files: Vec<String> = std::fs::read_dir(testdata("hostile/onnx"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut names: Vec<&str> = HOSTILE.iter().map(|(name, _)| *name).collect();
    names.sort();
    assert_eq!(files, names);
}

#[test]
fn every_prefix_keeps_the_law() {
    for name in ["dtypes", "external", "scopes", "quantised", "dynamic", "recurrent"] {
        let whole = bytes(&format!("onnx/{name}.onnx"));
        law::holds(&whole, parse).unwrap();
        // An ONNX file cut between two fields of the model is a shorter model, so some prefixes are read.
        let refused = (0..whole.len()).filter(|&n| law::holds(&whole[..n], parse).is_err()).count();
        assert!(refused > whole.len() / 2, "{name}: only {refused} of {} prefixes refused", whole.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn changed_bytes_keep_the_law(
        name in prop::sample::select(&["dtypes", "external", "scopes", "quantised", "dynamic", "recurrent"][..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut source = bytes(&format!("onnx/{name}.onnx"));
        for (at, byte) in changes {
            let at = at.index(source.len());
            source[at] = byte;
        }
        if let Some(cut) = cut {
            source.remove(cut.index(source.len()));
        }
        let _ = law::holds(&source, parse);
    }

    #[test]
    fn any_bytes_keep_the_law(source in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = law::holds(&source, parse);
    }
}
