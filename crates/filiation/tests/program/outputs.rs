//! What models do on prompts: `observe`, observations in the place of weights, `claim attention`.

use crate::{BASE, FINETUNED, INDEPENDENT, Run, filiation};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

const SEEDS: [&str; 4] = ["testdata/lineage/seed-2", "testdata/lineage/seed-3", "testdata/lineage/seed-4", "testdata/lineage/other-data"];

/// Some prompts, with words enough for attention and streams.
fn prompts() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let words = "the old harbour was quiet that morning and two boats had left before dawn while a third one lay at its ropes";
    let head = "schema = \"urn:filiation:prompts:v1\"\nname = \"few\"\nversion = \"1\"\nlicence = \"CC0-1.0\"\norigin = \"this test\"\n";
    let prompt = |i: usize| {
        let mut text: Vec<&str> = words.split(' ').collect();
        text.rotate_left(i * 3 % 22);
        format!("[[prompt]]\nid = \"p{i}\"\nkind = \"prose\"\nlanguage = \"en\"\ntext = \"{}\"\n", text.join(" "))
    };
    std::fs::write(folder.path().join("few.toml"), head.to_owned() + &(0..16).map(prompt).collect::<String>()).unwrap();
    folder
}

fn observe(model: &str, folder: &Path) -> String {
    let file = folder.join(format!("{}.observation", model.replace('/', "-"))).display().to_string();
    let prompts = folder.join("few.toml").display().to_string();
    let run = filiation(&["observe", model, "-o", &file, "--prompts", &prompts, "--quiet"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.contains("few 1, 16 of them"), "{run}");
    file
}

/// Findings of methods on outputs, without what names files.
fn findings(run: &Run) -> Vec<Value> {
    assert_eq!(run.code, 0, "{run}");
    let report = run.json();
    let is_output = |finding: &&Value| {
        let method = finding["method"].as_str().unwrap_or_default();
        method.starts_with("activations.") || method.starts_with("logits.")
    };
    let mut found: Vec<Value> = report["findings"].as_array().unwrap().iter().filter(is_output).cloned().collect();
    found.iter_mut().for_each(|finding| finding["controls"] = Value::Null);
    // A row is called by the path that was given, which is not the point.
    for row in found.iter_mut().filter_map(|finding| finding["attention"]["rows"].as_array_mut()).flatten() {
        row["name"] = Value::Null;
    }
    found
}

#[test]
fn an_observation_answers_to_the_last_digit_as_the_model_does() {
    let folder = prompts();
    let few = folder.path().join("few.toml").display().to_string();
    let [reference, suspect] = [BASE, FINETUNED].map(|model| observe(model, folder.path()));
    let compare = |reference: &str, suspect: &str| {
        filiation(&["compare", reference, suspect, "--run", "always", "--prompts", &few, "--format", "json", "--quiet"])
    };
    let models = compare(BASE, FINETUNED);
    assert!(models.json()["case"]["prompts"]["label"] == "few 1", "{models}");
    let expected = findings(&models);
    assert_eq!(expected.len(), 6);
    assert!(expected.iter().any(|finding| finding["outcome"] == "observed"), "{models}");
    for (reference, suspect) in [(reference.as_str(), FINETUNED), (BASE, suspect.as_str()), (&reference, &suspect)] {
        assert_eq!(findings(&compare(reference, suspect)), expected, "{reference} {suspect}");
    }
    let observed = compare(&reference, &suspect);
    let report = observed.json();
    assert_eq!(report["verdicts"][0]["conclusion"], "inconclusive", "{observed}");
    assert_eq!(report["case"]["suspect"]["tensorRoot"], models.json()["case"]["suspect"]["tensorRoot"]);
    let of_weights = report["findings"].as_array().unwrap().iter().find(|finding| finding["method"] == "weights.unit-alignment").unwrap();
    assert_eq!(of_weights["why"], "the reference is an observation, which holds no weights", "{observed}");
}

#[test]
fn a_claim_about_attention_stands_beside_its_controls() {
    let folder = prompts();
    let few = folder.path().join("few.toml").display().to_string();
    let report = folder.path().join("claim");
    let mut args = vec!["claim", "attention", BASE, FINETUNED, "--prompts", &few, "--quiet", "--report", report.to_str().unwrap()];
    SEEDS.iter().for_each(|seed| args.extend(["--control", seed]));
    let run = filiation(&args);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 80), "{run}");
    let json: Value = serde_json::from_str(&std::fs::read_to_string(report.join("report.json")).unwrap()).unwrap();
    let claim = json["findings"].as_array().unwrap().iter().find_map(|finding| finding.get("attention").filter(|c| !c.is_null())).unwrap();
    let rows = claim["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 5, "{claim}");
    let residual = |row: &Value| row["values"][5].as_f64().unwrap();
    assert!(rows[1..].iter().all(|control| residual(&rows[0]) > 2.0 * residual(control)), "{claim}");
    let page = std::fs::read_to_string(report.join("claim.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("seed-2"));
}

#[test]
fn what_cannot_be_observed_says_why() {
    let folder = prompts();
    let few = folder.path().join("few.toml").display().to_string();
    let file = observe(INDEPENDENT, folder.path());

    let other = filiation(&["compare", BASE, &file, "--run", "always", "--quiet", "--format", "json", "--method", "activations.attention"]);
    let why = other.json()["findings"][0]["why"].as_str().unwrap_or_default().to_owned();
    assert!(why.contains("was observed on the prompts"), "{other}");

    let weights =
        filiation(&["lab", "disguise", &file, "-o", folder.path().join("copy").to_str().unwrap(), "--step", "permute-units", "--quiet"]);
    assert_ne!(weights.code, 0, "{weights}");

    let missing = filiation(&["observe", "testdata/onnx", "-o", "none", "--prompts", &few]);
    assert_eq!(missing.code, 1, "{missing}");

    // Before the work, not after it.
    let nowhere = filiation(&["observe", BASE, "-o", folder.path().join("not-there/x").to_str().unwrap(), "--prompts", &few]);
    assert_eq!(nowhere.code, 1, "{nowhere}");
    assert!(nowhere.stderr.contains("cannot write into") && !nowhere.stderr.contains("running the model"), "{nowhere}");

    let broken = folder.path().join("broken.toml");
    std::fs::write(&broken, "schema = \"urn:filiation:prompts:v1\"\n").unwrap();
    let refused = filiation(&["observe", BASE, "-o", "none", "--prompts", broken.to_str().unwrap()]);
    assert_eq!(refused.code, 1, "{refused}");
    assert!(refused.stderr.contains("broken.toml") && refused.stderr.contains("expected the keys of a set of prompts"), "{refused}");
}
