//! Every method, once. `filiation methods`, the docs, the laws and the report read this list.

use crate::card::Card;
use crate::methods::activations::attention::Attention;
use crate::methods::activations::attention_residual::AttentionResidual;
use crate::methods::activations::cka::Cka;
use crate::methods::activations::unit_matching::UnitMatching as ActivationUnitMatching;
use crate::methods::logits::image::Image;
use crate::methods::logits::partial_image::PartialImage;
use crate::methods::logits::residual::Residual;
use crate::methods::text::agreement::Agreement;
use crate::methods::text::equality::Equality;
use crate::methods::text::palimpsest::Palimpsest;
use crate::methods::text::radioactivity::TextRadioactivity;
use crate::methods::text::released_twin::ReleasedTwin;
use crate::methods::text::watermark::TextWatermark;
use crate::methods::tokenizer::overlap::Overlap;
use crate::methods::weights::edits::Edits;
use crate::methods::weights::embedding_gram::EmbeddingGram;
use crate::methods::weights::haar_bound::HaarBound;
use crate::methods::weights::head_matching::HeadMatching;
use crate::methods::weights::image_angles::ImageAngles;
use crate::methods::weights::matrix_match::MatrixMatch;
use crate::methods::weights::tensor_identity::TensorIdentity;
use crate::methods::weights::unit_alignment::UnitAlignment;
use crate::methods::weights::unit_matching::UnitMatching;
use crate::{Method, RecordMethod};

/// In the order in which reports show them.
pub static METHODS: &[&dyn Method] = &[
    &TensorIdentity,
    &UnitAlignment,
    &MatrixMatch,
    &HaarBound,
    &UnitMatching,
    &HeadMatching,
    &EmbeddingGram,
    &ImageAngles,
    &Attention,
    &AttentionResidual,
    &ActivationUnitMatching,
    &Cka,
    &Residual,
    &Image,
    &Edits,
    &Overlap,
];

/// Methods that look at what was said and kept instead of at two models.
pub static RECORD_METHODS: &[&dyn RecordMethod] =
    &[&ReleasedTwin, &TextWatermark, &TextRadioactivity, &Palimpsest, &Agreement, &PartialImage, &Equality];

/// The cards of all methods.
pub fn cards() -> impl Iterator<Item = &'static Card> {
    METHODS.iter().map(|method| method.card()).chain(RECORD_METHODS.iter().map(|method| method.card()))
}

/// The method on records of that id.
pub fn record_method(id: &str) -> Option<&'static dyn RecordMethod> {
    RECORD_METHODS.iter().find(|method| method.card().id == id).copied()
}
