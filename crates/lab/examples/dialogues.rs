//! Prints dialogues: `cargo run -p lab --example dialogues -- SEED FROM N`.

#![expect(clippy::unwrap_used, reason = "an example may end")]

use std::io::Write;

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let [seed, from, n] = numbers[..] else { panic!("expected a seed, the first index and how many") };
    let dialogues = lab::dialogues::Dialogues::shipped().unwrap();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    (from..from + n).for_each(|index| out.write_all(dialogues.text(seed, index).as_bytes()).unwrap());
}
