//! The conformance suite of the store: every case is written once and runs on both engines under one name.
//!
//! There is no switch that leaves an engine out: without PostgreSQL's programs the harness panics. The last test
//! compares what ran, and asks that every public method of the store occurs in a case.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a case says what is wrong by panicking, and rows it asked for are there"
)]

#[path = "../support/mod.rs"]
mod support;

mod alerts;
mod backlog;
mod breaker;
mod claims;
mod deadlocks;
mod doubts;
mod erase;
mod evidence;
mod ground;
mod groups;
mod holds;
mod jobs;
mod lineage;
mod news;
mod only_postgres;
mod only_sqlite;
mod opening;
mod optins;
mod outcomes;
mod people;
mod races;
mod reports;
mod site;
mod stress;
mod upkeep;
mod weeks;

/// Makes each case a test on each engine.
macro_rules! conformance {
    ($($room:ident { $($case:ident)* })*) => {
        mod sqlite {
            pub(super) const CASES: &[&str] = &[$($(stringify!($case)),*),*];
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$room::$case(super::ground::Ground::sqlite().await).await;
            })*)*
        }
        mod postgres {
            pub(super) const CASES: &[&str] = &[$($(stringify!($case)),*),*];
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$room::$case(super::ground::Ground::postgres().await).await;
            })*)*
        }
    };
}

conformance! {
    opening {
        opening_again_changes_nothing two_nodes_open_an_empty_database_at_once a_newer_schema_is_refused
        a_changed_migration_is_refused a_strangers_table_is_refused a_lost_store_key_is_refused
        a_closed_store_says_so settings_are_kept whoever_only_reads_changes_nothing
    }
    site {
        a_plain_insert_is_admitted_and_claimed a_plain_insert_may_bring_its_time_and_meet_itself
        impossible_rows_are_refused a_plain_insert_of_somebody_greeted_is_refused
        a_plain_insert_of_somebody_erased_is_refused the_readable_view_shows_times
    }
    optins {
        receipts_tell_created_duplicate_renewed_reopened the_earliest_time_of_one_consent_counts
        what_the_site_adds_later_is_kept an_unknown_page_waits_and_is_alerted_once
        an_opt_in_past_its_hard_stop_is_missed commands_cancel_retry_and_opt_out policy_may_greet_again
        the_same_person_twice_in_one_group thousands_at_once
    }
    claims {
        the_most_urgent_first a_claim_reaches_no_further_than_it_may a_claim_is_written_down fences_only_grow nobody_is_found_by_another_tables_number whoever_said_stop_is_not_claimed
        a_held_page_claims_nothing a_paused_page_claims_nothing an_unknown_page_claims_nothing
        nobody_is_claimed_at_their_hard_stop the_budget_is_the_domains
    }
    outcomes {
        every_outcome_leads_where_the_table_says what_the_platform_said_is_kept acceptances_are_recorded_together
        a_refusal_at_the_gate_is_no_attempt
        a_retry_is_promoted_when_due a_person_who_fails_twice_while_others_succeed
        a_page_that_fails_three_times_is_held holds_double_and_an_acceptance_lifts_them
        a_stale_fence_changes_nothing a_late_acceptance_is_believed a_late_acceptance_stops_the_next_attempt a_late_sure_failure_settles_the_doubt
        every_message_is_found
        an_answer_may_name_the_psid an_operator_settles_what_was_in_doubt_by_then
    }
    breaker {
        one_error_for_five_people_is_nobodys different_errors_and_acceptances_are_no_run
        three_doubts_hold_the_page_and_stay_doubts three_closed_windows_in_one_group_wait_again
        whoever_said_stop_is_not_brought_back a_held_page_is_probed_by_one a_probe_that_fails_prolongs_the_hold
    }
    holds {
        a_hold_is_lifted_by_its_owner_alone a_hold_may_have_an_end what_is_under_way_is_stopped_by_a_hold
        a_resume_ends_what_is_the_operators a_page_may_be_held_before_it_is_configured the_platforms_latest_word_counts
        a_failure_under_an_old_token_holds_nothing a_wrong_old_token_burns_nobody a_new_token_is_tried_at_once a_question_that_fails_puts_the_probe_off
        three_invalid_requests_in_a_row_are_our_message whoever_was_under_way_when_the_page_was_held_waits_too
        a_platform_that_is_away_holds_everybody_for_a_moment a_probe_comes_before_the_earliest_hard_stop
        throttles_in_a_row_pause_longer the_apps_limit_pauses_every_page usage_is_kept_for_every_node
    }
    people {
        evidence_by_token evidence_by_message evidence_by_login_id evidence_by_psid evidence_of_an_earlier_cycle
        a_stop_before_the_opt_in consent_from_between_two_stops_opens_nothing a_stop_by_psid_waits_for_its_person a_stop_by_psid_in_the_same_group
        a_stop_by_psid_meets_an_answer_that_names_it a_second_psid_is_alerted a_stranger_who_replies_is_never_written_to
        another_app_wrote_first an_echo_of_our_own_message_is_ours_whatever_app_it_names erased_people_store_nothing a_stop_in_flight_names_its_attempt
    }
    doubts {
        held_doubts_are_alerted_once_a_page a_message_more_is_granted_once no_message_more_past_the_hard_stop
        an_older_version_records_and_claims_nothing
    }
    lineage {
        a_store_that_goes_on_is_recognised a_store_that_went_back_is_held_and_says_why
        whoever_may_have_been_sent_to_is_in_doubt what_was_accepted_may_be_forgotten_too another_server_is_no_server_of_ours
    }
    evidence {
        silence_settles_a_doubt_only_where_all_conditions_hold one_missing_echo_is_enough_to_hold
        an_echo_too_late_is_no_echo the_sample_must_not_reach_back_too_far a_message_by_its_number_alone_is_no_match
        the_intake_must_have_been_up_all_the_time a_second_message_is_proved_and_silence_counts_no_more
        evidence_while_sending_stops_the_next_attempt old_echoes_are_forgotten
    }
    erase {
        erasure_leaves_the_tombstone_only erasure_by_psid_takes_every_opt_in_of_it erasure_follows_the_psid
        erasure_stops_what_is_in_flight strangers_can_be_erased_and_numbers_are_not_used_again
        a_deletion_is_remembered_by_its_code pages_are_known_for_ever erasure_against_arrivals
    }
    upkeep {
        a_lapsed_lease_is_a_doubt the_hard_stop_ends_waiting a_renewed_consent_starts_the_next_window
        nobody_answered what_is_over_is_purged_and_remembered a_stop_outlives_its_row answered_people_are_kept
        a_stop_told_again_after_the_purge_opens_nothing
        old_raw_events_are_forgotten
    }
    reports {
        counts_and_lists misses_are_counted_and_alerted_by_page everybody_who_can_still_be_missed_is_at_risk
        nodes_and_their_acceptances
        a_new_source_of_replies_is_alerted_once unlinked_replies_are_alerted_where_nothing_was_ever_linked
        the_last_webhook_is_noted_once_a_minute the_latest_failure_of_a_page_is_told_until_an_acceptance
        the_engine_names_itself
    }
    alerts {
        a_cause_is_one_alert_until_it_is_over restating_raises_and_ends moments_pass_and_states_end_with_their_cause
        a_hold_is_alerted_and_its_end_too each_channel_is_told_once_and_again_while_it_lasts
        what_lasts_is_told_again_and_its_end_last what_was_over_before_it_was_told_is_told_in_order a_notice_has_one_carrier_at_a_time
        what_does_not_arrive_is_tried_again_and_then_told_elsewhere alerts_of_a_group_share_its_transaction
        a_days_report_is_told_once_and_is_never_open
    }
    news {
        the_site_hears_of_a_whole_life a_later_reply_moves_the_window the_site_hears_of_ends the_site_hears_what_it_asked_for
        one_person_is_told_of_in_order purged_people_are_told_of_no_more thousands_are_told_of_once_each
        the_last_beat_of_any_node_counts
    }
    jobs {
        a_tick_is_taken_once a_dead_nodes_tick_is_taken_over runs_do_not_overlap old_runs_are_forgotten
        a_tick_is_kept_by_renewing_it_and_found_when_left_behind a_job_is_known_since_it_was_first_met
        a_batch_is_open_while_something_is_left whoever_is_left_waits_for_the_next_batch
    }
    backlog {
        what_a_day_brought_is_counted_by_variant the_variant_that_was_sent_is_kept
        a_forecast_knows_rates_holds_failures_and_strangers a_forecast_heeds_what_a_page_has_used
        a_forecast_goes_by_what_was_sent_of_late an_outage_is_foreseen_and_alerted_before_anybody_is_missed
        who_can_still_be_missed_is_counted_in_buckets what_became_of_the_latest_attempts
    }
    groups {
        a_bad_item_fails_alone a_nul_stops_nothing a_caller_who_leaves_loses_only_the_answer a_failing_errand_fails_alone
        a_locked_row_holds_up_only_its_own
    }
    races {
        claims_never_share_a_person claims_never_exceed_the_budget a_stop_that_returned_is_never_claimed every_way_to_say_stop_wins
        claims_among_arrivals the_same_login_on_two_nodes overlapping_groups_in_opposite_order
        ticks_of_one_job_on_two_nodes purge_against_fresh_consent a_stop_and_its_link_pass_each_other
    }
    weeks {
        weeks_of_jobs_run_every_tick_once batches_miss_nobody_whom_sending_at_once_would_reach
        a_batch_counts_on_no_more_than_a_page_may_send
    }
    stress { three_nodes_at_once }
}

#[test]
fn both_engines_ran_every_case_and_every_method_has_one() {
    assert_eq!(sqlite::CASES, postgres::CASES);
    assert!(!postgres::CASES.is_empty());
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |dir: &str| {
        let files = std::fs::read_dir(root.join(dir)).unwrap().map(|entry| entry.unwrap().path());
        let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
        sources.map(|path| std::fs::read_to_string(path).unwrap()).collect::<String>()
    };
    let (store, suite) = (read("src/store"), read("tests/store"));
    let methods = store.split("    pub async fn ").skip(1).map(|rest| rest.split(['(', '<']).next().unwrap());
    let methods: Vec<&str> = methods.collect();
    let missing: Vec<_> = methods.iter().filter(|name| !suite.contains(&format!("{name}("))).collect();
    assert!(methods.len() > 30 && missing.is_empty(), "no case uses {missing:?} of {methods:?}");
    println!("{} cases on each engine, {} methods of the store", postgres::CASES.len(), methods.len());
}
