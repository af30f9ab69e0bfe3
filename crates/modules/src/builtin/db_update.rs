//! `db-update`: changes rows of a table of a database. `where` names at least one column.

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
    /// What becomes of the rows, by column.
    set: Object,
    /// Which rows: those of which all these columns are as it says; null stands for no value.
    #[serde(rename = "where")]
    which: Object,
    /// The columns to give back of each row that was changed.
    returning: Option<Vec<Text>>,
    /// Seconds that the database may take.
    #[serde(default = "sql::half_a_minute")]
    timeout: Seconds,
}

pub(crate) fn module() -> Module {
    Module::effect("db-update", Group::Database, "Changes rows of a table of a database.", Nature::WRITE, run)
        .on(Kind::Db)
        .example_args(r#"{"table":"invoices","set":{"paid":true},"where":{"id":"{{ $prev.args.id }}"}}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Changed, Mishap> {
    if args.set.is_empty() {
        return Err(refused("set: names at least one column").into());
    }
    let table = sql::table(&args.table)?;
    let set = args.set.keys().map(|name| sql::quoted(name).map(|name| format!("{name} = given.{name}")));
    let set = set.collect::<Result<Vec<_>, _>>()?.join(", ");
    let condition = sql::condition(&args.which)?;
    let text = format!(
        "UPDATE {table} AS target SET {set} FROM json_populate_record(NULL::{table}, $1::json) AS given, \
         json_populate_record(NULL::{table}, $2::json) AS sought WHERE {condition}"
    );
    let params = vec![args.set.into(), args.which.into()];
    sql::change(&ctx, text, params, args.returning.as_deref(), *args.timeout).await
}

sdk::contract!(module());
