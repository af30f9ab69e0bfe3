//! The OpenAPI 3.1 document, made from the table of routes.

use std::collections::BTreeMap;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
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
        let operation = operation(route, &error, &mut generator);
        let at = paths.entry(format!("/api{}", route.path)).or_default();
        at.insert(route.method.as_str().to_lowercase(), operation);
    }
    for (path, name, summary, media) in BESIDE_THE_TABLE {
        paths.entry(path.to_owned()).or_default().insert("get".into(), beside(path, name, summary, media));
    }
    let socket = socket(&error, &mut generator);
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

/// The WebSocket.
fn socket(error: &Schema, generator: &mut SchemaGenerator) -> Value {
    let refusal = |meaning: &str| json!({"description": meaning, "content": {"application/json": {"schema": error}}});
    json!({
        "operationId": "followEvents",
        "summary": "Opens a WebSocket that tells what happens to plays.",
        "tags": ["ws"],
        "parameters": parameters("query", Some(SocketQuery::json_schema(generator))),
        "security": [{"apiKey": []}, {"session": []}],
        "x-permission": Permission::PlaysView.as_str(),
        "responses": {
            "101": {"description": "The socket is open."},
            "401": refusal("Nobody is signed in, or the token does not hold."),
            "403": refusal("The permission is missing."),
            "default": refusal("Refused."),
        },
    })
}

fn operation(route: &Route, error: &Schema, generator: &mut SchemaGenerator) -> Value {
    let mut parameters = parameters("path", (route.path_schema)(generator));
    parameters.extend(self::parameters("query", (route.query_schema)(generator)));
    let answer = (route.answer_schema)(generator);
    let mut responses = Map::new();
    let refusal = |meaning: &str| json!({"description": meaning, "content": {"application/json": {"schema": error}}});
    for (status, meaning) in &route.answers {
        let response = match (route.media, &answer) {
            _ if *status >= 400 => refusal(meaning),
            (Some(media), Some(schema)) => json!({"description": meaning, "content": {media: {"schema": schema}}}),
            _ => json!({"description": meaning}),
        };
        responses.insert(status.to_string(), response);
    }
    if route.access != Access::Public {
        responses.insert("401".into(), refusal("Nobody is signed in, or the token does not hold."));
    }
    if matches!(route.access, Access::Needs(_)) {
        responses.insert("403".into(), refusal("The permission is missing."));
    }
    responses.insert("default".into(), refusal("Refused."));
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

/// Serves the document.
pub(crate) async fn serve(document: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(document));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
