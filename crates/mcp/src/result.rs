//! What a call answers: content that was made, where a play stands, or what went wrong.

use engine::driver::AdmitError;
use model::limits::MCP_RESULT_BYTES;
use model::play::PlayState;
use model::value::Value;
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, MetaObject, ProtocolVersion};

use channels::Called;

use crate::schema;

/// The name under which a result's `_meta` has the play.
const PLAY: &str = "flow8/playId";

/// A value in the words of serde.
pub(crate) fn plain(value: &Value) -> serde_json::Value {
    serde_json::from_str(&value.to_json()).unwrap_or_default()
}

/// A value as a result: as text, and structured where the client's revision takes it so.
pub(crate) fn of_value(value: &Value, revision: Option<&ProtocolVersion>) -> CallToolResult {
    // Numbers are exact in the text.
    let text = match value {
        Value::Text(text) => text.to_string(),
        other => other.to_json(),
    };
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    let takes_any = revision.is_some_and(|revision| *revision >= ProtocolVersion::V_2026_07_28);
    if takes_any || value.as_map().is_some() {
        result.structured_content = Some(plain(value));
    }
    result
}

/// Something that a model may read and do better.
pub(crate) fn wrong(code: &str, message: impl Into<String>) -> CallToolResult {
    failed(&Value::map([("error", Value::from(code)), ("message", message.into().into())]))
}

pub(crate) fn failed(value: &Value) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(value.to_json())]);
    result.structured_content = value.as_map().is_some().then(|| plain(value));
    result
}

/// What became of a call. What is not as the schema of the tool says is told as a failure.
pub(crate) fn of_call(called: &Called, schema: Option<&Value>, revision: Option<&ProtocolVersion>) -> CallToolResult {
    let (header, id) = (&called.header, called.header.key.play.to_string());
    let mut body = vec![("playId", Value::from(id.clone())), ("state", header.state.as_str().into())];
    if called.plays.len() > 1 {
        body.push(("playIds", Value::list(called.plays.iter().map(ToString::to_string))));
    }
    let has_given = matches!(header.state, PlayState::Done | PlayState::Skip | PlayState::Filtered);
    let answer = called.out.as_ref().filter(|_| called.responds).and_then(responded);
    let given = answer.or_else(|| Some((called.out.clone().filter(|_| has_given)?, false)));
    let mut result = match (header.state, given) {
        (_, Some((out, is_refusal))) => {
            if out.measure(MCP_RESULT_BYTES, usize::MAX).bytes > MCP_RESULT_BYTES {
                let message = format!("the output is larger than {} KiB; read it at the play", MCP_RESULT_BYTES >> 10);
                body.push(("message", message.into()));
                of_value(&Value::map(body), revision)
            } else if is_refusal {
                failed(&out)
            } else if let Some(Err(problem)) = schema.map(|schema| schema::check(&plain(schema), &plain(&out))) {
                let message = format!("the output is not as the outputSchema of this tool says: {problem}");
                body.extend([("error", "OUTPUT_INVALID".into()), ("message", message.into())]);
                failed(&Value::map(body))
            } else {
                of_value(&out, revision)
            }
        }
        (PlayState::Fail | PlayState::Canceled, None) => {
            let error = header.error.as_ref().map(|failure| {
                Value::map([("code", Value::from(&*failure.code)), ("message", failure.message.as_str().into())])
            });
            body.push(("error", error.into()));
            failed(&Value::map(body))
        }
        _ => of_value(&Value::map(body), revision),
    };
    let mut meta = MetaObject::new();
    meta.insert(PLAY.to_owned(), id.into());
    result.meta = Some(meta);
    result
}

/// What a `respond` flowlet says, and whether it says that something is wrong.
fn responded(out: &Value) -> Option<(Value, bool)> {
    let status = out.get("statusCode").and_then(Value::as_i64)?;
    out.get("headers")?;
    Some((out.get("body")?.clone(), status >= 400))
}

/// Why nothing became of a call: for the model where it can help itself, else for whoever runs the client.
pub(crate) fn not_admitted(error: AdmitError) -> Result<CallToolResult, ErrorData> {
    let message = error.to_string();
    match error {
        AdmitError::BadArguments(_) => Ok(wrong("PAYLOAD_TOO_LARGE", message)),
        AdmitError::KeyReused => Ok(wrong("IDEMPOTENCY_KEY_REUSED", message)),
        AdmitError::LimitReached | AdmitError::QueueFull => Ok(wrong("RATE_LIMITED", message)),
        AdmitError::Overtaken(_) => Ok(wrong("CONFLICT", "somebody else was first; try again")),
        AdmitError::Flow(_) | AdmitError::Disabled(_) => {
            tracing::warn!(error = message, "a tool leads to a flow that cannot run");
            Ok(wrong("FLOW_UNAVAILABLE", "the flow behind this tool cannot run now"))
        }
        AdmitError::Draining => Err(ErrorData::internal_error(message, None)),
        AdmitError::Store(_) | AdmitError::Internal(_) => {
            tracing::error!(error = message, "a tool could not be called");
            Err(ErrorData::internal_error("flow8 cannot do that now; try again in a moment", None))
        }
    }
}

/// The store does not answer.
pub(crate) fn unreachable(error: &store::StoreError) -> ErrorData {
    tracing::error!(%error, "a request over MCP cannot be answered");
    ErrorData::internal_error("the store does not answer; try again in a moment", None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_flow_responds_is_the_result() {
        let out = |text: &str| Value::from_json(text.as_bytes()).expect("JSON");
        let responded = |text| responded(&out(text));
        let made = responded(r#"{"statusCode": 201, "headers": {}, "body": {"n": 1}}"#).expect("an answer");
        assert_eq!((made.0.to_json().as_str(), made.1), (r#"{"n":1}"#, false));
        assert!(responded(r#"{"statusCode": 404, "headers": {}, "body": "no"}"#).is_some_and(|(_, bad)| bad));
        assert_eq!(responded(r#"{"statusCode": 404}"#), None);
    }

    #[test]
    fn only_the_newest_revision_has_structured_content_that_is_no_object() {
        let (list, map) = (Value::list([1_i64]), Value::map([("n", 1_i64)]));
        let old = ProtocolVersion::V_2025_11_25;
        assert_eq!(of_value(&list, Some(&old)).structured_content, None);
        assert_eq!(of_value(&list, None).structured_content, None);
        assert!(of_value(&map, Some(&old)).structured_content.is_some());
        assert!(of_value(&list, Some(&ProtocolVersion::V_2026_07_28)).structured_content.is_some());
    }
}
