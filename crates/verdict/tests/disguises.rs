//! Disguised copies beside controls and without, mixtures, forgeries and siblings: what is concluded, in which words, and when nothing is.

#![expect(clippy::unwrap_used, reason = "a test stops where a checkpoint of its own cannot be made or read")]

mod case;

use case::{Compared, compare_with, shipped};
use lab::{Precision, Request, disguise};
use sources::Model;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use verdict::{Conclusion, Margin, MarginOutcome};

/// Models of one shape and history, trained from different seeds; `testdata/lineage/README.md` tells it.
fn lineage(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/lineage").join(name)
}

fn seeds(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| lineage(name)).collect()
}

/// A model behind steps of the laboratory, stored in its own type.
fn made(model: &Path, steps: &[&str]) -> (TempDir, PathBuf) {
    let target = tempfile::tempdir().unwrap();
    let folder = target.path().join("made");
    let steps: Vec<String> = steps.iter().map(|&step| step.to_owned()).collect();
    let request = Request { folder: &folder, steps: &steps, seed: 3, precision: Precision::AsStored };
    disguise(Model::open(model).unwrap(), &request, &|_| (), &|_| ()).unwrap();
    (target, folder)
}

fn words(compared: &Compared) -> Vec<&'static str> {
    let mut words = compared.verdict.relation_words();
    words.sort_unstable();
    words
}

fn units(compared: &Compared) -> &Margin {
    &compared.verdict.margins["weights.unit-matching"]
}

#[test]
fn a_disguised_copy_is_seen_through_beside_controls() {
    let base = shipped("base");
    let (_target, copy) = made(&base, &["all"]);
    let compared = compare_with(&base, &copy, &seeds(&["seed-1", "seed-2", "seed-3"]), &[]);
    assert_eq!(compared.verdict.conclusion, Conclusion::SupportsDerivation, "{}", compared.verdict.statement);
    assert_eq!(words(&compared), ["permuted", "rescaled", "rotated"], "{}", compared.of("weights.edits").explanation.words);
    assert_eq!(units(&compared).outcome, MarginOutcome::StandsOut, "{}", units(&compared).why);
    assert!(compared.verdict.scope.shared_fraction > 0.95, "{}", compared.verdict.scope.shared_fraction);
}

#[test]
fn without_controls_a_disguised_copy_is_no_conclusion() {
    let base = shipped("base");
    let (_target, copy) = made(&base, &["all"]);
    let compared = compare_with(&base, &copy, &[], &[]);
    assert_eq!(compared.verdict.conclusion, Conclusion::Inconclusive, "{}", compared.verdict.statement);
    assert!(compared.verdict.statement.contains("no controls were given"), "{}", compared.verdict.statement);
    assert!(compared.verdict.would_help.as_ref().unwrap().contains("--control"));
    assert_eq!(units(&compared).outcome, MarginOutcome::Abstains);
}

/// Where a turned stream and new gains hide every stored number, the order of units and heads is left, and it needs no controls.
#[test]
fn an_order_that_the_disguise_left_is_exact_evidence() {
    let base = shipped("base");
    let (_target, copy) = made(&base, &["rotate", "regain", "scale-units"]);
    let compared = compare_with(&base, &copy, &[], &[]);
    assert_eq!(compared.verdict.conclusion, Conclusion::SupportsDerivation, "{}", compared.verdict.statement);
    assert_eq!(words(&compared), ["rescaled", "rotated"], "{}", compared.of("weights.edits").explanation.words);
    let strongest = compared.verdict.strongest.as_ref().unwrap();
    assert_eq!(strongest.method, "weights.unit-alignment");
    assert!(strongest.p_value.is_rigorous() && compared.log10_p() < -100.0, "{}", compared.log10_p());
    assert!(compared.of("weights.unit-alignment").explanation.words.contains("over common tokens"));
}

#[test]
fn a_control_that_derives_from_the_reference_is_named_and_nothing_is_concluded() {
    let base = shipped("base");
    let (_target, copy) = made(&base, &["all"]);
    let mut controls = seeds(&["seed-1", "seed-2", "seed-3"]);
    controls.push(shipped("finetuned"));
    let compared = compare_with(&base, &copy, &controls, &[]);
    assert_eq!(compared.verdict.conclusion, Conclusion::Inconclusive, "{}", compared.verdict.statement);
    let margin = units(&compared);
    assert_eq!(margin.outcome, MarginOutcome::Abstains);
    assert!(margin.why.contains("finetuned") && margin.why.contains("not independent"), "{}", margin.why);
    assert!(compared.verdict.statement.contains("finetuned"), "{}", compared.verdict.statement);
}

#[test]
fn experts_that_were_copied_from_a_dense_model_are_upcycled() {
    let base = shipped("base");
    let (_target, mixture) = made(&base, &["upcycle=4"]);
    let compared = compare_with(&base, &mixture, &seeds(&["seed-1", "seed-2", "seed-3"]), &[]);
    assert_eq!(compared.verdict.conclusion, Conclusion::SupportsDerivation, "{}", compared.verdict.statement);
    assert!(compared.verdict.relation_words().contains(&"upcycled"), "{:?}", compared.verdict.relation);
}

/// The shares that the words give, `merge: 0.594 of the reference and 0.408 of …`.
fn shares(compared: &Compared) -> Vec<f64> {
    let words = &compared.of("weights.edits").explanation.words;
    let found = words.split_once("merge: ").unwrap_or_else(|| panic!("no merge in: {words}")).1;
    let terms = found.split(';').next().unwrap().split(" and ");
    terms.map(|term| term.split_once(" of ").unwrap().0.parse().unwrap()).collect()
}

#[test]
fn the_shares_of_a_merge_are_found() {
    let (reference, parent) = (lineage("seed-1"), lineage("continued"));
    let controls = [lineage("seed-2"), lineage("seed-3"), shipped("base")];
    let merge = format!("merge={},0.4", parent.display());
    for steps in [vec![merge.as_str()], vec![merge.as_str(), "all"]] {
        let (_target, mixture) = made(&reference, &steps);
        let compared = compare_with(&reference, &mixture, &controls, std::slice::from_ref(&parent));
        assert_eq!(compared.verdict.conclusion, Conclusion::SupportsDerivation, "{}", compared.verdict.statement);
        assert!(compared.verdict.relation_words().contains(&"merge"), "{:?}", compared.verdict.relation);
        let shares = shares(&compared);
        assert_eq!(shares.len(), 2);
        assert!((shares[0] - 0.6).abs() < 0.03 && (shares[1] - 0.4).abs() < 0.03, "{shares:?}");
    }
}

#[test]
fn a_stranger_under_the_references_tables_norms_and_sizes_is_no_derivation() {
    let base = shipped("base");
    for stranger in [lineage("seed-4"), shipped("independent")] {
        let (_target, forged) = made(&stranger, &[&format!("forge={}", base.display())]);
        for controls in [Vec::new(), seeds(&["seed-1", "seed-2", "seed-3"])] {
            let compared = compare_with(&base, &forged, &controls, &[]);
            assert_ne!(compared.verdict.conclusion, Conclusion::SupportsDerivation, "{}", compared.verdict.statement);
            assert!(compared.verdict.relation.is_empty(), "{:?}", compared.verdict.relation);
        }
    }
}

#[test]
fn siblings_by_data_are_independent_disguised_or_not() {
    let controls = [lineage("seed-2"), lineage("seed-3"), shipped("base")];
    let compared = compare_with(&lineage("seed-1"), &lineage("seed-4"), &controls, &[]);
    compared.expect_independence();
    assert!(compared.verdict.statement.contains("disguised or not"), "{}", compared.verdict.statement);
}

/// A body of its own that stands on the reference's tables, turned: the scope says tables and nothing else, and nothing is concluded.
#[test]
fn turned_tables_under_another_body_read_so() {
    let base = shipped("base");
    let forge = format!("forge={}", base.display());
    let (_target, copy) = made(&lineage("seed-4"), &[&forge, "rotate"]);
    let compared = compare_with(&base, &copy, &seeds(&["seed-1", "seed-2", "seed-3"]), &[]);
    assert_eq!(compared.verdict.conclusion, Conclusion::Inconclusive, "{}", compared.verdict.statement);
    let scope = &compared.verdict.scope;
    for role in ["embed", "unembed"] {
        assert!(scope.roles[role].fraction() > 0.95, "{role}: {:?}", scope.roles[role]);
    }
    for role in ["mlpGate", "mlpUp", "mlpDown", "attnQ", "attnK", "attnV", "attnOut"] {
        assert_eq!(scope.roles[role].shared, 0, "{role}");
    }
    assert!(compared.verdict.statement.contains("no matrix of any block"), "{}", compared.verdict.statement);
}

/// Two of four blocks from the reference, the others a stranger's, all behind one disguise: the scope names the two.
#[test]
fn some_blocks_behind_a_disguise_read_so() {
    let (base, stranger) = (testmodels::Network::load(&shipped("base")), testmodels::Network::load(&lineage("seed-4")));
    let mixed = base.with_blocks(&[(&base, 0), (&stranger, 1), (&base, 2), (&stranger, 3)]);
    let source = testmodels::save(&mixed, testmodels::Dtype::Bf16);
    let (_target, copy) = made(source.path(), &["all"]);
    let compared = compare_with(&shipped("base"), &copy, &seeds(&["seed-1", "seed-2", "seed-3"]), &[]);
    assert_eq!(compared.verdict.conclusion, Conclusion::SupportsDerivation, "{}", compared.verdict.statement);
    assert!(words(&compared).contains(&"partial"), "{:?}", compared.verdict.relation);
    let by_layer: Vec<bool> = compared.verdict.scope.by_layer.iter().map(|layer| 2 * layer.shared > layer.elements).collect();
    assert_eq!(by_layer, [true, false, true, false]);
}
