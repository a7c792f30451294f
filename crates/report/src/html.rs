//! One self-contained page: it loads nothing, opens offline, reads without scripts and prints.
//!
//! The template escapes every value; only [`crate::figures`] and [`prose`] hand it markup, and both escape what they are given.

use crate::data::{
    Card, Claim, Conclusion, CustodyFile, Finding, MarginOutcome, NullKind, Outcome, PValue, Question, Report, Side, SyntheticControls,
    Verdict,
};
use crate::figures::{self, Figure};
use crate::glossary::{self, Term};
use crate::validation::Validation;
use crate::{RenderError, claim, distillation, json, names, numbers, words};
use minijinja::Environment;
use minijinja::value::{Serde, Value};
use serde::Serialize;

/// The frame of every page, the pages in it, and what they share.
const TEMPLATES: [(&str, &str); 12] = [
    ("page.html", include_str!("html/page.html")),
    ("report.html", include_str!("html/report.html")),
    ("claim.html", include_str!("html/claim.html")),
    ("attention.html", include_str!("html/attention.html")),
    ("distillation.html", include_str!("html/distillation.html")),
    ("marks.html", include_str!("html/marks.html")),
    ("twins.html", include_str!("html/twins.html")),
    ("verdict.html", include_str!("html/verdict.html")),
    ("finding.html", include_str!("html/finding.html")),
    ("questions.html", include_str!("html/questions.html")),
    ("figure.html", include_str!("html/figure.html")),
    ("validation.html", include_str!("html/validation.html")),
];
const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The report as one HTML file. The same data give the same bytes.
pub fn render(report: &Report) -> Result<String, RenderError> {
    let page = Page {
        frame: Frame::of(report, glossary::used_in)?,
        verdicts: report.verdicts.iter().map(verdict).collect(),
        figures: figures::all(report),
        nothing_drawn: nothing_drawn(report),
        findings: report.findings.iter().map(|f| finding(f, &report.cards)).collect(),
        claims: report.claims.iter().map(|claim| (claim, words::claim_outcome(claim.outcome))).collect(),
    };
    fill("report.html", &page)
}

/// The page of a claim about attention alone.
pub(crate) fn claim_page(report: &Report) -> Result<String, RenderError> {
    // The words of the other methods would bury those of the claim.
    let text = serde_json::to_string(&claim::findings(report).collect::<Vec<_>>())?;
    let frame = Frame::of(report, |_| glossary::used_in(&text))?;
    fill("claim.html", &ClaimPage { frame, why_none: claim::why_none(report) })
}

/// The page of the answer on distillation alone.
pub(crate) fn distillation_page(report: &Report) -> Result<String, RenderError> {
    let page = DistillationPage {
        frame: Frame::of(report, glossary::used_in_distillation)?,
        verdicts: report.verdicts.iter().filter(|v| v.question == Question::Distillation).map(verdict).collect(),
        findings: report.findings.iter().map(|f| finding(f, &report.cards)).collect(),
        why_none: distillation::why_none(report),
    };
    fill("distillation.html", &page)
}

/// The page of a validation.
pub(crate) fn validation_page(validation: &Validation) -> Result<String, RenderError> {
    let page = ValidationPage {
        style: Value::from_safe_string(STYLE.to_owned()),
        script: Value::from_safe_string(SCRIPT.to_owned()),
        figures: figures::validation::draw(validation),
        v: validation,
    };
    fill("validation.html", &page)
}

fn fill(template: &str, page: &impl Serialize) -> Result<String, RenderError> {
    let mut environment = Environment::new();
    add_filters(&mut environment);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    Ok(environment.get_template(template)?.render(Serde(page))?)
}

/// What every page is filled with.
#[derive(Serialize)]
struct Frame<'a> {
    style: Value,
    script: Value,
    reference: String,
    suspect: String,
    report: &'a Report,
    /// What a correlation of attention is worth, where it was measured.
    attention: Option<claim::View>,
    /// What released replies show beside their twins, where that was tested.
    twins: Option<distillation::View>,
    /// What a watermark's key says of the suspect, where that was tested.
    marks: Option<distillation::MarksView>,
    /// The one test that may conclude, where one was declared.
    declared: Option<distillation::Declared>,
    /// Derivation and distillation side by side.
    questions: Option<distillation::Questions>,
    sides: Vec<(&'static str, Vec<(&'static str, String)>)>,
    files: Vec<(&'static str, &'a CustodyFile)>,
    glossary: Vec<Term>,
}

impl<'a> Frame<'a> {
    /// `words_of` gives the words to define, of a report as JSON.
    fn of(report: &'a Report, words_of: impl FnOnce(&str) -> Vec<Term>) -> Result<Self, RenderError> {
        // First, because it refuses numbers that are not finite with a sentence.
        let text = json::render(report)?;
        let mut names = names::short(&[report.case.reference.name(), report.case.suspect.name()]).into_iter();
        let (reference, suspect) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        Ok(Self {
            style: Value::from_safe_string(STYLE.to_owned()),
            script: Value::from_safe_string(SCRIPT.to_owned()),
            reference,
            suspect,
            report,
            attention: claim::of(report).map(|measured| claim::View::of(report, measured)),
            twins: distillation::of(report).map(|twins| distillation::View::of(report, twins)),
            marks: distillation::marks_of(report).map(distillation::MarksView::of),
            declared: report.primary.as_ref().map(distillation::Declared::of),
            questions: report.two_questions.as_ref().map(distillation::Questions::of),
            sides: sides(report),
            files: report.custody.iter().map(|file| (words::side(file.side), file)).collect(),
            glossary: words_of(&text),
        })
    }
}

/// What the template of a report is filled with.
#[derive(Serialize)]
struct Page<'a> {
    #[serde(flatten)]
    frame: Frame<'a>,
    verdicts: Vec<VerdictView>,
    figures: Vec<Figure>,
    /// Why there is no figure, in sentences; used where there is none.
    nothing_drawn: Vec<String>,
    findings: Vec<FindingView<'a>>,
    claims: Vec<(&'a Claim, &'static str)>,
}

/// What the template of a validation is filled with.
#[derive(Serialize)]
struct ValidationPage<'a> {
    style: Value,
    script: Value,
    figures: Vec<Figure>,
    v: &'a Validation,
}

/// What the template of a claim alone is filled with.
#[derive(Serialize)]
struct ClaimPage<'a> {
    #[serde(flatten)]
    frame: Frame<'a>,
    why_none: String,
}

/// What the template of the answer on distillation is filled with.
#[derive(Serialize)]
struct DistillationPage<'a> {
    #[serde(flatten)]
    frame: Frame<'a>,
    verdicts: Vec<VerdictView>,
    findings: Vec<FindingView<'a>>,
    why_none: String,
}

fn add_filters(environment: &mut Environment<'_>) {
    environment.add_filter("number", |v: Option<f64>| v.map_or_else(dash, numbers::plain));
    environment.add_filter("fixed", |v: Option<f64>| v.map_or_else(dash, numbers::four_decimals));
    environment.add_filter("log10", |v: Option<f64>| v.map_or_else(dash, numbers::log10));
    environment.add_filter("percent", |v: Option<f64>| v.map_or_else(dash, numbers::percent));
    environment.add_filter("grouped", |v: Option<u64>| v.map_or_else(dash, numbers::grouped));
    environment.add_filter("bytes", numbers::bytes);
    environment.add_filter("prose", |text: &str| Value::from_safe_string(prose(text)));
    environment.add_filter("sentence", |text: &str| Value::from_safe_string(prose(&words::sentence(text))));
    environment.add_filter("how", |how: &str| match how {
        "role" => "same role",
        "digest" => "same digest",
        "tokens" => "by token strings",
        "prefix" => "from the start",
        _ => "by content",
    });
}

fn dash() -> String {
    "–".to_owned()
}

/// A verdict with its numbers in words.
#[derive(Serialize)]
struct VerdictView {
    /// The conclusion as it stands in the JSON: the class of the banner.
    class: Conclusion,
    question: &'static str,
    /// Whether it is about outputs, which share no part of the suspect.
    is_of_outputs: bool,
    conclusion: &'static str,
    statement: String,
    would_help: Option<String>,
    chance: Option<ChanceView>,
    log10_lr: Option<f64>,
    log10_lr_bounds: Option<[f64; 2]>,
    calibration: Option<String>,
    likelihood: Option<String>,
    shared: String,
    /// Whether the fraction was measured at all: nothing found is not the same as nothing compared.
    measured: bool,
    shared_fraction: f64,
    /// Word, meaning, and what was seen of it.
    relation: Vec<(&'static str, &'static str, Option<String>)>,
}

/// A p-value in words.
#[derive(Serialize)]
struct ChanceView {
    words: String,
    sentence: String,
    kind: String,
    meaning: &'static str,
    method: String,
    log10: f64,
}

fn verdict(verdict: &Verdict) -> VerdictView {
    VerdictView {
        class: verdict.conclusion,
        question: words::question(verdict.question),
        is_of_outputs: verdict.question != Question::Derivation,
        conclusion: words::conclusion(verdict.question, verdict.conclusion),
        statement: verdict.statement.clone(),
        would_help: verdict.would_help.clone(),
        chance: verdict.p_value.as_ref().map(|p| chance(verdict.question, p)),
        log10_lr: verdict.log10_lr,
        log10_lr_bounds: verdict.log10_lr_bounds,
        calibration: verdict.calibration.clone(),
        likelihood: verdict.likelihood.clone(),
        measured: !verdict.scope.roles.is_empty() || verdict.conclusion != Conclusion::Inconclusive,
        shared: numbers::percent(verdict.scope.shared_fraction),
        shared_fraction: verdict.scope.shared_fraction.clamp(0.0, 1.0),
        relation: verdict
            .relation
            .iter()
            .map(|r| (r.word(), words::relation_meaning(*r), verdict.relation_words.get(r.word()).cloned()))
            .collect(),
    }
}

fn chance(question: Question, p: &PValue) -> ChanceView {
    ChanceView {
        words: words::chance_in_words(p),
        sentence: words::chance_sentence(question, p),
        kind: words::null_cell(Some(p.null), p.null_detail.as_deref()),
        meaning: words::null_kind_meaning(p.null),
        method: p.method.clone(),
        log10: p.log10,
    }
}

/// A finding beside the card of its method.
#[derive(Serialize)]
struct FindingView<'a> {
    finding: &'a Finding,
    card: Option<&'a Card>,
    outcome: &'static str,
    /// `≤ 10^−88`; absent where the method gives no p-value.
    p: Option<String>,
    /// One word.
    kind: Option<&'static str>,
    /// With the law or the theorem.
    kind_in_full: String,
    access: String,
    /// For methods whose null is a question of controls.
    margin: Option<MarginView<'a>>,
    /// Whether a control has a p-value: similarities have none.
    controls_have_p: bool,
    synthetic: Option<SyntheticView<'a>>,
}

/// What the controls allow to say.
#[derive(Serialize)]
struct MarginView<'a> {
    /// As it stands in the JSON: the class of the chip.
    class: MarginOutcome,
    words: &'static str,
    meaning: &'static str,
    why: &'a str,
    t: Option<f64>,
    largest_of_controls: Option<f64>,
    /// `≤ 10^−9`.
    p: Option<String>,
}

/// Copies that are no models.
#[derive(Serialize)]
struct SyntheticView<'a> {
    n: u64,
    lowest: Option<f64>,
    highest: Option<f64>,
    p: Option<String>,
    stand_for: &'a str,
    do_not_stand_for: &'a str,
}

fn margin(finding: &Finding) -> Option<MarginView<'_>> {
    let margin = finding.margin.as_ref();
    (finding.needs_controls() && finding.outcome == Outcome::Observed).then(|| MarginView {
        class: margin.map_or_else(MarginOutcome::default, |m| m.outcome),
        words: words::margin(finding),
        meaning: words::margin_meaning(finding),
        why: margin.map_or("", |m| m.why.as_str()),
        t: margin.and_then(|m| m.t).filter(|t| t.is_finite()),
        largest_of_controls: margin.and_then(|m| m.largest_of_controls).filter(|t| t.is_finite()),
        p: margin.and_then(|m| m.log10_p).filter(|p| p.is_finite()).map(|p| numbers::p_value(p, None)),
    })
}

fn synthetic(copies: &SyntheticControls) -> SyntheticView<'_> {
    SyntheticView {
        n: copies.statistics.len() as u64,
        lowest: copies.statistics.iter().copied().min_by(f64::total_cmp),
        highest: copies.statistics.iter().copied().max_by(f64::total_cmp),
        p: copies.log10_p.filter(|p| p.is_finite()).map(|p| numbers::p_value(p, Some(NullKind::Exact))),
        stand_for: &copies.stand_for,
        do_not_stand_for: &copies.do_not_stand_for,
    }
}

fn finding<'a>(finding: &'a Finding, cards: &'a [Card]) -> FindingView<'a> {
    let card = cards.iter().find(|card| card.id == finding.method);
    let access =
        card.map_or_else(String::new, |card| card.access.iter().map(|a| format!("{a:?}").to_lowercase()).collect::<Vec<_>>().join(", "));
    FindingView {
        finding,
        card,
        outcome: words::outcome(finding.outcome),
        p: finding.log10_p.filter(|p| p.is_finite()).map(|p| numbers::p_value(p, finding.null_distribution)),
        kind: finding.null_distribution.map(words::null_kind),
        kind_in_full: words::null_cell(finding.null_distribution, finding.null_detail.as_deref()),
        access,
        margin: margin(finding),
        controls_have_p: finding.controls.iter().any(|control| control.log10_p.is_some()),
        synthetic: finding.synthetic_controls.as_ref().map(synthetic),
    }
}

/// The reasons of the methods that found nothing to compare, each once.
fn nothing_drawn(report: &Report) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for why in report.findings.iter().filter(|f| f.outcome != Outcome::Observed).filter_map(|f| f.why.as_deref()) {
        let reason = words::sentence(why);
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons
}

/// Both sides and the controls as labelled facts.
fn sides(report: &Report) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let controls = report.case.controls.iter().map(|control| ("Control", control));
    let both = [("Reference", &report.case.reference), ("Suspect", &report.case.suspect)];
    both.into_iter().chain(controls).map(|(label, side)| (label, facts(side))).collect()
}

fn facts(side: &Side) -> Vec<(&'static str, String)> {
    if side.is_endpoint() {
        return endpoint_facts(side);
    }
    let mut facts = vec![
        ("path", side.path.clone()),
        ("family", side.family.clone().unwrap_or_else(|| "none that is known; compared by content".to_owned())),
        ("parameters", if side.n_parameters > 0 { numbers::grouped(side.n_parameters) } else { "not known".to_owned() }),
    ];
    let number = |n: u64| numbers::grouped(n);
    facts.extend(side.n_layers.map(|n| ("blocks", number(n))));
    facts.extend(side.n_tensors.map(|n| ("tensors", number(n))));
    facts.extend(side.format.clone().map(|format| ("format", format)));
    facts.extend(side.encoding.clone().map(|encoding| ("encoding", encoding)));
    let digests = [("SHA-256", &side.sha256), ("tensor root", &side.tensor_root)];
    facts.extend(digests.into_iter().filter(|(_, digest)| !digest.is_empty()).map(|(label, digest)| (label, digest.clone())));
    facts
}

/// An endpoint shows what it answers, and no file.
fn endpoint_facts(side: &Side) -> Vec<(&'static str, String)> {
    let mut facts = vec![("address", side.path.clone())];
    facts.extend(side.model.clone().map(|model| ("model", model)));
    facts.extend(side.family.clone().map(|family| ("family", family)));
    facts.extend((side.n_parameters > 0).then(|| ("parameters", numbers::grouped(side.n_parameters))));
    facts.push(("weights", "not seen: an endpoint shows what it answers, and no file".to_owned()));
    facts
}

/// A remark as markup: powers of ten raised, `code` set as code, minus signs that align with digits, long numbers grouped.
pub(crate) fn prose(text: &str) -> String {
    let mut out = String::new();
    for (i, piece) in text.split('`').enumerate() {
        let closed = i + 1 < text.split('`').count();
        match (i % 2, closed) {
            (1, true) => out.push_str(&format!("<code>{}</code>", figures::escape(piece))),
            (1, false) => out.push_str(&format!("`{}", powers(&plain_prose(piece)))),
            _ => out.push_str(&powers(&plain_prose(piece))),
        }
    }
    out
}

/// `-0.5` → `−0.5` and `22565376` → `22,565,376`, where they stand as words of their own.
fn plain_prose(text: &str) -> String {
    let word = |word: &str| -> String {
        let bare = word.trim_end_matches([',', ';', '.', ')', ':']);
        let tail = &word[bare.len()..];
        if bare.len() >= 5 && !bare.starts_with('0') && bare.bytes().all(|b| b.is_ascii_digit()) {
            return bare.parse().map_or_else(|_| word.to_owned(), |n: u64| format!("{}{tail}", numbers::grouped(n)));
        }
        let (open, number) = match word.strip_prefix('(') {
            Some(number) => ("(", number),
            None => ("", word),
        };
        match number.strip_prefix('-') {
            Some(digits) if digits.starts_with(|c: char| c.is_ascii_digit()) => format!("{open}\u{2212}{digits}"),
            _ => word.to_owned(),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Text with powers of ten raised: `10^-42` → `10<sup>−42</sup>`; everything else escaped.
fn powers(text: &str) -> String {
    let escaped = figures::escape(text);
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped.as_str();
    while let Some((before, after)) = rest.split_once("10^") {
        let (sign, digits) = match after.strip_prefix(['-', '\u{2212}']) {
            Some(digits) => ("\u{2212}", digits),
            None => ("", after),
        };
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        out.push_str(before);
        out.push_str("10");
        if end == 0 {
            out.push('^');
            rest = after;
        } else {
            out.push_str(&format!("<sup>{sign}{}</sup>", &digits[..end]));
            rest = &digits[end..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_raised_and_the_rest_is_escaped() {
        assert_eq!(powers("1 in 10^4229 <b>"), "1 in 10<sup>4229</sup> &lt;b&gt;");
        assert_eq!(powers("10^-3, 10^x, 10^"), "10<sup>\u{2212}3</sup>, 10^x, 10^");
    }

    #[test]
    fn remarks_are_set_like_print() {
        assert_eq!(prose("tensors with `a_i < b` and 10^-3"), "tensors with <code>a_i &lt; b</code> and 10<sup>\u{2212}3</sup>");
        assert_eq!(
            prose("31488 of 22565376 elements, lowest -0.0141 (-3), x-1"),
            "31,488 of 22,565,376 elements, lowest \u{2212}0.0141 (\u{2212}3), x-1"
        );
        assert_eq!(prose("an open ` is kept, 2024 too"), "an open ` is kept, 2024 too");
        assert_eq!(prose("<b>`<i>`"), "&lt;b&gt;<code>&lt;i&gt;</code>");
    }
}
