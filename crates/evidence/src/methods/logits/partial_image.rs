//! `logits.partial-image`: could the reference's output layer have given what an endpoint says of some tokens?

use crate::card::{Card, NULL_BESIDE_CONTROLS, card};
use crate::common_logits::without_mean_row;
use crate::method::{Explanation, MethodError, Observation, Outcome};
use crate::records::{PartialLogits, RecordMethod, Records};
use forward::Image;
use stats::InputError;
use stats::subspace::Subspace;

card! {
    /// # Question
    /// Could the reference's output layer have given what the suspect says of some tokens? Weight lineage only: it says nothing of distillation.
    /// # Null hypothesis
    /// The two models were initialised independently. Output layers of all models spread likely and unlikely tokens alike, so this is judged
    /// beside controls.
    /// # Statistic
    /// As that of `logits.image`: log-probabilities are logits less one number a prompt, so over `K` tokens, centred, they lie in the image of the
    /// unembedding's `K` rows, which has as many dimensions as the stream, `d`. `s` is one minus the share of their squares that lies outside the
    /// reference's image, after their mean over prompts was taken away. Large values count.
    /// # Shapes and units
    /// `[N, K]` log-probabilities in nats, of the same `K ≥ 5/4 d` tokens after each of `N ≥ 2` prompts. An endpoint that shows `k` of them at a time is asked
    /// for the others by `logit_bias`, which raises tokens into view: `⌈(K − 1)/(k − 1)⌉` questions a prompt, one token in each of them to join them
    /// by. A share in [0, 1].
    /// # Null distribution
    /// That of independent controls. Vectors without any direction of their own have `d / (K − 1)` inside, and trained ones more.
    /// # Assumptions
    /// The endpoint gives log-probabilities after the bias and in enough digits; its tokens are the reference's, which is what derivation would
    /// leave. Where the model caps its logits at the end, they lie in no image.
    /// # Survives
    /// Everything that leaves the unembedding as it is: adapters, new blocks, rotation; a bias of the output.
    /// # Fails when
    /// The unembedding was trained on for long; both models use one public unembedding, which is no derivation of the rest; the endpoint rounds or
    /// hides what it says; fewer tokens can be asked for than the stream is wide.
    /// # Reference
    /// Finlayson, Ren and Swayamdipta, arXiv 2403.09539; Carlini et al., arXiv 2403.06634 (`logit_bias`).
    /// # Example
    /// `testdata/models`, 160 tokens after 24 prompts of the invented dialogues: base asked as an endpoint against itself, everything inside but rounding.
    pub(crate) static CARD = {
        id: "logits.partial-image",
        question: Question::Derivation,
        null: NULL_BESIDE_CONTROLS,
        null_basis: NullBasis::Controls,
        statistic: Quantity::share("s"),
        needs: Preparation::Records,
        access: &[Access::Logits],
        reference: "Finlayson, Ren and Swayamdipta, arXiv 2403.09539; Carlini et al., arXiv 2403.06634",
    }
}

pub(crate) struct PartialImage;

/// Tokens that are needed for a stream of that width: any vectors lie in an image as large as the room.
pub fn partial_image_tokens(hidden: usize) -> usize {
    hidden + hidden.div_ceil(4)
}

impl RecordMethod for PartialImage {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, records: &Records<'_>) -> Result<Outcome, MethodError> {
        let Some(partial) = records.partial else { return Ok(Outcome::not_applicable("no log-probabilities of tokens were given")) };
        let PartialLogits { vectors, reference, controls } = partial;
        let (n_tokens, least) = (reference.n_tokens, partial_image_tokens(reference.hidden));
        if n_tokens < least {
            let why = format!(
                "{n_tokens} tokens for an image of {} dimensions; at least {least} are needed, or it holds any vectors",
                reference.hidden
            );
            return Ok(Outcome::not_applicable(why));
        }
        if vectors.len() < 2 {
            return Ok(Outcome::not_applicable(format!("{} prompts were answered, and two are needed at least", vectors.len())));
        }
        if let Some(vector) = vectors.iter().find(|vector| vector.len() != n_tokens || vector.iter().any(|value| !value.is_finite())) {
            return Ok(Outcome::not_applicable(format!("a prompt has {} finite numbers for {n_tokens} tokens", finite(vector))));
        }
        let centred: Vec<f32> = vectors
            .iter()
            .flat_map(|vector| {
                let mean = vector.iter().sum::<f64>() / n_tokens as f64;
                vector.iter().map(move |value| (value - mean) as f32)
            })
            .collect();
        let values = without_mean_row(&centred, n_tokens);
        let Some(outside) = outside(reference, &values)? else {
            return Ok(Outcome::not_applicable("what the suspect says does not vary with the prompt"));
        };
        let chance = reference.rank() as f64 / (n_tokens - 1) as f64;
        let statistic = 1.0 - outside;
        let mut parts = vec![
            Explanation::leaf("outside", outside, "1", "share of the squares, less their mean over prompts, that lies outside"),
            Explanation::leaf("by chance", chance, "1", "share that lies inside for vectors without any direction of their own"),
        ];
        let mut nearest: Option<f64> = None;
        for (name, image) in controls.iter().filter(|(_, image)| image.n_tokens == n_tokens) {
            let Some(outside) = self::outside(image, &values)? else { continue };
            let words = "share that lies inside the image of this control";
            parts.push(Explanation::leaf(format!("inside {name}"), 1.0 - outside, "1", words));
            nearest = Some(nearest.map_or(1.0 - outside, |most| if 1.0 - outside > most { 1.0 - outside } else { most }));
        }
        let beside = match nearest {
            Some(nearest) if controls.len() == 1 => format!("; inside the image of the control {:.1} %", 100.0 * nearest),
            Some(nearest) => format!("; inside the image of the nearest of {} controls {:.1} %", controls.len(), 100.0 * nearest),
            None => "; no control says what independent models give".into(),
        };
        let words = format!(
            "{outside:.2e} of what the suspect says lies outside the reference's image, over {} prompts and {n_tokens} tokens; {:.1} % lie inside{beside}. \
             This speaks of weight lineage only, not of distillation",
            vectors.len(),
            100.0 * statistic
        );
        let explanation =
            Explanation { label: "log-probabilities inside the reference's image".into(), value: Some(statistic), unit: "1", words, parts };
        Ok(Outcome::Observed(Observation::new(statistic, vectors.len(), None, explanation)))
    }
}

fn finite(vector: &[f64]) -> usize {
    vector.iter().filter(|value| value.is_finite()).count()
}

/// Share of the squares that lies outside an image; `None` where there are none.
fn outside(image: &Image, values: &[f32]) -> Result<Option<f64>, InputError> {
    let split = Subspace::of_columns(&image.basis, image.rank())?.split(values)?;
    let (outside, squares) = (split.outside.iter().sum::<f64>(), split.squares.iter().sum::<f64>());
    Ok((squares > 0.0).then(|| (outside / squares).clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use forward::observation::image_from_rows;
    use testmodels::Gaussian;

    const TOKENS: usize = 40;
    const HIDDEN: usize = 24;

    fn rows(label: &str) -> Vec<f32> {
        let mut normal = Gaussian::new(5, label);
        (0..TOKENS * HIDDEN).map(|_| normal.draw() as f32).collect()
    }

    /// What an output layer gives for drawn streams, less a number of each prompt's own, with a bias.
    fn said(rows: &[f32], n: usize) -> Vec<Vec<f64>> {
        let mut normal = Gaussian::new(6, "streams");
        let bias: Vec<f64> = (0..TOKENS).map(|_| normal.draw()).collect();
        (0..n)
            .map(|_| {
                let stream: Vec<f64> = (0..HIDDEN).map(|_| normal.draw()).collect();
                let own = 3.0 * normal.draw();
                let logit = |row: &[f32]| row.iter().zip(&stream).map(|(w, h)| f64::from(*w) * h).sum::<f64>();
                rows.chunks_exact(HIDDEN).zip(&bias).map(|(row, bias)| logit(row) + bias - own).collect()
            })
            .collect()
    }

    fn observe(vectors: Vec<Vec<f64>>, reference: &[f32], controls: &[&[f32]]) -> Outcome {
        let image = |rows: &[f32]| image_from_rows(rows, TOKENS, HIDDEN).unwrap();
        let controls = controls.iter().map(|rows| ("stranger".to_owned(), image(rows))).collect();
        let partial = PartialLogits { vectors, reference: image(reference), controls };
        PartialImage.observe(&Records { partial: Some(&partial), ..Records::default() }).unwrap()
    }

    #[test]
    fn an_own_output_layer_holds_everything_and_a_stranger_s_its_share() {
        let (own, other) = (rows("own"), rows("other"));
        let found = observe(said(&own, 12), &own, &[&other]);
        let found = found.observed().unwrap();
        assert!(found.statistic > 1.0 - 1e-9 && found.p_value.is_none(), "{found:?}");
        let inside = found.explanation.parts.iter().find(|part| part.label == "inside stranger").unwrap().value.unwrap();
        // 24 of 39 dimensions, give or take.
        assert!((inside - 24.0 / 39.0).abs() < 0.15, "{inside}");
        let stranger = observe(said(&own, 12), &other, &[]);
        assert!((stranger.observed().unwrap().statistic - inside).abs() < 1e-12);
        assert!(stranger.observed().unwrap().explanation.words.contains("no control says"));
    }

    #[test]
    fn a_turn_of_the_stream_and_the_order_of_prompts_change_nothing() {
        let own = rows("own");
        let vectors = said(&own, 9);
        let swapped: Vec<f32> = own.chunks_exact(HIDDEN).flat_map(|row| row.iter().rev().map(|w| -w).collect::<Vec<_>>()).collect();
        let mut backward = vectors.clone();
        backward.reverse();
        let other = rows("other");
        let (one, two) = (observe(vectors.clone(), &other, &[]), observe(backward, &other, &[]));
        assert!((one.observed().unwrap().statistic - two.observed().unwrap().statistic).abs() < 1e-9);
        assert!(observe(vectors, &swapped, &[]).observed().unwrap().statistic > 1.0 - 1e-9);
    }

    #[test]
    fn too_little_says_so() {
        let own = rows("own");
        assert_eq!(PartialImage.observe(&Records::default()).unwrap().why(), Some("no log-probabilities of tokens were given"));
        assert!(observe(said(&own, 1), &own, &[]).why().unwrap().starts_with("1 prompts were answered"));
        let mut broken = said(&own, 4);
        broken[2][7] = f64::NAN;
        assert_eq!(observe(broken, &own, &[]).why(), Some("a prompt has 39 finite numbers for 40 tokens"));
        let constant = vec![vec![-1.0; TOKENS]; 3];
        assert!(observe(constant, &own, &[]).why().unwrap().contains("does not vary"));
        let small = image_from_rows(&own[..29 * HIDDEN], 29, HIDDEN).unwrap();
        let partial = PartialLogits { vectors: Vec::new(), reference: small, controls: Vec::new() };
        let outcome = PartialImage.observe(&Records { partial: Some(&partial), ..Records::default() }).unwrap();
        assert_eq!(outcome.why(), Some("29 tokens for an image of 24 dimensions; at least 30 are needed, or it holds any vectors"));
    }
}
