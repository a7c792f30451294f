//! `filiation watermark test --student|--reading`: was a suspect trained on replies that were drawn with the key?

use super::{drawn_key, observe, read, readings, tokenizer};
use crate::Error;
use crate::assemble::files::{custody_file, custody_files};
use crate::assemble::records::{Beside, Declared, ExaminedRecords, report};
use crate::assemble::{quote, side};
use crate::cli::watermark::Test;
use crate::models::digested_weights;
use crate::page::{Page, prepare_folder};
use crate::printer::Printer;
use crate::progress::Progress;
use ::report::data;
use evidence::{Radioactivity, Records, record_method};
use forward::WatermarkKey;
use std::path::PathBuf;
use verdict::Wording;
use verdict::distillation::{Plan, conclude};

/// The method that concludes.
const PRIMARY: &str = "text.radioactivity";

pub(super) fn run(args: &Test, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    args.report.as_deref().map(prepare_folder).transpose()?;
    let wording = Wording::shipped()?;
    let beside = args.beside.as_deref().map(Beside::read).transpose()?;
    let watermark = match WatermarkKey::open(&args.key)? {
        WatermarkKey::Drawn(watermark) => watermark,
        WatermarkKey::Synthid(_) => drawn_key(&args.key)?,
    };
    let owner = digested_weights(&args.model, "digests of the reference", progress)?;
    let texts = read(&args.texts, &tokenizer(&owner.model)?, &owner.model)?;
    let mut files = vec![custody_file(data::SideRole::Reference, &args.key)?];
    files.extend(custody_files(data::SideRole::Reference, &owner.custody));
    let (given, suspect) = match &args.reading {
        Some(path) => {
            let suspect = digested_weights(path, "digests of the suspect", progress)?;
            let reading = readings(texts, &owner.model, &suspect.model, progress)?;
            files.push(custody_file(data::SideRole::Reference, &args.texts)?);
            files.extend(custody_files(data::SideRole::Suspect, &suspect.custody));
            (Radioactivity { watermark, closed: Vec::new(), reading }, side(&suspect))
        }
        None => {
            files.push(custody_file(data::SideRole::Suspect, &args.texts)?);
            let said = data::Side { path: args.texts.display().to_string(), format: Some("texts".into()), ..data::Side::default() };
            (Radioactivity { watermark, closed: texts.texts, reading: Vec::new() }, said)
        }
    };
    let (_, outcome) = observe(PRIMARY, &Records { radioactivity: Some(&given), seed: args.seed, ..Records::default() })?;
    let outcomes: Vec<_> = record_method(PRIMARY).map(|method| (method.card(), outcome)).into_iter().collect();
    let verdict = conclude(&outcomes, &Plan { primary: PRIMARY, is_committed: false, is_sequence: false }, &wording)?;
    let report = report(ExaminedRecords {
        reference: side(&owner),
        suspect,
        seed: args.seed,
        outcomes: &outcomes,
        verdict: &verdict,
        plan: Declared { method: PRIMARY.into(), committed_beforehand: false, committed_at: None, commitment: None, opened_at: None },
        beside: beside.as_ref(),
        custody: files,
        command: command(args),
    });
    Page::Distillation.deliver_to(&report, args.report.as_deref(), args.format, printer)
}

/// The command that gives the same report again.
fn command(args: &Test) -> String {
    let path = |path: &PathBuf| quote(&path.display().to_string());
    let mut words =
        vec!["filiation watermark test".to_owned(), path(&args.key), path(&args.texts), format!("--model {}", path(&args.model))];
    match &args.reading {
        Some(suspect) => words.push(format!("--reading {}", path(suspect))),
        None => words.push("--student".into()),
    }
    words.extend(args.beside.iter().map(|file| format!("--beside {}", path(file))));
    words.push(format!("--seed {}", args.seed));
    words.join(" ")
}
