//! Firstword delivers the first Messenger message to everyone who opted in through Facebook Login Connect: exactly
//! one, before the 24-hour window closes. It learns the PSID when they reply, retires login_ids nobody answers, and
//! stops at once for whoever says stop.
//!
//! An opt-in comes in ([`intake`]), becomes a row ([`store`]), is claimed, sent and recorded ([`deliver`]: **start
//! reading there**), and ends in a named state ([`domain::state`] decides all of them). What time alone does is in
//! [`upkeep`].
//!
//! Four floors; arrows point down only, and rooms of one floor do not know each other. `tests/floors.rs` holds us to it.
//!
//! | floor | rooms |
//! |---|---|
//! | 4 wiring | [`cli`] [`commands`] [`config`] [`daemon`] [`lifecycle`] [`roster`] [`server`] [`telemetry`] |
//! | 3 work | [`deliver`] [`upkeep`] [`intake`] [`jobs`] [`watch`] [`alerts`] [`sandbox`] |
//! | 2 adapters | [`store`] (all SQL) [`messenger`] (the platform's client) [`post`] (telling others) [`metrics`] [`pulse`] [`again`] |
//! | 1 domain | [`domain`] (pure) [`clock`] |

pub mod again;
pub mod alerts;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod deliver;
pub mod domain;
pub mod intake;
pub mod jobs;
pub mod lifecycle;
pub mod messenger;
pub mod metrics;
pub mod post;
pub mod pulse;
pub mod roster;
pub mod sandbox;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod upkeep;
pub mod watch;
