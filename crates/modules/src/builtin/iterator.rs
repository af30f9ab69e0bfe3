//! `iterator`: opens a loop. What follows it, up to its `aggregator`, runs once for each item.

use std::num::NonZeroU32;

use model::limits::{LOOP_ITEMS, LOOP_PARALLEL};
use schemars::JsonSchema;
use sdk::{Group, Module, Outcome, PureCtx, Role, Stopped};
use serde::Deserialize;

use crate::arguments::{List, beyond_limit};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// What the loop runs for, at most 100,000 items.
    items: List,
    /// Items in one round. With more than 1, `$item` is a list.
    #[serde(default = "one")]
    batch_size: NonZeroU32,
    /// Rounds that run at the same time, at most 1,000.
    #[serde(default = "one")]
    parallel: NonZeroU32,
}

const fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

/// What the engine gives when the loop has ended.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct Out {
    /// How many items the loop ran for.
    total: u32,
    /// How many of them failed and were passed over.
    failed: u32,
    /// How many of them were filtered out.
    filtered: u32,
}

pub(crate) fn module() -> Module {
    Module::control::<Args, Out>("iterator", Group::Control, "Runs what follows it once for each item of a list.", run)
        .role(Role::Iterator)
        .example_args(r#"{"items":[1,2,3],"parallel":2}"#)
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Outcome, Stopped> {
    let count = args.items.len();
    if count > LOOP_ITEMS {
        return Err(beyond_limit(format!("items: a loop has at most {LOOP_ITEMS} items, not {count}")).into());
    }
    if args.parallel.get() > LOOP_PARALLEL {
        return Err(beyond_limit(format!("parallel: at most {LOOP_PARALLEL} rounds run at the same time")).into());
    }
    Ok(Outcome::Loop { items: args.items.into(), batch: args.batch_size.get(), parallel: args.parallel.get() })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use sdk::Outcome;

    use super::module;
    use crate::stage::{failure, json, outcome};

    #[test]
    fn it_asks_for_a_loop() {
        let asked = outcome(&module(), r#"{"items":["a","b"],"batchSize":2}"#);
        assert_eq!(asked, Ok(Outcome::Loop { items: json(r#"["a","b"]"#), batch: 2, parallel: 1 }));
    }

    #[test]
    fn what_is_no_loop_is_refused() {
        let too_many = format!(r#"{{"items":[{}1]}}"#, "1,".repeat(100_000));
        assert_eq!(failure(&module(), &too_many).0, "LIMIT_EXCEEDED");
        assert_eq!(failure(&module(), r#"{"items":[],"parallel":1001}"#).0, "LIMIT_EXCEEDED");
        for args in [r#"{"items":{}}"#, r#"{"items":[],"batchSize":0}"#, r#"{"items":[],"parallel":-1}"#] {
            assert_eq!(failure(&module(), args).0, "BAD_ARGUMENTS", "{args}");
        }
    }
}
