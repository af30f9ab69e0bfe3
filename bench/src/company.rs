//! [`Company`]: a tenant of a server, in the hands of somebody who may do everything there.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::Outcome;
use crate::load::{Answer, call, request};

/// With which the owner of a further company signs in.
const PASSWORD: &str = "long-enough-to-be-taken-1";

/// A tenant of a server.
pub(crate) struct Company {
    address: SocketAddr,
    /// What proves who asks, as a header.
    proof: String,
}

impl Company {
    /// That of whom a token stands for.
    pub(crate) fn of(address: SocketAddr, token: &str) -> Self {
        Self { address, proof: format!("authorization: Bearer {token}") }
    }

    /// Adds another one, which this one's administrators look after.
    pub(crate) fn found(&self, name: &str) -> Outcome<Self> {
        let email = format!("{name}@example.com");
        let owner = json!({ "email": email, "password": PASSWORD });
        self.ask("POST", "/api/companies", &json!({ "name": name, "owner": owner }))?;
        let sign_in = json!({ "email": email, "password": PASSWORD }).to_string();
        let Answer { status, head, .. } =
            call(self.address, &request("POST", "/api/auth/login", "accept: */*", sign_in.as_bytes()))?;
        let cookie = head.split("sid=").nth(1).and_then(|rest| rest.split(';').next());
        let cookie = cookie.ok_or_else(|| format!("no sign-in: {status}: {head}"))?;
        Ok(Self { address: self.address, proof: format!("cookie: sid={cookie}") })
    }

    /// Publishes a flow of these flowlets; gives its id.
    pub(crate) fn publish(&self, name: &str, layers: &Value) -> Outcome<String> {
        let flow = json!({ "name": name, "permanentId": name, "enabled": true, "layers": layers });
        let answer = self.ask("POST", "/api/flows", &flow)?;
        if answer["published"] != true {
            return Err(format!("the flow {name} was not published: {answer}").into());
        }
        Ok(answer["id"].as_str().unwrap_or_default().to_owned())
    }

    /// The request that runs a flow.
    pub(crate) fn run_request(&self, flow: &str, waits: bool, args: &Value) -> Vec<u8> {
        let path = format!("/api/flows/{flow}/run{}", if waits { "?wait=30" } else { "" });
        request("POST", &path, &self.proof, json!({ "args": args }).to_string().as_bytes())
    }

    /// A request without a body.
    pub(crate) fn request(&self, method: &str, path: &str) -> Vec<u8> {
        request(method, path, &self.proof, b"")
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Outcome<Value> {
        let said = call(self.address, &request(method, path, &self.proof, body.to_string().as_bytes()))?;
        if !(200..300).contains(&said.status) {
            return Err(format!("{method} {path}: {}: {}", said.status, String::from_utf8_lossy(&said.body)).into());
        }
        Ok(serde_json::from_slice(&said.body)?)
    }
}
