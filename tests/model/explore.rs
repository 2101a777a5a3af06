//! An explorer: every state that can be reached, each once, breadth first, and the shortest way to what must not be.
//!
//! Why not `stateright`, which does this and more: its liveness is unsound where ways join or turn in circles (its own
//! documentation says so), and "no one forgotten" is a liveness property; and it brings a web server with it. Here
//! liveness is exact: no way turns in a circle, which is checked, so every way ends, and each end is looked at.

use std::collections::HashMap;
use std::hash::Hash;

/// What happened: when, what, and to which attempt or node.
pub(crate) type Word = (u64, &'static str, i64);

/// Something to explore.
pub(crate) trait Model {
    type State: Clone + Eq + Hash;
    fn start(&self) -> Self::State;
    /// What can happen next, with a word for each.
    fn next(&self, state: &Self::State) -> Vec<(Word, Self::State)>;
    /// What is wrong with a state, whatever comes later.
    fn wrong(&self, state: &Self::State) -> Option<String>;
    /// What is wrong with a state after which nothing happens any more.
    fn wrong_at_the_end(&self, state: &Self::State) -> Option<String>;
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    pub(crate) ends: usize,
    pub(crate) wrong: Option<String>,
}

/// Explores a model up to the first wrong state.
pub(crate) fn explore<M: Model>(model: &M) -> Explored {
    let mut numbers: HashMap<M::State, usize> = HashMap::new();
    let mut ways: Vec<(usize, Word)> = vec![(0, (0, "", 0))];
    let mut edges: Vec<(usize, usize)> = Vec::new();
    let mut explored = Explored { states: 0, steps: 0, ends: 0, wrong: None };
    let start = model.start();
    numbers.insert(start.clone(), 0);
    let mut layer = vec![(0, start)];
    while !layer.is_empty() {
        let mut following = Vec::new();
        for (number, state) in layer {
            explored.states += 1;
            let next: Vec<_> = model.next(&state).into_iter().filter(|(_, next)| *next != state).collect();
            let end = if next.is_empty() { model.wrong_at_the_end(&state) } else { None };
            explored.ends += usize::from(next.is_empty());
            if let Some(wrong) = model.wrong(&state).or(end) {
                explored.wrong = Some(format!("{wrong}\n{}", way(&ways, number).join("\n")));
                return explored;
            }
            for (word, next) in next {
                explored.steps += 1;
                let known = numbers.len();
                let to = *numbers.entry(next.clone()).or_insert(known);
                edges.push((number, to));
                if to == known {
                    ways.push((number, word));
                    following.push((known, next));
                }
            }
        }
        layer = following;
    }
    assert!(has_no_circle(numbers.len(), &edges), "a way turns in a circle: its end cannot be looked at");
    explored
}

fn way(ways: &[(usize, Word)], mut number: usize) -> Vec<String> {
    let mut words = Vec::new();
    while number != 0 {
        let (from, (at, word, whose)) = ways[number];
        words.push(format!("  {at:>3} s: {word} {whose}"));
        number = from;
    }
    words.reverse();
    words
}

/// Takes away whatever nothing leads to, again and again: what is left over turns in circles.
fn has_no_circle(states: usize, edges: &[(usize, usize)]) -> bool {
    let (mut incoming, mut outgoing) = (vec![0_usize; states], vec![Vec::new(); states]);
    for (from, to) in edges {
        incoming[*to] += 1;
        outgoing[*from].push(*to);
    }
    let mut free: Vec<usize> = (0..states).filter(|state| incoming[*state] == 0).collect();
    let mut taken = 0;
    while let Some(state) = free.pop() {
        taken += 1;
        for to in &outgoing[state] {
            incoming[*to] -= 1;
            if incoming[*to] == 0 {
                free.push(*to);
            }
        }
    }
    taken == states
}
