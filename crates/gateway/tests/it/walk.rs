//! Every route of the document, without a token; and what answers where there is no route.

use serde_json::Value;

use crate::stage::Stage;

/// The routes that anybody may call.
const PUBLIC: [&str; 11] = [
    "get /api/auth/callback",
    "get /api/auth/oidc/login",
    "get /api/links/callback",
    "get /api/openapi.json",
    "get /health",
    "get /health/live",
    "get /health/ready",
    "get /health/startup",
    "get /metrics",
    "post /api/auth/login",
    "post /api/auth/password",
];

#[tokio::test]
async fn every_route_but_a_few_wants_to_know_who_asks() {
    let stage = Stage::new().await;
    let document = stage.ask("GET /api/openapi.json").nobody().gives(200).await;
    let mut public = Vec::new();
    let mut walked = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let is_public = operation["security"].as_array().is_some_and(Vec::is_empty);
            if is_public {
                public.push(format!("{method} {path}"));
                continue;
            }
            let filled =
                path.replace("{id}", "0123456789abcdef01234567").replace("{layerId}", "0123456789abcdef01234567");
            let filled = filled.replace("{name}", "x").replace("{routeId}", "x").replace("{requestId}", "x");
            for path in [filled.clone(), filled.replacen("/api", "/api/v1", 1)] {
                let line = format!("{} {path}", method.to_uppercase());
                let said = stage.ask(&line).nobody().body("not even JSON").send().await;
                assert_eq!(
                    (said.status.as_u16(), &said.json()["error"]),
                    (401, &Value::from("UNAUTHORIZED")),
                    "{line}"
                );
                assert_eq!(said.header("www-authenticate"), "Bearer", "{line}");
                let said = stage.ask(&line).bearer("f8_wrong").send().await;
                assert_eq!(said.status.as_u16(), 401, "{line}");
                walked += 1;
            }
        }
    }
    public.sort();
    assert_eq!(public, PUBLIC);
    assert!(walked > 100, "{walked}");
}

#[tokio::test]
async fn where_nothing_answers_the_error_has_the_same_shape() {
    let stage = Stage::new().await;
    let message = stage.ask("GET /api/nothing").refused(404, "NOT_FOUND").await;
    assert!(message.contains("GET /api/nothing"), "{message}");
    stage.ask("GET /nothing").nobody().refused(404, "NOT_FOUND").await;
    let said = stage.ask("PATCH /api/flows").header("x-request-id", "mine-1").send().await;
    assert_eq!((said.status.as_u16(), &said.json()["error"]), (405, &Value::from("METHOD_NOT_ALLOWED")));
    assert_eq!((said.header("x-request-id"), &said.json()["requestId"]), ("mine-1", &Value::from("mine-1")));
    let mut allowed: Vec<&str> = said.header("allow").split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    // An id that is no id is not given back.
    let said = stage.ask("GET /api/flows").header("x-request-id", "a b<script>").send().await;
    assert!(said.header("x-request-id").len() == 24, "{:?}", said.headers);
    let said = stage.ask("HEAD /api/flows").send().await;
    assert_eq!((said.status.as_u16(), said.body.len()), (200, 0));
}

#[tokio::test]
async fn probes_and_the_front_page_are_for_everybody() {
    let stage = Stage::new().await;
    for path in ["/health", "/health/live", "/health/ready", "/health/startup"] {
        let said = stage.ask(&format!("GET {path}")).nobody().gives(200).await;
        assert!(said["status"].is_string(), "{said}");
    }
    let page = stage.ask("GET /").nobody().send().await;
    assert!(page.status == 200 && page.text().contains("flow8"));
}
