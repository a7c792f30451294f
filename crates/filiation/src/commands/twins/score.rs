//! What a suspect and a base give to replies and twins, and the test on it.

use super::{chat, file_digest};
use crate::Error;
use crate::cli::twins::Test;
use crate::models::open;
use crate::printer::Printer;
use crate::progress::Progress;
use ::twins::{Line, TwinFile, Utterance};
use evidence::{RECORD_METHODS, Records, ScoredRequest, TwinScores};
use forward::{LocalScorer, Scored, Scorer};

/// Who is asked about replies and twins.
pub(crate) struct Ask<'a> {
    pub(crate) suspect: &'a dyn Scorer,
    /// The public base, then further models that saw neither replies nor twins.
    pub(crate) bases: Vec<&'a dyn Scorer>,
}

/// Scores of every batch. A reply that a model cannot read is left out: a twin alone, a released one with its request.
pub(crate) fn scores(batches: &[&[Line]], ask: &Ask<'_>, effect: f64, progress: &Progress) -> Result<TwinScores, Error> {
    let lines: Vec<(usize, &Line)> =
        batches.iter().enumerate().flat_map(|(batch, lines)| lines.iter().map(move |line| (batch, line))).collect();
    let said = |line: &Line| std::iter::once(line.released.clone()).chain(line.twins.iter().cloned()).collect::<Vec<Utterance>>();
    let all: Vec<Vec<Utterance>> = lines.iter().map(|(_, line)| said(line)).collect();
    let texts: Vec<Scored<'_>> = lines
        .iter()
        .zip(&all)
        .flat_map(|((_, line), said)| {
            said.iter().map(|one| Scored { prompt: &line.prompt, reply: &one.text, finish_reason: one.finish_reason })
        })
        .collect();
    let of = |scorer: &dyn Scorer, what: &str| -> Result<Vec<Option<f64>>, Error> {
        let phase = progress.steps(&format!("asking the {what}"), texts.len() as u64);
        Ok(scorer.score(&texts, &|n| phase.advance(n))?.into_iter().map(|score| score.map(forward::Score::mean)).collect())
    };
    let suspect = of(ask.suspect, "suspect")?;
    let bases: Vec<Vec<Option<f64>>> = ask.bases.iter().map(|base| of(*base, "base")).collect::<Result<_, _>>()?;
    let mut requests = Vec::with_capacity(lines.len());
    let mut start = 0;
    for ((batch, line), said) in lines.iter().zip(&all) {
        let places = start..start + said.len();
        start = places.end;
        // Whoever is asked, the same replies count.
        let read: Vec<usize> = places.clone().filter(|&i| suspect[i].is_some() && bases.iter().all(|base| base[i].is_some())).collect();
        if read.first() != Some(&places.start) {
            continue;
        }
        let values = |of: &[Option<f64>]| read.iter().filter_map(|&i| of[i]).collect();
        requests.push(ScoredRequest {
            cluster: line.cluster.clone(),
            batch: *batch,
            is_placebo: line.placebo,
            suspect: values(&suspect),
            base: bases.first().map(|base| values(base)),
            further: bases.iter().skip(1).map(|base| values(base)).collect(),
        });
    }
    Ok(TwinScores { requests, effect })
}

pub(super) fn test(args: &Test, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let paths: Vec<_> = std::iter::once(&args.twins).chain(&args.batch).collect();
    let files: Vec<TwinFile> = paths.iter().map(|path| Ok(TwinFile::open(path)?)).collect::<Result<_, Error>>()?;
    let chat = match &args.chat {
        Some(name) => chat(name)?,
        None => files[0].header.chat.clone(),
    };
    let suspect = open(&args.suspect, progress)?;
    let scorer = LocalScorer::open(&suspect, &chat).map_err(forward::ScoreError::from)?;
    let bases = args.base.iter().map(|base| open(base, progress)).collect::<Result<Vec<_>, _>>()?;
    let base_scorers =
        bases.iter().map(|base| LocalScorer::open(base, &chat).map_err(forward::ScoreError::from)).collect::<Result<Vec<_>, _>>()?;
    let batches: Vec<&[Line]> = files.iter().map(|file| file.lines.as_slice()).collect();
    let ask = Ask { suspect: &scorer, bases: base_scorers.iter().map(|base| base as &dyn Scorer).collect() };
    let scores = scores(&batches, &ask, args.effect.unwrap_or(0.02), progress)?;
    let records = Records { twins: Some(&scores), seed: args.seed.unwrap_or(0) };
    let mut text = String::new();
    for method in RECORD_METHODS {
        let outcome = method.observe(&records)?;
        text.push_str(&format!("{}: {:?}\n", method.card().id, outcome.observed().map(|o| (&o.explanation.words, o.p_value))));
    }
    let _ = file_digest(&args.twins)?;
    printer.result(&text)
}
