//! The law of the readers under mutations of valid files; the fuzz targets hold the same law to stronger mutations.

mod law;

use proptest::prelude::*;
use sources::bytes::ReadAt;
use sources::tensor::Parsed;
use sources::{FormatError, npz, safetensors, torch};
use std::path::PathBuf;

type Parse = fn(&dyn ReadAt) -> Result<Parsed, FormatError>;

const FILES: [(&str, Parse); 9] = [
    ("torch/checkpoint.pt", torch::parse),
    ("torch/views.pt", torch::parse),
    ("torch/left-out.pt", torch::parse),
    ("torch/protocol4.pt", torch::parse),
    ("torch/scripted.pt", torch::parse),
    ("npz/stored.npz", npz::parse),
    ("npz/deflated.npz", npz::parse),
    ("npz/single.npy", npz::parse_npy),
    ("safetensors", safetensors::parse),
];

fn valid(name: &str) -> Vec<u8> {
    if name == "safetensors" {
        let header = br#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[],"data_offsets":[12,16]}}"#;
        return [&(header.len() as u64).to_le_bytes()[..], header, &[0x3c; 16]].concat();
    }
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../testdata", name].iter().collect();
    std::fs::read(path).expect("a file under testdata")
}

#[test]
fn unchanged_files_keep_the_law_and_parse() {
    for (name, parse) in FILES {
        let bytes = valid(name);
        assert!(parse(&bytes).is_ok(), "{name}");
        let _ = law::holds(&bytes, parse);
    }
}

#[derive(Debug, Clone)]
enum Change {
    /// One byte becomes another.
    Byte(usize, u8),
    /// One byte grows or shrinks by a little: lengths and offsets that are nearly right.
    Nudge(usize, i8),
    /// Four bytes become the largest or smallest numbers.
    Extreme(usize, u8),
    /// A run is copied over another place.
    Copy(usize, usize, usize),
    /// A run is taken out.
    Cut(usize, usize),
    /// The file ends early.
    Truncate(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>().prop_map(|index| index.index(1 << 20));
    prop_oneof![
        4 => (at.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        4 => (at.clone(), -3i8..=3).prop_map(|(at, by)| Change::Nudge(at, by)),
        2 => (at.clone(), prop::sample::select(vec![0x00, 0x7f, 0x80, 0xff])).prop_map(|(at, byte)| Change::Extreme(at, byte)),
        1 => (at.clone(), at.clone(), 1usize..40).prop_map(|(from, to, n)| Change::Copy(from, to, n)),
        1 => (at.clone(), 1usize..40).prop_map(|(at, n)| Change::Cut(at, n)),
        1 => at.prop_map(Change::Truncate),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let size = bytes.len();
    if size == 0 {
        return;
    }
    match *change {
        Change::Byte(at, byte) => bytes[at % size] = byte,
        Change::Nudge(at, by) => bytes[at % size] = bytes[at % size].wrapping_add_signed(by),
        Change::Extreme(at, byte) => bytes[at % size..].iter_mut().take(4).for_each(|b| *b = byte),
        Change::Copy(from, to, n) => {
            let run: Vec<u8> = bytes[from % size..].iter().copied().take(n).collect();
            bytes[to % size..].iter_mut().zip(run).for_each(|(b, new)| *b = new);
        }
        Change::Cut(at, n) => drop(bytes.drain(at % size..(at % size + n).min(size))),
        Change::Truncate(at) => bytes.truncate(at % size),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_files_keep_the_law(file in 0..FILES.len(), changes in prop::collection::vec(change(), 1..4)) {
        let (name, parse) = FILES[file];
        let mut bytes = valid(name);
        for change in &changes {
            apply(&mut bytes, change);
        }
        let _ = law::holds(&bytes, parse);
    }

    #[test]
    fn any_bytes_keep_the_law(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, parse) in FILES {
            let _ = law::holds(&bytes, parse);
        }
    }
}
