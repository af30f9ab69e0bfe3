//! Parameters on their way to PostgreSQL, and what it says of them.
//!
//! Each is sent as text, and the database reads it as the type that it has found the parameter to
//! be. So decimals keep their digits, and nothing is written into the statement.

use std::error::Error;

use bytes::BytesMut;
use model::failure::Failure;
use model::value::Value;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

/// The database refuses a statement; the message is its own.
const REFUSED: &str = "DB_REFUSED";
/// The database took longer than the statement may.
const TIMEOUT: &str = "DB_TIMEOUT";
/// The connection to the database was lost.
const BROKEN: &str = "DB_BROKEN";

/// Texts shorter than this are not masked in what the database says: they are everywhere.
const MASKED_FROM: usize = 4;

/// A parameter.
#[derive(Debug)]
pub(super) struct Bound<'v>(pub(super) &'v Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        Ok(match text(self.0, ty) {
            None => IsNull::Yes,
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                IsNull::No
            }
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// A value as the text of a type.
fn text(value: &Value, ty: &Type) -> Option<String> {
    if matches!(*ty, Type::JSON | Type::JSONB) && !value.is_null() {
        return Some(value.to_json());
    }
    match (value, ty.kind()) {
        (Value::Null, _) => None,
        (Value::List(items), Kind::Array(of)) => Some(array(items, of)),
        (Value::Text(text), _) => Some(text.to_string()),
        (value, _) => Some(value.to_json()),
    }
}

/// A list as the text of an array: each element in quotes.
fn array(items: &[Value], of: &Type) -> String {
    let items = items.iter().map(|item| match (text(item, of), item) {
        (None, _) => "NULL".to_owned(),
        // A list in a list is another dimension.
        (Some(_), Value::List(inner)) => array(inner, of),
        (Some(text), _) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    });
    format!("{{{}}}", items.collect::<Vec<_>>().join(","))
}

/// What went wrong, for people. What was sent as a parameter is not told.
pub(super) fn told(error: &tokio_postgres::Error, params: &[Value]) -> Failure {
    let Some(said) = error.as_db_error() else {
        let mut cause: &dyn Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        return Failure::new(BROKEN, format!("the connection to the database was lost: {cause}"));
    };
    let code = if *said.code() == SqlState::QUERY_CANCELED { TIMEOUT } else { REFUSED };
    let mut message = said.message().to_owned();
    params.iter().for_each(|param| mask(&mut message, param));
    let details = [("sqlState", Value::from(said.code().code())), ("constraint", said.constraint().into())];
    Failure::new(code, format!("the database says: {message} ({})", said.code().code()))
        .with_details(Value::map(details.into_iter().filter(|(_, value)| !value.is_null())))
}

/// Whether the database itself refuses, and goes on: what it refuses has no effect.
pub(super) fn is_refusal(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|said| said.parsed_severity() == Some(Severity::Error))
}

fn mask(message: &mut String, value: &Value) {
    match value {
        Value::Text(text) if text.len() >= MASKED_FROM && message.contains(&**text) => {
            *message = message.replace(&**text, "***");
        }
        Value::List(items) => items.iter().for_each(|item| mask(message, item)),
        Value::Map(fields) => fields.values().for_each(|item| mask(message, item)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::json;

    #[test]
    fn a_parameter_is_text_of_its_type() {
        let of = |value: &str, ty: &Type| text(&json(value), ty);
        assert_eq!(of("1.10", &Type::NUMERIC).as_deref(), Some("1.10"));
        assert_eq!(of(r#""a'b""#, &Type::TEXT).as_deref(), Some("a'b"));
        assert_eq!(of("null", &Type::JSONB), None);
        assert_eq!(of(r#""x""#, &Type::JSONB).as_deref(), Some(r#""x""#));
        assert_eq!(of(r#"{"a":[1.10]}"#, &Type::TEXT).as_deref(), Some(r#"{"a":[1.10]}"#));
        assert_eq!(of(r#"["a\"\\",null,"b,c"]"#, &Type::TEXT_ARRAY).as_deref(), Some(r#"{"a\"\\",NULL,"b,c"}"#));
        assert_eq!(of("[[1],[2]]", &Type::INT4_ARRAY).as_deref(), Some(r#"{{"1"},{"2"}}"#));
        assert_eq!(of("true", &Type::BOOL).as_deref(), Some("true"));
    }

    #[test]
    fn what_was_sent_is_masked_in_what_is_said() {
        let mut message = r#"invalid input syntax for type integer: "s3cr3t""#.to_owned();
        mask(&mut message, &json(r#"[{"a":"s3cr3t"},"in"]"#));
        assert_eq!(message, r#"invalid input syntax for type integer: "***""#);
    }
}
