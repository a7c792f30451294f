//! The sentence: what it holds, what it never says, and what an inconclusive one asks for.

#![expect(clippy::unwrap_used, reason = "a test stops where a checkpoint of its own cannot be read")]

mod case;

use case::{compare, compare_files, shipped};
use sources::Model;
use testmodels::{Llama, Network, Tensor};
use verdict::{Conclusion, Verdict};

fn base() -> Network {
    Llama::new(1).build()
}

/// DESIGN.md, invariant 12: the report says "supports"; it accuses nobody and claims no certainty.
fn expect_careful_words(verdict: &Verdict) {
    let all = [vec![verdict.statement.clone()], verdict.limits.clone(), verdict.would_help.clone().into_iter().collect()]
        .concat()
        .join(" ")
        .to_lowercase();
    let words: Vec<&str> = all.split(|c: char| !c.is_alphabetic()).collect();
    for word in
        ["proves", "proved", "proof", "stolen", "theft", "guilty", "match", "matches", "matched", "certain", "certainly", "infringes"]
    {
        assert!(!words.contains(&word), "`{word}` in: {all}");
    }
    assert!(!all.contains(['{', '}']), "an unfilled placeholder in: {all}");
    assert!(verdict.statement.ends_with('.') && !verdict.statement.contains('\n'), "{}", verdict.statement);
}

#[test]
fn derivation_is_stated_with_its_share_and_its_probability() {
    let verdict = compare_files(&shipped("base"), &shipped("finetuned")).verdict;
    expect_careful_words(&verdict);
    assert!(verdict.statement.starts_with("The evidence supports derivation over independent training: "), "{}", verdict.statement);
    assert!(verdict.statement.contains(" % of the suspect's trained parameters"), "{}", verdict.statement);
    let log10 = verdict.strongest.as_ref().unwrap().p_value.log10();
    assert!(verdict.statement.contains(&format!("10^{:.0}", log10.ceil())), "{}", verdict.statement);
    assert!(verdict.limits[0].contains("which model came first"), "{:?}", verdict.limits);
    assert!(verdict.limits.iter().any(|limit| limit.contains("same initialisation")), "{:?}", verdict.limits);
    assert_eq!(verdict.would_help, None);
}

#[test]
fn identity_is_stated_as_such() {
    let verdict = compare(&base(), &base()).verdict;
    expect_careful_words(&verdict);
    assert!(verdict.statement.contains("100 %") && verdict.statement.contains("bit for bit"), "{}", verdict.statement);
}

#[test]
fn independence_is_stated_with_what_was_compared_and_what_could_hide() {
    let verdict = compare_files(&shipped("base"), &shipped("independent")).verdict;
    expect_careful_words(&verdict);
    assert!(
        verdict.statement.starts_with("The evidence supports independent training over undisguised derivation: "),
        "{}",
        verdict.statement
    );
    assert!(verdict.statement.contains("could be compared") && verdict.statement.contains("(p "), "{}", verdict.statement);
    for words in ["permuted, rotated", "distillation"] {
        assert!(verdict.limits.iter().any(|limit| limit.contains(words)), "{words}: {:?}", verdict.limits);
    }
}

#[test]
fn models_without_a_common_shape_are_said_to_have_none() {
    let other = Llama { hidden: 48, intermediate: 80, heads: 6, vocab: 500, ..Llama::new(2) }.build();
    let verdict = compare(&base(), &other).verdict;
    expect_careful_words(&verdict);
    assert_eq!(verdict.conclusion, Conclusion::SupportsIndependence);
    assert!(verdict.statement.contains("has the shape of one in the reference"), "{}", verdict.statement);
    assert_eq!(verdict.scope.shared_fraction, 0.0);
}

#[test]
fn a_configuration_alone_is_no_model() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), base().config.unwrap().to_string()).unwrap();
    std::fs::write(folder.path().join("README.md"), "---\nbase_model: some/model\nbase_model_relation: finetune\n---\n").unwrap();
    let error = Model::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("none with weights"), "{error}");
}

#[test]
fn norms_alone_conclude_nothing() {
    let norms = |network: Network| network.map(|tensor| if tensor.is_matrix() { vec![] } else { vec![tensor] });
    for (reference, suspect) in [(base(), norms(base())), (norms(base()), base()), (norms(base()), norms(Llama::new(2).build()))] {
        let verdict = compare(&reference, &suspect).verdict;
        expect_careful_words(&verdict);
        assert_eq!(verdict.conclusion, Conclusion::Inconclusive, "{}", verdict.statement);
        assert!(verdict.statement.contains("no trained matrix"), "{}", verdict.statement);
        assert!(verdict.would_help.as_ref().is_some_and(|help| help.contains("weights")), "{:?}", verdict.would_help);
        assert!(verdict.relation.is_empty());
    }
}

#[test]
fn a_handful_of_units_concludes_nothing() {
    let small = |seed: u64| {
        let values = testmodels::Gaussian::new(seed, "small").vector(6 * 9, 1.0);
        Network::of(vec![Tensor { name: "w".into(), shape: vec![6, 9], values }])
    };
    let verdict = compare(&small(1), &small(2)).verdict;
    expect_careful_words(&verdict);
    assert_eq!(verdict.conclusion, Conclusion::Inconclusive, "{}", verdict.statement);
    assert!(verdict.statement.contains("6 units") && verdict.would_help.is_some(), "{}", verdict.statement);
}

/// A weak part common to every matrix: beyond chance, but nothing corresponds in size.
#[test]
fn beyond_chance_without_size_concludes_nothing() {
    let with_common_part = |seed: u64| {
        let mut network = Llama { intermediate: 512, ..Llama::new(seed) }.build();
        for tensor in network.tensors.iter_mut().filter(|t| t.is_matrix()) {
            let size = 0.4 * tensor.rms();
            let mut common = testmodels::Gaussian::new(0, &format!("common part of {}", tensor.name));
            tensor.values.iter_mut().for_each(|v| *v += (size * common.draw()) as f32);
        }
        network
    };
    let compared = compare(&with_common_part(1), &with_common_part(2));
    expect_careful_words(&compared.verdict);
    assert!(compared.log10_p() < -7.0, "the trap is not set: {}", compared.log10_p());
    assert_eq!(compared.verdict.conclusion, Conclusion::Inconclusive, "{}", compared.verdict.statement);
    assert_eq!(compared.verdict.scope.shared_fraction, 0.0);
    assert!(compared.verdict.statement.contains("shared initialisation"), "{}", compared.verdict.statement);
    assert!(compared.verdict.would_help.is_some());
}
