//! What is done to a statistic before it is weighed.

use serde::{Deserialize, Serialize};

/// What is done to a statistic before it is weighed. Logarithms are natural.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
pub enum Transform {
    /// Nothing.
    Identity {},
    /// `ln(x / (1 − x))` of a share, which is first held within `clamp` and `1 − clamp`.
    Logit {
        /// Between 0 and ½.
        clamp: f64,
    },
    /// `ln x`, of at least `clamp`.
    Log {
        /// Above 0.
        clamp: f64,
    },
}

impl Transform {
    /// The transformed statistic; `None` of a statistic that is not finite.
    pub fn apply(&self, statistic: f64) -> Option<f64> {
        if !statistic.is_finite() {
            return None;
        }
        Some(match *self {
            Self::Identity {} => statistic,
            Self::Logit { clamp } => {
                let share = statistic.clamp(clamp, 1.0 - clamp);
                share.ln() - (-share).ln_1p()
            }
            Self::Log { clamp } => statistic.clamp(clamp, f64::MAX).ln(),
        })
    }

    /// Found and expected, of a clamp that is out of range.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        match *self {
            Self::Logit { clamp } if !(clamp > 0.0 && clamp < 0.5) => Err((clamp.to_string(), "above 0 and below ½".into())),
            Self::Log { clamp } if !(clamp > 0.0 && clamp.is_finite()) => Err((clamp.to_string(), "above 0".into())),
            _ => Ok(()),
        }
    }
}
