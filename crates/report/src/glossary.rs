//! The words of the report, defined once; a report carries the definitions of those that it uses.

/// A word with its meaning here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Term {
    /// The word.
    pub term: &'static str,
    /// What it means in a report.
    pub meaning: &'static str,
    /// Part of every page, whatever the findings.
    #[serde(skip)]
    always: bool,
}

const fn always(term: &'static str, meaning: &'static str) -> Term {
    Term { term, meaning, always: true }
}

const fn term(term: &'static str, meaning: &'static str) -> Term {
    Term { term, meaning, always: false }
}

/// Every word that a report may use in a sense of its own, in alphabetical order.
pub const TERMS: &[Term] = &[
    term("adapter", "A relation: the difference between the two models has low rank, as adapter training leaves it."),
    term("alignment", "Agreement of units that have the same index in both models."),
    term("asymptotic", "A kind of p-value: from the law that the statistic approaches when there are many units."),
    always("block", "One layer of a network: attention and MLP, with their norms."),
    term("bound", "A kind of p-value: proven never to be smaller than the true one."),
    term(
        "calibration",
        "The measured behaviour of a statistic on models whose history is known; it turns a statistic into a likelihood ratio.",
    ),
    term("coincidences", "Units whose best counterpart, found in two independent ways, is the same."),
    term("control", "A model that is known to be independent of the reference, measured in the same way."),
    term("cosine", "Similarity of two lists of numbers, from −1 (opposite) over 0 (unrelated) to 1 (the same up to scale)."),
    always(
        "derivation",
        "The suspect's weights are a function of the reference's trained weights, or both descend from one trained ancestor.",
    ),
    always("digest", "A short value computed from bytes; equal digests mean equal bytes."),
    term("exact", "A kind of p-value: the distribution of the statistic under the null hypothesis is known, whatever the data."),
    term("family", "A description of how a kind of model names and lays out its tensors."),
    always("finding", "What one method observed, with its p-value where it has one."),
    term("finetune", "A relation: the same weights, trained further."),
    always("independence", "Both models were trained from random values that were drawn separately, on whatever data."),
    term("layers-changed", "A relation: blocks were dropped, repeated or added."),
    term(
        "likelihood ratio",
        "How many times more probable the observations are if the suspect derives from the reference than if it does not.",
    ),
    always("method", "One way to gather evidence; its card says what it tests, survives and fails on."),
    always("null hypothesis", "What a p-value assumes: here, that the two models were initialised independently."),
    always("p-value", "The chance, if the null hypothesis holds, of an observation at least as extreme as this one."),
    term("partial", "A relation: only some of the tensors are shared, the embeddings for example."),
    term("permutation", "A kind of p-value: counted over random reorderings; never below one in their number."),
    term("permuted", "A relation: the hidden units stand in another order."),
    term("pruned", "A relation: weights or units were removed."),
    term("quantized", "A relation: the same values, stored with fewer bits."),
    always("reference", "The model that the suspect is held against."),
    always("role", "The place of a tensor in a network, whatever the file calls it: attention query, MLP up, embedding."),
    always("scope", "Which part of the suspect's trained parameters is shared."),
    always("statistic", "The number that a method computes."),
    always("suspect", "The model in question. (Forensic texts: the questioned item.)"),
    always("tensor root", "A digest over the digests of all tensors; equal for equal values, whatever the file format."),
    term("unit", "One hidden neuron of a block: a row of the matrices that write it and a column of the one that reads it."),
    term("vocabulary-changed", "A relation: tokens were cut or added."),
    term("weights", "The numbers that training sets."),
    always("z", "Standard score: the distance of a statistic from what independence predicts, in standard deviations."),
];

/// The terms that every page uses, and those that occur in `text`.
pub(crate) fn used_in(text: &str) -> Vec<Term> {
    let text = text.to_lowercase();
    TERMS.iter().filter(|entry| entry.always || text.contains(&entry.term.to_lowercase())).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_stand_in_order_and_once() {
        let terms: Vec<&str> = TERMS.iter().map(|t| t.term).collect();
        let mut sorted = terms.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(terms, sorted);
    }

    #[test]
    fn only_used_terms_are_defined() {
        let terms: Vec<&str> = used_in("… Quantized …").iter().map(|t| t.term).collect();
        assert!(terms.contains(&"quantized") && terms.contains(&"suspect") && !terms.contains(&"pruned"));
    }
}
