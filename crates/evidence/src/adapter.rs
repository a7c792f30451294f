//! Differences of weights as a merged adapter leaves them: of low rank, with a rest of rounding.

use crate::method::MethodError;
use stats::InputError;
use stats::spectra::SpectrumSketch;

/// Largest rest of an adapter's difference, relative to the weights: the worst rounding of a merge in bf16 is 2^-8. A merge with another
/// model also has a flat rest, and a larger one.
const ADAPTER_REST: f64 = 1.0 / 256.0;

/// Takes the next rows of a difference.
pub(crate) type Push<'a> = dyn FnMut(&[f32]) -> Result<(), InputError> + 'a;

/// The rank of a difference of `n_columns` columns, if it is one of an adapter with at most about `n_values` dimensions.
///
/// `pass` hands over all rows in order, and is called twice; it ends early with `false` where rows are refused, which happens to values that
/// are not finite: such a difference has no rank. `relative_difference` is its norm over that of the weights.
pub(crate) fn adapter_rank(
    n_columns: usize,
    n_values: usize,
    seed: u64,
    relative_difference: Option<f64>,
    mut pass: impl FnMut(&mut Push<'_>) -> Result<bool, MethodError>,
) -> Result<Option<usize>, MethodError> {
    let Ok(mut first) = SpectrumSketch::new(n_columns, n_values, seed) else { return Ok(None) };
    if !pass(&mut |rows| first.push_rows(rows))? {
        return Ok(None);
    }
    let mut second = first.second_pass();
    if !pass(&mut |rows| second.push_rows(rows))? {
        return Ok(None);
    }
    let Ok(spectrum) = second.finish() else { return Ok(None) };
    Ok(spectrum.low_rank().filter(|&rank| {
        let rest = spectrum.rest(rank);
        rest == 0.0 || relative_difference.is_some_and(|difference| rest * difference <= ADAPTER_REST)
    }))
}
