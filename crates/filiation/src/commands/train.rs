//! `filiation lab train RECIPE -o DIR` and `filiation lab finetune MODEL --text FILE -o DIR`.

use crate::Error;
use crate::cli::training::{Finetune, Train, TrainedDtype};
use crate::models::open;
use crate::printer::Printer;
use crate::progress::Progress;
use forward::Tokenizer;
use lab::train::{Adapter, Made, Recipe, Request, Schedule, Tune, Vocabulary, Windows, begin, documents, tokens, train, train_tokenizer};
use lab::{Dtype, Precision};
use serde_json::{Value, json};
use sources::{FormatError, Model};
use std::path::Path;

pub(crate) fn from_nothing(args: &Train, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let recipe = Recipe::read(&args.recipe)?;
    let texts = documents(&recipe.text.files)?;
    let tokenizer: Value = match &recipe.tokenizer {
        Vocabulary::Tokens(n) => train_tokenizer(&texts, *n)?,
        Vocabulary::File(path) => {
            let bytes = std::fs::read(path).map_err(|error| Error::Io { action: "read", path: path.clone(), error })?;
            serde_json::from_slice(&bytes).map_err(|error| FormatError::new("tokenizer.json", error, "JSON").at(path))?
        }
    };
    let folder = tempfile::tempdir().map_err(|error| Error::Io { action: "create", path: std::env::temp_dir(), error })?;
    let begun = folder.path().join("begun");
    begin(&recipe.model, &tokenizer, args.seed, &begun)?;
    let asked = Asked {
        output: &args.output,
        schedule: recipe.schedule,
        length: recipe.text.length,
        order: recipe.text.order,
        tune: Tune::Full,
        seed: args.seed,
        dtype: args.dtype,
        history: json!({ "recipe": recipe }),
    };
    asked.run(Model::open(&begun)?, &texts, printer, progress)
}

pub(crate) fn finetune(args: &Finetune, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let model = open(&args.model, progress)?;
    let texts = documents(&args.text)?;
    let schedule =
        Schedule { steps: args.steps, batch: args.batch, rate: args.rate, warmup: args.steps.div_ceil(20), ..Schedule::default() };
    let adapter = |rank: usize| Tune::Adapter(Adapter { rank, alpha: 2.0 * rank as f64 });
    let asked = Asked {
        output: &args.output,
        schedule,
        length: args.length,
        order: args.seed,
        tune: args.lora.map_or(Tune::Full, adapter),
        seed: args.seed,
        dtype: args.dtype,
        history: json!({ "text": args.text }),
    };
    asked.run(model, &texts, printer, progress)
}

/// A training of either kind.
struct Asked<'a> {
    output: &'a Path,
    schedule: Schedule,
    length: usize,
    order: u64,
    tune: Tune,
    seed: u64,
    dtype: TrainedDtype,
    history: Value,
}

impl Asked<'_> {
    fn run(self, model: Model, texts: &[String], printer: &Printer, progress: &Progress) -> Result<(), Error> {
        let tokenizer =
            Tokenizer::of(&model).map_err(|why| FormatError::new("tokenizer", why.0, "one that splits texts").at(&model.path))?;
        let ids = tokens(&tokenizer, texts)?;
        if ids.len() <= self.length {
            return Err(lab::LabError::from(FormatError::new(
                "text",
                format!("{} tokens", ids.len()),
                format!("more than one sequence of {}", self.length),
            ))
            .into());
        }
        let examples = Windows::new(ids, self.length, self.order);
        let request = Request {
            folder: self.output,
            schedule: self.schedule,
            examples: &examples,
            tune: self.tune,
            seed: self.seed,
            precision: Precision::Of(match self.dtype {
                TrainedDtype::F32 => Dtype::F32,
                TrainedDtype::Bf16 => Dtype::Bf16,
            }),
            history: self.history,
        };
        let made = {
            let phase = progress.steps("training", self.schedule.steps as u64);
            let done = std::cell::Cell::new(0);
            train(model, &request, &|now| phase.advance((now.step - done.replace(now.step)) as u64))?
        };
        printer.result(&summary(&made, self.output))
    }
}

/// Columns of the curve, and its rows.
const WIDTH: usize = 60;
const HEIGHT: usize = 8;

/// The loss curve, drawn with what every terminal has.
fn summary(made: &Made, output: &Path) -> String {
    let mut text = String::new();
    let points = &made.points;
    if let (Some(first), Some(last)) = (points.first(), points.last()) {
        let losses = || points.iter().map(|point| point.loss);
        let high = losses().max_by(f64::total_cmp).unwrap_or_default();
        let low = losses().min_by(f64::total_cmp).unwrap_or_default();
        let columns = points.len().min(WIDTH);
        let at = |column: usize| points[column * points.len() / columns].loss;
        let height = |loss: f64| if high > low { ((loss - low) / (high - low) * (HEIGHT - 1) as f64).round() as usize } else { 0 };
        text.push_str("loss, nats a token\n");
        for row in (0..HEIGHT).rev() {
            let label = if row == HEIGHT - 1 {
                format!("{high:8.3}")
            } else if row == 0 {
                format!("{low:8.3}")
            } else {
                " ".repeat(8)
            };
            let line: String = (0..columns).map(|column| if height(at(column)) == row { '•' } else { ' ' }).collect();
            text.push_str(&format!("{label} │{}\n", line.trim_end()));
        }
        text.push_str(&format!("{}└{}\n", " ".repeat(9), "─".repeat(columns)));
        text.push_str(&format!("{}{} steps; loss {:.3} at first, {:.3} at last\n", " ".repeat(10), last.step, first.loss, last.loss));
    }
    text.push_str(&format!("{} parameters, written to {}\n", made.parameters, output.display()));
    text
}
