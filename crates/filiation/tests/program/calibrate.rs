//! `filiation lab calibrate`, and the likelihood ratio that `compare` states.

use crate::{BASE, filiation};
use serde_json::Value;
use std::path::Path;

const RECIPE: &str = r#"
model = { architecture = "llama", hidden = 64, layers = 3, heads = 4, kv-heads = 2, units = 160, positions = 64, tied = false }
tokenizer = { tokens = 512 }
text = { files = ["text.txt"], length = 32, order = 1 }
schedule = { steps = 20, batch = 4, warmup = 2, rate = 3e-3, weight-decay = 0.1, betas = [0.9, 0.95], clip = 1.0 }
"#;

fn verdict(reference: &str, suspect: &str) -> Value {
    filiation(&["compare", "--quiet", "--run", "never", "--format", "json", reference, suspect]).json()["verdicts"][0].clone()
}

#[test]
fn inside_its_domain_a_calibration_states_a_capped_likelihood_ratio() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(folder.path().join("recipe.toml"), RECIPE).unwrap();
    let run = |args: &[&str]| {
        let run = filiation(args);
        assert_eq!(run.code, 0, "{args:?}: {}", run.stderr);
    };
    run(&["lab", "dialogues", "--dialogues", "400", "--seed", "1", "-o", &path("text.txt")]);
    for seed in ["1", "2"] {
        run(&["lab", "train", "--quiet", &path("recipe.toml"), "-o", &path(seed), "--seed", seed]);
    }
    run(&["lab", "disguise", "--quiet", &path("1"), "-o", &path("hidden"), "--step", "rotate"]);
    let copy = verdict(&path("1"), &path("hidden"));
    let stranger = verdict(&path("1"), &path("2"));
    let log10_lr = |verdict: &Value| verdict["log10Lr"].as_f64().unwrap();
    // log10(203 lineages + 1)
    let cap = 204f64.log10();
    assert!(log10_lr(&copy) > 1.0 && log10_lr(&copy) <= cap, "{copy}");
    assert!(log10_lr(&stranger) < -0.3 && log10_lr(&stranger) >= -cap, "{stranger}");
    for verdict in [copy, stranger] {
        assert!(verdict["calibration"].as_str().unwrap().starts_with("zoo-1@"), "{verdict}");
        let [low, high] = [0, 1].map(|end| verdict["log10LrBounds"][end].as_f64().unwrap());
        assert!(low <= log10_lr(&verdict) && log10_lr(&verdict) <= high, "{verdict}");
        assert!(verdict["likelihood"].as_str().unwrap().starts_with("log10 LR "), "{verdict}");
    }
}

#[test]
fn outside_of_it_none_is_stated_and_the_report_says_why() {
    // A fifth block is one more than any model of the zoo has.
    let folder = tempfile::tempdir().unwrap();
    let deeper = folder.path().join("deeper").to_str().unwrap().to_owned();
    let made = filiation(&["lab", "disguise", BASE, "--step", "duplicate-layers=1", "-o", &deeper]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let verdict = verdict(BASE, &deeper);
    assert_eq!((&verdict["log10Lr"], &verdict["log10LrBounds"], &verdict["calibration"]), (&Value::Null, &Value::Null, &Value::Null));
    let sentence = verdict["likelihood"].as_str().unwrap();
    assert!(sentence.contains("outside every calibration's domain") && sentence.contains("5 layers"), "{sentence}");
}

#[test]
fn a_calibration_is_made_again_from_its_scores_and_broken_scores_are_refused() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/calibrations/zoo-1");
    let shipped = |name: &str| data.join(name).to_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let made = filiation(&["lab", "calibrate", &shipped("plan.toml"), &shipped("scores.jsonl"), "-o", &path("out")]);
    assert!(made.code == 0 && made.stdout.starts_with("zoo-1 of 562 derived and 907 independent pairs, 203 lineages\n"), "{}", made.stderr);
    assert!(made.stdout.lines().all(|line| line.chars().count() <= 80), "{}", made.stdout);
    let page = std::fs::read_to_string(folder.path().join("out/validation.html")).unwrap();
    assert!(page.contains("fig-tippett") && page.contains("fig-cross-entropy") && page.contains("fig-pools"));
    assert!(!page.contains("http://") && !page.contains("https://"), "the page loads something");
    std::fs::write(folder.path().join("broken.jsonl"), "{}\n").unwrap();
    let broken = filiation(&["lab", "calibrate", &shipped("plan.toml"), &path("broken.jsonl"), "-o", &path("none")]);
    assert_eq!(broken.code, 1);
    assert!(broken.stderr.contains("broken.jsonl`: pair: found line 1"), "{}", broken.stderr);
    assert!(!folder.path().join("none").exists());
}
