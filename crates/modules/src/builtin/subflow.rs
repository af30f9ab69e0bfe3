//! `subflow`: runs another flow, and waits for it unless told otherwise.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, Module, Outcome, PureCtx, Stopped};
use serde::Deserialize;

use crate::arguments::{Object, Seconds, Text, refused};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The flow: its id or its permanent id.
    flow_id: Text,
    /// The arguments of its play.
    args: Option<Object>,
    /// Whether to go on without waiting for its end.
    #[serde(default)]
    r#async: bool,
    /// Seconds after which it is given up; for ever where it is left out.
    timeout: Option<Seconds>,
}

/// What the engine gives when the other play has ended, or has started where nobody waits.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct Out {
    /// The state of the other play: DONE, SKIP or FILTERED; NEW where nobody waits for its end.
    state: String,
    /// The id of the other play.
    play_id: String,
    /// What it gave; null where nobody waits for its end.
    out: Value,
}

pub(crate) fn module() -> Module {
    Module::control::<Args, Out>("subflow", Group::Control, "Runs another flow.", run)
        .example_args(r#"{"flowId":"send-invoice","args":{"invoiceId":"INV-17"},"timeout":60}"#)
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Outcome, Stopped> {
    if args.flow_id.is_empty() {
        return Err(refused("flowId: name the flow by its id or its permanent id").into());
    }
    if args.r#async && args.timeout.is_some() {
        return Err(refused("timeout: nobody waits where async is true; leave one of the two out").into());
    }
    Ok(Outcome::Call {
        flow: args.flow_id.to_string(),
        args: args.args.map_or_else(Value::empty_map, Value::from),
        wait: !args.r#async,
        timeout: args.timeout.map(|timeout| *timeout),
    })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sdk::Outcome;

    use super::module;
    use crate::stage::{failure, json, outcome};

    #[test]
    fn it_asks_for_a_play() {
        let asked = outcome(&module(), r#"{"flowId":"f","args":{"a":1.10},"timeout":1.5}"#);
        let timeout = Some(Duration::from_millis(1500));
        assert_eq!(asked, Ok(Outcome::Call { flow: "f".into(), args: json(r#"{"a":1.10}"#), wait: true, timeout }));
        let asked = outcome(&module(), r#"{"flowId":"f","async":true}"#);
        assert_eq!(asked, Ok(Outcome::Call { flow: "f".into(), args: json("{}"), wait: false, timeout: None }));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for args in [r#"{"flowId":""}"#, r#"{"flowId":"f","async":true,"timeout":1}"#, r#"{"flowId":"f","args":[1]}"#] {
            assert_eq!(failure(&module(), args).0, "BAD_ARGUMENTS", "{args}");
        }
    }
}
