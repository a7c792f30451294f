//! Log-probabilities in the shapes that servers give them, and where a reply begins among them.

use crate::Shape;
use forward::{SCORED_TOKENS, Score};
use serde_json::Value;
use std::ops::Range;

/// A token and how probable the model found it.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprob {
    /// Its text, as the server shows it.
    pub token: String,
    /// Natural logarithm of its probability; a text's first token has none.
    pub logprob: Option<f64>,
    /// Characters before it, where the server says so.
    pub offset: Option<usize>,
    /// The most probable tokens in its place, by falling log-probability.
    pub top: Vec<(String, f64)>,
}

/// The tokens of a choice: `tokens` and `token_logprobs` of `/completions`, or `content` of `/chat/completions`, which llama.cpp gives on both.
pub(crate) fn of_choice(choice: &Value) -> Result<Option<Vec<TokenLogprob>>, Shape> {
    let Some(given) = choice.get("logprobs").filter(|given| !given.is_null()) else { return Ok(None) };
    if let Some(content) = given.get("content").filter(|content| !content.is_null()) {
        let items = content.as_array().ok_or_else(|| shape("logprobs.content", content, "a list of tokens"))?;
        return items.iter().map(of_item).collect::<Result<_, _>>().map(Some);
    }
    let Some(tokens) = given.get("tokens").filter(|tokens| !tokens.is_null()) else { return Ok(None) };
    let tokens = tokens.as_array().ok_or_else(|| shape("logprobs.tokens", tokens, "a list of texts"))?;
    let list = |key: &str| given.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (logprobs, tops, offsets) = (list("token_logprobs"), list("top_logprobs"), list("text_offset"));
    if logprobs.len() != tokens.len() {
        let found = format!("{} for {} tokens", logprobs.len(), tokens.len());
        return Err(Shape::new("`logprobs.token_logprobs`", found, "one a token"));
    }
    let token = |(i, token): (usize, &Value)| {
        Ok(TokenLogprob {
            token: token.as_str().ok_or_else(|| shape("logprobs.tokens", token, "texts"))?.to_owned(),
            logprob: logprob(logprobs.get(i).unwrap_or(&Value::Null))?,
            offset: offsets.get(i).and_then(Value::as_u64).and_then(|offset| usize::try_from(offset).ok()),
            top: tops.get(i).map_or_else(|| Ok(Vec::new()), top_of_map)?,
        })
    };
    tokens.iter().enumerate().map(token).collect::<Result<_, _>>().map(Some)
}

/// `prompt_logprobs` of vLLM: for every token but the first a map with one entry, the token's own.
pub(crate) fn of_prompt(choice: &Value) -> Result<Option<Vec<TokenLogprob>>, Shape> {
    let Some(given) = choice.get("prompt_logprobs").filter(|given| !given.is_null()) else { return Ok(None) };
    let places = given.as_array().ok_or_else(|| shape("prompt_logprobs", given, "a list"))?;
    let token = |place: &Value| {
        let only = place.as_object().filter(|entries| entries.len() == 1).and_then(|entries| entries.values().next());
        let only = only.ok_or_else(|| shape("prompt_logprobs", place, "one token a place"))?;
        let text = only.get("decoded_token").and_then(Value::as_str);
        let text = text.ok_or_else(|| shape("prompt_logprobs[].decoded_token", only, "a text"))?;
        Ok(TokenLogprob { token: text.to_owned(), logprob: logprob(&only["logprob"])?, offset: None, top: Vec::new() })
    };
    // The first token has no log-probability, and its text is not given.
    places.iter().skip_while(|place| place.is_null()).map(token).collect::<Result<_, _>>().map(Some)
}

fn of_item(item: &Value) -> Result<TokenLogprob, Shape> {
    let text = |item: &Value| item.get("token").and_then(Value::as_str).map(str::to_owned);
    let token = text(item).ok_or_else(|| shape("logprobs.content[].token", item, "a text"))?;
    let own = logprob(&item["logprob"])?;
    let mut top = Vec::new();
    for other in item.get("top_logprobs").and_then(Value::as_array).into_iter().flatten() {
        let token = text(other).ok_or_else(|| shape("logprobs.content[].top_logprobs[].token", other, "a text"))?;
        top.extend(logprob(&other["logprob"])?.map(|logprob| (token, logprob)));
    }
    sort(&mut top);
    Ok(TokenLogprob { token, logprob: own, offset: None, top })
}

fn top_of_map(value: &Value) -> Result<Vec<(String, f64)>, Shape> {
    let mut top = Vec::new();
    for (token, value) in value.as_object().into_iter().flatten() {
        top.extend(logprob(value)?.map(|logprob| (token.clone(), logprob)));
    }
    sort(&mut top);
    Ok(top)
}

fn sort(top: &mut [(String, f64)]) {
    top.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
}

fn logprob(value: &Value) -> Result<Option<f64>, Shape> {
    match value {
        Value::Null => Ok(None),
        // Rounding on the server may leave the last bit above zero.
        value => match value.as_f64().filter(|logprob| logprob.is_finite() && *logprob <= 1e-3) {
            Some(logprob) => Ok(Some(logprob)),
            None => Err(shape("log-probability", value, "a number that is at most 0")),
        },
    }
}

/// A value of another kind, named by where it stands; long ones are not repeated.
pub(crate) fn shape(what: &str, found: &Value, expected: &str) -> Shape {
    let found = match found {
        Value::Null => "nothing".to_owned(),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    };
    Shape::new(format!("`{what}`"), found, expected)
}

/// The score of the reply that begins at byte `from` of a text, out of the tokens of the text and of what was generated after it.
///
/// Where the tokens' texts joined hold the text, they say where the reply lies, whatever stands before (`<s>`, a space). Else the server's
/// offsets do. A token that reaches over the beginning counts to the reply. `None` if no token does.
pub(crate) fn score(text: &str, from: usize, tokens: &[TokenLogprob], generated: usize) -> Result<Option<Score>, Shape> {
    let joined: String = tokens.iter().map(|token| token.token.as_str()).collect();
    let is_of_reply: Vec<bool> = match place(&joined, text, generated) {
        Some(at) => {
            let reply = at + from..at + text.len();
            let mut end = 0;
            let is_inside = |token: &TokenLogprob| {
                let start = end;
                end += token.token.len();
                is_inside(start, end, &reply)
            };
            tokens.iter().map(is_inside).collect()
        }
        None => by_offset(text, from, tokens, generated)?,
    };
    let mut counted = Vec::new();
    for (token, _) in tokens.iter().zip(is_of_reply).filter(|(_, is_of_reply)| *is_of_reply).take(SCORED_TOKENS) {
        let logprob = token.logprob.ok_or_else(|| Shape::new("log-probability of a token of the reply", "nothing", "a number"))?;
        counted.push(logprob);
    }
    Ok((!counted.is_empty()).then(|| Score { logprob: counted.iter().sum(), tokens: counted.len() }))
}

/// Whether a token from `start` to `stop` belongs to the reply. One without width is a part of the character that follows it.
fn is_inside(start: usize, stop: usize, reply: &Range<usize>) -> bool {
    if start == stop { reply.contains(&start) } else { start < reply.end && stop > reply.start }
}

/// Where the text begins in the joined tokens. What was generated may repeat its end, so that the last place is the right one only without it.
fn place(joined: &str, text: &str, generated: usize) -> Option<usize> {
    if generated == 0 && joined.ends_with(text) { Some(joined.len() - text.len()) } else { joined.find(text) }
}

/// The tokens of the reply by `text_offset`, in characters.
fn by_offset(text: &str, from: usize, tokens: &[TokenLogprob], generated: usize) -> Result<Vec<bool>, Shape> {
    let advice = "choose a chat whose marks the endpoint shows as text";
    let offsets: Option<Vec<usize>> = tokens.iter().map(|token| token.offset).collect();
    let offsets = offsets.ok_or_else(|| Shape::new("text of the echoed tokens", "another text", "what was sent").hint(advice))?;
    // What a tokenizer puts first is no part of the text.
    let first = tokens.first().map_or("", |token| token.token.as_str());
    let lead = match first.strip_prefix(' ') {
        _ if text.starts_with(first) => 0,
        Some(rest) if text.starts_with(rest) => 1,
        _ => first.chars().count(),
    };
    let begin = lead + text.get(..from).unwrap_or_default().chars().count();
    let end = lead + text.chars().count();
    let prompt = tokens.len().saturating_sub(generated);
    let last = prompt.checked_sub(1).and_then(|last| Some((offsets.get(last)?, tokens.get(last)?)));
    let found = last.map_or(0, |(offset, token)| offset + token.token.chars().count());
    let next = offsets.get(prompt).copied();
    if found != end && next != Some(end) {
        let found = format!("an end after {found} characters");
        return Err(Shape::new("`logprobs.text_offset`", found, format!("{end}")).hint(advice));
    }
    let ends = offsets.iter().skip(1).copied().chain([end]);
    let reply = begin..end;
    let spans = offsets.iter().zip(ends).enumerate();
    Ok(spans.map(|(i, (&start, stop))| i < prompt && is_inside(start, stop, &reply)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tokens(items: &[(&str, Option<f64>, usize)]) -> Vec<TokenLogprob> {
        items
            .iter()
            .map(|(token, logprob, offset)| TokenLogprob {
                token: (*token).into(),
                logprob: *logprob,
                offset: Some(*offset),
                top: Vec::new(),
            })
            .collect()
    }

    #[test]
    fn the_reply_is_found_whatever_stands_before_and_after() {
        let text = "User: hi\nAssistant: ho ho\n";
        let from = "User: hi\nAssistant:".len();
        let plain = tokens(&[
            ("User:", None, 0),
            (" hi\n", Some(-9.0), 5),
            ("Assistant:", Some(-9.0), 9),
            (" ho", Some(-1.0), 19),
            (" ho", Some(-2.0), 22),
            ("\n", Some(-4.0), 25),
            ("User", Some(-9.0), 26),
        ]);
        let expected = Some(Score { logprob: -7.0, tokens: 3 });
        assert_eq!(score(text, from, &plain, 1).unwrap(), expected);
        assert_eq!(score(text, from, &plain[..6], 0).unwrap(), expected);
        let mut with_bos = plain.clone();
        with_bos.insert(0, TokenLogprob { token: "<s>".into(), logprob: None, offset: Some(0), top: Vec::new() });
        assert_eq!(score(text, from, &with_bos, 1).unwrap(), expected);
        let mut with_space = plain;
        with_space[0].token = " User:".into();
        assert_eq!(score(text, from, &with_space, 1).unwrap(), expected);
    }

    #[test]
    fn offsets_serve_where_texts_of_tokens_do_not_join() {
        // Two tokens of one character of three bytes, as llama-cpp-python shows them: without the broken parts.
        let text = "Q:A:\u{20ac}!";
        let parts = tokens(&[
            ("Q:", None, 0),
            ("A:", Some(-9.0), 2),
            ("\u{fffd}", Some(-1.0), 4),
            ("", Some(-2.0), 4),
            ("!", Some(-4.0), 5),
            ("x", Some(-9.0), 6),
        ]);
        let scored = score(text, 4, &parts, 1).unwrap().unwrap();
        assert_eq!(scored, Score { logprob: -7.0, tokens: 3 });
        let hidden = tokens(&[("", None, 0), ("A:", Some(-9.0), 0), ("!", Some(-4.0), 2)]);
        assert!(
            score(text, 4, &hidden, 0)
                .unwrap_err()
                .to_string()
                .contains("`logprobs.text_offset`: found an end after 3 characters, expected 6")
        );
    }

    #[test]
    fn a_token_over_the_beginning_counts_and_long_replies_do_not_count_more() {
        let over = tokens(&[("ab", None, 0), ("cd", Some(-1.0), 2), ("ef", Some(-2.0), 4)]);
        assert_eq!(score("abcdef", 3, &over, 0).unwrap(), Some(Score { logprob: -3.0, tokens: 2 }));
        assert_eq!(score("abcdef", 6, &over, 0).unwrap(), None);
        assert!(score("abcdef", 0, &over, 0).is_err());
        let many: Vec<TokenLogprob> =
            (0..400).map(|i| TokenLogprob { token: "a".into(), logprob: (i > 0).then_some(-1.0), offset: None, top: Vec::new() }).collect();
        assert_eq!(score(&"a".repeat(400), 1, &many, 0).unwrap(), Some(Score { logprob: -256.0, tokens: 256 }));
    }

    #[test]
    fn both_shapes_are_read_and_others_are_refused() {
        let legacy = json!({"logprobs": {"tokens": ["a", "b"], "token_logprobs": [null, -0.5], "text_offset": [0, 1],
            "top_logprobs": [null, {"b": -0.5, "a": -0.1}]}});
        let read = of_choice(&legacy).unwrap().unwrap();
        assert_eq!((read[0].logprob, read[1].logprob, read[1].offset), (None, Some(-0.5), Some(1)));
        assert_eq!(read[1].top, [("a".to_owned(), -0.1), ("b".to_owned(), -0.5)]);
        let content = json!({"logprobs": {"content": [{"token": "a", "logprob": -0.5, "bytes": [97],
            "top_logprobs": [{"token": "a", "logprob": -0.5}]}]}});
        assert_eq!(of_choice(&content).unwrap().unwrap()[0].top, [("a".to_owned(), -0.5)]);
        assert_eq!(of_choice(&json!({"logprobs": null})).unwrap(), None);
        assert_eq!(of_choice(&json!({"text": "a"})).unwrap(), None);
        let sentence = |value: Value| of_choice(&value).unwrap_err().to_string();
        assert!(
            sentence(json!({"logprobs": {"tokens": ["a"], "token_logprobs": []}})).contains("found 0 for 1 tokens, expected one a token")
        );
        assert!(
            sentence(json!({"logprobs": {"tokens": ["a"], "token_logprobs": [3.0]}}))
                .contains("found 3.0, expected a number that is at most 0")
        );
        assert!(
            sentence(json!({"logprobs": {"tokens": [1], "token_logprobs": [-1]}})).contains("`logprobs.tokens`: found 1, expected texts")
        );
    }

    #[test]
    fn prompt_logprobs_of_vllm_are_read() {
        let choice = json!({"prompt_logprobs": [null, {"17": {"logprob": -1.5, "rank": 4, "decoded_token": " ho"}}]});
        let read = of_prompt(&choice).unwrap().unwrap();
        assert_eq!(score(" ho", 0, &read, 0).unwrap(), Some(Score { logprob: -1.5, tokens: 1 }));
        let two = json!({"prompt_logprobs": [{"1": {"logprob": -1.0}, "2": {"logprob": -2.0}}]});
        assert!(of_prompt(&two).is_err());
    }

    /// Every way to cut a text into tokens, every beginning of the reply, with and without a token that begins texts.
    #[test]
    fn texts_and_offsets_of_tokens_say_the_same() {
        let characters: Vec<String> = "a\u{e9}\u{20ac} b\nc".chars().map(String::from).collect();
        let text = characters.concat();
        for (cuts, at, begins) in (0..128_u32).flat_map(|cuts| (1..7).flat_map(move |at| [(cuts, at, true), (cuts, at, false)])) {
            let from: usize = characters.iter().take(at).map(String::len).sum();
            let mut parts: Vec<String> = Vec::new();
            for (i, character) in characters.iter().enumerate() {
                match parts.last_mut() {
                    Some(part) if cuts & (1 << i) == 0 => part.push_str(character),
                    _ => parts.push(character.clone()),
                }
            }
            if begins {
                parts.insert(0, "<s>".into());
            }
            // One was generated.
            parts.push("!".into());
            let mut offset = 0;
            let token = |(i, token): (usize, String)| {
                let own = offset;
                offset += token.chars().count();
                TokenLogprob { token, logprob: Some(-(i as f64)), offset: Some(own), top: Vec::new() }
            };
            let tokens: Vec<TokenLogprob> = parts.into_iter().enumerate().map(token).collect();
            let is_of_reply = by_offset(&text, from, &tokens, 1).unwrap();
            let counted: Vec<f64> =
                tokens.iter().zip(is_of_reply).filter_map(|(token, is_of_reply)| token.logprob.filter(|_| is_of_reply)).collect();
            let expected = Score { logprob: counted.iter().sum(), tokens: counted.len() };
            assert_eq!(score(&text, from, &tokens, 1).unwrap(), Some(expected), "{cuts} {at} {begins}");
        }
    }
}
