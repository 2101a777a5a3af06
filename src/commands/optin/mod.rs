//! `firstword optin`: opt-ins, one by one and by the million.
//!
//! | file | holds |
//! |---|---|
//! | `add` `import/` | in |
//! | `list` `show` `export` | out |
//! | `order` | retry, cancel |
//! | `opt_out` | the stop of somebody who may have no opt-in yet |
//! | `doubts` | why attempts of unknown end are held |
//! | `settle` | how attempts of unknown end really ended |
//! | `erase` | deletion on a person's request |
//! | `who` | which opt-in, or which person, an operator means |
//! | `row` | an opt-in as the export writes it |
//! | `explain` | what states and errors mean, in words |

mod add;
mod doubts;
mod erase;
mod explain;
mod export;
pub(super) mod import;
mod list;
mod opt_out;
mod order;
mod row;
mod settle;
mod show;
mod who;

use super::{Exit, open, out};
use crate::cli::Global;
use crate::cli::optin::OptinCommand;
use crate::domain::signal::Command;

pub(super) async fn run(command: &OptinCommand, global: &Global) -> anyhow::Result<Exit> {
    match command {
        OptinCommand::Add(args) => Box::pin(add::run(args, global)).await,
        OptinCommand::Import(args) => Box::pin(import::run(args, global)).await,
        OptinCommand::List(args) => Box::pin(list::run(args, global)).await,
        OptinCommand::Show(args) => Box::pin(show::run(args, global)).await,
        OptinCommand::Export(args) => Box::pin(export::run(args, global)).await,
        OptinCommand::Retry(chosen) => Box::pin(order::run(Command::Retry, chosen, global)).await,
        OptinCommand::Cancel(chosen) => Box::pin(order::run(Command::Cancel, chosen, global)).await,
        OptinCommand::Settle(args) => Box::pin(settle::run(args, global)).await,
        OptinCommand::Doubts(args) => Box::pin(doubts::run(args, global)).await,
        OptinCommand::Erase(args) => Box::pin(erase::run(args, global)).await,
        OptinCommand::OptOut(chosen) => Box::pin(opt_out::run(chosen, global)).await,
    }
}
