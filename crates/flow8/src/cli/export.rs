//! `flow8 export`: a flow as a file.

use std::path::PathBuf;

use http::Method;

use super::{Answer, CommandError, Exit, Session};
use crate::client::{Api, Sent, encoded};

/// Write a flow's draft as a YAML file
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// The flow: its id or its permanent id
    #[arg(value_name = "FLOW")]
    flow: String,
    /// Where to write it; else it is printed
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        super::with_api(session, async |session, api| self.export(session, api).await)
    }

    async fn export(&self, session: &mut Session<'_, '_>, api: &Api) -> Answer {
        let path = format!("/flows/{}/export", encoded(&self.flow));
        let answered = api.call(Method::GET, &path, Sent::Nothing).await?;
        match &self.output {
            Some(file) => std::fs::write(file, &answered.body)
                .map_err(|error| CommandError::usage(format!("{}: {error}", file.display())))?,
            None => session.console.out.write_all(&answered.body)?,
        }
        Ok(Exit::Ok)
    }
}
