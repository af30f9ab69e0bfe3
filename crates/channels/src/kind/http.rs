//! HTTP: a request to a path becomes arguments.

use model::value::Value;

use crate::channel::Definition;
use crate::request::{Arrival, query_of};
use crate::table::Paths;

pub(super) fn check(definition: &Definition) -> Result<(), String> {
    for (at, route) in definition.routes.iter().enumerate() {
        if route.http_method.is_none() {
            return Err(format!("routes[{at}].httpMethod: is required"));
        }
    }
    Paths::of(&definition.routes).map(drop)
}

/// What a flow gets of a request.
pub(crate) fn args(from: &Arrival<'_>, path: &str, params: &[(String, String)], headers: Value, body: Value) -> Value {
    let params = params.iter().map(|(name, value)| (name.as_str(), Value::from(value.as_str())));
    Value::map([
        ("body", body),
        ("headers", headers),
        ("query", query_of(from.head.uri.query().unwrap_or_default())),
        ("params", Value::map(params)),
        ("method", from.head.method.as_str().into()),
        ("path", path.into()),
    ])
}
