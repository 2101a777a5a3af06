//! What the daemon refuses to start with, and how it says so. The exit codes are part of the contract.

use std::net::TcpListener;
use std::process::Output;

use crate::place::{PAGE, Place};
use crate::process::Daemon;

/// Runs it to its end; the exit code and what it said.
fn refused(place: &Place) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = tokio::task::block_in_place(|| place.command("run").output().unwrap());
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_daemon_on_one_file() {
    let place = Place::sqlite();
    let first = Daemon::ready(&place).await;
    let (code, said) = refused(&place.beside());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("another firstword runs on") && said.contains("PostgreSQL"), "{said}");
    assert_eq!(first.get("/readyz").await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_taken() {
    let place = Place::sqlite();
    let _taken = TcpListener::bind(("127.0.0.1", place.port)).unwrap();
    let (code, said) = refused(&place);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on 127.0.0.1:{}", place.port)), "{said}");
    assert!(said.contains("server.listen"), "{said}");
    assert!(!place.path("firstword.db").exists(), "it did not get as far as the database");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_faulty_configuration() {
    let mut place = Place::sqlite();
    place.set("[send]\nmode = \"soon\"\n[policy]\nwindow = \"48h\"\n[servr]\nlisten = 1\n[retry]\nmultiplier = 0.5");
    let (code, said) = refused(&place);
    assert_eq!(code, Some(2), "{said}");
    for key in ["send.mode", "policy.window", "servr", "retry.multiplier"] {
        assert!(said.contains(key), "{key}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_breaks_a_limit() {
    let place = Place::sqlite();
    let title = "a title of 21 letters";
    let replies = format!(r#"{{"content_type": "text", "title": "{title}", "payload": "HELLO"}}"#);
    let text = "x".repeat(2001);
    place.write("hello.json", format!(r#"{{"text": "{text}", "quick_replies": [{replies}]}}"#));
    let (code, said) = refused(&place);
    assert_eq!(code, Some(2), "{said}");
    for word in ["hello.json", "2000", "20", "quick_replies"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_no_database() {
    let place = Place::sqlite();
    let garbage = "this is no database, and has never been one. ".repeat(40);
    place.write("firstword.db", &garbage);
    let (code, said) = refused(&place);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("no database") && said.contains("restore a backup"), "{said}");
    assert_eq!(std::fs::read_to_string(place.path("firstword.db")).unwrap(), garbage, "it was left alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faulty_jobs() {
    let mut place = Place::sqlite();
    std::fs::create_dir(place.path("jobs")).unwrap();
    place.write("jobs/a.toml", "name = \"a\"\ntask = \"sned\"\nschedule = \"every day\"");
    place.set("[jobs]\ndir = \"jobs\"");
    let (code, said) = refused(&place);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("a.toml: task") && said.contains("a.toml: schedule"), "{said}");
}

/// A token that could not be sent in a header is found before anybody is claimed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_cannot_be_sent() {
    let mut place = Place::sqlite();
    place.set(&format!("[[pages]]\nid = \"{PAGE}\"\naccess_token = \"t\\u0007\"\nmessage = \"hello.json\""));
    let (code, said) = refused(&place);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("access_token"), "{said}");
}
