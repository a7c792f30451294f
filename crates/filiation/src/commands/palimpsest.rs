//! `filiation palimpsest ORDER SUSPECT --base MODEL`: is the reference's training order legible in the suspect?

use crate::cli::lineage::Palimpsest;
use crate::models::open_weights;
use crate::one_finding::observe_and_print;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::suspect::{Reader, Suspect, logprobs};
use crate::{Error, json_lines};
use evidence::{OrderScores, ReadDocument, Records};
use forward::{Chat, FinishReason, ScoreError, Scored, Scorer};
use lab::dialogues::Dialogues;
use serde::Deserialize;
use sources::{FormatError, Model};
use std::path::Path;

/// A document of the order, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) position: u64,
    pub(crate) prompt: String,
    pub(crate) reply: String,
    /// Whether it is a question and its answer, which a model reads between the marks of a chat.
    pub(crate) is_chat: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    position: Option<u64>,
    text: Option<String>,
    prompt: Option<String>,
    reply: Option<String>,
}

const EXPECTED: &str = "`{\"text\"}` or `{\"prompt\", \"reply\"}`, each with a `\"position\"` or none";

pub(crate) fn run(args: &Palimpsest, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let documents = documents(&args.order)?;
    let marks = Dialogues::shipped().map_err(lab::LabError::from)?.chat;
    let suspect = Suspect::open(&args.suspect, logprobs("palimpsest"), &marks, progress)?;
    let bases: Vec<Model> = args.base.iter().map(|base| open_weights(base, progress)).collect::<Result<_, _>>()?;
    let read = |reader: Reader<'_>, what: &str| log_probabilities(&documents, reader, suspect.chat(), what, progress);
    let of_bases: Vec<_> = bases.iter().map(|base| read(Reader::Weights(base), "a base reads")).collect::<Result<_, _>>()?;
    let order = scores(&documents, &read(suspect.reader(), "the suspect reads")?, &of_bases.iter().collect::<Vec<_>>());
    suspect.note_transcript(progress)?;
    observe_and_print("text.palimpsest", &Records { order: Some(&order), seed: args.seed, ..Records::default() }, args.format, printer)
}

fn documents(path: &Path) -> Result<Vec<Document>, Error> {
    let lines: Vec<Line> = json_lines::read(path, EXPECTED)?;
    let placed = lines.iter().filter(|line| line.position.is_some()).count();
    if placed != 0 && placed != lines.len() {
        return Err(FormatError::new("positions", format!("{placed} in {} lines", lines.len()), "one in every line, or none")
            .at(path)
            .into());
    }
    let document = |(place, line): (usize, Line)| {
        let position = line.position.unwrap_or(place as u64);
        match (line.text, line.prompt, line.reply) {
            (Some(text), None, None) => {
                // Nothing is said before the first word, so it is what the rest is predicted from.
                let begins = text.len() - text.trim_start().len();
                let cut = text[begins..].find(char::is_whitespace).map_or(text.len(), |end| begins + end);
                let (first, rest) = text.split_at(cut);
                Ok(Document { position, prompt: first.into(), reply: rest.into(), is_chat: false })
            }
            (None, Some(prompt), Some(reply)) => Ok(Document { position, prompt, reply, is_chat: true }),
            _ => Err(FormatError::new(format!("document {}", place + 1), "other keys", EXPECTED).at(path).into()),
        }
    };
    lines.into_iter().enumerate().map(document).collect()
}

/// What the suspect and the bases give to the documents that all of them could read.
pub(crate) fn scores(documents: &[Document], suspect: &[Option<f64>], bases: &[&Vec<Option<f64>>]) -> OrderScores {
    let read = |(place, document): (usize, &Document)| {
        let bases = bases.iter().map(|base| base[place]).collect::<Option<_>>()?;
        Some(ReadDocument { position: document.position, suspect: suspect[place]?, bases })
    };
    let read: Vec<ReadDocument> = documents.iter().enumerate().filter_map(read).collect();
    OrderScores { unread: documents.len() - read.len(), documents: read }
}

/// Mean log-probability of a token of each document.
pub(crate) fn log_probabilities(
    documents: &[Document],
    reader: Reader<'_>,
    chat: &Chat,
    what: &str,
    progress: &Progress,
) -> Result<Vec<Option<f64>>, Error> {
    let bare = Chat::bare();
    let phase = progress.steps(what, documents.len() as u64);
    let mut all = vec![None; documents.len()];
    for (is_chat, chat) in [(true, chat), (false, &bare)] {
        let places: Vec<usize> = (0..documents.len()).filter(|&i| documents[i].is_chat == is_chat).collect();
        if places.is_empty() {
            continue;
        }
        let finish_reason = if is_chat { FinishReason::Stop } else { FinishReason::Length };
        let texts: Vec<Scored<'_>> =
            places.iter().map(|&i| Scored { prompt: &documents[i].prompt, reply: &documents[i].reply, finish_reason }).collect();
        let refused = |error: ScoreError| match (error, reader) {
            (ScoreError::Source(error), _) => Error::Source(error),
            (other, Reader::Weights(model)) => {
                FormatError::new("model", other, "one that gives log-probabilities of a text").at(&model.path).into()
            }
            (other, Reader::Endpoint(_)) => other.into(),
        };
        let scorer = reader.scorer(chat).map_err(refused)?;
        for (place, score) in places.iter().zip(scorer.score(&texts, &|n| phase.advance(n)).map_err(refused)?) {
            all[*place] = score.map(forward::Score::mean);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Document>, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        documents(file.path())
    }

    #[test]
    fn documents_come_with_their_places_or_in_their_order() {
        let found = read("{\"text\": \"The harbour was quiet\"}\n\n{\"prompt\": \"Who?\", \"reply\": \"Nobody\"}\n").unwrap();
        assert_eq!(found[0], Document { position: 0, prompt: "The".into(), reply: " harbour was quiet".into(), is_chat: false });
        assert_eq!(found[1], Document { position: 1, prompt: "Who?".into(), reply: "Nobody".into(), is_chat: true });
        assert_eq!(read("{\"position\": 7, \"text\": \"é\"}").unwrap()[0].position, 7);
    }

    #[test]
    fn what_is_no_order_gets_its_sentence() {
        for (text, expected) in [
            ("", "no line"),
            ("{\"text\": 1}", "line 1"),
            ("{\"text\": \"a b\", \"place\": 1}", "unknown field `place`"),
            ("{\"text\": \"a b\", \"position\": 1}\n{\"text\": \"c d\"}", "1 in 2 lines"),
            ("{\"text\": \"a b\", \"reply\": \"c\"}", "other keys"),
            ("{\"prompt\": \"a\"}", "other keys"),
        ] {
            let sentence = read(text).unwrap_err().to_string();
            assert!(sentence.contains(expected), "{text}: {sentence}");
        }
    }
}
