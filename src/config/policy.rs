//! `[policy]` and `[retry]`: what the operator decided about people, windows and doubt.

use std::time::Duration;

use crate::domain::policy::{Policy, UncertainPolicy};
use crate::domain::retry::Retry;
use crate::domain::window::Window;

use super::section::Section;

/// The keys of `[policy]` that decide about attempts from outside the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Later {
    /// What a failure that the platform calls temporary tells.
    pub transient: Transient,
}

/// What a failure that the platform calls temporary tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transient {
    /// The message did not arrive: try again.
    Retry,
    /// The message may have arrived.
    Uncertain,
}

/// What people write to be left alone, where the operator names no words. The whole message must be one of them, in any
/// case, with accents or without.
const STOP_WORDS: &[&str] = &[
    // English
    "stop",
    "stop all",
    "stopall",
    "unsubscribe",
    "opt out",
    "opt-out",
    "optout",
    "quit",
    "cancel",
    "end",
    "remove me",
    // German
    "stopp",
    "abmelden",
    "abbestellen",
    "abbrechen",
    "keine nachrichten",
    // French
    "arrêt",
    "arrêter",
    "arrêtez",
    "désabonner",
    "se désabonner",
    "désinscrire",
    // Italian
    "basta",
    "ferma",
    "annulla",
    "annulla iscrizione",
    "disiscrivimi",
    "cancellami",
    // Spanish
    "parar",
    "pare",
    "para",
    "alto",
    "baja",
    "darse de baja",
    "cancelar",
    "cancelar suscripción",
    // Portuguese
    "sair",
    "parar mensagens",
    "cancelar inscrição",
    "descadastrar",
    // Dutch
    "stoppen",
    "afmelden",
    "uitschrijven",
    // Swedish, Norwegian, Danish, Finnish
    "avsluta",
    "avregistrera",
    "avslutt",
    "meld meg av",
    "afmeld",
    "frameld",
    "lopeta",
    "peruuta",
    // Polish, Czech, Slovak, Hungarian, Romanian
    "wypisz",
    "rezygnuję",
    "zatrzymaj",
    "odhlásit",
    "odhlásiť",
    "leiratkozás",
    "dezabonare",
    "oprește",
    // Turkish
    "durdur",
    "dur",
    "iptal",
    "abonelikten çık",
    // Greek, Russian, Ukrainian, Bulgarian
    "στοπ",
    "σταμάτα",
    "διακοπή",
    "стоп",
    "отписаться",
    "отписка",
    "отмена",
    "відписатися",
    "зупинити",
    "спри",
    "отписване",
    // Hebrew, Arabic, Persian, Urdu
    "הסר",
    "הסרה",
    "עצור",
    "إيقاف",
    "توقف",
    "إلغاء",
    "إلغاء الاشتراك",
    "لغو",
    "بند کریں",
    // Hindi, Bengali, Tamil, Telugu
    "बंद",
    "बंद करो",
    "रोकें",
    "बंद करें",
    "বন্ধ",
    "বন্ধ করুন",
    "நிறுத்து",
    "ఆపు",
    // Indonesian, Malay, Vietnamese, Thai, Filipino, Swahili
    "berhenti",
    "berhenti langganan",
    "dừng",
    "dừng lại",
    "hủy",
    "hủy đăng ký",
    "หยุด",
    "ยกเลิก",
    "itigil",
    "acha",
    // Chinese, Japanese, Korean
    "停止",
    "退订",
    "退訂",
    "取消订阅",
    "取消訂閱",
    "やめて",
    "配信停止",
    "解除",
    "수신거부",
    "수신 거부",
    "중지",
    "그만",
];

/// What may be done with an attempt whose end nobody knows.
const UNCERTAIN: [(&str, UncertainPolicy); 3] =
    [("evidence", UncertainPolicy::Evidence), ("hold", UncertainPolicy::Hold), ("resend", UncertainPolicy::Resend)];

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);
const TEN_YEARS: Duration = Duration::from_hours(24 * 3650);

/// Reads the section. What of the policy stands in other sections is left at its default.
pub(super) fn read(section: &mut Section<'_>) -> (Policy, Later, Vec<String>) {
    let usual = Policy::default();
    let window = Window {
        window: section.span("window", SECOND..=DAY, usual.window.window),
        safety_margin: section.span("safety_margin", Duration::ZERO..=DAY, usual.window.safety_margin),
        ..usual.window
    };
    let policy = Policy {
        window,
        answer_window: section.span("answer_window", SECOND..=TEN_YEARS, usual.answer_window),
        retention: section.span("retention", SECOND..=TEN_YEARS, usual.retention),
        reopen_after: section.span("reopen_after", Duration::ZERO..=DAY, usual.reopen_after),
        greet_again: section.switch("greet_again", usual.greet_again),
        uncertain: section.choice("uncertain", &UNCERTAIN, usual.uncertain),
        settle_after: section.span("settle_after", Duration::ZERO..=DAY, usual.settle_after),
        evidence_sample: section.int_in("evidence_sample", 1..=1_000_000, usual.evidence_sample),
        ..usual
    };
    let transient = [("retry", Transient::Retry), ("uncertain", Transient::Uncertain)];
    let later = Later { transient: section.choice("transient", &transient, Transient::Retry) };
    (policy, later, stop_words(section))
}

fn stop_words(section: &mut Section<'_>) -> Vec<String> {
    let remedy = "use a list of words, such as [\"stop\", \"unsubscribe\"]";
    let Some(words) = section.list("stop_words", remedy) else {
        return STOP_WORDS.iter().copied().map(str::to_owned).collect();
    };
    if words.is_empty() {
        section.source.warn("policy.stop_words: is empty, so nobody can opt out by writing a word".to_owned());
    }
    words.iter().map(|word| word.trim().to_owned()).collect()
}

/// Reads `[retry]`.
pub(super) fn retry(section: &mut Section<'_>) -> Retry {
    let usual = Retry::default();
    let shortest = Duration::from_millis(200);
    let initial_interval = section.span("initial_interval", shortest..=Duration::from_hours(1), usual.initial_interval);
    let max_interval = section.span("max_interval", shortest..=DAY, usual.max_interval);
    if max_interval < initial_interval {
        section.fault("max_interval", "is shorter than retry.initial_interval", "make it at least as long");
    }
    Retry {
        initial_interval,
        multiplier: section.float_in("multiplier", 1.0..=10.0, usual.multiplier),
        randomization_factor: section.float_in("randomization_factor", 0.0..=1.0, usual.randomization_factor),
        max_interval,
    }
}
