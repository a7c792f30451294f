//! Derivation and distillation side by side: two questions, four cases, and which of them this one is.

use super::p_in_words;
use crate::data::{Answer, Conclusion, NullKind, Question, TwoQuestions};
use crate::{numbers, words};
use serde::Serialize;

/// What one of the two questions allows to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Yes,
    No,
    Open,
}

impl Side {
    fn of(conclusion: Conclusion) -> Self {
        match conclusion {
            Conclusion::SupportsDerivation | Conclusion::SupportsDistillation => Self::Yes,
            Conclusion::SupportsIndependence | Conclusion::NoEvidenceOfDistillation => Self::No,
            Conclusion::Inconclusive => Self::Open,
        }
    }

    fn allows(self, is_yes: bool) -> bool {
        match self {
            Self::Yes => is_yes,
            Self::No => !is_yes,
            Self::Open => true,
        }
    }
}

/// The table, ready for the template.
#[derive(Debug, Serialize)]
pub(crate) struct Questions {
    /// Rows, derivation first; columns, distillation first.
    pub(crate) cells: [[Cell; 2]; 2],
    /// Where the case stands, in a sentence.
    pub(crate) sentence: String,
    pub(crate) answers: Vec<Answered>,
    /// Of the identity of the two suspects.
    pub(crate) same: &'static str,
}

/// One of the four cases.
#[derive(Debug, Serialize)]
pub(crate) struct Cell {
    /// `here`, `open` or `other`.
    pub(crate) class: &'static str,
    pub(crate) mark: &'static str,
    pub(crate) title: &'static str,
    pub(crate) words: &'static str,
}

/// One of the two questions with its answer.
#[derive(Debug, Serialize)]
pub(crate) struct Answered {
    pub(crate) question: &'static str,
    pub(crate) conclusion: String,
    pub(crate) statement: String,
    /// With its method.
    pub(crate) p: Option<String>,
    pub(crate) report_sha256: Option<String>,
}

const CELLS: [[(&str, &str); 2]; 2] = [
    [
        (
            "Weights and replies",
            "The suspect carries on trained weights of the reference, and was trained on what it released. This goes beyond simple \
             distillation.",
        ),
        (
            "Weights alone",
            "The suspect carries on trained weights of the reference; training on the released replies does not show. This goes beyond \
             simple distillation, and may be no distillation at all.",
        ),
    ],
    [
        ("Simple distillation", "Weights of its own, trained on what the reference released: a student."),
        ("Neither", "Weights of its own, and no dependence on the released replies, as far as these tests can see."),
    ],
];

impl Questions {
    pub(crate) fn of(questions: &TwoQuestions) -> Self {
        let derivation = questions.derivation.as_ref().map_or(Side::Open, |answer| Side::of(answer.conclusion));
        let distillation = Side::of(questions.distillation.conclusion);
        let is_settled = derivation != Side::Open && distillation != Side::Open;
        let cell = |row: usize, col: usize| {
            let (title, words) = CELLS[row][col];
            let (class, mark) = match derivation.allows(row == 0) && distillation.allows(col == 0) {
                true if is_settled => ("here", "this case"),
                true => ("open", "not excluded"),
                false => ("other", ""),
            };
            Cell { class, mark, title, words }
        };
        let mut answers = vec![answered(Question::Distillation, &questions.distillation)];
        answers.insert(
            0,
            questions.derivation.as_ref().map_or_else(
                || Answered {
                    question: words::question(Question::Derivation),
                    conclusion: "not asked".to_owned(),
                    statement: "A comparison of weights answers it, where the suspect's weights can be opened.".to_owned(),
                    p: None,
                    report_sha256: None,
                },
                |answer| answered(Question::Derivation, answer),
            ),
        );
        Self {
            cells: [[cell(0, 0), cell(0, 1)], [cell(1, 0), cell(1, 1)]],
            sentence: sentence(questions.derivation.is_some(), derivation, distillation),
            answers,
            same: match questions.same_suspect {
                Some(true) => "Both answers are about the same bytes.",
                Some(false) => "The two reports are about different files, so the table may join what does not belong together.",
                None if questions.derivation.is_some() => {
                    "An endpoint shows no files, so nothing here tells whether it serves the weights that the other report is about."
                }
                None => "",
            },
        }
    }
}

fn answered(question: Question, answer: &Answer) -> Answered {
    // The kind of the p-value stands in the report that the answer is from.
    let p = answer.log10_p.filter(|p| p.is_finite()).map(|p| {
        let p = p_in_words(p, NullKind::Bound);
        answer.method.as_ref().map_or_else(|| p.clone(), |method| format!("{p}, by `{method}`"))
    });
    Answered {
        question: words::question(question),
        conclusion: words::conclusion(question, answer.conclusion).to_owned(),
        statement: answer.statement.clone(),
        p,
        report_sha256: answer.report_sha256.clone(),
    }
}

fn sentence(was_asked: bool, derivation: Side, distillation: Side) -> String {
    let cell = |row: usize, col: usize| CELLS[row][col].0;
    match (derivation, distillation) {
        (Side::Open, Side::Open) => "Neither question is answered, so all four cases remain.".to_owned(),
        (Side::Open, known) => {
            let col = usize::from(known == Side::No);
            let why = if was_asked { "Derivation is not answered" } else { "Derivation was not asked" };
            format!("{why}, so two cases remain: “{}” and “{}”.", cell(0, col), cell(1, col))
        }
        (known, Side::Open) => {
            let row = usize::from(known == Side::No);
            format!("Distillation is not answered, so two cases remain: “{}” and “{}”.", cell(row, 0), cell(row, 1))
        }
        (derivation, distillation) => {
            format!("This case is “{}”.", cell(usize::from(derivation == Side::No), usize::from(distillation == Side::No)))
        }
    }
}

/// `derivation: supports …, distillation: …` for a terminal.
pub(super) fn lines(questions: &TwoQuestions) -> Vec<(&'static str, String)> {
    let said = |question: Question, answer: &Answer| {
        let conclusion = words::lower_first(words::conclusion(question, answer.conclusion));
        match answer.log10_p.filter(|p| p.is_finite()) {
            Some(p) => format!("{conclusion} (p {})", numbers::p_value(p, Some(NullKind::Bound)).trim_start_matches("p ")),
            None => conclusion,
        }
    };
    let derivation = questions.derivation.as_ref().map_or_else(|| "not asked".to_owned(), |answer| said(Question::Derivation, answer));
    vec![("derivation", derivation), ("together", Questions::of(questions).sentence)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(derivation: Option<Conclusion>, distillation: Conclusion) -> Vec<&'static str> {
        let answer = |conclusion| Answer { conclusion, ..Answer::default() };
        let questions = TwoQuestions { derivation: derivation.map(answer), distillation: answer(distillation), same_suspect: None };
        Questions::of(&questions).cells.iter().flatten().map(|cell| cell.class).collect()
    }

    #[test]
    fn the_cell_of_the_case_is_marked_and_open_questions_leave_several() {
        use Conclusion::*;
        assert_eq!(marked(Some(SupportsDerivation), SupportsDistillation), ["here", "other", "other", "other"]);
        assert_eq!(marked(Some(SupportsDerivation), NoEvidenceOfDistillation), ["other", "here", "other", "other"]);
        assert_eq!(marked(Some(SupportsIndependence), SupportsDistillation), ["other", "other", "here", "other"]);
        assert_eq!(marked(Some(SupportsIndependence), NoEvidenceOfDistillation), ["other", "other", "other", "here"]);
        assert_eq!(marked(None, SupportsDistillation), ["open", "other", "open", "other"]);
        assert_eq!(marked(Some(SupportsDerivation), Inconclusive), ["open", "open", "other", "other"]);
        assert_eq!(marked(Some(Inconclusive), Inconclusive), ["open"; 4]);
    }
}
