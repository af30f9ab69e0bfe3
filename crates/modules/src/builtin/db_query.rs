//! `db-query`: reads rows of a database. It runs in a transaction that cannot change anything, and the
//! database sees to that. Parameters are bound; a query that gives more rows than `maxRows` fails.

use std::sync::Arc;

use model::Value;
use model::limits::DB_ROWS;
use schemars::JsonSchema;
use sdk::component::Kind;
use sdk::db::{Gives, Statement};
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::{Deserialize, Serialize};

use crate::arguments::{List, Seconds, Text, beyond_limit};
use crate::sql;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// A SELECT, with $1, $2 … where the parameters belong.
    sql: Text,
    /// The parameters, in their order.
    params: Option<List>,
    /// How many rows there may be, up to 10,000; with more, the flowlet fails.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 10_000))]
    max_rows: usize,
    /// Seconds that the database may take.
    #[serde(default = "sql::half_a_minute")]
    timeout: Seconds,
}

const fn thousand() -> usize {
    1_000
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The rows, as objects by column.
    rows: Vec<Value>,
    /// How many there are.
    count: u64,
}

pub(crate) fn module() -> Module {
    Module::effect("db-query", Group::Database, "Reads rows of a database.", Nature::READ, run)
        .on(Kind::Db)
        .example_args(
            r#"{"sql":"SELECT id, total FROM invoices WHERE customer = $1","params":["{{ $prev.args.customer }}"]}"#,
        )
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    if !(1..=DB_ROWS).contains(&args.max_rows) {
        return Err(beyond_limit(format!("maxRows: must be 1 to {DB_ROWS}")).into());
    }
    let statement = Statement {
        sql: args.sql.to_string(),
        params: args.params.map(|params| params.to_vec()).unwrap_or_default(),
        gives: Gives::Read(args.max_rows),
        timeout: *args.timeout,
        // What it sets is undone with its transaction.
        leaves_traces: false,
    };
    let ran = sql::run(&ctx, statement).await?;
    Ok(Out { rows: ran.rows, count: ran.count })
}

sdk::contract!(module());
