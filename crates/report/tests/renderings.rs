//! What every rendering of every kind of report promises.

mod samples;

use report::data::{Relation, Report, TensorRef};
use report::{html, json, text};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

fn all() -> [(&'static str, Report); 5] {
    [
        ("derived", samples::derived()),
        ("large", samples::derived_with(48)),
        ("independent", samples::independent()),
        ("inconclusive", samples::inconclusive()),
        ("partial", samples::partial()),
    ]
}

#[test]
fn pages_are_written_for_the_eye() {
    // Beside the tests' other output, so that a person can look at them.
    for (name, report) in all() {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.html"));
        std::fs::write(&path, html::render(&report).unwrap()).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() > 10_000, "{name}");
        std::fs::write(path.with_extension("txt"), text::render(&report, text::Options::default())).unwrap();
        std::fs::write(path.with_extension("json"), json::render(&report).unwrap()).unwrap();
    }
}
