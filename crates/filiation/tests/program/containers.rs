//! Every container can be compared with every other. `testdata/scripts/make_containers.py` wrote one model into all of them.

use crate::{command, finish, root};
use rayon::prelude::*;

/// Quantised forms lose values; all others hold the same numbers.
fn is_quantised(name: &str) -> bool {
    name.starts_with('q')
}

#[test]
fn each_container_against_each_is_derived_and_identical_or_quantised() {
    let folder = root().join("testdata/containers");
    let mut names: Vec<String> = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 11, "{names:?}");
    let pairs: Vec<(&String, &String)> = names.iter().flat_map(|a| names.iter().map(move |b| (a, b))).collect();
    let wrong: Vec<String> = pairs
        .into_par_iter()
        .filter_map(|(reference, suspect)| {
            let path = |name: &str| format!("testdata/containers/{name}");
            let run = finish(command(&["compare", "--quiet", "--threads", "1", "--format", "json", &path(reference), &path(suspect)]));
            let json = run.json();
            let verdict = &json["verdicts"][0];
            let same = reference == suspect || !(is_quantised(reference) || is_quantised(suspect));
            let expected = serde_json::json!([if same { "identical" } else { "quantized" }]);
            let is_right = verdict["conclusion"] == "supports-derivation"
                && verdict["relation"] == expected
                && verdict["scope"]["sharedFraction"] == 1.0;
            (!is_right).then(|| {
                format!(
                    "{reference} against {suspect}: {} {} {}",
                    verdict["conclusion"], verdict["relation"], verdict["scope"]["sharedFraction"]
                )
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
