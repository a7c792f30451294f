//! `filiation twins test`: the test that was committed, and its report.

use super::batches;
use super::{Ask, LOG10_LEVEL, PRIMARY, scores};
use crate::Error;
use crate::assemble::files::{custody_file, custody_files};
use crate::assemble::records::{Beside, Declared, ExaminedRecords, endpoint, report};
use crate::assemble::{quote, side};
use crate::cli::twins::Test;
use crate::models::{Compared, digested_weights};
use crate::page::{Page, prepare_folder};
use crate::printer::Printer;
use crate::progress::Progress;
use crate::suspect::{Suspect, logprobs};
use ::report::data;
use ::twins::{Commitment, Line, Plan, TwinFile};
use evidence::{Records, record_method};
use forward::{LocalScorer, ScoreError, Scorer};
use sources::FormatError;
use std::path::PathBuf;
use verdict::Wording;
use verdict::distillation::{self, conclude};

/// The smallest effect that matters where nothing was committed, in nats a token.
const EFFECT: f64 = 0.02;

pub(super) fn run(args: &Test, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    args.report.as_deref().map(prepare_folder).transpose()?;
    let wording = Wording::shipped()?;
    let paths: Vec<&PathBuf> = std::iter::once(&args.twins).chain(&args.batch).collect();
    let mut files: Vec<TwinFile> = paths.iter().map(|path| Ok(TwinFile::open(path)?)).collect::<Result<_, Error>>()?;
    batches::keep_apart(&paths, &mut files)?;
    let committed = committed(args, &paths)?;
    let beside = args.beside.as_deref().map(Beside::read).transpose()?;
    let bases: Vec<Compared> =
        args.base.iter().map(|base| digested_weights(base, "digests of a base", progress)).collect::<Result<_, _>>()?;
    let plan = plan(args, committed.as_ref().map(|(plan, _)| plan), &bases)?;

    let header = &files[0].header;
    let suspect = Suspect::open(&args.suspect, logprobs("twins test"), &header.chat, progress)?;
    let scorer = suspect.scorer()?;
    let base_scorers: Vec<LocalScorer<'_>> =
        bases.iter().map(|base| LocalScorer::open(&base.model, &header.chat).map_err(ScoreError::from)).collect::<Result<_, _>>()?;
    let batches: Vec<&[Line]> = files.iter().map(|file| file.lines.as_slice()).collect();
    let ask = Ask { suspect: &scorer, bases: base_scorers.iter().map(|base| base as &dyn Scorer).collect() };
    let scores = scores(&batches, &ask, (plan.effect, plan.sequential), progress)?;
    let records = Records { twins: Some(&scores), seed: plan.seed, ..Records::default() };
    let outcomes = match record_method(PRIMARY) {
        Some(method) => vec![(method.card(), method.observe(&records)?)],
        None => Vec::new(),
    };
    let declared = distillation::Plan { primary: PRIMARY, is_committed: committed.is_some(), is_sequence: plan.sequential };
    let verdict = conclude(&outcomes, &declared, &wording)?;

    let snapshot = if header.snapshot.is_of_endpoint() {
        endpoint(&header.snapshot.path, None)
    } else {
        data::Side {
            path: header.snapshot.path.clone(),
            tensor_root: header.snapshot.tensor_root.clone(),
            format: Some("snapshot".into()),
            ..data::Side::default()
        }
    };
    let mut files: Vec<data::CustodyFile> = Vec::new();
    for path in paths.into_iter().chain(&args.commitment) {
        files.push(custody_file(data::SideRole::Reference, path)?);
    }
    bases.iter().for_each(|base| files.extend(custody_files(data::SideRole::Control, &base.custody)));
    let suspected = match suspect.compared() {
        Some(compared) => {
            files.extend(custody_files(data::SideRole::Suspect, &compared.custody));
            side(compared)
        }
        None => {
            if let Some(transcript) = &args.suspect.endpoint.transcript {
                files.push(custody_file(data::SideRole::Suspect, transcript)?);
            }
            endpoint(&args.suspect.suspect, args.suspect.endpoint.name.as_deref())
        }
    };
    let report = report(ExaminedRecords {
        reference: snapshot,
        suspect: suspected,
        seed: plan.seed,
        outcomes: &outcomes,
        verdict: &verdict,
        plan: Declared {
            method: PRIMARY.into(),
            committed_beforehand: committed.is_some(),
            committed_at: committed.as_ref().map(|(_, stamps)| stamps[0].0.clone()),
            commitment: committed.as_ref().map(|(_, stamps)| format!("sha256:{}", stamps[0].1)),
            opened_at: None,
        },
        beside: beside.as_ref(),
        custody: files,
        command: command(args),
    });
    Page::Distillation.deliver_to(&report, args.report.as_deref(), args.format, printer)
}

/// When a file was committed, and the digest of the commitment.
type Stamp = (String, String);

/// What was committed of every file, where it was; all commitments say one plan.
fn committed(args: &Test, paths: &[&PathBuf]) -> Result<Option<(Plan, Vec<Stamp>)>, Error> {
    if args.commitment.is_empty() {
        return Ok(None);
    }
    if args.commitment.len() != paths.len() {
        let message = format!("commitments: found {} for {} files of twins, expected one each", args.commitment.len(), paths.len());
        return Err(Error::Usage {
            message,
            hint: Some("give them in the order of the files, or none: the answer is then exploratory".into()),
        });
    }
    let mut plan: Option<Plan> = None;
    let mut stamps = Vec::new();
    for (path, committed) in paths.iter().zip(&args.commitment) {
        let (commitment, digest) = Commitment::open(committed)?;
        commitment.check(path)?;
        if let Some(plan) = plan.as_ref().filter(|plan| **plan != commitment.plan) {
            let (found, expected) = (described(&commitment.plan), described(plan));
            return Err(FormatError::new("plan", found, format!("{expected}, as the first commitment says")).at(committed).into());
        }
        plan = Some(commitment.plan);
        stamps.push((commitment.committed_at, digest));
    }
    Ok(plan.map(|plan| (plan, stamps)))
}

fn described(plan: &Plan) -> String {
    let Plan { primary, log10_level, effect, seed, bases, sequential } = plan;
    let set = if *sequential { "a sequence of batches" } else { "one fixed set" };
    format!("`{}` at 10^{log10_level} on {set}, effect {effect}, seed {seed}, {} bases", primary.escape_debug(), bases.len())
}

/// What will be done: as committed, where it was; whoever asks for something else is told.
fn plan(args: &Test, committed: Option<&Plan>, bases: &[Compared]) -> Result<Plan, Error> {
    let roots: Vec<String> = bases.iter().map(|base| base.custody.tensor_root.clone()).collect();
    let Some(plan) = committed else {
        let effect = args.effect.unwrap_or(EFFECT);
        if !(effect.is_finite() && effect > 0.0) {
            return Err(Error::Usage { message: format!("effect: found {effect}, expected nats a token above 0"), hint: None });
        }
        return Ok(Plan {
            primary: PRIMARY.into(),
            log10_level: LOG10_LEVEL,
            effect,
            seed: args.seed.unwrap_or(0),
            bases: roots,
            sequential: false,
        });
    };
    let otherwise = |what: &str, found: String, expected: String| {
        Err(Error::Usage {
            message: format!("{what}: found {found}, expected {expected}, as committed"),
            hint: Some("leave it out, or test without the commitment: the answer is then exploratory".into()),
        })
    };
    if (plan.primary.as_str(), plan.log10_level) != (PRIMARY, LOG10_LEVEL) {
        let found = format!("`{}` at 10^{}", plan.primary.escape_debug(), plan.log10_level);
        return otherwise("primary test", format!("`{PRIMARY}` at 10^{LOG10_LEVEL}"), found);
    }
    if let Some(effect) = args.effect.filter(|effect| *effect != plan.effect) {
        return otherwise("effect", effect.to_string(), plan.effect.to_string());
    }
    if let Some(seed) = args.seed.filter(|seed| *seed != plan.seed) {
        return otherwise("seed", seed.to_string(), plan.seed.to_string());
    }
    if roots != plan.bases {
        let short = |roots: &[String]| match roots {
            [] => "none".to_owned(),
            roots => roots.iter().map(|root| format!("{root:.16}")).collect::<Vec<_>>().join(", "),
        };
        return Err(Error::Usage {
            message: format!("tensor roots of the bases: found {}, expected {}, as committed", short(&roots), short(&plan.bases)),
            hint: Some("give the models that were committed with `--base`, in their order".into()),
        });
    }
    Ok(plan.clone())
}

/// The command that gives the same report again.
fn command(args: &Test) -> String {
    let path = |path: &PathBuf| quote(&path.display().to_string());
    let mut words = vec!["filiation twins test".to_owned(), path(&args.twins), quote(&args.suspect.suspect)];
    let mut option = |name: &str, value: String| words.push(format!("{name} {value}"));
    args.batch.iter().for_each(|file| option("--batch", path(file)));
    args.commitment.iter().for_each(|file| option("--commitment", path(file)));
    args.base.iter().for_each(|file| option("--base", path(file)));
    args.effect.iter().for_each(|effect| option("--effect", effect.to_string()));
    args.seed.iter().for_each(|seed| option("--seed", seed.to_string()));
    args.beside.iter().for_each(|file| option("--beside", path(file)));
    let endpoint = &args.suspect.endpoint;
    endpoint.name.iter().for_each(|name| option("--name", quote(name)));
    args.suspect.chat.iter().for_each(|chat| option("--chat", quote(chat)));
    endpoint.budget_requests.iter().for_each(|n| option("--budget-requests", n.to_string()));
    endpoint.budget_tokens.iter().for_each(|n| option("--budget-tokens", n.to_string()));
    endpoint.transcript.iter().for_each(|file| option("--transcript", path(file)));
    words.join(" ")
}
