use super::*;
use crate::bench::{Row, Score, Sizes, Truth};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use verdict::calibration::Transform;

fn plan(ridge: f64) -> Plan {
    let features = vec![Input { method: "m".into(), transform: Transform::Identity {} }];
    Plan { id: "test".into(), ridge, replicates: 20, seed: 1, features }
}

fn row(a: usize, b: usize, truth: Truth, statistic: Option<f64>) -> Row {
    let sizes = Sizes { family: Some("llama".into()), parameters: 1000, layers: 2 };
    Row {
        reference: format!("l{a}"),
        suspect: format!("l{b}/x"),
        reference_lineages: vec![format!("l{a}")],
        suspect_lineages: vec![format!("l{b}")],
        truth,
        transformation: "x".into(),
        disguise: "none".into(),
        is_same_recipe: false,
        expected_words: Vec::new(),
        allowed_words: Vec::new(),
        reference_sizes: sizes.clone(),
        suspect_sizes: sizes,
        same_tokenizer: true,
        conclusion: "inconclusive".into(),
        relation: Vec::new(),
        scores: BTreeMap::from([("m".into(), Score { statistic, log10_p: None, why: None, seconds: 0.0 })]),
    }
}

/// Ten lineages; what each derived pair measures overlaps what independent pairs do.
fn bench() -> Vec<Row> {
    let mut rows: Vec<Row> = (0..10).map(|i| row(i, i, Truth::Derived, Some(0.5 + 0.06 * i as f64))).collect();
    for a in 0..10 {
        rows.extend((a + 1..10).map(|b| row(a, b, Truth::Independent, Some(0.04 * (a + b) as f64))));
    }
    rows
}

fn text(rows: &[Row]) -> String {
    rows.iter().map(|row| serde_json::to_string(row).unwrap() + "\n").collect()
}

fn frozen(rows: &[Row]) -> Frozen {
    freeze(rows, &text(rows), &plan(0.01)).unwrap()
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/calibrations/zoo-1")
}

/// Equal but for the last digits of numbers, which vector units of processors round differently, and for the digest, which hangs on them.
fn assert_alike(shipped: &Value, found: &Value, at: &str) {
    match (shipped, found) {
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{at}");
            a.iter().filter(|(key, _)| *key != "calibration").for_each(|(key, a)| assert_alike(a, &b[key], &format!("{at}.{key}")));
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{at}");
            a.iter().zip(b).enumerate().for_each(|(i, (a, b))| assert_alike(a, b, &format!("{at}[{i}]")));
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-7 * (1.0 + a.abs()), "{at}: {a} {b}");
        }
        (a, b) => assert_eq!(a, b, "{at}"),
    }
}

#[test]
fn the_shipped_calibration_is_what_its_scores_give() {
    let scores = std::fs::read_to_string(data().join(SCORES_FILE)).unwrap();
    let frozen = freeze(&rows(&scores).unwrap(), &scores, &Plan::read(&data().join("plan.toml")).unwrap()).unwrap();
    for (name, text) in frozen.files(&scores).unwrap() {
        let shipped = std::fs::read_to_string(data().join(name)).unwrap();
        match name {
            CALIBRATION_FILE => assert_alike(&toml::from_str(&shipped).unwrap(), &toml::from_str(&text).unwrap(), name),
            VALIDATION_FILE => assert_alike(&serde_json::from_str(&shipped).unwrap(), &serde_json::from_str(&text).unwrap(), name),
            _ => assert!(shipped == text, "{name} differs"),
        }
    }
    // The bars of issue D.
    let metrics = &frozen.calibration.metrics;
    assert!(metrics.cllr.value < 0.1 && metrics.cllr_cal.value < 0.02, "{metrics:?}");
}

#[test]
fn no_pair_is_scored_by_a_fit_that_saw_one_of_its_lineages() {
    let rows = bench();
    let before = frozen(&rows).validation;
    // Whatever pairs of lineage 3 measure, the pairs without it alone decide how a pair of lineage 3 is weighed.
    let mut changed = rows.clone();
    for row in changed.iter_mut().filter(|row| row.reference != "l3" && row.suspect == "l3/x") {
        row.scores.get_mut("m").unwrap().statistic = Some(0.9);
    }
    let after = frozen(&changed).validation;
    let derived =
        |validation: &Validation| validation.pairs.iter().find(|pair| pair.reference == "l3" && pair.suspect == "l3/x").unwrap().raw;
    assert_eq!(derived(&before), derived(&after));
    let other = |validation: &Validation| validation.pairs[5].raw;
    assert_ne!(other(&before), other(&after));
}

#[test]
fn units_of_a_feature_and_the_order_of_pairs_change_nothing() {
    let rows = bench();
    let before = frozen(&rows);
    let mut scaled = rows.clone();
    scaled.iter_mut().for_each(|row| row.scores.get_mut("m").unwrap().statistic.as_mut().into_iter().for_each(|x| *x = 7.0 - *x * -1000.0));
    let after = frozen(&scaled);
    for (a, b) in before.validation.pairs.iter().zip(&after.validation.pairs) {
        assert!((a.log10_lr - b.log10_lr).abs() < 1e-9, "{} {}", a.log10_lr, b.log10_lr);
    }
    let mut turned = rows;
    turned.reverse();
    let turned = frozen(&turned).validation.metrics;
    assert!((turned.cllr.value - before.validation.metrics.cllr.value).abs() < 1e-9);
    assert_eq!(turned.misleading_derived, before.validation.metrics.misleading_derived);
}

#[test]
fn a_pair_without_a_feature_counts_as_knowing_nothing_and_one_initialisation_not_at_all() {
    let mut rows = bench();
    rows[0].scores.get_mut("m").unwrap().statistic = None;
    rows.push(row(1, 2, Truth::SharedInitialisation, Some(0.9)));
    let Frozen { calibration, validation } = frozen(&rows);
    assert_eq!((validation.pairs[0].raw, validation.pairs[0].log10_lr), (None, 0.0));
    assert_eq!(validation.pairs[0].missing.as_deref(), Some("`m` gave no statistic"));
    assert_eq!((calibration.population.derived, calibration.population.independent, calibration.population.without_features), (10, 45, 1));
    assert!((calibration.cap - 11f64.log10()).abs() < 1e-15);
    assert!(validation.pairs.iter().all(|pair| pair.log10_lr.abs() <= calibration.cap));
}

#[test]
fn scores_of_one_kind_alone_and_broken_lines_are_refused() {
    let derived: Vec<Row> = bench().into_iter().filter(|row| row.truth == Truth::Derived).collect();
    let error = freeze(&derived, &text(&derived), &plan(0.01)).unwrap_err().to_string();
    assert!(error.contains("10 derived and 0 independent pairs"), "{error}");
    assert!(rows("{}\n").unwrap_err().to_string().contains("line 1"));
    assert!(rows("").unwrap_err().to_string().contains("none"));
}
