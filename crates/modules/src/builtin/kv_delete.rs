//! `kv-delete`: removes a key/value, in the commit of its own end.

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
    /// Whose key: flow, group or global.
    #[serde(default)]
    scope: KvScope,
}

/// What the engine gives.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct Out {
    /// Whether there was such a key.
    deleted: bool,
}

pub(crate) fn module() -> Module {
    Module::control::<Args, Out>("kv-delete", Group::Kv, "Removes a key/value.", run)
        .example_args(r#"{"key":"lastInvoice"}"#)
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Outcome, Stopped> {
    key::check(&args.key)?;
    Ok(Outcome::Kv(KvOp { scope: args.scope, key: args.key.to_string(), change: KvChange::Delete }))
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use sdk::{KvChange, KvOp, KvScope, Outcome};

    use super::module;
    use crate::stage::outcome;

    #[test]
    fn it_asks_for_a_change() {
        let op = KvOp { scope: KvScope::Flow, key: "k".into(), change: KvChange::Delete };
        assert_eq!(outcome(&module(), r#"{"key":"k"}"#), Ok(Outcome::Kv(op)));
    }
}
