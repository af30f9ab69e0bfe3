//! `flow8 import`: flow files into an installation.

use std::fs;
use std::path::PathBuf;

use http::Method;
use model::Value;

use super::{Answer, CommandError, Exit, Missing, Session};
use crate::client::{Api, Sent};

/// Make flows of files, or replace those of the same permanent id
///
/// Where there is no installation yet, it begins one, and tells the administrator's password on stderr, once.
#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// Flow files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Change the drafts alone, and publish nothing
    #[arg(long)]
    draft: bool,
}

impl Import {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        // A file that is not there makes no installation either.
        let texts = self.files.iter().map(|file| {
            fs::read_to_string(file).map_err(|error| CommandError::usage(format!("{}: {error}", file.display())))
        });
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        super::with_api_where(session, Missing::Begun, async |session, api| self.import(session, api, texts).await)
    }

    async fn import(&self, session: &mut Session<'_, '_>, api: &Api, texts: Vec<String>) -> Answer {
        let (mut imported, mut exit) = (Vec::new(), Exit::Ok);
        for (file, text) in self.files.iter().zip(texts) {
            let path = if self.draft { "/flows/import?draft=true" } else { "/flows/import" };
            let answered = api.call(Method::POST, path, Sent::Yaml(text)).await;
            let flow = answered
                .map_err(|error| CommandError { message: format!("{}: {}", file.display(), error.message), ..error })?
                .json()?;
            let text = |key: &str| flow.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let problems = flow.get("problems").and_then(Value::as_list).unwrap_or_default();
            if !problems.is_empty() {
                exit = Exit::Negative;
            }
            if !session.globals.json {
                let published = flow.get("published") == Some(&Value::Bool(true));
                let state = if published { "published" } else { "draft" };
                writeln!(session.console.out, "{}  {}  {state}", text("id"), text("permanentId"))?;
                for problem in problems {
                    let part = |key: &str| problem.get(key).and_then(Value::as_str).unwrap_or_default();
                    writeln!(session.console.err, "  {}: {}", part("path"), part("message"))?;
                }
            }
            imported.push(flow);
        }
        if session.globals.json {
            session.console.json(&imported)?;
        }
        Ok(exit)
    }
}
