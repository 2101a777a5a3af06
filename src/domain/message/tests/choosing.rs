//! Who gets which variant.

use super::*;

fn three() -> Template {
    let say = |name: &str, weight: u32| json!({"name": name, "weight": weight, "message": {"text": "a bot"}});
    let local = |name: &str, locale: &str| json!({"name": name, "locale": locale, "message": {"text": "a bot"}});
    let (swiss, german, french) = (local("swiss", "de_CH"), local("german", "de"), local("french", "fr_FR"));
    let file = json!({"variants": [swiss, say("a", 3), german, say("b", 1), french]});
    Template::parse(&file.to_string()).unwrap().0
}

#[test]
fn the_locale_decides_first() {
    let template = three();
    for draw in 0..50 {
        for (locale, name) in
            [("de_CH", "swiss"), ("de-ch", "swiss"), ("de_AT", "german"), ("de", "german"), ("fr_CA", "french")]
        {
            assert_eq!(template.choose(Some(locale), draw).name(), name, "{locale}");
        }
        for locale in [None, Some("en_US"), Some(""), Some("x"), Some("\u{e9}_\u{1f600}")] {
            assert!(["a", "b"].contains(&template.choose(locale, draw).name()), "{locale:?}");
        }
    }
}

#[test]
fn weights_decide_among_the_rest_and_the_choice_is_stable() {
    let template = three();
    // All numbers, every second one, and every 64th: the share must not depend on which numbers a page happens to get.
    for step in [1, 2, 64] {
        let hits = (0..10_000).filter(|i| template.choose(None, i * step).name() == "a").count();
        assert!((7_300..7_700).contains(&hits), "{hits} of 10000, step {step}");
    }
    for draw in [0, 1, u64::MAX] {
        assert_eq!(template.choose(None, draw).name(), template.clone().choose(None, draw).name());
    }
}
