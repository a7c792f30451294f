//! Documents in the order in which a model read them.

/// What a suspect, and models that read them in another order or not at all, give to the documents of a kept order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OrderScores {
    /// One a document, in any order.
    pub documents: Vec<ReadDocument>,
    /// Documents that one of the models could not read.
    pub unread: usize,
}

/// One document.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadDocument {
    /// When it was read: larger is later. Only the order of these counts.
    pub position: u64,
    /// Mean log-probability of a token under the suspect, in nats.
    pub suspect: f64,
    /// The same under each of the models that did not read in this order, in one order of models for all documents.
    pub bases: Vec<f64>,
}
