//! GGUF: an error, or tensors whose bytes lie inside the file and can be read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sources::{gguf, store};

fuzz_target!(|bytes: &[u8]| {
    let file = bytes.to_vec();
    let Ok(parsed) = gguf::parse(&file) else { return };
    let files = [file];
    let mut values = Vec::new();
    for tensor in &parsed.tensors {
        for extent in tensor.extents() {
            assert!(extent.offset.checked_add(extent.len).is_some_and(|end| end <= bytes.len() as u64), "{tensor:?}");
        }
        store::read_f32(&files, tensor, 0..tensor.rows(), &mut values).expect("a validated tensor can be read");
        assert_eq!(values.len(), tensor.elements());
    }
});
