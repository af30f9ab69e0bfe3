//! `db-insert`: adds rows to a table of a database, all of them or none.

use std::sync::Arc;

use schemars::JsonSchema;
use sdk::component::Kind;
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::Deserialize;

use crate::arguments::{Object, Seconds, Text};
use crate::sql::{self, Changed};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The table, such as invoices or finance.invoices.
    table: Text,
    /// The row, by column.
    row: Option<Object>,
    /// The rows, in place of row; all of them have the same columns.
    rows: Option<Vec<Object>>,
    /// The columns to give back of each row that was added, such as an id that the database makes.
    returning: Option<Vec<Text>>,
    /// Seconds that the database may take.
    #[serde(default = "sql::half_a_minute")]
    timeout: Seconds,
}

pub(crate) fn module() -> Module {
    Module::effect("db-insert", Group::Database, "Adds rows to a table of a database.", Nature::WRITE, run)
        .on(Kind::Db)
        .example_args(r#"{"table":"invoices","row":{"customer":"ada","total":1.10},"returning":["id"]}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Changed, Mishap> {
    let (columns, rows) = sql::rows(args.row, args.rows)?;
    let text = sql::insert(&sql::table(&args.table)?, &columns)?;
    sql::change(&ctx, text, vec![rows], args.returning.as_deref(), *args.timeout).await
}

sdk::contract!(module());
