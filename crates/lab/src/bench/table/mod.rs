//! From the rows of a bench to one table: how often each method finds what was made, and how often it finds what was not.
//!
//! Everything is plain data and a pure function of the rows, whatever their order. Rows to which a method does not apply count as not found,
//! so that no method gains by abstaining.

mod build;
mod markdown;
mod null;
mod relations;
mod summary;
#[cfg(test)]
mod tests;

pub use null::{Null, Size, SizeIs};
pub use relations::{Confusion, Relations};

use serde::{Deserialize, Serialize};

/// Level of tests in the table: one false rejection in a million.
pub const LOG10_ALPHA: f64 = -6.0;
/// The second rate of false positives at which similarities are read.
pub const SECOND_FALSE_POSITIVE_RATE: f64 = 1e-3;
/// Name of the column of verdicts.
pub const TOGETHER: &str = "all methods together";
/// Name of the column that says whether any exact test rejects.
pub const ANY_EXACT: &str = "any exact test";
/// As rows name pairs that nothing hides.
pub const UNDISGUISED: &str = "none";
/// As rows name pairs that were made against the tests: neither undisguised nor one of the disguises that keep the function.
pub const ATTACK: &str = "attack";

/// What a column's answers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The conclusion of the report.
    Verdict,
    /// A test whose null rests on symmetry alone: found is p at most [`LOG10_ALPHA`].
    Exact,
    /// A test whose null rests on a model of the values: found likewise.
    Model,
    /// A similarity: found is beyond every independent pair of the bench.
    Similarity,
}

impl Kind {
    /// As in the rendered table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::Exact => "exact test",
            Self::Model => "test of a model",
            Self::Similarity => "similarity",
        }
    }

    fn is_test(self) -> bool {
        matches!(self, Self::Exact | Self::Model)
    }
}

/// Derived pairs of one transformation and one disguise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// As in the rows.
    pub transformation: String,
    /// As in the rows.
    pub disguise: String,
    /// Pairs.
    pub n: usize,
}

/// How many derived pairs of a group a method finds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cell {
    /// Pairs.
    pub n: usize,
    /// Pairs to which the method applies.
    pub applied: usize,
    /// Pairs found: tests at [`LOG10_ALPHA`], similarities beyond every independent pair.
    pub found: usize,
    /// Pairs found by a similarity at [`SECOND_FALSE_POSITIVE_RATE`]; for other kinds the same as `found`.
    pub found_second: usize,
}

impl Cell {
    /// Found of all pairs; `None` where there are none, or the method applies to none.
    pub fn share(&self) -> Option<f64> {
        (self.n > 0 && self.applied > 0).then(|| self.found as f64 / self.n as f64)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            n: self.n + other.n,
            applied: self.applied + other.applied,
            found: self.found + other.found,
            found_second: self.found_second + other.found_second,
        }
    }
}

/// What a method says of independent pairs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Independent {
    /// Pairs.
    pub n: usize,
    /// Pairs to which it applies.
    pub applied: usize,
    /// Tests and verdicts: pairs that it finds though nothing was derived. Similarities have none, because their threshold lies above all of these pairs.
    pub false_positives: Option<usize>,
    /// Median statistic.
    pub median: Option<f64>,
    /// Largest statistic: the threshold of a similarity.
    pub largest: Option<f64>,
    /// The transformation of a pair that has it.
    pub largest_at: Option<String>,
    /// Threshold at [`SECOND_FALSE_POSITIVE_RATE`]; the largest where there are fewer than a thousand pairs.
    pub second_threshold: Option<f64>,
}

/// A baseline at the threshold that its authors publish.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AsPublished {
    /// The statistic above which the authors say that two models belong together.
    pub threshold: f64,
    /// Derived pairs above it, of all.
    pub found: usize,
    /// Independent pairs above it, of all.
    pub false_positives: usize,
}

/// Conclusions on independent pairs of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Apart {
    /// As in the rows: `same data and order, other seed`.
    pub transformation: String,
    /// Pairs.
    pub n: usize,
    /// Said to be derived: false positives.
    pub supports_derivation: usize,
    /// Said to be independent.
    pub supports_independence: usize,
    /// Left open.
    pub inconclusive: usize,
}

/// One method or baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Column {
    /// As in the rows, or [`TOGETHER`], or [`ANY_EXACT`].
    pub id: String,
    /// Where a baseline was published; none for what is ours.
    pub source: Option<String>,
    /// What its answers are.
    pub kind: Kind,
    /// In the order of [`Table::groups`].
    pub cells: Vec<Cell>,
    /// Independent pairs.
    pub independent: Independent,
    /// Pairs of one recipe; of tests.
    pub null: Option<Null>,
    /// Of baselines whose authors publish a threshold.
    pub as_published: Option<AsPublished>,
    /// Rows to which it does not apply, derived and independent.
    pub not_applicable: usize,
    /// Over the rows to which it applies.
    pub median_seconds: Option<f64>,
}

/// Verdicts over the whole bench.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Together {
    /// Derived pairs.
    pub derived: usize,
    /// Of these, supported.
    pub supported: usize,
    /// Of these, left open.
    pub derived_inconclusive: usize,
    /// Independent pairs.
    pub independent: usize,
    /// Of these, said to be derived.
    pub false_positives: usize,
    /// Of these, left open.
    pub independent_inconclusive: usize,
    /// Upper end of the exact one-sided 95 % interval of the rate of false positives; near 3/n where there are none.
    pub false_positive_bound: Option<f64>,
}

/// A demand on the bench, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bar {
    /// The demand.
    pub what: String,
    /// What was found.
    pub found: String,
    /// Whether it is met.
    pub is_met: bool,
}

/// The bench in one piece.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Table {
    /// Rows.
    pub rows: usize,
    /// Independent pairs that differ in their seed alone.
    pub same_recipe: usize,
    /// Derived pairs by transformation and disguise; undisguised first, then by name.
    pub groups: Vec<Group>,
    /// Verdicts, any exact test, our methods, baselines.
    pub columns: Vec<Column>,
    /// Verdicts over the whole bench.
    pub together: Together,
    /// Verdicts on independent pairs by kind.
    pub apart: Vec<Apart>,
    /// Verdicts on pairs trained apart from one initialisation, by kind; neither derived nor independent.
    pub shared_initialisation: Vec<Apart>,
    /// Words of the relation.
    pub relations: Relations,
    /// Demands.
    pub bars: Vec<Bar>,
}

impl Table {
    /// The sum of a column's cells over the groups that `of` picks.
    pub fn sum(&self, column: &Column, of: impl Fn(&Group) -> bool) -> Cell {
        let picked = self.groups.iter().zip(&column.cells).filter(|(group, _)| of(group));
        picked.fold(Cell::default(), |sum, (_, cell)| sum.plus(*cell))
    }

    /// A column by its id.
    pub fn column(&self, id: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.id == id)
    }

    /// Transformations that occur without a disguise, in order.
    pub fn undisguised(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().filter(|group| group.disguise == UNDISGUISED).map(|group| group.transformation.as_str())
    }

    /// Disguises that occur, in order, without the absence of one.
    pub fn disguises(&self) -> Vec<&str> {
        let mut found: Vec<&str> =
            self.groups.iter().map(|group| group.disguise.as_str()).filter(|name| ![UNDISGUISED, ATTACK].contains(name)).collect();
        found.dedup();
        found
    }
}
