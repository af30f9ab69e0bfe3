//! `kv-increment`: adds to the number of a key, atomically and exactly once.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, KvChange, KvOp, KvScope, Module, Outcome, PureCtx, Stopped};
use serde::Deserialize;

use crate::arguments::{Exact, Text, refused};
use crate::key;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The key; a missing one counts as zero.
    key: Text,
    /// What is added; negative to subtract.
    #[serde(default = "one")]
    by: Exact,
    /// Whose key: flow, group or global.
    #[serde(default)]
    scope: KvScope,
}

fn one() -> Exact {
    Exact::of(1)
}

/// What the engine gives.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct Out {
    /// The number as it became.
    value: Exact,
}

pub(crate) fn module() -> Module {
    Module::control::<Args, Out>("kv-increment", Group::Kv, "Adds to the number of a key.", run)
        .example_args(r#"{"key":"invoices","by":1}"#)
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Outcome, Stopped> {
    key::check(&args.key)?;
    if args.by.decimal().is_none() {
        return Err(refused("by: has more than the 28 digits that can be computed with").into());
    }
    let change = KvChange::Increment(Value::from(args.by));
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
        let op = |by| KvOp { scope: KvScope::Flow, key: "k".into(), change: KvChange::Increment(json(by)) };
        assert_eq!(outcome(&module(), r#"{"key":"k"}"#), Ok(Outcome::Kv(op("1"))));
        assert_eq!(outcome(&module(), r#"{"key":"k","by":-0.1}"#), Ok(Outcome::Kv(op("-0.1"))));
        assert_eq!(failure(&module(), r#"{"key":"k","by":1e300}"#).0, "BAD_ARGUMENTS");
        assert_eq!(failure(&module(), r#"{"key":"k","by":"1"}"#).0, "BAD_ARGUMENTS");
    }
}
