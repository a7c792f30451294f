//! Reports on distillation. Their numbers are no inventions: log-probabilities are drawn, and the crate that the method uses tests them.

use super::{cards, noise, sha, side};
use report::data::PValue as PValueOf;
use report::data::{
    Access, Answer, Card, Case, Combination, Conclusion, CurvePoint, CustodyFile, Explanation, Finding, NullKind, Outcome, Primary,
    Question, Report, Side, SideRole, Tool, TwinsPicture, TwinsTest, TwoQuestions, Verdict,
};
use stats::exchangeable::{Exchange, detectable, exchange, normal_quantile, residuals};
use stats::{EValue, NullDistribution, PValue};

const TWIN: &str = "text.released-twin";

/// What is drawn. Log-probabilities of a token have a spread of .15 nats from reply to reply, of which a base that is close shows 60 %.
#[derive(Clone, Copy)]
struct Drawn {
    requests: usize,
    /// Released replies above their twins, in nats a token: under the suspect, under the base, of the placebo.
    effects: [f64; 3],
    twins: usize,
    batches: usize,
    has_checks: bool,
    /// Declared to matter.
    declared: f64,
}

/// 200 requests, an effect of .05 nats, two twins each.
const SUPPORTED: Drawn = Drawn { requests: 200, effects: [0.05, 0.0, 0.0], twins: 2, batches: 1, has_checks: true, declared: 0.05 };

/// A standard normal number that is the same for ever: twelve uniform ones.
fn normal(i: usize) -> f64 {
    (0..12).map(|k| noise(12 * i + k)).sum::<f64>() / 2.0
}

fn p_value(p: PValue) -> (f64, NullKind, Option<String>) {
    let (null, detail) = match p.from() {
        NullDistribution::Exact => (NullKind::Exact, None),
        NullDistribution::Permutation { n } => (NullKind::Permutation, Some(format!("{n} permutations"))),
        NullDistribution::Asymptotic { law } => (NullKind::Asymptotic, Some(law.to_owned())),
        NullDistribution::Bound { of } => (NullKind::Bound, Some(of.to_owned())),
    };
    (p.log10(), null, detail)
}

#[expect(clippy::unwrap_used, reason = "a test stops where its own numbers cannot be tested")]
fn tested(values: &[Vec<f64>], label: &str) -> (TwinsTest, Exchange) {
    let clusters: Vec<Vec<Vec<f64>>> = values.iter().map(|request| vec![request.clone()]).collect();
    let null = exchange(&clusters, 9_999, 7, label).unwrap();
    let n = values.len() as f64;
    let effect = null.sum / n;
    let variance = null.differences.iter().map(|d| (d - effect).powi(2)).sum::<f64>() / (n - 1.0);
    let half = 1.96 * (variance / n).sqrt();
    let (log10_p, null_kind, null_detail) = p_value(null.p_value);
    let test = TwinsTest {
        requests: values.len() as u64,
        clusters: values.len() as u64,
        effect,
        interval: Some([effect - half, effect + half]),
        z: null.z(),
        log10_p,
        null: null_kind,
        null_detail,
        log10_e: None,
        differences: null.differences.clone(),
    };
    (test, null)
}

/// Of one request: what the suspect and the base give to the released reply and to each twin.
fn request(at: usize, drawn: &Drawn, [suspect, base]: [f64; 2]) -> (Vec<f64>, Vec<f64>) {
    let values = |i: usize| {
        let (common, own) = (normal(1000 * at + 2 * i), normal(1000 * at + 2 * i + 1));
        let lift = if i == 0 { 1.0 } else { 0.0 };
        (-2.4 + 0.116 * common + 0.095 * own + lift * suspect, -2.9 + 0.15 * common + lift * base)
    };
    (0..=drawn.twins).map(values).unzip()
}

#[expect(clippy::unwrap_used, reason = "a test stops where its own numbers cannot be tested")]
fn picture(drawn: &Drawn) -> TwinsPicture {
    let [suspect, base, placebo] = drawn.effects;
    let (values, of_base): (Vec<_>, Vec<_>) = (0..drawn.requests).map(|at| request(at, drawn, [suspect, base])).unzip();
    let (others, others_of_base): (Vec<_>, Vec<_>) = (0..120).map(|at| request(50_000 + at, drawn, [placebo, 0.0])).unzip();
    let (beta, rest) = residuals(&values, &[&of_base]).unwrap();
    let (_, rest_of_others) = residuals(&others, &[&others_of_base]).unwrap();
    let values_tested = if drawn.has_checks { &rest } else { &values };
    let (primary, null) = tested(values_tested, "released");
    let batches: Vec<TwinsTest> = match drawn.batches {
        1 => Vec::new(),
        n => values_tested
            .chunks(drawn.requests.div_ceil(n))
            .enumerate()
            .map(|(i, values)| {
                let (test, null) = tested(values, &format!("batch {i}"));
                TwinsTest { log10_e: Some(EValue::from_p(null.p_value).ln() / std::f64::consts::LN_10), ..test }
            })
            .collect(),
    };
    let e: f64 = batches.iter().filter_map(|batch| batch.log10_e).sum();
    let (log10_p, null_kind, null_detail) = match batches.len() {
        0 => p_value(null.p_value),
        _ => (if e > 0.0 { -e } else { 0.0 }, NullKind::Bound, Some("product of e-values, Markov".to_owned())),
    };
    let n = drawn.requests as f64;
    // Batches are held against the level together, as the method does it.
    let standard_deviations = match batches.len() {
        0 => detectable(1e-6, 0.9),
        k => (4.0 * (1e6f64.ln() + 1.5 * k as f64 * std::f64::consts::LN_2)).sqrt() + normal_quantile(0.1),
    };
    let least = null.null_sd * standard_deviations / n;
    let only = |values: &[Vec<f64>], label: &str| drawn.has_checks.then(|| tested(values, label).0);
    TwinsPicture {
        combination: if batches.is_empty() { Combination::Pooled } else { Combination::EProduct },
        log10_e: (!batches.is_empty()).then_some(e),
        without_base: only(&values, "released"),
        base_alone: only(&of_base, "released"),
        placebo: only(&rest_of_others, "placebo"),
        beta: drawn.has_checks.then_some(beta[0]),
        fewest_twins: drawn.twins as u64,
        most_twins: drawn.twins as u64,
        log10_level: -6.0,
        power: 0.9,
        detectable: least,
        effect: drawn.declared,
        requests_needed: (n * (least / drawn.declared).powi(2)).ceil() as u64,
        curve: [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0f64]
            .map(|times| CurvePoint { requests: (n * times).round() as u64, effect: least / times.sqrt() })
            .to_vec(),
        null_z: null.null_sums.iter().take(999).map(|sum| sum / null.null_sd).collect(),
        batches,
        log10_p,
        null: null_kind,
        null_detail,
        primary,
    }
}

fn card() -> Card {
    Card {
        id: TWIN.to_owned(),
        question: "Does the suspect find the replies that were released more probable than those that could as well have been?".to_owned(),
        null: "the suspect does not depend on which of its possible replies the reference's service released".to_owned(),
        statistic: "`d = mean over requests of ℓ(R_0) − mean_j ℓ(R_j)`; large values count.".to_owned(),
        access: vec![Access::Text, Access::Log],
        assumptions: "Released replies and twins come from one distribution: one snapshot, one prompt, one setting of the sampler."
            .to_owned(),
        survives: "Any change of the suspect's weights, architecture and tokenizer that keeps what it learnt.".to_owned(),
        defeats: "The service answers without chance; the owner kept no log or no snapshot.".to_owned(),
        reference: "own; Fisher 1935; Hoeffding 1963".to_owned(),
    }
}

/// The sentences are those of `data/wording.toml`; the numbers in braces are the picture's.
fn filled(statement: &str, twins: &TwinsPicture) -> String {
    let power = |log10: f64| format!("10^{:.0}", log10.ceil());
    let of = |test: &Option<TwinsTest>| test.as_ref().map_or(0.0, |test| test.log10_p);
    statement
        .replace("{effect}", &format!("{:.4}", twins.primary.effect))
        .replace("{least}", &format!("{:.4}", twins.detectable))
        .replace("{power}", &power(twins.log10_p))
        .replace("{e}", &format!("10^{:.0}", twins.log10_e.unwrap_or(0.0).floor()))
        .replace("{base}", &power(of(&twins.base_alone)))
        .replace("{placebo}", &power(of(&twins.placebo)))
        .replace("{p}", &format!("{:.2}", 10f64.powf(twins.log10_p)))
}

fn verdict(twins: &TwinsPicture, conclusion: Conclusion, statement: &str, would_help: Option<&str>) -> Verdict {
    Verdict {
        question: Question::Distillation,
        conclusion,
        statement: statement.to_owned(),
        would_help: would_help.map(str::to_owned),
        p_value: Some(PValueOf { log10: twins.log10_p, null: twins.null, method: TWIN.to_owned(), null_detail: twins.null_detail.clone() }),
        ..Verdict::default()
    }
}

fn report(drawn: &Drawn, conclusion: Conclusion, statement: &str, would_help: Option<&str>) -> Report {
    let twins = picture(drawn);
    let test = &twins.primary;
    let finding = Finding {
        method: TWIN.to_owned(),
        question: Question::Distillation,
        outcome: Outcome::Observed,
        statistic: Some(test.effect),
        log10_p: Some(twins.log10_p),
        null_distribution: Some(twins.null),
        null_detail: twins.null_detail.clone(),
        n: Some(test.requests),
        words: Some(format!(
            "released replies of {} requests are more probable than their twins by {:.4} nats a token",
            test.requests, test.effect
        )),
        parts: vec![Explanation::value("least effect found", twins.detectable, "nats a token")],
        ..Finding::default()
    };
    let statement = &filled(statement, &twins);
    let declared = match twins.combination {
        Combination::Pooled => "`text.released-twin` at the level of 10^-6, by the p-value of one fixed set of replies",
        _ => {
            "`text.released-twin` at the level of 10^-6, by the product of e-values over disjoint batches: from 10^6 on it rejects, and after every batch the owner may stop or go on"
        }
    };
    let answer = verdict(&twins, conclusion, statement, would_help);
    let suspect = side("models/assistant-7b", 61, 12);
    Report {
        tool: Tool { name: "filiation".to_owned(), version: "0.1.0".to_owned(), commit: "4f9c2e1".to_owned() },
        case: Case { reference: side("models/tutor", 60, 16), suspect: suspect.clone(), seed: 7, ..Case::default() },
        primary: Some(Primary {
            method: TWIN.to_owned(),
            words: Some(declared.to_owned()),
            log10_level: -6.0,
            committed_beforehand: true,
            committed_at: Some("2026-11-02T09:12:40Z".to_owned()),
            commitment: Some(format!("sha256:{}", sha(70))),
            opened_at: Some("2026-11-09T14:03:11Z".to_owned()),
        }),
        two_questions: Some(TwoQuestions {
            derivation: None,
            distillation: Answer {
                conclusion,
                statement: statement.to_owned(),
                log10_p: Some(twins.log10_p),
                method: Some(TWIN.to_owned()),
                suspect: suspect.path,
                report_sha256: None,
            },
            same_suspect: None,
        }),
        verdicts: vec![answer],
        findings: vec![Finding { twins: Some(twins), ..finding }],
        cards: vec![card()],
        limits: vec![
            "The answer is about training on outputs. It does not say that the suspect holds weights of the reference; that is the question of derivation, which has tests of its own.".to_owned(),
            "It does not say who trained the suspect, how the replies came there, with what intent, or under which terms.".to_owned(),
            "It does not say which of the replies the suspect was trained on, nor how many: all of them are tested together.".to_owned(),
        ],
        custody: vec![CustodyFile { side: SideRole::Suspect, path: "models/assistant-7b/model.safetensors".to_owned(), bytes: 18_612_224, sha256: sha(61) }],
        command: Some("filiation twins test twins.jsonl models/assistant-7b --base models/public-base --seed 7".to_owned()),
        ..Report::default()
    }
}

pub(crate) fn distilled() -> Report {
    report(
        &SUPPORTED,
        Conclusion::SupportsDistillation,
        "The evidence supports that the suspect was trained on replies that the reference released: it finds the released replies of 200 requests more probable than their twins by {effect} nats a token, and a model that did not depend on which were released would show this much with a probability of at most {power} (a rigorous upper bound).",
        None,
    )
}

pub(crate) fn not_distilled() -> Report {
    report(
        &Drawn { requests: 900, effects: [0.0; 3], declared: 0.04, ..SUPPORTED },
        Conclusion::NoEvidenceOfDistillation,
        "There is no evidence that the suspect was trained on replies that the reference released: those of 900 requests do not stand out from their twins (p ≤ {p}), and a difference of 0.0400 nats a token, the smallest that was declared to matter, would have been found with a probability of at least 0.9.",
        None,
    )
}

pub(crate) fn too_few_replies() -> Report {
    let drawn = Drawn { requests: 60, effects: [0.02, 0.0, 0.0], declared: 0.02, ..SUPPORTED };
    let needed = picture(&drawn).requests_needed;
    let help = format!(
        "about {needed} logged requests with twins, where 60 were at hand; a public base that is closer to the suspect needs fewer"
    );
    report(
        &drawn,
        Conclusion::Inconclusive,
        "The evidence allows no conclusion on distillation: released replies do not stand out from their twins at the level of 10^-6 (p ≤ {p}), but 60 requests are too few: they reliably show differences from {least} nats a token on, and one of 0.0200 was declared to matter.",
        Some(&help),
    )
}

const CHECK_HELP: &str =
    "twins drawn anew by the snapshot, the prompts and the sampler that gave the released replies, with nothing edited afterwards";

/// The twins came from another setting of the sampler: the base sees it too.
pub(crate) fn failed_base() -> Report {
    report(
        &Drawn { effects: [0.11, 0.08, 0.0], ..SUPPORTED },
        Conclusion::Inconclusive,
        "The evidence allows no conclusion on distillation: the public base, which saw neither, tells released replies from their twins in the suspect's place (p ≤ {base}), so they differ for another reason than training.",
        Some(CHECK_HELP),
    )
}

pub(crate) fn failed_placebo() -> Report {
    report(
        &Drawn { effects: [0.05, 0.0, 0.06], ..SUPPORTED },
        Conclusion::Inconclusive,
        "The evidence allows no conclusion on distillation: replies that went to others stand out from their twins too (p ≤ {placebo}), so released replies differ from twins for another reason than training.",
        Some(CHECK_HELP),
    )
}

/// Three batches, beside a report on weights that supports independence.
pub(crate) fn distilled_in_batches() -> Report {
    let mut report = report(
        &Drawn { requests: 600, batches: 3, twins: 3, ..SUPPORTED },
        Conclusion::SupportsDistillation,
        "The evidence supports that the suspect was trained on replies that the reference released: it finds the released replies of 600 requests more probable than their twins by {effect} nats a token, and the e-values of 3 batches, each tested by itself, multiply to {e}, which a model that did not depend on which were released would reach with a probability of at most {power}, whenever the owner stops.",
        None,
    );
    beside(&mut report, super::independent(), Some(true));
    report
}

/// Weights carried on, and trained on replies too.
pub(crate) fn derived_and_distilled() -> Report {
    let mut report = distilled();
    beside(&mut report, super::derived(), Some(true));
    report
}

fn beside(report: &mut Report, other: Report, same_suspect: Option<bool>) {
    let verdict = &other.verdicts[0];
    if let Some(questions) = &mut report.two_questions {
        questions.same_suspect = same_suspect;
        questions.derivation = Some(Answer {
            conclusion: verdict.conclusion,
            statement: verdict.statement.clone(),
            log10_p: verdict.p_value.as_ref().map(|p| p.log10),
            method: verdict.p_value.as_ref().map(|p| p.method.clone()),
            suspect: other.case.suspect.path.clone(),
            report_sha256: Some(sha(71)),
        });
    }
}

/// Nothing but an endpoint, one twin a request, no base, no placebo, nothing committed.
pub(crate) fn endpoint() -> Report {
    let mut report = report(
        &Drawn { requests: 400, effects: [0.06, 0.0, 0.0], twins: 1, has_checks: false, ..SUPPORTED },
        Conclusion::SupportsDistillation,
        "The evidence supports that the suspect was trained on replies that the reference released: it finds the released replies of 400 requests more probable than their twins by {effect} nats a token, and a model that did not depend on which were released would show this much with a probability of at most {power} (a rigorous upper bound); exploratory: the replies and twins were not committed before the suspect was opened.",
        None,
    );
    report.case.suspect = Side {
        path: "127.0.0.1:8080/v1".to_owned(),
        format: Some(Side::ENDPOINT.to_owned()),
        model: Some("assistant-7b".to_owned()),
        ..Side::default()
    };
    report.custody.clear();
    report.primary = Some(Primary { method: TWIN.to_owned(), log10_level: -6.0, ..Primary::default() });
    beside(&mut report, super::derived(), None);
    report
}

/// A declared test that could not be made.
pub(crate) fn untested() -> Report {
    let mut report = endpoint();
    let why = "the suspect could read no released reply together with a twin";
    report.findings =
        vec![Finding { method: TWIN.to_owned(), question: Question::Distillation, why: Some(why.to_owned()), ..Finding::default() }];
    report.verdicts[0] = Verdict {
        question: Question::Distillation,
        statement: format!(
            "The evidence allows no conclusion on distillation: the declared primary test, `{TWIN}`, does not apply: {why}."
        ),
        would_help: Some("a log of requests and replies".to_owned()),
        ..Verdict::default()
    };
    report.two_questions = None;
    report.cards.extend(cards());
    report
}
