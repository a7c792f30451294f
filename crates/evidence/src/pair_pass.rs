//! One pass over both copies of a weight: the moments from which identity, correlation and relative difference follow.

use crate::method::MethodError;
use rayon::prelude::*;
use sources::{Encoding, SourceError, TensorSource, Weight, view};
use stats::InputError;
use stats::moments::{Bf16, F16, F32, PairedMoments, paired_moments};

/// Elements that one task compares: enough that a read is cheap, few enough that the last tasks end together.
const TASK_ELEMENTS: usize = 1 << 20;
/// Bytes of one raw read of a side: both sides stay in a core's second-level cache.
const RAW_BYTES: usize = 128 * 1024;

/// Compares two weights of one shape element by element. The partial sums are merged in order, so the number of threads changes no bit.
pub fn moments(
    reference: &dyn TensorSource,
    reference_weight: &Weight,
    suspect: &dyn TensorSource,
    suspect_weight: &Weight,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<PairedMoments, MethodError> {
    assert_eq!((reference_weight.rows, reference_weight.cols), (suspect_weight.rows, suspect_weight.cols), "a pair has one shape");
    let turned = reference_weight.view.transposed || suspect_weight.view.transposed;
    // A turned weight is streamed whole for every task, so it gets few tasks.
    let task_elements = if turned { TASK_ELEMENTS * 32 } else { TASK_ELEMENTS };
    let cols = reference_weight.cols;
    let rows_at_once = (task_elements / cols.max(1)).max(1);
    let starts: Vec<usize> = (0..reference_weight.rows).step_by(rows_at_once).collect();
    let raw = RawRun::of(reference, reference_weight).zip(RawRun::of(suspect, suspect_weight));
    let parts: Vec<PairedMoments> = starts
        .into_par_iter()
        .map(|start| {
            let rows = start..(start + rows_at_once).min(reference_weight.rows);
            let elements = rows.len() * cols;
            let part = match &raw {
                Some((a, b)) => raw_moments(reference, a, suspect, b, start * cols, elements)?,
                None => {
                    let (mut a, mut b) = (Vec::new(), Vec::new());
                    view::read_rows(reference, reference_weight, rows.clone(), &mut a)?;
                    view::read_rows(suspect, suspect_weight, rows, &mut b)?;
                    of_one_length(paired_moments::<F32, F32>(bytemuck::cast_slice(&a), bytemuck::cast_slice(&b)))
                }
            };
            advance(elements as u64);
            Ok(part)
        })
        .collect::<Result<_, MethodError>>()?;
    let mut sum = PairedMoments::default();
    parts.iter().for_each(|part| sum.merge(part));
    Ok(sum)
}

/// A weight that lies in its file as one run of plain floating-point numbers, so that the kernel can widen it while it reads.
struct RawRun {
    tensor: usize,
    first_byte: u64,
    encoding: Encoding,
}

impl RawRun {
    fn of(source: &dyn TensorSource, weight: &Weight) -> Option<Self> {
        let (tensor, bytes) = view::raw_run(source.tensors(), weight)?;
        let encoding = source.tensors()[tensor].encoding;
        matches!(encoding, Encoding::Bf16 | Encoding::F16 | Encoding::F32).then_some(Self { tensor, first_byte: bytes.start, encoding })
    }

    fn read(&self, source: &dyn TensorSource, first: usize, buffer: &mut [u8]) -> Result<(), SourceError> {
        let start = self.first_byte + (first * self.encoding.block_bytes()) as u64;
        match source.read_raw(self.tensor, start..start + buffer.len() as u64, buffer) {
            Some(read) => read,
            None => unreachable!("`raw_run` gave a range that `read_raw` does not have"),
        }
    }
}

fn raw_moments(
    reference: &dyn TensorSource,
    a: &RawRun,
    suspect: &dyn TensorSource,
    b: &RawRun,
    first: usize,
    elements: usize,
) -> Result<PairedMoments, SourceError> {
    let (a_bytes, b_bytes) = (a.encoding.block_bytes(), b.encoding.block_bytes());
    let at_once = (RAW_BYTES / a_bytes.max(b_bytes)).min(elements);
    let (mut left, mut right) = (vec![0u8; at_once * a_bytes], vec![0u8; at_once * b_bytes]);
    let kernel = kernel(a.encoding, b.encoding);
    let mut sum = PairedMoments::default();
    for start in (first..first + elements).step_by(at_once.max(1)) {
        let n = at_once.min(first + elements - start);
        a.read(reference, start, &mut left[..n * a_bytes])?;
        b.read(suspect, start, &mut right[..n * b_bytes])?;
        sum.merge(&of_one_length(kernel(&left[..n * a_bytes], &right[..n * b_bytes])));
    }
    Ok(sum)
}

type Kernel = fn(&[u8], &[u8]) -> Result<PairedMoments, InputError>;

fn kernel(a: Encoding, b: Encoding) -> Kernel {
    match (a, b) {
        (Encoding::Bf16, Encoding::Bf16) => paired_moments::<Bf16, Bf16>,
        (Encoding::Bf16, Encoding::F16) => paired_moments::<Bf16, F16>,
        (Encoding::Bf16, _) => paired_moments::<Bf16, F32>,
        (Encoding::F16, Encoding::Bf16) => paired_moments::<F16, Bf16>,
        (Encoding::F16, Encoding::F16) => paired_moments::<F16, F16>,
        (Encoding::F16, _) => paired_moments::<F16, F32>,
        (_, Encoding::Bf16) => paired_moments::<F32, Bf16>,
        (_, Encoding::F16) => paired_moments::<F32, F16>,
        (_, _) => paired_moments::<F32, F32>,
    }
}

fn of_one_length(moments: Result<PairedMoments, InputError>) -> PairedMoments {
    match moments {
        Ok(moments) => moments,
        Err(error) => unreachable!("both sides were read to one length: {error}"),
    }
}
