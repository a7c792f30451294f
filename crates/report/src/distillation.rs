//! "Was it trained on what the reference released": a section of the report's page, and a page and a text of its own.

mod marks;
mod questions;
mod text;
mod view;

pub use text::text;

use crate::RenderError;
use crate::data::{Finding, MarksPicture, NullKind, Outcome, Question, Report, TwinsPicture};
use crate::html;
use crate::numbers;

pub(crate) use marks::MarksView;
pub(crate) use questions::Questions;
pub(crate) use view::{Declared, View};

/// The answer on distillation, as one HTML file with the test, its checks, both questions, the files and the words that belong to it. The same
/// data give the same bytes.
pub fn render(report: &Report) -> Result<String, RenderError> {
    html::distillation_page(report)
}

/// What released replies show beside their twins.
pub(crate) fn of(report: &Report) -> Option<&TwinsPicture> {
    report.findings.iter().find_map(|finding| finding.twins.as_ref())
}

/// What a watermark's key says of the suspect.
pub(crate) fn marks_of(report: &Report) -> Option<&MarksPicture> {
    findings(report).find_map(|finding| finding.marks.as_ref())
}

/// What methods found that speak to the question.
pub(crate) fn findings(report: &Report) -> impl Iterator<Item = &Finding> {
    report.findings.iter().filter(|finding| finding.question == Question::Distillation)
}

/// Why there is no test to show.
pub(crate) fn why_none(report: &Report) -> String {
    let unseen = findings(report).filter(|finding| finding.outcome != Outcome::Observed);
    let why = unseen.filter_map(|f| f.why.as_deref()).find(|why| !why.is_empty());
    why.unwrap_or("the report holds no test of replies").to_owned()
}

/// `p = 0.41`, `p ≤ 10^−9`.
pub(crate) fn p_in_words(log10: f64, null: NullKind) -> String {
    let p = numbers::p_value(log10, Some(null));
    if p.starts_with(['≤', '≈']) { format!("p {p}") } else { format!("p = {p}") }
}
