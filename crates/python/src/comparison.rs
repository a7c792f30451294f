//! Comparisons and inspections, as the text of their JSON contract; the Python side gives them attributes.

use crate::error::{IntoPython as _, error};
use filiation::cli::{Compare, Format, Inspect, Pair, Run};
use filiation::library;
use pyo3::prelude::*;
use report::data::Report;
use std::path::PathBuf;

/// What `filiation compare --format json` prints.
#[pyfunction]
#[pyo3(signature = (reference, suspect, *, controls, parents, registered_controls, methods, prompts, run, seed))]
#[expect(clippy::too_many_arguments, reason = "the options of the command, each by its name")]
pub(crate) fn compare(
    py: Python<'_>,
    reference: PathBuf,
    suspect: PathBuf,
    controls: Vec<PathBuf>,
    parents: Vec<PathBuf>,
    registered_controls: bool,
    methods: Vec<String>,
    prompts: Option<PathBuf>,
    run: &str,
    seed: u64,
) -> PyResult<String> {
    let run = match run {
        "auto" => Run::Auto,
        "always" => Run::Always,
        "never" => Run::Never,
        other => return Err(error(py, &format!("run: found `{}`, expected auto, always or never", other.escape_debug()), None)),
    };
    let pair = Pair {
        reference,
        suspect,
        control: controls,
        no_registered_controls: !registered_controls,
        prompts,
        report: None,
        format: Format::Json,
        seed,
    };
    let args = Compare { pair, parent: parents, method: methods, run, fail_on: None };
    let report = py.detach(|| library::compare(&args)).map_err(|e| e.into_python(py))?;
    report::json::render(&report).map_err(|e| error(py, &format!("report: {e}"), None))
}

/// What `filiation inspect --format json` prints.
#[pyfunction]
pub(crate) fn inspect(py: Python<'_>, model: PathBuf) -> PyResult<String> {
    let args = Inspect { model, tensors: true, format: Format::Json };
    py.detach(|| library::inspect(&args)).map_err(|e| e.into_python(py))
}

fn parse(py: Python<'_>, json: &str) -> PyResult<Report> {
    serde_json::from_str(json).map_err(|e| error(py, &format!("report: found {e}, expected {}", report::data::SCHEMA), None))
}

/// The page of a report that is given as JSON.
#[pyfunction]
pub(crate) fn render_html(py: Python<'_>, json: &str) -> PyResult<String> {
    let report = parse(py, json)?;
    py.detach(|| report::html::render(&report)).map_err(|e| error(py, &format!("report: {e}"), None))
}

/// The text of a report that is given as JSON, as a terminal shows it.
#[pyfunction]
pub(crate) fn render_text(py: Python<'_>, json: &str) -> PyResult<String> {
    let report = parse(py, json)?;
    Ok(report::text::render(&report, report::text::Options { colour: false, written_to: None }))
}

/// Writes `report.json` and `report.html` into a folder.
#[pyfunction]
pub(crate) fn write_report(py: Python<'_>, json: &str, folder: PathBuf) -> PyResult<()> {
    let report = parse(py, json)?;
    py.detach(|| library::write_report(&report, &folder)).map_err(|e| e.into_python(py))
}
