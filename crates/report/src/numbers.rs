//! Numbers as people read them: powers of ten, chances, percentages, sizes. One place, so that text and page agree.

use crate::data::NullKind;

/// U+2212, which aligns with digits; the hyphen does not.
const MINUS: char = '\u{2212}';

/// `1234567` → `1,234,567`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with the digits that its size deserves: `0.9984`, `154.3`, `−4,229.1`, `1.2e−9`.
pub(crate) fn plain(value: f64) -> String {
    let size = value.abs();
    let text = if size == 0.0 {
        "0".to_owned()
    } else if !(1e-4..1e12).contains(&size) {
        format!("{size:.1e}").replace("e-", &format!("e{MINUS}"))
    } else if size >= 1e6 && size.fract() == 0.0 {
        // Exact: below 1e12 and whole.
        grouped(size as u64)
    } else if size.fract() == 0.0 {
        format!("{size:.0}")
    } else if size >= 100.0 {
        format!("{size:.1}")
    } else if size >= 1.5 {
        format!("{size:.2}")
    } else {
        // Cosines near 1 are told apart by their last digits, and must not be rounded up to 1.
        let four = format!("{size:.4}");
        let text = if four == "1.0000" && size < 1.0 { below_one(size) } else { four };
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if value < 0.0 { format!("{MINUS}{text}") } else { text }
}

/// A number just below 1: its nines and the digit that ends them, never rounded up; what is only the noise of adding is 1.
fn below_one(size: f64) -> String {
    if size > 1.0 - 1e-10 {
        return "1".to_owned();
    }
    let digits = format!("{size:.12}");
    let end = digits.char_indices().skip(2).find(|(_, c)| *c != '9').map_or(digits.len(), |(i, _)| i + 1);
    digits[..end].to_owned()
}

/// A standard score: `163.4`, `−1.1`. Further digits say nothing.
pub(crate) fn z(value: f64) -> String {
    let text = format!("{:.1}", value.abs());
    if value < 0.0 && text != "0.0" { format!("{MINUS}{text}") } else { text }
}

/// A p-value as a symbol, a relation and a number: `≤ 10^−2177`, `≈ 0.031`, `1`. Rounded up, so that nothing is overstated.
pub(crate) fn p_value(log10: f64, kind: Option<NullKind>) -> String {
    let value = if log10 <= -4.0 {
        format!("10^{MINUS}{}", (-log10).floor() as u64)
    } else {
        let p = 10f64.powf(log10.clamp(-4.0, 0.0));
        let scale = if p < 0.1 { 10f64.powi(2 - p.log10().ceil() as i32) } else { 100.0 };
        // The last subtraction keeps 0.36 from becoming 0.37 by its binary tail.
        let up = ((p * scale - 1e-6).ceil() / scale).clamp(0.0, 1.0);
        let text = format!("{up:.*}", scale.log10().round() as usize);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match kind {
        _ if value == "1" => value,
        Some(NullKind::Asymptotic) => format!("≈ {value}"),
        Some(NullKind::Bound) => format!("≤ {value}"),
        _ if value.starts_with("10^") => format!("≤ {value}"),
        _ => value,
    }
}

/// A number in a column of its like, with four decimals; more where four would round it up to 1.
pub(crate) fn four_decimals(value: f64) -> String {
    let size = value.abs();
    let four = format!("{size:.4}");
    let near = if four == "1.0000" && size < 1.0 { plain(size) } else { four.clone() };
    let text = if near == "1" { four } else { near };
    if value < 0.0 && text != "0.0000" { format!("{MINUS}{text}") } else { text }
}

/// What the rounding of 32-bit numbers leaves of 1, at most, over the sums that reports quote.
const ROUNDING: f64 = 1e-6;

/// A number in a table of thousands, or on one line with its like; never rounded up to 1 but from what rounding alone took away.
pub(crate) fn three_decimals(value: f64) -> String {
    let text = format!("{:.3}", value.abs());
    let text = if text == "1.000" && value.abs() < 1.0 - ROUNDING { plain(value.abs()) } else { text };
    if value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) { format!("{MINUS}{text}") } else { text }
}

/// A log10 p: `−4229.1`, `−0.32`.
pub(crate) fn log10(value: f64) -> String {
    let text = if value.abs() >= 10.0 { format!("{:.1}", value.abs()) } else { format!("{:.2}", value.abs()) };
    if value < 0.0 && text.bytes().any(|b| b.is_ascii_digit() && b != b'0') { format!("{MINUS}{text}") } else { text }
}

/// A fraction in percent. Only all of it is 100 %, only nothing is 0 %.
pub(crate) fn percent(fraction: f64) -> String {
    let percent = fraction.clamp(0.0, 1.0) * 100.0;
    if percent == 0.0 || percent == 100.0 {
        format!("{percent:.0} %")
    } else if percent < 0.1 {
        "< 0.1 %".to_owned()
    } else if percent > 99.9 {
        "> 99.9 %".to_owned()
    } else {
        format!("{percent:.1} %")
    }
}

/// A size: `90.9 MB`, decimal as disks and hubs count.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    UNITS
        .iter()
        .find(|(unit, _)| n >= *unit)
        .map_or_else(|| format!("{n} bytes"), |(unit, name)| format!("{:.1} {name}", n as f64 / *unit as f64))
}

/// A count of parameters: `22.7 million`.
pub(crate) fn parameters(n: u64) -> String {
    match n {
        0..=999_999 => grouped(n),
        1_000_000..=999_999_999 => format!("{:.1} million", n as f64 / 1e6),
        _ => format!("{:.2} billion", n as f64 / 1e9),
    }
}

/// A probability ready to be said: either `1 in N`, or `1 in 10^k`, or a plain p.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Chance {
    /// Too likely to be worth an odds expression.
    Plain,
    /// One in so many.
    OneIn(String),
    /// One in ten to this power, rounded so that the true chance is not above it.
    OneInPower(u64),
}

/// Puts log10 p into words. Rounds towards the larger chance, so that nothing is overstated.
pub(crate) fn chance(log10_p: f64) -> Chance {
    let power = -log10_p;
    if power >= 6.0 {
        // Saturates for absurd input; floors, so 10^-power <= 10^-floor.
        Chance::OneInPower(power.floor() as u64)
    } else if power >= 1.0 {
        let one_in = 10f64.powf(power);
        let unit = 10f64.powi(one_in.log10().floor() as i32 - 1);
        Chance::OneIn(grouped(((one_in / unit).floor() * unit) as u64))
    } else {
        Chance::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(22_713_728), "22,713,728");
        assert_eq!(plain(-4229.1), "\u{2212}4229.1");
        assert_eq!(plain(0.999_999_9), "0.9999999");
        assert_eq!(plain(0.998), "0.998");
        assert_eq!(plain(-1.2), "\u{2212}1.2");
        assert_eq!(plain(2.5e-9), "2.5e\u{2212}9");
        assert_eq!(plain(688.0), "688");
        assert_eq!([four_decimals(-0.02), four_decimals(1.0), four_decimals(-1e-9)], ["\u{2212}0.0200", "1.0000", "0.0000"]);
        assert_eq!([four_decimals(0.999_999_6), four_decimals(1.0 - 1e-16)], ["0.9999996", "1.0000"]);
        assert_eq!(log10(-0.001), "0.00");
        assert_eq!(log10(-4229.1), "\u{2212}4229.1");
        assert_eq!(bytes(90_868_376), "90.9 MB");
        assert_eq!(bytes(12), "12 bytes");
        assert_eq!(parameters(22_713_728), "22.7 million");
    }

    #[test]
    fn rounding_never_reaches_all_or_nothing() {
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.999_999), "> 99.9 %");
        assert_eq!(percent(0.000_001), "< 0.1 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.93), "93.0 %");
    }

    #[test]
    fn p_values_are_rounded_up_and_say_their_relation() {
        let bound = |log10| p_value(log10, Some(NullKind::Bound));
        assert_eq!([bound(-2177.1), bound(-0.44), bound(0.0), bound(-3.5)], ["≤ 10^−2177", "≤ 0.37", "1", "≤ 0.00032"]);
        assert_eq!(p_value(-1.507, Some(NullKind::Asymptotic)), "≈ 0.032");
        assert_eq!(p_value(-4229.1, Some(NullKind::Exact)), "≤ 10^−4229");
        assert_eq!(p_value(-0.443_697_499, Some(NullKind::Exact)), "0.36");
    }

    #[test]
    fn numbers_just_below_one_stay_below_it() {
        assert_eq!([plain(0.999_955_199), plain(0.999_999_992), plain(1.0 - 1e-15)], ["0.99995", "0.999999992", "1"]);
        assert_eq!([plain(1.0), plain(1.000_001)], ["1", "1"]);
        assert_eq!([z(-0.04), z(163.44), z(-1.115)], ["0.0", "163.4", "−1.1"]);
    }

    #[test]
    fn chances_in_words() {
        assert_eq!(chance(-4229.1), Chance::OneInPower(4229));
        assert_eq!(chance(-2.3), Chance::OneIn("190".to_owned())); // 10^2.3 = 199.5, rounded down
        assert_eq!([chance(-0.32), chance(0.0)], [Chance::Plain, Chance::Plain]);
    }

    proptest! {
        #[test]
        fn a_chance_is_never_overstated(power in 0.0f64..5000.0) {
            match chance(-power) {
                Chance::OneInPower(k) => prop_assert!(k as f64 <= power),
                Chance::OneIn(n) => prop_assert!(n.replace(',', "").parse::<f64>().unwrap() <= 10f64.powf(power) * (1.0 + 1e-9)),
                Chance::Plain => prop_assert!(power < 1.0),
            }
        }

        #[test]
        fn a_p_value_is_never_understated(power in 0.0f64..5000.0) {
            let shown = p_value(-power, Some(NullKind::Exact)).replace("≤ ", "").replace(MINUS, "-");
            let log10 = match shown.strip_prefix("10^") {
                Some(power) => power.parse::<f64>().unwrap(),
                None => shown.parse::<f64>().unwrap().log10(),
            };
            prop_assert!(log10 >= -power - 1e-6, "{shown} for 10^-{power}");
        }

        #[test]
        fn grouping_keeps_the_digits(n: u64) {
            prop_assert_eq!(grouped(n).replace(',', ""), n.to_string());
        }
    }
}
