//! `ws-send`: a message to connections of a WebSocket channel. It is sent once it stands in the play's records, by
//! every replica to those that are connected there.

use model::Value;
use model::limits::JSON_DEPTH;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::refused;

/// Bytes of a message.
const MESSAGE_BYTES: usize = 1 << 20;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The slug of the channel.
    channel: String,
    /// One connection alone: `$prev.args.connectionId` of a play that one of its messages started.
    connection_id: Option<String>,
    /// The message: a text as it is, anything else as JSON.
    message: Value,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// To whom.
    web_socket: To,
    /// What.
    message: Value,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct To {
    /// The slug of the channel.
    channel: String,
    /// One connection alone.
    connection_id: Option<String>,
}

pub(crate) fn module() -> Module {
    let summary = "Sends a message to those who are connected to a WebSocket channel.";
    Module::pure("ws-send", Group::Http, summary, run).example(
        r#"{"channel":"prices","message":{"eur":1.07}}"#,
        r#"{"webSocket":{"channel":"prices","connectionId":null},"message":{"eur":1.07}}"#,
    )
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let Args { channel, connection_id, message } = args;
    if message.measure(MESSAGE_BYTES, JSON_DEPTH).bytes > MESSAGE_BYTES {
        return Err(refused(format!("message: has at most {} MiB", MESSAGE_BYTES >> 20)).into());
    }
    Ok(Out { web_socket: To { channel, connection_id }, message })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::failure;

    #[test]
    fn a_message_that_is_too_large_is_refused() {
        let args = format!(r#"{{"channel":"a","message":"{}"}}"#, "x".repeat(2 << 20));
        assert_eq!(failure(&module(), &args).0, "BAD_ARGUMENTS");
    }
}
