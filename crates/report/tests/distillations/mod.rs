//! "Was it trained on what the reference released": the page, the section, and the terminal.

use crate::{as_value, assert_accuses_nobody, assert_links_lead_somewhere, samples};
use report::data::{Conclusion, CurvePoint, Report, TwinsPicture};
use report::{distillation, html, json, text};
use unicode_width::UnicodeWidthStr;

fn all() -> [(&'static str, Report); 9] {
    [
        ("distilled", samples::distilled()),
        ("not-distilled", samples::not_distilled()),
        ("too-few-replies", samples::too_few_replies()),
        ("failed-base", samples::failed_base()),
        ("failed-placebo", samples::failed_placebo()),
        ("batches", samples::distilled_in_batches()),
        ("derived-and-distilled", samples::derived_and_distilled()),
        ("endpoint", samples::endpoint()),
        ("untested", samples::untested()),
    ]
}

#[expect(clippy::unwrap_used, reason = "a test stops where a sample cannot be drawn")]
fn page(report: &Report) -> String {
    distillation::render(report).unwrap()
}

fn plain_text(report: &Report) -> String {
    distillation::text(report, text::Options::default())
}

#[expect(clippy::unwrap_used, reason = "a test stops where a sample cannot be drawn")]
fn twins(report: &mut Report) -> &mut TwinsPicture {
    report.findings[0].twins.as_mut().unwrap()
}

fn assert_says(page: &str, phrases: &[&str]) {
    let mut from = 0;
    for phrase in phrases {
        let at = page[from..].find(phrase).unwrap_or_else(|| panic!("`{phrase}` is not after what should stand before it"));
        from += at;
    }
}

/// The samples are what their names say, by the numbers that the test gives and not by their sentences.
#[test]
fn the_samples_hold_what_their_sentences_say() {
    let of = |mut report: Report| {
        let twins = twins(&mut report).clone();
        let failed = |test: &Option<report::data::TwinsTest>| test.as_ref().is_some_and(|test| test.log10_p <= -3.0);
        let conclusion = match twins.log10_p {
            _ if failed(&twins.base_alone) || failed(&twins.placebo) => Conclusion::Inconclusive,
            p if p <= -6.0 => Conclusion::SupportsDistillation,
            _ if twins.detectable <= twins.effect => Conclusion::NoEvidenceOfDistillation,
            _ => Conclusion::Inconclusive,
        };
        assert_eq!(conclusion, report.verdicts[0].conclusion, "{twins:?}");
        (failed(&twins.base_alone), failed(&twins.placebo))
    };
    assert_eq!(of(samples::distilled()), (false, false));
    assert_eq!(of(samples::not_distilled()), (false, false));
    assert_eq!(of(samples::too_few_replies()), (false, false));
    assert!(of(samples::failed_base()).0 && of(samples::failed_placebo()).1);
    of(samples::distilled_in_batches());
    of(samples::endpoint());
}

#[test]
fn pages_lie_where_a_person_can_look_at_them() {
    for (name, report) in all() {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.distillation.html"));
        std::fs::write(&path, page(&report)).unwrap();
        std::fs::write(path.with_extension("txt"), plain_text(&report)).unwrap();
    }
}

#[test]
fn the_page_answers_in_the_order_in_which_a_judge_asks() {
    let page = page(&samples::distilled());
    assert_says(
        &page,
        &[
            "Filiation, on replies that were released",
            "Evidence of training on released replies</h2>",
            "Smallest effect found</dt>",
            "committed beforehand</span> Declared primary test: <code>text.released-twin</code> at the level of 10<sup>−6</sup>, by the p-value of one fixed set of replies. No other",
            "2026-11-02T09:12:40Z",
            "Released replies beside their twins</h2>",
            "The released replies against chance</h3>",
            "as released: z = ",
            "How the test works</h3>",
            "2 further replies",
            "Both checks lie at zero, as they must.",
            "What the number is worth</h3>",
            "The public base in its place",
            "Placebo",
            "What the test would have found</h3>",
            "200 requests at hand",
            "Two questions, side by side</h2>",
            "Findings</h2>",
            "Null hypothesis</dt>",
            "Limits</h2>",
            "Files</h2>",
            "Repeat it</h2>",
            "Words</h2>",
        ],
    );
    for term in
        ["cluster", "commitment", "e-value", "effect", "minimum detectable effect", "placebo", "public base", "released reply", "twin"]
    {
        assert!(page.contains(&format!("<dt>{term}</dt>")), "`{term}` is not defined");
    }
    assert!(!page.contains("<dt>block</dt>") && !page.contains("Shared</dt>"), "words of weights on a page about outputs");
    assert!(!html::render(&samples::derived()).unwrap().contains("<dt>twin</dt>"), "words of outputs on a page about weights");
}

#[test]
fn checks_say_what_the_number_is_worth() {
    for (report, said, heading) in [
        (samples::failed_base(), "A check has failed: the public base, which saw neither, shows the difference too.", "Inconclusive</h2>"),
        (samples::failed_placebo(), "A check has failed: replies that went to others show the difference too.", "Inconclusive</h2>"),
        (samples::not_distilled(), "Both checks lie at zero", "No evidence of training on released replies</h2>"),
        (samples::endpoint(), "Nothing was tested that must show nothing", "Evidence of training on released replies</h2>"),
    ] {
        let page = page(&report);
        assert!(page.contains(said) && page.contains(heading), "{said}");
    }
    let failed = page(&samples::failed_base());
    assert_says(&failed, &["less than 1 in 10", "<strong>A check has failed", "</section>"]);
    let mut both = samples::failed_base();
    twins(&mut both).placebo.as_mut().unwrap().log10_p = -4.0;
    assert!(page(&both).contains("Both checks have failed"));
}

#[test]
fn too_few_replies_come_with_the_number_needed() {
    let mut report = samples::too_few_replies();
    let needed = twins(&mut report).requests_needed;
    let page = page(&report);
    assert_says(&page, &["Inconclusive</h2>", "What would allow an answer", &format!("about {needed}"), "would be needed."]);
    assert!(plain_text(&report).contains("which takes about"));
}

#[test]
fn batches_have_a_table_and_one_batch_has_none() {
    let page = page(&samples::distilled_in_batches());
    assert_says(
        &page,
        &[
            "the e-values of 3 batches, each tested by itself, multiply to 10<sup>",
            "by the product of e-values over disjoint batches: from 10<sup>6</sup> on it rejects",
            "Batch by batch</h3>",
            "e-value</th>",
            "product so far</th>",
            "The product of all e-values is what the verdict holds against the level: e = 10<sup>",
            "where 10<sup>6</sup> is needed, so p ≤ 10<sup>−",
            "at whatever batch the owner stops",
        ],
    );
    assert!(!page.contains("Hoeffding&#39;s bound") && !page.contains("Hoeffding's bound"), "one test's level where several are joined");
    assert!(!self::page(&samples::distilled()).contains("Batch by batch"));
}

#[test]
fn the_case_is_marked_in_the_table_of_two_questions() {
    let page = page(&samples::derived_and_distilled());
    assert_says(
        &page,
        &["class=\"cell here\"><h3>Weights and replies", "goes beyond simple distillation", "This case is “Weights and replies”."],
    );
    assert!(page.contains("Both answers are about the same bytes.") && !page.contains("cell open"));
    assert!(self::page(&samples::distilled_in_batches()).contains("class=\"cell here\"><h3>Simple distillation"));
    let unasked = self::page(&samples::distilled());
    assert_eq!(unasked.matches("class=\"cell open\"").count(), 2);
    assert_says(
        &unasked,
        &["Derivation was not asked, so two cases remain: “Weights and replies” and “Simple distillation”.", "Not asked."],
    );
    assert!(self::page(&samples::endpoint()).contains("An endpoint shows no files"));
    assert!(!self::page(&samples::untested()).contains("Two questions, side by side"));
}

/// What is not known of an endpoint is not shown as a fact.
#[test]
fn an_endpoint_has_no_parameters_and_no_digests() {
    let report = samples::endpoint();
    for page in [page(&report), html::render(&report).unwrap()] {
        let (_, files) = page.split_once("Files</h2>").unwrap();
        let (_, suspect) = files.split_once("<h3>Suspect</h3>").unwrap();
        let (suspect, _) = suspect.split_once("</dl>").unwrap();
        assert!(suspect.contains("assistant-7b") && suspect.contains("an endpoint shows what it answers"), "{suspect}");
        assert!(!suspect.contains("<dt>parameters") && !suspect.contains("SHA-256") && !suspect.contains("tensor root"), "{suspect}");
        assert!(page.contains("<bdi>assistant-7b</bdi>"));
    }
    assert!(page(&report).contains("exploratory: not committed beforehand</span>"));
    for text in [plain_text(&report), text::render(&report, text::Options::default())] {
        assert!(text.contains("127.0.0.1:8080/v1 (endpoint, model assistant-7b)") && !text.contains("(0 parameters)"), "{text}");
    }
}

#[test]
fn without_a_test_the_page_says_why() {
    let page = page(&samples::untested());
    assert_says(&page, &["Inconclusive</h2>", "no p-value", "There is no test to show</h2>", "The suspect could read no released reply"]);
    assert!(plain_text(&samples::untested()).contains("the suspect could read no released reply"));
}

#[test]
fn the_report_shows_the_section_too() {
    let page = html::render(&samples::distilled()).unwrap();
    assert_says(
        &page,
        &["Evidence of training on released replies</h2>", "href=\"#twins\"", "id=\"twins\"", "What the number is worth</h3>"],
    );
    assert!(!page.contains("nothing to draw") && !page.contains("href=\"#picture\""));
}

#[test]
fn a_terminal_shows_the_number_and_what_it_is_worth() {
    let text = plain_text(&samples::distilled());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.first(), Some(&"Evidence of training on released replies"));
    for start in [
        "p-value    ≤ 10^−",
        "effect     0.0",
        "no base    0.0",
        "base alone ",
        "placebo    ",
        "least      0.0",
        "declared   text.released-twin at the level of 10^−6, by the p-value of one fixed",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(start)), "no `{start}` in:\n{text}");
    }
    assert!(text.contains("derivation not asked"), "{text}");
    let batches = plain_text(&samples::distilled_in_batches());
    assert!(batches.contains("\nbatches    3 (p") && batches.contains("\ne-values   ") && batches.contains("where 10^6 is"), "{batches}");
    assert!(plain_text(&samples::endpoint()).contains("base alone not tested"));
}

#[test]
fn terminal_lines_stay_within_eighty_columns() {
    let mut hostile = samples::endpoint();
    hostile.case.suspect.model = Some("モデル/".repeat(60));
    hostile.verdicts[0].statement = "x".repeat(400);
    hostile.primary.as_mut().unwrap().committed_at = Some("y".repeat(200));
    for (name, report) in all().into_iter().chain([("hostile", hostile)]) {
        let text = distillation::text(&report, text::Options { colour: false, written_to: Some("out/distillation.html") });
        for line in text.lines() {
            assert!(line.width() <= 80, "{name}: {} columns: {line}", line.width());
        }
        assert!(!text.contains('\u{1b}') && (text.lines().count() <= 50 || name == "hostile"), "{name} is a wall:\n{text}");
    }
}

#[test]
fn text_from_files_is_never_markup() {
    let attack = "<script>alert(1)</script>\"'><img onerror=x>";
    for (name, mut report) in all() {
        report.case.suspect.path = attack.to_owned();
        report.case.suspect.model = Some(attack.to_owned());
        report.verdicts[0].statement = attack.to_owned();
        let primary = report.primary.as_mut().unwrap();
        primary.method = attack.to_owned();
        primary.words = Some(attack.to_owned());
        primary.commitment = Some(attack.to_owned());
        primary.committed_at = Some(attack.to_owned());
        if let Some(questions) = &mut report.two_questions {
            questions.distillation.statement = attack.to_owned();
            questions.distillation.method = Some(attack.to_owned());
            questions.distillation.report_sha256 = Some(attack.to_owned());
        }
        if let Some(twins) = &mut report.findings[0].twins {
            twins.null_detail = Some(attack.to_owned());
        }
        report.findings[0].words = Some(attack.to_owned());
        report.command = Some(attack.to_owned());
        report.limits.push(attack.to_owned());
        for page in [page(&report), html::render(&report).unwrap()] {
            assert_eq!(page.matches("<script>").count(), 1, "{name}: the page's own script, and no other");
            assert!(!page.contains("<img"), "{name}");
            assert!(page.matches("&lt;script&gt;").count() >= 8, "{name}: the names are shown, as text");
        }
        assert!(!plain_text(&report).contains('\u{1b}'));
    }
}

/// Values that a hostile report.json may lack or have too many of.
#[test]
fn ragged_data_draw_a_page_all_the_same() {
    let ragged: [fn(&mut TwinsPicture); 10] = [
        |t| t.null_z.clear(),
        |t| t.curve.clear(),
        |t| t.curve = vec![CurvePoint { requests: 5, effect: 0.1 }; 3],
        |t| t.curve = vec![CurvePoint { requests: 0, effect: -1.0 }, CurvePoint { requests: u64::MAX, effect: 1e300 }],
        |t| t.primary.differences.clear(),
        |t| t.primary.interval = None,
        |t| t.primary.z = 1e12,
        |t| (t.primary.effect, t.primary.interval) = (-1e9, Some([-2e9, 1e-9])),
        |t| (t.detectable, t.effect, t.log10_level, t.power) = (0.0, 0.0, 0.0, 0.0),
        |t| (t.most_twins, t.requests_needed, t.primary.requests) = (u64::MAX, u64::MAX, 0),
    ];
    for (i, break_it) in ragged.into_iter().enumerate() {
        let mut report = samples::distilled();
        break_it(twins(&mut report));
        let page = page(&report);
        let (body, _) = page.split_once("<script>").unwrap();
        assert!(page.len() < 1_000_000 && !body.contains("NaN") && !body.contains(">inf"), "break {i}: {} bytes", page.len());
        assert!(plain_text(&report).ends_with('\n'));
    }
}

#[test]
fn numbers_that_are_not_finite_are_absent_or_refused() {
    let refused: [fn(&mut TwinsPicture); 5] = [
        |t| t.primary.effect = f64::NAN,
        |t| t.null_z[0] = f64::INFINITY,
        |t| t.detectable = f64::NAN,
        |t| t.curve[0].effect = f64::NAN,
        |t| t.primary.differences[0] = f64::NAN,
    ];
    for (i, break_it) in refused.into_iter().enumerate() {
        let mut report = samples::distilled();
        break_it(twins(&mut report));
        let error = distillation::render(&report).unwrap_err().to_string();
        assert!(error.ends_with("but must be finite"), "break {i}: {error}");
    }
    let mut report = samples::distilled();
    twins(&mut report).beta = Some(f64::NAN);
    twins(&mut report).primary.interval = Some([f64::NAN, 1.0]);
    assert!(as_value(&report)["findings"][0]["twins"]["primary"]["interval"].is_null());
    let page = page(&report);
    assert!(!page.split_once("<script>").unwrap().0.contains("NaN"));
}

#[test]
fn the_same_data_give_the_same_bytes() {
    for (name, report) in all() {
        let read: Report = serde_json::from_str(&json::render(&report).unwrap()).unwrap();
        assert!(page(&report) == page(&read), "{name}: another page");
        assert_eq!(plain_text(&report), plain_text(&read), "{name}");
    }
}

#[test]
fn the_page_alone_loads_nothing_and_its_links_lead_somewhere() {
    for (name, report) in all() {
        let page = page(&report);
        for load in [" src=", "<link", "<img", "<iframe", "@import", "url(", "http://", "https://", "fetch("] {
            assert!(!page.contains(load), "{name}: the page has `{load}`");
        }
        assert_links_lead_somewhere(name, &page);
    }
}

#[test]
fn no_rendering_accuses() {
    for (name, report) in all() {
        for rendering in [plain_text(&report), page(&report)] {
            assert_accuses_nobody(name, &rendering);
        }
    }
}
