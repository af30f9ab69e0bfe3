//! What the modules for databases have in common: statements made of a table's name and of objects.
//!
//! Names are quoted, values are bound: each object goes as one JSON parameter, and the database reads
//! each of its fields as the type of the column of that name.

use std::time::Duration;

use model::Value;
use model::failure::Failure;
use model::limits::DB_ROWS;
use schemars::JsonSchema;
use sdk::component::Kind;
use sdk::db::{Gives, Ran, Statement};
use sdk::{EffectCtx, Mishap};
use serde::Serialize;

use crate::arguments::{Object, Seconds, Text, beyond_limit, refused};

/// How long a statement may take where the flow does not say.
pub(crate) const fn half_a_minute() -> Seconds {
    Seconds::of(30)
}

/// What the modules that change something give.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Changed {
    /// How many rows were changed.
    count: u64,
    /// The columns that were asked for with returning, of each of these rows.
    rows: Vec<Value>,
}

/// Runs a statement on the flowlet's database.
///
/// # Errors
/// As the database says.
pub(crate) async fn run(ctx: &EffectCtx, statement: Statement) -> Result<Ran, Mishap> {
    let timeout = statement.timeout.min(ctx.timeout);
    let component = ctx.component(Kind::Db)?;
    ctx.backends.db.run(component, Statement { timeout, ..statement }).await
}

/// Runs a statement that changes rows of a table; `returning` names the columns that are given back.
///
/// # Errors
/// As the database says.
pub(crate) async fn change(
    ctx: &EffectCtx,
    sql: String,
    params: Vec<Value>,
    returning: Option<&[Text]>,
    timeout: Duration,
) -> Result<Changed, Mishap> {
    let returning = returning.unwrap_or_default();
    let statement = if returning.is_empty() {
        Statement { sql, params, gives: Gives::Count, timeout, leaves_traces: false }
    } else {
        let columns: Result<Vec<_>, _> = returning.iter().map(|name| Ok(format!("target.{}", quoted(name)?))).collect();
        let sql = format!("{sql} RETURNING {}", columns.map_err(Mishap::Failed)?.join(", "));
        Statement { sql, params, gives: Gives::Changed(DB_ROWS), timeout, leaves_traces: false }
    };
    let Ran { rows, count } = run(ctx, statement).await?;
    Ok(Changed { count, rows })
}

/// A name in quotes.
///
/// # Errors
/// Where nothing can have that name.
pub(crate) fn quoted(name: &str) -> Result<String, Failure> {
    if name.is_empty() || name.contains('\0') || name.len() > 128 {
        return Err(refused("the name of a table or a column has 1 to 128 bytes"));
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

/// A table: `invoices`, or `finance.invoices` in a schema.
///
/// # Errors
/// Where nothing can have that name.
pub(crate) fn table(name: &str) -> Result<String, Failure> {
    match name.split_once('.') {
        Some((schema, table)) => Ok(format!("{}.{}", quoted(schema)?, quoted(table)?)),
        None => quoted(name),
    }
}

/// The rows that are given, in one list: either one or several.
///
/// # Errors
/// Where there are none, too many, or they have not the same columns.
pub(crate) fn rows(row: Option<Object>, rows: Option<Vec<Object>>) -> Result<(Vec<String>, Value), Failure> {
    let rows = match (row, rows) {
        (Some(row), None) => vec![row],
        (None, Some(rows)) if !rows.is_empty() => rows,
        _ => return Err(refused("give either row or rows, with at least one row")),
    };
    if rows.len() > DB_ROWS {
        return Err(beyond_limit(format!("rows: has at most {DB_ROWS} rows")));
    }
    let columns: Vec<String> = rows[0].keys().map(ToString::to_string).collect();
    let is_alike = |row: &Object| row.len() == columns.len() && columns.iter().all(|name| row.contains_key(&**name));
    if columns.is_empty() || !rows.iter().all(is_alike) {
        return Err(refused("rows: all rows have the same columns, at least one"));
    }
    Ok((columns, Value::list(rows)))
}

/// `INSERT INTO … SELECT …` of rows that are the first parameter.
///
/// # Errors
/// Where something has a name that cannot be.
pub(crate) fn insert(table: &str, columns: &[String]) -> Result<String, Failure> {
    let names = columns.iter().map(|name| quoted(name)).collect::<Result<Vec<_>, _>>()?;
    let given = names.iter().map(|name| format!("given.{name}")).collect::<Vec<_>>().join(", ");
    let names = names.join(", ");
    Ok(format!(
        "INSERT INTO {table} AS target ({names}) \
         SELECT {given} FROM json_populate_recordset(NULL::{table}, $1::json) AS given"
    ))
}

/// The condition that all columns of an object are as it says; the object is the parameter `sought`.
///
/// # Errors
/// Where it names no column: a change of all rows is never meant by what is left out.
pub(crate) fn condition(object: &Object) -> Result<String, Failure> {
    if object.is_empty() {
        return Err(refused("where: names at least one column; to change all rows, use db-raw"));
    }
    let mut parts = Vec::new();
    for (name, value) in object.iter() {
        let name = quoted(name)?;
        parts.push(if value.is_null() {
            format!("target.{name} IS NULL")
        } else {
            format!("target.{name} = sought.{name}")
        });
    }
    Ok(parts.join(" AND "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::json;

    fn object(text: &str) -> Object {
        model::value::from_value(&json(text)).expect("an object")
    }

    #[test]
    fn names_cannot_leave_their_quotes() {
        assert_eq!(table(r#"a"; DROP TABLE b; --"#).expect("quoted"), r#""a""; DROP TABLE b; --""#);
        assert_eq!(table("finance.invoices").expect("quoted"), r#""finance"."invoices""#);
        assert!(table("").is_err() && table("a.").is_err() && quoted("a\0").is_err());
        let (columns, rows) = rows(Some(object(r#"{"a\" b":1.10}"#)), None).expect("rows");
        assert!(insert("\"t\"", &columns).expect("SQL").contains(r#"("a"" b") SELECT given."a"" b""#));
        assert_eq!(rows.to_json(), r#"[{"a\" b":1.10}]"#);
    }

    #[test]
    fn rows_are_alike() {
        let both = |first: &str, second: &str| rows(None, Some(vec![object(first), object(second)]));
        assert!(both(r#"{"a":1,"b":2}"#, r#"{"b":1,"a":null}"#).is_ok());
        assert!(both(r#"{"a":1}"#, r#"{"b":1}"#).is_err() && both(r#"{"a":1}"#, r#"{"a":1,"b":1}"#).is_err());
        assert!(rows(Some(object("{}")), None).is_err() && rows(None, Some(Vec::new())).is_err());
        assert!(rows(Some(object(r#"{"a":1}"#)), Some(vec![object(r#"{"a":1}"#)])).is_err());
    }

    #[test]
    fn a_condition_names_something() {
        assert!(condition(&object("{}")).is_err());
        let of = condition(&object(r#"{"id":7,"gone":null}"#)).expect("a condition");
        assert_eq!(of, r#"target."id" = sought."id" AND target."gone" IS NULL"#);
    }
}
