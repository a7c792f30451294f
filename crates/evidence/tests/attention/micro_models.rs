//! The ranking of micro models whose history is known (`testdata/models`, `testdata/lineage/README.md`).

use super::compare;
use forward::{Observation as Seen, Observer, PromptSet, Wanted};
use sources::Model;
use std::path::Path;

/// Every eighth prompt of the shared set: thirty, of all kinds and many languages.
fn prompts() -> PromptSet {
    let mut set = PromptSet::shared().unwrap();
    set.prompts = set.prompts.into_iter().step_by(8).collect();
    set
}

fn observe(path: &str, prompts: &PromptSet) -> Seen {
    let model = Model::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(path)).unwrap();
    let wanted = Wanted { attention: true, ..Wanted::default() };
    Observer::new(&model, None, prompts, wanted).unwrap().run(&|_| {}).unwrap()
}

#[test]
fn derived_models_rank_above_every_independent_one() {
    let prompts = prompts();
    let of = |path: &str| observe(path, &prompts);
    let (base, continued) = (of("models/base"), of("lineage/continued"));
    let [seed_1, seed_2, seed_3, seed_4, other_data] =
        ["seed-1", "seed-2", "seed-3", "seed-4", "other-data"].map(|name| of(&format!("lineage/{name}")));
    // (reference, suspect, controls, least residual of what is derived)
    let of_base: [&Seen; 5] = [&seed_1, &seed_2, &seed_3, &seed_4, &other_data];
    let of_seed_1: [&Seen; 4] = [&seed_2, &seed_3, &seed_4, &other_data];
    let derived = [
        (&base, of("models/finetuned"), &of_base[..], 0.7),
        (&base, of("models/permuted-units"), &of_base[..], 0.99),
        (&seed_1, continued, &of_seed_1[..], 0.5),
    ];
    for (reference, suspect, controls, least) in derived {
        let answers = compare(reference, &suspect, controls);
        let claim = answers.claim();
        let residuals: Vec<f64> = claim.rows.iter().map(|row| *row.values[5].as_ref().unwrap()).collect();
        assert!(residuals[0] > least, "{}: {residuals:.3?}", suspect.subject.model);
        assert!(residuals[1..].iter().all(|r| *r < 0.25), "{}: {residuals:.3?}", suspect.subject.model);
        assert!((answers.r() - residuals[0]).abs() < 1e-9, "the claim and the method say the same");
    }
    let independent = compare(&base, &of("models/independent"), &of_base);
    assert!(independent.r() < 0.25, "{:.3?}", independent.row(0));
}
