//! Whether a message says stop.
//!
//! The platform tells nobody that a person turned messages off, so the words of a reply are the one sure request.
//! "Any such request must be respected immediately":
//! <https://developers.facebook.com/documentation/facebook-login/login-connect/faq>

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A longer text, in bytes, is no stop word whatever it is padded with.
const LONGEST: usize = 4096;

/// The words that end a conversation before it starts, in any case, accents or not.
#[derive(Debug, Clone, Default)]
pub struct StopWords(BTreeSet<String>);

impl StopWords {
    /// Takes the words or phrases as an operator writes them; those without a letter or digit are left out.
    #[must_use]
    pub fn new(words: &[String]) -> Self {
        Self(words.iter().map(|word| fold(word)).filter(|word| !word.is_empty()).collect())
    }

    /// Whether the whole message is one of the words. "Stop!" is, "don't stop" is not.
    #[must_use]
    pub fn is_stop(&self, text: &str) -> bool {
        text.len() <= LONGEST && self.0.contains(&fold(text))
    }
}

/// Without case, accents, punctuation at the ends, and with single spaces.
fn fold(text: &str) -> String {
    let plain: String = text.nfkd().filter(|c| !is_dropped(*c)).flat_map(char::to_lowercase).collect();
    // Lowercasing may bring back a mark, as the dot of the Turkish capital I does; and its small one has none.
    let plain = plain.nfkd().filter(|c| !is_dropped(*c)).map(|c| if c == 'ı' { 'i' } else { c });
    let plain: String = plain.collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").trim_matches(|c: char| !c.is_alphanumeric() && !is_combining_mark(c)).to_owned()
}

/// Accents, vowel points that people leave out, and what cannot be seen. Not the marks of scripts in which they are
/// vowels: without them one word would be taken for another.
fn is_dropped(c: char) -> bool {
    match c {
        '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' => true,
        '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}' => {
            is_combining_mark(c)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(list: &[&str]) -> StopWords {
        StopWords::new(&list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_whole_message_counts_in_any_dress() {
        let words = words(&["stop", "Arrêter", "nicht mehr", "停止", "DURDUR"]);
        for text in [
            "stop",
            "STOP",
            " Stop! ",
            "«stop»",
            "s\u{301}top",
            "ＳＴＯＰ",
            "arreter",
            "ARRÊTER.",
            "Nicht  mehr",
            "停止。",
            "stop 🛑",
            "durdur",
            "STOP\u{200b}",
            "st\u{ad}op",
            "\u{202b}stop\u{202c}",
        ] {
            assert!(words.is_stop(text), "{text}");
        }
        for text in ["", "...", "don't stop", "stop it", "st op", "non-stop", "nichtmehr", "🛑"] {
            assert!(!words.is_stop(text), "{text}");
        }
    }

    #[test]
    fn marks_are_left_out_where_people_leave_them_out() {
        let words = words(&["إيقاف", "हटाओ", "หยุด", "abonelikten çık", "στοπ", "ガ"]);
        for text in ["ايقاف", "إِيقاف", "हटाओ", "หยุด!", "ABONELİKTEN ÇIK", "abonelikten cik", "ΣΤΟΠ", "ｶﾞ"]
        {
            assert!(words.is_stop(text), "{text}");
        }
        for text in ["हट", "หยด", "カ"] {
            assert!(!words.is_stop(text), "{text}: another word");
        }
    }

    #[test]
    fn a_word_of_nothing_matches_nothing() {
        let words = words(&["", " ", "!!!", "\u{301}"]);
        assert!(!words.is_stop("") && !words.is_stop("?") && !words.is_stop(" "));
    }

    #[test]
    fn a_long_text_is_not_folded() {
        assert!(!words(&["stop"]).is_stop(&format!("stop{}", "!".repeat(LONGEST))));
    }

    proptest! {
        #[test]
        fn every_word_stops_itself(word in "\\PC{1,20}") {
            let has_letter = !fold(&word).is_empty();
            prop_assert_eq!(words(&[&word]).is_stop(&word), has_letter);
            prop_assert_eq!(words(&[&word]).is_stop(&format!(" {word} ")), has_letter);
        }
    }
}
