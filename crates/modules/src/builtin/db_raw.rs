//! `db-raw`: runs one statement of any kind on a database, such as one that makes a table. It counts as a
//! change, whatever it does, and gives no rows. Its connection is not used again.

use std::sync::Arc;

use schemars::JsonSchema;
use sdk::component::Kind;
use sdk::db::{Gives, Statement};
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::{Deserialize, Serialize};

use crate::arguments::{List, Seconds, Text};
use crate::sql;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// One statement, with $1, $2 … where the parameters belong.
    sql: Text,
    /// The parameters, in their order.
    params: Option<List>,
    /// Seconds that the database may take.
    #[serde(default = "sql::half_a_minute")]
    timeout: Seconds,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// How many rows it was about, where the database says.
    count: u64,
}

pub(crate) fn module() -> Module {
    Module::effect("db-raw", Group::Database, "Runs one statement of any kind on a database.", Nature::WRITE, run)
        .on(Kind::Db)
        .example_args(r#"{"sql":"DELETE FROM drafts WHERE made < now() - $1::interval","params":["30 days"]}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    let statement = Statement {
        sql: args.sql.to_string(),
        params: args.params.map(|params| params.to_vec()).unwrap_or_default(),
        gives: Gives::Count,
        timeout: *args.timeout,
        leaves_traces: true,
    };
    Ok(Out { count: sql::run(&ctx, statement).await?.count })
}

sdk::contract!(module());
