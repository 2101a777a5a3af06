//! Secrets are compared in constant time: `domain::keyed::same` and nothing else. Whoever compares what a secret exposes
//! in another way, or lets it be shown, fails here.

#![expect(clippy::unwrap_used, reason = "a file that cannot be read is a failure")]

use std::fs;
use std::path::{Path, PathBuf};

/// What compares, or prints, in a time or a place that tells something.
const FORBIDDEN: [&str; 11] = [
    "==",
    "!=",
    ".eq(",
    ".ne(",
    ".contains(",
    ".starts_with(",
    ".ends_with(",
    ".cmp(",
    "matches!(",
    "println!(",
    "tracing::",
];

/// The lines of production code that do something to a secret that only `same`, a MAC or a request may do.
fn offences(name: &str, text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let statements = code.split([';', '{', '}']).map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let touches = |statement: &String| {
        let exposed = statement.contains("expose_secret()");
        let compared = ["signature", "claimed", "challenge", "given_token", "bearer"]
            .iter()
            .any(|word| statement.contains(&format!("{word} ==")) || statement.contains(&format!("== {word}")));
        (exposed && FORBIDDEN.iter().any(|forbidden| statement.contains(forbidden))) || compared
    };
    statements.filter(touches).filter(|s| !s.trim_start().starts_with("//")).map(|s| format!("{name}: {s}")).collect()
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

#[test]
fn secrets_are_compared_in_constant_time() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let read: Vec<_> = files.iter().filter(|path| !path.components().any(|part| part.as_os_str() == "tests")).collect();
    let touching = read.iter().filter(|path| fs::read_to_string(path).unwrap().contains("expose_secret()")).count();
    assert!(touching > 5, "a search that finds nothing proves nothing: {touching}");
    let found: Vec<String> = read
        .iter()
        .flat_map(|path| offences(&path.display().to_string(), &fs::read_to_string(path).unwrap()))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn offences_are_found() {
    for bad in [
        "if token.expose_secret() == given { go() }",
        "let known = given\n    .iter()\n    .any(|secret| secret.expose_secret() != *text);",
        "tracing::info!(token = %self.token.expose_secret(), \"hello\");",
        "return list.iter().any(|s| s.expose_secret().starts_with(prefix));",
        "if signature == expected { ok() }",
    ] {
        assert_eq!(offences("planted", bad).len(), 1, "{bad}");
    }
    let good = "if same(expected.expose_secret().as_bytes(), given) { go() } // never ==";
    assert!(offences("planted", good).is_empty());
}
