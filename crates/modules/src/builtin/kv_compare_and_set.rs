//! `kv-compare-and-set`: writes a key/value where it still is what the flow knows.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, KvChange, KvOp, KvScope, Module, Outcome, PureCtx, Stopped};
use serde::Deserialize;

use crate::arguments::Text;
use crate::key;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The key.
    key: Text,
    /// What it must be, compared by value; null stands for missing.
    expected: Value,
    /// What it becomes.
    value: Value,
    /// Whose key: flow, group or global.
    #[serde(default)]
    scope: KvScope,
}

/// What the engine gives.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct Out {
    /// Whether it was what was expected, and was changed.
    swapped: bool,
    /// What it is now.
    value: Value,
}

pub(crate) fn module() -> Module {
    let summary = "Writes a key/value where it still is what is expected.";
    Module::control::<Args, Out>("kv-compare-and-set", Group::Kv, summary, run)
        .example_args(r#"{"key":"lock","expected":null,"value":"play-1"}"#)
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Outcome, Stopped> {
    key::check(&args.key)?;
    let change = KvChange::CompareAndSet(args.expected, args.value);
    Ok(Outcome::Kv(KvOp { scope: args.scope, key: args.key.to_string(), change }))
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use sdk::{KvChange, KvOp, KvScope, Outcome};

    use super::module;
    use crate::stage::{failure, json, outcome};

    #[test]
    fn it_asks_for_a_change() {
        let change = KvChange::CompareAndSet(json("null"), json("1"));
        let op = KvOp { scope: KvScope::Flow, key: "k".into(), change };
        assert_eq!(outcome(&module(), r#"{"key":"k","expected":null,"value":1}"#), Ok(Outcome::Kv(op)));
        assert_eq!(failure(&module(), r#"{"key":"k","value":1}"#).0, "BAD_ARGUMENTS");
    }
}
