//! The claim on a terminal: the two numbers, the table of six measures, and what they rest on. At most 80 columns.

use super::standing;
use super::view::{self, Likelihood, Margin, View};
use crate::data::{AttentionClaim, Report};
use crate::figures::capital;
use crate::numbers;
use crate::text::{Options, WIDTH, fit, indented, pad, printable, wrap};

/// Columns of a number.
const NUMBER: usize = 9;
/// With more controls than this, the table has their lowest and highest.
const MOST_CONTROLS: usize = 4;

/// The claim as a screen of text; one sentence where there is none.
pub fn text(report: &Report, options: Options<'_>) -> String {
    let Some(claim) = super::of(report) else {
        return wrapped(&format!("No correlation of attention could be judged: {}", super::why_none(report))).join("\n") + "\n";
    };
    let view = View::of(report, claim);
    let mut lines = wrapped(&view.title);
    if options.colour {
        lines.iter_mut().for_each(|line| *line = format!("\u{1b}[1m{line}\u{1b}[0m"));
    }
    lines.extend(wrapped(view.answer));
    for pair in &view.pairs {
        lines.push(String::new());
        lines.extend(wrapped(&format!("{}:", pair.label)));
        let controls = pair.controls.as_deref().map_or_else(|| "none measured".to_owned(), str::to_owned);
        lines.extend(indented(&format!("{} for the suspect; independent models, same prompts: {controls}", pair.suspect)));
        lines.extend(indented(&pair.sentence));
        lines.extend(pair.note.iter().flat_map(|note| indented(note)));
    }
    lines.push(String::new());
    lines.extend(table(claim));
    let names = view::model_names(claim);
    let whys: Vec<(String, Vec<String>)> = claim
        .measures
        .iter()
        .enumerate()
        .map(|(i, measure)| (capital(&measure.title), view::reasons(claim, &names, i)))
        .filter(|(_, reasons)| !reasons.is_empty())
        .collect();
    for (title, reasons) in whys {
        lines.extend(indented(&format!("{title}: {}", reasons.join(" "))));
    }
    lines.push(String::new());
    if let Some(Margin { words, sentence, .. }) = &view.margin {
        lines.extend(wrapped(&format!("beside the controls: {words}. {sentence}")));
    }
    lines.extend(wrapped(&ratio(&view.likelihood)));
    for (label, value) in view.measured.iter().take(4) {
        lines.extend(wrapped(&format!("{label}: {}", value.replace('`', ""))));
    }
    if let Some(path) = options.written_to {
        lines.extend(wrapped(&format!("page: {path}")));
    }
    lines.join("\n") + "\n"
}

fn wrapped(text: &str) -> Vec<String> {
    wrap(&printable(text), WIDTH)
}

fn ratio(likelihood: &Likelihood) -> String {
    match &likelihood.log10_lr {
        Some(lr) => format!("log10 likelihood ratio: {lr}. {}", likelihood.why),
        None => format!("likelihood ratio: none. {}", likelihood.why),
    }
}

fn table(claim: &AttentionClaim) -> Vec<String> {
    let names = view::model_names(claim);
    let controls: Vec<_> = standing::controls(claim).collect();
    let is_wide = controls.len() <= MOST_CONTROLS;
    let dash = |v: Option<f64>| v.map_or_else(|| "–".to_owned(), numbers::three_decimals);
    let mut head = vec!["suspect".to_owned()];
    if is_wide {
        head.extend((1..=controls.len()).map(|i| format!("control{i}")));
    } else {
        head.extend(["lowest".to_owned(), "highest".to_owned()]);
    }
    let columns = WIDTH - NUMBER * head.len();
    let line = |title: &str, cells: &[String]| {
        let mut line = pad(&fit(&printable(title), columns - 1), columns);
        for cell in cells {
            line.push_str(&" ".repeat(NUMBER.saturating_sub(cell.chars().count())));
            line.push_str(&fit(cell, NUMBER));
        }
        line.trim_end().to_owned()
    };
    let mut lines = vec![line("correlation with the reference", &head)];
    for (i, measure) in claim.measures.iter().enumerate() {
        let mut cells = vec![dash(standing::suspect(claim).and_then(|row| row.value(i)))];
        if is_wide {
            cells.extend(controls.iter().map(|row| dash(row.value(i))));
        } else {
            let values = standing::control_values(claim, i);
            cells.push(dash(values.iter().copied().min_by(f64::total_cmp)));
            cells.push(dash(values.iter().copied().max_by(f64::total_cmp)));
        }
        lines.push(line(&capital(&measure.title), &cells));
    }
    let mut n = 0;
    for (row, name) in claim.rows.iter().zip(&names) {
        if row.kind == crate::data::ClaimRowKind::Control {
            n += 1;
            if is_wide {
                lines.extend(indented(&format!("control{n}: {name}")));
            }
        }
    }
    if !is_wide {
        lines.extend(indented(&format!("lowest and highest of {n} controls")));
    }
    lines
}
