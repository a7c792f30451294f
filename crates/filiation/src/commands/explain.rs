//! `filiation explain METHOD`: the method's card, from its own doc comment.

use crate::Error;
use crate::cli::Explain;
use crate::printer::{Printer, wrap};
use evidence::{METHODS, Method};

/// Columns of text on a terminal.
const WIDTH: usize = 78;

pub(crate) fn run(args: &Explain, printer: &Printer) -> Result<(), Error> {
    let card = find_method(&args.method)?.card();
    let mut text = format!("{}\n", card.id);
    for (heading, body) in card.sections() {
        text.push_str(&format!("\n{heading}\n"));
        for line in wrap(&body, WIDTH - 2) {
            text.push_str(&format!("  {line}\n"));
        }
    }
    printer.result(&text)
}

/// The method of that id; an unknown one is answered with the nearest names.
pub(crate) fn find_method(id: &str) -> Result<&'static dyn Method, Error> {
    METHODS.iter().find(|method| method.card().id == id).copied().ok_or_else(|| Error::Usage {
        message: format!("method: found `{id}`, expected one of the ids that `filiation methods` lists"),
        hint: Some(propose(id)),
    })
}

/// The id that was probably meant: the same name without its access, or one that differs in few letters; else all ids.
fn propose(id: &str) -> String {
    let ids: Vec<&str> = METHODS.iter().map(|method| method.card().id).collect();
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
        let hint = |id: &str| find_method(id).err().and_then(|e| e.hint().map(str::to_owned)).unwrap_or_default();
        assert_eq!(hint("weights.unit-alignement"), "did you mean `weights.unit-alignment`?");
        assert_eq!(hint("haar-bound"), "did you mean `weights.haar-bound`?");
        assert!(hint("sha256").starts_with("the ids are weights.tensor-identity, "), "{}", hint("sha256"));
    }
}
