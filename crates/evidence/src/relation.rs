//! What was done to weights that are shared, in the Hub's words where they exist.

/// How the suspect differs from the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    /// The word.
    pub kind: RelationKind,
    /// What was seen.
    pub words: String,
}

/// The words for differences; the card of `weights.edits` defines them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the documentation; the card of `weights.edits` defines them")]
pub enum RelationKind {
    Identical,
    Quantized,
    Pruned,
    Adapter,
    Finetune,
    Merge,
    LayersChanged,
    VocabularyChanged,
    Permuted,
    Rotated,
    Rescaled,
    Upcycled,
    Partial,
}

impl RelationKind {
    /// As in the JSON report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Quantized => "quantized",
            Self::Pruned => "pruned",
            Self::Adapter => "adapter",
            Self::Finetune => "finetune",
            Self::Merge => "merge",
            Self::LayersChanged => "layers-changed",
            Self::VocabularyChanged => "vocabulary-changed",
            Self::Permuted => "permuted",
            Self::Rotated => "rotated",
            Self::Rescaled => "rescaled",
            Self::Upcycled => "upcycled",
            Self::Partial => "partial",
        }
    }
}
