//! Tensor names with places for numbers: `layers.{layer}.self_attn.q_proj.{part}`.

use crate::{FormatError, Part};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Layer,
    Expert,
    Part,
}

/// The words that a container puts where a pattern says `{part}`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartWords {
    weight: Vec<String>,
    bias: Vec<String>,
}

/// A parsed name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

/// What a name holds in the places of its pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Captures {
    pub(super) layer: Option<usize>,
    pub(super) expert: Option<usize>,
    pub(super) part: Option<Part>,
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, FormatError> {
        let fail = || FormatError::new("tensor name", format!("`{text}`"), "text with at most one each of {layer}, {expert}, {part}");
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}').ok_or_else(fail)?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.to_owned()));
            }
            let piece = match place {
                "layer" => Piece::Layer,
                "expert" => Piece::Expert,
                "part" => Piece::Part,
                _ => return Err(fail()),
            };
            if pieces.contains(&piece) {
                return Err(fail());
            }
            pieces.push(piece);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        if pieces.is_empty() || text.contains("}{") {
            return Err(fail());
        }
        Ok(Self(pieces))
    }

    pub(super) fn has_layer(&self) -> bool {
        self.0.contains(&Piece::Layer)
    }

    pub(super) fn has_part(&self) -> bool {
        self.0.contains(&Piece::Part)
    }

    pub(super) fn has_expert(&self) -> bool {
        self.0.contains(&Piece::Expert)
    }

    /// The name that holds this in its places; `None` where a place has nothing to hold.
    pub(super) fn render(&self, captures: Captures, words: &PartWords) -> Option<String> {
        let mut name = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => name.push_str(literal),
                Piece::Layer => name.push_str(&captures.layer?.to_string()),
                Piece::Expert => name.push_str(&captures.expert?.to_string()),
                Piece::Part => {
                    let words = if captures.part? == Part::Weight { &words.weight } else { &words.bias };
                    name.push_str(words.first()?);
                }
            }
        }
        Some(name)
    }

    /// Reads a whole name, or `None` where it differs.
    pub(super) fn captures(&self, name: &str, words: &PartWords) -> Option<Captures> {
        let mut captures = Captures::default();
        let mut rest = name;
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Piece::Layer => captures.layer = Some(number(&mut rest)?),
                Piece::Expert => captures.expert = Some(number(&mut rest)?),
                Piece::Part => {
                    let found = |words: &[String], part| {
                        words.iter().filter(|word| rest.starts_with(word.as_str())).map(|word| (word.len(), part)).max()
                    };

                    let (len, part) = found(&words.weight, Part::Weight).max(found(&words.bias, Part::Bias))?;
                    captures.part = Some(part);
                    rest = &rest[len..];
                }
            }
        }
        rest.is_empty().then_some(captures)
    }
}

/// Takes a decimal number without leading zeros, so that one number has one spelling.
fn number(rest: &mut &str) -> Option<usize> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    (digits == "0" || !digits.starts_with('0')).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> PartWords {
        PartWords { weight: vec!["weight".into(), "gamma".into()], bias: vec!["bias".into(), "beta".into()] }
    }

    fn captures(pattern: &str, name: &str) -> Option<Captures> {
        Pattern::parse(pattern).unwrap().captures(name, &words())
    }

    #[test]
    fn places_are_read_and_names_are_read_to_the_end() {
        let found = captures("layers.{layer}.experts.{expert}.w1.{part}", "layers.11.experts.0.w1.bias").unwrap();
        assert_eq!(found, Captures { layer: Some(11), expert: Some(0), part: Some(Part::Bias) });
        assert_eq!(captures("norm.{part}", "norm.gamma").unwrap().part, Some(Part::Weight));
        assert!(captures("norm.{part}", "norm.weight_scale").is_none());
        assert!(captures("norm.weight", "norm.weigh").is_none());
    }

    #[test]
    fn a_rendered_name_is_read_as_what_it_was_made_from() {
        let pattern = Pattern::parse("layers.{layer}.experts.{expert}.w1.{part}").unwrap();
        let captures = Captures { layer: Some(7), expert: Some(12), part: Some(Part::Bias) };
        let name = pattern.render(captures, &words()).unwrap();
        assert_eq!((name.as_str(), pattern.captures(&name, &words())), ("layers.7.experts.12.w1.bias", Some(captures)));
        assert_eq!(pattern.render(Captures { expert: None, ..captures }, &words()), None);
    }

    #[test]
    fn numbers_have_one_spelling_and_a_bound() {
        for name in ["l.01.w", "l..w", "l.-1.w", "l.99999999999999999999999.w", "l.1x.w"] {
            assert!(captures("l.{layer}.w", name).is_none(), "{name}");
        }
    }

    #[test]
    fn unknown_and_repeated_places_are_refused() {
        for text in ["", "a.{head}", "a.{layer", "{layer}.{layer}", "{layer}{expert}"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
