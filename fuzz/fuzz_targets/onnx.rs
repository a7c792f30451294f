//! Law: any bytes are an error, or an ONNX model whose tensors lie inside their files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sources::bytes::ReadAt;

fuzz_target!(|data: &[u8]| {
    let source = data.to_vec();
    if let Ok(parsed) = sources::onnx::parse(&source) {
        for tensor in &parsed.tensors {
            for extent in tensor.extents() {
                let end = extent.offset.checked_add(extent.len).expect("an extent that ends");
                assert!(extent.file <= parsed.external_files.len());
                assert!(extent.file > 0 || end <= source.size());
            }
            let is_here = tensor.extents().iter().all(|extent| extent.file == 0);
            if is_here && tensor.elements() <= 1 << 16 {
                let mut values = Vec::new();
                sources::store::read_f32(std::slice::from_ref(&source), tensor, 0..tensor.rows(), &mut values).expect("readable values");
            }
        }
    }
});
