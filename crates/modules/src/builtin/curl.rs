//! `curl`: calls an HTTP peer. An answer is data whatever its status, unless the flow says which
//! it expects; only where there is none, the attempt fails.
//!
//! Every method but GET and HEAD carries `Idempotency-Key`, the same for all attempts, unless
//! the flow sets that header itself. Where the peer may have acted on a call that writes, the
//! outcome is unknown and the flowlet's `inDoubt` decides.
//!
//! The place of the attempt in a trace is sent as `traceparent`, unless the flow sets that, too.
//!
//! With `expectStatus`, any other status is a mishap, so that `retry`, `onError` and `compensate`
//! see it. A call that writes and is answered with 2xx or 5xx all the same may have taken effect;
//! with 501, 503 or anything else it has not.
//!
//! The body of an answer is never a reason to fail, since the call is done by then: what says to
//! be JSON and is not, is given as text.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use model::Value;
use model::failure::Failure;
use model::limits::HTTP_BODY_BYTES;
use schemars::JsonSchema;
use sdk::component::Kind;
use sdk::http::{HttpRequest, HttpResponse};
use sdk::{Class, EffectCtx, Group, Mishap, Module, Nature};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::arguments::{Object, Seconds, Text, refused};
use crate::call::{self, BasicAuth, Headers};
use crate::encoding::BASE64;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS …
    #[serde(default = "get")]
    method: Text,
    /// Where to: http or https, without name and password. With a component of kind request: a path below
    /// its baseUrl.
    url: Text,
    /// Headers: a text, or a list of texts, by name.
    headers: Option<Object>,
    /// Parameters that are added to the query of the URL; a list gives its name several times.
    query: Option<Object>,
    /// The body: a text as it is, anything else as JSON.
    body: Option<Value>,
    /// The body as the fields of a form, in place of body.
    body_form: Option<Object>,
    /// Seconds that all of it may take.
    #[serde(default = "half_a_minute")]
    timeout: Seconds,
    /// Whether to go where an answer of 3xx points.
    #[serde(default = "yes")]
    follow_redirects: bool,
    /// The statuses of a good answer, such as [200, 404]. Any other fails the attempt, and is
    /// tried again where the flowlet says so. All of them are data where it is left out.
    #[schemars(inner(range(min = 100, max = 599)))]
    expect_status: Option<Vec<u16>>,
    /// What the body of the answer is: json, text, or binary (given as base64). By its content
    /// type where it is left out.
    response_type: Option<ResponseType>,
    /// A name and a password.
    basic_auth: Option<BasicAuth>,
    /// A bearer token; best read from $secret.
    bearer_token: Option<Text>,
}

fn get() -> Text {
    "GET".into()
}

const fn half_a_minute() -> Seconds {
    Seconds::of(30)
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "camelCase")]
enum ResponseType {
    Json,
    Text,
    Binary,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The status of the answer: 200 …
    status_code: u16,
    /// The body of the answer; null where it is empty.
    body: Value,
    /// The headers of the answer, names in lower case.
    headers: Value,
    /// How long it took, in milliseconds.
    duration: u64,
}

pub(crate) fn module() -> Module {
    Module::effect("curl", Group::Http, "Calls an HTTP peer.", Nature::WRITE, run).takes_link().may_be_on(Kind::Request).by_args(nature).example_args(
        r#"{"method":"POST","url":"https://api.example.com/invoices","body":{"total":1.10},"bearerToken":"{{ $secret.token }}"}"#,
    )
}

/// Reads are harmless; PUT and DELETE are as good twice as once; of the others nobody knows.
fn nature(args: &Value) -> Nature {
    let method = args.get("method").and_then(Value::as_str).unwrap_or("GET");
    match method.trim().to_ascii_uppercase().as_str() {
        "GET" | "HEAD" | "OPTIONS" => Nature::READ,
        "PUT" | "DELETE" => Nature::PUT,
        _ => Nature::WRITE,
    }
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    let method = args.method.trim().to_ascii_uppercase();
    if http::Method::from_bytes(method.as_bytes()).is_err() || method == "CONNECT" {
        return Err(refused("method: is not the name of a method").into());
    }
    let writes = nature(&Value::map([("method", &*method)])).class == Class::Write;
    let mut headers = Headers::of(args.headers.as_ref())?;
    headers.authorize(args.basic_auth.as_ref(), args.bearer_token.as_ref())?;
    let (url, http) = match ctx.components.get(&Kind::Request) {
        None => (args.url.to_string(), ctx.http.clone()),
        Some(component) => {
            let base = ctx.backends.request.base(component).await?;
            let url = base.below(&args.url)?;
            headers.of_base(&base)?;
            (url, base.http)
        }
    };
    headers.lend(ctx.credential.as_ref(), &url)?;
    if method != "GET" && method != "HEAD" && !headers.has("idempotency-key") {
        headers.add("idempotency-key", &ctx.idempotency_key)?;
    }
    if let Some(trace) = ctx.traceparent.as_deref().filter(|_| !headers.has("traceparent")) {
        headers.add("traceparent", trace)?;
    }
    let body = body(args.body, args.body_form.as_ref(), &mut headers)?;
    let request = HttpRequest {
        company: ctx.company,
        url: with_query(&url, args.query.as_ref())?,
        headers: headers.into_pairs(),
        body,
        timeout: call::timeout(&ctx, Some(args.timeout), Duration::MAX),
        // A component may be where flows may not go: nobody else says where its calls lead.
        follow_redirects: args.follow_redirects && !ctx.components.contains_key(&Kind::Request),
        max_body: HTTP_BODY_BYTES,
        method,
    };
    let answer = http.send(request).await.map_err(|error| call::mishap(error, writes))?;
    if let Some(expected) = args.expect_status {
        check_status(answer.status, &expected, writes)?;
    }
    let body = answered_body(&answer, args.response_type);
    Ok(Out {
        status_code: answer.status,
        body,
        headers: call::answered(answer.headers),
        duration: u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX),
    })
}

/// The peer answered with a status that the flow does not expect.
const HTTP_STATUS: &str = "HTTP_STATUS";

/// Looks whether a status is one of those that are expected.
fn check_status(status: u16, expected: &[u16], writes: bool) -> Result<(), Mishap> {
    if expected.contains(&status) {
        return Ok(());
    }
    let failure = Failure::new(HTTP_STATUS, format!("the peer answered with status {status}"))
        .with_details(Value::map([("statusCode", status)]));
    let is_refusal = !matches!(status, 200..300 | 500..600) || matches!(status, 501 | 503);
    Err(if writes && !is_refusal { Mishap::Unknown(failure) } else { Mishap::Failed(failure) })
}

/// The URL with the parameters behind those that it has.
fn with_query(url: &str, query: Option<&Object>) -> Result<String, Failure> {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(url.trim().to_owned()) };
    // What is wrong with the URL may be told by nobody: it may hold secrets.
    let mut url = Url::parse(url.trim()).map_err(|_| refused("url: is no URL such as https://example.com/path"))?;
    let mut pairs = url.query_pairs_mut();
    for_each_field("query", query, |name, value| {
        pairs.append_pair(name, value);
    })?;
    drop(pairs);
    Ok(url.into())
}

/// The body, and the header that says what it is.
fn body(body: Option<Value>, form: Option<&Object>, headers: &mut Headers) -> Result<Option<Bytes>, Failure> {
    let (bytes, kind) = match (body, form) {
        (Some(_), Some(_)) => return Err(refused("give either body or bodyForm")),
        (None, None) => return Ok(None),
        (Some(Value::Text(text)), None) => (Bytes::copy_from_slice(text.as_bytes()), "text/plain; charset=utf-8"),
        (Some(value), None) => (value.to_json().into(), "application/json"),
        (None, Some(form)) => {
            let mut fields = form_urlencoded::Serializer::new(String::new());
            for_each_field("bodyForm", form, |name, value| {
                fields.append_pair(name, value);
            })?;
            (fields.finish().into(), "application/x-www-form-urlencoded")
        }
    };
    if !headers.has("content-type") {
        headers.add("content-type", kind)?;
    }
    Ok(Some(bytes))
}

/// Goes through the fields of a form or a query; null is left out.
fn for_each_field(name: &str, fields: &Object, mut each: impl FnMut(&str, &str)) -> Result<(), Failure> {
    for (key, value) in fields.iter() {
        let values = value.as_list().unwrap_or(std::slice::from_ref(value));
        for value in values {
            match value {
                Value::Null => {}
                Value::Text(text) => each(key, text),
                Value::Number(_) | Value::Bool(_) => each(key, &value.to_json()),
                Value::List(_) | Value::Map(_) => {
                    return Err(refused(format!(
                        "{name}: {} must be a string, a number or a list of them; json-stringify makes text",
                        Value::Text(key.clone())
                    )));
                }
            }
        }
    }
    Ok(())
}

/// The body of an answer as a value.
fn answered_body(answer: &HttpResponse, wanted: Option<ResponseType>) -> Value {
    let kind = call::header(&answer.headers, "content-type").unwrap_or_default().to_ascii_lowercase();
    if answer.body.is_empty() {
        return Value::Null;
    }
    match wanted {
        Some(ResponseType::Binary) => BASE64.encode(&answer.body).into(),
        Some(ResponseType::Text) => text(&answer.body, &kind),
        Some(ResponseType::Json) => json_or_text(&answer.body, &kind),
        None if is_json(&kind) => json_or_text(&answer.body, &kind),
        None => text(&answer.body, &kind),
    }
}

/// `application/json`, `application/problem+json; charset=utf-8` …
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

fn json_or_text(body: &Bytes, kind: &str) -> Value {
    Value::from_json(body).unwrap_or_else(|_| text(body, kind))
}

/// Text: UTF-8, or Latin-1 where the content type says so. Bytes that are neither become U+FFFD.
fn text(body: &Bytes, kind: &str) -> Value {
    let is_latin = kind.contains("charset=iso-8859-1") || kind.contains("charset=\"iso-8859-1\"");
    if is_latin && std::str::from_utf8(body).is_err() {
        return body.iter().map(|byte| char::from(*byte)).collect::<String>().into();
    }
    String::from_utf8_lossy(body).into_owned().into()
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::json;

    #[test]
    fn the_nature_is_by_the_method() {
        let of = |method: &str| (module().nature)(&Value::map([("method", method)]));
        assert_eq!((module().nature)(&json("{}")), Nature::READ);
        assert_eq!([of("get"), of("HEAD"), of("OPTIONS")], [Nature::READ; 3]);
        assert_eq!([of("PUT"), of(" delete ")], [Nature::PUT; 2]);
        assert_eq!([of("POST"), of("PATCH"), of("PURGE")], [Nature::WRITE; 3]);
    }

    #[test]
    fn a_body_is_what_its_type_says() {
        let answer = |kind: &str, body: &'static [u8]| HttpResponse {
            status: 200,
            headers: vec![("content-type".into(), kind.into())],
            body: Bytes::from_static(body),
            took: Duration::ZERO,
        };
        let shown = |kind: &str, body, wanted| answered_body(&answer(kind, body), wanted).to_json();
        assert_eq!(shown("application/json", b"[1.10]", None), "[1.10]");
        assert_eq!(shown("Application/Problem+JSON; charset=utf-8", b"{}", None), "{}");
        assert_eq!(shown("application/json", b"<html>", None), r#""<html>""#);
        assert_eq!(shown("text/plain", b"[1.10]", None), r#""[1.10]""#);
        assert_eq!(shown("text/plain", b"[1.10]", Some(ResponseType::Json)), "[1.10]");
        assert_eq!(shown("application/json", b"[1.10]", Some(ResponseType::Text)), r#""[1.10]""#);
        assert_eq!(shown("image/png", &[0xff, 0], Some(ResponseType::Binary)), r#""/wA=""#);
        assert_eq!(shown("text/plain; charset=ISO-8859-1", &[0xe4], None), r#""ä""#);
        assert_eq!(shown("text/plain", &[0xe4], None), "\"\u{fffd}\"");
        assert_eq!(shown("application/json", b"", None), "null");
    }

    #[test]
    fn a_status_that_is_not_expected_is_a_mishap() {
        let check = |status, writes| check_status(status, &[201, 404], writes);
        assert_eq!((check(201, true), check(404, false)), (Ok(()), Ok(())));
        for (status, writes) in [(409, true), (302, true), (503, true), (500, false), (200, false)] {
            assert!(matches!(check(status, writes), Err(Mishap::Failed(_))), "{status}");
        }
        for status in [200, 500, 502, 504] {
            assert!(matches!(check(status, true), Err(Mishap::Unknown(_))), "{status}");
        }
    }

    #[test]
    fn a_query_is_added_to_the_url() {
        let query: Object = model::value::from_value(&json(r#"{"q":"a b&c","n":[1,2.50],"no":null}"#)).expect("fits");
        assert_eq!(
            with_query("https://example.com/x?y=1#z", Some(&query)).expect("fits"),
            "https://example.com/x?y=1&q=a+b%26c&n=1&n=2.50#z"
        );
        assert!(with_query("no url", Some(&query)).is_err());
    }
}
