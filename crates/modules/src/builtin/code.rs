//! `code`: a script of JavaScript (ES2023), in a sandbox: no network, no files, no modules.
//!
//! - The source is the body of an `async` function: `return` gives the result. `input` is in
//!   scope. Nothing outlives the step.
//! - It is pure: `Date` stands still at the step's time and is in UTC, `Math.random` is drawn
//!   from the step's seed, so the same step gives the same result however often it is evaluated.
//! - Numbers stay exact. A number that a double holds arrives as one. A whole number beyond that
//!   arrives as a `BigInt`, any other as an object that goes through unchanged, gives its digits
//!   as `String(x)`, and refuses to be computed with. A `BigInt` in the result becomes a number.
//! - The result is what `JSON.stringify` makes of it, but that NaN, infinities, `Map` and `Set`
//!   are errors. `console` writes to the play's log.
//!
//! # What it costs
//!
//! A small script takes about 0.75 ms in a release build: a thread, a runtime and its prelude are
//! made for it alone. That is the price for nothing of one step being seen by the next.

use std::time::Duration;

use model::Value;
use model::failure::{Failure, code};
use model::limits::{CODE_MEMORY as MEMORY, CODE_TIMEOUT as TIMEOUT};
use model::time::Timestamp;
use schemars::JsonSchema;
use sdk::{ArgUse, Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::{Text, beyond_limit};
use crate::script::Script;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The language: javascript.
    #[serde(default)]
    #[expect(dead_code, reason = "there is one language only")]
    language: Language,
    /// The body of a function: return gives the result.
    source: Text,
    /// What the script finds as input.
    input: Option<Value>,
    /// Milliseconds that it may run, at most 5,000.
    #[serde(default = "timeout")]
    #[schemars(range(min = 1, max = 5_000))]
    timeout_ms: u64,
    /// Memory that it may take, in MiB, at most 64.
    #[serde(default = "memory")]
    #[schemars(range(min = 1, max = 64))]
    memory_mb: usize,
}

#[derive(Deserialize, Serialize, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
enum Language {
    #[default]
    Javascript,
}

const fn timeout() -> u64 {
    5_000
}

const fn memory() -> usize {
    64
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// What the script returned; null where it returned nothing.
    result: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("code", Group::Code, "Runs a script of JavaScript.", run)
        .uses(&[("source", ArgUse::Raw)])
        .blocking()
        .example(
            r#"{"language":"javascript","source":"return input.items.filter(i => i.n > 1)","input":{"items":[{"n":1},{"n":2}]}}"#,
            r#"{"result":[{"n":2}]}"#,
        )
}

fn run(args: Args, ctx: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let timeout = Duration::from_millis(args.timeout_ms);
    if timeout.is_zero() || timeout > TIMEOUT {
        return Err(beyond_limit(format!("timeoutMs: must be 1 to {}", TIMEOUT.as_millis())).into());
    }
    let memory = args.memory_mb.saturating_mul(1 << 20);
    if memory == 0 || memory > MEMORY {
        return Err(beyond_limit(format!("memoryMb: must be 1 to {}", MEMORY >> 20)).into());
    }
    let (now, seed) = (ctx.now()?, ctx.seed()?);
    let now: Option<Timestamp> = now.as_str().and_then(|now| now.parse().ok());
    let (Some(now), Some(seed)) = (now, seed.as_str()) else {
        return Err(Failure::new(code::INTERNAL_ERROR, "there is no time, or no seed, here").into());
    };
    let script = Script {
        source: args.source.to_string(),
        input: args.input.unwrap_or_default(),
        now: now.0,
        seed: seed.to_owned(),
        timeout,
        memory,
    };
    let ended = script.run();
    for (level, line) in ended.lines {
        ctx.log(level, &line, Value::Null);
    }
    Ok(Out { result: ended.result? })
}

sdk::contract!(module());

#[cfg(test)]
mod tests;
