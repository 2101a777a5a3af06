//! Durations as people write them: `500ms`, `10s`, `5m`, `24h`, `30d`.

use std::time::Duration;

/// Reads a duration with a unit from `ms` to `d`; sums such as `1h 30m` are fine.
///
/// # Errors
/// Says what is wrong and shows a value that would be right.
pub fn parse(text: &str) -> Result<Duration, String> {
    let known = |unit: &str| matches!(unit, "ms" | "s" | "m" | "h" | "d");
    let units = text.split(|c: char| c.is_ascii_digit() || c.is_whitespace()).filter(|unit| !unit.is_empty());
    for unit in units {
        if !known(unit) {
            return Err(format!("{text:?} has the unit {unit:?}; use ms, s, m, h or d, as in \"90s\" or \"24h\""));
        }
    }
    humantime::parse_duration(text).map_err(|_| {
        format!("{text:?} is not a duration; write a number and a unit, as in \"500ms\", \"90s\" or \"24h\"")
    })
}

/// The shortest way to write a duration, to the millisecond.
#[must_use]
pub fn show(span: Duration) -> String {
    let whole = Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    humantime::format_duration(whole).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_from_ms_to_d_are_read() {
        for (text, ms) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("5m", 300_000),
            ("24h", 86_400_000),
            ("30d", 2_592_000_000),
            ("1h 30m", 5_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_a_remedy() {
        for text in ["", "5", "5 weeks", "5y", "-1s", "s", "1.5h", "10us", "99999999999999999999s"] {
            let refusal = parse(text);
            assert!(refusal.as_ref().is_err_and(|e| e.contains("24h")), "{text}: {refusal:?}");
        }
    }
}
