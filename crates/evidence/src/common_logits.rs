//! Logits of several models at the same positions and for the same tokens, each position centred anew over these tokens.

use forward::Observation;
use forward::observation::{Logits, WordAt};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Positions at which all of the models must have been asked.
const MIN_POSITIONS: usize = 128;
/// Positions of one task; they decide the last bits, so they do not depend on the number of threads.
pub(crate) const TILE: usize = 64;

/// Where several models' logits can be laid side by side.
#[derive(Debug)]
pub(crate) struct CommonLogits<'a> {
    logits: Vec<&'a Logits>,
    /// For each model the rows of the common positions, in the order of the first one's.
    rows: Vec<Vec<usize>>,
    /// For each model the columns of the common tokens, in the order of the first one's.
    columns: Vec<Vec<usize>>,
}

impl<'a> CommonLogits<'a> {
    /// Of the reference, the suspect and any controls; if one of them gives no logits, the reason for the report.
    pub(crate) fn of(models: &[&'a Observation]) -> Result<Self, String> {
        let names = ["the reference", "the suspect"].into_iter().chain(std::iter::repeat("a control"));
        let of = |(model, name): (&&'a Observation, &str)| model.logits.as_ref().ok_or_else(|| format!("{name} gives no logits"));
        let logits: Vec<&Logits> = models.iter().zip(names).map(of).collect::<Result<_, String>>()?;
        let tokens: Vec<BTreeMap<&[u8], usize>> =
            logits.iter().map(|l| l.token_bytes.iter().enumerate().map(|(i, bytes)| (bytes.as_slice(), i)).collect()).collect();
        let positions: Vec<BTreeMap<WordAt, usize>> =
            logits.iter().map(|l| l.positions.iter().enumerate().map(|(i, &at)| (at, i)).collect()).collect();
        let first = logits.first();
        let columns = common(first.map_or(&[][..], |l| &l.token_bytes).iter().map(Vec::as_slice), &tokens);
        let rows = common(first.map_or(&[][..], |l| &l.positions).iter().copied(), &positions);
        Ok(Self { logits, rows, columns })
    }

    /// Number of common positions; if they are too few, the reason for the report.
    pub(crate) fn n_positions(&self) -> Result<usize, String> {
        let n = self.rows.first().map_or(0, Vec::len);
        if n < MIN_POSITIONS {
            return Err(format!("the models were asked at {n} common positions; at least {MIN_POSITIONS} are needed"));
        }
        Ok(n)
    }

    /// Number of common tokens.
    pub(crate) fn n_tokens(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// All logits of a model.
    pub(crate) fn logits(&self, model: usize) -> &'a Logits {
        self.logits[model]
    }

    /// The columns of a model's own sample that are common.
    pub(crate) fn columns(&self, model: usize) -> &[usize] {
        &self.columns[model]
    }

    /// Logits of a model, `[positions, tokens]`, every row less its mean.
    pub(crate) fn values(&self, model: usize) -> Vec<f32> {
        let (logits, columns, width) = (self.logits[model], &self.columns[model], self.n_tokens());
        let n_sampled = logits.tokens.len();
        let mut values = vec![0.0f32; self.rows[model].len() * width];
        values.par_chunks_mut(width.max(1)).zip(&self.rows[model]).for_each(|(target, &row)| {
            let kept = &logits.values[row * n_sampled..][..n_sampled];
            let mean = columns.iter().map(|&c| f64::from(kept[c])).sum::<f64>() / width as f64;
            target.iter_mut().zip(columns).for_each(|(value, &c)| *value = (f64::from(kept[c]) - mean) as f32);
        });
        values
    }
}

/// Takes from every column its mean over the rows: of logits, what a model says wherever it is asked.
pub(crate) fn without_mean_row(values: &[f32], width: usize) -> Vec<f32> {
    let mut values = values.to_vec();
    stats::products::centre_columns(&mut values, width);
    values
}

/// For each index the places of the keys that all of them have, in the order of the keys.
fn common<K: Ord>(keys: impl Iterator<Item = K>, indices: &[BTreeMap<K, usize>]) -> Vec<Vec<usize>> {
    let mut places = vec![Vec::new(); indices.len()];
    for key in keys {
        let found: Option<Vec<usize>> = indices.iter().map(|index| index.get(&key).copied()).collect();
        places.iter_mut().zip(found.into_iter().flatten()).for_each(|(places, place)| places.push(place));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_of_common_keys_in_the_first_order() {
        let index = |keys: &[u8]| keys.iter().enumerate().map(|(i, &k)| (k, i)).collect::<BTreeMap<u8, usize>>();
        let (a, b) = ([7, 3, 9, 1], [1, 9, 4, 7]);
        assert_eq!(common(a.into_iter(), &[index(&a), index(&b)]), [vec![0, 2, 3], vec![3, 1, 0]]);
        assert_eq!(common([2u8].into_iter(), &[index(&a), index(&b)]), vec![Vec::<usize>::new(); 2]);
    }

    #[test]
    fn the_mean_row_goes() {
        assert_eq!(without_mean_row(&[1.0, 2.0, 3.0, 6.0], 2), [-1.0, -2.0, 1.0, 2.0]);
    }
}
