//! The real binary, on a real database, against a stand-in platform that counts what was delivered.
//!
//! Nothing here sleeps for luck: states are awaited with a generous bound, and where time itself is the case (a lease,
//! a window, a freeze) it is waited for and no more. Cases of both engines carry the engine in their name.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a case fails by panicking, and what it asked for is there"
)]
#![expect(clippy::too_many_lines, reason = "a case is a straight line, run once")]
#![expect(clippy::print_stderr, reason = "cases that measure print their figures")]

#[path = "../support/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;

mod alarms;
mod away;
mod batch;
mod crash;
mod database;
mod doctor;
mod doubt;
mod failover;
mod fairness;
mod flow;
mod gate;
mod hard_stop;
mod holds;
mod kills;
mod late;
mod line;
mod logs;
mod nodes;
mod outage;
mod outside;
mod place;
mod platform;
mod pooler;
mod process;
mod relay;
mod rewind;
mod skew;
mod start;
mod stop;
mod systemd;
mod web;
mod wire;

/// Makes each case a test on each engine.
macro_rules! on_both {
    ($($room:ident { $($case:ident)* })*) => {
        mod sqlite {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$room::$case(super::place::Place::sqlite()).await;
            })*)*
        }
        mod postgres {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$room::$case(super::place::Place::postgres().await).await;
            })*)*
        }
    };
}

on_both! {
    batch {
        a_batch_waits_for_its_tick_unless_somebody_cannot a_batch_by_cron_heeds_what_the_page_has_used
        a_batch_whose_time_is_over_claims_nobody_more cron_and_the_daemon_share_a_batch
    }
    fairness { pages_share_one_node }
    flow {
        an_opt_in_is_answered a_plain_insert_is_sent the_site_and_then_the_webhook_are_one_message
        who_was_stopped_before_they_came_is_not_sent_to the_locale_chooses_what_is_sent
    }
    gate {
        a_frozen_process_sends_nothing_late a_stop_before_the_connection_stands_wins
        what_has_not_left_is_given_back_at_the_stop frozen_past_its_lease_and_the_hard_stop_it_sends_nothing
        thawed_in_time_but_after_the_hard_stop_it_sends_nothing
    }
    holds {
        an_operator_and_the_platform_hold_a_page a_resumed_page_has_its_token_read_again
        a_resumed_page_has_the_app_secret_read_again a_reload_changes_token_and_message
        the_apps_used_up_allowance_pauses_every_page
    }
    crash { killed_with_requests_in_flight }
    kills { killed_again_and_again }
    late {
        an_answer_that_waited_for_a_frozen_process_counts evidence_and_a_stop_while_the_request_is_out
        whoever_waits_too_long_for_a_place_is_given_back
    }
    doctor { each_finding_has_its_words_its_remedy_and_its_alert a_plugin_asks_beside_the_daemon_and_without_it }
    doubt { silence_sends_again_and_an_echo_settles }
    alarms {
        an_outage_is_told_before_the_first_miss the_site_hears_of_everybody_in_order
        a_site_that_refuses_is_told_the_same_again
    }
    stop { what_has_left_is_awaited_at_the_stop }
    logs { nothing_of_a_person_and_no_secret_is_logged }
}
