//! `flow8 run`: runs a flow and shows what each flowlet does, as it happens.

mod need;

use std::fs;
use std::path::Path;
use std::time::Duration;

use http::Method;
use model::Value;

use need::{Need, approve};

use crate::cli::plays::{line, text};
use crate::cli::{Answer, CommandError, Exit, Session, SettingFlags};
use crate::client::{Api, Sent, encoded};
use crate::installation::Keep;

/// Run a flow: a file, in this process; or a flow of the server or the data folder
///
/// Exits with 0 where the play is done, skipped or filtered, and with 1 where it failed, was
/// canceled, or waits for somebody who is not here. A file runs without a trace: its plays are
/// gone with the process.
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// A flow file, or the id or permanent id of a flow
    #[arg(value_name = "FILE|ID")]
    flow: String,
    /// The arguments: JSON, @FILE, or NAME=VALUE; may be given more than once
    #[arg(long = "args", value_name = "ARGS")]
    args: Vec<String>,
    /// The same key for the same wish: it starts one play, however often it is sent
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Run the draft, and run it even where the flow is disabled
    #[arg(long)]
    force: bool,
    /// Do not wait for the end: the server, or the next one on this folder, goes on with it
    #[arg(long)]
    detach: bool,
    /// Approve whatever waits for approval; for trying a file out
    #[arg(long)]
    yes: bool,
    /// Settings of the process that runs a file
    #[command(flatten)]
    settings: SettingFlags,
}

/// How often it is asked what a play does.
const LOOK: Duration = Duration::from_millis(100);

/// Flowlets that are shown as they end; a play with more is shown by its end alone.
const SHOWN: usize = 1_000;

/// Rows of one page.
const PAGE: usize = 100;

impl Run {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        if is_file(&self.flow) && self.detach {
            return Err(CommandError::usage(
                "--detach: the play of a file ends with this process; import the file first",
            ));
        }
        if !is_file(&self.flow) {
            return crate::cli::with_api(session, async |session, api| self.start(session, api, &self.flow).await);
        }
        let text =
            fs::read_to_string(&self.flow).map_err(|error| CommandError::usage(format!("{}: {error}", self.flow)))?;
        let config = session.config(&self.settings)?.config;
        crate::cli::runtime(config.server.worker_threads)?.block_on(async {
            let api = Api::within(&config, Keep::InMemory)
                .await
                .map_err(|error| CommandError { exit: Exit::Unreachable, message: error.to_string() })?;
            api.start().await?;
            let flow = self.load(&api, text).await?;
            let answer = self.start(session, &api, &flow).await;
            api.close(crate::cli::REST).await;
            answer
        })
    }

    /// Brings a file in; says under what id.
    async fn load(&self, api: &Api, text_of_file: String) -> Result<String, CommandError> {
        let sent = Sent::Yaml(text_of_file);
        let flow = api.call(Method::POST, "/flows/import", sent).await.and_then(|answered| answered.json());
        let flow =
            flow.map_err(|error| CommandError { message: format!("{}: {}", self.flow, error.message), ..error })?;
        let problems = flow.get("problems").and_then(Value::as_list).unwrap_or_default();
        if problems.is_empty() {
            return Ok(text(&flow, "id"));
        }
        let lines = problems.iter().map(|problem| format!("  {}: {}", text(problem, "path"), text(problem, "message")));
        let all = lines.collect::<Vec<_>>().join("\n");
        Err(CommandError::negative(format!("{} cannot run; `flow8 check` shows the lines:\n{all}", self.flow)))
    }

    async fn start(&self, session: &mut Session<'_, '_>, api: &Api, flow: &str) -> Answer {
        let mut wish = vec![("args", arguments(&self.args)?), ("force", self.force.into())];
        wish.extend(self.idempotency_key.clone().map(|key| ("idempotencyKey", key.into())));
        let started = api.post(&format!("/flows/{}/run", encoded(flow)), Value::map(wish)).await?;
        let id = text(&started, "playId");
        if self.detach {
            if session.globals.json {
                session.console.json(&started)?;
            } else {
                writeln!(session.console.out, "{id}  {}", text(&started, "state"))?;
            }
            return Ok(Exit::Ok);
        }
        if !session.globals.json {
            writeln!(session.console.err, "play {id}")?;
        }
        let (play, need) = self.follow(session, api, &id).await?;
        self.tell(session, &play, need)
    }

    /// Shows what the play does until it ends, or waits for somebody; then says for what.
    async fn follow(
        &self,
        session: &mut Session<'_, '_>,
        api: &Api,
        id: &str,
    ) -> Result<(Value, Option<Need>), CommandError> {
        let mut shown = Shown::default();
        loop {
            let play = api.get(&format!("/plays/{id}")).await?;
            if !session.globals.json {
                shown.more(session, api, id).await?;
            }
            let state = text(&play, "state");
            if matches!(state.as_str(), "DONE" | "FAIL" | "SKIP" | "FILTERED" | "CANCELED" | "ON_HOLD") {
                return Ok((play, None));
            }
            if state == "WAIT" {
                match Need::of(api, id).await? {
                    Some(Need::Approval { play: of, layer }) if self.yes => approve(api, &of, &layer).await?,
                    Some(need) => return Ok((play, Some(need))),
                    None => {}
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn tell(&self, session: &mut Session<'_, '_>, play: &Value, need: Option<Need>) -> Answer {
        let state = text(play, "state");
        let exit = match state.as_str() {
            "DONE" | "SKIP" | "FILTERED" => Exit::Ok,
            _ => Exit::Negative,
        };
        if session.globals.json {
            session.console.json(play)?;
            return Ok(exit);
        }
        let paint = session.console.paint_err();
        let err = &mut session.console.err;
        match state.as_str() {
            "FAIL" => {
                let why = play.get("error").map(|error| text(error, "message")).unwrap_or_default();
                writeln!(err, "{} {}: {why}", paint.bad("FAIL"), text(play, "failedRef"))?;
            }
            "ON_HOLD" => {
                let resume = format!("POST /api/plays/{}/resume", text(play, "id"));
                writeln!(err, "{} until somebody resumes it: {resume}", paint.doubtful(&state))?;
            }
            "WAIT" => {
                let what = need.map(|need| need.told(is_file(&self.flow))).unwrap_or_default();
                writeln!(err, "{} for {what}", paint.doubtful(&state))?;
            }
            other => writeln!(err, "{} in {}", paint.strong(other), crate::cli::plays::took(play))?,
        }
        // A play that did not end well may have given something all the same; most gave nothing.
        if let Some(out) = play.get("out").filter(|out| exit == Exit::Ok || **out != Value::Null) {
            session.console.json(out)?;
        }
        Ok(exit)
    }
}

/// Whether a word names a file rather than a flow: a flow's names have no dot and no slash.
fn is_file(word: &str) -> bool {
    word.contains(['.', '/']) || Path::new(word).is_file()
}

/// The arguments that the words give together.
fn arguments(words: &[String]) -> Result<Value, CommandError> {
    let mut args = model::Map::default();
    for word in words {
        let wrong = |what: String| CommandError::usage(format!("--args {word}: {what}"));
        let json = |bytes: &[u8]| Value::from_json(bytes).map_err(|error| wrong(error.to_string()));
        let value = if let Some(file) = word.strip_prefix('@') {
            json(&fs::read(file).map_err(|error| wrong(error.to_string()))?)?
        } else if word.trim_start().starts_with('{') {
            json(word.as_bytes())?
        } else {
            let (name, value) = word.split_once('=').ok_or_else(|| wrong("is JSON, @FILE, or NAME=VALUE".into()))?;
            // What reads as JSON is JSON: 5 is a number, and true is not a word.
            Value::map([(name, Value::from_json(value.as_bytes()).unwrap_or_else(|_| value.into()))])
        };
        let map = value.as_map().ok_or_else(|| wrong(format!("is an object, not a {}", value.type_name())))?;
        args.extend(map.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    Ok(args.into())
}

/// What was shown of a play already.
#[derive(Default)]
struct Shown {
    /// Rows before which all have ended and were shown.
    settled: usize,
    /// Rows after that which were shown in a state.
    seen: Vec<(usize, String)>,
}

impl Shown {
    /// Shows the flowlets that have ended, or begun to wait, since the last time.
    async fn more(&mut self, session: &mut Session<'_, '_>, api: &Api, id: &str) -> Result<(), CommandError> {
        if self.settled >= SHOWN {
            return Ok(());
        }
        let from = self.settled / PAGE;
        let page = api.get(&format!("/plays/{id}/layers?size={PAGE}&page={from}")).await?;
        let rows = page.get("data").and_then(Value::as_list).unwrap_or_default();
        let mut open = false;
        for (at, row) in rows.iter().enumerate().map(|(at, row)| (from * PAGE + at, row)) {
            let state = text(row, "state");
            let has_ended = !matches!(state.as_str(), "NEW" | "RUN" | "WAIT" | "IN_DOUBT");
            let is_news = at >= self.settled && !self.seen.iter().any(|(seen, shown)| *seen == at && *shown == state);
            if is_news && (has_ended || state == "WAIT" || state == "IN_DOUBT") {
                line(session.console.err, row)?;
                session.console.err.flush()?;
                self.seen.push((at, state));
            }
            open |= !has_ended;
            if !open && at >= self.settled {
                self.settled = at + 1;
            }
        }
        let settled = self.settled;
        self.seen.retain(|(at, _)| *at >= settled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_json_or_pairs() {
        let args = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            arguments(&words).map(|args| args.to_json()).map_err(|error| error.message)
        };
        assert_eq!(args(&[]), Ok("{}".into()));
        assert_eq!(
            args(&[r#"{"a": 1.10}"#, "b=2", "c=true", "d=x=y", "a=3"]),
            Ok(r#"{"a":3,"b":2,"c":true,"d":"x=y"}"#.into())
        );
        assert!(args(&["nonsense"]).expect_err("refused").contains("NAME=VALUE"));
        assert!(args(&["@/no/such/file"]).expect_err("refused").contains("@/no/such/file"));
    }

    #[test]
    fn a_flow_is_no_file() {
        assert!(is_file("a.yaml") && is_file("./a") && !is_file("invoice-approval"));
    }
}
