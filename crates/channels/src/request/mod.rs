//! From a request to what a flow gets of it: headers, query and body as values, within bounds.

mod body;
mod form;
#[cfg(test)]
mod fuzz;

use std::net::IpAddr;

use http::request::Parts as Head;
use http::{HeaderMap, HeaderName, StatusCode};
use model::limits::FORM_FIELDS;
use model::value::{Map, Value};

use crate::answer::Problem;
use crate::auth::Guard;

pub(crate) use body::{Body, read, read as read_body};
pub(crate) use form::Part;

/// A request that has come, but for its body.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'r> {
    /// Its head.
    pub head: &'r Head,
    /// The port of its own that it came to; none for the one that all channels share.
    pub port: Option<u16>,
    /// The address of whoever sent it.
    pub peer: Option<IpAddr>,
    /// Its id.
    pub id: &'r str,
    /// Where in a trace it is.
    pub trace: Option<model::trace::TraceParent>,
}

/// Headers that prove who somebody is, and that nobody else is shown.
const HIDDEN: [&str; 5] = ["authorization", "cookie", "proxy-authorization", "x-api-key", "x-flow8-token"];

/// The headers of a request, but for those that prove who somebody is.
pub(crate) fn headers_of(headers: &HeaderMap, guard: &Guard) -> Value {
    let mut fields = Map::default();
    for name in headers.keys() {
        if is_hidden(name, guard) {
            continue;
        }
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        fields.insert(name.as_str().into(), values.join(", ").into());
    }
    Value::from(fields)
}

fn is_hidden(name: &HeaderName, guard: &Guard) -> bool {
    is_hidden_from_all(name.as_str()) || guard.hides(name)
}

/// Whether a header proves who somebody is, wherever it stands.
pub(crate) fn is_hidden_from_all(name: &str) -> bool {
    HIDDEN.contains(&name)
}

/// What stands after the question mark, decoded; a name that comes more than once has a list.
pub(crate) fn query_of(query: &str) -> Value {
    fields_of(query.as_bytes())
}

/// Names and values as forms write them. What is beyond the limit is left out: nothing but a form that was made to
/// be large has so many, and its sender is told by [`body`].
fn fields_of(text: &[u8]) -> Value {
    let mut fields = Map::default();
    for (name, value) in form_urlencoded::parse(text).take(FORM_FIELDS) {
        add(&mut fields, &name, value.into_owned().into());
    }
    Value::from(fields)
}

/// Adds a value under a name: beside those that are there.
pub(crate) fn add(fields: &mut Map, name: &str, value: Value) {
    match fields.get_mut(name) {
        None => {
            fields.insert(name.into(), value);
        }
        Some(Value::List(items)) => std::sync::Arc::make_mut(items).push(value),
        Some(one) => *one = Value::list([std::mem::take(one), value]),
    }
}

pub(crate) fn malformed(message: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
}
