//! `docs/faq.md` answers every question of the platform's FAQ, and names tests that exist.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A word or two by which each question of the platform's FAQ is found among the headings.
const QUESTIONS: [&str; 16] = [
    "How soon must the first message go out",
    "later messages go to the login_id, with a tag",
    "Should the login_id be kept",
    "How often may a login_id be used",
    "When is the opt-in shown",
    "turn messages off, mute or block",
    "promotional messages",
    "sponsored messages",
    "What should the first message look like",
    "several apps serve one page",
    "before the webhook arrives",
    "How often does the opt-in event come",
    "made to fire again",
    "mobile SDKs",
    "\"Page ID is not valid\"",
    "\"(#100) Param recipient[id] must be a valid ID string\"",
];

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Heading and text of each section.
fn sections(text: &str) -> Vec<(String, String)> {
    let parts = text.split("\n## ").skip(1);
    parts.map(|part| part.split_once('\n').map(|(head, body)| (head.to_owned(), body.to_owned())).unwrap()).collect()
}

/// The names of tests in a section: what stands in backticks after `Tests:`.
fn named(body: &str) -> Vec<String> {
    let tests = body.split_once("\nTests:").map_or("", |(_, tests)| tests);
    tests.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether the sources have a test of this name, written as `cargo test` prints it.
fn exists(name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let Some((function, modules)) = parts.split_last() else { return false };
    if matches!(modules, [] | ["sqlite" | "postgres"]) && is_case(function) {
        return true;
    }
    // A module is a file, a directory, or stands in the file of the one around it.
    let mut places: Vec<PathBuf> = Vec::new();
    for inline in 0..=1 {
        let path =
            modules.iter().take(modules.len() - inline.min(modules.len())).copied().collect::<Vec<_>>().join("/");
        places.extend([format!("src/{path}.rs"), format!("src/{path}/mod.rs")].map(|path| root(&path)));
        for binary in fs::read_dir(root("tests")).unwrap().map(|entry| entry.unwrap().path()) {
            let whole = path.is_empty() && binary.is_dir();
            places.push(if whole { binary.join("main.rs") } else { binary.join(format!("{path}.rs")) });
            if path.is_empty() && binary.extension().is_some_and(|extension| extension == "rs") {
                places.push(binary);
            }
        }
    }
    places.iter().filter_map(|place| fs::read_to_string(place).ok()).any(|text| has_test(&text, function))
}

/// A function that is a test: by its attribute, or inside of `proptest!`, which gives it one.
fn has_test(text: &str, function: &str) -> bool {
    let Some(at) = text.find(&format!("fn {function}(")) else { return false };
    let before = text.split_at(at).0;
    let attributes = before.rsplit("\n\n").next().unwrap_or_default();
    attributes.contains("test]") || attributes.contains("#[tokio::test")
}

/// A case that a suite makes a test on both engines: written in its directory, and listed in its `main.rs`.
fn is_case(function: &str) -> bool {
    let words = |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == function);
    let suites = fs::read_dir(root("tests")).unwrap().map(|entry| entry.unwrap().path());
    suites.filter(|suite| suite.join("main.rs").exists()).any(|suite| {
        let files = fs::read_dir(&suite).unwrap().map(|entry| entry.unwrap().path());
        let texts: Vec<(bool, String)> = files
            .filter(|path| path.is_file())
            .map(|path| (path.ends_with("main.rs"), fs::read_to_string(&path).unwrap()))
            .collect();
        let written = texts.iter().any(|(_, text)| text.contains(&format!("async fn {function}(")));
        written && texts.iter().any(|(main, text)| *main && words(text))
    })
}

#[test]
fn every_question_is_answered_and_held_by_tests_that_exist() {
    let text = fs::read_to_string(root("docs/faq.md")).unwrap();
    let sections = sections(&text);
    let missing: Vec<_> =
        QUESTIONS.iter().filter(|question| !sections.iter().any(|(head, _)| head.contains(**question))).collect();
    assert!(missing.is_empty(), "no heading has {missing:?}");
    assert!(!text.contains("not yet") && !text.contains("not there yet"), "a rule is not held yet");
    let mut names = BTreeSet::new();
    for (head, body) in &sections {
        let tests = named(body);
        assert!(!tests.is_empty(), "{head}: names no test");
        names.extend(tests);
    }
    let strangers: Vec<_> = names.iter().filter(|name| !exists(name)).collect();
    assert!(strangers.is_empty(), "no test has the name {strangers:?}");
    println!("{} questions, {} tests", sections.len(), names.len());
}

#[test]
fn a_name_that_is_no_test_is_found_out() {
    assert!(exists("domain::window::tests::cutoff_and_hard_stop_agree"));
    assert!(exists("every_question_is_answered_and_held_by_tests_that_exist"));
    for name in [
        "domain::window::tests::cutoff_and_hard_stop_disagree",
        "domain::windows::tests::cutoff_and_hard_stop_agree",
        "domain::window::cutoff",
        "sqlite::nobody_wrote_this_case",
        "nobody_wrote_this_case",
        "",
    ] {
        assert!(!exists(name), "{name}");
    }
}
