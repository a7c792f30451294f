//! What others publish: each statistic's own laws, the invariances that its authors claim, and the failures that the bench will show.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

use forward::{ALL_TAPS, Observation, Observer, PromptSet};
use lab::baselines::{BASELINES, BaselinePair, BaselineSide, HEADINGS, scores};
use lab::bench::Score;
use lab::{Precision, Request, disguise};
use sources::Model;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use testmodels::{Dtype, FAMILIES, VARIANTS, family, save};

fn stored(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(name)
}

fn observed(model: &Model) -> Observation {
    let mut prompts = PromptSet::shared().unwrap();
    prompts.prompts.truncate(40);
    Observer::new(model, None, &prompts, ALL_TAPS).unwrap().run(&|_| ()).unwrap()
}

/// Every score of the models in two folders; REEF has something to say where `run` is asked for.
fn compared(reference: &Path, suspect: &Path, run: bool) -> BTreeMap<String, Score> {
    let models = [reference, suspect].map(|path| Model::open(path).unwrap());
    let observations = [0, 1].map(|i| run.then(|| observed(&models[i])));
    let sides = [0, 1].map(|i| BaselineSide::read(&models[i], observations[i].as_ref()).unwrap());
    scores(&BaselinePair::new(&sides[0], &sides[1]))
}

fn statistic(scores: &BTreeMap<String, Score>, id: &str) -> f64 {
    let score = &scores[&format!("baseline.{id}")];
    score.statistic.unwrap_or_else(|| panic!("{id}: {:?}", score.why))
}

/// A disguised copy of the base model.
fn disguised(steps: &[&str]) -> (TempDir, PathBuf) {
    let target = tempfile::tempdir().unwrap();
    let folder = target.path().join("disguised");
    let steps: Vec<String> = steps.iter().map(|&step| step.to_owned()).collect();
    let request = Request { folder: &folder, steps: &steps, seed: 7, precision: Precision::Of(lab::Dtype::F32) };
    disguise(Model::open(&stored("models/base")).unwrap(), &request, &|_| (), &|_| ()).unwrap();
    (target, folder)
}

fn of_disguise(steps: &[&str]) -> BTreeMap<String, Score> {
    let (_target, folder) = disguised(steps);
    compared(&stored("models/base"), &folder, false)
}

#[test]
fn cards_are_whole_and_ids_unique() {
    let ids: BTreeSet<&str> = BASELINES.iter().map(|baseline| baseline.card().id).collect();
    assert_eq!(ids.len(), BASELINES.len());
    for card in BASELINES.iter().map(|baseline| baseline.card()) {
        assert!(card.id.starts_with("baseline.") && !card.source.is_empty());
        for heading in HEADINGS {
            assert!(!card.section(heading).is_empty(), "{}: {heading}", card.id);
        }
    }
}

#[test]
fn a_model_with_itself_gives_the_top_score() {
    let base = stored("models/base");
    let all = compared(&base, &base, true);
    assert_eq!(all.len(), BASELINES.len());
    for (id, score) in &all {
        let found = score.statistic.unwrap_or_else(|| panic!("{id}: {:?}", score.why));
        assert!((found - 1.0).abs() < 1e-5, "{id}: {found}");
        assert!(score.why.is_none() && score.seconds < 5.0);
    }
    assert!(all["baseline.mdir"].log10_p.unwrap() < -100.0);
}

#[test]
fn exchanging_the_sides_changes_nothing() {
    let (base, other) = (stored("models/base"), stored("lineage/continued"));
    let (one, back) = (compared(&base, &other, true), compared(&other, &base, true));
    for (id, score) in &one {
        let (a, b) = (score.statistic.unwrap(), back[id].statistic.unwrap());
        // AWM gives signs to the coordinates of one side, and centring does not commute with them: as published it is no symmetric function.
        let tolerance = if id == "baseline.awm" { 1e-2 } else { 1e-6 };
        assert!((a - b).abs() < tolerance, "{id}: {a} {b}");
    }
}

#[test]
fn an_independent_training_of_one_configuration_is_a_confirmed_match_to_the_gate() {
    let all = compared(&stored("models/base"), &stored("models/independent"), true);
    assert_eq!(statistic(&all, "config-gate"), 1.0);
    // What independent models of one recipe share looks like descent to these.
    for (id, least) in [("norm-gain-cosine", 0.98), ("reef", 0.5)] {
        assert!(statistic(&all, id) > least, "{id}: {}", statistic(&all, id));
    }
    // These tell it apart from a fine-tune.
    let tuned = compared(&stored("models/base"), &stored("models/finetuned"), true);
    for id in ["cosine", "huref", "awm", "mdir"] {
        let (independent, derived) = (statistic(&all, id), statistic(&tuned, id));
        assert!(derived > 0.9 && independent < 0.5, "{id}: {independent} {derived}");
    }
    assert_eq!(all["baseline.mdir"].log10_p, Some(0.0));
    // The weighted score of an independent model is far from 0, and the profile over depth comes close to 1.
    assert!(statistic(&all, "weighted-score") > 0.5 && statistic(&all, "std-profile") > 0.9);
}

#[test]
fn permutations_and_turned_heads_are_seen_through_as_published() {
    let permuted = of_disguise(&["permute-units", "permute-heads", "permute-residual"]);
    for id in ["huref", "awm", "mdir", "std-profile"] {
        assert!(statistic(&permuted, id) > 0.999, "{id}: {}", statistic(&permuted, id));
    }
    assert!(statistic(&permuted, "cosine") < 0.5, "{}", statistic(&permuted, "cosine"));
    // Orthogonal maps inside heads; AWM is not invariant to others, HuRef is.
    for (step, ids) in [("turn-heads=1", &["huref", "awm", "mdir"][..]), ("turn-heads=10", &["huref", "mdir"])] {
        let turned = of_disguise(&[step]);
        for id in ids {
            assert!(statistic(&turned, id) > 0.999, "{step}, {id}: {}", statistic(&turned, id));
        }
    }
}

#[test]
fn a_turned_stream_with_other_gains_looks_independent_to_those_that_need_its_coordinates() {
    let all = of_disguise(&["rotate", "regain"]);
    for (id, most) in [("cosine", 0.1), ("awm", 0.3), ("mdir", 0.5)] {
        assert!(statistic(&all, id) < most, "{id}: {}", statistic(&all, id));
    }
    // HuRef loses what gains carry, which is little where they are near one another: .90 here, .03 for an independent model.
    assert!((0.8..0.95).contains(&statistic(&all, "huref")), "{}", statistic(&all, "huref"));
    assert_eq!(all["baseline.mdir"].log10_p, Some(0.0));
}

#[test]
fn what_does_not_apply_says_why() {
    let all = compared(&stored("models/base"), &stored("models/finetuned"), false);
    assert_eq!(all["baseline.reef"].why.as_deref(), Some("a side was not run on prompts"));
    assert_eq!(all["baseline.reef"].statistic, None);
    let (_target, folder) = disguised(&["drop-layers=0,1"]);
    let cut = compared(&stored("models/base"), &folder, false);
    assert_eq!(cut["baseline.std-profile"].why.as_deref(), Some("2 blocks; a correlation over depth needs 3"));
    // AWM matches blocks by assignment.
    assert!(statistic(&cut, "awm") > 0.999, "{}", statistic(&cut, "awm"));
    assert!(statistic(&cut, "config-gate") < 0.5);
}

/// Two stacks, mixtures, tied tables, LayerNorm: a model of any family with itself, or a reason.
#[test]
fn every_family_gives_a_score_or_a_reason() {
    for name in FAMILIES.into_iter().chain(VARIANTS) {
        let folder = save(&family(name, 1), Dtype::F32);
        let all = compared(folder.path(), folder.path(), false);
        for (id, score) in &all {
            match (score.statistic, &score.why) {
                (Some(found), None) => assert!((found - 1.0).abs() < 1e-5, "{name}, {id}: {found}"),
                (None, Some(why)) => assert!(!why.is_empty(), "{name}, {id}"),
                both => panic!("{name}, {id}: {both:?}"),
            }
        }
        assert!(all["baseline.cosine"].statistic.is_some(), "{name}");
    }
    // Without a family, tensors still have names.
    let anonymous = save(&family("llama", 1).anonymous(), Dtype::F32);
    let all = compared(anonymous.path(), anonymous.path(), false);
    assert!((statistic(&all, "cosine") - 1.0).abs() < 1e-9);
    assert_eq!(all["baseline.huref"].why.as_deref(), Some("the two models have no common tokens with embeddings"));
}

/// Of `testdata/models/base` and the named suspect: `testdata/scripts/baselines_oracle.py` (numpy 2.4.6, scipy 1.17.1), which forms every
/// matrix that the code here goes around.
#[test]
fn the_numbers_are_those_of_the_formulas_in_numpy() {
    for (suspect, id, expected) in ORACLE {
        let all = compared(&stored("models/base"), &stored(suspect), false);
        let found = statistic(&all, id);
        assert!((found - expected).abs() < 2e-6, "{suspect}, {id}: {found} {expected}");
    }
    let tuned = compared(&stored("models/base"), &stored("models/finetuned"), false);
    assert!((tuned["baseline.mdir"].log10_p.unwrap() + 1821.04).abs() < 0.01);
}

const ORACLE: [(&str, &str, f64); 28] = [
    ("models/finetuned", "cosine", 0.990257085),
    ("models/finetuned", "norm-gain-cosine", 0.999946192),
    ("models/finetuned", "huref", 0.971481204),
    ("models/finetuned", "awm", 0.993647778),
    ("models/finetuned", "mdir", 0.999677123),
    ("models/finetuned", "std-profile", 0.999502953),
    ("models/finetuned", "weighted-score", 0.994789855),
    ("models/independent", "cosine", 0.00492687505),
    ("models/independent", "norm-gain-cosine", 0.99428327),
    ("models/independent", "huref", 0.0290360589),
    ("models/independent", "awm", 0.0652075364),
    ("models/independent", "mdir", 0.264137626),
    ("models/independent", "std-profile", 0.938195608),
    ("models/independent", "weighted-score", 0.614957937),
    ("models/permuted-units", "cosine", 0.605354472),
    ("models/permuted-units", "norm-gain-cosine", 1.0),
    ("models/permuted-units", "huref", 1.0),
    ("models/permuted-units", "awm", 1.0),
    ("models/permuted-units", "mdir", 1.0),
    ("models/permuted-units", "std-profile", 1.0),
    ("models/permuted-units", "weighted-score", 0.886946676),
    ("lineage/seed-2", "cosine", -0.00527731164),
    ("lineage/seed-2", "norm-gain-cosine", 0.994732709),
    ("lineage/seed-2", "huref", 0.0146029027),
    ("lineage/seed-2", "awm", 0.00800886886),
    ("lineage/seed-2", "mdir", 0.27252871),
    ("lineage/seed-2", "std-profile", 0.819522743),
    ("lineage/seed-2", "weighted-score", 0.565197598),
];
