//! `firstword optin ..`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Report, examples, values};
use crate::domain::ids::{LoginId, PageId};
use crate::domain::optin::State;
use crate::domain::time::Timestamp;

/// How an opt-in may be named.
const ID: &str = "A number, a login_id, PAGE/LOGIN_ID, login:LOGIN_ID or psid:PSID";

/// What can be done with opt-ins.
#[derive(Debug, Subcommand)]
pub enum OptinCommand {
    /// Add one opt-in
    #[command(after_help = examples::ADD)]
    Add(AddArgs),
    /// Add the opt-ins of a file; good lines are kept, bad ones named; safe to run again
    #[command(after_help = examples::IMPORT)]
    Import(ImportArgs),
    /// List opt-ins
    #[command(after_help = examples::LIST)]
    List(ListArgs),
    /// Tell the whole story of one opt-in: its state, every attempt, and what errors mean
    #[command(after_help = examples::SHOW)]
    Show(ShowArgs),
    /// Write opt-ins to a file or pipe, one a line
    #[command(after_help = examples::EXPORT)]
    Export(ExportArgs),
    /// Send after all: for missed, unavailable and cancelled opt-ins whose window is still open
    #[command(after_help = examples::RETRY)]
    Retry(Chosen),
    /// Never send: for opt-ins that still wait
    #[command(after_help = examples::CANCEL)]
    Cancel(Chosen),
    /// Say how attempts of unknown end really ended: for opt-ins that are uncertain
    #[command(after_help = examples::SETTLE)]
    Settle(SettleArgs),
    /// Tell why attempts of unknown end are held, page by page, with the figures
    #[command(after_help = examples::DOUBTS)]
    Doubts(DoubtsArgs),
    /// Record that a person said stop, known here or not yet; nothing is sent to them any more
    #[command(after_help = examples::OPT_OUT)]
    OptOut(Chosen),
    /// Delete everything about a person; a keyed hash stays, so that they are never written to again
    #[command(after_help = examples::ERASE)]
    Erase(EraseArgs),
}

/// `firstword optin erase`.
#[derive(Debug, Args)]
pub struct EraseArgs {
    /// Whose data
    #[arg(
        value_name = "ID",
        help = "A number, a login_id, PAGE/LOGIN_ID, login:LOGIN_ID, psid:PSID or asid:APP_SCOPED_ID",
        required = true
    )]
    pub ids: Vec<String>,
    /// Only on this page; else on every page where the person is known by that id
    #[arg(long, value_name = "ID", value_parser = values::page)]
    pub page: Option<PageId>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// `firstword optin add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The page; may be left out if only one is configured
    #[arg(long, value_name = "ID", value_parser = values::page)]
    pub page: Option<PageId>,
    /// The person, as the platform names them at login
    #[arg(long, value_name = "ID", value_parser = values::login)]
    pub login_id: LoginId,
    /// When they opted in; now, if left out
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub opted_in_at: Option<Timestamp>,
    /// Their locale: chooses among the message's variants
    #[arg(long, help = "Their locale, such as de or de_DE: chooses among the message's variants", value_parser = values::locale)]
    pub locale: Option<String>,
    /// The site's own reference, kept and exported
    #[arg(long, value_parser = values::reference)]
    pub reference: Option<String>,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// `firstword optin import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file, or - for standard input
    pub file: PathBuf,
    /// What the file holds; else told by its name or its first character
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// The page of lines that name none
    #[arg(long, value_name = "ID", value_parser = values::page)]
    pub page: Option<PageId>,
    /// The time of lines that have none; "now" takes the time of the import
    #[arg(long, value_name = "TIME", value_parser = default_time)]
    pub opted_in_at: Option<DefaultTime>,
    /// How many lines share a commit
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub batch: u32,
    /// Where to write every bad line's number and reason, as CSV
    #[arg(long, value_name = "FILE")]
    pub bad: Option<PathBuf>,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// The time of lines that have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultTime {
    /// The time of the import.
    Now,
    /// This one.
    At(Timestamp),
}

fn default_time(text: &str) -> Result<DefaultTime, String> {
    if text == "now" { Ok(DefaultTime::Now) } else { values::time(text).map(DefaultTime::At) }
}

/// What a file of opt-ins is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A header, then one line for each.
    Csv,
    /// A JSON object on each line.
    Jsonl,
}

/// `firstword optin list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those in this state
    #[arg(long, value_parser = values::state())]
    pub state: Option<State>,
    /// Only those of this page
    #[arg(long, value_name = "ID", value_parser = values::page)]
    pub page: Option<PageId>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
    pub limit: i64,
    /// Only those with a higher number: the next page of a list
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub after: i64,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// `firstword optin show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Which one
    #[arg(value_name = "ID", help = ID)]
    pub id: String,
    /// The page, where the id is known on several
    #[arg(long, value_name = "ID", value_parser = values::page)]
    pub page: Option<PageId>,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// Opt-ins that a command is about.
#[derive(Debug, Args)]
pub struct Chosen {
    /// Which ones
    #[arg(value_name = "ID", help = ID, required = true)]
    pub ids: Vec<String>,
    /// The page, where an id is known on several
    #[arg(long, value_name = "ID", value_parser = values::page)]
    pub page: Option<PageId>,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// `firstword optin settle`.
#[derive(Debug, Args)]
pub struct SettleArgs {
    /// Which ones; none with --before: all of them
    #[arg(value_name = "ID", help = ID)]
    pub ids: Vec<String>,
    /// Only those of this page
    #[arg(long, value_name = "ID", value_parser = values::page)]
    pub page: Option<PageId>,
    /// Only those in doubt since before this time
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub before: Option<Timestamp>,
    /// The message arrived
    #[arg(long, conflicts_with = "not_sent", required_unless_present = "not_sent")]
    pub sent: bool,
    /// No message arrived: it is sent (again) while the window is open
    #[arg(long)]
    pub not_sent: bool,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// `firstword optin doubts`.
#[derive(Debug, Args)]
pub struct DoubtsArgs {
    /// Only this page
    #[arg(long, value_name = "ID", value_parser = values::page)]
    pub page: Option<PageId>,
    /// Let silence count again on a page where a second message was proved; it is measured anew
    #[arg(long, requires = "page")]
    pub trust: bool,
    /// How it reports.
    #[command(flatten)]
    pub report: Report,
}

/// `firstword optin export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// JSON objects, one a line, or CSV
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    pub format: Format,
    /// Only those in this state; "answered" leaves out whoever said stop
    #[arg(long, value_parser = values::state())]
    pub state: Option<State>,
    /// Only those of this page
    #[arg(long, value_name = "ID", value_parser = values::page)]
    pub page: Option<PageId>,
    /// Only these fields, in this order
    #[arg(long, value_enum, value_delimiter = ',', value_name = "A,B", hide_possible_values = true)]
    pub fields: Vec<Field>,
    /// With --state answered: also whoever said stop since
    #[arg(long)]
    pub include_opted_out: bool,
    /// Where to write; else to standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// A field of the export, in its order. Part of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the keys of the export, explained in the manual")]
pub enum Field {
    PageId,
    LoginId,
    State,
    OptedInAt,
    Deadline,
    Attempts,
    MessageId,
    Psid,
    OptedOutAt,
    Reason,
    Id,
    SentAt,
    RepliedAt,
    WindowOpenUntil,
    Locale,
    Reference,
    Variant,
    Cycle,
}

impl Field {
    /// The key or column of the export.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PageId => "page_id",
            Self::LoginId => "login_id",
            Self::State => "state",
            Self::OptedInAt => "opted_in_at",
            Self::Deadline => "deadline",
            Self::Attempts => "attempts",
            Self::MessageId => "message_id",
            Self::Psid => "psid",
            Self::OptedOutAt => "opted_out_at",
            Self::Reason => "reason",
            Self::Id => "id",
            Self::SentAt => "sent_at",
            Self::RepliedAt => "replied_at",
            Self::WindowOpenUntil => "window_open_until",
            Self::Locale => "locale",
            Self::Reference => "reference",
            Self::Variant => "variant",
            Self::Cycle => "cycle",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_asked_for_by_their_names() {
        for field in Field::value_variants() {
            assert_eq!(field.to_possible_value().unwrap().get_name(), field.name());
        }
    }
}
