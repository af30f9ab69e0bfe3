//! Signing in, as people do, and the API keys that they make.

use crate::server::{Client, RUNTIME, json, part};

/// Signs in, and makes an API key that may do all that its owner may.
#[track_caller]
pub(crate) fn api_key(client: &Client, email: &str, password: &str) -> String {
    let nobody = client.with("");
    let body = format!(r#"{{"email": "{email}", "password": "{password}"}}"#);
    let signed_in = nobody.send("POST", "/api/auth/login", &[], body.into()).expect("an answer");
    assert_eq!(signed_in.status(), 200);
    let cookie = signed_in.headers().get("set-cookie").expect("a cookie").to_str().expect("ASCII");
    let cookie = cookie.split(';').next().unwrap_or_default();
    let body = br#"{"name": "test"}"#.to_vec();
    let made = nobody.send("POST", "/api/auth/api-keys", &[("cookie", cookie)], body).expect("an answer");
    let text = RUNTIME.block_on(made.text()).expect("a body");
    part(&json(&text), "/key")
}

/// Adds a person of these roles; somebody who speaks in their name.
#[track_caller]
pub(crate) fn person(client: &Client, email: &str, roles: &[&str]) -> Client {
    let password = "long enough for anybody";
    let user = format!(r#"{{"email": "{email}", "roles": {roles:?}, "password": "{password}"}}"#);
    client.granted("POST", "/users", &user);
    client.with(&api_key(client, email, password))
}
