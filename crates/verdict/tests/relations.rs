//! Edits of a known kind are concluded as derivation and named.

#![expect(clippy::unwrap_used, reason = "a test stops where a checkpoint of its own cannot be read")]

mod case;

use case::{compare, compare_files};
use testmodels::{Dtype, Llama, Network, NewRow, bert, gpt2, save, save_q8_0};
use verdict::Conclusion;

fn base() -> Network {
    Llama::new(1).build()
}

/// Stored as bf16 on both sides, as most checkpoints are.
fn compare_bf16(reference: &Network, suspect: &Network) -> case::Compared {
    let (reference, suspect) = (save(reference, Dtype::Bf16), save(suspect, Dtype::Bf16));
    compare_files(reference.path(), suspect.path())
}

fn old_rows(ids: impl IntoIterator<Item = usize>) -> Vec<NewRow> {
    ids.into_iter().map(NewRow::Old).collect()
}

#[test]
fn a_copy_is_identical() {
    for network in [base(), gpt2(1), bert(1)] {
        let compared = compare(&network, &network);
        compared.expect_derivation(&["identical"]);
        assert_eq!(compared.verdict.scope.shared_fraction, 1.0);
    }
}

#[test]
fn a_narrower_type_is_quantized() {
    let reference = save(&base(), Dtype::F32);
    for dtype in [Dtype::Bf16, Dtype::F16] {
        let suspect = save(&base(), dtype);
        compare_files(reference.path(), suspect.path()).expect_derivation(&["quantized"]);
        // From the narrow to the wide one it is the same rounding, seen from the other side.
        compare_files(suspect.path(), reference.path()).expect_derivation(&["quantized"]);
    }
}

#[test]
fn a_grid_of_eight_bits_in_another_container_is_quantized() {
    let (reference, suspect) = (save(&base(), Dtype::F32), save_q8_0(&base()));
    let compared = compare_files(reference.path(), suspect.path());
    compared.expect_derivation(&["quantized"]);
    assert_eq!(compared.verdict.scope.shared_fraction, 1.0);
    assert!(compared.of("weights.edits").explanation.words.contains("Q8_0"), "{}", compared.of("weights.edits").explanation.words);
}

#[test]
fn a_dense_change_is_a_fine_tune() {
    for network in [base(), gpt2(1), bert(1)] {
        for relative in [0.02, 0.3] {
            compare(&network, &network.clone().finetuned(3, relative)).expect_derivation(&["finetune"]);
            compare_bf16(&network, &network.clone().finetuned(3, relative)).expect_derivation(&["finetune"]);
        }
    }
}

#[test]
fn a_change_of_low_rank_is_an_adapter() {
    for rank in [4, 8] {
        let suspect = base().with_adapter(3, rank, 0.1, &["q_proj", "v_proj", "up_proj", "down_proj"]);
        let words = |compared: &case::Compared| compared.of("weights.edits").explanation.words.clone();
        let exact = compare(&base(), &suspect);
        exact.expect_derivation(&["adapter"]);
        assert!(words(&exact).contains(&format!("rank {rank} or less")), "{}", words(&exact));
        let rounded = compare_bf16(&base(), &suspect);
        rounded.expect_derivation(&["adapter"]);
        assert!(words(&rounded).contains(&format!("rank {rank} or less")), "{}", words(&rounded));
    }
}

#[test]
fn a_small_adapter_is_found_and_an_average_with_a_stranger_is_none() {
    // Narrower matrices leave the sketch too few values beside the rank to call the rest flat.
    let wide = Llama { hidden: 128, intermediate: 128, ..Llama::new(1) }.build();
    for relative in [0.02, 0.05] {
        compare_bf16(&wide, &wide.clone().with_adapter(3, 8, relative, &["q_proj", "up_proj"])).expect_derivation(&["adapter"]);
    }
    let stranger = Llama::new(2).build();
    let average = base().map(|mut tensor| {
        tensor.values.iter_mut().zip(&stranger.tensor(&tensor.name).values).for_each(|(v, w)| *v = 0.5 * (*v + w));
        vec![tensor]
    });
    let compared = compare(&base(), &average);
    assert_eq!(compared.verdict.conclusion, Conclusion::SupportsDerivation, "{}", compared.verdict.statement);
    assert!(
        compared.verdict.relation_words().contains(&"finetune") && !compared.verdict.relation_words().contains(&"adapter"),
        "{:?}",
        compared.verdict.relation
    );
}

#[test]
fn zeros_of_the_smallest_values_are_pruning() {
    let compared = compare(&base(), &base().pruned(0.5));
    compared.expect_derivation(&["pruned"]);
    let words = &compared.of("weights.edits").explanation.words;
    assert!(words.contains("pruned: 50.0 %"), "{words}");
}

#[test]
fn dropped_repeated_and_new_blocks_are_changed_layers() {
    let base = Llama { layers: 4, ..Llama::new(1) }.build();
    let stranger = Llama::new(2).build();
    // The last but one is stacked from overlapping runs, as SOLAR was made from Mistral (arXiv:2312.15166, section 2).
    for blocks in [vec![0, 1, 2], vec![0, 1, 3], vec![1, 2, 3], vec![0, 1, 1, 2, 3], vec![0, 1, 2, 0, 1, 2, 3], vec![3, 2, 1, 0]] {
        let compared = compare(&base, &base.with_layers(&blocks));
        assert_eq!(compared.correspondence.blocks.path.iter().map(|p| p.unwrap_or(99)).collect::<Vec<_>>(), blocks);
        compared.expect_derivation(&["identical", "layers-changed"]);
    }
    let inserted = base.with_blocks(&[(&base, 0), (&base, 1), (&stranger, 1), (&base, 2), (&base, 3)]);
    let compared = compare(&base, &inserted);
    assert_eq!(compared.correspondence.blocks.path, [Some(0), Some(1), None, Some(2), Some(3)]);
    compared.expect_derivation(&["layers-changed", "partial"]);
}

#[test]
fn a_cut_an_extended_and_a_reordered_vocabulary_are_found() {
    let cut = base().with_vocabulary(&old_rows(0..500), 3);
    let mut extended = old_rows(0..640);
    extended.extend([NewRow::New; 24]);
    let extended = base().with_vocabulary(&extended, 3);
    // Multiplication by 7 modulo 640 is a permutation.
    let reordered = base().with_vocabulary(&old_rows((0..640).map(|i| i * 7 % 640)), 3);
    for (what, suspect) in [("cut", cut), ("extended", extended), ("reordered", reordered)] {
        let compared = compare(&base(), &suspect);
        assert!(compared.verdict.relation_words().contains(&"vocabulary-changed"), "{what}: {:?}", compared.verdict.relation);
        assert!(compared.verdict.scope.shared_fraction > 0.95, "{what}: {}", compared.verdict.scope.shared_fraction);
        assert!(!compared.verdict.relation_words().contains(&"finetune"), "{what}: {:?}", compared.verdict.relation);
    }
}

#[test]
fn a_body_of_its_own_under_the_references_tables_is_told_apart() {
    let stranger = Llama::new(2).build();
    let suspect = stranger
        .clone()
        .map(|tensor| vec![if tensor.name == "model.embed_tokens.weight" { base().tensor(&tensor.name).clone() } else { tensor }]);
    let compared = compare(&base(), &suspect);
    // The tables of a public model are put under new bodies openly: that they are shared is told, and what it means is not concluded.
    assert_eq!(compared.verdict.conclusion, Conclusion::Inconclusive, "{}", compared.verdict.statement);
    let scope = &compared.verdict.scope;
    for (role, found) in &scope.roles {
        assert_eq!(found.fraction(), if role == "embed" { 1.0 } else { 0.0 }, "{role}");
    }
    assert!(compared.verdict.statement.contains("in the embeddings; none of"), "{}", compared.verdict.statement);
}

#[test]
fn a_model_with_some_blocks_from_the_reference_is_partial() {
    let stranger = Llama::new(2).build();
    let suspect = stranger.map(|tensor| vec![if tensor.name.contains("layers.1.") { base().tensor(&tensor.name).clone() } else { tensor }]);
    let compared = compare(&base(), &suspect);
    compared.expect_derivation(&["partial"]);
    let by_layer: Vec<bool> = compared.verdict.scope.by_layer.iter().map(|layer| layer.shared == layer.elements).collect();
    assert_eq!(by_layer, [false, true, false]);
}

#[test]
fn several_edits_at_once_are_all_named() {
    compare(&base(), &base().pruned(0.5).with_adapter(3, 4, 0.0, &[])).expect_derivation(&["pruned"]);
    let tuned_then_pruned = compare(&base(), &base().finetuned(3, 0.05).pruned(0.5));
    tuned_then_pruned.expect_derivation(&["pruned", "finetune"]);

    let mut rows = old_rows(0..640);
    rows.extend([NewRow::New; 32]);
    let (reference, suspect) = (save(&base(), Dtype::F32), save_q8_0(&base().with_vocabulary(&rows, 3)));
    compare_files(reference.path(), suspect.path()).expect_derivation(&["quantized", "vocabulary-changed"]);

    let (reference, suspect) = (save(&base(), Dtype::F32), save_q8_0(&base().finetuned(3, 0.3)));
    compare_files(reference.path(), suspect.path()).expect_derivation(&["quantized", "finetune"]);

    let cut = base().with_vocabulary(&old_rows(0..500), 3);
    compare(&base(), &cut.with_adapter(3, 4, 0.2, &["q_proj", "up_proj"])).expect_derivation(&["adapter", "vocabulary-changed"]);

    compare(&base(), &base().with_layers(&[0, 2]).finetuned(3, 0.05)).expect_derivation(&["finetune", "layers-changed"]);
}
