//! `filiation twins`: from the log of a service to an exact test of who learnt its replies.

mod batches;
mod score;
mod test;

use crate::assemble::files::file_digest;
use crate::cli::twins::{Commit, Draw, Twins};
use crate::endpoint::{is_url, mode, refuse_options, session, without_endpoint};
use crate::models::{custody, open};
use crate::printer::{Printer, printable};
use crate::progress::Progress;
use crate::served::ServedSnapshot;
use crate::{Error, json_lines};
use ::twins::{Commitment, Drawing, Drawn, LocalSnapshot, LoggedRequest, Plan, Secret, Snapshot, SnapshotRecord, read_log};
use forward::{Chat, Responder, Sampling};
use lab::distil::{REPLIES_SCHEMA, ReplyFile};
use probe::Mode;
pub(crate) use score::{Ask, scores};
use serde_json::json;
use std::path::Path;

/// The method that concludes.
const PRIMARY: &str = "text.released-twin";
/// Its level.
const LOG10_LEVEL: f64 = -6.0;

pub(crate) fn run(command: &Twins, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    match command {
        Twins::Key { output } => {
            let digest = Secret::create(output)?.campaign("").digest();
            let path = printable(&output.display().to_string());
            printer.result(&format!(
                "secret     {path}\ndigest     {digest:.16} of its empty campaign\nKeep it, and keep it apart from the log.\n"
            ))
        }
        Twins::Draw(args) => draw(args, printer, progress),
        Twins::Commit(args) => commit(args, printer, progress),
        Twins::Test(args) => test::run(args, printer, progress),
    }
}

fn draw(args: &Draw, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let key = Secret::open(&args.key)?.campaign(&args.campaign);
    let (log, digest) = (log(&args.log)?, file_digest(&args.log)?);
    let chat = Chat::named(&args.chat)?;
    let sampling =
        args.temperature.map(|temperature| Sampling { temperature, top_p: args.top_p, max_tokens: args.max_tokens.unwrap_or(256) });
    let drawing = |snapshot: &dyn Snapshot| -> Result<Drawn, Error> {
        let drawing = Drawing {
            snapshot,
            chat: &chat,
            log: (&log, &digest),
            sampling,
            campaign: (&args.campaign, &key),
            twins: args.twins,
            accounts: &args.account,
            placebo: args.placebo,
        };
        let phase = progress.steps("drawing twins", drawing.work()?);
        Ok(drawing.draw(&args.output, &|n| phase.advance(n))?)
    };
    let (drawn, answered) = if is_url(&args.model) {
        let mode = mode(args.mode);
        let way = if mode == Mode::Chat { "chat" } else { "completions" };
        let asked =
            json!({ "ask": "twins", "mode": way, "chat": chat, "campaign": args.campaign, "keyDigest": key.digest(), "log": digest });
        let snapshot = ServedSnapshot::new(session(&args.model, &args.endpoint, "snapshot", asked)?, mode);
        let drawn = drawing(&snapshot)?;
        let name = printable(&drawn.snapshot.path);
        progress.note(&format!(
            "warning: `{name}` shows no weights that could be digested: that they are those that answered is the owner's word"
        ));
        let fingerprint = drawn.snapshot.system_fingerprint.as_deref().map_or("none".into(), printable);
        let answered = format!("endpoint model `{name}`, fingerprint {fingerprint}, transcript SHA-256 {}", snapshot.digest()?);
        (drawn, answered)
    } else {
        refuse_options(&args.endpoint, "snapshot")?;
        if args.mode.is_some() {
            return Err(without_endpoint("--mode", "snapshot"));
        }
        let drawn = drawing(&local(Path::new(&args.model), progress)?)?;
        let answered = format!("snapshot {:.16}", drawn.snapshot.tensor_root);
        (drawn, answered)
    };
    let path = printable(&args.output.display().to_string());
    let mut text = format!(
        "{} requests, {} twins each, {} of them placebo, written to `{path}`\n",
        drawn.tested + drawn.placebo,
        args.twins,
        drawn.placebo
    );
    if drawn.found > 0 {
        text.push_str(&format!("{} were there already\n", drawn.found));
    }
    if drawn.without_chance > 0 {
        text.push_str(&format!("{} requests were answered at temperature 0: they have no twins\n", drawn.without_chance));
    }
    text.push_str(&format!("{answered}, key {:.16}\n", key.digest()));
    text.push_str("next: `filiation twins commit`, before the suspect is opened\n");
    printer.result(&text)
}

fn local(path: &Path, progress: &Progress) -> Result<LocalSnapshot, Error> {
    let model = open(path, progress)?;
    let root = custody(&model, "digests of the snapshot", progress)?.tensor_root;
    let record = SnapshotRecord::of_weights(model.path.display().to_string(), root);
    let responder =
        Responder::read(&model)?.map_err(|why| sources::FormatError::new("snapshot", why.0, "a decoder that answers").at(&model.path))?;
    Ok(LocalSnapshot { record, responder })
}

fn commit(args: &Commit, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    if !(args.effect.is_finite() && args.effect > 0.0) {
        return Err(Error::Usage { message: format!("effect: found {}, expected nats a token above 0", args.effect), hint: None });
    }
    let secret = Secret::open(&args.key)?;
    let root = |base: &std::path::PathBuf| Ok(custody(&open(base, progress)?, "digests of the base", progress)?.tensor_root);
    let bases = args.base.iter().map(root).collect::<Result<_, Error>>()?;
    let campaign = ::twins::TwinFile::open(&args.twins)?.header.campaign;
    let plan = Plan {
        primary: PRIMARY.into(),
        log10_level: LOG10_LEVEL,
        effect: args.effect,
        seed: args.seed,
        bases,
        sequential: args.sequential,
    };
    let commitment = Commitment::of(&args.twins, &secret.campaign(&campaign), plan, probe::rfc3339(std::time::SystemTime::now()))?;
    let digest = commitment.write(&args.output)?;
    let path = printable(&args.output.display().to_string());
    let [tested, placebo] = commitment.requests;
    let primary = match args.sequential {
        true => "the product of e-values over batches, from this one on",
        false => "the p-value of this one fixed set",
    };
    printer.result(&format!(
        "{tested} requests and {placebo} placebo of campaign `{}` committed in `{path}`\ndeclared primary: {primary}\nSHA-256 {digest}\n\
         Publish this digest, or have it stamped, before the suspect is opened.\n",
        printable(&campaign)
    ))
}

/// A log, or replies that the laboratory stored, which are one.
pub(crate) fn log(path: &Path) -> Result<Vec<LoggedRequest>, Error> {
    if json_lines::schema(path)?.as_deref() != Some(REPLIES_SCHEMA) {
        return Ok(read_log(path)?);
    }
    Ok(logged(&ReplyFile::open(path)?))
}

/// Stored replies as the log that a service would have kept.
pub(crate) fn logged(file: &ReplyFile) -> Vec<LoggedRequest> {
    let request = |reply: &lab::distil::StoredReply| LoggedRequest {
        request_id: reply.request_id.clone(),
        prompt: reply.prompt.clone(),
        reply: reply.reply.clone(),
        finish_reason: reply.finish_reason,
        account: None,
        conversation: None,
        sampling: Some(file.header.sampling),
    };
    file.replies.iter().map(request).collect()
}
