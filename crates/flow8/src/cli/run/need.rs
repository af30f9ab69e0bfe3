//! [`Need`]: what a waiting play needs from outside to go on. What a timer wakes needs nothing.

use model::Value;

use crate::cli::CommandError;
use crate::cli::plays::text;
use crate::client::Api;

/// Something that has to come from outside.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Somebody approves a flowlet.
    Approval { play: String, layer: String },
    /// Somebody says what became of an attempt.
    Word { play: String, name: String },
    /// An event is posted.
    Event { key: String },
}

impl Need {
    /// What a play needs, or one that it waits for.
    pub(super) async fn of(api: &Api, play: &str) -> Result<Option<Self>, CommandError> {
        let mut plays = vec![play.to_owned()];
        while let Some(play) = plays.pop() {
            if let Some(asked) = first(api, &format!("/approvals?playId={play}")).await? {
                return Ok(Some(Self::Approval { play, layer: text(&asked, "layerId") }));
            }
            if let Some(asked) = first(api, &format!("/approvals?kind=inDoubt&playId={play}")).await? {
                return Ok(Some(Self::Word { play, name: text(&asked, "ref") }));
            }
            let waiting = api.get(&format!("/plays/{play}/layers?state=WAIT&size=100")).await?;
            for row in waiting.get("data").and_then(Value::as_list).unwrap_or_default() {
                match text(row, "appId").as_str() {
                    // It may give up by itself, but not soon.
                    "wait-event" => return Ok(Some(Self::Event { key: text(row, "waitsFor") })),
                    "subflow" if row.get("waitsFor").is_some() => plays.push(text(row, "waitsFor")),
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    /// What it is, and how it is given. The plays of a file end with the process, which leaves
    /// nothing to give it to.
    pub(super) fn told(&self, is_file: bool) -> String {
        match self {
            Self::Approval { .. } if is_file => {
                "an approval; --yes gives it, or import the file and run it on a server".to_owned()
            }
            Self::Approval { play, layer } => {
                format!("an approval of layer {layer}: POST /api/plays/{play}/approve; GET /api/approvals is the inbox")
            }
            Self::Word { play, name } => format!(
                "somebody to say whether {name} happened: POST /api/plays/{play}/resolve; \
                 GET /api/approvals?kind=inDoubt lists such"
            ),
            Self::Event { key } if is_file => {
                format!("the event {key:?}; import the file and run it on a server, then POST /api/events")
            }
            Self::Event { key } => format!("the event {key:?}: POST /api/events"),
        }
    }
}

async fn first(api: &Api, path: &str) -> Result<Option<Value>, CommandError> {
    let page = api.get(path).await?;
    Ok(page.get("data").and_then(Value::as_list).and_then(|rows| rows.first()).cloned())
}

/// Approves a flowlet.
pub(super) async fn approve(api: &Api, play: &str, layer: &str) -> Result<(), CommandError> {
    let decision = Value::map([("layerId", layer), ("decision", "approved")]);
    api.post(&format!("/plays/{play}/approve"), decision).await?;
    Ok(())
}
