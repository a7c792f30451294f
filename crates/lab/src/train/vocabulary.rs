//! A tokenizer from text: byte-level pairs, so that every text has tokens.

use crate::LabError;
use serde_json::{Value, json};
use sources::FormatError;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerBuilder};

/// Id 0: stands before every document.
pub const START_OF_TEXT: &str = "<s>";
/// Id 1: ends a reply.
pub const END_OF_TEXT: &str = "</s>";

/// `tokenizer.json` of a vocabulary of `size` tokens that compresses these texts.
///
/// # Errors
/// If there are too few different characters to make anything, or the library refuses.
pub fn train_tokenizer(texts: &[String], size: usize) -> Result<Value, LabError> {
    let refused =
        |error: Box<dyn std::error::Error + Send + Sync>| FormatError::new("tokenizer", error.to_string(), "one that can be made");
    let special = [START_OF_TEXT, END_OF_TEXT].map(|token| AddedToken::from(token, true)).to_vec();
    let mut trainer = BpeTrainer::builder()
        .vocab_size(size)
        .show_progress(false)
        .special_tokens(special)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let splitter = ByteLevel::default().add_prefix_space(false);
    let mut tokenizer = TokenizerBuilder::<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>::new()
        .with_model(BPE::default())
        .with_normalizer(None)
        .with_pre_tokenizer(Some(PreTokenizerWrapper::from(splitter)))
        .with_post_processor(None)
        .with_decoder(Some(DecoderWrapper::from(splitter)))
        .build()
        .map_err(refused)?;
    tokenizer.train(&mut trainer, texts.iter()).map_err(refused)?;
    let text = tokenizer.to_string(false).map_err(refused)?;
    let mut value: Value = serde_json::from_str(&text).map_err(|error| FormatError::new("tokenizer.json", error, "JSON"))?;
    // As in the layout of Llama: `<s>` before every text.
    value["post_processor"] = json!({
        "type": "TemplateProcessing",
        "single": [{ "SpecialToken": { "id": START_OF_TEXT, "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
        "pair": [
            { "SpecialToken": { "id": START_OF_TEXT, "type_id": 0 } },
            { "Sequence": { "id": "A", "type_id": 0 } },
            { "Sequence": { "id": "B", "type_id": 1 } }
        ],
        "special_tokens": { START_OF_TEXT: { "id": START_OF_TEXT, "ids": [0], "tokens": [START_OF_TEXT] } },
    });
    Ok(value)
}
