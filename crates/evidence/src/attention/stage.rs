//! Sums over all prompts at one relative depth: what every head has in common with every head of the other models there.

use super::entries::{Entries, Forms, Means};
use super::pairing::{Stage, Task};
use forward::Observation;
use rayon::prelude::*;
use stats::InputError;
use stats::correlation::{CrossSums, Piece};
use std::collections::BTreeMap;

/// Prompts that one task sums over. It is fixed, so that no sum depends on the number of threads.
const PROMPTS: usize = 8;

/// A block of a model: index of the model, index of the block.
pub(super) type At = (usize, usize);

/// Which sums are wanted; each costs a pass of products.
#[derive(Debug, Clone, Copy)]
pub(super) struct WantedSums {
    /// Of the probabilities as they are.
    pub(super) raw: bool,
    /// Without the sinks.
    pub(super) sink_removed: bool,
    /// Without the sinks and the mean over prompts.
    pub(super) deviations: bool,
}

/// The sums of one stage, by pair of blocks.
#[derive(Debug, Default)]
pub(super) struct StageSums {
    /// Heads and, last, their mean.
    pub(super) raw: BTreeMap<(At, At), CrossSums>,
    pub(super) sink_removed: BTreeMap<(At, At), CrossSums>,
    /// Of every block with every block not before it.
    pub(super) deviations: BTreeMap<(At, At), CrossSums>,
}

/// Why sums could not be made.
#[derive(Debug)]
pub(super) enum Lacking {
    /// An observation has no attention where its metadata promise it: of which model, and where.
    Attention(At),
    Input(InputError),
}

impl From<InputError> for Lacking {
    fn from(error: InputError) -> Self {
        Self::Input(error)
    }
}

impl StageSums {
    /// Sums over all prompts. Held at a time are the means of every block of the stage, and one prompt of these blocks for each thread.
    pub(super) fn of(models: &[&Observation], entries: &Entries, stage: &Stage, wanted: WantedSums) -> Result<Self, Lacking> {
        let heads_of = |&at: &At| (0..models[at.0].subject.n_heads).map(move |head| (at, head));
        let is_without_sinks = wanted.sink_removed || wanted.deviations;
        let all: Vec<(At, usize)> = stage.blocks.iter().filter(|_| is_without_sinks).flat_map(heads_of).collect();
        let mean = |&(at, head): &(At, usize)| {
            let map = |prompt| entries.map(models[at.0], at.1, head, prompt);
            Ok(((at, head), entries.means(map).ok_or(Lacking::Attention(at))?))
        };
        let means: BTreeMap<(At, usize), Means> = all.par_iter().map(mean).collect::<Result<_, Lacking>>()?;
        let prompts: Vec<usize> = (0..entries.n_prompts()).collect();
        let sum = |prompts: &[usize]| -> Result<Self, Lacking> {
            let mut sums = Self::default();
            for &prompt in prompts {
                let pieces = |at: &At| Ok((*at, Pieces::of(models[at.0], entries, *at, prompt, &means, wanted)?));
                let pieces: BTreeMap<At, Pieces> = stage.blocks.iter().map(pieces).collect::<Result<_, Lacking>>()?;
                sums.add(models, stage, &pieces, wanted)?;
            }
            Ok(sums)
        };
        let parts: Vec<Self> = prompts.par_chunks(PROMPTS).map(sum).collect::<Result<_, _>>()?;
        let mut whole = Self::default();
        parts.into_iter().for_each(|part| whole.merge(part));
        Ok(whole)
    }

    fn add(&mut self, models: &[&Observation], stage: &Stage, pieces: &BTreeMap<At, Pieces>, wanted: WantedSums) -> Result<(), InputError> {
        let heads = |at: At| models[at.0].subject.n_heads;
        let add = |sums: &mut BTreeMap<(At, At), CrossSums>, (a, b): (At, At), piece: fn(&Pieces) -> &Piece, more: usize| {
            let sums = sums.entry((a, b)).or_insert_with(|| CrossSums::new(heads(a) + more, heads(b) + more));
            sums.add(piece(&pieces[&a]), piece(&pieces[&b]))
        };
        for pair in stage.tasks.iter().map(Task::pair) {
            if wanted.raw {
                add(&mut self.raw, pair, |pieces| &pieces.raw, 1)?;
            }
            if wanted.sink_removed {
                add(&mut self.sink_removed, pair, |pieces| &pieces.sink_removed, 0)?;
            }
        }
        if wanted.deviations {
            for (i, &a) in stage.blocks.iter().enumerate() {
                for &b in &stage.blocks[i..] {
                    add(&mut self.deviations, (a, b), |pieces| &pieces.deviations, 0)?;
                }
            }
        }
        Ok(())
    }

    fn merge(&mut self, part: Self) {
        let merge = |whole: &mut BTreeMap<(At, At), CrossSums>, part: BTreeMap<(At, At), CrossSums>| {
            for (pair, sums) in part {
                match whole.get_mut(&pair) {
                    Some(whole) => whole.merge(&sums),
                    None => {
                        whole.insert(pair, sums);
                    }
                }
            }
        };
        merge(&mut self.raw, part.raw);
        merge(&mut self.sink_removed, part.sink_removed);
        merge(&mut self.deviations, part.deviations);
    }
}

/// One block of one model on one prompt; what is not wanted has no columns.
struct Pieces {
    /// One row a head and, last, their mean.
    raw: Piece,
    sink_removed: Piece,
    deviations: Piece,
}

impl Pieces {
    fn of(
        model: &Observation,
        entries: &Entries,
        at: At,
        prompt: usize,
        means: &BTreeMap<(At, usize), Means>,
        wanted: WantedSums,
    ) -> Result<Self, Lacking> {
        let mut forms = Forms::default();
        let n_heads = model.subject.n_heads;
        for head in 0..n_heads {
            let map = entries.map(model, at.1, head, prompt).ok_or(Lacking::Attention(at))?;
            if wanted.raw {
                entries.append_raw(prompt, &map, &mut forms);
            }
            if let Some(means) = means.get(&(at, head)) {
                entries.append_without_sinks(prompt, &map, means, &mut forms);
            }
        }
        if wanted.raw {
            Entries::append_mean_of_heads(&mut forms, n_heads);
        }
        Ok(Self {
            raw: Piece::new(forms.raw, n_heads + 1)?,
            sink_removed: Piece::new(forms.sink_removed, n_heads)?,
            deviations: Piece::new(forms.deviations, n_heads)?,
        })
    }
}
