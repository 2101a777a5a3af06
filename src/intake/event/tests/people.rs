//! Messages, taps, echoes, receipts.

use super::*;

const REPLY: Sign = Sign::Reply { stop: false };
const OURS: Sign = Sign::Echo { elsewhere: false };
const ELSEWHERE: Sign = Sign::Echo { elsewhere: true };

#[test]
fn a_reply_names_the_login_id_it_answers() {
    let linked = says(REPLY, logins(psid(ANNA), &["login-amber"]));
    assert_eq!(read("message_prior").signals, std::slice::from_ref(&linked));
    assert_eq!(read("message_prior").sources, ["login_connect".to_owned()].into());
    let parsed = read("message_prior_spellings");
    assert_eq!(parsed.signals[..4], vec![linked; 4]);
    assert_eq!(parsed.signals[4], says(REPLY, logins(psid(ANNA), &["880077006600"])));
    assert_eq!(parsed.signals[5], says(REPLY, psid(ANNA)), "a link of an unknown shape costs only the link");
    assert_eq!(parsed.kinds, kinds(&[("message", 6)]));
}

#[test]
fn a_quick_reply_names_the_attempt_if_the_token_is_ours() {
    let parsed = read("message_quick_reply");
    assert_eq!(parsed.signals, [says(REPLY, tapped(psid(ANNA))), says(REPLY, psid(ANNA))]);
}

#[test]
fn an_answer_to_a_message_names_the_message() {
    assert_eq!(read("message_reply_to").signals, [says(REPLY, mids(psid(ANNA), &["m_out_1"]))]);
}

#[test]
fn stop_is_the_whole_message() {
    let expected = [says(Sign::Reply { stop: true }, psid(ANNA)), says(REPLY, psid(BEN))];
    assert_eq!(read("message_stop").signals, expected);
    assert_eq!(read("message_standby").signals, [says(Sign::Reply { stop: true }, psid(ANNA))]);
}

#[test]
fn a_button_that_says_stop_means_it() {
    let parsed = read("postback_stop");
    let stop = Sign::Reply { stop: true };
    assert_eq!(parsed.signals, [says(stop, tapped(psid(ANNA))), says(REPLY, psid(BEN)), says(stop, psid(BEN))]);
    assert_eq!(parsed.kinds, kinds(&[("postback", 3)]));
}

#[test]
fn standby_comes_as_changes_too() {
    let parsed = read("standby_change");
    let expected = [
        says(Sign::Reply { stop: true }, psid(ANNA)),
        says(REPLY, logins(psid(ANNA), &["login-amber"])),
        says(OURS, mids(tapped(psid(ANNA)), &["m_out_11"])),
    ];
    assert_eq!(parsed.signals, expected);
    assert_eq!(parsed.kinds, kinds(&[("echo", 1), ("message", 2)]));
}

#[test]
fn a_sender_without_a_psid() {
    let parsed = read("message_no_psid");
    let by_login = |id| says(REPLY, logins(Links::default(), &[id]));
    assert_eq!(parsed.signals, [by_login("login-amber"), by_login("login-birch")]);
    assert_eq!(parsed.kinds, kinds(&[("message", 3)]));
}

#[test]
fn a_picture_is_a_reply_too() {
    assert_eq!(read("message_attachment").signals, [says(REPLY, psid(ANNA))]);
}

#[test]
fn the_dashboards_test_button_is_only_counted() {
    assert_eq!(
        read("message_change_test"),
        Parsed { signals: vec![], kinds: kinds(&[("test", 1)]), ..Parsed::default() }
    );
}

#[test]
fn taps_on_buttons() {
    let tap = says(REPLY, tapped(psid(ANNA)));
    assert_eq!(read("postback").signals, std::slice::from_ref(&tap));
    assert_eq!(read("postback_change").signals, std::slice::from_ref(&tap));
    assert_eq!(read("postback_standby").signals, [says(REPLY, psid(ANNA))]);
    let parsed = read("postback_variants");
    assert_eq!(parsed.signals, [says(REPLY, tapped(Links::default())), tap, says(REPLY, psid(ANNA))]);
    assert_eq!(parsed.kinds, kinds(&[("postback", 4)]));
}

#[test]
fn echoes_tell_who_wrote() {
    let parsed = read("echo");
    let expected = [
        says(OURS, mids(tapped(psid(ANNA)), &["m_out_1"])),
        says(OURS, mids(psid(ANNA), &["m_out_2"])),
        says(ELSEWHERE, mids(psid(ANNA), &["m_out_3"])),
        says(ELSEWHERE, mids(psid(ANNA), &["m_out_4"])),
        says(OURS, mids(tapped(psid(ANNA)), &["m_out_5"])),
    ];
    assert_eq!(parsed.signals, expected);
    assert_eq!(parsed.kinds, kinds(&[("echo", 5)]));
}

#[test]
fn an_app_of_unknown_number_is_not_taken_for_another() {
    let parsed = parse_as(None, fixture("echo").as_bytes()).unwrap();
    let elsewhere = |signal: &Signal| matches!(signal, Signal::Person { sign: ELSEWHERE, .. });
    let told: Vec<_> = parsed.signals.iter().map(elsewhere).collect();
    assert_eq!(told, [false, false, false, true, false], "only the one from the inbox has no app at all");
}

#[test]
fn echoes_in_standby_with_links_and_without_the_flag() {
    let expected = [
        says(ELSEWHERE, mids(psid(ANNA), &["m_out_6"])),
        says(OURS, mids(logins(psid(ANNA), &["login-amber"]), &["m_out_7"])),
        says(OURS, mids(logins(Links::default(), &["login-birch"]), &["m_out_8"])),
        says(OURS, mids(psid(ANNA), &["m_out_9"])),
    ];
    assert_eq!(read("echo_variants").signals, expected, "what the page wrote is never a reply");
}

#[test]
fn receipts_that_name_a_message() {
    let parsed = read("delivery");
    let Signal::Person { at, .. } = &parsed.signals[1] else { panic!("{parsed:?}") };
    assert_eq!(*at, ENTRY_AT, "a delivery may have no time of its own");
    assert_eq!(parsed.signals[0], says(Sign::Receipt, mids(psid(ANNA), &["m_out_1", "m_out_2"])));
    assert_eq!(parsed.signals[2..], [says(Sign::Receipt, logins(psid(ANNA), &["login-amber"]))]);
    assert_eq!(parsed.kinds, kinds(&[("delivery", 5)]), "a watermark alone is only counted");

    let parsed = read("read");
    let named = [mids(psid(ANNA), &["m_out_1"]), logins(psid(ANNA), &["login-amber"])];
    assert_eq!(parsed.signals, named.map(|links| says(Sign::Receipt, links)));
    assert_eq!(parsed.kinds, kinds(&[("read", 3)]));
}
