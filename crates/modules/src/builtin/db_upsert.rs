//! `db-upsert`: adds rows to a table of a database; where one with the same key is there, it is replaced.
//! Doing it twice is as good as once.

use std::sync::Arc;

use schemars::JsonSchema;
use sdk::component::Kind;
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::Deserialize;

use crate::arguments::{Object, Seconds, Text, refused};
use crate::sql::{self, Changed};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The table, such as invoices or finance.invoices.
    table: Text,
    /// The columns by which a row is recognised; the table has a unique index on them.
    key: Vec<Text>,
    /// The row, by column.
    row: Option<Object>,
    /// The rows, in place of row; all of them have the same columns.
    rows: Option<Vec<Object>>,
    /// The columns to give back of each row.
    returning: Option<Vec<Text>>,
    /// Seconds that the database may take.
    #[serde(default = "sql::half_a_minute")]
    timeout: Seconds,
}

pub(crate) fn module() -> Module {
    Module::effect("db-upsert", Group::Database, "Adds rows to a table, or replaces them.", Nature::PUT, run)
        .on(Kind::Db)
        .example_args(r#"{"table":"rates","key":["currency"],"row":{"currency":"EUR","rate":1.10}}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Changed, Mishap> {
    let (columns, rows) = sql::rows(args.row, args.rows)?;
    if args.key.is_empty() || !args.key.iter().all(|key| columns.iter().any(|column| **column == ***key)) {
        return Err(refused("key: names columns of the rows, at least one").into());
    }
    let keys = args.key.iter().map(|key| sql::quoted(key)).collect::<Result<Vec<_>, _>>()?.join(", ");
    let others = columns.iter().filter(|column| !args.key.iter().any(|key| ***key == ***column));
    let set = others.map(|column| sql::quoted(column).map(|name| format!("{name} = EXCLUDED.{name}")));
    let set = set.collect::<Result<Vec<_>, _>>()?.join(", ");
    let insert = sql::insert(&sql::table(&args.table)?, &columns)?;
    let action = if set.is_empty() { "DO NOTHING".to_owned() } else { format!("DO UPDATE SET {set}") };
    let text = format!("{insert} ON CONFLICT ({keys}) {action}");
    sql::change(&ctx, text, vec![rows], args.returning.as_deref(), *args.timeout).await
}

sdk::contract!(module());
