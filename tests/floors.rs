//! Holds the sources to the floors that `src/lib.rs` lists: arrows point down only, rooms of one floor do not know each
//! other, and nobody climbs out of a room by `super`. Only the wiring on top knows itself.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

type Floors = BTreeMap<String, u8>;

/// The wiring: its rooms may know each other.
const TOP: u8 = 4;
/// Sideways, and meant: clocks speak the domain's `Timestamp`.
const BESIDE: (&str, &str) = ("clock", "domain");
/// The sandbox judges the rest, so it shares nothing with it but these.
const JUDGE: (&str, [&str; 2]) = ("sandbox", ["clock", "domain"]);

/// The rooms and their floors, from the table in the documentation of the crate.
fn floors(lib: &str) -> Floors {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | ")?.split_once(' '));
    let rows = rows.filter_map(|(floor, rooms)| Some((floor.parse::<u8>().ok()?, rooms)));
    let named = |(floor, rooms): (u8, &str)| -> Vec<_> {
        rooms.split("[`").skip(1).map(|room| (room.split('`').next().unwrap().to_owned(), floor)).collect()
    };
    rows.flat_map(named).collect()
}

/// What is wrong with one source file, whose path starts after `src/`.
fn faults(floors: &Floors, path: &str, text: &str) -> Vec<String> {
    let place = path.trim_end_matches(".rs").trim_end_matches("/mod");
    let (room, depth) = (place.split('/').next().unwrap(), place.split('/').count());
    let code: String = text.lines().map(|line| uncommented(line).to_owned() + "\n").collect();
    let mut faults = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        let names = names(code.split_at(at + found.len()).1);
        faults.extend(names.into_iter().filter_map(|to| arrow(floors, room, to)));
    }
    for (at, _) in code.match_indices("super::").filter(|(at, _)| !code.split_at(*at).0.ends_with("super::")) {
        let (before, chain) = code.split_at(at);
        let climbs = (chain.len() - chain.trim_start_matches("super::").len()) / "super::".len();
        if climbs >= depth + modules_around(before) {
            faults.push("climbs out of its room by super".to_owned());
        }
    }
    faults.into_iter().map(|fault| format!("src/{path}: {fault}")).collect()
}

fn uncommented(line: &str) -> &str {
    if line.trim_start().starts_with("//") { "" } else { line.split(" // ").next().unwrap_or_default() }
}

/// The first name of a path, or of each path in braces.
fn names(path: &str) -> Vec<&str> {
    let Some(group) = path.strip_prefix('{') else { return vec![first_word(path)] };
    let (mut open, mut begin, mut names) = (0, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => open += 1,
            '}' if open > 0 => open -= 1,
            ',' | '}' if open == 0 => {
                names.push(first_word(group.split_at(begin).1));
                begin = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn first_word(text: &str) -> &str {
    text.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// How many `mod name { .. }` are open at the end of formatted code.
fn modules_around(code: &str) -> usize {
    let mut open = Vec::new();
    for line in code.lines() {
        let (indent, word) = line.split_at(line.len() - line.trim_start().len());
        if word.ends_with('{') && word.split_whitespace().rev().nth(2) == Some("mod") {
            open.push(indent);
        } else if word == "}" && open.last() == Some(&indent) {
            open.pop();
        }
    }
    open.len()
}

/// What is wrong with one room's knowing another.
fn arrow(floors: &Floors, from: &str, to: &str) -> Option<String> {
    let (Some(here), Some(there)) = (floors.get(from), floors.get(to)) else {
        return Some(format!("{from} -> {to}: not both are in the table of lib.rs"));
    };
    let allowed = from == to || there < here || *here == TOP && *there == TOP || (from, to) == BESIDE;
    if from == JUDGE.0 && from != to && !JUDGE.1.contains(&to) {
        return Some(format!("{from} -> {to}: it judges the rest and shares only {:?} with it", JUDGE.1));
    }
    (!allowed).then(|| format!("{from} (floor {here}) -> {to} (floor {there})"))
}

fn sources(dir: &Path, found: &mut Vec<(String, String)>) {
    for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
            found.push((name.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

fn the_floors() -> Floors {
    floors(&fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap())
}

#[test]
fn arrows_point_down() {
    let floors = the_floors();
    let mut sources_found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut sources_found);
    let rooms = sources_found.iter().filter(|(path, _)| path != "lib.rs" && path != "main.rs");
    let found: Vec<_> = rooms.flat_map(|(path, text)| faults(&floors, path, text)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(sources_found.len() > 100, "{} files", sources_found.len());
}

#[test]
fn every_room_has_a_floor() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let mut rooms: Vec<_> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    rooms.sort_unstable();
    assert_eq!(the_floors().keys().collect::<Vec<_>>(), rooms);
}

#[test]
fn bad_sources_are_found_out() {
    let floors = the_floors();
    for (path, text) in [
        ("deliver/run.rs", "use crate::intake::Intake;"),
        ("deliver/run.rs", "use crate::{\n    clock::Clock,\n    store::{self, Store},\n    jobs,\n};"),
        ("deliver/run.rs", "fn f() -> crate::config::Config { todo() }"),
        ("store/desk/mod.rs", "pub use crate::deliver::Page;"),
        ("store/mod.rs", "use crate::messenger::Sent;"),
        ("domain/state/mod.rs", "use crate::clock::Clock;"),
        ("clock.rs", "use crate::store::Store;"),
        ("deliver/run.rs", "use super::super::intake;"),
        ("deliver/mod.rs", "use super::intake;"),
        ("again.rs", "use super::store;"),
        ("store/mod.rs", "mod tests {\n    use super::super::watch;\n}"),
        ("deliver/mod.rs", "mod tests {\n    use crate::watch;\n}"),
        ("sandbox/judge.rs", "use crate::messenger::Sent;"),
        ("jobs/runner.rs", "macro_rules! m { () => { $crate::upkeep::Upkeep } }"),
        ("cellar/mod.rs", "use crate::domain::ids::PageId;"),
    ] {
        assert_eq!(faults(&floors, path, text).len(), 1, "{path}: {text}: {:?}", faults(&floors, path, text));
    }
    for (path, text) in [
        ("deliver/run.rs", "use super::{Delivery, Page}; // not crate::intake\n//! [`x`](crate::intake)"),
        ("clock.rs", "use crate::domain::time::Timestamp;\nmod tests {\n    use super::*;\n}"),
        ("daemon.rs", "use crate::{config, server};"),
        ("config/tests/faults.rs", "use super::super::Faults;"),
        ("store/sql/mod.rs", "pub(in crate::store) use a;\npub(crate) use b;"),
    ] {
        assert_eq!(faults(&floors, path, text), [""; 0], "{path}: {text}");
    }
}
