//! Blocks of the suspect against blocks of the reference, or matrix against matrix: derivation is a diagonal, independence is an empty field.

use super::field::{self, Field};
use super::svg::{Anchor, Svg};
use super::{Figure, NumberTable, WIDTH, label_every};
use crate::data::{BlockMatrix, Entries, TensorMatch};
use crate::{numbers, words};

/// Cells larger than this are not needed.
const LARGEST_CELL: f64 = 56.0;
/// Cells at least this large hold their value as text.
const CELL_WITH_TEXT: f64 = 34.0;
/// Cells at least this large show which one is the highest of its column.
const CELL_WITH_MARK: f64 = 5.0;
/// Below this no value is marked: the highest of a column of noise means nothing.
const MARKED: f64 = 0.1;
/// Rows and columns that are drawn and listed.
const LARGEST_SIDE: usize = 128;
/// Letters of a name beside the field.
const LETTERS: usize = 14;
const LETTER: f64 = 7.3;

pub(super) fn draw(matrix: &BlockMatrix, matches: &[TensorMatch]) -> Option<Figure> {
    let (n_rows, n_cols) = (matrix.rows.len().min(LARGEST_SIDE), matrix.cols.len().min(LARGEST_SIDE));
    if n_rows == 0 || n_cols == 0 {
        return None;
    }
    let letters = |names: &[String]| names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as f64;
    let (row_labels, col_labels) = (short_labels(&matrix.rows), short_labels(&matrix.cols));
    let upright = matrix.entries == Entries::Tensors;
    let left = 29.0 + LETTER * letters(&row_labels);
    let top = if upright { 30.0 + LETTER * letters(&col_labels) } else { 46.0 };
    let cell = ((WIDTH - left - 2.0) / n_cols as f64).clamp(0.5, LARGEST_CELL);
    let field = Field { left, top, cell: (cell, cell), n_rows, n_cols };
    let mut svg = Svg::new();

    let things = if upright { "matrices" } else { "blocks" };
    svg.text(((left + field.right()) / 2.0, 14.0), Anchor::Middle, "axis", &format!("{things} of the suspect"));
    svg.text_upwards((12.0, (top + field.bottom()) / 2.0), Anchor::Middle, "axis", &format!("{things} of the reference"));
    let every = label_every(n_cols, cell, if upright { 14.0 } else { LETTER * letters(&col_labels) + 6.0 });
    for (j, name) in col_labels.iter().take(n_cols).enumerate().step_by(every) {
        let x = left + cell * (j as f64 + 0.5);
        if upright {
            svg.text_upwards((x + 4.5, top - 6.0), Anchor::Start, "tick", name);
        } else {
            svg.text((x, top - 8.0), Anchor::Middle, "tick", name);
        }
    }
    let every = label_every(n_rows, cell, 14.0);
    for (i, name) in row_labels.iter().take(n_rows).enumerate().step_by(every) {
        svg.text((left - 7.0, top + cell * (i as f64 + 0.5) + 4.0), Anchor::End, "tick", name);
    }
    draw_cells(&mut svg, matrix, &field);
    let bottom = draw_legend(&mut svg, matrix, &field);

    let title = if upright { "Every matrix against every matrix" } else { "Every block against every block" }.to_owned();
    let caption = caption(matrix, matches);
    let svg = svg.finish("fig-blocks", (WIDTH, bottom), &title, &caption);
    Some(Figure { id: "fig-blocks", title, caption, svg: Some(svg), tables: vec![table(matrix, &field)], wide: false })
}

fn draw_cells(svg: &mut Svg, matrix: &BlockMatrix, field: &Field) {
    let (cell, _) = field.cell;
    field.draw(svg, ("reference", "suspect"), |row, col| value_at(matrix, row, col));
    if cell >= CELL_WITH_TEXT {
        for (row, col) in field.places() {
            if let Some(value) = value_at(matrix, row, col) {
                let (x, y) = field.at(row, col);
                let class = if value.abs() > 0.7 { "value on" } else { "value" };
                svg.text((x + cell / 2.0, y + cell / 2.0 + 4.5), Anchor::Middle, class, &two_decimals(value));
            }
        }
    }
    // Marks after all cells, so that no cell covers one.
    for col in 0..field.n_cols {
        if let Some((row, best)) = best_of_column(matrix, col)
            && cell >= CELL_WITH_MARK
            && best >= MARKED
            && row < field.n_rows
        {
            let (inset, class) = if cell >= 16.0 { (1.5, "best") } else { (0.3, "best thin") };
            let (x, y) = field.at(row, col);
            svg.rect(x + inset, y + inset, cell - 2.0 * inset, cell - 2.0 * inset, class);
        }
    }
    svg.rect(field.left, field.top, field.right() - field.left, field.bottom() - field.top, "frame");
}

fn value_at(matrix: &BlockMatrix, row: usize, col: usize) -> Option<f64> {
    matrix.values.get(row)?.get(col).copied().flatten().filter(|v| v.is_finite())
}

/// The scale is fixed, so that two reports can be held side by side. Gives where the drawing ends.
fn draw_legend(svg: &mut Svg, matrix: &BlockMatrix, field: &Field) -> f64 {
    let values = || matrix.values.iter().flatten();
    let negative = values().flatten().any(|v| *v < -0.1);
    let left = 29.0;
    let mut top = field.bottom() + 16.0;
    let width = field::draw_scale(svg, (left, top), negative);
    let x = left + width + 26.0;
    if (0..field.n_cols).any(|col| best_of_column(matrix, col).is_some_and(|(_, best)| best >= MARKED)) && field.cell.0 >= CELL_WITH_MARK {
        svg.rect(x, top - 1.0, 12.0, 12.0, "best");
        svg.text((x + 18.0, top + 9.5), Anchor::Start, "tick", "highest of its column");
        top += 20.0;
    }
    if values().any(Option::is_none) {
        svg.rect(x, top - 1.0, 12.0, 12.0, "absent");
        svg.text((x + 18.0, top + 9.5), Anchor::Start, "tick", "shapes differ");
    }
    field.bottom() + 48.0
}

fn caption(matrix: &BlockMatrix, matches: &[TensorMatch]) -> String {
    let tensors = matrix.entries == Entries::Tensors;
    let (one, many) = if tensors { ("matrix", "matrices") } else { ("block", "blocks") };
    // By column, because the question is where each part of the suspect comes from.
    let cols: Vec<(usize, usize, f64)> =
        (0..matrix.cols.len()).filter_map(|j| best_of_column(matrix, j).map(|(i, best)| (i, j, best))).collect();
    let mut caption = format!(
        "Each cell lays one {one} of the suspect (column) over one {one} of the reference (row); the darker, the more alike. Shared \
         weights draw a diagonal, independent models an empty field."
    );
    if tensors {
        caption.push_str(" Rows stand in the order of their partners.");
    }
    let highest = cols.iter().map(|(_, _, best)| *best).max_by(f64::total_cmp);
    let clear: Vec<_> = cols.iter().filter(|(_, _, best)| *best >= MARKED).collect();
    let in_place = clear.iter().filter(|(i, j, _)| if tensors { i == j } else { matrix.rows.get(*i) == matrix.cols.get(*j) }).count();
    let lowest = clear.iter().map(|(_, _, best)| *best).min_by(f64::total_cmp);
    let runner_up = (0..matrix.cols.len()).filter_map(|j| runner_up_of_column(matrix, j)).max_by(f64::total_cmp);
    match (lowest, highest) {
        (Some(lowest), _) => {
            let n = clear.len();
            let size = if n == 1 { numbers::plain(lowest) } else { format!("{} or more", numbers::plain(lowest)) };
            let is = if n == 1 { "is" } else { "are" };
            let place = match (in_place == n, tensors) {
                (true, true) => "always its partner".to_owned(),
                (true, false) => "always at the same place".to_owned(),
                (false, true) => format!("its partner for {in_place} of them"),
                (false, false) => format!("at the same place for {in_place} of them"),
            };
            caption.push_str(&format!(
                " {n} of {} {many} of the suspect {is} clearly like one of the reference ({size}), {place}.",
                cols.len()
            ));
            if let Some(runner_up) = runner_up {
                caption.push_str(&format!(" The highest second value of any column is {}.", numbers::plain(runner_up)));
            }
        }
        (None, Some(highest)) => {
            caption.push_str(&format!(
                " Here no {one} of the suspect is like any {one} of the reference; the highest value is {}.",
                numbers::plain(highest)
            ));
        }
        (None, None) => {}
    }
    if !matrix.measure.is_empty() {
        let roles = matrix.roles.iter().map(|role| words::role(role)).collect::<Vec<_>>().join(", ");
        let over = if roles.is_empty() { String::new() } else { format!(" over {roles}") };
        caption.push_str(&format!(" Value: {}{over}.", words::lower_first(&matrix.measure)));
    }
    let n_matrices = matches.iter().filter(|m| super::is_matrix(m)).count();
    if tensors && n_matrices > matrix.cols.len() {
        caption.push_str(&format!(" Shown: the {} largest of {n_matrices} paired matrices.", matrix.cols.len()));
    }
    if matrix.rows.len() > LARGEST_SIDE || matrix.cols.len() > LARGEST_SIDE {
        caption.push_str(&format!(
            " Cut: the models have {} and {} {many}, the first {LARGEST_SIDE} of each are shown here and in the table; report.json has all.",
            matrix.rows.len(),
            matrix.cols.len()
        ));
    }
    caption
}

/// Row and value of the highest value of a column.
fn best_of_column(matrix: &BlockMatrix, col: usize) -> Option<(usize, f64)> {
    let values = (0..matrix.rows.len()).filter_map(|row| value_at(matrix, row, col).map(|v| (row, v)));
    // The first of equals, whatever max_by would take.
    values.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

/// The second highest value of a column.
fn runner_up_of_column(matrix: &BlockMatrix, col: usize) -> Option<f64> {
    let (best, _) = best_of_column(matrix, col)?;
    (0..matrix.rows.len()).filter(|row| *row != best).filter_map(|row| value_at(matrix, row, col)).max_by(f64::total_cmp)
}

fn table(matrix: &BlockMatrix, field: &Field) -> NumberTable {
    let mut head = vec!["reference \\ suspect".to_owned()];
    head.extend(matrix.cols.iter().take(field.n_cols).cloned());
    let rows = (0..field.n_rows).map(|i| {
        let mut row = vec![matrix.rows.get(i).cloned().unwrap_or_default()];
        row.extend((0..field.n_cols).map(|j| value_at(matrix, i, j).map_or_else(|| "–".to_owned(), numbers::three_decimals)));
        row
    });
    NumberTable { head, rows: rows.collect(), ..NumberTable::default() }
}

fn two_decimals(value: f64) -> String {
    // Only the same is 1.00.
    let shown = if value.abs() < 1.0 - 1e-9 { value.abs().clamp(0.0, 0.99) } else { value.abs() };
    signed(value, format!("{shown:.2}"))
}

fn signed(value: f64, text: String) -> String {
    if value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) { format!("−{text}") } else { text }
}

/// Names that fit beside the field. Names that a cut would make alike lose what they have in common instead.
fn short_labels(names: &[String]) -> Vec<String> {
    let cut: Vec<String> = names.iter().map(|name| super::shorten(name, LETTERS)).collect();
    let others = |name: &String, label: &String| -> Vec<&String> {
        names.iter().zip(&cut).filter(|(other, same)| *same == label && *other != name).map(|(other, _)| other).collect()
    };
    names
        .iter()
        .zip(&cut)
        .map(|(name, label)| match others(name, label) {
            others if others.is_empty() => label.clone(),
            others => distinct_part(name, &others),
        })
        .collect()
}

/// What is left of a name without the start and the end that it shares with all others; numbers stay whole.
fn distinct_part(name: &str, others: &[&String]) -> String {
    let letters: Vec<char> = name.chars().collect();
    let common = |ordered: &dyn Fn(&str) -> Vec<char>| -> usize {
        let own = ordered(name);
        others.iter().map(|other| own.iter().zip(ordered(other)).take_while(|(a, b)| **a == *b).count()).min().unwrap_or(0)
    };
    let mut start = common(&|text| text.chars().collect()).min(letters.len());
    let mut end = letters.len().saturating_sub(common(&|text| text.chars().rev().collect()).min(letters.len() - start));
    while start > 0 && letters[start - 1].is_ascii_digit() {
        start -= 1;
    }
    while end < letters.len() && letters[end].is_ascii_digit() {
        end += 1;
    }
    let part: String = letters[start..end.max(start)].iter().collect();
    let mark = |cut: bool| if cut { "…" } else { "" };
    super::shorten(&format!("{}{part}{}", mark(start > 0), mark(end < letters.len())), LETTERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(n: usize) -> BlockMatrix {
        let names: Vec<String> = (0..n).map(|i| i.to_string()).collect();
        let values = (0..n).map(|i| (0..n).map(|j| Some(if i == j { 0.99 } else { -0.001 })).collect()).collect();
        BlockMatrix { rows: names.clone(), cols: names, values, ..BlockMatrix::default() }
    }

    #[test]
    fn a_cut_is_announced() {
        let cut = draw(&square(130), &[]).unwrap();
        assert!(cut.caption.contains("the models have 130 and 130 blocks, the first 128 of each"), "{}", cut.caption);
        assert_eq!((cut.tables[0].rows.len(), cut.tables[0].head.len()), (128, 129));
        let whole = draw(&square(128), &[]).unwrap();
        assert!(!whole.caption.contains("Cut"));
    }

    #[test]
    fn a_hundred_blocks_weigh_little() {
        let figure = draw(&square(126), &[]).unwrap();
        let svg = figure.svg.unwrap().to_string();
        assert!(svg.len() < 400_000, "{} bytes", svg.len());
    }

    #[test]
    fn matrices_are_called_matrices_and_long_names_are_cut() {
        let mut matrix = square(3);
        matrix.entries = Entries::Tensors;
        matrix.cols = vec!["onnx::MatMul_1979_quantized".to_owned(); 3];
        let figure = draw(&matrix, &[]).unwrap();
        assert_eq!(figure.title, "Every matrix against every matrix");
        assert!(
            figure
                .caption
                .contains("3 of 3 matrices of the suspect are clearly like one of the reference (0.99 or more), always its partner."),
            "{}",
            figure.caption
        );
        let svg = figure.svg.unwrap().to_string();
        assert!(svg.contains(">onnx::M…ntized<"), "{svg}");
    }

    /// Names of the decoder of an exported T5.
    #[test]
    fn labels_keep_what_tells_names_apart() {
        let names =
            ["onnx::MatMul_1979_quantized", "onnx::MatMul_1989_quantized", "m.shared.weight_quantized", "0.attn_k"].map(str::to_owned);
        assert_eq!(short_labels(&names), ["…1979…", "…1989…", "m.share…ntized", "0.attn_k"]);
        let same = vec!["one_name_that_is_long".to_owned(); 2];
        assert_eq!(short_labels(&same).len(), 2);
    }

    #[test]
    fn noise_is_not_marked_and_there_is_no_negative_zero() {
        let mut matrix = square(4);
        matrix.values.iter_mut().flatten().for_each(|v| *v = Some(-0.0004));
        let figure = draw(&matrix, &[]).unwrap();
        assert!(figure.caption.contains("no block of the suspect is like any block of the reference"));
        let svg = figure.svg.unwrap().to_string();
        assert!(!svg.contains("class=\"best\"") && !svg.contains("−0.00<"), "{svg}");
    }
}
