//! Laws of the alignment statistics, the coincidence law against enumeration, and simulations under the null.

use super::coincidence::ln_coincidence_sf;
use super::*;
use crate::sampling::{below, generator, shuffle};
use crate::tails::ln_factorial;
use crate::{InputError, NullDistribution, PValue};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;

/// Sums of twelve uniforms: close enough to normal, and the same bits on every machine.
fn gaussian(rng: &mut ChaCha8Rng) -> f32 {
    let sum: f64 = (0..12).map(|_| below(rng, 1 << 30) as f64 / (1u64 << 30) as f64).sum();
    (sum - 6.0) as f32
}

fn random_rows(n: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut rng = generator(seed, "rows");
    (0..n * width).map(|_| gaussian(&mut rng)).collect()
}

fn permute_rows(rows: &[f32], width: usize, order: &[usize]) -> Vec<f32> {
    order.iter().flat_map(|&row| rows[row * width..(row + 1) * width].iter().copied()).collect()
}

fn random_order(n: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    shuffle(&mut generator(seed, "order"), &mut order);
    order
}

fn align(reference: &[f32], suspect: &[f32], n: usize, width: usize) -> RowAlignment {
    align_rows(&[RowPair { reference, suspect, width }], n, Centring::None).unwrap()
}

fn assert_same(one: &RowAlignment, other: &RowAlignment) {
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-4 * (1.0 + a.abs());
    assert!(close(one.observed, other.observed), "{one:?} {other:?}");
    assert!(close(one.expected, other.expected), "{one:?} {other:?}");
    assert!(close(one.variance, other.variance), "{one:?} {other:?}");
    assert_eq!((one.n_units, one.n_mutual, one.n_hits), (other.n_units, other.n_mutual, other.n_hits));
}

/// All permutations of 0..n, by insertion.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    (0..n).fold(vec![vec![]], |shorter, item| {
        let insert = |order: &Vec<usize>| -> Vec<Vec<usize>> {
            (0..=order.len())
                .map(|place| {
                    let mut longer = order.clone();
                    longer.insert(place, item);
                    longer
                })
                .collect()
        };
        shorter.iter().flat_map(insert).collect()
    })
}

/// The largest excess of the empirical distribution of p over the diagonal, `sup_α (P̂(p ≤ α) − α)`, times √n: for a uniform p it exceeds
/// 1.95 with probability e^(−2·1.95²) = 5e-4 (Smirnov), for a conservative one less.
fn anti_conservative_excess(mut ln_ps: Vec<f64>) -> f64 {
    ln_ps.sort_by(f64::total_cmp);
    let n = ln_ps.len() as f64;
    let excess = ln_ps.iter().enumerate().map(|(rank, ln_p)| (rank as f64 + 1.0) / n - ln_p.exp());
    excess.max_by(f64::total_cmp).unwrap() * n.sqrt()
}

fn conservative_excess(ln_ps: Vec<f64>) -> f64 {
    anti_conservative_excess(ln_ps.into_iter().map(|ln_p| crate::tails::ln_complement(ln_p.clamp(-700.0, -1e-300))).collect())
}

#[test]
fn moments_under_the_null_agree_with_enumeration() {
    for seed in 0..5 {
        let n = 6;
        let c = random_rows(n, n, seed);
        let sums: Vec<f64> =
            permutations(n).iter().map(|order| order.iter().enumerate().map(|(i, &j)| f64::from(c[i * n + j])).sum()).collect();
        let mean = sums.iter().sum::<f64>() / sums.len() as f64;
        let variance = sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / sums.len() as f64;
        let alignment = RowAlignment::of_matrix(&c, n).unwrap();
        assert!((alignment.expected - mean).abs() < 1e-12);
        assert!((alignment.variance - variance).abs() < 1e-12 * variance);
        // Every bound holds for the exact law of this matrix, not only on average.
        for order in permutations(n) {
            let permuted: Vec<f32> = (0..n).flat_map(|i| order.iter().map(move |&j| (i, j))).map(|(i, j)| c[i * n + j]).collect();
            let alignment = RowAlignment::of_matrix(&permuted, n).unwrap();
            let exact = sums.iter().filter(|&&sum| sum >= alignment.observed - 1e-9).count() as f64 / sums.len() as f64;
            assert!(alignment.chatterjee_bound().value() >= exact - 1e-12, "{alignment:?} {exact}");
        }
    }
}

#[test]
fn the_coincidence_law_is_that_of_enumeration() {
    for h in 1..=7usize {
        let all = permutations(h);
        for m in 0..=h {
            for k in 0..=h + 1 {
                // Which m pairs they are does not matter: take (0,0) … (m−1, m−1).
                let hits = |order: &[usize]| order.iter().take(m).enumerate().filter(|(i, j)| i == *j).count();
                let exact = all.iter().filter(|order| hits(order) >= k).count() as f64 / all.len() as f64;
                let found = ln_coincidence_sf(h as u64, m as u64, k as u64).exp();
                assert!((found - exact).abs() <= 1e-13, "h {h}, m {m}, k {k}: {found} {exact}");
            }
        }
    }
}

#[test]
fn the_coincidence_law_reaches_its_extremes() {
    for h in [20u64, 576, 14_336, 20_000] {
        assert!((ln_coincidence_sf(h, h, h) + ln_factorial(h)).abs() <= 1e-12 * ln_factorial(h));
        // All units but one at their own place puts the last there too.
        assert!((ln_coincidence_sf(h, h, h - 1) + ln_factorial(h)).abs() <= 1e-10 * ln_factorial(h));
        // One pair among h units: hit with probability 1/h.
        assert!((ln_coincidence_sf(h, 1, 1) + (h as f64).ln()).abs() < 1e-12);
    }
    // Matching problem, h → ∞: P(K ≥ 1) = 1 − 1/e, P(K ≥ 2) = 1 − 2/e.
    let e = std::f64::consts::E;
    assert!((ln_coincidence_sf(20_000, 20_000, 1).exp() - (1.0 - 1.0 / e)).abs() < 1e-14);
    assert!((ln_coincidence_sf(20_000, 20_000, 2).exp() - (1.0 - 2.0 / e)).abs() < 1e-14);
    assert!(ln_coincidence_sf(3, 4, 1).is_nan());
}

#[test]
fn the_sum_over_blocks_is_convolved_exactly_and_bounded() {
    // Two blocks of 4 and 5 units by enumeration of all pairs of permutations.
    let blocks = [(4usize, 3usize), (5, 5)];
    let law = |(h, m): (usize, usize)| -> Vec<f64> {
        let all = permutations(h);
        let hits = |order: &Vec<usize>| order.iter().take(m).enumerate().filter(|(i, j)| i == *j).count();
        (0..=h).map(|k| all.iter().filter(|order| hits(order) == k).count() as f64 / all.len() as f64).collect()
    };
    let (one, other) = (law(blocks[0]), law(blocks[1]));
    for (k0, k1) in [(0, 0), (1, 0), (1, 2), (2, 3), (3, 5), (3, 4)] {
        let k = k0 + k1;
        let mut exact = 0.0;
        for (i, p) in one.iter().enumerate() {
            for (j, q) in other.iter().enumerate() {
                exact += if i + j >= k { p * q } else { 0.0 };
            }
        }
        let coincidences =
            [Coincidences { n_units: 4, n_mutual: 3, n_hits: k0 as u64 }, Coincidences { n_units: 5, n_mutual: 5, n_hits: k1 as u64 }];
        let p = coincidence_p(&coincidences).unwrap();
        assert_eq!(p.from(), NullDistribution::Exact);
        assert!((p.value() - exact).abs() <= 1e-13, "{k}: {} {exact}", p.value());
        assert!(ln_coincidence_sum_bound(2, k as u64) >= p.ln() - 1e-12);
    }
}

#[test]
fn large_sums_are_bounded_tightly() {
    let block = Coincidences { n_units: 1536, n_mutual: 1536, n_hits: 1536 };
    let p = coincidence_p(&[block; 12]).unwrap();
    assert!(matches!(p.from(), NullDistribution::Bound { .. }));
    let exact = -12.0 * ln_factorial(1536);
    assert!(p.ln() >= exact && p.ln() <= 0.998 * exact, "{} {exact}", p.ln());
    assert!(coincidence_p(&[Coincidences { n_units: 2, n_mutual: 3, n_hits: 0 }]).is_err());
    assert_eq!(coincidence_p(&[]).unwrap().ln(), 0.0);
}

#[test]
fn ties_are_in_no_pair() {
    // Every row equal: all similarities tie, and the identical index must not win.
    let rows = vec![1.0f32; 40];
    let alignment = align(&rows, &rows, 10, 4);
    assert_eq!((alignment.n_mutual, alignment.n_hits), (0, 0));
    assert_eq!(alignment.z(), None);
    assert_eq!(alignment.asymptotic_p().ln(), 0.0);
    assert_eq!(alignment.chatterjee_bound().ln(), 0.0);
    // Two equal units among different ones: only they drop out.
    let mut rows = random_rows(10, 16, 4);
    rows.copy_within(0..16, 16);
    let alignment = align(&rows, &rows, 10, 16);
    assert_eq!((alignment.n_mutual, alignment.n_hits), (8, 8));
    // Dead units (zero rows) on both sides.
    let mut rows = random_rows(10, 16, 5);
    rows[..48].fill(0.0);
    assert_eq!(align(&rows, &rows, 10, 16).n_hits, 7);
}

#[test]
fn equal_sides_are_the_extreme() {
    let rows = random_rows(64, 32, 1);
    let alignment = align(&rows, &rows, 64, 32);
    assert_eq!((alignment.n_mutual, alignment.n_hits), (64, 64));
    assert!((alignment.observed - 64.0).abs() < 1e-4);
    assert!(alignment.z().unwrap() > 30.0);
    assert!((coincidence_p(&[alignment.coincidences()]).unwrap().ln() + ln_factorial(64)).abs() < 1e-9);
    assert!(alignment.chatterjee_bound().ln() < -5.0);
    let mut similarity = Vec::new();
    let pair = RowPair { reference: &rows, suspect: &rows, width: 32 };
    similarity_rows(&[pair], 64, Centring::None, |tile| {
        similarity.extend_from_slice(tile);
        Ok(())
    })
    .unwrap();
    let p = permutation_p(&similarity, 64, 999, &mut generator(0, "p")).unwrap();
    assert!((p.value() - 0.001).abs() < 1e-15);
    assert_eq!(RowAlignment::of_matrix(&similarity, 64).unwrap(), alignment);
}

#[test]
fn p_values_are_uniform_under_the_null_and_bounds_above_it() {
    let (n, width, n_pairs) = (24, 12, 2000);
    let (mut asymptotic, mut permuted, mut bounds, mut coincidences, mut pooled) = (vec![], vec![], vec![], vec![], vec![]);
    let mut previous: Option<RowAlignment> = None;
    for pair in 0..n_pairs {
        // Units that share a mean direction and have their own scales, as trained ones do.
        let with_structure = |seed| -> Vec<f32> {
            let mut rows = random_rows(n, width, seed);
            for (i, row) in rows.chunks_exact_mut(width).enumerate() {
                row.iter_mut().for_each(|entry| *entry = (*entry + 0.7) * (1.0 + i as f32 / 8.0));
            }
            // The order of units carries no information under the null.
            permute_rows(&rows, width, &random_order(n, seed))
        };
        let (reference, suspect) = (with_structure(2 * pair), with_structure(2 * pair + 1));
        let mut similarity = Vec::new();
        let rows = RowPair { reference: &reference, suspect: &suspect, width };
        similarity_rows(&[rows], n, Centring::None, |tile| {
            similarity.extend_from_slice(tile);
            Ok(())
        })
        .unwrap();
        let alignment = RowAlignment::of_matrix(&similarity, n).unwrap();
        asymptotic.push(alignment.asymptotic_p().ln());
        bounds.push(alignment.chatterjee_bound().ln());
        coincidences.push(coincidence_p(&[alignment.coincidences()]).unwrap().ln());
        permuted.push(permutation_p(&similarity, n, 199, &mut generator(pair, "p")).unwrap().ln());
        if let Some(previous) = previous.replace(alignment) {
            let blocks = [previous, alignment];
            pooled.push(pooled_bound(&blocks).ln());
            if pair % 2 == 1 {
                coincidences.push(coincidence_p(&blocks.map(|block| block.coincidences())).unwrap().ln());
            }
        }
    }
    for (name, p) in
        [("asymptotic", &asymptotic), ("permutation", &permuted), ("bound", &bounds), ("pooled", &pooled), ("coincidences", &coincidences)]
    {
        let excess = anti_conservative_excess(p.clone());
        assert!(excess < 1.95, "{name}: {excess}");
    }
    for (name, p) in [("asymptotic", asymptotic), ("permutation", permuted)] {
        let excess = conservative_excess(p);
        // The permutation p-value is discrete with steps of 1/200: up to √2000/200 = 0.22 of excess by itself.
        assert!(excess < 2.2, "{name}: {excess}");
    }
}

#[test]
fn a_joint_permutation_is_uniform_under_its_null_where_one_axis_alone_is_not() {
    let (n, n_blocks) = (12, 2);
    let near_diagonal = |seed| -> Vec<f32> {
        let mut rows = random_rows(n * n_blocks, n, seed);
        rows.chunks_exact_mut(n).enumerate().for_each(|(row, entries)| entries[row % n] += 4.0);
        rows
    };
    let mut ln_ps = Vec::new();
    let mut one_axis = Vec::new();
    for pair in 0..1000 {
        let (reference, suspect) = (near_diagonal(2 * pair), near_diagonal(2 * pair + 1));
        let joint = joint_permutation(&reference, &suspect, n_blocks, n, 99, &mut generator(pair, "joint")).unwrap();
        ln_ps.push(joint.p.ln());
        one_axis.push(align(&reference[..n * n], &suspect[..n * n], n, n).z().unwrap());
    }
    assert!(anti_conservative_excess(ln_ps.clone()) < 1.95);
    // Steps of 1/100: √1000/100 = 0.32 of excess by itself.
    assert!(conservative_excess(ln_ps) < 2.3);
    assert!(one_axis.iter().all(|&z| z > 2.33), "near-diagonal matrices defeat the one-axis test");
    let same = near_diagonal(1);
    let joint = joint_permutation(&same, &same, n_blocks, n, 99, &mut generator(0, "joint")).unwrap();
    assert_eq!(joint.p, PValue::from_permutations(0, 99));
    assert!(joint.z().unwrap() > 5.0);
}

#[test]
fn permuting_the_suspect_jointly_keeps_the_law_and_loses_the_alignment() {
    let n = 40;
    let a = random_rows(n, n, 1);
    let order = random_order(n, 9);
    let b: Vec<f32> = (0..n * n).map(|at| a[order[at / n] * n + order[at % n]]).collect();
    let joint = joint_permutation(&a, &b, 1, n, 499, &mut generator(0, "lost")).unwrap();
    assert!(joint.p.value() > 0.01, "{joint:?}");
    // Relabelling both sides by one permutation keeps the statistic.
    let both = joint_permutation(&b, &b, 1, n, 9, &mut generator(0, "kept")).unwrap();
    let plain = joint_permutation(&a, &a, 1, n, 9, &mut generator(0, "kept")).unwrap();
    assert!((both.observed - plain.observed).abs() < 1e-9 * plain.observed);
}

#[test]
fn matrices_that_share_the_permutation_add_up() {
    let (n, width) = (30, 8);
    let rows: Vec<Vec<f32>> = (0..4).map(|seed| random_rows(n, width, seed)).collect();
    let pairs = [RowPair { reference: &rows[0], suspect: &rows[1], width }, RowPair { reference: &rows[2], suspect: &rows[3], width }];
    let sum = align_rows(&pairs, n, Centring::None).unwrap();
    let parts = pairs.map(|pair| align_rows(&[pair], n, Centring::None).unwrap());
    assert!((sum.observed - parts[0].observed - parts[1].observed).abs() < 1e-5);
    assert!((sum.expected - parts[0].expected - parts[1].expected).abs() < 1e-5);
}

#[test]
fn a_shared_direction_is_removed_by_centring() {
    let (n, width) = (50, 16);
    let mut reference = random_rows(n, width, 1);
    let mut suspect = random_rows(n, width, 2);
    reference.iter_mut().chain(&mut suspect).for_each(|entry| *entry += 10.0);
    let pair = RowPair { reference: &reference, suspect: &suspect, width };
    let mean_cosine = |centring| align_rows(&[pair], n, centring).unwrap().expected / n as f64;
    assert!(mean_cosine(Centring::None) > 0.98);
    assert!(mean_cosine(Centring::Columns).abs() < 0.01);
    // Constant columns centre to zero rows, not to rounding noise of unit length.
    let constant = vec![0.1f32; n * width];
    let pair = RowPair { reference: &constant, suspect: &constant, width };
    assert_eq!(align_rows(&[pair], n, Centring::Columns).unwrap().largest, 0.0);
}

#[test]
fn tiles_do_not_show() {
    // More units than a tile is high, against the definition in f64.
    let (n, width) = (300, 5);
    let (a, b) = (random_rows(n, width, 7), random_rows(n, width, 8));
    let cosine = |i: usize, j: usize| {
        let dot = |x: &[f32], y: &[f32]| -> f64 { x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum() };
        let (x, y) = (&a[i * width..(i + 1) * width], &b[j * width..(j + 1) * width]);
        dot(x, y) / (dot(x, x) * dot(y, y)).sqrt()
    };
    let c: Vec<f64> = (0..n * n).map(|at| cosine(at / n, at % n)).collect();
    assert_same(&align(&a, &b, n, width), &RowAlignment::of_matrix(&c, n).unwrap());
}

#[test]
fn bad_input_is_refused_with_its_numbers() {
    let error = RowAlignment::of_matrix(&[0.0f32; 5], 2).unwrap_err();
    assert_eq!(error.to_string(), "similarity rows: found 5 entries, expected at most 2 rows of 2");
    assert!(RowAlignment::of_matrix(&[0.0f32; 2], 2).is_err());
    assert!(RowAlignment::of_matrix(&[1.0f32], 1).is_err());
    assert!(RowAlignment::of_matrix(&[1.0, f32::NAN, 0.0, 0.0], 2).is_err());
    assert!(RowAlignment::of_matrix::<f32>(&[], 0).is_err());
    let pair = RowPair { reference: &[1.0; 6], suspect: &[1.0, 1.0, 1.0, 1.0, 1.0, f32::INFINITY], width: 3 };
    assert!(align_rows(&[pair], 2, Centring::None).is_err());
    assert!(align_rows(&[pair], 3, Centring::None).is_err());
    assert!(align_rows(&[], 3, Centring::None).is_err());
    let mut rng = generator(0, "");
    assert!(permutation_p(&[f32::NAN; 4], 2, 9, &mut rng).is_err());
    assert!(permutation_p(&[0.0f32; 3], 2, 9, &mut rng).is_err());
    assert!(joint_permutation(&[0.0; 4], &[0.0; 4], usize::MAX, 2, 9, &mut rng).is_err());
    assert!(joint_permutation(&[0.0; 4], &[0.0; 3], 1, 2, 9, &mut rng).is_err());
    let refused = InputError::new("a", 1, 2);
    let stopped =
        similarity_rows(&[RowPair { reference: &[1.0; 4], suspect: &[1.0; 4], width: 2 }], 2, Centring::None, |_| Err(refused.clone()));
    assert_eq!(stopped, Err(refused));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn swapping_the_sides_changes_nothing(n in 2usize..40, width in 1usize..20, seed: u64) {
        let (a, b) = (random_rows(n, width, seed), random_rows(n, width, !seed));
        assert_same(&align(&a, &b, n, width), &align(&b, &a, n, width));
    }

    #[test]
    fn relabelling_both_sides_changes_nothing(n in 2usize..40, width in 2usize..20, seed: u64) {
        let (a, b) = (random_rows(n, width, seed), random_rows(n, width, !seed));
        let order = random_order(n, seed);
        let relabelled = align(&permute_rows(&a, width, &order), &permute_rows(&b, width, &order), n, width);
        assert_same(&align(&a, &b, n, width), &relabelled);
    }

    #[test]
    fn rescaling_rows_changes_nothing(n in 2usize..40, width in 2usize..20, seed: u64) {
        let (a, mut b) = (random_rows(n, width, seed), random_rows(n, width, !seed));
        let before = align(&a, &b, n, width);
        b.chunks_exact_mut(width).enumerate().for_each(|(i, row)| row.iter_mut().for_each(|x| *x *= 0.01 + i as f32));
        assert_same(&before, &align(&a, &b, n, width));
    }

    #[test]
    fn relabelling_one_side_keeps_the_null_and_moves_only_the_statistic(n in 2usize..40, seed: u64) {
        let (a, b) = (random_rows(n, 8, seed), random_rows(n, 8, !seed));
        let (one, other) = (align(&a, &b, n, 8), align(&a, &permute_rows(&b, 8, &random_order(n, seed)), n, 8));
        prop_assert!((one.expected - other.expected).abs() < 1e-5);
        prop_assert!((one.variance - other.variance).abs() < 1e-5);
        prop_assert_eq!(one.n_mutual, other.n_mutual);
    }

    #[test]
    fn coincidence_tails_fall_in_hits_and_rise_in_pairs(h in 1u64..3000, m in 0.0f64..=1.0, k in 0.0f64..=1.0) {
        let m = (m * h as f64) as u64;
        let k = (k * m as f64) as u64;
        let here = ln_coincidence_sf(h, m, k);
        prop_assert!(here <= 0.0);
        prop_assert!(ln_coincidence_sf(h, m, k + 1) <= here + 1e-9);
        prop_assert!(m == h || ln_coincidence_sf(h, m + 1, k) >= here - 1e-9 * here.abs() - 1e-12);
        prop_assert!(here <= ln_coincidence_sum_bound(1, k) + 1e-9);
    }
}
