//! Merge rules of a SentencePiece vocabulary, which keeps none: two pieces merge where their join is a piece, the best join first.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What decides which of two joins comes first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Order<'a> {
    /// The higher score.
    Scores(&'a [f64]),
    /// The lower id. Gemma's scores do not follow the order in which its merges were learned; its ids do.
    Ids,
}

/// Pairs `[left, right]`, the first merge first: every way to cut a piece into two others. Among equals, longer left parts come first, then
/// longer right parts, then the pair whose parts have the lower ids; as Hugging Face's `generate_merges` orders them.
pub(super) fn merges(tokens: &[String], order: Order<'_>) -> Vec<Value> {
    struct Pair<'a> {
        left: &'a str,
        right: &'a str,
        join: usize,
        key: (usize, usize),
        parts: (usize, usize),
    }
    let ids: BTreeMap<&str, usize> = tokens.iter().enumerate().rev().map(|(id, token)| (token.as_str(), id)).collect();
    let mut pairs = Vec::new();
    for (&token, &join) in &ids {
        for (at, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(at);
            if let (Some(&l), Some(&r)) = (ids.get(left), ids.get(right)) {
                pairs.push(Pair { left, right, join, key: (left.chars().count(), right.chars().count()), parts: (l, r) });
            }
        }
    }
    let better = |a: &Pair<'_>, b: &Pair<'_>| match order {
        Order::Ids => a.join.cmp(&b.join),
        Order::Scores(scores) => {
            let score = |pair: &Pair<'_>| scores.get(pair.join).copied().unwrap_or(f64::NEG_INFINITY);
            score(b).total_cmp(&score(a))
        }
    };
    pairs.sort_by(|a, b| better(a, b).then(b.key.cmp(&a.key)).then(a.join.cmp(&b.join)).then(a.parts.cmp(&b.parts)));
    pairs.into_iter().map(|pair| json!([pair.left, pair.right])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(list: &[&str]) -> Vec<String> {
        list.iter().map(|&token| token.to_owned()).collect()
    }

    /// Expected: `generate_merges({t: i for i, t in enumerate(tokens)}, dict(zip(tokens, scores)))` of transformers 5.23.0.
    #[test]
    fn merges_follow_the_scores_of_their_joins() {
        let tokens = tokens(&["a", "b", "ab", "ba", "aba", "abab", "x"]);
        let scores = [0.0, 0.0, -2.0, -1.0, -3.0, -3.0, 0.0];
        let expected = json!([["b", "a"], ["a", "b"], ["aba", "b"], ["ab", "ab"], ["ab", "a"], ["a", "ba"]]);
        assert_eq!(json!(merges(&tokens, Order::Scores(&scores))), expected);
        let by_id = json!([["a", "b"], ["b", "a"], ["ab", "a"], ["a", "ba"], ["aba", "b"], ["ab", "ab"]]);
        assert_eq!(json!(merges(&tokens, Order::Ids)), by_id);
    }
}
