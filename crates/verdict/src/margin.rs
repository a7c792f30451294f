//! A similarity beside controls: does the suspect stand out by more than independent models differ among themselves?

use crate::wording::{Wording, WordingError, fill};
use evidence::{MATCHED, Outcome, Profile, Scale};
use stats::tails::ln_student_sf;
use stats::{NullDistribution, PValue};

/// Controls that it takes to know how much independent models differ.
pub const MIN_CONTROLS: usize = 3;
/// Chance that one more independent model stands out, if the controls' values are normal: one in a thousand, over the two methods that may conclude.
const ALPHA: f64 = 1e-3 / 2.0;
/// Chance of agreements among re-drawn units below which they are not chance.
const LOG10_CHANCE: f64 = -6.0;

/// The same statistic of an independent model.
#[derive(Debug, Clone)]
pub struct Control {
    /// How reports call it.
    pub name: String,
    /// Against the same reference; `None` where the method did not apply.
    pub profile: Option<Profile>,
}

impl Control {
    /// What a method gave on an independent model.
    pub fn of(name: String, outcome: &Outcome) -> Self {
        Self { name, profile: outcome.observed().and_then(|observation| observation.profile.clone()) }
    }
}

/// What the controls allow to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarginOutcome {
    /// Beyond every control by more than the controls differ.
    StandsOut,
    /// No more than independent models show.
    Within,
    /// No conclusion.
    Abstains,
}

/// The suspect's distance from the controls.
#[derive(Debug, Clone, PartialEq)]
pub struct Margin {
    /// The answer.
    pub outcome: MarginOutcome,
    /// In words.
    pub why: String,
    /// Distance from the mean of the controls in units of the prediction error of one more control.
    pub t: Option<f64>,
    /// Chance of it for one more independent model, if the controls' values are normal.
    pub p_value: Option<PValue>,
    /// The largest distance of one control from the others.
    pub largest_of_controls: Option<f64>,
    /// For each block of the suspect the controls' values at the same relative depth.
    pub at_depth: Vec<Vec<Option<f64>>>,
    /// Blocks in which more units agree than re-drawn units and any threshold of caution allow: related, or a reason to ask for controls.
    pub n_matched_blocks: usize,
    /// The largest value of any control in any block.
    pub highest_control: Option<f64>,
    /// Controls to which the method applied.
    pub n_controls: usize,
}

impl Margin {
    /// Judges a profile beside controls.
    ///
    /// Block-paired: the suspect's matched blocks (all of them, where none is) against every control at the same relative depth, or its own best
    /// blocks where those are higher. Values are made comparable (`arcsin √f` for shares, `artanh r` for correlations) and averaged over blocks. With `n` controls of
    /// mean `m` and standard deviation `s`, `t = (y − m) / (s √(1 + 1/n))` is the distance of a new draw, Student with `n − 1` degrees of freedom if
    /// the controls and the suspect are draws of one normal law. `s` is never taken below what counting whole units allows. Before that, every
    /// control is judged by the others in the same way, and none may be matched itself.
    pub(crate) fn judge(profile: &Profile, controls: &[Control], wording: &Wording) -> Result<Self, WordingError> {
        let words = &wording.margin;
        let applied: Vec<(&str, &Profile)> = controls.iter().filter_map(|c| Some((c.name.as_str(), c.profile.as_ref()?))).collect();
        let at_depth = profile.points.iter().map(|p| controls.iter().map(|c| at(c.profile.as_ref()?, p.depth)).collect()).collect();
        let highest_control = applied.iter().flat_map(|(_, p)| p.points.iter().map(|p| p.value)).max_by(f64::total_cmp);
        let matched = matched(profile);
        let n_matched_blocks = if is_beyond_chance(profile) { matched.len() } else { 0 };
        let abstain = |why: String| Self {
            outcome: MarginOutcome::Abstains,
            why,
            t: None,
            p_value: None,
            largest_of_controls: None,
            at_depth,
            n_matched_blocks,
            highest_control,
            n_controls: applied.len(),
        };
        if applied.is_empty() {
            return Ok(abstain(words.no_controls.clone()));
        }
        if applied.len() < MIN_CONTROLS {
            return Ok(abstain(fill(&words.few_controls, &[("n", &applied.len().to_string()), ("least", &MIN_CONTROLS.to_string())])?));
        }
        if let Some((name, _)) = applied.iter().find(|(_, p)| is_beyond_chance(p) && !self::matched(p).is_empty()) {
            return Ok(abstain(fill(&words.control_is_matched, &[("control", name)])?));
        }
        let distance = |mine: &Profile, others: &[&Profile]| -> Option<Distance> { Distance::of(mine, others) };
        let others_of = |k: usize| applied.iter().enumerate().filter(|(i, _)| *i != k).map(|(_, (_, p))| *p).collect::<Vec<_>>();
        let own: Vec<Option<Distance>> = applied.iter().enumerate().map(|(k, (_, p))| distance(p, &others_of(k))).collect();
        let largest = own.iter().flatten().map(|d| d.t).max_by(f64::total_cmp);
        if let Some((k, _)) = own.iter().enumerate().find(|(_, d)| d.as_ref().is_some_and(|d| d.ln_p <= ALPHA.ln())) {
            let mut margin = abstain(fill(&words.self_test_failed, &[("control", applied[k].0)])?);
            margin.largest_of_controls = largest;
            return Ok(margin);
        }
        let all: Vec<&Profile> = applied.iter().map(|(_, p)| *p).collect();
        let Some(found) = distance(profile, &all) else { return Ok(abstain(words.no_blocks.clone())) };
        let beyond_all = found.y > found.highest;
        let stands_out = found.ln_p <= ALPHA.ln() && beyond_all && (profile.scale == Scale::Correlation || n_matched_blocks > 0);
        let values = [
            ("t", format!("{:.1}", found.t)),
            ("n", applied.len().to_string()),
            ("own", largest.map_or_else(|| "–".into(), |t| format!("{t:.1}"))),
        ];
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Ok(Self {
            outcome: if stands_out { MarginOutcome::StandsOut } else { MarginOutcome::Within },
            why: fill(if stands_out { &words.stands_out } else { &words.within }, &values)?,
            t: Some(found.t),
            p_value: Some(PValue::new(found.ln_p, NullDistribution::Asymptotic { law: "Student, a new draw beside the controls" })),
            largest_of_controls: largest,
            ..abstain(String::new())
        })
    }
}

/// A value where equal steps mean equal errors.
fn comparable(value: f64, scale: Scale) -> f64 {
    match scale {
        Scale::Share => value.clamp(0.0, 1.0).sqrt().asin(),
        Scale::Correlation => value.clamp(-0.9999, 0.9999).atanh(),
    }
}

fn at(profile: &Profile, depth: f64) -> Option<f64> {
    profile.points.iter().min_by(|a, b| (a.depth - depth).abs().total_cmp(&(b.depth - depth).abs())).map(|p| p.value)
}

fn matched(profile: &Profile) -> Vec<usize> {
    if profile.scale != Scale::Share {
        return Vec::new();
    }
    profile.points.iter().enumerate().filter(|(_, p)| p.value >= MATCHED).map(|(i, _)| i).collect()
}

/// Whether the agreements are more than re-drawn units show.
fn is_beyond_chance(profile: &Profile) -> bool {
    profile.synthetic.as_ref().is_some_and(|s| s.p_value.log10() <= LOG10_CHANCE)
}

struct Distance {
    y: f64,
    highest: f64,
    t: f64,
    ln_p: f64,
}

impl Distance {
    fn of(profile: &Profile, controls: &[&Profile]) -> Option<Self> {
        let matched = matched(profile);
        let blocks: Vec<usize> = if matched.is_empty() { (0..profile.points.len()).collect() } else { matched };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let own = |i: &usize| comparable(profile.points[*i].value, profile.scale);
        let y = mean(&blocks.iter().map(own).collect::<Vec<_>>());
        let of_control = |control: &&Profile| -> Option<f64> {
            let paired: Option<Vec<f64>> =
                blocks.iter().map(|&i| Some(comparable(at(control, profile.points[i].depth)?, profile.scale))).collect();
            let mut best: Vec<f64> = control.points.iter().map(|p| comparable(p.value, profile.scale)).collect();
            best.sort_by(|a, b| b.total_cmp(a));
            best.truncate(blocks.len());
            let (paired, best) = (mean(&paired?), mean(&best));
            Some(if best > paired { best } else { paired })
        };
        let values: Vec<f64> = controls.iter().map(of_control).collect::<Option<_>>()?;
        let n = values.len() as f64;
        if blocks.is_empty() || n < 2.0 {
            return None;
        }
        let centre = mean(&values);
        let spread = (values.iter().map(|v| (v - centre) * (v - centre)).sum::<f64>() / (n - 1.0)).sqrt();
        let units = mean(&blocks.iter().map(|&i| profile.points[i].n as f64).collect::<Vec<_>>()).clamp(1.0, f64::MAX);
        // The variance of arcsin √f is 1/(4h) for counts of h units, and that of artanh r is 1/h.
        let least = match profile.scale {
            Scale::Share => 0.5 / (units * blocks.len() as f64).sqrt(),
            Scale::Correlation => 1.0 / units.sqrt(),
        };
        let spread = if spread > least { spread } else { least };
        let t = (y - centre) / (spread * (1.0 + 1.0 / n).sqrt());
        Some(Self {
            y,
            highest: values.iter().copied().fold(f64::NEG_INFINITY, |a, b| if b > a { b } else { a }),
            t,
            ln_p: ln_student_sf(t, n - 1.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::{ProfilePoint, Synthetic};

    fn profile(values: &[f64], log10_p: f64) -> Profile {
        let last = (values.len() - 1).max(1) as f64;
        let point = |(i, &value): (usize, &f64)| ProfilePoint {
            label: i.to_string(),
            reference: i.to_string(),
            depth: i as f64 / last,
            value,
            n: 256,
            synthetic: None,
        };
        let p_value = PValue::new(log10_p * std::f64::consts::LN_10, NullDistribution::Exact);
        Profile {
            scale: Scale::Share,
            points: values.iter().enumerate().map(point).collect(),
            synthetic: Some(Synthetic { statistics: vec![0.0], p_value }),
        }
    }

    fn controls(values: &[[f64; 4]]) -> Vec<Control> {
        values.iter().enumerate().map(|(i, v)| Control { name: format!("control {i}"), profile: Some(profile(v, -1.0)) }).collect()
    }

    /// Shares of base against the lineage's independent models, `testdata/lineage`, 22 November 2026.
    const STRANGERS: [[f64; 4]; 4] =
        [[0.012, 0.003, 0.004, 0.004], [0.013, 0.007, 0.005, 0.001], [0.014, 0.005, 0.007, 0.010], [0.029, 0.004, 0.003, 0.001]];

    fn judge(suspect: &Profile, controls: &[Control]) -> Margin {
        Margin::judge(suspect, controls, &Wording::shipped().unwrap()).unwrap()
    }

    #[test]
    fn a_copy_stands_out_and_a_stranger_does_not() {
        for n in [3, 4] {
            let controls = controls(&STRANGERS[..n]);
            assert_eq!(judge(&profile(&[1.0, 1.0, 0.99, 0.96], -900.0), &controls).outcome, MarginOutcome::StandsOut);
            // Half of the blocks are enough: the others are no part of the claim.
            assert_eq!(judge(&profile(&[1.0, 0.004, 0.99, 0.003], -900.0), &controls).outcome, MarginOutcome::StandsOut);
            assert_eq!(judge(&profile(&[0.017, 0.003, 0.001, 0.005], -3.0), &controls).outcome, MarginOutcome::Within);
        }
        // Agreement that re-drawn units reach is no agreement, whatever its size.
        assert_ne!(judge(&profile(&[0.5; 4], -2.0), &controls(&STRANGERS)).outcome, MarginOutcome::StandsOut);
    }

    #[test]
    fn without_sound_controls_there_is_no_conclusion() {
        let copy = profile(&[1.0; 4], -900.0);
        for n in 0..MIN_CONTROLS {
            let margin = judge(&copy, &controls(&STRANGERS[..n]));
            assert_eq!((margin.outcome, margin.t), (MarginOutcome::Abstains, None));
            assert!(margin.why.contains(if n == 0 { "no controls" } else { "3" }), "{}", margin.why);
        }
        // A control that is a copy itself.
        let mut related = controls(&STRANGERS);
        related[1].profile = Some(profile(&[0.9; 4], -500.0));
        let margin = judge(&copy, &related);
        assert_eq!(margin.outcome, MarginOutcome::Abstains);
        assert!(margin.why.contains("control 1"), "{}", margin.why);
        // One that stands out from the others without being matched.
        let mut uneven = controls(&[[0.001; 4], [0.0012; 4], [0.0011; 4], [0.0009; 4], [0.001; 4], [0.09; 4]]);
        assert_eq!(judge(&copy, &uneven).outcome, MarginOutcome::Abstains);
        uneven.truncate(5);
        assert_eq!(judge(&copy, &uneven).outcome, MarginOutcome::StandsOut);
    }

    /// If suspect and controls are draws of one law, few stand out; agreements of counts are never normal to the letter, so the level is
    /// checked by drawing.
    #[test]
    fn independent_models_seldom_stand_out() {
        let mut generator = stats::sampling::generator(11, "null");
        let mut draw = || -> [f64; 4] {
            // Counts around two of 256, as strangers have.
            std::array::from_fn(|_| (0..512).filter(|_| stats::sampling::below(&mut generator, 256) == 0).count() as f64 / 256.0)
        };
        let mut beyond = 0;
        for _ in 0..4000 {
            let controls = controls(&[draw(), draw(), draw()]);
            // The gate of chance and size is left open, to see the level of the margin alone.
            let distance = Distance::of(&profile(&draw(), -900.0), &controls.iter().filter_map(|c| c.profile.as_ref()).collect::<Vec<_>>());
            beyond += usize::from(distance.unwrap().ln_p <= 1e-2f64.ln());
        }
        // 40 are expected at a level of .01; 75 would have a probability below 1e-6.
        assert!(beyond < 75, "{beyond} of 4000");
    }
}
