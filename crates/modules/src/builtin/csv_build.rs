//! `csv-build`: rows as CSV.
//!
//! A cell that begins with `=`, `+`, `-` or `@` is written as it is. Programs such as Excel take
//! it for a formula: where the file goes to people and the data comes from strangers, put a `'`
//! in front of such cells before.

use std::sync::Arc;

use model::failure::Failure;
use model::limits::{DOCUMENT_NODES, OUTPUT_BYTES};
use model::{Map, Value};
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::{List, Text, beyond_limit, refused};
use crate::delimiter::Delimiter;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The rows: objects with a field for each column, or lists of cells.
    rows: List,
    /// The columns, in order. Those of all rows, as they come, where it is left out.
    columns: Option<Vec<Text>>,
    /// Whether the first line names the columns.
    #[serde(default = "yes")]
    header: bool,
    /// The character between cells, such as ; or a tab.
    #[serde(default)]
    delimiter: Delimiter,
}

const fn yes() -> bool {
    true
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The CSV. Null is an empty cell; lists and objects are JSON.
    text: String,
}

pub(crate) fn module() -> Module {
    Module::pure("csv-build", Group::Data, "Writes rows as CSV.", run).example(
        r#"{"rows":[{"id":1,"name":"Ada, Countess"},{"id":2,"name":null}]}"#,
        r#"{"text":"id,name\n1,\"Ada, Countess\"\n2,\n"}"#,
    )
}

/// The rows cannot be written as CSV.
const CSV_BUILD: &str = "CSV_BUILD";

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let columns: Vec<Arc<str>> = match args.columns {
        Some(columns) => columns.iter().map(|column| Arc::clone(column)).collect(),
        None => columns_of(&args.rows),
    };
    if columns.len().saturating_mul(args.rows.len()) > DOCUMENT_NODES {
        return Err(beyond_limit(format!("rows: have more than {DOCUMENT_NODES} cells")).into());
    }
    let mut file = File {
        writer: csv::WriterBuilder::new().delimiter(args.delimiter.byte()).flexible(true).from_writer(Vec::new()),
        bytes: 0,
    };
    let has_lists = args.rows.iter().any(|row| row.as_list().is_some());
    if args.header && !columns.is_empty() {
        file.row(columns.iter().map(|column| Value::Text(column.clone())))?;
    } else if args.header && has_lists {
        return Err(refused("columns: name them where rows are lists, or set header to false").into());
    }
    for (index, row) in args.rows.iter().enumerate() {
        match row {
            Value::Map(fields) => {
                file.row(columns.iter().map(|column| fields.get(column).cloned().unwrap_or_default()))?;
            }
            Value::List(cells) if columns.is_empty() || cells.len() == columns.len() => {
                file.row(cells.iter().cloned())?;
            }
            Value::List(cells) => {
                let (cells, columns) = (cells.len(), columns.len());
                return Err(
                    Failure::new(CSV_BUILD, format!("rows[{index}] has {cells} cells for {columns} columns")).into()
                );
            }
            other => {
                let kind = other.type_name();
                return Err(Failure::new(
                    CSV_BUILD,
                    format!("rows[{index}] must be an object or a list, not a {kind}"),
                )
                .into());
            }
        }
    }
    Ok(Out { text: file.finish()? })
}

/// The fields of all rows, in the order in which they first come.
fn columns_of(rows: &[Value]) -> Vec<Arc<str>> {
    let mut columns = Map::default();
    for row in rows {
        for key in row.as_map().into_iter().flat_map(Map::keys) {
            if !columns.contains_key(key) {
                columns.insert(key.clone(), Value::Null);
            }
        }
    }
    columns.into_keys().collect()
}

struct File {
    writer: csv::Writer<Vec<u8>>,
    bytes: usize,
}

impl File {
    fn row(&mut self, cells: impl Iterator<Item = Value>) -> Result<(), Failure> {
        let mut is_empty = true;
        for cell in cells {
            let text = match cell {
                Value::Null => "".into(),
                Value::Text(text) => text,
                other => Arc::from(self.json(&other)?),
            };
            self.bytes = self.bytes.saturating_add(text.len() + 1);
            self.check()?;
            self.writer.write_field(text.as_bytes()).map_err(|error| unwritten(&error))?;
            is_empty = false;
        }
        if is_empty {
            return Ok(());
        }
        self.writer.write_record(None::<&[u8]>).map_err(|error| unwritten(&error))
    }

    fn json(&self, value: &Value) -> Result<String, Failure> {
        let left = OUTPUT_BYTES.saturating_sub(self.bytes);
        if value.measure(left, usize::MAX).bytes > left {
            return Err(too_large());
        }
        Ok(value.to_json())
    }

    fn check(&self) -> Result<(), Failure> {
        if self.bytes > OUTPUT_BYTES { Err(too_large()) } else { Ok(()) }
    }

    fn finish(self) -> Result<String, Failure> {
        let bytes = self.writer.into_inner().map_err(|error| Failure::new(CSV_BUILD, error.to_string()))?;
        String::from_utf8(bytes).map_err(|error| Failure::new(CSV_BUILD, error.to_string()))
    }
}

fn too_large() -> Failure {
    beyond_limit(format!("rows: take more than {OUTPUT_BYTES} bytes as CSV"))
}

fn unwritten(error: &csv::Error) -> Failure {
    Failure::new(CSV_BUILD, error.to_string())
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use model::Value;

    use super::module;
    use crate::stage::{check, failure, play_with};

    #[test]
    fn cells_are_written_exactly() {
        check(
            &module(),
            &[
                (
                    r#"{"rows":[{"a":1.10,"b":"x\"y\nz"},{"c":[1],"a":true}]}"#,
                    r#"{"text":"a,b,c\n1.10,\"x\"\"y\nz\",\ntrue,,[1]\n"}"#,
                ),
                (r#"{"rows":[{"a":1,"b":2}],"columns":["b"],"delimiter":";"}"#, r#"{"text":"b\n2\n"}"#),
                (r#"{"rows":[["a;b",2]],"header":false,"delimiter":";"}"#, r#"{"text":"\"a;b\";2\n"}"#),
                (r#"{"rows":[[1,2]],"columns":["x","y"],"delimiter":"\t"}"#, r#"{"text":"x\ty\n1\t2\n"}"#),
                (r#"{"rows":[]}"#, r#"{"text":""}"#),
                (r#"{"rows":[{"a":""}]}"#, r#"{"text":"a\n\"\"\n"}"#),
            ],
        );
    }

    #[test]
    fn what_makes_no_table_is_refused() {
        assert_eq!(failure(&module(), r#"{"rows":[1]}"#).0, "CSV_BUILD");
        assert_eq!(failure(&module(), r#"{"rows":[[1,2]],"columns":["x"]}"#).0, "CSV_BUILD");
        assert_eq!(failure(&module(), r#"{"rows":[[1,2]]}"#).0, "BAD_ARGUMENTS");
        assert_eq!(failure(&module(), r#"{"rows":[],"delimiter":"ab"}"#).0, "BAD_ARGUMENTS");
    }

    #[test]
    fn the_size_is_bounded() {
        let cell = Value::from("x".repeat(1 << 20));
        let rows = Value::list(vec![Value::list([cell]); 100]);
        let args = Value::map([("rows", rows), ("header", false.into())]);
        let (outcome, _) = play_with(&module(), &args, &crate::stage::facts());
        assert!(matches!(outcome, Err(sdk::Stopped::Failed(failure)) if failure.code == "LIMIT_EXCEEDED"));
    }
}
