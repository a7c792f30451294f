//! `filiation probe`: a suspect that is only an endpoint, asked within a budget.

use crate::Error;
use crate::cli::probe::{Asked, Probe, Way};
use crate::commands::inspect::grouped;
use crate::endpoint::{mode, rate};
use crate::printer::{Printer, printable};
use crate::progress::Progress;
use lab::Draws;
use lab::dialogues::Dialogues;
use probe::{Ask, Budget, Endpoint, Pace, ProbeError, Session, SystemClock, sha256};
use serde::Deserialize;
use serde_json::{Value, json};
use sources::FormatError;
use sources::store::read_whole;
use std::collections::BTreeSet;
use std::path::Path;

/// Prompts are held in memory.
const MAX_PROMPTS_BYTES: u64 = 256 << 20;
/// Refused requests in a row before anything was answered: the fault is not in the prompts.
const REFUSED_AT_FIRST: u64 = 3;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prompt {
    id: String,
    prompt: String,
}

/// What became of the questions.
#[derive(Default)]
struct Counts {
    asked: u64,
    now: u64,
    found: u64,
    refused: u64,
}

pub(crate) fn run(args: &Probe, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let usage = |message: String| Error::Usage { message, hint: None };
    if !(args.temperature.is_finite() && args.temperature >= 0.0) {
        return Err(usage(format!("temperature: found {}, expected 0 or more", args.temperature)));
    }
    if args.samples == 0 || args.max_tokens == 0 {
        return Err(usage("samples and tokens of a reply: found 0, expected at least 1".into()));
    }
    let mode = mode(Some(args.mode));
    let (samples, temperature, max_tokens) = match args.ask {
        Asked::NextToken => (1, 0.0, 1),
        Asked::Reply => (args.samples, args.temperature, args.max_tokens),
    };
    let (prompts, drawn_from) = prompts(args)?;
    let asked = json!({
        "ask": match args.ask { Asked::NextToken => "next-token", Asked::Reply => "reply" },
        "mode": match args.mode { Way::Completions => "completions", Way::Chat => "chat" },
        "temperature": temperature,
        "maxTokens": max_tokens,
        "topLogprobs": args.top_logprobs,
        "seed": args.seed,
        "prompts": drawn_from,
    });
    let endpoint = Endpoint::from_environment(&args.endpoint, &args.model)?;
    let budget = Budget { requests: args.budget_requests, tokens: args.budget_tokens };
    let pace = Pace { per_minute: rate(args.rate)?, seed: args.seed };
    let mut session = Session::open(endpoint, budget, pace, asked, &args.output, Box::new(SystemClock::new()))?;
    let total = (prompts.len() as u64).saturating_mul(samples);
    let mut counts = Counts { asked: total, ..Counts::default() };
    let ended = {
        let phase = progress.steps("questions", total);
        let mut all = prompts.iter().flat_map(|prompt| (0..samples).map(move |sample| (prompt, sample)));
        all.try_for_each(|(Prompt { id, prompt }, sample)| {
            // A seed makes samples of one prompt different requests; the most probable token needs none.
            let is_drawn = temperature > 0.0 || samples > 1;
            let seed = is_drawn.then(|| Draws::new(args.seed, &format!("probe/{id}/{sample}")).below(1 << 31) as u64);
            let ask = Ask { seed, top_logprobs: args.top_logprobs, ..Ask::new(mode, temperature, max_tokens) };
            let id = if samples > 1 { format!("{id}/{sample}") } else { id.clone() };
            match session.reply(&id, prompt, &ask) {
                Ok(reply) if reply.is_new => counts.now += 1,
                Ok(_) => counts.found += 1,
                Err(error) if error.is_of_one_request() => {
                    counts.refused += 1;
                    if counts.now + counts.found == 0 && counts.refused >= REFUSED_AT_FIRST {
                        return Err(error);
                    }
                    progress.note(&format!("warning: `{id}`: {error}"));
                }
                Err(error) => return Err(error),
            }
            phase.advance(1);
            Ok(())
        })
    };
    printer.result(&summary(&counts, &mut session, &args.output)?)?;
    Ok(ended?)
}

fn summary(counts: &Counts, session: &mut Session, path: &Path) -> Result<String, ProbeError> {
    let (spent, budget) = (session.spent(), session.budget());
    let of = |spent: u64, budget: u64| format!("{} of a budget of {}", grouped(spent), grouped(budget));
    let rows = [
        ("asked", grouped(counts.asked)),
        ("answered now", grouped(counts.now)),
        ("found", grouped(counts.found)),
        ("refused", grouped(counts.refused)),
        ("requests", of(spent.requests, budget.requests)),
        ("tokens", of(spent.tokens, budget.tokens)),
        ("transcript", printable(&path.display().to_string())),
        ("sha256", session.digest()?),
    ];
    Ok(rows.iter().map(|(name, value)| format!("{name:14}{value}\n")).collect())
}

/// The prompts, and what a transcript says of where they are from.
fn prompts(args: &Probe) -> Result<(Vec<Prompt>, Value), Error> {
    let Some(path) = &args.prompts else {
        let dialogues = Dialogues::shipped().map_err(lab::LabError::from)?;
        let prompt = |index: u64| Prompt { id: index.to_string(), prompt: dialogues.prompt(args.seed, index) };
        let drawn_from = json!({ "dialogues": dialogues.label, "digest": dialogues.digest });
        return Ok(((0..args.dialogues).map(prompt).collect(), drawn_from));
    };
    let bytes = read_whole(path, MAX_PROMPTS_BYTES)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| FormatError::new("file of prompts", error, "UTF-8 text").at(path))?;
    let is_json = path.extension().is_some_and(|extension| extension == "jsonl");
    let (mut prompts, mut ids) = (Vec::new(), BTreeSet::new());
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let prompt = match is_json {
            false => Prompt { id: (n + 1).to_string(), prompt: line.to_owned() },
            true => serde_json::from_str(line)
                .map_err(|error| FormatError::new(format!("prompt in line {}", n + 1), error, "`id` and `prompt`").at(path))?,
        };
        if !ids.insert(prompt.id.clone()) {
            let found = format!("`{}` once more", prompt.id.escape_debug());
            return Err(FormatError::new(format!("id of the prompt in line {}", n + 1), found, "an id of its own").at(path).into());
        }
        prompts.push(prompt);
    }
    Ok((prompts, json!({ "digest": sha256(&bytes) })))
}
