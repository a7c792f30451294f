//! The JSON that programs read: keys and words of `urn:filiation:report:v1`, which change with a major version only.

use crate::{BASE, FINETUNED, INDEPENDENT, filiation};
use serde_json::Value;

fn report(suspect: &str) -> Value {
    filiation(&["compare", "--quiet", "--format", "json", "--control", INDEPENDENT, BASE, suspect]).json()
}

fn has_keys(value: &Value, keys: &[&str]) {
    let object = value.as_object().unwrap_or_else(|| panic!("an object with {keys:?}, not {value}"));
    for key in keys {
        assert!(object.contains_key(*key), "no `{key}` among {:?}", object.keys().collect::<Vec<_>>());
    }
}

fn is_one_of(value: &Value, words: &[&str]) {
    assert!(value.as_str().is_some_and(|word| words.contains(&word)), "{value} is none of {words:?}");
}

#[test]
fn every_key_of_the_contract_is_there() {
    let report = report(FINETUNED);
    has_keys(&report, &["schema", "tool", "case", "verdicts", "findings"]);
    assert_eq!(report["schema"], "urn:filiation:report:v1");
    has_keys(&report["tool"], &["name", "version", "commit"]);
    assert_eq!((&report["tool"]["name"], &report["tool"]["version"]), (&Value::from("filiation"), &Value::from(env!("CARGO_PKG_VERSION"))));
    has_keys(&report["case"], &["reference", "suspect", "controls", "seed"]);
    for side in [&report["case"]["reference"], &report["case"]["suspect"], &report["case"]["controls"][0]] {
        has_keys(side, &["path", "sha256", "tensorRoot", "family", "nParameters"]);
        assert_eq!((&side["family"], &side["nParameters"]), (&Value::from("llama"), &Value::from(602_976)));
        for digest in ["sha256", "tensorRoot"] {
            let digest = side[digest].as_str().unwrap();
            assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{digest}");
        }
    }
}

#[test]
fn verdicts_use_the_words_of_the_contract() {
    for suspect in [BASE, FINETUNED, INDEPENDENT] {
        let report = report(suspect);
        let verdicts = report["verdicts"].as_array().unwrap();
        assert_eq!(verdicts.len(), 1);
        let verdict = &verdicts[0];
        has_keys(
            verdict,
            &["question", "conclusion", "scope", "relation", "pValue", "log10Lr", "log10LrBounds", "calibration", "statement"],
        );
        assert_eq!(verdict["question"], "derivation");
        is_one_of(&verdict["conclusion"], &["supports-derivation", "supports-independence", "inconclusive"]);
        has_keys(&verdict["scope"], &["sharedFraction", "roles"]);
        let words = [
            "identical",
            "quantized",
            "finetune",
            "adapter",
            "merge",
            "pruned",
            "distilled",
            "layers-changed",
            "vocabulary-changed",
            "upcycled",
            "permuted",
            "rotated",
            "rescaled",
            "partial",
        ];
        verdict["relation"].as_array().unwrap().iter().for_each(|word| is_one_of(word, &words));
        has_keys(&verdict["pValue"], &["log10", "null", "method"]);
        is_one_of(&verdict["pValue"]["null"], &["exact", "permutation", "asymptotic", "bound"]);
        // A likelihood ratio has a calibration behind it, or is none.
        let is_calibrated = verdict["calibration"].is_string();
        assert_eq!((verdict["log10Lr"].is_number(), verdict["log10LrBounds"].is_array()), (is_calibrated, is_calibrated), "{verdict}");
        let statement = verdict["statement"].as_str().unwrap();
        for word in ["proves", "stolen", "guilty", "match"] {
            assert!(!statement.contains(word), "{statement}");
        }
    }
}

#[test]
fn findings_say_what_was_observed_or_why_nothing_was() {
    let report = report(INDEPENDENT);
    for finding in report["findings"].as_array().unwrap() {
        has_keys(finding, &["method", "question", "outcome", "statistic", "log10P", "nullDistribution", "n", "why", "controls", "parts"]);
        is_one_of(&finding["outcome"], &["observed", "notApplicable", "failed"]);
        match finding["outcome"].as_str() {
            Some("observed") => assert!(finding["statistic"].is_number() && finding["n"].is_number(), "{finding}"),
            _ => assert!(finding["why"].is_string() && finding["statistic"].is_null(), "{finding}"),
        }
    }
}

#[test]
fn the_digests_in_the_report_are_those_that_inspect_prints() {
    let (report, inspected) = (report(FINETUNED), filiation(&["inspect", "--quiet", "--format", "json", FINETUNED]).json());
    for key in ["sha256", "tensorRoot", "family", "nParameters"] {
        assert_eq!(report["case"]["suspect"][key], inspected[key], "{key}");
    }
    let tensors = inspected["tensors"].as_array().unwrap();
    for pair in report["matches"].as_array().unwrap() {
        let name = &pair["suspect"]["name"];
        let tensor = tensors.iter().find(|tensor| tensor["name"] == *name).unwrap();
        assert_eq!(pair["digests"]["suspect"].as_str().unwrap(), format!("blake3:{}", tensor["blake3"].as_str().unwrap()), "{name}");
    }
}

#[test]
fn inspect_keeps_its_keys() {
    let json = filiation(&["inspect", "--quiet", "--format", "json", BASE]).json();
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    let expected = [
        "claims",
        "constantsLeftOut",
        "encodings",
        "family",
        "files",
        "format",
        "isAdapter",
        "nParameters",
        "nTrained",
        "path",
        "schema",
        "sha256",
        "tensorRoot",
        "tensors",
        "vocabulary",
        "warnings",
    ];
    assert_eq!(keys, expected);
    assert_eq!(json["schema"], "urn:filiation:inspect:v1");
    has_keys(&json["tensors"][0], &["name", "shape", "encoding", "blake3"]);
    has_keys(&json["claims"], &["baseModels", "relation", "licence"]);
}
