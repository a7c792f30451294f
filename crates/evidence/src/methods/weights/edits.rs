//! `weights.edits`: given that weights are shared, how the suspect differs from the reference.

use crate::blocks::path_in_words;
use crate::card::{Card, card};
use crate::correspondence::Pair;
use crate::method::{Case, Explanation, Method, MethodError, Observation, Outcome};
use crate::relation::{Relation, RelationKind};
use crate::restored::{RestoredRole, merge};
use crate::stored_changes::{StoredChanges, elements};
use sources::{Role, Slot};

card! {
    /// # Question
    /// Given that weights are shared: what was done to them?
    /// # Null hypothesis
    /// None is tested. Edits are named only where other evidence supports derivation; they describe and do not conclude.
    /// # Statistic
    /// The share of the suspect's trained elements that correspond to the reference's. Large values mean fewer changes. The parts
    /// name each edit and what was seen of it.
    /// # Shapes and units
    /// Shared pairs of weights; a share in [0, 1]; relative differences `‖b − a‖ / ‖a‖`; ranks in dimensions.
    /// # Null distribution
    /// None.
    /// # Assumptions
    /// `identical`: every trained element is equal. `quantized`: the suspect is stored on a grid, or is the reference rounded to a narrower
    /// type. `pruned`: at least 5 % of the reference's non-zero values became zero. `adapter`: the difference has a low rank and a rest no larger than rounding.
    /// `finetune`: any other change. `layers-changed`: the best path of blocks is not the diagonal. `vocabulary-changed`: the tables of
    /// tokens have other rows. `partial`: the tensors that correspond hold less than 95 % of the suspect. Where units are matched, the disguise is
    /// undone first: `permuted`, another order of units, heads or residual coordinates; `rotated`, a turn of the stream, fitted on half of the
    /// tokens and blocks and checked on the others (Procrustes), or inside heads; `rescaled`, gains or units whose scales cancel; `upcycled`,
    /// experts that hold the units of dense blocks; `pruned`, units that are gone; `merge`, least squares over `--parent` models that leave less
    /// than half of what the nearest single one leaves. The words above then describe what remains.
    /// # Survives
    /// Any storage; several edits at once are all named where they leave their own traces.
    /// # Fails when
    /// An edit is smaller than the rounding of a quantised type: fine-tuning below the grid is not seen.
    /// # Reference
    /// Randomised range finder: Halko, Martinsson, Tropp, SIAM Review 53 (2011), algorithm 4.1; the turn: Schönemann, Psychometrika 31 (1966);
    /// words: `base_model_relation` of the Hub.
    /// # Example
    /// `all-MiniLM-L6-v2` against its int8 export: `quantized`; two halves of one T5: `partial` (`real-pairs.toml`).
    pub(crate) static CARD = {
        id: "weights.edits",
        question: Question::Derivation,
        null: "no null hypothesis: a description, given derivation",
        null_basis: NullBasis::None,
        statistic: Quantity::share("share"),
        needs: Preparation::Matching,
        access: &[Access::Weights],
        reference: "Halko, Martinsson, Tropp 2011",
    }
}

pub(crate) struct Edits;

/// Less than this share of the suspect's trained elements is a part.
const WHOLE: f64 = 0.95;

impl Method for Edits {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let shared: Vec<&Pair> = case.correspondence.pairs.iter().filter(|p| p.is_shared() && !is_superseded(case, p)).collect();
        if shared.is_empty() && case.restored.is_none() {
            return Ok(Outcome::not_applicable(
                "no tensor of the suspect corresponds to one of the reference, so there is nothing to describe",
            ));
        }
        let by_weight = case.shared_elements();
        let share = by_weight.iter().sum::<u64>() as f64 / case.suspect.trained_elements().max(1) as f64;
        let disguise = disguise_relations(case, &shared)?;
        let stored = StoredChanges::find(case, shared)?;
        let unchanged = stored.unchanged();

        let mut relations = Vec::new();
        if unchanged.len() == stored.shared.len() && !unchanged.is_empty() && share >= WHOLE && disguise.is_empty() {
            let words = format!("all {} shared tensors are equal in every element", unchanged.len());
            relations.push(Relation { kind: RelationKind::Identical, words });
        }
        relations.extend(stored.relations());
        relations.extend(layers_changed(case));
        relations.extend(stored.vocabulary_changed());
        for relation in disguise {
            match relations.iter_mut().find(|known| known.kind == relation.kind) {
                // What the stored tensors show is told once; what only matching shows is added.
                Some(known) if known.words != relation.words => known.words = format!("{}; {}", known.words, relation.words),
                Some(_) => {}
                None => relations.push(relation),
            }
        }
        // What a mixture explains is no fine-tune of one of its parents.
        if relations.iter().any(|relation| relation.kind == RelationKind::Merge) {
            relations.retain(|relation| relation.kind != RelationKind::Finetune);
        }
        if is_partial(case, &by_weight) {
            let words = format!("{:.1} % of the suspect's trained elements correspond to the reference's", 100.0 * share);
            relations.push(Relation { kind: RelationKind::Partial, words });
        }

        let n_shared = stored.shared.len();
        let mut parts = vec![Explanation::leaf(
            "unchanged",
            elements(&unchanged) as f64,
            "elements",
            format!("in {} of {n_shared} shared tensors", unchanged.len()),
        )];
        parts.extend(stored.spectra.iter().map(|(pair, rank)| Explanation {
            label: case.suspect.weights[pair.suspect].label(),
            value: rank.map(|r| r as f64),
            unit: "dimensions",
            words: if rank.is_some() { "rank of the difference" } else { "no low rank: the difference is dense" }.into(),
            parts: Vec::new(),
        }));
        let words = if relations.is_empty() {
            "no edit could be named".into()
        } else {
            relations.iter().map(|r| format!("{}: {}", r.kind.name(), r.words)).collect::<Vec<_>>().join("; ")
        };
        let explanation = Explanation { label: "edits".into(), value: Some(share), unit: "1", words, parts };
        Ok(Outcome::Observed(Observation { relations, ..Observation::new(share, n_shared, None, explanation) }))
    }
}

/// Whether a pair differs by a disguise more than by what remains once that is undone.
fn is_superseded(case: &Case<'_>, pair: &Pair) -> bool {
    let Some(slot) = case.suspect.weights[pair.suspect].slot else { return false };
    let stored = pair.moments.relative_difference();
    case.restored.is_some_and(|restored| {
        let matrix = |role| restored.roles.iter().find(|r| r.is_of(Slot { role, ..slot }));
        match slot.role {
            // A gain that was moved into what reads it is no change of its own.
            Role::AttnNorm | Role::MlpNorm | Role::FinalNorm => restored.gains_were_moved() && stored.is_some_and(|d| d > 0.0),
            // Gains inside a head go from queries to keys and back without a trace in their products.
            Role::AttnQNorm | Role::AttnKNorm => restored.heads_were_turned() && stored.is_some_and(|d| d > 0.0),
            role => matrix(role).is_some_and(|role| role.remainder.supersedes(stored)),
        }
    })
}

/// The disguise, and what remains under it where none of the shared tensors shows it as it stands.
fn disguise_relations(case: &Case<'_>, shared: &[&Pair]) -> Result<Vec<Relation>, MethodError> {
    let (Some(restored), Ok(matching)) = (case.restored, case.matching) else { return Ok(Vec::new()) };
    let mut relations = restored.disguise_relations(matching);
    let as_stored: Vec<Slot> = shared.iter().filter_map(|pair| case.suspect.weights[pair.suspect].slot).collect();
    let is_hidden = |role: &RestoredRole| !role.role.is_table() && !as_stored.iter().any(|&slot| role.is_of(slot));
    relations.extend(restored.remainder_relations(matching, &is_hidden, case.seed)?);
    if let Some((fit, singles)) = &restored.mixture {
        let names: Vec<String> =
            std::iter::once("the reference".to_owned()).chain(restored.parents.iter().map(|p| format!("`{p}`"))).collect();
        relations.extend(merge(fit, singles, &names));
    }
    Ok(relations)
}

/// The word for blocks that stand elsewhere.
fn layers_changed(case: &Case<'_>) -> Option<Relation> {
    let blocks = &case.correspondence.blocks;
    case.correspondence.layers_changed.then(|| Relation {
        kind: RelationKind::LayersChanged,
        words: path_in_words(blocks.path.iter().map(|row| Some(blocks.rows[(*row)?].clone()))),
    })
}

/// Whether what corresponds is a part of the suspect. New rows of a vocabulary are named as such and make no part of a whole, nor do vectors whose
/// matrices were disguised.
fn is_partial(case: &Case<'_>, by_weight: &[u64]) -> bool {
    let counted = case.suspect.weights.iter().zip(by_weight).map(|(weight, &shared)| match weight.is_table() {
        true if shared > 0 => weight.elements() as u64,
        _ => shared,
    });
    (counted.sum::<u64>() as f64) < WHOLE * case.suspect.trained_elements() as f64
}
