//! Which known name a mistyped one was meant to be.

/// The nearest candidate, if it is near enough to be worth a question: a slip of the pen away, or else the shortest
/// that contains the name or is contained in it.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = plain(name);
    let candidates: Vec<(String, &str)> = candidates.map(|candidate| (plain(candidate), candidate)).collect();
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    let slips = candidates.iter().map(|(known, candidate)| (distance(&name, known), *candidate));
    let slip = slips.filter(|(distance, _)| *distance <= allowed).min();
    let part = |known: &str| name.len().min(known.len()) >= 4 && (known.contains(&name) || name.contains(known));
    let parts = || candidates.iter().filter(|(known, _)| part(known)).map(|(_, candidate)| *candidate);
    slip.map(|(_, candidate)| candidate).or_else(|| parts().min_by_key(|candidate| candidate.len()))
}

fn plain(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// How many letters must be put in, left out, changed, or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["max_in_flight", "mode", "poll_interval"];
        let nearest = |name| nearest(name, known.into_iter());
        assert_eq!(nearest("max_inflight"), Some("max_in_flight"));
        assert_eq!(nearest("poll-interval"), Some("poll_interval"));
        assert_eq!(nearest("mdoe"), Some("mode"));
        assert_eq!(nearest("in_flight"), Some("max_in_flight"));
        assert_eq!(nearest("colour"), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
