//! One pass over two tensors: sums, products, differences and equalities, from which cosine, correlation and relative difference follow.

mod element;
mod kernel;

pub use element::{Bf16, Element, F16, F32};
pub use kernel::paired_moments;

/// What one pass over `n` pairs (a, b) of a reference and a suspect leaves behind. Parts merge by [`merge`](Self::merge).
///
/// If any element is NaN or infinite, the sums it enters are not finite, and every quotient of this type is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PairedMoments {
    /// Number of pairs.
    pub n: u64,
    /// `Σ a`
    pub sum_a: f64,
    /// `Σ b`
    pub sum_b: f64,
    /// `Σ ab`
    pub sum_ab: f64,
    /// `Σ a²`
    pub sum_aa: f64,
    /// `Σ b²`
    pub sum_bb: f64,
    /// `Σ (b − a)²`, summed as such: from the other sums it would drown in their rounding when b ≈ a.
    pub sum_squared_differences: f64,
    /// `max |b − a|`
    pub largest_difference: f64,
    /// Pairs whose bits are equal once both are widened to f32 (so 0 and −0 differ).
    pub n_equal: u64,
    /// Pairs with `a ≠ 0` and `b = 0`: what pruning leaves behind.
    pub n_zeroed: u64,
    /// Pairs with `b = 0`.
    pub n_zero_b: u64,
}

impl PairedMoments {
    /// Adds the moments of further pairs. Floating-point sums depend on the order: merge parts in the order of the tensor, whatever
    /// thread made them, and cut tensors at places that do not depend on the number of threads.
    pub fn merge(&mut self, further: &Self) {
        self.n += further.n;
        self.sum_a += further.sum_a;
        self.sum_b += further.sum_b;
        self.sum_ab += further.sum_ab;
        self.sum_aa += further.sum_aa;
        self.sum_bb += further.sum_bb;
        self.sum_squared_differences += further.sum_squared_differences;
        if further.largest_difference > self.largest_difference {
            self.largest_difference = further.largest_difference;
        }
        self.n_equal += further.n_equal;
        self.n_zeroed += further.n_zeroed;
        self.n_zero_b += further.n_zero_b;
    }

    /// `Σab / √(Σa² Σb²)`, in [−1, 1]; `None` where a side is zero or not finite.
    pub fn cosine(&self) -> Option<f64> {
        correlation(self.sum_ab, self.sum_aa, self.sum_bb)
    }

    /// Pearson's correlation, in [−1, 1]; `None` where a side is constant or not finite.
    pub fn pearson(&self) -> Option<f64> {
        let n = self.n as f64;
        let (aa, bb) = (self.sum_aa - self.sum_a * self.sum_a / n, self.sum_bb - self.sum_b * self.sum_b / n);
        // The sums carry relative errors of up to 8e-6 (see `paired_moments`); a smaller spread is not known.
        if aa > 1e-5 * self.sum_aa && bb > 1e-5 * self.sum_bb {
            correlation(self.sum_ab - self.sum_a * self.sum_b / n, aa, bb)
        } else {
            None
        }
    }

    /// `‖b − a‖ / ‖a‖`, 0 for equal sides; `None` where a is zero or a side is not finite.
    pub fn relative_difference(&self) -> Option<f64> {
        let ratio = self.sum_squared_differences / self.sum_aa;
        (self.sum_aa > 0.0 && ratio.is_finite()).then(|| ratio.sqrt())
    }

    /// Share of the pairs that are equal bit for bit; `None` where there are none.
    pub fn equal_fraction(&self) -> Option<f64> {
        (self.n > 0).then(|| self.n_equal as f64 / self.n as f64)
    }
}

fn correlation(ab: f64, aa: f64, bb: f64) -> Option<f64> {
    let r = ab / aa.sqrt() / bb.sqrt();
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bf16(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| ((value.to_bits() >> 16) as u16).to_le_bytes()).collect()
    }

    fn f32_bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn moments_f32(a: &[f32], b: &[f32]) -> PairedMoments {
        paired_moments::<F32, F32>(&f32_bytes(a), &f32_bytes(b)).unwrap()
    }

    /// The definition, in f64, one pair at a time.
    fn by_definition(a: &[f32], b: &[f32]) -> PairedMoments {
        let mut moments = PairedMoments::default();
        for (&a, &b) in a.iter().zip(b) {
            let (x, y) = (f64::from(a), f64::from(b));
            let difference = y - x;
            moments.merge(&PairedMoments {
                n: 1,
                sum_a: x,
                sum_b: y,
                sum_ab: x * y,
                sum_aa: x * x,
                sum_bb: y * y,
                sum_squared_differences: difference * difference,
                largest_difference: difference.abs(),
                n_equal: u64::from(a.to_bits() == b.to_bits()),
                n_zeroed: u64::from(a != 0.0 && b == 0.0),
                n_zero_b: u64::from(b == 0.0),
            });
        }
        moments
    }

    fn assert_close(found: &PairedMoments, expected: &PairedMoments) {
        // The documented bound, 8e-6 of the sum of magnitudes, which for Σab is at most √(Σa² Σb²) and for Σa at most √(n Σa²).
        let cross = (expected.sum_aa * expected.sum_bb).sqrt();
        let linear = |squares: f64| (expected.n as f64 * squares).sqrt();
        for (found, expected, scale) in [
            (found.sum_a, expected.sum_a, linear(expected.sum_aa)),
            (found.sum_b, expected.sum_b, linear(expected.sum_bb)),
            (found.sum_ab, expected.sum_ab, cross),
            (found.sum_aa, expected.sum_aa, expected.sum_aa),
            (found.sum_bb, expected.sum_bb, expected.sum_bb),
            (found.sum_squared_differences, expected.sum_squared_differences, expected.sum_squared_differences),
            (found.largest_difference, expected.largest_difference, expected.largest_difference),
        ] {
            assert!((found - expected).abs() <= 8e-6 * scale, "{found} {expected} {scale}");
        }
        let counts = |m: &PairedMoments| (m.n, m.n_equal, m.n_zeroed, m.n_zero_b);
        assert_eq!(counts(found), counts(expected));
    }

    fn values() -> impl Strategy<Value = Vec<(f32, f32)>> {
        let value = prop_oneof![3 => -2.0f32..2.0, 1 => Just(0.0f32), 1 => -1e-3f32..1e-3];
        prop::collection::vec((value.clone(), value), 1..3000)
    }

    proptest! {
        #[test]
        fn one_pass_agrees_with_the_definition(pairs in values(), close: bool) {
            let a: Vec<f32> = pairs.iter().map(|pair| pair.0).collect();
            let b: Vec<f32> = if close { a.iter().map(|a| a * 1.0001).collect() } else { pairs.iter().map(|pair| pair.1).collect() };
            assert_close(&moments_f32(&a, &b), &by_definition(&a, &b));
            let narrow = |side: &[f32]| -> Vec<f32> { side.iter().map(|v| f32::from_bits(v.to_bits() & 0xffff_0000)).collect() };
            let (a16, b16) = (narrow(&a), narrow(&b));
            assert_close(&paired_moments::<Bf16, Bf16>(&bf16(&a16), &bf16(&b16)).unwrap(), &by_definition(&a16, &b16));
            assert_close(&paired_moments::<Bf16, F32>(&bf16(&a16), &f32_bytes(&b)).unwrap(), &by_definition(&a16, &b));
        }

        #[test]
        fn swapping_the_sides_swaps_the_sums(pairs in values()) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let (one, other) = (moments_f32(&a, &b), moments_f32(&b, &a));
            prop_assert_eq!(one.sum_a, other.sum_b);
            prop_assert_eq!(one.sum_ab, other.sum_ab);
            prop_assert_eq!(one.sum_squared_differences, other.sum_squared_differences);
            prop_assert_eq!(one.cosine().is_some(), other.cosine().is_some());
        }

        #[test]
        fn equal_sides_are_the_extreme(pairs in values()) {
            let a: Vec<f32> = pairs.iter().map(|pair| pair.0 + 3.0).collect();
            let moments = moments_f32(&a, &a);
            prop_assert_eq!(moments.relative_difference(), Some(0.0));
            prop_assert_eq!(moments.equal_fraction(), Some(1.0));
            prop_assert!((moments.cosine().unwrap() - 1.0).abs() < 1e-12);
            prop_assert_eq!(moments.largest_difference, 0.0);
        }

        #[test]
        fn scaling_a_side_keeps_cosine_and_correlation(pairs in values(), exponent in -12i32..12) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let scaled: Vec<f32> = b.iter().map(|b| b * 2f32.powi(exponent)).collect();
            let (one, other) = (moments_f32(&a, &b), moments_f32(&a, &scaled));
            // A power of two scales every f32 sum exactly.
            prop_assert_eq!(one.cosine(), other.cosine());
            prop_assert_eq!(one.pearson(), other.pearson());
        }

        #[test]
        fn parts_merge_into_the_whole(pairs in values(), cut in 0.0f64..1.0) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let at = (cut * a.len() as f64) as usize;
            let mut merged = moments_f32(&a[..at], &b[..at]);
            merged.merge(&moments_f32(&a[at..], &b[at..]));
            assert_close(&merged, &by_definition(&a, &b));
        }
    }

    #[test]
    fn every_half_is_widened_exactly() {
        // The definition of binary16, IEEE 754-2019 table 3.5, in f64.
        for bits in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            let magnitude = match exponent {
                0 => fraction * 2f64.powi(-24),
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
            };
            let expected = if bits >> 15 == 1 { -magnitude } else { magnitude };
            let found = f64::from(F16::widen(bits.to_le_bytes()));
            assert!(found == expected || (found.is_nan() && expected.is_nan()), "{bits:#x}: {found} {expected}");
            assert_eq!(found.is_sign_negative(), bits >> 15 == 1 || found.is_nan() && found.is_sign_negative());
        }
    }

    #[test]
    fn a_value_that_is_not_finite_is_not_hidden() {
        for bad in [f32::NAN, f32::INFINITY] {
            for at in [0, 100, 4999] {
                let mut a = vec![1.0f32; 5000];
                a[at] = bad;
                let moments = moments_f32(&a, &vec![1.0; 5000]);
                assert_eq!(moments.cosine(), None);
                assert_eq!(moments.relative_difference(), None);
            }
        }
    }

    #[test]
    fn magnitudes_whose_squares_leave_f32_are_summed_in_f64() {
        for scale in [1e30f32, 1e-30] {
            let a: Vec<f32> = (0..5000).map(|i| scale * (i as f32 - 2000.5)).collect();
            let b: Vec<f32> = a.iter().map(|a| a * 1.5).collect();
            assert_close(&moments_f32(&a, &b), &by_definition(&a, &b));
            assert!((moments_f32(&a, &b).relative_difference().unwrap() - 0.5).abs() < 1e-5);
        }
    }

    #[test]
    fn sides_of_different_length_are_refused() {
        assert!(paired_moments::<Bf16, F32>(&[0; 4], &[0; 4]).is_err());
        assert!(paired_moments::<Bf16, Bf16>(&[0; 3], &[0; 3]).is_err());
        assert_eq!(paired_moments::<Bf16, F32>(&[], &[]).unwrap(), PairedMoments::default());
    }
}
