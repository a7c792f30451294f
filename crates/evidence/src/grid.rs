//! Values that were rounded to a uniform grid and stored in a wide type again.

use crate::method::MethodError;
use sources::{TensorSource, Weight, view};
use stats::order::median;
use stats::sampling;

/// Levels of a symmetric grid on either side of zero, with the name of its width and the values that share a step: a row, or a group of 32.
const GRIDS: [(f64, &str, usize); 3] = [(127.0, "int8", usize::MAX), (7.0, "int4", 32), (7.0, "int4", usize::MAX)];
/// Multiples of the step this small are told from values between them even after a rounding to 8 binary digits.
const SMALL: f64 = 16.0;
/// Largest relative difference that rounding to a grid of 8 or 4 bits explains.
pub(crate) const GRID_ROUNDING: f64 = 0.45;
/// Mean distance to the next multiple, in steps; values on no grid have .25.
const ON_GRID: f64 = 0.08;
/// Fewer small values tell no grid: of 64 on none, the mean distance is .25 with a standard deviation of .018.
const LEAST_VALUES: u32 = 64;
const LOOK_ROWS: usize = 24;
const LOOK_COLS: usize = 4096;

/// The grid that a stored matrix lies on, if it does: `"int8"`.
pub(crate) fn look(source: &dyn TensorSource, weight: &Weight, seed: u64) -> Result<Option<&'static str>, MethodError> {
    if weight.cols < 32 || weight.rows < 2 {
        return Ok(None);
    }
    let rows = sampling::draw(seed, "grid rows", weight.rows, weight.rows.min(LOOK_ROWS));
    let cols: Vec<usize> = (0..weight.cols.min(LOOK_COLS)).collect();
    let mut values = Vec::new();
    view::gather(source, weight, &rows, &cols, &mut values)?;
    // A row that was cut short may lack its largest value, which the step is read from.
    let is_whole = cols.len() == weight.cols;
    let is_on = |&&(levels, _, group): &&(f64, &str, usize)| {
        let group = group.min(cols.len());
        (is_whole || group < cols.len())
            && median_distance(values.chunks(cols.len()).flat_map(|row| row.chunks_exact(group)), levels).is_some_and(|d| d < ON_GRID)
    };
    Ok(GRIDS.iter().find(is_on).map(|&(_, name, _)| name))
}

/// The median over groups of the mean distance of small values to the next multiple of the group's step.
fn median_distance<'a>(groups: impl Iterator<Item = &'a [f32]>, levels: f64) -> Option<f64> {
    let mut n_values = 0u32;
    let distances: Vec<f64> = groups
        .filter_map(|group| {
            let largest = group.iter().map(|v| f64::from(v.abs())).max_by(f64::total_cmp).filter(|m| m.is_finite() && *m > 0.0)?;
            let small =
                group.iter().map(|&v| (f64::from(v) / largest * levels).abs()).filter(|&q| q > 0.25 && q <= SMALL && q < levels - 0.5);
            let (mut sum, mut n) = (0.0, 0);
            small.for_each(|q| {
                sum += (q - q.round()).abs();
                n += 1;
            });
            n_values += n;
            (n >= 4).then(|| sum / f64::from(n))
        })
        .collect();
    if n_values >= LEAST_VALUES { median(distances) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaussian(n: usize) -> Vec<f32> {
        let mut generator = sampling::generator(1, "values");
        let mut uniform = || sampling::below(&mut generator, 1 << 20) as f64 / f64::from(1 << 20) - 0.5;
        (0..n).map(|_| ((0..12).map(|_| uniform()).sum::<f64>()) as f32).collect()
    }

    #[test]
    fn a_grid_is_told_from_values_between_its_points() {
        let values = gaussian(64 * 96);
        let on = |levels: f32, group: usize, narrow: bool| -> Vec<f32> {
            values
                .chunks(group)
                .flat_map(|group| {
                    let largest = group.iter().map(|v| v.abs()).max_by(f32::total_cmp).unwrap();
                    group.iter().map(move |v| {
                        let rounded = (v / largest * levels).round() * (largest / levels);
                        if narrow { half::bf16::from_f32(rounded).to_f32() } else { rounded }
                    })
                })
                .collect()
        };
        for narrow in [false, true] {
            assert!(median_distance(on(127.0, 96, narrow).chunks(96), 127.0).unwrap() < ON_GRID);
            assert!(median_distance(on(7.0, 32, narrow).chunks(32), 7.0).unwrap() < ON_GRID);
        }
        for (levels, group) in [(127.0, 96), (7.0, 32), (7.0, 96)] {
            let plain = median_distance(values.chunks(group), levels).unwrap();
            let narrow: Vec<f32> = values.iter().map(|&v| half::bf16::from_f32(v).to_f32()).collect();
            let narrow = median_distance(narrow.chunks(group), levels).unwrap();
            assert!(plain > 2.0 * ON_GRID && narrow > 2.0 * ON_GRID, "{levels} {group}: {plain} {narrow}");
        }
        assert!(median_distance(on(7.0, 32, false).chunks(96), 127.0).unwrap() > ON_GRID);
    }
}
