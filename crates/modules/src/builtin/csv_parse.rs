//! `csv-parse`: CSV as rows, from a text or from a file. All cells are text.
//!
//! Since it may read a file, it counts as a read, also where it is given a text.

use std::sync::Arc;

use bytes::Bytes;
use model::Value;
use model::failure::{Failure, code};
use model::limits::FILE_BYTES;
use schemars::JsonSchema;
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::{Deserialize, Serialize};

use crate::arguments::{Text, refused};
use crate::csv_table::{CSV_INVALID, Table};
use crate::delimiter::Delimiter;
use crate::file;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The CSV; or give a path.
    input: Option<Text>,
    /// The path of a file in the storage.
    path: Option<Text>,
    /// Whether the first line names the columns; without it they are column1, column2 …
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
    /// An object for each row, with a text for each column.
    rows: Vec<Value>,
    /// The names of the columns, in order.
    columns: Vec<Value>,
    /// How many rows there are.
    count: usize,
}

pub(crate) fn module() -> Module {
    Module::effect("csv-parse", Group::Data, "Reads CSV.", Nature::READ, run)
        .example_args(r#"{"input":"id,name\n1,Ada\n","delimiter":","}"#)
}

/// Where the text is.
enum Source {
    Given(Text),
    File(Bytes),
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    let source = match (args.input, args.path) {
        (Some(text), None) => Source::Given(text),
        (None, Some(path)) => Source::File(file::read(&ctx, &path, FILE_BYTES).await?),
        _ => return Err(refused("give either input or path").into()),
    };
    // A large table would hold up the others that wait on this thread.
    let reading = tokio::task::spawn_blocking(move || table(&source, args.header, args.delimiter));
    let table = reading.await.map_err(|_| Failure::new(code::INTERNAL_ERROR, "reading the table was broken off"))??;
    let columns = table.columns.into_iter().map(Value::from).collect();
    Ok(Out { count: table.rows.len(), rows: table.rows, columns })
}

fn table(source: &Source, header: bool, delimiter: Delimiter) -> Result<Table, Failure> {
    match source {
        Source::Given(text) => Table::read(text, header, delimiter),
        Source::File(bytes) => {
            let text =
                std::str::from_utf8(bytes).map_err(|_| Failure::new(CSV_INVALID, "the file is not UTF-8 text"))?;
            Table::read(text, header, delimiter)
        }
    }
}

sdk::contract!(module());
