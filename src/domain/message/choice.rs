//! Which variant a person gets.

use std::sync::Arc;

use super::variant::Variant;

/// The variant for a person, if one fits: those of the locale that fits best, drawn from by weight.
pub(super) fn choose<'a>(variants: &'a [Arc<Variant>], locale: Option<&str>, draw: u64) -> Option<&'a Arc<Variant>> {
    let group = best_locale(variants, locale);
    let candidates = || variants.iter().filter(|variant| variant.locale() == group);
    let total: u64 = candidates().map(|variant| u64::from(variant.weight())).sum();
    let mut place = place(draw, total);
    candidates().find(|variant| {
        let weight = u64::from(variant.weight());
        let here = place < weight;
        place = place.saturating_sub(weight);
        here
    })
}

/// The locale, among those the variants have, that fits a person best; `None` means the variants without one.
fn best_locale<'a>(variants: &'a [Arc<Variant>], person: Option<&str>) -> Option<&'a str> {
    let person = person?;
    let ranked = variants.iter().filter_map(|variant| Some((distance(variant.locale()?, person)?, variant.locale()?)));
    ranked.min_by_key(|(distance, _)| *distance).map(|(_, locale)| locale)
}

/// How far a variant's locale is from a person's: 0 the same, 1 their language, 2 their language as spoken elsewhere.
fn distance(variant: &str, person: &str) -> Option<u8> {
    if same(variant, person) {
        return Some(0);
    }
    let same_language = same(language(variant), language(person));
    same_language.then_some(if language(variant) == variant { 1 } else { 2 })
}

fn language(locale: &str) -> &str {
    locale.split(['_', '-']).next().unwrap_or(locale)
}

/// Equal, but for the case of letters and `-` instead of `_`.
fn same(a: &str, b: &str) -> bool {
    let plain = |byte: u8| if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
    a.bytes().map(plain).eq(b.bytes().map(plain))
}

/// Whether a file may name a variant's locale so: `de`, `de_DE`, `zh_Hant_TW`.
pub(super) fn is_locale(text: &str) -> bool {
    let mut parts = text.split('_');
    let language = parts.next().unwrap_or_default();
    let is_language = (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_lowercase());
    is_language
        && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// A place below `total`, always the same for the same number.
///
/// The number is mixed first (the end of splitmix64): opt-ins of several pages share one counter, so their numbers
/// may have a pattern, and a plain remainder could give one page only one variant.
fn place(draw: u64, total: u64) -> u64 {
    let mut mixed = draw.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    u64::try_from((u128::from(mixed) * u128::from(total)) >> 64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_in_files_have_one_form() {
        for good in ["de", "de_DE", "fil_PH", "zh_Hant_TW", "es_419"] {
            assert!(is_locale(good), "{good}");
        }
        for bad in ["", "d", "DE", "de-DE", "de_", "_DE", "de DE", "german_x", "de_D"] {
            assert!(!is_locale(bad), "{bad}");
        }
    }

    #[test]
    fn distances() {
        let cases = [
            ("de_DE", "de_DE", Some(0)),
            ("de_DE", "de-de", Some(0)),
            ("de", "de_AT", Some(1)),
            ("de_DE", "de_AT", Some(2)),
        ];
        for (variant, person, far) in
            cases.into_iter().chain([("de_DE", "de", Some(2)), ("de", "den", None), ("de", "", None)])
        {
            assert_eq!(distance(variant, person), far, "{variant} for {person}");
        }
    }
}
