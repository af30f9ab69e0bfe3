//! `flow8 cleanup`: clears away now what is not kept any longer.

use model::Value;

use super::plays::text;
use super::{Answer, Exit, Session};
use crate::client::Api;

/// Clear away now what is not kept any longer, or say what that would be
///
/// flow8 does so by itself, again and again; a legal hold keeps everything.
#[derive(Debug, clap::Args)]
pub(super) struct Cleanup {
    /// Remove nothing; only count
    #[arg(long)]
    dry_run: bool,
}

impl Cleanup {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        super::with_api(session, async |session, api| clean(session, api, self.dry_run).await)
    }
}

async fn clean(session: &mut Session<'_, '_>, api: &Api, dry_run: bool) -> Answer {
    let done = api.post("/retention/cleanup", Value::map([("dryRun", Value::from(dry_run))])).await?;
    if session.globals.json {
        session.console.json(&done)?;
        return Ok(Exit::Ok);
    }
    let (plays, rows) = (text(&done, "plays"), text(&done, "auditRows"));
    let did = if dry_run { "would clear away" } else { "cleared away" };
    writeln!(session.console.out, "{did} {plays} plays and {rows} rows of the audit log")?;
    if done.get("isHeld") == Some(&Value::from(true)) {
        writeln!(session.console.err, "a legal hold keeps everything of this company; see GET /api/retention")?;
    }
    Ok(Exit::Ok)
}
