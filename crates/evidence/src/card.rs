//! The card of a method: written once as the doc comment of its declaration, read by `explain`, the docs, the report and the schema.

/// The question that an observation speaks to. Questions are never merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Do the models share trained weights or a trained ancestor?
    Derivation,
    /// Was the suspect trained on the reference's outputs?
    Distillation,
    /// Does an endpoint serve the model that it claims to serve?
    Identity,
}

impl Question {
    /// As in the JSON report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Derivation => "derivation",
            Self::Distillation => "distillation",
            Self::Identity => "identity",
        }
    }
}

/// What a method needs from each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation; GLOSSARY.md defines access")]
pub enum Access {
    Weights,
    Tokenizer,
    Activations,
    Logits,
    Text,
    Log,
}

impl Access {
    /// As in the JSON report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Tokenizer => "tokenizer",
            Self::Activations => "activations",
            Self::Logits => "logits",
            Self::Text => "text",
            Self::Log => "log",
        }
    }
}

/// Which values of a statistic count against the null hypothesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Large values.
    Upper,
}

/// The number that a method computes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantity {
    /// As in the formula.
    pub symbol: &'static str,
    /// `"1"` for dimensionless, `"units"`, `"nats"`.
    pub unit: &'static str,
    /// Smallest and largest possible value.
    pub range: (f64, f64),
    /// The tail that counts.
    pub tail: Tail,
}

impl Quantity {
    /// From -1 to 1, of which large values count.
    pub(crate) const fn correlation(symbol: &'static str) -> Self {
        Self { symbol, unit: "1", range: (-1.0, 1.0), tail: Tail::Upper }
    }

    /// From 0 to 1, of which large values count.
    pub(crate) const fn share(symbol: &'static str) -> Self {
        Self { symbol, unit: "1", range: (0.0, 1.0), tail: Tail::Upper }
    }
}

/// What the null distribution of a method's p-value rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullBasis {
    /// What was drawn at random could as well have come in any other order, whatever the data and the values: the units of a training, the
    /// replies of a sampler. Nothing else is assumed.
    Symmetry,
    /// A distribution that the values are taken to come from. Such a p-value never stands before one that rests on symmetry.
    Model,
    /// Nothing but controls tells how alike independent models are: the method states no p-value of its own.
    Controls,
    /// The method states no p-value.
    None,
}

/// What a method needs besides the weights themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preparation {
    /// Tensors paired with tensors, which every case has.
    Correspondence,
    /// Units and heads matched over common tokens, which takes a forward look at every block.
    Matching,
    /// What both models do on one set of prompts, which takes a forward pass of each.
    Outputs,
    /// What an owner kept or a model said: replies, keys, orders. Of a [`crate::RecordMethod`].
    Records,
}

/// What a stranger must know of a method before trusting it.
#[derive(Debug)]
pub struct Card {
    /// Stable for ever: `weights.unit-alignment`.
    pub id: &'static str,
    /// The question it speaks to.
    pub question: Question,
    /// H0 in one sentence.
    pub null: &'static str,
    /// What the p-value rests on.
    pub null_basis: NullBasis,
    /// What is computed.
    pub statistic: Quantity,
    /// What must be ready before it runs.
    pub needs: Preparation,
    /// What both sides must give.
    pub access: &'static [Access],
    /// Where it was published, or what it rests on.
    pub reference: &'static str,
    /// The doc comment, line by line.
    pub doc: &'static [&'static str],
}

/// The headings that every card has, in order.
pub const HEADINGS: &[&str] = &[
    "Question",
    "Null hypothesis",
    "Statistic",
    "Shapes and units",
    "Null distribution",
    "Assumptions",
    "Survives",
    "Fails when",
    "Reference",
    "Example",
];

impl Card {
    /// The text under each heading of the doc comment, as one paragraph.
    pub fn sections(&self) -> Vec<(&'static str, String)> {
        let mut sections: Vec<(&'static str, String)> = Vec::new();
        for line in self.doc {
            let line = line.strip_prefix(' ').unwrap_or(line);
            if let Some(heading) = line.strip_prefix("# ") {
                sections.push((heading.trim(), String::new()));
            } else if let Some((_, text)) = sections.last_mut() {
                let line = line.trim();
                if !text.is_empty() && !line.is_empty() {
                    text.push(' ');
                }
                text.push_str(line);
            }
        }
        sections
    }

    /// The text under one heading.
    pub fn section(&self, heading: &str) -> String {
        self.sections().into_iter().find(|(found, _)| *found == heading).map(|(_, text)| text).unwrap_or_default()
    }
}

/// The null hypothesis of a similarity that is judged beside controls.
pub(crate) const NULL_BESIDE_CONTROLS: &str =
    "the two models were initialised independently; what independent models share is learned from controls";

/// Declares a method's [`Card`], capturing the doc comment above it. The words that fields are made of are in scope.
macro_rules! card {
    ($(#[doc = $doc:literal])* $vis:vis static $name:ident = { $($field:ident: $value:expr),* $(,)? }) => {
        $(#[doc = $doc])*
        $vis static $name: $crate::card::Card = {
            use $crate::card::{Access, NullBasis, Preparation, Quantity, Question};
            $crate::card::Card { doc: &[$($doc),*], $($field: $value),* }
        };
    };
}
pub(crate) use card;
