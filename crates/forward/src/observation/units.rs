//! Gathers one block's activations of units, word by word, and sums them up in groups of whole prompts.

use super::UnitSketches;
use super::sketch::{MAX_GROUPS, OutOfRange, Sums, signs};
use crate::NotRunnable;
use crate::words::WordTokens;
use std::sync::{Mutex, PoisonError};

/// Words of a group, about: enough that adding a product costs little beside the product.
const GROUP_WORDS: usize = 256;

type Signs = [u8; super::SKETCH_WIDTH / 8];

/// Which prompts are summed together; the same for every block, and for every number of threads.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Group of each prompt, and the row of the prompt's first word in it.
    places: Vec<(usize, usize)>,
    /// Signs of each group's words.
    signs: Vec<Vec<Signs>>,
    /// Prompts of each group.
    sizes: Vec<usize>,
}

impl Groups {
    pub(crate) fn new(words: &[WordTokens]) -> Result<Self, NotRunnable> {
        let mut groups = Self::default();
        for (prompt, words) in words.iter().enumerate() {
            if groups.signs.last().is_none_or(|last| last.len() >= GROUP_WORDS) {
                groups.signs.push(Vec::new());
                groups.sizes.push(0);
            }
            let group = groups.signs.len() - 1;
            groups.places.push((group, groups.signs[group].len()));
            groups.sizes[group] += 1;
            groups.signs[group].extend(words.words.iter().map(|&word| signs(prompt as u32, word)));
        }
        if groups.signs.len() > MAX_GROUPS {
            let (found, most) = (groups.signs.iter().map(Vec::len).sum::<usize>(), MAX_GROUPS * GROUP_WORDS);
            return NotRunnable::because(format!("the prompts have {found} words, but units are summed over at most {most}"));
        }
        Ok(groups)
    }
}

/// The block whose units are being told.
#[derive(Debug)]
pub(crate) struct BlockUnits {
    pub(crate) layer: usize,
    units: usize,
    is_gated: bool,
    /// Of the gate, where there is one, and of the up projection.
    sums: Vec<Sums>,
    pending: Vec<Mutex<Pending>>,
}

/// A group that waits for some of its prompts.
#[derive(Debug)]
struct Pending {
    /// `[words of the group, units]` of each matrix; empty before the first prompt and after the last.
    values: Vec<Vec<f32>>,
    left: usize,
}

impl BlockUnits {
    pub(crate) fn new(layer: usize, units: usize, is_gated: bool, groups: &Groups) -> Self {
        let n_matrices = 1 + usize::from(is_gated);
        let pending = groups.sizes.iter().map(|&left| Mutex::new(Pending { values: Vec::new(), left })).collect();
        Self { layer, units, is_gated, sums: (0..n_matrices).map(|_| Sums::new(units)).collect(), pending }
    }

    /// Activations of a prompt, `[n, units]`. The thread that brings a group's last prompt sums the group up.
    pub(crate) fn tell(&self, prompt: usize, words: &WordTokens, gate: Option<&[f32]>, up: &[f32], groups: &Groups) -> Result<(), String> {
        let layer = self.layer;
        if gate.is_some() != self.is_gated {
            return Err(format!("the MLP of block {layer} has a gate on some prompts only"));
        }
        let (group, first_row) = groups.places[prompt];
        let signs = &groups.signs[group];
        let matrices: Vec<&[f32]> = gate.into_iter().chain([up]).collect();
        let complete = {
            let mut pending = self.pending[group].lock().unwrap_or_else(PoisonError::into_inner);
            if pending.left == 0 {
                return Err(format!("the units of block {layer} were told twice for one prompt"));
            }
            if pending.values.is_empty() {
                pending.values = vec![vec![0.0; signs.len() * self.units]; matrices.len()];
            }
            for (kept, rows) in pending.values.iter_mut().zip(&matrices) {
                for index in 0..words.words.len() {
                    words.mean(index, rows, self.units, &mut kept[(first_row + index) * self.units..][..self.units]);
                }
            }
            pending.left -= 1;
            if pending.left > 0 { None } else { Some(std::mem::take(&mut pending.values)) }
        };
        for (sums, values) in self.sums.iter().zip(complete.iter().flatten()) {
            let refused =
                |OutOfRange(value)| format!("the units of block {layer} sum up to {value}, which is no activation of a working model");
            sums.add(values, signs).map_err(refused)?;
        }
        Ok(())
    }

    /// The sketches, after every prompt was told.
    pub(crate) fn finish(self, groups: &Groups) -> Result<UnitSketches, String> {
        let missing: usize =
            self.pending.into_iter().map(|pending| pending.into_inner().unwrap_or_else(PoisonError::into_inner).left).sum();
        if missing > 0 {
            return Err(format!("the units of block {} were not told for {missing} prompts", self.layer));
        }
        let signs: Vec<Signs> = groups.signs.iter().flatten().copied().collect();
        let mut sketches = self.sums.into_iter().map(|sums| sums.finish(&signs));
        let gate = if self.is_gated { sketches.next() } else { None };
        Ok(UnitSketches { gate, up: sketches.next().unwrap_or_default() })
    }
}
