//! Why a report could not be written.

/// A report that cannot be rendered. The data are at fault, not the reader.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A number that must exist is not finite.
    #[error("the report cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The page could not be filled.
    #[error("the report page cannot be written: {0:#}")]
    Page(#[from] minijinja::Error),
}
