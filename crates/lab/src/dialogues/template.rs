//! Texts with slots: `{a:thing#1.kind}`.

/// A text with slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(pub(super) Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Slot(Slot),
}

/// A place that a word is drawn for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    /// What is done with the word, the last first.
    functions: Vec<Function>,
    /// A list, a table or a number.
    pub(super) name: String,
    /// Which of several draws; without one it is a draw of its own.
    pub(super) index: Option<usize>,
    /// The first one if none is named.
    pub(super) field: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Article,
    Capital,
    First,
    Last,
    Letters,
}

/// More draws of one list than any dialogue holds.
const MAX_INDEX: usize = 9;

impl Template {
    /// # Errors
    /// With what was found and what was expected.
    pub(super) fn parse(text: &str) -> Result<Self, (String, String)> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find(['{', '}']) {
            if start > 0 {
                pieces.push(Piece::Text(rest[..start].into()));
            }
            let Some(inside) = rest[start..].strip_prefix('{') else {
                return Err((quoted(text), "a brace that opens before one that closes".into()));
            };
            let Some(end) = inside.find('}') else { return Err((quoted(text), "a closing brace".into())) };
            pieces.push(Piece::Slot(Slot::parse(&inside[..end])?));
            rest = &inside[end + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.into()));
        }
        Ok(Self(pieces))
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Slot(slot) => Some(slot),
            Piece::Text(_) => None,
        })
    }
}

impl Slot {
    fn parse(text: &str) -> Result<Self, (String, String)> {
        let mut parts: Vec<&str> = text.split(':').collect();
        let reference = parts.pop().unwrap_or_default();
        let mut functions = Vec::new();
        for part in parts {
            functions.push(match part {
                "a" => Function::Article,
                "cap" => Function::Capital,
                "first" => Function::First,
                "last" => Function::Last,
                "letters" => Function::Letters,
                _ => return Err((quoted(part), "one of `a`, `cap`, `first`, `last`, `letters`".into())),
            });
        }
        functions.reverse();
        let (reference, field) = match reference.split_once('.') {
            Some((reference, field)) => (reference, Some(field.to_owned())),
            None => (reference, None),
        };
        let (name, index) = match reference.split_once('#') {
            Some((name, index)) => match index.parse() {
                Ok(index) if (1..=MAX_INDEX).contains(&index) => (name, Some(index)),
                _ => return Err((quoted(text), format!("a number from 1 to {MAX_INDEX} after `#`"))),
            },
            None => (reference, None),
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err((quoted(text), "the name of a list in a slot".into()));
        }
        Ok(Self { functions, name: name.into(), index, field })
    }

    /// A drawn word as this slot wants it.
    pub(super) fn finish(&self, mut word: String) -> String {
        for function in &self.functions {
            word = function.apply(word);
        }
        word
    }
}

impl Function {
    fn apply(self, word: String) -> String {
        let letters = || word.chars().filter(|c| c.is_alphabetic());
        match self {
            Self::Article => format!("{} {word}", article(&word)),
            Self::Capital => {
                let mut chars = word.chars();
                chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
            }
            Self::First => letters().next().map(String::from).unwrap_or_default(),
            Self::Last => letters().next_back().map(String::from).unwrap_or_default(),
            Self::Letters => letters().count().to_string(),
        }
    }
}

/// By how a word sounds, as far as its letters tell.
fn article(word: &str) -> &'static str {
    let word = word.to_lowercase();
    let starts = |beginnings: &[&str]| beginnings.iter().any(|beginning| word.starts_with(beginning));
    if starts(&["hour", "honest", "honour"]) {
        return "an";
    }
    if starts(&["a", "e", "i", "o", "u"]) && !starts(&["uni", "use", "eu", "one"]) { "an" } else { "a" }
}

fn quoted(text: &str) -> String {
    format!("`{}`", text.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(text: &str) -> Slot {
        Slot::parse(text).unwrap()
    }

    #[test]
    fn a_text_is_split_into_words_and_slots() {
        let template = Template::parse("Is {a:thing#2.kind} {x}?").unwrap();
        let text = |text: &str| Piece::Text(text.into());
        let kind = slot("a:thing#2.kind");
        assert_eq!((kind.name.as_str(), kind.index, kind.field.as_deref()), ("thing", Some(2), Some("kind")));
        assert_eq!(template.0, [text("Is "), Piece::Slot(kind), text(" "), Piece::Slot(slot("x")), text("?")]);
    }

    #[test]
    fn functions_apply_from_the_inside_out() {
        let finish = |slot_text: &str, word: &str| slot(slot_text).finish(word.into());
        assert_eq!(finish("cap:a:x", "oven"), "An oven");
        assert_eq!(finish("a:cap:x", "oven"), "an Oven");
        assert_eq!(finish("a:x", "piece of cloth"), "a piece of cloth");
        assert_eq!((finish("a:x", "hour"), finish("a:x", "unicorn")), ("an hour".into(), "a unicorn".into()));
        assert_eq!(
            (finish("first:x", "pan"), finish("last:x", "pan"), finish("letters:x", "sea gull")),
            ("p".into(), "n".into(), "7".into())
        );
        assert_eq!(finish("cap:x", ""), "");
    }

    #[test]
    fn what_is_no_slot_is_refused() {
        for (text, found) in
            [("{a", "`{a`"), ("a}", "`a}`"), ("{}", "``"), ("{x#0}", "`x#0`"), ("{x#10}", "`x#10`"), ("{b:x}", "`b`"), ("{x y}", "`x y`")]
        {
            assert_eq!(Template::parse(text).unwrap_err().0, found, "{text}");
        }
    }
}
