//! What a network says about next tokens.

use super::{Network, present};
use crate::taps::Taps;
use rayon::prelude::*;
use sources::{Slot, SourceError};

/// Values of the logits that are held at a time, 256 MiB.
const LOGIT_VALUES: usize = 64 << 20;
/// Rows of the unembedding that one task multiplies with.
const LOGIT_ROWS: usize = 4096;

impl Network<'_> {
    /// Tells the logits at the positions that are wanted, from the normed last stream.
    pub(super) fn logits(&self, slot: Slot, lengths: &[usize], last: &[f32], taps: &dyn Taps) -> Result<(), SourceError> {
        let hidden = self.computation.hidden;
        let mut places = Vec::new();
        let mut start = 0;
        for (sequence, &n) in lengths.iter().enumerate() {
            places.extend(taps.logit_positions(sequence, n).into_iter().filter(|&position| position < n).map(|p| (sequence, p, start + p)));
            start += n;
        }
        if places.is_empty() {
            return Ok(());
        }
        let table = present(self.weights.linear(slot)?, slot)?;
        let vocabulary = table.rows;
        let at_once = (LOGIT_VALUES / vocabulary.max(1)).max(1);
        for places in places.chunks(at_once) {
            let read: Vec<f32> = places.iter().flat_map(|&(_, _, token)| &last[token * hidden..][..hidden]).copied().collect();
            let columns: Vec<Vec<f32>> =
                (0..vocabulary.div_ceil(LOGIT_ROWS)).into_par_iter().map(|part| table.part(part, LOGIT_ROWS, &read)).collect();
            places.par_iter().enumerate().for_each_init(Vec::new, |row: &mut Vec<f32>, (index, &(sequence, position, _))| {
                row.clear();
                for (part, values) in columns.iter().enumerate() {
                    let width = (vocabulary - part * LOGIT_ROWS).min(LOGIT_ROWS);
                    row.extend_from_slice(&values[index * width..][..width]);
                }
                if let Some(cap) = self.computation.logit_cap {
                    row.iter_mut().for_each(|logit| *logit = cap * (*logit / cap).tanh());
                }
                taps.logits(sequence, position, row);
            });
        }
        Ok(())
    }
}
