//! The words of the report: conclusions, kinds of p-value, relations, roles. Calm, the same everywhere, never a verdict on a person.

use crate::data::{ClaimOutcome, Conclusion, Finding, MarginOutcome, NullKind, Outcome, PValue, Question, Relation, SideRole};
use crate::numbers::{Chance, chance, p_value};

/// The conclusion on a question, as a heading.
pub fn conclusion(question: Question, conclusion: Conclusion) -> &'static str {
    match (question, conclusion) {
        (_, Conclusion::Inconclusive) => "Inconclusive",
        (_, Conclusion::SupportsDistillation) => "Evidence of training on released replies",
        (_, Conclusion::NoEvidenceOfDistillation) => "No evidence of training on released replies",
        (Question::Distillation, Conclusion::SupportsDerivation) => "Supports distillation over independence",
        (Question::Distillation, Conclusion::SupportsIndependence) => "Supports independence over distillation",
        (_, Conclusion::SupportsDerivation) => "Supports derivation over independence",
        (_, Conclusion::SupportsIndependence) => "Supports independence over derivation",
    }
}

/// What a question asks.
pub fn question(question: Question) -> &'static str {
    match question {
        Question::Derivation => "Do the two models share trained weights?",
        Question::Distillation => "Was the suspect trained on the reference's outputs?",
        Question::Identity => "Does the endpoint serve the model that it claims to serve?",
        Question::Extraction => "Is an API used as a teacher?",
        Question::Provenance => "What was the model trained on, by whom, in what order?",
    }
}

/// One word for the kind of a null distribution.
pub fn null_kind(kind: NullKind) -> &'static str {
    match kind {
        NullKind::Exact => "exact",
        NullKind::Permutation => "permutation",
        NullKind::Asymptotic => "asymptotic",
        NullKind::Bound => "bound",
    }
}

/// The kind of a null distribution, for a reader who has not met it.
pub fn null_kind_meaning(kind: NullKind) -> &'static str {
    match kind {
        NullKind::Exact => "the distribution under the null hypothesis is known exactly",
        NullKind::Permutation => "counted over random permutations, and never below one in their number",
        NullKind::Asymptotic => "from the limit law for many units",
        NullKind::Bound => "a proven upper bound; the true chance is not larger",
    }
}

/// The p-value in words, without its kind: `"less than 1 in 10^4229"`. Powers are written with a caret.
pub fn chance_in_words(p: &PValue) -> String {
    let about = if p.null == NullKind::Asymptotic { "about" } else { "less than" };
    match chance(p.log10) {
        Chance::Plain => {
            let value = p_value(p.log10, Some(p.null));
            if value.starts_with(['≤', '≈']) { format!("p {value}") } else { format!("p = {value}") }
        }
        Chance::OneIn(n) => format!("{about} 1 in {n}"),
        Chance::OneInPower(k) => format!("{about} 1 in 10^{k}"),
    }
}

/// Whether a p-value excludes chance, in a sentence that names the null hypothesis.
pub fn chance_sentence(question: Question, p: &PValue) -> String {
    match chance(p.log10) {
        _ if question == Question::Distillation => "The chance of a difference at least this large for a model that does not depend on \
                                                    which replies were released."
            .to_owned(),
        Chance::Plain => "Independently initialised models show an agreement like this one as a matter of course.".to_owned(),
        Chance::OneIn(_) | Chance::OneInPower(_) => "The chance of an agreement at least this strong between two models that were \
                                                     initialised independently."
            .to_owned(),
    }
}

/// What the controls allow to say of a finding, in a few words; nothing for a method that needs none.
pub(crate) fn margin(finding: &Finding) -> &'static str {
    match finding.margin.as_ref().map(|margin| margin.outcome) {
        Some(MarginOutcome::StandsOut) => "stands out",
        Some(MarginOutcome::Within) => "does not stand out",
        None if !finding.needs_controls() => "",
        _ if finding.controls.is_empty() => "no conclusion: no controls",
        _ => "no conclusion",
    }
}

/// What a margin means.
pub(crate) fn margin_meaning(finding: &Finding) -> &'static str {
    match finding.margin.as_ref().map(|margin| margin.outcome) {
        Some(MarginOutcome::StandsOut) => "beyond every control, by more than the controls differ among themselves",
        Some(MarginOutcome::Within) => "no more than independent models show",
        _ => "nothing is concluded from this number",
    }
}

/// What a relation means.
pub fn relation_meaning(relation: Relation) -> &'static str {
    match relation {
        Relation::Identical => "the same values",
        Relation::Quantized => "the same values, stored with fewer bits",
        Relation::Finetune => "trained further",
        Relation::Adapter => "changed by a low-rank difference",
        Relation::Merge => "a weighted sum of the weights of several models",
        Relation::Pruned => "with weights or units removed",
        Relation::Distilled => "trained on the other model's outputs",
        Relation::LayersChanged => "with blocks dropped, repeated or added",
        Relation::VocabularyChanged => "with tokens cut or added",
        Relation::Upcycled => "its blocks stand in the suspect several times, as the experts of a mixture of which each token uses a few",
        Relation::Permuted => "the same hidden units or heads in another order, which changes nothing that a model computes",
        Relation::Rotated => "the numbers that blocks hand on are written in another basis, which changes nothing that a model computes",
        Relation::Rescaled => "some weights multiplied by a factor and others divided by it, which changes nothing that a model computes",
        Relation::Partial => "only some of the tensors",
    }
}

/// A role's key in the JSON as a label: `mlpUp` → `MLP up`.
pub fn role(key: &str) -> String {
    let known = match key {
        "embed" => "embedding",
        "positionEmbed" => "position embedding",
        "typeEmbed" => "type embedding",
        "embedNorm" => "embedding norm",
        "attnNorm" => "attention norm",
        "attnQ" => "attention query",
        "attnK" => "attention key",
        "attnV" => "attention value",
        "attnOut" => "attention output",
        "attnQNorm" => "query norm",
        "attnKNorm" => "key norm",
        "attnPostNorm" => "attention post-norm",
        "attnRelativeBias" => "relative position bias",
        "crossAttnNorm" => "cross-attention norm",
        "crossAttnQ" => "cross-attention query",
        "crossAttnK" => "cross-attention key",
        "crossAttnV" => "cross-attention value",
        "crossAttnOut" => "cross-attention output",
        "mlpNorm" => "MLP norm",
        "mlpGate" => "MLP gate",
        "mlpUp" => "MLP up",
        "mlpDown" => "MLP down",
        "mlpPostNorm" => "MLP post-norm",
        "moeRouter" => "expert router",
        "finalNorm" => "final norm",
        "unembed" => "unembedding",
        "unembedTransform" => "unembedding transform",
        "unembedNorm" => "unembedding norm",
        "pooler" => "pooler",
        "sentenceRelation" => "sentence relation",
        "taskTransform" => "task transform",
        "taskHead" => "task head",
        "conv" => "convolution",
        "conv1" => "first convolution",
        "conv2" => "second convolution",
        "other" => "tensors without a role",
        other => other,
    };
    known.to_owned()
}

/// Roles in the order in which a network uses them; roles that are not known come last, by name.
pub(crate) fn role_order(key: &str) -> usize {
    const ORDER: &[&str] = &[
        "embed",
        "positionEmbed",
        "typeEmbed",
        "embedNorm",
        "conv",
        "conv1",
        "conv2",
        "attnNorm",
        "attnQ",
        "attnK",
        "attnV",
        "attnOut",
        "attnQNorm",
        "attnKNorm",
        "attnPostNorm",
        "attnRelativeBias",
        "crossAttnNorm",
        "crossAttnQ",
        "crossAttnK",
        "crossAttnV",
        "crossAttnOut",
        "mlpNorm",
        "moeRouter",
        "mlpGate",
        "mlpUp",
        "mlpDown",
        "mlpPostNorm",
        "finalNorm",
        "unembedTransform",
        "unembedNorm",
        "unembed",
        "pooler",
        "sentenceRelation",
        "taskTransform",
        "taskHead",
        "other",
    ];
    ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len())
}

/// The first letter in lower case, unless it begins an abbreviation.
pub(crate) fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => first.to_lowercase().chain(text.chars().skip(1)).collect(),
        _ => text.to_owned(),
    }
}

/// A remark as a sentence: a capital at its start and a point at its end.
pub(crate) fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut sentence: String = match text.chars().next() {
        None => return String::new(),
        // The id of a method, a formula, `arXiv:…` and the like keep their spelling.
        Some(_)
            if text
                .split_whitespace()
                .next()
                .is_some_and(|word| word.contains(['.', '`', '_', '=']) || word.chars().any(char::is_uppercase)) =>
        {
            text.to_owned()
        }
        Some(first) => first.to_uppercase().chain(text.chars().skip(1)).collect(),
    };
    if !sentence.ends_with(['.', '!', '?', ':', '…']) {
        sentence.push('.');
    }
    sentence
}

/// A remark as the end of a sentence: as it is, with a point.
pub(crate) fn sentence_tail(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', '!', '?', '…']) { text.to_owned() } else { format!("{text}.") }
}

/// Whether a method gave a number.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Observed => "observed",
        Outcome::NotApplicable => "not applicable",
        Outcome::Failed => "failed",
    }
}

/// Whether a claim agrees with what was found.
pub(crate) fn claim_outcome(outcome: ClaimOutcome) -> &'static str {
    match outcome {
        ClaimOutcome::Agrees => "agrees",
        ClaimOutcome::Contradicts => "contradicts",
        ClaimOutcome::NotTested => "not tested",
    }
}

/// The side that a file belongs to.
pub(crate) fn side(side: SideRole) -> &'static str {
    match side {
        SideRole::Reference => "reference",
        SideRole::Suspect => "suspect",
        SideRole::Control => "control",
    }
}

/// What a finding's null distribution is, as a table cell: `"exact"`, `"permutation, 9,999"`.
pub(crate) fn null_cell(kind: Option<NullKind>, detail: Option<&str>) -> String {
    match (kind, detail) {
        (None, _) => "none".to_owned(),
        (Some(kind), None) => null_kind(kind).to_owned(),
        (Some(kind), Some(detail)) => format!("{}: {detail}", null_kind(kind)),
    }
}

/// Roles of a scope with their fractions, in network order.
pub(crate) fn roles_in_order(roles: &std::collections::BTreeMap<String, f64>) -> Vec<(&str, f64)> {
    let mut ordered: Vec<(&str, f64)> = roles.iter().map(|(role, fraction)| (role.as_str(), *fraction)).collect();
    // The map is sorted by name and the sort is stable, so unknown roles stay in order of name.
    ordered.sort_by_key(|(role, _)| role_order(role));
    ordered
}
