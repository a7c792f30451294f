//! Sentences as data: `data/wording.toml`, strict in keys and in placeholders.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The sentences of one language and version.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Wording {
    /// `filiation-en`.
    pub id: String,
    /// Raised with every change of a sentence.
    pub version: u32,
    pub(crate) derivation: DerivationWording,
    pub(crate) chance: ChanceWording,
    pub(crate) margin: MarginWording,
    pub(crate) inconclusive: InconclusiveWording,
    pub(crate) would_help: InconclusiveWording,
    /// About synthetic copies, wherever a report shows some.
    pub synthetic: SyntheticWording,
    /// About likelihood ratios, wherever a report shows a similarity without one.
    pub likelihood: LikelihoodWording,
    pub(crate) likelihood_ratio: LikelihoodRatioWording,
    /// Words for likelihood ratios.
    pub verbal_scale: VerbalScale,
    pub(crate) limits: LimitsWording,
    pub(crate) distillation: DistillationWording,
    pub(crate) distillation_marks: DistillationMarksWording,
    pub(crate) distillation_limits: DistillationLimitsWording,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DerivationWording {
    pub(crate) supports_derivation: String,
    pub(crate) supports_derivation_identical: String,
    pub(crate) supports_derivation_observed: String,
    pub(crate) supports_independence_observed: String,
    pub(crate) supports_derivation_undone: String,
    pub(crate) supports_independence: String,
    pub(crate) supports_independence_controlled: String,
    pub(crate) supports_independence_shapes: String,
    pub(crate) inconclusive: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ChanceWording {
    pub(crate) exact: String,
    pub(crate) permutation: String,
    pub(crate) asymptotic: String,
    pub(crate) bound: String,
    pub(crate) none: String,
    pub(crate) unremarkable: String,
    pub(crate) untested: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct InconclusiveWording {
    pub(crate) observed: String,
    pub(crate) nothing_readable: String,
    pub(crate) too_small: String,
    pub(crate) beyond_chance_but_small: String,
    pub(crate) alike_but_untested: String,
    pub(crate) suggestive: String,
    pub(crate) matched_without_controls: String,
    pub(crate) only_tables: String,
    pub(crate) shared_initialisation: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct MarginWording {
    pub(crate) no_controls: String,
    pub(crate) few_controls: String,
    pub(crate) control_is_matched: String,
    pub(crate) self_test_failed: String,
    pub(crate) no_blocks: String,
    pub(crate) stands_out: String,
    pub(crate) within: String,
}

/// Why a similarity has no likelihood ratio.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LikelihoodWording {
    /// Of correlations of attention.
    pub none_for_attention: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LikelihoodRatioWording {
    pub(crate) derivation: String,
    pub(crate) independence: String,
    pub(crate) neutral: String,
    pub(crate) capped: String,
    pub(crate) missing: String,
    pub(crate) outside: String,
}

/// Words for likelihood ratios, stated beside the number and never without it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VerbalScale {
    /// `filiation-verbal`.
    pub id: String,
    /// Raised with every change of a step.
    pub version: u32,
    /// From 0 upwards. A negative log10 LR has the words of its amount, with the two sides exchanged.
    pub steps: Vec<VerbalStep>,
}

/// One range of a verbal scale.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VerbalStep {
    /// Amount of the log10 LR at which it begins; it ends where the next begins.
    pub from: f64,
    /// How much more probable: `much more probable`.
    pub words: String,
}

/// What synthetic copies of a suspect say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SyntheticWording {
    /// What they show.
    pub stand_for: String,
    /// What they cannot show.
    pub do_not_stand_for: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LimitsWording {
    pub(crate) direction: String,
    pub(crate) shared_initialisation: String,
    pub(crate) disguise: String,
    pub(crate) controls: String,
    pub(crate) p_value: String,
    pub(crate) persons: String,
    pub(crate) distillation: String,
    pub(crate) constants: String,
    pub(crate) incomparable: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DistillationWording {
    pub(crate) supports: String,
    pub(crate) supports_twins: String,
    pub(crate) no_evidence: String,
    pub(crate) inconclusive: String,
    pub(crate) exploratory: String,
    pub(crate) chance_exact: String,
    pub(crate) chance_permutation: String,
    pub(crate) chance_bound: String,
    pub(crate) chance_product: String,
    pub(crate) chance_mean: String,
    pub(crate) declared: String,
    pub(crate) declared_pooled: String,
    pub(crate) declared_product: String,
    pub(crate) declared_mean: String,
    pub(crate) not_run: String,
    pub(crate) not_applicable: String,
    pub(crate) no_probability: String,
    pub(crate) base_rejects: String,
    pub(crate) placebo_rejects: String,
    pub(crate) suggestive: String,
    pub(crate) power: String,
    pub(crate) unknown_power: String,
    pub(crate) helps_not_run: String,
    pub(crate) helps_not_applicable: String,
    pub(crate) helps_no_probability: String,
    pub(crate) helps_check: String,
    pub(crate) helps_suggestive: String,
    pub(crate) helps_power: String,
    pub(crate) helps_unknown_power: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DistillationMarksWording {
    pub(crate) supports: String,
    pub(crate) power: String,
    pub(crate) helps_power: String,
    pub(crate) helps_none: String,
    pub(crate) exploratory: String,
    pub(crate) exploratory_limit: String,
    pub(crate) p_value: String,
    pub(crate) ways: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DistillationLimitsWording {
    pub(crate) exploratory: String,
    pub(crate) absence: String,
    pub(crate) weights: String,
    pub(crate) persons: String,
    pub(crate) which: String,
    pub(crate) p_value: String,
    pub(crate) sampling: String,
    pub(crate) no_base: String,
    pub(crate) batches: String,
    pub(crate) undeclared_batches: String,
    pub(crate) shared_clusters: String,
    pub(crate) no_placebo: String,
    pub(crate) secondary: String,
}

/// Why a wording file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WordingError {
    /// Not the expected TOML.
    #[error("`data/wording.toml`: {0}")]
    Toml(#[from] toml::de::Error),
    /// A sentence asks for something that nobody fills in.
    #[error("wording: sentence `{sentence}` has the placeholder `{{{placeholder}}}`, expected one of {known}")]
    Placeholder {
        /// The sentence as written.
        sentence: String,
        /// The unknown name.
        placeholder: String,
        /// The names that exist.
        known: String,
    },
    /// A verbal scale that leaves a value without words, or gives it two.
    #[error("wording: verbal scale `{id}`: expected steps that begin at 0 and rise")]
    Scale {
        /// Its id.
        id: String,
    },
}

impl Wording {
    /// The wording that the program ships.
    pub fn shipped() -> Result<Self, WordingError> {
        let wording: Self = toml::from_str(include_str!("../../../data/wording.toml"))?;
        wording.verbal_scale.check()?;
        Ok(wording)
    }
}

/// Puts values into a sentence; every placeholder must be known.
pub(crate) fn fill(sentence: &str, values: &[(&str, &str)]) -> Result<String, WordingError> {
    let known: BTreeMap<&str, &str> = values.iter().copied().collect();
    let mut filled = String::new();
    let mut rest = sentence;
    while let Some(start) = rest.find('{') {
        let end = rest[start..].find('}').map_or(rest.len(), |n| start + n);
        let name = &rest[start + 1..end];
        let value = known.get(name).ok_or_else(|| WordingError::Placeholder {
            sentence: sentence.to_owned(),
            placeholder: name.to_owned(),
            known: known.keys().copied().collect::<Vec<_>>().join(", "),
        })?;
        filled.push_str(&rest[..start]);
        filled.push_str(value);
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_placeholder_is_an_error_that_names_it() {
        let error = fill("a {b} c {d}", &[("b", "x")]).unwrap_err();
        assert_eq!(error.to_string(), "wording: sentence `a {b} c {d}` has the placeholder `{d}`, expected one of b");
        assert_eq!(fill("a {b}.", &[("b", "{x}")]).unwrap(), "a {x}.");
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let changed = include_str!("../../../data/wording.toml").replace("version = 7", "version = 7\nextra = 2");
        assert!(toml::from_str::<Wording>(&changed).unwrap_err().to_string().contains("extra"));
        assert_eq!(Wording::shipped().unwrap().version, 7);
    }
}
