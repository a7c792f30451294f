//! What the section says: two numbers in plain words, the table, and how all of it was measured.

use super::standing::{self, Standing};
use crate::data::{AttentionClaim, ClaimMeasure, ClaimRow, ClaimUnit, Finding, MarginOutcome, Report};
use crate::figures::{self, Figure};
use crate::{names, numbers, text, words};
use serde::Serialize;

/// Controls that are listed one by one under a number; more become a range.
const LISTED: usize = 5;
/// Letters of a model's name over a column.
const NAME_LETTERS: usize = 22;

/// The section, ready for the template.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    pub(crate) title: String,
    /// What both numbers say together.
    pub(crate) answer: &'static str,
    pub(crate) pairs: Vec<Pair>,
    /// What the controls allow to say of what remains.
    pub(crate) margin: Option<Margin>,
    /// The marks of the suspect and of independent models; markup.
    pub(crate) marks: [minijinja::Value; 2],
    pub(crate) strips: Figure,
    pub(crate) table: Table,
    pub(crate) likelihood: Likelihood,
    pub(crate) heads: Option<Figure>,
    pub(crate) maps: Vec<Figure>,
    pub(crate) measured: Vec<(&'static str, String)>,
}

/// What the controls allow to say.
#[derive(Debug, Serialize)]
pub(crate) struct Margin {
    /// As it stands in the JSON: the class of the chip.
    pub(crate) class: MarginOutcome,
    pub(crate) words: &'static str,
    pub(crate) sentence: String,
}

/// A number of the suspect beside those of the controls.
#[derive(Debug, Serialize)]
pub(crate) struct Pair {
    /// What the number is.
    pub(crate) label: String,
    pub(crate) suspect: String,
    /// `0.981, 0.979, 0.985`; absent where no control has a value.
    pub(crate) controls: Option<String>,
    /// Where it stands.
    pub(crate) sentence: String,
    /// Why it is not the number that one would expect here.
    pub(crate) note: Option<String>,
}

/// Measures down, models across.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    /// Short names, the suspect's first.
    pub(crate) names: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// One measure.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) title: String,
    pub(crate) words: String,
    /// `–` where there is no number.
    pub(crate) cells: Vec<String>,
    /// Why, each reason once with the models that it holds for.
    pub(crate) reasons: Vec<String>,
}

/// The likelihood ratio, or that there is none.
#[derive(Debug, Serialize)]
pub(crate) struct Likelihood {
    pub(crate) log10_lr: Option<String>,
    pub(crate) calibration: Option<String>,
    pub(crate) why: String,
}

impl View {
    pub(crate) fn of(report: &Report, claim: &AttentionClaim) -> Self {
        let margin = super::findings(report).find_map(margin);
        let names = model_names(claim);
        let [claimed, remaining] = [claimed(claim), remaining(claim)];
        let of = |number: &Option<(usize, f64)>| number.map(|(i, v)| Standing::of(v, &standing::control_values(claim, i)));
        let mut pairs: Vec<Pair> = [claimed_pair(claim, claimed), remaining_pair(claim, remaining)].into_iter().flatten().collect();
        if let [first, second] = pairs.as_mut_slice()
            && first.controls.is_none()
            && second.controls.is_none()
        {
            second.sentence = "No independent model was measured beside this number either.".to_owned();
        }
        Self {
            title: title(claim),
            answer: standing::together(of(&claimed), of(&remaining), margin.as_ref().map(|margin| margin.class)),
            pairs,
            margin,
            marks: figures::attention::marks(),
            strips: figures::attention::strips(claim, &names),
            table: table(claim, &names),
            likelihood: likelihood(claim),
            heads: figures::attention::heads(claim),
            maps: figures::attention::maps(claim),
            measured: measured(report, claim),
        }
    }
}

/// Short names of the models, in the order of the rows.
pub(super) fn model_names(claim: &AttentionClaim) -> Vec<String> {
    let paths: Vec<&str> = claim.rows.iter().map(|row| row.name.as_str()).collect();
    names::short(&paths)
}

/// With the claimant's number in it, where there is one.
fn title(claim: &AttentionClaim) -> String {
    let raw = position(claim, "raw-pooled").and_then(|i| standing::suspect(claim)?.value(i));
    match raw {
        // Less than a percent is no claim that anybody makes, and "< 0 %" would read as one.
        Some(raw) if (0.01..=1.0).contains(&raw) => format!("What is a {} correlation of attention worth?", numbers::percent(raw)),
        _ => "What is a correlation of attention worth?".to_owned(),
    }
}

fn position(claim: &AttentionClaim, id: &str) -> Option<usize> {
    claim.measures.iter().position(|measure| measure.id == id)
}

/// The first measure of the claimed kind that the suspect has: raw, then averaged over heads.
fn claimed(claim: &AttentionClaim) -> Option<(usize, f64)> {
    first_of(claim, &["raw-pooled", "head-averaged", "matched-heads"])
}

/// The last measure that the suspect has and that removes what is shared.
fn remaining(claim: &AttentionClaim) -> Option<(usize, f64)> {
    first_of(claim, &["controls-regressed", "prompt-mean-removed", "sink-removed"])
}

fn first_of(claim: &AttentionClaim, ids: &[&str]) -> Option<(usize, f64)> {
    let suspect = standing::suspect(claim)?;
    ids.iter().filter_map(|id| position(claim, id)).find_map(|i| Some((i, suspect.value(i)?)))
}

fn claimed_pair(claim: &AttentionClaim, number: Option<(usize, f64)>) -> Option<Pair> {
    let (i, value) = number?;
    let is_raw = claim.measures.get(i).is_some_and(|m| m.id == "raw-pooled");
    let label =
        if is_raw { "The kind of number that is claimed".to_owned() } else { format!("The claimed kind of number ({})", lower(claim, i)) };
    Some(pair(claim, (i, value), label, "raw-pooled"))
}

fn remaining_pair(claim: &AttentionClaim, number: Option<(usize, f64)>) -> Option<Pair> {
    let (i, value) = number?;
    let label = match claim.measures.get(i).map(|m| m.id.as_str()) {
        Some("controls-regressed") => "After removing what every transformer shares".to_owned(),
        Some("prompt-mean-removed") => "After removing the first token and what all prompts share".to_owned(),
        _ => "After removing the first token".to_owned(),
    };
    Some(pair(claim, (i, value), label, "controls-regressed"))
}

fn lower(claim: &AttentionClaim, i: usize) -> String {
    claim.measures.get(i).map(|m| words::lower_first(&m.title)).unwrap_or_default()
}

/// `expected` is the measure that would stand here if the suspect had it.
fn pair(claim: &AttentionClaim, (i, value): (usize, f64), label: String, expected: &str) -> Pair {
    let controls = standing::control_values(claim, i);
    let instead = position(claim, expected).filter(|wanted| *wanted != i);
    let note = instead.zip(standing::suspect(claim)).map(|(wanted, suspect)| {
        let title = claim.measures.get(wanted).map_or_else(String::new, |m| figures::capital(&m.title));
        format!("No number for “{title}”: {}", words::sentence_tail(standing::why(suspect, wanted)))
    });
    Pair {
        label,
        suspect: numbers::three_decimals(value),
        controls: listed(&controls),
        sentence: Standing::of(value, &controls).sentence(controls.len()),
        note,
    }
}

/// One by one where they are few, else their range.
fn listed(values: &[f64]) -> Option<String> {
    let lowest = values.iter().copied().min_by(f64::total_cmp)?;
    let highest = values.iter().copied().max_by(f64::total_cmp)?;
    let each: Vec<String> = values.iter().copied().map(numbers::three_decimals).collect();
    Some(if each.len() <= LISTED {
        each.join(", ")
    } else {
        format!("{} to {} ({} models)", numbers::three_decimals(lowest), numbers::three_decimals(highest), each.len())
    })
}

fn margin(finding: &Finding) -> Option<Margin> {
    let margin = finding.margin.as_ref()?;
    let meaning = words::sentence(words::margin_meaning(finding));
    let why = words::sentence(&margin.why);
    Some(Margin { class: margin.outcome, words: words::margin(finding), sentence: format!("{meaning} {why}").trim().to_owned() })
}

fn table(claim: &AttentionClaim, names: &[String]) -> Table {
    let names: Vec<String> = names.iter().map(|name| figures::shorten(name, NAME_LETTERS)).collect();
    let rows = claim.measures.iter().enumerate().map(|(i, measure)| row(claim, &names, i, measure)).collect();
    Table { names, rows }
}

fn row(claim: &AttentionClaim, names: &[String], i: usize, measure: &ClaimMeasure) -> Row {
    let number = |row: &ClaimRow| row.value(i).map_or_else(|| "–".to_owned(), numbers::three_decimals);
    Row {
        title: figures::capital(&measure.title),
        words: measure.words.clone(),
        cells: claim.rows.iter().map(number).collect(),
        reasons: reasons(claim, names, i),
    }
}

/// Why models have no number by a measure: `"No number for a, b: they have 12 layers."`
pub(super) fn reasons(claim: &AttentionClaim, names: &[String], i: usize) -> Vec<String> {
    let unmeasured = claim.rows.iter().zip(names).filter(|(row, _)| row.value(i).is_none());
    let reasons = text::by_reason(unmeasured.map(|(row, name)| (standing::why(row, i), name.as_str())));
    let all = claim.rows.len();
    let who = |models: &[&str]| if models.len() == all && all > 1 { "any of them".to_owned() } else { models.join(", ") };
    reasons.iter().map(|(why, models)| format!("No number for {}: {}", who(models), words::sentence_tail(why))).collect()
}

fn likelihood(claim: &AttentionClaim) -> Likelihood {
    Likelihood {
        log10_lr: claim.likelihood.as_ref().map(|l| numbers::plain(l.log10_lr)),
        calibration: claim.likelihood.as_ref().map(|l| l.calibration.clone()),
        why: words::sentence(&claim.likelihood_why),
    }
}

/// Everything that someone needs to measure the same again.
pub(super) fn measured(report: &Report, claim: &AttentionClaim) -> Vec<(&'static str, String)> {
    let unit = match claim.unit {
        ClaimUnit::Tokens => "tokens: all models cut the prompts alike, so their attention maps lie on top of each other as they are",
        ClaimUnit::Words => "words: the tokenizers differ, so each model's attention was gathered from its tokens to whole words first",
    };
    let n_controls = standing::controls(claim).count() as u64;
    let controls = match n_controls {
        0 => "none".to_owned(),
        1 => "1 model that is known to be independent of the reference".to_owned(),
        n => format!("{} models that are known to be independent of the reference", numbers::grouped(n)),
    };
    vec![
        ("prompts", format!("`{}`, {} texts", claim.prompts, numbers::grouped(claim.n_prompts))),
        ("their digest", format!("`{}`", claim.prompts_digest)),
        ("compared at", unit.to_owned()),
        ("controls", controls),
        ("program", format!("{} {}, seed {}", report.tool.name, report.tool.version, report.case.seed)),
    ]
}
