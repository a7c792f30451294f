//! `text.released-twin`: replies that were released beside replies that could as well have been.

use crate::card::{Card, card};
use crate::method::{Explanation, MethodError, Observation, Outcome};
use crate::records::{RecordMethod, Records, ScoredRequest, Together, TwinEvidence, TwinTest};
use stats::calibration::{multiplicities, quantile};
use stats::exchangeable::{Exchange, detectable, exchange, normal_quantile, residuals};
use stats::{EValue, InputError};
use std::collections::BTreeMap;

card! {
    /// # Question
    /// Does the suspect find the replies that were released more probable than those that could as well have been?
    /// # Null hypothesis
    /// The suspect does not depend on which of its possible replies the reference's service released. Who wrote the prompts, which model the suspect
    /// comes from and how alike the two models are does not matter.
    /// # Statistic
    /// A service draws its replies. For a logged request whose reply `R_0` was released, the owner later draws twins `R_1 … R_m` from the same
    /// snapshot, prompt and parameters, by seeds that are committed beforehand. `ℓ` is the mean log-probability of a token under the suspect, over
    /// the first 256 tokens. `d = mean over requests of ℓ(R_0) − mean_j ℓ(R_j)`. Large values count. With a public base, `ℓ − β ℓ_base` stands in
    /// for `ℓ`, where `β` is the regression of all differences inside requests; it is the same whichever reply was released. Further models that
    /// saw neither, such as one of the suspect's domain, are taken away in the same way.
    /// # Shapes and units
    /// `m + 1` replies a request; requests of one prompt or one conversation are a cluster and share one arrangement. Nats a token.
    /// # Null distribution
    /// Exact: given the replies, the place of the released one is uniform among the `m + 1` of its cluster. All arrangements where they are at
    /// most 16,384; else `(1 + #{T* ≥ T}) / (B + 1)` over drawn ones; and where none of these reaches `T`, Chernoff's bound
    /// `inf_λ Π_c mean_k e^{λ w_ck} e^{−λT}`, which is at most Hoeffding's `exp(−T²/2Σw²)` for one twin, or for one twin Bentkus and Dzindzalieta's where
    /// that is less. Batches that came in one after the
    /// other are combined by e-values (`½ p^−½`), multiplied where no cluster stands in two of them, averaged otherwise: a product of 10^6
    /// rejects at 10^-6 by Markov's inequality, and by Ville's at whatever batch the owner stops. Batches that were declared as a sequence are
    /// e-values from the first one on.
    /// # Assumptions
    /// Released replies and twins come from one distribution: one snapshot, one prompt, one setting of the sampler, nothing edited afterwards. The
    /// base, which saw neither, is tested in the suspect's place and must find nothing; so must replies that went to others (placebo).
    /// # Survives
    /// Any change of the suspect's weights, architecture and tokenizer that keeps what it learnt; rewording, in part.
    /// # Fails when
    /// The service answers without chance (temperature 0): there are no twins. The owner kept no log or no snapshot. The suspect says no
    /// log-probabilities of given text. Too few of the logged replies were learnt: the least effect that would have been found is given.
    /// # Reference
    /// Own. Sign-flip tests: Fisher, *The Design of Experiments* (1935), section 21; bound: Hoeffding 1963.
    /// # Example
    /// On students of about a million parameters, docs/outputs.md: two of a hundred replies learnt once give p below 1e-6.
    pub(crate) static CARD = {
        id: "text.released-twin",
        question: Question::Distillation,
        null: "the suspect does not depend on which of its possible replies the reference's service released",
        null_basis: NullBasis::Symmetry,
        statistic: Quantity { symbol: "d", unit: "nats a token", range: (f64::NEG_INFINITY, f64::INFINITY), tail: crate::card::Tail::Upper },
        needs: Preparation::Records,
        access: &[Access::Text, Access::Log],
        reference: "own; Fisher 1935; Hoeffding 1963",
    }
}

pub(crate) struct ReleasedTwin;

/// Arrangements that are drawn where there are too many to count them all.
const DRAWS: u32 = 9_999;
/// Arrangements that the picture shows.
const SHOWN: usize = 999;
/// Sets of clusters that the interval is drawn from.
const REPLICATES: u64 = 999;
/// As in the verdict on derivation: one false rejection in a million.
const LOG10_LEVEL: f64 = -6.0;
/// Of the least effect that is stated.
const POWER: f64 = 0.9;
/// Requests that the curve goes through, in multiples of those at hand.
const CURVE: [f64; 9] = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];

impl RecordMethod for ReleasedTwin {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, records: &Records<'_>) -> Result<Outcome, MethodError> {
        let Some(twins) = records.twins else { return Ok(Outcome::not_applicable("no replies with twins were given")) };
        let usable = |placebo: bool| -> Vec<&ScoredRequest> {
            twins.requests.iter().filter(|request| request.is_placebo == placebo && request.suspect.len() > 1).collect()
        };
        let tested = usable(false);
        if tested.is_empty() {
            return Ok(Outcome::not_applicable("the suspect could read no released reply together with a twin"));
        }
        let seed = records.seed;
        let found = Found::of(&tested, seed, "released")?;
        let placebo = usable(true);
        let placebo = if placebo.is_empty() { None } else { Some(Found::of(&placebo, seed, "placebo")?.best().test.clone()) };
        let best = found.best();
        let requests = best.test.requests as f64;
        let (batches, together) = by_batches(&tested, twins.is_sequence, seed)?;
        let p_value = match together {
            Together::Pooled => best.test.p_value,
            Together::Product(e) | Together::Mean(e) => e.to_p(),
        };
        let detectable = best.null.null_sd * standard_deviations(batches.len(), together) / requests;
        let needed = requests * (detectable / twins.effect).powi(2);
        let counts = tested.iter().map(|request| request.suspect.len() - 1);
        let evidence = TwinEvidence {
            without_base: found.with_base.is_some().then(|| found.plain.test.clone()),
            base_alone: found.base_alone.as_ref().map(|base| base.test.clone()),
            placebo,
            beta: found.betas.first().copied(),
            further_betas: found.betas.iter().skip(1).copied().collect(),
            twins: (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0)),
            log10_level: LOG10_LEVEL,
            power: POWER,
            detectable,
            effect: twins.effect,
            requests_needed: needed.ceil().clamp(1.0, 1e15) as u64,
            curve: CURVE.iter().map(|times| (((requests * times).round() as u64).max(1), detectable / times.sqrt())).collect(),
            null_z: best
                .null
                .null_sums
                .iter()
                .take(SHOWN)
                .map(|sum| if best.null.null_sd > 0.0 { sum / best.null.null_sd } else { 0.0 })
                .collect(),
            batches,
            together,
            p_value,
            primary: best.test.clone(),
        };
        Ok(Outcome::Observed(observation(evidence)))
    }
}

/// Standard deviations of the null hypothesis at which the test rejects with the stated power.
///
/// Batches are held against the level together: `ln e = Σ z_b²/4 − k · 3/2 ln 2` by [`EValue::from_p`] of Hoeffding's doubled bounds, and an
/// effect that is the same in all of them has `Σ z_b² = z²`. A mean of `k` such e-values has the exponent of one batch, `z²/4k`.
fn standard_deviations(batches: usize, together: Together) -> f64 {
    let ln_level = LOG10_LEVEL * std::f64::consts::LN_10;
    let (k, three_halves_ln_2) = (batches as f64, 1.5 * std::f64::consts::LN_2);
    let square = match together {
        Together::Pooled => return detectable(ln_level.exp(), POWER),
        Together::Product(_) => 4.0 * (-ln_level + k * three_halves_ln_2),
        Together::Mean(_) => 4.0 * k * (-ln_level + three_halves_ln_2),
    };
    square.sqrt() + normal_quantile(1.0 - POWER)
}

fn observation(evidence: TwinEvidence) -> Observation {
    let primary = &evidence.primary;
    let leaf = |label: &str, test: &TwinTest, words: &str| {
        let words = format!(
            "{words}; z {:.2}, log10 p {:.1}, {} requests in {} clusters",
            test.z,
            test.p_value.log10(),
            test.requests,
            test.clusters
        );
        Explanation::leaf(label, test.effect, "nats a token", words)
    };
    let mut parts = Vec::new();
    let others = [
        ("without the base", &evidence.without_base, "the suspect's log-probabilities as they are"),
        ("base alone", &evidence.base_alone, "the same test on a model that saw neither; it should find nothing"),
        ("placebo", &evidence.placebo, "replies that went to others; they should show nothing"),
    ];
    parts.extend(others.into_iter().filter_map(|(label, test, words)| Some(leaf(label, test.as_ref()?, words))));
    parts.extend(evidence.batches.iter().enumerate().map(|(i, batch)| leaf(&format!("batch {}", i + 1), batch, "by itself")));
    parts.extend(evidence.beta.map(|beta| Explanation::leaf("β", beta, "1", "share of the base's differences that was taken away")));
    let words = format!("an effect that is found with probability {} at 10^{}", evidence.power, evidence.log10_level);
    parts.push(Explanation::leaf("least effect found", evidence.detectable, "nats a token", words));
    let (low, high) = primary.interval;
    let explanation = Explanation {
        label: "released replies beside their twins".into(),
        value: Some(primary.effect),
        unit: "nats a token",
        words: format!(
            "released replies of {} requests ({} clusters) are more probable than their twins by {:.4} nats a token (95 % interval {low:.4} to {high:.4}, z {:.2})",
            primary.requests, primary.clusters, primary.effect, primary.z
        ),
        parts,
    };
    let observation = Observation::new(primary.effect, primary.requests, Some(evidence.p_value), explanation);
    Observation { twins: Some(Box::new(evidence)), ..observation }
}

/// One test with what the null hypothesis makes of it.
struct Tested {
    test: TwinTest,
    null: Exchange,
}

struct Found {
    plain: Tested,
    with_base: Option<Tested>,
    base_alone: Option<Tested>,
    betas: Vec<f64>,
}

impl Found {
    fn of(requests: &[&ScoredRequest], seed: u64, label: &str) -> Result<Self, InputError> {
        let values: Vec<Vec<f64>> = requests.iter().map(|request| request.suspect.clone()).collect();
        let base: Option<Vec<Vec<f64>>> = requests.iter().map(|request| request.base.clone()).collect();
        let plain = tested(requests, &values, seed, label)?;
        let Some(base) = base else { return Ok(Self { plain, with_base: None, base_alone: None, betas: Vec::new() }) };
        let further = requests.iter().map(|request| request.further.len()).min().unwrap_or(0);
        let further: Vec<Vec<Vec<f64>>> =
            (0..further).map(|k| requests.iter().map(|request| request.further[k].clone()).collect()).collect();
        let bases: Vec<&[Vec<f64>]> = std::iter::once(&base).chain(&further).map(Vec::as_slice).collect();
        let (betas, rest) = residuals(&values, &bases)?;
        Ok(Self {
            plain,
            with_base: Some(tested(requests, &rest, seed, label)?),
            base_alone: Some(tested(requests, &base, seed, label)?),
            betas,
        })
    }

    /// With the base's part taken away where there is a base: which of the two counts does not hang on what they say.
    fn best(&self) -> &Tested {
        self.with_base.as_ref().unwrap_or(&self.plain)
    }
}

fn tested(requests: &[&ScoredRequest], values: &[Vec<f64>], seed: u64, label: &str) -> Result<Tested, InputError> {
    let mut clusters: BTreeMap<&str, Vec<Vec<f64>>> = BTreeMap::new();
    for (request, values) in requests.iter().zip(values) {
        clusters.entry(&request.cluster).or_default().push(values.clone());
    }
    // Places of one cluster are taken together, so that all of its requests have as many.
    let clusters: Vec<Vec<Vec<f64>>> = clusters
        .into_values()
        .map(|requests| {
            let fewest = requests.iter().map(Vec::len).min().unwrap_or(0);
            requests.into_iter().map(|values| values.into_iter().take(fewest).collect()).collect()
        })
        .collect();
    let null = exchange(&clusters, DRAWS, seed, &format!("text.released-twin/{label}"))?;
    let sizes: Vec<f64> = clusters.iter().map(|requests| requests.len() as f64).collect();
    let test = TwinTest {
        requests: requests.len(),
        clusters: clusters.len(),
        effect: null.sum / requests.len() as f64,
        interval: interval(&null.differences, &sizes, seed, label),
        z: null.z(),
        p_value: null.p_value,
        differences: null.differences.iter().zip(&sizes).map(|(difference, size)| difference / size).collect(),
    };
    Ok(Tested { test, null })
}

/// 95 % interval of the mean over requests, from clusters drawn again.
fn interval(differences: &[f64], sizes: &[f64], seed: u64, label: &str) -> (f64, f64) {
    let mean = |replicate: u64| {
        let times = multiplicities(differences.len(), seed, &format!("text.released-twin/interval/{label}"), replicate);
        let drawn = times.iter().zip(differences.iter().zip(sizes));
        let (sum, n) = drawn.fold((0.0, 0.0), |(sum, n), (&times, (d, size))| (sum + f64::from(times) * d, n + f64::from(times) * size));
        sum / n
    };
    let mut means: Vec<f64> = (0..REPLICATES).map(mean).collect();
    means.sort_by(f64::total_cmp);
    (quantile(&means, 0.025).unwrap_or(f64::NAN), quantile(&means, 0.975).unwrap_or(f64::NAN))
}

/// Every batch by itself, and how they are one piece of evidence.
fn by_batches(requests: &[&ScoredRequest], is_sequence: bool, seed: u64) -> Result<(Vec<TwinTest>, Together), InputError> {
    let mut batches: BTreeMap<usize, Vec<&ScoredRequest>> = BTreeMap::new();
    requests.iter().for_each(|request| batches.entry(request.batch).or_default().push(request));
    if batches.len() < 2 && !is_sequence {
        return Ok((Vec::new(), Together::Pooled));
    }
    let mut of_cluster: BTreeMap<&str, usize> = BTreeMap::new();
    let is_apart = requests.iter().all(|request| *of_cluster.entry(&request.cluster).or_insert(request.batch) == request.batch);
    // A batch draws by its smallest cluster, whatever its place among the others: their order does not matter, and no two draw alike.
    let label = |requests: &[&ScoredRequest]| requests.iter().map(|request| request.cluster.as_str()).min().unwrap_or_default().to_owned();
    let tests: Vec<TwinTest> = batches
        .values()
        .map(|requests| Ok(Found::of(requests, seed, &format!("batch of {}", label(requests)))?.best().test.clone()))
        .collect::<Result<_, InputError>>()?;
    let e_values: Vec<EValue> = tests.iter().map(|test| EValue::from_p(test.p_value)).collect();
    let mean = EValue::mean(&e_values).filter(|_| !is_apart);
    Ok((tests, mean.map_or_else(|| Together::Product(EValue::product(&e_values)), Together::Mean)))
}
