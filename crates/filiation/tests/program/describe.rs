//! The subcommands that describe: `inspect`, `methods`, `explain`, `completions`, and the help.

use crate::{BASE, filiation};
use insta::assert_snapshot;

#[test]
fn inspect_fits_a_terminal() {
    let run = filiation(&["inspect", BASE]);
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 80), "{}", run.stdout);
    assert_snapshot!(run, @r"
    exit code 0
    --- stdout
    path          testdata/models/base
    container     safetensors
    family        llama, 4 blocks
    tensors       39, 602,976 elements: BF16 100.0 %
    parameters    602,976 in numeric weights, 602,976 trained
    tokenizer     1,024 tokens, 766 merges, from tokenizer.json
    sha256        047bf943aa380877b648fc5723cdb92193abfe3289a0762cacbee09e3d37b381
    tensor root   5accfd23db6b28537414790d52a1c54ccecd8d59449f782a6a18b5c20cb13659
    --- stderr
    digests, 2.36 MiB
    ");
}

#[test]
fn inspect_lists_tensors_with_their_digests_when_asked() {
    let (short, long) = (filiation(&["inspect", "--quiet", BASE]), filiation(&["inspect", "--quiet", "--tensors", BASE]));
    let list = long.stdout.strip_prefix(&short.stdout).expect("the same facts first");
    assert_eq!(list.lines().filter(|line| line.contains("BF16")).count(), 39);
}

#[test]
fn inspect_says_what_a_card_claims_and_steers_no_terminal() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(crate::root().join(BASE).join("model.safetensors"), folder.path().join("model.safetensors")).unwrap();
    std::fs::write(folder.path().join("README.md"), "---\nbase_model: org/\u{1b}[2Jbase\nlicense: mit\n---\n").unwrap();
    let run = filiation(&["inspect", "--quiet", folder.path().to_str().unwrap()]);
    assert!(
        run.stdout.contains("claims        org/\u{fffd}[2Jbase (README.md `base_model`)\nclaims        mit (README.md `license`)\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn methods_lists_every_method_that_explain_explains() {
    let json = filiation(&["methods", "--format", "json"]).json();
    let text = filiation(&["methods"]);
    assert!(text.stdout.lines().all(|line| line.chars().count() <= 80), "{}", text.stdout);
    let methods = json.as_array().unwrap();
    assert!(methods.len() >= 6);
    for method in methods {
        let id = method["id"].as_str().unwrap();
        assert!(text.stdout.contains(id), "{id}");
        let card = filiation(&["explain", id]);
        assert_eq!(card.code, 0, "{}", card.stderr);
        assert!(card.stdout.starts_with(&format!("{id}\n\nQuestion\n  ")), "{}", card.stdout);
        assert!(card.stdout.lines().all(|line| line.chars().count() <= 80), "{}", card.stdout);
        for heading in ["Null hypothesis", "Statistic", "Assumptions", "Survives", "Fails when", "Reference"] {
            assert!(card.stdout.contains(&format!("\n{heading}\n  ")), "{id} has no {heading}");
        }
    }
}

#[test]
fn an_unknown_method_is_answered_with_all_of_them() {
    let run = filiation(&["explain", "md5"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("\nhint: the ids are weights.tensor-identity, "), "{}", run.stderr);
}

#[test]
fn completions_know_every_subcommand() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = filiation(&["completions", shell]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        for word in ["compare", "inspect", "explain", "controls", "methods", "completions", "fail-on"] {
            assert!(run.stdout.contains(word), "{shell} does not know {word}");
        }
    }
}

#[test]
fn help_and_version_are_results() {
    let version = filiation(&["--version"]);
    assert_eq!((version.code, version.stdout), (0, format!("filiation {}\n", env!("CARGO_PKG_VERSION"))));
    let help = filiation(&["compare", "--help"]);
    assert_eq!(help.code, 0);
    assert!(help.stdout.lines().all(|line| line.chars().count() <= 80), "{}", help.stdout);
    for option in
        ["--control", "--no-registered-controls", "--method", "--report", "--format", "--seed", "--threads", "--fail-on", "--quiet"]
    {
        assert!(help.stdout.contains(option), "{option}");
    }
}
