//! Laws that every method of the registry obeys.

#![expect(clippy::unwrap_used, reason = "a test stops where a checkpoint of its own cannot be read")]

mod observe;

use evidence::{HEADINGS, METHODS, Outcome, Preparation};
use observe::{Observed, observe, observe_files};
use std::collections::BTreeSet;
use testmodels::{Dtype, Llama, Network, save};

/// The relative error of sums in f64 over f32 values, with a wide margin.
const ROUNDING: f64 = 1e-6;

fn base() -> Network {
    Llama::new(1).build()
}

#[test]
fn ids_are_unique_and_say_what_a_method_needs() {
    let ids: BTreeSet<&str> = METHODS.iter().map(|method| method.card().id).collect();
    assert_eq!(ids.len(), METHODS.len());
    for method in METHODS {
        let card = method.card();
        let (access, name) = card.id.split_once('.').unwrap_or_else(|| panic!("`{}` is no `access.name`", card.id));
        assert_eq!(access, card.access[0].name(), "{}", card.id);
        assert!(
            !name.is_empty() && name.split('-').all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase())),
            "{}",
            card.id
        );
    }
}

/// Ids are stable for ever: reports and other programs refer to them. A new method is added here; none is renamed.
#[test]
fn ids_are_those_that_reports_refer_to() {
    let ids: Vec<&str> = METHODS.iter().map(|method| method.card().id).collect();
    let published = [
        "weights.tensor-identity",
        "weights.unit-alignment",
        "weights.matrix-match",
        "weights.haar-bound",
        "weights.unit-matching",
        "weights.head-matching",
        "weights.embedding-gram",
        "weights.image-angles",
        "weights.edits",
        "tokenizer.overlap",
        "activations.attention",
        "activations.attention-residual",
        "activations.unit-matching",
        "activations.cka",
        "logits.residual",
        "logits.image",
    ];
    for id in published {
        assert!(ids.contains(&id), "`{id}` is gone");
    }
}

#[test]
fn cards_are_complete() {
    for method in METHODS {
        let card = method.card();
        let headings: Vec<&str> = card.sections().iter().map(|(heading, _)| *heading).collect();
        assert_eq!(headings, HEADINGS, "{}", card.id);
        for (heading, text) in card.sections() {
            assert!(text.split_whitespace().next().is_some(), "{}: nothing under `{heading}`", card.id);
        }
        for (what, text) in
            [("null", card.null), ("reference", card.reference), ("symbol", card.statistic.symbol), ("unit", card.statistic.unit)]
        {
            assert!(!text.trim().is_empty(), "{}: no {what}", card.id);
        }
        assert!(card.statistic.range.0 < card.statistic.range.1, "{}", card.id);
    }
}

#[test]
fn one_seed_gives_the_same_bits_at_any_number_of_threads() {
    let suspect = base().with_layers(&[0, 2]).finetuned(5, 0.2);
    let (reference, suspect) = (save(&base(), Dtype::F32), save(&suspect, Dtype::Bf16));
    let with_threads = |n: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        pool.install(|| observe_files(reference.path(), suspect.path(), 7).bits())
    };
    let alone = with_threads(1);
    for threads in [1, 2, 7] {
        assert!(with_threads(threads) == alone, "{threads} threads give other bits than one");
    }
    assert!(observe_files(reference.path(), suspect.path(), 8).bits() != alone, "the seed draws nothing");
}

#[test]
fn identical_sides_reach_the_end_of_the_declared_tail() {
    let observed = observe(&base(), &base());
    // What models do on prompts has laws of its own, beside observations that are made for them (`activations_and_logits.rs`).
    for method in METHODS.iter().filter(|method| method.card().needs != Preparation::Outputs) {
        let card = method.card();
        let observation = observed.of(card.id);
        // Two ends depend on shapes, which the card cannot know: the trace of an orthogonal matrix of 64 coordinates, and what random
        // spaces of 64 coordinates leave over 640 tokens.
        let end = match card.id {
            "weights.haar-bound" => 64.0,
            "weights.image-angles" => 1.0 - 64.0 / 639.0,
            _ => card.statistic.range.1,
        };
        assert!((observation.statistic - end).abs() <= 1e-3 * end, "{}: {} against {end}", card.id, observation.statistic);
        if let Some(p) = observation.p_value {
            assert!(p.is_rigorous() && p.log10() < -30.0, "{}: log10 p {}", card.id, p.log10());
        }
    }
}

#[test]
fn statistics_stay_in_their_range_and_independence_is_not_rejected() {
    let stranger = Llama::new(2).build();
    for suspect in [stranger.clone(), base(), base().finetuned(3, 1.0), base().pruned(0.9), stranger.with_layers(&[0])] {
        let observed = observe(&base(), &suspect);
        for method in METHODS {
            let card = method.card();
            let Some(statistic) = observed.of_or_none(card.id).map(|o| o.statistic) else { continue };
            let (low, high) = card.statistic.range;
            assert!(statistic >= low - ROUNDING && statistic <= high + ROUNDING, "{}: {statistic} outside of [{low}, {high}]", card.id);
        }
    }
    let observed = observe(&base(), &stranger);
    for id in ["weights.unit-alignment", "weights.matrix-match", "weights.haar-bound"] {
        let p = observed.of(id).p_value.unwrap();
        assert!(p.value() > 0.01, "{id}: p {}", p.value());
    }
}

/// Exchanging the sides transposes every similarity matrix. The statistics are symmetric then; `weights.tensor-identity` and `weights.edits`
/// are shares of the suspect, equal here because both sides have the same size. Alignments of drawn tokens add up in another order, so
/// equality is up to rounding.
#[test]
fn swapping_the_sides_changes_no_symmetric_statistic() {
    for suspect in [base().finetuned(3, 0.3), Llama::new(2).build()] {
        let (forth, back) = (observe(&base(), &suspect), observe(&suspect, &base()));
        for id in [
            "weights.tensor-identity",
            "weights.unit-alignment",
            "weights.haar-bound",
            "weights.unit-matching",
            "weights.head-matching",
            "weights.embedding-gram",
            "weights.image-angles",
            "tokenizer.overlap",
        ] {
            let (a, b) = (forth.of(id), back.of(id));
            assert!(
                (a.statistic - b.statistic).abs() <= 1e-6 * a.statistic.abs().clamp(1.0, 64.0),
                "{id}: {} against {}",
                a.statistic,
                b.statistic
            );
            match (a.p_value, b.p_value) {
                (Some(a), Some(b)) => {
                    assert!((a.ln() - b.ln()).abs() <= 1e-4 * a.ln().abs().clamp(1.0, 1e9), "{id}: ln p {} against {}", a.ln(), b.ln())
                }
                (a, b) => assert_eq!(a, b, "{id}"),
            }
        }
    }
    // Matrices of strangers are paired greedily by the suspect's order, so only what is shared is paired alike from both sides.
    let suspect = base().finetuned(3, 0.3);
    let (forth, back) = (observe(&base(), &suspect), observe(&suspect, &base()));
    let id = "weights.matrix-match";
    let (a, b) = (forth.of(id), back.of(id));
    assert!((a.statistic - b.statistic).abs() <= ROUNDING, "{} against {}", a.statistic, b.statistic);
    let (p, q) = (a.p_value.unwrap().ln(), b.p_value.unwrap().ln());
    assert!((p - q).abs() <= 1e-4 * p.abs(), "ln p {p} against {q}");
}

/// All spaces of the model are below the caps on drawn units, so that the same units are compared whatever their order. The sampled grid of
/// the tables of tokens draws tokens, which are not relabelled. `weights.matrix-match` tries matrices turned and across spaces too, which a
/// relabelling does not respect: what it pairs among strangers is arbitrary, what it pairs among relatives is not.
#[test]
fn relabelling_the_units_of_both_sides_changes_nothing() {
    for (suspect, related) in [(base().finetuned(3, 0.3), true), (Llama::new(2).build(), false)] {
        let plain = observe(&base(), &suspect);
        let relabelled = observe(&base().relabelled(9), &suspect.clone().relabelled(9));
        for id in METHODS.iter().map(|method| method.card().id).filter(|id| related || *id != "weights.matrix-match") {
            let (a, b) = (plain.of_or_none(id), relabelled.of_or_none(id));
            assert_eq!(a.is_some(), b.is_some(), "`{id}` applied before or after only");
            let (Some(a), Some(b)) = (a, b) else { continue };
            assert!(
                (a.statistic - b.statistic).abs() <= 1e-5 * a.statistic.abs().clamp(1.0, 64.0),
                "{id}: {} against {}",
                a.statistic,
                b.statistic
            );
            if let (Some(p), Some(q)) = (a.p_value, b.p_value) {
                assert!((p.ln() - q.ln()).abs() <= 1e-3 * p.ln().abs().clamp(1.0, 1e9), "{id}: ln p {} against {}", p.ln(), q.ln());
            }
        }
    }
    // Of one side alone it hides units and coordinates; the heads kept their order, which shows over tokens, and matching finds all of them.
    let one_sided = observe(&base(), &base().relabelled(9));
    let alignment = one_sided.of("weights.unit-alignment");
    assert!(alignment.explanation.words.contains("over common tokens"), "{}", alignment.explanation.words);
    assert!(alignment.blocks.iter().filter(|b| b.label.contains("MLP")).all(|b| b.z.abs() < 5.0), "{:?}", alignment.blocks);
    assert!(alignment.p_value.unwrap().log10() < -6.0);
    for id in ["weights.unit-matching", "weights.head-matching", "weights.embedding-gram"] {
        let statistic = one_sided.of(id).statistic;
        assert!(statistic > 0.999, "{id}: {statistic}");
    }
}

#[test]
fn rescaling_a_matrix_changes_no_cosine() {
    let suspect = base().finetuned(3, 0.3);
    let (plain, rescaled) = (observe(&base(), &suspect), observe(&base(), &suspect.clone().rescaled(4)));
    for id in ["weights.unit-alignment", "weights.matrix-match", "weights.haar-bound"] {
        let (a, b) = (plain.of(id), rescaled.of(id));
        assert!((a.statistic - b.statistic).abs() <= 1e-5 * a.statistic.abs(), "{id}: {} against {}", a.statistic, b.statistic);
        let (p, q) = (a.p_value.unwrap().ln(), b.p_value.unwrap().ln());
        assert!((p - q).abs() <= 1e-4 * p.abs(), "{id}: ln p {p} against {q}");
    }
}

#[test]
fn without_access_a_method_says_why_it_does_not_apply() {
    let mut without_tokens = base();
    without_tokens.tokens = None;
    let expect = |observed: &Observed, id: &str, words: &str| assert!(observed.reason(id).contains(words), "{id}: {}", observed.reason(id));

    let anonymous = observe(&base(), &base().anonymous());
    expect(&anonymous, "weights.unit-alignment", "no family");
    expect(&anonymous, "weights.haar-bound", "no embedding table that a family names");
    expect(&anonymous, "tokenizer.overlap", "the suspect has no tokenizer");
    expect(&observe(&without_tokens, &base()), "tokenizer.overlap", "the reference has no tokenizer");
    expect(&observe(&without_tokens, &without_tokens), "tokenizer.overlap", "neither side has a tokenizer");

    let other_shapes = Llama { hidden: 48, intermediate: 80, heads: 6, vocab: 500, ..Llama::new(2) }.build();
    let observed = observe(&base(), &other_shapes);
    expect(&observed, "weights.unit-alignment", "no exchangeable space of equal width");
    expect(&observed, "weights.matrix-match", "no matrix of the suspect has the shape");
    expect(&observed, "weights.haar-bound", "48 coordinates, expected equally many");
    expect(&observed, "weights.edits", "nothing to describe");

    let few_tokens = Llama { vocab: 100, ..Llama::new(2) }.build();
    expect(&observe(&few_tokens, &few_tokens), "weights.haar-bound", "fewer than 128 tokens are common");

    let vectors = base().map(|tensor| if tensor.is_matrix() { vec![] } else { vec![tensor] });
    let observed = observe(&base(), &vectors);
    expect(&observed, "weights.unit-alignment", "no exchangeable space");
    expect(&observed, "weights.matrix-match", "no matrix of the suspect has the shape");
    expect(&observed, "weights.haar-bound", "no embedding table that a family names");
    for (id, outcome) in &observed.outcomes {
        if let Outcome::NotApplicable { why } = outcome {
            assert!(why.len() > 20, "`{id}` gives no reason: `{why}`");
        }
    }
}

/// Methods ask for roles. The words that only containers use, from the family files, stand in none of their sources.
#[test]
fn no_method_knows_the_name_of_a_tensor() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let read_all = |folder: String, extension: &str| -> Vec<String> {
        let mut folders = vec![std::path::PathBuf::from(folder)];
        let mut texts = Vec::new();
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                match path.extension() {
                    None if path.is_dir() => folders.push(path),
                    Some(found) if found == extension => texts.push(std::fs::read_to_string(path).unwrap()),
                    _ => {}
                }
            }
        }
        texts
    };
    let words = |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').map(str::to_owned).collect::<BTreeSet<String>>();
    let mut names = BTreeSet::new();
    let mut roles = BTreeSet::new();
    for (name, role) in
        read_all(format!("{root}/data/families"), "toml").iter().flat_map(|text| text.lines()).filter_map(|line| line.split_once(" = "))
    {
        if name.starts_with('"') {
            names.extend(words(name).into_iter().filter(|word| word.contains('_')));
            roles.extend(words(role));
        }
    }
    let names: BTreeSet<String> = names.difference(&roles).cloned().collect();
    assert!(names.contains("q_proj") && names.contains("token_embd"), "the family files were read");
    let methods = read_all(format!("{root}/crates/evidence/src/methods"), "rs");
    assert!(methods.len() > METHODS.len(), "the methods were read");
    for text in methods {
        let found: Vec<String> = words(&text).intersection(&names).cloned().collect();
        assert!(found.is_empty(), "a method holds {found:?}");
    }
}
