//! A call of a tool that leads to a flow: its arguments are checked, a play starts, and what becomes of it is the
//! answer. What a call waits for, goes on without it, unless the client cancels.

use channels::{Tool, ToolCall};
use model::limits::IDEMPOTENCY_KEY_CHARS;
use model::play::PlayKey;
use model::value::Value;
use rmcp::model::{CallToolResult, ProtocolVersion};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};

use crate::result::{not_admitted, of_call, unreachable, wrong};
use crate::service::Service;
use crate::{cancel, progress, schema};

/// The name under which a call's `_meta` has what stands for it.
const KEY: &str = "flow8/idempotencyKey";

/// Calls a tool.
pub(crate) async fn call(
    service: &Service,
    tool: &Tool,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let mut result = answer(service, tool, context).await?;
    // Clients hold what is structured against the schema, be it a failure or not.
    if result.is_error == Some(true) && tool.route().is_some_and(|route| route.output_schema.is_some()) {
        result.structured_content = None;
    }
    Ok(result)
}

async fn answer(
    service: &Service,
    tool: &Tool,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let engine = &service.engine;
    let given = service.asked.params().and_then(|params| params.get("arguments"));
    let args = given.filter(|args| !args.is_null()).cloned().unwrap_or_else(Value::empty_map);
    if let Some(schema) = tool.route().and_then(|route| route.input_schema.as_ref())
        && let Err(problem) = schema::check(&crate::result::plain(schema), &crate::result::plain(&args))
    {
        return Ok(wrong("VALIDATION_ERROR", format!("arguments: {problem}")));
    }
    let key = match key(service.asked.params()) {
        Ok(key) => key,
        Err(problem) => return Ok(wrong("VALIDATION_ERROR", problem)),
    };
    if let Err(wait) = tool.take() {
        let seconds = wait.as_secs() + 1;
        return Ok(wrong("RATE_LIMITED", format!("too many calls of this tool; try again in {seconds} s")));
    }
    let plays = tool.foresee(engine);
    let Some(first) = plays.first() else { return Err(ErrorData::internal_error("a tool without flows", None)) };
    let play = PlayKey { company: tool.company(), play: *first };
    let revision = context.protocol_version();
    let closes = revision.as_ref().is_some_and(|revision| *revision >= ProtocolVersion::V_2026_07_28);
    if !closes
        && tool.wait().is_some()
        && let Some(named) = service.asked.named()
    {
        named.keep(engine, play.play).await.map_err(|error| unreachable(&error))?;
    }
    let after = *engine.feed().borrow();
    let asked = &service.asked;
    let wish = ToolCall { args, key, guest: asked.caller.guest(), request: asked.request.clone() };
    let called = tool.call(engine, wish, plays);
    tokio::pin!(called);
    let telling = async {
        match context.meta.get_progress_token().filter(|_| tool.wait().is_some()) {
            Some(token) => progress::tell(engine, play, after, (&context.peer, token)).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(telling);
    let called = loop {
        tokio::select! {
            biased;
            called = &mut called => break called,
            () = context.ct.cancelled(), if closes => {
                cancel::cancel(engine, play, asked.caller.actor(), "the client cancelled its call", &asked.request).await;
                return Err(ErrorData::internal_error("cancelled", None));
            }
            () = &mut telling => {}
        }
    };
    match called {
        Ok(called) => {
            let schema = tool.route().and_then(|route| route.output_schema.as_ref());
            Ok(of_call(&called, schema, revision.as_ref()))
        }
        Err(error) => not_admitted(error),
    }
}

/// What stands for a call.
fn key(params: Option<&Value>) -> Result<Option<String>, String> {
    let Some(key) = params.and_then(|params| params.get("_meta")).and_then(|meta| meta.get(KEY)) else {
        return Ok(None);
    };
    match key.as_str() {
        Some(key) if (1..=IDEMPOTENCY_KEY_CHARS).contains(&key.chars().count()) => Ok(Some(key.to_owned())),
        _ => Err(format!("_meta[{KEY:?}]: is a text of 1 to {IDEMPOTENCY_KEY_CHARS} characters")),
    }
}
