//! Prints the speed of the paired moments on one core: `cargo run --release -p stats --example moments_speed`.
#![expect(clippy::print_stdout, reason = "an example that exists to print")]

use stats::moments::{Bf16, Element, F16, F32, paired_moments};
use stats::sampling::generator;
use std::time::{Duration, Instant};

fn main() -> Result<(), stats::InputError> {
    for (label, n_bytes) in [("64 KiB a side, from cache", 64 << 10), ("256 MiB a side, from memory", 256 << 20)] {
        let (reference, suspect) = (weights(n_bytes, 1), weights(n_bytes, 2));
        println!("{label}");
        measure::<Bf16>("bf16", &reference, &suspect)?;
        measure::<F16>("f16", &reference, &suspect)?;
        measure::<F32>("f32", &reference, &suspect)?;
    }
    Ok(())
}

/// Random signs and fractions around one half in every format.
fn weights(n_bytes: usize, seed: u64) -> Vec<u8> {
    use rand_chacha::rand_core::Rng;
    let mut rng = generator(seed, "speed");
    let mut bytes = vec![0; n_bytes];
    rng.fill_bytes(&mut bytes);
    bytes.iter_mut().skip(1).step_by(2).for_each(|high| *high = *high & 0x80 | 0x3b);
    bytes
}

/// The best of many windows, so that a busy machine does not enter the number.
fn measure<E: Element>(name: &str, reference: &[u8], suspect: &[u8]) -> Result<(), stats::InputError> {
    const WINDOW: usize = 4 << 20;
    let mut best = Duration::MAX;
    let mut n_equal = 0;
    let n_repeats = (64usize << 20) / reference.len() + 1;
    for _ in 0..n_repeats {
        for (a, b) in reference.chunks(WINDOW).zip(suspect.chunks(WINDOW)) {
            let start = Instant::now();
            n_equal += paired_moments::<E, E>(std::hint::black_box(a), std::hint::black_box(b))?.n_equal;
            best = best.min(start.elapsed());
        }
    }
    let gigabytes = 2.0 * reference.len().min(WINDOW) as f64 / 1e9;
    println!("  {name}: {:.1} GB/s ({n_equal} equal)", gigabytes / best.as_secs_f64());
    Ok(())
}
