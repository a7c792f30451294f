//! JSON: the report by the contract, and the schema of the contract, generated from the same types.

use crate::RenderError;
use crate::data::{Report, SCHEMA};
use schemars::generate::SchemaSettings;

/// The report, indented, with a newline at its end. Fails only where a number that must exist is not finite.
pub fn render(report: &Report) -> Result<String, RenderError> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    Ok(text)
}

/// The JSON schema (2020-12) of reports, indented, with a newline at its end.
pub fn schema() -> Result<String, RenderError> {
    // As written, not as read: keys that may be null are written all the same, and are therefore required.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Report>();
    schema.insert("$id".to_owned(), SCHEMA.into());
    let mut text = serde_json::to_string_pretty(&schema)?;
    text.push('\n');
    Ok(text)
}
