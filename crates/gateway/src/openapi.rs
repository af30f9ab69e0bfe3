//! The OpenAPI 3.1 document, made from the table of routes.

use std::collections::BTreeMap;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use model::limits::PAGE_ROWS;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema as _, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::access::{Access, Permission};
use crate::call::Route;
use crate::error::ErrorBody;
use crate::events::SocketQuery;

/// The document, as JSON text.
pub(crate) fn document(routes: &[Route]) -> String {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let error = generator.subschema_for::<ErrorBody<'_>>();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for route in routes {
        let operation = operation(route, &mut generator);
        let at = paths.entry(format!("/api{}", route.path)).or_default();
        at.insert(route.method.as_str().to_lowercase(), operation);
    }
    for (path, name, summary, media) in BESIDE_THE_TABLE {
        paths.entry(path.to_owned()).or_default().insert("get".into(), beside(path, name, summary, media));
    }
    let socket = socket(&mut generator);
    paths.entry("/api/ws".into()).or_default().insert("get".into(), socket);
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "flow8",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Workflow automation with durable steps. Every path also answers under /api/v1.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "responses": refusals(&error),
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "apiKey": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "sid"},
            },
        },
    });
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// What answers beside the table of routes: the path, the name, what it does, what it gives.
const BESIDE_THE_TABLE: [(&str, &str, &str, &str); 6] = [
    ("/api/openapi.json", "getOpenApi", "This document.", "application/json"),
    ("/health", "getHealth", "Whether the process is alive.", "application/json"),
    ("/health/live", "getHealthLive", "Whether the process is alive.", "application/json"),
    ("/health/ready", "getHealthReady", "Whether requests may come.", "application/json"),
    ("/health/startup", "getHealthStartup", "Whether the start is over.", "application/json"),
    ("/metrics", "getMetrics", "What is counted, for Prometheus.", "application/openmetrics-text"),
];

fn beside(path: &str, name: &str, summary: &str, media: &str) -> Value {
    let schema = if media == "application/json" { json!({"type": "object"}) } else { json!({"type": "string"}) };
    let mut responses = json!({"200": {"description": "Done.", "content": {media: {"schema": schema}}}});
    if name == "getHealthReady" || name == "getHealthStartup" {
        responses["503"] = json!({"description": "Not now.", "content": {media: {"schema": schema}}});
    }
    json!({
        "operationId": name,
        "summary": summary,
        "tags": [tag(path.trim_start_matches("/api"))],
        "security": [],
        "responses": responses,
    })
}

/// How any route may refuse: the status, what it is called in the document, what it means. A route that means
/// something more by it says so itself.
const REFUSALS: [(u16, &str, &str); 11] = [
    (400, "Invalid", "Something in the request is not as it has to be; the message names it."),
    (401, "SignedOut", "Nobody is signed in, or the token does not hold."),
    (403, "Forbidden", "The permission is missing, or a page of another site asks."),
    (404, "NotFound", "There is no such thing."),
    (408, "TooSlow", "The body did not come in time."),
    (409, "Conflict", "Somebody else changed the same thing meanwhile; ask again."),
    (413, "TooLarge", "The body is too large."),
    (429, "TooMany", "Too many requests; `Retry-After` says in how many seconds to ask again."),
    (500, "Failed", "Something went wrong inside; the server's log names the request."),
    (503, "Unavailable", "The store does not answer, or flow8 is stopping; ask again in a moment."),
    (507, "Full", "The store has no room left."),
];

/// The answers that refuse, for all to refer to.
fn refusals(error: &Schema) -> Value {
    let one = |(status, name, meaning): &(u16, &str, &str)| {
        let mut response = refusal(error, meaning);
        if *status == 429 {
            let seconds = json!({"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}});
            response["headers"] = json!({"Retry-After": seconds});
        }
        ((*name).to_owned(), response)
    };
    REFUSALS.iter().map(one).collect::<Map<_, _>>().into()
}

fn refusal(error: &Schema, meaning: &str) -> Value {
    json!({"description": meaning, "content": {"application/json": {"schema": error}}})
}

/// Adds those of the refusals, unless the route has its own.
fn refuse_with(responses: &mut Map<String, Value>, may: impl Fn(u16) -> bool) {
    for (status, name, _) in REFUSALS.iter().filter(|(status, ..)| may(*status)) {
        let reference = json!({"$ref": format!("#/components/responses/{name}")});
        responses.entry(status.to_string()).or_insert(reference);
    }
}

/// The WebSocket.
fn socket(generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::from_iter([("101".to_owned(), json!({"description": "The socket is open."}))]);
    refuse_with(&mut responses, |status| matches!(status, 400 | 401 | 403 | 429 | 500 | 503));
    json!({
        "operationId": "followEvents",
        "summary": "Opens a WebSocket that tells what happens to plays.",
        "tags": ["ws"],
        "parameters": parameters("query", Some(SocketQuery::json_schema(generator))),
        "security": [{"apiKey": []}, {"session": []}],
        "x-permission": Permission::PlaysView.as_str(),
        "responses": responses,
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut parameters = parameters("path", (route.path_schema)(generator));
    parameters.extend(self::parameters("query", (route.query_schema)(generator)));
    let answer = (route.answer_schema)(generator);
    let error = generator.subschema_for::<ErrorBody<'_>>();
    let mut responses = Map::new();
    for (status, meaning) in &route.answers {
        let response = match &answer {
            _ if *status >= 400 => refusal(&error, meaning),
            Some(schema) if !route.media.is_empty() => {
                let content: Map<_, _> =
                    route.media.iter().map(|media| ((*media).to_owned(), json!({"schema": schema}))).collect();
                json!({"description": meaning, "content": content})
            }
            _ => json!({"description": meaning}),
        };
        responses.insert(status.to_string(), response);
    }
    let (has_body, is_safe) = (route.body.is_some(), route.method.is_safe());
    refuse_with(&mut responses, |status| match status {
        400 => has_body || !parameters.is_empty(),
        403 => matches!(route.access, Access::Needs(_)) || !is_safe,
        404 => route.path.contains('{'),
        408 | 413 => has_body,
        409 | 507 => !is_safe,
        // A token that does not hold is refused where none is needed, too.
        _ => true,
    });
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "tags": [tag(route.path)],
        "parameters": parameters,
        "responses": responses,
    });
    match route.access {
        Access::Public => operation["security"] = json!([]),
        Access::SignedIn => operation["security"] = json!([{"apiKey": []}, {"session": []}]),
        Access::Needs(permission) => {
            operation["security"] = json!([{"apiKey": []}, {"session": []}]);
            operation["x-permission"] = json!(permission.as_str());
        }
    }
    if route.is_shared() {
        // A share of the group that it is about is enough.
        operation["x-shared"] = json!(true);
    }
    if let (Some(media), Some(schema)) = (route.body, (route.body_schema)(generator)) {
        operation["requestBody"] = json!({"content": {media: {"schema": schema}}});
    }
    operation
}

/// The first part of the path.
fn tag(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

/// The fields of a struct as parameters.
fn parameters(place: &str, schema: Option<Schema>) -> Vec<Value> {
    let Some(schema) = schema.map(Value::from) else { return Vec::new() };
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let Some(properties) = schema["properties"].as_object() else { return Vec::new() };
    let parameter = |(name, property): (&String, &Value)| {
        let mut property = property.clone();
        let described = property.as_object_mut().and_then(|object| object.remove("description"));
        if place == "query" {
            without_null(&mut property);
        }
        if name == "size" {
            // Of a page: `Paging` says it for all lists.
            (property["minimum"], property["maximum"]) = (json!(1), json!(PAGE_ROWS));
        }
        let mut parameter = json!({
            "name": name,
            "in": place,
            "required": place == "path" || required(name),
            "schema": property,
        });
        if let Some(description) = described {
            parameter["description"] = description;
        }
        parameter
    };
    properties.iter().map(parameter).collect()
}

/// Whoever has nothing to say leaves a parameter out: there is no null in a query.
fn without_null(schema: &mut Value) {
    if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|kind| kind != "null");
        if let [only] = &types[..] {
            schema["type"] = only.clone();
        }
    }
    if let Some(ways) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        ways.retain(|way| way["type"] != "null");
        if let [only] = &ways[..] {
            *schema = only.clone();
        }
    }
}

/// Serves the document.
pub(crate) async fn serve(document: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(document));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
