//! A client: one connection for each request, as bare as can be.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A request in the making.
pub(crate) struct Ask {
    to: SocketAddr,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Ask {
    pub(crate) fn new(to: SocketAddr, line: &str) -> Self {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let method = method.parse().expect("a method");
        Self { to, method, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn cookie(mut self, sid: &str) -> Self {
        self.headers.retain(|(name, _)| *name != "authorization");
        self.header("cookie", &format!("sid={sid}"))
    }

    /// Without whatever says whose it is.
    pub(crate) fn nobody(mut self) -> Self {
        self.headers.clear();
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn json(self, body: Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) async fn send(self) -> Said {
        let stream = TcpStream::connect(self.to).await.expect("connects");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("shakes hands");
        // It ends by itself, with or without the rest of the body sent.
        tokio::spawn(connection);
        let mut request = Request::builder().method(self.method).uri(&self.path);
        if !self.headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "flow8.test");
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(self.body)).expect("a request");
        let response = sender.send_request(request).await.expect("is answered");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("reads").to_bytes();
        Said { status: head.status, headers: head.headers, body }
    }

    /// Sends it, and expects a status and JSON.
    pub(crate) async fn gives(self, status: u16) -> Value {
        let what = format!("{} {}", self.method, self.path);
        let said = self.send().await;
        assert_eq!(said.status.as_u16(), status, "{what}: {}", said.text());
        said.json()
    }

    /// Sends it, and expects to be refused with a status and a code.
    pub(crate) async fn refused(self, status: u16, code: &str) -> String {
        let what = format!("{} {}", self.method, self.path);
        let said = self.gives(status).await;
        assert_eq!(said["error"], code, "{what}: {said}");
        assert_eq!(said["statusCode"], status, "{what}: {said}");
        assert!(said["requestId"].as_str().is_some_and(|id| !id.is_empty()), "{what}: {said}");
        said["message"].as_str().expect("a message").to_owned()
    }
}

impl Said {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("text")).unwrap_or_default()
    }
}
