//! From the observations of one question to a conclusion, its scope, and a sentence that a judge can read.
//!
//! Only this crate concludes. It concludes from exact evidence and from sizes, never from metadata, and never sums log likelihood ratios.

pub mod calibration;
mod derivation;
pub mod distillation;
mod margin;
mod observed;
mod scope;
mod wording;

pub use calibration::{Calibration, CalibrationError, Evaluation};
pub use derivation::{Conclusion, StrongestP, Verdict, derivation};
pub use margin::{Control, MIN_CONTROLS, Margin, MarginOutcome};
pub use scope::{LayerScope, Scope, role_name};
pub use wording::{SyntheticWording, VerbalScale, VerbalStep, Wording, WordingError};
