//! "What is a correlation of attention worth": a section of the report's page, and the same alone as a page and as text.

mod standing;
mod text;
mod view;

pub use text::text;

use crate::RenderError;
use crate::data::{AttentionClaim, Finding, Outcome, Report};
use crate::html;

pub(crate) use view::View;

/// The section alone, as one HTML file with the files, the command and the words that belong to it. The same data give the same bytes.
///
/// A report without a claim gives a page that says why there is none.
pub fn render(report: &Report) -> Result<String, RenderError> {
    html::claim_page(report)
}

/// The methods that the page shows: the one that carries the claim, and the one whose margin judges what remains of it.
pub const METHODS: [&str; 2] = ["activations.attention", "activations.attention-residual"];

/// The claim.
pub(crate) fn of(report: &Report) -> Option<&AttentionClaim> {
    findings(report).find_map(|finding| finding.attention.as_ref())
}

/// What the methods of the page found.
pub(crate) fn findings(report: &Report) -> impl Iterator<Item = &Finding> {
    report.findings.iter().filter(|finding| METHODS.contains(&finding.method.as_str()))
}

/// Why there is no claim to show.
pub(crate) fn why_none(report: &Report) -> String {
    let unseen = findings(report).filter(|finding| finding.outcome != Outcome::Observed);
    let why = unseen.filter_map(|f| f.why.as_deref()).find(|why| !why.is_empty());
    why.unwrap_or("the report holds no measurement of attention").to_owned()
}
