//! Files that mean harm, through the whole program: one sentence with the path, exit code 1, nothing on stdout.

use crate::{BASE, filiation};

#[rustfmt::skip]
const SENTENCES: &[(&str, &str)] = &[
    ("safetensors/header-length-absurd.safetensors", ""),
    ("safetensors/offsets-overlap.safetensors", ""),
    ("safetensors/shape-overflow.safetensors", ""),
    ("gguf/tensor-count-beyond-file.gguf", ""),
    ("gguf/array-too-deep.gguf", ""),
    ("gguf/name-twice.gguf", ""),
    ("torch/global-posix-system.pt", ""),
    ("torch/entry-inflates-absurdly.pt", ""),
    ("torch/view-beyond-the-storage.pt", ""),
    ("onnx/external-parent.onnx", ""),
    ("onnx/nesting-too-deep.onnx", ""),
    ("npz/object-array.npz", ""),
    ("npz/header-code.npy", ""),
    ("ctranslate2/alias-of-nothing.bin", ""),
];

#[test]
fn every_sentence_names_the_path_what_was_found_and_what_was_expected() {
    let mut wrong = Vec::new();
    for (file, sentence) in SENTENCES {
        let path = format!("testdata/hostile/{file}");
        let run = filiation(&["compare", "--quiet", BASE, &path]);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{file}");
        let found = run.stderr.lines().next().and_then(|line| line.strip_prefix(&format!("error: `{path}`: "))).unwrap_or(&run.stderr);
        assert!(run.stderr.lines().count() == 1 || run.stderr.lines().nth(2).is_some_and(|line| line.starts_with("hint: ")), "{}", run.stderr);
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
    for args in [&["compare", "--quiet", path, BASE][..], &["compare", "--quiet", "--control", path, BASE, BASE], &["inspect", "--quiet", path]] {
        assert_eq!(filiation(args), expected, "{args:?}");
    }
}
