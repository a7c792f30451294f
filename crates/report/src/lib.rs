//! The report as plain data, and what is drawn from it: terminal text, JSON with its schema, one self-contained HTML page.
//!
//! Everything a rendering shows stands in [`data::Report`]: the HTML page can be made again from `report.json` alone.
//! No rendering decides anything, reads a clock or opens a model.

pub mod claim;
pub mod data;
pub mod distillation;
mod error;
mod figures;
pub mod glossary;
pub mod html;
pub mod json;
mod names;
mod numbers;
pub mod text;
pub mod validation;
pub mod words;

pub use error::RenderError;
pub use figures::detection::{DetectionCurve, detection};
