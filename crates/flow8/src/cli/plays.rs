//! `flow8 plays`: lists plays, shows one, cancels one, retries one.

use std::io::Write as _;

use model::Value;

use super::{Answer, CommandError, Exit, Session};
use crate::client::{Api, encoded};

/// List, show, cancel and retry plays
#[derive(Debug, clap::Args)]
pub(super) struct Plays {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List plays, newest first
    List {
        /// Of that flow alone: its id or its permanent id
        #[arg(long)]
        flow: Option<String>,
        /// In these states alone: FAIL, or WAIT,ON_HOLD
        #[arg(long)]
        state: Option<String>,
        /// How many
        #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
    },
    /// Show a play: what it was given, what each flowlet did, what it gave
    Show {
        /// The play's id
        play: String,
    },
    /// End a play
    Cancel {
        /// The play's id
        play: String,
        /// Undo what was done
        #[arg(long)]
        compensate: bool,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
    /// Start a new play that goes on where this one failed
    Retry {
        /// The play's id
        play: String,
        /// From that flowlet on; else from the one that failed
        #[arg(long, value_name = "REF")]
        from: Option<String>,
    },
}

/// Flowlets that are shown.
const SHOWN: usize = 100;

impl Plays {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        super::with_api(session, async |session, api| match &self.command {
            Verb::List { flow, state, limit } => list(session, api, flow.as_deref(), state.as_deref(), *limit).await,
            Verb::Show { play } => show(session, api, play).await,
            Verb::Cancel { play, compensate, reason } => {
                let body = Value::map([("compensate", Value::from(*compensate)), ("reason", reason.clone().into())]);
                let play = api.post(&format!("/plays/{}/cancel", encoded(play)), body).await?;
                tell(session, &play, "id")
            }
            Verb::Retry { play, from } => {
                let body = Value::map([("from", from.clone())]);
                let play = api.post(&format!("/plays/{}/retry", encoded(play)), body).await?;
                tell(session, &play, "playId")
            }
        })
    }
}

/// A field as text.
pub(super) fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::Text(text)) => text.to_string(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_json(),
    }
}

fn tell(session: &mut Session<'_, '_>, play: &Value, id: &str) -> Answer {
    if session.globals.json {
        session.console.json(play)?;
    } else {
        writeln!(session.console.out, "{}  {}", text(play, id), text(play, "state"))?;
    }
    Ok(Exit::Ok)
}

async fn list(session: &mut Session<'_, '_>, api: &Api, flow: Option<&str>, state: Option<&str>, limit: u32) -> Answer {
    let mut path = format!("/plays?size={limit}");
    for (name, value) in [("flowId", flow), ("state", state)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    let page = api.get(&path).await?;
    if session.globals.json {
        session.console.json(&page)?;
        return Ok(Exit::Ok);
    }
    let rows = page.get("data").and_then(Value::as_list).unwrap_or_default();
    let paint = session.console.paint_out();
    let out = &mut session.console.out;
    writeln!(out, "{}", paint.strong(&format!("{:24}  {:8}  {:24}  {:>8}  FLOW", "PLAY", "STATE", "STARTED", "TOOK")))?;
    for play in rows {
        let took = took(play);
        let (id, state, at) = (text(play, "id"), text(play, "state"), text(play, "createdAt"));
        writeln!(out, "{id:24}  {state:8}  {at:24}  {took:>8}  {}", text(play, "permanentId"))?;
    }
    let total = page.get("total").and_then(Value::as_i64).unwrap_or_default();
    if total > rows.len() as i64 {
        writeln!(session.console.err, "{} of {total}; see more with --limit", rows.len())?;
    }
    Ok(Exit::Ok)
}

/// How long something took.
pub(super) fn took(thing: &Value) -> String {
    match thing.get("duration").and_then(Value::as_i64) {
        None => "-".to_owned(),
        Some(ms @ ..10_000) => format!("{ms} ms"),
        Some(ms @ 10_000..600_000) => format!("{} s", ms / 1_000),
        Some(ms) => format!("{} min", ms / 60_000),
    }
}

async fn show(session: &mut Session<'_, '_>, api: &Api, id: &str) -> Answer {
    let id = encoded(id);
    let play = api.get(&format!("/plays/{id}")).await?;
    let layers = api.get(&format!("/plays/{id}/layers?size={SHOWN}")).await?;
    let log = api.get(&format!("/plays/{id}/log?size={SHOWN}")).await?;
    let rows = |page: &Value| page.get("data").cloned().unwrap_or_default();
    if session.globals.json {
        let whole = Value::map([("play", play), ("layers", rows(&layers)), ("log", rows(&log))]);
        session.console.json(&whole)?;
        return Ok(Exit::Ok);
    }
    print(session, &play, &layers, &log)?;
    Ok(Exit::Ok)
}

fn print(session: &mut Session<'_, '_>, play: &Value, layers: &Value, log: &Value) -> Result<(), CommandError> {
    let paint = session.console.paint_out();
    let out = &mut session.console.out;
    let head = format!("{} {}", text(play, "permanentId"), text(play, "id"));
    writeln!(out, "{}  {}  {}", paint.strong(&head), text(play, "state"), took(play))?;
    writeln!(
        out,
        "started by {} at {}",
        play.get("actor").map(|actor| text(actor, "name")).unwrap_or_default(),
        text(play, "createdAt")
    )?;
    if let Some(error) = play.get("error") {
        writeln!(out, "{} {}: {}", paint.bad("failed:"), text(play, "failedRef"), text(error, "message"))?;
    }
    writeln!(out, "args {}", text(play, "args"))?;
    for layer in layers.get("data").and_then(Value::as_list).unwrap_or_default() {
        line(out, layer)?;
    }
    let total = layers.get("total").and_then(Value::as_i64).unwrap_or_default();
    if total > SHOWN as i64 {
        writeln!(out, "  … and {} more; see GET /api/plays/{}/layers", total - SHOWN as i64, text(play, "id"))?;
    }
    for entry in log.get("data").and_then(Value::as_list).unwrap_or_default() {
        writeln!(out, "  log {} {} {}", text(entry, "at"), text(entry, "ref"), text(entry, "message"))?;
    }
    if play.get("out").is_some() {
        writeln!(out, "out {}", text(play, "out"))?;
    }
    Ok(())
}

/// One line about a flowlet.
pub(super) fn line(out: &mut dyn std::io::Write, layer: &Value) -> std::io::Result<()> {
    let items = layer.get("items").map(|items| items.to_json()).unwrap_or_default();
    let name =
        format!("{}{items}{}", text(layer, "ref"), if layer.get("compensates").is_some() { " (undo)" } else { "" });
    let (state, took) = (text(layer, "state"), took(layer));
    write!(out, "  {state:11} {name:28} {:14} {took:>8}", text(layer, "appId"))?;
    if let Some(error) = layer.get("error") {
        write!(out, "  {}", text(error, "message"))?;
    }
    writeln!(out)
}
