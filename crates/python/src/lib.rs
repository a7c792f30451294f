//! The native part of the Python package `filiation`: thin shims, one file a class. What they do is done by the other crates.

mod checkpoint;
mod comparison;
mod error;
mod observation;
mod prompts;
mod recorder;
mod watermark;

use pyo3::prelude::*;

/// The native part of `filiation`; use that package instead.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::checkpoint::Checkpoint;
    #[pymodule_export]
    use super::comparison::{compare, inspect, render_html, render_text, write_report};
    #[pymodule_export]
    use super::observation::{Observation, observe_checkpoint};
    #[pymodule_export]
    use super::prompts::PromptSet;
    #[pymodule_export]
    use super::recorder::Recorder;
    #[pymodule_export]
    use super::watermark::Watermark;
}
