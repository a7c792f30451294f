//! Released replies beside their twins, as figures.

mod arrangements;
mod differences;
mod power;
mod sketch;

pub(crate) use arrangements::{draw as arrangements, keys};
pub(crate) use differences::{Check, draw as differences};
pub(crate) use power::draw as power;
pub(crate) use sketch::draw as sketch;

/// `10^−6` with raised digits, for drawings.
pub(super) fn raised(text: &str) -> String {
    let Some((before, power)) = text.split_once("10^") else { return text.to_owned() };
    let raise = |c: char| match c {
        '-' | '\u{2212}' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        c => c.to_digit(10).and_then(|digit| char::from_u32(0x2070 + digit)).unwrap_or(c),
    };
    format!("{before}10{}", power.chars().map(raise).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_raised() {
        assert_eq!([raised("≤ 10^−1026"), raised("0.43")], ["≤ 10⁻¹⁰²⁶", "0.43"]);
    }
}
