//! Where the suspect answers, and as which model.

use crate::{ProbeError, Shape};
use std::time::Duration;

/// The only place a key comes from.
pub const API_KEY_VARIABLE: &str = "FILIATION_API_KEY";

/// How long is waited for an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until it is connected.
    pub connect: Duration,
    /// From the request to the last byte of the answer.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: Duration::from_secs(300) }
    }
}

/// An OpenAI-compatible endpoint and a model of it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    url: String,
    model: String,
    timeouts: Timeouts,
    key: Option<ApiKey>,
}

/// It is written nowhere: no `Debug`, no `Display`.
#[derive(Clone)]
pub(crate) struct ApiKey(String);

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// A shorter key is a word that may stand in any answer.
const SHORTEST_SECRET: usize = 8;

impl ApiKey {
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// A text without the key, which some servers repeat in their errors.
    pub(crate) fn hidden_in(&self, text: &str) -> String {
        if self.0.len() < SHORTEST_SECRET { text.to_owned() } else { text.replace(&self.0, "[api key]") }
    }
}

impl Endpoint {
    /// An endpoint by its base URL (`http://127.0.0.1:8080/v1`) and the model's name there; the key comes from [`API_KEY_VARIABLE`].
    ///
    /// # Errors
    /// If the URL is none, holds credentials, or the key would go over an unencrypted connection.
    pub fn from_environment(url: &str, model: &str) -> Result<Self, ProbeError> {
        Self::new(url, model, std::env::var(API_KEY_VARIABLE).ok())
    }

    /// The same with a key that is given.
    ///
    /// # Errors
    /// As [`Self::from_environment`].
    pub fn new(url: &str, model: &str, key: Option<String>) -> Result<Self, ProbeError> {
        let refuse = |found: &str, expected: &str| Err(endpoint(Shape::new("URL of the endpoint", found, expected)));
        let url = url.trim_end_matches('/');
        let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https")) else {
            return refuse("no `http://` or `https://`", "a base URL such as `http://127.0.0.1:8080/v1`");
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return refuse("credentials in it", &format!("none: a key is read from `{API_KEY_VARIABLE}` alone"));
        }
        if authority.is_empty() || rest.contains(|c: char| matches!(c, '?' | '#') || c.is_whitespace() || c.is_control()) {
            return refuse("another form", "a host and a path, without `?`, `#` and spaces");
        }
        if model.trim().is_empty() {
            return Err(endpoint(Shape::new("name of the model", "none", "the name that the endpoint knows it by")));
        }
        let key = key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        if key.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(endpoint(Shape::new(API_KEY_VARIABLE, "characters that no header takes", "visible ASCII alone")));
        }
        if key.is_some() && scheme == "http" && !is_this_machine(authority) {
            let found = "`http://`, which would show the key to everybody on the way";
            let shape = Shape::new("URL of the endpoint", found, "`https://`, or a host on this machine");
            return Err(endpoint(shape.hint(format!("unset {API_KEY_VARIABLE} if this endpoint needs no key"))));
        }
        Ok(Self { url: url.to_owned(), model: model.to_owned(), timeouts: Timeouts::default(), key: key.map(ApiKey) })
    }

    /// The same with other limits of time.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The base URL; it holds no credentials.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub(crate) fn key(&self) -> Option<&ApiKey> {
        self.key.as_ref()
    }

    /// Whether it lies on this machine, where no proxy stands between.
    pub(crate) fn is_here(&self) -> bool {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        is_this_machine(rest.split('/').next().unwrap_or_default())
    }
}

fn endpoint(shape: Shape) -> ProbeError {
    ProbeError::Endpoint(Box::new(shape))
}

fn is_this_machine(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str, key: Option<&str>) -> String {
        Endpoint::new(url, "m", key.map(str::to_owned)).unwrap_err().to_string()
    }

    #[test]
    fn a_key_is_shown_nowhere() {
        let endpoint = Endpoint::new("http://127.0.0.1:1/v1/", "m", Some("sk-secret-123".into())).unwrap();
        assert!(!format!("{endpoint:?}").contains("secret"));
        assert_eq!(endpoint.url(), "http://127.0.0.1:1/v1");
        assert_eq!(endpoint.key().unwrap().hidden_in("bad key sk-secret-123!"), "bad key [api key]!");
        for sentence in [refused("http://example.org/v1", Some("sk-secret-123")), refused("http://[::1]/v1", Some("sk-secret\n-123"))] {
            assert!(!sentence.contains("secret"), "{sentence}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_in_a_sentence() {
        assert!(refused("localhost:8080/v1", None).contains("found no `http://` or `https://`"));
        let sentence = refused("https://me:password@example.org/v1", None);
        assert!(sentence.contains("credentials") && !sentence.contains("password"), "{sentence}");
        assert!(refused("https://example.org/v1?key=x", None).contains("without `?`"));
        assert!(refused("https:///v1", None).contains("a host and a path"));
        assert!(refused("http://example.org/v1", Some("k")).contains("expected `https://`"));
        assert!(Endpoint::new("http://example.org/v1", "m", None).is_ok());
        assert!(Endpoint::new("https://example.org/v1", "m", Some("k".into())).is_ok());
        assert!(Endpoint::new("http://[::1]:80/v1", "m", Some("k".into())).is_ok());
        assert!(Endpoint::new("http://localhost/v1", " ", None).is_err());
    }
}
