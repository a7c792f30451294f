//! What released replies show beside their twins: the test, its checks, and what it would have found.

use super::verdict::NullKind;
use super::{finite, finite_interval_or_null, finite_list, finite_or_null};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How sets of replies are one piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Combination {
    /// One fixed set, by its p-value.
    #[default]
    Pooled,
    /// The product of the e-values of batches that share no cluster: it holds whenever the owner stops.
    EProduct,
    /// The mean of the e-values of batches that share a cluster: it holds for batches that were fixed beforehand.
    EMean,
}

/// A test on replies that were released and twins that could as well have been.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TwinsPicture {
    /// The test itself, with the base's part taken away where there is a base.
    pub primary: TwinsTest,
    /// The same without the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_base: Option<TwinsTest>,
    /// The public base in the suspect's place; it saw neither replies nor twins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_alone: Option<TwinsTest>,
    /// Replies that went to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placebo: Option<TwinsTest>,
    /// Share of the base's differences that was taken away.
    #[serde(default, serialize_with = "finite_or_null", skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// Fewest twins of a request.
    pub fewest_twins: u64,
    /// Most twins of a request.
    pub most_twins: u64,
    /// log10 of the level that the verdict rejects at.
    #[serde(serialize_with = "finite")]
    pub log10_level: f64,
    /// Share of true effects of the size `detectable` that the test finds at that level.
    #[serde(serialize_with = "finite")]
    pub power: f64,
    /// The smallest effect that it finds so often, in nats a token.
    #[serde(serialize_with = "finite")]
    pub detectable: f64,
    /// The smallest effect that matters, as declared, in nats a token.
    #[serde(serialize_with = "finite")]
    pub effect: f64,
    /// Requests that would be needed to find `effect` so often.
    pub requests_needed: u64,
    /// The smallest effect that is found so often, by number of requests.
    pub curve: Vec<CurvePoint>,
    /// The statistic of drawn arrangements, in their standard deviations.
    #[serde(serialize_with = "finite_list")]
    pub null_z: Vec<f64>,
    /// Which number of all replies concludes.
    #[serde(default)]
    pub combination: Combination,
    /// log10 of the product, or mean, of the e-values of all batches; null where there are none.
    #[serde(default, serialize_with = "finite_or_null", skip_serializing_if = "Option::is_none")]
    pub log10_e: Option<f64>,
    /// Each batch by itself, where there are several or more may come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batches: Vec<TwinsTest>,
    /// log10 of the p-value of all batches together.
    #[serde(serialize_with = "finite")]
    pub log10_p: f64,
    /// How its null distribution is known.
    pub null: NullKind,
    /// The number of arrangements, the theorem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_detail: Option<String>,
}

/// The test on some of the requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TwinsTest {
    /// Requests.
    pub requests: u64,
    /// Clusters of requests that share one fate.
    pub clusters: u64,
    /// Mean log-probability of a token of the released reply above that of its twins, in nats.
    #[serde(serialize_with = "finite")]
    pub effect: f64,
    /// 95 % interval of it; null where it is not known.
    #[serde(serialize_with = "finite_interval_or_null")]
    pub interval: Option<[f64; 2]>,
    /// In standard deviations of the null hypothesis.
    #[serde(serialize_with = "finite")]
    pub z: f64,
    /// log10 of the p-value.
    #[serde(serialize_with = "finite")]
    pub log10_p: f64,
    /// How its null distribution is known.
    pub null: NullKind,
    /// The number of arrangements, the theorem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_detail: Option<String>,
    /// log10 of the e-value, of a batch.
    #[serde(default, serialize_with = "finite_or_null", skip_serializing_if = "Option::is_none")]
    pub log10_e: Option<f64>,
    /// The difference of each cluster, in nats a token.
    #[serde(serialize_with = "finite_list")]
    pub differences: Vec<f64>,
}

impl TwinsTest {
    /// The interval, where it is known and finite.
    pub(crate) fn finite_interval(&self) -> Option<[f64; 2]> {
        self.interval.filter(|[low, high]| low.is_finite() && high.is_finite())
    }
}

/// What so many requests would find.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CurvePoint {
    /// Requests.
    pub requests: u64,
    /// The smallest effect, in nats a token.
    #[serde(serialize_with = "finite")]
    pub effect: f64,
}
