//! Rows made by hand, whose table can be counted by hand.

use super::relations::NO_WORD;
use super::*;
use crate::bench::{Row, Score, Sizes, Truth};

fn score(statistic: f64, log10_p: Option<f64>, seconds: f64) -> Score {
    Score { statistic: Some(statistic), log10_p, why: None, seconds }
}

/// A pair that `weights.unit-alignment` gives `log10_p` and `weights.unit-matching` gives `similarity`.
fn row(truth: Truth, transformation: &str, disguise: &str, similarity: Option<f64>, log10_p: Option<f64>) -> Row {
    let conclusion = if log10_p.is_some_and(|p| p <= LOG10_ALPHA) { "supports-derivation" } else { "inconclusive" };
    let sizes = Sizes { family: Some("llama".into()), parameters: 602_976, layers: 4 };
    let none = |why: &str| Score { statistic: None, log10_p: None, why: Some(why.into()), seconds: 0.0 };
    let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let is_derived = truth == Truth::Derived;
    Row {
        reference: "a".into(),
        suspect: "b".into(),
        reference_lineages: words(&["a"]),
        suspect_lineages: words(if is_derived { &["a"] } else { &["b"] }),
        truth,
        transformation: transformation.into(),
        disguise: disguise.into(),
        is_same_recipe: !is_derived && transformation == "other seed",
        expected_words: words(if is_derived { &["finetune"] } else { &[] }),
        allowed_words: words(&["permuted"]),
        reference_sizes: sizes.clone(),
        suspect_sizes: sizes,
        same_tokenizer: true,
        conclusion: conclusion.into(),
        relation: words(if conclusion == "supports-derivation" { &["finetune"] } else { &[] }),
        scores: [
            ("weights.unit-alignment", log10_p.map_or(none("no blocks"), |p| score(p.abs(), Some(p), 0.002))),
            ("weights.unit-matching", similarity.map_or(none("no tokens"), |value| score(value, None, 0.004))),
            ("baseline.cosine", score(similarity.unwrap_or(0.0), None, 0.001)),
        ]
        .into_iter()
        .map(|(id, score)| (id.to_owned(), score))
        .collect(),
    }
}

/// Four derived pairs of two transformations, and a hundred independent ones with p = .005, .015, … .995 and similarities up to .3.
fn rows() -> Vec<Row> {
    let mut rows = vec![
        row(Truth::Derived, "fine-tune", "none", Some(0.9), Some(-40.0)),
        row(Truth::Derived, "fine-tune", "none", Some(0.2), Some(-5.9)),
        row(Truth::Derived, "fine-tune", "rotate", Some(0.8), Some(0.0)),
        row(Truth::Derived, "int4", "none", None, Some(-6.0)),
    ];
    for i in 0..100 {
        let p = (f64::from(i) + 0.5) / 100.0;
        rows.push(row(Truth::Independent, "other seed", "none", Some(0.3 * f64::from(i) / 99.0), Some(p.log10())));
    }
    rows
}

#[test]
fn what_is_found_is_counted_over_all_pairs() {
    let table = Table::of(&rows());
    let groups: Vec<(&str, &str, usize)> = table.groups.iter().map(|g| (g.transformation.as_str(), g.disguise.as_str(), g.n)).collect();
    assert_eq!(groups, [("fine-tune", "none", 2), ("int4", "none", 1), ("fine-tune", "rotate", 1)]);
    let cells = |id: &str| -> Vec<(usize, usize)> { table.column(id).unwrap().cells.iter().map(|c| (c.applied, c.found)).collect() };
    // p ≤ 1e-6: −40 and −6.0, not −5.9.
    assert_eq!(cells("weights.unit-alignment"), [(2, 1), (1, 1), (1, 0)]);
    // Beyond .3, the largest of the independent pairs; where it does not apply nothing is found.
    assert_eq!(cells("weights.unit-matching"), [(2, 1), (0, 0), (1, 1)]);
    assert_eq!(cells(TOGETHER), [(2, 1), (1, 1), (1, 0)]);
    let matching = table.column("weights.unit-matching").unwrap();
    assert_eq!(table.sum(matching, |_| true), Cell { n: 4, applied: 3, found: 2, found_second: 2 });
    assert_eq!((matching.independent.largest, matching.independent.second_threshold), (Some(0.3), Some(0.3)));
    assert_eq!(matching.independent.false_positives, None);
    assert_eq!(matching.independent.largest_at.as_deref(), Some("other seed"));
    assert_eq!((matching.not_applicable, matching.median_seconds), (1, Some(0.004)));
    let kinds: Vec<(&str, Kind)> = table.columns.iter().map(|column| (column.id.as_str(), column.kind)).collect();
    let expected = [
        (TOGETHER, Kind::Verdict),
        (ANY_EXACT, Kind::Exact),
        ("weights.unit-alignment", Kind::Exact),
        ("weights.unit-matching", Kind::Similarity),
        ("baseline.cosine", Kind::Similarity),
    ];
    assert_eq!(kinds, expected);
    assert!(table.columns[4].source.is_some() && table.columns[3].source.is_none());
}

/// Clopper and Pearson's ends in closed form: for none of n, 1 − .005^(1/n) above; for one of n, 1 − .995^(1/n) below.
#[test]
fn sizes_have_exact_intervals_and_the_grid_is_uniform() {
    let table = Table::of(&rows());
    let null = table.column("weights.unit-alignment").unwrap().null.clone().unwrap();
    assert_eq!((null.n, table.same_recipe), (100, 100));
    // Of .005, .015, …: one is at most .01, none at most .001.
    let [at_01, at_001] = null.sizes[..] else { panic!("{:?}", null.sizes) };
    assert_eq!((at_01.rejected, at_01.is, at_001.rejected, at_001.is), (1, SizeIs::Nominal, 0, SizeIs::Nominal));
    assert!((at_001.high - (1.0 - 0.005f64.powf(0.01))).abs() < 1e-12 && at_001.low == 0.0, "{at_001:?}");
    assert!((at_01.low - (1.0 - 0.995f64.powf(0.01))).abs() < 1e-12, "{at_01:?}");
    assert!(null.uniformity_p > 0.999, "{}", null.uniformity_p);
    assert!((null.smallest_log10_p - 0.005f64.log10()).abs() < 1e-12);
    // A test that rejects everything is too large, one that never says anything conservative.
    let is = |log10_p: f64, n: usize| Null::of(&vec![log10_p; n]).unwrap().sizes[0].is;
    assert_eq!((is(-3.5, 100), is(0.0, 1000), is(0.0, 100)), (SizeIs::TooLarge, SizeIs::Conservative, SizeIs::Nominal));
    assert!(Null::of(&[]).is_none());
    assert!(table.column(ANY_EXACT).unwrap().null.is_none());
}

#[test]
fn no_false_positive_among_n_bounds_the_rate_near_three_over_n() {
    let mut rows = rows();
    let none = Table::of(&rows).together;
    assert_eq!((none.derived, none.supported, none.derived_inconclusive), (4, 2, 2));
    assert_eq!((none.independent, none.false_positives), (100, 0));
    // 1 − .05^(1/100)
    assert!((none.false_positive_bound.unwrap() - (1.0 - 0.05f64.powf(0.01))).abs() < 1e-12);
    rows.push(row(Truth::Independent, "stranger", "none", Some(0.1), Some(-7.0)));
    let table = Table::of(&rows);
    assert_eq!((table.together.false_positives, table.together.independent), (1, 101));
    assert_eq!(table.column("weights.unit-alignment").unwrap().independent.false_positives, Some(1));
    // Not a pair of one recipe.
    assert_eq!(table.column("weights.unit-alignment").unwrap().null.as_ref().unwrap().n, 100);
    assert!(table.bars.iter().any(|bar| bar.what.contains("no false positive") && !bar.is_met));
}

#[test]
fn independent_pairs_are_told_apart_by_kind_and_students_must_read_independent() {
    let mut rows = rows();
    rows.push(Row {
        conclusion: "supports-independence".into(),
        ..row(Truth::Independent, "student of the reference", "none", None, None)
    });
    rows.push(row(Truth::Independent, "two students", "none", None, Some(-9.0)));
    rows[0].scores.insert("baseline.weighted-score".into(), score(0.76, None, 0.0));
    rows[10].scores.insert("baseline.weighted-score".into(), score(0.75, None, 0.0));
    rows[11].scores.insert("baseline.weighted-score".into(), score(0.9, None, 0.0));
    let table = Table::of(&rows);
    let apart: Vec<[usize; 4]> =
        table.apart.iter().map(|kind| [kind.n, kind.supports_derivation, kind.supports_independence, kind.inconclusive]).collect();
    assert_eq!(apart, [[100, 0, 0, 100], [1, 0, 1, 0], [1, 1, 0, 0]]);
    let met: Vec<bool> = table.bars.iter().filter(|bar| bar.what.contains("student")).map(|bar| bar.is_met).collect();
    assert_eq!(met, [true, false]);
    // The kit speaks of a match above .75.
    let published = table.column("baseline.weighted-score").unwrap().as_published.unwrap();
    assert_eq!(published, AsPublished { threshold: 0.75, found: 1, false_positives: 1 });
    assert!(table.markdown().contains("| *baseline.weighted-score* | 0.75 | 1 of 4 | 1 of 102 |"));
}

#[test]
fn a_second_threshold_lets_one_in_a_thousand_pass() {
    let mut rows = rows();
    rows.extend((0..900).map(|_| row(Truth::Independent, "stranger", "none", Some(0.1), Some(0.0))));
    rows.push(row(Truth::Derived, "int8", "none", Some(0.299), Some(0.0)));
    let table = Table::of(&rows);
    let matching = table.column("weights.unit-matching").unwrap();
    // The largest of 1,000 may be passed: the next one is .3 · 98/99 = .297.
    assert!((matching.independent.second_threshold.unwrap() - 0.3 * 98.0 / 99.0).abs() < 1e-12);
    let int8 = table.sum(matching, |group| group.transformation == "int8");
    assert_eq!((int8.found, int8.found_second), (0, 1));
}

#[test]
fn a_relation_is_right_with_every_expected_word_and_none_beyond_the_allowed() {
    let mut rows = rows();
    let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    rows[0].relation = words(&["finetune", "permuted"]);
    rows[3].relation = words(&["finetune", "merge"]);
    let found = Table::of(&rows).relations;
    // Right: the first. Missed: the two that were left open. Wrong: the merge.
    assert_eq!((found.n, found.right, found.missed, found.wrong), (4, 1, 2, 1));
    assert_eq!(found.by_transformation["fine-tune"], (3, 1));
    let n = |said: &str| found.confusion.iter().find(|entry| entry.expected == "finetune" && entry.said == said).unwrap().n;
    assert_eq!((n("finetune"), n("permuted"), n("merge"), n(NO_WORD)), (2, 1, 1, 2));
    assert_eq!(found.confusion.len(), 4);
}

#[test]
fn the_order_of_the_rows_does_not_show() {
    let mut rows = rows();
    let one = Table::of(&rows);
    rows.reverse();
    assert_eq!(Table::of(&rows), one);
    rows.rotate_left(37);
    assert_eq!(Table::of(&rows).markdown(), one.markdown());
    let json = serde_json::to_string(&one).unwrap();
    // Up to the last bit of a number, which the parser does not promise.
    assert_eq!(serde_json::from_str::<Table>(&json).unwrap().markdown(), one.markdown());
}

#[test]
fn without_independent_pairs_no_similarity_finds_anything() {
    let derived: Vec<Row> = rows().into_iter().filter(|row| row.truth == Truth::Derived).collect();
    let table = Table::of(&derived);
    assert_eq!(table.sum(table.column("weights.unit-matching").unwrap(), |_| true).found, 0);
    assert_eq!(table.together.false_positive_bound, None);
    assert!(Table::of(&[]).markdown().contains("No pairs."));
    assert!(table.bars.iter().all(|bar| !bar.is_met));
}

#[test]
fn the_page_shows_shares_stars_and_failures() {
    let page = Table::of(&rows()).markdown();
    for line in [
        "| `weights.unit-alignment` | .50 | 1 | .67 |",
        "| `weights.unit-matching` | .50 | – | .33* |",
        "| *baseline.cosine* | .50 | 0 | .33 |",
        "| **all methods together** | 0 | 0 |",
        "| exact tests reject on every undisguised derivation | 2 of 3 | **no** |",
    ] {
        assert!(page.lines().any(|found| found == line), "no line {line}\n{page}");
    }
    assert!(page.contains("With 100 independent pairs a rate of 10⁻³ allows none of them"));
    assert!(page.contains("- *baseline.cosine*: folklore"));
    // Every row of a table has as many cells as its head.
    let mut cells = None;
    for line in page.lines() {
        let n = line.starts_with('|').then(|| line.matches('|').count());
        assert!(cells.is_none() || n.is_none() || n == cells, "{line}");
        cells = n;
    }
    let mut hostile = rows();
    hostile[0].transformation = "a | b\n# c".into();
    assert!(Table::of(&hostile).markdown().contains("| a \\| b # c |"));
}

#[test]
fn the_summary_fits_eighty_columns() {
    let summary = Table::of(&rows()).summary();
    assert!(summary.lines().count() > 10 && summary.lines().all(|line| line.chars().count() <= 80), "{summary}");
    assert!(summary.contains("relation right for 2 of 4 derived pairs"), "{summary}");
}
