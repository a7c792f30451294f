//! The report on a terminal: the sentence, the chance, the scope, a small table. At most 80 columns; meaning is never colour alone.

use crate::data::{Conclusion, Finding, MarginOutcome, NullKind, Outcome, Report, Scope, Side, SyntheticControls, Verdict};
use crate::numbers;
use crate::words;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that no line exceeds.
pub(crate) const WIDTH: usize = 80;
/// Columns of a method's id, the longest of them.
const METHOD: usize = 30;
/// Columns of the label that starts each fact.
const LABEL: usize = 10;
/// Columns of a bar.
const BAR: usize = 30;

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options<'a> {
    /// Bold and dim on a terminal that wants them. Nothing is said by them alone.
    pub colour: bool,
    /// Where `report.html` was written, if it was.
    pub written_to: Option<&'a str>,
}

/// The report as a screen of text.
pub fn render(report: &Report, options: Options<'_>) -> String {
    let mut page = Page { lines: Vec::new(), colour: options.colour };
    for verdict in &report.verdicts {
        page.verdict(verdict);
        page.blank();
    }
    page.fact("reference", &side(&report.case.reference));
    page.fact("suspect", &side(&report.case.suspect));
    page.findings(&report.findings);
    for not_run in &report.not_run {
        page.fact("not run", &format!("{}: {}", not_run.method, not_run.why));
    }
    if let Some(path) = options.written_to {
        page.blank();
        page.fact("report", path);
    }
    let mut text = page.lines.join("\n");
    text.push('\n');
    text
}

/// Lines that grow from top to bottom.
struct Page {
    lines: Vec<String>,
    colour: bool,
}

impl Page {
    fn blank(&mut self) {
        self.lines.push(String::new());
    }

    fn strong(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn fact(&mut self, label: &str, value: &str) {
        self.lines.extend(fact(label, value));
    }

    fn verdict(&mut self, verdict: &Verdict) {
        let heading = words::conclusion(verdict.question, verdict.conclusion);
        let heading = self.strong(heading);
        self.lines.push(heading);
        self.lines.extend(wrap(&printable(&verdict.statement).replace("10^-", "10^−"), WIDTH));
        if let Some(help) = &verdict.would_help {
            self.lines.extend(wrap(&printable(&format!("What would allow an answer: {help}")), WIDTH));
        }
        self.blank();
        match &verdict.p_value {
            Some(p) => {
                let value = numbers::p_value(p.log10, Some(p.null));
                self.fact("p-value", &format!("{value} ({}; {})", words::null_kind(p.null), p.method));
            }
            None => self.fact("p-value", "none; no exact test speaks for the conclusion"),
        }
        match (verdict.log10_lr, &verdict.likelihood) {
            (_, Some(sentence)) => self.fact("likelihood", sentence),
            (Some(lr), None) => self.fact("log10 LR", &numbers::plain(lr)),
            (None, None) => {}
        }
        if !verdict.relation.is_empty() {
            for (i, relation) in verdict.relation.iter().enumerate() {
                let label = if i == 0 { "relation" } else { "" };
                self.fact(label, &format!("{}: {}", relation.word(), words::relation_meaning(*relation)));
            }
        }
        if verdict.conclusion == Conclusion::SupportsDerivation || verdict.scope.shared_fraction > 0.0 {
            self.fact("shared", &format!("{} of the suspect's trained parameters", numbers::percent(verdict.scope.shared_fraction)));
            self.scope(&verdict.scope);
        }
    }

    fn scope(&mut self, scope: &Scope) {
        let roles = words::roles_in_order(&scope.roles);
        let same = |(_, fraction): &(&str, f64)| numbers::percent(*fraction) == numbers::percent(scope.shared_fraction);
        if roles.len() < 2 || roles.iter().all(same) {
            // The line above says it all.
            return;
        }
        for (role, fraction) in roles.into_iter().map(|(role, fraction)| (words::role(role), fraction)) {
            let label = fit(&printable(&role), 24);
            let pad = " ".repeat(24usize.saturating_sub(label.width()));
            self.lines.push(format!("  {label}{pad} {} {:>8}", bar(fraction), numbers::percent(fraction)));
        }
    }

    /// Numbers that independent models have too: each beside the controls, and what they allow to say.
    fn similarities(&mut self, findings: &[Finding]) {
        let beside: Vec<&Finding> = findings.iter().filter(|f| stands_beside_controls(f)).collect();
        if beside.is_empty() {
            return;
        }
        self.blank();
        for finding in &beside {
            let method = fit(&printable(&finding.method), METHOD);
            let statistic = finding.statistic.map_or_else(|| "–".to_owned(), numbers::three_decimals);
            let controls = range_of(finding.controls.iter().filter_map(|control| control.statistic));
            // Where there are no controls, what is said of them is the outcome.
            let controls = controls.map_or_else(String::new, |range| pad(&format!("controls {range}"), 24));
            self.lines.push(format!("{}{:>7} {controls}{}", pad(&method, METHOD), fit(&statistic, 7), words::margin(finding)));
            self.lines.extend(finding.synthetic_controls.as_ref().and_then(synthetic_copies).unwrap_or_default());
        }
        // One reason usually holds for all methods, and then stands once.
        let abstaining = beside.iter().filter_map(|finding| {
            let margin = finding.margin.as_ref().filter(|m| m.outcome == MarginOutcome::Abstains && !m.why.is_empty())?;
            Some((margin.why.as_str(), finding.method.as_str()))
        });
        let reasons = by_reason(abstaining);
        for (why, methods) in &reasons {
            let of = if reasons.len() == 1 { "no conclusion".to_owned() } else { methods.join(", ") };
            self.lines.extend(indented(&format!("{of}: {why}")));
        }
    }

    fn findings(&mut self, findings: &[Finding]) {
        if findings.is_empty() {
            return;
        }
        self.blank();
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH as u16);
        table.set_header(["method", "statistic", "p-value", "kind", "outcome"].map(Cell::new));
        let dash = || "–".to_owned();
        for finding in findings.iter().filter(|f| !stands_beside_controls(f)) {
            let kind = finding.null_distribution.map_or_else(dash, |k| words::null_kind(k).to_owned());
            table.add_row([
                Cell::new(fit(&printable(&finding.method), METHOD)),
                Cell::new(finding.statistic.map_or_else(dash, numbers::plain)).set_alignment(CellAlignment::Right),
                Cell::new(finding.log10_p.map_or_else(dash, |p| numbers::p_value(p, finding.null_distribution)))
                    .set_alignment(CellAlignment::Right),
                Cell::new(kind),
                Cell::new(words::outcome(finding.outcome)),
            ]);
        }
        if let Some(method) = table.column_mut(0) {
            method.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(METHOD as u16 + 2)));
        }
        if table.row_count() > 0 {
            let drawn: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
            self.lines.extend(drawn);
        }
        self.similarities(findings);
        let unrun = findings.iter().filter(|f| f.outcome != Outcome::Observed);
        for (why, methods) in by_reason(unrun.filter_map(|f| Some((f.why.as_deref()?, f.method.as_str())))) {
            self.lines.extend(indented(&format!("{}: {why}", methods.join(", "))));
        }
    }
}

/// A label and its value, continued under the value.
pub(crate) fn fact(label: &str, value: &str) -> Vec<String> {
    let lines = wrap(&printable(value), WIDTH - LABEL - 1).into_iter().enumerate();
    lines.map(|(i, line)| format!("{:<LABEL$} {line}", if i == 0 { label } else { "" })).collect()
}

/// Methods by their reason, in the order of the first of each.
pub(crate) fn by_reason<'a>(whys: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (why, method) in whys {
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, methods)) => methods.push(method),
            None => reasons.push((why, vec![method])),
        }
    }
    reasons
}

/// Whether a finding has its line beside the controls and not among the tests of chance.
fn stands_beside_controls(finding: &Finding) -> bool {
    finding.needs_controls() && finding.outcome == Outcome::Observed
}

/// What copies reach that are no models, under the line of their method.
fn synthetic_copies(copies: &SyntheticControls) -> Option<Vec<String>> {
    let highest = copies.statistics.iter().copied().filter(|v| v.is_finite()).max_by(f64::total_cmp)?;
    let p = copies.log10_p.filter(|p| p.is_finite());
    let p = p.map_or_else(String::new, |p| format!(", p {} (exact)", equality(&numbers::p_value(p, Some(NullKind::Exact)))));
    Some(indented(&format!("synthetic copies, not models: at most {}{p}", numbers::plain(highest))))
}

/// `.001–.013`, or `.004` where all are alike; with `to` where a minus sign would stand beside the dash.
fn range_of(values: impl Iterator<Item = f64>) -> Option<String> {
    let mut values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let short = |v: f64| numbers::three_decimals(v).replacen("0.", ".", 1);
    let (low, high) = (short(*values.first()?), short(*values.last()?));
    let between = if high.starts_with('−') { " to " } else { "–" };
    Some(if low == high { low } else { format!("{low}{between}{high}") })
}

/// A model with its size, where that is known.
pub(crate) fn side(side: &Side) -> String {
    let model = side.model.as_ref().map_or_else(String::new, |model| format!(", model {model}"));
    match side.n_parameters {
        _ if side.is_endpoint() => format!("{} (endpoint{model})", side.path),
        0 => format!("{}{model}", side.path),
        n => format!("{} ({} parameters)", side.path, numbers::parameters(n)),
    }
}

/// A bar of [`BAR`] columns in eighths; empty cells stay visible.
fn bar(fraction: f64) -> String {
    const EIGHTHS: [char; 8] = ['·', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    // Floors, so that only all of it fills the bar; at least one eighth for anything above nothing.
    let eighths = (fraction.clamp(0.0, 1.0) * (BAR * 8) as f64).floor() as usize;
    let eighths = if fraction > 0.0 && eighths == 0 { 1 } else { eighths };
    let full = eighths / 8;
    let mut bar: String = "█".repeat(full);
    if full < BAR {
        bar.push(EIGHTHS[eighths % 8]);
        bar.push_str(&"·".repeat(BAR - full - 1));
    }
    bar
}

/// Text that comes from files, without anything that could move a terminal's cursor or reorder its letters.
///
/// U+FE0F goes too: it is the one character that makes its neighbour wider, and terminals disagree on it.
pub(crate) fn printable(text: &str) -> String {
    let harmless = |c: char| if c.is_control() || is_bidi_control(c) { '\u{fffd}' } else { c };
    text.chars().filter(|c| *c != '\u{fe0f}').map(harmless).collect()
}

fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A remark under a table.
pub(crate) fn indented(text: &str) -> Vec<String> {
    wrap(&printable(text), WIDTH - 2).into_iter().map(|line| format!("  {line}")).collect()
}

/// Blanks up to `columns`.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(text.width())))
}

/// `≤ 10^−9` as it is, and `0.03` with its sign of equality.
fn equality(p: &str) -> String {
    if p.starts_with(['≤', '≈']) { p.to_owned() } else { format!("= {p}") }
}

/// Shortens to `columns` in the middle, where names differ least.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let half = columns.saturating_sub(1) / 2;
    let head = take_columns(text.chars(), half);
    let tail: String = take_columns(text.chars().rev(), half).chars().rev().collect();
    format!("{head}…{tail}")
}

fn take_columns(chars: impl Iterator<Item = char>, columns: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= columns
        })
        .collect()
}

/// Breaks at spaces; words longer than a line are cut, paths at a separator.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word = word;
        if !line.is_empty() && line.width() + 1 + word.width() > columns {
            lines.push(std::mem::take(&mut line));
        }
        while word.width() > columns {
            let mut head = take_columns(word.chars(), columns);
            // A path is cut after a separator, if one is near.
            if let Some(end) = head.rfind(['/', '\\']).filter(|end| *end > head.len() / 2) {
                head.truncate(end + 1);
            }
            word = &word[head.len()..];
            lines.push(head);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wrapping_keeps_every_letter_and_the_width(text in "\\PC{0,300}", columns in 8usize..90) {
            let text = printable(&text);
            let lines = wrap(&text, columns);
            for line in &lines {
                prop_assert!(line.width() <= columns, "`{line}` is wider than {columns}");
            }
            let bare = |s: &str| s.split_whitespace().collect::<String>();
            prop_assert_eq!(lines.iter().map(|l| bare(l)).collect::<String>(), bare(&text));
        }

        #[test]
        fn a_bar_has_one_width(fraction in -0.5f64..1.5) {
            prop_assert_eq!(bar(fraction).chars().count(), BAR);
        }

        #[test]
        fn fitting_fits(text in "\\PC{0,80}", columns in 3usize..60) {
            prop_assert!(fit(&printable(&text), columns).width() <= columns);
        }
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\nd"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
    }
}
