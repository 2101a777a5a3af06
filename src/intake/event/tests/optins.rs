//! Opt-ins and opt-outs.

use super::*;
use crate::domain::optin::Reason;

const STOP: Sign = Sign::OptOut(Reason::OptOutEvent);

#[test]
fn a_login_opt_in() {
    let parsed = read("optin_login");
    assert_eq!(parsed.signals, [opt_in("login-amber", Some(AT))]);
    assert_eq!(parsed.kinds, kinds(&[("optin", 1)]));
}

#[test]
fn ids_and_times_as_numbers_or_text_and_a_reference() {
    let expected = NewOptIn { reference: Some("spring-sale".into()), ..new_opt_in("880077006600", Some(AT)) };
    assert_eq!(read("optin_login_numbers").signals, [Signal::OptIn(expected)]);
    assert_eq!(read("optin_seconds").signals, [opt_in("login-birch", Some(AT))]);
}

#[test]
fn what_is_missing_is_taken_from_the_entry() {
    assert_eq!(read("optin_without_time").signals, [opt_in("login-cedar", Some(ENTRY_AT))]);
    assert_eq!(read("optin_without_recipient").signals, [opt_in("login-daisy", Some(AT))]);
}

#[test]
fn only_a_time_nobody_can_mean_falls_back_to_the_entry_and_then_to_receipt() {
    let expected = [
        opt_in("login-2016", Some(ENTRY_AT)),
        opt_in("login-8-days", Some(Timestamp::from_ms(1_779_624_000_000))),
        opt_in("login-ahead", Some(ENTRY_AT)),
        opt_in("login-no-time", None),
    ];
    assert_eq!(read("optin_times_unbelievable").signals, expected);
}

#[test]
fn an_opt_in_in_the_other_envelope() {
    assert_eq!(read("optin_change").signals, [opt_in("login-elder", Some(AT))]);
}

#[test]
fn opt_ins_of_other_products_are_counted() {
    let parsed = read("optin_other_products");
    assert_eq!(parsed, Parsed { signals: vec![], kinds: kinds(&[("other_optin", 5)]), ..Parsed::default() });
}

#[test]
fn stopped_notifications_are_an_opt_out() {
    let parsed = read("optin_stop_notifications");
    assert_eq!(parsed.signals, [says(STOP, psid(ANNA)), says(STOP, psid(BEN))]);
    assert_eq!(parsed.kinds, kinds(&[("notifications_stopped", 2), ("other_optin", 1)]));
}

#[test]
fn an_opt_in_that_cannot_be_believed_is_kept_raw() {
    let parsed = read("optin_odd");
    assert_eq!(parsed.kinds, kinds(&[("optin", 1), ("unparsed", 4)]));
    let kept: Vec<_> = parsed.signals.iter().filter_map(raw).collect();
    assert_eq!(kept.len(), 4);
    for ((of, json), id) in kept.iter().zip([
        "\"login-other-page\"",
        "{\"value\":\"login-nested\"}",
        "\" login-space\"",
        "[\"login-list\"]",
    ]) {
        assert_eq!(*of, Some(page()));
        assert!(json.to_string().contains(id), "{json}");
    }
    let clean = NewOptIn { reference: Some("kept clean".into()), ..new_opt_in("login-fir", Some(AT)) };
    assert_eq!(parsed.signals.last(), Some(&Signal::OptIn(clean)), "a NUL would make the database refuse it for ever");
}

#[test]
fn opt_outs_in_every_likely_shape() {
    let parsed = read("optout");
    let expected = [
        says(STOP, psid(ANNA)),
        says(STOP, logins(Links::default(), &["login-amber"])),
        says(STOP, psid(BEN)),
        says(STOP, psid(ANNA)),
        says(STOP, logins(Links::default(), &["login-birch"])),
        says(STOP, psid(ANNA)),
    ];
    assert_eq!(parsed.signals, expected);
    assert_eq!(parsed.kinds, kinds(&[("opt_out", 6)]));
}

#[test]
fn an_opt_out_of_nobody_is_kept_and_a_no_is_none() {
    let parsed = read("optout_odd");
    assert_eq!(parsed.kinds, kinds(&[("message", 1), ("unknown", 1), ("unparsed", 1)]));
    assert!(raw(&parsed.signals[0]).is_some());
    assert_eq!(parsed.signals[1..], [says(Sign::Reply { stop: false }, psid(ANNA))]);
}
