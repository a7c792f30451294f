//! Files that mean harm, through the whole program: one sentence with the path, exit code 1, nothing on stdout.

use crate::{BASE, filiation};

#[rustfmt::skip]
const SENTENCES: &[(&str, &str)] = &[
    ("safetensors/header-length-absurd.safetensors", "header: found 1152921504606846976 bytes, expected at most 100000000 bytes"),
    ("safetensors/offsets-overlap.safetensors", "tensor `b`: data offsets: found offset 4 inside the bytes of `a`, expected offset 8"),
    ("safetensors/shape-overflow.safetensors", "tensor `a`: shape: found [4294967296, 4294967296], expected at most 1099511627776 elements"),
    ("gguf/tensor-count-beyond-file.gguf", "table of tensors: found 8 bytes left at offset 24, expected 24000 bytes"),
    ("gguf/array-too-deep.gguf", "metadata `k`: found arrays nested more than 64 deep, expected at most 64 levels"),
    ("gguf/name-twice.gguf", "tensor `a`: name: found the same name twice, expected unique names"),
    ("torch/global-posix-system.pt", "pickle global: found `posix.system`, expected one of the data-only globals"),
    ("torch/entry-inflates-absurdly.pt", "zip entry `m/data.pkl`: found 2147483648 bytes out of 131 deflated ones, expected at most 1032 to one"),
    ("torch/view-beyond-the-storage.pt", "tensor `w`: view: found size [2, 3] with strides [3, 1] at offset 1, expected elements inside a storage of 6 elements"),
    ("onnx/external-parent.onnx", "tensor `w`: external location: found `../secret.bin`, expected a relative path that does not leave the folder of the model"),
    ("onnx/nesting-too-deep.onnx", "nested graphs: found more than 64 levels, expected at most 64 levels"),
    ("npz/object-array.npz", "tensor `a`: npy dtype: found `|O`, Python objects, expected numbers; object arrays are pickles and are never unpickled"),
    ("npz/header-code.npy", "npy header: found `__import__(\\'os\\'), }\\n` at character 10, expected a string in single quotes"),
    ("ctranslate2/alias-of-nothing.bin", "alias `b`: found `c`, expected the name of a variable"),
];

#[test]
fn every_sentence_names_the_path_what_was_found_and_what_was_expected() {
    let mut wrong = Vec::new();
    for (file, sentence) in SENTENCES {
        let path = format!("testdata/hostile/{file}");
        let run = filiation(&["compare", "--quiet", BASE, &path]);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{file}");
        let found = run.stderr.lines().next().and_then(|line| line.strip_prefix(&format!("error: `{path}`: "))).unwrap_or(&run.stderr);
        assert!(
            run.stderr.lines().count() == 1 || run.stderr.lines().nth(2).is_some_and(|line| line.starts_with("hint: ")),
            "{}",
            run.stderr
        );
        if found != *sentence {
            wrong.push(format!("    ({file:?}, {found:?}),"));
        }
    }
    assert!(wrong.is_empty(), "not in the table:\n{}", wrong.join("\n"));
}

/// The same path, whichever side and subcommand opens it.
#[test]
fn a_broken_reference_is_refused_like_a_broken_suspect() {
    let path = "testdata/hostile/torch/global-posix-system.pt";
    let expected = filiation(&["compare", "--quiet", BASE, path]);
    assert!(expected.stderr.contains("\nhint: the pickle asks for code, which is never run"), "{}", expected.stderr);
    for args in
        [&["compare", "--quiet", path, BASE][..], &["compare", "--quiet", "--control", path, BASE, BASE], &["inspect", "--quiet", path]]
    {
        assert_eq!(filiation(args), expected, "{args:?}");
    }
}
