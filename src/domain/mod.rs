//! Floor 1: what an opt-in is and what may happen to it. Pure: no I/O, no clock, no randomness of its own.
//!
//! | file | holds |
//! |---|---|
//! | [`optin`] | the opt-in: its state, its facts |
//! | [`state`] | the one function that changes it, with the diagram |
//! | [`outcome`] | what one attempt tells |
//! | [`retry`] [`window`] [`policy`] | when to try again, until when, under which choices |
//! | [`forecast`] [`capacity`] [`reach`] | who will miss; what a page can send when; who may be claimed now, where people are sent to in batches |
//! | [`budget`] [`allowance`] [`breaker`] [`hold`] | how fast a page may send, and when it must not |
//! | [`message`] [`token`] | what is sent, and the mark that finds it again |
//! | [`evidence`] | what silence is worth, where an attempt's end is unknown |
//! | [`lineage`] | whether a database is still the one it was |
//! | [`signal`] | what comes in from outside, as the store takes it |
//! | [`keyed`] | keyed hashes: tombstones, proofs, tokens |
//! | [`finding`] [`checkup`] [`graph_version`] | what a check of a page found, and how it is judged |
//! | [`explain`] | what the platform's errors mean |
//! | [`alert`] [`site`] | what an operator must hear of, and what the site is told |
//! | [`job`] | what a job can be told to do, and what it reports |
//! | [`ids`] [`time`] [`span`] | names, moments, durations |

pub mod alert;
pub mod allowance;
pub mod breaker;
pub mod budget;
pub mod capacity;
pub mod checkup;
pub mod evidence;
pub mod explain;
pub mod finding;
pub mod forecast;
pub mod graph_version;
pub mod hold;
pub mod ids;
pub mod job;
pub mod keyed;
pub mod lineage;
pub mod message;
pub mod optin;
pub mod outcome;
pub mod policy;
pub mod reach;
pub mod retry;
pub mod signal;
pub mod site;
pub mod span;
pub mod state;
pub mod time;
pub mod token;
pub mod window;
mod words;
