//! Samples of a claim about attention: numbers of the size that real models give, in every case that the page must find words for.

use super::{digest, noise, report, sha, side};
use report::data::*;

const LAYERS: u64 = 18;
const HEADS: u64 = 4;
const CONTROLS: [&str; 3] = ["controls/smol-360m", "controls/qwen-0.5b", "controls/llama-1b"];
const SHAPE: &str = "it has 24 layers of 14 heads, the reference 18 of 4, so heads cannot be laid over heads";

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

fn measures() -> Vec<ClaimMeasure> {
    [
        (
            "raw-pooled",
            "All attention, as it is",
            "Every attention weight beside the weight at the same place in the reference: same prompt, same layer, same head, same two tokens",
        ),
        ("head-averaged", "heads averaged", "The heads of each layer are averaged first, so that their order does not matter"),
        (
            "matched-heads",
            "Best pairs of heads",
            "Each head beside the head of the reference that it resembles most, one to one within a layer; the mean over all heads",
        ),
        (
            "sink-removed",
            "Without the first token",
            "The same, after the first token is left out of every row: heads that have nothing to say look there, in every transformer",
        ),
        (
            "prompt-mean-removed",
            "Without habits of place",
            "The same, after what a head does at a place on average over all prompts is subtracted: looking one or two words back, for example",
        ),
        (
            "controls-regressed",
            "Without what independent models share",
            "The same, after what the independent models do on the same text is subtracted from both sides: what text itself makes every model do",
        ),
    ]
    .map(|(id, title, words)| ClaimMeasure { id: id.to_owned(), title: title.to_owned(), words: words.to_owned() })
    .to_vec()
}

fn row(name: &str, kind: ClaimRowKind, values: [f64; 6]) -> ClaimRow {
    ClaimRow { name: name.to_owned(), kind, values: values.map(Some).to_vec(), why: vec![None; 6] }
}

fn without(row: &mut ClaimRow, measure: usize, why: &str) {
    row.values[measure] = None;
    row.why[measure] = Some(why.to_owned());
}

/// Attention of one head: some on the first token, some on the token before, the rest by `seed`.
fn map(n: usize, seed: usize, shift: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(n * n);
    for i in 0..n {
        let weight = |j: usize| -> f64 {
            let sink = if j == 0 { 1.6 } else { 0.0 };
            let near = if i == j + 1 { 0.9 } else { 0.12 };
            let far = 2.2 * noise(seed + i * 37 + j * 11).clamp(0.0, 1.0).powi(3);
            let own = 0.1 * noise(shift + i * 53 + j * 7).abs();
            sink + near + far + own
        };
        let sum: f64 = (0..=i).map(weight).sum();
        values.extend((0..n).map(|j| if j <= i { ((weight(j) / sum * 1e4).round() / 1e4) as f32 } else { 0.0 }));
    }
    values
}

fn maps() -> Vec<ClaimMap> {
    let labels =
        ["<bos>", "The", "▁keeper", "▁of", "▁the", "▁light", "house", "▁wrote", "▁the", "▁weather", "▁down", "▁every", "▁evening", "."];
    [(7, 2, 0.9312, 100), (11, 0, 0.9178, 300), (4, 3, 0.9054, 700)]
        .map(|(layer, head, residual, seed)| ClaimMap {
            at: HeadPair { layer, head, reference_layer: layer, reference_head: head },
            residual,
            prompt: "prose-014".to_owned(),
            labels: labels.map(str::to_owned).to_vec(),
            reference: map(labels.len(), seed, 1),
            suspect: map(labels.len(), seed, 2),
        })
        .to_vec()
}

fn heads(mean: f64, in_place: bool) -> Vec<ClaimHead> {
    let place = |i: u64| (i / HEADS, i % HEADS);
    (0..LAYERS * HEADS)
        .map(|i| {
            let ((layer, head), wobble) = (place(i), noise(i as usize * 13 + 3));
            ClaimHead {
                at: HeadPair {
                    layer,
                    head,
                    reference_layer: layer,
                    reference_head: if in_place { head } else { (head + 1 + i % 2) % HEADS },
                },
                raw: round(0.975 + 0.02 * wobble),
                residual: Some(round((mean + 0.16 * wobble - 0.1 * (layer as f64 / LAYERS as f64 - 0.4)).clamp(-1.0, 0.99))),
            }
        })
        .collect()
}

fn claim() -> AttentionClaim {
    use ClaimRowKind::{Control, Suspect};
    AttentionClaim {
        prompts: "shared 1".to_owned(),
        prompts_digest: sha(77),
        n_prompts: 224,
        unit: ClaimUnit::Tokens,
        measures: measures(),
        rows: vec![
            row("uploads/new-model", Suspect, [0.987, 0.9912, 0.9885, 0.9127, 0.8342, 0.7871]),
            row(CONTROLS[0], Control, [0.9812, 0.9874, 0.9821, 0.6127, 0.3641, 0.2214]),
            row(CONTROLS[1], Control, [0.9789, 0.9861, 0.9803, 0.5814, 0.3312, 0.1967]),
            row(CONTROLS[2], Control, [0.9853, 0.9893, 0.986, 0.6641, 0.4117, 0.3055]),
        ],
        heads: heads(0.79, true),
        n_layers: LAYERS,
        n_heads: HEADS,
        maps: maps(),
        likelihood: None,
        likelihood_why: "a likelihood ratio needs a calibration of this measure on many pairs of models whose history is known, and there \
                         is none; a correlation, however high, is not one"
            .to_owned(),
    }
}

fn card() -> Card {
    Card {
        id: "activations.attention-residual".to_owned(),
        question: "Do the attention heads of the two models look at the same words, beyond what every transformer does?".to_owned(),
        null: "The two models were trained from independent random initialisations; what trained heads share anyway, the controls show."
            .to_owned(),
        statistic: "Mean correlation of paired heads after sinks, means over prompts and controls are removed.".to_owned(),
        access: vec![Access::Weights, Access::Tokenizer, Access::Activations],
        assumptions: "At least three controls that were run on the same prompts.".to_owned(),
        survives: "Permuted units, rotated residual stream, rescaling, fine-tuning, quantisation.".to_owned(),
        defeats: "Training on the reference's attention; other architectures.".to_owned(),
        reference: "none needed".to_owned(),
    }
}

fn with(claim: AttentionClaim, margin: Margin) -> Report {
    let mut report = report("models/gemma-270m", "uploads/new-model", LAYERS);
    let controls: Vec<&ClaimRow> = claim.rows.iter().filter(|row| row.kind == ClaimRowKind::Control).collect();
    report.case.controls = controls.iter().enumerate().map(|(i, row)| side(&row.name, 30 + i, LAYERS)).collect();
    report.cards.extend([Card { id: "activations.attention".to_owned(), ..card() }, card()]);
    report.command = Some(
        "filiation claim attention models/gemma-270m uploads/new-model --control controls/smol-360m --control controls/qwen-0.5b --seed 0"
            .to_owned(),
    );
    report.verdicts = vec![Verdict { statement: "The evidence allows no conclusion on derivation.".to_owned(), ..Verdict::default() }];
    let statistic = claim.rows.first().and_then(|row| row.values.last().copied().flatten());
    let beside = |measure: usize| -> Vec<Control> {
        let statistic = |row: &ClaimRow| row.values.get(measure).copied().flatten();
        controls.iter().map(|row| Control { model: row.name.clone(), statistic: statistic(row), log10_p: None }).collect()
    };
    let residual = Finding {
        method: "activations.attention-residual".to_owned(),
        outcome: Outcome::Observed,
        statistic,
        n: Some(LAYERS * HEADS),
        words: Some("mean over 72 pairs of heads".to_owned()),
        controls: beside(5),
        margin: Some(margin),
        parts: vec![Explanation::value("mean of heads", statistic.unwrap_or(0.0), "correlation").digest(digest(5))],
        ..Finding::default()
    };
    let raw = Finding {
        method: "activations.attention".to_owned(),
        statistic: claim.rows.first().and_then(|row| row.values.get(2).copied().flatten()),
        controls: beside(2),
        margin: None,
        parts: Vec::new(),
        attention: Some(claim.clone()),
        ..residual.clone()
    };
    report.findings = vec![raw, residual];
    report
}

fn margin(outcome: MarginOutcome, why: &str) -> Margin {
    Margin { outcome, why: why.to_owned(), ..Margin::default() }
}

/// The raw number says nothing, what remains does.
pub(crate) fn claimed() -> Report {
    with(claim(), margin(MarginOutcome::StandsOut, "stands out: 9.4 prediction errors beyond the mean of 3 independent controls"))
}

/// An independent model whose raw number is as high as that of the claim.
pub(crate) fn claimed_of_a_stranger() -> Report {
    let mut claim = claim();
    claim.rows[0].values = [0.9841, 0.9888, 0.9849, 0.6317, 0.3718, 0.2391].map(Some).to_vec();
    claim.heads = heads(0.24, false);
    for map in &mut claim.maps {
        map.suspect = self::map(map.labels.len(), 9000 + map.at.layer as usize, 3);
        map.residual = round(map.residual - 0.48);
        map.at.reference_head = (map.at.head + 1) % HEADS;
    }
    with(claim, margin(MarginOutcome::Within, "does not stand out: 0.1 prediction errors from the mean of 3 independent controls"))
}

/// The claimant's number, and nothing beside it.
pub(crate) fn claimed_without_controls() -> Report {
    let mut claim = claim();
    claim.rows.truncate(1);
    without(&mut claim.rows[0], 5, "no controls were given, and two are needed to know what independent models share");
    claim.heads.iter_mut().for_each(|head| head.residual = None);
    with(claim, margin(MarginOutcome::Abstains, "no controls were given"))
}

/// Other shapes and another tokenizer: some measures are not defined, one control nearly opposes, and there are many controls.
pub(crate) fn claimed_of_another_shape() -> Report {
    let mut claim = claim();
    claim.unit = ClaimUnit::Words;
    without(&mut claim.rows[0], 0, SHAPE);
    for (i, shift) in [0.01, -0.22, -0.05].into_iter().enumerate() {
        let values = [0.97, 0.97, 0.96, 0.5 + shift, 0.2 + shift, 0.1 + shift].map(round);
        claim.rows.push(row(&format!("controls/another-model-with-a-long-name-{i}"), ClaimRowKind::Control, values));
        without(&mut claim.rows[4 + i], 0, SHAPE);
    }
    without(&mut claim.rows[6], 5, "its heads could not be paired");
    with(claim, margin(MarginOutcome::StandsOut, "stands out"))
}
