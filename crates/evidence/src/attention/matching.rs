//! Heads matched one to one within a pair of blocks.

use stats::InputError;
use stats::assignment::maximum_weight_assignment;

/// A head of the suspect and its counterpart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MatchedHeads {
    pub(crate) reference: usize,
    pub(crate) suspect: usize,
    pub(crate) r: f64,
}

/// Matches heads by maximum weight of their correlations, the suspect's heads in order. `None` is a head that varies by nothing; it is left out,
/// and so are the heads that are too many on one side.
pub(super) fn matched(
    references: &[bool],
    suspects: &[bool],
    r: impl Fn(usize, usize) -> Option<f64>,
) -> Result<Vec<MatchedHeads>, InputError> {
    let varying = |varies: &[bool]| varies.iter().enumerate().filter(|(_, varies)| **varies).map(|(head, _)| head).collect::<Vec<_>>();
    let (references, suspects) = (varying(references), varying(suspects));
    let correlations: Vec<f64> = suspects
        .iter()
        .flat_map(|&suspect| references.iter().map(move |&reference| (reference, suspect)))
        .map(|(a, b)| r(a, b).unwrap_or(0.0))
        .collect();
    let found = maximum_weight_assignment(&correlations, suspects.len(), references.len())?;
    let of_row = |(row, column): (usize, &Option<usize>)| {
        let column = (*column)?;
        Some(MatchedHeads { reference: references[column], suspect: suspects[row], r: correlations[row * references.len() + column] })
    };
    Ok(found.column_of_row.iter().enumerate().filter_map(of_row).collect())
}

/// Mean correlation of matched heads; `None` without any.
pub(crate) fn mean(matched: &[MatchedHeads]) -> Option<f64> {
    (!matched.is_empty()).then(|| matched.iter().map(|heads| heads.r).sum::<f64>() / matched.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_that_do_not_vary_are_left_out_and_the_best_sum_wins() {
        let r = [[0.9, 0.8, 0.0], [0.8, 0.1, 0.0]];
        let found = matched(&[true, true, false], &[true, true], |reference, suspect| Some(r[suspect][reference])).unwrap();
        let pairs: Vec<(usize, usize)> = found.iter().map(|heads| (heads.suspect, heads.reference)).collect();
        assert_eq!(pairs, [(0, 1), (1, 0)]);
        assert!((mean(&found).unwrap() - 0.8).abs() < 1e-12);
        assert_eq!(mean(&matched(&[false], &[true], |_, _| Some(1.0)).unwrap()), None);
    }
}
