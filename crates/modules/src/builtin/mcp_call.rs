//! `mcp-call`: calls a tool of an MCP server, over streamable HTTP.
//!
//! The current revision of the protocol needs one request. A server that does not speak it is asked as those before
//! it: with a handshake, and with the name of a session where the server gives one, which is ended again.
//!
//! What a tool says is data, an error of the tool included (`isError`). An error of the protocol fails the attempt:
//! the tool has not run. Where the call was sent and no answer came, the outcome is unknown.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::Value;
use model::failure::Failure;
use model::limits::HTTP_BODY_BYTES;
use schemars::JsonSchema;
use sdk::http::{HttpRequest, HttpResponse};
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::{Deserialize, Serialize};

use crate::arguments::{Object, Seconds, Text};
use crate::call::{self, Headers};
use crate::sse;

/// The revisions that it speaks: the current one, and the newest of those with a handshake.
const CURRENT: &str = "2026-07-28";
const OLDER: &str = "2025-11-25";

/// How a call tells another flow8 that it is the same however often it comes.
const KEY: &str = "flow8/idempotencyKey";

/// What the server answered makes no sense, or is an error of the protocol.
const MCP_ERROR: &str = "MCP_ERROR";

/// The server answers with a status that is none of the protocol's.
const HTTP_STATUS: &str = "HTTP_STATUS";

/// Characters of a session's name.
const SESSION_CHARS: usize = 1_024;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// Where the server answers: http or https, without name and password.
    url: Text,
    /// What the tool is called.
    tool: Text,
    /// What the tool takes.
    arguments: Option<Object>,
    /// Seconds that all of it may take.
    #[serde(default = "a_minute")]
    timeout: Seconds,
    /// A bearer token; best read from $secret.
    bearer_token: Option<Text>,
}

const fn a_minute() -> Seconds {
    Seconds::of(60)
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// What the tool says: a list of texts, images, links to resources.
    content: Value,
    /// The same as data, where the tool gives it.
    structured_content: Value,
    /// Whether the tool says that something went wrong.
    is_error: bool,
}

pub(crate) fn module() -> Module {
    Module::effect("mcp-call", Group::Http, "Calls a tool of an MCP server.", Nature::WRITE, run)
        .takes_link()
        .example_args(r#"{"url":"https://mcp.example.com/mcp","tool":"search","arguments":{"text":"invoices"}}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    let timeout = call::timeout(&ctx, Some(args.timeout), Duration::MAX);
    let work = talk(&args, &ctx, timeout);
    match tokio::time::timeout(timeout, work).await {
        Ok(said) => said,
        Err(_) => {
            let message = format!("the server took longer than {} ms", timeout.as_millis());
            Err(Mishap::Unknown(Failure::new("HTTP_TIMEOUT", message)))
        }
    }
}

async fn talk(args: &Args, ctx: &EffectCtx, timeout: Duration) -> Result<Out, Mishap> {
    let server = Server { args, ctx, timeout };
    let arguments = args.arguments.clone().map_or_else(Value::empty_map, Value::from);
    let params = vec![("name", Value::from(&**args.tool)), ("arguments", arguments)];
    match server.current(params.clone()).await? {
        Said::Result(result) => out(&result),
        Said::Error(error) => Err(error.into()),
        Said::SpeaksNone => server.older(params).await,
    }
}

/// What came of a message.
enum Said {
    Result(Value),
    Error(Failure),
    /// The server knows nothing of that revision.
    SpeaksNone,
}

/// A server, as long as it is talked to.
struct Server<'a> {
    args: &'a Args,
    ctx: &'a EffectCtx,
    timeout: Duration,
}

impl Server<'_> {
    /// Calls the tool as the current revision says.
    async fn current(&self, mut params: Vec<(&'static str, Value)>) -> Result<Said, Mishap> {
        let client = Value::map([("name", "flow8"), ("version", env!("CARGO_PKG_VERSION"))]);
        let meta = Value::map([
            ("io.modelcontextprotocol/protocolVersion", Value::from(CURRENT)),
            ("io.modelcontextprotocol/clientInfo", client),
            ("io.modelcontextprotocol/clientCapabilities", Value::empty_map()),
            (KEY, self.ctx.idempotency_key.as_str().into()),
        ]);
        params.push(("_meta", meta));
        let mut headers = self.headers(CURRENT, None)?;
        headers.add("mcp-method", "tools/call")?;
        headers.add("mcp-name", &encoded(&self.args.tool))?;
        let answer = self.send(message(Some(1), "tools/call", Value::map(params)), headers, true).await?;
        said(&answer, true)
    }

    /// Calls it as the revisions before say: after a handshake.
    async fn older(&self, mut params: Vec<(&'static str, Value)>) -> Result<Out, Mishap> {
        params.push(("_meta", Value::map([(KEY, self.ctx.idempotency_key.as_str())])));
        let client = Value::map([("name", "flow8"), ("version", env!("CARGO_PKG_VERSION"))]);
        let hello = Value::map([
            ("protocolVersion", Value::from(OLDER)),
            ("capabilities", Value::empty_map()),
            ("clientInfo", client),
        ]);
        let answer = self.send(message(Some(1), "initialize", hello), self.headers("", None)?, false).await?;
        let result = match said(&answer, false)? {
            Said::Result(result) => result,
            Said::Error(error) => return Err(error.into()),
            Said::SpeaksNone => return Err(refused_by(&answer).into()),
        };
        let revision = result.get("protocolVersion").and_then(Value::as_str).unwrap_or(OLDER).to_owned();
        let session = call::header(&answer.headers, "mcp-session-id").map(str::to_owned);
        let session = session.filter(|session| session.len() <= SESSION_CHARS);
        let headers = || self.headers(&revision, session.as_deref());
        let ready = message(None, "notifications/initialized", Value::empty_map());
        self.send(ready, headers()?, false).await?;
        let answer = self.send(message(Some(2), "tools/call", Value::map(params)), headers()?, true).await;
        if session.is_some() {
            // Whether or not the server lets sessions be ended, this one is not used again.
            let _ = self.ended(headers()?).await;
        }
        match said(&answer?, false)? {
            Said::Result(result) => out(&result),
            Said::Error(error) => Err(error.into()),
            Said::SpeaksNone => Err(Failure::new(MCP_ERROR, "the server has no such session any more").into()),
        }
    }

    fn headers(&self, revision: &str, session: Option<&str>) -> Result<Headers, Failure> {
        let mut headers = Headers::default();
        headers.authorize(None, self.args.bearer_token.as_ref())?;
        headers.lend(self.ctx.credential.as_ref(), &self.args.url)?;
        headers.add("accept", "application/json, text/event-stream")?;
        headers.add("content-type", "application/json")?;
        if !revision.is_empty() {
            headers.add("mcp-protocol-version", revision)?;
        }
        if let Some(session) = session {
            headers.add("mcp-session-id", session)?;
        }
        if let Some(trace) = &self.ctx.traceparent {
            headers.add("traceparent", trace)?;
        }
        headers.add("idempotency-key", &self.ctx.idempotency_key)?;
        Ok(headers)
    }

    async fn send(&self, message: Value, headers: Headers, writes: bool) -> Result<HttpResponse, Mishap> {
        let request = self.request("POST", Some(message.to_json().into()), headers);
        self.ctx.http.send(request).await.map_err(|error| call::mishap(error, writes))
    }

    async fn ended(&self, headers: Headers) -> Result<(), Mishap> {
        let request = self.request("DELETE", None, headers);
        self.ctx.http.send(request).await.map(drop).map_err(|error| call::mishap(error, false))
    }

    fn request(&self, method: &str, body: Option<Bytes>, headers: Headers) -> HttpRequest {
        HttpRequest {
            company: self.ctx.company,
            method: method.to_owned(),
            url: self.args.url.trim().to_owned(),
            headers: headers.into_pairs(),
            body,
            timeout: self.timeout,
            // A message is not sent elsewhere, with whatever is secret of it.
            follow_redirects: false,
            max_body: HTTP_BODY_BYTES,
        }
    }
}

/// A message.
fn message(id: Option<i64>, method: &str, params: Value) -> Value {
    let id = id.map(|id| ("id", Value::from(id)));
    let fields = [("jsonrpc", Value::from("2.0")), ("method", method.into()), ("params", params)];
    Value::map(fields.into_iter().chain(id))
}

/// A name as a header says it: as it is, or as base64 where it is not plain ASCII.
fn encoded(name: &str) -> String {
    use base64::Engine as _;
    let is_plain = name.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && name.trim() == name;
    if is_plain && !name.starts_with("=?base64?") {
        return name.to_owned();
    }
    format!("=?base64?{}?=", crate::encoding::BASE64.encode(name))
}

/// What an answer says.
fn said(answer: &HttpResponse, is_current: bool) -> Result<Said, Mishap> {
    let found = reply(answer);
    let code = found.as_ref().and_then(|reply| reply.pointer("/error/code")?.as_i64());
    match (answer.status, found) {
        // Older servers miss a session, or refuse the revision; -32022 says that it is not supported.
        (400, _) if is_current && !matches!(code, Some(-32_020 | -32_021 | -32_602)) => Ok(Said::SpeaksNone),
        (404 | 405, _) if !(is_current && code == Some(-32_601)) => Ok(Said::SpeaksNone),
        (_, Some(reply)) => match (reply.get("result"), reply.get("error")) {
            (Some(result), _) => Ok(Said::Result(result.clone())),
            // A server before the current revision knows nothing of a call without a handshake.
            (None, Some(_)) if is_current && code == Some(-32_600) => Ok(Said::SpeaksNone),
            (None, Some(error)) => Ok(Said::Error(told(error))),
            (None, None) => Err(nonsense("the server answers with no result")),
        },
        (200..300, None) => Err(nonsense("the server's answer is no message of MCP")),
        (500.., None) if !matches!(answer.status, 501 | 503) => Err(Mishap::Unknown(refused_by(answer))),
        (_, None) => Err(refused_by(answer).into()),
    }
}

/// What was done is not known.
fn nonsense(message: &str) -> Mishap {
    Mishap::Unknown(Failure::new(MCP_ERROR, message))
}

fn refused_by(answer: &HttpResponse) -> Failure {
    let status = answer.status;
    Failure::new(HTTP_STATUS, format!("the server answered with status {status}"))
        .with_details(Value::map([("statusCode", status)]))
}

fn told(error: &Value) -> Failure {
    let message = error.get("message").and_then(Value::as_str).unwrap_or("the server gives no reason");
    let code = error.get("code").cloned().unwrap_or_default();
    Failure::new(MCP_ERROR, message.to_owned()).with_details(Value::map([("code", code)]))
}

/// The reply in an answer: the whole of it, or the last event that is one.
fn reply(answer: &HttpResponse) -> Option<Value> {
    let kind = call::header(&answer.headers, "content-type").unwrap_or_default();
    // Whoever stands before the server, or looks at tokens, has errors of another form.
    let is_error = |message: &Value| message.pointer("/error/code").and_then(Value::as_i64).is_some();
    let is_reply = |message: &Value| message.get("result").is_some() || is_error(message);
    if kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream") {
        let text = String::from_utf8_lossy(&answer.body);
        let events = sse::data(&text).into_iter().rev();
        return events.filter_map(|data| Value::from_json(data.as_bytes()).ok()).find(is_reply);
    }
    Value::from_json(&answer.body).ok().filter(is_reply)
}

fn out(result: &Value) -> Result<Out, Mishap> {
    if result.get("resultType").and_then(Value::as_str).is_some_and(|kind| kind != "complete") {
        let message = "the tool asks for something that a flow cannot answer";
        return Err(Failure::new(MCP_ERROR, message).into());
    }
    Ok(Out {
        content: result.get("content").cloned().unwrap_or_else(|| Value::list::<Value>([])),
        structured_content: result.get("structuredContent").cloned().unwrap_or_default(),
        is_error: result.get("isError").and_then(Value::as_bool).unwrap_or(false),
    })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, kind: &str, body: &'static str) -> HttpResponse {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        HttpResponse { status, headers, body: Bytes::from_static(body.as_bytes()), took: Duration::ZERO }
    }

    #[test]
    fn an_answer_is_json_or_the_last_reply_of_a_stream() {
        let stream = "event: message\ndata: {\"method\":\"notifications/progress\"}\n\n: beat\n\ndata: {\"result\":\ndata: {\"n\":1}}\r\n\r\n";
        for (kind, body) in [("application/json", "{\"result\":{\"n\":1}}"), ("text/event-stream", stream)] {
            let Ok(Said::Result(result)) = said(&answer(200, kind, body), true) else { panic!("{kind}") };
            assert_eq!(result.to_json(), r#"{"n":1}"#);
        }
        assert!(matches!(said(&answer(200, "text/html", "<html>"), true), Err(Mishap::Unknown(_))));
    }

    #[test]
    fn what_an_error_means() {
        let json = |status, body| said(&answer(status, "application/json", body), true);
        assert!(matches!(json(200, r#"{"error":{"code":-32602,"message":"Unknown tool"}}"#), Ok(Said::Error(_))));
        assert!(matches!(json(400, r#"{"error":{"code":-32602,"message":"bad"}}"#), Ok(Said::Error(_))));
        assert!(matches!(json(400, r#"{"error":{"code":-32000,"message":"no session"}}"#), Ok(Said::SpeaksNone)));
        assert!(matches!(json(400, "Bad Request"), Ok(Said::SpeaksNone)));
        assert!(matches!(json(404, r#"{"error":{"code":-32601,"message":"?"}}"#), Ok(Said::Error(_))));
        assert!(matches!(json(401, ""), Err(Mishap::Failed(_))));
        for body in [r#"{"error":"UNAUTHORIZED","message":"no"}"#, r#"{"error":{"message":"no"}}"#, r#"{"error":null}"#]
        {
            let Err(Mishap::Failed(failure)) = json(401, body) else { panic!("{body}") };
            assert_eq!(
                (&*failure.code, failure.message.as_str()),
                (HTTP_STATUS, "the server answered with status 401")
            );
        }
        assert!(matches!(json(200, r#"{"error":"odd"}"#), Err(Mishap::Unknown(_))));
        assert!(matches!(json(503, ""), Err(Mishap::Failed(_))));
        assert!(matches!(json(500, ""), Err(Mishap::Unknown(_))));
    }

    #[test]
    fn a_name_that_is_no_header_is_encoded() {
        assert_eq!(encoded("get_weather"), "get_weather");
        assert_eq!(encoded("größe"), "=?base64?Z3LDtsOfZQ==?=");
        assert_eq!(encoded("a\r\nb"), "=?base64?YQ0KYg==?=");
    }
}
