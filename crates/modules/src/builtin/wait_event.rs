//! `wait-event`: waits for an event from outside, of one key.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, Module, Outcome, PureCtx, Stopped};
use serde::Deserialize;

use crate::arguments::{Seconds, Text, refused};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The key of the event, such as payment-INV-17.
    key: Text,
    /// Seconds after which the wait fails; for ever where it is left out.
    timeout: Option<Seconds>,
}

/// What the engine gives when the event comes.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct Out {
    /// The key of the event.
    key: String,
    /// What came with the event.
    data: Value,
}

pub(crate) fn module() -> Module {
    Module::control::<Args, Out>("wait-event", Group::Control, "Waits for an event from outside.", run)
        .example_args(r#"{"key":"payment-INV-17","timeout":86400}"#)
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Outcome, Stopped> {
    if args.key.is_empty() {
        return Err(refused("key: must not be empty").into());
    }
    Ok(Outcome::WaitEvent { key: args.key.to_string(), timeout: args.timeout.map(|timeout| *timeout) })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use sdk::Outcome;

    use super::module;
    use crate::stage::{failure, outcome};

    #[test]
    fn it_waits_for_a_key() {
        assert_eq!(outcome(&module(), r#"{"key":"k"}"#), Ok(Outcome::WaitEvent { key: "k".into(), timeout: None }));
        assert_eq!(failure(&module(), r#"{"key":""}"#).0, "BAD_ARGUMENTS");
    }
}
