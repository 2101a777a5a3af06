//! x
pub mod again;
pub mod clock;
pub mod config;
pub mod deliver;
pub mod domain;
pub mod messenger;
pub mod metrics;
pub mod pulse;
pub mod sandbox;
pub mod store;
pub mod upkeep;
pub mod watch;
