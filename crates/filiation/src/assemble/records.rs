//! Puts what methods found on outputs into the report's plain data: the declared test, the answer on distillation, and both questions side by side.

use super::{card, null_of, observed, tool};
use crate::Error;
use evidence::{Card, Explanation, MarkEvidence, MarkTest, Outcome, RECORD_METHODS, Together, TwinEvidence, TwinTest};
use report::data;
use sha2::{Digest as _, Sha256};
use sources::FormatError;
use sources::digest::hex;
use stats::{EValue, PValue};
use std::io::Read as _;
use std::path::Path;
use verdict::distillation::{Conclusion, Verdict};

/// Everything known at the end of a run on outputs.
pub(crate) struct ExaminedRecords<'a> {
    /// [`super::side`] of weights, or [`endpoint`].
    pub(crate) reference: data::Side,
    pub(crate) suspect: data::Side,
    pub(crate) seed: u64,
    /// Of [`RECORD_METHODS`], in their order.
    pub(crate) outcomes: &'a [(&'static Card, Outcome)],
    pub(crate) verdict: &'a Verdict,
    /// What was declared; the level is the verdict's.
    pub(crate) plan: Declared,
    /// The answer on derivation, where the user gave one.
    pub(crate) beside: Option<&'a Beside>,
    /// Of logs, twins and weights that were read.
    pub(crate) custody: Vec<data::CustodyFile>,
    /// The command that gives the report again.
    pub(crate) command: String,
}

/// What was laid down before the suspect was opened, or was not.
pub(crate) struct Declared {
    /// Id of the method.
    pub(crate) method: String,
    pub(crate) committed_beforehand: bool,
    /// In RFC 3339.
    pub(crate) committed_at: Option<String>,
    /// With its algorithm: `sha256:…`.
    pub(crate) commitment: Option<String>,
    /// In RFC 3339.
    pub(crate) opened_at: Option<String>,
}

/// Another report, on the derivation of the same suspect.
pub(crate) struct Beside {
    report: data::Report,
    sha256: String,
}

/// Larger files are no reports: the largest hold some megabytes.
const MAX_BYTES: u64 = 1 << 28;

impl Beside {
    /// Reads a `report.json` that holds an answer on derivation.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let io = |action| move |error| Error::Io { action, path: path.to_owned(), error };
        let mut bytes = Vec::new();
        std::fs::File::open(path).map_err(io("open"))?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(io("read"))?;
        let fail = |found: String, expected: &str| {
            Error::from(FormatError::new("report", found, expected).hint("give the `report.json` of a `filiation compare`").at(path))
        };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(fail(format!("more than {MAX_BYTES} bytes"), "the report of a comparison"));
        }
        let report: data::Report = serde_json::from_slice(&bytes).map_err(|error| fail(error.to_string(), "the report of a comparison"))?;
        if report.schema != data::SCHEMA {
            return Err(fail(format!("schema `{}`", report.schema.escape_debug()), &format!("schema `{}`", data::SCHEMA)));
        }
        if !report.verdicts.iter().any(|verdict| verdict.question == data::Question::Derivation) {
            return Err(fail("no answer on derivation".into(), "one"));
        }
        Ok(Self { report, sha256: hex(&Sha256::digest(&bytes)) })
    }

    fn answer(&self) -> Option<data::Answer> {
        let verdict = self.report.verdicts.iter().find(|verdict| verdict.question == data::Question::Derivation)?;
        Some(data::Answer {
            conclusion: verdict.conclusion,
            statement: verdict.statement.clone(),
            log10_p: verdict.p_value.as_ref().map(|p| p.log10),
            method: verdict.p_value.as_ref().map(|p| p.method.clone()),
            suspect: self.report.case.suspect.path.clone(),
            report_sha256: Some(self.sha256.clone()),
        })
    }

    /// Whether both reports are about the same values; `None` where one of the suspects shows none.
    fn is_of(&self, suspect: &data::Side) -> Option<bool> {
        let other = &self.report.case.suspect;
        let are_known = [&other.tensor_root, &suspect.tensor_root].iter().all(|root| !root.is_empty());
        (are_known && !other.is_endpoint() && !suspect.is_endpoint()).then(|| other.tensor_root == suspect.tensor_root)
    }
}

/// A suspect, or a reference, that only answers.
pub(crate) fn endpoint(address: &str, model: Option<&str>) -> data::Side {
    data::Side {
        path: address.to_owned(),
        format: Some(data::Side::ENDPOINT.into()),
        model: model.map(str::to_owned),
        ..data::Side::default()
    }
}

pub(crate) fn report(case: ExaminedRecords<'_>) -> data::Report {
    let verdict = verdict(case.verdict);
    let distillation = data::Answer {
        conclusion: verdict.conclusion,
        statement: verdict.statement.clone(),
        log10_p: verdict.p_value.as_ref().map(|p| p.log10),
        method: verdict.p_value.as_ref().map(|p| p.method.clone()),
        suspect: case.suspect.path.clone(),
        report_sha256: None,
    };
    data::Report {
        schema: data::SCHEMA.to_owned(),
        tool: tool(),
        primary: Some(data::Primary {
            method: case.plan.method,
            words: Some(case.verdict.declared.clone()),
            log10_level: verdict::distillation::LOG10_LEVEL,
            committed_beforehand: case.plan.committed_beforehand,
            committed_at: case.plan.committed_at,
            commitment: case.plan.commitment,
            opened_at: case.plan.opened_at,
        }),
        two_questions: Some(data::TwoQuestions {
            derivation: case.beside.and_then(Beside::answer),
            distillation,
            same_suspect: case.beside.and_then(|beside| beside.is_of(&case.suspect)),
        }),
        case: data::Case { reference: case.reference, suspect: case.suspect, seed: case.seed, ..data::Case::default() },
        verdicts: vec![verdict],
        findings: case.outcomes.iter().map(|(card, outcome)| finding(card, outcome)).collect(),
        cards: case.outcomes.iter().map(|(card, _)| self::card(card)).collect(),
        not_run: RECORD_METHODS
            .iter()
            .map(|method| method.card())
            .filter(|card| !case.outcomes.iter().any(|(run, _)| run.id == card.id))
            .map(|card| data::NotRun { method: card.id.into(), why: "nothing that it needs was given".into() })
            .collect(),
        limits: case.verdict.limits.clone(),
        custody: case.custody,
        command: Some(case.command),
        ..data::Report::default()
    }
}

fn verdict(verdict: &Verdict) -> data::Verdict {
    data::Verdict {
        question: data::Question::Distillation,
        conclusion: match verdict.conclusion {
            Conclusion::SupportsDistillation => data::Conclusion::SupportsDistillation,
            Conclusion::NoEvidenceOfDistillation => data::Conclusion::NoEvidenceOfDistillation,
            Conclusion::Inconclusive => data::Conclusion::Inconclusive,
        },
        p_value: verdict.strongest.as_ref().map(|s| {
            let (null, null_detail) = null_of(s.p_value);
            data::PValue { log10: s.p_value.log10(), null, method: s.method.into(), null_detail }
        }),
        statement: verdict.statement.clone(),
        would_help: verdict.would_help.clone(),
        ..data::Verdict::default()
    }
}

fn finding(card: &Card, outcome: &Outcome) -> data::Finding {
    let seen = outcome.observed();
    data::Finding {
        twins: seen.and_then(|o| o.twins.as_deref()).map(twins),
        marks: seen.and_then(|o| o.marks.as_deref()).map(marks),
        parts: seen.map_or_else(Vec::new, |o| o.explanation.parts.iter().map(explanation).collect()),
        ..observed(card, outcome)
    }
}

/// A number of a method with its parts.
pub(crate) fn explanation(e: &Explanation) -> data::Explanation {
    data::Explanation {
        label: e.label.clone(),
        value: e.value,
        unit: e.unit.into(),
        words: e.words.clone(),
        parts: e.parts.iter().map(explanation).collect(),
        ..data::Explanation::default()
    }
}

fn twins(twins: &TwinEvidence) -> data::TwinsPicture {
    let (null, null_detail) = null_of(twins.p_value);
    let (combination, e) = match twins.together {
        Together::Pooled => (data::Combination::Pooled, None),
        Together::Product(e) => (data::Combination::EProduct, Some(e)),
        Together::Mean(e) => (data::Combination::EMean, Some(e)),
    };
    data::TwinsPicture {
        combination,
        log10_e: e.map(EValue::log10),
        primary: test(&twins.primary),
        without_base: twins.without_base.as_ref().map(test),
        base_alone: twins.base_alone.as_ref().map(test),
        placebo: twins.placebo.as_ref().map(test),
        beta: twins.beta,
        fewest_twins: twins.twins.0 as u64,
        most_twins: twins.twins.1 as u64,
        log10_level: twins.log10_level,
        power: twins.power,
        detectable: twins.detectable,
        effect: twins.effect,
        requests_needed: twins.requests_needed,
        curve: twins.curve.iter().map(|&(requests, effect)| data::CurvePoint { requests, effect }).collect(),
        null_z: twins.null_z.clone(),
        batches: twins
            .batches
            .iter()
            .map(|batch| data::TwinsTest { log10_e: Some(EValue::from_p(batch.p_value).log10()), ..test(batch) })
            .collect(),
        log10_p: twins.p_value.log10(),
        null,
        null_detail,
    }
}

fn marks(marks: &MarkEvidence) -> data::MarksPicture {
    data::MarksPicture {
        scheme: marks.scheme.clone(),
        key_digest: marks.key_digest.clone(),
        texts: marks.texts.as_ref().map(marks_test),
        reading: marks.reading.as_ref().map(marks_test),
    }
}

fn marks_test(test: &MarkTest) -> data::MarksTest {
    let count = |name: &str, z: f64, p: PValue| {
        let (log10_p, null, is_valid) = (p.log10(), null_of(p).0, p.is_rigorous());
        data::MarksCount { name: name.into(), z, log10_p, null, is_valid }
    };
    let weighted = |p: Option<PValue>, name: &str| p.map(|p| count(name, test.weighted_z, p));
    let mut counts = vec![count("each once", test.z, test.once)];
    counts.extend(weighted(test.fresh_keys, "by weight, fresh keys"));
    counts.extend(weighted(test.chernoff, "by weight, bound"));
    counts.extend(test.naive.map(|naive| count("naive", naive.z, naive.p_value)));
    data::MarksTest {
        places: test.places,
        dropped: test.dropped,
        n: test.n as u64,
        sum: test.sum,
        expected: test.expected,
        counts,
        null_z: test.null_z.clone(),
        log10_p: test.p_value.log10(),
        null: null_of(test.p_value).0,
    }
}

fn test(test: &TwinTest) -> data::TwinsTest {
    let (null, null_detail) = null_of(test.p_value);
    data::TwinsTest {
        requests: test.requests as u64,
        clusters: test.clusters as u64,
        effect: test.effect,
        interval: Some([test.interval.0, test.interval.1]),
        z: test.z,
        log10_p: test.p_value.log10(),
        null,
        null_detail,
        log10_e: None,
        differences: test.differences.clone(),
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::page::Page;
    use evidence::{Records, ScoredRequest, TwinScores};
    use verdict::Wording;
    use verdict::distillation::{Plan, conclude};

    /// Twelve released replies, far above their twins: enumerated, p = 3^-12.
    fn outcomes() -> Vec<(&'static Card, Outcome)> {
        let request = |i: usize| ScoredRequest {
            cluster: format!("c{i}"),
            batch: i % 2,
            is_placebo: false,
            suspect: vec![-1.0, -2.0 - 0.01 * i as f64, -2.1],
            base: Some(vec![-2.0, -2.0 + 0.1 * (i % 3) as f64, -2.1]),
            further: Vec::new(),
        };
        let scores = TwinScores { requests: (0..12).map(request).collect(), effect: 0.5, is_sequence: false };
        let records = Records { twins: Some(&scores), seed: 3, ..Records::default() };
        RECORD_METHODS.iter().map(|method| (method.card(), method.observe(&records).unwrap())).collect()
    }

    fn examined<'a>(
        outcomes: &'a [(&'static Card, Outcome)],
        verdict: &'a Verdict,
        beside: Option<&'a Beside>,
        suspect: data::Side,
    ) -> ExaminedRecords<'a> {
        ExaminedRecords {
            reference: endpoint("http://127.0.0.1:1/v1", Some("tutor")),
            suspect,
            seed: 3,
            outcomes,
            verdict,
            plan: Declared {
                method: "text.released-twin".into(),
                committed_beforehand: true,
                committed_at: None,
                commitment: Some("sha256:00".into()),
                opened_at: None,
            },
            beside,
            custody: Vec::new(),
            command: "filiation twins test".into(),
        }
    }

    #[test]
    fn a_test_becomes_a_page_and_stands_beside_an_answer_on_derivation() {
        let outcomes = outcomes();
        let plan = Plan { primary: "text.released-twin", is_committed: true, is_sequence: false };
        let verdict = conclude(&outcomes, &plan, &Wording::shipped().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let known = |root: &str| data::Side { path: "student".into(), tensor_root: root.into(), ..data::Side::default() };
        let other = data::Report {
            case: data::Case { suspect: known("r1"), ..data::Case::default() },
            verdicts: vec![data::Verdict { conclusion: data::Conclusion::SupportsIndependence, ..data::Verdict::default() }],
            ..data::Report::default()
        };
        let path = folder.path().join("report.json");
        std::fs::write(&path, report::json::render(&other).unwrap()).unwrap();
        let beside = Beside::read(&path).unwrap();
        for (suspect, same) in [(known("r1"), Some(true)), (known("r2"), Some(false)), (endpoint("host", None), None)] {
            let report = report(examined(&outcomes, &verdict, Some(&beside), suspect));
            let questions = report.two_questions.as_ref().unwrap();
            assert_eq!(questions.same_suspect, same);
            assert_eq!(questions.derivation.as_ref().unwrap().conclusion, data::Conclusion::SupportsIndependence);
            let twins = report.findings[0].twins.as_ref().unwrap();
            assert_eq!((twins.batches.len(), twins.primary.requests, twins.null_z.is_empty()), (2, 12, false));
            assert!(twins.batches.iter().all(|batch| batch.log10_e.is_some()) && report.findings[0].parts.len() > 3);
            let product: f64 = twins.batches.iter().filter_map(|batch| batch.log10_e).sum();
            assert_eq!(twins.combination, data::Combination::EProduct);
            assert!((twins.log10_e.unwrap() - product).abs() < 1e-12);
            assert!(report.primary.as_ref().unwrap().words.as_ref().unwrap().contains("product of e-values"));
            Page::Distillation.write(&report, folder.path()).unwrap();
            assert!(std::fs::read_to_string(folder.path().join("distillation.html")).unwrap().contains("Two questions, side by side"));
        }
        assert!(report(examined(&outcomes, &verdict, None, known("r1"))).two_questions.unwrap().derivation.is_none());
    }

    #[test]
    fn what_is_no_answer_on_derivation_is_refused_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let no_verdict = report::json::render(&data::Report::default()).unwrap();
        for (text, said) in [("{}", "missing field"), ("[", "EOF"), (no_verdict.as_str(), "found no answer on derivation, expected one")] {
            std::fs::write(&path, text).unwrap();
            let error = Beside::read(&path).err().unwrap().to_string();
            assert!(error.contains(said) && error.contains("report.json"), "{error}");
        }
    }
}
