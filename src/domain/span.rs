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

/// A duration to the millisecond, as [`parse`] reads it again: `24h`, `23h 54m 48s`.
#[must_use]
pub fn show(span: Duration) -> String {
    let seconds = span.as_secs();
    let units =
        [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s"), (u64::from(span.subsec_millis()), "ms")];
    let parts = units.into_iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}"));
    let text = parts.collect::<Vec<_>>().join(" ");
    if text.is_empty() { "0s".to_owned() } else { text }
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
    fn what_is_shown_is_read_again() {
        for ms in [0, 1, 999, 1000, 61_001, 86_400_000, 2_592_000_000] {
            let span = Duration::from_millis(ms);
            assert_eq!(parse(&show(span)), Ok(span));
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
