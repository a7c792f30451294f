//! The answer on a terminal: the sentence, the number, what it is worth, and what it would have found. At most 80 columns.

use super::view::{self, committed_words, declared_test, e_value};
use super::{marks, p_in_words, questions};
use crate::data::{Combination, MarksPicture, Question, Report, TwinsTest};
use crate::numbers::{self, four_decimals};
use crate::text::{Options, WIDTH, fact, printable, side, wrap};
use crate::words;

/// The answer as a screen of text; one sentence where nothing was tested.
pub fn text(report: &Report, options: Options<'_>) -> String {
    let mut lines = Vec::new();
    for verdict in report.verdicts.iter().filter(|verdict| verdict.question == Question::Distillation) {
        let heading = words::conclusion(verdict.question, verdict.conclusion);
        lines.push(if options.colour { format!("\u{1b}[1m{heading}\u{1b}[0m") } else { heading.to_owned() });
        lines.extend(wrapped(&verdict.statement));
        lines.extend(verdict.would_help.iter().flat_map(|help| wrapped(&format!("What would allow an answer: {help}"))));
        lines.push(String::new());
        if let Some(p) = &verdict.p_value {
            let value = numbers::p_value(p.log10, Some(p.null));
            lines.extend(fact("p-value", &format!("{value} ({}; {})", words::null_kind(p.null), p.method)));
        }
    }
    match super::of(report) {
        Some(twins) => {
            let test = |test: &TwinsTest| {
                let interval = test
                    .finite_interval()
                    .map_or_else(String::new, |[low, high]| format!(" ({} to {})", four_decimals(low), four_decimals(high)));
                let p = p_in_words(test.log10_p, test.null);
                format!(
                    "{}{interval}, z {}, {p}, {} requests",
                    four_decimals(test.effect),
                    numbers::z(test.z),
                    numbers::grouped(test.requests)
                )
            };
            lines.extend(fact("effect", &format!("{}; nats a token, 95 % interval", test(&twins.primary))));
            let checks = [("no base", &twins.without_base), ("base alone", &twins.base_alone), ("placebo", &twins.placebo)];
            for (label, check) in checks {
                lines.extend(fact(label, &check.as_ref().map_or_else(|| "not tested".to_owned(), test)));
            }
            lines.extend(fact("least", &format!("{} {}", four_decimals(twins.detectable), view::least_sentence(twins))));
            if !twins.batches.is_empty() {
                let each = twins.batches.iter().map(|batch| p_in_words(batch.log10_p, batch.null)).collect::<Vec<_>>().join("; ");
                lines.extend(fact("batches", &format!("{} ({each})", twins.batches.len())));
                let all = twins.batches.iter().map(|batch| e_value(batch.log10_e)).collect::<Vec<_>>().join("; ");
                let (how, e) = match twins.combination {
                    Combination::EMean => ("mean", e_value(twins.log10_e)),
                    _ => ("product", e_value(twins.log10_e)),
                };
                let needed = numbers::plain(-twins.log10_level);
                lines.extend(fact("e-values", &format!("{all}; {how} {e}, where 10^{needed} is needed").replace("10^-", "10^−")));
            }
        }
        None => match super::marks_of(report) {
            Some(picture) => lines.extend(marks(picture)),
            None => lines.extend(fact("no test", &super::why_none(report))),
        },
    }
    if let Some(primary) = &report.primary {
        let mut declared = format!("{}; {}", declared_test(primary).replace('`', "").replace("10^-", "10^−"), committed_words(primary));
        if let Some(at) = &primary.committed_at {
            declared.push_str(&format!(", {at}"));
        }
        lines.extend(fact("declared", &declared));
    }
    for (label, words) in report.two_questions.iter().flat_map(questions::lines) {
        lines.extend(fact(label, &words));
    }
    lines.extend(fact("reference", &side(&report.case.reference)));
    lines.extend(fact("suspect", &side(&report.case.suspect)));
    if let Some(path) = options.written_to {
        lines.push(String::new());
        lines.extend(fact("report", path));
    }
    lines.join("\n") + "\n"
}

fn marks(picture: &MarksPicture) -> Vec<String> {
    let mut lines = Vec::new();
    for (title, test) in marks::tests(picture) {
        lines.push(format!("{title}:"));
        lines.extend(fact("counted", &marks::sentence(test)));
        for count in &test.counts {
            let note = if count.is_valid { "" } else { ": copies taken for independent, concludes nothing" };
            lines.extend(fact("", &format!("{}: z {}, {}{note}", count.name, numbers::z(count.z), p_in_words(count.log10_p, count.null))));
        }
    }
    lines.extend(fact("key", &format!("{}, SHA-256 {}", picture.scheme, picture.key_digest)));
    lines
}

fn wrapped(text: &str) -> Vec<String> {
    wrap(&printable(text).replace("10^-", "10^−"), WIDTH)
}
