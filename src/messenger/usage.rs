//! How much of its allowance a page has used, by the answer's headers. Graph API, "Rate limits".

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;

/// The app's header; read before all others.
const APP: &str = "x-app-usage";

/// What the usage headers say. They come only once enough calls have been made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The highest of all percentages; may exceed 100.
    pub percent: u32,
    /// The highest percentage of the app, on which all its pages draw.
    pub app: u32,
    /// How long until calls are accepted again, where the platform says so.
    pub regain: Option<Duration>,
}

impl Usage {
    /// Reads `X-App-Usage`, `X-Page-Usage` and `X-Business-Use-Case-Usage`.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut found: Option<Self> = None;
        for name in [APP, "x-page-usage", "x-business-use-case-usage"] {
            let text = headers.get(name).and_then(|value| value.to_str().ok());
            let Some(value) = text.and_then(|text| serde_json::from_str::<Value>(text).ok()) else { continue };
            let usage = found.get_or_insert(Self { percent: 0, app: 0, regain: None });
            usage.add(&value);
            if name == APP {
                usage.app = usage.percent;
            }
        }
        found
    }

    fn add(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| self.field(name, value)),
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            _ => {}
        }
    }

    fn field(&mut self, name: &str, value: &Value) {
        match (name, value.as_u64()) {
            ("call_count" | "total_time" | "total_cputime", Some(percent)) => {
                self.percent = self.percent.max(u32::try_from(percent).unwrap_or(u32::MAX));
            }
            // Documented in minutes.
            ("estimated_time_to_regain_access", Some(minutes)) if minutes > 0 => {
                let regain = Duration::from_secs(minutes.min(24 * 60) * 60);
                self.regain = Some(self.regain.map_or(regain, |known| known.max(regain)));
            }
            _ => self.add(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn read(name: &'static str, value: &'static str) -> Option<Usage> {
        Usage::read(&HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))]))
    }

    #[test]
    fn headers_as_documented() {
        let app = read("x-app-usage", r#"{"call_count":28,"total_time":25,"total_cputime":144}"#);
        assert_eq!(app, Some(Usage { percent: 144, app: 144, regain: None }));
        let business = r#"{"112130216863063":[{"type":"messenger","call_count":9,"total_cputime":1,"total_time":2,"estimated_time_to_regain_access":19}]}"#;
        let expected = Usage { percent: 9, app: 0, regain: Some(Duration::from_mins(19)) };
        assert_eq!(read("x-business-use-case-usage", business), Some(expected));
        assert_eq!(read("x-page-usage", "not json"), None);
        assert_eq!(Usage::read(&HeaderMap::new()), None);
    }
}
