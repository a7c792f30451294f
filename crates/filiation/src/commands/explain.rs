//! `filiation explain METHOD`: the method's card, from its own doc comment.

use crate::Error;
use crate::cli::Explain;
use crate::printer::Printer;

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
    printer.result(&text);
    Ok(())
}

/// The method of that id; an unknown one is answered with the nearest names.
pub(crate) fn find_method(id: &str) -> Result<&'static dyn evidence::Method, Error> {
    evidence::METHODS.iter().find(|method| method.card().id == id).copied().ok_or_else(|| {
        let mut ids: Vec<&str> = evidence::METHODS.iter().map(|method| method.card().id).collect();
        ids.sort_by_key(|known| distance(id, known));
        Error::Usage { message: format!("method: found `{id}`, expected one of the ids that `filiation methods` lists"), hint: Some(format!("did you mean `{}`?", ids[0])) }
    })
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

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().map(|line| line.chars().count()).unwrap_or(0);
        if line > 0 && line + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!((distance("kitten", "sitting"), distance("", "ab"), distance("ab", "ab")), (3, 2, 0));
    }

    #[test]
    fn wrapped_lines_keep_the_width_and_every_word() {
        let text = "one two three four five six seven eight nine ten";
        let lines = wrap(text, 11);
        assert!(lines.iter().all(|line| line.len() <= 11), "{lines:?}");
        assert_eq!(lines.join(" "), text);
    }
}
