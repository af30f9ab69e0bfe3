//! `flow8 components`: lists the back ends that modules work on, and tests the connection to one.

use std::io::Write as _;

use model::Value;

use super::plays::text;
use super::{Answer, CommandError, Exit, Session};
use crate::client::{Api, encoded};

/// List components, and test the connection to one
#[derive(Debug, clap::Args)]
pub(super) struct Components {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List components; what is secret of them is never shown
    List {
        /// Of one kind alone: ai, console, db, mail, request or storage
        #[arg(long)]
        kind: Option<String>,
    },
    /// Open a real connection, and say what came of it
    Test {
        /// The component's id, or its name
        component: String,
        /// Its kind, where several have that name
        #[arg(long)]
        kind: Option<String>,
    },
}

/// Rows of a page.
const PAGE: usize = 100;

impl Components {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        super::with_api(session, async |session, api| match &self.command {
            Verb::List { kind } => list(session, api, kind.as_deref()).await,
            Verb::Test { component, kind } => test(session, api, component, kind.as_deref()).await,
        })
    }
}

/// All rows of a list of the API, page by page.
pub(super) async fn all(api: &Api, path: &str, filter: &str) -> Result<Vec<Value>, CommandError> {
    let mut rows: Vec<Value> = Vec::new();
    loop {
        let page = api.get(&format!("{path}?size={PAGE}&page={}{filter}", rows.len() / PAGE)).await?;
        let found = page.get("data").and_then(Value::as_list).unwrap_or_default();
        rows.extend(found.iter().cloned());
        if found.len() < PAGE {
            return Ok(rows);
        }
    }
}

async fn found(api: &Api, kind: Option<&str>) -> Result<Vec<Value>, CommandError> {
    let filter = kind.map(|kind| format!("&kind={}", encoded(kind))).unwrap_or_default();
    all(api, "/components", &filter).await
}

async fn list(session: &mut Session<'_, '_>, api: &Api, kind: Option<&str>) -> Answer {
    let rows = found(api, kind).await?;
    if session.globals.json {
        session.console.json(&Value::list(rows))?;
        return Ok(Exit::Ok);
    }
    let paint = session.console.paint_out();
    let out = &mut session.console.out;
    writeln!(out, "{}", paint.strong(&format!("{:24}  {:8}  {:10}  NAME", "COMPONENT", "KIND", "PROVIDER")))?;
    for row in rows {
        let (id, kind, provider) = (text(&row, "id"), text(&row, "kind"), text(&row, "provider"));
        let from = if text(&row, "readOnly") == "true" { "  (from the configuration)" } else { "" };
        writeln!(out, "{id:24}  {kind:8}  {provider:10}  {}{from}", text(&row, "name"))?;
    }
    Ok(Exit::Ok)
}

async fn test(session: &mut Session<'_, '_>, api: &Api, component: &str, kind: Option<&str>) -> Answer {
    let rows = found(api, kind).await?;
    let ids: Vec<String> = rows
        .iter()
        .filter(|row| text(row, "id") == component || text(row, "name") == component)
        .map(|row| text(row, "id"))
        .collect();
    let wrong = |message: String| CommandError { exit: Exit::Negative, message };
    let id = match &ids[..] {
        [id] => id,
        [] => return Err(wrong(format!("there is no component {component:?}; see flow8 components list"))),
        _ => return Err(wrong(format!("several components are named {component:?}; say which with --kind or by id"))),
    };
    let tested = api.post(&format!("/components/{}/test", encoded(id)), Value::empty_map()).await?;
    let is_ok = text(&tested, "ok") == "true";
    if session.globals.json {
        session.console.json(&tested)?;
    } else if is_ok {
        writeln!(session.console.out, "{component} works ({} ms)", text(&tested, "duration"))?;
    } else {
        let error = tested.get("error").cloned().unwrap_or_default();
        writeln!(session.console.err, "{component} does not work: {}", text(&error, "message"))?;
    }
    Ok(if is_ok { Exit::Ok } else { Exit::Negative })
}
