//! `firstword optin export`: everybody, a thousand at a time, in constant memory.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;

use super::list::AT_ONCE;
use super::row::Row;
use super::{Exit, open, out};
use crate::cli::Global;
use crate::cli::optin::{ExportArgs, Field, Format};
use crate::domain::ids::OptInId;
use crate::domain::optin::{OptIn, State};
use crate::domain::window::Window;
use crate::store::Store;

pub(super) async fn run(args: &ExportArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = open::load(global)?;
    let store = open::open_existing(&config).await?;
    let window = config.policy.window;
    let Some(path) = &args.output else {
        write(args, &store, window, io::stdout()).await?;
        return Ok(Exit::Done);
    };
    let part = beside(path);
    let cannot = || format!("cannot write {}", part.display());
    // It names people: nobody else may read it.
    let file = File::options().create(true).write(true).truncate(true).mode(0o600).open(&part).with_context(cannot)?;
    let count = write(args, &store, window, &file).await?;
    file.sync_all().with_context(cannot)?;
    fs::rename(&part, path).with_context(|| format!("cannot write {}", path.display()))?;
    out::note(format_args!("{count} opt-ins are in {}", path.display()));
    Ok(Exit::Done)
}

/// The name a file has until it is whole.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

async fn write(args: &ExportArgs, store: &Store, window: Window, to: impl Write) -> anyhow::Result<u64> {
    let fields = if args.fields.is_empty() { Field::value_variants() } else { args.fields.as_slice() };
    let mut writer = Writer::new(args.format, fields, to)?;
    let (mut after, mut count) = (OptInId(0), 0);
    loop {
        let rows = store.list(after, args.state, args.page.as_ref(), AT_ONCE).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        for optin in rows.iter().filter(|optin| wanted(args, optin)) {
            writer.row(&Row { optin, window, fields })?;
            count += 1;
        }
        writer.flush()?;
    }
    writer.flush()?;
    Ok(count)
}

/// Whoever answered and then said stop is no audience.
fn wanted(args: &ExportArgs, optin: &OptIn) -> bool {
    args.include_opted_out || args.state != Some(State::Answered) || optin.opted_out_at.is_none()
}

enum Writer<W: Write> {
    Json(BufWriter<W>),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Writer<W> {
    fn new(format: Format, fields: &[Field], to: W) -> anyhow::Result<Self> {
        Ok(match format {
            Format::Jsonl => Self::Json(BufWriter::with_capacity(64 << 10, to)),
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().buffer_capacity(64 << 10).from_writer(to);
                writer.write_record(fields.iter().map(|field| field.name())).map_err(plain)?;
                Self::Csv(Box::new(writer))
            }
        })
    }

    fn row(&mut self, row: &Row<'_>) -> anyhow::Result<()> {
        match self {
            Self::Json(to) => {
                serde_json::to_writer(&mut *to, row).map_err(io::Error::from)?;
                to.write_all(b"\n")?;
            }
            Self::Csv(to) => to.write_record(row.fields.iter().map(|field| row.cell(*field))).map_err(plain)?,
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Json(to) => to.flush(),
            Self::Csv(to) => to.flush(),
        }
    }
}

/// The I/O error inside one of the CSV writer, so that a closed pipe is seen as one.
fn plain(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{LoginId, PageId};
    use crate::domain::time::Timestamp;

    fn optin(state: State, opted_out: bool) -> OptIn {
        let at = Timestamp::parse("2026-06-01T12:00:00Z").unwrap();
        let mut optin = OptIn::unborn(PageId::new("1").unwrap(), LoginId::new("a").unwrap(), at, at);
        (optin.state, optin.opted_out_at) = (state, opted_out.then_some(at));
        optin
    }

    fn args(state: Option<State>, include_opted_out: bool) -> ExportArgs {
        let fields = Vec::new();
        ExportArgs { format: Format::Csv, state, page: None, fields, include_opted_out, output: None }
    }

    #[test]
    fn answered_leaves_out_whoever_said_stop() {
        let stopped = optin(State::Answered, true);
        assert!(!wanted(&args(Some(State::Answered), false), &stopped));
        assert!(wanted(&args(Some(State::Answered), true), &stopped));
        assert!(wanted(&args(None, false), &stopped), "a whole export is whole");
        assert!(wanted(&args(Some(State::Answered), false), &optin(State::Answered, false)));
    }

    #[test]
    fn csv_has_a_header_and_empty_cells() {
        let (mut bytes, fields) = (Vec::new(), [Field::LoginId, Field::Psid, Field::Cycle]);
        let mut writer = Writer::new(Format::Csv, &fields, &mut bytes).unwrap();
        let optin = optin(State::Sent, false);
        writer.row(&Row { optin: &optin, window: Window::default(), fields: &fields }).unwrap();
        drop(writer);
        assert_eq!(String::from_utf8(bytes).unwrap(), "login_id,psid,cycle\na,,1\n");
    }

    #[test]
    fn a_closed_pipe_is_recognised() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for format in [Format::Csv, Format::Jsonl] {
            let optin = optin(State::Sent, false);
            let mut writer = Writer::new(format, &[Field::Id], Closed).unwrap();
            let row = Row { optin: &optin, window: Window::default(), fields: &[Field::Id] };
            let error = writer.row(&row).and_then(|()| Ok(writer.flush()?)).unwrap_err();
            assert_eq!(Exit::of(&error), Exit::Done, "{format:?}");
        }
    }
}
