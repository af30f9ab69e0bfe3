//! `flow8 audit`: exports the audit log, and proves an export, or the log itself.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use ::audit::{ExportError, Report, verify_export};
use model::Value;
use serde_json::json;
use vault::PublicKey;

use super::plays::text;
use super::{Answer, CommandError, Exit, Session};
use crate::client::Api;

/// Export the audit log, and prove that it is what was written
#[derive(Debug, clap::Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Write the whole log to a file, or to stdout
    Export {
        /// Lines of JSON, which prove themselves, or a table
        #[arg(long, default_value = "json", value_parser = ["json", "csv"])]
        format: String,
        /// The file; else stdout
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Prove that nothing of an export was changed, without a server and without a key; or check the log itself
    ///
    /// Exits with 0 where all is as it was sealed, and with 1 where it is not: the first row or segment that is
    /// not as it was is named.
    Verify {
        /// The export, as JSON; without it, the log of the server or of the data folder is checked
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// The key that must have signed it, as `flow8 audit verify` tells it where the log is
        #[arg(long, value_name = "HEX", requires = "file")]
        public_key: Option<PublicKey>,
    },
}

impl Audit {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        match &self.command {
            Verb::Export { format, output } => {
                let path = format!("/audit/export?format={format}");
                super::with_api(session, async |session, api| export(session, api, &path, output.as_deref()).await)
            }
            Verb::Verify { file: Some(file), public_key } => verify_file(session, file, *public_key),
            Verb::Verify { file: None, .. } => {
                super::with_api(session, async |session, api| verify(session, api).await)
            }
        }
    }
}

async fn export(session: &mut Session<'_, '_>, api: &Api, path: &str, output: Option<&Path>) -> Answer {
    let Some(output) = output else {
        api.download(path, session.console.out).await?;
        return Ok(Exit::Ok);
    };
    let failed = |error: io::Error| CommandError::usage(format!("{}: {error}", output.display()));
    // Whole or not at all: an export that broke off does not take the place of an earlier one.
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut beside = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    api.download(path, &mut beside).await?;
    beside.as_file().sync_all().map_err(failed)?;
    beside.persist(output).map_err(|error| failed(error.error))?;
    Ok(Exit::Ok)
}

fn verify_file(session: &mut Session<'_, '_>, file: &Path, key: Option<PublicKey>) -> Answer {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let input = File::open(file).map_err(|error| CommandError::usage(named(&error)))?;
    let report = verify_export(BufReader::new(input), key).map_err(|error| match error {
        ExportError::Read(_) | ExportError::NotAnExport | ExportError::Newer { .. } => {
            CommandError::usage(named(&error))
        }
        _ => CommandError { exit: Exit::Negative, message: named(&error) },
    })?;
    let Report { segments, rows, unsealed, dropped, head, public_key, broken } = report;
    let told = json!({
        "ok": broken.is_none(),
        "segments": segments,
        "rows": rows,
        "unsealed": unsealed,
        "dropped": dropped.map_or(0, |dropped| dropped.rows),
        "head": head.to_string(),
        "publicKey": public_key.map(|key| key.to_string()),
        "broken": broken.map(|broken| json!({ "message": broken.to_string() })),
    });
    let told = Value::from_json(told.to_string().as_bytes()).unwrap_or_default();
    let exit = tell(session, &told)?;
    if exit == Exit::Ok && key.is_none() && public_key.is_some() {
        let hint = "compare the key with that of the installation, or give it with --public-key: whoever makes up a \
                    log can sign it with a key of their own";
        writeln!(session.console.err, "{hint}")?;
    }
    Ok(exit)
}

async fn verify(session: &mut Session<'_, '_>, api: &Api) -> Answer {
    let told = api.get("/audit/verify").await?;
    tell(session, &told)
}

/// Tells what was found.
fn tell(session: &mut Session<'_, '_>, told: &Value) -> Answer {
    let is_ok = told.get("ok") == Some(&Value::from(true));
    let exit = if is_ok { Exit::Ok } else { Exit::Negative };
    if session.globals.json {
        session.console.json(told)?;
        return Ok(exit);
    }
    let (rows, segments) = (counted(told, "rows", "row"), counted(told, "segments", "segment"));
    let are = if rows == "1 row" { "is as it was sealed" } else { "are as they were sealed" };
    if !is_ok {
        let what = told.get("broken").map(|broken| text(broken, "message")).unwrap_or_default();
        return Err(CommandError { exit, message: format!("{what}; {rows} in {segments} before it {are}") });
    }
    let out = &mut session.console.out;
    writeln!(out, "{rows} in {segments} {are}")?;
    for (name, one, many) in [
        ("unsealed", "is not sealed yet", "are not sealed yet"),
        ("dropped", "before them is not kept any more", "before them are not kept any more"),
    ] {
        match counted(told, name, "row").as_str() {
            "0 rows" => {}
            "1 row" => writeln!(out, "1 row {one}")?,
            rows => writeln!(out, "{rows} {many}")?,
        }
    }
    if let Some(key) = told.get("publicKey").and_then(Value::as_str) {
        writeln!(out, "public key  {key}\nhead        {}", text(told, "head"))?;
    }
    Ok(exit)
}

/// A number that was told, and what it counts.
fn counted(told: &Value, name: &str, what: &str) -> String {
    match text(told, name).as_str() {
        "1" => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}
