//! What the section says: the numbers in plain words, the checks, the table, the batches, and what was declared.

use super::p_in_words;
use crate::data::{Combination, Primary, Report, TwinsPicture, TwinsTest};
use crate::figures::Figure;
use crate::figures::twins::{self, Check};
use crate::numbers::{self, four_decimals};
use serde::Serialize;

/// A check that rejects here has failed, as in the verdict.
const LOG10_CHECK: f64 = -3.0;

/// The section, ready for the template.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    pub(crate) effect: String,
    pub(crate) effect_sentence: String,
    pub(crate) least: String,
    pub(crate) least_sentence: String,
    /// `p ≤ 10^−9`.
    pub(crate) p: String,
    pub(crate) p_sentence: String,
    /// What the checks say, as a heading.
    pub(crate) worth: &'static str,
    /// Whether what must show nothing shows something.
    pub(crate) has_failed: bool,
    pub(crate) arrangements: Figure,
    pub(crate) differences: Figure,
    pub(crate) power: Option<Figure>,
    pub(crate) sketch: Figure,
    pub(crate) steps: [String; 4],
    pub(crate) table: Vec<Row>,
    pub(crate) batches: Vec<Batch>,
    /// Whether a product grows from batch to batch.
    pub(crate) is_product: bool,
    /// What all batches say together.
    pub(crate) together: String,
    pub(crate) measured: Vec<(&'static str, String)>,
}

/// One test of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) title: &'static str,
    pub(crate) is_suspect: bool,
    pub(crate) requests: u64,
    pub(crate) clusters: u64,
    pub(crate) effect: String,
    pub(crate) interval: String,
    pub(crate) z: String,
    pub(crate) p: String,
}

/// One batch.
#[derive(Debug, Serialize)]
pub(crate) struct Batch {
    pub(crate) requests: u64,
    pub(crate) clusters: u64,
    pub(crate) effect: String,
    pub(crate) z: String,
    pub(crate) p: String,
    /// `3.2`, or `10^4`.
    pub(crate) e: String,
    /// The product of all up to here; none where they are averaged.
    pub(crate) so_far: Option<String>,
}

/// What was declared before the suspect was opened.
#[derive(Debug, Serialize)]
pub(crate) struct Declared {
    /// Which test, at which level, by which number.
    pub(crate) test: String,
    pub(crate) is_committed: bool,
    pub(crate) words: &'static str,
    pub(crate) facts: Vec<(&'static str, String)>,
}

impl View {
    pub(crate) fn of(report: &Report, twins: &TwinsPicture) -> Self {
        let checks = checks(twins);
        Self {
            effect: four_decimals(twins.primary.effect),
            effect_sentence: effect_sentence(twins),
            least: four_decimals(twins.detectable),
            least_sentence: least_sentence(twins),
            p: p_in_words(twins.log10_p, twins.null),
            p_sentence: p_sentence(twins),
            worth: worth(twins),
            has_failed: [&twins.base_alone, &twins.placebo].into_iter().flatten().any(|test| test.log10_p <= LOG10_CHECK),
            arrangements: twins::arrangements(twins),
            differences: twins::differences(&checks),
            power: twins::power(twins),
            sketch: twins::sketch(twins),
            steps: steps(twins),
            table: checks.iter().map(row).collect(),
            batches: batches(twins),
            is_product: twins.combination == Combination::EProduct,
            together: together(twins),
            measured: measured(report, twins),
        }
    }
}

impl Declared {
    pub(crate) fn of(primary: &Primary) -> Self {
        let facts = [
            ("committed", primary.committed_at.clone()),
            ("suspect first opened", primary.opened_at.clone()),
            ("commitment", primary.commitment.clone()),
        ];
        Self {
            test: declared_test(primary),
            is_committed: primary.committed_beforehand,
            words: committed_words(primary),
            facts: facts.into_iter().filter_map(|(label, fact)| Some((label, fact?))).collect(),
        }
    }
}

/// The declared test in words.
pub(super) fn declared_test(primary: &Primary) -> String {
    let in_short = || format!("`{}` at the level of 10^{}", primary.method, numbers::plain(primary.log10_level));
    primary.words.clone().unwrap_or_else(in_short)
}

/// A few words for whether the test was laid down in time.
pub(super) fn committed_words(primary: &Primary) -> &'static str {
    if primary.committed_beforehand { "committed beforehand" } else { "exploratory: not committed beforehand" }
}

/// The suspect's numbers first, then what must show nothing.
pub(super) fn checks(twins: &TwinsPicture) -> Vec<Check<'_>> {
    let has_base = twins.without_base.is_some() || twins.base_alone.is_some();
    let first = Check {
        test: &twins.primary,
        title: "The suspect",
        words: if has_base { "beside the public base; this is the test" } else { "this is the test" }.to_owned(),
        is_suspect: true,
    };
    let others = [
        (&twins.without_base, "The suspect by itself", "the same without the base", true),
        (&twins.base_alone, "The public base in its place", "it saw neither, and must show nothing", false),
        (&twins.placebo, "Placebo", "replies that went to others; they must show nothing", false),
    ];
    let others = others
        .into_iter()
        .filter_map(|(test, title, words, is_suspect)| Some(Check { test: test.as_ref()?, title, words: words.to_owned(), is_suspect }));
    std::iter::once(first).chain(others).collect()
}

/// What the checks say. It tells what the numbers show, and concludes nothing.
fn worth(twins: &TwinsPicture) -> &'static str {
    let has_failed = |test: &Option<TwinsTest>| test.as_ref().map(|test| test.log10_p <= LOG10_CHECK);
    match (has_failed(&twins.base_alone), has_failed(&twins.placebo)) {
        (Some(true), Some(true)) => "Both checks have failed: what never saw a released reply shows the difference too.",
        (Some(true), _) => "A check has failed: the public base, which saw neither, shows the difference too.",
        (_, Some(true)) => "A check has failed: replies that went to others show the difference too.",
        (Some(false), Some(false)) => "Both checks lie at zero, as they must.",
        (Some(false), None) => "The public base lies at zero, as it must. Replies that went to others were not tested.",
        (None, Some(false)) => "Replies that went to others lie at zero, as they must. No public base was tested.",
        (None, None) => "Nothing was tested that must show nothing: how the twins were drawn is not checked.",
    }
}

fn effect_sentence(twins: &TwinsPicture) -> String {
    let test = &twins.primary;
    let interval = test
        .finite_interval()
        .map_or_else(String::new, |[low, high]| format!(" (95 % interval {} to {})", four_decimals(low), four_decimals(high)));
    format!(
        "nats a token more probable than their twins{interval}, over {} requests in {} clusters",
        numbers::grouped(test.requests),
        numbers::grouped(test.clusters)
    )
}

pub(super) fn least_sentence(twins: &TwinsPicture) -> String {
    let declared = format!("{} was declared to matter", four_decimals(twins.effect));
    let power = numbers::plain(twins.power);
    if twins.detectable <= twins.effect {
        format!("nats a token would have been found with a probability of {power}; {declared}")
    } else {
        let needed = numbers::grouped(twins.requests_needed);
        format!("nats a token would have been found with a probability of {power}; {declared}, which takes about {needed} requests")
    }
}

fn p_sentence(twins: &TwinsPicture) -> String {
    let kind = crate::words::null_cell(Some(twins.null), twins.null_detail.as_deref());
    format!(
        "The chance of a difference at least this large for a model that does not depend on which replies were released. Kind of p-value: {kind}; {}.",
        crate::words::null_kind_meaning(twins.null)
    )
}

fn steps(twins: &TwinsPicture) -> [String; 4] {
    let n = match (twins.fewest_twins, twins.most_twins) {
        (1, 1) => "one further reply".to_owned(),
        (fewest, most) if fewest == most => format!("{most} further replies"),
        (fewest, most) => format!("{fewest} to {most} further replies"),
    };
    [
        "A service draws its replies by lot: to every request it could have given many others.".to_owned(),
        format!("For each logged request, its owner let the same snapshot draw {n} in the same way: the twins."),
        "A model that does not depend on which reply was released cannot know it from its twins, so its place among them is as good as drawn \
         by lot; a model that was trained on the released one gives it more probability."
            .to_owned(),
        "The test adds up how far released replies stand above their twins, and asks how often places drawn by lot would stand as far: that \
         is exact, whatever the two models are."
            .to_owned(),
    ]
}

fn row(check: &Check<'_>) -> Row {
    let test = check.test;
    Row {
        title: check.title,
        is_suspect: check.is_suspect,
        requests: test.requests,
        clusters: test.clusters,
        effect: four_decimals(test.effect),
        interval: test
            .finite_interval()
            .map_or_else(|| "–".to_owned(), |[low, high]| format!("{} to {}", four_decimals(low), four_decimals(high))),
        z: numbers::z(test.z),
        p: numbers::p_value(test.log10_p, Some(test.null)),
    }
}

fn batches(twins: &TwinsPicture) -> Vec<Batch> {
    let mut product = 0.0;
    let batch = |test: &TwinsTest| {
        product += test.log10_e.unwrap_or(0.0);
        Batch {
            requests: test.requests,
            clusters: test.clusters,
            effect: four_decimals(test.effect),
            z: numbers::z(test.z),
            p: numbers::p_value(test.log10_p, Some(test.null)),
            e: e_value(test.log10_e),
            so_far: (twins.combination == Combination::EProduct).then(|| e_value(Some(product))),
        }
    };
    twins.batches.iter().map(batch).collect()
}

/// `3.2`, `0.5`, or `10^4`.
pub(super) fn e_value(log10: Option<f64>) -> String {
    match log10.filter(|e| e.is_finite()) {
        None => "–".to_owned(),
        Some(log10) if log10 >= 4.0 => format!("10^{}", log10.floor()),
        Some(log10) => numbers::plain(10f64.powf(log10)),
    }
}

/// What all batches say together, and what may be done next.
fn together(twins: &TwinsPicture) -> String {
    let p = p_in_words(twins.log10_p, twins.null);
    let (e, threshold) = (e_value(twins.log10_e), format!("10^{}", numbers::plain(-twins.log10_level)));
    match twins.combination {
        Combination::EProduct => format!(
            "The product of all e-values is what the verdict holds against the level: e = {e}, where {threshold} is needed, so {p}. \
             By Ville's inequality that holds at whatever batch the owner stops; to go on with further replies costs nothing."
        ),
        Combination::EMean => format!(
            "These batches share prompts or conversations, so their e-values do not multiply. Their mean is what the verdict holds against the \
             level: e = {e}, where {threshold} is needed, so {p}. That holds for batches that were fixed beforehand."
        ),
        Combination::Pooled => format!("All batches together, which is what the verdict holds against the level: {p}."),
    }
}

/// Everything that someone needs to measure the same again.
fn measured(report: &Report, twins: &TwinsPicture) -> Vec<(&'static str, String)> {
    let n_twins = match (twins.fewest_twins, twins.most_twins) {
        (fewest, most) if fewest == most => numbers::grouped(most),
        (fewest, most) => format!("{} to {}", numbers::grouped(fewest), numbers::grouped(most)),
    };
    let base = match twins.beta.filter(|beta| beta.is_finite()) {
        Some(beta) => format!("taken away with the weight {}", numbers::plain(beta)),
        None => "none".to_owned(),
    };
    vec![
        ("twins a request", n_twins),
        ("public base", base),
        ("smallest effect", format!("{} nats a token, declared", four_decimals(twins.effect))),
        ("program", format!("{} {}, seed {}", report.tool.name, report.tool.version, report.case.seed)),
    ]
}
