//! What a claimed correlation of attention is worth, as the report has it.

use super::Examined;
use evidence::{AttentionClaim, ClaimKind, HeadPair, MEASURES};
use report::data;

pub(super) fn claim(case: &Examined<'_>, claim: &AttentionClaim) -> data::AttentionClaim {
    // Rows are of the suspect and of those controls that were run, in their order.
    let run = case.controls.iter().filter(|beside| beside.was_run).map(|beside| beside.control);
    let names = std::iter::once(case.suspect).chain(run).map(|compared| compared.model.path.display().to_string());
    data::AttentionClaim {
        prompts: claim.prompts.clone(),
        prompts_digest: claim.prompts_digest.clone(),
        n_prompts: claim.n_prompts as u64,
        unit: if claim.by_words { data::ClaimUnit::Words } else { data::ClaimUnit::Tokens },
        measures: MEASURES
            .map(|measure| data::ClaimMeasure { id: measure.id.into(), title: measure.title.into(), words: measure.words.into() })
            .into(),
        rows: claim
            .rows
            .iter()
            .zip(names)
            .map(|(row, name)| data::ClaimRow {
                name,
                kind: match row.kind {
                    ClaimKind::Suspect => data::ClaimRowKind::Suspect,
                    ClaimKind::Control => data::ClaimRowKind::Control,
                },
                values: row.values.iter().map(|value| value.as_ref().ok().copied()).collect(),
                why: row.values.iter().map(|value| value.as_ref().err().cloned()).collect(),
            })
            .collect(),
        heads: claim.heads.iter().map(|head| data::ClaimHead { at: pair(head.at), raw: head.raw, residual: head.residual }).collect(),
        n_layers: claim.n_layers as u64,
        n_heads: claim.n_heads as u64,
        maps: claim
            .maps
            .iter()
            .map(|map| {
                let (prompt, labels) = claim.labels(map, case.prompts);
                let (reference, suspect) = (map.reference.clone(), map.suspect.clone());
                data::ClaimMap { at: pair(map.at), residual: map.residual, prompt, labels, reference, suspect }
            })
            .collect(),
        likelihood: None,
        likelihood_why: case.wording.likelihood.none_for_attention.clone(),
    }
}

fn pair(at: HeadPair) -> data::HeadPair {
    data::HeadPair {
        layer: at.layer as u64,
        head: at.head as u64,
        reference_layer: at.reference_layer as u64,
        reference_head: at.reference_head as u64,
    }
}
