//! The entry: reads the command line, runs the command, ends with its exit code.

use clap::Parser;
use firstword::cli::Cli;
use firstword::commands::{self, Exit};

#[tokio::main]
async fn main() -> Exit {
    commands::run(&Cli::parse()).await
}
