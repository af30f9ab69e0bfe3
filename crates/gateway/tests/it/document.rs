//! The OpenAPI document.

use std::collections::BTreeSet;

use serde_json::Value;

const KEPT: &str = include_str!("../../openapi.json");

#[test]
fn the_document_that_is_kept_is_the_one_that_the_code_gives() {
    let same = KEPT == gateway::openapi();
    assert!(same, "renew it: cargo run -q -p flow8-gateway --example openapi > crates/gateway/openapi.json");
}

fn document() -> Value {
    serde_json::from_str(&gateway::openapi()).expect("JSON")
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get("$ref") {
                found.insert(target.clone());
            }
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for target in &found {
        let pointer = target.strip_prefix('#').unwrap_or_else(|| panic!("{target} leads outside"));
        assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
    }
    for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
        assert!(found.contains(&format!("#/components/schemas/{name}")), "nothing uses {name}");
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_it_answers() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut names = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        assert!(path.starts_with('/'), "{path}");
        for (method, operation) in operations.as_object().expect("operations") {
            let what = format!("{method} {path}");
            assert!(["get", "post", "put", "delete"].contains(&method.as_str()), "{what}");
            let name = operation["operationId"].as_str().expect("a name").to_owned();
            assert!(names.insert(name), "{what}: its name comes twice");
            assert!(operation["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{what}");
            check_answers(&what, operation, &document);
            check_parameters(&what, path, operation);
            if let Some(body) = operation.get("requestBody") {
                assert!(method != "get", "{what}");
                check_content(&what, body);
            }
        }
    }
}

fn check_content(what: &str, holder: &Value) {
    for (media, content) in holder["content"].as_object().unwrap_or_else(|| panic!("{what}: no content")) {
        assert!(media.contains('/') && content["schema"].is_object(), "{what}: {media}");
    }
}

fn check_answers(what: &str, operation: &Value, document: &Value) {
    let answers = operation["responses"].as_object().expect("responses");
    assert!(answers.keys().any(|status| status.starts_with(['2', '3']) || status == "101"), "{what}: no good end");
    for (status, answer) in answers {
        assert!(status.parse::<u16>().is_ok_and(|status| (100..600).contains(&status)), "{what}: {status}");
        let answer = match answer.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#')) {
            Some(pointer) => document.pointer(pointer).unwrap_or_else(|| panic!("{what}: {pointer}")),
            None => answer,
        };
        assert!(answer["description"].as_str().is_some_and(|text| !text.is_empty()), "{what}: {status}");
        let is_bare = status == "204" || status == "101";
        assert_eq!(answer.get("content").is_none(), is_bare, "{what}: {status}");
        if !is_bare {
            check_content(what, answer);
        }
        if status.starts_with('4') {
            let schema = &answer["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/ErrorBody", "{what}: {status}");
        }
    }
    let is_public = operation["security"].as_array().expect("security").is_empty();
    assert!(is_public || answers.contains_key("401"), "{what}");
}

fn check_parameters(what: &str, path: &str, operation: &Value) {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = |place: &str| -> BTreeSet<&str> {
        let those = parameters.iter().filter(|parameter| parameter["in"] == place);
        those.map(|parameter| parameter["name"].as_str().expect("a name")).collect()
    };
    let in_path: BTreeSet<&str> =
        path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
    assert_eq!(named("path"), in_path, "{what}");
    assert_eq!(parameters.len(), named("path").len() + named("query").len(), "{what}");
    for parameter in parameters {
        assert!(parameter["in"] == "query" || parameter["required"] == true, "{what}: {parameter}");
        assert!(parameter["schema"].is_object(), "{what}: {parameter}");
    }
}
