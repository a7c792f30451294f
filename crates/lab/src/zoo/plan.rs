//! What a zoo is to hold: a TOML file, strict.

use crate::LabError;
use crate::dialogues::Subset;
use crate::train::{Adapter, Schedule, Sizes, Tune};
use serde::{Deserialize, Serialize};
use sources::FormatError;
use std::collections::BTreeMap;
use std::path::Path;

/// A plan. Models are named by it: `llama-3` is the training of recipe `llama` with seed 3.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Plan {
    /// Texts, by name.
    pub corpora: BTreeMap<String, Corpus>,
    /// How models are trained from nothing, by name.
    pub recipes: BTreeMap<String, Recipe>,
    /// Trainings from nothing.
    pub lineages: Vec<Lineages>,
    /// What is made of them.
    pub derivations: Vec<Derivation>,
    /// Steps of the laboratory that hide a model; the first hides the first derived model, and so on in turn.
    pub disguises: Vec<String>,
    /// Trainings from nothing on the replies of others.
    #[serde(default)]
    pub students: Vec<Students>,
    /// Independent models that take what can be taken without a body: how many pairs of lineages.
    #[serde(default)]
    pub forgeries: usize,
    /// Independent pairs of different groups that are compared besides those of one group.
    pub strangers: usize,
    /// Words of the relation that a step brings about.
    pub words: BTreeMap<String, Vec<String>>,
    /// Words that a step may bring about.
    pub may: BTreeMap<String, Vec<String>>,
}

/// A text: dialogues of the shipped words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Corpus {
    /// Of the dialogues.
    pub seed: u64,
    /// How many.
    pub dialogues: u64,
    /// Which.
    #[serde(default)]
    pub subset: Subset,
}

/// How a model is trained from nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recipe {
    /// How large it is.
    pub model: Sizes,
    /// What its tokenizer is trained on.
    pub vocabulary: Vocabulary,
    /// Tokens of a sequence.
    pub length: usize,
    /// How fast it learns.
    pub schedule: Schedule,
    /// Steps of the laboratory that do not apply to its architecture; `filiation lab disguise` says why.
    #[serde(default)]
    pub cannot: Vec<String>,
}

/// A tokenizer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Vocabulary {
    /// A corpus.
    pub corpus: String,
    /// Tokens.
    pub tokens: usize,
}

/// Trainings that differ in their seed alone: a group.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lineages {
    /// Stands before the seed in the name.
    pub name: String,
    /// Of `recipes`.
    pub recipe: String,
    /// Of `corpora`.
    pub corpus: String,
    /// Of the places that are read, step by step.
    pub order: u64,
    /// Of the weights: from the first to the last.
    pub seeds: [u64; 2],
}

/// What is made of a lineage, and how often.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Derivation {
    /// A row of the table.
    pub name: String,
    /// Steps of the laboratory before anything else.
    #[serde(default)]
    pub first: Vec<String>,
    /// A training that goes on from there.
    pub train: Option<Tuning>,
    /// Steps of the laboratory after it. `{stranger}` stands for another lineage of the group, `{sibling}` for what `sibling` names, and in
    /// any step `{model:NAME}` for a model whose weights do not enter.
    #[serde(default)]
    pub steps: Vec<String>,
    /// Another derivation of the same lineage.
    pub sibling: Option<String>,
    /// Makes the model that is derived from; the lineage itself unless given.
    pub of: Option<String>,
    /// Words of a training; those of steps are in `words` of the plan.
    #[serde(default)]
    pub words: Vec<String>,
    /// Words that may be said besides.
    #[serde(default)]
    pub may: Vec<String>,
    /// Whether it is made against the tests: such rows have a table of their own.
    #[serde(default)]
    pub attack: bool,
    /// Groups of lineages of which it is made; unless given, those that no derivation names.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Lineages of which it is made and compared as it is.
    pub open: usize,
    /// Lineages of which it is made and hidden.
    #[serde(default)]
    pub hidden: usize,
}

/// A training that goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tuning {
    /// On what.
    pub corpus: String,
    /// Steps.
    pub steps: usize,
    /// The highest rate.
    pub rate: f64,
    /// Low-rank changes only.
    pub adapter: Option<Adapter>,
    /// The weights inside MLPs only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mlp_only: bool,
    /// Whether what the derivation is made of is imitated, by its probabilities on the corpus, instead of the corpus.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imitates: bool,
    /// Factor of a penalty on rows that lie as they did at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evades: Option<f64>,
}

impl Tuning {
    /// Which weights learn.
    pub fn tune(&self) -> Tune {
        match (&self.adapter, self.evades) {
            (Some(adapter), _) => Tune::Adapter(adapter.clone()),
            (None, Some(weight)) => Tune::Evading(weight),
            (None, None) if self.mlp_only => Tune::Mlp,
            (None, None) => Tune::Full,
        }
    }
}

/// Students of one kind.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Students {
    /// Stands before the seed in the name.
    pub name: String,
    /// Of `recipes`.
    pub recipe: String,
    /// Lineages, of equal weight.
    pub teachers: Vec<String>,
    /// Replies and other answers that are learnt, in all.
    pub dialogues: usize,
    /// Share of them that teachers gave.
    pub fraction: f64,
    /// Share of the replies' words that are replaced.
    pub rewriting: f64,
    /// Times that each is read.
    pub epochs: f64,
    /// Whether the first teacher's probabilities are learnt instead of its words.
    #[serde(default)]
    pub logits: bool,
    /// The lineage that they start from, instead of drawn weights.
    pub base: Option<String>,
    /// Low-rank changes of the base only.
    pub adapter: Option<Adapter>,
    /// From the first to the last.
    pub seeds: [u64; 2],
}

impl Plan {
    /// The plans that the program holds, or a file.
    ///
    /// # Errors
    /// If it cannot be read, or has a key that nothing reads.
    pub fn named(name: &str) -> Result<Self, LabError> {
        let shipped =
            [("small", include_str!("../../../../data/zoo/small.toml")), ("full", include_str!("../../../../data/zoo/full.toml"))];
        let path = Path::new(name);
        let text = match shipped.into_iter().find(|(plan, _)| *plan == name) {
            Some((_, text)) => text.to_owned(),
            None => std::fs::read_to_string(path).map_err(|error| LabError::Io { action: "read", path: path.to_owned(), error })?,
        };
        let refused = |error: toml::de::Error| FormatError::new("plan", error.to_string().trim_end(), "the keys of a plan").at(path);
        let plan: Self = toml::from_str(&text).map_err(refused)?;
        plan.check().map_err(|error| error.at(path))?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), FormatError> {
        let known = |what: &str, name: &str, all: Vec<&String>| match all.iter().any(|known| *known == name) {
            true => Ok(()),
            false => Err(FormatError::new(what, format!("`{name}`"), "one that the plan describes")),
        };
        let corpus = |name: &str| known("corpus", name, self.corpora.keys().collect());
        let recipe = |name: &str| known("recipe", name, self.recipes.keys().collect());
        for lineages in &self.lineages {
            corpus(&lineages.corpus)?;
            recipe(&lineages.recipe)?;
        }
        self.recipes.values().try_for_each(|recipe| corpus(&recipe.vocabulary.corpus))?;
        self.students.iter().try_for_each(|students| recipe(&students.recipe))?;
        for derivation in &self.derivations {
            derivation.train.iter().try_for_each(|tuning| corpus(&tuning.corpus))?;
            let groups = || self.lineages.iter().map(|lineages| &lineages.name).collect();
            derivation.groups.iter().try_for_each(|group| known("group", group, groups()))?;
        }
        Ok(())
    }
}
