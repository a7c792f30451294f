//! Counts rows.

use super::relations::relations;
use super::{
    ANY_EXACT, ATTACK, Apart, AsPublished, Bar, Cell, Column, Group, Independent, Kind, LOG10_ALPHA, Null, SECOND_FALSE_POSITIVE_RATE,
    SizeIs, TOGETHER, Table, Together, UNDISGUISED,
};
use crate::baselines::BASELINES;
use crate::bench::{Row, Score, Truth};
use evidence::{METHODS, NullBasis};
use stats::order::median;
use stats::uniformity::clopper_pearson;
use std::collections::BTreeMap;

/// As reports write the conclusion.
const SUPPORTS_DERIVATION: &str = "supports-derivation";
const SUPPORTS_INDEPENDENCE: &str = "supports-independence";
const INCONCLUSIVE: &str = "inconclusive";
/// Occurs in the kinds of pairs in which one model was trained on another's outputs, or both on a third's.
const STUDENT: &str = "student";
/// Pairs of one recipe that the size of a test is demanded over.
const SAME_RECIPE_DEMANDED: usize = 300;

/// A column before anything is counted.
struct Head {
    id: String,
    source: Option<String>,
    kind: Kind,
    /// As published.
    threshold: Option<f64>,
}

impl Head {
    fn ours(id: &str, kind: Kind) -> Self {
        Self { id: id.to_owned(), source: None, kind, threshold: None }
    }
}

/// What a column says of one row.
#[derive(Clone, Copy, Default)]
struct Answer {
    statistic: Option<f64>,
    log10_p: Option<f64>,
    /// Of verdicts.
    supports: bool,
    applies: bool,
    seconds: Option<f64>,
}

impl Table {
    /// Of the rows of one bench, in any order.
    pub fn of(rows: &[Row]) -> Self {
        let groups = groups(rows);
        let columns: Vec<Column> = heads(rows).into_iter().map(|head| column(head, rows, &groups)).collect();
        let mut table = Self {
            rows: rows.len(),
            same_recipe: rows.iter().filter(|row| is_null(row)).count(),
            groups,
            columns,
            together: together(rows),
            apart: by_kind(rows, Truth::Independent),
            shared_initialisation: by_kind(rows, Truth::SharedInitialisation),
            relations: relations(rows),
            bars: Vec::new(),
        };
        table.bars = bars(&table);
        table
    }
}

fn is_null(row: &Row) -> bool {
    row.is_same_recipe && row.truth == Truth::Independent
}

fn groups(rows: &[Row]) -> Vec<Group> {
    let mut counts: BTreeMap<(bool, &str, &str), usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.truth == Truth::Derived) {
        *counts.entry((row.disguise != UNDISGUISED, row.disguise.as_str(), row.transformation.as_str())).or_default() += 1;
    }
    let group = |((_, disguise, transformation), n): ((bool, &str, &str), usize)| Group {
        transformation: transformation.to_owned(),
        disguise: disguise.to_owned(),
        n,
    };
    counts.into_iter().map(group).collect()
}

/// Columns in the order of the table; what no list names comes last.
fn heads(rows: &[Row]) -> Vec<Head> {
    let ours = METHODS.iter().map(|method| {
        let card = method.card();
        let kind = match card.null_basis {
            NullBasis::Symmetry => Kind::Exact,
            NullBasis::Model => Kind::Model,
            NullBasis::Controls | NullBasis::None => Kind::Similarity,
        };
        Head::ours(card.id, kind)
    });
    let theirs = BASELINES.iter().map(|baseline| {
        let card = baseline.card();
        let kind = if card.states_p { Kind::Model } else { Kind::Similarity };
        Head { id: card.id.to_owned(), source: Some(card.source.to_owned()), kind, threshold: card.threshold }
    });
    let mut scored: BTreeMap<&str, bool> = BTreeMap::new();
    for (id, score) in rows.iter().flat_map(|row| &row.scores) {
        *scored.entry(id).or_default() |= score.log10_p.is_some();
    }
    let together = [(TOGETHER, Kind::Verdict), (ANY_EXACT, Kind::Exact)];
    let mut heads: Vec<Head> = together.into_iter().map(|(id, kind)| Head::ours(id, kind)).collect();
    heads.extend(ours.chain(theirs).filter(|head| scored.remove(head.id.as_str()).is_some()));
    heads.extend(scored.into_iter().map(|(id, states_p)| {
        let kind = if states_p { Kind::Model } else { Kind::Similarity };
        Head::ours(id, kind)
    }));
    heads
}

fn answer(head: &Head, row: &Row) -> Answer {
    if head.kind == Kind::Verdict {
        return Answer { supports: row.conclusion == SUPPORTS_DERIVATION, applies: true, ..Answer::default() };
    }
    if head.id == ANY_EXACT {
        let is_exact = |id: &str| METHODS.iter().any(|method| method.card().id == id && method.card().null_basis == NullBasis::Symmetry);
        let of_exact = row.scores.iter().filter(|(id, _)| is_exact(id)).filter_map(|(_, score)| score.log10_p);
        let smallest = of_exact.min_by(f64::total_cmp);
        return Answer { log10_p: smallest, applies: smallest.is_some(), ..Answer::default() };
    }
    let Some(Score { statistic, log10_p, seconds, .. }) = row.scores.get(&head.id) else { return Answer::default() };
    let applies = if head.kind.is_test() { log10_p.is_some() } else { statistic.is_some_and(f64::is_finite) };
    Answer { statistic: *statistic, log10_p: *log10_p, supports: false, applies, seconds: applies.then_some(*seconds) }
}

fn column(head: Head, rows: &[Row], groups: &[Group]) -> Column {
    let answers: Vec<(&Row, Answer)> = rows.iter().map(|row| (row, answer(&head, row))).collect();
    let apart: Vec<Answer> = answers.iter().filter(|(row, _)| row.truth == Truth::Independent).map(|(_, answer)| *answer).collect();
    let mut statistics: Vec<f64> = apart.iter().filter(|answer| answer.applies).filter_map(|answer| answer.statistic).collect();
    statistics.sort_by(|a, b| b.total_cmp(a));
    let allowed = (SECOND_FALSE_POSITIVE_RATE * statistics.len() as f64).floor() as usize;
    let thresholds = [statistics.first().copied(), statistics.get(allowed).copied()];
    let is_found = |answer: &Answer, threshold: Option<f64>| match head.kind {
        Kind::Verdict => answer.supports,
        Kind::Exact | Kind::Model => answer.log10_p.is_some_and(|p| p <= LOG10_ALPHA),
        // Without independent pairs nothing says how alike they are, so nothing is found.
        Kind::Similarity => answer.statistic.zip(threshold).is_some_and(|(value, threshold)| value > threshold),
    };
    let cell = |group: &Group| {
        let own = answers
            .iter()
            .filter(|(row, _)| row.truth == Truth::Derived && row.transformation == group.transformation && row.disguise == group.disguise);
        own.fold(Cell::default(), |sum, (_, answer)| {
            let count = |is: bool| usize::from(answer.applies && is);
            sum.plus(Cell {
                n: 1,
                applied: count(true),
                found: count(is_found(answer, thresholds[0])),
                found_second: count(is_found(answer, thresholds[1])),
            })
        })
    };
    let independent = Independent {
        n: apart.len(),
        applied: apart.iter().filter(|answer| answer.applies).count(),
        false_positives: (head.kind != Kind::Similarity).then(|| apart.iter().filter(|answer| is_found(answer, None)).count()),
        median: median(statistics.clone()),
        largest: thresholds[0],
        largest_at: largest_at(&answers, thresholds[0]),
        second_threshold: thresholds[1],
    };
    let null = head.kind.is_test().then(|| {
        let of_null = answers.iter().filter(|(row, _)| is_null(row));
        Null::of(&of_null.filter_map(|(_, answer)| answer.log10_p).collect::<Vec<f64>>())
    });
    let as_published = head.threshold.map(|threshold| {
        let above = |truth: Truth| {
            answers.iter().filter(|(row, answer)| row.truth == truth && answer.statistic.is_some_and(|value| value > threshold)).count()
        };
        AsPublished { threshold, found: above(Truth::Derived), false_positives: above(Truth::Independent) }
    });
    Column {
        cells: groups.iter().map(cell).collect(),
        independent,
        // The smallest of several p-values is no p-value.
        null: null.flatten().filter(|_| head.id != ANY_EXACT),
        as_published,
        not_applicable: answers.iter().filter(|(_, answer)| !answer.applies).count(),
        median_seconds: median(answers.iter().filter_map(|(_, answer)| answer.seconds).collect()),
        id: head.id,
        source: head.source,
        kind: head.kind,
    }
}

/// The kind of independent pairs that reaches the largest statistic; of several the first by name.
fn largest_at(answers: &[(&Row, Answer)], largest: Option<f64>) -> Option<String> {
    let reaches = |(row, answer): &&(&Row, Answer)| row.truth == Truth::Independent && answer.applies && answer.statistic == largest;
    let kinds = answers.iter().filter(reaches).map(|(row, _)| row.transformation.as_str());
    largest.and_then(|_| kinds.min()).map(str::to_owned)
}

fn by_kind(rows: &[Row], truth: Truth) -> Vec<Apart> {
    let mut kinds: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.truth == truth) {
        let counts = kinds.entry(&row.transformation).or_default();
        counts[0] += 1;
        for (count, conclusion) in counts[1..].iter_mut().zip([SUPPORTS_DERIVATION, SUPPORTS_INDEPENDENCE, INCONCLUSIVE]) {
            *count += usize::from(row.conclusion == conclusion);
        }
    }
    let apart = |(transformation, [n, supports_derivation, supports_independence, inconclusive]): (&str, [usize; 4])| Apart {
        transformation: transformation.to_owned(),
        n,
        supports_derivation,
        supports_independence,
        inconclusive,
    };
    kinds.into_iter().map(apart).collect()
}

fn together(rows: &[Row]) -> Together {
    let count = |truth: Truth, conclusion: &str| rows.iter().filter(|row| row.truth == truth && row.conclusion == conclusion).count();
    let of = |truth: Truth| rows.iter().filter(|row| row.truth == truth).count();
    let (derived, independent) = (of(Truth::Derived), of(Truth::Independent));
    let false_positives = count(Truth::Independent, SUPPORTS_DERIVATION);
    Together {
        derived,
        supported: count(Truth::Derived, SUPPORTS_DERIVATION),
        derived_inconclusive: count(Truth::Derived, INCONCLUSIVE),
        independent,
        false_positives,
        independent_inconclusive: count(Truth::Independent, INCONCLUSIVE),
        // The upper end of the two-sided 90 % interval is that of the one-sided 95 % one.
        false_positive_bound: clopper_pearson(false_positives as u64, independent as u64, 0.9).ok().map(|interval| interval.1),
    }
}

/// The demands that the table can answer.
fn bars(table: &Table) -> Vec<Bar> {
    let mut bars = Vec::new();
    for column in table.columns.iter().filter(|column| column.kind == Kind::Exact) {
        let Some(null) = &column.null else { continue };
        for size in &null.sizes {
            bars.push(Bar {
                what: format!("{} nominal at {} over {SAME_RECIPE_DEMANDED} pairs", column.id, size.alpha),
                found: format!("{} of {}, {}", size.rejected, null.n, size.is.name()),
                is_met: size.is == SizeIs::Nominal && null.n >= SAME_RECIPE_DEMANDED,
            });
        }
    }
    if let Some(exact) = table.column(ANY_EXACT) {
        let cell = table.sum(exact, |group| group.disguise == UNDISGUISED);
        bars.push(Bar {
            what: "exact tests reject on every undisguised derivation".into(),
            found: format!("{} of {}", cell.found, cell.n),
            is_met: cell.n > 0 && cell.found == cell.n,
        });
    }
    if let Some(verdicts) = table.column(TOGETHER) {
        let cell = table.sum(verdicts, |group| ![UNDISGUISED, ATTACK].contains(&group.disguise.as_str()));
        let Together { false_positives, independent, .. } = table.together;
        bars.push(Bar {
            what: "verdicts find .99 of the disguised pairs, at no false positive".into(),
            found: format!("{} of {}; {false_positives} false positives in {independent} independent pairs", cell.found, cell.n),
            is_met: cell.share().is_some_and(|share| share >= 0.99) && false_positives == 0 && independent > 0,
        });
    }
    for kind in table.apart.iter().filter(|kind| kind.transformation.contains(STUDENT)) {
        bars.push(Bar {
            what: format!("derivation reads independent: {}", kind.transformation),
            found: format!("{} of {}, {} said to be derived", kind.supports_independence, kind.n, kind.supports_derivation),
            is_met: kind.supports_independence == kind.n,
        });
    }
    for kind in &table.shared_initialisation {
        bars.push(Bar {
            what: format!("one initialisation, trained apart, is not called derivation: {}", kind.transformation),
            found: format!("{} of {} said to be derived", kind.supports_derivation, kind.n),
            is_met: kind.supports_derivation == 0,
        });
    }
    bars
}
