//! Sizes as family files write them: `(n_heads + 2 * n_kv_heads) * head_dim`, over named dims, with `+ * ( )` and nothing else.

use crate::FormatError;
use std::collections::{BTreeMap, BTreeSet};

/// Values of the dims of one checkpoint, as far as they are known.
pub(super) type Dims = BTreeMap<String, u64>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Number(u64),
    Dim(String),
    Sum(Box<[Node; 2]>),
    Product(Box<[Node; 2]>),
}

/// A parsed size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expression(Node);

impl Expression {
    pub(super) fn parse(text: &str) -> Result<Self, FormatError> {
        let mut parser = Parser { rest: text, depth: 0 };
        parser
            .sum()
            .filter(|_| parser.rest.trim_start().is_empty())
            .map(Self)
            .ok_or_else(|| FormatError::new("expression", format!("`{text}`"), "dims and whole numbers joined by + * ( )"))
    }

    /// Names of the dims in it.
    pub(super) fn dims(&self) -> BTreeSet<&str> {
        fn walk<'a>(node: &'a Node, names: &mut BTreeSet<&'a str>) {
            match node {
                Node::Number(_) => {}
                Node::Dim(name) => {
                    names.insert(name);
                }
                Node::Sum(pair) | Node::Product(pair) => pair.iter().for_each(|node| walk(node, names)),
            }
        }
        let mut names = BTreeSet::new();
        walk(&self.0, &mut names);
        names
    }

    /// The value, if every dim is known and nothing overflows.
    pub(super) fn value(&self, dims: &Dims) -> Option<u64> {
        self.value_where(&|name| dims.get(name).copied())
    }

    fn value_where(&self, dim: &dyn Fn(&str) -> Option<u64>) -> Option<u64> {
        fn walk(node: &Node, dim: &dyn Fn(&str) -> Option<u64>) -> Option<u64> {
            match node {
                Node::Number(n) => Some(*n),
                Node::Dim(name) => dim(name),
                Node::Sum(pair) => walk(&pair[0], dim)?.checked_add(walk(&pair[1], dim)?),
                Node::Product(pair) => walk(&pair[0], dim)?.checked_mul(walk(&pair[1], dim)?),
            }
        }
        walk(&self.0, dim)
    }
}

/// Solves `sum of terms = total` for the only dim that is not known yet, if it occurs linearly and its value is a positive whole number.
pub(super) fn solve<'a>(terms: &[&'a Expression], total: u64, dims: &Dims) -> Option<(&'a str, u64)> {
    let mut unknown = terms.iter().flat_map(|term| term.dims()).filter(|name| !dims.contains_key(*name)).collect::<BTreeSet<_>>();
    let name = unknown.pop_first().filter(|_| unknown.is_empty())?;
    let at = |x: u64| {
        terms.iter().try_fold(0u64, |sum, term| {
            sum.checked_add(term.value_where(&|dim| if dim == name { Some(x) } else { dims.get(dim).copied() })?)
        })
    };
    let (constant, slope) = (at(0)?, at(1)?.checked_sub(at(0)?)?);
    let linear = at(2)? == at(1)?.checked_add(slope)?;
    let left = total.checked_sub(constant)?;
    (linear && slope > 0 && left > 0 && left.is_multiple_of(slope)).then(|| (name, left / slope))
}

/// Deeper nesting is a mistake in a family file.
const MAX_NESTING: usize = 16;

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn accept(&mut self, symbol: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(symbol);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn sum(&mut self) -> Option<Node> {
        let mut node = self.product()?;
        while self.accept('+') {
            node = Node::Sum(Box::new([node, self.product()?]));
        }
        Some(node)
    }

    fn product(&mut self) -> Option<Node> {
        let mut node = self.atom()?;
        while self.accept('*') {
            node = Node::Product(Box::new([node, self.atom()?]));
        }
        Some(node)
    }

    fn atom(&mut self) -> Option<Node> {
        if self.accept('(') {
            self.depth += 1;
            if self.depth > MAX_NESTING {
                return None;
            }
            let node = self.sum()?;
            self.depth -= 1;
            return self.accept(')').then_some(node);
        }
        let text = self.rest.trim_start();
        let end = text.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        match word.bytes().next()? {
            b'0'..=b'9' => word.parse().ok().map(Node::Number),
            _ => Some(Node::Dim(word.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dims(pairs: &[(&str, u64)]) -> Dims {
        pairs.iter().map(|&(name, n)| (name.to_owned(), n)).collect()
    }

    #[test]
    fn products_bind_tighter_than_sums_and_brackets_tighter_still() {
        let known = dims(&[("h", 8), ("k", 2), ("d", 4)]);
        for (text, value) in [("h + 2 * k", 12), ("(h + 2 * k) * d", 48), ("h*d+k*d+k*d", 48), ("3", 3)] {
            assert_eq!(Expression::parse(text).unwrap().value(&known), Some(value), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "h / d", "h - 1", "h d", "(h", "h)", "f(h)", "2h", "H", "h ** d", "+h", &"(".repeat(99)] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_overflow_or_an_unknown_dim_has_no_value() {
        let product = Expression::parse("a * b").unwrap();
        assert_eq!(product.value(&dims(&[("a", u64::MAX), ("b", 2)])), None);
        assert_eq!(product.value(&dims(&[("a", 3)])), None);
    }

    #[test]
    fn solving_needs_one_linear_unknown_and_a_whole_answer() {
        let qkv = Expression::parse("(h + 2 * k) * d").unwrap();
        assert_eq!(solve(&[&qkv], 48, &dims(&[("h", 8), ("d", 4)])), Some(("k", 2)));
        assert_eq!(solve(&[&qkv], 49, &dims(&[("h", 8), ("d", 4)])), None);
        assert_eq!(solve(&[&qkv], 48, &dims(&[("h", 8)])), None);
        assert_eq!(solve(&[&Expression::parse("a * a").unwrap()], 9, &Dims::new()), None);
    }

    proptest! {
        #[test]
        fn a_solved_dim_makes_the_equation_true(h in 1u64..99, k in 1u64..99, d in 1u64..99) {
            let terms = ["h * d", "k * d", "k * d"].map(|text| Expression::parse(text).unwrap());
            let terms: Vec<_> = terms.iter().collect();
            let total = (h + 2 * k) * d;
            for (name, value) in [("h", h), ("k", k), ("d", d)] {
                let mut known = dims(&[("h", h), ("k", k), ("d", d)]);
                known.remove(name);
                prop_assert_eq!(solve(&terms, total, &known), Some((name, value)));
            }
        }
    }
}
