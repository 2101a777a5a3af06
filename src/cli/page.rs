//! `firstword page ..`

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Report, examples, values};
use crate::domain::ids::PageId;
use crate::domain::time::Timestamp;

/// What can be done with pages.
#[derive(Debug, Subcommand)]
pub enum PageCommand {
    /// List the pages: what holds them, who waits, and by when
    #[command(after_help = examples::PAGE_LIST)]
    List(PageListArgs),
    /// Stop sending for a page; whoever waits goes on waiting, up to their hard stop
    #[command(after_help = examples::PAGE_HOLD)]
    Hold(HoldArgs),
    /// Let a page go on, and have every daemon read tokens and messages again
    #[command(after_help = examples::PAGE_RESUME)]
    Resume(ResumeArgs),
}

/// `firstword page list`.
#[derive(Debug, Clone, Copy, Args)]
pub struct PageListArgs {
    /// Only pages that are held
    #[arg(long)]
    pub held: bool,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// `firstword page hold`.
#[derive(Debug, Args)]
pub struct HoldArgs {
    /// Which
    #[arg(value_name = "PAGE", value_parser = values::page)]
    pub page: PageId,
    /// Why: everybody who looks at the page reads it
    #[arg(long, value_name = "TEXT", value_parser = values::reason)]
    pub reason: String,
    /// How long; without an end until `page resume`
    #[arg(long = "for", value_name = "DURATION", value_parser = values::span, conflicts_with = "until")]
    pub span: Option<Duration>,
    /// Until then
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub until: Option<Timestamp>,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// `firstword page resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Which
    #[arg(value_name = "PAGE", value_parser = values::page)]
    pub page: PageId,
    /// Also where the platform blocked the page for a policy, and its word that this is over never came
    #[arg(long)]
    pub policy: bool,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}
