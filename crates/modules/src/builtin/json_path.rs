//! `json-path`: the parts of a value that a JSONPath query (RFC 9535) selects, numbers exact.

use model::Value;
use model::failure::Failure;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::{Text, beyond_limit};
use crate::json_path::Query;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The value.
    input: Value,
    /// The query, such as $.items[?@.price > 10].name
    path: Text,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// What the query selects, in order.
    values: Vec<Value>,
    /// How many there are.
    count: usize,
}

pub(crate) fn module() -> Module {
    Module::pure("json-path", Group::Data, "Selects parts of a value by a JSONPath query.", run).example(
        r#"{"input":{"items":[{"n":"a","price":9.5},{"n":"b","price":12.50}]},"path":"$.items[?@.price > 10].n"}"#,
        r#"{"values":["b"],"count":1}"#,
    )
}

/// It is no query.
const JSON_PATH: &str = "JSON_PATH";

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let query = Query::parse(&args.path).map_err(|why| Failure::new(JSON_PATH, format!("path: {why}")))?;
    let nodes = query.select(&args.input).map_err(beyond_limit)?;
    let values: Vec<Value> = nodes.into_iter().cloned().collect();
    Ok(Out { count: values.len(), values })
}

sdk::contract!(module());
