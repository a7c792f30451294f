//! What every rendering of every kind of report promises.

mod claims;
mod distillations;
mod samples;

use report::data::{Explanation, Report, TensorRef};
use report::{claim, html, json, text};
use serde_json::Value;
use std::path::Path;
use unicode_width::UnicodeWidthStr;

fn all() -> [(&'static str, Report); 16] {
    [
        ("derived", samples::derived()),
        ("large", samples::derived_with(48)),
        ("independent", samples::independent()),
        ("inconclusive", samples::inconclusive()),
        ("partial", samples::partial()),
        ("disguised", samples::disguised()),
        ("no-controls", samples::disguised_without_controls()),
        ("stranger", samples::stranger()),
        ("claimed", samples::claimed()),
        ("claimed-of-a-stranger", samples::claimed_of_a_stranger()),
        ("claimed-without-controls", samples::claimed_without_controls()),
        ("claimed-of-another-shape", samples::claimed_of_another_shape()),
        ("distilled", samples::distilled()),
        ("too-few-replies", samples::too_few_replies()),
        ("endpoint", samples::endpoint()),
        ("untested", samples::untested()),
    ]
}

#[expect(clippy::unwrap_used, reason = "a test stops where a report cannot be written")]
fn as_value(report: &Report) -> Value {
    serde_json::from_str(&json::render(report).unwrap()).unwrap()
}

/// Every link inside the page has its target, and no id stands twice.
fn assert_links_lead_somewhere(name: &str, page: &str) {
    let after = |marker: &'static str| page.split(marker).skip(1).filter_map(|s| s.split('"').next()).collect::<Vec<_>>();
    let mut ids = after(" id=\"");
    for target in after("href=\"#") {
        assert!(ids.contains(&target), "{name}: nothing has the id `{target}`");
    }
    let n = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), n, "{name}: an id stands twice");
}

/// Words that a report never says of a model or of its makers.
fn assert_accuses_nobody(name: &str, rendering: &str) {
    let words: Vec<String> = rendering.to_lowercase().split(|c: char| !c.is_alphabetic()).map(str::to_owned).collect();
    for word in ["proves", "proof", "proved", "stolen", "theft", "guilty", "copied", "plagiarism", "victim", "original"] {
        assert!(!words.iter().any(|w| w == word), "{name} says `{word}`");
    }
}

#[test]
fn pages_lie_where_a_person_can_look_at_them() {
    for (name, report) in all() {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.html"));
        std::fs::write(&path, html::render(&report).unwrap()).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() > 10_000, "{name}");
        std::fs::write(path.with_extension("claim.html"), claim::render(&report).unwrap()).unwrap();
        std::fs::write(path.with_extension("claim.txt"), claim::text(&report, text::Options::default())).unwrap();
        std::fs::write(path.with_extension("json"), json::render(&report).unwrap()).unwrap();
        std::fs::write(path.with_extension("txt"), text::render(&report, text::Options::default())).unwrap();
        std::fs::write(path.with_file_name("schema.json"), json::schema().unwrap()).unwrap();
    }
}

#[test]
fn the_same_data_give_the_same_bytes() {
    for (name, report) in all() {
        assert!(html::render(&report).unwrap() == html::render(&report.clone()).unwrap(), "{name}: another page");
        assert!(json::render(&report).unwrap() == json::render(&report.clone()).unwrap(), "{name}: other JSON");
    }
}

/// The JSON is the whole report: what is read back draws the same page.
#[test]
fn a_page_can_be_made_again_from_the_json_alone() {
    for (name, report) in all() {
        let read: Report = serde_json::from_str(&json::render(&report).unwrap()).unwrap();
        assert!(read == report, "{name} is not read back as it was written");
        assert!(html::render(&read).unwrap() == html::render(&report).unwrap(), "{name} draws another page");
    }
}

/// Keys and words of the contract in the design, verbatim.
#[test]
fn the_contract_stands_verbatim() {
    let json = as_value(&samples::derived());
    assert_eq!(json["schema"], "urn:filiation:report:v1");
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for (place, expected) in [
        ("/tool", vec!["name", "version", "commit"]),
        ("/case", vec!["reference", "suspect", "controls", "seed"]),
        ("/case/reference", vec!["path", "sha256", "tensorRoot", "family", "nParameters"]),
        (
            "/verdicts/0",
            vec!["question", "conclusion", "scope", "relation", "pValue", "log10Lr", "log10LrBounds", "calibration", "statement"],
        ),
        ("/verdicts/0/scope", vec!["sharedFraction", "roles"]),
        ("/verdicts/0/scope/roles", vec!["embed", "mlpUp"]),
        ("/verdicts/0/pValue", vec!["log10", "null", "method"]),
        ("/findings/0", vec!["method", "question", "outcome", "statistic", "log10P", "nullDistribution", "n", "why", "controls", "parts"]),
        ("/findings/2", vec!["method", "question", "outcome", "statistic", "log10P", "nullDistribution", "n", "why", "controls", "parts"]),
        ("", vec!["case", "schema", "tool", "verdicts", "findings"]),
    ] {
        let found = keys(json.pointer(place).unwrap());
        for key in expected {
            assert!(found.iter().any(|k| k == key), "`{place}` has no `{key}`: {found:?}");
        }
    }
    assert_eq!(json["verdicts"][0]["conclusion"], "supports-derivation");
    assert_eq!(json["verdicts"][0]["question"], "derivation");
    assert_eq!(json["verdicts"][0]["relation"][0], "finetune");
    assert_eq!(json["verdicts"][0]["pValue"]["log10"], -4229.1);
    assert_eq!(json["verdicts"][0]["pValue"]["null"], "exact");
    assert!(json["verdicts"][0]["log10Lr"].is_null());
    assert_eq!(json["findings"][0]["outcome"], "observed");
    assert_eq!(json["findings"][2]["outcome"], "notApplicable");
    assert_eq!(as_value(&samples::inconclusive())["verdicts"][0]["pValue"], Value::Null);
    assert_eq!(as_value(&samples::inconclusive())["verdicts"][0]["conclusion"], "inconclusive");
    assert_eq!(as_value(&samples::independent())["verdicts"][0]["conclusion"], "supports-independence");
}

#[test]
fn every_relation_is_spelled_as_in_the_contract() {
    use report::data::Relation::*;
    let all = [
        Identical,
        Quantized,
        Finetune,
        Adapter,
        Merge,
        Pruned,
        Distilled,
        LayersChanged,
        VocabularyChanged,
        Upcycled,
        Permuted,
        Rotated,
        Rescaled,
        Partial,
    ];
    for relation in all {
        assert_eq!(serde_json::to_value(relation).unwrap(), relation.word());
    }
}

/// A small validator, for the keywords that the generated schema uses.
fn conforms(value: &Value, schema: &Value, root: &Value) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
        conforms(value, &root["$defs"][name], root)?;
    }
    if let Some(choices) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        choices.iter().find(|s| conforms(value, s, root).is_ok()).ok_or(format!("no alternative takes {value}"))?;
    }
    if let Some(word) = schema.get("const") {
        (value == word).then_some(()).ok_or(format!("{value} is not {word}"))?;
    }
    if let Some(words) = schema["enum"].as_array() {
        words.contains(value).then_some(()).ok_or(format!("{value} is not one of {words:?}"))?;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec![kind],
    };
    let taken = types.contains(&kind) || (kind == "integer" && types.contains(&"number"));
    if !taken {
        return Err(format!("{value} is {kind}, but must be {types:?}"));
    }
    if let (Some(entries), Some(items)) = (value.as_array(), schema.get("items")) {
        entries.iter().try_for_each(|entry| conforms(entry, items, root))?;
    }
    if let Some(object) = value.as_object() {
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            object.get(key).ok_or(format!("`{key}` is missing"))?;
        }
        for (key, entry) in object {
            if let Some(property) = schema["properties"].get(key).or(schema.get("additionalProperties")) {
                conforms(entry, property, root).map_err(|e| format!("{key}: {e}"))?;
            }
        }
    }
    Ok(())
}

#[test]
fn every_report_conforms_to_the_schema() {
    let schema: Value = serde_json::from_str(&json::schema().unwrap()).unwrap();
    assert_eq!(schema["$id"], "urn:filiation:report:v1");
    for (name, report) in all() {
        conforms(&as_value(&report), &schema, &schema).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn the_schema_refuses_what_breaks_the_contract() {
    let schema: Value = serde_json::from_str(&json::schema().unwrap()).unwrap();
    let good = as_value(&samples::derived());
    let broken: [fn(&mut Value); 5] = [
        |r| r["verdicts"][0]["conclusion"] = "proved".into(),
        |r| r["verdicts"][0]["pValue"]["log10"] = Value::Null,
        |r| r["case"]["reference"]["nParameters"] = "many".into(),
        |r| drop(r["findings"][0].as_object_mut().unwrap().remove("log10P")),
        |r| r["findings"][0]["parts"][0]["parts"][0]["value"] = "large".into(),
    ];
    for (i, break_it) in broken.into_iter().enumerate() {
        let mut report = good.clone();
        break_it(&mut report);
        assert!(conforms(&report, &schema, &schema).is_err(), "break {i} passes the schema");
    }
}

#[test]
fn numbers_that_are_not_finite_are_absent_or_refused() {
    let mut report = samples::derived();
    report.findings[0].statistic = Some(f64::NAN);
    report.matches[0].cosine = Some(f64::INFINITY);
    report.pictures.layers[0].z = Some(f64::NEG_INFINITY);
    let json = as_value(&report);
    assert!(json["findings"][0]["statistic"].is_null() && json["matches"][0]["cosine"].is_null());
    let page = html::render(&report).unwrap();
    let (body, _) = page.split_once("<script>").unwrap();
    assert!(!body.contains("NaN") && !body.contains(">inf"));

    let mut report = samples::derived();
    report.verdicts[0].p_value.as_mut().unwrap().log10 = f64::NEG_INFINITY;
    let error = json::render(&report).unwrap_err().to_string();
    assert_eq!(error, "the report cannot be written as JSON: a number of the report is -inf, but must be finite");
    assert!(html::render(&report).is_err());

    let mut report = samples::derived();
    report.verdicts[0].scope.roles.insert("embed".to_owned(), f64::NAN);
    assert!(json::render(&report).unwrap_err().to_string().contains("`embed` is NaN"));
}

#[test]
fn terminal_lines_stay_within_eighty_columns() {
    let mut hostile = samples::derived();
    hostile.case.suspect.path = "モデル/".repeat(60);
    hostile.findings[2].why = Some("x".repeat(500));
    hostile.findings[0].method = "weights.".to_owned() + &"y".repeat(100);
    hostile.verdicts[0].statement = "word ".repeat(100);
    let mut similar = samples::disguised_without_controls().findings.remove(1);
    similar.method = "weights.".to_owned() + &"z".repeat(100);
    similar.statistic = Some(-1.234_567_8e300);
    similar.margin.as_mut().unwrap().why = "モデル".repeat(60);
    hostile.findings.push(similar);
    for (name, report) in all().into_iter().chain([("hostile", hostile)]) {
        let text = text::render(&report, text::Options { colour: false, written_to: Some("out/report.html") });
        for line in text.lines() {
            assert!(line.width() <= 80, "{name}: {} columns: {line}", line.width());
        }
        assert!(text.lines().count() <= 40 || name == "hostile", "{name} is a wall:\n{text}");
        assert!(!text.contains('\u{1b}'), "{name} has colour that nobody asked for");
    }
}

#[test]
fn a_terminal_says_the_verdict_first_and_where_the_report_is_last() {
    let text = text::render(&samples::derived(), text::Options { colour: false, written_to: Some("out/report.html") });
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.first(), Some(&"Supports derivation over independence"));
    assert_eq!(lines.last(), Some(&"report     out/report.html"));
    for phrase in ["p-value    ≤ 10^−4229 (exact; weights.unit-alignment)", "finetune: trained further", "100 %", "not applicable"] {
        assert!(text.contains(phrase), "no `{phrase}` in:\n{text}");
    }
}

/// A line a method: its number, the range of the controls, and what they allow to say.
#[test]
fn a_terminal_sets_similarities_beside_the_controls() {
    let line = |report: &Report, method: &str| {
        let text = text::render(report, text::Options::default());
        text.lines().find(|line| line.starts_with(method)).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let disguised = samples::disguised();
    assert_eq!(line(&disguised, "weights.unit-matching"), "weights.unit-matching 0.998 controls .006–.007 stands out");
    assert_eq!(line(&disguised, "weights.image-angles"), "weights.image-angles 0.910 controls −.002–.011 stands out");
    assert_eq!(line(&disguised, "  synthetic"), "synthetic copies, not models: at most 0.0007, p ≤ 10^−5210 (exact)");
    let without = samples::disguised_without_controls();
    assert_eq!(line(&without, "weights.unit-matching"), "weights.unit-matching 0.998 no conclusion: no controls");
    assert_eq!(line(&without, "  no conclusion"), "no conclusion: no controls were given, but three are needed");
    assert_eq!(line(&samples::stranger(), "weights.unit-matching"), "weights.unit-matching 0.006 controls .006–.007 does not stand out");
}

#[test]
fn the_page_draws_the_disguise_undone_and_the_margin() {
    let page = html::render(&samples::disguised()).unwrap();
    for phrase in [
        "The disguise undone</h3>",
        ">before: as the files have them<",
        ">after: in the order found<",
        "0.010 to 0.020 before, 0.988 to 0.998 after.",
        "The margin against every control</h3>",
        "synthetic copies (not models)",
        "control: smol-360m<",
        "What remains when the disguise is undone</h3>",
        "Relative difference</caption>",
        ">stands out</span> Beyond every control",
        "Synthetic controls: copies, not models</h4>",
        "They cannot exclude</dt>",
        "<dt>self-test</dt>",
        "<dt>synthetic control</dt>",
        "<dt>unit matching</dt>",
        "permuted</em>: the same hidden units or heads in another order",
    ] {
        assert!(page.contains(phrase), "no `{phrase}`");
    }
    let plain = html::render(&samples::derived()).unwrap();
    for phrase in ["The disguise undone", "The margin against every control", "What remains when", "Synthetic controls:", "stands out"] {
        assert!(!plain.contains(phrase), "`{phrase}` where nothing was measured");
    }
}

#[test]
fn without_controls_the_page_concludes_nothing_from_similarity() {
    let page = html::render(&samples::disguised_without_controls()).unwrap();
    for phrase in [
        ">no conclusion: no controls<",
        "controls: none were given<",
        "No conclusion: no controls were given, so this report does not know what independent models reach.",
        ">no conclusion: no controls</span> Nothing is concluded from this number.",
        "No controls were given, but three are needed.",
        "synthetic copies (not models)",
    ] {
        assert!(page.contains(phrase), "no `{phrase}`");
    }
    for phrase in ["stands out", "does not stand out", "The same number for independent control models"] {
        assert!(!page.contains(phrase), "`{phrase}`");
    }
}

#[test]
fn numbers_of_margins_that_are_not_finite_are_absent_or_refused() {
    let refused: [fn(&mut Report); 4] = [
        |r| r.findings[1].profile[0].value = f64::NAN,
        |r| r.findings[1].profile[0].depth = f64::INFINITY,
        |r| r.findings[1].synthetic_controls.as_mut().unwrap().statistics[0] = f64::NAN,
        |r| r.pictures.undone.as_mut().unwrap().values_after[0][0] = f64::NAN,
    ];
    for (i, break_it) in refused.into_iter().enumerate() {
        let mut report = samples::disguised();
        break_it(&mut report);
        let error = json::render(&report).unwrap_err().to_string();
        assert!(error.ends_with("but must be finite"), "break {i}: {error}");
    }
    let mut report = samples::disguised();
    report.findings[1].profile[0].controls[0] = Some(f64::NAN);
    report.findings[1].profile[0].synthetic = Some(f64::INFINITY);
    report.findings[1].margin.as_mut().unwrap().t = Some(f64::NAN);
    report.pictures.remainder[0].relative_difference = Some(f64::NAN);
    let json = as_value(&report);
    assert!(json["findings"][1]["profile"][0]["controls"][0].is_null() && json["pictures"]["remainder"][0]["relativeDifference"].is_null());
    let page = html::render(&report).unwrap();
    let (body, _) = page.split_once("<script>").unwrap();
    assert!(!body.contains("NaN") && !body.contains(">inf") && !body.contains("> inf"));
}

#[test]
fn colour_adds_no_meaning() {
    let report = samples::partial();
    let plain = text::render(&report, text::Options::default());
    let coloured = text::render(&report, text::Options { colour: true, written_to: None });
    assert_ne!(plain, coloured);
    assert_eq!(plain, coloured.replace("\u{1b}[1m", "").replace("\u{1b}[0m", ""));
}

#[test]
fn the_page_answers_in_the_order_in_which_a_reader_asks() {
    let page = html::render(&samples::derived()).unwrap();
    let order = [
        "Supports derivation over independence</h2>",
        "less than 1 in 10<sup>4229</sup>",
        "The picture</h2>",
        "Every block against every block</h3>",
        "What is shared, by role and by block</h3>",
        "Alignment, part by part</h3>",
        "Best counterpart against runner-up</h3>",
        "Findings</h2>",
        "Null hypothesis</dt>",
        "Every number</h2>",
        "Tensors of the suspect and their counterparts</h3>",
        "What the suspect&#39;s card claims</h2>",
        "Limits, and what was not run</h2>",
        "Files</h2>",
        "Repeat it</h2>",
        "Words</h2>",
    ];
    let page = page.replace("suspect's card claims", "suspect&#39;s card claims");
    let mut from = 0;
    for phrase in order {
        let at = page[from..].find(phrase).unwrap_or_else(|| panic!("`{phrase}` is not after what should stand before it"));
        from += at;
    }
}

#[test]
fn the_page_says_why_there_is_no_number() {
    let page = html::render(&samples::inconclusive()).unwrap();
    for phrase in [
        "Inconclusive</h2>",
        "What would allow an answer",
        "no p-value",
        "not measured",
        "The suspect has no MLP block.",
        "ids are unique",
        "compared by content",
    ] {
        assert!(page.contains(phrase), "no `{phrase}`");
    }
    assert!(!page.contains("<figure"), "a picture of nothing");
    let (_, picture) = page.split_once("The picture</h2>").unwrap();
    let (picture, _) = picture.split_once("</section>").unwrap();
    assert!(picture.contains("nothing to draw") && picture.contains("The suspect has no MLP block."), "{picture}");
}

/// What real methods write: formulas in backticks, minus signs of programs, powers, remarks without a capital.
#[test]
fn remarks_are_set_as_sentences() {
    let mut report = samples::derived();
    report.cards[0].statistic = "sum of `C_ii < 1` over units".to_owned();
    report.findings[0].words = Some("mean correlation of 30 matrices, lowest -0.0141, of 22565376 elements".to_owned());
    report.verdicts[0].relation_words.insert("finetune".to_owned(), "39 tensors differ".to_owned());
    let page = html::render(&report).unwrap();
    for phrase in [
        "Sum of <code>C_ii &lt; 1</code> over units.",
        "Mean correlation of 30 matrices, lowest −0.0141, of 22,565,376 elements.",
        "Seen: 39 tensors differ.",
        "≤ 10<sup>−4229</sup>",
    ] {
        assert!(page.contains(phrase), "no `{phrase}`");
    }
}

/// A model of 300 tensors and 48 blocks, and the largest dense models of today with 126 blocks.
#[test]
fn pages_of_large_models_stay_light() {
    for n in [48, 126] {
        let page = html::render(&samples::derived_with(n)).unwrap();
        assert!(page.len() < if n == 48 { 1_500_000 } else { 3_000_000 }, "{n} blocks: {} bytes", page.len());
    }
}

#[test]
fn no_number_is_a_negative_zero_or_rounded_up_to_all() {
    let mut report = samples::derived();
    report.verdicts[0].scope.shared_fraction = 0.999_999;
    report.findings[0].statistic = Some(-0.0);
    report.findings[0].log10_p = Some(-0.0);
    report.pictures.layers[0].z = Some(-0.001);
    report.matches[0].cosine = Some(-0.000_001);
    report.pictures.block_matrix.as_mut().unwrap().values[0][1] = Some(-0.000_1);
    let page = html::render(&report).unwrap();
    let text = text::render(&report, text::Options::default());
    for rendering in [page, text] {
        assert!(rendering.contains("&gt; 99.9 %") || rendering.contains("> 99.9 %"));
        for zero in ["−0<", "−0 ", "−0.0<", "−0.00<", "−0.000<", "−0.0000<", "≤ 1<"] {
            assert!(!rendering.contains(zero), "`{zero}`");
        }
    }
}

#[test]
fn the_page_loads_nothing() {
    for (name, report) in all() {
        let page = html::render(&report).unwrap();
        for load in [" src=", "<link", "<img", "<iframe", "@import", "url(", "http://", "https://", "fetch(", "XMLHttpRequest", "import("] {
            assert!(!page.contains(load), "{name}: the page has `{load}`");
        }
        for target in page.split("href=\"").skip(1) {
            assert!(target.starts_with('#'), "{name}: a link leaves the page: {:.40}", target);
        }
    }
}

/// Every link of the page has its target, and ids are unique.
#[test]
fn links_of_the_page_lead_somewhere() {
    for (name, report) in all() {
        let page = html::render(&report).unwrap();
        assert_links_lead_somewhere(name, &page);
    }
}

#[test]
fn text_from_files_is_never_markup() {
    let attack = "<script>alert(1)</script>\"'><img onerror=x>";
    let mut report = samples::derived();
    report.case.suspect.path = attack.to_owned();
    report.case.suspect.family = Some(attack.to_owned());
    report.case.controls.push(report.case.suspect.clone());
    report.verdicts[0].statement = attack.to_owned();
    report.verdicts[0].would_help = Some(attack.to_owned());
    report.verdicts[0].scope.roles.insert(attack.to_owned(), 0.5);
    report.verdicts[0].scope.by_layer[0].layer = attack.to_owned();
    report.matches[0].suspect = TensorRef { name: attack.to_owned(), slot: Some(attack.to_owned()) };
    report.matches[0].reference = report.matches[0].suspect.clone();
    report.pictures.layers[0].layer = attack.to_owned();
    let blocks = report.pictures.block_matrix.as_mut().unwrap();
    blocks.rows[0] = attack.to_owned();
    blocks.cols[0] = attack.to_owned();
    blocks.measure = attack.to_owned();
    blocks.roles.push(attack.to_owned());
    report.findings[0].parts = vec![Explanation::value(attack, 1.0, attack).words(attack).digest(attack)];
    report.findings[0].controls[0].model = attack.to_owned();
    report.findings[1].method = attack.to_owned();
    report.claims[0].value = Some(attack.to_owned());
    report.claims[0].found = attack.to_owned();
    report.constants_left_out[0].name = attack.to_owned();
    report.custody[0].path = attack.to_owned();
    report.limits.push(attack.to_owned());
    report.verdicts[0].relation_words.insert("finetune".to_owned(), attack.to_owned());
    report.cards[0].statistic = attack.to_owned();
    report.not_run[0].why = attack.to_owned();
    report.command = Some(attack.to_owned());
    report.tool.commit = attack.to_owned();
    let page = html::render(&report).unwrap();
    assert_eq!(page.matches("<script>").count(), 1, "the page's own script, and no other");
    assert!(!page.contains("<img"));
    assert!(page.matches("&lt;script&gt;").count() >= 25, "the names are shown, as text");
}

/// The same for what margins and undone disguises bring along.
#[test]
fn text_of_margins_is_never_markup() {
    let attack = "<script>alert(1)</script>\"'><img onerror=x>";
    let mut report = samples::disguised();
    for finding in &mut report.findings {
        finding.method = format!("weights.{attack}");
        finding.controls.iter_mut().take(1).for_each(|control| control.model = attack.to_owned());
        finding.profile.iter_mut().for_each(|point| {
            point.label = attack.to_owned();
            point.reference = attack.to_owned();
        });
        finding.margin.iter_mut().for_each(|margin| margin.why = attack.to_owned());
        finding.synthetic_controls.iter_mut().for_each(|copies| {
            copies.stand_for = attack.to_owned();
            copies.do_not_stand_for = attack.to_owned();
        });
    }
    let undone = report.pictures.undone.as_mut().unwrap();
    undone.suspect = attack.to_owned();
    undone.reference = attack.to_owned();
    report.pictures.remainder.iter_mut().for_each(|entry| {
        entry.block = attack.to_owned();
        entry.role = attack.to_owned();
    });
    let page = html::render(&report).unwrap();
    assert_eq!(page.matches("<script>").count(), 1, "the page's own script, and no other");
    assert!(!page.contains("<img"));
    assert!(page.matches("&lt;script&gt;").count() >= 40, "the names are shown, as text");
}

#[test]
fn no_rendering_accuses() {
    for (name, report) in all() {
        let text = text::render(&report, text::Options::default());
        let page = html::render(&report).unwrap();
        for rendering in [text, page] {
            assert_accuses_nobody(name, &rendering);
        }
    }
}
