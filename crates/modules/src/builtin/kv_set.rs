//! `kv-set`: writes a key/value, in the commit of its own end: exactly once.

use std::time::Duration;

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, KvChange, KvOp, KvScope, Module, Outcome, PureCtx, Stopped};
use serde::Deserialize;

use crate::arguments::{Seconds, Text, refused};
use crate::key;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The key.
    key: Text,
    /// What it becomes. Null is as good as missing to whoever reads it.
    value: Value,
    /// Whose key: flow, group or global.
    #[serde(default)]
    scope: KvScope,
    /// Seconds after which it is forgotten; kept for ever where it is left out.
    ttl_seconds: Option<Seconds>,
}

/// What the engine gives.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct Out {
    /// What it became.
    value: Value,
}

pub(crate) fn module() -> Module {
    Module::control::<Args, Out>("kv-set", Group::Kv, "Writes a key/value.", run)
        .example_args(r#"{"key":"lastInvoice","value":17,"ttlSeconds":86400}"#)
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Outcome, Stopped> {
    key::check(&args.key)?;
    let ttl = args.ttl_seconds.map(|seconds| *seconds);
    if ttl == Some(Duration::ZERO) {
        return Err(refused("ttlSeconds: must be more than zero").into());
    }
    let change = KvChange::Set(args.value, ttl);
    Ok(Outcome::Kv(KvOp { scope: args.scope, key: args.key.to_string(), change }))
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sdk::{KvChange, KvOp, KvScope, Outcome};

    use super::module;
    use crate::stage::{failure, json, outcome};

    #[test]
    fn it_asks_for_a_change() {
        let op = |scope, change| Ok(Outcome::Kv(KvOp { scope, key: "k".into(), change }));
        let set = KvChange::Set(json("1.10"), None);
        assert_eq!(outcome(&module(), r#"{"key":"k","value":1.10}"#), op(KvScope::Flow, set));
        let set = KvChange::Set(json("[]"), Some(Duration::from_secs(5)));
        assert_eq!(
            outcome(&module(), r#"{"key":"k","value":[],"scope":"global","ttlSeconds":5}"#),
            op(KvScope::Global, set)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for args in
            [r#"{"key":"k"}"#, r#"{"key":"k","value":1,"ttlSeconds":0}"#, r#"{"key":"k","value":1,"scope":"x"}"#]
        {
            assert_eq!(failure(&module(), args).0, "BAD_ARGUMENTS", "{args}");
        }
    }
}
