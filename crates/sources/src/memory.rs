//! A checkpoint in memory, for tests: what a reader of files is compared with.

use crate::tensor::{Extent, TensorInfo};
use crate::{Encoding, SourceError, TensorSource};
use std::ops::Range;

/// Tensors with their values.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    tensors: Vec<TensorInfo>,
    values: Vec<Vec<f32>>,
}

/// A tensor without values, for tests that look at names and shapes.
pub(crate) fn named(name: &str, shape: &[usize]) -> TensorInfo {
    let len = 4 * shape.iter().product::<usize>() as u64;
    TensorInfo::dense(name, shape.to_vec(), Encoding::F32, Extent { file: 0, offset: 0, len }).unwrap()
}

impl Memory {
    pub(crate) fn add(&mut self, name: &str, shape: &[usize], values: Vec<f32>) {
        assert_eq!(values.len(), shape.iter().product::<usize>());
        self.tensors.push(named(name, shape));
        self.values.push(values);
    }
}

impl TensorSource for Memory {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn read_f32(&self, tensor: usize, rows: Range<usize>, out: &mut Vec<f32>) -> Result<(), SourceError> {
        let width = self.tensors[tensor].row_elements();
        out.clear();
        out.extend_from_slice(&self.values[tensor][rows.start * width..rows.end * width]);
        Ok(())
    }

    fn read_raw(&self, tensor: usize, bytes: Range<u64>, out: &mut [u8]) -> Option<Result<(), SourceError>> {
        let all: Vec<u8> = self.values[tensor].iter().flat_map(|value| value.to_le_bytes()).collect();
        out.copy_from_slice(&all[bytes.start as usize..bytes.end as usize]);
        Some(Ok(()))
    }
}
