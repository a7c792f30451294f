//! `activations.attention`: how alike do the two models attend, as people claim it?

use crate::attention::{AttentionClaim, Comparison, Extent, MatchedHeads, mean};
use crate::card::{Card, NULL_BESIDE_CONTROLS, card};
use crate::method::{Case, Explanation, Method, MethodError, Observation, Outcome, Profile, ProfilePoint, Scale};

card! {
    /// # Question
    /// How alike is the attention of the two models, and how much of that do any two models share?
    /// # Null hypothesis
    /// The two models were initialised independently. How alike their attention is then is an empirical question, answered by controls.
    /// # Statistic
    /// `r`: Pearson's correlation of two heads' attention probabilities over all prompts; heads are matched one to one within each pair of blocks so
    /// that correlations sum to the most; the mean over matched heads, then over the suspect's blocks. Five more measures stand beside it, for
    /// the suspect and for every control: all entries pooled with heads by index, heads averaged, sinks removed, the mean over prompts
    /// removed, and `activations.attention-residual`.
    /// # Shapes and units
    /// `A[prompt, layer, head, i, j]`; causal models: `j ≤ i`. Blocks stand against those of the same relative depth. Where tokenizers split the
    /// prompts differently, tokens are gathered into words (summed over the word attended to, averaged over the word that attends). A number in [−1, 1].
    /// # Null distribution
    /// None is stated, and nothing is concluded. Independent models reach .8 and more, because rows sum to one, first tokens draw spare mass, and
    /// near positions are attended to; so the same number of each control stands beside it.
    /// # Assumptions
    /// Both models read the same prompts, and see the same tokens: earlier ones only, or all.
    /// # Survives
    /// Whatever keeps the function: permuted, rescaled and rotated weights.
    /// # Fails when
    /// It is taken for evidence of derivation: a high value is what independent models have.
    /// # Reference
    /// The same of independent models: arXiv:2602.16740.
    /// # Example
    /// `testdata/models` on the 240 shared prompts: base against finetuned .904, against independent .433; five controls of `testdata/lineage` .425
    /// to .460, and .53 to .63 once heads are averaged. Two made models that share nothing but a strong sink and a liking for near
    /// positions: above .99 (`crates/evidence/tests/attention`).
    pub(crate) static CARD = {
        id: "activations.attention",
        question: Question::Derivation,
        null: NULL_BESIDE_CONTROLS,
        null_basis: NullBasis::None,
        statistic: Quantity::correlation("r"),
        needs: Preparation::Outputs,
        access: &[Access::Activations],
        reference: "arXiv:2602.16740",
    }
}

pub(crate) struct Attention;

impl Method for Attention {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let Ok(outputs) = &case.outputs else { return Ok(case.without_outputs()) };
        let found = if outputs.is_control {
            Comparison::of(outputs, Extent::Raw).map(|found| (None, found))
        } else {
            AttentionClaim::of(outputs).map(|(claim, found)| (Some(Box::new(claim)), found))
        };
        match found {
            Ok((attention, found)) => Ok(match observation(&found, |layer| &layer.raw, "attention of matched heads") {
                Some(observation) => Outcome::Observed(Observation { attention, ..observation }),
                None => Outcome::not_applicable("no head of one side varies, so nothing correlates"),
            }),
            Err(why) => why.into_outcome(),
        }
    }
}

/// The suspect's matched heads as an observation, one point a block; `None` where none matched.
pub(super) fn observation(
    found: &Comparison<'_>,
    heads: impl Fn(&crate::attention::LayerRow) -> &Vec<MatchedHeads>,
    label: &str,
) -> Option<Observation> {
    let row = found.rows.first()?;
    let statistic = row.mean(&heads)?;
    let n_rows = found.n_rows();
    let (mut points, mut parts) = (Vec::new(), Vec::new());
    for layer in &row.layers {
        let matched = heads(layer);
        let Some(value) = mean(matched) else { continue };
        let (place, reference) = (format!("block {}", layer.layer), format!("block {}", layer.reference_layer));
        let leaf = |heads: &MatchedHeads| {
            Explanation::leaf(format!("head {}", heads.suspect), heads.r, "1", format!("with head {} of the reference", heads.reference))
        };
        parts.push(Explanation {
            parts: matched.iter().map(leaf).collect(),
            ..Explanation::leaf(format!("{place} against {reference}"), value, "1", format!("mean over {} matched heads", matched.len()))
        });
        points.push(ProfilePoint { label: place, reference, depth: layer.depth, value, n: n_rows, synthetic: None });
    }
    let n: usize = row.layers.iter().map(|layer| heads(layer).len()).sum();
    let unit = if found.is_by_words() { "words" } else { "tokens" };
    let words = format!("mean correlation over {n} matched heads, on {n_rows} {unit} that attend");
    let explanation = Explanation { parts, ..Explanation::leaf(label, statistic, "1", words) };
    let profile = Some(Profile { scale: Scale::Correlation, points, synthetic: None });
    Some(Observation { profile, ..Observation::new(statistic, n, None, explanation) })
}
