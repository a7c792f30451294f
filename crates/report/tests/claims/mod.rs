//! What the section, the page and the text of a claim about attention promise.

use crate::{assert_accuses_nobody, assert_links_lead_somewhere, samples};
use report::data::{AttentionClaim, ClaimLikelihood, Outcome, Report};
use report::{claim, html, json, text};
use unicode_width::UnicodeWidthStr;

fn all() -> [(&'static str, Report); 4] {
    [
        ("claimed", samples::claimed()),
        ("of a stranger", samples::claimed_of_a_stranger()),
        ("without controls", samples::claimed_without_controls()),
        ("of another shape", samples::claimed_of_another_shape()),
    ]
}

#[expect(clippy::unwrap_used, reason = "a test stops where a sample has no claim")]
fn claim_of(report: &mut Report) -> &mut AttentionClaim {
    report.findings[0].attention.as_mut().unwrap()
}

fn plain_text(report: &Report) -> String {
    claim::text(report, text::Options::default())
}

/// All phrases, in this order.
fn assert_says(page: &str, phrases: &[&str]) {
    let mut from = 0;
    for phrase in phrases {
        let at = page[from..].find(phrase).unwrap_or_else(|| panic!("`{phrase}` does not stand after what should stand before it"));
        from += at;
    }
}

#[test]
fn the_section_answers_from_the_number_down_to_the_heads() {
    let report = samples::claimed();
    let order = [
        "What is a 98.7 % correlation of attention worth?</h2>",
        "The claimed kind of number says little. What remains sets the suspect apart.",
        "<strong>0.987</strong>",
        "<b>0.981, 0.979, 0.985</b>",
        "by 0.002; but these differ by 0.006 among themselves.",
        "After removing what every transformer shares</h3>",
        "<strong>0.787</strong>",
        "<b>0.221, 0.197, 0.305</b>",
        "by 0.482; these differ by 0.109 among themselves.",
        "Six ways to correlate the same attention</h3>",
        "0.979 to 0.985",
        "<caption>The same in numbers",
        "Heads averaged</th>",
        "Without habits of place</th>",
        "None follows.",
        "Head by head</h3>",
        "For 72 of 72 heads, the counterpart has the same layer and number in the reference.",
        "How this was measured</h3>",
        "<code>shared 1</code>, 224 texts",
        "Layer 7, head 2 of the suspect: r = 0.931</h3>",
        "Head 2 in layer 7 of the reference beside head 2 in layer 7 of the suspect",
    ];
    for page in [claim::render(&report).unwrap(), html::render(&report).unwrap()] {
        assert_says(&page, &order);
        assert_eq!(page.matches("class=\"suspect-dot\" data-tip").count(), 6, "one mark of the suspect a measure");
        assert_eq!(page.matches("class=\"control-diamond\" data-tip").count(), 18, "one mark of each control a measure");
    }
}

#[test]
fn a_high_number_of_a_stranger_sets_nothing_apart() {
    let page = claim::render(&samples::claimed_of_a_stranger()).unwrap();
    assert_says(&page, &["Neither number sets the suspect apart", "Independent models reach as much", "Independent models reach as much"]);
    assert!(!page.contains("sets the suspect apart.</p>"), "the page says that something sets the suspect apart");
}

#[test]
fn without_controls_the_number_is_worth_nothing() {
    let page = claim::render(&samples::claimed_without_controls()).unwrap();
    assert_says(
        &page,
        &[
            "Without independent models beside it, the number is worth nothing.",
            "No independent model was measured beside it.",
            "No independent model was measured beside this number either.",
            "No number for “Without what independent models share”: no controls were given",
            "independent models: none measured",
            "Shown is the raw correlation",
        ],
    );
    assert!(!page.contains("Independent models, same prompts"));
}

/// The page says why there is no number: in the headline, in the figure and in the table.
#[test]
fn every_number_that_is_not_there_has_its_reason() {
    let mut report = samples::claimed_of_another_shape();
    let page = claim::render(&report).unwrap();
    assert_says(
        &page,
        &[
            "What is a correlation of attention worth?</h2>",
            "The claimed kind of number (heads averaged)",
            "No number for “All attention, as it is”: it has 24 layers of 14 heads",
            "no number for the suspect; see the table",
            "No number for new-model, another-mod…ong-name-0, another-mod…ong-name-1, another-mod…ong-name-2: it has 24 layers of 14 heads",
            "words: the tokenizers differ",
        ],
    );
    assert!(page.contains("its heads could not be paired."));
    // Nothing at all could be measured.
    let claim = claim_of(&mut report);
    for row in &mut claim.rows {
        row.values = vec![None; 6];
        row.why = vec![Some("the model could not be run".to_owned()); 6];
    }
    claim.heads.clear();
    claim.maps.clear();
    let page = claim::render(&report).unwrap();
    assert_says(&page, &["There is no number to judge.", "No number for any of them: the model could not be run."]);
    assert!(!page.contains("Head by head") && !page.contains("looked at directly"));
    // A reason that is missing is not made up.
    claim_of(&mut report).rows.iter_mut().for_each(|row| row.why.clear());
    assert!(claim::render(&report).unwrap().contains("no reason is recorded"));
}

#[test]
fn without_a_claim_there_is_no_section_and_the_page_says_why() {
    let mut report = samples::claimed();
    report.findings[0].attention = None;
    let page = html::render(&report).unwrap();
    assert!(!page.contains("id=\"attention\"") && !page.contains("href=\"#attention\""));
    assert!(claim::render(&report).unwrap().contains("There is no number to judge</h2>"));
    report.findings[0].outcome = Outcome::NotApplicable;
    report.findings[0].why = Some("the suspect has no tokenizer".to_owned());
    assert!(claim::render(&report).unwrap().contains("<p>The suspect has no tokenizer.</p>"));
    assert_eq!(plain_text(&report), "No correlation of attention could be judged: the suspect has no tokenizer\n");
    assert!(!json::render(&report).unwrap().contains("\"measures\""));
}

#[test]
fn a_likelihood_ratio_is_shown_with_its_calibration() {
    let mut report = samples::claimed();
    claim_of(&mut report).likelihood = Some(ClaimLikelihood { log10_lr: 2.5, calibration: "decoders@sha256:00".to_owned() });
    claim_of(&mut report).likelihood_why = "over 40 pairs".to_owned();
    let page = claim::render(&report).unwrap();
    assert_says(&page, &["log<sub>10</sub> 2.50", "decoders@sha256:00", "Over 40 pairs."]);
    assert!(!page.contains("None follows."));
}

/// Numbers of `shared 1` on the sample, at 80 columns.
#[test]
fn a_terminal_shows_the_table() {
    let text = plain_text(&samples::claimed());
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(line("correlation with"), "correlation with the reference suspect control1 control2 control3");
    assert_eq!(line("All attention"), "All attention, as it is 0.987 0.981 0.979 0.985");
    assert_eq!(line("Without habits"), "Without habits of place 0.834 0.364 0.331 0.412");
    let many = plain_text(&samples::claimed_of_another_shape());
    assert!(many.contains("lowest  highest") && many.contains("lowest and highest of 6 controls"), "{many}");
    assert!(many.lines().any(|line| line.starts_with("All attention") && line.contains('–')), "{many}");
}

#[test]
fn terminal_lines_stay_within_eighty_columns() {
    let mut hostile = samples::claimed();
    let claim = claim_of(&mut hostile);
    claim.rows[1].name = "モデル/".repeat(60);
    claim.measures[0].title = "題".repeat(90);
    claim.rows[0].values[1] = None;
    claim.rows[0].why[1] = Some("x".repeat(400));
    claim.prompts = "p".repeat(200);
    for (name, report) in all().into_iter().chain([("hostile", hostile)]) {
        let text = claim::text(&report, text::Options { colour: false, written_to: Some("out/claim.html") });
        for line in text.lines() {
            assert!(line.width() <= 80, "{name}: {} columns: {line}", line.width());
        }
        assert!(!text.contains('\u{1b}'));
    }
}

#[test]
fn names_and_tokens_from_files_are_never_markup() {
    let attack = "<script>alert(1)</script>\"'><img onerror=x>";
    for mut report in all().map(|(_, report)| report) {
        let claim = claim_of(&mut report);
        claim.prompts = attack.to_owned();
        claim.prompts_digest = attack.to_owned();
        claim.likelihood_why = attack.to_owned();
        for measure in &mut claim.measures {
            measure.title = attack.to_owned();
            measure.words = attack.to_owned();
        }
        for row in &mut claim.rows {
            row.name = attack.to_owned();
            row.values[3] = None;
            row.why = vec![Some(attack.to_owned()); 6];
        }
        for map in &mut claim.maps {
            map.prompt = attack.to_owned();
            map.labels.iter_mut().for_each(|label| *label = attack.to_owned());
        }
        for page in [claim::render(&report).unwrap(), html::render(&report).unwrap()] {
            assert_eq!(page.matches("<script>").count(), 1, "the page's own script, and no other");
            assert!(!page.contains("<img"));
            assert!(page.matches("&lt;script&gt;").count() >= 20, "the names are shown, as text");
        }
        assert!(!plain_text(&report).contains('\u{1b}'));
    }
}

/// Values that a hostile report.json may lack or have too many of.
#[test]
fn ragged_data_draw_a_page_all_the_same() {
    let ragged: [fn(&mut AttentionClaim); 7] = [
        |c| c.rows.clear(),
        |c| c.rows.iter_mut().for_each(|row| row.values.truncate(2)),
        |c| c.measures.truncate(1),
        |c| c.measures.clear(),
        |c| c.maps.iter_mut().for_each(|map| map.reference.truncate(3)),
        |c| c.heads.iter_mut().for_each(|head| head.at.layer = u64::MAX),
        |c| (c.n_layers, c.n_heads) = (u64::MAX, u64::MAX),
    ];
    for (i, break_it) in ragged.into_iter().enumerate() {
        let mut report = samples::claimed();
        break_it(claim_of(&mut report));
        let page = claim::render(&report).unwrap();
        let (body, _) = page.split_once("<script>").unwrap();
        assert!(page.len() < 3_000_000 && !body.contains("NaN"), "break {i}: {} bytes", page.len());
        assert!(plain_text(&report).ends_with('\n'));
    }
}

#[test]
fn numbers_that_are_not_finite_are_absent_or_refused() {
    let refused: [fn(&mut AttentionClaim); 3] =
        [|c| c.heads[0].raw = f64::NAN, |c| c.maps[0].residual = f64::INFINITY, |c| c.maps[0].suspect[0] = f32::NAN];
    for (i, break_it) in refused.into_iter().enumerate() {
        let mut report = samples::claimed();
        break_it(claim_of(&mut report));
        let error = claim::render(&report).unwrap_err().to_string();
        assert!(error.ends_with("but must be finite"), "break {i}: {error}");
    }
    let mut report = samples::claimed();
    claim_of(&mut report).rows[0].values[0] = Some(f64::NAN);
    claim_of(&mut report).heads[0].residual = Some(f64::NAN);
    let page = claim::render(&report).unwrap();
    let (body, _) = page.split_once("<script>").unwrap();
    assert!(!body.contains("NaN"));
}

#[test]
fn the_same_data_give_the_same_bytes() {
    for (name, report) in all() {
        let read: Report = serde_json::from_str(&json::render(&report).unwrap()).unwrap();
        assert!(claim::render(&report).unwrap() == claim::render(&read).unwrap(), "{name}: another page");
        assert_eq!(plain_text(&report), plain_text(&read), "{name}");
    }
}

#[test]
fn the_page_alone_loads_nothing_and_its_links_lead_somewhere() {
    for (name, report) in all() {
        let page = claim::render(&report).unwrap();
        for load in [" src=", "<link", "<img", "<iframe", "@import", "url(", "http://", "https://", "fetch("] {
            assert!(!page.contains(load), "{name}: the page has `{load}`");
        }
        assert_links_lead_somewhere(name, &page);
    }
}

#[test]
fn no_rendering_accuses() {
    for (name, report) in all() {
        for rendering in [plain_text(&report), claim::render(&report).unwrap()] {
            assert_accuses_nobody(name, &rendering);
        }
    }
}
