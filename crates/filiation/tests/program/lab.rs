//! `filiation lab disguise`: the list, a whole run, and what is refused.

use crate::{BASE, filiation};
use serde_json::Value;

#[test]
fn the_list_names_every_step() {
    let run = filiation(&["lab", "disguise", "--list"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for step in lab::steps::STEPS {
        assert!(run.stdout.contains(step.name), "no {} in {}", step.name, run.stdout);
    }
}

#[test]
fn a_disguised_copy_is_a_checkpoint_of_the_same_family() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("copy");
    let target = target.to_str().unwrap();
    let run = filiation(&["lab", "disguise", "--quiet", BASE, "-o", target, "--step", "all", "--seed", "7"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for step in ["turn-heads", "scale-units", "permute-heads", "permute-units", "rotate", "regain"] {
        assert!(run.stdout.contains(&format!("{step:24}  keeps the function")), "{}", run.stdout);
    }
    let inspected: Value = filiation(&["inspect", "--quiet", "--format", "json", target]).json();
    assert_eq!((&inspected["family"], &inspected["nParameters"]), (&"llama".into(), &602_976.into()));
    // Nothing that the card or the tokenizer says of the source is lost, and every number is another.
    assert_eq!(inspected["vocabulary"]["tokens"], 1024);

    let again = filiation(&["lab", "disguise", "--quiet", BASE, "-o", target, "--step", "all"]);
    assert_eq!(again.code, 2, "{}", again.stdout);
    assert!(again.stderr.contains("expected a folder that is empty or does not exist"), "{}", again.stderr);
}

#[test]
fn what_does_not_apply_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("copy");
    let target = target.to_str().unwrap();
    let unknown = filiation(&["lab", "disguise", "--quiet", BASE, "-o", target, "--step", "shuffle"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.starts_with("error: step: found `shuffle`, expected one of permute-units"), "{}", unknown.stderr);
    let value = filiation(&["lab", "disguise", "--quiet", BASE, "-o", target, "--step", "turn-heads=0"]);
    assert_eq!(value.code, 2);
    assert!(value.stderr.contains("found the value `0`, expected a condition number from 1 to 1000000"), "{}", value.stderr);
    assert!(!std::path::Path::new(target).exists());
}
