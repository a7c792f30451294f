//! `filiation methods`: every method with the question that it asks.

use crate::Error;
use crate::cli::Format;
use crate::printer::{Printer, wrap};

pub(crate) fn run(format: Format, printer: &Printer) -> Result<(), Error> {
    let cards = evidence::cards();
    match format {
        Format::Json => {
            let list: Vec<_> = cards.map(|card| serde_json::json!({ "id": card.id, "question": card.question.name(), "null": card.null, "reference": card.reference })).collect();
            printer.result(&serde_json::to_string_pretty(&list).map_err(|e| Error::Report(e.to_string()))?)
        }
        Format::Text => {
            let mut text = String::new();
            let width = evidence::cards().map(|card| card.id.len()).max().unwrap_or(0);
            for card in cards {
                for (i, line) in wrap(&card.section("Question"), 78 - width).iter().enumerate() {
                    text.push_str(&format!("{:width$}  {line}\n", if i == 0 { card.id } else { "" }));
                }
            }
            text.push_str("\n`filiation explain METHOD` tells what each tests, survives and fails on.\n");
            printer.result(&text)
        }
    }
}
