//! `db-delete`: removes rows of a table of a database. `where` names at least one column.

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
    /// Which rows: those of which all these columns are as it says; null stands for no value.
    #[serde(rename = "where")]
    which: Object,
    /// The columns to give back of each row that was removed.
    returning: Option<Vec<Text>>,
    /// Seconds that the database may take.
    #[serde(default = "sql::half_a_minute")]
    timeout: Seconds,
}

pub(crate) fn module() -> Module {
    Module::effect("db-delete", Group::Database, "Removes rows of a table of a database.", Nature::WRITE, run)
        .on(Kind::Db)
        .example_args(r#"{"table":"invoices","where":{"id":"{{ $prev.args.id }}"}}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Changed, Mishap> {
    let table = sql::table(&args.table)?;
    let condition = sql::condition(&args.which)?;
    let text = format!(
        "DELETE FROM {table} AS target USING json_populate_record(NULL::{table}, $1::json) AS sought \
         WHERE {condition}"
    );
    sql::change(&ctx, text, vec![args.which.into()], args.returning.as_deref(), *args.timeout).await
}

sdk::contract!(module());
