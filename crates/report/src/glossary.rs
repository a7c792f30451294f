//! The words of the report and of the code, defined once; a report carries the definitions of those that it uses.

/// A word with its meaning here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Term {
    /// The word.
    pub term: &'static str,
    /// What it means here.
    pub meaning: &'static str,
    #[serde(skip)]
    place: Place,
}

/// Where a word is defined besides `GLOSSARY.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On every page, whatever the findings.
    EveryPage,
    /// On the pages where it occurs.
    WhereItOccurs,
    /// On the pages of tests on released replies.
    WithTwins,
    /// On none: a word of the code and its docs.
    NoPage,
}

const fn always(term: &'static str, meaning: &'static str) -> Term {
    Term { term, meaning, place: Place::EveryPage }
}

const fn term(term: &'static str, meaning: &'static str) -> Term {
    Term { term, meaning, place: Place::WhereItOccurs }
}

const fn twins(term: &'static str, meaning: &'static str) -> Term {
    Term { term, meaning, place: Place::WithTwins }
}

const fn code(term: &'static str, meaning: &'static str) -> Term {
    Term { term, meaning, place: Place::NoPage }
}

/// Words that this project does not use, and what it says in their place.
pub const AVOIDED: &[(&str, &str)] = &[
    ("a and b, base and target, original and copy", "reference and suspect, always in this order"),
    ("confidence, probability of copying", "p-value, with its kind"),
    ("detector, test, metric, rule, check", "method (a `#[test]` is a test)"),
    ("hash, fingerprint for a value computed from bytes", "digest"),
    ("labels 0 and 1, positive and negative", "null hypothesis and alternative"),
    ("proves, guilty, stolen, match", "supports derivation over independence, and by how much"),
    ("score, similarity in per cent", "statistic"),
    ("tensor type, tensor key", "role"),
    ("white box, grey box, black box", "access: weights, tokenizer, activations, logits"),
];

/// Every word that has a sense of its own here, in alphabetical order.
pub const TERMS: &[Term] = &[
    code("access", "What a method needs of both sides: their weights, their tokenizer, their activations, their logits."),
    term("adapter", "A relation: the difference between the two models has low rank, as adapter training leaves it."),
    term("alignment", "Agreement of units that have the same index in both models."),
    term("asymptotic", "A kind of p-value: from the law that the statistic approaches when there are many units."),
    term("attention", "How much a model looks at every other token while it reads one: shares that add up to 1, for each of its heads."),
    term("attention head", "One of the parts of a block that look at the text side by side, each in its own way."),
    term(
        "attention-residual",
        "Correlation of the attention of paired heads, after the first token, habits of place, and what independent models do on the same \
         text are taken away.",
    ),
    code("base model", "The origin that a model's own card declares. A claim, not the reference."),
    code("baseline", "A statistic that others publish, computed in the bench beside our methods on the same pairs. Never evidence."),
    always("block", "One layer of a network: attention and MLP, with their norms."),
    term("block-paired", "Said of a comparison that sets each block of the suspect beside the same relative depth of every control."),
    term("bound", "A kind of p-value: proven never to be smaller than the true one."),
    term(
        "calibration",
        "The measured behaviour of a statistic on models whose history is known; it turns a statistic into a likelihood ratio.",
    ),
    term(
        "canonical form",
        "The one way to write a network that computes the same: norm gains folded into their readers, fused matrices split, constants left out.",
    ),
    code(
        "card",
        "What a stranger must know of a method before trusting it, under ten headings, written as the doc comment of its declaration.",
    ),
    code("case", "The two sides, how their tensors correspond, and the seed: all that a method is given."),
    code("checkpoint", "One saved set of weights: a file, or a folder of files."),
    code(
        "claim",
        "What a model card or a config says of a model's origin, licence or relation. Shown beside the findings; nothing is concluded from it.",
    ),
    twins("cluster", "Requests that share one fate because they have the same prompt or conversation; they move together in the test."),
    term("coincidences", "Units whose nearest neighbour in the other model, mutually, carries their own index."),
    twins(
        "commitment",
        "A digest of replies and twins that was published before the suspect was opened, so that nobody could choose them by what it says.",
    ),
    code(
        "conclusion",
        "Of derivation: supported, independence supported, or inconclusive. Of distillation: supported, no evidence, or inconclusive.",
    ),
    code(
        "constant",
        "A tensor that no training touched: position ids, frequency tables, masks, Fourier bases. Unrelated models share them, so they are set apart.",
    ),
    code("container", "The file format that holds a checkpoint: safetensors, GGUF, PyTorch zip, ONNX, npz, CTranslate2."),
    term(
        "control",
        "A model that is known to be independent of the reference, measured in the same way. It shows what models have in common without \
         derivation.",
    ),
    code("correspondence", "Which tensor of the suspect is compared with which of the reference, and why these two."),
    term("cosine", "Similarity of two lists of numbers, from −1 (opposite) over 0 (unrelated) to 1 (the same up to scale)."),
    code("custody", "Digests of the files and tensors that were read, so that both parties know which bytes they speak of."),
    always(
        "derivation",
        "The suspect's weights are a function of the reference's trained weights, or both descend from one trained ancestor.",
    ),
    always("digest", "A short value computed from bytes; equal digests mean equal bytes."),
    term("distillation", "Training a model on another's outputs. It leaves no trace in weights and is a question of its own."),
    twins(
        "e-value",
        "Evidence that multiplies over batches that share no cluster: at most 1 on average if the null hypothesis holds, so that 1,000 is as \
         rare as a p-value of 0.001.",
    ),
    twins("effect", "How much more probable released replies are than their twins, in nats for each token."),
    code("encoding", "How stored bytes become numbers: F32, BF16, Q4_K."),
    term("exact", "A kind of p-value: the distribution of the statistic under the null hypothesis is known, whatever the data."),
    code(
        "exchangeable",
        "Said of a space whose units training treats alike, so that under the null hypothesis their order is uniformly random.",
    ),
    term("family", "A description of how a kind of model names and lays out its tensors."),
    always("finding", "What one method observed, with its p-value where it has one."),
    term("finetune", "A relation: the same weights, trained further."),
    term("identical", "A relation: every trained element is equal."),
    code("inconclusive", "An allowed conclusion: access or size does not permit an answer. The report says what would."),
    always("independence", "Both models were trained from random values that were drawn separately, on whatever data."),
    term("layers-changed", "A relation: blocks were dropped, repeated or added."),
    term(
        "likelihood ratio",
        "How many times more probable the observations are if the suspect derives from the reference than if it does not.",
    ),
    term("logits", "The numbers that a model gives every token as the next one, before they become probabilities."),
    term("margin", "How far the suspect lies from the controls, block by block, measured by how far the controls lie from one another."),
    term("merge", "A relation: a weighted sum of the weights of several models."),
    always("method", "One way to gather evidence; its card says what it tests, survives and fails on."),
    twins(
        "minimum detectable effect",
        "The smallest effect that the test finds, at its level, as often as declared. Less may be there and be missed.",
    ),
    twins("nat", "The unit of natural logarithms: a token that is a nat more probable is 2.72 times as probable."),
    code(
        "null distribution",
        "What a statistic does under the null hypothesis: exact, by permutation, a bound, or asymptotic. Part of every p-value's type.",
    ),
    always("null hypothesis", "What a p-value assumes; the card of each method names its own."),
    code("observation", "What a method gives: a statistic, perhaps a p-value, and how the number came about."),
    term(
        "observation file",
        "What one model does on one set of prompts, in a file that is compared in the model's place: it holds no weights, and names the digest of \
         the weights that it was made of.",
    ),
    always("p-value", "The chance, if the null hypothesis holds, of an observation at least as extreme as this one."),
    term("partial", "A relation: only some of the tensors are shared, the embeddings for example."),
    term("permutation", "A kind of p-value: counted over random reorderings; never below one in their number."),
    term("permuted", "A relation: the hidden units stand in another order."),
    twins("placebo", "Replies that went to others. They must show no effect; if they do, the twins were not drawn as the replies were."),
    term("prompts", "The texts that all models of a report were run on; their digest says which."),
    term("pruned", "A relation: weights or units were removed."),
    twins(
        "public base",
        "A public model that the suspect may come from and that saw neither replies nor twins. Its part is taken away, and it is tested in the \
         suspect's place.",
    ),
    term("quantized", "A relation: the same values, stored with fewer bits."),
    always("reference", "The model that the suspect is held against."),
    code("relation", "How the suspect differs from the reference, given derivation; spelled as the Hub spells it where it has a word."),
    twins("released reply", "The one of its possible replies that the reference's service gave to a request."),
    term("rescaled", "A relation: scales were moved from some tensors to others, which changes nothing that the model computes."),
    always("role", "The place of a tensor in a network, whatever the file calls it: attention query, MLP up, embedding."),
    term("rotated", "A relation: the residual stream is written in another basis, which changes nothing that the model computes."),
    code("runner-up", "The second most similar tensor of the reference: what the best counterpart must be told apart from."),
    always("scope", "Which part of the suspect's trained parameters is shared."),
    term(
        "self-test",
        "Each control is held against the others as if it were the suspect; where one of them would stand out, the controls do not serve.",
    ),
    code(
        "shape class",
        "Models of equal width, number of blocks and MLP units, whatever their family is called; by it the registry finds controls for a reference.",
    ),
    code("sketch", "A short list of numbers that stands for a long one: inner products of sketches estimate those of the lists."),
    code("slot", "A role at a place: `3.mlp_up`, block 3's MLP up matrix."),
    code(
        "space",
        "What an axis of a tensor is indexed by: MLP units of a block, heads, residual coordinates, the vocabulary. A family declares it.",
    ),
    always("statistic", "The number that a method computes."),
    always("suspect", "The model in question; forensic texts call it the questioned item."),
    term(
        "synthetic control",
        "A copy of the suspect with its units in random order. It is no model: it shows what chance reaches, not what an independent \
         model trained on the same data reaches.",
    ),
    code("tap", "A place of a forward pass where numbers are told: attention, residual stream, MLP units, logits."),
    always("tensor root", "A digest over the digests of all tensors; equal for equal values, whatever the file format."),
    twins("twin", "A reply that could as well have been released: drawn later by the same snapshot, prompt and sampler."),
    term("unit", "One hidden neuron of a block: a row of the matrices that write it and a column of the one that reads it."),
    term(
        "unit matching",
        "Finding for each hidden unit of one model its counterpart in the other by what both do to common tokens, whatever their order and \
         basis.",
    ),
    term("upcycled", "A relation: dense blocks were repeated as the experts of a mixture."),
    code("verdict", "The conclusion on one question with its scope, relation, strongest rigorous p-value and one sentence."),
    term(
        "view",
        "One way to see the same thing. Of a unit: by what it reads (gate, up) or by what it writes (down). Of a tensor: how a role's \
         matrix lies in it.",
    ),
    term("vocabulary-changed", "A relation: tokens were cut or added."),
    term("weights", "The numbers that training sets."),
    always("z", "Standard score: the distance of a statistic from what the null hypothesis predicts, in standard deviations."),
];

/// The terms that every page uses, and those that occur in `text`, a report as JSON: as words, in the id of a method, or as a key.
pub(crate) fn used_in(text: &str) -> Vec<Term> {
    let has_twins = text.contains("\"twins\":");
    let text = text.to_lowercase();
    let occurs = |term: &str| {
        let term = term.to_lowercase();
        text.contains(&term) || term.contains(' ') && ["-", ""].iter().any(|gap| text.contains(&term.replace(' ', gap)))
    };
    TERMS
        .iter()
        .filter(|entry| match entry.place {
            Place::EveryPage => true,
            Place::WhereItOccurs => occurs(entry.term),
            Place::WithTwins => has_twins,
            Place::NoPage => false,
        })
        .copied()
        .collect()
}

/// Words of weights, which a page about outputs does not use.
const OF_WEIGHTS: &[&str] = &["block", "role", "scope", "unit", "view"];

/// The same for the page of the answer on distillation.
pub(crate) fn used_in_distillation(text: &str) -> Vec<Term> {
    used_in(text).into_iter().filter(|entry| !OF_WEIGHTS.contains(&entry.term)).collect()
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
    fn every_definition_is_a_sentence() {
        for Term { term, meaning, .. } in TERMS {
            assert!(meaning.ends_with('.') && meaning.starts_with(|c: char| c.is_uppercase()), "{term}: {meaning}");
        }
    }

    #[test]
    fn words_of_the_code_stay_off_the_page() {
        assert!(used_in("a slot of a space").iter().all(|t| t.term != "slot" && t.term != "space"));
    }

    #[test]
    fn only_used_terms_are_defined() {
        let terms: Vec<&str> = used_in("… Quantized … weights.unit-matching … \"syntheticControls\" …").iter().map(|t| t.term).collect();
        assert!(terms.contains(&"unit matching") && terms.contains(&"synthetic control") && !terms.contains(&"self-test"));
        assert!(terms.contains(&"quantized") && terms.contains(&"suspect") && !terms.contains(&"pruned"));
    }
}
