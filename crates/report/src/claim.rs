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

/// The finding that carries the claim.
pub(crate) fn of(report: &Report) -> Option<(&Finding, &AttentionClaim)> {
    report.findings.iter().find_map(|finding| Some((finding, finding.attention.as_ref()?)))
}

/// Why there is no claim to show.
pub(crate) fn why_none(report: &Report) -> String {
    let findings = report.findings.iter().filter(|f| f.outcome != Outcome::Observed && f.method.contains("attention"));
    let why = findings.filter_map(|f| f.why.as_deref()).find(|why| !why.is_empty());
    why.unwrap_or("the report holds no measurement of attention").to_owned()
}
