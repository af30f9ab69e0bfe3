//! `kv-append`: adds a value to the list that a key holds, in the commit of its own end.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, KvChange, KvOp, KvScope, Module, Outcome, PureCtx, Stopped};
use serde::Deserialize;

use crate::arguments::Text;
use crate::key;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The key; a missing one becomes a list.
    key: Text,
    /// What is added at the end.
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
    /// The list as it became.
    value: Vec<Value>,
    /// How many items it has.
    count: u64,
}

pub(crate) fn module() -> Module {
    Module::control::<Args, Out>("kv-append", Group::Kv, "Adds a value to the list of a key.", run)
        .example_args(r#"{"key":"seen","value":"INV-17"}"#)
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Outcome, Stopped> {
    key::check(&args.key)?;
    let change = KvChange::Append(args.value);
    Ok(Outcome::Kv(KvOp { scope: args.scope, key: args.key.to_string(), change }))
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use sdk::{KvChange, KvOp, KvScope, Outcome};

    use super::module;
    use crate::stage::{json, outcome};

    #[test]
    fn it_asks_for_a_change() {
        let op = KvOp { scope: KvScope::Group, key: "k".into(), change: KvChange::Append(json("null")) };
        assert_eq!(outcome(&module(), r#"{"key":"k","value":null,"scope":"group"}"#), Ok(Outcome::Kv(op)));
    }
}
