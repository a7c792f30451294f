//! `filiation watermark key` and `filiation watermark test`: an owner's key, and whether it is in texts.

mod student;

use crate::Error;
use crate::cli::Format;
use crate::cli::watermark::{Key, SchemeName, Test, Watermark as Command};
use crate::models::open_weights;
use crate::one_finding::outcome;
use crate::printer::{Printer, printable, wrap};
use crate::progress::Progress;
use evidence::{MarkEvidence, MarkTest, MarkedTexts, Outcome, Reading, Records, TokenText};
use forward::{Chat, Network, NotRunnable, Scheme, Tokenizer, Watermark, WatermarkKey, predictions};
use lab::dialogues::Dialogues;
use lab::distil::{REPLIES_SCHEMA, ReplyFile};
use serde::Deserialize;
use serde_json::{Value, json};
use sources::store::read_whole;
use sources::{FormatError, Model};
use stats::{NullDistribution, PValue};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Texts of one call.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// Columns, and of the label that starts a line.
const WIDTH: usize = 80;
const LABEL: usize = 18;

pub(crate) fn run(command: &Command, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    match command {
        Command::Key(args) => key(args, printer),
        Command::Test(args) => test(args, printer, progress),
    }
}

/// A fresh key from the system's randomness.
pub(crate) fn fresh(scheme: Scheme, window: usize) -> Result<Watermark, Error> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| Error::Report(format!("the system gave no randomness for a key: {error}")))?;
    Watermark::new(scheme, window, key).map_err(|error| Error::Usage { message: error.to_string(), hint: None })
}

/// A key file of a scheme that draws.
pub(crate) fn drawn_key(path: &Path) -> Result<Watermark, Error> {
    match WatermarkKey::open(path)? {
        WatermarkKey::Drawn(watermark) => Ok(watermark),
        WatermarkKey::Synthid(_) => {
            Err(FormatError::new("scheme of the key", "synthid, which is looked for in texts only", "kgw or gumbel").at(path).into())
        }
    }
}

fn key(args: &Key, printer: &Printer) -> Result<(), Error> {
    let watermark = match (&args.master, &args.campaign) {
        (Some(master), Some(campaign)) => drawn_key(master)?.campaign(campaign),
        _ => {
            let scheme = match args.scheme {
                SchemeName::Kgw => Scheme::Kgw { gamma: args.gamma, delta: args.delta },
                SchemeName::Gumbel => Scheme::Gumbel,
            };
            fresh(scheme, args.window)?
        }
    };
    save(&watermark, &args.output)?;
    let path = printable(&args.output.display().to_string());
    printer.result(&format!("key of scheme {} in `{path}`\nSHA-256 {}\n", watermark.scheme().name(), watermark.digest()))
}

/// Writes a key into a new file that only its owner can read.
pub(crate) fn save(watermark: &Watermark, path: &Path) -> Result<(), Error> {
    let text = watermark.key_file().map_err(|error| Error::Report(error.to_string()))?;
    let io = |action| move |error| Error::Io { action, path: path.to_owned(), error };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(io("create"))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io("write"))
}

/// A line of a user's own texts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    prompt: String,
    reply: String,
}

/// Texts in tokens of the owner's model, and what stood before each reply where it was drawn.
struct Texts {
    texts: Vec<TokenText>,
    contexts: Vec<Vec<u32>>,
}

fn read(path: &Path, tokenizer: &Tokenizer, model: &Model) -> Result<Texts, Error> {
    let refused = |why: NotRunnable| Error::from(FormatError::new("tokenizer", why.0, "one that splits the texts").at(&model.path));
    let bytes = read_whole(path, MAX_FILE_BYTES)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| FormatError::new("texts", error, "UTF-8 text").at(path))?;
    let mut all = Texts { texts: Vec::new(), contexts: Vec::new() };
    if text.lines().next().is_some_and(|line| line.contains(REPLIES_SCHEMA)) {
        let chat: Chat = Dialogues::shipped().map_err(|error| error.at(Path::new("data/dialogues/en-v1.toml")))?.chat;
        for stored in ReplyFile::open(path)?.replies {
            all.texts.push(TokenText { prompt: tokenizer.encode_inside(&stored.prompt).map_err(refused)?, reply: stored.tokens });
            all.contexts.push(chat.asked_ids(tokenizer, &stored.prompt).map_err(refused)?);
        }
    } else {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let line: Result<Line, _> = serde_json::from_str(line);
            let Line { prompt, reply } =
                line.map_err(|error| FormatError::new(format!("line {}", number + 1), error, "`{\"prompt\", \"reply\"}`").at(path))?;
            let (prompt_ids, reply) =
                (tokenizer.encode_inside(&prompt).map_err(refused)?, tokenizer.encode_inside(&reply).map_err(refused)?);
            all.contexts.push(tokenizer.encode(&prompt).map_err(refused)?.ids);
            all.texts.push(TokenText { prompt: prompt_ids, reply });
        }
    }
    if all.texts.is_empty() {
        return Err(FormatError::new("texts", "none", "at least one line").at(path).into());
    }
    Ok(all)
}

/// What the suspect predicts in the owner's texts.
fn readings(texts: Texts, owner: &Model, model: &Model, progress: &Progress) -> Result<Vec<Reading>, Error> {
    let refused = |why: NotRunnable| Error::from(FormatError::new("suspect", why.0, "a decoder that predicts next tokens").at(&model.path));
    let ids = |model: &Model| model.vocabulary.as_ref().map(|vocabulary| vocabulary.tokens.clone());
    if ids(owner).is_none() || ids(owner) != ids(model) {
        return Err(FormatError::new("tokens of the suspect", "another vocabulary", "that of the model which the key was used with")
            .hint("without `--reading`, and with `--student`, the suspect's own texts are tested, whatever its tokens")
            .at(&model.path)
            .into());
    }
    let network = Network::open(model).map_err(refused)?;
    let shape = network.shape();
    if !(shape.causal && shape.has_logits) {
        return Err(refused(NotRunnable("it does not predict next tokens".into())));
    }
    let sequences: Vec<(Vec<u32>, usize)> = texts
        .texts
        .into_iter()
        .zip(texts.contexts)
        .map(|(text, context)| {
            let given = context.len();
            let mut tokens = [context, text.reply].concat();
            tokens.truncate(shape.max_positions.unwrap_or(usize::MAX));
            (tokens, given)
        })
        .filter(|(tokens, _)| tokens.len() > 1)
        .collect();
    let tokens: Vec<Vec<u32>> = sequences.iter().map(|(tokens, _)| tokens.clone()).collect();
    let phase = progress.steps("reading", tokens.len() as u64);
    let predicted = predictions(&network, &tokens, &|n| phase.advance(n))?;
    let reading = |((tokens, given), predictions)| Reading { tokens, given, predictions };
    Ok(sequences.into_iter().zip(predicted).map(reading).collect())
}

fn test(args: &Test, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    if args.student || args.reading.is_some() {
        return student::run(args, printer, progress);
    }
    if args.report.is_some() || args.beside.is_some() {
        let message = "`--report` and `--beside`: found texts of the owner's own, expected `--reading` or `--student`".into();
        return Err(Error::Usage { message, hint: Some("whether texts carry a mark is no question about another model".into()) });
    }
    let key = WatermarkKey::open(&args.key)?;
    let model = open_weights(&args.model, progress)?;
    let texts = read(&args.texts, &tokenizer(&model)?, &model)?;
    let n = texts.texts.len();
    let marked = MarkedTexts { key, texts: texts.texts };
    let (id, outcome) = observe("text.watermark", &Records { marked: Some(&marked), seed: args.seed, ..Records::default() })?;
    let evidence = outcome.observed().and_then(|observation| observation.marks.as_deref());
    printer.result(&match (args.format, evidence) {
        (Format::Json, evidence) => format!("{:#}\n", as_json(id, n, evidence, outcome.why())),
        (Format::Text, Some(evidence)) => as_text(id, n, evidence),
        (Format::Text, None) => format!("{id}: not applicable, {}\n", outcome.why().unwrap_or_default()),
    })
}

fn tokenizer(model: &Model) -> Result<Tokenizer, Error> {
    Ok(Tokenizer::of(model).map_err(|why| FormatError::new("tokenizer", why.0, "one that splits texts").at(&model.path))?)
}

/// A method on records, by its id.
pub(crate) fn observe(id: &'static str, records: &Records<'_>) -> Result<(&'static str, Outcome), Error> {
    Ok((id, outcome(id, records)?))
}

/// Where a p-value comes from, in a few words.
fn kind(p: PValue) -> String {
    match p.from() {
        NullDistribution::Exact => "exact".into(),
        NullDistribution::Permutation { n } => format!("{n} fresh keys"),
        NullDistribution::Asymptotic { .. } => "not valid: copies taken for independent".into(),
        NullDistribution::Bound { of } => format!("bound, {of}"),
    }
}

fn p_text(p: PValue) -> String {
    if p.log10() > -3.0 { format!("{:.3}", p.value()) } else { format!("10^{:.1}", p.log10()) }
}

fn as_text(id: &str, texts: usize, evidence: &MarkEvidence) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        for (i, part) in wrap(value, WIDTH - LABEL - 2).iter().enumerate() {
            text.push_str(&format!("{:LABEL$}  {part}\n", if i == 0 { label } else { "" }));
        }
    };
    line("method", id);
    line("scheme", &evidence.scheme);
    line("key, SHA-256", evidence.key_digest.get(..32).unwrap_or_default());
    line("texts", &texts.to_string());
    if let Some(test) = &evidence.texts {
        let expected = format!("{:.1} under another key on average", test.expected);
        line(
            "its texts",
            &format!("{} distinct pairs, sum {:.1}, {expected}; {} of {} places dropped", test.n, test.sum, test.dropped, test.places),
        );
        for (name, z, p) in rows(test) {
            line(&format!("  {name}"), &format!("p {}  z {z:.2}  ({})", p_text(p), kind(p)));
        }
    }
    line("p-value", &format!("{} ({})", p_text(evidence.p_value), kind(evidence.p_value)));
    text
}

fn rows(test: &MarkTest) -> Vec<(&'static str, f64, PValue)> {
    let mut rows = vec![("each once", test.z, test.once)];
    rows.extend(test.fresh_keys.map(|p| ("by weight", test.weighted_z, p)));
    rows.extend(test.chernoff.map(|p| ("by weight", test.weighted_z, p)));
    rows.extend(test.naive.map(|naive| ("naive", naive.z, naive.p_value)));
    rows
}

fn as_json(id: &str, texts: usize, evidence: Option<&MarkEvidence>, why: Option<&str>) -> Value {
    let p = |p: PValue| json!({ "log10": p.log10(), "kind": kind(p), "rigorous": p.is_rigorous() });
    let test = |test: &MarkTest| {
        json!({
            "places": test.places, "dropped": test.dropped, "n": test.n, "sum": test.sum, "expected": test.expected, "z": test.z,
            "weightedZ": test.weighted_z, "once": p(test.once), "freshKeys": test.fresh_keys.map(p), "chernoff": test.chernoff.map(p),
            "naive": test.naive.map(|naive| json!({ "n": naive.n, "z": naive.z, "pValue": p(naive.p_value) })), "pValue": p(test.p_value),
        })
    };
    json!({
        "method": id,
        "texts": texts,
        "why": why,
        "scheme": evidence.map(|e| e.scheme.clone()),
        "keyDigest": evidence.map(|e| e.key_digest.clone()),
        "closed": evidence.and_then(|e| e.texts.as_ref()).map(test),
        "pValue": evidence.map(|e| p(e.p_value)),
    })
}
