//! What a network computes: a plain and slow forward pass in f64 under its Hugging Face names, with Hugging Face's semantics.
//!
//! It is written to be read, one function a kind of architecture, so that a law about functions ("this disguise changes nothing") can be
//! tested against something that shares no code with what it tests.

mod attention;
mod decoder;
mod encoder;
mod encoder_decoder;
mod gpt;
mod math;
mod parameters;

pub use math::Vectors;

use crate::Network;
use parameters::Parameters;

/// What the network says about `tokens`, one vector a position: logits of the next token for decoders, logits of the decoder's next token
/// for encoder-decoders, the last hidden state for encoders.
///
/// An encoder-decoder of text reads the same tokens on both sides; one of sound hears [`sound`].
///
/// # Panics
///
/// Where the configuration names no `model_type` that is known here, or a tensor is missing.
pub fn forward(network: &Network, tokens: &[usize]) -> Vectors {
    let config = network.config.as_ref().expect("a configuration");
    let of = |prefixes| Parameters::new(network, prefixes);
    match config["model_type"].as_str().expect("a model_type") {
        "gpt2" => gpt::gpt2(&of(&["transformer."]), tokens),
        "gpt_neox" => gpt::gpt_neox(&of(&["gpt_neox."]), tokens),
        "bert" => encoder::bert(&of(&["bert.", "0.auto_model.", "model."]), tokens),
        "t5" => encoder_decoder::t5(&of(&["transformer."]), tokens),
        "whisper" => encoder_decoder::whisper(&of(&["model."]), tokens),
        family => decoder::decoder(&of(&["language_model.model.", "model.language_model.", "language_model.", "model."]), family, tokens),
    }
}

/// What whisper hears: `channels` rows of `frames` values, the same in testdata/scripts/check_forward.py.
pub fn sound(channels: usize, frames: usize) -> Vectors {
    let value = |channel: usize, frame: usize| (0.7 * channel as f64 + 1.3 * frame as f64 + 0.1 * (channel * frame) as f64).sin();
    (0..channels).map(|channel| (0..frames).map(|frame| value(channel, frame)).collect()).collect()
}
