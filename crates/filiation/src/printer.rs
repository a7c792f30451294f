//! The only place that writes to stdout and stderr. Colour follows the terminal, `NO_COLOR` and `CLICOLOR`, and carries no meaning alone.

use crate::Error;
use std::io::{ErrorKind, IsTerminal, Write};

/// Results go to stdout, everything else to stderr.
pub(crate) struct Printer {
    colour: bool,
}

impl Printer {
    pub(crate) fn new() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { colour: wanted && std::io::stdout().is_terminal() }
    }

    /// Whether results may be coloured.
    pub(crate) fn colour(&self) -> bool {
        self.colour
    }

    /// Prints a result. A reader that went away early (`| head`) is not an error; a full disk is one.
    pub(crate) fn result(&self, text: &str) -> Result<(), Error> {
        let mut stdout = anstream::stdout().lock();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        match write!(stdout, "{text}{end}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::Io { action: "write", path: "stdout".into(), error }),
            _ => Ok(()),
        }
    }

    /// Prints an error and its advice.
    pub(crate) fn error(&self, error: &Error) {
        let mut stderr = anstream::stderr().lock();
        let _ = writeln!(stderr, "error: {}", printable(&error.to_string()));
        if let Some(hint) = error.hint() {
            let _ = writeln!(stderr, "\nhint: {}", printable(hint));
        }
    }
}

/// Text from a file or a path, without what would steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// Breaks at spaces into lines of at most `columns`; a longer word has a line of its own.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > columns {
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
    fn wrapped_lines_keep_the_width_and_every_word() {
        let text = "one two three four five six seven eight nine ten";
        let lines = wrap(text, 11);
        assert!(lines.iter().all(|line| line.len() <= 11), "{lines:?}");
        assert_eq!(lines.join(" "), text);
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}c");
    }
}
