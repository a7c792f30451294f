//! Positions as turns: dimension `j` of a head and dimension `j + n/2` turn together, by an angle that grows with the position.

use crate::NotRunnable;
use serde_json::Value;
use std::f64::consts::TAU;

/// The frequencies of one kind of block.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rotary {
    /// Radians a position, one a pair of dimensions; those of the first `2n` dimensions of a head.
    frequencies: Vec<f64>,
    /// What sines and cosines are multiplied by, which some long-context scalings do.
    factor: f64,
    /// Longer sequences than this turn by other frequencies.
    beyond: Option<(usize, Vec<f64>)>,
}

/// What the frequencies are made from.
pub(crate) struct RotaryNumbers<'a> {
    /// Dimensions that turn.
    pub(crate) dims: usize,
    pub(crate) base: f64,
    /// `rope_parameters`, `rope_scaling`, or what a header says of it.
    pub(crate) scaling: Option<&'a Value>,
    pub(crate) max_positions: Option<f64>,
    pub(crate) original_max_positions: Option<f64>,
}

impl RotaryNumbers<'_> {
    fn number(&self, key: &str) -> Option<f64> {
        self.scaling?.get(key)?.as_f64()
    }

    fn required(&self, key: &str) -> Result<f64, NotRunnable> {
        self.number(key).ok_or_else(|| NotRunnable(format!("its rotary scaling has no `{key}`")))
    }

    fn original_max(&self) -> Result<f64, NotRunnable> {
        let found = self.number("original_max_position_embeddings").or(self.original_max_positions).or(self.max_positions);
        found.ok_or_else(|| NotRunnable("its rotary scaling has no `original_max_position_embeddings`".into()))
    }

    fn plain(&self) -> Vec<f64> {
        (0..self.dims / 2).map(|j| self.base.powf(-2.0 * j as f64 / self.dims as f64)).collect()
    }

    /// How much longer the context is than in training.
    fn stretch(&self) -> Result<f64, NotRunnable> {
        match (self.number("factor"), self.max_positions) {
            (Some(factor), _) => Ok(factor),
            (None, Some(max)) => Ok(max / self.original_max()?),
            _ => NotRunnable::because("its rotary scaling has no `factor`"),
        }
    }
}

impl Rotary {
    /// Frequencies from what a checkpoint says.
    ///
    /// # Errors
    /// If the kind of scaling is not known, or lacks a number.
    pub(crate) fn new(numbers: &RotaryNumbers<'_>) -> Result<Self, NotRunnable> {
        let text = |key: &str| numbers.scaling.and_then(|scaling| scaling.get(key)?.as_str());
        let plain = numbers.plain();
        let unscaled = |frequencies| Ok(Self { frequencies, factor: 1.0, beyond: None });
        match text("rope_type").or_else(|| text("type")).unwrap_or("default") {
            // Dynamic scaling begins where a sequence is longer than the training's.
            "default" | "none" | "dynamic" => unscaled(plain),
            "linear" => {
                let factor = numbers.required("factor")?;
                unscaled(plain.into_iter().map(|frequency| frequency / factor).collect())
            }
            "llama3" => llama3(numbers, plain).and_then(unscaled),
            "yarn" => yarn(numbers, plain),
            "longrope" | "su" => longrope(numbers, &plain),
            other => NotRunnable::because(format!("its rotary scaling is `{}`, which is not known here", other.escape_debug())),
        }
    }

    /// How long a sequence may be before all its positions turn by other frequencies.
    pub(crate) fn limit(&self) -> Option<usize> {
        self.beyond.as_ref().map(|(limit, _)| *limit)
    }

    /// Sines and cosines for sequences of up to `n` tokens.
    pub(crate) fn tables(&self, n: usize) -> RotaryTables {
        let beyond = self.beyond.as_ref().filter(|(limit, _)| n > *limit);
        RotaryTables {
            within: RotaryTable::new(&self.frequencies, self.factor, n),
            beyond: beyond.map(|(limit, frequencies)| (*limit, RotaryTable::new(frequencies, self.factor, n))),
        }
    }
}

/// Frequencies that turn less than once over the training's context are divided by the factor, fast ones are kept (Llama 3.1).
fn llama3(numbers: &RotaryNumbers<'_>, plain: Vec<f64>) -> Result<Vec<f64>, NotRunnable> {
    let (factor, original) = (numbers.required("factor")?, numbers.original_max()?);
    let (low, high) = (numbers.required("low_freq_factor")?, numbers.required("high_freq_factor")?);
    let scaled = |frequency: f64| {
        let kept = ((original * frequency / TAU - low) / (high - low)).clamp(0.0, 1.0);
        frequency * (kept + (1.0 - kept) / factor)
    };
    Ok(plain.into_iter().map(scaled).collect())
}

/// YaRN (arXiv 2309.00071): interpolated where a pair turns seldom, kept where it turns often, a ramp between.
fn yarn(numbers: &RotaryNumbers<'_>, plain: Vec<f64>) -> Result<Rotary, NotRunnable> {
    let (factor, original) = (numbers.stretch()?, numbers.original_max()?);
    let dims = numbers.dims as f64;
    let pair_of = |turns: f64| dims * (original / (turns * TAU)).ln() / (2.0 * numbers.base.ln());
    let or = |key: &str, default: f64| numbers.number(key).filter(|&n| n != 0.0).unwrap_or(default);
    let (mut low, mut high) = (pair_of(or("beta_fast", 32.0)), pair_of(or("beta_slow", 1.0)));
    if numbers.scaling.and_then(|s| s.get("truncate")?.as_bool()).unwrap_or(true) {
        (low, high) = (low.floor(), high.ceil());
    }
    let low = if low > 0.0 { low } else { 0.0 };
    let high = if high < dims - 1.0 { high } else { dims - 1.0 };
    // The width of the ramp where it would have none, as published.
    let width = if high == low { 0.001 } else { high - low };
    let scaled = |(j, frequency): (usize, f64)| {
        let interpolated = ((j as f64 - low) / width).clamp(0.0, 1.0);
        frequency * (1.0 - interpolated + interpolated / factor)
    };
    let growth = |scale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 };
    let inferred = match (or("mscale", 0.0), or("mscale_all_dim", 0.0)) {
        (own, all) if own != 0.0 && all != 0.0 => growth(own) / growth(all),
        _ => growth(1.0),
    };
    let frequencies = plain.into_iter().enumerate().map(scaled).collect();
    Ok(Rotary { frequencies, factor: numbers.number("attention_factor").unwrap_or(inferred), beyond: None })
}

/// LongRoPE (arXiv 2402.13753): each frequency has a divisor of its own, and another in sequences longer than the training's.
fn longrope(numbers: &RotaryNumbers<'_>, plain: &[f64]) -> Result<Rotary, NotRunnable> {
    let divided = |key: &str| {
        let divisors = numbers.scaling.and_then(|scaling| scaling.get(key)?.as_array());
        let divisors: Vec<f64> = divisors.into_iter().flatten().filter_map(Value::as_f64).collect();
        if divisors.len() != plain.len() {
            return NotRunnable::because(format!("its `{key}` has {} numbers for {} frequencies", divisors.len(), plain.len()));
        }
        Ok(plain.iter().zip(divisors).map(|(frequency, divisor)| frequency / divisor).collect::<Vec<f64>>())
    };
    let (factor, original) = (numbers.stretch()?, numbers.original_max()?);
    let inferred = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original.ln()).sqrt() };
    Ok(Rotary {
        frequencies: divided("short_factor")?,
        factor: numbers.number("attention_factor").unwrap_or(inferred),
        beyond: Some((original as usize, divided("long_factor")?)),
    })
}

/// Sines and cosines of one kind of block.
pub(crate) struct RotaryTables {
    within: RotaryTable,
    /// For sequences that are longer than so many tokens.
    beyond: Option<(usize, RotaryTable)>,
}

impl RotaryTables {
    /// For a sequence of `n` tokens.
    pub(crate) fn of(&self, n: usize) -> &RotaryTable {
        match &self.beyond {
            Some((limit, table)) if n > *limit => table,
            _ => &self.within,
        }
    }
}

/// Sines and cosines by position.
pub(crate) struct RotaryTable {
    pairs: usize,
    sin: Vec<f32>,
    cos: Vec<f32>,
}

impl RotaryTable {
    /// Of positions `0..n`, `[n, pairs]` each.
    fn new(frequencies: &[f64], factor: f64, n: usize) -> Self {
        let angles = |position: usize| frequencies.iter().map(move |frequency| position as f64 * frequency);
        let of = |f: fn(f64) -> f64| (0..n).flat_map(|p| angles(p).map(f)).map(|v| (v * factor) as f32).collect();
        Self { pairs: frequencies.len(), sin: of(f64::sin), cos: of(f64::cos) }
    }

    /// Turns the heads of consecutive tokens, `[tokens, heads · head_dim]`; the first token stands at position 0.
    pub(crate) fn turn(&self, vectors: &mut [f32], width: usize, head_dim: usize) {
        self.turn_by(1.0, vectors, width, head_dim);
    }

    /// What a gradient undergoes where its vector was turned: the same, the other way.
    pub(crate) fn turn_back(&self, vectors: &mut [f32], width: usize, head_dim: usize) {
        self.turn_by(-1.0, vectors, width, head_dim);
    }

    fn turn_by(&self, sense: f32, vectors: &mut [f32], width: usize, head_dim: usize) {
        if self.pairs == 0 {
            return;
        }
        for (position, vector) in vectors.chunks_exact_mut(width).enumerate().take(self.sin.len() / self.pairs) {
            self.turn_at(position, sense, vector, head_dim);
        }
    }

    /// Turns the heads of one token.
    pub(crate) fn turn_at(&self, position: usize, sense: f32, vector: &mut [f32], head_dim: usize) {
        let own = position * self.pairs..(position + 1) * self.pairs;
        let (sin, cos) = (&self.sin[own.clone()], &self.cos[own]);
        for head in vector.chunks_exact_mut(head_dim) {
            let (first, rest) = head.split_at_mut(self.pairs);
            for (((a, b), &sin), &cos) in first.iter_mut().zip(rest).zip(sin).zip(cos) {
                let sin = sense * sin;
                (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
            }
        }
    }
}
