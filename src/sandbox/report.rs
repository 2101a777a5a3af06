//! What the sandbox saw, in numbers: the evidence of every proof that counts at the receiver.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::behaviour::Kind;

/// Names kept in [`Report::per_node`]; what comes after them is counted as `other`, so that made-up names cost nothing.
const MOST_NODES: usize = 1_000;
/// Bytes kept of a name.
const LONGEST_NODE: usize = 200;

/// A snapshot of the counters since the start. Every field counts sends unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Sends read to the end of their body.
    pub requests: u64,
    /// Sends whose body never came whole: not judged, not delivered.
    pub aborted: u64,
    /// Messages taken for delivery, those whose answer was lost included.
    pub accepted: u64,
    /// People who got at least one message.
    pub delivered: u64,
    /// Messages that broke a promise and were delivered all the same.
    pub violations: Violations,
    /// Messages that would have broken a promise and were refused by `strict`.
    pub refused_strict: Violations,
    /// Accepted at any time after a stop was acknowledged, those within the 2 s of grace included. For information.
    pub strictly_after_stop: u64,
    /// Refusals by `code` or `code/subcode`; `http 429` is one without a Graph error object.
    pub refused_by_code: BTreeMap<String, u64>,
    /// Faults that were dealt out.
    pub faults: FaultCounts,
    /// Webhook deliveries.
    pub webhooks: WebhookCounts,
    /// Sends by the `User-Agent` of the sender, which is where a node puts its name.
    pub per_node: BTreeMap<String, u64>,
    /// Sends that carried their token in the URL, where it ends up in logs.
    pub token_in_url: u64,
    /// People known.
    pub people: u64,
    /// Opt-ins made, repeated ones included.
    pub opted_in: u64,
    /// People with a reply that the callback acknowledged.
    pub replied: u64,
    /// Stops and opt-outs that the callback acknowledged.
    pub opted_out: u64,
    /// The most messages of one page accepted within any sliding second, measured at receipt.
    pub peak_second: u64,
    /// Sends being handled now: head received, answer not yet handed over.
    pub in_flight: u64,
}

/// Broken promises. One message may count under several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violations {
    /// A message to somebody who already had one since the last opt-in.
    pub second: u64,
    /// A message after the opt-in's window.
    pub late: u64,
    /// A message whose request was complete more than 2 s after the callback acknowledged the person's stop.
    pub after_stop: u64,
}

impl Violations {
    /// All of them together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.second.saturating_add(self.late).saturating_add(self.after_stop)
    }

    /// Adds others to these.
    pub(super) fn add(&mut self, more: Self) {
        self.second += more.second;
        self.late += more.late;
        self.after_stop += more.after_stop;
    }
}

/// Faults by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCounts {
    /// Surely not delivered.
    pub before: u64,
    /// Delivered, answer lost; hangs included.
    pub after: u64,
    /// Of `after`: answers that were held back.
    pub hung: u64,
    /// Not delivered, answer lost.
    #[serde(default)]
    pub swallowed: u64,
    /// Told to slow down, by draw or by the rate limit.
    pub throttled: u64,
    /// Answered 551 because the draw made the person unreachable.
    pub unavailable: u64,
}

/// Webhook deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookCounts {
    /// Requests made, repeated ones included.
    pub sent: u64,
    /// Answered with 2xx.
    pub accepted: u64,
    /// Requests made again after a failure.
    pub retried: u64,
    /// Given up: answered 4xx, or the sandbox stopped first.
    pub failed: u64,
}

/// One person's story. Times are UTC milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonReport {
    /// The page.
    pub page_id: String,
    /// The id of the opt-in.
    pub login_id: String,
    /// The id that a reply discloses.
    pub psid: String,
    /// The last opt-in; `null` for somebody who was merely written to.
    pub opted_in_at: Option<i64>,
    /// How the person behaves.
    pub behaviour: Kind,
    /// Messages delivered, over all opt-ins.
    pub delivered: u32,
    /// Sends refused, for whatever reason.
    pub refused: u32,
    /// Whether the callback acknowledged a reply.
    pub replied: bool,
    /// When the callback acknowledged a stop.
    pub opted_out_at: Option<i64>,
    /// Whether every message is answered with 551.
    pub blocked: bool,
}

impl Report {
    /// Counts a send of `node`.
    pub(super) fn count_node(&mut self, node: &str) {
        let node = node.get(..LONGEST_NODE).unwrap_or(node);
        if let Some(count) = self.per_node.get_mut(node) {
            *count += 1;
            return;
        }
        let name = if self.per_node.len() < MOST_NODES { node } else { "other" };
        *self.per_node.entry(name.to_owned()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_nodes_are_bounded() {
        let mut report = Report::default();
        for n in 0..MOST_NODES + 5 {
            report.count_node(&format!("node {n}"));
        }
        report.count_node("node 0");
        assert_eq!(report.per_node.get("node 0"), Some(&2));
        assert_eq!(report.per_node.get("other"), Some(&5));
    }
}
