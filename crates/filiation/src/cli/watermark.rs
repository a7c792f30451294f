//! Arguments of `watermark`.

use super::Format;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What `watermark` does.
#[derive(Debug, Subcommand)]
pub enum Watermark {
    /// Draw a key and write it into a new file that only you can read.
    Key(Key),
    /// Look for a key in texts, or in what a suspect predicts where it reads them.
    Test(Test),
}

/// How a window's numbers bear on what is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemeName {
    /// Green lists: a share of all tokens is made more probable.
    Kgw,
    /// Gumbel-max: the key takes the place of the draw.
    Gumbel,
}

/// Arguments of `watermark key`.
#[derive(Debug, Args)]
pub struct Key {
    /// The new file; one that is there is never overwritten.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Which scheme; that of the master key where one is given.
    #[arg(long, value_enum, default_value_t = SchemeName::Kgw)]
    pub scheme: SchemeName,
    /// Share of green tokens.
    #[arg(long, value_name = "SHARE", default_value_t = 0.25)]
    pub gamma: f64,
    /// What is added to the logits of green tokens.
    #[arg(long, value_name = "NATS", default_value_t = 2.0)]
    pub delta: f64,
    /// Tokens of a window.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub window: usize,
    /// Derive the key from this one and the campaign's name instead of drawing it.
    #[arg(long, value_name = "KEYFILE", requires = "campaign", conflicts_with_all = ["scheme", "gamma", "delta", "window"])]
    pub master: Option<PathBuf>,
    /// Name of the campaign: a customer, a month.
    #[arg(long, value_name = "NAME", requires = "master")]
    pub campaign: Option<String>,
}

/// Arguments of `watermark test`.
#[derive(Debug, Args)]
pub struct Test {
    /// The key: a file of `filiation watermark key`, or one with the keys of SynthID-Text.
    pub key: PathBuf,
    /// Texts: JSON lines of `{"prompt", "reply"}`, where a prompt may be left out, or stored replies.
    pub texts: PathBuf,
    /// The model that the key was used with: its tokenizer splits the texts.
    #[arg(long, value_name = "MODEL")]
    pub model: PathBuf,
    /// Let this model read the texts, which are the owner's own then, and score what it predicts.
    #[arg(long, value_name = "SUSPECT")]
    pub reading: Option<PathBuf>,
    /// The texts are those of a suspect that may have learnt watermarked replies; the method is `text.radioactivity`.
    #[arg(long, conflicts_with = "reading")]
    pub student: bool,
    /// With `--reading` or `--student`: the `report.json` of a comparison of the same suspect with the reference's weights; both questions stand in one
    /// table.
    #[arg(long, value_name = "FILE")]
    pub beside: Option<PathBuf>,
    /// With `--reading` or `--student`: write the report into this folder, a page for people and `report.json` for programs.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Draws the fresh keys.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}
