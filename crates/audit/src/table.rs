//! The audit log as CSV: a table for people.

use model::audit::AuditRow;
use model::value::Value;

const COLUMNS: [&str; 12] = [
    "number",
    "at",
    "actorKind",
    "actorId",
    "actor",
    "action",
    "entity",
    "entityId",
    "before",
    "after",
    "requestId",
    "ip",
];

/// The line of names.
pub(crate) fn head() -> Vec<u8> {
    written(|table| table.write_record(COLUMNS))
}

/// Lines of rows, each with its number; one that does not read has its number alone.
pub(crate) fn rows(rows: impl IntoIterator<Item = (u64, Option<AuditRow>)>) -> Vec<u8> {
    written(|table| rows.into_iter().try_for_each(|(number, row)| table.write_record(line(number, row))))
}

fn written(write: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> csv::Result<()>) -> Vec<u8> {
    let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // A vector takes everything, and every line has as many cells.
    let _ = write(&mut table);
    table.into_inner().unwrap_or_default()
}

fn line(number: u64, row: Option<AuditRow>) -> [String; 12] {
    let mut cells = std::array::from_fn(|_| String::new());
    cells[0] = number.to_string();
    let Some(row) = row else { return cells };
    let json = |value: &Value| if value.is_null() { String::new() } else { value.to_json() };
    let kind = serde_json::to_value(row.actor.kind).ok();
    let kind = kind.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let rest = [
        row.at.to_string(),
        kind,
        row.actor.id.map(|id| id.to_string()).unwrap_or_default(),
        row.actor.name,
        row.action,
        row.entity,
        row.entity_id,
        json(&row.before),
        json(&row.after),
        row.request_id.unwrap_or_default(),
        row.ip.unwrap_or_default(),
    ];
    for (cell, text) in cells[1..].iter_mut().zip(rest) {
        *cell = harmless(text);
    }
    cells
}

/// A spreadsheet takes a cell that begins so for a formula, and would run what somebody wrote into a name.
fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use model::actor::Actor;
    use model::ids::CompanyId;
    use model::time::Timestamp;

    use super::*;

    #[test]
    fn a_cell_is_no_formula_and_no_second_line() {
        let row = AuditRow {
            company: CompanyId::INSTALLATION,
            at: Timestamp(0),
            actor: Actor { name: "=cmd()".into(), ..Actor::system() },
            action: "flow.create".into(),
            entity: "flow".into(),
            entity_id: "a\r\nb".into(),
            before: Value::Null,
            after: Value::map([("name", "say \"hi\"")]),
            request_id: None,
            ip: None,
        };
        let text = String::from_utf8(rows([(7, Some(row)), (8, None)])).expect("UTF-8");
        let expected = "7,1970-01-01T00:00:00.000Z,system,,'=cmd(),flow.create,flow,\"a\r\nb\",,\
                        \"{\"\"name\"\":\"\"say \\\"\"hi\\\"\"\"\"}\",,\r\n8,,,,,,,,,,,\r\n";
        assert_eq!(text, expected);
    }
}
