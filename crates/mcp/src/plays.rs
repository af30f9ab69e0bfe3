//! Plays as resources: `flow8://plays/{id}` is the record of one, as the API shows it to whoever asks.

use model::ids::PlayId;
use model::value::Value;
use rmcp::ErrorData;
use rmcp::model::{CacheScope, ReadResourceResult, ResourceContents, ResourceTemplate};

use crate::door::{ApiCall, Caller};

/// How the address of a play begins.
const PLAYS: &str = "flow8://plays/";

/// What a client sees of all plays.
pub(crate) fn template() -> ResourceTemplate {
    ResourceTemplate::new(format!("{PLAYS}{{id}}"), "play")
        .with_title("A play")
        .with_description(
            "The record of one run of a flow: its state, arguments and output, and what each flowlet did.",
        )
        .with_mime_type("application/json")
}

fn get(path: String) -> ApiCall {
    ApiCall { method: http::Method::GET, path, body: None }
}

/// Reads one.
///
/// # Errors
/// Where there is none, or it cannot be read now.
pub(crate) async fn read(caller: &dyn Caller, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let unknown = || ErrorData::resource_not_found(format!("there is no resource {PLAYS}… of that name"), None);
    let id: PlayId = uri.strip_prefix(PLAYS).and_then(|id| id.parse().ok()).ok_or_else(unknown)?;
    let play = caller.api(get(format!("/plays/{id}"))).await;
    if !play.is_granted {
        return Err(unknown());
    }
    let layers = caller.api(get(format!("/plays/{id}/layers?size=100"))).await;
    let layers = if layers.is_granted { layers.body } else { Value::Null };
    let record = Value::map([("play", play.body), ("layers", layers)]);
    let text = ResourceContents::text(record.to_json(), uri).with_mime_type("application/json");
    let mut result = ReadResourceResult::new(vec![text]);
    (result.ttl_ms, result.cache_scope) = (Some(0), Some(CacheScope::Private));
    Ok(result)
}
