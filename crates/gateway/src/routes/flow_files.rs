//! Flows as files.

use engine::flows::EditError;
use http::{Method, StatusCode};
use model::flow::{Flow, FlowDef};
use model::value::{Value, from_value, to_value};

use super::flows::{ById, EditQuery, FlowView, publish_if_sound, reply};
use crate::access::Permission;
use crate::answer::{Bytes, Reply};
use crate::body::Document;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::reach::Reach;

/// What a flow file says it is.
const API_VERSION: &str = "flow8/v1";
const KIND: &str = "Flow";

/// What flow8 adds to a definition when it shows a flow; taken back with it, these count for nothing.
const SHOWN_ONLY: [&str; 8] =
    ["id", "revision", "publishedRevision", "version", "published", "createdAt", "updatedAt", "problems"];

pub(super) fn routes() -> Vec<Route> {
    let (view, edit) = (Permission::FlowsView, Permission::FlowsEdit);
    vec![
        Route::about(
            (Method::GET, "/flows/{id}/export"),
            "exportFlow",
            view,
            "Gives the draft as a YAML file.",
            export,
        )
        .gives(&["application/yaml"]),
        Route::about(
            (Method::POST, "/flows/import"),
            "importFlow",
            edit,
            "Makes a flow of a file, or replaces the one of that permanent id.",
            import,
        )
        .also(201, "A new flow."),
    ]
}

/// The definition in a document.
pub(super) fn definition(value: &Value) -> Result<FlowDef, ApiError> {
    let Some(map) = value.as_map() else {
        return Err(ApiError::invalid(format!("a flow is an object, not a {}", value.type_name())));
    };
    for (key, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        match map.get(key) {
            Some(found) if found.as_str() != Some(expected) => {
                return Err(ApiError::invalid(format!("{key}: is {expected:?}, not {}", found.to_json())));
            }
            _ => {}
        }
    }
    let keep = |key: &str| !SHOWN_ONLY.contains(&key) && key != "apiVersion" && key != "kind";
    let kept: model::Map =
        map.iter().filter(|(key, _)| keep(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
    Ok(from_value(&kept.into())?)
}

async fn export(_: Call<ById>, flow: Flow) -> Result<Bytes, ApiError> {
    let file_name = format!("{}.yaml", flow.permanent_id);
    let def = to_value(&flow.draft)?;
    let head = [("apiVersion", Value::from(API_VERSION)), ("kind", KIND.into())];
    let head = head.into_iter().map(|(key, value)| (key.into(), value));
    let body = def.as_map().into_iter().flat_map(|map| map.iter().map(|(key, value)| (key.clone(), value.clone())));
    let whole: model::Map = head.chain(body).collect();
    let text = yaml::write(&whole.into());
    Ok(Bytes { media: "application/yaml", bytes: text.into(), file_name: Some(file_name) })
}

async fn import(call: Call<Nothing, EditQuery, Document>, reach: Reach) -> Result<Reply<FlowView>, ApiError> {
    let def = definition(&call.body.0)?;
    let (engine, edit) = (&call.app.engine, call.edit()?);
    let existing = match &def.permanent_id {
        Some(slug) => engine.flow(edit.company, slug).await?,
        None => None,
    };
    let (status, flow) = match existing {
        // As if another flow were made of that name.
        Some((flow, _)) if !reach.holds(flow.draft.group_id) => {
            return Err(EditError::SlugTaken(flow.permanent_id).into());
        }
        Some((flow, _)) if flow.draft == def && flow.published_revision == Some(flow.revision) => {
            return Ok(reply(StatusCode::OK, FlowView::of(flow, None)));
        }
        Some((flow, _)) => {
            (StatusCode::OK, engine.edit_flow(&edit, &flow.id.to_string(), None, |_| Ok(def.clone())).await?)
        }
        None => (StatusCode::CREATED, engine.create_flow(&edit, def).await?),
    };
    let view = publish_if_sound(&call, flow, call.query.draft).await?;
    Ok(reply(status, view))
}
