//! Lineage and identity from answers: `palimpsest`, `agreement`, `equality`.

use crate::{BASE, FINETUNED, INDEPENDENT, PERMUTED, filiation};
use std::path::Path;

fn written(folder: &Path, name: &str, lines: impl Iterator<Item = String>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, lines.map(|line| line + "\n").collect::<String>()).unwrap();
    path.display().to_string()
}

/// Answers to ten prompts, eight each, of a source that says each of two words as often.
fn samples(folder: &Path, name: &str, words: [&str; 2]) -> String {
    let line = |i: usize| format!("{{\"prompt\": \"p{}\", \"reply\": \"{}\"}}", i / 8, words[i % 2]);
    written(folder, name, (0..80).map(line))
}

#[test]
fn equality_of_files_is_found_and_its_absence_too() {
    let folder = tempfile::tempdir().unwrap();
    let model = samples(folder.path(), "model.jsonl", ["harbour", "boat"]);
    let same = samples(folder.path(), "same.jsonl", ["harbour", "boat"]);
    let other = samples(folder.path(), "other.jsonl", ["rope", "dawn"]);
    let run = filiation(&["equality", &model, &same, "--quiet", "--format", "json"]);
    assert!(run.json()["log10P"].as_f64().unwrap() > -1.0, "{run}");
    let run = filiation(&["equality", &model, &other, "--quiet", "--format", "json"]);
    let found = run.json();
    assert_eq!((found["method"].as_str(), found["question"].as_str()), (Some("text.equality"), Some("identity")), "{run}");
    assert!((found["log10P"].as_f64().unwrap() + 3.0).abs() < 1e-9 && found["nullDistribution"] == "permutation", "{run}");
    let run = filiation(&["equality", &model, &other, "--quiet"]);
    assert!(run.code == 0 && run.stdout.lines().all(|line| line.chars().count() <= 80), "{run}");
    assert_eq!(run, filiation(&["equality", &model, &other, "--quiet", "--threads", "1"]));
    let wrong = written(folder.path(), "wrong.jsonl", ["{\"prompt\": \"a\"}".to_owned()].into_iter());
    let run = filiation(&["equality", &model, &wrong]);
    assert!(run.code == 1 && run.stderr.contains("wrong.jsonl") && run.stderr.contains("line 1"), "{run}");
}

#[test]
fn agreement_says_how_many_prompts_it_lacks() {
    let run = filiation(&["agreement", BASE, FINETUNED, "--control", INDEPENDENT, "--control", PERMUTED, "--n", "12", "--quiet"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.contains("all models answered 12 prompts, and 3000 are needed"), "{run}");
    let run = filiation(&["agreement", BASE, FINETUNED, "--quiet"]);
    assert_eq!(run.code, 2, "{run}");
}

#[test]
fn palimpsest_reads_an_order_and_says_what_it_speaks_of() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["the", "old", "harbour", "was", "quiet", "that", "morning", "and", "two", "boats", "had", "left"];
    let text = |i: usize| (0..8).map(|k| words[(i * (k + 3) + k) % 12]).collect::<Vec<_>>().join(" ");
    let order = written(folder.path(), "order.jsonl", (0..40).map(|i| format!("{{\"text\": \"{}\"}}", text(i))));
    let run = filiation(&["palimpsest", &order, FINETUNED, "--base", BASE, "--quiet", "--format", "json"]);
    let found = run.json();
    assert_eq!((found["outcome"].as_str(), found["n"].as_u64()), (Some("observed"), Some(40)), "{run}");
    assert!(found["words"].as_str().unwrap().contains("weight lineage only"), "{run}");
    let broken = written(folder.path(), "broken.jsonl", ["{\"text\": \"a b\", \"place\": 3}".to_owned()].into_iter());
    let run = filiation(&["palimpsest", &broken, FINETUNED, "--base", BASE]);
    assert!(run.code == 1 && run.stderr.contains("broken.jsonl") && run.stderr.contains("unknown field `place`"), "{run}");
}
