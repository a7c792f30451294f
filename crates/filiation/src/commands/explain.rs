//! `filiation explain METHOD`: the method's card, from its own doc comment.

use crate::Error;
use crate::cli::Explain;
use crate::printer::{Printer, wrap};
use evidence::{Card, METHODS, cards};

/// Columns of text on a terminal.
const WIDTH: usize = 78;

pub(crate) fn run(args: &Explain, printer: &Printer) -> Result<(), Error> {
    let card = find_card(&args.method)?;
    let mut text = format!("{}\n", card.id);
    for (heading, body) in card.sections() {
        text.push_str(&format!("\n{heading}\n"));
        for line in wrap(&body, WIDTH - 2) {
            text.push_str(&format!("  {line}\n"));
        }
    }
    printer.result(&text)
}

/// The card of that id; an unknown one is answered with the nearest names.
fn find_card(id: &str) -> Result<&'static Card, Error> {
    let ids: Vec<&str> = cards().map(|card| card.id).collect();
    cards().find(|card| card.id == id).ok_or_else(|| unknown(id, &ids, None))
}

/// Whether two models can be compared by the method of that id.
pub(crate) fn check_compares(id: &str) -> Result<(), Error> {
    let ids: Vec<&str> = METHODS.iter().map(|method| method.card().id).collect();
    if ids.contains(&id) {
        return Ok(());
    }
    let of_records = cards()
        .any(|card| card.id == id)
        .then(|| format!("`{id}` looks at what was said and kept, not at two models; `filiation explain {id}` says what it needs"));
    Err(unknown(id, &ids, of_records))
}

fn unknown(id: &str, ids: &[&str], of_records: Option<String>) -> Error {
    let expected = if of_records.is_some() { "one that compares two models" } else { "one of the ids that `filiation methods` lists" };
    Error::Usage {
        message: format!("method: found `{id}`, expected {expected}"),
        hint: Some(of_records.unwrap_or_else(|| propose(id, ids))),
    }
}

/// The id that was probably meant: the same name without its access, or one that differs in few letters; else all ids.
fn propose(id: &str, ids: &[&str]) -> String {
    let same_name = ids.iter().find(|known| known.split_once('.').is_some_and(|(_, name)| name == id));
    let nearest =
        ids.iter().map(|known| (distance(id, known), known)).min().filter(|&(n, known)| n <= known.len() / 4).map(|(_, known)| known);
    match same_name.or(nearest) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("the ids are {}", ids.join(", ")),
    }
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!((distance("kitten", "sitting"), distance("", "ab"), distance("ab", "ab")), (3, 2, 0));
    }

    #[test]
    fn only_a_near_name_is_proposed() {
        let hint = |id: &str| find_card(id).err().and_then(|e| e.hint().map(str::to_owned)).unwrap_or_default();
        assert_eq!(hint("weights.unit-alignement"), "did you mean `weights.unit-alignment`?");
        assert_eq!(hint("haar-bound"), "did you mean `weights.haar-bound`?");
        assert!(hint("sha256").starts_with("the ids are weights.tensor-identity, "), "{}", hint("sha256"));
        assert_eq!(hint("released-twin"), "did you mean `text.released-twin`?");
        let of_records = check_compares("text.released-twin").err().and_then(|e| e.hint().map(str::to_owned)).unwrap_or_default();
        assert!(of_records.contains("not at two models") && check_compares("weights.haar-bound").is_ok(), "{of_records}");
    }
}
