//! The figures of the page, as SVG that we emit: the same bytes for the same data, readable without scripts, in colour and without.
//!
//! Every figure has a title, a description for those who do not see it, a caption that says what to look for, and its numbers as a
//! table. Colours come from the page's style sheet, so that the figures follow it to paper and to the dark.

pub(crate) mod attention;
mod controls;
pub(crate) mod detection;
mod field;
mod heat_map;
mod layers;
mod margins;
mod remainder;
mod scope;
mod svg;
pub(crate) mod twins;
mod undone;
pub(crate) mod validation;
mod wide;

use crate::data::{Report, TensorMatch};
use serde::Serialize;

pub(crate) use svg::escape;

/// Width of every figure in user units; close to its width on a phone, so that letters keep their size.
const WIDTH: f64 = 440.0;

/// A drawing with everything that explains it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// Anchor: `fig-blocks`.
    pub(crate) id: &'static str,
    /// What is drawn.
    pub(crate) title: String,
    /// What to look for.
    pub(crate) caption: String,
    /// The drawing; markup, already escaped. `None` where the caption says why there is only a table.
    pub(crate) svg: Option<minijinja::Value>,
    /// The numbers of the drawing; where it has several fields, one table a field in the same order, and then what is not drawn.
    pub(crate) tables: Vec<NumberTable>,
    /// Whether it takes the whole width of the page.
    pub(crate) wide: bool,
}

/// Some of the numbers behind a figure.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct NumberTable {
    /// What the numbers are, where there are several tables.
    pub(crate) caption: String,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// Every figure that the report has numbers for, in reading order.
pub(crate) fn all(report: &Report) -> Vec<Figure> {
    let scope = report.verdicts.first().map(|verdict| &verdict.scope);
    [
        report.pictures.undone.as_ref().and_then(undone::draw),
        controls::draw(report),
        remainder::draw(&report.pictures.remainder),
        report.pictures.block_matrix.as_ref().and_then(|matrix| heat_map::draw(matrix, &report.matches)),
        scope.and_then(scope::draw),
        layers::draw(&report.pictures.layers),
        margins::draw(&report.matches),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether the tensor has two axes longer than one: norm gains and biases are alike in all models, and say nothing beside a runner-up.
fn is_matrix(m: &TensorMatch) -> bool {
    m.shape.iter().filter(|n| **n > 1).count() > 1
}

/// The first letter in upper case.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A name cut in the middle, where names differ least.
pub(crate) fn shorten(name: &str, letters: usize) -> String {
    let n = name.chars().count();
    if n <= letters {
        return name.to_owned();
    }
    let head = letters / 2;
    name.chars().take(head).chain(['…']).chain(name.chars().skip(n - (letters - head - 1))).collect()
}

/// Every how many labels one is written, so that `n` labels of `label` units do not overlap in steps of `step` units.
fn label_every(n: usize, step: f64, label: f64) -> usize {
    [1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 256, 500]
        .into_iter()
        .find(|every| *every as f64 * step >= label)
        .unwrap_or(n.max(1))
}
