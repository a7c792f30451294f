//! What a suspect and models that nobody suspects give to replies and twins.

use crate::Error;
use crate::progress::Progress;
use ::twins::{Line, Utterance};
use evidence::{ScoredRequest, TwinScores};
use forward::{Scored, Scorer};

/// Who is asked about replies and twins.
pub(crate) struct Ask<'a> {
    pub(crate) suspect: &'a dyn Scorer,
    /// The public base, then further models that saw neither replies nor twins.
    pub(crate) bases: Vec<&'a dyn Scorer>,
}

/// Scores of every batch; `is_sequence` where they were declared to come in one after the other. A reply that a model cannot read is left out: a twin alone, a released one with its request.
pub(crate) fn scores(
    batches: &[&[Line]],
    ask: &Ask<'_>,
    (effect, is_sequence): (f64, bool),
    progress: &Progress,
) -> Result<TwinScores, Error> {
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
    Ok(TwinScores { requests, effect, is_sequence })
}
