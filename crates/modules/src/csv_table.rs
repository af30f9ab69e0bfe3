//! [`Table`]: CSV as rows, read strictly: what is not a table is refused with its line.

use std::sync::Arc;

use model::failure::Failure;
use model::limits::DOCUMENT_NODES;
use model::{Map, Value};

use crate::arguments::beyond_limit;
use crate::delimiter::Delimiter;

/// It is not CSV: a row with too many or too few cells, a column that is named twice.
pub(crate) const CSV_INVALID: &str = "CSV_INVALID";

/// CSV as rows.
#[derive(Debug)]
pub(crate) struct Table {
    /// The names of the columns, in order.
    pub(crate) columns: Vec<Arc<str>>,
    /// An object for each row; all of them share their keys.
    pub(crate) rows: Vec<Value>,
}

impl Table {
    /// Reads a table. Without a header, the columns are `column1`, `column2` …
    ///
    /// # Errors
    /// Where the text is no table.
    pub(crate) fn read(text: &str, has_header: bool, delimiter: Delimiter) -> Result<Self, Failure> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter.byte())
            .from_reader(text.as_bytes());
        let mut record = csv::StringRecord::new();
        let mut table = Self { columns: Vec::new(), rows: Vec::new() };
        let mut is_first = true;
        while reader.read_record(&mut record).map_err(|error| Failure::new(CSV_INVALID, error.to_string()))? {
            let line = record.position().map_or(0, csv::Position::line);
            let is_header = std::mem::take(&mut is_first);
            if is_header {
                table.columns = columns(&record, has_header, line)?;
            }
            if !(is_header && has_header) {
                table.push(&record, line)?;
            }
        }
        Ok(table)
    }

    fn push(&mut self, record: &csv::StringRecord, line: u64) -> Result<(), Failure> {
        if record.len() != self.columns.len() {
            let (cells, columns) = (record.len(), self.columns.len());
            return Err(at_line(line, format!("has {cells} cells for {columns} columns; a cell may lack its quotes")));
        }
        if self.rows.len().saturating_add(1).saturating_mul(self.columns.len()) > DOCUMENT_NODES {
            return Err(beyond_limit(format!("the table has more than {DOCUMENT_NODES} cells; split the file")));
        }
        let row: Map = self.columns.iter().cloned().zip(record.iter().map(Value::from)).collect();
        self.rows.push(row.into());
        Ok(())
    }
}

fn columns(first: &csv::StringRecord, has_header: bool, line: u64) -> Result<Vec<Arc<str>>, Failure> {
    if !has_header {
        return Ok((1..=first.len()).map(|number| Arc::from(format!("column{number}"))).collect());
    }
    let mut names = Map::default();
    for name in first {
        if names.insert(name.into(), Value::Null).is_some() {
            return Err(at_line(line, format!("names two columns {}; set header to false", Value::from(name))));
        }
    }
    Ok(names.into_keys().collect())
}

fn at_line(line: u64, why: String) -> Failure {
    Failure::new(CSV_INVALID, format!("line {line} {why}")).with_details(Value::map([("line", line)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, Failure> {
        Table::read(text, true, Delimiter::default()).map(|table| table.rows.into())
    }

    #[test]
    fn rows_are_objects_of_texts_that_share_their_keys() {
        let rows = read("\u{feff}id,name\r\n1,\"Ada, \"\"C\"\"\nx\"\r\n\r\n2,\r\n").expect("a table");
        assert_eq!(rows.to_json(), r#"[{"id":"1","name":"Ada, \"C\"\nx"},{"id":"2","name":""}]"#);
        let key =
            |row: usize| rows.as_list().and_then(|rows| rows[row].as_map()?.get_index(1)).expect("a cell").0.clone();
        assert!(Arc::ptr_eq(&key(0), &key(1)));
    }

    #[test]
    fn without_a_header_columns_have_numbers() {
        let table = Table::read(
            "1;2\n3;4",
            false,
            crate::stage::json(r#"[";"]"#)
                .as_list()
                .map_or_else(Delimiter::default, |list| model::value::from_value(&list[0]).expect("a delimiter")),
        )
        .expect("a table");
        assert_eq!(
            Value::from(table.rows).to_json(),
            r#"[{"column1":"1","column2":"2"},{"column1":"3","column2":"4"}]"#
        );
    }

    #[test]
    fn an_empty_file_is_an_empty_table() {
        assert_eq!(read("").expect("a table").to_json(), "[]");
        assert_eq!(read("a,b\n").expect("a table").to_json(), "[]");
    }

    #[test]
    fn what_is_no_table_is_refused_with_its_line() {
        let refusal = |text: &str| {
            let failure = read(text).expect_err("refused");
            assert_eq!(failure.code, CSV_INVALID);
            failure.message
        };
        assert!(refusal("a,b\n1,2\n3\n").starts_with("line 3 has 1 cells for 2 columns"));
        assert!(refusal("a,b\n1,2,3\n").starts_with("line 2 has 3 cells"));
        assert!(refusal("a,b\n\"x\ny\",2\n3\n").starts_with("line 4 has 1 cells"));
        assert!(refusal("a,a\n").starts_with("line 1 names two columns \"a\""));
    }

    #[test]
    fn the_number_of_cells_is_bounded() {
        let text = format!("{}\n", ",".repeat(999)).repeat(1002);
        let table = Table::read(&text, false, Delimiter::default());
        assert_eq!(table.expect_err("refused").code, "LIMIT_EXCEEDED");
    }
}
