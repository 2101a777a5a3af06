//! What comes in over HTTP, from the request's bytes to the rows: the real router over the real store.
//!
//! Cases that touch the store run on both engines, the rest on SQLite.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a case fails by panicking, and what it asked for is there"
)]

#[path = "../support/mod.rs"]
mod support;

mod events;
mod house;
mod logs;
mod openapi;
mod order;
mod platform;
mod privacy;
mod site;

/// Makes each case a test on each engine.
macro_rules! on_both {
    ($($room:ident { $($case:ident)* })*) => {
        mod sqlite {
            $($(#[tokio::test]
            async fn $case() {
                super::$room::$case(super::house::House::sqlite().await).await;
            })*)*
        }
        mod postgres {
            $($(#[tokio::test]
            async fn $case() {
                super::$room::$case(super::house::House::postgres().await).await;
            })*)*
        }
    };
}

on_both! {
    events {
        signed_events_are_stored_then_answered a_redelivery_changes_nothing
        a_store_that_refuses_and_a_body_that_breaks_off erased_people_are_counted
    }
    order {
        a_reply_before_its_opt_in an_echo_before_our_answer opt_ins_that_come_late the_same_body_three_times
        a_second_psid_for_one_login_id ways_of_linking_are_watched
    }
    privacy {
        a_person_has_their_data_deleted a_person_removes_the_app a_store_that_refuses_keeps_the_request_for_later
    }
    site { a_site_reports_one_and_many the_webhook_after_the_site_is_the_same_consent }
}
