//! What a claimed correlation of attention is worth, as the report has it.

use evidence::{AttentionClaim, ClaimKind};
use forward::PromptSet;
use report::data;

/// The claim with the words of its prompts; `prompts` is the set that the models were run on.
pub(super) fn claim(claim: &AttentionClaim, prompts: Option<&PromptSet>, likelihood_why: &str) -> data::AttentionClaim {
    let mut claim = claim.clone();
    if let Some(prompts) = prompts {
        claim.name_prompts(prompts);
    }
    data::AttentionClaim {
        prompts: claim.prompts,
        prompts_digest: claim.prompts_digest,
        n_prompts: claim.n_prompts as u64,
        unit: if claim.unit == "words" { data::ClaimUnit::Words } else { data::ClaimUnit::Tokens },
        measures: claim
            .measures
            .iter()
            .map(|measure| data::ClaimMeasure { id: measure.id.into(), title: measure.title.into(), words: measure.words.into() })
            .collect(),
        rows: claim
            .rows
            .into_iter()
            .map(|row| data::ClaimRow {
                name: row.name,
                kind: match row.kind {
                    ClaimKind::Suspect => data::ClaimRowKind::Suspect,
                    ClaimKind::Control => data::ClaimRowKind::Control,
                },
                values: row.values,
                why: row.why,
            })
            .collect(),
        heads: claim
            .heads
            .iter()
            .map(|head| data::ClaimHead {
                layer: head.layer as u64,
                head: head.head as u64,
                reference_layer: head.reference_layer as u64,
                reference_head: head.reference_head as u64,
                raw: head.raw,
                residual: head.residual,
            })
            .collect(),
        n_layers: claim.n_layers as u64,
        n_heads: claim.n_heads as u64,
        maps: claim
            .maps
            .into_iter()
            .map(|map| data::ClaimMap {
                layer: map.layer as u64,
                head: map.head as u64,
                reference_layer: map.reference_layer as u64,
                reference_head: map.reference_head as u64,
                residual: map.residual,
                prompt: map.prompt,
                labels: map.labels,
                reference: map.reference,
                suspect: map.suspect,
            })
            .collect(),
        likelihood: None,
        likelihood_why: likelihood_why.to_owned(),
    }
}
