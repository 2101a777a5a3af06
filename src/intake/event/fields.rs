//! Lenient access to JSON: ids and times may be text or numbers, anything may be missing or null.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use crate::domain::ids::IdFault;
use crate::domain::time::Timestamp;
use crate::intake::plausible::{Doubt, believe};

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// Why an event that should have been understood was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Odd {
    /// This field is not of a type we know.
    Shape(&'static str),
    /// It names no page.
    NoPage,
    /// Its page is not the page of its entry.
    OtherPage,
    /// Somebody wants no more messages, and nothing says who.
    Nobody,
}

/// The object under a key; `None` where it is absent or null.
pub(super) fn part<'a>(of: &'a Object, key: &'static str) -> Result<Option<&'a Object>, Odd> {
    match of.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(Odd::Shape(key)),
    }
}

/// The object under the first of several spellings of a key, if it is one.
pub(super) fn first_part<'a>(of: &'a Object, keys: &[&str]) -> Option<&'a Object> {
    keys.iter().find_map(|key| of.get(*key)?.as_object())
}

/// A text, or a whole number as text.
pub(super) fn text(value: Option<&Value>) -> Option<Cow<'_, str>> {
    match value? {
        Value::String(text) => Some(Cow::Borrowed(text)),
        // A number too large for an integer has lost digits, so it names nobody.
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// The identifier under a key; `None` where it is absent, null or empty.
pub(super) fn id<T>(of: &Object, key: &'static str) -> Result<Option<T>, Odd>
where
    T: TryFrom<String, Error = IdFault>,
{
    match of.get(key) {
        None | Some(Value::Null) => Ok(None),
        value => match text(value).ok_or(Odd::Shape(key))? {
            empty if empty.is_empty() => Ok(None),
            id => T::try_from(id.into_owned()).map(Some).map_err(|_| Odd::Shape(key)),
        },
    }
}

/// A moment in seconds or milliseconds, number or text, unless it lies in the future.
///
/// An old one is believed: a body that comes again after days must not open a window that is long over.
pub(super) fn time(value: Option<&Value>, now: Timestamp) -> Option<Timestamp> {
    let at = match value? {
        Value::String(text) => Timestamp::parse(text),
        Value::Number(number) => whole(number).and_then(Timestamp::from_platform),
        _ => None,
    };
    at.filter(|at| believe(*at, now) != Err(Doubt::Future))
}

/// A number without its fraction; some writers print large ones as floats.
fn whole(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| format!("{:.0}", number.as_f64()?).parse().ok())
}

/// A yes, however it is written.
pub(super) fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(yes)) => *yes,
        other => text(other).is_some_and(|word| matches!(&*word, "true" | "1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Psid;
    use serde_json::json;

    #[test]
    fn ids_come_as_text_or_numbers() {
        let read = |value: Value| {
            let object = json!({ "id": value });
            id::<Psid>(object.as_object().unwrap(), "id").map(|id| id.map(String::from))
        };
        assert_eq!(read(json!("4711")), Ok(Some("4711".into())));
        assert_eq!(read(json!(4711)), Ok(Some("4711".into())));
        assert_eq!(read(json!(u64::MAX)), Ok(Some(u64::MAX.to_string())));
        assert_eq!(read(json!(null)), Ok(None));
        assert_eq!(read(json!("")), Ok(None));
        for odd in
            [json!(1e30), json!(1.5), json!(true), json!([]), json!({}), json!("a\u{0}b"), json!("x".repeat(300))]
        {
            assert_eq!(read(odd.clone()), Err(Odd::Shape("id")), "{odd}");
        }
    }

    #[test]
    fn times_come_in_four_forms() {
        let now = Timestamp::from_ms(1_780_315_200_000);
        let minute_ago = Some(Timestamp::from_ms(1_780_315_140_000));
        for form in [
            json!(1_780_315_140_000_i64),
            json!(1_780_315_140),
            json!("1780315140000"),
            json!("1780315140"),
            json!(1.780_315_14e12),
        ] {
            assert_eq!(time(Some(&form), now), minute_ago, "{form}");
        }
        for other in [json!(0), json!(-1), json!(1e300), json!("soon"), json!(null), json!(1_458_692_752_478_i64)] {
            assert_eq!(time(Some(&other), now), None, "{other}");
        }
    }
}
