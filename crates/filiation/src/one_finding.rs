//! What a command prints that runs one method on what was said and kept.

use crate::Error;
use crate::assemble::records::explanation;
use crate::assemble::{null_of, question};
use crate::cli::Format;
use crate::printer::{Printer, printable, wrap};
use evidence::{Outcome, Records, record_method};
use report::data;
use stats::PValue;

/// Columns of a terminal, and of the names in front of values.
const WIDTH: usize = 80;
const LABEL: usize = 24;

/// Runs the method of that id and prints what it found.
pub(crate) fn observe_and_print(id: &str, records: &Records<'_>, format: Format, printer: &Printer) -> Result<(), Error> {
    let finding = observe(id, records)?;
    match format {
        Format::Json => printer.result(&serde_json::to_string_pretty(&finding).map_err(|error| Error::Report(error.to_string()))?),
        Format::Text => printer.result(&text(&finding)),
    }
}

/// The finding of one method, as a report has it.
pub(crate) fn observe(id: &str, records: &Records<'_>) -> Result<data::Finding, Error> {
    let outcome = outcome(id, records)?;
    let asked = record_method(id).map(|method| question(method.card().question));
    let finding = data::Finding { method: id.into(), question: asked.unwrap_or_default(), ..data::Finding::default() };
    Ok(match &outcome {
        Outcome::Observed(o) => {
            let null = o.p_value.map(null_of);
            data::Finding {
                outcome: data::Outcome::Observed,
                statistic: Some(o.statistic),
                log10_p: o.p_value.map(PValue::log10),
                null_distribution: null.as_ref().map(|(kind, _)| *kind),
                null_detail: null.and_then(|(_, detail)| detail),
                n: Some(o.n as u64),
                words: Some(o.explanation.words.clone()),
                parts: o.explanation.parts.iter().map(explanation).collect(),
                ..finding
            }
        }
        Outcome::NotApplicable { why } => data::Finding { outcome: data::Outcome::NotApplicable, why: Some(why.clone()), ..finding },
    })
}

/// What one method says of the records.
pub(crate) fn outcome(id: &str, records: &Records<'_>) -> Result<Outcome, Error> {
    let method = record_method(id).ok_or_else(|| Error::Report(format!("method: found no `{id}`, expected one of this build")))?;
    Ok(method.observe(records)?)
}

fn text(finding: &data::Finding) -> String {
    let mut text = format!("{}\n\n", finding.method);
    let mut line = |label: &str, value: &str| {
        let label: String = printable(label).chars().take(LABEL).collect();
        for (i, words) in wrap(&printable(value), WIDTH - LABEL - 2).iter().enumerate() {
            text.push_str(&format!("{:LABEL$}  {words}\n", if i == 0 { label.as_str() } else { "" }));
        }
    };
    if let Some(why) = &finding.why {
        line("not applicable", why);
        return text;
    }
    line("statistic", &finding.statistic.map_or_else(String::new, number));
    line("p", &p_value(finding));
    line("n", &finding.n.unwrap_or_default().to_string());
    line("", "");
    line("finding", finding.words.as_deref().unwrap_or_default());
    line("", "");
    for part in &finding.parts {
        let unit = if part.unit == "1" { String::new() } else { format!(" {}", part.unit) };
        line(&part.label, &format!("{}{unit}: {}", part.value.map_or_else(String::new, number), part.words));
    }
    text.lines().map(str::trim_end).fold(String::new(), |text, line| text + line + "\n")
}

fn p_value(finding: &data::Finding) -> String {
    let Some(log10) = finding.log10_p else { return "none".into() };
    let value = if log10 > -4.0 { number(10f64.powf(log10)) } else { format!("10^{log10:.1}") };
    let (sign, kind) = match finding.null_distribution {
        Some(data::NullKind::Exact) => ("", "exact"),
        Some(data::NullKind::Permutation) => ("", "by permutation"),
        Some(data::NullKind::Asymptotic) => ("about ", "in the limit"),
        Some(data::NullKind::Bound) => ("at most ", "a bound"),
        None => ("", "of unknown kind"),
    };
    let detail = finding.null_detail.as_ref().map_or_else(String::new, |detail| format!(", {detail}"));
    format!("{sign}{value} ({kind}{detail})")
}

/// Three digits that count.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    match magnitude {
        _ if magnitude == 0.0 => "0".into(),
        _ if magnitude < 1e-3 => format!("{value:.2e}"),
        _ if magnitude < 10.0 => format!("{value:.4}"),
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::{OrderScores, ReadDocument};

    #[test]
    fn a_finding_fits_the_terminal_and_the_contract() {
        let document = |i: u64| ReadDocument { position: i, suspect: (i + i * i % 37) as f64, bases: vec![0.0] };
        let order = OrderScores { documents: (0..200).map(document).collect(), unread: 3 };
        let records = Records { order: Some(&order), ..Records::default() };
        let finding = observe("text.palimpsest", &records).unwrap();
        let text = text(&finding);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("weight lineage only") && text.contains("at most"), "{text}");
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!((json["outcome"].as_str(), json["nullDistribution"].as_str()), (Some("observed"), Some("bound")));
        let back: data::Finding = serde_json::from_value(json).unwrap();
        assert_eq!(back.n, Some(200));
    }

    #[test]
    fn what_does_not_apply_says_why() {
        let text = text(&observe("text.equality", &Records::default()).unwrap());
        assert!(text.contains("not applicable") && text.contains("no samples were given"), "{text}");
        assert!(observe("text.none", &Records::default()).is_err());
    }
}
