//! `aggregator`: closes a loop and collects what its rounds gave. The engine does it.

use schemars::JsonSchema;
use sdk::{Group, Module, Role};

#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct Args {
    /// The `iterator` whose loop it closes, or the flowlet of the loop whose outputs are collected.
    source_ref: String,
    /// The path of what is collected in each output; the whole output where it is left out.
    field: Option<String>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct Out {
    /// What was collected, in the order of the items.
    items: Vec<model::Value>,
    /// How many were collected.
    count: u32,
    /// How many items failed and were passed over.
    failed: u32,
    /// How many items were filtered out.
    filtered: u32,
}

pub(crate) fn module() -> Module {
    Module::engine::<Args, Out>("aggregator", Group::Control, "Closes a loop and collects what its rounds gave.")
        .role(Role::Aggregator)
        .example_args(r#"{"sourceRef":"fetch","field":"body.total"}"#)
}

sdk::contract!(module());
