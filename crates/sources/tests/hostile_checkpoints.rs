//! Files that each break one rule are refused with the sentence that names it. `testdata/scripts/hostile_torch.py` makes them.
#![expect(clippy::unwrap_used, reason = "a test fails where its own files cannot be read")]

use sources::bytes::ReadAt;
use sources::tensor::Parsed;
use sources::{FormatError, npz, safetensors, torch};
use std::collections::BTreeSet;
use std::path::PathBuf;

type Table = &'static [(&'static str, &'static str)];
type Parser = fn(&dyn ReadAt) -> Result<Parsed, FormatError>;

/// Every row's sentence, and every file has a row.
fn check(format: &str, table: Table, parser: impl Fn(&str) -> Parser) {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../testdata/hostile", format].iter().collect();
    let files: BTreeSet<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let named: BTreeSet<String> = table.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(files, named, "files in the folder, rows of the table");
    for (file, sentence) in table {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let error = parser(file)(&bytes).expect_err(file);
        assert_eq!(error.to_string(), *sentence, "{file}");
    }
}

#[test]
fn broken_torch_files_are_refused() {
    check("torch", TORCH, |_| torch::parse);
}

#[test]
fn broken_numpy_files_are_refused() {
    check("npz", NPZ, |file| if file.ends_with(".npy") { npz::parse_npy } else { npz::parse });
}

#[test]
fn broken_safetensors_files_are_refused() {
    check("safetensors", SAFETENSORS, |_| safetensors::parse);
}

#[test]
fn a_refused_global_comes_with_advice() {
    let file: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../testdata/hostile/torch/global-posix-system.pt"].iter().collect();
    let hint = torch::parse(&std::fs::read(file).unwrap()).unwrap_err().hint.unwrap();
    assert!(hint.starts_with("the pickle asks for code, which is never run"), "{hint}");
}

#[rustfmt::skip]
const TORCH: Table = &[
    ("append-on-dict.pt", "pickle APPENDS: found a dictionary, expected a list or set"),
    ("build-dtype.pt", "pickle BUILD: found a global, expected a scripted object"),
    ("build-twice.pt", "pickle BUILD: found a second state of one object, expected one"),
    ("byte-order-big.pt", "byte order is not supported yet: found `big`, expected `little`"),
    ("bytes-after-stop.pt", "pickle: found 17 bytes after its end, expected none"),
    ("cut-short.pt", "zip end record: found none at the end of the file, expected one: the file is cut short or no zip file"),
    ("data-pkl-missing.pt", "`data.pkl`: found none in the zip file, expected one in its top folder"),
    ("data-pkl-twice.pt", "`data.pkl`: found a second one in `n`, expected one in a single top folder"),
    ("directory-count-absurd.pt", "number of zip entries: found 65534, expected at most 2 for a directory of 110 bytes"),
    ("directory-count-short.pt", "zip directory: found 54 bytes after its 1 entries, expected none"),
    ("directory-elsewhere.pt", "zip directory: found 110 bytes at offset 1, expected an end at offset 370, where its end record begins"),
    ("directory-zip64-missing.pt", "zip64 locator: found signature 0x00000000, expected 0x07064b50"),
    ("empty.pt", "file signature: found ``, expected `PK`, a zip file"),
    ("entries-overlap.pt", "zip entry `m/data/0`: found offset 198 inside `m/data.pkl`, expected an offset of at least 199"),
    ("entry-encrypted.pt", "zip entry `m/data/0`: found encrypted bytes, expected plain ones"),
    ("entry-inflates-absurdly.pt", "zip entry `m/data.pkl`: found 2147483648 bytes out of 131 deflated ones, expected at most 1032 to one"),
    ("entry-inflates-to-less.pt", "zip entry `m/data.pkl`: found 158 bytes, expected 159 bytes, as its directory entry says"),
    ("entry-inflates-to-more.pt", "zip entry `m/data.pkl`: found more bytes than that, expected 157 bytes, as its directory entry says"),
    ("entry-method-unknown.pt", "zip entry `m/data/0` is not supported yet: found compression method 14, expected stored (0) or deflated (8)"),
    ("entry-named-otherwise-in-its-header.pt", "zip local header of `m/data/1`: found the name `m/data/2`, expected the directory's name"),
    ("entry-offset-absurd.pt", "zip local header of `m/data/0`: found offset 1073741824, expected one before the directory at offset 260"),
    ("entry-size-absurd.pt", "zip entry `m/data/0`: found 1073741824 bytes at offset 236, expected a range before the directory at offset 260"),
    ("entry-sizes-differ.pt", "zip entry `m/data/0`: found 24 stored bytes, expected 25, its unpacked size"),
    ("entry-twice.pt", "zip entry name: found `m/data/0` twice, expected unique names"),
    ("entry-zip64-missing.pt", "zip64 extra field: found none, expected one with the sizes of the entry"),
    ("frame-past-the-end.pt", "pickle frame: found 2 bytes left at offset 11, expected 1099511627776 bytes"),
    ("global-builtins-eval.pt", "pickle global: found `builtins.eval`, expected one of the data-only globals"),
    ("global-posix-system.pt", "pickle global: found `posix.system`, expected one of the data-only globals"),
    ("global-storage-class.pt", "pickle global: found `torch._load_from_Storage`, expected one of the data-only globals"),
    ("mark-missing.pt", "pickle stack: found no mark before offset 3, expected one"),
    ("memo-laughs.pt", "number of tensors: found more, expected at most 1048576"),
    ("memo-missing.pt", "pickle memo: found no value 7 yet, expected one that was put there"),
    ("name-too-long.pt", "pickle key: found 4097 bytes, expected at most 4096"),
    ("name-twice.pt", "tensor `w`: name: found the same name twice, expected unique names"),
    ("nesting-itself.pt", "pickle nesting: found deeper values, expected at most 64 levels"),
    ("nesting-lists.pt", "pickle nesting: found deeper values, expected at most 64 levels"),
    ("nesting-marks.pt", "pickle nesting: found more open marks, expected at most 1000"),
    ("newobj-function.pt", "pickle NEWOBJ: found a global that is no class, expected a class of data"),
    ("opcode-ext.pt", "pickle opcode: found 0x82 at offset 2, expected an opcode that builds data, of protocols 2 to 5"),
    ("opcode-inst.pt", "pickle opcode: found 0x69 at offset 3, expected an opcode that builds data, of protocols 2 to 5"),
    ("opcode-unknown.pt", "pickle opcode: found 0xff at offset 2, expected an opcode that builds data, of protocols 2 to 5"),
    ("part-two.pt", "zip file in several parts is not supported yet: found part 1, expected a single file"),
    ("persistent-id-module.pt", r#"pickle persistent id: found another tag, expected ("storage", class, key, location, number of elements)"#),
    ("persistent-id-text.pt", r#"pickle persistent id: found text, expected ("storage", class, key, location, number of elements)"#),
    ("plain-pickle.pt", "bare pickle is not supported yet: found no zip file, expected a zip file as torch.save writes since version 1.6"),
    ("protocol-6.pt", "pickle protocol is not supported yet: found 6, expected at most 5"),
    ("rebuild-in-rebuild.pt", "pickle arguments of `_rebuild_from_type_v2`: found others, expected a tensor's function, type, arguments and state"),
    ("reduce-dtype.pt", "pickle REDUCE: found a global that is no function of data, expected a function of data"),
    ("reduce-many-arguments.pt", "pickle REDUCE: found 17 arguments, expected at most 16 arguments"),
    ("reduce-text.pt", "pickle REDUCE: found text, expected a global"),
    ("setitems-odd.pt", "pickle dictionary: found a key without a value, expected pairs"),
    ("setitems-on-list.pt", "pickle SETITEMS: found a list, expected a dictionary"),
    ("stack-under-mark.pt", "pickle stack: found no value before offset 5, expected one"),
    ("stack-underflow.pt", "pickle stack: found no value before offset 3, expected one"),
    ("stop-missing.pt", "pickle opcode: found 0 bytes left at offset 3, expected 1 bytes"),
    ("storage-beyond-the-entry.pt", "tensor `w`: storage `m/data/0`: found 24 bytes, expected 7 elements of 4 bytes"),
    ("storage-missing.pt", "tensor `w`: storage: found no entry `m/data/7`, expected one in the archive"),
    ("storage-negative.pt", "tensor `w`: storage `m/data/0`: found -1 elements, expected no negative number"),
    ("storage-overflow.pt", "tensor `w`: storage `m/data/0`: found 24 bytes, expected 4611686018427387904 elements of 4 bytes"),
    ("tensor-of-text.pt", "pickle arguments of a tensor: found text as the storage, expected storage, offset, size, strides"),
    ("tensor-untyped.pt", "tensor `w`: dtype: found an untyped storage, expected a type of its own for the tensor"),
    ("text-not-utf8.pt", "pickle text: found bytes that are not UTF-8 (invalid utf-8 sequence of 1 bytes from index 0), expected UTF-8 text"),
    ("text-past-the-end.pt", "pickle text: found 1 bytes left at offset 7, expected 67108864 bytes"),
    ("text.pt", "file signature: found `version http`, expected `PK`, a zip file"),
    ("view-beyond-the-storage.pt", "tensor `w`: view: found size [2, 3] with strides [3, 1] at offset 1, expected elements inside a storage of 6 elements"),
    ("view-huge-empty.pt", "tensor `w`: shape: found [0, 1099511627776, 1099511627776], expected at most 1099511627776 elements"),
    ("view-huge-size.pt", "tensor `w`: size: found [1099511627776, 1099511627776], expected at most 1099511627776 elements"),
    ("view-negative-offset.pt", "tensor `w`: storage offset: found -1, expected no negative number"),
    ("view-negative-size.pt", "tensor `w`: size: found -2, expected no negative number"),
    ("view-negative-stride.pt", "tensor `w`: strides: found -3, expected no negative number"),
    ("view-nine-axes.pt", "size of a tensor: found 9 axes, expected at most 8 axes"),
    ("view-ranks-differ.pt", "tensor `w`: strides: found 1 of them, expected one for each of 2 axes"),
    ("view-stride-overflow.pt", "tensor `w`: view: found size [2, 3] with strides [4611686018427387904, 4611686018427387904] at offset 0, expected elements inside a storage of 6 elements"),
];

#[rustfmt::skip]
const NPZ: Table = &[
    ("big-endian.npy", "npy array is not supported yet: found dtype `>f4` (big-endian), expected little-endian numbers"),
    ("complex.npy", "npy array is not supported yet: found dtype `<c8`, expected little-endian numbers"),
    ("data-long.npy", "tensor `array`: length of the data: found 9 bytes, expected 8 bytes for shape [2] of F32"),
    ("data-short-deflated.npz", "tensor `a`: length of the data: found 7 bytes, expected 8 bytes for shape [2] of F32"),
    ("data-short.npy", "tensor `array`: length of the data: found 7 bytes, expected 8 bytes for shape [2] of F32"),
    ("data-short.npz", "tensor `a`: length of the data: found 7 bytes, expected 8 bytes for shape [2] of F32"),
    ("entry-not-npy.npz", r#"tensor `a`: npy signature: found other bytes, expected `\x93NUMPY`"#),
    ("fields.npy", "structured npy dtype is not supported yet: found a list of fields, expected a single number type"),
    ("header-absurd.npy", "npy header: found 2147483648 bytes, expected at most 10000 bytes"),
    ("header-code.npy", r#"npy header: found `__import__(\'os\'), }\n` at character 10, expected a string in single quotes"#),
    ("header-cut.npy", "npy header: found the end of the file, expected a version, a length and a header of that length"),
    ("header-key-twice.npy", "npy header: found a second key `shape`, expected each key once"),
    ("header-tail.npy", "npy header: found `#` at character 58, expected the end of the header"),
    ("object-array.npy", "npy dtype: found `|O`, Python objects, expected numbers; object arrays are pickles and are never unpickled"),
    ("object-array.npz", "tensor `a`: npy dtype: found `|O`, Python objects, expected numbers; object arrays are pickles and are never unpickled"),
    ("shape-negative.npy", r#"npy header: found `-2,), }\n` at character 51, expected the size of an axis"#),
    ("shape-nine-axes.npy", "shape: found more axes, expected at most 8 axes"),
    ("shape-overflow.npy", "tensor `array`: shape: found [4294967296, 4294967296], expected at most 1099511627776 elements"),
    ("signature.npy", r#"npy signature: found other bytes, expected `\x93NUMPY`"#),
    ("version-9.npy", "npy version is not supported yet: found 9.0, expected 1.0, 2.0 or 3.0"),
];

#[rustfmt::skip]
const SAFETENSORS: Table = &[
    ("data-cut.safetensors", "tensor `b`: length of the file: found 143 bytes, which end inside or before this tensor, expected 147 bytes"),
    ("data-tail.safetensors", "data offsets: found 1 more bytes after the last tensor, expected an end of the file right behind the last tensor"),
    ("dtype-unknown.safetensors", "tensor `a`: dtype: found `F7`, expected a type of the safetensors format"),
    ("empty.safetensors", "header length: found 0 bytes left at offset 0, expected 8 bytes"),
    ("field-missing.safetensors", "header: found missing field `data_offsets` at line 1 column 36, expected a JSON object with the type, shape and offsets of each tensor"),
    ("field-twice.safetensors", "header: found duplicate field `dtype` at line 1 column 30, expected a JSON object with the type, shape and offsets of each tensor"),
    ("field-unknown.safetensors", "header: found unknown field `x`, expected one of `dtype`, `shape`, `data_offsets` at line 1 column 64, expected a JSON object with the type, shape and offsets of each tensor"),
    ("header-cut-json.safetensors", "header: found EOF while parsing a value at line 1 column 5, expected a JSON object with the type, shape and offsets of each tensor"),
    ("header-cut.safetensors", "header: found 2 bytes left at offset 8, expected 100 bytes"),
    ("header-length-absurd.safetensors", "header: found 1152921504606846976 bytes, expected at most 100000000 bytes"),
    ("header-length-cut.safetensors", "header length: found 3 bytes left at offset 0, expected 8 bytes"),
    ("header-nested.safetensors", "header: found invalid type: sequence, expected a string at line 1 column 6, expected a JSON object with the type, shape and offsets of each tensor"),
    ("header-not-an-object.safetensors", "header: found first byte 0x5b, expected `{`"),
    ("header-not-utf8.safetensors", "header: found invalid unicode code point at line 1 column 3, expected a JSON object with the type, shape and offsets of each tensor"),
    ("header-space-first.safetensors", "header: found first byte 0x20, expected `{`"),
    ("header-tail.safetensors", "header: found trailing characters at line 1 column 4, expected a JSON object with the type, shape and offsets of each tensor"),
    ("length-does-not-fit-the-shape.safetensors", "tensor `a`: length of the data: found 8 bytes, expected 12 bytes for shape [3] of F32"),
    ("metadata-key-twice.safetensors", "header: found a second key `k` at line 1 column 37, expected a JSON object with the type, shape and offsets of each tensor"),
    ("metadata-number.safetensors", "header: found invalid type: integer `1`, expected a string at line 1 column 24, expected a JSON object with the type, shape and offsets of each tensor"),
    ("metadata-twice.safetensors", "header: found a second key `__metadata__` at line 1 column 40, expected a JSON object with the type, shape and offsets of each tensor"),
    ("name-twice.safetensors", "header: found a second key `a` at line 1 column 123, expected a JSON object with the type, shape and offsets of each tensor"),
    ("offsets-absurd.safetensors", "tensor `a`: data offsets: found a hole of 18446744073709551608 bytes before offset 18446744073709551608, expected offset 0"),
    ("offsets-hole-first.safetensors", "tensor `a`: data offsets: found a hole of 4 bytes before offset 4, expected offset 0"),
    ("offsets-hole.safetensors", "tensor `b`: data offsets: found a hole of 4 bytes before offset 12, expected offset 8"),
    ("offsets-overlap.safetensors", "tensor `b`: data offsets: found offset 4 inside the bytes of `a`, expected offset 8"),
    ("offsets-reversed.safetensors", "tensor `a`: data offsets: found a begin of 8 after an end of 0, expected begin at or before end"),
    ("offsets-same.safetensors", "tensor `b`: data offsets: found offset 0 inside the bytes of `a`, expected offset 8"),
    ("shape-huge-empty.safetensors", "tensor `a`: shape: found [0, 1099511627776, 1099511627776], expected at most 1099511627776 elements"),
    ("shape-negative.safetensors", "header: found invalid value: integer `-2`, expected usize at line 1 column 35, expected a JSON object with the type, shape and offsets of each tensor"),
    ("shape-nine-axes.safetensors", "tensor `a`: shape: found 9 axes, expected at most 8 axes"),
    ("shape-overflow.safetensors", "tensor `a`: shape: found [4294967296, 4294967296], expected at most 1099511627776 elements"),
];
