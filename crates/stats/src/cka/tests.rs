use super::*;
use crate::products::row_products;
use crate::sampling::{below, shuffle};

/// As `testdata/scripts/cka_oracle.py` makes them.
fn made(n: usize, width: usize, [a, b, c]: [usize; 3]) -> Vec<f32> {
    let entry = |i: usize, j: usize| {
        let noise = ((a * i * i + b * j * j + c * i * j) % 101) as f64 / 50.0 - 1.0;
        (noise + if j.is_multiple_of(3) { 3.0 * (0.7 * i as f64).cos() } else { 0.0 }) as f32
    };
    (0..n).flat_map(|i| (0..width).map(move |j| entry(i, j))).collect()
}

fn gram(rows: &[f32], n: usize) -> CentredGram {
    let mut products = vec![0.0; n * n];
    row_products(rows, rows, rows.len() / n, &mut products).unwrap();
    CentredGram::new(&products, n).unwrap()
}

fn gaussian(label: &str, n: usize, width: usize) -> Vec<f32> {
    let mut rng = generator(7, label);
    let mut draw = || (0..12).map(|_| below(&mut rng, 1 << 20) as f32 / (1u64 << 20) as f32).sum::<f32>() - 6.0;
    (0..n * width).map(|_| draw()).collect()
}

/// Expected: `python testdata/scripts/cka_oracle.py` (numpy 2.4.6). Products are f32 here, so six digits agree.
#[test]
fn numbers_are_those_of_the_published_formula() {
    let (a, b) = (gram(&made(40, 6, [7, 13, 3]), 40), gram(&made(40, 9, [5, 11, 17]), 40));
    let near = |found: Option<f64>, expected: f64| assert!((found.unwrap() - expected).abs() < 2e-6, "{found:?} against {expected}");
    near(unbiased_cka(&a, &b), 0.937651515954026);
    near(biased_cka(&a, &b), 0.9371439568254062);
    let (of_a, of_b) = (a.leading(5).unwrap(), b.leading(5).unwrap());
    near(unbiased_cka(&a.without(&of_a, 1), &b.without(&of_b, 1)), -0.014081597826791992);
    near(unbiased_cka(&a.without(&of_a, 2), &b.without(&of_b, 2)), 0.006262476182678932);
    for (found, expected) in of_a.values.iter().zip([342.2760099733095, 19.223771496556132, 14.874298711597204]) {
        assert!((found / expected - 1.0).abs() < 1e-5, "{found} against {expected}");
    }
    assert!((of_a.total_squares / 117999.94996873719 - 1.0).abs() < 1e-5);
}

/// METHODS.md, section 2: the biased statistic of independent Gaussians, 200 inputs and 4096 coordinates, is .954. The unbiased one has a
/// standard deviation of about √2 / 200 there.
#[test]
fn independent_representations_are_alike_only_with_the_bias() {
    let (n, width) = (200, 4096);
    let (a, b) = (gram(&gaussian("a", n, width), n), gram(&gaussian("b", n, width), n));
    let (biased, unbiased) = (biased_cka(&a, &b).unwrap(), unbiased_cka(&a, &b).unwrap());
    assert!((biased - 0.954).abs() < 0.005, "{biased}");
    assert!(unbiased.abs() < 0.03, "{unbiased}");
}

/// Over all orders of the inputs of one side the numerator is zero in the mean, exactly, also after components were taken away.
#[test]
fn no_order_is_preferred_whatever_the_inputs() {
    let n = 5;
    let (a, b) = (made(n, 3, [7, 13, 3]), made(n, 4, [5, 11, 17]));
    for k in [0, 1] {
        let kept = gram(&a, n);
        let kept = kept.without(&kept.leading(k).unwrap(), k);
        let (mut sum, mut size) = (0.0, 0.0);
        for order in orders(n) {
            let turned: Vec<f32> = order.iter().flat_map(|&i| b[i * 4..][..4].to_vec()).collect();
            let other = gram(&turned, n);
            let other = other.without(&other.leading(k).unwrap(), k);
            let hsic = kept.unbiased_hsic(&other);
            (sum, size) = (sum + hsic, size + hsic.abs());
        }
        assert!(sum.abs() < 1e-5 * size && size > 0.0, "{sum} of {size} with {k} components taken away");
    }
}

fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    orders(n - 1).into_iter().flat_map(|order| (0..n).map(move |at| [&order[..at], &[n - 1], &order[at..]].concat())).collect()
}

#[test]
fn rotation_scale_and_shift_of_a_side_and_a_swap_change_nothing() {
    let (n, width) = (60, 6);
    let (x, y) = (made(n, width, [7, 13, 3]), made(n, 9, [5, 11, 17]));
    let (sin, cos) = 0.9f32.sin_cos();
    let moved: Vec<f32> = x
        .chunks(width)
        .flat_map(|row| {
            let mut row = row.to_vec();
            (row[0], row[3]) = (cos * row[0] - sin * row[3], sin * row[0] + cos * row[3]);
            row.iter().rev().map(|v| 2.5 * v + 4.0).collect::<Vec<f32>>()
        })
        .collect();
    let (a, b, c) = (gram(&x, n), gram(&y, n), gram(&moved, n));
    let (plain, changed) = (unbiased_cka(&a, &b).unwrap(), unbiased_cka(&c, &b).unwrap());
    assert!((plain - changed).abs() < 1e-5, "{plain} against {changed}");
    assert_eq!(unbiased_cka(&a, &b), unbiased_cka(&b, &a));
    assert!((unbiased_cka(&a, &c).unwrap() - 1.0).abs() < 1e-5);
    assert_eq!(unbiased_cka(&a, &a), Some(1.0));
    let mut order: Vec<usize> = (0..n).collect();
    shuffle(&mut generator(1, "order"), &mut order);
    let shuffled: Vec<f32> = order.iter().flat_map(|&i| x[i * width..][..width].to_vec()).collect();
    assert!(unbiased_cka(&a, &gram(&shuffled, n)).unwrap().abs() < 0.2, "another order is another representation");
}

#[test]
fn components_go_until_none_dominates() {
    let components = |values: &[f64], rest: f64| Components {
        values: values.to_vec(),
        vectors: Mat::zeros(4, values.len()),
        total_squares: values.iter().map(|v| v * v).sum::<f64>() + rest,
    };
    assert_eq!(components(&[100.0, 1.0, 1.0], 50.0).dominant(0.1), 1);
    assert_eq!(components(&[1.0, 1.0, 1.0], 50.0).dominant(0.1), 0);
    assert_eq!(components(&[9.0, 3.0, 1.0], 0.5).dominant(0.1), 3);
    // One input with one massive coordinate makes a component of its own; of the rest, 60 alike, none dominates.
    let mut rows = gaussian("rows", 300, 60);
    rows[60 * 17] = 4000.0;
    let massive = gram(&rows, 300);
    let found = massive.leading(8).unwrap();
    assert_eq!(found.dominant(0.1), 1);
    let left = massive.without(&found, 1).leading(1).unwrap().values[0];
    assert!((left / found.values[1] - 1.0).abs() < 0.02, "{left} against {}", found.values[1]);
}

#[test]
fn inputs_that_say_nothing_are_refused() {
    assert!(CentredGram::new(&[0.0; 9], 3).is_err());
    assert!(CentredGram::new(&[0.0; 15], 4).is_err());
    let mut entries = [0.0; 16];
    entries[5] = f32::NAN;
    assert!(CentredGram::new(&entries, 4).is_err());
    let (constant, other) = (CentredGram::new(&[3.0; 16], 4).unwrap(), gram(&made(4, 3, [7, 13, 3]), 4));
    assert_eq!(unbiased_cka(&constant, &other), None);
    assert_eq!(unbiased_cka(&other, &gram(&made(5, 3, [7, 13, 3]), 5)), None);
}
