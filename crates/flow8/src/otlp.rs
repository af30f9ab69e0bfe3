//! Traces, sent by OTLP over HTTP as JSON, many spans at a time. Whatever waits is bounded: a
//! collector that does not answer costs spans, and never a play.

use std::time::Duration;

use engine::driver::{Span, SpanKind};
use gateway::Stop;
use model::limits::{SPANS_AT_ONCE, SPANS_KEPT};
use model::time::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::installation::{Installation, OpenError, service};

/// How long spans are gathered before they are sent.
const GATHERED: Duration = Duration::from_secs(1);

/// How long a collector may take to take them.
const TAKEN: Duration = Duration::from_secs(5);

/// Begins to send traces, where the settings say where to. It ends when it is time to stop, and all
/// that had come by then is sent.
///
/// # Errors
/// Where calls out cannot be made as the settings want it.
pub(crate) fn start(
    config: &Config,
    installation: &Installation,
    stop: Stop,
) -> Result<Option<JoinHandle<()>>, OpenError> {
    let Some(endpoint) = &config.otel.endpoint else { return Ok(None) };
    let url = format!("{}/v1/traces", endpoint.url().as_str().trim_end_matches('/'));
    let http = service(config)?;
    let (taker, spans) = mpsc::channel(SPANS_KEPT);
    installation.engine.hand_spans_to(taker, config.otel.sample_ratio.get());
    let replica = installation.engine.replica().to_string();
    let collector = Collector { http, url, replica, is_reached: true };
    Ok(Some(tokio::spawn(send(collector, spans, stop))))
}

/// Who keeps the traces.
struct Collector {
    http: reqwest::Client,
    url: String,
    replica: String,
    /// Whether it took what it was sent last.
    is_reached: bool,
}

async fn send(mut collector: Collector, mut spans: mpsc::Receiver<Span>, mut stop: Stop) {
    let mut gathered = Vec::new();
    let mut is_over = false;
    while !is_over {
        tokio::select! {
            _ = spans.recv_many(&mut gathered, SPANS_AT_ONCE) => {}
            () = stop.wait() => is_over = true,
        }
        let more = async { while gathered.len() < SPANS_AT_ONCE && spans.recv_many(&mut gathered, 1).await > 0 {} };
        // Few at a time would be many calls; whoever looks at a trace waits a second gladly.
        tokio::select! {
            () = more => {}
            () = tokio::time::sleep(GATHERED) => {}
            () = stop.wait() => is_over = true,
        }
        if is_over {
            while let Ok(span) = spans.try_recv() {
                gathered.push(span);
            }
        }
        for some in gathered.chunks(SPANS_AT_ONCE) {
            collector.take(some).await;
        }
        gathered.clear();
    }
}

impl Collector {
    async fn take(&mut self, spans: &[Span]) {
        let body = serde_json::to_vec(&message(spans, &self.replica)).unwrap_or_default();
        let request = self.http.post(&self.url).header(http::header::CONTENT_TYPE, "application/json").body(body);
        let outcome = match request.timeout(TAKEN).send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(answer.status().to_string()),
            Err(error) => Err(error.without_url().to_string()),
        };
        match outcome {
            Ok(()) => self.is_reached = true,
            // Once, and not with every try.
            Err(error) if self.is_reached => {
                tracing::warn!(%error, "otel.endpoint does not take traces; those that it does not take are lost");
                self.is_reached = false;
            }
            Err(_) => {}
        }
    }
}

/// Spans, as OTLP has them in JSON.
fn message(spans: &[Span], replica: &str) -> Value {
    let resource =
        [("service.name", "flow8"), ("service.version", env!("CARGO_PKG_VERSION")), ("service.instance.id", replica)];
    json!({"resourceSpans": [{
        "resource": {"attributes": resource.map(|(key, value)| attribute(key, value))},
        "scopeSpans": [{"scope": {"name": "flow8"}, "spans": spans.iter().map(span).collect::<Vec<_>>()}],
    }]})
}

fn span(span: &Span) -> Value {
    let kind = match span.kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
    };
    let attributes: Vec<Value> = span.attributes.iter().map(|(key, value)| attribute(key, value)).collect();
    json!({
        "traceId": hex(&span.at.trace),
        "spanId": hex(&span.at.span.0),
        "parentSpanId": if span.parent.is_none() { String::new() } else { hex(&span.parent.0) },
        "name": span.name,
        "kind": kind,
        "startTimeUnixNano": nanos(span.began),
        "endTimeUnixNano": nanos(span.ended.max(span.began)),
        "attributes": attributes,
        "status": if span.is_error { json!({"code": 2}) } else { json!({}) },
    })
}

fn attribute(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// 64 bits are text in this JSON.
fn nanos(at: Timestamp) -> String {
    (i128::from(at.0) * 1_000_000).to_string()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
