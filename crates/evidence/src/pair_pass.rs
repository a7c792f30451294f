//! One pass over both copies of a weight: the moments from which identity, correlation and relative difference follow.

use crate::method::MethodError;
use rayon::prelude::*;
use sources::{Encoding, SourceError, TensorSource, Weight, view};
use stats::moments::PairMoments;

/// Elements that one task reads of each side: small enough that two tasks stay in the cache, large enough that a read is cheap.
const TASK_ELEMENTS: usize = 1 << 20;
/// Bytes of one raw read: half of a core's second-level cache for the two sides together.
const RAW_BYTES: usize = 256 * 1024;

/// Compares two weights of one shape element by element. The partial sums are merged in order, so the number of threads changes no bit.
pub(crate) fn moments(
    reference: &dyn TensorSource,
    reference_weight: &Weight,
    suspect: &dyn TensorSource,
    suspect_weight: &Weight,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<PairMoments, MethodError> {
    assert_eq!((reference_weight.rows, reference_weight.cols), (suspect_weight.rows, suspect_weight.cols), "a pair has one shape");
    let turned = reference_weight.view.transposed || suspect_weight.view.transposed;
    // A turned weight is streamed whole for every task, so it gets few tasks.
    let task_elements = if turned { TASK_ELEMENTS * 32 } else { TASK_ELEMENTS };
    let rows_at_once = (task_elements / reference_weight.cols.max(1)).max(1);
    let starts: Vec<usize> = (0..reference_weight.rows).step_by(rows_at_once).collect();
    let raw = raw_pair(reference, reference_weight, suspect, suspect_weight);
    let parts: Vec<PairMoments> = starts
        .into_par_iter()
        .map(|start| {
            let rows = start..(start + rows_at_once).min(reference_weight.rows);
            let elements = rows.len() * reference_weight.cols;
            let part = match raw {
                Some((reference_run, suspect_run)) => raw_moments(reference, reference_run, suspect, suspect_run, rows.start * reference_weight.cols, elements)?,
                None => {
                    let (mut a, mut b) = (Vec::new(), Vec::new());
                    view::read_rows(reference, reference_weight, rows.clone(), &mut a)?;
                    view::read_rows(suspect, suspect_weight, rows, &mut b)?;
                    PairMoments::of_f32(&a, &b)
                }
            };
            advance(elements as u64);
            Ok(part)
        })
        .collect::<Result<_, MethodError>>()?;
    Ok(parts.into_iter().fold(PairMoments::default(), |sum, part| sum.merge(&part)))
}

/// A contiguous run of raw bf16: tensor and first byte.
type RawRun = (usize, u64);

fn raw_pair(reference: &dyn TensorSource, a: &Weight, suspect: &dyn TensorSource, b: &Weight) -> Option<(RawRun, RawRun)> {
    let run = |source: &dyn TensorSource, weight: &Weight| {
        let (tensor, bytes) = view::raw_run(source, weight)?;
        (source.tensors()[tensor].encoding == Encoding::Bf16).then_some((tensor, bytes.start))
    };
    Some((run(reference, a)?, run(suspect, b)?))
}

fn raw_moments(
    reference: &dyn TensorSource,
    (reference_tensor, reference_start): RawRun,
    suspect: &dyn TensorSource,
    (suspect_tensor, suspect_start): RawRun,
    first: usize,
    elements: usize,
) -> Result<PairMoments, SourceError> {
    let mut a = vec![0u8; RAW_BYTES.min(elements * 2)];
    let mut b = a.clone();
    let mut sum = PairMoments::default();
    for start in (first * 2..(first + elements) * 2).step_by(RAW_BYTES) {
        let n = RAW_BYTES.min((first + elements) * 2 - start);
        let at = start as u64;
        for (source, tensor, base, buffer) in [(reference, reference_tensor, reference_start, &mut a), (suspect, suspect_tensor, suspect_start, &mut b)] {
            match source.read_raw(tensor, base + at..base + at + n as u64, &mut buffer[..n]) {
                Some(read) => read?,
                None => unreachable!("raw_run promised a raw range"),
            }
        }
        sum = sum.merge(&PairMoments::of_bf16(&a[..n], &b[..n]));
    }
    Ok(sum)
}
