//! Bytes give an error, or tensors whose bytes lie inside the file: npz.
#![no_main]

#[path = "../../crates/sources/tests/law/mod.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = law::holds(bytes, sources::npz::parse);
    let _ = law::holds(bytes, sources::npz::parse_npy);
});
