//! The OpenAPI 3.1 document, made from the table of routes.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::access::Access;
use crate::call::Route;
use crate::error::ErrorBody;

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

fn operation(route: &Route, error: &Schema, generator: &mut SchemaGenerator) -> Value {
    let mut parameters = parameters("path", (route.path_schema)(generator));
    parameters.extend(self::parameters("query", (route.query_schema)(generator)));
    let answer = (route.answer_schema)(generator);
    let mut responses = Map::new();
    for (status, meaning) in &route.answers {
        let mut response = json!({"description": meaning});
        if let (Some(media), Some(schema)) = (route.media, &answer) {
            response["content"] = json!({media: {"schema": schema}});
        }
        responses.insert(status.to_string(), response);
    }
    let refusal = json!({"description": "Refused.", "content": {"application/json": {"schema": error}}});
    responses.insert("default".into(), refusal);
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
pub(crate) async fn serve(document: Arc<str>) -> Response<Body> {
    let mut response = Response::new(Body::from(document.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
