//! The methods, by what they need access to; one file each.

pub(crate) mod activations {
    pub(crate) mod attention;
    pub(crate) mod attention_residual;
    pub(crate) mod cka;
    pub(crate) mod unit_matching;
}
pub(crate) mod logits {
    pub(crate) mod image;
    pub(crate) mod partial_image;
    pub(crate) mod residual;
}
pub(crate) mod text {
    pub(crate) mod agreement;
    pub(crate) mod equality;
    pub(crate) mod palimpsest;
    pub(crate) mod radioactivity;
    pub(crate) mod released_twin;
    pub(crate) mod watermark;
}
pub(crate) mod tokenizer {
    pub(crate) mod overlap;
}
pub(crate) mod weights {
    pub(crate) mod edits;
    pub(crate) mod embedding_gram;
    pub(crate) mod haar_bound;
    pub(crate) mod head_matching;
    pub(crate) mod image_angles;
    pub(crate) mod matrix_match;
    pub(crate) mod tensor_identity;
    pub(crate) mod unit_alignment;
    pub(crate) mod unit_matching;
}
