//! `logits.image`: could the reference's output layer have given the suspect's logits?

use crate::card::{Card, NULL_BESIDE_CONTROLS, card};
use crate::common_logits::{CommonLogits, TILE, without_mean_row};
use crate::method::{Case, Explanation, Method, MethodError, Observation, Outcome, Scale};
use forward::observation::Logits;
use rayon::prelude::*;
use sources::form::NormKind;
use stats::InputError;
use stats::products::centre_columns;
use stats::subspace::{Split, Subspace};

card! {
    /// # Question
    /// Could the reference's output layer have given the suspect's logits?
    /// # Null hypothesis
    /// The two models were initialised independently. Output layers of all models spread likely and unlikely tokens alike, so this is judged
    /// beside controls.
    /// # Statistic
    /// A model's logits are its unembedding times the d numbers of its stream, so they lie in the d-dimensional image of that matrix. `s` is one
    /// minus the share of the suspect's squared logits that lies outside the reference's image, both centred over the common tokens, and the logits
    /// also over positions, which takes away what biases add. Large values count. Only this direction is asked: a suspect of smaller width may fill
    /// a part of the reference's image, and its own weights need not be seen.
    /// # Shapes and units
    /// `[N, K]` logits before the final cap, which is no linear map, at most 1024 positions and 8192 tokens of equal byte strings; the image
    /// `[K, d]`. A share in [0, 1]; a copy's misses 1 by rounding.
    /// # Null distribution
    /// That of independent controls. Logits without any direction of their own have `d / (K − 1)` inside, and trained ones more.
    /// # Assumptions
    /// At least 5/4 d common tokens, since any logits lie in an image as large as the room, and 128 positions. Where both final norms are
    /// RMSNorms, the vectors that the reference's output layer would have had to read are of one length: the image of a sphere, an ellipsoid. The
    /// explanation gives the spread of these lengths over their mean, rounding for a copy. A LayerNorm's sphere is of one dimension less and its
    /// bias moves the centre, which an observation does not hold; no spread is given then.
    /// # Survives
    /// Everything that leaves the unembedding as it is, up to any invertible map of the residual coordinates: adapters, new blocks, rotation,
    /// permutation of the vocabulary; a bias of the output.
    /// # Fails when
    /// The unembedding was trained on for long; both models use one public unembedding, which is no derivation of the rest.
    /// # Reference
    /// Finlayson, Ren and Swayamdipta, arXiv 2403.09539 (image) and 2510.14086 (ellipse).
    /// # Example
    /// `testdata/models` on the shared prompts: base against permuted-units, 4.6e-13 outside and a spread of 7.3e-8; against finetuned, .972 and .014;
    /// against independent, .785 and .048. `testdata/lineage`: seed-1 against continued, .803, which seed-2 reaches too (.799).
    pub(crate) static CARD = {
        id: "logits.image",
        question: Question::Derivation,
        null: NULL_BESIDE_CONTROLS,
        null_basis: NullBasis::Controls,
        statistic: Quantity::share("s"),
        needs: Preparation::Outputs,
        access: &[Access::Logits],
        reference: "Finlayson, Ren and Swayamdipta, arXiv 2403.09539 and 2510.14086",
    }
}

pub(crate) struct Image;

impl Method for Image {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let Ok(outputs) = case.outputs else { return Ok(case.without_outputs()) };
        let common = match CommonLogits::of(&[outputs.reference, outputs.suspect]) {
            Ok(common) => common,
            Err(why) => return Ok(Outcome::not_applicable(why)),
        };
        let ours = common.logits(0);
        let (n_tokens, width) = (common.n_tokens(), ours.image.rank());
        let least = width + width.div_ceil(4);
        if n_tokens < least {
            let why =
                format!("{n_tokens} common tokens for an image of {width} dimensions; at least {least} are needed, or it holds any logits");
            return Ok(Outcome::not_applicable(why));
        }
        let n = match common.n_positions() {
            Ok(n) => n,
            Err(why) => return Ok(Outcome::not_applicable(why)),
        };
        let image = restricted(ours, common.columns(0))?;
        let values = common.values(1);
        let split = splits(&image, &values, n_tokens)?;
        let by_context = splits(&image, &without_mean_row(&values, n_tokens), n_tokens)?;
        let (Some(outside), Some(with_mean)) = (outside(&by_context), outside(&split)) else {
            return Ok(Outcome::not_applicable("the suspect's logits do not vary with the context"));
        };
        let chance = image.rank() as f64 / (n_tokens - 1) as f64;
        let statistic = 1.0 - outside;
        let mut parts = vec![
            Explanation::leaf("outside", outside, "1", "share of the squared logits, less their mean over positions, that lies outside"),
            Explanation::leaf("outside, mean included", with_mean, "1", "the same with what the suspect says at every position"),
            Explanation::leaf("by chance", chance, "1", "share that lies inside for logits without any direction of their own"),
        ];
        let norms = [outputs.reference, outputs.suspect].map(|side| side.subject.norm);
        let ellipse = if norms == [NormKind::Rms; 2] { spread(&image, &split, &ours.image.ellipse) } else { None };
        let words = match ellipse {
            Some(spread) => {
                let words = "standard deviation over mean of the length that the reference's final norm would have had to give";
                parts.push(Explanation::leaf("spread on the ellipse", spread, "1", words));
                format!("spread on the ellipse {spread:.2e}")
            }
            None if norms != [NormKind::Rms; 2] => "no ellipse: the bias of a final LayerNorm moves its centre".into(),
            None => "no ellipse: the image has fewer dimensions than the stream".into(),
        };
        let explanation = Explanation {
            label: "logits inside the reference's image".into(),
            value: Some(statistic),
            unit: "1",
            words: format!("{outside:.2e} lies outside, over {n} positions and {n_tokens} common tokens; {words}"),
            parts,
        };
        Ok(Outcome::Observed(Observation::new(statistic, n, None, explanation).beside_controls("output layer", Scale::Correlation)))
    }
}

/// The image at the common tokens, centred over them as the logits are.
fn restricted(logits: &Logits, columns: &[usize]) -> Result<Subspace, InputError> {
    let rank = logits.image.rank();
    let mut rows: Vec<f32> = columns.iter().flat_map(|&c| logits.image.basis[c * rank..][..rank].iter().copied()).collect();
    centre_columns(&mut rows, rank);
    Subspace::of_columns(&rows, rank)
}

fn splits(image: &Subspace, values: &[f32], width: usize) -> Result<Vec<Split>, InputError> {
    values.par_chunks(TILE * width).map(|rows| image.split(rows)).collect()
}

/// Share of the squares that lies outside; `None` where there are none.
fn outside(splits: &[Split]) -> Option<f64> {
    let sum = |of: fn(&Split) -> &[f64]| splits.iter().flat_map(of).sum::<f64>();
    let squares = sum(|split| &split.squares);
    (squares > 0.0).then(|| (sum(|split| &split.outside) / squares).clamp(0.0, 1.0))
}

/// Spread of the lengths of the vectors that the reference's output layer would have had to read.
fn spread(image: &Subspace, splits: &[Split], ellipse: &[f32]) -> Option<f64> {
    let coordinates: Vec<f64> = splits.iter().flat_map(|split| split.coordinates.iter().copied()).collect();
    let preimages = image.preimages(&coordinates, ellipse)?;
    let lengths: Vec<f64> = preimages.chunks_exact(image.rank()).map(|x| x.iter().map(|v| v * v).sum::<f64>().sqrt()).collect();
    let n = lengths.len() as f64;
    let mean = lengths.iter().sum::<f64>() / n;
    let variance = lengths.iter().map(|length| (length - mean) * (length - mean)).sum::<f64>() / n;
    (mean > 0.0).then(|| variance.sqrt() / mean)
}
