//! `flow8 links`: lists stored credentials.

use std::io::Write as _;

use model::Value;

use super::components::all;
use super::plays::text;
use super::{Answer, Exit, Session};

/// List stored credentials
#[derive(Debug, clap::Args)]
pub(super) struct Links {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List stored credentials; what is secret of them is never shown
    List,
}

impl Links {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        super::with_api(session, async |session, api| {
            let Verb::List = &self.command;
            let rows = all(api, "/links", "").await?;
            if session.globals.json {
                session.console.json(&Value::list(rows))?;
                return Ok(Exit::Ok);
            }
            let paint = session.console.paint_out();
            let out = &mut session.console.out;
            writeln!(out, "{}", paint.strong(&format!("{:24}  {:15}  {:9}  NAME", "LINK", "KIND", "CONNECTED")))?;
            for row in rows {
                let (id, kind) = (text(&row, "id"), text(&row, "kind"));
                let connected = if text(&row, "connected") == "true" { "yes" } else { "no" };
                writeln!(out, "{id:24}  {kind:15}  {connected:9}  {}", text(&row, "name"))?;
            }
            Ok(Exit::Ok)
        })
    }
}
